//! A connection to the players' bus: what their signals say, with the time of its arrival, and
//! questions to them.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, MatchRule, Message, MessageStream};

use super::fields::Field;
use super::map::PATH;
use super::names::PREFIX;
use super::questions::Question;
use super::settling::Change;
use super::wire::Body;
use crate::config::MprisBus;
use crate::core::rate::{Bucket, Rate};
use crate::core::settings::Limits;
use crate::core::time::Now;
use crate::system::clock;

const PLAYER: &str = "org.mpris.MediaPlayer2.Player";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const BUS: &str = "org.freedesktop.DBus";
/// Signals that may wait. More are dropped, and everything is read anew.
const SIGNALS: usize = 1024;
/// Messages that wait in the connection: a player may send large ones.
const MESSAGES: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");
/// When a call that is not answered is forgotten.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What has come from the bus, with the time of its arrival.
pub(super) enum Heard {
    /// A name, its old and its new owner.
    Owner(String, String, String, Now),
    Changed(String, Change, Now),
    Seeked(String, f64, Now),
    /// An answer; `None` is an error.
    Answer(String, Question, Option<Change>, Now),
    /// Whose connection it is: the uid whose limits count.
    Uid(String, Option<u32>),
    /// A connection has given up a name, or is gone; all that it sent has been heard.
    Gone(String, String, Now),
    BusGone,
}

/// A connection that listens.
pub(super) struct Bus {
    connection: Connection,
    pub heard: mpsc::Receiver<Heard>,
    /// For answers.
    told: mpsc::Sender<Heard>,
    /// Signals were dropped.
    missed: Arc<AtomicBool>,
}

impl Bus {
    pub async fn connect(bus: &MprisBus, limits: &Limits) -> zbus::Result<Bus> {
        let builder = match bus {
            MprisBus::System => Builder::system(),
            MprisBus::Session => Builder::session(),
            MprisBus::Address(address) => Builder::address(address.as_str()),
        };
        let connection = builder.max_queued(MESSAGES).method_timeout(CALL_TIMEOUT).build().await?;
        let (told, heard) = mpsc::channel(SIGNALS);
        let missed = Arc::new(AtomicBool::new(false));
        let rate = Rate::of_all(limits);
        let relay = Relay {
            told: told.clone(),
            missed: missed.clone(),
            rate,
            bucket: Bucket::full(rate, clock::now().boot),
        };
        // Read at once, because a stream that nobody polls stalls its connection.
        tokio::spawn(relay.run(MessageStream::from(&connection)));
        for rule in match_rules()? {
            call_bus(&connection, "AddMatch", &rule.to_string()).await?;
        }
        Ok(Bus { connection, heard, told, missed })
    }

    /// The id of this run of the bus.
    pub fn id(&self) -> String {
        self.connection.server_guid().to_string()
    }

    /// Whether signals were dropped since `forget_missed`.
    pub fn missed(&self) -> bool {
        self.missed.load(Ordering::Relaxed)
    }

    pub fn forget_missed(&self) {
        self.missed.store(false, Ordering::Relaxed);
    }

    /// Asks a player; the answer is heard later, if there is one.
    pub fn ask(&self, unique: String, question: Question) {
        tokio::spawn(ask(self.connection.clone(), unique, question, self.told.clone()));
    }

    /// Asks the bus whose connection this is; `Heard::Uid` tells.
    pub fn ask_uid(&self, unique: String) {
        tokio::spawn(ask_uid(self.connection.clone(), unique, self.told.clone()));
    }

    /// A name has lost its owner: `Heard::Gone` follows when all that it sent has been heard.
    pub fn leaves(&self, name: String, old: String, at: Now) {
        tokio::spawn(flush(self.connection.clone(), self.told.clone(), name, old, at));
    }

    /// The players' names that are on the bus, and who owns them.
    pub async fn owners(&self) -> zbus::Result<Vec<(String, String)>> {
        owners(&self.connection).await
    }
}

/// Asks a player. One that never answers keeps nobody waiting.
async fn ask(
    connection: Connection,
    unique: String,
    question: Question,
    told: mpsc::Sender<Heard>,
) {
    let to = Some(unique.as_str());
    let reply = match question.property() {
        None => connection.call_method(to, PATH, Some(PROPERTIES), "GetAll", &(PLAYER,)).await,
        Some(name) => {
            connection.call_method(to, PATH, Some(PROPERTIES), "Get", &(PLAYER, name)).await
        }
    };
    let answer = match reply {
        Ok(reply) => {
            let mut change = Change::default();
            let message = reply.body();
            let mut body = body(&reply, &message);
            match question.property() {
                None => body.properties(),
                Some(name) => body.property(name, &mut change).map(|()| change),
            }
        }
        Err(zbus::Error::MethodError(..)) => None,
        // It has not answered.
        Err(_) => return,
    };
    let _ = told.send(Heard::Answer(unique, question, answer, clock::now())).await;
}

