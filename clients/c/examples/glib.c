/* A player around a GMainLoop (GTK, GStreamer, WebKit): how the client joins it.
 *
 * usage: glib MEDIA_ID [ADDRESS]      (ADDRESS: of a bus; the system bus if it is left out)
 */
#include "playhead.h"

#include <glib-unix.h>
#include <stdio.h>

struct player {
    GMainLoop *loop;
    playhead_agent *agent;
    playhead_session *film;
};

static void on_error(playhead_session *session, const struct playhead_failure *error, void *userdata) {
    (void)session, (void)userdata;
    fprintf(stderr, "%s: %s: %s\n", error->event, error->name, error->message);
}

/* All that the client wants of the loop. */
static gboolean on_readable(gint fd, GIOCondition condition, gpointer userdata) {
    struct player *player = userdata;
    (void)fd, (void)condition;
    if (playhead_process(player->agent))
        return G_SOURCE_CONTINUE;
    g_main_loop_quit(player->loop); /* closed, and everything is said */
    return G_SOURCE_REMOVE;
}

/* The content has played to its end. */
static gboolean on_end(gpointer userdata) {
    struct player *player = userdata;
    playhead_complete(player->film, 2);
    playhead_session_free(player->film);
    playhead_close(player->agent, 0);
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: glib MEDIA_ID [ADDRESS]\n");
        return 1;
    }
    struct player player = { .loop = g_main_loop_new(NULL, FALSE) };
    player.agent = playhead_new(&(struct playhead_options){
        .address = argc > 2 ? argv[2] : NULL, .on_error = on_error });
    if (!player.agent) {
        perror("glib"); /* no memory, no descriptors: it could not play either */
        return 1;
    }
    g_unix_fd_add(playhead_fd(player.agent), G_IO_IN, on_readable, &player);
    g_timeout_add(2000, on_end, &player);

    player.film = playhead_open(player.agent, 0, &(struct playhead_media){
        .id = argv[1], .app = "tv.example.player", .name = "Harbour Lights", .length = 2 });
    playhead_play(player.film, 0, 1);
    g_main_loop_run(player.loop);

    printf("played %s to 2.0, %zu messages not said\n", argv[1], playhead_pending(player.agent));
    playhead_free(player.agent);
    g_main_loop_unref(player.loop);
    return 0;
}
