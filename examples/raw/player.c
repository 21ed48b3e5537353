/* A small player in C with sd-bus (Debian: libsystemd-dev), through either door of the agent.
 *
 * usage: player [--bus system|session|ADDRESS] [--step] method|signal MEDIA_ID
 *
 * It plays a few seconds of a film of ten minutes: a pause, a seek, an ad break, and the viewer
 * leaves. Started again, it goes on where it was. `session` takes the bus that
 * DBUS_SESSION_BUS_ADDRESS names. With --step each piece of the film lasts until a line comes on
 * standard input.
 *
 * The rule above all others: the film is played whatever becomes of the agent. It may be stopped,
 * replaced, or not there yet; when it is there it is told what is played at that moment. The exit
 * status is 2 only if the agent refused something as wrong (1: usage).
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

/* Always the well-known name: behind it is another connection after each restart of the agent. */
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
    sd_bus *bus;           /* NULL: there is none */
    bool by_signal;
    bool step;
    const char *media_id;
    double position;       /* in the film; ads do not count */
    char owner[256];       /* who has the agent's name; empty: nobody */
    bool changed;          /* that was another a moment ago */
    char *session;         /* the object that we drive; NULL when none is open */
    sd_bus_slot *closed;   /* our subscription to its end */
    bool opened;           /* a session of this viewing was open before */
    /* What is played: it is said again to an agent that has missed some of it. */
    const char *motion;    /* Play, Pause or SeekStart; NULL: not begun */
    bool in_break, in_ad;
    double break_start;
    bool told_break, told_ad; /* what the agent knows of them */
    bool behind;           /* the agent does not know what is played now */
    bool reporting;        /* false once it makes no sense to go on */
    bool lost;             /* something was not reported */
    bool wrong;            /* something was refused as wrong */
};

/* What an error means for the player. */
enum verdict { DONE, WRONG, SAY_AGAIN, OPEN_ANEW, LATER, GIVE_UP };

static enum verdict meaning_of(const sd_bus_error *error) {
    static const struct { const char *name; enum verdict verdict; } table[] = {
        /* It was done, but the box's disk is full: it may not survive a power cut. */
        { ERRORS "Storage", DONE },
        /* Illegal now; nothing was changed, and the message says what is missing. */
        { ERRORS "NotAllowed", WRONG },
        /* A key has the wrong type, or a number is not finite: a mistake of ours. */
        { ERRORS "InvalidArgs", WRONG },
        /* More events or sessions than a player may have. Slow down; never repeat in a loop. */
        { ERRORS "LimitsExceeded", SAY_AGAIN },
        /* The session has ended behind our back, or the agent has lost its store. */
        { ERRORS "NoSession", OPEN_ANEW },
        { SD_BUS_ERROR_UNKNOWN_OBJECT, OPEN_ANEW },
        /* The session is another connection's: the agent has lost its store and counts anew. */
        { ERRORS "AccessDenied", OPEN_ANEW },
        /* The bus does not let us: we are not in group playhead. No use trying. */
        { SD_BUS_ERROR_ACCESS_DENIED, GIVE_UP },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (sd_bus_error_has_name(error, table[i].name))
            return table[i].verdict;
    /* There is no agent (ServiceUnknown), it died or is slow (NoReply, Timeout), it has no
     * configuration (NotConfigured), the bus is gone (Disconnected): when it is back, or with the
     * next event, it is told what is played then. */
    return LATER;
}

static void forget_session(struct player *p) {
    p->closed = sd_bus_slot_unref(p->closed);
    free(p->session);
    p->session = NULL;
}

/* `again`: the event says what the agent may know already, and then it refuses it. */
static enum verdict judge(struct player *p, const char *what, const sd_bus_error *error,
                          bool again) {
    enum verdict verdict = meaning_of(error);
    if (again && verdict == WRONG)
        return verdict;
    if (verdict == OPEN_ANEW && !p->session)
        verdict = GIVE_UP; /* we may not even open one */
    fprintf(stderr, "%s: %s: %s\n", what, error->name, error->message ? error->message : "");
    p->wrong |= verdict == WRONG || verdict == GIVE_UP;
    p->lost |= verdict == OPEN_ANEW || verdict == LATER;
    p->behind |= verdict == LATER;
    if (verdict == OPEN_ANEW)
        forget_session(p);
    if (verdict == GIVE_UP)
        p->reporting = false;
    return verdict;
}

/* An error of our own side (no memory, no connection), in the shape that `judge` takes. */
static void failed_here(sd_bus_error *error, int r) {
    if (r < 0 && !sd_bus_error_is_set(error))
        sd_bus_error_set_errno(error, r);
}

static void agent_changed(struct player *p);

static double now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

/* Serves the bus for a time, or until a line comes on standard input. */
static void serve(struct player *p, double seconds, bool until_line) {
    double end = now() + seconds;
    for (;;) {
        int r = p->bus ? sd_bus_process(p->bus, NULL) : -ENOTCONN;
        if (p->changed) {
            p->changed = false;
            agent_changed(p);
            continue;
        }
        if (r > 0)
            continue;
        struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = -1 } };
        double left = until_line ? 3600 : end - now();
        if (left <= 0)
            return;
        uint64_t due = UINT64_MAX; /* on the monotonic clock */
        if (r == 0) { /* else the bus has gone away; the film has not */
            fds[1].fd = sd_bus_get_fd(p->bus);
            fds[1].events = (short)sd_bus_get_events(p->bus);
            sd_bus_get_timeout(p->bus, &due);
            double wait = due == UINT64_MAX ? left : due / 1e6 - now();
            left = wait < 0 ? 0 : wait < left ? wait : left;
        }
        if (!until_line)
            fds[0].fd = -1;
        poll(fds, 2, (int)(left * 1000) + 1);
        char line[100];
        if (fds[0].revents) {
            if (read(STDIN_FILENO, line, sizeof line) <= 0)
                p->step = false; /* the film plays by itself from now on */
            return;
        }
    }
}

