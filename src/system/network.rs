//! Whether there is a network, which one, and whether it is metered, from NetworkManager or ConnMan,
//! whichever is on the bus (behaviour.md 1.6). These are hints: delivery finds out by trying.

use std::collections::HashMap;
use std::time::Duration;

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

/// A manager that does not answer is asked again: after 1 s, doubling to 60 s.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// What the agent was told, and by whom.
struct Told {
    network: Network,
    /// The unique name of the manager that said so; `None` while it is `UNKNOWN` because nobody did.
    by: Option<String>,
}

/// Watches until the bus is gone. Nobody waits for it: a manager that hangs is asked again, its former
/// answer counts as long as it owns its name, and one that has lost its name says nothing any more.
pub async fn watch(connection: Connection, port: Port) {
    let (mut owners, mut changes) = match listen(&connection).await {
        Ok((owners, changes)) => (hints(owners), hints(changes)),
        Err(error) => {
            tracing::warn!(%error, "network changes are not seen; delivery finds out by trying");
            return;
        }
    };
    let mut told = Told { network: UNKNOWN, by: None };
    let mut retry: Option<Duration> = None;
    loop {
        let silent = tokio::select! {
            silent = ask(&connection, &port, &mut told) => silent,
            // Whoever is asked may not own the name any more.
            owner = owners.recv() => match owner {
                Some(()) => {
                    retry = None;
                    continue;
                }
                None => return,
            },
        };
        // One that has just started may need a moment.
        if silent && retry == Some(FIRST_RETRY) {
            tracing::warn!("the network manager does not answer; delivery finds out by trying");
        }
        retry = match (silent, retry) {
            (true, Some(last)) => Some((last * 2).min(LAST_RETRY)),
            (true, None) => Some(FIRST_RETRY),
            (false, _) => None,
        };
        let again = async {
            match retry {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            owner = owners.recv() => match owner {
                Some(()) => retry = None,
                None => return,
            },
            Some(()) = changes.recv() => {}
            () = again => {}
        }
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

/// Signals of names that change hands, and of managers whose network changes. The bus routes the
/// signals of the names' owners only; what pretends to be one and is sent to us alone is stopped at the
/// door (`dbus/door.rs`).
async fn listen(connection: &Connection) -> zbus::Result<(Vec<MessageStream>, Vec<MessageStream>)> {
    let signal = || MatchRule::builder().msg_type(Type::Signal);
    let mut owners = Vec::new();
    for name in MANAGERS {
        let rule = signal().sender(BUS).interface(BUS).member("NameOwnerChanged").arg(0, name);
        owners.push(MessageStream::for_match_rule(rule.build()?, connection, None).await?);
    }
    let mut changes = Vec::new();
    for rule in [
        signal().sender(NM).path(NM_PATH).interface(PROPERTIES).member("PropertiesChanged"),
        signal().sender(CONNMAN).path("/").interface(CONNMAN_MANAGER).member("PropertyChanged"),
    ] {
        changes.push(MessageStream::for_match_rule(rule.build()?, connection, None).await?);
    }
    Ok((owners, changes))
}

async fn tell(port: &Port, told: &mut Told, now: Network, by: Option<String>) {
    let arrived = clock::now().boot;
    let before = &told.network;
    if (now.online, &now.connection) != (before.online, &before.connection) {
        tracing::info!(online = now.online, "the network manager reports a change");
        port.tell_when_room(Input::Network { online: now.online }, arrived).await;
    }
    if now.metered != before.metered {
        port.tell_when_room(Input::Metered(now.metered), arrived).await;
    }
    *told = Told { network: now, by };
}

/// Asks the network manager that is running, NetworkManager first, and tells what it says. A call must
/// not start one that is not. True when one that is there did not answer.
async fn ask(connection: &Connection, port: &Port, told: &mut Told) -> bool {
    let mut there = Vec::new();
    for (name, manager) in [(NM, Manager::NetworkManager), (CONNMAN, Manager::ConnMan)] {
        if let Some(owner) = owner(connection, name).await {
            there.push((owner, manager));
        }
    }
    if there.iter().all(|(owner, _)| told.by.as_ref() != Some(owner)) {
        tell(port, told, UNKNOWN, None).await;
    }
    let mut silent = false;
    for (owner, manager) in there {
        match manager.state(connection, &owner).await {
            Some(network) => {
                tell(port, told, network, Some(owner)).await;
                break;
            }
            None => silent = true,
        }
    }
    silent
}

/// The unique name of a name's owner.
async fn owner(connection: &Connection, name: &str) -> Option<String> {
    let path = "/org/freedesktop/DBus";
    let reply = connection.call_method(Some(BUS), path, Some(BUS), "GetNameOwner", &name).await;
    reply.ok()?.body().deserialize().ok()
}

#[derive(Clone, Copy)]
enum Manager {
    NetworkManager,
    ConnMan,
}

impl Manager {
    /// What it answers within the time that the connection leaves for a call (`dbus::CALL_TIMEOUT`).
    /// `None`: nothing, an error, or something that is no answer to this question.
    async fn state(self, connection: &Connection, owner: &str) -> Option<Network> {
        let (path, interface, method) = match self {
            Manager::NetworkManager => (NM_PATH, PROPERTIES, "GetAll"),
            Manager::ConnMan => ("/", CONNMAN_MANAGER, "GetProperties"),
        };
        let (to, interface) = (Some(owner), Some(interface));
        let reply = match self {
            Manager::NetworkManager => {
                connection.call_method(to, path, interface, method, &NM).await
            }
            Manager::ConnMan => connection.call_method(to, path, interface, method, &()).await,
        };
        let answered = reply.and_then(|reply| reply.body().deserialize());
        match answered {
            Ok(values) => Some(match self {
                Manager::NetworkManager => network_manager(&values),
                Manager::ConnMan => connman(&values),
            }),
            Err(error) => {
                tracing::debug!(%error, owner, "the network manager gives no answer");
                None
            }
        }
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
