//! GStreamer.
