/* The driver of tests/clients.rs: reads operations from standard input, a line each, and says them with
 * the client. Argument 1 is the address of the bus.
 *
 * A line is an operation, a playhead and `key=value` with `+` for a blank. After the client's function has
 * returned, `ok LINE` is printed; what comes by callback is printed when it comes. The end of the input
 * closes the agent; the exit status is 0 when all was said.
 */
#define _POSIX_C_SOURCE 200809L

#include "playhead.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS 40

/* A line in pieces: the operation, its second word, and the keys. */
struct line {
    const char *operation;
    const char *second;
    size_t count;
    char *keys[WORDS];
    char *values[WORDS];
};

static playhead_agent *agent;
static playhead_session *session;

static const char *text(const struct line *line, const char *key) {
    for (size_t i = 0; i < line->count; i++)
        if (strcmp(line->keys[i], key) == 0)
            return line->values[i];
    return NULL;
}

static double number(const struct line *line, const char *key, double fallback) {
    const char *value = text(line, key);
    return value ? strtod(value, NULL) : fallback;
}

static bool flag(const struct line *line, const char *key) {
    const char *value = text(line, key);
    return value && strcmp(value, "false") != 0;
}

/* What stands as metadata.KEY=VALUE. */
static const struct playhead_pair *metadata(const struct line *line) {
    static struct playhead_pair pairs[WORDS + 1];
    size_t count = 0;
    for (size_t i = 0; i < line->count; i++)
        if (strncmp(line->keys[i], "metadata.", 9) == 0)
            pairs[count++] = (struct playhead_pair){ line->keys[i] + 9, line->values[i] };
    pairs[count] = (struct playhead_pair){ NULL, NULL };
    return pairs;
}

/* customer_id.NAMESPACE=ID, of a viewer who is logged in. */
static const struct playhead_customer_id *customers(const struct line *line) {
    static struct playhead_customer_id ids[WORDS + 1];
    size_t count = 0;
    for (size_t i = 0; i < line->count; i++)
        if (strncmp(line->keys[i], "customer_id.", 12) == 0)
            ids[count++] = (struct playhead_customer_id){ line->keys[i] + 12, line->values[i],
                                                          PLAYHEAD_LOGIN_AUTHENTICATED };
    ids[count] = (struct playhead_customer_id){ NULL, NULL, PLAYHEAD_LOGIN_UNKNOWN };
    return ids;
}

static struct playhead_media media(const struct line *line) {
    const char *track = text(line, "track");
    return (struct playhead_media){
        .id = text(line, "id"),
        .name = text(line, "name"),
        .length = number(line, "length", 0),
        .content_type = text(line, "content_type"),
        .stream_type = text(line, "stream_type"),
        .app = text(line, "app"),
        .channel = text(line, "channel"),
        .player_name = text(line, "player_name"),
        .app_version = text(line, "app_version"),
        .resume = flag(line, "resume"),
        .downloaded = flag(line, "downloaded"),
        .background_playback = flag(line, "background_playback"),
        .untracked = track && strcmp(track, "false") == 0,
        .ad_ping_seconds = (int)number(line, "ad_ping_seconds", 0),
        .marketing_cloud_user_id = text(line, "marketing_cloud_user_id"),
        .visitor_id = text(line, "visitor_id"),
        .customer_ids = customers(line),
        .metadata = metadata(line),
        .instance = text(line, "instance"),
    };
}

static struct playhead_quality quality(const struct line *line) {
    return (struct playhead_quality){
        .bitrate = (int64_t)number(line, "bitrate", 0),
        .dropped_frames = (int64_t)number(line, "dropped_frames", 0),
        .fps = (int64_t)number(line, "fps", 0),
        .startup_ms = (int64_t)number(line, "startup_ms", 0),
    };
}

static void on_error(playhead_session *of, const struct playhead_failure *error, void *userdata) {
    (void)of, (void)userdata;
    printf("error %s %s ", error->event, error->name);
    if (error->count > 1)
        printf("%u messages: ", error->count);
    printf("%s\n", error->message);
    fflush(stdout);
}

static void on_closed(playhead_session *of, const char *reason, void *userdata) {
    (void)of, (void)userdata;
    printf("closed %s\n", reason);
    fflush(stdout);
}

static void on_point(const struct playhead_point *point, const struct playhead_failure *error,
                     void *userdata) {
    (void)userdata;
    if (error)
        printf("point error %s\n", error->message);
    else if (point->known)
        printf("point %g\n", point->position);
    else
        printf("point none\n");
    fflush(stdout);
}

/* The events of which a playhead is all. */
static bool plain(const char *operation, double at) {
    static const struct { const char *name; void (*say)(playhead_session *, double); } events[] = {
        { "pause", playhead_pause },
        { "buffer-start", playhead_buffer_start },
        { "buffer-complete", playhead_buffer_complete },
        { "stall", playhead_stall },
        { "seek-start", playhead_seek_start },
        { "seek-complete", playhead_seek_complete },
        { "ad-break-complete", playhead_ad_break_complete },
        { "ad-complete", playhead_ad_complete },
        { "ad-skip", playhead_ad_skip },
        { "chapter-complete", playhead_chapter_complete },
        { "chapter-skip", playhead_chapter_skip },
        { "playhead", playhead_playhead },
        { "complete", playhead_complete },
        { "end", playhead_end },
    };
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (strcmp(operation, events[i].name) == 0) {
            events[i].say(session, at);
            return true;
        }
    return false;
}

