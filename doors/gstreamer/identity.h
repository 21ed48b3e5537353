/* What content and errors are called. */
#ifndef PLAYHEAD_GST_IDENTITY_H
#define PLAYHEAD_GST_IDENTITY_H

#include <gst/gst.h>
#include <stdbool.h>

/* The id of the content of a URI: without user and password, without its fragment, and with `drop_query`
 * without its query too. One of more than 512 bytes, or data:, is cut and ends in a hash, as in the door
 * of MPRIS. To be freed. */
char *identity_of_uri(const char *uri, bool drop_query);

/* The id of an error: gst.resource.not-found, gst.stream.decode, ... It is the same in every language and
 * version. */
void identity_of_error(const GError *error, char *id, size_t size);

#endif
