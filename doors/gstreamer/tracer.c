/* GST_TRACERS=playhead: tells playheadd what the pipelines of this process play.
 *
 * Three hooks do the work: a pipeline is about to change its state, or to put a message on its bus, and an
 * element is about to pass an event on. The hooks of buffers are left alone.
 */
#include <gst/gst.h>
#include <playhead.h>

#include "identity.h"
#include "log.h"
#include "params.h"
#include "pipeline.h"
#include "thread.h"
#include "watch.h"

#define PACKAGE "playheadd"

GST_DEBUG_CATEGORY(playhead_debug);

typedef struct {
    GstTracer parent;
} PlayheadTracer;

typedef struct {
    GstTracerClass parent;
} PlayheadTracerClass;

GType playhead_tracer_get_type(void);
G_DEFINE_TYPE(PlayheadTracer, playhead_tracer, GST_TYPE_TRACER)

/* They stay for threads that are in a hook when the tracer goes. */
static struct params params;

/* The pipeline that holds everything: its bus is the application's. */
static gboolean is_whole(GstElement *element) {
    return GST_IS_PIPELINE(element) && GST_OBJECT_PARENT(element) == NULL;
}

static void note(struct watch *watch, const struct note *note) {
    if (watch_note(watch, note))
        thread_start(&params);
}

static void note_error(struct watch *watch, GstElement *pipeline, GstMessage *message, gint64 us) {
    GError *error = NULL;
    gst_message_parse_error(message, &error, NULL);
    struct note failed = { .kind = NOTE_ERROR, .us = us };
    failed.error.wanted = GST_STATE_TARGET(pipeline) == GST_STATE_PLAYING;
    identity_of_error(error, failed.error.id, sizeof failed.error.id);
    g_error_free(error);
    note(watch, &failed);
}

static void note_state(struct watch *watch, GstMessage *message, gint64 us) {
    struct note changed = { .kind = NOTE_STATE, .us = us };
    gst_message_parse_state_changed(message, &changed.state.before, &changed.state.now,
                                    &changed.state.pending);
    note(watch, &changed);
}

static void note_stream(struct watch *watch, GstMessage *message, gint64 us) {
    struct note stream = { .kind = NOTE_STREAM, .us = us };
    gst_message_parse_group_id(message, &stream.group);
    note(watch, &stream);
}

static void note_tags(struct watch *watch, GstMessage *message, gint64 us) {
    GstTagList *tags = NULL;
    gst_message_parse_tag(message, &tags);
    watch_tags(watch, GST_MESSAGE_SRC(message), tags, us);
    gst_tag_list_unref(tags);
}

static void note_buffering(struct watch *watch, GstMessage *message, gint64 us) {
    gint percent = 100;
    gst_message_parse_buffering(message, &percent);
    watch_buffering(watch, percent < 100, us);
}

static void note_dropped(struct watch *watch, GstMessage *message) {
    GstFormat format;
    guint64 dropped = 0;
    gst_message_parse_qos_stats(message, &format, NULL, &dropped);
    /* An audio sink counts samples. */
    if (format == GST_FORMAT_BUFFERS && dropped != G_MAXUINT64)
        watch_dropped(watch, GST_MESSAGE_SRC(message), dropped);
}

static void post_message(GObject *tracer, GstClockTime time, GstElement *element, GstMessage *message) {
    (void)tracer, (void)time;
    if (!is_whole(element))
        return;
    struct watch *watch = watch_of(element);
    if (!watch)
        return;
    bool own = GST_MESSAGE_SRC(message) == GST_OBJECT_CAST(element);
    gint64 us = g_get_monotonic_time();
    switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_STATE_CHANGED:
        if (own)
            note_state(watch, message, us);
        break;
    case GST_MESSAGE_ASYNC_DONE:
        if (own)
            note(watch, &(struct note){ .kind = NOTE_ASYNC_DONE, .us = us });
        break;
    case GST_MESSAGE_STREAM_START:
        if (own)
            note_stream(watch, message, us);
        break;
    case GST_MESSAGE_EOS:
    case GST_MESSAGE_SEGMENT_DONE:
        if (own)
            note(watch, &(struct note){ .kind = NOTE_EOS, .us = us });
        break;
    case GST_MESSAGE_ERROR:
        note_error(watch, element, message, us);
        break;
    case GST_MESSAGE_BUFFERING:
        note_buffering(watch, message, us);
        break;
    case GST_MESSAGE_TAG:
        note_tags(watch, message, us);
        break;
    case GST_MESSAGE_QOS:
        note_dropped(watch, message);
        break;
#if GST_CHECK_VERSION(1, 18, 0)
    case GST_MESSAGE_INSTANT_RATE_REQUEST: {
        struct note changed = { .kind = NOTE_RATE, .us = us };
        gst_message_parse_instant_rate_request(message, &changed.rate);
        note(watch, &changed);
        break;
    }
#endif
    default:
        break;
    }
}

