//! Values: what stands in a file, taken as what a key takes, or refused with what is expected.

use std::fmt;

use toml::de::DeValue;

use super::address;
use super::error::short;
use super::kind::{Kind, MOST_SECONDS, RATIOS};
use crate::core::text::{number, printable};

/// The most bytes of one text: what a player's text may have, too (`limits.string_bytes`).
const MOST_TEXT: usize = 4096;

/// A value of the kind that its key takes. `Display` is TOML.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Flag(bool),
    Whole(u64),
    Number(f64),
    Text(String),
    List(Vec<String>),
}

/// Takes a value of a file.
///
/// Errors: what the key takes, and what was wrong. A text is quoted only where it is no secret and
/// no identifier of a viewer.
pub(super) fn take(kind: Kind, value: &DeValue<'_>) -> Result<Value, String> {
    let wrong_type = || format!("expected {kind}, got a value of the type {}", value.type_str());
    match kind {
        Kind::Flag => value.as_bool().map(Value::Flag).ok_or_else(wrong_type),
        Kind::Seconds(_) | Kind::ZeroOrSeconds(_) | Kind::Ratio => {
            let given = real(value).ok_or_else(wrong_type)?;
            within(kind, given)?;
            Ok(Value::Number(given))
        }
        Kind::Globs => {
            let items = value.as_array().ok_or_else(wrong_type)?.iter();
            let items = items.map(|item| item.get_ref().as_str().map(str::to_owned));
            let items: Vec<String> = items.collect::<Option<_>>().ok_or_else(|| {
                format!("expected {kind}, such as [\"vlc\", \"mpv*\"], got something else in it")
            })?;
            items.iter().try_for_each(|item| address::pattern(item))?;
            Ok(Value::List(items))
        }
        _ => match kind.whole() {
            Some((least, most)) => {
                let given = real(value).ok_or_else(wrong_type)?;
                let whole = value.as_integer();
                let whole = whole.and_then(|n| u64::from_str_radix(n.as_str(), n.radix()).ok());
                match whole {
                    Some(n) if (least..=most).contains(&n) => Ok(Value::Whole(n)),
                    _ if given > most as f64 => {
                        Err(format!("expected at most {most}, got {}", number(given)))
                    }
                    _ => Err(format!("expected {kind}, got {}", number(given))),
                }
            }
            None => {
                let given = value.as_str().ok_or_else(wrong_type)?;
                text(kind, given)?;
                Ok(Value::Text(given.to_owned()))
            }
        },
    }
}

/// Takes what stands on a command line or in a variable: TOML, or a text where it is no TOML or
/// where the key takes texts alone.
pub(super) fn take_spoken(kind: Kind, spoken: &str) -> Result<Value, String> {
    let document = format!("v = {spoken}");
    let parsed = toml::de::DeTable::parse(&document).ok();
    let parsed = parsed.as_ref().filter(|table| table.get_ref().len() == 1);
    let value = parsed.and_then(|table| table.get_ref().get("v")).map(toml::Spanned::get_ref);
    let text = DeValue::String(spoken.into());
    let takes_text =
        kind.whole().is_none() && !matches!(kind, Kind::Flag | Kind::Globs) && !is_real(kind);
    match value {
        Some(value) if !takes_text || value.is_str() => take(kind, value),
        _ => take(kind, &text),
    }
}

const fn is_real(kind: Kind) -> bool {
    matches!(kind, Kind::Seconds(_) | Kind::ZeroOrSeconds(_) | Kind::Ratio)
}

/// A number of any form; one that is too large is infinite.
fn real(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(number) => number.as_str().parse().ok(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
        DeValue::Integer(number) => {
            let number = u64::from_str_radix(number.as_str(), number.radix());
            Some(number.map_or(f64::INFINITY, |n| n as f64))
        }
        _ => None,
    }
}

fn within(kind: Kind, given: f64) -> Result<(), String> {
    let fits = match kind {
        Kind::Seconds(least) => given >= least,
        Kind::ZeroOrSeconds(least) => given == 0.0 || given >= least,
        _ => given == 0.0 || RATIOS.contains(&given),
    };
    match fits {
        false => Err(format!("expected {kind}, got {}", number(given))),
        true if given > MOST_SECONDS => {
            Err(format!("expected at most {MOST_SECONDS} seconds, got {}", number(given)))
        }
        true => Ok(()),
    }
}

fn text(kind: Kind, given: &str) -> Result<(), String> {
    if given.len() > MOST_TEXT && !matches!(kind, Kind::Url | Kind::Proxy) {
        return Err(format!("expected at most {MOST_TEXT} bytes, got {}", given.len()));
    }
    match kind {
        Kind::Word(words) if !words.contains(&given) => {
            Err(format!("expected {kind}, got '{}'", short(given)))
        }
        Kind::Directory if !given.starts_with('/') => {
            Err(format!("expected {kind}, got '{}'", short(given)))
        }
        Kind::BusName => address::bus(given),
        // An empty text is as none, so that a later file can take back what an earlier one says.
        _ if given.is_empty() => Ok(()),
        Kind::File => address::file(given),
        Kind::Host => address::host(given),
        Kind::Url => address::collector(given),
        Kind::Proxy => address::proxy(given),
        _ => Ok(()),
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Flag(flag) => write!(f, "{flag}"),
            Value::Whole(number) => write!(f, "{number}"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(&quoted(text)),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

/// A text as a basic string of TOML, harmless on a terminal.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", printable(&escaped))
}
