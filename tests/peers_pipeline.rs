//! An operator's own pipeline (`make test-peers`, because ClickHouse is large): what a scripted evening of
//! ten boxes sends is OTLP to the letter, the three ways of `examples/pipeline` make the same rows of it, and
//! its queries answer with what happened. The checks themselves are `peers_pipeline/run.py`.

#[path = "common/skipped.rs"]
mod skipped;

use std::path::Path;
use std::process::Command;

fn holds(what: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/pipeline/bin/python");
    // `make pipeline-deps` writes this file last.
    if !root.join("target/pipeline/requirements.txt").exists() {
        let log = std::fs::read_to_string(root.join("target/pipeline/log")).unwrap_or_default();
        let why = log.lines().last().unwrap_or("run `make pipeline-deps`");
        return skipped::skip(&format!("peers_pipeline {what}"), why);
    }
    let out = Command::new(python)
        .arg(root.join("tests/peers_pipeline/run.py"))
        .args([env!("CARGO_BIN_EXE_playheadctl"), what])
        .output()
        .expect("python");
    let text = String::from_utf8_lossy(&out.stdout);
    println!("{text}");
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn every_body_is_a_message_of_otlp_without_a_field_too_many() {
    holds("bodies");
}

#[test]
fn the_collector_vector_and_fluent_bit_make_the_same_rows_and_each_record_once() {
    holds("ways");
}

#[test]
fn the_five_queries_answer_with_what_the_evening_was() {
    holds("queries");
}
