//! Typed reads of an info dictionary, and what is said of keys that nobody reads.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{AT, Info, Value, is_metadata_key};
use crate::core::dialect::keys::StandardKeys;
use crate::core::media::{CustomerId, MOST_SECONDS, Metadata, Viewer};
use crate::core::rejected::Rejected;
use crate::core::text::{nearest, number, shortened};

/// The largest number of seconds or rate accepted in an info dictionary.
const MOST: f64 = MOST_SECONDS;

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
    pub fn metadata(&self, standard: &StandardKeys) -> Result<(Metadata, Metadata), Rejected> {
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
    pub fn identity(&self) -> Result<Option<Box<Viewer>>, Rejected> {
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
