#include "thread.h"

#include <fcntl.h>
#include <gst/gst.h>
#include <playhead.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "viewing.h"
#include "watch.h"

/* How long the end of the program waits for what is still to be said. */
#define LAST_WORDS_MS 500
#define SLACK_MS 200
#define MS 1000

static enum { IDLE, RUNS, STOPPED } stage;
static GMutex stage_lock;
static GCond at_end;
static bool ended;
static GThread *thread;
static int stop_pipe[2] = { -1, -1 };
static struct speaker speaker;
static playhead_agent *agent;

static void on_error(playhead_session *session, const struct playhead_failure *error, void *data) {
    (void)session, (void)data;
    GST_WARNING("%s: %s: %s", error->event, error->name, error->message);
}

static void on_closed(playhead_session *session, const char *reason, void *data) {
    (void)session, (void)data;
    GST_INFO("a session has closed: %s", reason);
}

/* The connection is made when the first content plays, so that no other program has one. */
static playhead_agent *the_agent(void) {
    if (!agent)
        agent = playhead_new(&(struct playhead_options){
            .address = speaker.params->bus, .on_error = on_error, .on_closed = on_closed });
    return agent;
}

static void hear(struct watch *watch, GPtrArray *viewings) {
    struct viewing **viewing = watch_viewing(watch);
    struct note note;
    bool lost = false, any;
    do {
        any = watch_take(watch, &note, &lost);
        if ((any || lost) && !*viewing) {
            *viewing = viewing_new(watch, &speaker);
            g_ptr_array_add(viewings, *viewing);
        }
        if (any)
            viewing_note(*viewing, &note);
        if (lost)
            viewing_look(*viewing);
    } while (any);
    if (!watch_is_over(watch))
        return;
    if (*viewing)
        g_ptr_array_remove_fast(viewings, *viewing);
    watch_free(watch);
}

/* Milliseconds until a viewing is due; -1: none is. */
static int patience(const GPtrArray *viewings) {
    gint64 first = 0;
    for (guint i = 0; i < viewings->len; i++) {
        gint64 due = viewing_due(viewings->pdata[i]);
        if (due && (!first || due < first))
            first = due;
    }
    if (!first)
        return -1;
    gint64 left = first - g_get_monotonic_time();
    return left <= 0 ? 0 : (int)MIN((left + 999) / 1000, 60000);
}

static void say_last_words(void) {
    if (!agent)
        return;
    playhead_close(agent, LAST_WORDS_MS);
    while (playhead_process(agent))
        poll(&(struct pollfd){ .fd = playhead_fd(agent), .events = POLLIN }, 1, LAST_WORDS_MS);
    playhead_free(agent);
    agent = NULL;
}

static void *run(void *data) {
    (void)data;
    GPtrArray *viewings = g_ptr_array_new_with_free_func((GDestroyNotify)viewing_free);
    struct pollfd fds[3] = {
        { .fd = watches_fd(), .events = POLLIN },
        { .fd = stop_pipe[0], .events = POLLIN },
        { .fd = -1, .events = POLLIN },
    };
    while (!fds[1].revents) {
        uint64_t count;
        if (fds[0].revents && read(fds[0].fd, &count, sizeof count) < 0)
            GST_LOG("the news was read already");
        for (struct watch *watch; (watch = watches_next());)
            hear(watch, viewings);
        for (guint i = 0; i < viewings->len; i++)
            viewing_tick(viewings->pdata[i]);
        if (agent)
            playhead_process(agent);
        fds[2].fd = agent ? playhead_fd(agent) : -1;
        poll(fds, G_N_ELEMENTS(fds), patience(viewings));
    }
    for (struct watch *watch; (watch = watches_next());)
        hear(watch, viewings);
    g_ptr_array_unref(viewings);
    say_last_words();
    g_mutex_lock(&stage_lock);
    ended = true;
    g_cond_signal(&at_end);
    g_mutex_unlock(&stage_lock);
    return NULL;
}

/* The thread is not in the child of a fork, and the connection is the parent's. */
static void in_child(void) {
    stage = STOPPED;
}

void thread_start(const struct params *params) {
    g_mutex_lock(&stage_lock);
    if (stage == IDLE) {
        stage = STOPPED;
        speaker = (struct speaker){ .params = params, .agent = the_agent };
        sigset_t all, before;
        sigfillset(&all);
        if (watches_fd() >= 0 && pipe2(stop_pipe, O_CLOEXEC) == 0) {
            /* The application's signals are for its own threads. */
            pthread_sigmask(SIG_SETMASK, &all, &before);
            thread = g_thread_try_new("playhead", run, NULL, NULL);
            pthread_sigmask(SIG_SETMASK, &before, NULL);
        }
        if (thread) {
            stage = RUNS;
            pthread_atfork(NULL, NULL, in_child);
            atexit(thread_stop);
        } else {
            GST_WARNING("there can be no thread: nothing is reported");
        }
    }
    g_mutex_unlock(&stage_lock);
}

void thread_stop(void) {
    g_mutex_lock(&stage_lock);
    if (stage == RUNS) {
        watches_close();
        close(stop_pipe[1]);
        /* Whoever ends the program may hold a lock of the pipeline that the thread just asks. */
        gint64 until = g_get_monotonic_time() + (LAST_WORDS_MS + SLACK_MS) * MS;
        while (!ended && g_cond_wait_until(&at_end, &stage_lock, until))
            continue;
        if (!ended)
            GST_WARNING("a pipeline does not answer; what is still to be said is not said");
        g_thread_unref(thread);
    }
    stage = STOPPED;
    g_mutex_unlock(&stage_lock);
}
