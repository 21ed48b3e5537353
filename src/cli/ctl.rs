//! The command line of `playheadctl`: parsing and help come from it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Which bus to use.
#[derive(Debug, Clone, Args)]
pub struct BusArgs {
    /// Which of the machine's buses
    #[arg(long, value_enum, default_value = "system")]
    pub bus: BusName,
    /// A bus by its address, for development; overrides --bus
    #[arg(long, value_name = "ADDRESS")]
    pub bus_address: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BusName {
    System,
    Session,
}

impl BusArgs {
    pub fn address(&self) -> crate::dbus::BusAddress {
        match (&self.bus_address, self.bus) {
            (Some(address), _) => crate::dbus::BusAddress::Address(address.clone()),
            (None, BusName::System) => crate::dbus::BusAddress::System,
            (None, BusName::Session) => crate::dbus::BusAddress::Session,
        }
    }
}

/// Looks at the agent and tries things out.
#[derive(Debug, Parser)]
#[command(name = "playheadctl", version, about)]
pub struct Ctl {
    #[command(flatten)]
    pub bus: BusArgs,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Whether it works, in one look
    Status(OutputArgs),
    /// The sessions that are open
    Sessions(OutputArgs),
    /// What waits to be delivered, and for what; or what the collector refused for good (root or the
    /// service's user)
    Queue(QueueArgs),
    /// Where viewers stopped (root or the service's user)
    ResumePoints(OutputArgs),
    /// Delivers now, and shows how it goes (root or the service's user)
    Flush(FlushArgs),
    /// What the viewer allows; with a word: sets it
    Consent(ConsentArgs),
    /// Looks at everything that delivery needs: each line is ok or says what to do (root or the
    /// service's user)
    Doctor(OutputArgs),
    /// The configuration, merged from all its files and variables; without the agent
    Config(ConfigArgs),
    /// Runs the whole agent over a timeline in virtual time and prints its requests
    Simulate(SimulateArgs),
    /// What happens, as it happens: each event, hit and answer, and what holds hits back (root or the
    /// service's user)
    Monitor(OutputArgs),
    /// Plays a timeline file to the agent in real time, for trying a box out without a player
    Player(PlayerArgs),
    /// Writes a timeline of what players say on the bus (needs the right to monitor it)
    Record(RecordArgs),
    /// A collector for the workbench: takes what the agent sends and shows it
    #[cfg(feature = "bench")]
    Collector(CollectorArgs),
}

#[derive(Debug, Args)]
pub struct OutputArgs {
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct QueueArgs {
    /// The newest hits that the collector refused for good, with its words
    #[arg(long)]
    pub rejected: bool,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct FlushArgs {
    /// How long nothing may move before it gives up
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub wait: u32,
    /// One JSON object at the end instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ConsentArgs {
    /// What the viewer says (root, the service's user and group playhead-admin); `out` deletes all that is kept, at once
    #[arg(value_enum)]
    pub word: Option<ConsentWord>,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConsentWord {
    /// Hits are sent
    In,
    /// Nothing is tracked, kept or sent
    Out,
    /// Everything is tracked and kept, nothing is sent
    Unknown,
}

impl ConsentWord {
    /// As the property `Consent` has it.
    pub const fn name(self) -> &'static str {
        match self {
            ConsentWord::In => "in",
            ConsentWord::Out => "out",
            ConsentWord::Unknown => "unknown",
        }
    }
}

#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Where each value comes from: file and line, variable, or default
    #[arg(long)]
    pub origin: bool,
    /// Only says what is wrong; exits with 1 if something is
    #[arg(long)]
    pub check: bool,
    /// This file in place of all others
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Takes the files below this directory, as of the image of a box
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub root: Option<PathBuf>,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Timeline file (JSON Lines); `-` reads standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A setting on top of the configuration
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub settings: Vec<String>,
    /// Time on the timeline at which the run ends [default: an hour after the last line]
    #[arg(long, value_name = "SECONDS")]
    pub until: Option<f64>,
    /// The seed of the random numbers
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct PlayerArgs {
    /// Timeline file (JSON Lines); `-` reads standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Where to write; standard output when absent or `-`
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The bus of players that speak MPRIS: `session`, `system` or an address; the agent's bus when
    /// absent
    #[arg(long, value_name = "BUS")]
    pub players: Option<String>,
}

#[cfg(feature = "bench")]
#[derive(Debug, Args)]
pub struct CollectorArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8970")]
    pub listen: std::net::SocketAddr,
    /// A file with fault rules: a JSON array as in a timeline's `Collector` event
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// A file that the URL is written to once it listens
    #[arg(long, value_name = "FILE")]
    pub url_file: Option<PathBuf>,
    /// Speaks TLS with an authority of its own, which is kept in this directory; its ca.pem is for the
    /// box's collector.ca_file
    #[arg(long, value_name = "DIR")]
    pub tls: Option<PathBuf>,
    /// Asks for client certificates; client.pem and client.key in the directory of --tls are for the
    /// box's collector.client_cert_file and collector.client_key_file
    #[arg(long, requires = "tls")]
    pub client_certificates: bool,
    /// One JSON object a request instead of a line of text
    #[arg(long)]
    pub json: bool,
}
