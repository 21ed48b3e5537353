//! The shape of a JSON body, as tables: what an object may hold, what it must hold, and what each value
//! has to be. Every mistake is named by its path, with what was expected and what came.

use std::fmt;

use serde_json::{Map, Value};

/// Mistakes that are named of one body; the others are not looked for.
const MOST_MISTAKES: usize = 16;
/// Characters shown of a value that is wrong.
const SHOWN_CHARS: usize = 60;

/// What the value of a key must be.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    Text,
    /// A string that is not empty.
    Words,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// `^[a-zA-Z0-9_\.]{1,64}$` (spec 2.5, edge 5.7).
    StateName,
    Flag,
    /// From 0, a fraction allowed.
    Number,
    /// From 0 to this, written without a fraction.
    IntegerTo(u64),
    /// An object of these keys.
    Object(&'static [Key]),
    /// An array of such objects.
    ListOf(&'static [Key]),
    /// An object whose values are such objects.
    MapOf(&'static [Key]),
    /// An object whose values are strings.
    TextMap,
}

/// An integer from 0.
pub const INTEGER: Type = Type::IntegerTo(u64::MAX);

/// A key: its name, its type, whether it must be there.
pub type Key = (&'static str, Type, bool);

impl Type {
    /// The words after "expected".
    fn expected(self) -> String {
        let names = |keys: &[Key]| keys.iter().map(|key| key.0).collect::<Vec<_>>().join(", ");
        match self {
            Type::Text => "a string".into(),
            Type::Words => "a string that is not empty".into(),
            Type::OneOf(words) => format!("one of {}", words.join(", ")),
            Type::StateName => "1 to 64 letters, digits, _ and .".into(),
            Type::Flag => "true or false".into(),
            Type::Number => "a number from 0".into(),
            Type::IntegerTo(u64::MAX) => "an integer from 0".into(),
            Type::IntegerTo(most) => format!("an integer from 0 to {most}"),
            Type::Object(_) => "an object".into(),
            Type::ListOf(keys) => format!("an array of {{{}}}", names(keys)),
            Type::MapOf(keys) => format!("an object of {{{}}}", names(keys)),
            Type::TextMap => "an object of strings".into(),
        }
    }
}

/// One mistake in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it is, such as `params.media.length`; empty for the body as a whole.
    pub path: String,
    /// What was expected and what came.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "body" } else { &self.path };
        write!(f, "{path}: {}", self.reason)
    }
}

/// The mistakes in a body, as far as they were looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub fn list(&self) -> &[Mistake] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first mistake in one sentence.
    pub fn first(&self) -> Result<(), String> {
        self.0.first().map_or(Ok(()), |mistake| Err(mistake.to_string()))
    }

    /// Notes a mistake.
    pub fn add(&mut self, path: &str, reason: impl Into<String>) {
        if self.0.len() < MOST_MISTAKES {
            self.0.push(Mistake { path: path.to_owned(), reason: reason.into() });
        }
    }

    pub fn missing(&mut self, path: &str, expected: &str) {
        self.add(path, format!("expected {expected}, it is missing"));
    }

    pub fn unknown(&mut self, path: &str, of: &str) {
        self.add(path, format!("expected no such key in {of}"));
    }

    pub fn wrong(&mut self, path: &str, expected: &str, got: &Value) {
        let mut got = got.to_string();
        if let Some((cut, _)) = got.char_indices().nth(SHOWN_CHARS) {
            got.truncate(cut);
            got.push_str("...");
        }
        self.add(path, format!("expected {expected}, got {got}"));
    }

    /// The members of an object; `None` for anything else, which is a mistake.
    pub fn object<'a>(&mut self, path: &str, value: &'a Value) -> Option<&'a Map<String, Value>> {
        let members = value.as_object();
        if members.is_none() {
            self.wrong(path, "an object", value);
        }
        members
    }

    /// An object that holds the required keys and none but the listed ones. `of` names it for people.
    pub fn table(&mut self, path: &str, value: &Value, keys: &[Key], of: &str) {
        let Some(members) = self.object(path, value) else { return };
        for (name, value) in members {
            let at = join(path, name);
            match keys.iter().find(|(known, ..)| known == name) {
                Some((_, kind, _)) => self.one(&at, value, *kind, of),
                None => self.unknown(&at, of),
            }
        }
        for (name, kind, required) in keys {
            if *required && !members.contains_key(*name) {
                self.missing(&join(path, name), &kind.expected());
            }
        }
    }

    /// One value.
    pub fn one(&mut self, path: &str, value: &Value, kind: Type, of: &str) {
        let text = value.as_str();
        let fits = match kind {
            Type::Text => text.is_some(),
            Type::Words => text.is_some_and(|text| !text.is_empty()),
            Type::OneOf(words) => text.is_some_and(|text| words.contains(&text)),
            Type::StateName => text.is_some_and(|text| text.len() <= 64 && is_key(text)),
            Type::Flag => value.is_boolean(),
            Type::Number => value.as_f64().is_some_and(|number| number >= 0.0),
            Type::IntegerTo(most) => value.as_u64().is_some_and(|number| number <= most),
            Type::Object(keys) => return self.table(path, value, keys, of),
            Type::ListOf(keys) => match value.as_array() {
                Some(items) => {
                    for (index, item) in items.iter().enumerate() {
                        self.table(&format!("{path}[{index}]"), item, keys, of);
                    }
                    true
                }
                None => false,
            },
            Type::MapOf(keys) => match value.as_object() {
                Some(members) => {
                    for (name, item) in members {
                        self.table(&join(path, name), item, keys, of);
                    }
                    true
                }
                None => false,
            },
            Type::TextMap => match value.as_object() {
                Some(members) => {
                    for (name, item) in members {
                        self.one(&join(path, name), item, Type::Text, of);
                    }
                    true
                }
                None => false,
            },
        };
        if !fits {
            self.wrong(path, &kind.expected(), value);
        }
    }
}

/// `^[a-zA-Z0-9_\.]+$` (spec 2).
pub fn is_key(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
    !text.is_empty() && text.bytes().all(allowed)
}

/// Whether a text is a UUID with hyphens, of one version if there is one.
pub fn is_uuid(text: &str, version: Option<u8>) -> bool {
    let mut parts = text.split('-');
    let part = |digits: usize, part: Option<&str>| {
        part.is_some_and(|p| p.len() == digits && p.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let form = [8, 4, 4, 4, 12].into_iter().all(|digits| part(digits, parts.next()));
    let of_version =
        |version: u8| text.as_bytes()[14] == version && b"89abAB".contains(&text.as_bytes()[19]);
    form && parts.next().is_none() && version.is_none_or(of_version)
}

/// The path of a member.
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
