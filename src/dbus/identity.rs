//! The identity behind a connection: uid and groups from the bus, and the application (behaviour.md
//! 1.2).

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::timeout;
use zbus::message::Header;
use zbus::{Connection, OwnedVariant};

use super::call_bus;
use super::names::SYSTEMD;

/// The longest name of a unit (UNIT_NAME_MAX of systemd).
const LONGEST_UNIT: usize = 255;
/// How long the service manager may take to name the service of a process. Then the name of the
/// program counts. Only the sender waits, and only with its first message.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);

/// What the bus knows of a connection.
#[derive(Debug)]
pub(super) struct Credentials {
    pub uid: u32,
    /// `None` from a bus that does not report groups.
    pub groups: Option<Vec<u32>>,
    pid: Option<u32>,
}

/// The sender of a message. The bus sets it, so it cannot be forged.
pub(super) fn sender<'m>(header: &'m Header<'_>) -> &'m str {
    header.sender().map_or("", |sender| sender.as_str())
}

/// The application of a connection that owns no well-known name: its service, else its program.
pub(super) async fn app(
    connection: &Connection,
    sender: &str,
    credentials: &Credentials,
    systemd: bool,
) -> String {
    let program = match credentials.pid {
        Some(pid) => program(connection, pid, systemd).await,
        None => None,
    };
    program.unwrap_or_else(|| sender.to_owned())
}

/// What the bus knows of a connection; `None` when it is gone.
pub(super) async fn credentials(connection: &Connection, sender: &str) -> Option<Credentials> {
    let reply = call_bus(connection, "GetConnectionCredentials", &sender).await.ok()?;
    let mut told: HashMap<String, OwnedVariant> = reply.body().deserialize().ok()?;
    let mut number = |key| u32::try_from(told.remove(key)?).ok();
    let (uid, pid) = (number("UnixUserID")?, number("ProcessID"));
    let groups = told.remove("UnixGroupIDs").and_then(|groups| Vec::try_from(groups).ok());
    Some(Credentials { uid, groups, pid })
}

/// The service of a process, else its name.
async fn program(connection: &Connection, pid: u32, systemd: bool) -> Option<String> {
    if systemd && let Ok(Some(app)) = timeout(CALL_TIMEOUT, service(connection, pid)).await {
        return Some(app);
    }
    let comm = std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/comm"))).ok()?;
    Some(comm.trim_end().to_owned())
}

/// The systemd service of a process, without `.service`. Scopes do not count: they are named after
/// logins, so their names are not stable.
async fn service(connection: &Connection, pid: u32) -> Option<String> {
    let systemd = Some(SYSTEMD);
    let manager = ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager");
    let reply = connection
        .call_method(systemd, manager.0, Some(manager.1), "GetUnitByPID", &(pid,))
        .await
        .ok()?;
    let unit: zbus::OwnedObjectPath = reply.body().deserialize().ok()?;
    let properties = Some("org.freedesktop.DBus.Properties");
    let asked = &("org.freedesktop.systemd1.Unit", "Id");
    let reply = connection.call_method(systemd, &unit, properties, "Get", asked).await.ok()?;
    let id: OwnedVariant = reply.body().deserialize().ok()?;
    let id = String::try_from(id).ok()?;
    let name = id.strip_suffix(".service").filter(|name| (1..=LONGEST_UNIT).contains(&name.len()));
    name.map(str::to_owned)
}
