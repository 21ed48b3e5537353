//! The command line of `playheadctl`: parsing, help, playheadctl(1) and the completions come from it.
//! What the help says is what a user reads at a terminal; whole sentences beside it stand in
//! `tests/generated/texts.rs`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

/// Which bus to use.
#[derive(Debug, Clone, Args)]
pub struct BusArgs {
    /// Which of the machine's buses
    #[arg(long, global = true, value_enum, default_value = "system", help_heading = "Bus")]
    pub bus: BusName,
    /// A bus by its address, such as unix:path=/run/my-bus; overrides --bus
    #[arg(
        long,
        global = true,
        value_name = "ADDRESS",
        value_hint = ValueHint::Other,
        help_heading = "Bus"
    )]
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

/// The exit statuses, as the help and playheadctl(1) list them.
pub const EXIT_STATUSES: &[(u8, &str)] = &[
    (0, "it worked; for status, doctor, flush and config: all is well"),
    (1, "not well, or it did not work"),
    (2, "the command line or a file that it names is wrong"),
    (3, "the daemon does not run"),
];

fn after_help() -> String {
    let mut text = "Exit status:\n".to_owned();
    for (status, meaning) in EXIT_STATUSES {
        text.push_str(&format!("  {status}  {meaning}\n"));
    }
    text.push_str("\nMore: playheadctl COMMAND --help, playheadctl(1)");
    text
}

/// Shows what playheadd does, and tries players and boxes out
#[derive(Debug, Parser)]
#[command(name = "playheadctl", version, after_help = after_help())]
pub struct Ctl {
    #[command(flatten)]
    pub bus: BusArgs,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows in one look whether it works, and what keeps hits back
    ///
    /// The exit status is 0 only when all is well.
    Status(OutputArgs),
    /// Lists the sessions that are open
    ///
    /// For root, the service's user and the group playhead.
    Sessions(OutputArgs),
    /// Lists what waits to be delivered, and for what; or what the collector refused for good
    ///
    /// For root and the service's user.
    Queue(QueueArgs),
    /// Lists where viewers stopped
    ///
    /// For root and the service's user.
    ResumePoints(OutputArgs),
    /// Delivers now, and shows how what waits becomes less
    ///
    /// It goes on until nothing waits, or until delivery is held or fails: then the exit status is 1,
    /// and the reason is told. For root and the service's user.
    Flush(FlushArgs),
    /// Shows what the viewer allows, or sets it
    ///
    /// Everybody may ask. To set it is for root, the service's user and the group playhead-admin.
    Consent(ConsentArgs),
    /// Looks at everything that delivery needs, and says what to do
    ///
    /// Each line is `ok`, `off` (not wanted), or `!!` and what to do. The exit status is 0 when no line
    /// has `!!`. For root and the service's user.
    Doctor(OutputArgs),
    /// Shows the configuration, merged from all its files and variables
    ///
    /// It needs no daemon and no bus. Variables are those of this command, and not those of the service.
    /// The exit status is 1 when something is wrong; each mistake stands on standard error.
    #[command(after_help = "Examples:
  playheadctl config --origin
  playheadctl config --check --root /srv/image")]
    Config(ConfigArgs),
    /// Shows each event, hit and answer as it happens, and what holds hits back
    ///
    /// It goes on until it is interrupted (Ctrl-C). For root and the service's user.
    Monitor(OutputArgs),
    /// Runs the whole agent over a timeline in virtual time, and prints its requests as JSON
    ///
    /// It needs no daemon, no bus, no network and no disk, and gives the same bytes every time. What
    /// the agent warns of stands on standard error.
    #[command(after_help = "Examples:
  playheadctl simulate film.jsonl
  playheadctl simulate film.jsonl --set heartbeat.main_seconds=5 --until 60")]
    Simulate(SimulateArgs),
    /// Plays a timeline to the agent in real time, to try a box out without a player
    ///
    /// What a timeline says of the box itself (sleep, network, crashes) only `simulate` can do. For
    /// root, the service's user and the group playhead. The exit status is 1 when events were refused.
    #[command(after_help = "Example:
  playheadctl player film.jsonl")]
    Player(PlayerArgs),
    /// Writes a timeline of what players say on the bus
    ///
    /// It needs the right to monitor the bus, which root has, and goes on until it is interrupted
    /// (Ctrl-C). The daemon need not run.
    #[command(after_help = "Example:
  playheadctl record box.jsonl")]
    Record(RecordArgs),
    /// Takes what the agent sends and shows it: a collector for the workbench
    ///
    /// At its address is a page that shows each playback as a picture. Only programs that were built with the feature `bench` have this command; those of a box do not.
    #[cfg(feature = "bench")]
    #[command(after_help = "Examples:
  playheadctl collector
  playheadctl collector --open box.jsonl
  playheadctl collector --listen 192.168.1.20:8970 --tls authority")]
    Collector(CollectorArgs),
    /// Runs a fleet of boxes in virtual time, and shows what a collector sees of it
    ///
    /// The boxes have the engine and core of the daemon; the collector, the network, the viewers and the
    /// clients to compare with are models (docs/fleet.md). It needs no daemon, no bus and no network, and
    /// gives the same figures every time. The exit status is 1 when a bound does not hold. Only programs
    /// that were built with the feature `bench` have this command.
    #[cfg(feature = "bench")]
    #[command(after_help = "Examples:
  playheadctl fleet outage --boxes 10000
  playheadctl fleet all --out target/fleet
  playheadctl fleet errors --set delivery.max_rate=5")]
    Fleet(FleetArgs),
}

