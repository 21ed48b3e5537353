//! Info dictionaries: what a player sends with an event, read and checked
//! (behaviour.md 1.1, 1.2; spec 2.3 to 2.7).

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::dialect::keys::{self, StandardKeys};
use crate::core::media::{
    Ad, AdBreak, Chapter, CustomerId, MOST_SECONDS, MediaInfo, Metadata, Qoe, Viewer,
};
use crate::core::rejected::Rejected;
use crate::core::settings::Settings;
use crate::core::text::{nearest, number, shortened};

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

/// Typed reads of an info dictionary. A key of the wrong type is `InvalidArgs`; an unknown key is
/// ignored and said (behaviour.md 1.1).
pub(crate) struct Reader<'a> {
    pub event: &'static str,
    info: &'a Info,
    /// The keys that were asked for.
    known: RefCell<Vec<&'static str>>,
    /// What was ignored so far.
    ignored: RefCell<Vec<Ignored>>,
}

/// A key that a player sent and nobody reads.
#[derive(Debug, PartialEq)]
pub(crate) struct Ignored {
    pub key: String,
    /// One sentence.
    pub why: String,
}

/// Ignored keys of one event that are looked at: to find what is meant takes time.
const MOST_IGNORED: usize = 16;
/// Bytes of a key in a sentence.
const MOST_KEY: usize = 64;

/// What people write for keys that are called otherwise here.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("title", "name"),
    ("duration", "length"),
    ("url", "id"),
    ("media_id", "id"),
    ("type", "content_type"),
];

