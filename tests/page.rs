//! The page of the bench collector in a headless Chromium (`make test-peers`, because Chromium is large).

use std::path::Path;
use std::process::Command;

#[test]
fn the_scripted_evening_is_seen_in_a_browser() {
    let programs = Path::new(env!("CARGO_BIN_EXE_playheadctl")).parent().expect("a directory");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = Command::new("/usr/bin/python3")
        .arg(root.join("tests/page/drive.py"))
        .arg("--bin")
        .arg(programs)
        .output()
        .expect("python3");
    let text = String::from_utf8_lossy(&out.stdout);
    println!("{text}");
    if out.status.code() == Some(77) {
        return;
    }
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{text}{complaints}");
    assert_eq!(text.matches("\nok    ").count() + 1, 12, "{text}");
}

#[test]
fn the_scripted_evening_is_what_its_script_writes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = Command::new("/usr/bin/python3")
        .arg(root.join("demo/evening.py"))
        .output()
        .expect("python3");
    let kept = std::fs::read(root.join("demo/evening.jsonl")).expect("the evening");
    assert!(out.stdout == kept, "python3 demo/evening.py > demo/evening.jsonl");
}
