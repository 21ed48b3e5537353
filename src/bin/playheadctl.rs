//! Looks at the agent and tries things out. Parses, runs one command, exits with its status.

use std::process::ExitCode;

use clap::Parser;
use playheadd::{cli, ctl};

fn main() -> ExitCode {
    match ctl::run(cli::Ctl::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("playheadctl: {}", failure.shown());
            }
            ExitCode::from(failure.status)
        }
    }
}
