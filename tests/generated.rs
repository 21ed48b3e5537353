//! man/ and completions/ are made of the command lines (src/cli) and of the settings (src/config):
//! what is committed is what they give today, and the tools that read it find nothing wrong.
//!
//! `make man` writes them anew (`UPDATE=1`).

#[path = "generated/completes.rs"]
mod completes;
#[path = "generated/examples.rs"]
mod examples;
#[path = "generated/pages.rs"]
mod pages;
#[path = "generated/programs.rs"]
mod programs;
#[path = "generated/roff.rs"]
mod roff;
#[path = "generated/shells.rs"]
mod shells;
#[path = "common/skipped.rs"]
mod skipped;
#[path = "generated/texts.rs"]
mod texts;
#[path = "generated/tools.rs"]
mod tools;

use std::collections::BTreeSet;
use std::path::Path;

use tools::{said, tool};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A committed file, and what makes it.
type Made = (&'static str, fn() -> String);

const PAGES: [Made; 3] = [
    ("man/playheadd.8", pages::playheadd),
    ("man/playheadctl.1", pages::playheadctl),
    ("man/playheadd.toml.5", pages::settings),
];

/// Holds a committed file to what was made, or writes it.
fn hold(file: &str, made: &str) {
    let path = root().join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(&path, made).expect("a file");
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "{file} is old: run `make man`");
}

#[test]
fn the_pages_are_made_of_the_definitions() {
    for (file, made) in PAGES {
        hold(file, &made());
    }
}

#[test]
fn the_completions_are_made_of_the_definitions() {
    for (file, made) in shells::all() {
        hold(&file, &made);
    }
}

#[test]
fn what_reads_pages_finds_nothing_wrong() {
    for (file, _) in PAGES {
        if let Some(output) = tool("mandoc", &["-T", "lint", file]) {
            // A date would not be the same every day; the version stands in its place.
            let said = said(&output);
            let wrong: Vec<&str> =
                said.lines().filter(|line| !line.contains("missing date")).collect();
            assert!(wrong.is_empty(), "{wrong:#?}");
        }
        if let Some(output) = tool("groff", &["-man", "-ww", "-z", "-Tutf8", file]) {
            assert_eq!(said(&output), "", "{file}");
        }
        if let Some(output) = tool("man", &["--warnings", "-l", file]) {
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{file}");
            let text = String::from_utf8_lossy(&output.stdout);
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "ENVIRONMENT", "FILES", "SEE ALSO"] {
                let there = text.lines().any(|line| line == section);
                assert!(there || section == "FILES" && file.ends_with(".1"), "{file}: {section}");
            }
        }
    }
}

/// Names of variables that the source reads: quoted capitals in a file that looks at the environment.
fn variables(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            variables(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        if text.contains("env::var") {
            let capitals = |word: &&str| {
                word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
            };
            found.extend(text.split('"').filter(capitals).map(str::to_owned));
        }
    }
}

#[test]
fn each_variable_that_is_read_has_its_entry() {
    let mut read = BTreeSet::new();
    variables(&root().join("src"), &mut read);
    assert!(read.contains("NO_COLOR") && read.contains("NOTIFY_SOCKET"), "{read:?}");
    // Those that zbus reads.
    read.extend(["DBUS_SYSTEM_BUS_ADDRESS", "DBUS_SESSION_BUS_ADDRESS"].map(str::to_owned));
    let pages = PAGES.map(|(_, made)| made()).concat();
    let (_, environment) = pages.split_once(".SH \"ENVIRONMENT\"").expect("a section");
    for variable in read {
        assert!(environment.contains(&format!("\\%{variable}")), "{variable} is in no page");
    }
}
