//! The bus adapter: our objects, the players' signals, the identity of senders. It only translates.

mod access;
mod agent;
mod args;
mod describe;
mod door;
mod error;
mod identity;
mod limits;
mod monitor;
mod names;
mod object;
mod objects;
mod players;
mod senders;
mod session;
mod socket;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use zbus::address::Address;
use zbus::connection::Builder;
use zbus::fdo::{RequestNameFlags, RequestNameReply};
use zbus::object_server::SignalEmitter;
use zbus::{Connection, Message, MessageStream};

use self::agent::AgentObject;
use self::door::Door;
use self::limits::LimitsInForce;
use self::monitor::{MonitorObject, Watchers};
use self::names::BUS;
pub use self::names::{
    AGENT_INTERFACE, AGENT_PATH, BUS_NAME, MONITOR_INTERFACE, SESSION_INTERFACE,
};
use self::object::Object;
use self::objects::Objects;
use self::senders::Senders;
use self::session::SessionObject;
use self::socket::BusSocket;
pub use self::traffic::{ObservedMessage, TrafficMonitor};
use crate::core::settings::Limits;
use crate::core::turn::Notice;
use crate::engine::snapshot::Changed;
use crate::port::{BusUpdate, Port};

/// How long the bus or a peer may take to answer a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Signals that may wait for the listener. While so many wait, nothing more is read from the bus.
const SIGNALS: usize = 1024;

/// Calls a method of the bus itself.
pub(super) async fn call_bus<B>(
    connection: &Connection,
    method: &str,
    body: &B,
) -> zbus::Result<Message>
where
    B: serde::Serialize + zbus::DynamicType,
{
    connection.call_method(Some(BUS), "/org/freedesktop/DBus", Some(BUS), method, body).await
}

/// Which bus to serve on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusAddress {
    System,
    Session,
    Address(String),
}

/// Why the bus cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("the {0} bus cannot be reached: {1}")]
    Connect(String, zbus::Error),
    #[error(
        "the name {BUS_NAME} is not to be had: {0} (is another playheadd running, or is the bus policy missing?)"
    )]
    Name(zbus::Error),
    #[error("the bus refused {0}: {1}")]
    Setup(&'static str, zbus::Error),
}

impl BusAddress {
    /// A connection to this bus.
    pub async fn connect(&self) -> Result<Connection, BusError> {
        self.connect_with(CALL_TIMEOUT).await
    }

    /// The same for calls that may take longer.
    pub async fn connect_with(&self, call_timeout: Duration) -> Result<Connection, BusError> {
        let builder = match self {
            BusAddress::System => Builder::system(),
            BusAddress::Session => Builder::session(),
            BusAddress::Address(address) => Builder::address(address.as_str()),
        };
        let connected = builder.method_timeout(call_timeout).build().await;
        connected.map_err(|e| BusError::Connect(self.to_string(), e))
    }

    /// A connection to this bus, with a door.
    async fn connect_through(&self, door: Arc<Door>) -> zbus::Result<Connection> {
        let address = match self {
            BusAddress::System => Address::system(),
            BusAddress::Session => Address::session(),
            BusAddress::Address(address) => address.parse(),
        }?;
        let socket = BusSocket::connect(&address, door).await?;
        Builder::socket(socket).method_timeout(CALL_TIMEOUT).build().await
    }
}

impl std::fmt::Display for BusAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            BusAddress::System => "system",
            BusAddress::Session => "session",
            BusAddress::Address(address) => address,
        })
    }
}

/// Our side of the bus.
pub struct Bus {
    senders: Senders,
    /// What is heard once the bus is served: signals, and what there is to announce.
    unheard: Option<(mpsc::Receiver<Message>, mpsc::Receiver<BusUpdate>)>,
}

impl Bus {
    /// Connects and starts to listen, without a name yet: no signal is missed, nobody can call.
    pub async fn connect(
        address: &BusAddress,
        port: Port,
        news: mpsc::Receiver<BusUpdate>,
    ) -> Result<Bus, BusError> {
        let limits = LimitsInForce::default();
        let door = Arc::new(Door::new(limits.clone(), port.view.clone()));
        let connected = address.connect_through(door.clone()).await;
        let connection = connected.map_err(|e| BusError::Connect(address.to_string(), e))?;
        if let Some(own) = connection.unique_name() {
            door.we_are(own);
        }
        // Read at once, because a stream that nobody polls stalls its connection.
        let (heard, signals) = mpsc::channel(SIGNALS);
        tokio::spawn(players::relay(MessageStream::from(&connection), heard));
        let senders = Senders::new(connection, port, limits, door);
        tokio::spawn(senders.clone().do_errands());
        for rule in players::match_rules() {
            call_bus(&senders.connection, "AddMatch", &rule.to_string())
                .await
                .map_err(|e| BusError::Setup("a match rule", e))?;
        }
        senders.learn_names().await.map_err(|e| BusError::Setup("the list of names", e))?;
        Ok(Bus { senders, unheard: Some((signals, news)) })
    }

    /// Sets the limits, once. Until then the defaults hold.
    pub fn limit(&self, limits: Limits) {
        self.senders.limits.configure(limits);
    }

    pub fn connection(&self) -> &Connection {
        &self.senders.connection
    }

    /// The id of this run of the bus. Unique names are valid within one run only.
    pub fn id(&self) -> String {
        self.senders.connection.server_guid().to_string()
    }

    /// The unique names that are on the bus now.
    pub fn present(&self) -> Vec<String> {
        self.senders.present()
    }

