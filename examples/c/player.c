/* A small player in C with sd-bus (Debian: libsystemd-dev), through either door of the agent.
 *
 * usage: player [--bus system|session|ADDRESS] method|signal MEDIA_ID
 *
 * It plays a few seconds of a film of ten minutes: a pause, a seek, an ad break, and the viewer
 * leaves. Started again, it goes on where it was. `session` takes the bus that
 * DBUS_SESSION_BUS_ADDRESS names.
 *
 * The rule above all others: the film is played whatever the agent says. Reporting may fail; then
 * the exit status is 2 (1: usage, or no bus).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#define AGENT "tv.playhead.Agent1"
#define AGENT_PATH "/tv/playhead/Agent1"
#define SESSION "tv.playhead.Session1"
#define PLAYER "tv.playhead.Player1"
#define ERRORS "tv.playhead.Error."

/* Resume points are kept by (app, media id): choose a name once and never change it. */
#define APP "tv.example.player"
/* Signals come from an object path of ours. A process with several players gives each its own. */
#define OUR_PATH "/tv/example/player"
#define LENGTH 600.0
/* A synced write on a busy flash can take seconds; longer than this nobody waits. */
#define PATIENCE_US 5000000

struct player {
    sd_bus *bus;
    bool by_signal;
    const char *media_id;
    double position;       /* in the film; ads do not count */
    char *session;         /* the object that we drive; NULL when none is open */
    sd_bus_slot *closed;   /* our subscription to its end */
    bool reporting;        /* false once it makes no sense to go on */
    bool lost;             /* something was not reported */
};

/* What a failed call means for the player. */
enum verdict { GO_ON, SAY_AGAIN, OPEN_ANEW, GIVE_UP };

static enum verdict judge(const sd_bus_error *error) {
    static const struct { const char *name; enum verdict verdict; } table[] = {
        /* Illegal now; nothing was changed, and the message says what is missing. */
        { ERRORS "NotAllowed", GO_ON },
        /* A key has the wrong type, or a number is not finite: a mistake of ours. */
        { ERRORS "InvalidArgs", GO_ON },
        /* It was done, but the box's disk is full: it may not survive a power cut. */
        { ERRORS "Storage", GO_ON },
        /* More events or sessions than a player may have. Slow down; never repeat in a loop. */
        { ERRORS "LimitsExceeded", SAY_AGAIN },
        /* The session has ended behind our back: the next Play opens another. */
        { ERRORS "NoSession", OPEN_ANEW },
        { SD_BUS_ERROR_UNKNOWN_OBJECT, OPEN_ANEW },
        /* Too late to matter. Not said again: it may have been heard. */
        { SD_BUS_ERROR_NO_REPLY, GO_ON },
        { SD_BUS_ERROR_TIMEOUT, GO_ON },
        /* Another connection opened the session, or we are not in group playhead: no use trying. */
        { ERRORS "AccessDenied", GIVE_UP },
        { SD_BUS_ERROR_ACCESS_DENIED, GIVE_UP },
        /* The agent is not installed or not running. */
        { SD_BUS_ERROR_SERVICE_UNKNOWN, GIVE_UP },
        { SD_BUS_ERROR_NAME_HAS_NO_OWNER, GIVE_UP },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (sd_bus_error_has_name(error, table[i].name))
            return table[i].verdict;
    return GIVE_UP;
}

static void forget_session(struct player *p) {
    p->closed = sd_bus_slot_unref(p->closed);
    free(p->session);
    p->session = NULL;
}

static enum verdict complain(struct player *p, const char *what, const sd_bus_error *error) {
    enum verdict verdict = judge(error);
    fprintf(stderr, "%s: %s: %s\n", what, error->name, error->message ? error->message : "");
    p->lost = true;
    if (verdict == OPEN_ANEW)
        forget_session(p);
    if (verdict == GIVE_UP)
        p->reporting = false;
    return verdict;
}

/* An error of our own side (no memory, no connection), in the shape that `complain` takes. */
static void failed_here(sd_bus_error *error, int r) {
    if (r < 0 && !sd_bus_error_is_set(error))
        sd_bus_error_set_errno(error, r);
}

/* The content plays; meanwhile the bus is served, so that `Closed` is heard. */
static void watch(struct player *p, double seconds) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double end = now.tv_sec + now.tv_nsec / 1e9 + seconds;
    for (;;) {
        int r = sd_bus_process(p->bus, NULL);
        if (r > 0)
            continue;
        clock_gettime(CLOCK_MONOTONIC, &now);
        double left = end - (now.tv_sec + now.tv_nsec / 1e9);
        if (left <= 0)
            return;
        if (r == 0 && sd_bus_wait(p->bus, (uint64_t)(left * 1e6) + 1) >= 0)
            continue;
        /* The bus has gone away; the film has not. */
        struct timespec rest = { (time_t)left, (long)((left - (time_t)left) * 1e9) };
        nanosleep(&rest, NULL);
    }
}

