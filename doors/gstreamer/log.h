/* GST_DEBUG=playhead:5 shows what the door does. */
#ifndef PLAYHEAD_GST_LOG_H
#define PLAYHEAD_GST_LOG_H

#include <gst/gst.h>

GST_DEBUG_CATEGORY_EXTERN(playhead_debug);
#define GST_CAT_DEFAULT playhead_debug

#endif
