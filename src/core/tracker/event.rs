//! The vocabulary of playback: one table that D-Bus methods, `Player1` signals and timeline lines
//! share (api.md 1.1). Every event has one name and one shape, `(playhead, info)`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::media::{Ad, AdBreak, Chapter, Qoe};
use crate::core::rejected::Rejected;

/// A value of an info dictionary, as far as any event wants to know it. Integers of every D-Bus
/// width are `Int`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// `a{ss}`
    Dict(BTreeMap<String, String>),
    /// Anything else, with its D-Bus signature or JSON type for the message.
    Other(String),
}

/// An info dictionary as JSON, for people and timelines.
pub fn info_json(info: &Info) -> serde_json::Value {
    let members = info.iter().map(|(key, value)| (key.clone(), value.to_json()));
    serde_json::Value::Object(members.collect())
}

impl Value {
    fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Text(s) => s.as_str().into(),
            Value::Int(n) => (*n).into(),
            Value::Float(f) => (*f).into(),
            Value::Bool(b) => (*b).into(),
            Value::Dict(d) => serde_json::json!(d),
            // No event wants it; it shows that it was there.
            Value::Other(what) => vec![what.as_str()].into(),
        }
    }

    /// The D-Bus type name for an error message.
    pub fn type_name(&self) -> &str {
        match self {
            Value::Text(_) => "a string (s)",
            Value::Int(_) => "an integer (i)",
            Value::Float(_) => "a double (d)",
            Value::Bool(_) => "a boolean (b)",
            Value::Dict(_) => "a dictionary of strings (a{ss})",
            Value::Other(what) => what,
        }
    }
}

/// Larger numbers of seconds or rates are nonsense, and sums of them would not stay finite: thirty
/// years.
pub(crate) const MOST: f64 = 1e9;

/// The info dictionary of an event (`a{sv}`).
pub type Info = BTreeMap<String, Value>;

/// Typed reads of an info dictionary. A key of the wrong type is `InvalidArgs`; an unknown key is
/// nobody's business (api.md 1.1).
pub(crate) struct Reader<'a> {
    pub event: &'static str,
    pub info: &'a Info,
}

