#include "pipeline.h"

#include <string.h>

#include "log.h"

#define SECOND ((double)GST_SECOND)

static const char *kind_of(GstElement *element) {
    GstElementFactory *factory = gst_element_get_factory(element);
    return factory ? GST_OBJECT_NAME(factory) : "";
}

/* Elements that are given a URI, the outermost first: a playbin has a uridecodebin inside. */
static bool takes_uri(GstElement *element) {
    static const char *const kinds[] = {
        "playbin", "playbin3", "uridecodebin", "uridecodebin3", "urisourcebin",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (strcmp(kind_of(element), kinds[i]) == 0)
            return true;
    return false;
}

/* What stands for data that the application pushes, and for devices. */
static bool names_content(const char *uri) {
    static const char *const schemes[] = {
        "appsrc:", "fd:", "blob:", "mediasourceblob:", "mediastream:", "v4l2:", "alsa:", "pulse:",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++)
        if (g_ascii_strncasecmp(uri, schemes[i], strlen(schemes[i])) == 0)
            return false;
    return strchr(uri, ':') != NULL;
}

static char *text_of(GstElement *element, const char *property) {
    char *text = NULL;
    if (g_object_class_find_property(G_OBJECT_GET_CLASS(element), property))
        g_object_get(element, property, &text, NULL);
    return text;
}

/* `uri` is that of the next content already, while `current-uri` is what is shown. */
static char *uri_of(GstElement *element, bool shown) {
    char *uri = shown ? text_of(element, "current-uri") : NULL;
    if (!uri)
        uri = text_of(element, "uri");
    if (uri && names_content(uri))
        return uri;
    g_free(uri);
    return NULL;
}

/* Calls `look` with each element of an iterator until it says true; frees the iterator. */
static void look_at_each(GstIterator *elements, bool (*look)(GstElement *, void *), void (*anew)(void *),
                         void *found) {
    GValue item = G_VALUE_INIT;
    bool done = elements == NULL;
    while (!done) {
        switch (gst_iterator_next(elements, &item)) {
        case GST_ITERATOR_OK:
            done = look(g_value_get_object(&item), found);
            g_value_reset(&item);
            break;
        case GST_ITERATOR_RESYNC:
            gst_iterator_resync(elements);
            anew(found);
            break;
        default:
            done = true;
        }
    }
    if (G_IS_VALUE(&item))
        g_value_unset(&item);
    if (elements)
        gst_iterator_free(elements);
}

struct found_uri {
    bool shown;
    char *uri;
};

static bool look_for_uri(GstElement *element, void *found) {
    struct found_uri *search = found;
    if (takes_uri(element))
        search->uri = uri_of(element, search->shown);
    return search->uri != NULL;
}

static void no_uri(void *found) {
    struct found_uri *search = found;
    g_clear_pointer(&search->uri, g_free);
}

static char *find_uri(GstElement *pipeline, bool shown) {
    if (takes_uri(pipeline))
        return uri_of(pipeline, shown);
    struct found_uri search = { .shown = shown };
    look_at_each(gst_bin_iterate_recurse(GST_BIN(pipeline)), look_for_uri, no_uri, &search);
    return search.uri;
}

char *pipeline_uri(GstElement *pipeline) {
    return find_uri(pipeline, true);
}

char *pipeline_next_uri(GstElement *pipeline) {
    return find_uri(pipeline, false);
}

/* A sink that waits for the clock shows something; a file or a network is not somebody who watches. */
static bool sink_shows(GstElement *sink) {
    const char *class = gst_element_class_get_metadata(GST_ELEMENT_GET_CLASS(sink),
                                                       GST_ELEMENT_METADATA_KLASS);
    if (class && (strstr(class, "File") || strstr(class, "Network")))
        return false;
    gboolean sync = TRUE;
    GParamSpec *spec = g_object_class_find_property(G_OBJECT_GET_CLASS(sink), "sync");
    if (spec && spec->value_type == G_TYPE_BOOLEAN)
        g_object_get(sink, "sync", &sync, NULL);
    return sync;
}

/* A sink itself calls everything live that it shows at the pace of the clock. */
static bool comes_live(GstPad *pad) {
    GstQuery *query = gst_query_new_latency();
    gboolean live = FALSE;
    if (gst_pad_peer_query(pad, query))
        gst_query_parse_latency(query, &live, NULL, NULL);
    gst_query_unref(query);
    return live;
}

static void look_at_stream(GstElement *sink, struct picture *picture) {
    GstPad *pad = gst_element_get_static_pad(sink, "sink");
    if (!pad)
        return;
    picture->live |= comes_live(pad);
    GstCaps *caps = gst_pad_get_current_caps(pad);
    if (caps && gst_caps_get_size(caps) > 0) {
        const GstStructure *s = gst_caps_get_structure(caps, 0);
        int frames, per;
        if (g_str_has_prefix(gst_structure_get_name(s), "video/")) {
            picture->video = true;
            if (gst_structure_get_fraction(s, "framerate", &frames, &per) && per > 0)
                picture->fps = (frames + per / 2) / per;
        }
    }
    g_clear_pointer(&caps, gst_caps_unref);
    gst_object_unref(pad);
}

static bool look_at_sink(GstElement *element, void *found) {
    struct picture *picture = found;
    if (GST_IS_BIN(element) || !GST_OBJECT_FLAG_IS_SET(element, GST_ELEMENT_FLAG_SINK))
        return false;
    picture->none = false;
    if (sink_shows(element)) {
        picture->shown = true;
        picture->streams++;
        look_at_stream(element, picture);
    }
    return false;
}

static void no_picture(void *found) {
    struct picture *picture = found;
    *picture = (struct picture){ .none = true };
}

struct picture pipeline_picture(GstElement *pipeline) {
    struct picture picture = { .none = true };
    look_at_each(gst_bin_iterate_recurse(GST_BIN(pipeline)), look_at_sink, no_picture, &picture);
    return picture;
}

double pipeline_length(GstElement *pipeline) {
    gint64 length = -1;
    if (!gst_element_query_duration(pipeline, GST_FORMAT_TIME, &length) || length <= 0)
        return 0;
    return length / SECOND;
}

bool pipeline_position(GstElement *pipeline, double *seconds) {
    gint64 position = -1;
    if (!gst_element_query_position(pipeline, GST_FORMAT_TIME, &position) || position < 0)
        return false;
    *seconds = position / SECOND;
    return true;
}

bool pipeline_rate(GstElement *pipeline, double *rate) {
    GstQuery *query = gst_query_new_segment(GST_FORMAT_TIME);
    bool known = gst_element_query(pipeline, query);
    if (known)
        gst_query_parse_segment(query, rate, NULL, NULL, NULL);
    gst_query_unref(query);
    return known && *rate != 0;
}

bool pipeline_plays(GstElement *pipeline) {
    GstState state, pending;
    GstStateChangeReturn changed = gst_element_get_state(pipeline, &state, &pending, 0);
    return (changed == GST_STATE_CHANGE_SUCCESS || changed == GST_STATE_CHANGE_NO_PREROLL)
        && state == GST_STATE_PLAYING && pending == GST_STATE_VOID_PENDING;
}