#[derive(Debug, Args)]
pub struct OutputArgs {
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct QueueArgs {
    /// The newest hits that the collector refused for good, with its words, and not what waits
    #[arg(long)]
    pub rejected: bool,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct FlushArgs {
    /// How long it waits while nothing moves before it gives up
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_hint = ValueHint::Other)]
    pub wait: u32,
    /// One JSON object at the end instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ConsentArgs {
    /// What the viewer says; absent: shows what was said
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
    /// Nothing is tracked, kept or sent; all that is kept is deleted at once
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
    /// Only says what is wrong
    #[arg(long)]
    pub check: bool,
    /// This file in place of all others
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Takes the files below this directory, as of the image of a box
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "config")]
    pub root: Option<PathBuf>,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Timeline file (JSON Lines); `-` reads standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Configuration file [default: no file]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// A setting on top of the configuration; may be given several times
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_hint = ValueHint::Other)]
    pub settings: Vec<String>,
    /// Time on the timeline at which the run ends [default: an hour after the last line]
    #[arg(long, value_name = "SECONDS", value_hint = ValueHint::Other)]
    pub until: Option<f64>,
    /// The seed of the random numbers
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_hint = ValueHint::Other)]
    pub seed: u64,
    /// Changes nothing: the output is JSON in any case
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PlayerArgs {
    /// Timeline file (JSON Lines); `-` reads standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// One JSON object for each line of the timeline instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Where to write; absent or `-`: standard output
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// The bus of players that speak MPRIS: `session`, `system` or an address [default: the bus of the agent]
    #[arg(long, value_name = "BUS", value_hint = ValueHint::Other)]
    pub players: Option<String>,
    /// Changes nothing: the output is JSON in any case
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "bench")]
#[derive(Debug, Args)]
pub struct CollectorArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8970", value_hint = ValueHint::Other)]
    pub listen: std::net::SocketAddr,
    /// A file with fault rules: a JSON array, as `rules` of a timeline's event `Collector`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub faults: Option<PathBuf>,
    /// A file that the URL is written to once it listens
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub url_file: Option<PathBuf>,
    /// Speaks TLS with an authority of its own, which is kept in this directory; its ca.pem is for the
    /// box's collector.ca_file
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub tls: Option<PathBuf>,
    /// Asks for client certificates; client.pem and client.key in the directory of --tls are for the
    /// box's collector.client_cert_file and collector.client_key_file
    #[arg(long, requires = "tls")]
    pub client_certificates: bool,
    /// Shows this file on the page and takes no hits: hits of `collector --json`, the output of
    /// `simulate`, a trace that the page exported, or a timeline, which is simulated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["faults", "client_certificates"])]
    pub open: Option<PathBuf>,
    /// One JSON object for each request instead of a line of text
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "bench")]
#[derive(Debug, Args)]
pub struct FleetArgs {
    /// What happens to the fleet; `all` runs everything, and `list` says what there is
    #[arg(value_name = "SCENARIO", value_hint = ValueHint::Other)]
    pub scenario: String,
    /// Boxes that are simulated [default: 10000, for outage 100000]
    #[arg(long, value_name = "NUMBER", value_hint = ValueHint::Other)]
    pub boxes: Option<u32>,
    /// The seed of the random numbers
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_hint = ValueHint::Other)]
    pub seed: u64,
    /// Writes SCENARIO.csv and SCENARIO.svg into this directory, which is made
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// A setting of the boxes; may be given several times
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_hint = ValueHint::Other)]
    pub settings: Vec<String>,
    /// Runs only the boxes of the daemon, and no clients to compare with
    #[arg(long)]
    pub alone: bool,
    /// One JSON object for each scenario and way to deliver instead of a table
    #[arg(long)]
    pub json: bool,
}
