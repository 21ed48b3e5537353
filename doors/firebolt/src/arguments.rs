//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use playhead::Bus;

use crate::mapping::Policy;
use crate::server::Address;

pub const HELP: &str = "\
Brings the Metrics and Lifecycle calls of Firebolt applications into playheadd

Usage: playhead-firebolt --listen ADDRESS [OPTIONS]

  --listen ADDRESS       unix:PATH, or an address of the loopback and a port: 127.0.0.1:3475
  --bus system|session   the bus of the agent [default: system]
  --bus-address ADDRESS  the same by its address, such as unix:path=/run/bus
  --background-playback  applications play on in Firebolt's state background
  --no-track POLICY      content of this age policy, such as app:child, is not tracked; again for more
  --allow-origin ORIGIN  a web page of this origin may connect; * for any; again for more
  --gateway-grace SECONDS
                         how long the gateway may be away before what it had open counts as
                         vanished [default: 60]
  -h, --help             this text
  -V, --version          the version
";

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Command {
    Help,
    Version,
    Run(Box<Arguments>),
}

#[derive(Debug, PartialEq)]
pub struct Arguments {
    pub listen: Address,
    pub bus: Bus,
    pub policy: Policy,
    pub origins: Vec<String>,
    pub gateway_grace: Duration,
}

/// Reads the words behind the program's name.
///
/// Errors: a sentence that says what was expected.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    read(Parser::from_args(words)).map_err(|error| format!("{error}; --help has the options"))
}

fn read(mut words: Parser) -> Result<Command, lexopt::Error> {
    let mut listen = None;
    let mut arguments = Arguments {
        listen: Address::Unix(Default::default()),
        bus: Bus::System,
        policy: Policy::default(),
        origins: Vec::new(),
        gateway_grace: Duration::from_secs(60),
    };
    while let Some(word) = words.next()? {
        match word {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Long("listen") => listen = Some(words.value()?.parse_with(Address::parse)?),
            Arg::Long("bus") => {
                arguments.bus = words.value()?.parse_with(|bus| match bus {
                    "system" => Ok(Bus::System),
                    "session" => Ok(Bus::Session),
                    _ => Err("expected system or session"),
                })?;
            }
            Arg::Long("bus-address") => arguments.bus = Bus::Address(words.value()?.string()?),
            Arg::Long("background-playback") => arguments.policy.background_playback = true,
            Arg::Long("no-track") => arguments.policy.untracked.push(words.value()?.string()?),
            Arg::Long("allow-origin") => arguments.origins.push(words.value()?.string()?),
            Arg::Long("gateway-grace") => {
                arguments.gateway_grace =
                    Duration::from_secs(words.value()?.parse::<u32>()?.into());
            }
            _ => return Err(word.unexpected()),
        }
    }
    arguments.listen = listen.ok_or("--listen is missing; expected where to listen")?;
    Ok(Command::Run(Box::new(arguments)))
}
