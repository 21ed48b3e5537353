//! The commands of `playheadctl`, one file each.

mod agent;
mod ask;
#[cfg(feature = "bench")]
mod collector;
mod config;
mod consent;
mod doctor;
#[cfg(feature = "bench")]
mod fleet;
mod flush;
mod monitor;
mod output;
mod player;
mod queue;
mod record;
mod resume_points;
mod sessions;
mod simulate;
mod status;
mod warnings;

use crate::cli::{Command, Ctl};
use crate::core::text::printable;

/// Why a command could not do its work, and the exit status that says so.
#[derive(Debug)]
pub struct Failure {
    pub status: u8,
    pub message: String,
}

impl Failure {
    /// A mistake in the arguments or in a file they name (exit status 2).
    pub fn usage(message: impl ToString) -> Failure {
        Failure { status: 2, message: message.to_string() }
    }

    /// Everything was said already; only the exit status is left.
    pub fn silent(status: u8) -> Failure {
        Failure { status, message: String::new() }
    }

    /// The message, printable line by line.
    pub fn shown(&self) -> String {
        let lines: Vec<_> = self.message.split('\n').map(printable).collect();
        lines.join("\n")
    }

    /// The command did not work (exit status 1).
    pub fn failed(message: impl ToString) -> Failure {
        Failure { status: 1, message: message.to_string() }
    }
}

/// Runs one command.
pub fn run(ctl: Ctl) -> Result<(), Failure> {
    match ctl.command {
        Command::Simulate(args) => simulate::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Status(args) => on_bus(status::run(ctl.bus.address(), args)),
        Command::Sessions(args) => on_bus(sessions::run(ctl.bus.address(), args)),
        Command::Queue(args) => on_bus(queue::run(ctl.bus.address(), args)),
        Command::ResumePoints(args) => on_bus(resume_points::run(ctl.bus.address(), args)),
        Command::Flush(args) => on_bus(flush::run(ctl.bus.address(), args)),
        Command::Consent(args) => on_bus(consent::run(ctl.bus.address(), args)),
        Command::Doctor(args) => on_bus(doctor::run(ctl.bus.address(), args)),
        Command::Monitor(args) => on_bus(monitor::run(ctl.bus.address(), args)),
        Command::Player(args) => on_bus(player::run(ctl.bus.address(), args)),
        Command::Record(args) => on_bus(record::run(ctl.bus.address(), args)),
        #[cfg(feature = "bench")]
        Command::Collector(args) => collector::run(args),
        #[cfg(feature = "bench")]
        Command::Fleet(args) => fleet::run(&args),
    }
}

fn on_bus(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::failed(format!("the async runtime cannot start: {e}")))?;
    runtime.block_on(work)
}
