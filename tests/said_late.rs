//! Events that their player could not say at once: the info key `at`, in timelines `happened`
//! (docs/behaviour.md 1.1).

mod common;

use std::collections::HashMap;

use common::{World, film, nothing, of_type, refusal};
use playheadd::config::Config;
use playheadd::sim::{self, Options, timeline};
use zbus::Variant;

/// When the simulated box boots.
const BOOTED_MS: i64 = 1_700_000_000_000;

/// The hits of a timeline: event and milliseconds on the timeline. Its player has opened a film at 0,
/// and plays it from 0.1 s on.
fn hits(rest: &[&str]) -> Vec<(String, i64)> {
    hits_with(&[], rest)
}

fn hits_with(set: &[&str], rest: &[&str]) -> Vec<(String, i64)> {
    let begin = [
        r#"{"at":0,"event":"SessionStart","playhead":0,"info":{"id":"film","length":3600}}"#,
        r#"{"at":0.1,"event":"Play","playhead":0}"#,
    ];
    let text = [&begin, rest].concat().join("\n");
    let lines = timeline::parse("test", &text).expect("a timeline");
    let set: Vec<String> = set.iter().map(|&pair| pair.to_owned()).collect();
    let config = Config::from_overrides(&set).expect("a configuration");
    let options = Options { config, until_ms: Some(200_000), seed: 0 };
    let exchanges = sim::simulate(&lines, options);
    let hits = exchanges.iter().map(|exchange| {
        let event = exchange.body["eventType"].as_str().expect("an event").to_owned();
        (event, exchange.body["playerTime"]["ts"].as_i64().expect("a time") - BOOTED_MS)
    });
    hits.collect()
}

fn when(hits: &[(String, i64)], event: &str) -> Vec<i64> {
    hits.iter().filter(|(name, _)| name == event).map(|(_, at)| *at).collect()
}

#[test]
fn an_event_is_dated_when_it_happened() {
    let hits = hits(&[
        r#"{"at":8,"event":"Pause","playhead":5,"happened":5.1}"#,
        r#"{"at":9,"event":"Play","playhead":5,"happened":5.25}"#,
    ]);
    assert_eq!(when(&hits, "pauseStart"), [5_100]);
    assert_eq!(when(&hits, "play"), [100, 5_250]);
}

