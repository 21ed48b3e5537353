/* What GST_TRACERS="playhead(...)" may say. */
#ifndef PLAYHEAD_GST_PARAMS_H
#define PLAYHEAD_GST_PARAMS_H

#include <glib.h>

struct params {
    char *bus;           /* system, session or a D-Bus address; NULL: system */
    char *app;           /* stable id of the application; NULL: playheadd finds one */
    char *app_version;
    char *channel;
    char *player_name;
    double min_length;   /* seconds: what is known to be shorter is a sound of the user interface */
    double position;     /* seconds between two reports of the position */
    gboolean drop_query; /* the id of the content is its URI without the query */
};

/* Reads `text`, what stands between the brackets; NULL or empty: the defaults. What cannot be read is
 * reported as a warning of GStreamer and is as if it were not there. */
void params_read(struct params *params, const char *text);
void params_clear(struct params *params);

#endif
