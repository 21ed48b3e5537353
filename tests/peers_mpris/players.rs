//! The players as processes, and what a remote control may ask of them.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use zbus::{Connection, OwnedVariant};

use crate::common::Bus;

const PATH: &str = "/org/mpris/MediaPlayer2";
const PLAYER: &str = "org.mpris.MediaPlayer2.Player";

/// A program and all that it has started, killed on drop.
pub struct Running(Child);

impl Running {
    /// Starts it with this bus as that of its session.
    pub fn start(command: &mut Command, bus: &Bus) -> Running {
        let child = command
            .env("DBUS_SESSION_BUS_ADDRESS", &bus.address)
            .process_group(0)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let package = "make peer-deps installs it";
        Running(child.unwrap_or_else(|e| panic!("{command:?}: {e}; {package}")))
    }

    pub fn mpv(bus: &Bus, arguments: &[&str]) -> Running {
        let mut mpv = Command::new("mpv");
        mpv.args(["--no-config", "--ao=null", "--vo=null", "--idle=yes"])
            .arg("--script=/etc/mpv/scripts/mpris.so")
            .args(arguments)
            .stdout(Stdio::null());
        Running::start(&mut mpv, bus)
    }

    /// VLC refuses to be root, so it is nobody then. It loads its MPRIS by itself; with
    /// `--control dbus` it would be on the bus twice.
    pub fn vlc(bus: &Bus, arguments: &[&str]) -> Running {
        let home = bus.dir.path().join("nobody");
        std::fs::create_dir_all(&home).expect("a home");
        let open = |path: &Path, mode: u32| {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("its mode");
        };
        open(&home, 0o777);
        open(bus.dir.path(), 0o711);
        let mut vlc = match rustix::process::geteuid().is_root() {
            false => Command::new("vlc"),
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "vlc"]);
                command
            }
        };
        vlc.args(["--intf", "dummy", "--aout", "dummy", "--vout", "dummy", "--play-and-exit"])
            .args(arguments)
            .env("HOME", &home)
            .env("XDG_RUNTIME_DIR", &home)
            .stdout(Stdio::null());
        Running::start(&mut vlc, bus)
    }

    pub fn signal(&self, name: &str) {
        let group = format!("-{}", self.0.id());
        let sent = Command::new("kill").args([name, "--", &group]).status();
        assert!(sent.expect("kill").success());
    }

    /// SIGKILL for all of it.
    pub fn dies(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A screen that nobody sees, and its name.
pub fn screen(bus: &Bus) -> (Running, String) {
    let mut xvfb = Command::new("Xvfb");
    xvfb.args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "640x480x24"]);
    let mut running = Running::start(xvfb.stdout(Stdio::piped()), bus);
    let mut number = String::new();
    let said = running.0.stdout.take().expect("a pipe");
    BufReader::new(said).read_line(&mut number).expect("the number of the screen");
    (running, format!(":{}", number.trim()))
}

/// Calls a method of a player, as a remote control does. `name` has no `org.mpris.MediaPlayer2.`.
pub async fn tell<B>(bus: &Connection, name: &str, method: &str, body: &B)
where
    B: serde::Serialize + zbus::DynamicType,
{
    let name = format!("org.mpris.MediaPlayer2.{name}");
    let told = bus.call_method(Some(name.as_str()), PATH, Some(PLAYER), method, body).await;
    told.unwrap_or_else(|e| panic!("{method}: {e}"));
}

/// Where a player says that it is, in seconds.
pub async fn position(bus: &Connection, name: &str) -> f64 {
    let name = format!("org.mpris.MediaPlayer2.{name}");
    let properties = Some("org.freedesktop.DBus.Properties");
    let reply =
        bus.call_method(Some(name.as_str()), PATH, properties, "Get", &(PLAYER, "Position"));
    let value: OwnedVariant = reply.await.expect("a position").body().deserialize().expect("v");
    i64::try_from(value).expect("microseconds") as f64 / 1e6
}
