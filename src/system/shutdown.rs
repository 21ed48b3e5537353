//! Whether a stop of the agent is part of a shutdown of the box (behaviour.md 2.5).

use std::time::Duration;

use tokio::time::timeout;
use zbus::{Connection, OwnedVariant};

/// Nobody waits longer for an answer: a box that is shut down has little time left.
const LIMIT: Duration = Duration::from_millis(500);

/// Whether systemd says that it is stopping everything. False where there is no systemd, or it does
/// not answer in time.
pub async fn under_way(connection: &Connection) -> bool {
    let (name, path) = (Some("org.freedesktop.systemd1"), "/org/freedesktop/systemd1");
    let properties = Some("org.freedesktop.DBus.Properties");
    let asked = &("org.freedesktop.systemd1.Manager", "SystemState");
    let call = connection.call_method(name, path, properties, "Get", asked);
    let Ok(Ok(reply)) = timeout(LIMIT, call).await else { return false };
    let Ok(state) = reply.body().deserialize::<OwnedVariant>() else { return false };
    String::try_from(state).is_ok_and(|state| state == "stopping")
}