/* Why first: only the agent knows where the viewer was, after a crash or a power cut too, and the
 * decoder has to be sent there before it shows a picture. */
static double ask_where(struct player *p) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    double position = 0;
    int completed = 0;
    int r = sd_bus_call_method(p->bus, AGENT, AGENT_PATH, AGENT, "GetResumePoint", &error, &reply,
                               "ss", APP, p->media_id);
    failed_here(&error, r);
    if (r >= 0)
        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
        const char *key = NULL;
        r = sd_bus_message_read(reply, "s", &key);
        if (r >= 0 && strcmp(key, "position") == 0)
            r = sd_bus_message_read(reply, "v", "d", &position);
        else if (r >= 0 && strcmp(key, "completed") == 0)
            r = sd_bus_message_read(reply, "v", "b", &completed);
        else if (r >= 0)
            r = sd_bus_message_skip(reply, "v");
        if (r >= 0)
            r = sd_bus_message_exit_container(reply);
    }
    failed_here(&error, r);
    if (sd_bus_error_is_set(&error))
        complain(p, "GetResumePoint", &error);
    sd_bus_error_free(&error);
    sd_bus_message_unref(reply);
    /* Seen to the end: a new viewing begins at the beginning. */
    return completed ? 0 : position;
}

static int on_closed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    (void)error;
    const char *reason = NULL;
    if (sd_bus_message_read(m, "s", &reason) < 0)
        return 0;
    fprintf(stderr, "the session has closed: %s\n", reason);
    /* After these two the object stays, and Play revives it. */
    if (strcmp(reason, "idle") != 0 && strcmp(reason, "background") != 0)
        forget_session(userdata);
    return 0;
}

/* What is played, for OpenSession and SessionStart alike. */
static int append_media(sd_bus_message *m, struct player *p) {
    return sd_bus_message_append(m, "da{sv}", p->position, 5,
                                 "id", "s", p->media_id,
                                 "app", "s", APP,
                                 "name", "s", "Harbour Lights",
                                 "length", "d", LENGTH, /* seconds, not milliseconds */
                                 "metadata", "a{ss}", 1, "media.genre", "drama");
}

static void open_session(struct player *p) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *call = NULL, *reply = NULL;
    const char *path = NULL;
    int r = p->by_signal
        ? sd_bus_message_new_signal(p->bus, &call, OUR_PATH, PLAYER, "SessionStart")
        : sd_bus_message_new_method_call(p->bus, &call, AGENT, AGENT_PATH, AGENT, "OpenSession");
    if (r >= 0)
        r = append_media(call, p);
    if (r >= 0)
        r = p->by_signal ? sd_bus_send(p->bus, call, NULL)
                         : sd_bus_call(p->bus, call, PATIENCE_US, &error, &reply);
    if (r >= 0 && !p->by_signal)
        r = sd_bus_message_read(reply, "o", &path);
    if (r >= 0 && path) {
        p->session = strdup(path);
        r = p->session ? 0 : -ENOMEM;
    }
    if (r >= 0 && path)
        r = sd_bus_match_signal(p->bus, &p->closed, AGENT, path, SESSION, "Closed", on_closed, p);
    failed_here(&error, r);
    /* Without a session nothing can be said. LimitsExceeded too: all places are taken. */
    if (sd_bus_error_is_set(&error) && complain(p, "OpenSession", &error) != GO_ON)
        p->reporting = false;
    sd_bus_error_free(&error);
    sd_bus_message_unref(reply);
    sd_bus_message_unref(call);
}

/* One event at the present position. After `event` comes its info: how many keys, then for each
 * its name, its type and its value, as sd_bus_message_append takes them. */
