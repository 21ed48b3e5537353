//! Info dictionaries: what a player sends with an event, read and checked
//! (behaviour.md 1.1, 1.2; spec 2.3 to 2.7).

mod reader;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use self::reader::{Ignored, Reader};
use crate::core::dialect::keys;
use crate::core::media::{Ad, AdBreak, Chapter, MOST_SECONDS, MediaInfo, Qoe};
use crate::core::rejected::Rejected;
use crate::core::settings::Settings;

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
    /// Any other dictionary with texts as keys: `a{sv}`, `a{s(si)}`.
    Map(BTreeMap<String, Value>),
    /// A structure or an array.
    List(Vec<Value>),
    /// Anything else, with its D-Bus signature or JSON type for the error message.
    Other(String),
}

/// An info dictionary as JSON, for people and timelines.
pub fn info_json(info: &Info) -> serde_json::Value {
    let mut members = serde_json::Map::new();
    members.extend(info.iter().map(|(key, value)| (key.clone(), value.to_json())));
    serde_json::Value::Object(members)
}

impl Value {
    fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Text(s) => s.as_str().into(),
            Value::Int(n) => (*n).into(),
            Value::Float(f) => (*f).into(),
            Value::Bool(b) => (*b).into(),
            Value::Dict(d) => serde_json::json!(d),
            Value::Map(map) => info_json(map),
            Value::List(list) => list.iter().map(Value::to_json).collect(),
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
            Value::Map(_) => "a dictionary (a{sv})",
            Value::List(_) => "a structure or an array",
            Value::Other(what) => what,
        }
    }
}

/// The largest number of seconds or rate accepted in an info dictionary.
const MOST: f64 = MOST_SECONDS;

/// The key of every event that tells when it happened: microseconds of CLOCK_BOOTTIME.
pub const AT: &str = "at";

/// The info dictionary of an event (`a{sv}`).
pub type Info = BTreeMap<String, Value>;

/// `^[a-zA-Z0-9_\.]+$`, the pattern of metadata keys and state names (spec 2, 2.5).
pub(crate) fn is_metadata_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
}

/// Content types that reports know (spec 2.2). Others are sent as they are.
const CONTENT_TYPES: &[&str] =
    &["vod", "live", "linear", "ugc", "dvod", "song", "podcast", "audiobook", "radio", "aod"];

/// A known word is written as it is known, whatever its capitals.
fn as_known(word: String, known: &[&str]) -> String {
    known.iter().find(|k| k.eq_ignore_ascii_case(&word)).map_or(word, |k| (*k).to_owned())
}

impl MediaInfo {
    /// Reads the info of `SessionStart` and `OpenSession`. An empty text is none.
    ///
    /// Errors: `InvalidArgs` for a missing id, a wrong type or a value out of range (spec 2.7).
    pub(crate) fn read(r: &Reader<'_>, settings: &Settings) -> Result<MediaInfo, Rejected> {
        let id = r.name("id")?;
        let or_default = |key: &'static str, default: &str| {
            Ok::<_, Rejected>(
                r.text(key)?.filter(|s| !s.is_empty()).unwrap_or_else(|| default.into()),
            )
        };
        const STREAM_TYPES: &[&str] = &["video", "audio"];
        let stream_type = as_known(or_default("stream_type", &settings.stream_type)?, STREAM_TYPES);
        if !STREAM_TYPES.contains(&stream_type.as_str()) {
            return Err(Rejected::invalid(format!(
                "{}: info key 'stream_type' is 'video' or 'audio', got '{stream_type}'",
                r.event
            )));
        }
        let ad_ping_seconds = match r.int("ad_ping_seconds")? {
            None => None,
            Some(s @ 1..=10) => Some(s as u64),
            Some(s) => {
                return Err(Rejected::invalid(format!(
                    "{}: info key 'ad_ping_seconds' is 1 to 10, got {s}",
                    r.event
                )));
            }
        };
        let (standard, custom) = r.metadata(&keys::CONTENT)?;
        let content_type = or_default("content_type", &settings.content_type)?;
        Ok(MediaInfo {
            name: or_default("name", &id)?,
            length: r.seconds("length")?.filter(|l| *l > 0.0),
            content_type: as_known(content_type, CONTENT_TYPES),
            stream_type,
            channel: or_default("channel", &settings.channel)?,
            player_name: or_default("player_name", &settings.player_name)?,
            app_version: r.text("app_version")?.filter(|s| !s.is_empty()),
            declares_resume: r.bool("resume")?.unwrap_or(false),
            downloaded: r.bool("downloaded")?.unwrap_or(false),
            background_playback: r.bool("background_playback")?.unwrap_or(false),
            own_ad_ping_seconds: ad_ping_seconds,
            untracked: !r.bool("track")?.unwrap_or(true),
            viewer: r.identity()?,
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
        let (standard, custom) = r.metadata(&keys::AD)?;
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
        let (_, custom) = r.metadata(&keys::CHAPTER)?;
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
        let r = Reader::new("SessionStart", &info);
        let media = MediaInfo::read(&r, &Settings::default()).unwrap();
        assert_eq!(media.standard.keys().collect::<Vec<_>>(), ["media.show"]);
        assert_eq!(media.custom.keys().collect::<Vec<_>>(), ["house", "media.mine"]);
        assert_eq!(media.name, "m", "the name falls back to the id (spec 12.18)");
        assert_eq!(media.length, None);
    }
}
