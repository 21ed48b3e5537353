//! Listens to MPRIS players on one bus and hands their playback events to the engine.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedVariant, Variant};

use super::map::{Change, PlaybackEvent, Player, Status, Track};
use super::quirks;
use crate::config::{MprisBus, MprisConfig};
use crate::core::input::{Input, Target};
use crate::core::player::{EventSource, PlayerId};
use crate::core::time::BootInstant;
use crate::core::tracker::event::EventName;
use crate::port::Port;
use crate::system::clock;

const PREFIX: &str = "org.mpris.MediaPlayer2.";
const PATH: &str = "/org/mpris/MediaPlayer2";
const PLAYER: &str = "org.mpris.MediaPlayer2.Player";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const BUS: &str = "org.freedesktop.DBus";
/// Signals that may wait while a player is asked. More are dropped, and everything is read anew.
const SIGNALS: usize = 1024;
/// How long a player may take to answer. It must not hold up the others.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);

struct Tracked {
    player: Player,
    app: String,
    name: String,
}

/// A connection to the players' bus, listening already.
pub struct Watcher {
    connection: Connection,
    signals: mpsc::Receiver<(Message, BootInstant)>,
    /// Signals were dropped.
    missed: Arc<AtomicBool>,
    allow: Vec<String>,
    port: Port,
    /// By unique name.
    players: HashMap<String, Tracked>,
}

impl Watcher {
    /// Connects and begins to listen.
    pub async fn connect(config: &MprisConfig, port: Port) -> zbus::Result<Watcher> {
        let builder = match config.bus {
            MprisBus::System => Builder::system(),
            MprisBus::Session => Builder::session(),
        };
        let connection = builder.method_timeout(CALL_TIMEOUT).build().await?;
        // Read at once, because a stream that nobody polls stalls its connection.
        let (heard, signals) = mpsc::channel(SIGNALS);
        let missed = Arc::new(AtomicBool::new(false));
        tokio::spawn(relay(MessageStream::from(&connection), heard, missed.clone()));
        for rule in match_rules()? {
            call_bus(&connection, "AddMatch", &rule.to_string()).await?;
        }
        let allow = config.allow.clone();
        let players = HashMap::new();
        let mut watcher = Watcher { connection, signals, missed, allow, port, players };
        for (name, owner) in watcher.owners().await? {
            watcher.learn(&name, &owner);
        }
        Ok(watcher)
    }

    /// The players' names that are on the bus, and who owns them.
    async fn owners(&self) -> zbus::Result<Vec<(String, String)>> {
        let names: Vec<String> =
            call_bus(&self.connection, "ListNames", &()).await?.body().deserialize()?;
        let mut owners = Vec::new();
        for name in names.into_iter().filter(|name| name.starts_with(PREFIX)) {
            if let Ok(reply) = call_bus(&self.connection, "GetNameOwner", &name).await {
                owners.push((name, reply.body().deserialize()?));
            }
        }
        Ok(owners)
    }

    /// Signals were dropped: learns which players there are, and reads all they say.
    async fn read_anew(&mut self) {
        tracing::warn!("players signal more than can be heard; all of them are read anew");
        let now = clock::now().boot;
        let Ok(owners) = self.owners().await else { return };
        let gone = |unique: &&String| !owners.iter().any(|(_, owner)| owner == *unique);
        for unique in self.players.keys().filter(gone).cloned().collect::<Vec<_>>() {
            self.gone(&unique, now).await;
        }
        for (name, owner) in owners {
            if self.players.contains_key(&owner) || self.learn(&name, &owner) {
                self.read_all(&owner, now).await;
            }
        }
    }

    async fn gone(&mut self, unique: &str, arrived: BootInstant) {
        self.players.remove(unique);
        let gone = Input::PlayerGone { sender: self.sender(unique) };
        self.port.tell_when_room(gone, arrived).await;
    }

    /// Takes over a session of an earlier run of the agent, so that what its player did meanwhile
    /// is noticed.
    pub fn adopt(&mut self, owner: &PlayerId, media_id: &str) {
        let sender = owner.sender.clone();
        let ours = self.players.keys().find(|unique| self.sender(unique) == sender).cloned();
        if let Some(known) = ours.and_then(|unique| self.players.get_mut(&unique)) {
            known.player.adopt(media_id);
        }
    }

    /// The connected players, by the sender names that sessions use.
    pub fn present(&self) -> Vec<String> {
        self.players.keys().map(|unique| self.sender(unique)).collect()
    }

    /// The sender name of a player. It differs from all unique names of the agent's own bus and of
    /// other runs of this bus.
    fn sender(&self, unique: &str) -> String {
        format!("mpris/{}/{unique}", self.connection.server_guid())
    }

