#include "telling.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "identity.h"
#include "log.h"
#include "pipeline.h"

/* How often a pipeline that plays is asked where it is, and one that stands still or seeks. */
#define LOOK_US (1 * S)
#define LOOK_AGAIN_US (250 * MS)
/* A stream that tells no length within this time is live. */
#define LENGTH_WAIT_US (2 * S)
#define MOST_RATE 1000.0

/* --- Where it is ------------------------------------------------------------------------------- */

double viewing_estimate(const struct viewing *v, gint64 us) {
    double moved = v->said == PLAYS && !v->stuck ? (us - v->base_us) * v->rate / S : 0;
    double place = fmax(v->base + moved, 0);
    return v->length > 0 ? fmin(place, v->length) : place;
}

void viewing_stands(struct viewing *v, double place, gint64 us) {
    v->base = place;
    v->base_us = us;
}

/* Where the pipeline does not know it, the estimate. */
double viewing_place(struct viewing *v) {
    gint64 now = g_get_monotonic_time();
    double asked = viewing_estimate(v, now);
    GstElement *pipeline = watch_pipeline(v->watch);
    if (pipeline) {
        pipeline_position(pipeline, &asked);
        gst_object_unref(pipeline);
    }
    viewing_stands(v, asked, now);
    return asked;
}

/* The playhead of live content is the time of day, which playheadd knows. */
static double playhead_at(const struct viewing *v, double place) {
    return v->live ? -1 : place;
}

/* --- What it does ------------------------------------------------------------------------------ */

static enum said wanted(struct viewing *v, gint64 us) {
    /* Somebody who waits and seeks meanwhile still waits. */
    if (v->seeking && v->said != WAITS)
        return SEEKS;
    if (v->state == GST_STATE_PLAYING) {
        v->wants_play = true;
        return v->at_start ? RESTS : v->stuck ? WAITS : PLAYS;
    }
    if (v->wants_play && (v->buffering || us < v->resume_until_us))
        return WAITS;
    v->wants_play = false;
    return RESTS;
}

static void say_play(struct viewing *v, double where) {
    playhead_play(v->session, playhead_at(v, where), CLAMP(v->rate, -MOST_RATE, MOST_RATE));
    v->told_rate = v->rate;
}

void viewing_settle(struct viewing *v, gint64 us, double where) {
    if (!v->session)
        return;
    enum said want = wanted(v, us);
    while (v->said != want) {
        switch (v->said) {
        case SEEKS:
            playhead_seek_complete(v->session, playhead_at(v, where));
            v->said = v->under;
            continue;
        case WAITS:
            playhead_buffer_complete(v->session, playhead_at(v, where));
            v->said = v->under;
            continue;
        default:
            break;
        }
        switch (want) {
        case PLAYS:
            say_play(v, where);
            v->under = PLAYS;
            break;
        case RESTS:
            playhead_pause(v->session, playhead_at(v, where));
            v->under = RESTS;
            break;
        case WAITS:
            if (v->buffering)
                playhead_buffer_start(v->session, playhead_at(v, where));
            else
                playhead_stall(v->session, playhead_at(v, where));
            break;
        case SEEKS:
            playhead_seek_start(v->session, playhead_at(v, where));
            break;
        }
        v->said = want;
    }
    if (v->said == PLAYS && v->rate != v->told_rate)
        say_play(v, where);
    gint64 now = g_get_monotonic_time();
    if (v->said == PLAYS)
        v->due_us = now + LOOK_US;
    else if (v->seeking || v->state == GST_STATE_PLAYING)
        v->due_us = now + LOOK_AGAIN_US;
    else
        v->due_us = us < v->resume_until_us ? v->resume_until_us : 0;
}

/* --- Beginning and end ------------------------------------------------------------------------- */

void viewing_finish(struct viewing *v, bool complete, double where) {
    v->begun_us = v->due_us = 0;
    g_clear_pointer(&v->uri, g_free);
    if (!v->session)
        return;
    GST_INFO("pipeline %u: %s at %g s", watch_number(v->watch), complete ? "complete" : "end", where);
    if (complete)
        playhead_complete(v->session, playhead_at(v, where));
    else
        playhead_end(v->session, playhead_at(v, where));
    playhead_session_free(v->session);
    v->session = NULL;
}

/* Within 5 s or 2 %, whichever is more, and a tenth at most: as in the door of MPRIS. */
bool viewing_near_end(const struct viewing *v, double where) {
    return v->length > 0 && where >= v->length - fmin(fmax(5, v->length / 50), v->length / 10);
}

static void open_session(struct viewing *v, const struct facts *facts, bool video, double where) {
    const struct params *params = v->speaker->params;
    char *id = identity_of_uri(v->uri, params->drop_query);
    char instance[32];
    snprintf(instance, sizeof instance, "gst%u", watch_number(v->watch));
    /* What names a stream of a film, its commentary say, is no name of the film. */
    const char *name = *facts->title ? facts->title : video ? "" : facts->stream_title;
    struct playhead_pair metadata[3] = { { NULL, NULL } };
    size_t pairs = 0;
    if (*facts->artist)
        metadata[pairs++] = (struct playhead_pair){ "media.artist", facts->artist };
    if (*facts->album)
        metadata[pairs++] = (struct playhead_pair){ "media.album", facts->album };
    v->session = playhead_open(v->speaker->agent(), where, &(struct playhead_media){
        .id = id,
        .name = *name ? name : NULL,
        .length = v->length,
        .content_type = v->live ? "live" : "vod",
        .stream_type = video ? "video" : "audio",
        .app = params->app,
        .app_version = params->app_version,
        .channel = params->channel,
        .player_name = params->player_name,
        .metadata = metadata,
        .instance = instance,
    });
    GST_INFO("pipeline %u: %s of %g s from %g s", watch_number(v->watch), id, v->length, where);
    g_free(id);
    v->said = v->under = RESTS;
}

