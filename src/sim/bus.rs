//! The simulated bus: the players' connections, and how much of what players and application managers
//! say the agent takes (behaviour.md 2.8). Rates and sizes are those of the real bus, by the same code
//! and in virtual time.

use std::collections::BTreeMap;

use crate::core::input::{Input, Lifecycle, Target};
use crate::core::player::{EventSource, PlayerId};
use crate::core::rate::{self, COUNT_EVERY, EventRates, cost};
use crate::core::rejected::Rejected;
use crate::core::settings::Limits;
use crate::core::size;
use crate::core::time::BootInstant;
use crate::core::tracker::event::EventName;
use crate::core::tracker::info::{Info, Value};
use crate::core::warnings::RefusalLog;

/// All players of a timeline belong to one ordinary user, application managers to root.
pub(super) const PLAYERS_UID: Option<u32> = Some(1000);
const MANAGERS_UID: Option<u32> = None;
/// The connection of all application managers.
const MANAGER: &str = ":manager";

/// A player's connection to the bus.
struct Connection {
    /// Which of this player's connections it is, from 0.
    number: u32,
    /// As the bus would name it.
    unique: String,
}

impl Connection {
    fn of(from: &str, number: u32) -> Connection {
        Connection { number, unique: format!(":{from}.{number}") }
    }
}

/// Who is connected, and how much the agent has heard of each lately.
#[derive(Default)]
pub(super) struct Bus {
    /// The present connection of each player.
    connections: BTreeMap<String, Connection>,
    rates: EventRates,
    /// Messages over the rates that the agent was not told of yet.
    flooded: u64,
    /// Who sent the last of them.
    flooded_by: String,
    count_at: Option<BootInstant>,
    refusals: RefusalLog,
}

impl Bus {
    /// The agent starts: it remembers nobody's rate. Gives who is connected.
    pub fn agent_starts(&mut self) -> Vec<String> {
        (self.rates, self.flooded, self.count_at) = (EventRates::default(), 0, None);
        self.connections.values().map(|connection| connection.unique.clone()).collect()
    }

    /// All players are gone with the power; each comes back on a new connection.
    pub fn power_loss(&mut self) {
        for (from, connection) in &mut self.connections {
            *connection = Connection::of(from, connection.number + 1);
        }
    }

    /// A player's connection is gone; what it says from now on comes from a new one.
    pub fn player_vanishes(&mut self, from: &str) -> Option<Input> {
        let connection = self.connections.get_mut(from)?;
        let next = Connection::of(from, connection.number + 1);
        let sender = std::mem::replace(connection, next).unique;
        self.rates.forget(&sender);
        Some(Input::PlayerGone { sender })
    }

    /// A player says something, as a signal. `None` when it is over the rates.
    pub fn player_says(
        &mut self,
        from: &str,
        (name, playhead, info): (EventName, f64, &Info),
        limits: &Limits,
        now: BootInstant,
    ) -> Option<Input> {
        let first = || Connection::of(from, 0);
        let connection = self.connections.entry(from.to_owned()).or_insert_with(first);
        let sender = connection.unique.clone();
        let bytes = event_bytes(info);
        self.admits(limits, (&sender, PLAYERS_UID), bytes, now).then(|| {
            let fits = size::check_body(bytes, limits);
            if let Err(too_large) = fits.and_then(|()| size::check_info(info, limits)) {
                return self.refuse(name.name(), sender, from, too_large, now);
            }
            let player = PlayerId { sender, instance: "/player".into() };
            let info = info.clone();
            match name {
                EventName::SessionStart => Input::Open {
                    call: None,
                    player,
                    source: EventSource::Signal,
                    uid: PLAYERS_UID,
                    app: from.to_owned(),
                    playhead,
                    info,
                },
                name => {
                    let target = Target::Player(player);
                    Input::Event { call: None, target, name, playhead, info }
                }
            }
        })
    }

    /// An application manager says something, as a signal. `None` when it is over the rates.
    pub fn manager_says(
        &mut self,
        (app, state): (&str, Lifecycle),
        limits: &Limits,
        now: BootInstant,
    ) -> Option<Input> {
        let admitted = self.admits(limits, (MANAGER, MANAGERS_UID), text_end(0, app), now);
        admitted.then(|| match size::check_text("an argument", app, limits) {
            Ok(()) => Input::Lifecycle { call: None, app: app.to_owned(), state },
            Err(too_long) => self.refuse(state.name(), MANAGER.to_owned(), app, too_long, now),
        })
    }