/* The content plays; meanwhile the bus is served: `Closed`, and the agent that goes and comes. */
static void watch(struct player *p, double seconds) {
    if (p->step) {
        printf("at %.1f\n", p->position);
        fflush(stdout);
    }
    serve(p, seconds, p->step);
}

/* Why first: only the agent knows where the viewer was, after a crash or a power cut too, and the
 * decoder has to be sent there before it shows a picture. This call also has the bus start the
 * agent where it can. */
static void ask_where(struct player *p) {
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
        judge(p, "GetResumePoint", &error, false);
    sd_bus_error_free(&error);
    sd_bus_message_unref(reply);
    /* Seen to the end: a new viewing begins at the beginning. */
    p->position = completed ? 0 : position;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    (void)error;
    struct player *p = userdata;
    const char *name, *old, *new;
    if (sd_bus_message_read(m, "sss", &name, &old, &new) < 0 || strcmp(new, p->owner) == 0)
        return 0;
    snprintf(p->owner, sizeof p->owner, "%s", new);
    p->changed = true; /* not here: no calls within a callback */
    return 0;
}

/* From now on we hear when it goes and comes. */
static void look_for_the_agent(struct player *p) {
    sd_bus_message *reply = NULL;
    const char *owner = "";
    sd_bus_add_match(p->bus, NULL, "type='signal',sender='org.freedesktop.DBus',"
                     "path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                     "member='NameOwnerChanged',arg0='" AGENT "'", on_owner_changed, p);
    if (sd_bus_call_method(p->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "GetNameOwner", NULL, &reply, "s", AGENT) >= 0)
        sd_bus_message_read(reply, "s", &owner);
    snprintf(p->owner, sizeof p->owner, "%s", owner);
    sd_bus_message_unref(reply);
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

/* The info of an event: a{sv}, with the keys of docs/behaviour.md 1.1. */
typedef int info_of(sd_bus_message *m, const struct player *p);

static int nothing(sd_bus_message *m, const struct player *p) {
    (void)p;
    return sd_bus_message_append(m, "a{sv}", 0);
}

static int this_break(sd_bus_message *m, const struct player *p) {
    return sd_bus_message_append(m, "a{sv}", 3, "name", "s", "mid-roll", "position", "i", 1,
                                 "start", "d", p->break_start);
}

static int this_ad(sd_bus_message *m, const struct player *p) {
    (void)p;
    return sd_bus_message_append(m, "a{sv}", 5, "id", "s", "ad-7", "name", "s", "Soap",
                                 "position", "i", 1, "length", "d", 1.0,
                                 "metadata", "a{ss}", 1, "media.ad.advertiser", "Example");
}

/* What is played, for OpenSession and SessionStart alike. */
static int media(sd_bus_message *m, const struct player *p) {
    return sd_bus_message_append(m, "a{sv}", 6,
                                 "id", "s", p->media_id,
                                 "app", "s", APP,
                                 "name", "s", "Harbour Lights",
                                 "length", "d", LENGTH, /* seconds, not milliseconds */
                                 /* The viewing goes on in a session of another number. */
                                 "resume", "b", p->opened,
                                 "metadata", "a{ss}", 1, "media.genre", "drama");
}

/* Sends a message of the shape that every event has at either door: (d playhead, a{sv} info).
 * A signal is sent and forgotten: whether it was taken stands in the agent's property
 * RejectedEvents and in its log. A call answers when the event is safe from a crash; a player with
 * a picture to show makes it with sd_bus_call_async, or away from the thread that draws. */
static void send_event(struct player *p, const char *path, const char *interface,
                       const char *method, info_of *info, sd_bus_error *error,
                       sd_bus_message **reply) {
    sd_bus_message *m = NULL;
    int r = p->by_signal
        ? sd_bus_message_new_signal(p->bus, &m, OUR_PATH, PLAYER, method)
        : sd_bus_message_new_method_call(p->bus, &m, AGENT, path, interface, method);
    if (r >= 0)
        r = sd_bus_message_append(m, "d", p->position);
    if (r >= 0)
        r = info(m, p);
    if (r >= 0)
        r = p->by_signal ? sd_bus_send(p->bus, m, NULL)
                         : sd_bus_call(p->bus, m, PATIENCE_US, error, reply);
    failed_here(error, r);
    sd_bus_message_unref(m);
}

/* The session of a refused OpenSession that is open all the same: an earlier answer was lost, or
 * the disk is full. The message says which. */
static bool known_session(const sd_bus_error *error, char *path, size_t size) {
    const char *found = error->message ? strstr(error->message, "as session ") : NULL;
    unsigned number;
    if (!found || sscanf(found, "as session %u", &number) != 1)
        return false;
    snprintf(path, size, AGENT_PATH "/session/%u", number);
    return true;
}

static bool open_session(struct player *p) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    const char *path = OUR_PATH;
    char known[sizeof AGENT_PATH + 32];
    send_event(p, AGENT_PATH, AGENT, p->by_signal ? "SessionStart" : "OpenSession", media, &error,
               &reply);
    bool is_open = !sd_bus_error_is_set(&error);
    if (is_open) {
        if (!p->by_signal)
            failed_here(&error, sd_bus_message_read(reply, "o", &path));
        /* A session that has just begun knows of no ad. By signal it may be the one of before: what
         * has ended meanwhile has to be said, and what goes on is said again. */
        p->told_break = p->by_signal && p->told_break && !p->in_break;
        p->told_ad = p->by_signal && p->told_ad && !p->in_ad;
    } else if (known_session(&error, known, sizeof known)) {
        path = known;
        is_open = true;
    } else {
        /* LimitsExceeded too: all places are taken. With the next event it is tried again. */
        judge(p, "OpenSession", &error, false);
        p->lost = true;
    }
    if (is_open) {
        p->opened = true;
        p->session = strdup(path);
        if (!p->by_signal && p->session)
            sd_bus_match_signal(p->bus, &p->closed, AGENT, path, SESSION, "Closed", on_closed, p);
    }
    sd_bus_error_free(&error);
    sd_bus_message_unref(reply);
    return p->session != NULL;
}

/* One event. Whether the agent has answered it. */
static bool tell(struct player *p, const char *event, info_of *info, bool again) {
    for (int attempt = 0; attempt < 2; attempt++) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        enum verdict verdict = DONE;
        send_event(p, p->session, SESSION, event, info, &error, NULL);
        if (sd_bus_error_is_set(&error))
            verdict = judge(p, event, &error, again);
        sd_bus_error_free(&error);
        if (verdict == SAY_AGAIN) {
            serve(p, 1, false);
            if (!p->session)
                return false;
            continue;
        }
        if (verdict != DONE && verdict != WRONG)
            return false;
        if (strcmp(event, "AdBreakStart") == 0)
            p->told_break = true;
        else if (strcmp(event, "AdStart") == 0)
            p->told_ad = true;
        else if (strcmp(event, "AdComplete") == 0)
            p->told_ad = false;
        else if (strcmp(event, "AdBreakComplete") == 0)
            p->told_break = p->told_ad = false;
        return true;
    }
    p->lost = p->behind = true;
    return false;
}