#[test]
fn what_cannot_be_true_counts_from_its_arrival() {
    for (why, pause, at) in [
        ("in the future", r#"{"at":4,"event":"Pause","happened":4.001}"#, 4_000),
        ("at once", r#"{"at":4,"event":"Pause","happened":4}"#, 4_000),
        ("before the last event", r#"{"at":4,"event":"Pause","happened":0.099}"#, 4_000),
        ("at the last event", r#"{"at":4,"event":"Pause","happened":0.1}"#, 101),
        ("before the last ping", r#"{"at":14,"event":"Pause","happened":9.5}"#, 14_000),
        ("before the session", r#"{"at":4,"event":"Pause","happened":0}"#, 4_000),
    ] {
        assert_eq!(when(&hits(&[pause]), "pauseStart"), [at], "{why}");
    }
    // Without pings in between.
    let set = ["heartbeat.main_seconds=50"];
    for (pause, at) in [
        (r#"{"at":49,"event":"StateStart","info":{"name":"mute"},"happened":1}"#, 1_000),
        (r#"{"at":49,"event":"StateStart","info":{"name":"mute"},"happened":0.2}"#, 200),
    ] {
        assert_eq!(when(&hits_with(&set, &[pause]), "stateStart"), [at]);
    }
    let old = [
        r#"{"at":1,"event":"Pause"}"#,
        r#"{"at":70,"event":"StateStart","info":{"name":"mute"},"happened":9.999}"#,
    ];
    let none = ["heartbeat.main_seconds=600"];
    let hits = hits_with(&none, &old);
    assert!(when(&hits, "stateStart").iter().all(|at| *at == 70_000), "{hits:?}");
    let old = [old[0], &old[1].replace("9.999", "10")];
    let hits = hits_with(&none, &old);
    assert_eq!(when(&hits, "stateStart"), [10_000], "60 s and not more: {hits:?}");
}

#[test]
fn what_happened_while_the_agent_was_away_is_dated_right_in_an_ad_too() {
    let hits = hits(&[
        r#"{"at":4,"event":"AdBreakStart","info":{"name":"b","position":1,"start":4}}"#,
        r#"{"at":4,"event":"AdStart","info":{"id":"a","name":"A","position":1,"length":9}}"#,
        r#"{"at":6.5,"event":"AgentCrash","down_s":8}"#,
        r#"{"at":15,"event":"AdComplete","happened":8.3}"#,
        r#"{"at":15.1,"event":"AdBreakComplete","happened":8.4}"#,
        // A ping is due at 18.4 s, and one in the ad was due long ago.
        r#"{"at":16.5,"event":"Pause","playhead":5,"happened":9.5}"#,
        r#"{"at":40,"event":"Playhead","playhead":5}"#,
    ]);
    assert_eq!(when(&hits, "adComplete"), [8_300], "{hits:?}");
    assert_eq!(when(&hits, "adBreakComplete"), [8_400], "{hits:?}");
    assert_eq!(when(&hits, "pauseStart"), [9_500], "{hits:?}");
    let pings = when(&hits, "ping");
    assert!(pings.iter().all(|at| *at < 6_500 || *at >= 19_500), "{hits:?}");
    assert!(pings.iter().any(|at| *at > 19_000), "they go on: {hits:?}");
    assert!(hits.windows(2).all(|pair| pair[0].1 < pair[1].1), "{hits:?}");
}

#[test]
fn a_session_can_have_begun_before_it_was_opened() {
    let hits = hits(&[
        r#"{"at":20,"event":"SessionStart","from":"p2","playhead":0,"info":{"id":"b"},"happened":17.5}"#,
        r#"{"at":20,"event":"Play","from":"p2","playhead":0,"happened":17.6}"#,
        r#"{"at":20,"event":"AdBreakStart","from":"p2","info":{"name":"b","position":1,"start":0},"happened":17.7}"#,
    ]);
    assert_eq!(when(&hits, "sessionStart"), [0, 17_500], "{hits:?}");
    assert_eq!(when(&hits, "adBreakStart"), [17_700], "{hits:?}");
    assert_eq!(when(&hits, "play"), [100], "the play before a preroll is taken back: {hits:?}");
}

#[test]
fn the_same_event_said_again_changes_nothing() {
    let mute = r#"{"at":5,"event":"StateStart","info":{"name":"mute"},"happened":4}"#;
    let full = r#"{"at":5,"event":"StateStart","info":{"name":"full"},"happened":4}"#;
    let crash = r#"{"at":5,"event":"AgentCrash","down_s":1}"#;
    let later = full.replace(r#""at":5"#, r#""at":7"#);
    let hits = hits(&[mute, mute, full, crash, &later]);
    // One millisecond apart, so that the collector can sort them.
    assert_eq!(when(&hits, "stateStart"), [4_000, 4_001], "{hits:?}");
}

#[test]
fn a_wrong_happened_is_a_mistake_in_the_line() {
    for (line, part) in [
        (
            r#"{"at":1,"event":"Play","happened":-1}"#,
            "'happened' must be 0 or more seconds, got -1",
        ),
        (r#"{"at":1,"event":"Play","happened":"1"}"#, "invalid type: string"),
        (r#"{"at":1,"event":"Wake","happened":1,"silents":1}"#, "unknown member 'silents'"),
    ] {
        let error = timeline::parse("f", line).expect_err(line).to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// CLOCK_BOOTTIME in microseconds.
fn boottime() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

#[tokio::test]
async fn a_player_whose_answers_were_lost_says_it_all_again() {
    let mut world = World::start("").await;
    let player = world.player().await;
    let opened = boottime();
    let open = || {
        let mut media = film("ep-1");
        media.insert("at", Variant::from(opened));
        player.open(0.0, media)
    };
    let session = open().await.expect("a session");
    assert_eq!(open().await.expect("the same"), session);
    world.agent.kill().await;
    world.agent.start_again().await;
    assert_eq!(open().await.expect("the same after a kill"), session);
    let other = player.open(0.0, film("ep-1")).await;
    assert_eq!(refusal(other.map(|_| ())).0, "tv.playhead.Error.NotAllowed");

    let paused = boottime();
    let pause = || HashMap::from([("at", Variant::from(paused))]);
    player.call(&session, "Play", 0.0, nothing()).await.expect("played");
    let before = common::now_ms();
    world.agent.kill().await;
    let muted = boottime();
    let mute = || HashMap::from([("at", Variant::from(muted)), ("name", Variant::from("mute"))]);
    let after = common::now_ms();
    world.agent.start_again().await;
    for _ in 0..2 {
        player.call(&session, "StateStart", 0.0, mute()).await.expect("muted");
    }
    // It was before what was said meanwhile.
    player.call(&session, "Pause", 0.0, pause()).await.expect("paused");
    player.call(&session, "End", 0.0, nothing()).await.expect("ended");
    let hits = world.wait("the end", |hits| of_type(hits, "sessionEnd").len() == 1);
    // A start that was under way at the first kill comes twice. Each agent rounds the clock by itself.
    let starts = of_type(&hits, "sessionStart").into_iter();
    let starts: Vec<i64> =
        starts.map(|hit| hit.body["playerTime"]["ts"].as_i64().expect("a time")).collect();
    assert!(starts.iter().all(|at| (at - starts[0]).abs() <= 2), "one was opened: {starts:?}");
    let muted = of_type(&hits, "stateStart");
    assert_eq!(muted.len(), 1);
    let at = muted[0].body["playerTime"]["ts"].as_i64().expect("a time");
    assert!((before - 2..=after + 2).contains(&at), "{before} {at} {after}");
    let paused = of_type(&hits, "pauseStart")[0].body["playerTime"]["ts"].as_i64();
    assert!(paused.expect("a time") > after, "it counts from its arrival");
}

#[tokio::test]
async fn a_wrong_type_is_refused() {
    let world = World::start("").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    let wrong = HashMap::from([("at", Variant::from("noon"))]);
    let (name, why) = refusal(player.call(&session, "Play", 0.0, wrong).await);
    assert_eq!(name, "tv.playhead.Error.InvalidArgs");
    assert!(why.contains("'at' must be an integer (x), microseconds of CLOCK_BOOTTIME"), "{why}");
}
