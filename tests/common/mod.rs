//! The real parts that tests run against: a private D-Bus daemon, the bench collector, the daemon
//! as a process of its own, and players on connections of their own.

#![allow(dead_code)]

pub mod demo;
pub mod disk;
pub mod examples;
pub mod manager;
pub mod proxy;
pub mod raw;
pub mod service;
mod skipped;

pub use skipped::skip;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use playheadd::bench::{Collector, Record};
use serde_json::Value as Json;
use zbus::connection::Builder;
use zbus::{Connection, OwnedObjectPath, OwnedVariant, Variant, fdo};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub const AGENT: &str = "tv.playhead.Agent1";
pub const AGENT_PATH: &str = "/tv/playhead/Agent1";
pub const SESSION: &str = "tv.playhead.Session1";

pub type Info = HashMap<&'static str, Variant<'static>>;

/// A small generator, so that the moments and the damage are the same in every run.
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit.max(1)
    }
}

/// A process's own memory in KiB, without the files that it maps.
pub fn anonymous_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("KiB")
}

/// A private bus of the kind that a box has, killed on drop.
pub struct Bus {
    child: BusProcess,
    pub address: String,
    pub dir: tempfile::TempDir,
}

const BUS_CONFIG: &str = r#"<busconfig>
  <type>session</type>
  <listen>unix:path=PATH</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <!-- VLC is nobody, because it refuses to be root. -->
    <allow user="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_replies_per_connection">50000</limit>
</busconfig>
"#;

impl Bus {
    pub fn start() -> Bus {
        let dir = tempfile::tempdir().expect("a directory");
        let config = dir.path().join("bus.conf");
        let socket = dir.path().join("bus").display().to_string();
        std::fs::write(&config, BUS_CONFIG.replace("PATH", &socket)).expect("the bus config");
        let (child, address) = launch(&config);
        Bus { child, address, dir }
    }

    /// A bus in the place of one that is gone: the same socket, another id.
    pub fn start_again(&mut self) {
        self.child.kill();
        let _ = std::fs::remove_file(self.dir.path().join("bus"));
        let started = launch(&self.dir.path().join("bus.conf"));
        (self.child, self.address) = started;
    }

    /// The bus answers nobody until `go_on`.
    pub fn freeze(&self) {
        self.child.signal("-STOP");
    }

    pub fn go_on(&self) {
        self.child.signal("-CONT");
    }

    /// A connection of its own, as another process would have.
    pub async fn connect(&self) -> Connection {
        Builder::address(self.address.as_str())
            .method_timeout(PATIENCE)
            .build()
            .await
            .expect("a connection to the bus")
    }
}

/// A bus: dbus-daemon, or the processes of a dbus-broker.
pub struct BusProcess {
    child: Child,
    /// Its processes are a group.
    grouped: bool,
}

