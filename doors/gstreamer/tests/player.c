/* An application that plays with GStreamer and knows nothing of playheadd: the tests run it with
 * GST_TRACERS=playhead.
 *
 * It takes a command a line on standard input, NAME being that of a pipeline:
 *   bin NAME playbin|playbin3 URI   a pipeline that shows at the pace of the clock
 *   hurried NAME KIND URI           one that shows as fast as it can
 *   launch NAME DESCRIPTION         any other, as gst-launch-1.0 takes it
 *   obey NAME, disobey NAME         whether it pauses while it fills its buffers, as it should
 *   next NAME URI                   what it plays next, without a gap
 *   play|pause|ready NAME
 *   seek NAME SECONDS RATE
 *   reach NAME SECONDS              says `reached NAME` when it is there, or beyond it
 *   where NAME                      says `at NAME SECONDS`
 *   drop NAME                       stops it and gives it up; says `gone NAME` or `alive NAME`
 * and says `playing NAME`, `paused NAME`, `end NAME` and `error NAME` when that happens. At the end of
 * its input it exits, whatever is played.
 */
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct player {
    char *name;
    GstElement *pipeline;
    GQueue next; /* URIs */
    gboolean obeys;
    double reach; /* seconds; negative: nobody waits */
};

static GHashTable *players;

static void say(const char *what, const struct player *player) {
    printf("%s %s\n", what, player->name);
    fflush(stdout);
}

static double position(const struct player *player) {
    gint64 where = 0;
    gst_element_query_position(player->pipeline, GST_FORMAT_TIME, &where);
    return where / (double)GST_SECOND;
}

static void state_changed(const struct player *player, GstMessage *message) {
    GstState state, pending;
    if (GST_MESSAGE_SRC(message) != GST_OBJECT(player->pipeline))
        return;
    gst_message_parse_state_changed(message, NULL, &state, &pending);
    if (pending != GST_STATE_VOID_PENDING)
        return;
    if (state == GST_STATE_PLAYING)
        say("playing", player);
    else if (state == GST_STATE_PAUSED)
        say("paused", player);
}

static gboolean heard(GstBus *bus, GstMessage *message, gpointer userdata) {
    (void)bus;
    struct player *player = userdata;
    gint percent;
    switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_STATE_CHANGED:
        state_changed(player, message);
        break;
    case GST_MESSAGE_BUFFERING:
        gst_message_parse_buffering(message, &percent);
        if (player->obeys)
            gst_element_set_state(player->pipeline,
                                  percent < 100 ? GST_STATE_PAUSED : GST_STATE_PLAYING);
        break;
    case GST_MESSAGE_EOS:
        say("end", player);
        break;
    case GST_MESSAGE_ERROR:
        say("error", player);
        break;
    default:
        break;
    }
    return G_SOURCE_CONTINUE;
}

static gboolean look(gpointer userdata) {
    struct player *player = userdata;
    if (player->pipeline && player->reach >= 0 && position(player) >= player->reach) {
        player->reach = -1;
        say("reached", player);
    }
    return G_SOURCE_CONTINUE;
}

/* In a thread of the pipeline. Commands are given well before. */
static void about_to_finish(GstElement *pipeline, gpointer userdata) {
    struct player *player = userdata;
    char *uri = g_queue_pop_head(&player->next);
    if (uri)
        g_object_set(pipeline, "uri", uri, NULL);
    g_free(uri);
}

static struct player *add(const char *name, GstElement *pipeline) {
    if (!pipeline) {
        fprintf(stderr, "%s: no such pipeline\n", name);
        exit(1);
    }
    struct player *player = g_new0(struct player, 1);
    player->name = g_strdup(name);
    player->pipeline = gst_object_ref_sink(pipeline);
    player->reach = -1;
    g_queue_init(&player->next);
    g_hash_table_insert(players, player->name, player);
    GstBus *bus = gst_element_get_bus(pipeline);
    gst_bus_add_watch(bus, heard, player);
    gst_object_unref(bus);
    g_timeout_add(20, look, player);
    return player;
}

