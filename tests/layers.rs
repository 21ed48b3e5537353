//! The rooms and who may import whom (docs/architecture.md): the core is pure, and imports run one
//! way.

use std::path::{Path, PathBuf};

/// Room -> the rooms it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("engine", &["core"]),
    ("config", &["core"]),
    ("port", &["core", "engine"]),
    ("store", &["core"]),
    ("collector", &["core", "config"]),
    ("system", &["core", "port"]),
    ("dbus", &["core", "engine", "port", "system"]),
    ("mpris", &["core", "config", "port", "system"]),
    ("sim", &["core", "engine", "config", "store", "collector"]),
    ("bench", &["sim"]),
    ("app", &["core", "engine", "config", "port", "store", "collector", "system", "dbus", "mpris"]),
    ("ctl", &["core", "config", "system", "dbus", "sim", "bench", "cli"]),
    ("cli", &["dbus"]),
];

fn sources(of: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(of).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            found.push((path, text));
        }
    }
    found
}

/// Code without comments.
fn code(text: &str) -> String {
    text.lines().map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A word of a path, not a part of another word.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !part(before) && !part(after)
    })
}

#[test]
fn core_and_engine_are_pure() {
    let forbidden = [
        "tokio",
        "zbus",
        "sled",
        "reqwest",
        "rustix",
        "SystemTime",
        "Instant",
        "std::fs",
        "std::net",
        "std::env",
        "std::thread",
        "async",
        "await",
    ];
    let mut files = sources(&src().join("core"));
    files.extend(sources(&src().join("engine")));
    assert!(files.len() > 40, "core and engine were found");
    for (path, text) in files {
        for word in forbidden {
            assert!(!names(&code(&text), word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn imports_run_one_way() {
    for (path, text) in sources(&src()) {
        let relative = path.strip_prefix(src()).expect("below src");
        let room = relative.components().next().and_then(|c| c.as_os_str().to_str()).unwrap_or("");
        let room = room.trim_end_matches(".rs");
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == room) else {
            assert!(["bin", "lib"].contains(&room), "{} is in no room", path.display());
            continue;
        };
        let code = code(&text);
        assert!(!code.contains("super::super::super"), "{} climbs", path.display());
        assert!(!code.contains("crate::{"), "{} hides what it imports in a group", path.display());
        for (other, _) in MAY_IMPORT.iter().filter(|(other, _)| *other != room) {
            let imports = code.contains(&format!("crate::{other}"));
            assert!(
                !imports || allowed.contains(other),
                "{} imports {other}, which {room} may not",
                path.display()
            );
        }
    }
}

#[test]
fn no_room_is_called_util() {
    for (path, _) in sources(&src()) {
        let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        for word in ["util", "utils", "common", "helpers", "manager"] {
            assert_ne!(name, word, "{}", path.display());
        }
    }
}
