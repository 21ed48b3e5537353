//! Whether there is a network, which one, and whether it is metered, from NetworkManager or ConnMan,
//! whichever is on the bus (behaviour.md 1.6). These are hints: delivery finds out by trying.

use std::collections::HashMap;

use futures_util::StreamExt;
use futures_util::stream::select_all;
use tokio::sync::mpsc;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, OwnedVariant, Variant};

use super::clock;
use crate::core::input::Input;
use crate::port::Port;

const BUS: &str = "org.freedesktop.DBus";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const NM: &str = "org.freedesktop.NetworkManager";
const NM_PATH: &str = "/org/freedesktop/NetworkManager";
const CONNMAN: &str = "net.connman";
/// The network managers, whose signals are heard.
pub const MANAGERS: [&str; 2] = [NM, CONNMAN];
const CONNMAN_MANAGER: &str = "net.connman.Manager";

/// The last report of a network manager.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Network {
    online: bool,
    metered: bool,
    /// Names the connection that leads to the internet.
    connection: Option<String>,
}

/// Assumed while no network manager answers.
const UNKNOWN: Network = Network { online: true, metered: false, connection: None };

/// Watches until the bus is gone.
pub async fn watch(connection: Connection, port: Port) {
    let mut changed = match listen(&connection).await {
        Ok(streams) => hints(streams),
        Err(error) => {
            tracing::warn!(%error, "network changes are not seen; delivery finds out by trying");
            return;
        }
    };
    let mut told = UNKNOWN;
    tell(&port, &mut told, ask(&connection).await).await;
    while changed.recv().await.is_some() {
        tell(&port, &mut told, ask(&connection).await).await;
    }
}

/// One hint for any number of signals that come while we ask. The streams are read at once, because
/// one that nobody reads stalls its connection.
fn hints(streams: Vec<MessageStream>) -> mpsc::Receiver<()> {
    let (hint, hints) = mpsc::channel(1);
    let mut signals = select_all(streams);
    tokio::spawn(async move {
        while signals.next().await.is_some() {
            // A hint that waits already says the same.
            let _ = hint.try_send(());
        }
    });
    hints
}

/// The bus routes the signals of the names' owners only; what pretends to be one and is sent to us
/// alone is stopped at the door (`dbus/door.rs`).
async fn listen(connection: &Connection) -> zbus::Result<Vec<MessageStream>> {
    let signal = || MatchRule::builder().msg_type(Type::Signal);
    let owner =
        |name| signal().sender(BUS).interface(BUS).member("NameOwnerChanged").arg(0, name).build();
    let mut streams = Vec::new();
    for rule in [
        signal()
            .sender(NM)
            .path(NM_PATH)
            .interface(PROPERTIES)
            .member("PropertiesChanged")
            .build()?,
        signal()
            .sender(CONNMAN)
            .path("/")
            .interface(CONNMAN_MANAGER)
            .member("PropertyChanged")
            .build()?,
        owner(NM)?,
        owner(CONNMAN)?,
    ] {
        streams.push(MessageStream::for_match_rule(rule, connection, None).await?);
    }
    Ok(streams)
}

async fn tell(port: &Port, told: &mut Network, now: Network) {
    let arrived = clock::now().boot;
    if (now.online, &now.connection) != (told.online, &told.connection) {
        tracing::info!(online = now.online, "the network manager reports a change");
        port.tell_when_room(Input::Network { online: now.online }, arrived).await;
    }
    if now.metered != told.metered {
        port.tell_when_room(Input::Metered(now.metered), arrived).await;
    }
    *told = now;
}

/// Asks the network manager that is running. A call must not start one that is not.
async fn ask(connection: &Connection) -> Network {
    for (name, ask) in [(NM, Manager::NetworkManager), (CONNMAN, Manager::ConnMan)] {
        if has_owner(connection, name).await
            && let Some(network) = ask.state(connection).await
        {
            return network;
        }
    }
    UNKNOWN
}

async fn has_owner(connection: &Connection, name: &str) -> bool {
    let path = "/org/freedesktop/DBus";
    let reply = connection.call_method(Some(BUS), path, Some(BUS), "NameHasOwner", &name).await;
    reply.is_ok_and(|reply| reply.body().deserialize().unwrap_or(false))
}

#[derive(Clone, Copy)]
enum Manager {
    NetworkManager,
    ConnMan,
}

impl Manager {
    async fn state(self, connection: &Connection) -> Option<Network> {
        let reply = match self {
            Manager::NetworkManager => {
                connection.call_method(Some(NM), NM_PATH, Some(PROPERTIES), "GetAll", &(NM,)).await
            }
            Manager::ConnMan => {
                let manager = Some(CONNMAN_MANAGER);
                connection.call_method(Some(CONNMAN), "/", manager, "GetProperties", &()).await
            }
        };
        let values: HashMap<String, OwnedVariant> = reply.ok()?.body().deserialize().ok()?;
        Some(match self {
            Manager::NetworkManager => network_manager(&values),
            Manager::ConnMan => connman(&values),
        })
    }
}

/// NMState: 0 is unknown, 60 connected to the site, 70 to the internet. NMMetered: 1 yes, 3 guessed
/// yes.
fn network_manager(values: &HashMap<String, OwnedVariant>) -> Network {
    let number = |name: &str| match values.get(name).map(|v| &**v) {
        Some(Variant::U32(n)) => Some(*n),
        _ => None,
    };
    Network {
        online: matches!(number("State"), None | Some(0 | 60 | 70)),
        metered: matches!(number("Metered"), Some(1 | 3)),
        connection: match values.get("PrimaryConnection").map(|v| &**v) {
            Some(Variant::ObjectPath(path)) => Some(path.to_string()),
            _ => None,
        },
    }
}

fn connman(values: &HashMap<String, OwnedVariant>) -> Network {
    let online = match values.get("State").map(|v| &**v) {
        Some(Variant::Str(state)) => matches!(state.as_str(), "ready" | "online"),
        _ => true,
    };
    Network { online, metered: false, connection: None }
}
