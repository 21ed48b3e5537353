/* playhead.c: the implementation of playhead.h, which says how to use it. Version 1.0.0.
 *
 * The parts, in this order: clocks; infos (the typed dictionary of an event); reports (what the callbacks
 * will be told); the queue of a session and what is given up of it; the connection; answers; sending;
 * questions for resume points; the file descriptor; the functions of playhead.h.
 *
 * How a message gets to playheadd. An event function appends a message to the queue of its session, with
 * the time. send_all() takes the first one of each queue that is not on its way and calls playheadd.
 * The answer, in on_answer(), takes it off the queue, or leaves it there to be said again. Of a session one
 * call is on its way at a time, so that order is kept whatever happens.
 */
#if !defined(_POSIX_C_SOURCE) && !defined(_GNU_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif

#include "playhead.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#ifdef PLAYHEAD_BASU
#include <basu/sd-bus.h>
#else
#include <systemd/sd-bus.h>
#endif

#define AGENT "tv.playhead.Agent1"
#define AGENT_PATH "/tv/playhead/Agent1"
#define SESSION "tv.playhead.Session1"
#define SESSION_PATHS AGENT_PATH "/session/"
#define OUR_ERRORS "tv.playhead.Error."
#define BUS_ERRORS "org.freedesktop.DBus.Error."

#define SECOND UINT64_C(1000000) /* all times are in microseconds */
#define NEVER UINT64_MAX
/* How long a call may take. A synced write to a busy flash can take seconds. */
#define CALL_LIMIT (5 * SECOND)
/* While playheadd is away, a call is made this often: it starts one that the bus can start. */
#define AWAY_RETRY (5 * SECOND)
/* playheadd believes a time (`at`) that is not older, so older messages are given up. */
#define BELIEVED (60 * SECOND)
/* Back-off where playheadd is too busy or not configured, and where the bus is away. */
#define BACKOFF_FIRST (1 * SECOND)
#define BACKOFF_MOST (30 * SECOND)
#define CLOSE_LIMIT_MS 2000
#define QUESTIONS_MAX 32
#define INFO_BYTES_MAX (64 * 1024)
/* How many messages of the bus one playhead_process() takes. */
#define TURN_MAX 128

enum event {
    OPEN, PLAY, PAUSE, BUFFER_START, BUFFER_COMPLETE, STALL, SEEK_START, SEEK_COMPLETE, AD_BREAK_START,
    AD_BREAK_COMPLETE, AD_START, AD_COMPLETE, AD_SKIP, CHAPTER_START, CHAPTER_COMPLETE, CHAPTER_SKIP,
    STATE_START, STATE_END, QOE, BITRATE_CHANGE, ERROR, PLAYHEAD, COMPLETE, END, NO_EVENT
};

static const char *const event_names[] = {
    "OpenSession", "Play", "Pause", "BufferStart", "BufferComplete", "Stall", "SeekStart", "SeekComplete",
    "AdBreakStart", "AdBreakComplete", "AdStart", "AdComplete", "AdSkip", "ChapterStart",
    "ChapterComplete", "ChapterSkip", "StateStart", "StateEnd", "Qoe", "BitrateChange", "Error",
    "Playhead", "Complete", "End", NULL
};

/* An info: keys with their values, and all that they point to, in one block. */
struct field {
    const char *key; /* a literal */
    char type;       /* of D-Bus: s d i x b; m: a{ss}, c: a{s(si)}, v: a{sv} */
    union {
        const char *s;
        double d;
        int i;
        int64_t x;
        const struct playhead_pair *m;
        const struct playhead_customer_id *c;
        const struct info *v;
    } value;
};

struct info {
    size_t count;
    const struct field *fields;
};

struct message {
    struct message *next;
    enum event event;
    double playhead;
    uint64_t at;       /* when it happened, on CLOCK_BOOTTIME */
    bool kept;         /* it is older than playheadd believes, and is said all the same */
    bool reopened;     /* a session was opened anew for it */
    struct info *info; /* NULL: empty. Of OPEN it is the session's media */
};

/* What of a session is on its way. */
enum flight { NOTHING, OPENING, REOPENING, RESTATING, SAYING };

struct playhead_session {
    playhead_agent *agent;
    playhead_session *next;
    char *id;
    char *instance;      /* "": none */
    struct info *media;
    char *path;          /* of its object; NULL: playheadd has none for it */
    struct message *first, *last;
    enum flight flight;
    sd_bus_slot *call;
    uint64_t called;     /* when, on CLOCK_MONOTONIC */
    unsigned owner;      /* agent->owner of that moment */
    uint64_t hold_until; /* playheadd wants no more before */
    uint64_t hold;       /* the present back-off; 0: none, and nothing of it is reported */
    uint64_t last_at;
    /* What playheadd has been told: a session that is opened anew gets it again. */
    double position;     /* negative: not known */
    enum event motion;   /* PLAY, PAUSE or NO_EVENT */
    double rate;
    bool restate;        /* opened anew, and the motion is yet to be said */
    /* What the player has said. */
    enum event told_motion;
    double told_rate;
    bool ended;          /* End or Complete */
    bool superseded;     /* another session of the instance; what waits is still said */
    bool freed;
    /* It is over: nothing more is said. Why, for the player and for playhead_now(). */
    bool over;
    bool reopenable;     /* playhead_now() may open another one of the same media */
    char why[16];
};

/* What a callback will be told. */
struct report {
    struct report *next;
    playhead_session *session;
    const char *event;   /* NULL: the session has closed, and `message` is the reason */
    char name[64];
    unsigned count;
    char message[];
};

struct question {
    struct question *next;
    playhead_agent *agent;
    sd_bus_slot *call;
    playhead_point_fn *answer;
    void *userdata;
    uint64_t limit;
    bool answered;
    struct playhead_point point;
    char name[64];       /* "": no error */
    char message[256];
};

struct playhead_agent {
    struct playhead_options options;
    char *address;
    int epoll_fd, timer_fd;
    /* What the two are set to. */
    int watched_fd;
    uint32_t watched_events;
    uint64_t timer;
    sd_bus *bus;            /* NULL: there is no connection */
    sd_bus_slot *owner_slot, *closed_slot;
    bool connected;         /* the bus has greeted us */
    uint64_t connect_at, connect_wait;
    unsigned owner;         /* counts the owners of the name that were announced */
    uint64_t away_until;    /* playheadd is not there; no call before */
    char away_why[256];
    playhead_session *sessions, **last_session;
    size_t waiting;         /* messages in all queues */
    struct report *reports, **last_report;
    unsigned no_memory;     /* messages that were lost to it, not reported yet */
    const char *no_memory_event;
    struct question *questions;
    size_t open_questions;
    bool closing, closed;
    uint64_t close_limit;
};

/* --- Clocks --------------------------------------------------------------------------------- */

