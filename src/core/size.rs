//! How large a message may be (behaviour.md 2.8). The bus's adapter and the simulated bus both ask here.

use super::rejected::{Refusal, Rejected};
use super::settings::Limits;
use super::tracker::info::{Info, Value};

/// Whether a body of so many bytes may come in.
///
/// Errors: `LimitsExceeded`.
pub fn check_body(bytes: usize, limits: &Limits) -> Result<(), Rejected> {
    if bytes <= limits.info_bytes {
        return Ok(());
    }
    let why = format!("a message may hold {} bytes, this one has {bytes}", limits.info_bytes);
    Err(Rejected::new(Refusal::LimitsExceeded, why))
}

/// Whether a text may come in.
///
/// Errors: `LimitsExceeded`.
pub fn check_text(key: &str, text: &str, limits: &Limits) -> Result<(), Rejected> {
    let (most, bytes) = (limits.string_bytes, text.len());
    if bytes <= most {
        return Ok(());
    }
    let why = format!("'{key}' may hold {most} bytes, this one has {bytes}");
    Err(Rejected::new(Refusal::LimitsExceeded, why))
}

/// Whether the texts of an info dictionary may come in.
///
/// Errors: `LimitsExceeded`.
pub fn check_info(info: &Info, limits: &Limits) -> Result<(), Rejected> {
    info.iter().try_for_each(|(key, value)| check_value(key, value, limits))
}

fn check_value(key: &str, value: &Value, limits: &Limits) -> Result<(), Rejected> {
    match value {
        Value::Text(text) => check_text(key, text, limits),
        Value::Dict(texts) => texts.iter().try_for_each(|(name, text)| {
            check_text(key, name, limits)?;
            check_text(name, text, limits)
        }),
        Value::Map(map) => map.iter().try_for_each(|(name, inner)| {
            check_text(key, name, limits)?;
            check_value(name, inner, limits)
        }),
        Value::List(list) => list.iter().try_for_each(|inner| check_value(key, inner, limits)),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) | Value::Other(_) => Ok(()),
    }
}
