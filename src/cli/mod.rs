//! The command lines of both programs. A parser of a few kilobytes reads the daemon's flags,
//! because the tools' parser would be a tenth of the daemon's size on every box.

mod ctl;
pub mod daemon;

pub use self::ctl::{
    BusArgs, BusName, Command, ConfigArgs, ConsentArgs, ConsentWord, Ctl, EXIT_STATUSES, FlushArgs,
    OutputArgs, PlayerArgs, QueueArgs, RecordArgs, SimulateArgs,
};
#[cfg(feature = "bench")]
pub use self::ctl::{CollectorArgs, FleetArgs};
