//! What the operator's commands have in common: how they ask a running agent, and their words for what
//! holds hits back.

use std::collections::BTreeMap;

use serde_json::Value;
use zbus::names::ErrorName;
use zbus::{Connection, fdo};

use super::{Failure, output};
use crate::core::time::WallTime;
use crate::dbus::{AGENT_INTERFACE, AGENT_PATH, BUS_NAME, MONITOR_INTERFACE};
use crate::system::clock;

/// The agent's properties, as JSON.
pub(super) struct Properties(pub BTreeMap<String, Value>);

impl Properties {
    pub async fn of(connection: &Connection) -> Result<Properties, Failure> {
        output::properties(connection, AGENT_PATH, AGENT_INTERFACE).await.map(Properties)
    }

    /// Errors: the agent has no configuration that it can use, and so nothing to tell.
    pub fn configured(&self) -> Result<(), Failure> {
        match self.is_misconfigured() {
            true => Err(Failure::failed(self.texts("Problems").join("\n"))),
            false => Ok(()),
        }
    }

    pub fn is_misconfigured(&self) -> bool {
        self.word("DeliveryState") == "misconfigured"
    }

    pub fn word(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn number(&self, name: &str) -> u64 {
        self.0.get(name).and_then(Value::as_u64).unwrap_or_default()
    }

    pub fn is(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Bool(true))
    }

    /// A time; `None` for 0.
    pub fn time(&self, name: &str) -> Option<WallTime> {
        self.0.get(name).and_then(Value::as_i64).filter(|ms| *ms != 0).map(WallTime)
    }

    pub fn texts(&self, name: &str) -> Vec<String> {
        let list = self.0.get(name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|text| text.as_str().map(str::to_owned)).collect()
    }
}

/// The same as `Properties::configured`, of an agent that was asked for nothing yet.
pub(super) async fn configured(connection: &Connection) -> Result<(), Failure> {
    Properties::of(connection).await?.configured()
}

/// Calls a method of the agent.
pub(super) async fn call<B>(
    connection: &Connection,
    interface: &str,
    member: &str,
    body: &B,
) -> Result<zbus::Message, Failure>
where
    B: serde::Serialize + zbus::DynamicType,
{
    let call = connection.call_method(Some(BUS_NAME), AGENT_PATH, Some(interface), member, body);
    call.await.map_err(refused)
}

/// Whether somebody owns a name on the bus.
pub(super) async fn is_on_bus(connection: &Connection, name: &str) -> bool {
    let bus = Some("org.freedesktop.DBus");
    let path = "/org/freedesktop/DBus";
    let asked = connection.call_method(bus, path, bus, "NameHasOwner", &(name,)).await;
    asked.is_ok_and(|reply| reply.body().deserialize().unwrap_or(false))
}

/// A list of `tv.playhead.Monitor1`.
pub(super) async fn list(connection: &Connection, what: &str) -> Result<Value, Failure> {
    json(call(connection, MONITOR_INTERFACE, "List", &(what,)).await?)
}

/// The JSON in an answer.
pub(super) fn json(answer: zbus::Message) -> Result<Value, Failure> {
    let text: String = answer.body().deserialize().map_err(output::unreadable)?;
    serde_json::from_str(&text).map_err(Failure::failed)
}

/// Why the agent, or the bus for it, did not do what was asked.
fn refused(error: zbus::Error) -> Failure {
    let ours = |name: &ErrorName<'_>| name.starts_with("tv.playhead.Error.");
    match error {
        zbus::Error::MethodError(ref name, Some(ref why), _) if ours(name) => Failure::failed(why),
        zbus::Error::FDO(ref known) if matches!(**known, fdo::Error::AccessDenied(_)) => {
            Failure::failed("the policy of the bus does not allow it: try it as root")
        }
        error => output::not_there(error),
    }
}

/// What a state of delivery means, and what to do; `None` when nothing holds hits back.
pub(super) fn meaning(state: &str) -> Option<&'static str> {
    Some(match state {
        "misconfigured" => "the configuration is broken or missing: each problem says what to do",
        "opted-out" => {
            "the viewer has opted out: nothing is tracked or sent; `playheadctl consent in` takes it \
             back"
        }
        "waiting-consent" => {
            "waits for the viewer's consent: `playheadctl consent in`, or consent.initial in the \
             configuration"
        }
        "waiting-clock" => {
            "the clock is not right yet: hits are kept until it is; look at the time \
             synchronisation of the box"
        }
        "held-metered" => {
            "the connection is metered, and delivery.on_metered is 'hold': hits are kept until \
             another connection is there"
        }
        "held-budget" => "delivery.daily_bytes is spent: hits are kept until the next day (UTC)",
        "failing" => "delivery fails: hits are kept and tried again",
        "waiting-network" => {
            "the network manager says that there is no network: delivery tries all the same"
        }
        _ => return None,
    })
}

/// A time of a list, or `-`.
pub(super) fn time(value: &Value) -> String {
    value.as_i64().map_or_else(|| "-".to_owned(), |ms| WallTime(ms).to_string())
}

/// `in 34 s` for a time to come, `now` for one that has come.
pub(super) fn until(ms: i64) -> String {
    let left = WallTime(ms) - clock::now().wall;
    match left.0.max(0) / 1000 {
        0 => "now".to_owned(),
        s @ 1..120 => format!("in {s} s"),
        s @ 120..7200 => format!("in {} min", s / 60),
        s => format!("in {} h", s / 3600),
    }
}

/// `1 hit`, `2 hits`.
pub(super) fn hits(count: u64) -> String {
    format!("{count} hit{}", if count == 1 { "" } else { "s" })
}

/// `wait` or, of one, `waits`.
pub(super) fn waiting(count: u64) -> String {
    format!("{} wait{}", hits(count), if count == 1 { "s" } else { "" })
}
