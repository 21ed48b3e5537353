//! The layers, merged key by key; of each value it is known where it stands.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::address::CREDENTIALS;
use super::environment::{Environment, misnamed, path_of};
use super::error::{MOST_IN_ALL, MOST_OF_A_FILE, Mistake, short};
use super::files::{Text, Unread};
use super::schema::{Given, Origin, RULES, Schema, Slot, find, is_section, keys_of, sections};
use super::value::{Value, take, take_spoken};
use crate::core::text::nearest;

/// A key of a file, with its place.
type Name<'i> = Spanned<Cow<'i, str>>;

/// All that was read, and what was wrong in it.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub schema: Schema,
    pub mistakes: Vec<Mistake>,
    /// The files, variables and other places that were read, in this order.
    pub sources: Vec<String>,
    /// How many mistakes are not told, by source; those of no source are beyond the most in all.
    left_out: BTreeMap<usize, usize>,
    /// How many of the sources are files. The others are variables.
    files: usize,
    /// Whether there is a file of which nothing can be said.
    pub unreadable: bool,
}

impl Merged {
    /// Puts a file on top.
    pub fn add(&mut self, (file, text): Text) {
        let source = self.source(&file);
        self.files = self.sources.len();
        match text {
            Ok(text) => self.add_text(source, &text),
            Err(Unread { line, why }) => {
                self.unreadable = true;
                self.wrong(Origin::Place { source, line }, String::new(), why);
            }
        }
    }

    fn source(&mut self, file: &Path) -> usize {
        self.sources.push(file.display().to_string());
        self.sources.len() - 1
    }

    fn add_text(&mut self, source: usize, text: &str) {
        let ends: Vec<usize> = text.match_indices('\n').map(|(end, _)| end).collect();
        let at = |span: std::ops::Range<usize>| {
            let line = ends.partition_point(|end| *end < span.start) + 1;
            Origin::Place { source, line }
        };
        let document = match DeTable::parse(text) {
            Ok(document) => document,
            Err(error) => {
                let message = error.message().trim().replace('\n', ", ");
                self.unreadable = true;
                return self.wrong(at(error.span().unwrap_or_default()), String::new(), message);
            }
        };
        for (name, table) in by_line(document.get_ref()) {
            let section = name.get_ref();
            if !is_section(section) && !self.has_room(source) {
                continue;
            }
            let Some(keys) = table.get_ref().as_table() else {
                let message = match RULES.iter().find(|rule| rule.key == *section) {
                    _ if is_section(section) => {
                        let got = table.get_ref().type_str();
                        format!("expected a section, [{section}], got a value of the type {got}")
                    }
                    Some(rule) => format!("`{section}` belongs to the section [{}]", rule.section),
                    None => unknown("section", section, sections()),
                };
                self.wrong(at(name.span()), String::new(), message);
                continue;
            };
            if !is_section(section) {
                let message = unknown("section", section, sections());
                self.wrong(at(name.span()), String::new(), message);
                continue;
            }
            for (key, value) in by_line(keys) {
                match find(section, key.get_ref()) {
                    Some(index) => {
                        let taken = take(RULES[index].kind, value.get_ref());
                        self.set(index, taken, at(value.span()));
                    }
                    None if self.has_room(source) => {
                        let (full, message) = unknown_key(section, key.get_ref());
                        self.wrong(at(key.span()), full, message);
                    }
                    None => {}
                }
            }
        }
    }

    /// Puts the variables on top.
    pub fn add_variables(&mut self, environment: &Environment) {
        for (name, value) in &environment.settings {
            self.sources.push(name.clone());
            match path_of(name) {
                Some((section, key)) => self.add_spoken(&section, &key, value.as_deref()),
                None => self.wrong(self.last(), String::new(), misnamed(name)),
            }
        }
    }

    /// Puts a `section.key=value` setting on top.
    pub fn add_setting(&mut self, setting: &str) {
        self.sources.push("--set".into());
        let (path, value) = setting.split_once('=').unwrap_or((setting, ""));
        match path.trim().rsplit_once('.') {
            Some((section, key)) if setting.contains('=') => {
                self.add_spoken(section, key, Some(value));
            }
            _ => {
                let message = format!("expected section.key=value, got '{}'", short(setting));
                self.wrong(self.last(), String::new(), message);
            }
        }
    }

    /// Takes what was said of a key outside of files, in the last source.
    fn add_spoken(&mut self, section: &str, key: &str, value: Option<&str>) {
        match find(section, key) {
            Some(index) => {
                let taken = match value {
                    Some(value) => take_spoken(RULES[index].kind, value),
                    None => Err("expected UTF-8".into()),
                };
                self.set(index, taken, self.last());
            }
            None if is_section(section) => {
                let (full, message) = unknown_key(section, key);
                self.wrong(self.last(), full, message);
            }
            None => {
                let message = unknown("section", section, sections());
                self.wrong(self.last(), String::new(), message);
            }
        }
    }

    fn last(&self) -> Origin {
        Origin::Place { source: self.sources.len().saturating_sub(1), line: 0 }
    }

