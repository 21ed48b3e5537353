//! `media.live_day = "local"`: the second of the day is that of the box's zone at that moment, not
//! at the moment at which the configuration was read (docs/behaviour.md 1.1).

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Central Europe, written out, so that the test needs no zone files.
const ZONE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
/// 2026-10-25 00:59:50 UTC, ten seconds before the end of summer time; and noon in January.
const AUTUMN_MS: i64 = 1_792_889_990_000;
const WINTER_MS: i64 = 1_768_478_400_000;

/// The playheads of every `sessionStart` that a timeline gives.
fn starts(zone: &str, timeline: &str) -> Vec<f64> {
    let mut simulate = Command::new(env!("CARGO_BIN_EXE_playheadctl"))
        .args(["simulate", "--set", "media.live_day=\"local\"", "-"])
        .env("TZ", zone)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("playheadctl");
    let mut input = simulate.stdin.take().expect("a pipe");
    input.write_all(timeline.as_bytes()).expect("written");
    drop(input);
    let output = simulate.wait_with_output().expect("output");
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).expect("text");
    let bodies = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let starts = bodies.filter(|line| line["body"]["eventType"] == "sessionStart");
    starts.map(|s| s["body"]["playerTime"]["playhead"].as_f64().expect("a number")).collect()
}

fn live(at: f64, from: &str) -> String {
    format!(
        "{{\"at\":{at},\"event\":\"SessionStart\",\"playhead\":-1,\"from\":\"{from}\",\
         \"info\":{{\"id\":\"news\",\"content_type\":\"live\"}}}}\n"
    )
}

#[test]
fn the_second_of_the_day_follows_summer_time() {
    let boot =
        format!("{{\"at\":0,\"event\":\"Boot\",\"unix_ms\":{AUTUMN_MS},\"trusted\":true}}\n");
    let timeline = boot + &live(0.0, "p1") + &live(20.0, "p2");
    // 02:59:50 in summer; twenty seconds later it is 02:00:10 in winter.
    assert_eq!(starts(ZONE, &timeline), [10_790.0, 7_210.0]);
    assert_eq!(starts("UTC0", &timeline), [3_590.0, 3_610.0]);
}

#[test]
fn a_boot_in_1970_says_nothing_of_the_present_zone() {
    let mut timeline = r#"{"at":0,"event":"Boot","unix_ms":5000,"trusted":false}"#.to_owned();
    for (at, unix_ms) in [(5, AUTUMN_MS), (50, WINTER_MS)] {
        timeline += &format!(
            "\n{{\"at\":{at},\"event\":\"ClockSet\",\"unix_ms\":{unix_ms},\"trusted\":true}}\n"
        );
        timeline += &live(f64::from(at), &format!("p{at}"));
    }
    assert_eq!(starts(ZONE, &timeline), [10_790.0, 46_800.0]);
}
