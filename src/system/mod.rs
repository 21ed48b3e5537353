//! The machine: its clocks, its network, its processes, the service manager.

pub mod clock;
pub mod groups;
pub mod journal;
pub mod memory;
pub mod network;
pub mod notify;
pub mod process;