impl<'a> Reader<'a> {
    pub fn new(event: &'static str, info: &'a Info) -> Reader<'a> {
        Reader { event, info, known: RefCell::default(), ignored: RefCell::default() }
    }

    fn get(&self, key: &'static str) -> Option<&'a Value> {
        if !self.info.is_empty() {
            self.known.borrow_mut().push(key);
        }
        self.info.get(key)
    }

    /// What was ignored, once everything is read: keys that nobody asked for, and metadata.
    pub fn ignored(self) -> Vec<Ignored> {
        let (known, mut ignored) = (self.known.into_inner(), self.ignored.into_inner());
        let unknown = self.info.keys().filter(|key| *key != AT && !known.contains(&key.as_str()));
        for key in unknown.take(MOST_IGNORED) {
            let others = OTHER_WORDS.iter().filter(|(_, ours)| known.contains(ours));
            let words = known.iter().copied().chain(others.map(|(word, _)| *word));
            let near = nearest(key, words).map(|near| {
                OTHER_WORDS.iter().find(|(word, _)| *word == near).map_or(near, |(_, ours)| ours)
            });
            let hint = match near {
                Some(near) => format!("'{near}' is meant?"),
                None if known.is_empty() => "this event has no keys".to_owned(),
                None => format!("the keys are {}", known.join(", ")),
            };
            let key = shortened(key.clone(), MOST_KEY);
            let why = format!("{}: info key '{key}' is unknown and ignored; {hint}", self.event);
            ignored.push(Ignored { key, why });
        }
        ignored
    }

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

    pub fn text(&self, key: &'static str) -> Result<Option<String>, Rejected> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Text(s)) => Ok(Some(s.clone())),
            Some(other) => Err(self.wrong(key, "a string (s)", other)),
        }
    }

    /// Whether the key `at`, if it is there, is of its type. `Agent::late` reads it.
    pub fn check_at(&self) -> Result<(), Rejected> {
        match self.info.get(AT) {
            None | Some(Value::Int(_)) => Ok(()),
            Some(other) => {
                Err(self.wrong(AT, "an integer (x), microseconds of CLOCK_BOOTTIME", other))
            }
        }
    }

    /// A string that has to be there and not empty.
    pub fn name(&self, key: &'static str) -> Result<String, Rejected> {
        match self.text(key)? {
            None => Err(self.missing(key, "a string (s)")),
            Some(s) if s.is_empty() => {
                Err(Rejected::invalid(format!("{}: info key '{key}' is empty", self.event)))
            }
            Some(s) => Ok(s),
        }
    }

    pub fn bool(&self, key: &'static str) -> Result<Option<bool>, Rejected> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Bool(b)) => Ok(Some(*b)),
            Some(other) => Err(self.wrong(key, "a boolean (b)", other)),
        }
    }

    /// A number of seconds or a rate. An integer is accepted too, because languages without a
    /// literal for doubles send one.
    pub fn float(&self, key: &'static str) -> Result<Option<f64>, Rejected> {
        match self.get(key) {
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
    pub fn seconds(&self, key: &'static str) -> Result<Option<f64>, Rejected> {
        match self.float(key)? {
            Some(s) if s < 0.0 => Err(Rejected::invalid(format!(
                "{}: info key '{key}' must be 0 or more seconds, got {}",
                self.event,
                number(s)
            ))),
            other => Ok(other),
        }
    }

    pub fn seconds_needed(&self, key: &'static str) -> Result<f64, Rejected> {
        self.seconds(key)?.ok_or_else(|| self.missing(key, "a double (d), seconds"))
    }

    pub fn int(&self, key: &'static str) -> Result<Option<i64>, Rejected> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Int(i)) => Ok(Some(*i)),
            Some(other) => Err(self.wrong(key, "an integer (i or x)", other)),
        }
    }

    /// A position in a row, counted from 1 (spec 12.6).
    pub fn position(&self, key: &'static str) -> Result<i64, Rejected> {
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
    pub fn count(&self, key: &'static str) -> Result<Option<i64>, Rejected> {
        match self.int(key)? {
            Some(i) if i < 0 => Err(Rejected::invalid(format!(
                "{}: info key '{key}' must not be negative, got {i}",
                self.event
            ))),
            other => Ok(other),
        }
    }

    fn dict(&self, key: &'static str) -> Result<BTreeMap<String, String>, Rejected> {
        match self.get(key) {
            None => Ok(BTreeMap::new()),
            Some(Value::Dict(d)) => Ok(d.clone()),
            Some(other) => Err(self.wrong(key, "a dictionary of strings (a{ss})", other)),
        }
    }

    /// Key `metadata`, split into standard parameters and custom metadata. A key outside the
    /// pattern is left out and the others are kept (spec 2.7). A key that only looks like a
    /// standard one is custom.
    fn metadata(&self, standard: &StandardKeys) -> Result<(Metadata, Metadata), Rejected> {
        let (mut known, mut custom) = (Metadata::new(), Metadata::new());
        for (full, value) in self.dict("metadata")? {
            if standard.has(&full) {
                known.insert(full, value);
                continue;
            }
            let (event, key) = (self.event, shortened(full.clone(), MOST_KEY));
            let looks = key.get(..standard.prefix.len()).is_some_and(|prefix| {
                !standard.names.is_empty() && prefix.eq_ignore_ascii_case(standard.prefix)
            });
            let room = self.ignored.borrow().len() < MOST_IGNORED;
            let why = if !room {
                String::new()
            } else if !is_metadata_key(&full) {
                format!(
                    "{event}: metadata key '{key}' is left out; a key is made of a-z A-Z 0-9 _ \
                     and '.'"
                )
            } else if looks {
                let name = &key[standard.prefix.len()..];
                let hint = match nearest(name, standard.names.iter().copied()) {
                    Some(near) => format!("'{}{near}' is meant?", standard.prefix),
                    None => format!("the names are {}", standard.names.join(", ")),
                };
                format!("{event}: metadata key '{key}' is no standard one, so it is custom; {hint}")
            } else {
                String::new()
            };
            if !why.is_empty() {
                self.ignored.borrow_mut().push(Ignored { key, why });
            }
            if is_metadata_key(&full) {
                custom.insert(full, value);
            }
        }
        Ok((known, custom))
    }

    /// Key `identity` (behaviour.md 1.2).
    fn identity(&self) -> Result<Option<Box<Viewer>>, Rejected> {
        const KEY: &str = "identity";
        let inner = match self.get(KEY) {
            None => return Ok(None),
            Some(Value::Map(map)) => map.clone(),
            // All its values are texts.
            Some(Value::Dict(texts)) => {
                let mut map = BTreeMap::new();
                map.extend(texts.iter().map(|(k, text)| (k.clone(), Value::Text(text.clone()))));
                map
            }
            Some(other) => return Err(self.wrong(KEY, "a dictionary (a{sv})", other)),
        };
        let r = Reader::new(self.event, &inner);
        let given = |key| Ok::<_, Rejected>(r.text(key)?.filter(|id| !id.is_empty()));
        let mut viewer = Viewer {
            marketing_cloud_user_id: given("marketing_cloud_user_id")?,
            visitor_id: given("visitor_id")?,
            customer_ids: BTreeMap::new(),
        };
        let wrong = |got: &str| {
            Rejected::invalid(format!(
                "{}: info key 'identity': 'customer_ids' is a{{s(si)}}, a namespace with an id and \
                 0 (unknown), 1 (authenticated) or 2 (logged out), got {got}",
                self.event
            ))
        };
        match r.get("customer_ids") {
            None => {}
            Some(Value::Dict(texts)) if texts.is_empty() => {}
            Some(Value::Map(ids)) => {
                for (namespace, id) in ids {
                    let (id, state) = match id {
                        Value::List(parts) => match parts.as_slice() {
                            [Value::Text(id), Value::Int(state @ 0..=2)] if !id.is_empty() => {
                                (id, *state as u8)
                            }
                            _ => return Err(wrong("another shape")),
                        },
                        other => return Err(wrong(other.type_name())),
                    };
                    let id = CustomerId { id: id.clone(), state };
                    viewer.customer_ids.insert(namespace.clone(), id);
                }
            }
            Some(other) => return Err(wrong(other.type_name())),
        }
        let inside = r.ignored().into_iter();
        self.ignored.borrow_mut().extend(inside);
        Ok(Some(Box::new(viewer)))
    }
}

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
