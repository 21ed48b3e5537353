/* playhead.h: tells playheadd what a player plays. Version 1.0.0, C99, over sd-bus.
 *
 * Drop playhead.h and playhead.c into a player and link it with -lsystemd (or elogind, or basu).
 *
 *     playhead_agent *agent = playhead_new(NULL);
 *     // playhead_fd(agent) goes into the event loop, for reading; when it is readable:
 *     //     playhead_process(agent);
 *     playhead_session *film = playhead_open(agent, 0, &(struct playhead_media){
 *         .id = "film-1", .app = "tv.example.player", .name = "A Film", .length = 5400 });
 *     playhead_play(film, 0, 1);
 *     playhead_pause(film, 61.5);
 *     playhead_complete(film, 5400);
 *     playhead_session_free(film);
 *
 * What holds everywhere
 *  - No function waits for the bus or for playheadd, and none needs them: what cannot be said now
 *    waits in memory and is said when playheadd is there again, with the time at which it happened.
 *    At most PLAYHEAD_PENDING_MAX messages of an agent wait, none longer than 60 s.
 *  - Nothing is returned that a player has to check. Errors come to `on_error`. Every function takes
 *    NULL for an agent or a session and then does nothing, so that a failed playhead_new() or
 *    playhead_open() needs no `if` either.
 *  - Callbacks are called from playhead_process() and from nowhere else. In a callback every function
 *    may be called but playhead_process() and playhead_free().
 *  - An agent and its sessions belong to one thread at a time. There is no lock and no thread inside:
 *    a player that speaks from several threads holds a lock of its own around each call.
 *  - Strings and structs are copied. Strings are UTF-8. An event carries at most 64 KiB of them.
 *  - `playhead` is the position in the content in seconds (live: the second of the day). A negative
 *    one means "work it out": playheadd goes on from the last known position.
 *  - In a struct, 0 and NULL stand for "not known" or for the default.
 */
#ifndef PLAYHEAD_H
#define PLAYHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PLAYHEAD_VERSION "1.0.0"

/* How many messages of an agent wait at most; beyond it the oldest is given up and reported. */
#define PLAYHEAD_PENDING_MAX 256

/* The way to playheadd: one connection to the bus. A process needs one, whatever the number of its
 * players. */
typedef struct playhead_agent playhead_agent;

/* One playback. */
typedef struct playhead_session playhead_session;

/* What went wrong. The strings live as long as the callback. */
struct playhead_failure {
    /* What was to be said: "OpenSession", "Play", "GetResumePoint", ... */
    const char *event;
    /* InvalidArgs    a key that is missing, a number that is not finite: mend the player
     * NotAllowed     not legal at this moment; nothing has changed
     * NoSession      the session is over, and nothing was said
     * AccessDenied   the player lacks the right (group playhead)
     * LimitsExceeded too fast or too many sessions; it is said again later
     * NotConfigured  playheadd has no configuration that it can use; it is said again later
     * Storage        it was done, but would not survive a power cut
     * Dropped        `count` messages were given up, `event` is the first of them
     * or the last part of any other D-Bus error: ServiceUnknown, NoReply, Disconnected, ... */
    const char *name;
    /* One sentence: playheadd's own where it has said one. Never NULL. */
    const char *message;
    /* How many messages this is about: 1, but with Dropped. */
    unsigned count;
};

struct playhead_options {
    /* NULL or "system": the system bus; "session": the bus of the session; else a D-Bus address such
     * as "unix:path=/run/bus". */
    const char *address;
    /* Something was refused or given up. `session` is NULL if it has been freed meanwhile. */
    void (*on_error)(playhead_session *session, const struct playhead_failure *error, void *userdata);
    /* A session has closed. `reason`: complete, end, replaced, idle, background, vanished, shutdown or
     * consent. After idle and background Play revives it; after vanished and shutdown the next event
     * opens it anew; after the others it is over. A session that has been freed closes without a word, or
     * with NULL. */
    void (*on_closed)(playhead_session *session, const char *reason, void *userdata);
    void *userdata;
};

/* --- The agent ------------------------------------------------------------------------------ */

/* Makes a connection. It may be used at once: a bus that is away is tried again, after 1 s doubling to
 * 30 s. `options` may be NULL. Gives NULL only without memory or without file descriptors (it takes
 * three: the bus, an epoll and a timer), with errno set. */
playhead_agent *playhead_new(const struct playhead_options *options);

/* The file descriptor for the player's event loop: readable (POLLIN) whenever playhead_process() has
 * something to do, for timers too. It stays the same as long as the agent lives, whatever becomes of
 * the bus. It belongs to the agent: do not read it or close it. -1 for NULL. */
