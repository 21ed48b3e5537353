/* Plays a short film again and again, and each time another allocation of the client fails: the first, the
 * second, and so on, until a run needs no more. Prints a line for each film: `said film-N` if the client
 * reports nothing lost (the test looks whether the collector got all of it), else `lost film-N`.
 *
 * usage: no_memory ADDRESS      (of a bus with a playheadd that takes as many messages as it gets)
 *
 * The Makefile links it with --wrap, so that malloc, calloc and strdup of playhead.c lead here.
 */
#define _POSIX_C_SOURCE 200809L

#include "playhead.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Allocations until one fails; below 0: it has failed. */
static long left;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__wrap_strdup(const char *text);

static bool fails(void) {
    if (left-- != 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}

char *__wrap_strdup(const char *text) {
    return fails() ? NULL : __real_strdup(text);
}

static unsigned lost;    /* messages that were reported as lost */
static unsigned refused; /* other errors: what was built on them */
static bool answered;

/* The film, and a second one that is left after a moment. The ad that ends outside of a break is refused. */
#define REFUSED 1

static void on_error(playhead_session *session, const struct playhead_failure *error, void *userdata) {
    (void)session, (void)userdata;
    if (strcmp(error->name, "Dropped") == 0)
        lost += error->count;
    else
        refused += error->count;
}

static void on_point(const struct playhead_point *point, const struct playhead_failure *error,
                     void *userdata) {
    (void)point, (void)error, (void)userdata;
    answered = true;
}

static void serve(playhead_agent *agent, const bool *until) {
    while (playhead_process(agent) && !(until && *until))
        poll(&(struct pollfd){ .fd = playhead_fd(agent), .events = POLLIN }, 1, -1);
}

/* Whether all was said, as far as the client says. */
static bool film(const char *address, long fail_at) {
    char id[32];
    snprintf(id, sizeof id, "film-%ld", fail_at);
    struct playhead_media media = {
        .id = id, .app = "tv.example.player", .instance = "main", .length = 600, .visitor_id = "v",
        .customer_ids = (struct playhead_customer_id[]){ { "crm", "77", PLAYHEAD_LOGIN_AUTHENTICATED },
                                                         { NULL, NULL, PLAYHEAD_LOGIN_UNKNOWN } },
        .metadata = (struct playhead_pair[]){ { "media.show", "Show" }, { NULL, NULL } } };
    lost = refused = 0;
    answered = false;
    left = fail_at;
    playhead_agent *agent = playhead_new(&(struct playhead_options){ .address = address,
                                                                     .on_error = on_error });
    bool told = !agent;
    int r = playhead_resume_point(agent, "tv.example.player", id, on_point, NULL);
    if (r == 0)
        serve(agent, &answered);
    told |= r == -ENOMEM;
    playhead_session *session = playhead_open(agent, 0, &media);
    playhead_play(session, 0, 1);
    playhead_chapter_start(session, 1, &(struct playhead_chapter){ "One", 1, 0, 60, media.metadata });
    playhead_chapter_complete(session, 1);
    playhead_state_start(session, 2, "mute");
    playhead_now(agent, &session, &media, 3, 0);
    media.id = "another";
    playhead_now(agent, &session, &media, 4, 1);
    playhead_ad_complete(session, 4);
    playhead_now(agent, &session, NULL, 5, 0);
    playhead_close(agent, 10000);
    serve(agent, NULL);
    bool said = !told && !lost && refused == REFUSED && playhead_pending(agent) == 0;
    playhead_free(agent);
    printf("%s %s\n", said ? "said" : "lost", id);
    return said;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: no_memory ADDRESS\n");
        return 2;
    }
    bool all;
    long run = 0;
    do
        all = film(argv[1], run++);
    while (left < 0);
    return all ? 0 : 1; /* of the last one, where nothing failed */
}