impl Reader<'_> {
    fn wrong(&self, key: &str, want: &str, got: &Value) -> Rejected {
        Rejected::invalid(format!(
            "{}: info key '{key}' must be {want}, got {}",
            self.event,
            got.type_name()
        ))
    }

    fn missing(&self, key: &str, want: &str) -> Rejected {
        Rejected::invalid(format!("{}: info key '{key}' ({want}) is missing", self.event))
    }

    pub fn text(&self, key: &str) -> Result<Option<String>, Rejected> {
        match self.info.get(key) {
            None => Ok(None),
            Some(Value::Text(s)) => Ok(Some(s.clone())),
            Some(other) => Err(self.wrong(key, "a string (s)", other)),
        }
    }

    /// A string that has to be there and not empty.
    pub fn name(&self, key: &str) -> Result<String, Rejected> {
        match self.text(key)? {
            None => Err(self.missing(key, "a string (s)")),
            Some(s) if s.is_empty() => {
                Err(Rejected::invalid(format!("{}: info key '{key}' is empty", self.event)))
            }
            Some(s) => Ok(s),
        }
    }

    pub fn bool(&self, key: &str) -> Result<Option<bool>, Rejected> {
        match self.info.get(key) {
            None => Ok(None),
            Some(Value::Bool(b)) => Ok(Some(*b)),
            Some(other) => Err(self.wrong(key, "a boolean (b)", other)),
        }
    }

    /// A number of seconds or a rate. An integer is as good: languages without a literal for
    /// doubles send one.
    pub fn float(&self, key: &str) -> Result<Option<f64>, Rejected> {
        match self.info.get(key) {
            None => Ok(None),
            Some(Value::Float(f)) if !f.is_finite() => Err(Rejected::invalid(format!(
                "{}: info key '{key}' must be a finite number, got {f}",
                self.event
            ))),
            Some(Value::Float(f)) if f.abs() <= MOST => Ok(Some(*f)),
            Some(Value::Int(i)) if i.unsigned_abs() <= MOST as u64 => Ok(Some(*i as f64)),
            Some(Value::Float(_) | Value::Int(_)) => Err(Rejected::invalid(format!(
                "{}: info key '{key}' must be at most {MOST}",
                self.event
            ))),
            Some(other) => Err(self.wrong(key, "a double (d)", other)),
        }
    }

    /// A length or an offset: seconds, not negative.
    pub fn seconds(&self, key: &str) -> Result<Option<f64>, Rejected> {
        match self.float(key)? {
            Some(s) if s < 0.0 => Err(Rejected::invalid(format!(
                "{}: info key '{key}' must be 0 or more seconds, got {s}",
                self.event
            ))),
            other => Ok(other),
        }
    }

    pub fn seconds_needed(&self, key: &str) -> Result<f64, Rejected> {
        self.seconds(key)?.ok_or_else(|| self.missing(key, "a double (d), seconds"))
    }

    pub fn int(&self, key: &str) -> Result<Option<i64>, Rejected> {
        match self.info.get(key) {
            None => Ok(None),
            Some(Value::Int(i)) => Ok(Some(*i)),
            Some(other) => Err(self.wrong(key, "an integer (i or x)", other)),
        }
    }

    /// A position in a row, counted from 1 (spec 12.6).
    pub fn position(&self, key: &str) -> Result<i64, Rejected> {
        match self.int(key)? {
            None => Err(self.missing(key, "an integer (i), counted from 1")),
            Some(i) if i < 1 => Err(Rejected::invalid(format!(
                "{}: info key '{key}' is counted from 1, got {i}",
                self.event
            ))),
            Some(i) => Ok(i),
        }
    }

    /// A counter or a rate of a quality report: not negative (spec 2.7).
    pub fn count(&self, key: &str) -> Result<Option<i64>, Rejected> {
        match self.int(key)? {
            Some(i) if i < 0 => Err(Rejected::invalid(format!(
                "{}: info key '{key}' must not be negative, got {i}",
                self.event
            ))),
            other => Ok(other),
        }
    }

    pub fn dict(&self, key: &str) -> Result<BTreeMap<String, String>, Rejected> {
        match self.info.get(key) {
            None => Ok(BTreeMap::new()),
            Some(Value::Dict(d)) => Ok(d.clone()),
            Some(other) => Err(self.wrong(key, "a dictionary of strings (a{ss})", other)),
        }
    }
}

macro_rules! vocabulary {
    ($($name:ident),* $(,)?) => {
        /// The name of a playback event, the same at all three doors (api.md 1.1).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventName { $($name),* }

        impl EventName {
            /// Every name, in the order of the table in api.md 1.1.
            pub const ALL: &'static [EventName] = &[$(EventName::$name),*];

            /// The name as it stands on the bus and in a timeline.
            pub const fn name(self) -> &'static str {
                match self { $(EventName::$name => stringify!($name)),* }
            }
        }
    };
}

vocabulary!(
    SessionStart,
    Play,
    Pause,
    BufferStart,
    BufferComplete,
    Stall,
    SeekStart,
    SeekComplete,
    AdBreakStart,
    AdBreakComplete,
    AdStart,
    AdComplete,
    AdSkip,
    ChapterStart,
    ChapterComplete,
    ChapterSkip,
    StateStart,
    StateEnd,
    Qoe,
    BitrateChange,
    Error,
    Playhead,
    Complete,
    End,
);

impl EventName {
    /// `None` for a word that is no event.
    pub fn parse(word: &str) -> Option<EventName> {
        EventName::ALL.iter().copied().find(|n| n.name() == word)
    }
}

