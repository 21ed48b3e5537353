//! The doors under `doors/`: what players that speak no D-Bus of their own bring to the collector.

mod common;

#[path = "doors/firebolt.rs"]
mod firebolt;
#[path = "doors/gstreamer.rs"]
mod gstreamer;
#[path = "doors/kodi.rs"]
mod kodi;
