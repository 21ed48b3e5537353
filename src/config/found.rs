//! What the checks say, until it is noted where the keys stand.

use super::merge::Merged;
use super::value::Value;

/// What a check says.
#[derive(Default)]
pub(super) struct Found {
    wrong: Vec<Wrong>,
    /// Keys that nobody has set and that another one has changed.
    follow: Vec<(String, Value, String)>,
    warnings: Vec<(String, String)>,
}

/// A key whose value cannot be, and the other one that it contradicts, which is named between both
/// parts of the message, with its place.
struct Wrong {
    key: String,
    message: String,
    other: Option<(String, String)>,
}

impl Found {
    pub fn wrong(&mut self, key: &str, message: String) {
        self.wrong.push(Wrong { key: key.into(), message, other: None });
    }

    pub fn contradiction(&mut self, key: &str, before: String, other: &str, after: String) {
        let other = Some((other.into(), after));
        self.wrong.push(Wrong { key: key.into(), message: before, other });
    }

    pub fn follow(&mut self, key: &str, value: Value, other: &str) {
        self.follow.push((key.into(), value, other.into()));
    }

    pub fn warning(&mut self, key: &str, message: String) {
        self.warnings.push((key.into(), message));
    }

    /// Notes all of it where the keys stand.
    pub fn note(self, merged: &mut Merged) {
        for (key, value, other) in self.follow {
            merged.follow(&key, value, other);
        }
        for Wrong { key, mut message, other } in self.wrong {
            if let Some((other, after)) = other {
                let origin = merged.origin_of(&other);
                message.push_str(&format!("{other} ({origin}){after}"));
            }
            merged.wrong_value(&key, message);
        }
        for (key, message) in self.warnings {
            merged.warn(&key, message);
        }
    }
}
