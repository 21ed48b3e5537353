//! The bus: our objects, the players' signals, and who is who. Translates and nothing else.

mod agent;
mod args;
mod describe;
mod error;
mod overhear;
mod owners;
mod players;
mod session;

use tokio::sync::mpsc;
use zbus::connection::Builder;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, MessageStream, fdo};

use self::agent::AgentObject;
pub use self::agent::{AGENT_INTERFACE, AGENT_PATH};
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
        builder.build().await.map_err(|e| BusError::Connect(what.to_owned(), e))
    }
}

/// Our side of the bus.
pub struct Bus {
    pub connection: Connection,
    owners: Owners,
    port: Port,
    limits: Limits,
    stream: MessageStream,
}

impl Bus {
    /// Connects and starts to listen, without a name yet: nobody can call, nothing is missed.
    pub async fn connect(
        address: &BusAddress,
        port: Port,
        limits: Limits,
    ) -> Result<Bus, BusError> {
        let connection = address.connect().await?;
        let stream = MessageStream::from(&connection);
        let owners = Owners::new(connection.clone(), port.clone());
        let bus =
            fdo::DBusProxy::new(&connection).await.map_err(|e| BusError::Setup("a proxy", e))?;
        for rule in players::match_rules() {
            bus.add_match_rule(rule)
                .await
                .map_err(|e| BusError::Setup("a match rule", zbus::Error::from(e)))?;
        }
        owners.learn_names(&bus).await.map_err(|e| BusError::Setup("the list of names", e))?;
        Ok(Bus { connection, owners, port, limits, stream })
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
        server.at(AGENT_PATH, fdo::ObjectManager).await.map_err(failed)?;
        let agent = AgentObject {
            port: self.port.clone(),
            owners: self.owners.clone(),
            limits: self.limits.clone(),
        };
        server.at(AGENT_PATH, agent).await.map_err(failed)?;
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
            self.stream,
            self.connection.clone(),
            self.owners,
            self.port,
            self.limits,
        ));
        tokio::spawn(announce(sessions_of, news));
        self.connection.request_name(BUS_NAME).await.map_err(BusError::Name)?;
        Ok(self.connection)
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
    async fn appear(&self, number: u32) -> zbus::Result<()> {
        let object = SessionObject {
            number,
            port: self.port.clone(),
            owners: self.owners.clone(),
            limits: self.limits.clone(),
        };
        self.connection.object_server().at(session::path(number), object).await.map(|_| ())
    }
}

/// Tells the bus what the engine says: sessions that appear and close, properties that changed.
async fn announce(sessions: Sessions, mut news: mpsc::UnboundedReceiver<News>) {
    while let Some(item) = news.recv().await {
        let told = match item {
            News::Notice(Notice::Opened(number)) => sessions.appear(number).await,
            News::Notice(Notice::Closed(number, reason)) => closed(&sessions, number, reason).await,
            News::Changed(changed) => property_changed(&sessions, changed).await,
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
        sessions.connection.object_server().remove::<SessionObject, _>(path.as_str()).await?;
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
