//! The lines of a timeline that are about players of MPRIS (behaviour.md 4).

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::mpris::fields::Field;
use crate::mpris::settling::Change;
use crate::mpris::viewing::Track;

/// What a player of MPRIS does.
#[derive(Debug, Clone)]
pub enum MprisLine {
    /// It puts a name on the bus, or answers otherwise from now on.
    Player { from: String, name: Option<String>, state: State },
    /// It changes, and says so unless it is `silent`.
    Changed { from: String, state: State, silent: bool },
    /// It is somewhere else, and says so.
    Seeked { from: String, position: f64, says: f64 },
    /// It gives up one name, or its connection is gone.
    Gone { from: String, name: Option<String> },
}

/// What changes in a player; the rest stays.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub change: Change,
    /// Seconds.
    pub position: Option<f64>,
    /// A fixed answer for the position, or none from now on.
    pub says: Option<Option<f64>>,
    pub answers: Option<Answers>,
    pub delay_ms: Option<i64>,
}

/// How a player answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    #[default]
    Yes,
    Never,
    Error,
    #[serde(rename = "no-getall")]
    NoGetAll,
}

#[derive(Deserialize)]
struct Members {
    #[serde(default = "first_player")]
    from: String,
    name: Option<String>,
    #[serde(default)]
    properties: Map<String, Json>,
    #[serde(default)]
    invalidated: Vec<String>,
    position: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    says: Option<Option<f64>>,
    answers: Option<Answers>,
    delay_s: Option<f64>,
    #[serde(default)]
    silent: bool,
}

fn first_player() -> String {
    "p1".into()
}

/// Tells `null` from nothing.
fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<f64>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl MprisLine {
    pub fn name(&self) -> &'static str {
        match self {
            MprisLine::Player { .. } => "MprisPlayer",
            MprisLine::Changed { .. } => "MprisChanged",
            MprisLine::Seeked { .. } => "MprisSeeked",
            MprisLine::Gone { .. } => "MprisGone",
        }
    }

    /// Reads the members of a line of this name.
    ///
    /// Errors: a member of the wrong type, a missing position, a time that is none.
    pub fn read(event: &str, members: Map<String, Json>) -> Result<MprisLine, String> {
        let members: Members =
            Deserialize::deserialize(Json::Object(members)).map_err(|e| format!("{event}: {e}"))?;
        let Members { from, name, properties, invalidated, position, says, answers, .. } = members;
        let delay_ms = match members.delay_s {
            Some(s) if !(0.0..=1e6).contains(&s) => {
                return Err(format!("'delay_s' must be 0 or more seconds, got {s}"));
            }
            delay => delay.map(|s| (s * 1000.0).round() as i64),
        };
        let mut change = Change::default();
        for (name, value) in &properties {
            match (name.as_str(), value) {
                ("Metadata", Json::Object(metadata)) => {
                    let mut track = Track::default();
                    for (name, value) in metadata {
                        field(value, |field| track.set(name, field));
                    }
                    change.track = Some(track);
                }
                (name, value) => field(value, |field| change.set(name, field)),
            }
        }
        invalidated.iter().for_each(|name| change.invalidate(name));
        let state = State { change, position, says, answers, delay_ms };
        Ok(match event {
            "MprisPlayer" => MprisLine::Player { from, name, state },
            "MprisChanged" => MprisLine::Changed { from, state, silent: members.silent },
            "MprisSeeked" => {
                let position = position.ok_or("MprisSeeked: 'position' is missing")?;
                let says = says.flatten().unwrap_or(position);
                MprisLine::Seeked { from, position, says }
            }
            _ => MprisLine::Gone { from, name },
        })
    }
}

/// Properties as a timeline has them.
pub fn properties_json(change: &Change) -> Json {
    let mut properties = Map::new();
    if let Some(status) = change.status {
        properties.insert("PlaybackStatus".into(), status.name().into());
    }
    if let Some(rate) = change.rate {
        properties.insert("Rate".into(), rate.into());
    }
    if let Some(track) = &change.track {
        let mut metadata = Map::new();
        for (name, text) in [
            ("mpris:trackid", &track.track_id),
            ("xesam:url", &track.url),
            ("xesam:title", &track.title),
            ("xesam:album", &track.album),
            ("xesam:artist", &track.artist),
        ] {
            if !text.is_empty() {
                metadata.insert(name.into(), text.as_str().into());
            }
        }
        if let Some(length) = track.length {
            metadata.insert("mpris:length".into(), ((length * 1e6).round() as i64).into());
        }
        properties.insert("Metadata".into(), Json::Object(metadata));
    }
    Json::Object(properties)
}

/// A property in JSON: text is `s`, whole numbers `x`, others `d`, lists `as`, and `{"o": "/path"}`
/// a value of the type that it names.
fn field(value: &Json, mut read: impl FnMut(Field<'_>)) {
    match value {
        Json::String(text) => read(Field::Text(text)),
        Json::Number(number) => read(Field::Number(number.as_f64().unwrap_or(f64::NAN))),
        Json::Array(texts) => {
            let texts: Vec<&str> = texts.iter().filter_map(Json::as_str).collect();
            read(Field::Text(&texts.join(", ")));
        }
        Json::Object(typed) => match typed.iter().next() {
            Some((kind, value)) if kind == "s" || kind == "o" => {
                read(value.as_str().map_or(Field::Other, Field::Text));
            }
            Some((kind, value)) if "ynqiuxtd".contains(kind.as_str()) => {
                read(value.as_f64().map_or(Field::Other, Field::Number));
            }
            _ => read(Field::Other),
        },
        _ => read(Field::Other),
    }
}
