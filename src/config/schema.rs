//! What was read: a slot for each key of the definition, with the place where its value stands.

use super::definition::definition;
use super::keys::Default::{self, *};
use super::kind::Kind::{self, *};
use super::value::Value;

/// What a key takes.
pub(super) struct Rule {
    pub section: &'static str,
    pub key: &'static str,
    pub kind: Kind,
    /// What a value of a key looks like that the daemon needs.
    pub example: Option<&'static str>,
    /// The only kind of collector for which the daemon needs it.
    pub needed_for: Option<&'static str>,
}

impl Rule {
    /// `section.key`
    pub fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }
}

/// What was given for a key.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// `None` when it was refused.
    pub value: Option<Value>,
    pub origin: Origin,
    /// Where the rest of a table comes from.
    pub also: Vec<Origin>,
}

impl Given {
    pub fn new(value: Option<Value>, origin: Origin) -> Given {
        Given { value, origin, also: Vec::new() }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// A line of a source (`Merged::sources`); 0 where it has no lines.
    Place { source: usize, line: usize },
    /// Nobody has set it, and this other key has changed its default.
    Follows(String),
}

/// `None` for a key that nobody has set.
pub(super) type Slot = Option<Given>;

const fn rule(section: &'static str, key: &'static str, kind: Kind, default: Default) -> Rule {
    let (example, needed_for) = (default.example(), default.needed_for());
    Rule { section, key, kind, example, needed_for }
}

macro_rules! slots {
    ($(
        $(#[$about:meta])*
        $section:ident as $name:ident {
            $($(#[$meaning:meta])* $key:ident: $kind:expr => $default:expr,)*
        }
    )*) => {
        /// All keys, in the order of `Schema::slots`.
        pub(super) static RULES: &[Rule] =
            &[$($(rule(stringify!($name), stringify!($key), $kind, $default)),*),*];

        /// All that was read.
        #[derive(Debug, ::std::default::Default)]
        pub(super) struct Schema { $(pub $name: $section),* }

        impl Schema {
            /// The slots of all keys, in the order of `RULES`.
            pub fn slots(&mut self) -> Vec<&mut Slot> {
                vec![$($(&mut self.$name.$key),*),*]
            }
        }

        $(
            $(#[$about])*
            #[derive(Debug, ::std::default::Default)]
            pub(super) struct $section { $($(#[$meaning])* pub $key: Slot),* }
        )*
    };
}

definition!(slots);

/// The number of a key in `RULES`.
pub(super) fn find(section: &str, key: &str) -> Option<usize> {
    RULES.iter().position(|rule| rule.section == section && rule.key == key)
}

pub(super) fn is_section(name: &str) -> bool {
    sections().any(|section| section == name)
}

/// The section whose sections are the collectors beside the first.
pub(super) const BESIDE: &str = "collectors";
/// The sections that each of them has inside its own.
pub(super) const INSIDE: [&str; 2] = ["edge", "otlp"];
/// The key of texts by names of their own.
pub(super) const TABLE: &str = "otlp.resource";

/// The full name of a section: of the first collector and all else, or of a collector beside it.
pub(super) fn section_name(collector: Option<&str>, section: &str) -> String {
    match collector {
        None => section.to_owned(),
        Some(name) if section == "collector" => format!("{BESIDE}.{name}"),
        Some(name) => format!("{BESIDE}.{name}.{section}"),
    }
}

/// The collector beside the first that a full name of a section is of, and which of its sections it is.
pub(super) fn split_section(full: &str) -> (Option<&str>, &str) {
    let Some(rest) = full.strip_prefix(BESIDE).and_then(|rest| rest.strip_prefix('.')) else {
        return (None, full);
    };
    match rest.split_once('.') {
        None => (Some(rest), "collector"),
        Some((name, inside)) if INSIDE.iter().any(|s| inside.split('.').next() == Some(s)) => {
            (Some(name), inside)
        }
        Some(_) => (None, full),
    }
}

pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    RULES.iter().filter_map(move |rule| {
        let new = rule.section != last;
        last = rule.section;
        new.then_some(last)
    })
}

/// The keys of a section.
pub(super) fn keys_of(section: &str) -> impl Iterator<Item = &'static str> {
    RULES.iter().filter(move |rule| rule.section == section).map(|rule| rule.key)
}