impl BusProcess {
    /// Starts the bus that this configuration describes, by way of the program that `command` makes a
    /// command of. Gives its address once it listens.
    pub fn start(config: &Path, command: impl Fn(&Path) -> Command) -> (BusProcess, String) {
        let (mut command, grouped) = match on_dbus_broker() {
            true => {
                let mut command = command(Path::new("/usr/bin/python3"));
                let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/dbus_broker.py");
                command.arg(program).arg(config).process_group(0);
                (command, true)
            }
            false => {
                let mut command = command(Path::new("dbus-daemon"));
                command.args(["--nofork", "--print-address"]);
                command.arg(format!("--config-file={}", config.display()));
                (command, false)
            }
        };
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a bus (Debian package dbus)");
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("a pipe"))
            .read_line(&mut address)
            .expect("the bus's address");
        assert!(!address.is_empty(), "the bus did not start");
        (BusProcess { child, grouped }, address.trim().to_owned())
    }

    fn signal(&self, name: &str) {
        let group = if self.grouped { "-" } else { "" };
        let to = format!("{group}{}", self.child.id());
        let status = Command::new("kill").args([name, "--", &to]).status();
        assert!(status.expect("kill").success());
    }

    fn kill(&mut self) {
        if self.grouped {
            self.signal("-KILL");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for BusProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether the tests run on dbus-broker (`PLAYHEADD_BUS=dbus-broker`). Without it they run on
/// dbus-daemon.
pub fn on_dbus_broker() -> bool {
    match std::env::var_os("PLAYHEADD_BUS") {
        None => false,
        Some(bus) if bus == "dbus-daemon" => false,
        Some(bus) if bus == "dbus-broker" => true,
        Some(other) => panic!("PLAYHEADD_BUS is dbus-daemon or dbus-broker, not {other:?}"),
    }
}

/// A bus that listens, and its address.
fn launch(config: &Path) -> (BusProcess, String) {
    BusProcess::start(config, |program| Command::new(program))
}

/// The daemon to test: `PLAYHEADD_BIN`, or the one that was built with the tests.
pub fn daemon() -> PathBuf {
    std::env::var_os("PLAYHEADD_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_playheadd").into(), PathBuf::from)
}

/// The daemon as a process, and all that it needs.
pub struct Agent {
    child: Option<Child>,
    config: PathBuf,
    state: PathBuf,
    /// The bus that it is started on.
    pub address: String,
    /// A program that starts the daemon, and its arguments; empty: it is started as it is.
    pub under: Vec<String>,
    pub watcher: Connection,
}

/// What is left over from before goes at once: the rules for what is old would take minutes.
pub const AT_ONCE: &str =
    "[delivery]\nreconnect_spread_seconds = 0\nbacklog_ratio = 0\nmax_rate = 0\n";

/// A whole configuration for a collector, with the lines of `more` added, and `AT_ONCE` unless there is
/// a section `[delivery]` among them.
pub fn config_text(url: &str, more: &str) -> String {
    collector_config_text(url, "allow_plain_http = true\n", more)
}

/// The same with other lines in the section of the collector.
pub fn collector_config_text(url: &str, collector: &str, more: &str) -> String {
    let more = match more.contains("[delivery]") {
        true => more.to_owned(),
        false => format!("{more}\n{AT_ONCE}"),
    };
    format!(
        "[collector]\nurl = \"{url}\"\n{collector}\n[analytics]\n\
         tracking_server = \"metrics.example.com\"\nreport_suite = \"tests\"\n\
         org_id = \"TESTS@AdobeOrg\"\n\n[consent]\ninitial = \"in\"\n\n[log]\nlevel = \"debug\"\n\n{more}"
    )
}

impl Agent {
    /// Starts the daemon and waits until it owns its name.
    pub async fn start(bus: &Bus, collector: &Collector, more: &str) -> Agent {
        Agent::start_in(&bus.dir.path().join("state"), bus, collector, more).await
    }

    /// The same with its state elsewhere.
    pub async fn start_in(state: &Path, bus: &Bus, collector: &Collector, more: &str) -> Agent {
        Agent::start_configured(state, bus, &config_text(&collector.url(), more)).await
    }

    /// The same with a whole configuration of the test's.
    pub async fn start_configured(state: &Path, bus: &Bus, text: &str) -> Agent {
        let config = bus.dir.path().join("playheadd.toml");
        std::fs::write(&config, text).expect("a configuration");
        let mut agent = Agent {
            child: None,
            config,
            state: state.to_owned(),
            address: bus.address.clone(),
            under: Vec::new(),
            watcher: bus.connect().await,
        };
        agent.start_again().await;
        agent
    }

    pub fn config(&self) -> &Path {
        &self.config
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    pub async fn start_again(&mut self) {
        self.launch();
        self.named().await;
    }

    /// Starts the daemon and does not wait.
    pub fn launch(&mut self) {
        // Copies of a store that cannot be written go with the test.
        let run = self.runtime();
        std::fs::create_dir_all(&run).expect("a runtime directory");
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.config.with_extension("log"))
            .expect("a log file");
        let program = daemon().display().to_string();
        let mut line = self.under.iter().chain([&program]);
        let child = Command::new(line.next().expect("a program"))
            .args(line)
            .arg("--config")
            .arg(&self.config)
            .args(["--bus-address", &self.address])
            .arg("--state-dir")
            .arg(&self.state)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .env("RUNTIME_DIRECTORY", &run)
            .stderr(log)
            .spawn()
            .expect("the daemon");
        self.child = Some(child);
    }

    /// Waits until the daemon owns its name.
    pub async fn named(&self) {
        let bus = fdo::DBusProxy::new(&self.watcher).await.expect("the bus");
        let mut changes = bus
            .receive_name_owner_changed_with_args(&[(0, AGENT)])
            .await
            .expect("the bus's signals");
        let name = AGENT.try_into().expect("a name");
        if bus.name_has_owner(name).await.expect("an answer") {
            return;
        }
        let owned = async {
            while let Some(change) = changes.next().await {
                if change.args().is_ok_and(|a| a.new_owner().is_some()) {
                    return;
                }
            }
        };
        if tokio::time::timeout(PATIENCE, owned).await.is_err() {
            panic!("the daemon did not take its name\n{}", self.log());
        }
    }

    /// SIGKILL, and its name is gone from the bus.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("a running daemon");
        child.kill().expect("SIGKILL");
        child.wait().expect("its end");
        let bus = fdo::DBusProxy::new(&self.watcher).await.expect("the bus");
        let name: zbus::names::BusName<'_> = AGENT.try_into().expect("a name");
        while bus.name_has_owner(name.clone()).await.expect("an answer") {}
    }

    /// SIGTERM and its exit status.
    pub fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a running daemon");
        signal(&child, "-TERM");
        child.wait().expect("its end")
    }

    /// Waits for an end of its own accord.
    pub fn end(&mut self) -> ExitStatus {
        self.child.take().expect("a running daemon").wait().expect("its end")
    }

    /// Starts it again and again, as a service manager does, until it owns its name.
    pub async fn start_until_it_stays(&mut self) {
        loop {
            self.launch();
            while self.child.as_mut().expect("a daemon").try_wait().expect("its state").is_none() {
                if self.is_named().await {
                    return;
                }
            }
        }
    }

    pub async fn is_named(&self) -> bool {
        let bus = fdo::DBusProxy::new(&self.watcher).await.expect("the bus");
        bus.name_has_owner(AGENT.try_into().expect("a name")).await.expect("an answer")
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running daemon").id()
    }

    /// Where it keeps copies of a store that cannot be written.
    pub fn runtime(&self) -> PathBuf {
        self.config.with_file_name("run")
    }

    /// Whether it has stopped itself by SIGSTOP.
    pub fn is_stopped(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        status.expect("its status").lines().any(|line| line.starts_with("State:\tT"))
    }

    /// It stands still until `go_on`.
    pub fn freeze(&self) {
        signal(self.child.as_ref().expect("a running daemon"), "-STOP");
    }

    pub fn go_on(&self) {
        signal(self.child.as_ref().expect("a running daemon"), "-CONT");
    }

    pub fn hang_up(&self) {
        signal(self.child.as_ref().expect("a running daemon"), "-HUP");
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.config.with_extension("log")).unwrap_or_default()
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(name).arg(child.id().to_string()).status();
    assert!(status.expect("kill").success());
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}", self.log());
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Bus, collector and daemon together.
pub struct World {
    pub agent: Agent,
    pub collector: Collector,
    pub bus: Bus,
}

