//! A configuration as it was read: what it makes, where each value comes from, and what is wrong.

use std::path::Path;

use super::checks;
use super::collector::key_of;
use super::environment::Environment;
use super::error::{ConfigError, Mistake};
use super::files::{self, LOOKED_FOR};
use super::keys::{BESIDE, Default, KeyDoc, SECTIONS};
use super::merge::Merged;
use super::schema::{INSIDE, RULES, section_name};
use super::value::{Value, take_spoken};
use super::{CollectorConfig, Config, DEFAULT_PATH};
use crate::core::dialect::otlp::KIND as OTLP;
use crate::core::settings::CollectorSettings;

/// Which files are read.
#[derive(Debug, Clone, Copy)]
pub enum From<'a> {
    /// Those of a box whose root is this directory.
    Box(&'a Path),
    /// This one alone.
    File(&'a Path),
}

/// Looks at the files that the configuration of a collector names.
pub type FileCheck<'a> = &'a dyn Fn(&CollectorConfig) -> Vec<Finding>;

/// What is wrong with the file of a key, or surely not meant.
#[derive(Debug)]
pub struct Finding {
    /// `section.key`
    pub key: String,
    pub message: String,
    /// It can be used.
    pub only_warns: bool,
}

/// A configuration with its mistakes.
#[derive(Debug)]
pub struct Loaded {
    /// A key with a mistake has its default here.
    pub config: Config,
    pub(super) merged: Merged,
}

/// A key of the merged configuration.
#[derive(Debug)]
pub struct Entry {
    /// `collectors.NAME` and the like for those of a collector beside the first.
    pub section: String,
    pub key: &'static str,
    /// `None` for a key that has no value.
    pub value: Option<Value>,
    /// File and line, or the variable, or `default`.
    pub origin: String,
    /// What was given is refused.
    pub refused: bool,
}

impl Loaded {
    /// Reads the files, puts the variables on top, and checks all of it.
    pub fn read(from: From<'_>, environment: &Environment, files: FileCheck<'_>) -> Loaded {
        let mut merged = Merged::default();
        let texts = match from {
            From::Box(root) => files::layers(root),
            From::File(file) => vec![(file.to_owned(), files::read(file))],
        };
        let none = texts.is_empty();
        texts.into_iter().for_each(|text| merged.add(text));
        merged.add_variables(environment);
        let config = checks::check(&mut merged, environment);
        for Finding { key, message, only_warns } in config.collectors.iter().flat_map(files) {
            match only_warns {
                true => merged.warn(&key, message),
                false => merged.wrong_value(&key, message),
            }
        }
        let before = merged.mistakes.len();
        if !merged.unreadable {
            required(&config.settings.collectors, &mut merged);
        }
        if none && merged.mistakes.len() > before {
            let message = format!("there is no configuration; looked for {LOOKED_FOR}");
            let source = merged.sources.len();
            merged.mistakes.insert(before, missing(source, String::new(), message));
        }
        merged.in_order();
        Loaded { config, merged }
    }

    /// The mistakes, in the order of the files.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.merged.mistakes
    }

    /// What works and is surely not meant.
    pub fn warnings(&self) -> &[Mistake] {
        &self.merged.warnings
    }

    /// The files and variables that were read, the later ones on top.
    pub fn sources(&self) -> &[String] {
        &self.merged.sources
    }

    /// The configuration, when nothing is wrong with it.
    ///
    /// Errors: the mistakes.
    pub fn into_config(mut self) -> Result<Config, ConfigError> {
        self.config.warnings = self.merged.warnings.iter().map(Mistake::to_string).collect();
        match self.merged.mistakes.is_empty() {
            true => Ok(self.config),
            false => Err(ConfigError { mistakes: self.merged.mistakes }),
        }
    }

    /// Every key with its value, in the order in which keys are shown.
    pub fn entries(&mut self) -> Vec<Entry> {
        let mut sections: Vec<(String, &[KeyDoc])> =
            SECTIONS.iter().map(|section| (section.name.to_owned(), section.keys)).collect();
        for collector in self.merged.beside.keys() {
            let of_it = BESIDE
                .iter()
                .map(|(section, own)| (section_name(Some(collector), own), section.keys));
            sections.extend(of_it);
        }
        let mut entries = Vec::new();
        for (section, keys) in sections {
            for key in keys {
                let name = format!("{section}.{}", key.name);
                let slot = self.merged.slot_of(&name).and_then(|slot| slot.clone());
                let value = match (&slot, key.default) {
                    (Some(given), _) => given.value.clone().filter(|value| !value.is_empty()),
                    (None, Default::Toml(value)) => take_spoken(key.kind, value).ok(),
                    (None, _) => None,
                };
                entries.push(Entry {
                    section: section.clone(),
                    key: key.name,
                    refused: slot.is_some_and(|given| given.value.is_none()),
                    origin: self.merged.origin_of(&name),
                    value,
                });
            }
        }
        entries
    }
}

/// Notes the keys that a daemon needs and that are not set: where to report, and for whom.
fn required(collectors: &[CollectorSettings], merged: &mut Merged) {
    for rule in RULES {
        let Some(example) = rule.example else { continue };
        let of_collector = rule.section == "collector" || INSIDE.contains(&rule.section);
        for collector in collectors {
            if rule.needed_for.is_some_and(|kind| kind != collector.kind) {
                continue;
            }
            let (name, section) = match of_collector {
                true => {
                    let name = key_of(&collector.name, rule.section, rule.key);
                    let section =
                        name.rsplit_once('.').map_or("", |(section, _)| section).to_owned();
                    (name, section)
                }
                false => (rule.name(), rule.section.to_owned()),
            };
            let example = if collector.kind == OTLP { OTLP_URL } else { example };
            missing_or_empty(merged, &name, &section, &format!("{} = \"{example}\"", rule.key));
            if !of_collector {
                break;
            }
        }
    }
}

/// What the URL of a collector of the kind `otlp` looks like.
const OTLP_URL: &str = "https://<your pipeline>:4318";

fn missing_or_empty(merged: &mut Merged, name: &str, section: &str, example: &str) {
    let example = format!("{example} below [{section}]");
    match merged.slot_of(name).and_then(|slot| slot.as_ref()) {
        None => {
            let message = format!(
                "not set; put {example} into {DEFAULT_PATH} or the file given with --config"
            );
            let last = merged.sources.len();
            merged.mistakes.push(missing(last, name.to_owned(), message));
        }
        Some(given) if given.value.as_ref().is_some_and(Value::is_empty) => {
            merged.wrong_value(name, format!("expected a text that is not empty: {example}"));
        }
        Some(_) => {}
    }
}

/// A mistake that stands nowhere.
fn missing(source: usize, key: String, message: String) -> Mistake {
    let (place, restart) = (String::new(), false);
    Mistake { source, place, line: 0, key, message, restart, more: 0 }
}