/// A playback event inside a session, its info read and checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Play {
        rate: f64,
    },
    Pause,
    /// Also a stall (spec 2.1).
    BufferStart,
    BufferComplete,
    SeekStart,
    SeekComplete,
    AdBreakStart(AdBreak),
    AdBreakComplete,
    AdStart(Ad),
    AdComplete,
    AdSkip,
    ChapterStart(Chapter),
    ChapterComplete,
    ChapterSkip,
    StateStart(String),
    StateEnd(String),
    Qoe(Qoe),
    BitrateChange(Qoe),
    Error {
        id: String,
        source: ErrorSource,
    },
    Playhead,
    Complete,
    End,
}

/// Who made an error (spec 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorSource {
    Player,
    External,
}

impl ErrorSource {
    pub const fn name(self) -> &'static str {
        match self {
            ErrorSource::Player => "player",
            ErrorSource::External => "external",
        }
    }
}

impl Event {
    /// Reads the info of any event but `SessionStart` (see `MediaInfo::read`).
    ///
    /// Errors: `InvalidArgs` for a key that is missing, of the wrong type or out of its range.
    pub fn read(name: EventName, info: &Info) -> Result<Event, Rejected> {
        let r = Reader { event: name.name(), info };
        Ok(match name {
            EventName::SessionStart => {
                return Err(Rejected::invalid(
                    "SessionStart opens a session, it is no event in one",
                ));
            }
            EventName::Play => Event::Play { rate: rate(&r)? },
            EventName::Pause => Event::Pause,
            EventName::BufferStart | EventName::Stall => Event::BufferStart,
            EventName::BufferComplete => Event::BufferComplete,
            EventName::SeekStart => Event::SeekStart,
            EventName::SeekComplete => Event::SeekComplete,
            EventName::AdBreakStart => Event::AdBreakStart(AdBreak::read(&r)?),
            EventName::AdBreakComplete => Event::AdBreakComplete,
            EventName::AdStart => Event::AdStart(Ad::read(&r)?),
            EventName::AdComplete => Event::AdComplete,
            EventName::AdSkip => Event::AdSkip,
            EventName::ChapterStart => Event::ChapterStart(Chapter::read(&r)?),
            EventName::ChapterComplete => Event::ChapterComplete,
            EventName::ChapterSkip => Event::ChapterSkip,
            EventName::StateStart => Event::StateStart(state_name(&r)?),
            EventName::StateEnd => Event::StateEnd(state_name(&r)?),
            EventName::Qoe => Event::Qoe(Qoe::read(&r)?),
            EventName::BitrateChange => Event::BitrateChange(Qoe::read(&r)?),
            EventName::Error => Event::Error { id: r.name("id")?, source: error_source(&r)? },
            EventName::Playhead => Event::Playhead,
            EventName::Complete => Event::Complete,
            EventName::End => Event::End,
        })
    }
}

/// Content seconds per second; no player winds faster.
const FASTEST: f64 = 1000.0;

fn rate(r: &Reader<'_>) -> Result<f64, Rejected> {
    match r.float("rate")?.unwrap_or(1.0) {
        rate if rate.abs() <= FASTEST => Ok(rate),
        rate => Err(Rejected::invalid(format!(
            "Play: info key 'rate' is -{FASTEST} to {FASTEST}, got {rate}"
        ))),
    }
}

/// `^[a-zA-Z0-9_\.]{1,64}$` (spec 2.5).
fn state_name(r: &Reader<'_>) -> Result<String, Rejected> {
    let name = r.name("name")?;
    if name.len() > 64 || !super::media::is_metadata_key(&name) {
        return Err(Rejected::invalid(format!(
            "{}: a state name is 1 to 64 of a-z A-Z 0-9 _ and '.', got '{name}'",
            r.event
        )));
    }
    Ok(name)
}

fn error_source(r: &Reader<'_>) -> Result<ErrorSource, Rejected> {
    match r.text("source")?.as_deref() {
        None | Some("player") => Ok(ErrorSource::Player),
        Some("external") => Ok(ErrorSource::External),
        Some(other) => Err(Rejected::invalid(format!(
            "Error: info key 'source' is 'player' or 'external', got '{other}'"
        ))),
    }
}
