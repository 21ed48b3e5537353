//! Where it plays: a bus, and users that exist only in the mount namespace of what is started here.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use zbus::Connection;
use zbus::connection::Builder;

use crate::common::{self, BusProcess, PATIENCE};

/// uid (and gid) of the service's user, of a player, of somebody and of a settings screen, and the
/// gids of `playhead` and `playhead-admin`.
pub const SERVICE: u32 = 64_001;
pub const PLAYER: u32 = 64_002;
pub const OTHER: u32 = 64_003;
pub const ADMIN: u32 = 64_005;
const PLAYERS: u32 = 64_004;
const ADMINS: u32 = 64_006;

/// A process that ends with its test.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory that everybody may read, with the users of the test in it.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Place {
        let place = Place(tempfile::tempdir().expect("a directory"));
        open_to_all(place.path());
        let users = format!(
            "playheadd:x:{SERVICE}:{SERVICE}::/:/bin/false\nplayer:x:{PLAYER}:{PLAYER}::/:/bin/false\n\
             other:x:{OTHER}:{OTHER}::/:/bin/false\nadmin:x:{ADMIN}:{ADMIN}::/:/bin/false\n"
        );
        let groups = format!("playhead:x:{PLAYERS}:player\nplayhead-admin:x:{ADMINS}:admin\n");
        for (file, more) in [("passwd", users), ("group", groups)] {
            let text = std::fs::read_to_string(Path::new("/etc").join(file)).expect("a file");
            std::fs::write(place.path().join(file), text + &more).expect("written");
        }
        for program in [common::daemon(), std::env::current_exe().expect("this program")] {
            // As the test's users reach it, wherever the repository lies.
            let copy = place.path().join(program.file_name().expect("a name"));
            std::fs::copy(&program, &copy).expect("a copy");
            open_to_all(&copy);
        }
        place
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn program(&self, of: &Path) -> PathBuf {
        self.path().join(of.file_name().expect("a name"))
    }

    /// A command as a user, where the users of the test exist.
    pub fn command(&self, uid: u32, program: &Path) -> Command {
        const BIND: &str = "mount --bind \"$0/passwd\" /etc/passwd && \
                            mount --bind \"$0/group\" /etc/group && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", BIND]).arg(self.path());
        if uid != 0 {
            let group = match uid {
                PLAYER => PLAYERS,
                ADMIN => ADMINS,
                other => other,
            };
            let (uid, group) = (uid.to_string(), group.to_string());
            command.args(["setpriv", "--reuid", &uid, "--regid", &uid, "--groups", &group]);
        }
        command.arg(program);
        command
    }
}

fn open_to_all(path: &Path) {
    let all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, all).expect("permissions");
}

/// A system bus as distributions have it, and what `policy` adds.
pub fn bus(place: &Place, policy: &str) -> (BusProcess, String) {
    let address = format!("unix:path={}/bus", place.path().display());
    let config = format!(
        r#"<busconfig>
  <type>system</type>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  {policy}
</busconfig>"#
    );
    let file = place.path().join("bus.conf");
    std::fs::write(&file, config).expect("the bus's configuration");
    BusProcess::start(&file, |program| place.command(0, program))
}

pub const CLOSED: &str = r#"<policy context="default">
    <allow user="*"/>
    <deny own="*"/><deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/>
    <allow receive_type="error"/><allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>"#;
pub const OPEN: &str = r#"<policy context="default">
    <allow user="*"/><allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
  </policy>"#;

pub async fn connect(address: &str) -> Connection {
    Builder::address(address).method_timeout(PATIENCE).build().await.expect("a connection")
}