    /// What is too large is refused, as on the bus of a box.
    fn refuse(
        &mut self,
        event: &'static str,
        sender: String,
        app: &str,
        why: Rejected,
        now: BootInstant,
    ) -> Input {
        self.refusals.say(event, &sender, app, &why, now);
        Input::Unreadable { event, sender, why: why.why }
    }

    /// Whether a message with a body of `bytes` is within the rates. If not, it is dropped and counted.
    fn admits(
        &mut self,
        limits: &Limits,
        (sender, uid): (&str, Option<u32>),
        bytes: usize,
        now: BootInstant,
    ) -> bool {
        let cost = cost(bytes, limits);
        let within = self.rates.of_sender(limits, sender, cost, now);
        let admitted = within.and_then(|()| self.rates.of_others(limits, uid, cost, now)).is_ok();
        if !admitted {
            self.flooded += 1;
            sender.clone_into(&mut self.flooded_by);
            self.count_at.get_or_insert(now + COUNT_EVERY);
        }
        admitted
    }

    /// When the agent is told how many messages were dropped.
    pub fn count_at(&self) -> Option<BootInstant> {
        self.count_at
    }

    /// Tells the agent how many messages were dropped since the last time, and says it as the real
    /// bus's adapter does.
    pub fn count(&mut self, now: BootInstant) -> Input {
        self.count_at = None;
        let events = std::mem::take(&mut self.flooded);
        let why = rate::over_the_limits(events);
        self.refusals.say("messages", &self.flooded_by, "", &why, now);
        Input::Flooded { events }
    }
}

/// How many bytes `(d playhead, a{sv} info)` takes in a message of the bus. Whole numbers are `x`; what
/// no event reads counts nothing.
fn event_bytes(info: &Info) -> usize {
    // The playhead, the length of the array, and the padding to its first entry.
    info.iter().fold(16, |at, (key, value)| value_end(text_end(padded(at, 8), key), value))
}

fn padded(at: usize, to: usize) -> usize {
    at.next_multiple_of(to)
}

/// Where a string ends that begins at `at` or soon after it: its length, itself, a zero.
fn text_end(at: usize, text: &str) -> usize {
    padded(at, 4) + 4 + text.len() + 1
}

/// Where a variant ends that begins at `at`.
fn value_end(at: usize, value: &Value) -> usize {
    // A signature is its length, itself, a zero.
    let of_one = at + 3;
    match value {
        Value::Text(text) => text_end(of_one, text),
        Value::Int(_) | Value::Float(_) => padded(of_one, 8) + 8,
        Value::Bool(_) => padded(of_one, 4) + 4,
        Value::Dict(texts) => dict_end(at + 7, texts),
        Value::Map(map) => map.iter().fold(padded(padded(at + 7, 4) + 4, 8), |at, (key, inner)| {
            value_end(text_end(padded(at, 8), key), inner)
        }),
        Value::List(list) => list.iter().fold(padded(of_one, 8), value_end),
        Value::Other(_) => of_one,
    }
}

