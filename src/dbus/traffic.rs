//! Monitors the bus for `playheadctl record`: what players and application managers send to the
//! agent. Needs the right to monitor (on the system bus: root).

use std::collections::HashMap;

use futures_util::StreamExt;
use zbus::message::Type;
use zbus::{MatchRule, Message, MessageStream};

use super::names::{AGENT_INTERFACE, BUS_NAME, SESSION_INTERFACE};
use super::{BusAddress, BusError, args};
use crate::core::input::Lifecycle;
use crate::core::player::PlayerId;
use crate::core::settings::Limits;
use crate::core::tracker::event::EventName;
use crate::core::tracker::info::{Info, Value};

/// A message that the monitor has seen.
#[derive(Debug, Clone, PartialEq)]
pub enum ObservedMessage {
    Event {
        player: PlayerId,
        name: EventName,
        playhead: f64,
        info: Info,
    },
    Lifecycle {
        app: String,
        state: Lifecycle,
    },
    /// A connection is gone.
    Gone {
        sender: String,
    },
    Consent(String),
}

/// A bus connection that receives every message that concerns the agent.
pub struct TrafficMonitor {
    stream: MessageStream,
    limits: Limits,
    /// `OpenSession` calls that are not answered yet, by (caller, serial).
    opening: HashMap<(String, u32), PlayerId>,
    /// The player of each session, by object path.
    sessions: HashMap<String, PlayerId>,
}

impl TrafficMonitor {
    pub async fn connect(address: &BusAddress) -> Result<TrafficMonitor, BusError> {
        let connection = address.connect().await?;
        let stream = MessageStream::from(&connection);
        let failed = |e: zbus::Error| BusError::Setup("the right to monitor", e);
        let rules: Vec<String> = rules().iter().map(ToString::to_string).collect();
        let (bus, path) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
        let monitoring = Some("org.freedesktop.DBus.Monitoring");
        connection
            .call_method(Some(bus), path, monitoring, "BecomeMonitor", &(rules, 0_u32))
            .await
            .map_err(failed)?;
        let limits = Limits::default();
        Ok(TrafficMonitor { stream, limits, opening: HashMap::new(), sessions: HashMap::new() })
    }

    /// The next message; `None` when the bus is gone.
    pub async fn next(&mut self) -> Option<ObservedMessage> {
        loop {
            let message = self.stream.next().await?;
            if let Ok(message) = message
                && let Some(heard) = self.hear(&message)
            {
                return Some(heard);
            }
        }
    }

    fn hear(&mut self, message: &Message) -> Option<ObservedMessage> {
        let header = message.header();
        let sender = header.sender()?.to_string();
        match message.message_type() {
            Type::Signal => self.signal(message, sender),
            Type::MethodCall => self.call(message, sender),
            Type::MethodReturn => {
                let caller = header.destination()?.to_string();
                let serial = header.reply_serial()?.get();
                let player = self.opening.remove(&(caller, serial))?;
                let path: zbus::OwnedObjectPath = message.body().deserialize().ok()?;
                self.sessions.insert(path.to_string(), player);
                None
            }
            Type::Error => None,
        }
    }

    fn signal(&mut self, message: &Message, sender: String) -> Option<ObservedMessage> {
        let header = message.header();
        let (interface, member) = (header.interface()?.as_str(), header.member()?.as_str());
        match interface {
            "tv.playhead.Player1" => {
                let name = EventName::parse(member)?;
                let (playhead, info) = args::event(message, &self.limits).ok()?;
                let instance = header.path()?.to_string();
                let player = PlayerId { sender, instance };
                Some(ObservedMessage::Event { player, name, playhead, info })
            }
            "tv.playhead.Lifecycle1" => {
                let [app] = args::strings(message, &self.limits).ok()?;
                let state = Lifecycle::parse(&member.to_ascii_lowercase())?;
                Some(ObservedMessage::Lifecycle { app, state })
            }
            "org.freedesktop.DBus" if member == "NameOwnerChanged" => {
                let body = message.body();
                let (name, _, new): (&str, &str, &str) = body.deserialize().ok()?;
                let gone = name.starts_with(':') && new.is_empty();
                gone.then(|| ObservedMessage::Gone { sender: name.to_owned() })
            }
            _ => None,
        }
    }

    fn call(&mut self, message: &Message, sender: String) -> Option<ObservedMessage> {
        let header = message.header();
        let (interface, member) = (header.interface()?.as_str(), header.member()?.as_str());
        match (interface, member) {
            (AGENT_INTERFACE, "OpenSession") => {
                let (playhead, info) = args::event(message, &self.limits).ok()?;
                let instance = match info.get("instance") {
                    Some(Value::Text(name)) => name.clone(),
                    _ => String::new(),
                };
                let serial = header.primary().serial_num().get();
                let player = PlayerId { sender: sender.clone(), instance };
                self.opening.insert((sender, serial), player.clone());
                Some(ObservedMessage::Event {
                    player,
                    name: EventName::SessionStart,
                    playhead,
                    info,
                })
            }
            (AGENT_INTERFACE, "NotifyLifecycle") => {
                let [app, word] = args::strings(message, &self.limits).ok()?;
                Some(ObservedMessage::Lifecycle { app, state: Lifecycle::parse(&word)? })
            }
            (AGENT_INTERFACE, "SetConsent") => {
                let [word] = args::strings(message, &self.limits).ok()?;
                Some(ObservedMessage::Consent(word))
            }
            (SESSION_INTERFACE, member) => {
                let name = EventName::parse(member)?;
                let (playhead, info) = args::event(message, &self.limits).ok()?;
                let known = self.sessions.get(header.path()?.as_str());
                // The player of a session that was open before we listened is named by its path.
                let unknown = || PlayerId {
                    sender,
                    instance: header.path().map_or_else(String::new, |p| p.to_string()),
                };
                let player = known.cloned().unwrap_or_else(unknown);
                Some(ObservedMessage::Event { player, name, playhead, info })
            }
            _ => None,
        }
    }
}

fn rules() -> Vec<MatchRule<'static>> {
    let rule = MatchRule::builder;
    [
        rule().msg_type(Type::Signal).interface("tv.playhead.Player1").build(),
        rule().msg_type(Type::Signal).interface("tv.playhead.Lifecycle1").build(),
        rule().msg_type(Type::Signal).member("NameOwnerChanged").build(),
        rule().msg_type(Type::MethodCall).interface(AGENT_INTERFACE).build(),
        rule().msg_type(Type::MethodCall).interface(SESSION_INTERFACE).build(),
        rule().msg_type(Type::MethodReturn).sender(BUS_NAME).build(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
