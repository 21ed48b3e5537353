//! docs/conformance.md names only what exists, and every rule is in it.

use std::collections::HashSet;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every function that is a test, and every case.
fn known() -> HashSet<String> {
    let mut known = HashSet::new();
    let mut folders = vec![root().join("tests"), root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = read(&path);
                for (at, _) in text.match_indices("test]\n").chain(text.match_indices("2)]\n")) {
                    let after = text[at..].split("fn ").nth(1).unwrap_or_default();
                    known.insert(after.split('(').next().unwrap_or_default().to_owned());
                }
                // Property tests take arguments, and their attribute stands in a macro.
                for (at, _) in text.match_indices("    fn ") {
                    let name = &text[at + 7..];
                    known.insert(name.split('(').next().unwrap_or_default().to_owned());
                }
            } else if path.parent().is_some_and(|p| p.ends_with("conformance")) {
                let cases: Vec<serde_json::Value> =
                    serde_json::from_str(&read(&path)).expect("cases");
                known.extend(cases.iter().filter_map(|c| c["id"].as_str().map(str::to_owned)));
            }
        }
    }
    known
}

#[test]
fn every_name_is_of_something() {
    let known = known();
    let page = read(&root().join("docs/conformance.md"));
    let mut names = 0;
    for row in page
        .lines()
        .filter(|l| l.starts_with("| spec") || l.starts_with("| P") || l.starts_with("| behaviour"))
    {
        let held_by = row.trim_end_matches('|').rsplit('|').next().expect("a last column");
        for name in held_by.split('`').skip(1).step_by(2) {
            assert!(known.contains(name), "{name} is of nothing, in: {row}");
            names += 1;
        }
    }
    assert!(names > 100, "{names} names were found");
}

#[test]
fn every_rule_is_in_the_table() {
    let protocol = read(&root().join("docs/protocol.md"));
    let page = read(&root().join("docs/conformance.md"));
    let mut rules = 0;
    for line in protocol.lines() {
        let title = line.trim_start_matches('#').trim();
        let number = title.split_whitespace().next().unwrap_or_default().trim_end_matches('.');
        let chapter = number.split('.').next().unwrap_or_default().parse::<u32>();
        let has_parts = |n: &str| protocol.contains(&format!("### {n}.1"));
        let section = line.starts_with("## ") || line.starts_with("### ");
        if section && chapter.is_ok_and(|n| (3..=9).contains(&n)) && !has_parts(number) {
            assert!(
                page.contains(&format!("| spec {number} |")),
                "spec {number} is not in the table"
            );
            rules += 1;
        }
        let rule = line.split('|').nth(1).unwrap_or_default().trim();
        if rule.strip_prefix('P').is_some_and(|n| n.parse::<u32>().is_ok()) {
            assert!(page.contains(&format!("\n| {rule} |")), "{rule} is not in the table");
            rules += 1;
        }
    }
    assert!(rules >= 30, "{rules} rules were found");
}
