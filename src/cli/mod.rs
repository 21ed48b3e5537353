//! The command lines of both programs. The daemon's five flags are read by a parser of a few
//! kilobytes: it is on every box, and the tools' parser would be a tenth of its size.

mod ctl;
pub mod daemon;

#[cfg(feature = "bench")]
pub use self::ctl::CollectorArgs;
pub use self::ctl::{
    BusArgs, BusName, Command, Ctl, OutputArgs, PlayerArgs, RecordArgs, SimulateArgs,
};