    fn set(&mut self, index: usize, taken: Result<Value, String>, origin: Origin) {
        let value = match taken {
            Ok(value) => Some(value),
            Err(message) => {
                self.wrong(origin, RULES[index].name(), message);
                None
            }
        };
        if let Some(slot) = self.slot(index) {
            *slot = Some(Given { value, origin });
        }
    }

    fn slot(&mut self, index: usize) -> Option<&mut Slot> {
        self.schema.slots().into_iter().nth(index)
    }

    /// The slot of a `section.key`.
    pub fn slot_of(&mut self, name: &str) -> Option<&mut Slot> {
        let (section, key) = name.rsplit_once('.')?;
        self.slot(find(section, key)?)
    }

    /// Says that a key has this value because of another one.
    pub fn follow(&mut self, name: &str, value: Value, other: &'static str) {
        if let Some(slot @ None) = self.slot_of(name) {
            *slot = Some(Given { value: Some(value), origin: Origin::Follows(other) });
        }
    }

    /// Whether the value of a key is a credential of the service.
    pub fn is_credential(&mut self, name: &str) -> bool {
        match self.slot_of(name).and_then(|slot| slot.as_ref()?.value.as_ref()) {
            Some(Value::Text(text)) => text.starts_with(CREDENTIALS),
            _ => false,
        }
    }

    /// Notes what is wrong with a key's value, where the value stands.
    pub fn wrong_value(&mut self, name: &str, message: String) {
        let origin = self.slot_of(name).and_then(|slot| slot.as_ref()).map(|given| given.origin);
        // A value that nobody has set is in no file.
        let nowhere = Origin::Place { source: self.sources.len(), line: 0 };
        let told = self.mistakes.len();
        self.wrong(origin.unwrap_or(nowhere), name.into(), message);
        // The credentials are those with which the service was started.
        let of_credentials = self.is_credential(name);
        if let Some(mistake) = self.mistakes.get_mut(told) {
            mistake.restart |= of_credentials;
        }
    }

    fn wrong(&mut self, origin: Origin, key: String, message: String) {
        let (source, line) = match origin {
            Origin::Place { source, line } => (source, line),
            Origin::Follows(_) => (self.sources.len(), 0),
        };
        if !self.has_room(source) {
            return;
        }
        let place = self.sources.get(source).cloned().unwrap_or_default();
        let restart = (self.files..self.sources.len()).contains(&source);
        self.mistakes.push(Mistake { source, place, line, key, message, restart, more: 0 });
    }

    /// Whether one more mistake of a source is told. One that is not is counted.
    fn has_room(&mut self, source: usize) -> bool {
        let of_source = self.mistakes.iter().filter(|known| known.source == source).count();
        let full = match of_source < MOST_OF_A_FILE {
            true if self.mistakes.len() < MOST_IN_ALL => return true,
            true => usize::MAX,
            false => source,
        };
        *self.left_out.entry(full).or_default() += 1;
        false
    }

    /// Puts the mistakes into the order of the files, each with how many are not told.
    pub fn in_order(&mut self) {
        self.mistakes.sort_by_key(|mistake| (mistake.source, mistake.line));
        for (source, more) in std::mem::take(&mut self.left_out) {
            let place = self.sources.get(source).cloned().unwrap_or_default();
            let at = self.mistakes.partition_point(|mistake| mistake.source <= source);
            self.mistakes.insert(at, Mistake::more(source, place, more));
        }
    }

    /// Where a value comes from, in words.
    pub fn origin(&self, origin: Origin) -> String {
        match origin {
            Origin::Place { source, line: 0 } => {
                self.sources.get(source).cloned().unwrap_or_default()
            }
            Origin::Place { source, line } => {
                format!("{}:{line}", self.sources.get(source).map_or("", String::as_str))
            }
            Origin::Follows(other) => format!("default, follows {other}"),
        }
    }

    /// Where the value of a key comes from, in words.
    pub fn origin_of(&mut self, name: &str) -> String {
        let origin = self.slot_of(name).and_then(|slot| slot.as_ref()).map(|given| given.origin);
        origin.map_or_else(|| "default".into(), |origin| self.origin(origin))
    }
}

/// What is in a table, in the order of its lines.
fn by_line<'a, 'i>(table: &'a DeTable<'i>) -> Vec<(&'a Name<'i>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

/// The full name of a key that is not one, and what may have been meant.
fn unknown_key(section: &str, key: &str) -> (String, String) {
    let known = || keys_of(section);
    let elsewhere = RULES.iter().find(|rule| rule.key == key);
    let message = match elsewhere {
        Some(rule) if nearest(key, known()).is_none() => {
            format!("unknown key `{key}` here; there is one in the section [{}]", rule.section)
        }
        _ => unknown("key", key, known()),
    };
    (format!("{section}.{}", short(key)), message)
}

fn unknown(what: &str, name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let known: Vec<&str> = known.collect();
    // The beginning of a key, without its unit, say.
    let mut longer = known.iter().copied().filter(|k| name.len() > 2 && k.starts_with(name));
    let alone = longer.next().filter(|_| longer.next().is_none());
    let meant = match nearest(name, known.iter().copied()).or(alone) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected one of `{}`", known.join("`, `")),
    };
    format!("unknown {what} `{}`; {meant}", short(name))
}
