//! The layers, merged key by key; of each value it is known where it stands.

use std::collections::BTreeMap;
use std::path::Path;

use super::address::CREDENTIALS;
use super::environment::{Environment, misnamed, path_of};
use super::error::{MOST_IN_ALL, MOST_OF_A_FILE, Mistake, short};
use super::files::{Text, Unread};
use super::schema::{
    BESIDE, Given, INSIDE, Origin, RULES, Schema, Slot, TABLE, find, is_section, keys_of,
    section_name, sections, split_section,
};
use super::value::{Value, take_spoken, take_text};
use crate::core::settings::FIRST_COLLECTOR;
use crate::core::text::nearest;

/// The most collectors beside the first.
const MOST_BESIDE: usize = 8;
/// The most letters in the name of one.
const MOST_NAME: usize = 32;

/// All that was read, and what was wrong in it.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub schema: Schema,
    /// What was said of the collectors beside the first, by their names. Of each only the sections of
    /// a collector are used.
    pub beside: BTreeMap<String, Schema>,
    pub mistakes: Vec<Mistake>,
    /// What works and is surely not meant.
    pub warnings: Vec<Mistake>,
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

    /// Whether there can be a collector of this name beside the first.
    pub(super) fn admit(&mut self, name: &str, place: Origin) -> bool {
        let possible =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        let message = match name {
            known if self.beside.contains_key(known) => return true,
            FIRST_COLLECTOR => {
                format!(
                    "`{FIRST_COLLECTOR}` is the first collector, and its section is [collector]"
                )
            }
            name if name.is_empty() || name.len() > MOST_NAME || !name.bytes().all(possible) => {
                format!(
                    "expected the name of a collector of 1 to {MOST_NAME} of a-z, 0-9, '-' and '_', \
                     got '{}'",
                    short(name)
                )
            }
            name if self.beside.len() >= MOST_BESIDE => {
                format!(
                    "expected at most {MOST_BESIDE} collectors beside the first, got `{name}` too"
                )
            }
            name => {
                self.beside.insert(name.to_owned(), Schema::default());
                return true;
            }
        };
        self.wrong(place, String::new(), message);
        false
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
        let (collector, own) = split_section(section);
        let path = format!("{own}.{key}");
        // The name of a text in a table may have dots in it.
        let attribute = path.strip_prefix(TABLE).and_then(|rest| rest.strip_prefix('.'));
        if attribute.is_none() && !is_section(own) {
            let message = match section == BESIDE {
                true => format!("expected {BESIDE}.NAME.{}", short(key)),
                false => unknown("section", section, sections()),
            };
            return self.wrong(self.last(), String::new(), message);
        }
        if collector.is_some_and(|name| !self.admit(name, self.last())) {
            return;
        }
        let (own, key) = if attribute.is_some() { ("otlp", "resource") } else { (own, key) };
        let Some(index) = find(own, key) else {
            let (full, message) = unknown_key(collector, own, key);
            return self.wrong(self.last(), full, message);
        };
        let taken = match (value, attribute) {
            (None, _) => Err("expected UTF-8".into()),
            (Some(text), None) => take_spoken(RULES[index].kind, text),
            (Some(text), Some(name)) => take_text(name, text),
        };
        self.set(collector, index, taken, self.last());
    }

    fn last(&self) -> Origin {
        Origin::Place { source: self.sources.len().saturating_sub(1), line: 0 }
    }

    pub(super) fn set(
        &mut self,
        collector: Option<&str>,
        index: usize,
        taken: Result<Value, String>,
        origin: Origin,
    ) {
        let value = match taken {
            Ok(value) => Some(value),
            Err(message) => {
                let rule = &RULES[index];
                let name = format!("{}.{}", section_name(collector, rule.section), rule.key);
                self.wrong(origin.clone(), name, message);
                None
            }
        };
        let Some(slot) = self.slot(collector, index) else { return };
        match (slot.as_mut(), value) {
            // Tables are merged, too.
            (
                Some(Given { value: Some(Value::Table(known)), origin: last, also }),
                Some(Value::Table(texts)),
            ) => {
                known.extend(texts);
                let last = std::mem::replace(last, origin);
                if !also.contains(&last) {
                    also.push(last);
                }
            }
            (_, value) => *slot = Some(Given::new(value, origin)),
        }
        if let Some(Given { value: Some(Value::Table(texts)), .. }) = slot {
            texts.retain(|_, text| !text.is_empty());
        }
    }

    fn slot(&mut self, collector: Option<&str>, index: usize) -> Option<&mut Slot> {
        let schema = match collector {
            None => &mut self.schema,
            Some(name) => self.beside.get_mut(name)?,
        };
        schema.slots().into_iter().nth(index)
    }

    /// The slot of a `section.key`.
    pub fn slot_of(&mut self, name: &str) -> Option<&mut Slot> {
        let (section, key) = name.rsplit_once('.')?;
        let (collector, own) = split_section(section);
        self.slot(collector, find(own, key)?)
    }

    /// Says that a key has this value because of another one.
    pub fn follow(&mut self, name: &str, value: Value, other: String) {
        if let Some(slot) = self.slot_of(name)
            && slot.as_ref().is_none_or(|given| given.value.as_ref().is_some_and(Value::is_empty))
        {
            *slot = Some(Given::new(Some(value), Origin::Follows(other)));
        }
    }

    /// Whether the value of a key is a credential of the service.
    pub fn is_credential(&mut self, name: &str) -> bool {
        match self.slot_of(name).and_then(|slot| slot.as_ref()?.value.as_ref()) {
            Some(Value::Text(text)) => text.starts_with(CREDENTIALS),
            _ => false,
        }
    }

    /// Where the value of a key stands; one that nobody has set is in no file.
    fn place_of(&mut self, name: &str) -> Origin {
        let given = self.slot_of(name).and_then(|slot| slot.as_ref());
        let origin = given.map(|given| given.origin.clone());
        origin.unwrap_or(Origin::Place { source: self.sources.len(), line: 0 })
    }

    /// Notes a key whose value works and is surely not meant.
    pub fn warn(&mut self, name: &str, message: String) {
        let origin = self.place_of(name);
        let (source, line) = self.source_and_line(&origin);
        let place = self.sources.get(source).cloned().unwrap_or_default();
        let (key, restart) = (name.to_owned(), false);
        self.warnings.push(Mistake { source, place, line, key, message, restart, more: 0 });
    }

    /// Notes what is wrong with a key's value, where the value stands.
    pub fn wrong_value(&mut self, name: &str, message: String) {
        let origin = self.place_of(name);
        let told = self.mistakes.len();
        self.wrong(origin, name.into(), message);
        // The credentials are those with which the service was started.
        let of_credentials = self.is_credential(name);
        if let Some(mistake) = self.mistakes.get_mut(told) {
            mistake.restart |= of_credentials;
        }
    }

    fn source_and_line(&self, origin: &Origin) -> (usize, usize) {
        match origin {
            Origin::Place { source, line } => (*source, *line),
            Origin::Follows(_) => (self.sources.len(), 0),
        }
    }

    pub(super) fn wrong(&mut self, origin: Origin, key: String, message: String) {
        let (source, line) = self.source_and_line(&origin);
        if !self.has_room(source) {
            return;
        }
        let place = self.sources.get(source).cloned().unwrap_or_default();
        let restart = (self.files..self.sources.len()).contains(&source);
        self.mistakes.push(Mistake { source, place, line, key, message, restart, more: 0 });
    }

    /// Whether one more mistake of a source is told. One that is not is counted.
    pub(super) fn has_room(&mut self, source: usize) -> bool {
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
        // Few, and those of one line stay as they came. A stable sort would be 4 KiB of the program.
        for mistake in std::mem::take(&mut self.mistakes) {
            let place = |of: &Mistake| (of.source, of.line);
            let at = self.mistakes.partition_point(|known| place(known) <= place(&mistake));
            self.mistakes.insert(at, mistake);
        }
        for (source, more) in std::mem::take(&mut self.left_out) {
            let place = self.sources.get(source).cloned().unwrap_or_default();
            let at = self.mistakes.partition_point(|mistake| mistake.source <= source);
            self.mistakes.insert(at, Mistake::more(source, place, more));
        }
    }

    /// Where a value comes from, in words.
    fn origin(&self, origin: &Origin) -> String {
        match origin {
            Origin::Place { source, line: 0 } => {
                self.sources.get(*source).cloned().unwrap_or_default()
            }
            Origin::Place { source, line } => {
                format!("{}:{line}", self.sources.get(*source).map_or("", String::as_str))
            }
            Origin::Follows(other) => format!("default, follows {other}"),
        }
    }

    /// Where the value of a key comes from, in words.
    pub fn origin_of(&mut self, name: &str) -> String {
        let Some(given) = self.slot_of(name).and_then(|slot| slot.clone()) else {
            return "default".into();
        };
        let all: Vec<String> =
            given.also.iter().chain([&given.origin]).map(|origin| self.origin(origin)).collect();
        all.join(", ")
    }
}

/// The full name of a key that is not one, and what may have been meant.
pub(super) fn unknown_key(collector: Option<&str>, section: &str, key: &str) -> (String, String) {
    let inside = INSIDE.into_iter().filter(|_| collector.is_some() && section == "collector");
    let known = || keys_of(section).chain(inside.clone());
    let full = |section: &str| match INSIDE.contains(&section) {
        true => section_name(collector, section),
        false => section.to_owned(),
    };
    let elsewhere = RULES.iter().find(|rule| rule.key == key);
    let message = match elsewhere {
        Some(rule) if nearest(key, known()).is_none() => {
            format!(
                "unknown key `{key}` here; there is one in the section [{}]",
                full(rule.section)
            )
        }
        _ => unknown("key", key, known()),
    };
    (format!("{}.{}", section_name(collector, section), short(key)), message)
}

pub(super) fn unknown(what: &str, name: &str, known: impl Iterator<Item = &'static str>) -> String {
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
