/* A player with a loop of its own around poll(): how the client joins it.
 *
 * usage: poll MEDIA_ID [ADDRESS]      (ADDRESS: of a bus; the system bus if it is left out)
 */
#define _POSIX_C_SOURCE 200809L

#include "playhead.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>

static void on_error(playhead_session *session, const struct playhead_failure *error, void *userdata) {
    (void)session, (void)userdata;
    fprintf(stderr, "%s: %s: %s\n", error->event, error->name, error->message);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: poll MEDIA_ID [ADDRESS]\n");
        return 1;
    }
    playhead_agent *agent = playhead_new(&(struct playhead_options){
        .address = argc > 2 ? argv[2] : NULL, .on_error = on_error });
    if (!agent) {
        perror("poll"); /* no memory, no descriptors: it could not play either */
        return 1;
    }
    playhead_session *film = playhead_open(agent, 0, &(struct playhead_media){
        .id = argv[1], .app = "tv.example.player", .name = "Harbour Lights", .length = 2 });
    playhead_play(film, 0, 1);

    /* The content plays for 2 s: frames, input and whatever else a player polls for. */
    double begin = seconds(), position = 0;
    while ((position = seconds() - begin) < 2) {
        struct pollfd fds[] = { { .fd = playhead_fd(agent), .events = POLLIN } };
        poll(fds, 1, (int)((2 - position) * 1000) + 1);
        if (fds[0].revents)
            playhead_process(agent);
    }
    playhead_complete(film, position);
    playhead_session_free(film);

    /* At the exit: what waits is still said, for at most 2 s. */
    playhead_close(agent, 0);
    while (playhead_process(agent))
        poll(&(struct pollfd){ .fd = playhead_fd(agent), .events = POLLIN }, 1, -1);
    size_t unsaid = playhead_pending(agent);
    playhead_free(agent);
    printf("played %s to %.1f, %zu messages not said\n", argv[1], position, unsaid);
    return 0;
}