static void say(struct player *p, const char *event, ...) {
    for (int attempt = 0; attempt < 2 && p->reporting && (p->by_signal || p->session); attempt++) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *m = NULL;
        enum verdict verdict = GO_ON;
        int r = p->by_signal
            ? sd_bus_message_new_signal(p->bus, &m, OUR_PATH, PLAYER, event)
            : sd_bus_message_new_method_call(p->bus, &m, AGENT, p->session, SESSION, event);
        if (r >= 0)
            r = sd_bus_message_append(m, "d", p->position);
        va_list info;
        va_start(info, event);
        if (r >= 0)
            r = sd_bus_message_appendv(m, "a{sv}", info);
        va_end(info);
        /* A signal is sent and forgotten: whether it was taken stands in the agent's property
         * RejectedEvents and in its log. A call answers when the event is safe from a crash; a
         * player with a picture to show makes it with sd_bus_call_async. */
        if (r >= 0)
            r = p->by_signal ? sd_bus_send(p->bus, m, NULL)
                             : sd_bus_call(p->bus, m, PATIENCE_US, &error, NULL);
        failed_here(&error, r);
        if (sd_bus_error_is_set(&error))
            verdict = complain(p, event, &error);
        sd_bus_error_free(&error);
        sd_bus_message_unref(m);
        if (verdict != SAY_AGAIN)
            return;
        watch(p, 1);
    }
}

static void play(struct player *p) {
    if (p->reporting && !p->by_signal && !p->session)
        open_session(p);
    say(p, "Play", 0);
}

static void film(struct player *p) {
    if (p->by_signal && p->reporting)
        open_session(p);
    play(p);
    watch(p, 1);
    p->position += 1;

    /* A pause is Pause and Play. Ending the session and starting another would be two viewings. */
    say(p, "Pause", 0);
    play(p);

    /* A seek has two ends: where the viewer left, and where the picture is again. Without the
     * second the agent takes the player for seeking, and the position stands still. */
    say(p, "SeekStart", 0);
    p->position += 30;
    say(p, "SeekComplete", 0);
    watch(p, 1);
    p->position += 1;

    /* An ad lies in a break, even if it is alone. The film's position stands still meanwhile. */
    say(p, "AdBreakStart", 3, "name", "s", "mid-roll", "position", "i", 1,
        "start", "d", p->position);
    say(p, "AdStart", 5, "id", "s", "ad-7", "name", "s", "Soap", "position", "i", 1,
        "length", "d", 1.0, "metadata", "a{ss}", 1, "media.ad.advertiser", "Example");
    watch(p, 1);
    say(p, "AdComplete", 0);
    say(p, "AdBreakComplete", 0);
    watch(p, 1);
    p->position += 1;

    /* The viewer leaves: End. When the film has run out it is Complete; one of them always. */
    say(p, p->position < LENGTH ? "End" : "Complete", 0);
}

static int connect_bus(sd_bus **bus, const char *which) {
    if (strcmp(which, "system") == 0)
        return sd_bus_open_system(bus);
    if (strcmp(which, "session") == 0)
        return sd_bus_open_user(bus);
    int r = sd_bus_new(bus);
    if (r >= 0)
        r = sd_bus_set_address(*bus, which);
    if (r >= 0)
        r = sd_bus_set_bus_client(*bus, true);
    if (r >= 0)
        r = sd_bus_start(*bus);
    return r;
}

int main(int argc, char **argv) {
    const char *which = "system";
    if (argc > 2 && strcmp(argv[1], "--bus") == 0) {
        which = argv[2];
        argv += 2;
        argc -= 2;
    }
    if (argc != 3 || (strcmp(argv[1], "method") != 0 && strcmp(argv[1], "signal") != 0)) {
        fprintf(stderr, "usage: player [--bus system|session|ADDRESS] method|signal MEDIA_ID\n");
        return 1;
    }
    struct player p = {
        .by_signal = strcmp(argv[1], "signal") == 0, .media_id = argv[2], .reporting = true
    };
    int r = connect_bus(&p.bus, which);
    if (r < 0) {
        fprintf(stderr, "the bus cannot be reached: %s\n", strerror(-r));
        sd_bus_unref(p.bus);
        return 1;
    }
    sd_bus_set_method_call_timeout(p.bus, PATIENCE_US);

    p.position = ask_where(&p);
    double start = p.position;
    film(&p);
    printf("played %s from %.1f to %.1f%s\n", p.media_id, start, p.position,
           p.lost ? ", not all of it reported" : "");

    forget_session(&p);
    /* Flushed before the connection goes: a signal that lies in our buffer was never sent. */
    sd_bus_flush_close_unref(p.bus);
    return p.lost ? 2 : 0;
}
