//! Reads message bodies into the core's types. Sizes are checked before anything is decoded.

use std::collections::{BTreeMap, HashMap};

use zbus::{Message, OwnedVariant, Variant};

use crate::core::rejected::Rejected;
use crate::core::settings::Limits;
use crate::core::size;
use crate::core::tracker::info::{Info, Value};

/// The shape of every playback event.
const EVENT_SIGNATURE: &str = "da{sv}";
const POINT_SIGNATURE: &str = "ssa{sv}";

fn wrong_signature(message: &Message, expected: &str) -> Rejected {
    let header = message.header();
    let member = header.member().map_or("the call", |m| m.as_str());
    Rejected::invalid(format!(
        "{member} takes ({expected}), got ({})",
        message.body().signature().to_string_no_parens()
    ))
}

/// Checks that a call has no arguments.
pub(super) fn nothing(message: &Message) -> Result<(), Rejected> {
    match message.body().len() {
        0 => Ok(()),
        _ => Err(wrong_signature(message, "")),
    }
}

/// `(d playhead, a{sv} info)`.
pub(super) fn event(message: &Message, limits: &Limits) -> Result<(f64, Info), Rejected> {
    size::check_body(message.body().len(), limits)?;
    let body = message.body();
    if body.signature().to_string_no_parens() != EVENT_SIGNATURE {
        return Err(wrong_signature(message, EVENT_SIGNATURE));
    }
    let (playhead, info): (f64, HashMap<String, OwnedVariant>) =
        body.deserialize().map_err(unreadable)?;
    Ok((playhead, info_of(info, limits)?))
}

/// `(s app, s media_id, a{sv} point)`.
pub(super) fn point(
    message: &Message,
    limits: &Limits,
) -> Result<(String, String, Info), Rejected> {
    size::check_body(message.body().len(), limits)?;
    let body = message.body();
    if body.signature().to_string_no_parens() != POINT_SIGNATURE {
        return Err(wrong_signature(message, POINT_SIGNATURE));
    }
    let (app, media_id, point): (String, String, HashMap<String, OwnedVariant>) =
        body.deserialize().map_err(unreadable)?;
    for text in [&app, &media_id] {
        size::check_text("an argument", text, limits)?;
    }
    Ok((app, media_id, info_of(point, limits)?))
}

fn info_of(info: HashMap<String, OwnedVariant>, limits: &Limits) -> Result<Info, Rejected> {
    let mut read = Info::new();
    for (key, value) in info {
        read.insert(key, value_of(&value));
    }
    size::check_info(&read, limits)?;
    Ok(read)
}

fn unreadable(error: zbus::Error) -> Rejected {
    Rejected::invalid(format!("the message cannot be read: {error}"))
}

/// `(s)` or `(ss)`.
pub(super) fn strings<const N: usize>(
    message: &Message,
    limits: &Limits,
) -> Result<[String; N], Rejected> {
    size::check_body(message.body().len(), limits)?;
    let body = message.body();
    let expected = "s".repeat(N);
    if body.signature().to_string_no_parens() != expected {
        return Err(wrong_signature(message, &expected));
    }
    let texts: Vec<String> = match N {
        1 => vec![body.deserialize::<String>().map_err(unreadable)?],
        _ => {
            let (a, b) = body.deserialize::<(String, String)>().map_err(unreadable)?;
            vec![a, b]
        }
    };
    for text in &texts {
        size::check_text("an argument", text, limits)?;
    }
    texts.try_into().map_err(|_| wrong_signature(message, &expected))
}

fn value_of(value: &Variant<'_>) -> Value {
    match value {
        Variant::Str(s) => Value::Text(s.to_string()),
        Variant::Bool(b) => Value::Bool(*b),
        Variant::F64(f) => Value::Float(*f),
        Variant::U8(n) => Value::Int((*n).into()),
        Variant::I16(n) => Value::Int((*n).into()),
        Variant::U16(n) => Value::Int((*n).into()),
        Variant::I32(n) => Value::Int((*n).into()),
        Variant::U32(n) => Value::Int((*n).into()),
        Variant::I64(n) => Value::Int(*n),
        Variant::U64(n) => match i64::try_from(*n) {
            Ok(n) => Value::Int(n),
            Err(_) => Value::Other("an integer (t) that is too large".into()),
        },
        Variant::Variant(inner) => value_of(inner),
        Variant::Dict(dict) if value.value_signature().to_string() == "a{ss}" => {
            let mut texts = BTreeMap::new();
            for (name, text) in dict.iter() {
                if let (Variant::Str(name), Variant::Str(text)) = (name, text) {
                    texts.insert(name.to_string(), text.to_string());
                }
            }
            Value::Dict(texts)
        }
        Variant::Dict(dict) => {
            let mut map = BTreeMap::new();
            for (name, inner) in dict.iter() {
                let Variant::Str(name) = name else { return other(value) };
                map.insert(name.to_string(), value_of(inner));
            }
            Value::Map(map)
        }
        Variant::Structure(fields) => list_of(fields.fields()),
        Variant::Array(items) => list_of(items.inner()),
        value => other(value),
    }
}

fn list_of(items: &[Variant<'_>]) -> Value {
    Value::List(items.iter().map(value_of).collect())
}

fn other(value: &Variant<'_>) -> Value {
    Value::Other(format!("a value of type {}", value.value_signature()))
}
