//! The bus of the MPRIS players: hears their signals, carries questions to them, and is looked for
//! again when it is gone (behaviour.md 1.7). What it all means is decided in `map`.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, MatchRule, Message, MessageStream};

use super::fields::Field;
use super::map::{Limits, PATH, Players};
use super::names::PREFIX;
use super::player::Adopted;
use super::questions::Question;
use super::settling::Change;
use super::wire::Body;
use crate::config::{MprisBus, MprisConfig};
use crate::core::input::Input;
use crate::core::player::PlayerId;
use crate::core::settings;
use crate::core::time::BootInstant;
use crate::port::Port;
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
/// How long a bus may take to be reached.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time between two attempts to reach the bus: 1 s doubling to 60 s.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// After signals were lost, so long passes before everything is read anew once more.
const READ_ANEW_EVERY: Duration = Duration::from_secs(1);

/// What the agent tells of its players: an interrupt of this one's session has ended, at this
/// position in seconds.
pub type ReadAgain = (PlayerId, f64);

/// What has come from the bus, with the time of its arrival.
enum Heard {
    /// A name, its old and its new owner.
    Owner(String, String, String, BootInstant),
    Changed(String, Change, BootInstant),
    Seeked(String, f64, BootInstant),
    /// An answer; `None` is an error.
    Answer(String, Question, Option<Change>, BootInstant),
    /// A connection, or one of its names, is gone; all that it sent has been heard.
    Gone(String, String, BootInstant),
    BusGone,
}

/// A connection to the players' bus.
struct PlayersBus {
    connection: Connection,
    heard: mpsc::Receiver<Heard>,
    /// For answers.
    told: mpsc::Sender<Heard>,
    /// Signals were dropped.
    missed: Arc<AtomicBool>,
    players: Players,
}

/// Listens to players, whether their bus is there or not.
pub struct Watcher {
    config: MprisConfig,
    limits: settings::Limits,
    port: Port,
    bus: Option<PlayersBus>,
    read_again: mpsc::Receiver<ReadAgain>,
}

impl Watcher {
    /// Connects, if the bus is there, and begins to listen.
    pub async fn start(
        config: &MprisConfig,
        limits: &settings::Limits,
        port: Port,
        read_again: mpsc::Receiver<ReadAgain>,
    ) -> Watcher {
        let (config, limits) = (config.clone(), limits.clone());
        let mut watcher = Watcher { config, limits, port, bus: None, read_again };
        watcher.connect().await;
        watcher
    }

    /// Tries to reach the bus once.
    async fn connect(&mut self) {
        let connecting = timeout(CONNECT_TIMEOUT, PlayersBus::connect(&self.config, &self.limits));
        match connecting.await {
            Ok(Ok(bus)) => {
                tracing::info!("listening to MPRIS players");
                self.bus = Some(bus);
            }
            Ok(Err(error)) => away(&error),
            Err(elapsed) => away(&elapsed),
        }
        self.port.players_away(self.bus.is_none());
    }

    /// Takes over a session of an earlier run of the agent, so that what its player did meanwhile
    /// is noticed.
    pub fn adopt(&mut self, session: Adopted, now: BootInstant) {
        if let Some(bus) = &mut self.bus {
            bus.players.adopt(session, now);
        }
    }

    /// The connected players, by the sender names that sessions use.
    pub fn present(&self) -> Vec<String> {
        self.bus.as_ref().map(|bus| bus.players.present()).unwrap_or_default()
    }

    /// Runs for as long as the program.
    pub async fn run(mut self) {
        let mut backoff = Duration::from_secs(1);
        loop {
            if let Some(bus) = self.bus.take() {
                backoff = Duration::from_secs(1);
                bus.listen(&self.port, &mut self.read_again).await;
                tracing::error!("the bus of the MPRIS players is gone; it is tried again");
                self.port.players_away(true);
            }
            sleep(backoff).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            // Nobody is there to be read again.
            while self.read_again.try_recv().is_ok() {}
            self.connect().await;
        }
    }
}

fn away(error: &dyn std::fmt::Display) {
    let error = error.to_string();
    tracing::warn!(error, "the bus of the MPRIS players cannot be reached; it is tried again");
}

impl PlayersBus {
    async fn connect(config: &MprisConfig, limits: &settings::Limits) -> zbus::Result<PlayersBus> {
        let builder = match &config.bus {
            MprisBus::System => Builder::system(),
            MprisBus::Session => Builder::session(),
            MprisBus::Address(address) => Builder::address(address.as_str()),
        };
        let connection = builder.max_queued(MESSAGES).method_timeout(CALL_TIMEOUT).build().await?;
        let (told, heard) = mpsc::channel(SIGNALS);
        let missed = Arc::new(AtomicBool::new(false));
        let relay = Relay {
            told: told.clone(),
            missed: missed.clone(),
            per_second: limits.all_events_per_second.into(),
            burst: limits.all_event_burst.into(),
            tokens: limits.all_event_burst.into(),
            counted: clock::now().boot,
        };
        // Read at once, because a stream that nobody polls stalls its connection.
        tokio::spawn(relay.run(MessageStream::from(&connection)));
        for rule in match_rules()? {
            call_bus(&connection, "AddMatch", &rule.to_string()).await?;
        }
        let limits = Limits {
            players: limits.sessions,
            per_second: limits.events_per_second,
            burst: limits.event_burst,
        };
        let guid = connection.server_guid().to_string();
        let mut players = Players::new(config, limits, &guid);
        let now = clock::now().boot;
        for (name, owner) in owners(&connection).await? {
            players.appeared(&name, &owner, now);
        }
        Ok(PlayersBus { connection, heard, told, missed, players })
    }