impl World {
    pub async fn start(more: &str) -> World {
        let bus = Bus::start();
        let collector = Collector::start();
        let agent = Agent::start(&bus, &collector, more).await;
        World { agent, collector, bus }
    }

    /// The same with the state in a directory of the test's.
    pub async fn start_in(state: &Path, more: &str) -> World {
        let bus = Bus::start();
        let collector = Collector::start();
        let agent = Agent::start_in(state, &bus, &collector, more).await;
        World { agent, collector, bus }
    }

    pub async fn player(&self) -> Player {
        Player { connection: self.bus.connect().await }
    }

    /// Waits until the collector's record is as wanted, and gives it.
    #[track_caller]
    pub fn wait(&self, what: &str, wanted: impl Fn(&[Record]) -> bool) -> Vec<Record> {
        let seen = self.collector.wait_for(PATIENCE, wanted);
        let hits = self.collector.hits();
        assert!(seen, "{what}; the collector has {:#?}\n{}", brief(&hits), self.agent.log());
        hits
    }
}

impl Drop for World {
    /// Every test ends with nothing refused by the collector's schemas and session rules.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.collector.refused(), 0, "{:#?}", self.collector.hits());
        }
    }
}

/// What was accepted: sid, event type, playhead.
pub fn brief(records: &[Record]) -> Vec<(String, String, f64)> {
    records
        .iter()
        .map(|r| {
            let sid = r.sid.clone().unwrap_or_default();
            let kind = r.body["eventType"].as_str().unwrap_or("?").to_owned();
            (sid, kind, playhead(r))
        })
        .collect()
}

pub fn playhead(record: &Record) -> f64 {
    record.body["playerTime"]["playhead"].as_f64().unwrap_or(f64::NAN)
}