/* The pipeline that a pad is in; NULL for one that is in none. To be unreferenced. */
static GstElement *whole_of(GstPad *pad) {
    GstObject *object = gst_object_get_parent(GST_OBJECT(pad));
    while (object) {
        GstObject *parent = gst_object_get_parent(object);
        if (!parent)
            break;
        gst_object_unref(object);
        object = parent;
    }
    if (object && GST_IS_PIPELINE(object))
        return GST_ELEMENT(object);
    g_clear_pointer(&object, gst_object_unref);
    return NULL;
}

static void push_event(GObject *tracer, GstClockTime time, GstPad *pad, GstEvent *event) {
    (void)tracer, (void)time;
    if (GST_EVENT_TYPE(event) != GST_EVENT_SEEK)
        return;
    gdouble rate;
    GstFormat format;
    GstSeekFlags flags;
    GstSeekType from;
    gint64 start;
    gst_event_parse_seek(event, &rate, &format, &flags, &from, &start, NULL, NULL);
    /* Only what empties the pipeline is heard of again. Elements seek in bytes among themselves. */
    if (format != GST_FORMAT_TIME || !(flags & GST_SEEK_FLAG_FLUSH))
        return;
    /* One seek goes through many pads. */
    static guint last;
    guint number = gst_event_get_seqnum(event);
    if ((guint)g_atomic_int_get((gint *)&last) == number)
        return;
    GstElement *pipeline = whole_of(pad);
    struct watch *watch = pipeline ? watch_of(pipeline) : NULL;
    if (watch) {
        g_atomic_int_set((gint *)&last, (gint)number);
        bool known = rate > 0 && from == GST_SEEK_TYPE_SET && start >= 0;
        note(watch, &(struct note){ .kind = NOTE_SEEK, .us = g_get_monotonic_time(),
                                    .seek = known ? start / (double)GST_SECOND : -1 });
    }
    g_clear_pointer(&pipeline, gst_object_unref);
}

static void change_state(GObject *tracer, GstClockTime time, GstElement *element, GstStateChange change) {
    (void)tracer, (void)time;
    if (!is_whole(element))
        return;
    gint64 us = g_get_monotonic_time();
    struct watch *watch = watch_of(element);
    if (change == GST_STATE_CHANGE_READY_TO_PAUSED)
        watch_starts(watch_begin(element), pipeline_next_uri(element), us);
    else if (watch && change == GST_STATE_CHANGE_PAUSED_TO_PLAYING)
        watch_plays(watch, us);
    else if (watch && (change == GST_STATE_CHANGE_PAUSED_TO_READY
                       || change == GST_STATE_CHANGE_READY_TO_NULL))
        watch_stops(watch);
}

static void playhead_tracer_constructed(GObject *object) {
    static gsize once;
    G_OBJECT_CLASS(playhead_tracer_parent_class)->constructed(object);
    if (!g_once_init_enter(&once)) {
        GST_WARNING("GST_TRACERS names playhead twice; the first one counts");
        return;
    }
    char *text = NULL;
    g_object_get(object, "params", &text, NULL);
    params_read(&params, text);
    g_free(text);
    GstTracer *tracer = GST_TRACER(object);
    gst_tracing_register_hook(tracer, "element-post-message-pre", G_CALLBACK(post_message));
    gst_tracing_register_hook(tracer, "element-change-state-pre", G_CALLBACK(change_state));
    gst_tracing_register_hook(tracer, "pad-push-event-pre", G_CALLBACK(push_event));
    g_once_init_leave(&once, 1);
}

/* gst_deinit(): all that plays is over. */
static void playhead_tracer_finalize(GObject *object) {
    thread_stop();
    G_OBJECT_CLASS(playhead_tracer_parent_class)->finalize(object);
}

static void playhead_tracer_class_init(PlayheadTracerClass *class) {
    G_OBJECT_CLASS(class)->constructed = playhead_tracer_constructed;
    G_OBJECT_CLASS(class)->finalize = playhead_tracer_finalize;
}

static void playhead_tracer_init(PlayheadTracer *tracer) {
    (void)tracer;
}

static gboolean plugin_init(GstPlugin *plugin) {
    GST_DEBUG_CATEGORY_INIT(playhead_debug, "playhead", 0, "what is told to playheadd");
    return gst_tracer_register(plugin, "playhead", playhead_tracer_get_type());
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, playhead,
                  "Tells playheadd what is played", plugin_init, PLAYHEAD_VERSION, "MIT/X11",
                  "playheadd", "Unknown package origin")
