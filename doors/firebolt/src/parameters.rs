//! What the parameters of a call may be. What is wrong is answered with -32602 and a sentence.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::rpc::{Params, RpcError};

/// The most bytes of an id, a name or another text. The agent's own limit is 4 KiB.
const MAX_TEXT: usize = 1024;
/// The most keys of metadata.
const MAX_METADATA: usize = 64;
/// The last second that a position may be, by Firebolt's schema of `MediaPosition`.
const MAX_SECONDS: f64 = 86_400.0;

/// A text that has to be there.
pub fn text(params: &Params, key: &str) -> Result<String, RpcError> {
    optional_text(params, key)?
        .ok_or_else(|| RpcError::invalid_params(format!("{key} is missing; expected a string")))
}

/// A text that may be left out. An empty one is as none.
pub fn optional_text(params: &Params, key: &str) -> Result<Option<String>, RpcError> {
    match params.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() > MAX_TEXT => {
            let length = text.len();
            let why = format!("{key} has {length} bytes; expected at most {MAX_TEXT}");
            Err(RpcError::invalid_params(why))
        }
        Some(Value::String(text)) if text.chars().any(char::is_control) => {
            Err(RpcError::invalid_params(format!("{key} has control characters")))
        }
        Some(Value::String(text)) => Ok((!text.is_empty()).then(|| text.clone())),
        Some(_) => Err(RpcError::invalid_params(format!("{key} is no string"))),
    }
}

/// A finite number that has to be there.
pub fn number(params: &Params, key: &str) -> Result<f64, RpcError> {
    let number = match params.get(key) {
        None => return Err(RpcError::invalid_params(format!("{key} is missing"))),
        Some(value) => value.as_f64().filter(|number| number.is_finite()),
    };
    number.ok_or_else(|| RpcError::invalid_params(format!("{key} is no number")))
}

/// The member of this name, where it is an object.
pub fn object<'a>(params: &'a Params, key: &str) -> Option<&'a Params> {
    params.get(key).and_then(Value::as_object)
}

/// A position in Firebolt's words (`MediaPosition`): "a decimal percentage (0-0.999) for content with
/// a known duration, or an integer number of seconds (0-86400) for content with an unknown duration".
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Position {
    /// 0, which is the beginning either way.
    Beginning,
    /// Between 0 and 1: a part of the length.
    Part(f64),
    /// Between 1 and 86,400: seconds.
    Seconds(f64),
    /// 1: the first second by the schema, and the end to an application that divides.
    Either,
}

impl Position {
    pub fn read(params: &Params, key: &str) -> Result<Position, RpcError> {
        let value = number(params, key)?;
        match value {
            0.0 => Ok(Position::Beginning),
            1.0 => Ok(Position::Either),
            part if part > 0.0 && part < 1.0 => Ok(Position::Part(part)),
            seconds if seconds > 1.0 && seconds <= MAX_SECONDS => Ok(Position::Seconds(seconds)),
            _ => {
                let why = format!("{key} is {value}; expected 0 to 1, or seconds up to 86400");
                Err(RpcError::invalid_params(why))
            }
        }
    }

    /// Seconds in content of this length (0: not known); `None` when it cannot be told.
    pub fn seconds(self, length: f64) -> Option<f64> {
        match self {
            Position::Beginning => Some(0.0),
            Position::Seconds(seconds) => Some(seconds),
            Position::Part(part) => (length > 0.0).then_some(part * length),
            Position::Either => None,
        }
    }
}

/// What the RDK side may say of the content besides: the member `playhead` of the parameters, with the
/// names of the agent's own media info. No call of Firebolt tells length, title or type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// Seconds; 0: not known.
    pub length: f64,
    pub name: String,
    pub content_type: String,
    pub stream_type: String,
    pub channel: String,
    pub metadata: BTreeMap<String, String>,
}

