//! The bus: our objects, the players' signals, and who is who. Translates and nothing else.

mod access;
mod agent;
mod args;
mod describe;
mod error;
mod identity;
mod monitor;
mod objects;
mod overhear;
mod owners;
mod players;
mod rate;
mod session;

use std::time::Duration;

use tokio::sync::mpsc;
use zbus::connection::Builder;
use zbus::fdo::{RequestNameFlags, RequestNameReply};
use zbus::object_server::SignalEmitter;
use zbus::{Connection, Message, MessageStream};

use self::agent::AgentObject;
pub use self::agent::{AGENT_INTERFACE, AGENT_PATH};
pub use self::monitor::MONITOR_INTERFACE;
use self::monitor::{MonitorObject, Watchers};
use self::objects::Objects;
pub use self::overhear::{Monitor, Overheard};
use self::owners::Owners;
use self::session::SessionObject;
use crate::core::effect::Notice;
use crate::core::settings::Limits;
use crate::port::{Changed, News, Port};

/// The name that players and tools look for.
pub const BUS_NAME: &str = "tv.playhead.Agent1";
/// The interface of a session object.
pub use self::session::SESSION_INTERFACE;

/// Knows whose process it is, where it runs.
const SYSTEMD: &str = "org.freedesktop.systemd1";

/// A bus or a peer that does not answer must not hold us up for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// A method of the bus itself.
pub(super) async fn call_bus<B>(
    connection: &Connection,
    method: &str,
    body: &B,
) -> zbus::Result<Message>
where
    B: serde::Serialize + zbus::DynamicType,
{
    const BUS: &str = "org.freedesktop.DBus";
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
        let (what, builder) = match self {
            BusAddress::System => ("system", Builder::system()),
            BusAddress::Session => ("session", Builder::session()),
            BusAddress::Address(address) => (address.as_str(), Builder::address(address.as_str())),
        };
        builder
            .method_timeout(PATIENCE)
            .build()
            .await
            .map_err(|e| BusError::Connect(what.to_owned(), e))
    }
}

/// Our side of the bus.
pub struct Bus {
    pub connection: Connection,
    owners: Owners,
    port: Port,
    limits: Limits,
    signals: mpsc::UnboundedReceiver<Message>,
}

impl Bus {
    /// Connects and starts to listen, without a name yet: nobody can call, nothing is missed.
    pub async fn connect(
        address: &BusAddress,
        port: Port,
        limits: Limits,
    ) -> Result<Bus, BusError> {
        let connection = address.connect().await?;
        // Read from the first moment on: a stream that nobody polls stalls its connection.
        let (heard, signals) = mpsc::unbounded_channel();
        tokio::spawn(players::relay(MessageStream::from(&connection), heard));
        let owners = Owners::new(connection.clone(), port.clone(), &limits);
        for rule in players::match_rules() {
            call_bus(&connection, "AddMatch", &rule.to_string())
                .await
                .map_err(|e| BusError::Setup("a match rule", e))?;
        }
        owners.learn_names().await.map_err(|e| BusError::Setup("the list of names", e))?;
        Ok(Bus { connection, owners, port, limits, signals })
    }

    /// Names this life of the bus: unique names of another life mean nothing here.
    pub fn id(&self) -> String {
        self.connection.server_guid().to_string()
    }

    /// The unique names that are on the bus now.
    pub fn present(&self) -> Vec<String> {
        self.owners.present()
    }