/// Root and the service's own user are limited by no uid (behaviour.md 2.8). If the bus does not
/// tell, nobody's limits count.
async fn ask_uid(connection: Connection, unique: String, told: mpsc::Sender<Heard>) {
    let reply = call_bus(&connection, "GetConnectionUnixUser", &unique).await;
    let uid = reply.ok().and_then(|reply| reply.body().deserialize::<u32>().ok());
    let free = |uid: &u32| *uid == 0 || *uid == rustix::process::geteuid().as_raw();
    let _ = told.send(Heard::Uid(unique, uid.filter(|uid| !free(uid)))).await;
}

/// Asks the bus something, twice. When it has answered, everything that a connection sent before it
/// left has been heard (behaviour.md 1.5).
async fn flush(
    connection: Connection,
    told: mpsc::Sender<Heard>,
    name: String,
    old: String,
    at: Now,
) {
    for _ in 0..2 {
        let _ = call_bus(&connection, "GetId", &()).await;
    }
    let _ = told.send(Heard::Gone(name, old, at)).await;
}

/// Passes on what signals say, with the time of their arrival, and drops every other message at
/// once. It never waits, because the answers of players come on the same connection.
struct Relay {
    told: mpsc::Sender<Heard>,
    missed: Arc<AtomicBool>,
    /// How many signals of all players are heard (behaviour.md 2.8).
    rate: Rate,
    bucket: Bucket,
}

impl Relay {
    async fn run(mut self, mut stream: MessageStream) {
        loop {
            let message = tokio::select! {
                message = stream.next() => message,
                // Whoever tried to connect has given up: the connection goes with this stream.
                () = self.told.closed() => return,
            };
            let Some(message) = message else { break };
            let Ok(message) = message else { continue };
            let at = clock::now();
            if message.message_type() == Type::Signal
                && let Some(heard) = read(&message, at)
                && !(self.bucket.take(self.rate, 1, at.boot) && self.told.try_send(heard).is_ok())
            {
                self.missed.store(true, Ordering::Relaxed);
            }
        }
        let _ = self.told.send(Heard::BusGone).await;
    }
}

fn read(message: &Message, at: Now) -> Option<Heard> {
    let header = message.header();
    let sender = header.sender()?.as_str();
    let bytes = message.body();
    let signature = || bytes.signature().to_string_no_parens();
    match (header.interface()?.as_str(), header.member()?.as_str()) {
        (BUS, "NameOwnerChanged") if sender == BUS => {
            let (name, old, new): (&str, &str, &str) = bytes.deserialize().ok()?;
            Some(Heard::Owner(name.to_owned(), old.to_owned(), new.to_owned(), at))
        }
        (PROPERTIES, "PropertiesChanged") if signature() == "sa{sv}as" => {
            let change = body(message, &bytes).properties_changed(PLAYER)?;
            Some(Heard::Changed(sender.to_owned(), change, at))
        }
        (PLAYER, "Seeked") if signature() == "x" => {
            let micros = body(message, &bytes).micros()? as f64;
            let seconds = Field::Number(micros).seconds()?;
            Some(Heard::Seeked(sender.to_owned(), seconds, at))
        }
        _ => None,
    }
}

fn body<'a>(message: &Message, body: &'a zbus::message::Body) -> Body<'a> {
    Body::new(body.data(), message.data().first() == Some(&b'B'))
}

async fn owners(connection: &Connection) -> zbus::Result<Vec<(String, String)>> {
    let names: Vec<String> = call_bus(connection, "ListNames", &()).await?.body().deserialize()?;
    let mut owners = Vec::new();
    for name in names.into_iter().filter(|name| name.starts_with(PREFIX)) {
        if let Ok(reply) = call_bus(connection, "GetNameOwner", &name).await {
            owners.push((name, reply.body().deserialize()?));
        }
    }
    Ok(owners)
}

/// Calls a method of the bus itself.
async fn call_bus<B>(connection: &Connection, method: &str, body: &B) -> zbus::Result<Message>
where
    B: serde::Serialize + zbus::DynamicType,
{
    connection.call_method(Some(BUS), "/org/freedesktop/DBus", Some(BUS), method, body).await
}

fn match_rules() -> zbus::Result<Vec<MatchRule<'static>>> {
    let signal = || MatchRule::builder().msg_type(Type::Signal);
    Ok(vec![
        signal()
            .path(PATH)
            .interface(PROPERTIES)
            .member("PropertiesChanged")
            .arg(0, PLAYER)
            .build()?,
        signal().path(PATH).interface(PLAYER).member("Seeked").build()?,
        signal()
            .sender(BUS)
            .interface(BUS)
            .member("NameOwnerChanged")
            .arg0ns("org.mpris.MediaPlayer2")
            .build()?,
    ])
}
