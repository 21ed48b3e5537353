//! The players under `examples/`, built and run.

#![allow(dead_code)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use playheadd::bench::Record;

use super::playhead;

#[derive(Clone, Copy, PartialEq)]
pub enum Language {
    C,
    Cpp,
    Python,
}

/// The player, ready to run. Those in C and C++ are built with the sanitizers, so that a leak or a
/// wild pointer is a failed run.
pub fn player(language: Language) -> Command {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    if language == Language::Python {
        let mut command = Command::new("/usr/bin/python3");
        command.arg(examples.join("python/both_doors.py"));
        return command;
    }
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("players");
    std::fs::create_dir_all(&out).expect("a directory");
    let program =
        out.join(if language == Language::C { "player-c" } else { "player-cpp" }).to_owned();
    // One test builds, the others find it done.
    let lock = File::create(program.with_extension("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let make = Command::new("make")
        .args(["--no-print-directory", "-C"])
        .arg(&examples)
        .arg(format!("OUT={}", out.display()))
        .arg("SANITIZE=address,undefined")
        .arg(&program)
        .output()
        .expect("make");
    let said = String::from_utf8_lossy(&make.stderr).into_owned();
    assert!(make.status.success(), "{said}\n(Debian packages: gcc g++ libsystemd-dev)");
    Command::new(program)
}

pub fn arguments(door: &str) -> [&str; 2] {
    [door, "film-7"]
}

pub fn said(out: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

/// What a viewing looks like on the wire: a pause, a seek of 30 s, an ad break, and it is left.
pub fn viewing(from: f64) -> Vec<(String, f64)> {
    [
        ("sessionStart", 0.0),
        ("play", 0.0),
        ("pauseStart", 1.0),
        ("play", 1.0),
        ("pauseStart", 1.0),
        ("play", 31.0),
        ("adBreakStart", 32.0),
        ("adStart", 32.0),
        ("adComplete", 32.0),
        ("adBreakComplete", 32.0),
        ("play", 32.0),
        ("sessionEnd", 33.0),
    ]
    .map(|(kind, at)| (kind.to_owned(), from + at))
    .into()
}

/// The hits of a session without pings: event type and playhead.
pub fn hits_of(hits: &[Record], sid: &str) -> Vec<(String, f64)> {
    hits.iter()
        .filter(|r| r.sid.as_deref() == Some(sid) && r.event_type() != "ping")
        .map(|r| (r.event_type().to_owned(), playhead(r)))
        .collect()
}
