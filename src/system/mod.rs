//! The machine: its clocks, its signals, the service manager.

pub mod clock;
pub mod notify;
