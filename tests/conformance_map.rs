//! docs/conformance.md holds what it says: each name is of a test that runs and that touches its
//! rule, each "real part" starts something real, and every rule is in the table.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A test function or a case.
struct Shown {
    file: PathBuf,
    /// Of a function its docstring and body, of a case all of it.
    text: String,
}

/// One row of the table.
struct Row {
    rule: String,
    held_by: Vec<String>,
    touches: Vec<String>,
    real: Vec<String>,
    simulator_only: bool,
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rows() -> Vec<Row> {
    let page = read(&root().join("docs/conformance.md"));
    let mut rows = Vec::new();
    for line in page.lines().filter(|line| line.starts_with('|')).skip(2) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, rule, _, held_by, touches, real, _] = cells[..] else {
            panic!("five columns are expected: {line}");
        };
        rows.push(Row {
            rule: rule.to_owned(),
            held_by: quoted(held_by),
            touches: quoted(touches),
            real: quoted(real),
            simulator_only: real == "simulator only",
        });
    }
    rows
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// The functions of a file with an attribute `test`, and not `ignore`; and those that
/// `with_both_kinds!` makes tests of.
fn tests_in(file: &Path, tests: &mut HashMap<String, Shown>) {
    let text = read(file);
    let lines: Vec<&str> = text.lines().collect();
    let is_attribute =
        |line: &str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    let both = text.split_once("\nwith_both_kinds!(").and_then(|(_, rest)| rest.split_once(')'));
    let both: Vec<&str> = both.map_or(Vec::new(), |(names, _)| names.split(',').collect());
    let of_both = |line: &str| {
        let name =
            line.strip_prefix("async fn ").and_then(|rest| rest.strip_suffix("(kind: Kind) {"));
        name.is_some_and(|name| both.iter().any(|listed| listed.trim() == name))
    };
    let starts: Vec<usize> = (0..lines.len())
        .filter(|at| is_attribute(lines[*at].trim_start()) || of_both(lines[*at]))
        .map(|at| {
            let above = lines[..at].iter().rev();
            at - above.take_while(|line| line.trim_start().starts_with("///")).count()
        })
        .collect();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(lines.len());
        let body = lines[*start..end].join("\n");
        let Some((attributes, rest)) = body.split_once("fn ") else { continue };
        if attributes.contains("#[ignore") {
            continue;
        }
        let name = rest.split('(').next().unwrap_or_default().to_owned();
        tests.insert(name, Shown { file: file.to_owned(), text: body });
    }
}

/// Everything that runs: the tests, and the cases of the files that `tests/conformance.rs` plays.
fn shown() -> HashMap<String, Shown> {
    let mut files = Vec::new();
    rust_files(&root().join("tests"), &mut files);
    rust_files(&root().join("src"), &mut files);
    let mut shown = HashMap::new();
    files.iter().for_each(|file| tests_in(file, &mut shown));
    let runner = read(&root().join("tests/conformance.rs"));
    for name in ["rules.json", "scenarios.json", "walks.json"] {
        assert!(runner.contains(&format!("hold(\"{name}\"")), "nothing plays {name}");
        let file = root().join("tests/conformance").join(name);
        let cases: Vec<serde_json::Value> = serde_json::from_str(&read(&file)).expect("cases");
        for case in cases {
            let id = case["id"].as_str().expect("an id").to_owned();
            shown.insert(id, Shown { file: file.clone(), text: case.to_string() });
        }
    }
    shown
}

/// Whether a docstring cites a rule, as in "spec 2, 3.1: ..." or "P1".
fn cites(text: &str, rule: &str) -> bool {
    let (page, section) = rule.rsplit_once(' ').unwrap_or(("", rule));
    let docs = text.lines().map(str::trim_start).filter(|line| line.starts_with("///"));
    docs.filter(|line| line.contains(page)).any(|line| {
        line.split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
            .any(|word| word.trim_end_matches('.') == section)
    })
}

#[test]
fn every_test_runs_and_touches_its_rule() {
    let shown = shown();
    let mut faults = Vec::new();
    let mut names = 0;
    for row in rows() {
        for name in &row.held_by {
            names += 1;
            let Some(test) = shown.get(name) else {
                faults.push(format!("{}: {name} is of no test that runs", row.rule));
                continue;
            };
            let touched = row.touches.iter().any(|word| test.text.contains(word.as_str()));
            if !touched && !cites(&test.text, &row.rule) {
                faults.push(format!("{}: {name} does not touch it", row.rule));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(names > 100, "{names} names were found");
}

/// The harness under tests/common starts dbus-daemon, the daemon, a collector and the store.
#[test]
fn every_real_part_is_real() {
    let shown = shown();
    for row in rows() {
        assert!(
            row.simulator_only == row.real.is_empty(),
            "{}: tests or 'simulator only'",
            row.rule
        );
        for name in &row.real {
            let test = shown.get(name).unwrap_or_else(|| panic!("{name} is of no test that runs"));
            let file = read(&test.file);
            assert!(file.contains("mod common;"), "{}: {name} starts nothing real", row.rule);
        }
    }
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
