/* What the hooks see of one pipeline, and its way to the thread that speaks.
 *
 * Hooks run in whatever thread of the application posts a message or pushes an event, with locks of
 * GStreamer held. They never wait, ask the pipeline nothing but its URI before it starts, and keep no
 * reference to it: each writes a note down under one short lock and wakes the thread. All that takes time
 * is the thread's.
 */
#ifndef PLAYHEAD_GST_WATCH_H
#define PLAYHEAD_GST_WATCH_H

#include <glib.h>
#include <gst/gst.h>
#include <stdbool.h>
#include <stdint.h>

/* Notes of one pipeline that may wait. When it has more, the thread looks at the pipeline instead. */
#define NOTES 32
#define TEXT 256
#define ERROR_ID 64

enum note_kind {
    NOTE_STATE,      /* the pipeline has another state, or has lost the one it had */
    NOTE_SEEK,       /* somebody seeks */
    NOTE_ASYNC_DONE, /* it stands at a picture again */
    NOTE_BUFFERING,  /* it wants data, or has enough of it */
    NOTE_RATE,       /* another rate, without a seek */
    NOTE_STREAM,     /* another stream is shown from here on */
    NOTE_EOS,
    NOTE_ERROR
};

struct note {
    enum note_kind kind;
    gint64 us; /* when: g_get_monotonic_time() */
    union {
        struct {
            GstState before, now, pending;
        } state;
        double seek;      /* where to, in seconds; negative: not said */
        bool buffering;
        double rate;
        guint group;
        struct {
            char id[ERROR_ID];
            bool wanted;  /* the application wanted it to play */
        } error;
    };
};

/* What was heard so far of what is played. Texts are empty where nothing was. */
struct facts {
    char title[TEXT], artist[TEXT], album[TEXT]; /* of the whole content */
    char stream_title[TEXT];                     /* of one stream in it: "Commentary", or a song */
    int64_t bitrate;                             /* kbit/s of all streams that told theirs */
    int bitrates;                                /* how many these are */
    int64_t dropped;                             /* frames, since the watch began */
    gint64 started_us;                           /* when the application wanted a picture; 0: not known */
    guint group;
    bool buffering;
};

struct watch;
struct viewing;

/* --- For the hooks ----------------------------------------------------------------------------- */

/* The watch of a pipeline; NULL when it has none. */
struct watch *watch_of(GstElement *pipeline);
/* The same; makes one. It lives as long as the pipeline, which it does not keep alive. */
struct watch *watch_begin(GstElement *pipeline);

/* The application wants the pipeline to show what has this URI (NULL: nothing that has one), which the
 * watch takes. */
void watch_starts(struct watch *watch, char *uri, gint64 us);
/* It wants the first picture to move; it wants nothing shown any more. */
void watch_plays(struct watch *watch, gint64 us);
void watch_stops(struct watch *watch);
/* A note for the thread. Says whether the thread is needed from now on: the pipeline has played, or has
 * failed to. Before that nothing is kept. */
bool watch_note(struct watch *watch, const struct note *note);
void watch_buffering(struct watch *watch, bool buffering, gint64 us);
void watch_tags(struct watch *watch, GstObject *source, const GstTagList *tags, gint64 us);
void watch_dropped(struct watch *watch, GstObject *source, uint64_t dropped);

/* From here on no pipeline is asked: the program ends. */
void watches_close(void);

/* --- For the thread ---------------------------------------------------------------------------- */

/* Becomes readable when there is news; -1 without file descriptors. Made once. */
int watches_fd(void);
/* A watch that has news, or NULL. */
struct watch *watches_next(void);
/* Its next note. `lost`: some before it were not kept. */
bool watch_take(struct watch *watch, struct note *note, bool *lost);
void watch_facts(struct watch *watch, struct facts *facts);
/* What was to be shown when the pipeline started; NULL: nothing that has a URI. To be freed. */
char *watch_uri(struct watch *watch);
/* The pipeline, for a moment; NULL when it is gone, or on its way to READY: a reference in the wrong
 * moment would let this thread be the one that disposes of it. */
GstElement *watch_pipeline(struct watch *watch);
/* Tells the pipelines of a process apart, from 1. */
unsigned watch_number(const struct watch *watch);
struct viewing **watch_viewing(struct watch *watch);
/* Its pipeline is gone, and nothing more will come. */
bool watch_is_over(struct watch *watch);
void watch_free(struct watch *watch);

#endif
