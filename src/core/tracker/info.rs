//! Info dictionaries: what a player sends with an event (behaviour.md 1.1, 1.2). `reader` reads their
//! keys, `contents` makes of them what the core works with.

mod contents;
pub(crate) mod reader;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

/// The key of every event that tells when it happened: microseconds of CLOCK_BOOTTIME.
pub const AT: &str = "at";

/// The info dictionary of an event (`a{sv}`).
pub type Info = BTreeMap<String, Value>;

/// `^[a-zA-Z0-9_\.]+$`, the pattern of metadata keys and state names (spec 2, 2.5).
pub(crate) fn is_metadata_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
}
