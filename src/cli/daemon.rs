//! The daemon's command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, ValueExt};

use crate::dbus::BusAddress;

/// What `--help` prints.
pub const HELP: &str = "\
The playback-session agent for set-top boxes

Usage: playheadd [OPTIONS]

Options:
      --config <FILE>          This configuration file in place of those of the box
      --bus <system|session>   Which of the machine's buses [default: system]
      --bus-address <ADDRESS>  A bus by its address, for development; overrides --bus
      --state-dir <DIR>        State directory; overrides store.path of the configuration
      --check                  Check the configuration and exit
      --reload <PID>           Have a running daemon read its configuration anew and exit; fails
                               when that is broken
      --read-store <DIR>       Print the entries of a database and exit; the daemon itself runs
                               this, to look at a store that may be broken
  -h, --help                   Print help
  -V, --version                Print version
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum DaemonCommand {
    Run(Line),
    /// Check the configuration and exit.
    Check(Line),
    /// Have the daemon that runs as this process read its configuration anew, and exit.
    Reload(u32),
    /// Print the entries of a database and exit.
    ReadStore(PathBuf),
    Help,
    Version,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub config: Option<PathBuf>,
    pub state_dir: Option<PathBuf>,
    pub bus: BusAddress,
}

/// Reads the arguments, without the program's own name.
///
/// Errors: one sentence for an unknown flag, or a value that is missing or wrong.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<DaemonCommand, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut line = Line { config: None, state_dir: None, bus: BusAddress::System };
    let (mut address, mut check) = (None, false);
    let mut store = None;
    while let Some(argument) = parser.next().map_err(said)? {
        match argument {
            Long("config") => line.config = Some(parser.value().map_err(said)?.into()),
            Long("state-dir") => {
                let dir = parser.value().map_err(said)?;
                if dir.is_empty() {
                    return Err("--state-dir is empty; expected a directory".to_owned());
                }
                line.state_dir = Some(dir.into());
            }
            Long("bus-address") => {
                address = Some(parser.value().map_err(said)?.string().map_err(said)?)
            }
            Long("bus") => {
                line.bus = match parser.value().map_err(said)?.string().map_err(said)?.as_str() {
                    "system" => BusAddress::System,
                    "session" => BusAddress::Session,
                    other => return Err(format!("--bus is 'system' or 'session', got '{other}'")),
                };
            }
            Long("check") => check = true,
            Long("reload") => {
                let pid = parser.value().map_err(said)?.string().map_err(said)?;
                return match pid.parse() {
                    Ok(pid) => Ok(DaemonCommand::Reload(pid)),
                    Err(_) => Err(format!("--reload takes a process id, got '{pid}'")),
                };
            }
            Long("read-store") => store = Some(parser.value().map_err(said)?.into()),
            Short('h') | Long("help") => return Ok(DaemonCommand::Help),
            Short('V') | Long("version") => return Ok(DaemonCommand::Version),
            other => return Err(format!("{}; see --help", other.unexpected())),
        }
    }
    if let Some(address) = address {
        line.bus = BusAddress::Address(address);
    }
    if let Some(dir) = store {
        return Ok(DaemonCommand::ReadStore(dir));
    }
    Ok(if check { DaemonCommand::Check(line) } else { DaemonCommand::Run(line) })
}

fn said(error: lexopt::Error) -> String {
    format!("{error}; see --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<DaemonCommand, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn each_flag_and_each_mistake() {
        let Ok(DaemonCommand::Check(line)) =
            read("--check --config a.toml --bus session --state-dir=s --bus-address unix:path=x")
        else {
            panic!("a check");
        };
        assert_eq!(line.config, Some("a.toml".into()));
        assert_eq!(line.state_dir, Some("s".into()));
        assert_eq!(line.bus, BusAddress::Address("unix:path=x".into()), "an address comes first");
        assert!(matches!(read(""), Ok(DaemonCommand::Run(Line { bus: BusAddress::System, .. }))));
        assert_eq!(read("-h"), Ok(DaemonCommand::Help));
        assert_eq!(read("--version"), Ok(DaemonCommand::Version));
        assert_eq!(read("--reload 17"), Ok(DaemonCommand::Reload(17)));
        for (wrong, part) in [
            ("--bus loud", "got 'loud'"),
            ("--config", "missing argument"),
            ("--colour", "--colour"),
            ("--reload", "missing argument"),
            ("--reload -1", "got '-1'"),
            ("--reload init", "init"),
            ("file", "file"),
            ("--state-dir=", "--state-dir is empty"),
        ] {
            let message = read(wrong).expect_err(wrong);
            assert!(message.contains(part), "{wrong}: {message}");
        }
        for flag in ["--config", "--bus", "--bus-address", "--state-dir", "--check", "--reload"] {
            assert!(HELP.contains(flag), "{flag} is in the help");
        }
    }
}
