//! The daemon's command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, ValueExt};

use crate::dbus::BusAddress;

/// What a flag is about; `parse` has an arm for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Config,
    Bus,
    BusAddress,
    StateDir,
    Check,
    Reload,
    ReadStore,
    Help,
    Version,
}

/// A flag of the daemon.
#[derive(Debug)]
pub struct Flag {
    pub meaning: Meaning,
    pub short: Option<char>,
    /// Without the two dashes.
    pub long: &'static str,
    /// What its value is called: `FILE`, `DIR`, or words with `|` between them. Empty: it takes none.
    pub value: &'static str,
    /// One or more lines of help.
    pub help: &'static [&'static str],
}

/// What `--help` and playheadd(8) say first.
pub const ABOUT: &str = "The playback-session agent for set-top boxes";

/// All flags. Parsing, the help, playheadd(8) and the completions come from this table.
pub const FLAGS: &[Flag] = {
    const fn flag(
        meaning: Meaning,
        long: &'static str,
        value: &'static str,
        help: &'static [&'static str],
    ) -> Flag {
        let short = match meaning {
            Meaning::Help => Some('h'),
            Meaning::Version => Some('V'),
            _ => None,
        };
        Flag { meaning, short, long, value, help }
    }
    &[
        flag(
            Meaning::Config,
            "config",
            "FILE",
            &["Read this configuration file alone, and none of the", "system's"],
        ),
        flag(
            Meaning::Bus,
            "bus",
            "system|session",
            &["Which of the machine's buses [default: system]"],
        ),
        flag(
            Meaning::BusAddress,
            "bus-address",
            "ADDRESS",
            &["A bus by its address, for development; overrides --bus"],
        ),
        flag(
            Meaning::StateDir,
            "state-dir",
            "DIR",
            &["State directory; overrides store.path of the", "configuration"],
        ),
        flag(Meaning::Check, "check", "", &["Check the configuration and exit"]),
        flag(
            Meaning::Reload,
            "reload",
            "PID",
            &[
                "Have a running daemon read its configuration anew and",
                "exit; fails when that is broken",
            ],
        ),
        flag(
            Meaning::ReadStore,
            "read-store",
            "DIR",
            &[
                "Print the entries of a database and exit; the daemon",
                "itself runs this, to look at a store that may be broken",
            ],
        ),
        flag(Meaning::Help, "help", "", &["Print help"]),
        flag(Meaning::Version, "version", "", &["Print version"]),
    ]
};

/// The exit statuses of the daemon, as the help and playheadd(8) list them.
pub const EXIT_STATUSES: &[(u8, &str)] = &[
    (0, "it was asked to stop; or the check found no mistake"),
    (1, "it cannot serve or go on: no bus, or a state directory in use"),
    (2, "the command line is wrong; or a check found the configuration broken"),
];

/// What `--help` prints.
pub fn help() -> String {
    let mut text = format!("{ABOUT}\n\nUsage: playheadd [OPTIONS]\n\nOptions:\n");
    for flag in FLAGS {
        let mut name = match flag.short {
            Some(short) => format!("-{short}, --{}", flag.long),
            None => format!("    --{}", flag.long),
        };
        if !flag.value.is_empty() {
            name += &format!(" <{}>", flag.value);
        }
        for line in flag.help {
            text += &format!("  {name:<29}{line}\n");
            name.clear();
        }
    }
    text.push_str("\nExit status:\n");
    for (status, meaning) in EXIT_STATUSES {
        text += &format!("  {status}  {meaning}\n");
    }
    text
}

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
        let known = match &argument {
            Long(name) => FLAGS.iter().find(|flag| flag.long == *name),
            Short(letter) => FLAGS.iter().find(|flag| flag.short == Some(*letter)),
            _ => None,
        };
        let Some(flag) = known else {
            return Err(format!("{}; see --help", argument.unexpected()));
        };
        match flag.meaning {
            Meaning::Config => line.config = Some(parser.value().map_err(said)?.into()),
            Meaning::StateDir => {
                let dir = parser.value().map_err(said)?;
                if dir.is_empty() {
                    return Err("--state-dir is empty; expected a directory".to_owned());
                }
                line.state_dir = Some(dir.into());
            }
            Meaning::BusAddress => {
                address = Some(parser.value().map_err(said)?.string().map_err(said)?)
            }
            Meaning::Bus => {
                line.bus = match parser.value().map_err(said)?.string().map_err(said)?.as_str() {
                    "system" => BusAddress::System,
                    "session" => BusAddress::Session,
                    other => return Err(format!("--bus is 'system' or 'session', got '{other}'")),
                };
            }
            Meaning::Check => check = true,
            Meaning::Reload => {
                let pid = parser.value().map_err(said)?.string().map_err(said)?;
                return match pid.parse() {
                    Ok(pid) => Ok(DaemonCommand::Reload(pid)),
                    Err(_) => Err(format!("--reload takes a process id, got '{pid}'")),
                };
            }
            Meaning::ReadStore => store = Some(parser.value().map_err(said)?.into()),
            Meaning::Help => return Ok(DaemonCommand::Help),
            Meaning::Version => return Ok(DaemonCommand::Version),
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
    }

    #[test]
    fn each_flag_of_the_table_is_read() {
        let help = help();
        for flag in FLAGS {
            let value = match flag.meaning {
                Meaning::Bus => " session",
                Meaning::Reload => " 17",
                _ if flag.value.is_empty() => "",
                _ => " value",
            };
            let read = read(&format!("--{}{value}", flag.long)).expect(flag.long);
            let run =
                DaemonCommand::Run(Line { config: None, state_dir: None, bus: BusAddress::System });
            assert_ne!(read, run, "--{} changes something", flag.long);
            let line = format!("--{}", flag.long);
            assert_eq!(help.matches(&format!("{line} ")).count(), 1, "{line}: {help}");
        }
        assert!(help.lines().all(|line| line.len() <= 88), "{help}");
        assert_eq!(read("-V"), Ok(DaemonCommand::Version));
    }
}
