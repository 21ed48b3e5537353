//! What stands in the slots of keys, as their rules need it.

use super::schema::Slot;
use super::value::Value;
use crate::core::time::Span;

pub(super) fn given(slot: &Slot) -> Option<&Value> {
    slot.as_ref()?.value.as_ref()
}

/// A text that is set and not empty.
pub(super) fn text(slot: &Slot) -> Option<&str> {
    match given(slot) {
        Some(Value::Text(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

pub(super) fn flag(slot: &Slot, default: bool) -> bool {
    match given(slot) {
        Some(Value::Flag(flag)) => *flag,
        _ => default,
    }
}

pub(super) fn whole(slot: &Slot) -> Option<u64> {
    match given(slot) {
        Some(Value::Whole(number)) => Some(*number),
        _ => None,
    }
}

pub(super) fn span(slot: &Slot, into: &mut Span) {
    if let Some(Value::Number(seconds)) = given(slot) {
        *into = Span::millis((seconds * 1000.0).round() as i64);
    }
}

/// A number that its kind bounds to 32 bits.
pub(super) fn small(slot: &Slot, into: &mut u32) {
    if let Some(number) = whole(slot).and_then(|n| n.try_into().ok()) {
        *into = number;
    }
}

pub(super) fn size(slot: &Slot, into: &mut usize) {
    if let Some(number) = whole(slot).and_then(|n| n.try_into().ok()) {
        *into = number;
    }
}

pub(super) fn texts(slot: &Slot, default: &str) -> Vec<String> {
    match given(slot) {
        Some(Value::List(items)) => items.clone(),
        _ => vec![default.into()],
    }
}
