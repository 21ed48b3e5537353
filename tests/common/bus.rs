//! A private bus of the kind that a box has: dbus-daemon or dbus-broker.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use zbus::Connection;
use zbus::connection::Builder;

use super::PATIENCE;

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