int playhead_fd(playhead_agent *agent);

/* Does what is to be done, without waiting, and makes the callbacks. May be called at any time.
 * Gives 1, and 0 when playhead_close() was called and has come to its end. */
int playhead_process(playhead_agent *agent);

/* The number of messages that playheadd has not answered yet. */
size_t playhead_pending(playhead_agent *agent);

/* No more is taken from now on; what waits is still said for as long as playheadd answers, at most
 * `limit_ms` milliseconds (0: 2,000). The loop goes on meanwhile, until playhead_process() gives 0.
 * Then playhead_pending() tells what was not said. A program without a loop, at its exit:
 *
 *     playhead_close(agent, 0);
 *     while (playhead_process(agent))
 *         poll(&(struct pollfd){ .fd = playhead_fd(agent), .events = POLLIN }, 1, -1);
 *     playhead_free(agent);
 *
 * A session that was neither ended nor completed is to playheadd one whose player vanished. */
void playhead_close(playhead_agent *agent, unsigned limit_ms);

/* Closes the connection now and frees the agent and all its sessions, also those that
 * playhead_session_free() was not called for. What still waits is lost, and its callbacks are not
 * called. */
void playhead_free(playhead_agent *agent);

/* --- Where the viewer was ------------------------------------------------------------------- */

struct playhead_point {
    bool known;       /* false: nothing is known of this content, and the rest is 0 */
    double position;  /* seconds */
    double length;    /* seconds; 0: not known */
    int64_t ended_at; /* milliseconds since 1970 UTC; 0: not known */
    bool completed;   /* seen to its end: the next viewing begins at 0 */
};

/* `error` is NULL, or says why there is no answer (playheadd is not there, say); `point->known` is
 * false then. Both live as long as the callback. */
typedef void playhead_point_fn(const struct playhead_point *point, const struct playhead_failure *error,
                               void *userdata);

/* Asks where the viewer was in `media_id`. `app`: the application, NULL for the player's own. The answer
 * comes within 5 s, once, unless the agent is freed before. Gives 0, or a negative errno: EINVAL,
 * ENOMEM, ENOBUFS (32 questions are open), ESHUTDOWN (playhead_close() was called); then there is no
 * answer. */
int playhead_resume_point(playhead_agent *agent, const char *app, const char *media_id,
                          playhead_point_fn *answer, void *userdata);

/* --- A session ------------------------------------------------------------------------------ */

/* A key and its value. Arrays of them end with a key that is NULL:
 *     .metadata = (struct playhead_pair[]){ { "media.show", "Harbour Lights" }, { NULL, NULL } } */
struct playhead_pair {
    const char *key;
    const char *value;
};

enum playhead_login {
    PLAYHEAD_LOGIN_UNKNOWN = 0,
    PLAYHEAD_LOGIN_AUTHENTICATED = 1,
    PLAYHEAD_LOGIN_LOGGED_OUT = 2
};

/* Who watches. Arrays of them end with a `space` that is NULL. */
struct playhead_customer_id {
    const char *space; /* the namespace, for example "crm" */
    const char *id;
    enum playhead_login login;
};

/* What is played. */
struct playhead_media {
    const char *id;           /* required: stable id of the content, no URL with a token in it */
    const char *name;         /* title; default: the id */
    double length;            /* seconds; 0: not known */
    const char *content_type; /* vod (default), live, linear, radio, song, podcast, audiobook, ... */
    const char *stream_type;  /* video (default) or audio */
    const char *app;          /* stable id of the application; default: its service or its program */
    const char *channel;      /* default: the configuration's */
    const char *player_name;  /* default: the configuration's */
    const char *app_version;
    bool resume;              /* the player says that this goes on with an earlier viewing */
    bool downloaded;          /* played from local storage; reported when it has ended */
    bool background_playback; /* goes on when the application is in the background */
    bool untracked;           /* accepted as ever, but nothing is kept or sent (`track` false) */
    int ad_ping_seconds;      /* 1 to 10; 0: the configuration's */
    /* Who watches, over the configuration. */
    const char *marketing_cloud_user_id;
    const char *visitor_id;
    const struct playhead_customer_id *customer_ids;
    const struct playhead_pair *metadata; /* names such as media.show are standard, the rest custom */
    const char *instance;     /* tells the players of one process apart; default: there is one */
};

struct playhead_ad_break {
    const char *name;
    int position; /* which break of the content, from 1 */
    double start; /* where in the content, seconds; 0: before it */
};

