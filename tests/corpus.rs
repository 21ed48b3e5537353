//! The checked-in corpus of the fuzzers, replayed: what once was interesting or broke something
//! stays harmless, on the stable compiler and without a fuzzer (`make fuzz` looks for more).

#[path = "../fuzz/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Runs a target over each file of its corpus and names every file that breaks something.
fn replay(target: &str, run: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus-seed").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&dir)
        .expect("a corpus")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", dir.display());
    let broken: Vec<_> = files
        .iter()
        .filter(|file| {
            let data = std::fs::read(file).expect("a file of the corpus");
            catch_unwind(AssertUnwindSafe(|| run(&data))).is_err()
        })
        .collect();
    assert!(broken.is_empty(), "{target} breaks on {broken:#?}");
}

#[test]
fn infos_from_the_bus() {
    replay("info", targets::info);
}

#[test]
fn timelines() {
    replay("timeline", targets::timeline);
}

#[test]
fn answers_of_the_collector() {
    replay("answer", targets::answer);
}

#[test]
fn stored_bytes() {
    replay("stored", targets::stored);
}