static void add_playbin(const char *name, const char *kind, const char *uri, gboolean paced) {
    GstElement *pipeline = gst_element_factory_make(kind, NULL);
    struct player *player = add(name, pipeline);
    const char *sinks[] = { "video-sink", "audio-sink" };
    for (size_t i = 0; i < G_N_ELEMENTS(sinks); i++) {
        GstElement *sink = gst_element_factory_make("fakesink", NULL);
        g_object_set(sink, "sync", paced, NULL);
        g_object_set(pipeline, sinks[i], sink, NULL);
    }
    g_object_set(pipeline, "uri", uri, NULL);
    g_signal_connect(pipeline, "about-to-finish", G_CALLBACK(about_to_finish), player);
}

static void drop(struct player *player) {
    GstBus *bus = gst_element_get_bus(player->pipeline);
    gst_bus_remove_watch(bus);
    gst_object_unref(bus);
    gst_element_set_state(player->pipeline, GST_STATE_NULL);
    gpointer alive = player->pipeline;
    g_object_add_weak_pointer(G_OBJECT(player->pipeline), &alive);
    gst_object_unref(player->pipeline);
    player->pipeline = NULL;
    say(alive ? "alive" : "gone", player);
    if (alive)
        g_object_remove_weak_pointer(alive, &alive);
}

static void seek(struct player *player, const char *arguments) {
    double seconds = 0, rate = 1;
    sscanf(arguments, "%lf %lf", &seconds, &rate);
    gst_element_seek(player->pipeline, rate, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE,
                     GST_SEEK_TYPE_SET, (gint64)(seconds * GST_SECOND), GST_SEEK_TYPE_NONE, 0);
}

static void command(char *line) {
    char *word = strsep(&line, " "), *name = strsep(&line, " ");
    if (!name)
        return;
    struct player *player = g_hash_table_lookup(players, name);
    if (strcmp(word, "bin") == 0 || strcmp(word, "hurried") == 0) {
        char *kind = strsep(&line, " ");
        add_playbin(name, kind, line, strcmp(word, "bin") == 0);
    } else if (strcmp(word, "launch") == 0) {
        add(name, gst_parse_launch(line, NULL));
    } else if (!player || !player->pipeline) {
        fprintf(stderr, "%s: no such pipeline\n", name);
    } else if (strcmp(word, "obey") == 0) {
        player->obeys = TRUE;
    } else if (strcmp(word, "disobey") == 0) {
        player->obeys = FALSE;
    } else if (strcmp(word, "next") == 0) {
        g_queue_push_tail(&player->next, g_strdup(line));
    } else if (strcmp(word, "play") == 0) {
        gst_element_set_state(player->pipeline, GST_STATE_PLAYING);
    } else if (strcmp(word, "pause") == 0) {
        gst_element_set_state(player->pipeline, GST_STATE_PAUSED);
    } else if (strcmp(word, "ready") == 0) {
        gst_element_set_state(player->pipeline, GST_STATE_READY);
    } else if (strcmp(word, "seek") == 0) {
        seek(player, line);
    } else if (strcmp(word, "reach") == 0) {
        player->reach = atof(line);
    } else if (strcmp(word, "where") == 0) {
        printf("at %s %.3f\n", name, position(player));
        fflush(stdout);
    } else if (strcmp(word, "drop") == 0) {
        drop(player);
    } else {
        fprintf(stderr, "%s: no such command\n", word);
    }
}

static gboolean read_command(GIOChannel *input, GIOCondition condition, gpointer loop) {
    (void)condition;
    char *line = NULL;
    gsize end = 0;
    if (g_io_channel_read_line(input, &line, NULL, &end, NULL) != G_IO_STATUS_NORMAL) {
        g_main_loop_quit(loop);
        return G_SOURCE_REMOVE;
    }
    line[end] = '\0';
    command(line);
    g_free(line);
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv) {
    gst_init(&argc, &argv);
    players = g_hash_table_new(g_str_hash, g_str_equal);
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    GIOChannel *input = g_io_channel_unix_new(0);
    g_io_add_watch(input, G_IO_IN | G_IO_HUP, read_command, loop);
    puts("ready");
    fflush(stdout);
    g_main_loop_run(loop);
    return 0;
}
