//! A small fleet holds the bounds of docs/fleet.md. `make fleet` is the large one.

use std::process::{Command, Output};

use playheadd::core::settings::Settings;
use playheadd::sim::fleet::{self, BIN, Bound, Run, Scenario, Way};

/// Runs a scenario with so many boxes.
fn run(name: &str, boxes: u32, way: Way) -> (Scenario, Run) {
    let mut scenario = Scenario::named(name).expect("a scenario");
    scenario.boxes = boxes;
    let run = fleet::run(&scenario, way, &Settings::default(), 1);
    (scenario, run)
}

/// The most requests in a minute, in relation to the steady rate: few boxes make too few requests in
/// 10 s to tell a peak from chance.
fn peak_of_a_minute(scenario: &Scenario, run: &Run) -> f64 {
    let minute = 60_000 / BIN as usize;
    let from = (scenario.begins_s * 1000 / BIN) as usize;
    let sums = run.bins[from..].windows(minute).map(|bins| {
        let requests: u32 = bins.iter().map(|bin| bin.requests).sum();
        f64::from(requests)
    });
    sums.fold(0.0, f64::max) / (scenario.steady() * 60.0)
}

fn holds(scenario: &Scenario, run: &Run) {
    let bounds = Bound::of(scenario);
    assert!(!bounds.is_empty(), "{} has bounds", scenario.name);
    for bound in bounds {
        let value = match bound.what.starts_with("peak") {
            true => peak_of_a_minute(scenario, run),
            false => bound.value(&run.figures),
        };
        assert!(value <= bound.most, "{}: {value}, at most {}", bound.what, bound.most);
    }
    let steady = run.figures.steady / scenario.steady();
    assert!((0.85..=1.15).contains(&steady), "the rate that was planned for: {steady}");
}

#[test]
fn two_thousand_boxes_come_back_after_an_hour_and_nothing_is_lost() {
    let (scenario, run) = run("outage", 2_000, Way::Ours);
    holds(&scenario, &run);
    assert!(run.figures.lost.all() * 10_000 <= run.figures.made, "{:?}", run.figures);
}

#[test]
fn half_of_all_requests_fail_and_there_is_no_storm() {
    let (scenario, run) = run("errors", 300, Way::Ours);
    holds(&scenario, &run);
    assert_eq!(run.figures.lost.all(), 0, "{:?}", run.figures);
}

#[test]
fn clients_that_do_not_try_again_lose_the_outage() {
    let never = Way::ALL[4];
    let (_, run) = run("outage", 2_000, never);
    assert!(run.figures.lost.all() * 3 > run.figures.made, "{:?}", run.figures);
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let once = run("update", 150, Way::Ours).1;
    let again = run("update", 150, Way::Ours).1;
    assert_eq!(once.figures, again.figures);
    assert_eq!(once.bins, again.bins);
}

fn playheadctl(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_playheadctl"));
    command.arg("fleet").args(args).output().expect("a process")
}

#[test]
fn wrong_use_is_said_in_a_sentence() {
    for (args, words) in [
        (&["flood"][..], "there is no scenario \"flood\": expected outage, region,"),
        (&["update", "--boxes", "3"][..], "--boxes is a number from 100 to 1000000, got 3"),
        (&["update", "--set", "delivery.max_rat=1"][..], "max_rat"),
    ] {
        let output = playheadctl(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn the_command_prints_figures_and_writes_a_table_and_a_picture() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().join("of/it");
    let path = out.to_str().expect("text");
    let output = playheadctl(&["update", "--boxes", "100", "--json", "--out", path]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<serde_json::Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect();
    assert_eq!(lines.len(), Way::ALL.len());
    assert_eq!(lines[0]["delivery"], "playheadd");
    assert_eq!(lines[0]["boxes"], 100);
    let read = |name: &str| std::fs::read_to_string(out.join(name)).expect("a file");
    let csv = read("update.csv");
    let columns = csv.lines().next().expect("a head").split(',').count();
    assert_eq!(columns, 1 + 4 * Way::ALL.len());
    assert!(csv.lines().all(|line| line.split(',').count() == columns));
    let svg = read("update.svg");
    assert_eq!(svg.matches("<polyline").count(), Way::ALL.len());
    assert!(svg.contains("prefers-color-scheme: dark") && svg.ends_with("</svg>\n"));
}

#[test]
fn the_scenarios_are_listed() {
    let output = playheadctl(&["list"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(Scenario::all().iter().all(|scenario| text.contains(scenario.name)), "{text}");
}
