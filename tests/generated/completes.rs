//! The completions, tried in each shell that is installed.

use std::collections::BTreeSet;

use super::root;
use super::tools::{said, tool};

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
    // Files: bash's own, where the script offers nothing.
    ("playheadctl simulate ", &[], &["--seed"]),
    ("playheadctl simulate --s", &["--seed", "--set"], &["--json"]),
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
