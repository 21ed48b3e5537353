/* A viewing as playheadd hears of it: its session, and the state that was told last. */
#ifndef PLAYHEAD_GST_TELLING_H
#define PLAYHEAD_GST_TELLING_H

#include <gst/gst.h>
#include <playhead.h>
#include <stdbool.h>

#include "viewing.h"

#define MS 1000
#define S G_USEC_PER_SEC

/* What playheadd was told last. */
enum said { PLAYS, RESTS, WAITS, SEEKS };

struct viewing {
    struct watch *watch;
    const struct speaker *speaker;
    playhead_session *session; /* NULL: nothing is shown, or it is nothing to be told of */
    gint64 due_us;

    /* The pipeline. */
    GstState state;       /* PAUSED or PLAYING when it has settled there; else below */
    bool wants_play;      /* the viewer does, whatever the application does to fill its buffers */
    bool buffering;
    gint64 resume_until_us;
    gint64 seek_us;       /* when somebody last sought; 0: never */
    double seek_target;   /* seconds; negative: not known */
    bool seeking;
    bool at_start;        /* it was played backwards to where it begins */
    guint group;          /* of the streams that are shown */

    /* What is shown. */
    bool over;            /* until another stream, a seek, or READY */
    bool ignored;         /* until another stream or READY */
    bool begun;           /* something was shown since READY: what follows had no start that took time */
    gint64 begun_us;      /* it plays, and waits for its length; 0: it does not */
    char *uri;
    double length;        /* seconds; 0: not known */
    bool live;
    double rate, segment_rate;
    int streams;

    /* Where it is. */
    double base;          /* seconds */
    gint64 base_us;       /* when it was there */
    bool moves;           /* the pipeline is one that knows where it is */
    bool stuck;           /* it plays, and stands still */

    /* What was told. */
    enum said said;
    enum said under;      /* PLAYS or RESTS: what goes on after waiting or seeking */
    double told_rate;
    int64_t dropped_before, told_dropped, told_bitrate;
    gint64 told_us;       /* when its position was last told */
};

/* Where it should be at that moment, by what is known; seconds. */
double viewing_estimate(const struct viewing *v, gint64 us);
/* Where it is; asks the pipeline. */
double viewing_place(struct viewing *v);
/* It was there at that moment. */
void viewing_stands(struct viewing *v, double place, gint64 us);
/* Whether the end is near enough to count as seen. */
bool viewing_near_end(const struct viewing *v, double where);

/* What is shown plays: opens its session, or waits until it tells how long it is. */
void viewing_begin(struct viewing *v);
/* It was to be played, and never was. */
void viewing_failed(struct viewing *v, const char *error);
/* Tells how it is now, with whatever has to be told before. */
void viewing_settle(struct viewing *v, gint64 us, double where);
/* It has sought, without anybody having announced it. */
void viewing_jumped(struct viewing *v, double from, double to);
/* Position and quality, every few seconds. */
void viewing_report(struct viewing *v, gint64 now);
void viewing_error(struct viewing *v, const char *error, double where);
void viewing_finish(struct viewing *v, bool complete, double where);

#endif
