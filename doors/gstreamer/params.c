#include "params.h"

#include <gst/gst.h>
#include <string.h>

#include "log.h"

#define MIN_LENGTH 5.0
#define POSITION 5.0
#define LEAST_POSITION 1.0

static gboolean read_seconds(const GValue *value, double least, double *seconds) {
    double given;
    if (G_VALUE_HOLDS_DOUBLE(value))
        given = g_value_get_double(value);
    else if (G_VALUE_HOLDS_INT(value))
        given = g_value_get_int(value);
    else
        return FALSE;
    if (!(given >= least && given <= 86400))
        return FALSE;
    *seconds = given;
    return TRUE;
}

/* A name such as 5 is a number to a GstStructure. */
static gboolean read_text(const GValue *value, char **text) {
    GValue string = G_VALUE_INIT;
    g_value_init(&string, G_TYPE_STRING);
    gboolean read = g_value_transform(value, &string) && g_value_get_string(&string)
        && *g_value_get_string(&string);
    if (read) {
        g_free(*text);
        *text = g_value_dup_string(&string);
    }
    g_value_unset(&string);
    return read;
}

static gboolean read_param(GQuark field, const GValue *value, gpointer userdata) {
    struct params *params = userdata;
    const char *key = g_quark_to_string(field);
    gboolean read = FALSE;
    char *query = NULL;
    if (strcmp(key, "bus") == 0)
        read = read_text(value, &params->bus);
    else if (strcmp(key, "app") == 0)
        read = read_text(value, &params->app);
    else if (strcmp(key, "app_version") == 0)
        read = read_text(value, &params->app_version);
    else if (strcmp(key, "channel") == 0)
        read = read_text(value, &params->channel);
    else if (strcmp(key, "player_name") == 0)
        read = read_text(value, &params->player_name);
    else if (strcmp(key, "min_length") == 0)
        read = read_seconds(value, 0, &params->min_length);
    else if (strcmp(key, "position") == 0)
        read = read_seconds(value, LEAST_POSITION, &params->position);
    else if (strcmp(key, "query") == 0 && read_text(value, &query)) {
        read = strcmp(query, "drop") == 0 || strcmp(query, "keep") == 0;
        params->drop_query = strcmp(query, "drop") == 0;
    } else {
        GST_WARNING("GST_TRACERS: playhead has no parameter '%s'; it has bus, app, app_version, "
                    "channel, player_name, min_length, position and query", key);
        return TRUE;
    }
    g_free(query);
    if (!read)
        GST_WARNING("GST_TRACERS: playhead cannot use this value of '%s'; its default counts", key);
    return TRUE;
}

void params_read(struct params *params, const char *text) {
    *params = (struct params){ .min_length = MIN_LENGTH, .position = POSITION };
    if (!text || !*text)
        return;
    char *whole = g_strconcat("playhead,", text, NULL);
    GstStructure *structure = gst_structure_from_string(whole, NULL);
    if (structure) {
        gst_structure_foreach(structure, read_param, params);
        gst_structure_free(structure);
    } else {
        GST_WARNING("GST_TRACERS: playhead(%s) cannot be read; it takes KEY=VALUE with commas between "
                    "them, and an address of D-Bus in quotation marks", text);
    }
    g_free(whole);
}

void params_clear(struct params *params) {
    g_free(params->bus);
    g_free(params->app);
    g_free(params->app_version);
    g_free(params->channel);
    g_free(params->player_name);
    *params = (struct params){ 0 };
}
