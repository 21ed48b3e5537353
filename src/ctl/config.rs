//! `playheadctl config`: the merged configuration and where each value comes from, or what is wrong
//! with it (behaviour.md 3). It needs neither a bus nor the daemon.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Failure, output};
use crate::cli::ConfigArgs;
use crate::collector;
use crate::config::keys::{Default, SECTIONS};
use crate::config::{
    self, CollectorConfig, Entry, Environment, From, Loaded, Mistake, is_of_the_service, key_of,
};
use crate::core::text::printable;

const VARIABLES: &str = "variables are those of this command, not those of the service \
                         (systemctl show --property=Environment playheadd)";

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let root = args.root.as_deref().unwrap_or(Path::new("/"));
    let from = args.config.as_deref().map_or(From::Box(root), From::File);
    let environment = Environment::of_process().outside_of_the_service();
    let files = |config: &CollectorConfig| collector::look(&below(root, config));
    let mut loaded = Loaded::read(from, &environment, &files);
    match (args.check, args.json) {
        (true, true) => output::print_json(&checked(&loaded).to_string())?,
        (true, false) if loaded.mistakes().is_empty() => output::print(&well(&loaded))?,
        (true, false) => {}
        (false, true) => output::print_json(&as_json(&loaded.entries()).to_string())?,
        (false, false) => {
            let mut text = String::new();
            if args.origin || environment.names().next().is_some() {
                text = format!("# {VARIABLES}\n");
            }
            text.push_str(&as_toml(&loaded.entries(), args.origin));
            output::print(&text)?;
        }
    }
    if !(args.check && args.json) {
        for warning in loaded.warnings() {
            eprintln!("warning: {}", printable(&warning.to_string()));
        }
    }
    if loaded.mistakes().is_empty() {
        return Ok(());
    }
    if !(args.check && args.json) {
        for mistake in loaded.mistakes() {
            eprintln!("{}", printable(&mistake.to_string()));
        }
    }
    Err(Failure::silent(1))
}

/// The files that a configuration names, as a box has them whose root is elsewhere.
fn below(root: &Path, config: &CollectorConfig) -> CollectorConfig {
    let moved = |file: &Option<PathBuf>| {
        let file = file.as_ref()?;
        Some(match is_of_the_service(file) {
            true => file.clone(),
            false => root.join(file.strip_prefix("/").unwrap_or(file)),
        })
    };
    CollectorConfig {
        ca_file: moved(&config.ca_file),
        client_cert_file: moved(&config.client_cert_file),
        client_key_file: moved(&config.client_key_file),
        headers_file: moved(&config.headers_file),
        ..config.clone()
    }
}

fn well(loaded: &Loaded) -> String {
    let mut text = format!("nothing is wrong in {}\n", loaded.sources().join(", "));
    for collector in &loaded.config.collectors {
        for (section, key, file) in [
            ("collector", "ca_file", &collector.ca_file),
            ("collector", "client_cert_file", &collector.client_cert_file),
            ("collector", "client_key_file", &collector.client_key_file),
            ("otlp", "headers_file", &collector.headers_file),
        ] {
            if file.as_deref().is_some_and(is_of_the_service) {
                text.push_str(&format!(
                    "{} is a credential of the service: `systemctl reload playheadd` checks it\n",
                    key_of(&collector.name, section, key)
                ));
            }
        }
    }
    text
}

fn checked(loaded: &Loaded) -> Value {
    let word = |text: &String| (!text.is_empty()).then(|| text.clone());
    let row = |mistake: &Mistake| {
        json!({
            "place": word(&mistake.place), "line": (mistake.line > 0).then_some(mistake.line),
            "key": word(&mistake.key), "message": mistake.message,
        })
    };
    let errors: Vec<Value> = loaded.mistakes().iter().map(row).collect();
    let warnings: Vec<Value> = loaded.warnings().iter().map(row).collect();
    json!({
        "ok": errors.is_empty(), "sources": loaded.sources(), "errors": errors,
        "warnings": warnings,
    })
}

/// The value as JSON, with its origin.
fn as_json(entries: &[Entry]) -> Value {
    let mut sections = Map::new();
    for entry in entries {
        let section = sections.entry(entry.section.clone()).or_insert_with(|| json!({}));
        let value = entry.value.as_ref().map(json_of);
        section[entry.key] = json!({"value": value, "origin": entry.origin});
    }
    Value::Object(sections)
}

fn json_of(value: &config::Value) -> Value {
    match value {
        config::Value::Flag(flag) => json!(flag),
        config::Value::Whole(number) => json!(number),
        config::Value::Number(number) => json!(number),
        config::Value::Text(text) => json!(text),
        config::Value::List(items) => json!(items),
        config::Value::Table(texts) => json!(texts),
    }
}

/// A file that the daemon takes, and that makes the same configuration.
fn as_toml(entries: &[Entry], origin: bool) -> String {
    let mut text = String::new();
    let mut section = "";
    for entry in entries {
        if entry.section != section {
            section = &entry.section;
            let before = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{before}[{section}]\n"));
        }
        let key = entry.key;
        let mut line = match &entry.value {
            Some(value) => format!("{key} = {value}"),
            None if entry.refused => format!("# {key}: refused"),
            None => format!("# {key}: {}", absent(section, key)),
        };
        if origin && (entry.value.is_some() || entry.origin != "default") {
            line.push_str(&format!("  # {}", printable(&entry.origin)));
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Why a key has no value.
fn absent(section: &str, key: &str) -> &'static str {
    // Of a collector beside the first it is what follows its name.
    let name = match section.strip_prefix("collectors.").map(|rest| rest.split_once('.')) {
        None => section,
        Some(None) => "collector",
        Some(Some((_, inside))) => inside,
    };
    let section = SECTIONS.iter().find(|section| section.name == name);
    match section.and_then(|s| s.keys.iter().find(|k| k.name == key)).map(|k| k.default) {
        Some(Default::Random) => "random, stored",
        Some(Default::Required(_)) => "not set, required",
        Some(Default::RequiredFor("media-edge", _)) => "not set, required for media-edge",
        Some(Default::RequiredFor(..)) => "not set, required for media-collection",
        _ => "not set",
    }
}