pub fn ts(record: &Record) -> i64 {
    record.body["playerTime"]["ts"].as_i64().unwrap_or(-1)
}

pub fn of_type<'a>(records: &'a [Record], kind: &str) -> Vec<&'a Record> {
    records.iter().filter(|r| r.body["eventType"] == kind).collect()
}

/// The event types of a session as the collector has them, without pings.
pub fn types(records: &[Record], sid: &str) -> Vec<String> {
    records
        .iter()
        .filter(|r| r.sid.as_deref() == Some(sid))
        .map(|r| r.body["eventType"].as_str().unwrap_or("?").to_owned())
        .filter(|kind| kind != "ping")
        .collect()
}

/// A film as most tests play it.
pub fn film(id: &'static str) -> Info {
    Info::from([
        ("id", id.into()),
        ("app", "tv.example.tests".into()),
        ("name", "A Film".into()),
        ("length", 600.0.into()),
    ])
}

pub fn nothing() -> Info {
    Info::new()
}

/// A player on a connection of its own.
pub struct Player {
    pub connection: Connection,
}

impl Player {
    pub async fn open(&self, playhead: f64, media: Info) -> zbus::Result<OwnedObjectPath> {
        self.connection
            .call_method(Some(AGENT), AGENT_PATH, Some(AGENT), "OpenSession", &(playhead, media))
            .await?
            .body()
            .deserialize()
    }

    pub async fn call(
        &self,
        session: &OwnedObjectPath,
        event: &str,
        playhead: f64,
        info: Info,
    ) -> zbus::Result<()> {
        self.connection
            .call_method(Some(AGENT), session, Some(SESSION), event, &(playhead, info))
            .await
            .map(|_| ())
    }

    /// An event by signal.
    pub async fn emit(&self, path: &str, event: &str, playhead: f64, info: Info) {
        self.connection
            .emit_signal(None::<&str>, path, "tv.playhead.Player1", event, &(playhead, info))
            .await
            .expect("a signal");
    }

    pub async fn resume_point(&self, app: &str, media: &str) -> HashMap<String, OwnedVariant> {
        self.connection
            .call_method(Some(AGENT), AGENT_PATH, Some(AGENT), "GetResumePoint", &(app, media))
            .await
            .expect("an answer")
            .body()
            .deserialize()
            .expect("a{sv}")
    }

    pub async fn property(&self, path: &str, interface: &str, name: &str) -> OwnedVariant {
        let properties = Some("org.freedesktop.DBus.Properties");
        self.connection
            .call_method(Some(AGENT), path, properties, "Get", &(interface, name))
            .await
            .expect("a property")
            .body()
            .deserialize()
            .expect("a variant")
    }

    /// The connection is cut, as when the process dies.
    pub async fn die(self) {
        self.connection.close().await.expect("an end");
    }
}

pub fn double(value: &OwnedVariant) -> f64 {
    f64::try_from(value).expect("a double")
}

/// The name of the error that a call was refused with, and its sentence.
pub fn refusal(result: zbus::Result<()>) -> (String, String) {
    match result {
        Err(zbus::Error::MethodError(name, why, _)) => {
            (name.to_string(), why.unwrap_or_default().to_string())
        }
        Err(zbus::Error::FDO(error)) => {
            (zbus::DBusError::name(&error).to_string(), error.to_string())
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

pub fn json(text: &str) -> Json {
    serde_json::from_str(text).expect("JSON")
}

/// Signals a second of a player that says too much.
pub const FLOOD_A_SECOND: usize = 10_000;
/// Signals that are sent in one go; the rest of the time until the next go is waited for.
const FLOOD_AT_ONCE: usize = 100;

/// Floods the bus with signals; gives how many there were.
pub async fn flood(player: &Player, seconds: usize) -> u64 {
    let pause = Duration::from_secs(1) / (FLOOD_A_SECOND / FLOOD_AT_ONCE) as u32;
    let mut next = tokio::time::interval(pause);
    let mut sent = 0;
    for _ in 0..seconds * FLOOD_A_SECOND / FLOOD_AT_ONCE {
        next.tick().await;
        for _ in 0..FLOOD_AT_ONCE {
            player.emit("/flood", "Playhead", 1.0, nothing()).await;
            sent += 1;
        }
    }
    sent
}

/// The test's own clock, to hold the hits' times against.
#[allow(clippy::disallowed_methods)]
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("a clock after 1970").as_millis() as i64
}
