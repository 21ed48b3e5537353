//! Members of JSON objects, as Adobe's dialects write them.

use serde_json::{Map, Value};

use super::exchange::RetryAfter;
use crate::core::media::Metadata;
use crate::core::time::{Span, WallTime};

/// Members of a JSON object.
pub(super) type Members = Map<String, Value>;

pub(super) fn set(members: &mut Members, key: &str, value: impl Into<Value>) {
    members.insert(key.to_owned(), value.into());
}

pub(super) fn set_text(members: &mut Members, key: &str, value: &str) {
    set(members, key, value);
}

/// Adds metadata under the names that `name` makes of its keys.
pub(super) fn extend<'a>(
    members: &mut Members,
    texts: &'a Metadata,
    name: impl Fn(&'a str) -> &'a str,
) {
    for (key, value) in texts {
        set_text(members, name(key), value);
    }
}

impl RetryAfter {
    /// The wait that it asks for.
    pub fn wait(self, now: WallTime) -> Span {
        match self {
            RetryAfter::Seconds(seconds) => Span::seconds(seconds.min(1 << 40)),
            RetryAfter::Date(date) => (date - now).max(Span::ZERO),
        }
    }
}

/// What an answer said, in words.
pub(super) fn answered(status: u16, message: &str) -> String {
    match message.is_empty() {
        true => format!("the collector answered {status}"),
        false => format!("the collector answered {status}: {message}"),
    }
}
