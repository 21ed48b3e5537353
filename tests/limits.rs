//! The limits of docs/behaviour.md 2.8. How much may wait and what goes first, in virtual time; and on a
//! live bus everything that a crowd of connections of one uid can ask too much of. What the engine keeps
//! bounded by itself: tests/bounds.rs.

mod common;
#[path = "limits/crowd.rs"]
mod crowd;
#[path = "limits/live.rs"]
mod live;
#[path = "access/place.rs"]
mod place;

use playheadd::config::Config;
use playheadd::sim::{Exchange, Options, simulate, timeline};

fn run(story: &str, settings: &[&str]) -> Vec<Exchange> {
    let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
    let config = Config::from_overrides(&settings).expect("settings");
    let lines = timeline::parse("the story", story).expect("a timeline");
    simulate(&lines, Options { config, until_ms: None, seed: 0 })
}

/// Accepted hits by type, batches taken apart.
fn accepted(exchanges: &[Exchange], kind: &str) -> usize {
    exchanges
        .iter()
        .filter(|e| e.status.is_some_and(|s| s < 300))
        .flat_map(|e| e.body.as_array().cloned().unwrap_or_else(|| vec![e.body.clone()]))
        .filter(|body| body["eventType"] == kind)
        .count()
}

fn line(at: u32, event: &str, from: &str, info: &str) -> String {
    format!("{{\"at\":{at},\"event\":\"{event}\",\"from\":\"{from}\",\"info\":{{{info}}}}}\n")
}

/// Offline from the start; `PLAYS` times play and pause in an hour, then online.
const PLAYS: usize = 60;

fn offline_hour() -> String {
    let mut story = String::from("{\"at\":0,\"event\":\"NetworkDown\"}\n");
    story += &line(0, "SessionStart", "p1", "\"id\":\"m\",\"length\":9000");
    for n in 0..PLAYS as u32 {
        story += &line(n * 60, "Play", "p1", "");
        story += &line(n * 60 + 30, "Pause", "p1", "");
    }
    story + &line(3600, "End", "p1", "") + "{\"at\":3700,\"event\":\"NetworkUp\"}\n"
}

#[test]
fn with_room_for_everything_nothing_goes() {
    let exchanges = run(&offline_hour(), &[]);
    assert_eq!(accepted(&exchanges, "play"), PLAYS);
    assert!(accepted(&exchanges, "ping") > 200);
}

#[test]
fn pings_go_first_and_the_story_stays_whole() {
    let exchanges = run(&offline_hour(), &["delivery.queue_max_bytes=14000"]);
    assert_eq!(accepted(&exchanges, "play"), PLAYS);
    assert_eq!(accepted(&exchanges, "pauseStart"), PLAYS);
    assert_eq!(accepted(&exchanges, "sessionEnd"), 1);
    let pings = accepted(&exchanges, "ping");
    assert!((1..120).contains(&pings), "{pings} pings are left");
}

#[test]
fn then_downloaded_sessions_then_the_oldest() {
    let mut story = String::from("{\"at\":0,\"event\":\"NetworkDown\"}\n");
    for n in 0..6 {
        let from = format!("p{n}");
        let flag = if n == 3 { ",\"downloaded\":true" } else { "" };
        let at = n * 100;
        story += &line(at, "SessionStart", &from, &format!("\"id\":\"m{n}\"{flag}"));
        story += &line(at, "Play", &from, "");
        story += &line(at + 5, "Complete", &from, "");
    }
    story += "{\"at\":700,\"event\":\"NetworkUp\"}\n";
    let started = |settings: &[&str]| -> Vec<String> {
        let exchanges = run(&story, settings);
        let mut ids: Vec<String> = exchanges
            .iter()
            .filter(|e| e.status.is_some())
            .flat_map(|e| e.body.as_array().cloned().unwrap_or_else(|| vec![e.body.clone()]))
            .filter_map(|body| body["params"]["media.id"].as_str().map(str::to_owned))
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(started(&[]), ["m0", "m1", "m2", "m3", "m4", "m5"]);
    // A session of three bare hits takes about 1,300 bytes, the records beside it included.
    assert_eq!(started(&["delivery.queue_max_bytes=7000"]), ["m0", "m1", "m2", "m4", "m5"]);
    assert_eq!(started(&["delivery.queue_max_bytes=4000"]), ["m2", "m4", "m5"]);
}

#[test]
fn what_is_older_than_the_limit_goes() {
    let story = line(0, "SessionStart", "p1", "\"id\":\"old\"")
        + &line(1, "Play", "p1", "")
        + &line(2, "Complete", "p1", "")
        + &line(3000, "SessionStart", "p1", "\"id\":\"new\"")
        + &line(3001, "Complete", "p1", "")
        + "{\"at\":3600,\"event\":\"NetworkUp\"}\n";
    let story = String::from("{\"at\":0,\"event\":\"NetworkDown\"}\n") + &story;
    let exchanges = run(&story, &["delivery.queue_max_age_seconds=1800"]);
    assert_eq!(accepted(&exchanges, "sessionStart"), 1);
    let answered = exchanges.iter().find(|e| e.status.is_some()).expect("an answer");
    assert_eq!(answered.body["params"]["media.id"], "new");
}

#[test]
fn a_budget_of_bytes_holds_until_the_next_day() {
    // Two hours before midnight UTC.
    let mut story =
        String::from("{\"at\":0,\"event\":\"Boot\",\"unix_ms\":1700085600000,\"trusted\":true}\n");
    story += &line(0, "SessionStart", "p1", "\"id\":\"m\",\"downloaded\":true");
    story += &line(0, "Complete", "p1", "");
    story += &line(10, "SessionStart", "p1", "\"id\":\"n\",\"downloaded\":true");
    story += &line(10, "Complete", "p1", "");
    let lines = timeline::parse("the story", &story).expect("a timeline");
    let config = Config::from_overrides(&["delivery.daily_bytes=100".into()]).expect("settings");
    let exchanges = simulate(&lines, Options { config, until_ms: Some(90_000_000), seed: 0 });
    let at: Vec<f64> = exchanges.iter().map(|e| e.at).collect();
    assert_eq!(at, [0.0, 7200.0], "the second waits for midnight");
}