/* Says what is played now to an agent that may know some of it. */
static bool tell_all(struct player *p) {
    if (p->told_break && !p->in_break && !tell(p, "AdBreakComplete", nothing, true))
        return false;
    if (p->told_ad && !p->in_ad && !tell(p, "AdComplete", nothing, true))
        return false;
    if (p->in_break && !p->told_break && !tell(p, "AdBreakStart", this_break, true))
        return false;
    if (p->in_ad && !p->told_ad && !tell(p, "AdStart", this_ad, true))
        return false;
    /* Between two ads the playback state cannot change. */
    return (p->in_break && !p->in_ad) || tell(p, p->motion, nothing, true);
}

/* Tells the agent what is played now, in a session that is opened if need be. */
static void catch_up(struct player *p) {
    p->behind = true;
    for (int attempt = 0; attempt < 2; attempt++) {
        if (!p->session && !open_session(p))
            return;
        if (tell_all(p)) {
            p->behind = false;
            return;
        }
        if (p->session)
            return; /* it is away again */
    }
}

static void agent_changed(struct player *p) {
    if (!p->owner[0]) {
        fprintf(stderr, "the agent is away; the film goes on\n");
        return;
    }
    /* It has kept the session and its object. By signal nobody tells us so; if it has, a second
     * start is refused, which changes nothing. */
    if (p->by_signal)
        forget_session(p);
    if (!p->motion || !p->reporting)
        return;
    catch_up(p);
    fprintf(stderr, "the agent is there and %s%s\n", p->behind ? "does not take it" : "knows ",
            p->behind || !p->session ? "" : p->session);
}

