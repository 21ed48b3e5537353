//! The daemon: parse, log, run, exit status.

use std::process::ExitCode;

use clap::Parser;
use playheadd::app::{self, AppError, Arguments};
use playheadd::cli;

fn main() -> ExitCode {
    let line = cli::Daemon::parse();
    let check = line.check;
    let arguments =
        Arguments { config: line.config, state_dir: line.state_dir, bus: line.bus.address() };
    match start(arguments, check) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("playheadd: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(next) = cause {
                text.push_str(&format!("\n  because: {next}"));
                cause = next.source();
            }
            eprintln!("{text}");
            ExitCode::from(error.exit_status())
        }
    }
}

fn start(arguments: Arguments, check: bool) -> Result<(), AppError> {
    let config = app::load(&arguments)?;
    if check {
        return app::check(&config);
    }
    app::log(config.log_level);
    // One thread: the order of the wire is the order of the engine (api.md 1.5).
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| AppError::System("the runtime", e))?
        .block_on(app::run(arguments, config))
}
