/* The one thread of the door. It asks the pipelines, holds the connection to playheadd, and ends what
 * still plays when the program ends. */
#ifndef PLAYHEAD_GST_THREAD_H
#define PLAYHEAD_GST_THREAD_H

#include "params.h"

/* Starts it, once; `params` has to live as long as the process. Nothing happens after thread_stop(). */
void thread_start(const struct params *params);
/* What still plays ends, and the thread says so for up to half a second. */
void thread_stop(void);

#endif
