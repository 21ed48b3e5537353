//! Whose turn it is (docs/behaviour.md 2.7): ended sessions one after another, and nobody starves the
//! others.

use playheadd::sim::Exchange;
use serde_json::json;

use crate::story::{Story, happened, kind, media, taken};

#[test]
fn ended_sessions_go_one_after_another_in_six_tenths_of_the_outage() {
    let mut story = Story::default();
    for n in 0..5 {
        story.played(100.0 + 70.0 * f64::from(n), 60.0, &format!("film-{n}"));
    }
    story.closed(50.0, 600.0);
    let exchanges = story.run(5, &[]);
    let taken: Vec<&Exchange> = exchanges.iter().filter(|e| taken(e)).collect();
    let mut order: Vec<&str> = taken.iter().filter_map(|e| e.sid.as_deref()).collect();
    order.dedup();
    assert_eq!(order.len(), 5, "each is finished before the next begins: {order:?}");
    let from = taken[1].at;
    for pair in taken[1..].windows(2) {
        assert!(pair[1].at - pair[0].at > 4.99, "5 s apart: {} {}", pair[0].at, pair[1].at);
    }
    let last = taken.last().expect("hits").at;
    let outage = taken[0].at - 100.0;
    assert!(last - from < outage * 0.6 + 30.0, "and no slower: {from} to {last}, {outage}");
}

#[test]
fn an_ended_one_that_fails_goes_behind_the_others() {
    let mut story = Story::default();
    for n in 0..4 {
        story.played(100.0 + 70.0 * f64::from(n), 60.0, &format!("film-{n}"));
    }
    story.closed(50.0, 600.0);
    // The first one to be opened fails at its events until the others are through.
    let bad = json!([{"on": "events", "session": "S1", "status": 500}]);
    story.happens(600.0, "Collector", json!({"rules": bad}));
    story.happens(1_500.0, "Collector", json!({"rules": []}));
    (0..20).for_each(|seed| the_one_that_fails_comes_last(&story.run(seed, &[])));
}

fn the_one_that_fails_comes_last(exchanges: &[Exchange]) {
    let done: Vec<String> = exchanges
        .iter()
        .filter(|e| taken(e) && kind(e) == "sessionEnd")
        .map(|e| media(exchanges, e.sid.as_deref().expect("a sid")))
        .collect();
    assert_eq!(done.len(), 4, "{done:?}");
    let first = exchanges.iter().find(|e| taken(e)).and_then(|e| e.sid.as_deref()).expect("one");
    assert_eq!(done[3], media(exchanges, first), "the one that failed comes last: {done:?}");
    let ends = exchanges.iter().filter(|e| taken(e) && kind(e) == "sessionEnd");
    let through = ends.map(|e| e.at).nth(2).expect("three others");
    let tries = exchanges.iter().filter(|e| e.status == Some(500) && e.at < through).count();
    assert!(tries <= 1, "it is not tried again before the others are through: {tries}");
}

#[test]
fn everything_old_together_is_never_faster_than_the_highest_rate() {
    let mut story = Story::default();
    for n in 0..12 {
        story.plays(0.0, &format!("film-{n}"));
    }
    story.closed(60.0, 660.0);
    let settings = ["delivery.max_rate=2", "delivery.reconnect_spread_seconds=0"];
    let exchanges = story.run(2, &settings);
    let old = |e: &&Exchange| taken(e) && e.at - happened(e) > 2.0 && e.at > 660.0;
    let at: Vec<f64> = exchanges.iter().filter(old).map(|e| e.at).collect();
    assert!(at.len() > 300, "{}", at.len());
    let most = (0..at.len()).map(|n| at[n..].iter().take_while(|t| **t < at[n] + 10.0).count());
    // Hits of the first moment are not old yet.
    assert!(most.max() <= Some(21), "2 a second");
}

#[test]
fn sessions_that_hang_do_not_starve_the_others() {
    // Until each of them has failed once, nobody knows that they hang.
    for (parallel, hanging, known) in [(4, 8, 200.0), (2, 3, 800.0), (4, 30, 700.0)] {
        let mut story = Story::default();
        for n in 0..hanging {
            story.plays(0.0, &format!("bad-{n}"));
        }
        story.plays(30.0, "good");
        let rules: Vec<_> = (1..=hanging)
            .map(|n| json!({"on": "events", "session": format!("S{n}"), "hang": true}))
            .collect();
        story.happens(0.0, "Collector", json!({"rules": rules}));
        let parallel = format!("delivery.parallel={parallel}");
        let exchanges = story.run(1, &[&parallel]);
        let start = exchanges
            .iter()
            .find(|e| kind(e) == "sessionStart" && e.body["params"]["media.id"] == "good")
            .expect("a start");
        let late = exchanges
            .iter()
            .filter(|e| e.sid == start.sid && happened(e) > known)
            .find(|e| e.at - happened(e) > 1.0);
        assert!(late.is_none(), "{hanging} hang, {parallel}: {late:?}");
        let pings = exchanges.iter().filter(|e| e.sid == start.sid && kind(e) == "ping");
        assert!(pings.filter(|e| taken(e)).count() > 300, "{hanging} hang, {parallel}");
    }
}