fn dict_end(at: usize, texts: &BTreeMap<String, String>) -> usize {
    let first = padded(padded(at, 4) + 4, 8);
    texts.iter().fold(first, |at, (name, text)| text_end(text_end(padded(at, 8), name), text))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use zbus::{Message, Variant};

    use super::*;
    use crate::core::settings::Settings;

    #[test]
    fn an_event_has_the_size_that_it_has_on_the_bus() {
        let dict: BTreeMap<String, String> = [("media.show", "A show"), ("x", ""), ("yy", "12345")]
            .map(|(k, v)| (k.into(), v.into()))
            .into();
        let values = [
            Value::Text(String::new()),
            Value::Text("x".repeat(5_000)),
            Value::Int(7),
            Value::Float(0.5),
            Value::Bool(true),
            Value::Dict(BTreeMap::new()),
            Value::Dict(dict),
        ];
        let of = |info: &Info| {
            let sent: HashMap<&str, Variant<'_>> = info
                .iter()
                .map(|(key, value)| {
                    let value = match value {
                        Value::Text(text) => text.as_str().into(),
                        Value::Int(n) => (*n).into(),
                        Value::Float(f) => (*f).into(),
                        Value::Bool(b) => (*b).into(),
                        Value::Dict(d) => d.iter().collect::<HashMap<_, _>>().into(),
                        Value::Map(_) | Value::List(_) | Value::Other(_) => panic!("{value:?}"),
                    };
                    (key.as_str(), value)
                })
                .collect();
            let message = Message::signal("/p", "a.B", "C").build(&(1.5, sent)).expect("a message");
            message.body().len()
        };
        assert_eq!(event_bytes(&Info::new()), of(&Info::new()));
        for key in ["", "k", "key", "a longer key"] {
            for value in &values {
                let info = Info::from([(key.to_owned(), value.clone())]);
                assert_eq!(event_bytes(&info), of(&info), "{key} {value:?}");
            }
        }
        // The bus leaves the order of several keys open, and with it the last few bytes.
        let all: Info = (0..).map(|n| format!("key{n}")).zip(values).collect();
        assert!(event_bytes(&all).abs_diff(of(&all)) < 8);
        let message = Message::signal("/p", "a.B", "C").build(&("tv.app",)).expect("a message");
        assert_eq!(text_end(0, "tv.app"), message.body().len());
    }

    /// How many of `n` pings at an instant pass.
    fn heard(bus: &mut Bus, from: &str, n: usize, at: i64) -> usize {
        let limits = Settings::default().limits;
        let said = (EventName::Playhead, 1.0, &Info::new());
        (0..n).filter(|_| bus.player_says(from, said, &limits, BootInstant(at)).is_some()).count()
    }

    #[test]
    fn what_is_dropped_is_counted_a_second_after_the_first() {
        let mut bus = Bus::default();
        assert_eq!(heard(&mut bus, "p1", 200, 0), 200);
        assert_eq!(bus.count_at(), None);
        assert_eq!(heard(&mut bus, "p1", 5, 10), 0);
        assert_eq!(heard(&mut bus, "p1", 30, 500), 25);
        assert_eq!(bus.count_at(), Some(BootInstant(1_010)));
        assert_eq!(
            (bus.count(BootInstant(0)), bus.count_at()),
            (Input::Flooded { events: 10 }, None)
        );
        assert!(bus.player_vanishes("p1").is_some() && bus.player_vanishes("p2").is_none());
        assert_eq!(heard(&mut bus, "p1", 300, 500), 200, "another connection");
        assert_eq!(bus.agent_starts(), [":p1.1"]);
        assert_eq!(bus.count_at(), None, "the new agent has dropped nothing");
    }

    #[test]
    fn players_share_the_rate_of_their_user_and_managers_do_not() {
        let mut bus = Bus::default();
        let passed = ["p1", "p2", "p3", "p4"].map(|from| heard(&mut bus, from, 200, 0));
        assert_eq!(passed, [200, 200, 200, 0]);
        let limits = Settings::default().limits;
        let mut manager = || {
            bus.manager_says(("tv.app", Lifecycle::Background), &limits, BootInstant(0)).is_some()
        };
        assert_eq!((0..300).filter(|_| manager()).count(), 200);
    }

    #[test]
    fn what_is_too_large_to_be_read_is_refused_with_the_reason() {
        let limits = Settings::default().limits;
        let mut bus = Bus::default();
        let mut say = |value: Value| {
            let info = Info::from([("id".to_owned(), value)]);
            bus.player_says("p1", (EventName::Error, 1.0, &info), &limits, BootInstant(0))
        };
        let text = |n| Value::Text("x".repeat(n));
        let dict =
            |n| Value::Dict((0..n).map(|n| (format!("key{n}"), "x".repeat(4_000))).collect());
        let why = |said| match said {
            Some(Input::Unreadable { event: "Error", why, .. }) => why,
            other => panic!("{other:?}"),
        };
        assert!(matches!(say(text(4_096)), Some(Input::Event { .. })));
        assert_eq!(why(say(text(4_097))), "'id' may hold 4096 bytes, this one has 4097");
        assert!(matches!(say(dict(16)), Some(Input::Event { .. })));
        assert!(why(say(dict(17))).starts_with("a message may hold 65536 bytes, this one has 68"));
        let long = "x".repeat(4_097);
        let said = bus.manager_says((&long, Lifecycle::Stopped), &limits, BootInstant(0));
        assert!(matches!(said, Some(Input::Unreadable { event: "Stopped", .. })));
    }
}
