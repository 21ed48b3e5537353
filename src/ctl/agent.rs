//! Finds the agent on its bus, and says why it is not there: exit status 3, without starting it and
//! without a long wait.

use std::collections::BTreeMap;
use std::time::Duration;

use zbus::{Connection, Message, OwnedObjectPath, OwnedVariant};

use super::{Failure, output};
use crate::core::text::printable;
use crate::dbus::{BUS_NAME, BusAddress};

/// The unit of the agent.
const UNIT: &str = "playheadd.service";
/// How long the service manager may take to say how the unit is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connects to the agent's bus.
///
/// Errors: there is no such bus, or the agent does not run (exit status 3).
pub(super) async fn connect(address: BusAddress) -> Result<Connection, Failure> {
    let connection = address.connect().await.map_err(Failure::failed)?;
    running(connection, &address).await
}

/// The same, with calls that may take so long.
pub(super) async fn connect_with(
    address: BusAddress,
    patience: Duration,
) -> Result<Connection, Failure> {
    let connection = address.connect_with(patience).await.map_err(Failure::failed)?;
    running(connection, &address).await
}

async fn running(connection: Connection, address: &BusAddress) -> Result<Connection, Failure> {
    let owned = call(
        &connection,
        "org.freedesktop.DBus",
        "/org/freedesktop/DBus",
        ("org.freedesktop.DBus", "NameHasOwner"),
        &(BUS_NAME,),
    );
    let owned: bool = owned.await.and_then(|reply| reply.body().deserialize()).unwrap_or(true);
    match owned {
        true => Ok(connection),
        false => Err(not_running(&connection, address).await),
    }
}

/// Calls somebody who is there already; nobody is started for it.
async fn call<B>(
    connection: &Connection,
    name: &str,
    path: &str,
    (interface, member): (&str, &str),
    body: &B,
) -> zbus::Result<Message>
where
    B: serde::Serialize + zbus::DynamicType + Sync,
{
    let call = connection.call_method(Some(name), path, Some(interface), member, body);
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(reply) => reply,
        Err(_) => Err(zbus::Error::Failure("no answer in time".into())),
    }
}

async fn not_running(connection: &Connection, address: &BusAddress) -> Failure {
    let (why, todo) = match unit(connection).await {
        None => (
            format!("nobody has its name on the {address} bus, and no service manager is there"),
            "start it, or name its bus with --bus or --bus-address",
        ),
        Some(unit) => (unit_in_words(&unit), advice(&unit)),
    };
    Failure { status: 3, message: format!("playheadd does not run: {why}\n{todo}") }
}

/// The properties of the unit, if a service manager is on this bus and knows it.
async fn unit(connection: &Connection) -> Option<BTreeMap<String, String>> {
    const MANAGER: &str = "org.freedesktop.systemd1";
    let named = call(
        connection,
        "org.freedesktop.DBus",
        "/org/freedesktop/DBus",
        ("org.freedesktop.DBus", "NameHasOwner"),
        &(MANAGER,),
    );
    if !named.await.ok()?.body().deserialize::<bool>().ok()? {
        return None;
    }
    let manager = ("org.freedesktop.systemd1.Manager", "LoadUnit");
    let loaded = call(connection, MANAGER, "/org/freedesktop/systemd1", manager, &(UNIT,)).await;
    let path: OwnedObjectPath = loaded.ok()?.body().deserialize().ok()?;
    let all = ("org.freedesktop.DBus.Properties", "GetAll");
    let reply = call(connection, MANAGER, path.as_str(), all, &("",)).await.ok()?;
    let values: BTreeMap<String, OwnedVariant> = reply.body().deserialize().ok()?;
    let text = |value: &OwnedVariant| match output::to_json(value) {
        serde_json::Value::String(text) => printable(&text).into_owned(),
        other => other.to_string(),
    };
    Some(values.iter().map(|(name, value)| (name.clone(), text(value))).collect())
}

fn unit_in_words(unit: &BTreeMap<String, String>) -> String {
    let get = |name: &str| unit.get(name).map_or("", String::as_str);
    if get("LoadState") == "not-found" {
        return format!("there is no {UNIT}");
    }
    let mut words = format!("{UNIT} is {} ({})", get("ActiveState"), get("SubState"));
    let status = get("ExecMainStatus");
    if !matches!(get("Result"), "success" | "") {
        words += &format!(", its result is {}, with exit status {status}", get("Result"));
    }
    if !get("StatusText").is_empty() {
        words += &format!("; it said: {}", get("StatusText"));
    }
    words
}

fn advice(unit: &BTreeMap<String, String>) -> &'static str {
    let get = |name: &str| unit.get(name).map_or("", String::as_str);
    match (get("LoadState"), get("ActiveState"), get("ExecMainStatus")) {
        ("not-found", ..) => "install its unit, or start it by hand",
        ("masked", ..) => "its unit is masked: systemctl unmask playheadd",
        (_, "failed", "2") => {
            "the command line in its unit is wrong: journalctl -u playheadd -n 20 says what; \
             systemctl edit playheadd, then systemctl start playheadd"
        }
        (_, "failed", _) => "journalctl -u playheadd -n 20 says why; systemctl start playheadd",
        (_, "activating", _) => "it is starting: journalctl -u playheadd -f",
        _ => "systemctl start playheadd",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_does_not_run_is_told_with_what_to_do() {
        let unit = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let failed = unit(&[
            ("LoadState", "loaded"),
            ("ActiveState", "failed"),
            ("SubState", "failed"),
            ("Result", "exit-code"),
            ("ExecMainStatus", "2"),
        ]);
        assert_eq!(
            unit_in_words(&failed),
            "playheadd.service is failed (failed), its result is exit-code, with exit status 2"
        );
        assert!(advice(&failed).contains("command line"));
        assert_eq!(
            unit_in_words(&unit(&[("LoadState", "not-found")])),
            "there is no playheadd.service"
        );
    }
}
