//! Values: what stands in a file, taken as what a key takes, or refused with what is expected.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::address;
use super::error::short;
use super::kind::{Kind, MOST_SECONDS, RATIOS};
use crate::core::report;
use crate::core::text::{nearest, number, printable};

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
    /// In it, an empty text takes back what an earlier layer says.
    Table(BTreeMap<String, String>),
}

/// Takes a value of a file.
///
/// Errors: what the key takes, and what was wrong. A text is quoted only where it is no secret and
/// no identifier of a viewer.
pub(super) fn take(kind: Kind, value: &DeValue<'_>) -> Result<Value, String> {
    let wrong_type = || format!("expected {kind}, got a value of the type {}", value.type_str());
    match kind {
        Kind::Flag => value.as_bool().map(Value::Flag).ok_or_else(wrong_type),
        Kind::Seconds(_) | Kind::ZeroOrSeconds(_) | Kind::Ratio | Kind::Share => {
            let given = real(value).ok_or_else(wrong_type)?;
            within(kind, given)?;
            Ok(Value::Number(given))
        }
        Kind::Globs | Kind::Events => {
            let example = match kind {
                Kind::Globs => r#"["vlc", "mpv*"]"#,
                _ => r#"["sessionStart", "play"]"#,
            };
            let items = value.as_array().ok_or_else(wrong_type)?.iter();
            let items = items.map(|item| item.get_ref().as_str().map(str::to_owned));
            let items: Vec<String> = items.collect::<Option<_>>().ok_or_else(|| {
                format!("expected {kind}, such as {example}, got something else in it")
            })?;
            items.iter().try_for_each(|item| match kind {
                Kind::Globs => address::pattern(item),
                _ => event_type(item),
            })?;
            Ok(Value::List(items))
        }
        Kind::Texts => {
            let mut texts = BTreeMap::new();
            flatten("", value.as_table().ok_or_else(wrong_type)?, &mut texts)?;
            bounded(&texts)?;
            Ok(Value::Table(texts))
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

/// Takes one text of a table from a command line or a variable.
pub(super) fn take_text(name: &str, spoken: &str) -> Result<Value, String> {
    let Value::Text(text) = take_spoken(Kind::Text, spoken)? else { return Err(String::new()) };
    let texts = BTreeMap::from([(name.to_owned(), text)]);
    bounded(&texts)?;
    Ok(Value::Table(texts))
}

impl Value {
    /// An empty text is as none.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Value::Text(text) if text.is_empty())
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
    let no_text = matches!(kind, Kind::Flag | Kind::Globs | Kind::Events | Kind::Texts);
    let takes_text = kind.whole().is_none() && !no_text && !is_real(kind);
    match value {
        Some(value) if !takes_text || value.is_str() => take(kind, value),
        _ => take(kind, &text),
    }
}

const fn is_real(kind: Kind) -> bool {
    matches!(kind, Kind::Seconds(_) | Kind::ZeroOrSeconds(_) | Kind::Ratio | Kind::Share)
}

/// A type of events (spec 2.1).
fn event_type(name: &str) -> Result<(), String> {
    let known = || report::Kind::ALL.iter().map(|kind| kind.event_type());
    if known().any(|event_type| event_type == name) {
        return Ok(());
    }
    let meant = match nearest(name, known()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected some of `{}`", known().collect::<Vec<_>>().join("`, `")),
    };
    Err(format!("unknown event type `{}`; {meant}", short(name)))
}

/// Takes the texts of a table. In names without quotes TOML reads dots as tables in tables.
fn flatten(
    before: &str,
    table: &DeTable<'_>,
    into: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    for (name, value) in table {
        let name = format!("{before}{}", name.get_ref());
        // Names with thousands of dots are as many tables in each other.
        if name.len() > MOST_TEXT {
            return Err(format!("expected names of at most {MOST_TEXT} bytes"));
        }
        match value.get_ref() {
            DeValue::Table(inner) => flatten(&format!("{name}."), inner, into)?,
            DeValue::String(text) => drop(into.insert(name, text.clone().into_owned())),
            other => {
                let (name, got) = (short(&name), other.type_str());
                return Err(format!("expected a text for `{name}`, got a value of the type {got}"));
            }
        }
    }
    Ok(())
}

/// The most attributes of a resource, and the most bytes of all of them: they are in each request.
const MOST_ATTRIBUTES: usize = 64;
/// Attributes that the agent gives.
const GIVEN: [&str; 3] = ["service.name", "service.version", "service.instance.id"];

/// What a resource may have.
pub(super) fn bounded(texts: &BTreeMap<String, String>) -> Result<(), String> {
    let bytes: usize = texts.iter().map(|(name, text)| name.len() + text.len()).sum();
    if texts.len() > MOST_ATTRIBUTES || bytes > MOST_TEXT {
        let (count, most) = (texts.len(), MOST_ATTRIBUTES);
        return Err(format!(
            "expected at most {most} texts with {MOST_TEXT} bytes in all, got {count} with {bytes}"
        ));
    }
    for name in texts.keys() {
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!("expected names without blanks, got '{}'", short(name)));
        }
        if GIVEN.contains(&name.as_str()) {
            return Err(format!("`{name}` is given by the agent, so it cannot be set"));
        }
    }
    Ok(())
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
        Kind::Share => (0.0..=1.0).contains(&given),
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
        Kind::Uuid if !address::is_uuid(given) => {
            Err(format!("expected {kind}, got '{}'", short(given)))
        }
        Kind::SchemaPath => address::schema_path(given),
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
            Value::Table(texts) if texts.is_empty() => f.write_str("{}"),
            Value::Table(texts) => {
                let pair = |(name, text): (&String, &String)| {
                    format!("{} = {}", quoted(name), quoted(text))
                };
                let pairs: Vec<String> = texts.iter().map(pair).collect();
                write!(f, "{{ {} }}", pairs.join(", "))
            }
        }
    }
}

/// A text as a basic string of TOML, harmless on a terminal.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", printable(&escaped))
}