#[test]
fn one_place_is_never_for_what_is_old() {
    let mut story = Story::default();
    for n in 0..6 {
        story.plays(0.0, &format!("film-{n}"));
    }
    story.closed(60.0, 400.0);
    // Each of the old ones keeps its place for long.
    story.happens(400.0, "Collector", json!({"rules": [{"on": "events", "delay_s": 15.0}]}));
    for n in 0..20 {
        story.played(1_000.0 + 40.0 * f64::from(n), 5.0, &format!("news-{n}"));
    }
    let exchanges = story.run(4, &[]);
    let news = exchanges.iter().filter(|e| kind(e) == "sessionStart" && happened(e) > 999.0);
    let late: Vec<_> = news.clone().filter(|e| e.at - happened(e) > 1.0).collect();
    assert!(news.count() == 20 && late.is_empty(), "{late:?}");
}

#[test]
fn sessions_take_turns_where_there_is_too_little_room_for_all() {
    let mut story = Story::default();
    for n in 0..30 {
        story.plays(0.0, &format!("film-{n:02}"));
    }
    // Two a second go, three a second are reported.
    story.happens(0.0, "Collector", json!({"rules": [{"on": "events", "delay_s": 2.0}]}));
    let exchanges = story.run(1, &[]);
    let served = |n: usize| {
        let (sid, late) = (format!("S{n}"), 500.0..700.0);
        exchanges.iter().any(|e| e.sid.as_ref() == Some(&sid) && late.contains(&e.at) && taken(e))
    };
    let starved: Vec<usize> = (1..=30).filter(|n| !served(*n)).collect();
    assert!(starved.is_empty(), "{starved:?}");
}

#[test]
fn with_one_place_old_and_new_take_turns() {
    let mut story = Story::default();
    story.played(100.0, 400.0, "old");
    story.closed(50.0, 600.0);
    // The collector takes 4 s for each, and each of the new ones has 2 hits in 10 s.
    story.happens(600.0, "Collector", json!({"rules": [{"on": "events", "delay_s": 4.0}]}));
    story.plays(700.0, "new");
    story.plays(700.0, "other");
    story.happens(1_700.0, "Collector", json!({"rules": []}));
    let settings = ["delivery.parallel=1", "delivery.reconnect_spread_seconds=0"];
    let exchanges = story.run(1, &settings);
    let of = |name: &str| {
        let start = exchanges
            .iter()
            .find(|e| taken(e) && e.body["params"]["media.id"] == name)
            .expect("a start");
        exchanges
            .iter()
            .filter(|e| taken(e) && e.sid == start.sid && e.at > 720.0 && e.at < 1_100.0)
    };
    let (old, new) = (of("old").count(), of("new").count() + of("other").count());
    // What is old waits up to 35 s after each slow answer.
    assert!(old > 5 && new > 40, "{old} old and {new} new ones");
}

#[test]
fn an_ended_one_that_has_no_place_does_not_hold_up_the_next() {
    for seed in 0..12 {
        let mut story = Story::default();
        for n in 0..2 {
            story.plays(0.0, &format!("bad-{n}"));
        }
        // Two that have ended, without pings: the first wants to wait, the other one fails once.
        for (at, film, event) in [(100.0, "first", "Error"), (200.0, "other", "BitrateChange")] {
            story.plays(at, film);
            for n in 0..60 {
                let info = json!({"id": format!("e{n}"), "bitrate": n});
                story.say(at + 1.0 + 0.1 * f64::from(n), event, film, info);
            }
            story.say(at + 8.0, "End", film, json!({}));
        }
        story.closed(50.0, 600.0);
        let rules = json!([{"on": "events", "event_type": "ping", "hang": true},
            {"on": "events", "event_type": "error", "status": 500,
             "headers": {"Retry-After": "40"}},
            {"on": "events", "event_type": "bitrateChange", "status": 500, "times": 1}]);
        story.happens(600.0, "Collector", json!({"rules": rules}));
        story.happens(2_000.0, "Collector", json!({"rules": []}));
        // The simulation panics where the agent does not come to rest.
        let exchanges = story.run(seed, &["delivery.reconnect_spread_seconds=0"]);
        let last = exchanges.iter().find(|e| taken(e) && kind(e) == "bitrateChange");
        assert!(last.is_some_and(|e| e.at < 1_500.0), "seed {seed}: {last:?}");
    }
}
