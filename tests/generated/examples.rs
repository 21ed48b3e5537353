//! The examples of the pages are commands and files that the programs take.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use playheadd::cli::daemon;
use playheadd::config::Config;

use super::{PAGES, programs};

/// What stands between `.EX` and `.EE`, as it is typed.
fn examples(page: &str) -> Vec<String> {
    let blocks = page.split("\n.EX\n").skip(1);
    let of = |block: &str| {
        let text = block.split("\n.EE\n").next().unwrap_or_default().replace("\\&", "");
        let pairs = [("\\-", "-"), ("\\(dq", "\""), ("\\(aq", "'"), ("\\(ga", "`"), ("\\e", "\\")];
        pairs.iter().fold(text, |text, (from, to)| text.replace(from, to))
    };
    blocks.map(of).collect()
}

fn all() -> Vec<String> {
    PAGES.iter().flat_map(|(_, made)| examples(&made())).collect()
}

/// The words of a command, up to a pipe or a redirection.
fn words(line: &str) -> Vec<OsString> {
    let command = line.split([';', '|', '<', '&']).next().unwrap_or_default();
    command.split_whitespace().map(OsString::from).collect()
}

#[test]
fn commands_are_taken_by_the_programs() {
    let (mut ctl, mut daemon) = (0, 0);
    for example in all() {
        for line in example.lines() {
            match line.split(' ').next() {
                Some("playheadctl") => {
                    ctl += 1;
                    let taken = programs::ctl().try_get_matches_from(words(line));
                    taken.unwrap_or_else(|e| panic!("{line}: {e}"));
                }
                Some("playheadd") => {
                    daemon += 1;
                    let taken = daemon::parse(words(line).into_iter().skip(1));
                    taken.unwrap_or_else(|e| panic!("{line}: {e}"));
                }
                _ => {}
            }
        }
    }
    assert!(ctl >= 10 && daemon >= 2, "{ctl} {daemon}");
}

#[test]
fn the_timeline_of_the_page_is_simulated() {
    let examples = all();
    let example = examples.iter().find(|example| example.contains("<<")).expect("one");
    let programs = Path::new(env!("CARGO_BIN_EXE_playheadctl")).parent().expect("a directory");
    let mut path = OsString::from(programs);
    path.push(":/usr/bin:/bin");
    let ran = Command::new("sh").args(["-c", example]).env("PATH", path).output().expect("a shell");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}");
    assert!(said.contains("sessionStart") && said.contains("sessionEnd"), "{said}");
}

#[test]
fn configurations_are_taken() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("playheadd.toml");
    let mut files = 0;
    for example in all() {
        if !example.starts_with('[') || example.starts_with("[Service]") {
            continue;
        }
        files += 1;
        // Names for the placeholders; a credential is a file that the service manager makes.
        let filled = example.replace("<your namespace>", "name").replace("<your host>", "host");
        let lines = filled.lines().filter(|line| !line.contains("${CREDENTIALS_DIRECTORY}"));
        std::fs::write(&file, lines.collect::<Vec<_>>().join("\n")).expect("a file");
        let taken = Config::load_with(&file, &[]);
        taken.unwrap_or_else(|e| panic!("{filled}\n{e}"));
    }
    assert!(files >= 4, "{files}");
}
