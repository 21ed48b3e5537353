#include "viewing.h"

#include <math.h>

#include "log.h"
#include "pipeline.h"
#include "telling.h"

/* An application that paused to fill its buffers plays on within this time, or the viewer has paused. */
#define RESUME_WAIT_US (500 * MS)
/* Tags of the next piece come after its announcement. */
#define NEXT_WAIT_US (150 * MS)
/* A seek that has had no effect by then never will. */
#define SEEK_WAIT_US (1 * S)
/* A position that is further from where it should be is a seek that nobody announced. Seconds. */
#define JUMP 3.0
/* Less than this is no movement. Seconds. */
#define STILL 0.05

struct viewing *viewing_new(struct watch *watch, const struct speaker *speaker) {
    struct viewing *v = g_new0(struct viewing, 1);
    v->watch = watch;
    v->speaker = speaker;
    v->rate = 1;
    return v;
}

/* --- Notes ------------------------------------------------------------------------------------- */

static void state_changed(struct viewing *v, const struct note *note) {
    GstState before = note->state.before, now = note->state.now, pending = note->state.pending;
    if (now <= GST_STATE_READY) {
        viewing_finish(v, false, viewing_estimate(v, note->us));
        v->state = now;
        v->over = v->ignored = v->seeking = v->buffering = v->wants_play = v->begun = false;
        v->seek_us = v->resume_until_us = 0;
        return;
    }
    bool settled = pending == GST_STATE_VOID_PENDING;
    if (now == GST_STATE_PLAYING) {
        v->state = GST_STATE_PLAYING;
        viewing_begin(v);
        viewing_settle(v, note->us, v->session ? viewing_place(v) : 0);
    } else if (before == now && !settled && v->seek_us && note->us - v->seek_us < SEEK_WAIT_US) {
        /* It has lost its picture to a seek. One that is lost to a change of streams is no seek. */
        if (!v->seeking) {
            double left = viewing_estimate(v, v->seek_us);
            v->seeking = true;
            viewing_settle(v, note->us, left);
            viewing_stands(v, left, note->us);
        }
    } else if (settled) {
        double where = v->session ? viewing_place(v) : 0;
        v->state = GST_STATE_PAUSED;
        if (!v->buffering)
            v->wants_play = false;
        viewing_settle(v, note->us, where);
    }
}

static void sought(struct viewing *v) {
    gint64 now = g_get_monotonic_time();
    v->at_start = v->stuck = v->seeking = false;
    v->seek_us = 0;
    if (!v->session) {
        v->over = false;
        viewing_begin(v);
        return;
    }
    double target = v->seek_target >= 0 ? v->seek_target : v->base;
    GstElement *pipeline = watch_pipeline(v->watch);
    if (pipeline) {
        pipeline_position(pipeline, &target);
        if (pipeline_rate(pipeline, &v->segment_rate))
            v->rate = v->segment_rate;
        gst_object_unref(pipeline);
    }
    viewing_stands(v, target, now);
    viewing_settle(v, now, target);
}

/* Another stream is shown, without a gap: the next piece of a list, or the same one again. */
static void stream_changed(struct viewing *v, const struct note *note) {
    if (note->group == v->group)
        return;
    v->group = note->group;
    v->due_us = note->us + NEXT_WAIT_US;
    if (v->session) {
        GstElement *pipeline = watch_pipeline(v->watch);
        char *uri = pipeline ? pipeline_uri(pipeline) : NULL;
        g_clear_pointer(&pipeline, gst_object_unref);
        /* The same one again is found by its position, which is not known yet. */
        bool next = uri && g_strcmp0(uri, v->uri) != 0;
        g_free(uri);
        if (!next)
            return;
        double left = viewing_estimate(v, note->us);
        bool complete = viewing_near_end(v, left);
        viewing_finish(v, complete, complete ? v->length : left);
        v->due_us = note->us + NEXT_WAIT_US;
    }
    v->over = v->ignored = v->seeking = false;
}

static void ended(struct viewing *v, const struct note *note) {
    v->seek_us = 0;
    if (!v->session) {
        v->begun_us = v->due_us = 0;
        v->over = true;
    } else if (v->rate < 0) {
        v->at_start = true;
        viewing_settle(v, note->us, 0);
    } else {
        double where = viewing_place(v);
        viewing_finish(v, true, where > v->length - JUMP && v->length > 0 ? v->length : where);
        v->over = true;
    }
}

