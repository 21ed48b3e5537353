//! What was answered survives SIGKILL of the daemon, and the session goes on with its sid
//! (behaviour.md 2.5, 2.9). `PLAYHEADD_BIN` names another daemon to hold to it.

mod common;

use common::{Info, Kind, Rng, SESSION, World, film, nothing, of_type};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

const KILLS: usize = 50;
const CALLS: usize = 8;

with_both_kinds!(
    every_answered_event_reaches_the_collector_in_order,
    a_stop_that_was_asked_for_keeps_everything_too,
    a_player_that_left_meanwhile_is_found_gone,
    what_a_player_says_to_the_restarted_daemon_before_it_leaves_counts,
);

async fn every_answered_event_reaches_the_collector_in_order(kind: Kind) {
    let mut world = World::start_with(kind, "[heartbeat]\nmain_seconds = 0.1\n").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    // A kill between the collector's answer and its record would open the session twice: the sid is
    // stored before the next event is answered.
    while !bool::try_from(player.property(&session, SESSION, "Opened").await).expect("a boolean") {}
    player.call(&session, "Pause", 0.0, nothing()).await.expect("pause");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    let mut moments = Rng(7);
    let mut answered = vec![];
    for round in 0..KILLS {
        let kill_after = moments.below(CALLS + 1);
        let mut calls: FuturesUnordered<_> = (0..CALLS)
            .map(|n| {
                let mark = (round * CALLS + n) as i64 + 1;
                let info = Info::from([("bitrate", mark.into())]);
                let call = player.call(&session, "BitrateChange", mark as f64, info);
                async move { (mark, call.await) }
            })
            .collect();
        for _ in 0..kill_after {
            let (mark, answer) = calls.next().await.expect("an answer");
            answer.unwrap_or_else(|e| panic!("mark {mark}: {e}"));
            answered.push(mark);
        }
        world.agent.kill().await;
        // What was answered before the end counts too.
        while let Some((mark, answer)) = calls.next().await {
            if answer.is_ok() {
                answered.push(mark);
            }
        }
        world.agent.start_again().await;
    }
    answered.sort_unstable();
    player.call(&session, "End", 500.0, nothing()).await.expect("the session is still there");
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    assert!(hits.iter().all(|r| r.sid.as_deref() == Some("S1")), "one sid to the end");
    assert_eq!(of_type(&hits, "sessionStart").len(), 1);
    let mut delivered: Vec<i64> = of_type(&hits, "bitrateChange")
        .iter()
        .map(|r| r.body["qoeData"]["media.qoe.bitrate"].as_i64().expect("a mark"))
        .collect();
    assert!(delivered.is_sorted(), "in order: {delivered:?}");
    // A hit whose acceptance was not recorded before the kill comes twice.
    delivered.dedup();
    let missing: Vec<_> = answered.iter().filter(|m| !delivered.contains(m)).collect();
    assert!(missing.is_empty(), "answered and lost: {missing:?}");
    assert!(answered.len() > KILLS, "the test has played: {} answers", answered.len());
}

async fn a_stop_that_was_asked_for_keeps_everything_too(kind: Kind) {
    let mut world = World::start_with(kind, "").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    assert!(world.agent.stop().success());
    world.agent.start_again().await;
    player.call(&session, "Pause", 3.0, nothing()).await.expect("pause");
    player.call(&session, "End", 3.0, nothing()).await.expect("end");
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    assert_eq!(common::types(&hits, "S1"), ["sessionStart", "play", "pauseStart", "sessionEnd"]);
}

async fn a_player_that_left_meanwhile_is_found_gone(kind: Kind) {
    let mut world = World::start_with(kind, "[interrupt]\ngrace_seconds = 1\n").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
    world.agent.kill().await;
    player.die().await;
    world.agent.start_again().await;
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    let mut types = common::types(&hits, "S1");
    // The kill can come between the acceptance of `play` and its record; then it comes twice.
    types.dedup();
    assert_eq!(types, ["sessionStart", "play", "pauseStart", "sessionEnd"]);
    let point = world.player().await.resume_point("tv.example.tests", "ep-1").await;
    assert!(!bool::try_from(&point["completed"]).unwrap());
}

async fn what_a_player_says_to_the_restarted_daemon_before_it_leaves_counts(kind: Kind) {
    let mut world = World::start_with(kind, "[interrupt]\ngrace_seconds = 1\n").await;
    let player = world.player().await;
    player.emit("/p", "SessionStart", 0.0, film("ep-1")).await;
    player.emit("/p", "Play", 0.0, nothing()).await;
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
    world.agent.kill().await;
    world.agent.start_again().await;
    // The player is gone before the daemon comes to its last signal.
    world.agent.freeze();
    player.emit("/p", "Complete", 600.0, nothing()).await;
    player.die().await;
    world.agent.go_on();
    let over = |hits: &[_]| !of_type(hits, "sessionComplete").is_empty();
    world.wait("the end that it said", over);
}
