//! `playheadd`: a playback-session agent for set-top boxes.
//!
//! docs/architecture.md has the rooms and who may import whom; `tests/layers.rs` holds it.

pub mod app;
#[cfg(feature = "bench")]
pub mod bench;
pub mod cli;
pub mod collector;
pub mod config;
pub mod core;
pub mod ctl;
pub mod dbus;
pub mod engine;
pub mod mpris;
pub mod port;
pub mod sim;
pub mod store;
pub mod system;
