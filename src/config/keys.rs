//! Every section and key of the configuration in words, for people: the pages, the example file and
//! the manual are made of it. The daemon does not carry it.

use super::definition::definition;
use super::kind::Kind::{self, *};

/// A section of the configuration, as `[name]`.
#[derive(Debug, Clone, Copy)]
pub struct SectionDoc {
    pub name: &'static str,
    /// What it is about, as one sentence.
    pub meaning: &'static str,
    /// In the order in which they are shown.
    pub keys: &'static [KeyDoc],
}

/// A key of a section.
#[derive(Debug, Clone, Copy)]
pub struct KeyDoc {
    pub name: &'static str,
    /// What it takes, with range and unit; its `Display` follows "expected".
    pub kind: Kind,
    pub default: Default,
    /// What it does, as one sentence.
    pub meaning: &'static str,
}

/// What holds while a key is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// This value, as TOML.
    Toml(&'static str),
    /// The daemon needs the key; this is what a value looks like.
    Required(&'static str),
    /// The daemon needs the key for a collector of this kind; this is what a value looks like.
    RequiredFor(&'static str, &'static str),
    /// There is none.
    Unset,
    /// A random one, made once and stored.
    Random,
}

impl Default {
    /// The example of a key that the daemon needs.
    pub const fn example(self) -> Option<&'static str> {
        match self {
            Default::Required(example) | Default::RequiredFor(_, example) => Some(example),
            _ => None,
        }
    }

    /// The only kind of collector for which the daemon needs the key.
    pub const fn needed_for(self) -> Option<&'static str> {
        match self {
            Default::RequiredFor(kind, _) => Some(kind),
            _ => None,
        }
    }
}

impl std::fmt::Display for Default {
    /// The value as TOML, or one word or two.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Default::RequiredFor(kind, _) => return write!(f, "none, required for {kind}"),
            Default::Toml(value) => value,
            Default::Required(_) => "none, required",
            Default::Unset => "none",
            Default::Random => "random, stored",
        })
    }
}

macro_rules! documented {
    ($(
        $(#[doc = $about:literal])*
        $section:ident as $name:ident {
            $($(#[doc = $meaning:literal])* $key:ident: $kind:expr => $default:expr,)*
        }
    )*) => {
        /// All sections, in the order in which they are shown.
        pub const SECTIONS: &[SectionDoc] = {
            use self::Default::*;
            &[$(SectionDoc {
                name: stringify!($name),
                meaning: concat!($($about),*).trim_ascii(),
                keys: &[$(KeyDoc {
                    name: stringify!($key),
                    kind: $kind,
                    default: $default,
                    meaning: concat!($($meaning),*).trim_ascii(),
                }),*],
            }),*]
        };
    };
}

definition!(documented);

/// The sections of a collector beside the first, in which `NAME` stands for its name. Their keys are
/// those of the section that is named with each.
pub const BESIDE: &[(SectionDoc, &str)] = &[
    (
        SectionDoc {
            name: "collectors.NAME",
            meaning: "A collector beside the first, which gets the same reports; its name has 1 to 32 \
                      of a-z, 0-9, `-` and `_`, and is not `main`; there are at most 8.",
            keys: keys_of("collector"),
        },
        "collector",
    ),
    (
        SectionDoc {
            name: "collectors.NAME.edge",
            meaning: "What it needs when its kind is `media-edge`.",
            keys: keys_of("edge"),
        },
        "edge",
    ),
    (
        SectionDoc {
            name: "collectors.NAME.otlp",
            meaning: "What it may need when its kind is `otlp`.",
            keys: keys_of("otlp"),
        },
        "otlp",
    ),
];

/// The keys of a section; of none when there is no such section.
const fn keys_of(section: &str) -> &'static [KeyDoc] {
    let mut n = 0;
    while n < SECTIONS.len() {
        if same(SECTIONS[n].name.as_bytes(), section.as_bytes()) {
            return SECTIONS[n].keys;
        }
        n += 1;
    }
    &[]
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut n = 0;
    while n < a.len() && n < b.len() && a[n] == b[n] {
        n += 1;
    }
    n == a.len() && n == b.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn settings(given: impl Fn(&KeyDoc) -> Option<String>) -> Vec<String> {
        let all = SECTIONS.iter().flat_map(|section| {
            section.keys.iter().map(move |key| (format!("{}.{}", section.name, key.name), key))
        });
        all.filter_map(|(name, key)| Some(format!("{name}={}", given(key)?))).collect()
    }

    #[test]
    fn a_configuration_of_all_stated_defaults_is_the_one_of_nothing() {
        let stated = settings(|key| match key.default {
            Default::Toml(value) => Some(value.to_owned()),
            _ => None,
        });
        assert!(stated.len() > 55, "{stated:?}");
        let stated = Config::from_overrides(&stated).expect("the stated defaults are valid");
        let nothing = Config::from_overrides(&[]).expect("the defaults are valid");
        assert_eq!(format!("{stated:?}"), format!("{nothing:?}"));
    }

    #[test]
    fn each_meaning_is_a_sentence() {
        for section in SECTIONS.iter().chain(BESIDE.iter().map(|(section, _)| section)) {
            assert!(!section.keys.is_empty(), "{}", section.name);
            let keys = section.keys.iter().map(|key| key.meaning);
            for meaning in keys.chain([section.meaning]) {
                assert!(meaning.ends_with('.') && !meaning.contains("  "), "{meaning}");
                assert!(meaning.starts_with(char::is_uppercase), "{meaning}");
            }
        }
    }
}
