#include "watch.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"

/* Elements whose tags and dropped frames are told apart: a sink or a decoder each. */
#define SOURCES 8
/* Tags that come with a new stream may be there before it is announced. */
#define TAG_SLACK_US G_USEC_PER_SEC

struct source {
    const void *element; /* compared, never followed */
    int64_t bitrate;
    gint64 bitrate_us;
    uint64_t dropped;
};

struct watch {
    GWeakRef pipeline;
    unsigned number;
    struct viewing *viewing;
    /* The rest is guarded by `lock`. */
    struct watch *next;
    bool listed;
    bool gone;   /* the pipeline is */
    bool down;   /* READY or NULL, or on the way there */
    bool active; /* it has played, or has failed to */
    bool known;  /* to the thread: it has been active before */
    bool lost;
    struct note notes[NOTES];
    unsigned first, count;
    char *uri;
    struct facts facts;
    gint64 titled_us;
    struct source sources[SOURCES];
};

static GMutex lock;
static struct watch *news, **news_end = &news;
static unsigned watches;
static int news_fd = -1;
static bool closed;

static GQuark quark(void) {
    return g_quark_from_static_string("tv.playhead.watch");
}

/* With the lock held. */
static void list(struct watch *watch) {
    if (!watch->listed) {
        watch->listed = true;
        watch->next = NULL;
        *news_end = watch;
        news_end = &watch->next;
    }
    if (news_fd >= 0) {
        uint64_t one = 1;
        if (write(news_fd, &one, sizeof one) < 0)
            GST_LOG("the thread has news enough");
    }
}

void watch_free(struct watch *watch) {
    g_free(watch->uri);
    g_weak_ref_clear(&watch->pipeline);
    g_free(watch);
}

/* With the pipeline being finalized. */
static void pipeline_gone(gpointer data) {
    struct watch *watch = data;
    g_mutex_lock(&lock);
    bool known = watch->known;
    watch->gone = watch->down = true;
    if (known)
        list(watch);
    g_mutex_unlock(&lock);
    if (!known)
        watch_free(watch);
}

struct watch *watch_of(GstElement *pipeline) {
    return g_object_get_qdata(G_OBJECT(pipeline), quark());
}

struct watch *watch_begin(GstElement *pipeline) {
    struct watch *watch = watch_of(pipeline);
    if (watch)
        return watch;
    watch = g_new0(struct watch, 1);
    watch->down = true;
    g_weak_ref_init(&watch->pipeline, pipeline);
    g_mutex_lock(&lock);
    watch->number = ++watches;
    g_mutex_unlock(&lock);
    /* Two threads may change the state of one pipeline; one of them wins. */
    if (!g_object_replace_qdata(G_OBJECT(pipeline), quark(), NULL, watch, pipeline_gone, NULL)) {
        watch_free(watch);
        return watch_of(pipeline);
    }
    return watch;
}

/* With the lock held. */
static void forget_old_tags(struct watch *watch, gint64 us) {
    struct facts *facts = &watch->facts;
    if (us - watch->titled_us > TAG_SLACK_US)
        *facts->title = *facts->artist = *facts->album = *facts->stream_title = '\0';
    for (struct source *s = watch->sources; s < watch->sources + SOURCES; s++)
        if (us - s->bitrate_us > TAG_SLACK_US)
            s->bitrate = 0;
}

void watch_starts(struct watch *watch, char *uri, gint64 us) {
    g_mutex_lock(&lock);
    char *before = watch->uri;
    watch->uri = uri;
    watch->down = false;
    watch->facts = (struct facts){ .started_us = us };
    memset(watch->sources, 0, sizeof watch->sources);
    g_mutex_unlock(&lock);
    g_free(before);
}

void watch_plays(struct watch *watch, gint64 us) {
    g_mutex_lock(&lock);
    if (!watch->facts.started_us)
        watch->facts.started_us = us;
    g_mutex_unlock(&lock);
}

void watch_stops(struct watch *watch) {
    g_mutex_lock(&lock);
    watch->down = true;
    g_mutex_unlock(&lock);
}

bool watch_note(struct watch *watch, const struct note *note) {
    bool plays = note->kind == NOTE_STATE && note->state.now == GST_STATE_PLAYING;
    bool fails = note->kind == NOTE_ERROR && note->error.wanted;
    g_mutex_lock(&lock);
    if (note->kind == NOTE_STREAM) {
        watch->facts.group = note->group;
        forget_old_tags(watch, note->us);
    }
    /* It rests at its first picture, and not because it waits for data: what the viewer waits for begins
     * when he plays it. */
    if (note->kind == NOTE_STATE && note->state.now == GST_STATE_PAUSED && !watch->active
        && note->state.pending == GST_STATE_VOID_PENDING && !watch->facts.buffering)
        watch->facts.started_us = 0;
    watch->active |= plays || fails;
    watch->known |= watch->active;
    bool needed = watch->active;
    if (needed) {
        if (watch->count < NOTES)
            watch->notes[(watch->first + watch->count++) % NOTES] = *note;
        else
            watch->lost = true;
        list(watch);
    }
    if (note->kind == NOTE_STATE && note->state.now <= GST_STATE_READY)
        watch->active = false;
    g_mutex_unlock(&lock);
    return needed;
}

