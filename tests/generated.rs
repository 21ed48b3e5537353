//! man/ and completions/ are made of the command lines (src/cli) and of the settings (src/config):
//! what is committed is what they give today, and the tools that read it find nothing wrong.
//!
//! `make man` writes them anew (`UPDATE=1`).

#[path = "generated/pages.rs"]
mod pages;
#[path = "generated/programs.rs"]
mod programs;
#[path = "generated/roff.rs"]
mod roff;
#[path = "generated/shells.rs"]
mod shells;
#[path = "generated/texts.rs"]
mod texts;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

const PAGES: [(&str, fn() -> String); 3] = [
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

/// Runs a tool. `None` where the machine has none, which is said.
fn tool(name: &str, arguments: &[&str]) -> Option<Output> {
    let run =
        Command::new(name).args(arguments).env("LC_ALL", "C.UTF-8").current_dir(root()).output();
    match run {
        Ok(output) => Some(output),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {name} is not installed");
            None
        }
        Err(e) => panic!("{name}: {e}"),
    }
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b).into_owned()).concat()
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

/// What each shell offers at the end of a command line.
fn offered(shell: &str, line: &str) -> Option<BTreeSet<String>> {
    let program = line.split(' ').next().expect("a program");
    let output = match shell {
        "bash" => {
            let file = format!("completions/{program}.bash");
            let words = ["--norc", "tests/generated/bash_matches.sh", &file];
            tool("bash", &[&words[..], &line.split(' ').collect::<Vec<_>>()].concat())
        }
        "zsh" => {
            let dir = root().join("completions");
            let dir = dir.to_str().expect("a path");
            tool("zsh", &["-f", "tests/generated/zsh_matches.zsh", dir, line])
        }
        _ => {
            let script = format!("source completions/{program}.fish; complete -C $argv");
            tool("fish", &["--no-config", "-c", &script, line])
        }
    }?;
    assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {}", said(&output));
    let text = String::from_utf8(output.stdout).expect("text");
    // fish adds a description behind a tab.
    let names = text.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned());
    Some(names.filter(|name| !name.is_empty()).collect())
}

/// A command line, what has to be offered, and what must not be.
type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

const CASES: &[Case] = &[
    ("playheadctl ", &["status", "resume-points", "simulate", "collector"], &["Cargo.toml"]),
    ("playheadctl fl", &["flush"], &["status"]),
    ("playheadctl --bus session st", &["status"], &["flush"]),
    ("playheadctl consent ", &["in", "out", "unknown"], &["Cargo.toml"]),
    ("playheadctl queue --", &["--rejected", "--json", "--bus"], &["--wait"]),
    ("playheadctl queue --bus ", &["system", "session"], &["Cargo.toml"]),
    ("playheadctl simulate --config Carg", &["Cargo.toml"], &["src"]),
    ("playheadd --re", &["--reload", "--read-store"], &["--check"]),
    ("playheadd --bus ", &["system", "session"], &["Cargo.toml"]),
    ("playheadd --config Carg", &["Cargo.toml"], &["src"]),
];

fn completes(shell: &str) {
    for (line, wanted, unwanted) in CASES {
        let Some(offered) = offered(shell, line) else { return };
        for name in *wanted {
            assert!(offered.contains(*name), "{shell}, '{line}': {name} is missing: {offered:?}");
        }
        for name in *unwanted {
            assert!(!offered.contains(*name), "{shell}, '{line}': {name} is too much: {offered:?}");
        }
    }
}

#[test]
fn bash_completes() {
    completes("bash");
}

#[test]
fn zsh_completes() {
    completes("zsh");
}

#[test]
fn fish_completes() {
    completes("fish");
}
