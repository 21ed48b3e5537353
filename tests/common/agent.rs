//! The daemon as a process of its own, and its configuration.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use futures_util::StreamExt;
use playheadd::bench::Collector;
use zbus::{Connection, fdo};

use super::{AGENT, Bus, Kind, PATIENCE};

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

/// The same for a collector of this kind.
pub fn config_text_of(kind: Kind, url: &str, more: &str) -> String {
    let keys = format!("allow_plain_http = true\n{}", kind.key());
    collector_config_text(url, &keys, &kind.sections(more))
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

pub fn signal(child: &Child, name: &str) {
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