static uint64_t clock_us(clockid_t clock) {
    struct timespec now = { 0, 0 };
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t monotonic(void) {
    return clock_us(CLOCK_MONOTONIC);
}

/* playheadd's clock: it goes on while the box sleeps. */
static uint64_t boottime(void) {
    return clock_us(CLOCK_BOOTTIME);
}

static void earlier(uint64_t *due, uint64_t other) {
    if (other < *due)
        *due = other;
}

/* --- Infos ---------------------------------------------------------------------------------- */

/* Where a copy is written to; `at` NULL: only the size is wanted. */
struct block {
    char *at;
    size_t size;
    size_t text; /* bytes of strings in it */
};

static void *block_take(struct block *block, size_t size) {
    void *place = block->at ? block->at + block->size : NULL;
    block->size += (size + 7) / 8 * 8;
    return place;
}

static const char *block_text(struct block *block, const char *text) {
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    block->text += size;
    char *copy = block_take(block, size);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

static const struct playhead_pair *block_pairs(struct block *block, const struct playhead_pair *pairs) {
    size_t count = 0;
    while (pairs[count].key)
        count++;
    struct playhead_pair *copy = block_take(block, (count + 1) * sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        const char *key = block_text(block, pairs[i].key);
        const char *value = block_text(block, pairs[i].value ? pairs[i].value : "");
        if (copy)
            copy[i] = (struct playhead_pair){ key, value };
    }
    if (copy)
        copy[count] = (struct playhead_pair){ NULL, NULL };
    return copy;
}

static const struct playhead_customer_id *block_customers(struct block *block,
                                                          const struct playhead_customer_id *ids) {
    size_t count = 0;
    while (ids[count].space)
        count++;
    struct playhead_customer_id *copy = block_take(block, (count + 1) * sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        const char *space = block_text(block, ids[i].space);
        const char *id = block_text(block, ids[i].id ? ids[i].id : "");
        if (copy)
            copy[i] = (struct playhead_customer_id){ space, id, ids[i].login };
    }
    if (copy)
        copy[count] = (struct playhead_customer_id){ NULL, NULL, PLAYHEAD_LOGIN_UNKNOWN };
    return copy;
}

static struct info *block_info(struct block *block, const struct info *info) {
    struct info *copy = block_take(block, sizeof *copy);
    struct field *fields = block_take(block, info->count * sizeof *fields);
    for (size_t i = 0; i < info->count; i++) {
        struct field field = info->fields[i];
        switch (field.type) {
        case 's': field.value.s = block_text(block, field.value.s); break;
        case 'm': field.value.m = block_pairs(block, field.value.m); break;
        case 'c': field.value.c = block_customers(block, field.value.c); break;
        case 'v': field.value.v = block_info(block, field.value.v); break;
        default: break;
        }
        if (fields)
            fields[i] = field;
    }
    if (copy)
        *copy = (struct info){ info->count, fields };
    return copy;
}

/* A copy of an info in one block, to be freed; NULL and errno without memory or if it is too large. */
static struct info *info_copy(const struct info *info) {
    struct block block = { NULL, 0, 0 };
    block_info(&block, info);
    if (block.text > INFO_BYTES_MAX) {
        errno = EMSGSIZE;
        return NULL;
    }
    block.at = malloc(block.size);
    block.size = 0;
    return block.at ? block_info(&block, info) : NULL;
}

/* The fields of an info while it is put together. What is not known is left out. */
struct fields {
    size_t count;
    struct field fields[20];
};

static void add(struct fields *to, const char *key, char type, struct field field) {
    field.key = key;
    field.type = type;
    to->fields[to->count++] = field;
}

static void add_text(struct fields *to, const char *key, const char *text) {
    if (text)
        add(to, key, 's', (struct field){ .value.s = text });
}

static void add_double(struct fields *to, const char *key, double number) {
    add(to, key, 'd', (struct field){ .value.d = number });
}

static void add_int(struct fields *to, const char *key, int number) {
    add(to, key, 'i', (struct field){ .value.i = number });
}

static void add_positive(struct fields *to, const char *key, int64_t number) {
    if (number > 0)
        add(to, key, 'x', (struct field){ .value.x = number });
}

static void add_flag(struct fields *to, const char *key, bool flag, bool fallback) {
    if (flag != fallback)
        add(to, key, 'b', (struct field){ .value.i = flag });
}

static void add_pairs(struct fields *to, const char *key, const struct playhead_pair *pairs) {
    if (pairs && pairs[0].key)
        add(to, key, 'm', (struct field){ .value.m = pairs });
}

static int append_pairs(sd_bus_message *m, const struct playhead_pair *pairs) {
    int r = sd_bus_message_open_container(m, 'a', "{ss}");
    for (; r >= 0 && pairs->key; pairs++)
        r = sd_bus_message_append(m, "{ss}", pairs->key, pairs->value);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_customers(sd_bus_message *m, const struct playhead_customer_id *ids) {
    int r = sd_bus_message_open_container(m, 'a', "{s(si)}");
    for (; r >= 0 && ids->space; ids++)
        r = sd_bus_message_append(m, "{s(si)}", ids->space, ids->id, (int)ids->login);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_fields(sd_bus_message *m, const struct info *info, bool without_resume);

static int append_field(sd_bus_message *m, const struct field *field) {
    const char one[2] = { field->type, '\0' };
    const char *type = field->type == 'm' ? "a{ss}"
                     : field->type == 'c' ? "a{s(si)}"
                     : field->type == 'v' ? "a{sv}" : one;
    int r = sd_bus_message_open_container(m, 'e', "sv");
    if (r >= 0)
        r = sd_bus_message_append(m, "s", field->key);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'v', type);
    if (r >= 0) {
        switch (field->type) {
        case 's': r = sd_bus_message_append(m, type, field->value.s); break;
        case 'd': r = sd_bus_message_append(m, type, field->value.d); break;
        case 'x': r = sd_bus_message_append(m, type, field->value.x); break;
        case 'm': r = append_pairs(m, field->value.m); break;
        case 'c': r = append_customers(m, field->value.c); break;
        case 'v':
            r = sd_bus_message_open_container(m, 'a', "{sv}");
            if (r >= 0)
                r = append_fields(m, field->value.v, false);
            if (r >= 0)
                r = sd_bus_message_close_container(m);
            break;
        default: r = sd_bus_message_append(m, type, field->value.i); break; /* i, b */
        }
    }
    if (r >= 0)
        r = sd_bus_message_close_container(m);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_fields(sd_bus_message *m, const struct info *info, bool without_resume) {
    int r = 0;
    for (size_t i = 0; r >= 0 && info && i < info->count; i++)
        if (!without_resume || strcmp(info->fields[i].key, "resume") != 0)
            r = append_field(m, &info->fields[i]);
    return r;
}

/* --- Reports -------------------------------------------------------------------------------- */

/* A message was lost to a lack of memory. This needs none. */
static void report_no_memory(playhead_agent *agent, const char *event) {
    if (agent->no_memory++ == 0)
        agent->no_memory_event = event;
}

/* `event` NULL: the session has closed. What the player causes itself, and could cause without end before
 * it processes anything, is `merged`: one report of a session and name, which counts. */
static void report(playhead_agent *agent, playhead_session *session, const char *event, const char *name,
                   bool merged, unsigned count, const char *message) {
    for (struct report *r = merged ? agent->reports : NULL; r; r = r->next)
        if (r->session == session && r->event && strcmp(r->name, name) == 0) {
            r->count += count;
            return;
        }
    size_t size = strlen(message) + 1;
    struct report *r = malloc(sizeof *r + size);
    if (!r) {
        report_no_memory(agent, event ? event : "Closed");
        return;
    }
    r->next = NULL;
    r->session = session;
    r->event = event;
    r->count = count;
    snprintf(r->name, sizeof r->name, "%s", name);
    memcpy(r->message, message, size);
    *agent->last_report = r;
    agent->last_report = &r->next;
}

static void report_over(playhead_session *s, enum event event, unsigned count) {
    char message[64];
    snprintf(message, sizeof message, "the session is over (%s); open another one",
             s->over ? s->why : s->superseded ? "replaced" : "ended");
    report(s->agent, s, event_names[event], "NoSession", true, count, message);
}

/* The last part of a D-Bus error name. */
static const char *last_part(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && dot[1] ? dot + 1 : name;
}

static void deliver_reports(playhead_agent *agent) {
    if (agent->no_memory) {
        char message[64];
        struct playhead_failure error = { agent->no_memory_event, "Dropped", message, agent->no_memory };
        snprintf(message, sizeof message, "given up: no memory (%u in all)", agent->no_memory);
        agent->no_memory = 0;
        if (agent->options.on_error)
            agent->options.on_error(NULL, &error, agent->options.userdata);
    }
    /* What a callback adds is for the next time, so that this has an end. */
    struct report *reports = agent->reports;
    agent->reports = NULL;
    agent->last_report = &agent->reports;
    while (reports) {
        struct report *r = reports;
        reports = r->next;
        playhead_session *session = r->session && !r->session->freed ? r->session : NULL;
        if (!r->event) {
            if (agent->options.on_closed)
                agent->options.on_closed(session, r->message, agent->options.userdata);
        } else if (agent->options.on_error) {
            struct playhead_failure error = { r->event, r->name, r->message, r->count };
            agent->options.on_error(session, &error, agent->options.userdata);
        }
        free(r);
    }
}

/* --- The queue of a session ----------------------------------------------------------------- */

static void message_free(struct message *m) {
    free(m->info);
    free(m);
}

/* Takes a message out of a queue: the one after `before`, or the first. */
static void unlink_message(playhead_session *s, struct message *before) {
    struct message **place = before ? &before->next : &s->first;
    struct message *m = *place;
    *place = m->next;
    if (s->last == m)
        s->last = before;
    s->agent->waiting--;
    message_free(m);
}

/* The first message that is not on its way, and the one before it. */
static struct message *first_waiting(playhead_session *s, struct message **before) {
    *before = s->flight == NOTHING ? NULL : s->first;
    return *before ? (*before)->next : s->first;
}

static bool is_motion(enum event event) {
    return event == PLAY || event == PAUSE;
}

static bool is_last(enum event event) {
    return event == COMPLETE || event == END;
}

/* Gives up one message that is too old or too many, or keeps it without its time: what a viewing cannot do
 * without. Gives the event that was given up, or NO_EVENT. */
static enum event give_up(playhead_session *s, struct message *before) {
    struct message *m = before ? before->next : s->first;
    enum event event = m->event;
    if (event == OPEN || is_last(event)) {
        m->kept = true;
        return NO_EVENT;
    }
    if (!is_motion(event)) {
        unlink_message(s, before);
        return event;
    }
    /* Of Play and Pause the newest is kept. */
    m->kept = true;
    struct message *other_before;
    for (struct message *other = first_waiting(s, &other_before); other && other != m;
         other_before = other, other = other->next)
        if (other->kept && is_motion(other->event)) {
            event = other->event;
            unlink_message(s, other_before);
            return event;
        }
    return NO_EVENT;
}

static void report_dropped(playhead_session *s, enum event first, unsigned count, const char *why) {
    char message[sizeof s->agent->away_why + 64];
    const char *cause = s->agent->away_why;
    snprintf(message, sizeof message, "given up, %s%s%s", why, *cause ? ": " : "", cause);
    report(s->agent, s, event_names[first], "Dropped", true, count, message);
}

/* Gives up what is older than playheadd believes. */
static void give_up_old(playhead_agent *agent) {
    uint64_t now = boottime();
    for (playhead_session *s = agent->sessions; s; s = s->next) {
        enum event first = NO_EVENT;
        unsigned count = 0;
        struct message *before;
        struct message *m = first_waiting(s, &before);
        while (m && m->at + BELIEVED <= now) {
            if (!m->kept) {
                enum event gone = give_up(s, before);
                if (gone != NO_EVENT && count++ == 0)
                    first = gone;
                /* The queue has changed here or before. */
                m = first_waiting(s, &before);
                continue;
            }
            before = m;
            m = m->next;
        }
        if (count)
            report_dropped(s, first, count, "older than 60 s");
    }
}

/* Makes room: the oldest messages go. Where all that waits has to be kept, a whole session goes: one that
 * has ended rather than one that plays. */
static void give_up_many(playhead_agent *agent) {
    static const char why[] = "more messages wait than may";
    while (agent->waiting > PLAYHEAD_PENDING_MAX) {
        playhead_session *oldest = NULL, *whole = NULL;
        struct message *before = NULL, *oldest_before = NULL;
        for (playhead_session *s = agent->sessions; s; s = s->next) {
            struct message *m = first_waiting(s, &before);
            if (m && (!whole || (s->ended && !whole->ended)))
                whole = s;
            while (m && m->kept) {
                before = m;
                m = m->next;
            }
            if (m && (!oldest || m->at < (oldest_before ? oldest_before->next : oldest->first)->at)) {
                oldest = s;
                oldest_before = before;
            }
        }
        if (oldest) {
            enum event gone = give_up(oldest, oldest_before);
            if (gone != NO_EVENT)
                report_dropped(oldest, gone, 1, why);
            continue;
        }
        if (!whole)
            return;
        struct message *m = first_waiting(whole, &before);
        enum event event = m->event;
        unsigned count = 0;
        for (; m; m = before ? before->next : whole->first, count++)
            unlink_message(whole, before);
        report_dropped(whole, event, count, why);
    }
}

/* --- The end of a session ------------------------------------------------------------------- */

static void session_destroy(playhead_session *s) {
    playhead_agent *agent = s->agent;
    playhead_session **place = &agent->sessions;
    while (*place != s)
        place = &(*place)->next;
    *place = s->next;
    if (!*place)
        agent->last_session = place;
    for (struct report *r = agent->reports; r; r = r->next)
        if (r->session == s)
            r->session = NULL;
    while (s->first)
        unlink_message(s, NULL);
    sd_bus_slot_unref(s->call);
    free(s->media);
    free(s->path);
    free(s->instance);
    free(s->id);
    free(s);
}

/* Frees the sessions that nobody needs any more. */
static void collect_sessions(playhead_agent *agent) {
    for (playhead_session *s = agent->sessions, *next; s; s = next) {
        next = s->next;
        if (s->freed && !s->first)
            session_destroy(s);
    }
}

/* playheadd has no object for it, or not any more. */
static void forget_path(playhead_session *s) {
    free(s->path);
    s->path = NULL;
}

/* Nothing more is said in this session. What waits is given up; an End is done. The path stays where
 * playheadd has yet to say that the session has closed. */
static void session_over(playhead_session *s, const char *why, bool reopenable) {
    if (!s->over) {
        snprintf(s->why, sizeof s->why, "%s", why);
        s->reopenable = reopenable;
    }
    s->over = true;
    s->restate = false;
    enum event first = NO_EVENT;
    unsigned count = 0;
    struct message *before;
    for (struct message *m = first_waiting(s, &before); m; m = before ? before->next : s->first) {
        if (!is_last(m->event) && count++ == 0)
            first = m->event;
        unlink_message(s, before);
    }
    if (count)
        report_over(s, first, count);
}

/* --- The connection ------------------------------------------------------------------------- */

static void answer_question(struct question *q, const char *name, const char *message) {
    q->answered = true;
    q->call = sd_bus_slot_unref(q->call);
    snprintf(q->name, sizeof q->name, "%s", name);
    snprintf(q->message, sizeof q->message, "%s", message);
}

static void flight_over(playhead_session *s) {
    s->flight = NOTHING;
    s->call = sd_bus_slot_unref(s->call);
}

static void bus_drop(playhead_agent *agent) {
    if (!agent->bus)
        return;
    agent->owner_slot = sd_bus_slot_unref(agent->owner_slot);
    agent->closed_slot = sd_bus_slot_unref(agent->closed_slot);
    if (agent->watched_fd >= 0)
        epoll_ctl(agent->epoll_fd, EPOLL_CTL_DEL, agent->watched_fd, NULL);
    agent->watched_fd = -1;
    for (playhead_session *s = agent->sessions; s; s = s->next)
        flight_over(s);
    for (struct question *q = agent->questions; q; q = q->next)
        if (!q->answered)
            answer_question(q, "Disconnected", "there is no connection to the bus");
    sd_bus_close(agent->bus);
    agent->bus = sd_bus_unref(agent->bus);
    agent->connected = false;
}

/* The bus is gone. To playheadd we have vanished, so every session has to be opened anew. */
static void bus_lost(playhead_agent *agent, int r) {
    bus_drop(agent);
    snprintf(agent->away_why, sizeof agent->away_why, "there is no connection to the bus: %s", strerror(-r));
    for (playhead_session *s = agent->sessions; s; s = s->next) {
        forget_path(s);
        s->restate = false;
        if (s->first)
            s->first->reopened = false;
    }
    agent->connect_at = monotonic() + agent->connect_wait;
    agent->connect_wait = agent->connect_wait * 2 < BACKOFF_MOST ? agent->connect_wait * 2 : BACKOFF_MOST;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    playhead_agent *agent = userdata;
    const char *name, *old_owner, *new_owner;
    (void)error;
    if (sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner) < 0 || !*new_owner)
        return 0;
    /* A new one is asked at once, whatever the former one wanted. */
    agent->owner++;
    agent->away_until = 0;
    for (playhead_session *s = agent->sessions; s; s = s->next)
        s->hold_until = 0;
    return 0;
}

static int on_closed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    playhead_agent *agent = userdata;
    const char *path = sd_bus_message_get_path(m), *reason;
    playhead_session *s = agent->sessions;
    (void)error;
    if (!path || sd_bus_message_read(m, "s", &reason) < 0)
        return 0;
    while (s && (!s->path || strcmp(s->path, path) != 0))
        s = s->next;
    if (!s)
        return 0; /* somebody else's */
    report(agent, s, NULL, "", false, 1, reason);
    if (strcmp(reason, "idle") == 0 || strcmp(reason, "background") == 0) {
        s->motion = s->told_motion = PAUSE; /* the object stays, and Play revives it */
        return 0;
    }
    forget_path(s);
    if (strcmp(reason, "vanished") != 0 && strcmp(reason, "shutdown") != 0)
        session_over(s, reason, strcmp(reason, "replaced") != 0);
    return 0;
}

/* A match that cannot be had is done without: what it would have told is found out later. */
static int on_match(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    (void)m, (void)userdata, (void)error;
    return 0;
}

/* Leaves out which process the bus was: one that is started again is another, and will do. */
static void forget_guid(char *address) {
    char *guid;
    while ((guid = strstr(address, ",guid="))) {
        size_t length = 1 + strcspn(guid + 1, ",;");
        memmove(guid, guid + length, strlen(guid + length) + 1);
    }
}

static int bus_open(playhead_agent *agent) {
    if (!agent->address || strcmp(agent->address, "system") == 0)
        return sd_bus_open_system(&agent->bus);
    if (strcmp(agent->address, "session") == 0)
        return sd_bus_open_user(&agent->bus);
    int r = sd_bus_new(&agent->bus);
    if (r >= 0)
        r = sd_bus_set_address(agent->bus, agent->address);
    if (r >= 0)
        r = sd_bus_set_bus_client(agent->bus, 1);
    return r < 0 ? r : sd_bus_start(agent->bus);
}

static void bus_connect(playhead_agent *agent) {
    int r = bus_open(agent);
    if (r >= 0)
        r = sd_bus_add_match_async(agent->bus, &agent->owner_slot,
                                   "type='signal',sender='org.freedesktop.DBus',"
                                   "path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                                   "member='NameOwnerChanged',arg0='" AGENT "'",
                                   on_owner_changed, on_match, agent);
    if (r >= 0)
        r = sd_bus_add_match_async(agent->bus, &agent->closed_slot,
                                   "type='signal',sender='" AGENT "',interface='" SESSION "',"
                                   "member='Closed'",
                                   on_closed, on_match, agent);
    agent->away_until = 0;
    if (r < 0)
        bus_lost(agent, r);
}

/* --- Answers -------------------------------------------------------------------------------- */

/* What an error means for what was said. */
enum verdict { DONE, REFUSED, GONE, LATER, AWAY };

static enum verdict verdict_of(const sd_bus_error *error) {
    static const struct { const char *name; enum verdict verdict; } table[] = {
        { OUR_ERRORS "Storage", DONE },
        { OUR_ERRORS "NoSession", GONE },
        /* On a session: playheadd has lost its store and counts from 1 again; the number is another's. */
        { OUR_ERRORS "AccessDenied", GONE },
        { OUR_ERRORS "NotConfigured", LATER },
        { BUS_ERRORS "UnknownObject", GONE },
        { BUS_ERRORS "UnknownMethod", GONE },
        { BUS_ERRORS "UnknownInterface", GONE },
        { BUS_ERRORS "LimitsExceeded", LATER },
        { BUS_ERRORS "ServiceUnknown", AWAY },
        { BUS_ERRORS "NameHasNoOwner", AWAY },
        { BUS_ERRORS "NoReply", AWAY },
        { BUS_ERRORS "Timeout", AWAY },
        { BUS_ERRORS "TimedOut", AWAY },
        { BUS_ERRORS "Disconnected", AWAY },
        { BUS_ERRORS "NoServer", AWAY },
        { BUS_ERRORS "NoMemory", AWAY },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(error->name, table[i].name) == 0)
            return table[i].verdict;
    if (strncmp(error->name, BUS_ERRORS "Spawn.", strlen(BUS_ERRORS "Spawn.")) == 0)
        return AWAY;
    /* Too fast, or too much for any time? "... may hold 4096 bytes, this one has ..." is the latter. */
    if (strcmp(error->name, OUR_ERRORS "LimitsExceeded") == 0)
        return error->message && strstr(error->message, " may hold ") ? REFUSED : LATER;
    return REFUSED;
}

/* The session that an error tells of: it is open all the same. */
static char *session_in(const char *message) {
    const char *found = message ? strstr(message, SESSION_PATHS) : NULL;
    size_t skip = strlen(SESSION_PATHS);
    if (!found) {
        found = message ? strstr(message, "as session ") : NULL;
        skip = strlen("as session ");
    }
    if (!found)
        return NULL;
    size_t digits = strspn(found + skip, "0123456789");
    char *path = digits && digits < 20 ? malloc(strlen(SESSION_PATHS) + digits + 1) : NULL;
    if (path) {
        memcpy(path, SESSION_PATHS, strlen(SESSION_PATHS));
        memcpy(path + strlen(SESSION_PATHS), found + skip, digits);
        path[strlen(SESSION_PATHS) + digits] = '\0';
    }
    return path;
}

static void report_error(playhead_session *s, enum event event, const sd_bus_error *error) {
    report(s->agent, s, event_names[event], last_part(error->name), false, 1,
           error->message ? error->message : error->name);
}

/* The first message was said (or is given up): what playheadd knows now. */
static void first_done(playhead_session *s, bool taken) {
    struct message *m = s->first;
    bool last = is_last(m->event);
    if (m->playhead >= 0)
        s->position = m->playhead;
    if (is_motion(m->event)) {
        s->motion = m->event;
        s->rate = m->info ? m->info->fields[0].value.d : 1;
        s->restate = false;
    }
    unlink_message(s, NULL);
    if (last && taken)
        session_over(s, "ended", true);
}

/* playheadd has no such session, or not any more. */
static void gone(playhead_session *s, enum flight flight, const sd_bus_error *error) {
    struct message *m = s->first;
    forget_path(s);
    s->restate = false;
    if (is_last(m->event)) {
        first_done(s, true);
    } else if (m->reopened || flight == RESTATING) {
        report_error(s, m->event, error);
        first_done(s, false);
    }
    /* Else it stays the first, and a session is opened for it. */
}

static void opened(playhead_session *s, enum flight flight, char *path) {
    /* Another handle of this media had it: it is this one's now. */
    for (playhead_session *other = s->agent->sessions; other; other = other->next)
        if (other != s && other->path && strcmp(other->path, path) == 0) {
            forget_path(other);
            session_over(other, "replaced", false);
        }
    free(s->path);
    s->path = path;
    if (flight == OPENING) {
        first_done(s, true);
    } else {
        s->first->reopened = true;
        s->restate = s->motion != NO_EVENT;
    }
}

static void open_refused(playhead_session *s, const sd_bus_error *error) {
    report_error(s, OPEN, error);
    if (s->first->event == OPEN)
        unlink_message(s, NULL);
    session_over(s, last_part(error->name), false);
}

static void succeeded(playhead_session *s, enum flight flight, sd_bus_message *reply) {
    const char *path;
    s->hold = 0;
    s->agent->away_why[0] = '\0';
    if (flight == SAYING) {
        first_done(s, true);
    } else if (flight == RESTATING) {
        s->restate = false;
    } else if (sd_bus_message_read(reply, "o", &path) >= 0) {
        char *copy = strdup(path);
        if (copy)
            opened(s, flight, copy);
        else
            s->hold_until = monotonic() + BACKOFF_FIRST; /* it is said again */
    } else {
        const sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(
            BUS_ERRORS "InvalidSignature", "the answer to OpenSession is no object path");
        open_refused(s, &error);
    }
}

static void failed(playhead_session *s, enum flight flight, const sd_bus_error *error) {
    playhead_agent *agent = s->agent;
    bool opens = flight == OPENING || flight == REOPENING;
    enum event event = opens ? OPEN : s->first->event;
    enum verdict verdict = verdict_of(error);
    if (opens && verdict == GONE) /* no object yet, or "the agent is stopping"; or no right */
        verdict = sd_bus_error_has_name(error, OUR_ERRORS "AccessDenied") ? REFUSED : AWAY;
    if (verdict != AWAY)
        agent->away_why[0] = '\0';
    if (verdict != LATER)
        s->hold = 0;
    switch (verdict) {
    case AWAY:
        snprintf(agent->away_why, sizeof agent->away_why, "%s: %s", last_part(error->name),
                 error->message ? error->message : "");
        if (s->owner == agent->owner) /* else there is another one already */
            agent->away_until = s->called + AWAY_RETRY;
        return;
    case LATER:
        snprintf(agent->away_why, sizeof agent->away_why, "%s: %s", last_part(error->name),
                 error->message ? error->message : "");
        if (!s->hold)
            report_error(s, event, error);
        s->hold = !s->hold ? BACKOFF_FIRST : s->hold * 2 < BACKOFF_MOST ? s->hold * 2 : BACKOFF_MOST;
        s->hold_until = monotonic() + s->hold;
        return;
    case GONE:
        gone(s, flight, error);
        return;
    case DONE:
    case REFUSED:
        break;
    }
    if (opens) {
        char *path = verdict == DONE || sd_bus_error_has_name(error, OUR_ERRORS "NotAllowed")
            ? session_in(error->message) : NULL;
        if (!path) {
            open_refused(s, error);
            return;
        }
        if (verdict == DONE)
            report_error(s, OPEN, error);
        opened(s, flight, path);
    } else {
        report_error(s, event, error);
        if (flight == RESTATING)
            s->restate = false;
        else
            first_done(s, verdict == DONE);
    }
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *ret) {
    playhead_session *s = userdata;
    enum flight flight = s->flight;
    const sd_bus_error *error = sd_bus_message_get_error(m);
    (void)ret;
    flight_over(s);
    if (error)
        failed(s, flight, error);
    else
        succeeded(s, flight, m);
    if (s->over && s->first)
        session_over(s, s->why, s->reopenable); /* it closed meanwhile */
    return 0;
}

/* --- Sending -------------------------------------------------------------------------------- */

/* A call with the shape that all have: (d playhead, a{sv} info), and `at` in the info. */
static int event_call(playhead_session *s, enum flight flight, sd_bus_message **call) {
    const struct message *m = s->first;
    bool opens = flight == OPENING || flight == REOPENING;
    enum event event = opens ? OPEN : flight == RESTATING ? s->motion : m->event;
    double playhead = flight == REOPENING && m->playhead < 0 ? s->position : m->playhead;
    int r = sd_bus_message_new_method_call(s->agent->bus, call, AGENT, opens ? AGENT_PATH : s->path,
                                           opens ? AGENT : SESSION, event_names[event]);
    if (r >= 0)
        r = sd_bus_message_append(*call, "d", playhead);
    if (r >= 0)
        r = sd_bus_message_open_container(*call, 'a', "{sv}");
    if (r >= 0)
        r = append_fields(*call, opens ? s->media : flight == RESTATING ? NULL : m->info,
                          flight == REOPENING);
    if (r >= 0 && flight == REOPENING)
        r = sd_bus_message_append(*call, "{sv}", "resume", "b", 1);
    if (r >= 0 && flight == RESTATING && s->motion == PLAY)
        r = sd_bus_message_append(*call, "{sv}", "rate", "d", s->rate);
    if (r >= 0)
        r = sd_bus_message_append(*call, "{sv}", "at", "x", (int64_t)m->at);
    return r < 0 ? r : sd_bus_message_close_container(*call);
}

/* The call cannot be made. Gives false if nothing can be sent at present. */
static bool cannot_send(playhead_session *s, enum flight flight, bool built, int r) {
    playhead_agent *agent = s->agent;
    if (!built && r == -EINVAL) {
        const sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(
            OUR_ERRORS "InvalidArgs", "a text is not UTF-8, or has a character that D-Bus does not take");
        if (flight == SAYING) {
            report_error(s, s->first->event, &error);
            first_done(s, false);
        } else {
            open_refused(s, &error);
        }
        return true;
    }
    if (r == -ENOMEM || r == -ENOBUFS) { /* it stays the first, and is tried again */
        s->hold_until = monotonic() + BACKOFF_FIRST;
        return true;
    }
    bus_lost(agent, r);
    return false;
}

/* Whether an open has to wait: a session of the same instance before it has still something to say, which
 * would have to open it anew if it were said later. */
static bool open_waits(const playhead_session *s) {
    for (const playhead_session *other = s->agent->sessions; other != s; other = other->next)
        if (other->first && strcmp(other->instance, s->instance) == 0)
            return true;
    return false;
}

/* Makes the next call of a session, if there is one. Gives false if nothing can be sent at present. */
static bool send_first(playhead_session *s, uint64_t now) {
    playhead_agent *agent = s->agent;
    while (s->first && s->flight == NOTHING && s->hold_until <= now) {
        enum flight flight = s->first->event == OPEN ? OPENING
                           : !s->path ? REOPENING
                           : s->restate && !is_motion(s->first->event) && !is_last(s->first->event)
                           ? RESTATING : SAYING;
        if (flight == OPENING && open_waits(s))
            return true;
        if (flight == REOPENING && is_last(s->first->event)) {
            first_done(s, true); /* playheadd has ended it, or will */
            continue;
        }
        sd_bus_message *call = NULL;
        int r = event_call(s, flight, &call);
        bool built = r >= 0;
        if (built) {
            s->flight = flight;
            s->called = now;
            s->owner = agent->owner;
            r = sd_bus_call_async(agent->bus, &s->call, call, on_answer, s, CALL_LIMIT);
        }
        sd_bus_message_unref(call);
        if (r < 0) {
            s->flight = NOTHING;
            if (!cannot_send(s, flight, built, r))
                return false;
        }
    }
    return true;
}

static void send_all(playhead_agent *agent) {
    uint64_t now = monotonic();
    if (!agent->bus || now < agent->away_until)
        return;
    for (playhead_session *s = agent->sessions; s; s = s->next)
        if (!send_first(s, now))
            return;
}

/* --- Questions ------------------------------------------------------------------------------ */

static int read_point(sd_bus_message *m, struct playhead_point *point) {
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        const char *key = NULL, *type = NULL;
        char kind;
        int completed;
        r = sd_bus_message_read(m, "s", &key);
        if (r >= 0)
            r = sd_bus_message_peek_type(m, &kind, &type);
        if (r < 0)
            return r;
        if (strcmp(key, "position") == 0 && strcmp(type, "d") == 0) {
            r = sd_bus_message_read(m, "v", "d", &point->position);
            point->known = true;
        } else if (strcmp(key, "length") == 0 && strcmp(type, "d") == 0) {
            r = sd_bus_message_read(m, "v", "d", &point->length);
        } else if (strcmp(key, "ended_at") == 0 && strcmp(type, "x") == 0) {
            r = sd_bus_message_read(m, "v", "x", &point->ended_at);
        } else if (strcmp(key, "completed") == 0 && strcmp(type, "b") == 0) {
            r = sd_bus_message_read(m, "v", "b", &completed);
            point->completed = r >= 0 && completed;
        } else {
            r = sd_bus_message_skip(m, "v");
        }
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
    }
    return r;
}

static int on_point(sd_bus_message *m, void *userdata, sd_bus_error *ret) {
    struct question *q = userdata;
    const sd_bus_error *error = sd_bus_message_get_error(m);
    (void)ret;
    if (error)
        answer_question(q, last_part(error->name), error->message ? error->message : error->name);
    else if (read_point(m, &q->point) >= 0)
        answer_question(q, "", "");
    else
        answer_question(q, "InvalidSignature", "the answer to GetResumePoint cannot be read");
    return 0;
}

static void ask(struct question *q, const char *app, const char *media_id) {
    playhead_agent *agent = q->agent;
    sd_bus_message *call = NULL;
    int r = -ENOTCONN;
    if (agent->bus)
        r = sd_bus_message_new_method_call(agent->bus, &call, AGENT, AGENT_PATH, AGENT, "GetResumePoint");
    if (r >= 0)
        r = sd_bus_message_append(call, "ss", app ? app : "", media_id);
    if (r == -EINVAL)
        answer_question(q, "InvalidArgs", "a text is not UTF-8");
    else if (r >= 0)
        r = sd_bus_call_async(agent->bus, &q->call, call, on_point, q, CALL_LIMIT);
    sd_bus_message_unref(call);
    if (r < 0 && !q->answered)
        answer_question(q, r == -ENOMEM ? "NoMemory" : "Disconnected",
                        r == -ENOMEM ? "no memory" : "there is no connection to the bus");
}

/* Those that a bus leaves without an answer have waited long enough. */
static void end_questions(playhead_agent *agent) {
    uint64_t now = monotonic();
    for (struct question *q = agent->questions; q; q = q->next)
        if (!q->answered && q->limit <= now)
            answer_question(q, "NoReply", "there was no answer within 5 s");
}

static void deliver_answers(playhead_agent *agent) {
    struct question *answered = NULL, **last = &answered, **place = &agent->questions;
    while (*place) {
        struct question *q = *place;
        if (q->answered) {
            *place = q->next;
            *last = q;
            last = &q->next;
            agent->open_questions--;
        } else {
            place = &q->next;
        }
    }
    *last = NULL;
    while (answered) { /* a callback may ask again: that is for the next time */
        struct question *q = answered;
        answered = q->next;
        struct playhead_failure error = { "GetResumePoint", q->name, q->message, 1 };
        static const struct playhead_point nothing;
        q->answer(*q->name ? &nothing : &q->point, *q->name ? &error : NULL, q->userdata);
        free(q);
    }
}

/* --- The file descriptor -------------------------------------------------------------------- */

/* When the next thing is due that no byte on the bus announces. */
static uint64_t next_due(playhead_agent *agent) {
    uint64_t now = monotonic(), due = NEVER, bus_due = NEVER;
    if (agent->reports || agent->no_memory)
        return now;
    for (struct question *q = agent->questions; q; q = q->next)
        earlier(&due, q->answered ? now : q->limit);
    if (agent->closed)
        return due;
    if (agent->closing)
        earlier(&due, agent->waiting ? agent->close_limit : now);
    if (!agent->bus)
        earlier(&due, agent->connect_at);
    else if (sd_bus_get_timeout(agent->bus, &bus_due) >= 0)
        earlier(&due, bus_due);
    else
        earlier(&due, now); /* it has closed */
    uint64_t boot = boottime();
    for (playhead_session *s = agent->sessions; s; s = s->next) {
        struct message *before, *m = first_waiting(s, &before);
        if (m && agent->bus && s->flight == NOTHING) {
            uint64_t from = s->hold_until > agent->away_until ? s->hold_until : agent->away_until;
            if (from > now)
                earlier(&due, from);
        }
        while (m && m->kept)
            m = m->next;
        if (m)
            earlier(&due, m->at + BELIEVED > boot ? now + (m->at + BELIEVED - boot) : now);
    }
    return due;
}

static void set_timer(playhead_agent *agent, uint64_t due) {
    if (due == agent->timer)
        return;
    struct itimerspec when = { { 0, 0 }, { 0, 0 } };
    if (due != NEVER) {
        due = due ? due : 1; /* 0 would stop it */
        when.it_value.tv_sec = (time_t)(due / SECOND);
        when.it_value.tv_nsec = (long)(due % SECOND * 1000);
    }
    timerfd_settime(agent->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    agent->timer = due;
}

/* Makes the file descriptor wake the player for what comes next. */
static void watch(playhead_agent *agent) {
    if (agent->bus) {
        int fd = sd_bus_get_fd(agent->bus), events = sd_bus_get_events(agent->bus);
        struct epoll_event event = { .events = events < 0 ? 0 : (uint32_t)events };
        if (fd != agent->watched_fd && agent->watched_fd >= 0) {
            epoll_ctl(agent->epoll_fd, EPOLL_CTL_DEL, agent->watched_fd, NULL);
            agent->watched_fd = -1;
        }
        /* Before the greeting the descriptor may be another one of the same number. */
        if (fd >= 0 && (!agent->connected || fd != agent->watched_fd || event.events != agent->watched_events)
            && epoll_ctl(agent->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0 && errno == ENOENT)
            epoll_ctl(agent->epoll_fd, EPOLL_CTL_ADD, fd, &event);
        agent->watched_fd = fd;
        agent->watched_events = event.events;
    }
    set_timer(agent, next_due(agent));
}

static void process_bus(playhead_agent *agent) {
    for (int turn = 0; agent->bus && turn < TURN_MAX; turn++) {
        int r = sd_bus_process(agent->bus, NULL);
        if (r < 0) {
            bus_lost(agent, r);
            return;
        }
        if (!agent->connected && sd_bus_is_ready(agent->bus) > 0) {
            agent->connected = true;
            agent->connect_wait = BACKOFF_FIRST;
        }
        if (r == 0)
            return;
    }
}

/* --- playhead.h: the agent ------------------------------------------------------------------ */

playhead_agent *playhead_new(const struct playhead_options *options) {
    playhead_agent *agent = calloc(1, sizeof *agent);
    if (!agent)
        return NULL;
    if (options)
        agent->options = *options;
    agent->options.address = NULL; /* it is the caller's; ours is `address` */
    agent->last_session = &agent->sessions;
    agent->last_report = &agent->reports;
    agent->connect_wait = BACKOFF_FIRST;
    agent->watched_fd = -1;
    agent->timer = NEVER;
    agent->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    agent->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (options && options->address)
        agent->address = strdup(options->address);
    if (agent->address)
        forget_guid(agent->address);
    struct epoll_event event = { .events = EPOLLIN };
    if (agent->epoll_fd < 0 || agent->timer_fd < 0 || (options && options->address && !agent->address)
        || epoll_ctl(agent->epoll_fd, EPOLL_CTL_ADD, agent->timer_fd, &event) < 0) {
        int saved = errno;
        playhead_free(agent);
        errno = saved;
        return NULL;
    }
    bus_connect(agent);
    watch(agent);
    return agent;
}

int playhead_fd(playhead_agent *agent) {
    return agent ? agent->epoll_fd : -1;
}

int playhead_process(playhead_agent *agent) {
    if (!agent)
        return 0;
    uint64_t expirations;
    if (read(agent->timer_fd, &expirations, sizeof expirations) > 0)
        agent->timer = NEVER; /* it is not set any more */
    if (!agent->bus && !agent->closed && monotonic() >= agent->connect_at)
        bus_connect(agent);
    process_bus(agent);
    end_questions(agent);
    if (!agent->closed) {
        give_up_old(agent);
        send_all(agent);
    }
    deliver_answers(agent);
    deliver_reports(agent);
    collect_sessions(agent);
    if (agent->closing && !agent->closed && (!agent->waiting || monotonic() >= agent->close_limit)) {
        agent->closed = true;
        bus_drop(agent);
        deliver_answers(agent);
    }
    watch(agent);
    return !agent->closed;
}

size_t playhead_pending(playhead_agent *agent) {
    return agent ? agent->waiting : 0;
}

void playhead_close(playhead_agent *agent, unsigned limit_ms) {
    if (!agent || agent->closing)
        return;
    agent->closing = true;
    agent->close_limit = monotonic() + (uint64_t)(limit_ms ? limit_ms : CLOSE_LIMIT_MS) * 1000;
    watch(agent);
}

void playhead_free(playhead_agent *agent) {
    if (!agent)
        return;
    bus_drop(agent);
    while (agent->sessions)
        session_destroy(agent->sessions);
    while (agent->reports) {
        struct report *r = agent->reports;
        agent->reports = r->next;
        free(r);
    }
    while (agent->questions) {
        struct question *q = agent->questions;
        agent->questions = q->next;
        sd_bus_slot_unref(q->call);
        free(q);
    }
    if (agent->epoll_fd >= 0)
        close(agent->epoll_fd);
    if (agent->timer_fd >= 0)
        close(agent->timer_fd);
    free(agent->address);
    free(agent);
}

int playhead_resume_point(playhead_agent *agent, const char *app, const char *media_id,
                          playhead_point_fn *answer, void *userdata) {
    if (!agent || !media_id || !answer)
        return -EINVAL;
    if (agent->closing)
        return -ESHUTDOWN;
    if (agent->open_questions >= QUESTIONS_MAX)
        return -ENOBUFS;
    struct question *q = calloc(1, sizeof *q);
    if (!q)
        return -ENOMEM;
    q->agent = agent;
    q->answer = answer;
    q->userdata = userdata;
    q->limit = monotonic() + CALL_LIMIT;
    struct question **place = &agent->questions;
    while (*place)
        place = &(*place)->next;
    *place = q;
    agent->open_questions++;
    ask(q, app, media_id);
    watch(agent);
    return 0;
}

/* --- playhead.h: sessions and events -------------------------------------------------------- */

/* Refused here, in playheadd's manner. */
static void refuse(playhead_agent *agent, playhead_session *session, enum event event, const char *name,
                   const char *why) {
    report(agent, session, event_names[event], name, true, 1, why);
    watch(agent);
}

/* Appends a message to the queue of its session. */
static void say(playhead_session *s, enum event event, double playhead, const struct fields *fields) {
    if (!s || s->agent->closing)
        return;
    playhead_agent *agent = s->agent;
    if (s->over || s->superseded || s->ended) {
        if (!is_last(event)) {
            report_over(s, event, 1);
            watch(agent);
        }
        return;
    }
    struct message *m = calloc(1, sizeof *m);
    if (m && fields && fields->count) {
        m->info = info_copy(&(struct info){ fields->count, fields->fields });
        if (!m->info) {
            free(m);
            if (errno == EMSGSIZE) {
                refuse(agent, s, event, "LimitsExceeded",
                       "an event may hold 64 KiB of text, this one has more");
                return;
            }
            m = NULL;
        }
    }
    if (!m) {
        report_no_memory(agent, event_names[event]);
        watch(agent);
        return;
    }
    m->event = event;
    m->playhead = playhead;
    m->at = boottime();
    if (m->at <= s->last_at)
        m->at = s->last_at + 1;
    s->last_at = m->at;
    if (is_motion(event)) {
        s->told_motion = event;
        s->told_rate = event == PLAY ? fields->fields[0].value.d : 0;
    }
    if (is_last(event))
        s->ended = true;
    if (event == PLAYHEAD) { /* the newest is enough */
        struct message *before;
        for (struct message *old = first_waiting(s, &before); old; before = old, old = old->next)
            if (old->event == PLAYHEAD) {
                unlink_message(s, before);
                break;
            }
    }
    if (s->last)
        s->last->next = m;
    else
        s->first = m;
    s->last = m;
    agent->waiting++;
    give_up_many(agent);
    send_all(agent);
    watch(agent);
}

static void say_plain(playhead_session *s, enum event event, double playhead) {
    say(s, event, playhead, NULL);
}

/* The media as an info, which points into `media`, `who` and `identity`. */
static void media_fields(struct fields *to, const struct playhead_media *media, struct fields *who,
                         struct info *identity) {
    add_text(to, "id", media->id);
    add_text(to, "name", media->name);
    if (media->length != 0)
        add_double(to, "length", media->length);
    add_text(to, "content_type", media->content_type);
    add_text(to, "stream_type", media->stream_type);
    add_text(to, "app", media->app);
    add_text(to, "channel", media->channel);
    add_text(to, "player_name", media->player_name);
    add_text(to, "app_version", media->app_version);
    add_flag(to, "resume", media->resume, false);
    add_flag(to, "downloaded", media->downloaded, false);
    add_flag(to, "background_playback", media->background_playback, false);
    add_flag(to, "track", !media->untracked, true);
    if (media->ad_ping_seconds)
        add_int(to, "ad_ping_seconds", media->ad_ping_seconds);
    add_text(who, "marketing_cloud_user_id", media->marketing_cloud_user_id);
    add_text(who, "visitor_id", media->visitor_id);
    if (media->customer_ids && media->customer_ids[0].space)
        add(who, "customer_ids", 'c', (struct field){ .value.c = media->customer_ids });
    *identity = (struct info){ who->count, who->fields };
    if (who->count)
        add(to, "identity", 'v', (struct field){ .value.v = identity });
    add_pairs(to, "metadata", media->metadata);
    add_text(to, "instance", media->instance);
}

playhead_session *playhead_open(playhead_agent *agent, double playhead, const struct playhead_media *media) {
    if (!agent || agent->closing)
        return NULL;
    if (!media || !media->id) {
        refuse(agent, NULL, OPEN, "InvalidArgs", "the key 'id' is missing");
        return NULL;
    }
    struct fields fields = { .count = 0 }, who = { .count = 0 };
    struct info identity;
    media_fields(&fields, media, &who, &identity);
    playhead_session *s = calloc(1, sizeof *s);
    errno = ENOMEM;
    if (s) {
        s->agent = agent;
        s->id = strdup(media->id);
        s->instance = strdup(media->instance ? media->instance : "");
        s->media = s->id && s->instance ? info_copy(&(struct info){ fields.count, fields.fields }) : NULL;
    }
    if (!s || !s->media) {
        int cause = errno;
        if (s) {
            free(s->id);
            free(s->instance);
            free(s);
        }
        if (cause == EMSGSIZE)
            refuse(agent, NULL, OPEN, "LimitsExceeded", "media may hold 64 KiB of text, this one has more");
        else
            report_no_memory(agent, event_names[OPEN]);
        watch(agent);
        return NULL;
    }
    s->position = -1;
    s->motion = s->told_motion = NO_EVENT;
    *agent->last_session = s;
    agent->last_session = &s->next;
    say(s, OPEN, playhead, NULL);
    if (!s->last_at) { /* its message could not be made */
        session_destroy(s);
        return NULL;
    }
    /* What the former session of this instance has not said yet is said before; it takes no more. */
    for (playhead_session *other = agent->sessions; other != s; other = other->next)
        if (strcmp(other->instance, s->instance) == 0)
            other->superseded = true;
    return s;
}

void playhead_session_free(playhead_session *session) {
    if (!session)
        return;
    playhead_agent *agent = session->agent;
    say_plain(session, END, -1); /* nothing if it is over or was ended */
    session->freed = true;
    watch(agent);
}

void playhead_now(playhead_agent *agent, playhead_session **session, const struct playhead_media *media,
                  double playhead, double rate) {
    if (!agent || !session || agent->closing)
        return;
    playhead_session *s = *session;
    bool same = s && media && media->id && strcmp(s->id, media->id) == 0;
    if (same && (s->over || s->superseded || s->ended)) {
        /* Over for good, or seen to its end and still on the screen. */
        if (s->superseded || (s->over && !s->reopenable) || (s->ended && rate == 0))
            return;
        same = false;
    }
    if (s && !same) {
        say_plain(s, END, media ? -1 : playhead);
        playhead_session_free(s);
        s = *session = NULL;
    }
    if (!media)
        return;
    if (!s)
        s = *session = playhead_open(agent, playhead, media);
    if (!s)
        return;
    if (rate == 0 ? s->told_motion != PAUSE : s->told_motion != PLAY || s->told_rate != rate) {
        if (rate == 0)
            playhead_pause(s, playhead);
        else
            playhead_play(s, playhead, rate);
    } else {
        playhead_playhead(s, playhead);
    }
}

void playhead_play(playhead_session *session, double playhead, double rate) {
    struct fields fields = { .count = 0 };
    add_double(&fields, "rate", rate);
    say(session, PLAY, playhead, &fields);
}

void playhead_pause(playhead_session *session, double playhead) {
    say_plain(session, PAUSE, playhead);
}

void playhead_buffer_start(playhead_session *session, double playhead) {
    say_plain(session, BUFFER_START, playhead);
}

void playhead_buffer_complete(playhead_session *session, double playhead) {
    say_plain(session, BUFFER_COMPLETE, playhead);
}

void playhead_stall(playhead_session *session, double playhead) {
    say_plain(session, STALL, playhead);
}

void playhead_seek_start(playhead_session *session, double playhead) {
    say_plain(session, SEEK_START, playhead);
}

void playhead_seek_complete(playhead_session *session, double playhead) {
    say_plain(session, SEEK_COMPLETE, playhead);
}

void playhead_ad_break_start(playhead_session *session, double playhead,
                             const struct playhead_ad_break *ad_break) {
    struct fields fields = { .count = 0 };
    if (ad_break) {
        add_text(&fields, "name", ad_break->name);
        add_int(&fields, "position", ad_break->position);
        add_double(&fields, "start", ad_break->start);
    }
    say(session, AD_BREAK_START, playhead, &fields);
}

void playhead_ad_break_complete(playhead_session *session, double playhead) {
    say_plain(session, AD_BREAK_COMPLETE, playhead);
}

void playhead_ad_start(playhead_session *session, double playhead, const struct playhead_ad *ad) {
    struct fields fields = { .count = 0 };
    if (ad) {
        add_text(&fields, "id", ad->id);
        add_text(&fields, "name", ad->name);
        add_int(&fields, "position", ad->position);
        add_double(&fields, "length", ad->length);
        add_pairs(&fields, "metadata", ad->metadata);
    }
    say(session, AD_START, playhead, &fields);
}

void playhead_ad_complete(playhead_session *session, double playhead) {
    say_plain(session, AD_COMPLETE, playhead);
}

void playhead_ad_skip(playhead_session *session, double playhead) {
    say_plain(session, AD_SKIP, playhead);
}

void playhead_chapter_start(playhead_session *session, double playhead,
                            const struct playhead_chapter *chapter) {
    struct fields fields = { .count = 0 };
    if (chapter) {
        add_text(&fields, "name", chapter->name);
        add_int(&fields, "position", chapter->position);
        add_double(&fields, "start", chapter->start);
        add_double(&fields, "length", chapter->length);
        add_pairs(&fields, "metadata", chapter->metadata);
    }
    say(session, CHAPTER_START, playhead, &fields);
}

void playhead_chapter_complete(playhead_session *session, double playhead) {
    say_plain(session, CHAPTER_COMPLETE, playhead);
}

void playhead_chapter_skip(playhead_session *session, double playhead) {
    say_plain(session, CHAPTER_SKIP, playhead);
}

static void say_state(playhead_session *session, enum event event, double playhead, const char *name) {
    struct fields fields = { .count = 0 };
    add_text(&fields, "name", name);
    say(session, event, playhead, &fields);
}

void playhead_state_start(playhead_session *session, double playhead, const char *name) {
    say_state(session, STATE_START, playhead, name);
}

void playhead_state_end(playhead_session *session, double playhead, const char *name) {
    say_state(session, STATE_END, playhead, name);
}

static void say_quality(playhead_session *session, enum event event, double playhead,
                        const struct playhead_quality *quality) {
    struct fields fields = { .count = 0 };
    if (quality) {
        add_positive(&fields, "bitrate", quality->bitrate);
        add_positive(&fields, "dropped_frames", quality->dropped_frames);
        add_positive(&fields, "fps", quality->fps);
        add_positive(&fields, "startup_ms", quality->startup_ms);
    }
    say(session, event, playhead, &fields);
}

void playhead_qoe(playhead_session *session, double playhead, const struct playhead_quality *quality) {
    say_quality(session, QOE, playhead, quality);
}

void playhead_bitrate_change(playhead_session *session, double playhead,
                             const struct playhead_quality *quality) {
    say_quality(session, BITRATE_CHANGE, playhead, quality);
}

void playhead_error(playhead_session *session, double playhead, const char *id, const char *source) {
    struct fields fields = { .count = 0 };
    add_text(&fields, "id", id);
    add_text(&fields, "source", source ? source : "player");
    say(session, ERROR, playhead, &fields);
}

void playhead_playhead(playhead_session *session, double playhead) {
    say_plain(session, PLAYHEAD, playhead);
}

void playhead_complete(playhead_session *session, double playhead) {
    say_plain(session, COMPLETE, playhead);
}

void playhead_end(playhead_session *session, double playhead) {
    say_plain(session, END, playhead);
}
