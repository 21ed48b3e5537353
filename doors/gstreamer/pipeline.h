/* What a pipeline is asked. All but its next URI is the thread's to ask, never a hook's. */
#ifndef PLAYHEAD_GST_PIPELINE_H
#define PLAYHEAD_GST_PIPELINE_H

#include <gst/gst.h>
#include <stdbool.h>

/* The URI of what is played; NULL when the pipeline plays none, or one that names no content, such as
 * appsrc://. To be freed. */
char *pipeline_uri(GstElement *pipeline);
/* The URI of what is to be played, before the pipeline starts. To be freed. */
char *pipeline_next_uri(GstElement *pipeline);

struct picture {
    bool shown; /* a sink keeps the pace of the clock, so somebody may be watching */
    bool none;  /* there is no sink at all yet */
    bool live;  /* it comes from a source that does not wait */
    bool video;
    int streams;
    int fps;    /* frames per second; 0: not known */
};
struct picture pipeline_picture(GstElement *pipeline);

/* Seconds; 0: not known. */
double pipeline_length(GstElement *pipeline);
/* Seconds. Says whether the pipeline knows it. */
bool pipeline_position(GstElement *pipeline, double *seconds);
/* Seconds of the content per second. */
bool pipeline_rate(GstElement *pipeline, double *rate);
/* Whether it plays and is not about to do anything else. */
bool pipeline_plays(GstElement *pipeline);

#endif
