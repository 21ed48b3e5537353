//! Timelines of single rules, a case a file, through the simulator: the numbers are right.

#[path = "conformance/judge.rs"]
#[allow(dead_code, reason = "the cases of the other files are not read here")]
mod judge;

use std::path::Path;

use playheadd::sim;

#[test]
fn every_timeline_gives_the_right_numbers() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/timelines");
    let (mut report, mut cases) = (String::new(), 0);
    for entry in std::fs::read_dir(dir).expect("tests/timelines").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("a file");
        let case = serde_json::from_str(&text).expect("a case");
        for fault in judge::run_with(&case, judge::Repeats::Wrong, sim::simulate) {
            report.push_str(&format!("{}: {fault}\n", case["id"]));
        }
        cases += 1;
    }
    assert!(cases > 3 && report.is_empty(), "{report}");
}
