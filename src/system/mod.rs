//! The machine: its clocks, its network, the service manager.

pub mod clock;
pub mod memory;
pub mod network;
pub mod notify;