    /// Runs until the bus is gone.
    pub async fn run(mut self) {
        for unique in self.players.keys().cloned().collect::<Vec<_>>() {
            self.read_all(&unique, clock::now().boot).await;
        }
        loop {
            let due = self.players.values().filter_map(|k| k.player.deadline()).min();
            let wait =
                due.map(|due| Duration::from_millis((due - clock::now().boot).0.max(0) as u64));
            tokio::select! {
                biased;
                message = self.signals.recv() => match message {
                    Some((message, arrived)) => self.hear(&message, arrived).await,
                    None => break,
                },
                // What has waited is heard first.
                () = std::future::ready(()), if self.missed.load(Ordering::Relaxed) => {
                    self.missed.store(false, Ordering::Relaxed);
                    self.read_anew().await;
                }
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {
                    self.patience_over().await;
                }
            }
        }
        tracing::error!("the players' bus is gone; MPRIS players are not tracked until a restart");
        for unique in self.players.keys() {
            let gone = Input::PlayerGone { sender: self.sender(unique) };
            self.port.tell_when_room(gone, clock::now().boot).await;
        }
    }

    /// Handles players that have reported no length in time.
    async fn patience_over(&mut self) {
        let now = clock::now().boot;
        let due: Vec<String> = self
            .players
            .iter()
            .filter(|(_, known)| known.player.deadline().is_some_and(|at| at <= now))
            .map(|(unique, _)| unique.clone())
            .collect();
        for unique in due {
            self.read_all(&unique, now).await;
            let position = self.position(&unique).await;
            if let Some(known) = self.players.get_mut(&unique) {
                let heard = known.player.change(&Change::default(), position, now);
                self.tell(&unique, heard, now);
            }
        }
    }

    /// Tracks the owner of a name if it is an allowed player's; true when it is.
    fn learn(&mut self, name: &str, owner: &str) -> bool {
        let Some(short) = name.strip_prefix(PREFIX) else { return false };
        if !self.allow.iter().any(|pattern| glob(pattern, short)) {
            return false;
        }
        let app = short.split(".instance").next().unwrap_or(short).to_owned();
        let player = Player::new(app.clone());
        self.players.insert(owner.to_owned(), Tracked { player, app, name: name.to_owned() });
        true
    }

    async fn hear(&mut self, message: &Message, arrived: BootInstant) {
        let header = message.header();
        let (Some(sender), Some(interface), Some(member)) =
            (header.sender(), header.interface(), header.member())
        else {
            return;
        };
        if message.message_type() != Type::Signal {
            return;
        }
        match (interface.as_str(), member.as_str()) {
            (BUS, "NameOwnerChanged") if sender.as_str() == BUS => {
                self.name_changed(message, arrived).await
            }
            (PROPERTIES, "PropertiesChanged") => {
                let body = message.body();
                type Args = (String, HashMap<String, OwnedVariant>, Vec<String>);
                let Ok((of, values, stale)) = body.deserialize::<Args>() else { return };
                if of != PLAYER || !self.players.contains_key(sender.as_str()) {
                    return;
                }
                if stale.iter().any(|s| s == "PlaybackStatus" || s == "Metadata") {
                    self.read_all(sender.as_str(), arrived).await;
                } else {
                    self.changed(sender.as_str(), &change_of(&values), arrived).await;
                }
            }
            (PLAYER, "Seeked") => {
                if let Ok(position) = message.body().deserialize::<i64>()
                    && let Some(known) = self.players.get_mut(sender.as_str())
                {
                    let heard = known.player.seeked(micros(position), arrived);
                    self.tell(sender.as_str(), heard, arrived);
                }
            }
            _ => {}
        }
    }

    async fn name_changed(&mut self, message: &Message, arrived: BootInstant) {
        let body = message.body();
        let Ok((name, old, new)) = body.deserialize::<(&str, &str, &str)>() else { return };
        let ours = self.players.get(old).is_some_and(|known| known.name == name || old == name);
        if ours {
            self.gone(old, arrived).await;
        }
        if !new.is_empty() && self.learn(name, new) {
            self.read_all(new, arrived).await;
        }
    }

    /// Reads all properties of a player, when it appears or when it invalidates some.
    async fn read_all(&mut self, unique: &str, arrived: BootInstant) {
        let reply = self
            .connection
            .call_method(Some(unique), PATH, Some(PROPERTIES), "GetAll", &(PLAYER,))
            .await;
        let Ok(reply) = reply else { return };
        if let Ok(values) = reply.body().deserialize::<HashMap<String, OwnedVariant>>() {
            self.changed(unique, &change_of(&values), arrived).await;
        }
    }

    async fn changed(&mut self, unique: &str, change: &Change, arrived: BootInstant) {
        if *change == Change::default() {
            return;
        }
        let quirk = self.players.get(unique).map(|k| quirks::of(&k.app)).unwrap_or_default();
        let position = match change.track.is_some() && quirk.stale_position_on_new_track {
            true => None,
            false => self.position(unique).await,
        };
        if let Some(known) = self.players.get_mut(unique) {
            let heard = known.player.change(change, position, arrived);
            self.tell(unique, heard, arrived);
        }
    }

