//! Each message id of the log has an entry in the journal's catalog and a line in the page for operators,
//! and the other way round.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Name and id of each constant.
fn ids() -> BTreeMap<String, String> {
    let text = read("src/core/message_ids.rs");
    let constants = text.lines().filter_map(|line| line.strip_prefix("pub const "));
    let constants = constants.map(|line| {
        let (name, rest) = line.split_once(": &str = \"").expect("a constant");
        (name.to_owned(), rest.strip_suffix("\";").expect("its end").to_owned())
    });
    constants.collect()
}

/// Everything of the program, in one text.
fn sources(of: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(of).expect("a directory") {
        let path = entry.expect("an entry").path();
        all += &match path.is_dir() {
            true => sources(&path),
            false => std::fs::read_to_string(&path).unwrap_or_default(),
        };
    }
    all
}

#[test]
fn ids_and_catalog_are_the_same() {
    let ids = ids();
    let known: BTreeSet<String> = ids.values().cloned().collect();
    assert!(known.len() == ids.len() && known.len() >= 12, "{ids:?}");
    for id in &known {
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        assert!(id.len() == 32 && id.chars().all(hex), "{id} is no 128-bit id");
    }
    let catalog = read("systemd/playheadd.catalog");
    let entries: Vec<&str> = catalog.split("\n-- ").skip(1).collect();
    let explained: BTreeSet<String> =
        entries.iter().map(|entry| entry.lines().next().expect("an id").to_owned()).collect();
    assert_eq!(known, explained);
    assert_eq!(entries.len(), explained.len(), "an id is explained twice");
    let page = read("docs/operating.md");
    for entry in entries {
        let (head, text) = entry.split_once("\n\n").expect("a head and a text");
        let id = head.lines().next().expect("an id");
        assert!(head.contains("\nSubject: ") && head.contains("\nDefined-By: playheadd"), "{head}");
        // What it is, and what to do.
        assert!(text.trim().split("\n\n").count() >= 2, "{text}");
        assert!(page.contains(id), "docs/operating.md does not have {id}");
    }
}

#[test]
fn every_id_is_in_use() {
    let program = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for name in ids().keys() {
        assert!(program.contains(&format!("ids::{name}")), "{name} is nobody's");
    }
}

#[test]
fn fields_in_the_catalog_are_logged() {
    let program = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let catalog = read("systemd/playheadd.catalog");
    let named = catalog.split('@').skip(1).step_by(2);
    for field in named {
        let name = field.strip_prefix("PLAYHEAD_").expect("a field of ours").to_lowercase();
        assert!(program.contains(&format!("{name},")) || program.contains(&format!("{name} =")));
    }
}