/* kbit/s; 0: not known, because a stream has not told its own. */
static int64_t bitrate(const struct viewing *v, const struct facts *facts) {
    return facts->bitrates >= v->streams ? facts->bitrate : 0;
}

void viewing_begin(struct viewing *v) {
    gint64 now = g_get_monotonic_time();
    if (v->session || v->over || v->ignored || v->state != GST_STATE_PLAYING)
        return;
    GstElement *pipeline = watch_pipeline(v->watch);
    if (!pipeline)
        return;
    g_free(v->uri);
    v->uri = pipeline_uri(pipeline);
    struct picture picture = pipeline_picture(pipeline);
    v->length = pipeline_length(pipeline);
    double where = 0;
    bool known = pipeline_position(pipeline, &where);
    if (!pipeline_rate(pipeline, &v->segment_rate))
        v->segment_rate = 1;
    v->rate = v->segment_rate;
    gst_object_unref(pipeline);

    v->ignored = !v->uri || !picture.shown
        || (v->length > 0 && v->length < v->speaker->params->min_length);
    if (v->ignored) {
        GST_INFO("pipeline %u is not told of: %s, %s, %g s", watch_number(v->watch),
                 v->uri ? v->uri : "no URI", picture.shown ? "shown" : "not shown", v->length);
        v->due_us = 0;
        return;
    }
    if (!v->begun_us)
        v->begun_us = now;
    if (v->length <= 0 && !picture.live && now - v->begun_us < LENGTH_WAIT_US) {
        v->due_us = now + LOOK_AGAIN_US;
        return;
    }
    gint64 begun = v->begun_us;
    v->begun_us = 0;
    v->live = picture.live || v->length <= 0;
    if (v->live)
        v->length = 0;
    struct facts facts;
    watch_facts(v->watch, &facts);
    v->group = facts.group;
    v->buffering = facts.buffering;
    v->stuck = v->moves = v->seeking = v->at_start = false;
    viewing_stands(v, known ? where : 0, now);
    open_session(v, &facts, picture.video, playhead_at(v, v->base));
    viewing_settle(v, now, v->base);
    v->dropped_before = facts.dropped;
    v->told_dropped = 0;
    v->streams = picture.streams;
    v->told_bitrate = bitrate(v, &facts);
    v->told_us = now;
    int64_t startup = facts.started_us && !v->begun ? (begun - facts.started_us) / MS : 0;
    v->begun = true;
    playhead_qoe(v->session, playhead_at(v, v->base), &(struct playhead_quality){
        .bitrate = v->told_bitrate, .fps = picture.fps, .startup_ms = startup });
}

/* The pipeline may be gone by now; what was to be played is known without it. */
void viewing_failed(struct viewing *v, const char *error) {
    struct picture picture = { .none = true };
    GstElement *pipeline = watch_pipeline(v->watch);
    if (pipeline) {
        picture = pipeline_picture(pipeline);
        gst_object_unref(pipeline);
    }
    g_free(v->uri);
    v->uri = watch_uri(v->watch);
    if (!v->uri || !(picture.shown || picture.none))
        return;
    v->length = 0;
    v->live = false;
    struct facts facts;
    watch_facts(v->watch, &facts);
    /* Where the viewer was before is still where he was. */
    open_session(v, &facts, picture.video || picture.none, -1);
    viewing_error(v, error, -1);
    viewing_finish(v, false, -1);
}

static void report_quality(struct viewing *v) {
    struct facts facts;
    watch_facts(v->watch, &facts);
    int64_t dropped = facts.dropped - v->dropped_before;
    if (dropped != v->told_dropped)
        playhead_qoe(v->session, playhead_at(v, v->base),
                     &(struct playhead_quality){ .dropped_frames = dropped });
    v->told_dropped = dropped;
    /* The average of a stream of variable bitrate is a little other all the time. */
    int64_t now = bitrate(v, &facts);
    if (now && llabs(now - v->told_bitrate) * 10 > v->told_bitrate) {
        struct playhead_quality quality = { .bitrate = now };
        if (v->told_bitrate)
            playhead_bitrate_change(v->session, playhead_at(v, v->base), &quality);
        else
            playhead_qoe(v->session, playhead_at(v, v->base), &quality);
        v->told_bitrate = now;
    }
}

void viewing_report(struct viewing *v, gint64 now) {
    if (now - v->told_us < v->speaker->params->position * S)
        return;
    v->told_us = now;
    if (v->said == PLAYS && !v->live)
        playhead_playhead(v->session, v->base);
    report_quality(v);
}

void viewing_jumped(struct viewing *v, double from, double to) {
    playhead_seek_start(v->session, playhead_at(v, from));
    playhead_seek_complete(v->session, playhead_at(v, to));
}

void viewing_error(struct viewing *v, const char *error, double where) {
    playhead_error(v->session, playhead_at(v, where), error, NULL);
}