void viewing_note(struct viewing *v, const struct note *note) {
    switch (note->kind) {
    case NOTE_STATE:
        state_changed(v, note);
        break;
    case NOTE_SEEK:
        v->seek_us = note->us;
        v->seek_target = note->seek;
        break;
    case NOTE_ASYNC_DONE:
        if (v->seeking || (v->over && v->seek_us))
            sought(v);
        break;
    case NOTE_BUFFERING:
        v->buffering = note->buffering;
        if (!note->buffering && v->said == WAITS && v->state != GST_STATE_PLAYING)
            v->resume_until_us = note->us + RESUME_WAIT_US;
        viewing_settle(v, note->us, v->session ? viewing_place(v) : 0);
        break;
    case NOTE_RATE:
        if (v->session) {
            double where = viewing_place(v);
            v->rate = note->rate;
            viewing_settle(v, note->us, where);
        }
        break;
    case NOTE_STREAM:
        stream_changed(v, note);
        break;
    case NOTE_EOS:
        ended(v, note);
        break;
    case NOTE_ERROR:
        if (v->session) {
            double where = viewing_estimate(v, note->us);
            viewing_error(v, note->error.id, where);
            viewing_finish(v, false, where);
        } else if (!v->over && !v->ignored && note->error.wanted) {
            viewing_failed(v, note->error.id);
        }
        v->over = true;
        break;
    }
}

void viewing_look(struct viewing *v) {
    GstElement *pipeline = watch_pipeline(v->watch);
    GstState state = GST_STATE_NULL;
    if (pipeline) {
        gst_element_get_state(pipeline, &state, NULL, 0);
        gst_object_unref(pipeline);
    }
    struct facts facts;
    watch_facts(v->watch, &facts);
    v->buffering = facts.buffering;
    v->seeking = false;
    state_changed(v, &(struct note){
        .us = g_get_monotonic_time(),
        .state = { .before = v->state, .now = state, .pending = GST_STATE_VOID_PENDING } });
}

/* --- The clock --------------------------------------------------------------------------------- */

/* What nobody announces: that it stands still, that it begins again, that it is elsewhere, that it has
 * another rate. */
static void look_where(struct viewing *v, GstElement *pipeline, gint64 now) {
    double where, rate, expected = viewing_estimate(v, now);
    if (!pipeline_position(pipeline, &where))
        return;
    double moved = where - v->base, passed = (now - v->base_us) / (double)S;
    if (v->stuck) {
        v->stuck = fabs(moved) < STILL;
    } else if (v->moves && fabs(moved) < 0.1 * fabs(v->rate) * passed) {
        v->stuck = true;
    } else if (viewing_near_end(v, expected) && where < JUMP) {
        viewing_finish(v, true, v->length);
        viewing_begin(v);
        return;
    } else if (!v->live && fabs(where - expected) > JUMP * fmax(1, fabs(v->rate))) {
        viewing_jumped(v, expected, where);
    }
    v->moves |= fabs(moved) > STILL;
    /* Its segment knows nothing of a rate that came without a seek. */
    if (pipeline_rate(pipeline, &rate) && rate != v->segment_rate)
        v->rate = v->segment_rate = rate;
    viewing_stands(v, where, now);
}

gint64 viewing_due(const struct viewing *v) {
    return v->due_us;
}

void viewing_tick(struct viewing *v) {
    gint64 now = g_get_monotonic_time();
    if (!v->due_us || now < v->due_us)
        return;
    v->due_us = 0;
    if (!v->session) {
        viewing_begin(v);
        return;
    }
    GstElement *pipeline = watch_pipeline(v->watch);
    if (!pipeline)
        return;
    bool no_seek = v->seeking && now - v->seek_us > SEEK_WAIT_US && pipeline_plays(pipeline);
    if (!v->seeking && v->state == GST_STATE_PLAYING)
        look_where(v, pipeline, now);
    gst_object_unref(pipeline);
    if (no_seek)
        sought(v);
    else
        viewing_settle(v, now, v->base);
    if (v->session)
        viewing_report(v, now);
}

void viewing_free(struct viewing *v) {
    viewing_finish(v, false, viewing_estimate(v, g_get_monotonic_time()));
    g_free(v);
}