struct playhead_ad {
    const char *id;
    const char *name;
    int position;  /* which ad of the break, from 1 */
    double length; /* seconds */
    const struct playhead_pair *metadata; /* media.ad.* is standard, the rest custom */
};

struct playhead_chapter {
    const char *name;
    int position;  /* which chapter, from 1 */
    double start;  /* where in the content, seconds */
    double length; /* seconds */
    const struct playhead_pair *metadata;
};

/* Quality, any subset: what is 0 or negative is not said. */
struct playhead_quality {
    int64_t bitrate;        /* kbit/s */
    int64_t dropped_frames; /* in the session so far */
    int64_t fps;            /* frames per second */
    int64_t startup_ms;     /* from the viewer's action to the first frame, milliseconds */
};

/* Begins a playback at `playhead`; negative: where the viewer was. An open session of the agent with the
 * same `instance` is over from here on (`replaced`). Gives NULL only without memory or without an id;
 * that is reported too. */
playhead_session *playhead_open(playhead_agent *agent, double playhead,
                                const struct playhead_media *media);

/* The player does not use the handle again. If neither End nor Complete was said, End is said now, at
 * the position that playheadd works out. What waits is still said. */
void playhead_session_free(playhead_session *session);

/* For a player that only knows its status: says what plays now, as often as it likes, at every change
 * and every few seconds, say. Opens a session if `*session` is NULL, over, or of another `media->id` (which
 * then gets End and is freed), and keeps it in `*session`; says Play (at another rate too) or Pause (`rate`
 * 0) when that has changed, and otherwise the position. With `media` NULL nothing plays any more: End, and
 * `*session` is NULL. `*session` may be used for all other events, and is freed like one of
 * playhead_open(). */
void playhead_now(playhead_agent *agent, playhead_session **session, const struct playhead_media *media,
                  double playhead, double rate);

/* --- Events --------------------------------------------------------------------------------- */

/* The content moves: at the start, after a pause, or at another rate. `rate`: seconds of the content per
 * second, 1 as a rule, -1000 to 1000. */
void playhead_play(playhead_session *session, double playhead, double rate);
/* The viewer paused. */
void playhead_pause(playhead_session *session, double playhead);
/* The player waits for data; it has data again, and what it did before goes on. */
void playhead_buffer_start(playhead_session *session, double playhead);
void playhead_buffer_complete(playhead_session *session, double playhead);
/* The player stands still without having been told to. */
void playhead_stall(playhead_session *session, double playhead);
/* The player seeks, from this position; the picture is there again, at the new one. */
void playhead_seek_start(playhead_session *session, double playhead);
void playhead_seek_complete(playhead_session *session, double playhead);

/* A break, and the ads in it; one ad alone needs a break too. The content stands still meanwhile. */
void playhead_ad_break_start(playhead_session *session, double playhead,
                             const struct playhead_ad_break *ad_break);
void playhead_ad_break_complete(playhead_session *session, double playhead);
void playhead_ad_start(playhead_session *session, double playhead, const struct playhead_ad *ad);
void playhead_ad_complete(playhead_session *session, double playhead);
void playhead_ad_skip(playhead_session *session, double playhead);

void playhead_chapter_start(playhead_session *session, double playhead,
                            const struct playhead_chapter *chapter);
void playhead_chapter_complete(playhead_session *session, double playhead);
void playhead_chapter_skip(playhead_session *session, double playhead);

/* A state of the player is on or off: fullscreen, mute, closedCaptioning, pictureInPicture, inFocus, or a
 * name of your own of 1 to 64 of a-z A-Z 0-9 _ and '.'; 10 names a session. */
void playhead_state_start(playhead_session *session, double playhead, const char *name);
void playhead_state_end(playhead_session *session, double playhead, const char *name);

/* Quality: rides on the next hit; or the bitrate has changed. */
void playhead_qoe(playhead_session *session, double playhead, const struct playhead_quality *quality);
void playhead_bitrate_change(playhead_session *session, double playhead,
                             const struct playhead_quality *quality);

/* An error that the viewer has seen. `source`: "player" (NULL too) or "external". */
void playhead_error(playhead_session *session, double playhead, const char *id, const char *source);

/* The position, when it is not what it should be by the clock; of several that wait only the newest is
 * said. */
void playhead_playhead(playhead_session *session, double playhead);

/* The content was played to its end; or the viewer left before. One of the two ends the session. */
void playhead_complete(playhead_session *session, double playhead);
void playhead_end(playhead_session *session, double playhead);

#ifdef __cplusplus
}
#endif

#endif
