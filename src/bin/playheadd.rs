//! The daemon: parse, log, run, exit status.

use std::process::ExitCode;

use playheadd::app::{self, AppError, Arguments};
use playheadd::cli::daemon::{self, DaemonCommand, Line};
use playheadd::store::reader;
use playheadd::system::process;

fn main() -> ExitCode {
    let ended = match daemon::parse(std::env::args_os().skip(1)) {
        Ok(DaemonCommand::Help) => {
            print!("{}", daemon::help());
            return ExitCode::SUCCESS;
        }
        Ok(DaemonCommand::Version) => {
            println!("playheadd {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Ok(DaemonCommand::ReadStore(dir)) => {
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            return ExitCode::from(reader::read_store(&dir, &mut out));
        }
        Ok(DaemonCommand::Check(line)) => warned(app::check(&arguments(line))),
        Ok(DaemonCommand::Reload(pid)) => reload(pid),
        Ok(DaemonCommand::Run(line)) => run(arguments(line)),
        Err(message) => {
            eprintln!("playheadd: {message}");
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A configuration may have several mistakes, one a line.
            let mut text =
                format!("playheadd: {}", error.to_string().replace('\n', "\nplayheadd: "));
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

fn arguments(line: Line) -> Arguments {
    Arguments { config: line.config, state_dir: line.state_dir, bus: line.bus }
}

fn warned(checked: Result<Vec<String>, AppError>) -> Result<(), AppError> {
    for warning in checked? {
        eprintln!("playheadd: warning: {warning}");
    }
    Ok(())
}

/// Has a running daemon read its configuration anew, and checks it here: the daemon has no way to
/// tell the service manager that it is broken.
fn reload(pid: u32) -> Result<(), AppError> {
    let failed = |error| AppError::Reload(pid, error);
    let running = daemon::parse(process::arguments(pid).map_err(failed)?);
    let Ok(DaemonCommand::Run(mut line)) = running else {
        return Err(failed(std::io::Error::other("it does not serve")));
    };
    // A path that the daemon was given begins in the daemon's directory.
    if let Some(config) = line.config.take_if(|config| config.is_relative()) {
        line.config = Some(process::directory(pid).map_err(failed)?.join(config));
    }
    process::hang_up(pid).map_err(failed)?;
    let checked = app::check_for(pid, &arguments(line));
    if checked.as_ref().is_err_and(AppError::needs_restart) {
        eprintln!(
            "playheadd: variables and credentials are those with which the service was started; correct \
             them and restart it"
        );
    }
    warned(checked)
}

fn run(arguments: Arguments) -> Result<(), AppError> {
    // What is stored is for nobody else, whatever the umask of whoever starts the daemon.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // One thread: the order of the wire is the order of the engine (behaviour.md 1.5).
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| AppError::System("the runtime", e))?
        .block_on(app::run(arguments))
}