    /// A player's position in seconds. Read at a change only, never polled.
    async fn position(&self, unique: &str) -> Option<f64> {
        let reply = self
            .connection
            .call_method(Some(unique), PATH, Some(PROPERTIES), "Get", &(PLAYER, "Position"))
            .await
            .ok()?;
        let value: OwnedVariant = reply.body().deserialize().ok()?;
        Some(micros(integer(&value)?))
    }

    fn tell(&self, unique: &str, heard: Vec<PlaybackEvent>, arrived: BootInstant) {
        let Some(known) = self.players.get(unique) else { return };
        for PlaybackEvent { name, playhead, info } in heard {
            let player = PlayerId { sender: self.sender(unique), instance: known.name.clone() };
            let input = match name {
                EventName::SessionStart => Input::Open {
                    call: None,
                    player,
                    source: EventSource::Mpris,
                    uid: None,
                    app: known.app.clone(),
                    playhead,
                    info,
                },
                name => Input::Event {
                    call: None,
                    target: Target::Player(player),
                    name,
                    playhead,
                    info,
                },
            };
            self.port.tell(input, arrived);
        }
    }
}

/// Passes on signals with the time of their arrival, and drops every other message at once. It never
/// waits, because the answers of players come on the same connection.
async fn relay(
    mut stream: MessageStream,
    heard: mpsc::Sender<(Message, BootInstant)>,
    missed: Arc<AtomicBool>,
) {
    while let Some(message) = stream.next().await {
        let Ok(message) = message else { continue };
        if message.message_type() != Type::Signal {
            continue;
        }
        match heard.try_send((message, clock::now().boot)) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => missed.store(true, Ordering::Relaxed),
            Err(mpsc::error::TrySendError::Closed(_)) => return,
        }
    }
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

/// Seconds, from the microseconds of MPRIS.
fn micros(position: i64) -> f64 {
    position as f64 / 1_000_000.0
}

fn integer(value: &Variant<'_>) -> Option<i64> {
    match value {
        Variant::I64(n) => Some(*n),
        Variant::U64(n) => i64::try_from(*n).ok(),
        Variant::I32(n) => Some((*n).into()),
        Variant::U32(n) => Some((*n).into()),
        Variant::F64(n) => Some(*n as i64),
        Variant::Variant(inner) => integer(inner),
        _ => None,
    }
}

fn text(value: &Variant<'_>) -> Option<String> {
    match value {
        Variant::Str(s) => Some(s.to_string()),
        Variant::ObjectPath(p) => Some(p.to_string()),
        Variant::Variant(inner) => text(inner),
        _ => None,
    }
}

fn change_of(values: &HashMap<String, OwnedVariant>) -> Change {
    let status = values.get("PlaybackStatus").and_then(|v| Status::parse(&text(v)?));
    let rate = values.get("Rate").and_then(|v| match &**v {
        Variant::F64(rate) => Some(*rate),
        _ => None,
    });
    let track = values.get("Metadata").and_then(|v| match &**v {
        Variant::Dict(dict) => Some(track_of(dict)),
        _ => None,
    });
    Change { status, track, rate }
}

fn track_of(dict: &zbus::wire::Dict<'_, '_>) -> Track {
    let mut track = Track::default();
    for (key, value) in dict.iter() {
        match text(key).as_deref() {
            Some("mpris:trackid") => track.track_id = text(value).unwrap_or_default(),
            Some("xesam:url") => track.url = text(value).unwrap_or_default(),
            Some("xesam:title") => track.title = text(value).unwrap_or_default(),
            Some("mpris:length") => {
                track.length = integer(value).map(micros).filter(|length| *length > 0.0);
            }
            _ => {}
        }
    }
    track
}

/// `*` is any run of characters, `?` is one.
fn glob(pattern: &str, name: &str) -> bool {
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            (0..=name.len())
                .filter(|at| name.is_char_boundary(*at))
                .any(|at| glob(rest, &name[at..]))
        }
        Some(first) => {
            let mut rest = name.chars();
            rest.next().is_some_and(|c| first == '?' || first == c)
                && glob(&pattern[first.len_utf8()..], rest.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        for (pattern, name, matches) in [
            ("*", "mpv", true),
            ("mpv", "mpv", true),
            ("mpv*", "mpv.instance7", true),
            ("m?v", "mpv", true),
            ("m?v", "mv", false),
            ("", "mpv", false),
            ("*.instance*", "vlc.instance12", true),
            ("*x", "mpv", false),
        ] {
            assert_eq!(glob(pattern, name), matches, "{pattern} {name}");
        }
    }
}