/* Something happens at the present position. */
static void say(struct player *p, const char *event, info_of *info) {
    bool last = strcmp(event, "End") == 0 || strcmp(event, "Complete") == 0;
    if (strcmp(event, "Play") == 0 || strcmp(event, "SeekComplete") == 0)
        p->motion = "Play";
    else if (strcmp(event, "Pause") == 0 || strcmp(event, "SeekStart") == 0)
        p->motion = event;
    else if (strcmp(event, "AdBreakStart") == 0)
        p->in_break = true;
    else if (strcmp(event, "AdStart") == 0)
        p->in_ad = true;
    else if (strcmp(event, "AdComplete") == 0)
        p->in_ad = false;
    else if (strcmp(event, "AdBreakComplete") == 0)
        p->in_break = p->in_ad = false;

    if (!p->reporting || !p->owner[0]) {
        p->behind = p->lost = true; /* nobody is there */
    } else if (p->session && (last || !p->behind)) {
        /* If the session turns out to be gone, another one is opened at once. */
        if (!tell(p, event, info, false) && !p->session && !last)
            catch_up(p);
    } else if (!last) {
        catch_up(p);
    }
}

static void film(struct player *p) {
    say(p, "Play", nothing);
    watch(p, 1);
    p->position += 1;

    /* A pause is Pause and Play. Ending the session and starting another would be two viewings. */
    say(p, "Pause", nothing);
    say(p, "Play", nothing);

    /* A seek has two ends: where the viewer left, and where the picture is again. Without the
     * second the agent takes the player for seeking, and the position stands still. */
    say(p, "SeekStart", nothing);
    p->position += 30;
    say(p, "SeekComplete", nothing);
    watch(p, 1);
    p->position += 1;

    /* An ad lies in a break, even if it is alone. The film's position stands still meanwhile. */
    p->break_start = p->position;
    say(p, "AdBreakStart", this_break);
    say(p, "AdStart", this_ad);
    watch(p, 1);
    say(p, "AdComplete", nothing);
    say(p, "AdBreakComplete", nothing);
    watch(p, 1);
    p->position += 1;

    /* The viewer leaves: End. When the film has run out it is Complete; one of them always. */
    say(p, p->position < LENGTH ? "End" : "Complete", nothing);
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
    bool step = argc > 1 && strcmp(argv[1], "--step") == 0;
    argv += step;
    argc -= step;
    if (argc != 3 || (strcmp(argv[1], "method") != 0 && strcmp(argv[1], "signal") != 0)) {
        fprintf(stderr, "usage: player [--bus system|session|ADDRESS] [--step] method|signal "
                "MEDIA_ID\n");
        return 1;
    }
    struct player p = {
        .by_signal = strcmp(argv[1], "signal") == 0, .step = step, .media_id = argv[2],
        .reporting = true
    };
    int r = connect_bus(&p.bus, which);
    if (r < 0) {
        fprintf(stderr, "the bus cannot be reached: %s\n", strerror(-r));
        p.bus = sd_bus_unref(p.bus);
    } else {
        sd_bus_set_method_call_timeout(p.bus, PATIENCE_US);
        ask_where(&p);
        look_for_the_agent(&p);
    }
    double start = p.position;
    film(&p);
    printf("played %s from %.1f to %.1f%s\n", p.media_id, start, p.position,
           p.lost || p.wrong ? ", not all of it reported" : "");

    forget_session(&p);
    /* Flushed before the connection goes: a signal that lies in our buffer was never sent. */
    sd_bus_flush_close_unref(p.bus);
    return p.wrong ? 2 : 0;
}