static bool with_info(const struct line *line, double at) {
    const char *operation = line->operation;
    int position = (int)number(line, "position", 0);
    if (strcmp(operation, "play") == 0) {
        playhead_play(session, at, number(line, "rate", 1));
    } else if (strcmp(operation, "ad-break-start") == 0) {
        playhead_ad_break_start(session, at, &(struct playhead_ad_break){
            .name = text(line, "name"), .position = position, .start = number(line, "start", 0) });
    } else if (strcmp(operation, "ad-start") == 0) {
        playhead_ad_start(session, at, &(struct playhead_ad){
            .id = text(line, "id"), .name = text(line, "name"), .position = position,
            .length = number(line, "length", 0), .metadata = metadata(line) });
    } else if (strcmp(operation, "chapter-start") == 0) {
        playhead_chapter_start(session, at, &(struct playhead_chapter){
            .name = text(line, "name"), .position = position, .start = number(line, "start", 0),
            .length = number(line, "length", 0), .metadata = metadata(line) });
    } else if (strcmp(operation, "state-start") == 0) {
        playhead_state_start(session, at, text(line, "name"));
    } else if (strcmp(operation, "state-end") == 0) {
        playhead_state_end(session, at, text(line, "name"));
    } else if (strcmp(operation, "qoe") == 0) {
        struct playhead_quality of = quality(line);
        playhead_qoe(session, at, &of);
    } else if (strcmp(operation, "bitrate-change") == 0) {
        struct playhead_quality of = quality(line);
        playhead_bitrate_change(session, at, &of);
    } else if (strcmp(operation, "error") == 0) {
        playhead_error(session, at, text(line, "id"), text(line, "source"));
    } else {
        return false;
    }
    return true;
}

static bool carry_out(const struct line *line) {
    const char *operation = line->operation;
    if (strcmp(operation, "pending") == 0) {
        printf("pending %zu\n", playhead_pending(agent));
        return true;
    }
    if (!line->second)
        return false;
    if (strcmp(operation, "resume-point") == 0)
        return playhead_resume_point(agent, text(line, "app"), line->second, on_point, NULL) == 0;
    double at = strtod(line->second, NULL);
    struct playhead_media what = media(line);
    if (strcmp(operation, "open") == 0) {
        session = playhead_open(agent, at, &what); /* the former one is freed with the agent */
        return true;
    }
    if (strcmp(operation, "now") == 0) {
        playhead_now(agent, &session, what.id ? &what : NULL, at, number(line, "rate", 0));
        return true;
    }
    return plain(operation, at) || with_info(line, at);
}

/* Takes a line to pieces, in place. */
static struct line pieces(char *from) {
    struct line line = { .operation = "" };
    char *rest = NULL;
    size_t words = 0;
    for (char *word = strtok_r(from, " ", &rest); word; word = strtok_r(NULL, " ", &rest), words++) {
        char *equals = strchr(word, '=');
        if (words == 0) {
            line.operation = word;
        } else if (words == 1 && !equals) {
            line.second = word;
        } else if (equals && line.count < WORDS) {
            *equals = '\0';
            for (char *c = equals; (c = strchr(c + 1, '+'));)
                *c = ' ';
            line.keys[line.count] = word;
            line.values[line.count++] = equals + 1;
        }
    }
    return line;
}

static bool obey(char *said) {
    char copy[8192];
    snprintf(copy, sizeof copy, "%s", said);
    struct line line = pieces(said);
    if (!carry_out(&line)) {
        fprintf(stderr, "evening: not understood: %s\n", copy);
        return false;
    }
    printf("ok %s\n", copy);
    fflush(stdout);
    return true;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: evening ADDRESS\n");
        return 2;
    }
    agent = playhead_new(&(struct playhead_options){
        .address = argv[1], .on_error = on_error, .on_closed = on_closed });
    if (!agent) {
        perror("playhead_new");
        return 2;
    }
    char input[8192];
    size_t filled = 0;
    struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
                             { .fd = playhead_fd(agent), .events = POLLIN } };
    for (bool more = true; more;) {
        poll(fds, 2, -1);
        playhead_process(agent);
        if (!fds[0].revents)
            continue;
        ssize_t got = read(STDIN_FILENO, input + filled, sizeof input - 1 - filled);
        more = got > 0;
        filled += more ? (size_t)got : 0;
        input[filled] = '\0';
        char *from = input;
        for (char *end; (end = strchr(from, '\n')); from = end + 1) {
            *end = '\0';
            if (!obey(from))
                return 2;
        }
        filled -= (size_t)(from - input);
        memmove(input, from, filled);
    }
    playhead_close(agent, 0);
    while (playhead_process(agent))
        poll(&fds[1], 1, -1);
    bool all = playhead_pending(agent) == 0;
    playhead_free(agent);
    return all ? 0 : 1;
}
