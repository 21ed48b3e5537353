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