    /// Serves the agent and the sessions that were restored, then takes the name, in this order:
    /// who finds the name finds everything (anchors: objects first).
    pub async fn serve(
        self,
        sessions: &[u32],
        news: mpsc::UnboundedReceiver<News>,
    ) -> Result<Connection, BusError> {
        let server = self.connection.object_server();
        let failed = |e| BusError::Setup("an object", e);
        let objects = Objects { port: self.port.clone(), owners: self.owners.clone() };
        server.at(AGENT_PATH, objects).await.map_err(failed)?;
        let agent = AgentObject {
            port: self.port.clone(),
            owners: self.owners.clone(),
            limits: self.limits.clone(),
        };
        server.at(AGENT_PATH, agent).await.map_err(failed)?;
        let watchers = Watchers::new(self.port.clone());
        let monitor = MonitorObject { owners: self.owners.clone(), watchers: watchers.clone() };
        server.at(AGENT_PATH, monitor).await.map_err(failed)?;
        let sessions_of = Sessions {
            connection: self.connection.clone(),
            port: self.port.clone(),
            owners: self.owners.clone(),
            limits: self.limits.clone(),
        };
        for number in sessions {
            sessions_of.appear(*number).await.map_err(failed)?;
        }
        tokio::spawn(players::listen(
            self.signals,
            self.connection.clone(),
            self.owners,
            watchers.clone(),
            self.port,
            self.limits,
        ));
        tokio::spawn(announce(sessions_of, watchers, news));
        // Ours alone, now or not at all: a second daemon must neither take it nor wait for it.
        let flags = RequestNameFlags::DO_NOT_QUEUE;
        match self.connection.request_name_with_flags(BUS_NAME, flags).await {
            Ok(RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner) => {
                Ok(self.connection)
            }
            Ok(_) => Err(BusError::Name(zbus::Error::NameTaken)),
            Err(error) => Err(BusError::Name(error)),
        }
    }
}

/// Makes session objects appear and go.
#[derive(Clone)]
pub(super) struct Sessions {
    connection: Connection,
    port: Port,
    owners: Owners,
    limits: Limits,
}

impl Sessions {
    /// Serves a session's object, unless the session is gone by now.
    async fn appear(&self, number: u32) -> zbus::Result<()> {
        let object = SessionObject {
            number,
            port: self.port.clone(),
            owners: self.owners.clone(),
            limits: self.limits.clone(),
        };
        let server = self.connection.object_server();
        server.at(session::path(number), object).await?;
        if !self.port.view.read(|picture| picture.sessions.contains_key(&number)) {
            self.disappear(number).await?;
        }
        Ok(())
    }

    async fn disappear(&self, number: u32) -> zbus::Result<()> {
        match self
            .connection
            .object_server()
            .remove::<SessionObject, _>(session::path(number))
            .await
        {
            // Somebody else was quicker.
            Err(zbus::Error::InterfaceNotFound) => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

/// Tells the bus what the engine says: what those see who watch, sessions that appear and close, properties that changed.
async fn announce(sessions: Sessions, watchers: Watchers, mut news: mpsc::UnboundedReceiver<News>) {
    while let Some(item) = news.recv().await {
        let told = match item {
            News::Notice(Notice::Opened(number)) => sessions.appear(number).await,
            News::Notice(Notice::Closed(number, reason)) => closed(&sessions, number, reason).await,
            News::Changed(changed) => property_changed(&sessions, changed).await,
            News::Seen(line) => watchers.tell(&sessions.connection, &line).await,
        };
        if let Err(error) = told {
            tracing::debug!(%error, "an announcement did not reach the bus");
        }
    }
}

async fn closed(
    sessions: &Sessions,
    number: u32,
    reason: crate::core::effect::CloseReason,
) -> zbus::Result<()> {
    let path = session::path(number);
    let emitter = SignalEmitter::new(&sessions.connection, path.as_str())?;
    emitter.emit(SESSION_INTERFACE, "Closed", &(reason.name(),)).await?;
    if !reason.stays() {
        sessions.disappear(number).await?;
    }
    Ok(())
}

async fn property_changed(sessions: &Sessions, changed: Changed) -> zbus::Result<()> {
    let (path, interface, name, value) = match changed {
        Changed::Agent(name) => {
            (AGENT_PATH.to_owned(), AGENT_INTERFACE, name, agent::property(&sessions.port, name))
        }
        Changed::Session(number, name) => (
            session::path(number),
            SESSION_INTERFACE,
            name,
            session::property(&sessions.port, number, name),
        ),
    };
    let Some(value) = value else { return Ok(()) };
    let emitter = SignalEmitter::new(&sessions.connection, path.as_str())?;
    let changed = std::collections::HashMap::from([(name, value)]);
    let none: &[&str] = &[];
    emitter
        .emit("org.freedesktop.DBus.Properties", "PropertiesChanged", &(interface, changed, none))
        .await
}
