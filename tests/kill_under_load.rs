//! The real daemon on its real store, killed at random moments under load, with a collector that
//! fails one request in five: no answered event is missing, and each session's come in order
//! (behaviour.md 2.5, 2.7, 2.9). `PLAYHEADD_KILLS` says how often it is killed.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Info, Kind, Player, Rng, World, film, nothing, of_type};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use playheadd::bench::{Collector, Record};
use zbus::OwnedObjectPath;

const PLAYERS: usize = 3;
const CALLS: usize = 6;
/// How long a start may go on before it is killed too. A start takes some ten milliseconds.
const MOST_YIELDS: usize = 100_000;
/// Kills between two moments at which everything is waited for.
const KILLS_A_STRETCH: usize = 25;
/// Fault rules made for a stretch; each request uses one up.
const RULES: usize = 4_000;
/// The marks of a player begin at its number times this.
const MARKS: i64 = 1_000_000;
/// Short intervals, so that there is much to do; and no grace that could end a session meanwhile.
const CONFIG: &str = "[heartbeat]\nmain_seconds = 0.1\n\n[interrupt]\ngrace_seconds = 600\n\n\
                      [delivery]\nreconnect_spread_seconds = 0\nbacklog_ratio = 0\nmax_rate = 0\n";

/// One request in five fails, in one of the ways in which collectors fail. A rule that lets a
/// request through is used up like one that does not, so the row is a row of requests.
fn fail_every_fifth(collector: &Collector, moments: &mut Rng) {
    let rules: Vec<String> = (0..RULES)
        .flat_map(|_| {
            let fate = match moments.below(20) {
                0 => r#", "status": 503, "headers": {"Retry-After": "0"}"#,
                1 => r#", "status": 429, "headers": {"Retry-After": "0"}"#,
                2 => r#", "status": 500, "headers": {"Retry-After": "0"}"#,
                3 => r#", "drop_after_send": true"#,
                _ => "",
            };
            ["sessions", "events"].map(|on| format!(r#"{{"on": "{on}", "times": 1{fate}}}"#))
        })
        .collect();
    collector.set_rules_json(&format!("[{}]", rules.join(","))).expect("rules");
}

struct Playing {
    player: Player,
    session: OwnedObjectPath,
    answered: Vec<i64>,
    /// The next mark: what tells one event from another at the collector.
    next: i64,
}

async fn call(playing: &Playing, mark: i64) -> (i64, zbus::Result<()>) {
    let info = Info::from([("bitrate", mark.into())]);
    (mark, playing.player.call(&playing.session, "BitrateChange", 1.0, info).await)
}

/// A row of calls of every player at once; the daemon is killed after `kill_after` answers.
async fn round(world: &mut World, playing: &mut [Playing], kill_after: usize) {
    let mut answers = Vec::new();
    {
        let mut calls: FuturesUnordered<_> = playing
            .iter()
            .enumerate()
            .flat_map(|(n, p)| {
                let marks = p.next..p.next + CALLS as i64;
                marks.map(move |mark| async move { (n, call(p, mark).await) })
            })
            .collect();
        for _ in 0..kill_after {
            let Some((n, (mark, answer))) = calls.next().await else { break };
            answer.unwrap_or_else(|e| panic!("player {n}, mark {mark}: {e}"));
            answers.push((n, mark));
        }
        world.agent.kill().await;
        // What was answered before the end counts too.
        while let Some((n, (mark, answer))) = calls.next().await {
            if answer.is_ok() {
                answers.push((n, mark));
            }
        }
    }
    for (n, mark) in answers {
        playing[n].answered.push(mark);
    }
    for p in playing {
        p.next += CALLS as i64;
    }
}

fn mark_of(hit: &Record) -> Option<i64> {
    hit.body["qoeData"]["media.qoe.bitrate"].as_i64()
}

fn counts(hits: &[Record], mark: i64) -> bool {
    let is_it = |hit: &Record| hit.counted && mark_of(hit) == Some(mark);
    hits.iter().rev().any(is_it)
}

/// The marks that were counted, by media id, in the order of their arrival.
fn counted(hits: &[Record]) -> BTreeMap<String, Vec<i64>> {
    let mut media_of: BTreeMap<String, String> = BTreeMap::new();
    let mut marks: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for hit in hits.iter().filter(|hit| hit.counted) {
        let Some(sid) = hit.sid.clone() else { continue };
        if hit.event_type() == "sessionStart" {
            let media = hit.body["params"]["media.id"].as_str().expect("a media id");
            media_of.insert(sid, media.to_owned());
        } else if hit.event_type() == "bitrateChange" {
            marks.entry(media_of[&sid].clone()).or_default().extend(mark_of(hit));
        }
    }
    marks
}

fn kills() -> usize {
    let told = std::env::var_os("PLAYHEADD_KILLS");
    told.and_then(|n| n.to_str()?.parse().ok()).unwrap_or(15)
}

with_both_kinds!(no_answered_event_is_lost_under_kills_and_a_failing_collector);

async fn no_answered_event_is_lost_under_kills_and_a_failing_collector(kind: Kind) {
    let mut world = World::start_with(kind, CONFIG).await;
    let mut moments = Rng(11);
    fail_every_fifth(&world.collector, &mut moments);
    let mut playing = Vec::new();
    for (n, id) in ["ep-0", "ep-1", "ep-2"].into_iter().enumerate() {
        let player = world.player().await;
        let session = player.open(0.0, film(id)).await.expect("a session");
        player.call(&session, "Play", 0.0, nothing()).await.expect("play");
        playing.push(Playing { player, session, answered: Vec::new(), next: n as i64 * MARKS });
    }
    for kill in 1..=kills() {
        let kill_after = moments.below(PLAYERS * CALLS + 1);
        round(&mut world, &mut playing, kill_after).await;
        if kill % 3 == 0 {
            // This start dies too, somewhere in its opening.
            world.agent.launch();
            for _ in 0..moments.below(MOST_YIELDS) {
                std::thread::yield_now();
            }
            world.agent.kill().await;
        }
        world.agent.start_again().await;
        if kill % KILLS_A_STRETCH == 0 {
            fail_every_fifth(&world.collector, &mut moments);
            let last: Vec<i64> =
                playing.iter().filter_map(|p| p.answered.last().copied()).collect();
            world.wait("what was answered", |hits| last.iter().all(|mark| counts(hits, *mark)));
        }
    }
    for p in &playing {
        p.player.call(&p.session, "End", 500.0, nothing()).await.expect("it is still there");
    }
    // An end whose answer was lost is counted twice.
    let ended = |hits: &[Record]| {
        let ends = of_type(hits, "sessionEnd");
        let sessions: BTreeSet<_> =
            ends.iter().filter(|hit| hit.counted).map(|hit| &hit.sid).collect();
        sessions.len() >= PLAYERS
    };
    let hits = world.wait("every session's end", ended);
    let failed = hits.iter().filter(|hit| hit.fault).count();
    assert!(failed * 8 > hits.len(), "{failed} of {} requests failed", hits.len());
    let counted = counted(&hits);
    let mut lost = Vec::new();
    for (n, p) in playing.iter().enumerate() {
        let marks = &counted[&format!("ep-{n}")];
        // A hit whose acceptance was not recorded before the kill comes twice.
        assert!(marks.is_sorted(), "ep-{n}: out of order: {marks:?}");
        lost.extend(p.answered.iter().filter(|m| !marks.contains(m)).map(|m| (n, *m)));
        assert!(!p.answered.is_empty());
    }
    assert!(lost.is_empty(), "answered and lost: {lost:?}");
    let aside = world.agent.state().join("db.broken-1");
    assert!(!aside.exists(), "a kill proves nothing");
    println!("{} kills, {} requests, {failed} of them failed", kills(), hits.len());
}
