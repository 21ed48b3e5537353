//! The rooms and who may import whom (docs/architecture.md): the core is pure, and imports run one
//! way.

use std::collections::{BTreeMap, BTreeSet};
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
    ("sim", &["core", "engine", "config", "store", "collector", "mpris"]),
    ("bench", &["sim"]),
    ("app", &["core", "engine", "config", "port", "store", "collector", "system", "dbus", "mpris"]),
    ("ctl", &["core", "config", "collector", "system", "dbus", "mpris", "sim", "bench", "cli"]),
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

/// The file of a module path, as far as it names one: the longest beginning that is a file.
fn file_of(module: &[String]) -> Option<PathBuf> {
    (1..=module.len()).rev().find_map(|n| {
        let path = module[..n].iter().fold(src(), |path, part| path.join(part));
        let candidates = [path.with_extension("rs"), path.join("mod.rs")];
        candidates.into_iter().find(|candidate| candidate.is_file())
    })
}

/// The module that a file is.
fn module_of(path: &Path) -> Vec<String> {
    let relative = path.strip_prefix(src()).expect("below src").with_extension("");
    let parts = relative.iter().filter_map(|part| part.to_str()).map(str::to_owned);
    parts.filter(|part| part != "mod").collect()
}

/// The module paths that a file's `use` lines name, without groups of more than one level.
fn imports(path: &Path, text: &str) -> Vec<Vec<String>> {
    let code = code(text);
    let code = code.split("#[cfg(test)]").next().unwrap_or_default();
    let module = module_of(path);
    let mut found = Vec::new();
    for part in code.split(';') {
        let Some((_, used)) = part.rsplit_once("use ") else { continue };
        let used: String = used.split_whitespace().collect();
        let (stem, group) = used.split_once('{').map_or((used.as_str(), ""), |(s, g)| (s, g));
        let mut base: Vec<String> = Vec::new();
        for (n, word) in stem.split("::").filter(|word| !word.is_empty()).enumerate() {
            match word {
                "crate" => {}
                "self" => base.clone_from(&module),
                "super" if n == 0 => base = module[..module.len().saturating_sub(1)].to_vec(),
                "super" => {
                    base.pop();
                }
                word => base.push(word.to_owned()),
            }
        }
        if !["crate", "self", "super"].iter().any(|root| stem.starts_with(root)) {
            continue;
        }
        if group.is_empty() {
            found.push(base);
            continue;
        }
        for name in group.trim_end_matches('}').split(',').filter(|name| !name.is_empty()) {
            let mut full = base.clone();
            full.extend(name.split("::").filter(|word| *word != "self").map(str::to_owned));
            found.push(full);
        }
    }
    found
}

/// A folder's `mod.rs` and the files of its folder are one room: they may know each other.
fn one_room(a: &Path, b: &Path) -> bool {
    let holds = |room: &Path, part: &Path| {
        room.ends_with("mod.rs") && room.parent().is_some_and(|folder| part.starts_with(folder))
    };
    a == b || holds(a, b) || holds(b, a)
}

#[test]
fn no_file_imports_one_that_imports_it() {
    let files = sources(&src());
    let mut edges: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    for (path, text) in &files {
        let of = imports(path, text).into_iter().filter_map(|module| file_of(&module));
        edges.insert(path.clone(), of.filter(|other| !one_room(path, other)).collect());
    }
    assert!(edges.values().map(BTreeSet::len).sum::<usize>() > 300, "imports were found");
    let short = |path: &Path| path.strip_prefix(src()).expect("below src").display().to_string();
    let mut circles = BTreeSet::new();
    for start in edges.keys() {
        let mut left: Vec<&PathBuf> = edges[start].iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(next) = left.pop() {
            if next == start {
                circles.insert(short(start));
                break;
            }
            if seen.insert(next) {
                left.extend(edges.get(next).into_iter().flatten());
            }
        }
    }
    assert!(circles.is_empty(), "these import each other: {circles:#?}");
}
