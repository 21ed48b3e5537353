//! D-Bus: calls become messages, and messages become answers.

use std::collections::HashMap;

use zbus::message::Type;
use zbus::{Message, OwnedObjectPath, OwnedVariant, Variant};

use crate::info::{Info, Value};
use crate::media::ResumePoint;
use crate::queue::{Answer, Failure, Request};

pub(crate) const AGENT: &str = "tv.playhead.Agent1";
const AGENT_PATH: &str = "/tv/playhead/Agent1";
const SESSION: &str = "tv.playhead.Session1";

/// What an answer will be about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    Nothing,
    Object,
    Point,
}

/// The call as a message, and what its answer will hold.
pub(crate) fn message(request: &Request) -> zbus::Result<(Message, Expected)> {
    let call = |path, interface: &'static str, member| {
        Message::method_call(path, member).destination(AGENT).interface(interface)
    };
    Ok(match request {
        Request::Open { playhead, media } => {
            let body = (playhead, dict(media));
            (call(AGENT_PATH, AGENT, "OpenSession").build(&body)?, Expected::Object)
        }
        Request::Event { path, name, playhead, info } => {
            let body = (playhead, dict(info));
            (call(path.as_str(), SESSION, name).build(&body)?, Expected::Nothing)
        }
        Request::Lifecycle { app, state } => {
            let body = (app, *state);
            (call(AGENT_PATH, AGENT, "NotifyLifecycle").build(&body)?, Expected::Nothing)
        }
        Request::Point { app, media_id } => {
            let body = (app, media_id);
            (call(AGENT_PATH, AGENT, "GetResumePoint").build(&body)?, Expected::Point)
        }
    })
}

/// What an answer says.
pub(crate) fn answer(message: &Message, expected: Expected) -> Result<Answer, Failure> {
    if message.message_type() == Type::Error {
        let header = message.header();
        let name = header.error_name().map_or_else(String::new, ToString::to_string);
        // The first argument is the sentence, by convention.
        let sentence = message.body().deserialize::<String>().unwrap_or_default();
        return Err(Failure { name, message: sentence });
    }
    let unreadable = |error: zbus::Error| {
        Failure::new("InvalidSignature", &format!("the answer cannot be read: {error}"))
    };
    match expected {
        Expected::Nothing => Ok(Answer::Done),
        Expected::Object => {
            let path: OwnedObjectPath = message.body().deserialize().map_err(unreadable)?;
            Ok(Answer::Opened(path.as_str().to_owned()))
        }
        Expected::Point => {
            let body = message.body();
            let point: HashMap<String, OwnedVariant> = body.deserialize().map_err(unreadable)?;
            Ok(Answer::Point(point_of(&point)))
        }
    }
}

/// A signal that the queue has to know of.
pub(crate) enum Signal {
    /// The agent's name has this owner.
    Owner(Option<String>),
    /// This connection says that the session has closed.
    Closed { sender: String, path: String, reason: String },
}

pub(crate) fn signal(message: &Message) -> Option<Signal> {
    if message.message_type() != Type::Signal {
        return None;
    }
    let header = message.header();
    let sender = header.sender()?.as_str();
    match (header.interface()?.as_str(), header.member()?.as_str()) {
        ("org.freedesktop.DBus", "NameOwnerChanged") if sender == "org.freedesktop.DBus" => {
            let (name, _, owner): (String, String, String) = message.body().deserialize().ok()?;
            let owner = Some(owner).filter(|owner| !owner.is_empty());
            (name == AGENT).then_some(Signal::Owner(owner))
        }
        (SESSION, "Closed") => Some(Signal::Closed {
            sender: sender.to_owned(),
            path: header.path()?.as_str().to_owned(),
            reason: message.body().deserialize().ok()?,
        }),
        _ => None,
    }
}

/// The signals that the bus has to send.
pub(crate) const MATCHES: [&str; 2] = [
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='tv.playhead.Agent1'",
    "type='signal',sender='tv.playhead.Agent1',interface='tv.playhead.Session1',member='Closed'",
];

fn point_of(point: &HashMap<String, OwnedVariant>) -> Option<ResumePoint> {
    let double = |key| point.get(key).and_then(|value| f64::try_from(value).ok());
    Some(ResumePoint {
        position: double("position")?,
        length: double("length").unwrap_or_default(),
        ended_at_ms: point.get("ended_at").and_then(|value| i64::try_from(value).ok()),
        completed: point
            .get("completed")
            .and_then(|value| bool::try_from(value).ok())
            .unwrap_or_default(),
    })
}

fn dict(info: &Info) -> HashMap<&'static str, Variant<'_>> {
    info.iter().map(|(key, value)| (*key, variant(value))).collect()
}

fn variant(value: &Value) -> Variant<'_> {
    match value {
        Value::Bool(value) => Variant::from(*value),
        Value::Int(value) => Variant::from(*value),
        Value::Long(value) => Variant::from(*value),
        Value::Double(value) => Variant::from(*value),
        Value::Text(value) => Variant::from(value.as_str()),
        Value::Texts(value) => Variant::from(value.clone()),
        Value::Dict(value) => Variant::from(dict(value)),
        Value::Ids(value) => Variant::from(value.clone()),
    }
}
