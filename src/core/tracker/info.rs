//! Info dictionaries: what a player sends with an event, read and checked
//! (behaviour.md 1.1, 1.2; spec 2.3 to 2.7).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::dialect::keys::{self, StandardKeys};
use crate::core::media::{Ad, AdBreak, Chapter, MOST_SECONDS, MediaInfo, Metadata, Qoe};
use crate::core::rejected::Rejected;
use crate::core::settings::Settings;
use crate::core::text::number;

/// A value of an info dictionary, in the types that events use. Integers of every D-Bus width are
/// `Int`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// `a{ss}`
    Dict(BTreeMap<String, String>),
    /// Anything else, with its D-Bus signature or JSON type for the error message.
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
            // No event reads such a value, so its type is enough.
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

/// The largest number of seconds or rate accepted in an info dictionary.
const MOST: f64 = MOST_SECONDS;

/// The info dictionary of an event (`a{sv}`).
pub type Info = BTreeMap<String, Value>;

/// Typed reads of an info dictionary. A key of the wrong type is `InvalidArgs`; an unknown key is
/// ignored (behaviour.md 1.1).
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

    /// A number of seconds or a rate. An integer is accepted too, because languages without a
    /// literal for doubles send one.
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
                "{}: info key '{key}' must be 0 or more seconds, got {}",
                self.event,
                number(s)
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

/// `^[a-zA-Z0-9_\.]+$`, the pattern of metadata keys and state names (spec 2, 2.5).
pub(crate) fn is_metadata_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
}

/// Splits metadata into standard parameters and custom metadata. A key outside the pattern is
/// dropped and the others are kept (spec 2.7).
fn split_metadata(all: Metadata, standard: &StandardKeys) -> (Metadata, Metadata) {
    let usable = all.into_iter().filter(|(key, _)| is_metadata_key(key));
    usable.partition(|(key, _)| standard.has(key))
}

impl MediaInfo {
    /// Reads the info of `SessionStart` and `OpenSession`.
    ///
    /// Errors: `InvalidArgs` for a missing id, a wrong type or a value out of range (spec 2.7).
    pub fn read(info: &Info, settings: &Settings) -> Result<MediaInfo, Rejected> {
        let r = Reader { event: "SessionStart", info };
        let id = r.name("id")?;
        let or_default = |key: &str, default: &str| {
            Ok::<_, Rejected>(
                r.text(key)?.filter(|s| !s.is_empty()).unwrap_or_else(|| default.into()),
            )
        };
        let stream_type = or_default("stream_type", &settings.stream_type)?;
        if stream_type != "video" && stream_type != "audio" {
            return Err(Rejected::invalid(format!(
                "SessionStart: info key 'stream_type' is 'video' or 'audio', got '{stream_type}'"
            )));
        }
        let ad_ping_seconds = match r.int("ad_ping_seconds")? {
            None => None,
            Some(s @ 1..=10) => Some(s as u64),
            Some(s) => {
                return Err(Rejected::invalid(format!(
                    "SessionStart: info key 'ad_ping_seconds' is 1 to 10, got {s}"
                )));
            }
        };
        let (standard, custom) = split_metadata(r.dict("metadata")?, &keys::CONTENT);
        Ok(MediaInfo {
            name: or_default("name", &id)?,
            length: r.seconds("length")?.filter(|l| *l > 0.0),
            content_type: or_default("content_type", &settings.content_type)?,
            stream_type,
            channel: or_default("channel", &settings.channel)?,
            player_name: or_default("player_name", &settings.player_name)?,
            app_version: r.text("app_version")?.filter(|s| !s.is_empty()),
            declares_resume: r.bool("resume")?.unwrap_or(false),
            downloaded: r.bool("downloaded")?.unwrap_or(false),
            background_playback: r.bool("background_playback")?.unwrap_or(false),
            own_ad_ping_seconds: ad_ping_seconds,
            standard,
            custom,
            id,
        })
    }
}

impl AdBreak {
    pub(crate) fn read(r: &Reader<'_>) -> Result<AdBreak, Rejected> {
        Ok(AdBreak {
            name: r.name("name")?,
            position: r.position("position")?,
            start: r.seconds_needed("start")?,
        })
    }
}

impl Ad {
    pub(crate) fn read(r: &Reader<'_>) -> Result<Ad, Rejected> {
        let (standard, custom) = split_metadata(r.dict("metadata")?, &keys::AD);
        Ok(Ad {
            id: r.name("id")?,
            name: r.name("name")?,
            position: r.position("position")?,
            length: r.seconds_needed("length")?,
            standard,
            custom,
        })
    }
}

impl Chapter {
    pub(crate) fn read(r: &Reader<'_>) -> Result<Chapter, Rejected> {
        let (_, custom) = split_metadata(r.dict("metadata")?, &keys::CHAPTER);
        Ok(Chapter {
            name: r.name("name")?,
            position: r.position("position")?,
            start: r.seconds_needed("start")?,
            length: r.seconds_needed("length")?,
            custom,
        })
    }
}

impl Qoe {
    pub(crate) fn read(r: &Reader<'_>) -> Result<Qoe, Rejected> {
        Ok(Qoe {
            bitrate: r.count("bitrate")?,
            dropped_frames: r.count("dropped_frames")?,
            fps: r.count("fps")?,
            startup_ms: r.count("startup_ms")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_goes_where_it_belongs_and_bad_keys_go_alone() {
        let mut metadata = BTreeMap::new();
        for (key, value) in
            [("media.show", "A"), ("house", "B"), ("bad key", "C"), ("media.mine", "D")]
        {
            metadata.insert(key.to_owned(), value.to_owned());
        }
        let info = Info::from([
            ("id".to_owned(), Value::Text("m".into())),
            ("metadata".to_owned(), Value::Dict(metadata)),
        ]);
        let media = MediaInfo::read(&info, &Settings::default()).unwrap();
        assert_eq!(media.standard.keys().collect::<Vec<_>>(), ["media.show"]);
        assert_eq!(media.custom.keys().collect::<Vec<_>>(), ["house", "media.mine"]);
        assert_eq!(media.name, "m", "the name falls back to the id (spec 12.18)");
        assert_eq!(media.length, None);
    }
}
