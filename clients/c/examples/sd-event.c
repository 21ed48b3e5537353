/* A player around sd-event: how the client joins it.
 *
 * usage: sd-event MEDIA_ID [ADDRESS]      (ADDRESS: of a bus; the system bus if it is left out)
 */
#define _POSIX_C_SOURCE 200809L

#include "playhead.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

struct player {
    playhead_agent *agent;
    playhead_session *film;
};

static void on_error(playhead_session *session, const struct playhead_failure *error, void *userdata) {
    (void)session, (void)userdata;
    fprintf(stderr, "%s: %s: %s\n", error->event, error->name, error->message);
}

/* All that the client wants of the loop. */
static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
    struct player *player = userdata;
    (void)fd, (void)revents;
    if (!playhead_process(player->agent)) /* closed, and everything is said */
        return sd_event_exit(sd_event_source_get_event(source), 0);
    return 0;
}

/* The content has played to its end. */
static int on_end(sd_event_source *source, uint64_t usec, void *userdata) {
    struct player *player = userdata;
    (void)source, (void)usec;
    playhead_complete(player->film, 2);
    playhead_session_free(player->film);
    playhead_close(player->agent, 0);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: sd-event MEDIA_ID [ADDRESS]\n");
        return 1;
    }
    struct player player = { .agent = playhead_new(&(struct playhead_options){
        .address = argc > 2 ? argv[2] : NULL, .on_error = on_error }) };
    if (!player.agent) {
        perror("sd-event"); /* no memory, no descriptors: it could not play either */
        return 1;
    }
    sd_event *loop = NULL;
    int r = sd_event_default(&loop);
    if (r >= 0)
        r = sd_event_add_io(loop, NULL, playhead_fd(player.agent), EPOLLIN, on_readable, &player);
    if (r >= 0)
        r = sd_event_add_time_relative(loop, NULL, CLOCK_MONOTONIC, 2000000, 0, on_end, &player);
    if (r >= 0) {
        player.film = playhead_open(player.agent, 0, &(struct playhead_media){
            .id = argv[1], .app = "tv.example.player", .name = "Harbour Lights", .length = 2 });
        playhead_play(player.film, 0, 1);
        r = sd_event_loop(loop);
    }
    printf("played %s to 2.0, %zu messages not said\n", argv[1], playhead_pending(player.agent));
    sd_event_unref(loop);
    playhead_free(player.agent);
    return r < 0;
}