    /// Serves the agent and begins to listen to players.
    pub async fn serve(&mut self) -> Result<(), BusError> {
        let Some((signals, news)) = self.unheard.take() else { return Ok(()) };
        let senders = &self.senders;
        let server = senders.connection.object_server();
        let failed = |e| BusError::Setup("an object", e);
        let watchers = Watchers::new(senders.port.clone());
        let objects = Objects { senders: senders.clone() };
        let agent = AgentObject { senders: senders.clone() };
        let monitor = MonitorObject { senders: senders.clone(), watchers: watchers.clone() };
        server.at(AGENT_PATH, Object(objects)).await.map_err(failed)?;
        server.at(AGENT_PATH, Object(agent)).await.map_err(failed)?;
        server.at(AGENT_PATH, Object(monitor)).await.map_err(failed)?;
        tokio::spawn(players::listen(signals, senders.clone(), watchers.clone()));
        tokio::spawn(announce(Sessions(senders.clone()), watchers, news));
        Ok(())
    }

    /// Serves sessions that are shown already.
    pub async fn restore(&self, sessions: &[u32]) -> Result<(), BusError> {
        let sessions_of = Sessions(self.senders.clone());
        for number in sessions {
            let served = sessions_of.appear(*number).await;
            served.map_err(|e| BusError::Setup("an object", e))?;
        }
        Ok(())
    }

    /// Looks up the players of restored sessions. The lookups are under way when this returns.
    pub async fn expect(&self, players: impl Iterator<Item = &str>) {
        players.for_each(|player| self.senders.expect(player));
        tokio::task::yield_now().await;
    }

    /// Takes the name: whoever sees it finds all that is served by now.
    pub async fn take_name(&self) -> Result<(), BusError> {
        // A second daemon must neither take the name from us nor wait for it.
        let flags = RequestNameFlags::DO_NOT_QUEUE;
        match self.senders.connection.request_name_with_flags(BUS_NAME, flags).await {
            Ok(RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner) => Ok(()),
            Ok(_) => Err(BusError::Name(zbus::Error::NameTaken)),
            Err(error) => Err(BusError::Name(error)),
        }
    }
}

/// Waits until every reply that is ready has left for the bus, because the end of the process closes
/// the connection. Two round trips: what was ready before the first is sent before the second.
pub async fn send_ready_replies(connection: &Connection) {
    for _ in 0..2 {
        if call_bus(connection, "GetNameOwner", &BUS_NAME).await.is_err() {
            // Without a bus there is nobody to answer.
            return;
        }
    }
}

/// Adds and removes session objects.
#[derive(Clone)]
pub(super) struct Sessions(Senders);

impl Sessions {
    /// Serves a session's object, unless the session is gone by now.
    async fn appear(&self, number: u32) -> zbus::Result<()> {
        let object = SessionObject { number, senders: self.0.clone() };
        self.0.connection.object_server().at(session::path(number), Object(object)).await?;
        if !self.0.port.view.read(|snapshot| snapshot.sessions.contains_key(&number)) {
            self.disappear(number).await?;
        }
        Ok(())
    }

    async fn disappear(&self, number: u32) -> zbus::Result<()> {
        let server = self.0.connection.object_server();
        match server.remove::<Object<SessionObject>, _>(session::path(number)).await {
            // It was removed already.
            Err(zbus::Error::InterfaceNotFound) => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

/// Announces the engine's news on the bus: sessions that open and close, properties that changed,
/// and lines for those who watch.
async fn announce(sessions: Sessions, watchers: Watchers, mut news: mpsc::Receiver<BusUpdate>) {
    while let Some(item) = news.recv().await {
        let told = match item {
            BusUpdate::Notice(Notice::Opened(number)) => sessions.appear(number).await,
            BusUpdate::Notice(Notice::Closed(number, reason)) => {
                closed(&sessions, number, reason).await
            }
            // The event loop has told the watcher of MPRIS players.
            BusUpdate::Notice(Notice::ReadAgain(..)) => Ok(()),
            BusUpdate::Changed(changed) => property_changed(&sessions, changed).await,
            BusUpdate::Seen(line) => watchers.tell(&sessions.0.connection, &line).await,
        };
        if let Err(error) = told {
            tracing::debug!(%error, "an announcement did not reach the bus");
        }
    }
}

async fn closed(
    sessions: &Sessions,
    number: u32,
    reason: crate::core::turn::CloseReason,
) -> zbus::Result<()> {
    let path = session::path(number);
    let emitter = SignalEmitter::new(&sessions.0.connection, path.as_str())?;
    emitter.emit(SESSION_INTERFACE, "Closed", &(reason.name(),)).await?;
    if !reason.stays() {
        sessions.disappear(number).await?;
    }
    Ok(())
}

async fn property_changed(sessions: &Sessions, changed: Changed) -> zbus::Result<()> {
    let (path, interface, name, value) = match changed {
        Changed::Agent(name) => {
            (AGENT_PATH.to_owned(), AGENT_INTERFACE, name, agent::property(&sessions.0.port, name))
        }
        Changed::Session(number, name) => (
            session::path(number),
            SESSION_INTERFACE,
            name,
            session::property(&sessions.0.port, number, name),
        ),
    };
    let Some(value) = value else { return Ok(()) };
    let emitter = SignalEmitter::new(&sessions.0.connection, path.as_str())?;
    let changed = std::collections::HashMap::from([(name, value)]);
    let none: &[&str] = &[];
    emitter
        .emit("org.freedesktop.DBus.Properties", "PropertiesChanged", &(interface, changed, none))
        .await
}