void watch_buffering(struct watch *watch, bool buffering, gint64 us) {
    g_mutex_lock(&lock);
    bool same = watch->facts.buffering == buffering;
    watch->facts.buffering = buffering;
    g_mutex_unlock(&lock);
    /* A message for each per cent is no news. */
    if (!same)
        watch_note(watch, &(struct note){ .kind = NOTE_BUFFERING, .us = us, .buffering = buffering });
}

static struct source *source_of(struct watch *watch, const void *element) {
    struct source *s = watch->sources;
    while (s < watch->sources + SOURCES && s->element && s->element != element)
        s++;
    if (s == watch->sources + SOURCES)
        return NULL;
    s->element = element;
    return s;
}

/* Cuts where a character ends. */
static bool copy_text(char into[TEXT], const GstTagList *tags, const char *tag) {
    const char *text;
    if (!gst_tag_list_peek_string_index(tags, tag, 0, &text) || !*text)
        return false;
    g_strlcpy(into, text, TEXT);
    const char *end;
    g_utf8_validate(into, -1, &end);
    into[end - into] = '\0';
    return true;
}

void watch_tags(struct watch *watch, GstObject *source, const GstTagList *tags, gint64 us) {
    guint bits = 0;
    if (!gst_tag_list_get_uint(tags, GST_TAG_NOMINAL_BITRATE, &bits) || !bits)
        gst_tag_list_get_uint(tags, GST_TAG_BITRATE, &bits);
    bool whole = gst_tag_list_get_scope(tags) == GST_TAG_SCOPE_GLOBAL;
    g_mutex_lock(&lock);
    struct facts *facts = &watch->facts;
    bool texts = copy_text(whole ? facts->title : facts->stream_title, tags, GST_TAG_TITLE);
    texts |= copy_text(facts->artist, tags, GST_TAG_ARTIST);
    texts |= copy_text(facts->album, tags, GST_TAG_ALBUM);
    if (texts)
        watch->titled_us = us;
    struct source *s = bits ? source_of(watch, source) : NULL;
    if (s) {
        s->bitrate = (bits + 500) / 1000;
        s->bitrate_us = us;
    }
    g_mutex_unlock(&lock);
}

void watch_dropped(struct watch *watch, GstObject *source, uint64_t dropped) {
    g_mutex_lock(&lock);
    struct source *s = source_of(watch, source);
    if (s) {
        /* An element counts from its last flush. */
        watch->facts.dropped += dropped >= s->dropped ? dropped - s->dropped : dropped;
        s->dropped = dropped;
    }
    g_mutex_unlock(&lock);
}

void watches_close(void) {
    g_mutex_lock(&lock);
    closed = true;
    g_mutex_unlock(&lock);
}

int watches_fd(void) {
    g_mutex_lock(&lock);
    if (news_fd < 0) {
        news_fd = eventfd(news != NULL, EFD_CLOEXEC | EFD_NONBLOCK);
        if (news_fd < 0)
            GST_WARNING("no file descriptor for the thread: nothing is reported");
    }
    int fd = news_fd;
    g_mutex_unlock(&lock);
    return fd;
}

struct watch *watches_next(void) {
    g_mutex_lock(&lock);
    struct watch *watch = news;
    if (watch) {
        news = watch->next;
        if (!news)
            news_end = &news;
        watch->listed = false;
    }
    g_mutex_unlock(&lock);
    return watch;
}

bool watch_take(struct watch *watch, struct note *note, bool *lost) {
    g_mutex_lock(&lock);
    bool any = watch->count > 0;
    if (any) {
        *note = watch->notes[watch->first];
        watch->first = (watch->first + 1) % NOTES;
        watch->count--;
    }
    /* What was not kept came after all that was. */
    *lost = watch->count == 0 && watch->lost;
    if (*lost)
        watch->lost = false;
    g_mutex_unlock(&lock);
    return any;
}

void watch_facts(struct watch *watch, struct facts *facts) {
    g_mutex_lock(&lock);
    *facts = watch->facts;
    for (struct source *s = watch->sources; s < watch->sources + SOURCES; s++) {
        facts->bitrate += s->bitrate;
        facts->bitrates += s->bitrate > 0;
    }
    g_mutex_unlock(&lock);
}

char *watch_uri(struct watch *watch) {
    g_mutex_lock(&lock);
    char *uri = g_strdup(watch->uri);
    g_mutex_unlock(&lock);
    return uri;
}

GstElement *watch_pipeline(struct watch *watch) {
    g_mutex_lock(&lock);
    bool down = watch->down || closed;
    g_mutex_unlock(&lock);
    return down ? NULL : g_weak_ref_get(&watch->pipeline);
}

unsigned watch_number(const struct watch *watch) {
    return watch->number;
}

struct viewing **watch_viewing(struct watch *watch) {
    return &watch->viewing;
}

bool watch_is_over(struct watch *watch) {
    g_mutex_lock(&lock);
    bool over = watch->gone && !watch->listed;
    g_mutex_unlock(&lock);
    return over;
}
