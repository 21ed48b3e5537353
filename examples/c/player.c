/* A small player in C with the client (clients/c).
 *
 * usage: player [--bus system|session|ADDRESS] [--step] MEDIA_ID
 *
 * It plays a few seconds of a film of ten minutes: a pause, a seek, an ad break, and the viewer leaves.
 * Started again, it goes on where it was. With --step each piece of the film lasts until a line comes on
 * standard input. The film is played whatever becomes of the agent; the exit status is 2 if something was
 * refused (1: usage).
 */
#define _POSIX_C_SOURCE 200809L

#include <playhead.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Resume points are kept by (app, media id): choose a name once and never change it. */
#define APP "tv.example.player"
#define LENGTH 600.0

struct player {
    playhead_agent *agent;
    bool step;
    bool answered;   /* where the viewer was */
    double position; /* in the film; ads do not count */
    bool refused;
};

static void on_error(playhead_session *session, const struct playhead_failure *error, void *userdata) {
    struct player *p = userdata;
    (void)session;
    fprintf(stderr, "%s: %s: %s\n", error->event, error->name, error->message);
    /* The others are no mistake of the player: the agent is away, busy, or its disk is full. */
    if (strcmp(error->name, "InvalidArgs") == 0 || strcmp(error->name, "NotAllowed") == 0
        || strcmp(error->name, "AccessDenied") == 0)
        p->refused = true;
}

static void on_closed(playhead_session *session, const char *reason, void *userdata) {
    (void)session, (void)userdata;
    if (strcmp(reason, "end") != 0)
        fprintf(stderr, "the session has closed: %s\n", reason);
}

static void on_point(const struct playhead_point *point, const struct playhead_failure *error,
                     void *userdata) {
    struct player *p = userdata;
    if (error)
        fprintf(stderr, "from the beginning: %s: %s\n", error->name, error->message);
    p->position = point->completed ? 0 : point->position; /* seen to the end: a new viewing */
    p->answered = true;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The player's loop: it runs for a second of the film, or until a line comes on standard input. */
static void watch(struct player *p) {
    double end = seconds() + 1, left;
    if (p->step) {
        printf("at %.1f\n", p->position);
        fflush(stdout);
    }
    while ((left = end - seconds()) > 0 || p->step) {
        struct pollfd fds[] = { { .fd = playhead_fd(p->agent), .events = POLLIN },
                                { .fd = p->step ? STDIN_FILENO : -1, .events = POLLIN } };
        poll(fds, 2, p->step ? -1 : (int)(left * 1000) + 1);
        playhead_process(p->agent);
        char line[100];
        if (fds[1].revents) {
            p->step = read(STDIN_FILENO, line, sizeof line) > 0; /* at its end the film plays by itself */
            return;
        }
    }
}

static void play(struct player *p, const char *media_id) {
    playhead_session *film = playhead_open(p->agent, p->position, &(struct playhead_media){
        .id = media_id, .app = APP, .name = "Harbour Lights",
        .length = LENGTH, /* seconds, not milliseconds */
        .metadata = (struct playhead_pair[]){ { "media.genre", "drama" }, { NULL, NULL } } });
    playhead_play(film, p->position, 1);
    watch(p);
    p->position += 1;

    /* A pause is Pause and Play. Ending the session and starting another would be two viewings. */
    playhead_pause(film, p->position);
    playhead_play(film, p->position, 1);

    /* A seek has two ends: where the viewer left, and where the picture is again. */
    playhead_seek_start(film, p->position);
    p->position += 30;
    playhead_seek_complete(film, p->position);
    watch(p);
    p->position += 1;

    /* An ad lies in a break, even if it is alone. The film's position stands still meanwhile. */
    playhead_ad_break_start(film, p->position, &(struct playhead_ad_break){
        .name = "mid-roll", .position = 1, .start = p->position });
    playhead_ad_start(film, p->position, &(struct playhead_ad){
        .id = "ad-7", .name = "Soap", .position = 1, .length = 1,
        .metadata = (struct playhead_pair[]){ { "media.ad.advertiser", "Example" }, { NULL, NULL } } });
    watch(p);
    playhead_ad_complete(film, p->position);
    playhead_ad_break_complete(film, p->position);
    watch(p);
    p->position += 1;

    /* The viewer leaves: End. When the film has run out it is Complete; one of them always. */
    if (p->position < LENGTH)
        playhead_end(film, p->position);
    else
        playhead_complete(film, LENGTH);
    playhead_session_free(film);
}

int main(int argc, char **argv) {
    struct player p = { .answered = false };
    struct playhead_options options = { .on_error = on_error, .on_closed = on_closed, .userdata = &p };
    for (; argc > 2 && argv[1][0] == '-'; argv++, argc--) {
        if (strcmp(argv[1], "--bus") == 0 && argc > 3) {
            options.address = argv[2];
            argv++, argc--;
        } else if (strcmp(argv[1], "--step") == 0) {
            p.step = true;
        }
    }
    if (argc != 2) {
        fprintf(stderr, "usage: player [--bus system|session|ADDRESS] [--step] MEDIA_ID\n");
        return 1;
    }
    p.agent = playhead_new(&options);

    /* First the agent is asked, then the decoder is sent there and shows a picture. The answer comes, if
     * only to say that nobody is there. */
    if (playhead_resume_point(p.agent, APP, argv[1], on_point, &p) == 0)
        while (!p.answered) {
            poll(&(struct pollfd){ .fd = playhead_fd(p.agent), .events = POLLIN }, 1, -1);
            playhead_process(p.agent);
        }
    double start = p.position;
    play(&p, argv[1]);

    playhead_close(p.agent, 0);
    while (playhead_process(p.agent))
        poll(&(struct pollfd){ .fd = playhead_fd(p.agent), .events = POLLIN }, 1, -1);
    bool all = p.agent && playhead_pending(p.agent) == 0;
    playhead_free(p.agent);
    const char *rest = all ? "" : ", not all of it reported";
    printf("played %s from %.1f to %.1f%s\n", argv[1], start, p.position, rest);
    return p.refused ? 2 : 0;
}