impl Content {
    pub fn read(params: &Params) -> Result<Content, RpcError> {
        let said = match params.get("playhead") {
            None | Some(Value::Null) => return Ok(Content::default()),
            Some(Value::Object(said)) => said,
            Some(_) => return Err(RpcError::invalid_params("playhead is no object")),
        };
        let length = match said.get("length") {
            None | Some(Value::Null) => 0.0,
            Some(_) => number(said, "length")?,
        };
        if length < 0.0 {
            return Err(RpcError::invalid_params(format!("length is {length}; expected seconds")));
        }
        Ok(Content {
            length,
            name: optional_text(said, "name")?.unwrap_or_default(),
            content_type: optional_text(said, "content_type")?.unwrap_or_default(),
            stream_type: optional_text(said, "stream_type")?.unwrap_or_default(),
            channel: optional_text(said, "channel")?.unwrap_or_default(),
            metadata: metadata(said)?,
        })
    }

    /// What this says, and what an earlier call said where this says nothing.
    pub fn or(self, earlier: &Content) -> Content {
        let text = |now: String, before: &String| if now.is_empty() { before.clone() } else { now };
        let mut metadata = earlier.metadata.clone();
        metadata.extend(self.metadata);
        Content {
            length: if self.length > 0.0 { self.length } else { earlier.length },
            name: text(self.name, &earlier.name),
            content_type: text(self.content_type, &earlier.content_type),
            stream_type: text(self.stream_type, &earlier.stream_type),
            channel: text(self.channel, &earlier.channel),
            metadata,
        }
    }

    /// Whether the agent's position is the second of the day. Firebolt's seconds are counted from the
    /// beginning of the broadcast, so they say nothing then.
    pub fn is_live(&self) -> bool {
        let kind = self.content_type.to_ascii_lowercase();
        matches!(kind.as_str(), "live" | "linear" | "radio")
    }
}

fn metadata(said: &Params) -> Result<BTreeMap<String, String>, RpcError> {
    let Some(metadata) = said.get("metadata").filter(|value| !value.is_null()) else {
        return Ok(BTreeMap::new());
    };
    let metadata = metadata
        .as_object()
        .filter(|metadata| metadata.len() <= MAX_METADATA)
        .ok_or_else(|| {
            let why = format!("metadata is no object of at most {MAX_METADATA} strings");
            RpcError::invalid_params(why)
        })?;
    let pairs = metadata.keys().map(|key| Ok((key.clone(), optional_text(metadata, key)?)));
    let pairs: Vec<(String, Option<String>)> = pairs.collect::<Result<_, RpcError>>()?;
    Ok(pairs.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

/// The age group that the content is made for, such as `app:child`: by itself in RDK8, among the
/// options in Firebolt 1.
pub fn age_policy(params: &Params) -> Result<Option<String>, RpcError> {
    match optional_text(params, "agePolicy")? {
        Some(policy) => Ok(Some(policy)),
        None => match object(params, "options") {
            Some(options) => optional_text(options, "agePolicy"),
            None => Ok(None),
        },
    }
}

/// The parameters by themselves. An entry of a resolution file with `additionalContext` puts them one
/// level deeper.
pub fn unwrapped(mut params: Params) -> Params {
    if params.contains_key("_additionalContext")
        && let Some(Value::Object(inner)) = params.remove("params")
    {
        let context = params.remove("context");
        let content = params.remove("playhead");
        params = inner;
        for (key, value) in [("context", context), ("playhead", content)] {
            if let Some(value) = value {
                params.insert(key.to_owned(), value);
            }
        }
    }
    params
}

/// Who calls: `context`, as AppGateway adds it (`includeContext`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    pub app: Option<String>,
    /// AppGateway's number of the application's connection.
    pub connection: Option<u64>,
}

impl Context {
    pub fn read(params: &Params) -> Result<Context, RpcError> {
        match params.get("context") {
            None | Some(Value::Null) => Ok(Context::default()),
            Some(Value::Object(context)) => Ok(Context {
                app: optional_text(context, "appId")?,
                connection: context.get("connectionId").and_then(Value::as_u64),
            }),
            Some(_) => Err(RpcError::invalid_params("context is no object")),
        }
    }
}
