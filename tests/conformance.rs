//! Every given case through the simulator.

#[path = "conformance/from_edge.rs"]
mod from_edge;
#[path = "conformance/judge.rs"]
mod judge;
#[path = "conformance/through_edge.rs"]
mod through_edge;

use judge::Repeats;
use playheadd::sim;
use serde_json::{Value, json};

/// Looks at send times after an outage as they are without the rate for what is old (docs/behaviour.md
/// 2.11).
const AFTER_AN_OUTAGE: &str = "MC-048";

/// Rules of the Media Collection API alone: at Media Edge 422 is a fault of the configuration (edge 7.3), and
/// there is one path for downloads (edge 8).
const OF_MEDIA_COLLECTION: &[&str] = &["422-hit", "legacy-batch"];

fn run(case: &Value, repeats: Repeats) -> Vec<String> {
    judge::run_with(case, repeats, sim::simulate)
}

fn hold(name: &str, least: usize, repeats: Repeats) {
    hold_by(name, least, |case| run(case, repeats));
}

fn hold_by(name: &str, least: usize, run: impl Fn(&Value) -> Vec<String>) {
    let mut cases = judge::cases(name);
    assert!(cases.len() >= least, "{} cases", cases.len());
    for case in cases.iter_mut().filter(|case| case["id"] == AFTER_AN_OUTAGE) {
        case["set"] = json!(["delivery.backlog_ratio=0"]);
    }
    let mut report = String::new();
    for case in &cases {
        for fault in run(case) {
            report.push_str(&format!("{} {}: {fault}\n", case["id"], case["title"]));
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn the_scenarios_hold() {
    hold("scenarios.json", 14, Repeats::Tolerated);
}

#[test]
fn the_walks_hold() {
    hold("walks.json", 24, Repeats::Tolerated);
}

#[test]
fn each_rule_by_itself_holds() {
    hold("rules.json", 286, Repeats::Wrong);
}

#[test]
fn the_scenarios_hold_in_media_edge() {
    hold_by("scenarios.json", 14, |case| through_edge::run(case, Repeats::Tolerated));
}

#[test]
fn the_walks_hold_in_media_edge() {
    hold_by("walks.json", 24, |case| through_edge::run(case, Repeats::Tolerated));
}

#[test]
fn each_rule_by_itself_holds_in_media_edge() {
    hold_by("rules.json", 286, |case| match case["id"].as_str() {
        Some(id) if OF_MEDIA_COLLECTION.contains(&id) => Vec::new(),
        _ => through_edge::run(case, Repeats::Wrong),
    });
}

#[test]
fn players_of_mpris_hold_in_media_edge() {
    hold_by("mpris.json", 15, |case| through_edge::run(case, Repeats::Tolerated));
    hold_by("players.json", 50, |case| through_edge::run(case, Repeats::Wrong));
}

#[test]
fn our_own_rules_leave_nothing_open() {
    for case in judge::cases("rules.json") {
        let open = judge::list(&case["expect"]).iter().any(|want| want["optional"] == true);
        assert!(!open && case["allow_extra"].is_null(), "{}", case["id"]);
    }
}

#[test]
fn players_of_mpris_hold() {
    hold("mpris.json", 15, Repeats::Tolerated);
    hold("players.json", 50, Repeats::Wrong);
}

#[test]
fn a_case_that_is_not_met_is_found_out() {
    let mut cases = judge::cases("scenarios.json");
    let case = &mut cases[0];
    case["expect"][1]["at_s"] = 3.0.into();
    assert_eq!(run(case, Repeats::Tolerated).len(), 1, "a hit at another time");
    case["expect"][1]["at_s"] = 0.0.into();
    case["pings"][0]["max"] = 1.into();
    assert_eq!(run(case, Repeats::Tolerated).len(), 1, "too many pings");
}

#[test]
fn a_repeated_play_is_wrong_where_the_case_is_ours() {
    let case = &judge::cases("scenarios.json")[0];
    let twice = |lines: &[_], options| {
        let mut made = sim::simulate(lines, options);
        let n = made.iter().position(|line| line.body["eventType"] == "play").expect("a play");
        let mut again = made[n].clone();
        (again.at, again.answered) = (again.answered, again.answered + 0.02);
        let ts = again.body["playerTime"]["ts"].as_i64().expect("a time");
        again.body["playerTime"]["ts"] = (ts + 1).into();
        made.insert(n + 1, again);
        made
    };
    assert_eq!(judge::run_with(case, Repeats::Tolerated, twice), Vec::<String>::new());
    assert_eq!(judge::run_with(case, Repeats::Wrong, twice).len(), 1);
}
