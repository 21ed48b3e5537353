//! The machine: its clocks, its network, its sleep, its processes, the service manager.

#[cfg(all(panic = "abort", not(debug_assertions), target_env = "gnu"))]
mod backtrace;
pub mod clock;
pub mod clock_watcher;
pub mod groups;
pub mod journal;
pub mod logind;
pub mod memory;
pub mod network;
pub mod notify;
pub mod process;
pub mod shutdown;
pub mod time_service;
pub mod watched;

/// The services whose signals are heard. Anybody can send a signal that looks like one of theirs.
pub const HEARD: [&str; 3] = [network::MANAGERS[0], network::MANAGERS[1], logind::LOGIND];