    /// Listens until the bus is gone.
    async fn listen(mut self, port: &Port, read_again: &mut mpsc::Receiver<ReadAgain>) {
        let mut read_anew_at = Instant::now();
        loop {
            self.carry_out(port).await;
            let due = self.players.deadline();
            let wait =
                due.map(|due| Duration::from_millis((due - clock::now().boot).0.max(0) as u64));
            let missed = self.missed.load(Ordering::Relaxed);
            tokio::select! {
                biased;
                heard = self.heard.recv() => match heard {
                    None | Some(Heard::BusGone) => break,
                    Some(heard) => self.hear(heard),
                },
                Some((owner, position)) = read_again.recv() => {
                    self.players.read_again(&owner, position, clock::now().boot);
                }
                // What has waited is heard first.
                () = sleep_until(read_anew_at), if missed => {
                    self.missed.store(false, Ordering::Relaxed);
                    read_anew_at = Instant::now() + READ_ANEW_EVERY;
                    tracing::warn!("players signal more than can be heard; all of them are read anew");
                    if let Ok(owners) = owners(&self.connection).await {
                        self.players.read_anew(&owners, clock::now().boot);
                    }
                }
                () = sleep(wait.unwrap_or_default()), if wait.is_some() => {
                    self.players.tick(clock::now().boot);
                }
            }
        }
        self.players.all_gone(clock::now().boot);
        self.carry_out(port).await;
    }

    fn hear(&mut self, heard: Heard) {
        let players = &mut self.players;
        match heard {
            Heard::Changed(unique, change, at) => players.changed(&unique, &change, at),
            Heard::Seeked(unique, position, at) => players.seeked(&unique, position, at),
            Heard::Answer(unique, question, answer, at) => {
                players.answered(&unique, question, answer.as_ref(), at);
            }
            Heard::Owner(name, old, new, at) => {
                if !old.is_empty() {
                    tokio::spawn(flush(
                        self.connection.clone(),
                        self.told.clone(),
                        name.clone(),
                        old,
                        at,
                    ));
                }
                if !new.is_empty() {
                    players.appeared(&name, &new, at);
                }
            }
            Heard::Gone(name, old, at) if name == old => players.gone(&old, at),
            Heard::Gone(name, old, at) => players.name_lost(&name, &old, at),
            Heard::BusGone => {}
        }
    }

    async fn carry_out(&mut self, port: &Port) {
        let out = self.players.take();
        for (unique, question) in out.questions {
            tokio::spawn(ask(self.connection.clone(), unique, question, self.told.clone()));
        }
        for (input, at) in out.inputs {
            match input {
                gone @ Input::PlayerGone { .. } => port.tell_when_room(gone, at).await,
                input => port.tell(input, at),
            }
        }
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
    let _ = told.send(Heard::Answer(unique, question, answer, clock::now().boot)).await;
}

/// Asks the bus something, twice. When it has answered, everything that a connection sent before it
/// left has been heard (behaviour.md 1.5).
async fn flush(
    connection: Connection,
    told: mpsc::Sender<Heard>,
    name: String,
    old: String,
    at: BootInstant,
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
    per_second: f64,
    burst: f64,
    tokens: f64,
    counted: BootInstant,
}

impl Relay {
    async fn run(mut self, mut stream: MessageStream) {
        while let Some(message) = stream.next().await {
            let Ok(message) = message else { continue };
            let at = clock::now().boot;
            if message.message_type() == Type::Signal
                && let Some(heard) = read(&message, at)
                && !(self.passes(at) && self.told.try_send(heard).is_ok())
            {
                self.missed.store(true, Ordering::Relaxed);
            }
        }
        let _ = self.told.send(Heard::BusGone).await;
    }

    fn passes(&mut self, at: BootInstant) -> bool {
        let filled = self.tokens + (at - self.counted).as_seconds() * self.per_second;
        self.counted = at;
        self.tokens = filled.min(self.burst) - 1.0;
        let passes = self.tokens >= 0.0;
        self.tokens = self.tokens.max(-1.0);
        passes
    }
}

fn read(message: &Message, at: BootInstant) -> Option<Heard> {
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

/// The players' names that are on the bus, and who owns them.
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
