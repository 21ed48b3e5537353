//! Manners towards a collector that was away (docs/behaviour.md 2.7, "back after an outage"), and
//! fairness among sessions, in virtual time.

use playheadd::config::Config;
use playheadd::sim::{Exchange, Options, simulate, timeline};
use serde_json::json;

/// A timeline that is put together line by line.
#[derive(Default)]
struct Story(Vec<(f64, String)>);

impl Story {
    fn say(&mut self, at: f64, event: &str, from: &str, info: serde_json::Value) {
        let line = json!({"at": at, "event": event, "from": from, "info": info});
        self.0.push((at, line.to_string()));
    }

    fn plays(&mut self, at: f64, from: &str) {
        self.say(at, "SessionStart", from, json!({"id": from, "length": 90_000}));
        self.say(at, "Play", from, json!({}));
    }

    /// A whole session of `seconds`: a start, a play, pings and an end.
    fn played(&mut self, at: f64, seconds: f64, from: &str) {
        self.plays(at, from);
        self.say(at + seconds, "End", from, json!({}));
    }

    fn happens(&mut self, at: f64, event: &str, members: serde_json::Value) {
        let mut line = json!({"at": at, "event": event});
        for (key, value) in members.as_object().into_iter().flatten() {
            line[key] = value.clone();
        }
        self.0.push((at, line.to_string()));
    }

    /// The collector takes nothing from one moment to another; the link is up.
    fn closed(&mut self, from: f64, to: f64) {
        let rules = json!([{"on": "sessions", "status": 503}, {"on": "events", "status": 503}]);
        self.happens(from, "Collector", json!({"rules": rules}));
        self.happens(to, "Collector", json!({"rules": []}));
    }

    fn run(&self, seed: u64, settings: &[&str]) -> Vec<Exchange> {
        let mut lines = self.0.clone();
        lines.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let text: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
        let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
        let config = Config::from_overrides(&settings).expect("settings");
        let lines = timeline::parse("the story", &text).expect("a timeline");
        simulate(&lines, Options { config, until_ms: None, seed })
    }
}

fn kind(exchange: &Exchange) -> &str {
    exchange.body["eventType"].as_str().unwrap_or("batch")
}

fn taken(exchange: &Exchange) -> bool {
    exchange.status.is_some_and(|status| status < 300)
}

/// When it happened, in seconds of the timeline.
fn happened(exchange: &Exchange) -> f64 {
    let ts = exchange.body["playerTime"]["ts"].as_f64().expect("a time");
    (ts - 1_700_000_000_000.0) / 1000.0
}

fn media(exchanges: &[Exchange], sid: &str) -> String {
    let opens = |e: &&Exchange| kind(e) == "sessionStart" && e.sid.as_deref() == Some(sid);
    let start = exchanges.iter().find(opens).expect("a start");
    start.body["params"]["media.id"].as_str().expect("an id").to_owned()
}

/// Requests that were taken between two moments.
fn between(exchanges: &[Exchange], from: f64, to: f64) -> usize {
    exchanges.iter().filter(|e| taken(e) && (from..to).contains(&e.at)).count()
}

/// One film that plays while the collector is closed for an hour.
fn closed_for_an_hour() -> Story {
    let mut story = Story::default();
    story.plays(0.0, "film");
    story.closed(100.0, 3_700.0);
    story.say(9_000.0, "End", "film", json!({}));
    story
}

/// What was taken first after the end of the outage, and the next of what is old.
fn return_and_rest(exchanges: &[Exchange], back: f64) -> (f64, f64) {
    let mut old = exchanges.iter().filter(|e| taken(e) && e.at >= back).map(|e| e.at);
    (old.next().expect("it comes back"), old.next().expect("and goes on"))
}

#[test]
fn what_is_old_waits_up_to_a_tenth_of_the_outage() {
    let waits: Vec<f64> = (0..40)
        .map(|seed| {
            let exchanges = closed_for_an_hour().run(seed, &[]);
            let (first, next) = return_and_rest(&exchanges, 3_700.0);
            assert!(first < 3_700.0 + 300.0, "the back-off is at most 5 minutes");
            next - first
        })
        .collect();
    let longest = waits.iter().fold(0.0, |a: f64, b| a.max(*b));
    assert!((180.0..=391.0).contains(&longest), "a tenth of an hour and its back-off: {waits:?}");
    assert!(waits.iter().any(|wait| *wait < 90.0), "spread over all of it: {waits:?}");
}

#[test]
fn with_a_ratio_of_0_the_wait_does_not_grow_and_only_the_highest_rate_counts() {
    for seed in 0..10 {
        let exchanges = closed_for_an_hour().run(seed, &["delivery.backlog_ratio=0"]);
        let (first, next) = return_and_rest(&exchanges, 3_700.0);
        assert!(next - first <= 30.1, "{}", next - first);
        let waiting = (first - 100.0) / 10.0;
        let done = next + waiting / 20.0 + 2.0;
        assert!(between(&exchanges, next, done) as f64 >= waiting - 2.0, "20 a second");
    }
}

#[test]
fn a_session_that_lives_catches_up_at_twice_the_rate_of_its_pings() {
    let exchanges = closed_for_an_hour().run(3, &[]);
    let (first, next) = return_and_rest(&exchanges, 3_700.0);
    let at_once = between(&exchanges, next + 1.0, next + 1_001.0);
    assert!((285..=305).contains(&at_once), "100 new and 200 old ones in 1,000 s: {at_once}");
    // All of an hour, and what was reported until it was worked off.
    let old = (next - 100.0) / 10.0;
    let done = next + old * 5.0 + 60.0;
    let late = exchanges.iter().find(|e| taken(e) && e.at > done && e.at - happened(e) > 1.0);
    assert!(late.is_none(), "{late:?}");
    let starts = exchanges.iter().filter(|e| taken(e) && kind(e) == "sessionStart");
    assert_eq!(starts.count(), 2, "one before, and one that goes on: no sid dies of the wait");
    assert!(first < next);
}

#[test]
fn what_was_reported_during_the_wait_brings_no_burst() {
    for seed in 0..10 {
        let exchanges = closed_for_an_hour().run(seed, &[]);
        let (_, next) = return_and_rest(&exchanges, 3_700.0);
        let at_once = between(&exchanges, next, next + 20.0);
        assert!(at_once <= 12, "{at_once} in 20 s");
    }
}

#[test]
fn what_is_reported_while_it_catches_up_and_fails_brings_no_burst() {
    let mut story = Story::default();
    story.plays(0.0, "film");
    story.closed(100.0, 700.0);
    story.say(705.0, "AdBreakStart", "film", json!({"name": "b", "position": 1, "start": 9.0}));
    let ad = json!({"id": "a", "name": "a", "position": 1, "length": 900.0});
    story.say(705.0, "AdStart", "film", ad);
    story.closed(1_000.0, 1_012.0);
    let settings = ["delivery.reconnect_spread_seconds=0", "delivery.backlog_ratio=0.1"];
    let exchanges = story.run(1, &settings);
    let first = exchanges.iter().find(|e| taken(e) && e.at >= 1_012.0).expect("it goes on").at;
    let at_once = between(&exchanges, first, first + 2.0);
    assert!(at_once <= 8, "{at_once} in 2 s");
}

#[test]
fn an_outage_is_over_for_a_session_that_begins_long_after() {
    let mut story = Story::default();
    // Its sid dies, and nothing that waits is worth another one: without a success nothing is left.
    story.plays(0.0, "lost");
    story.say(40.0, "Pause", "lost", json!({}));
    story.closed(50.0, 2_000.0);
    story.say(60.0, "End", "lost", json!({}));
    // So slow that something waits when the first answer comes.
    story.happens(8_000.0, "Collector", json!({"rules": [{"on": "sessions", "delay_s": 3.0}]}));
    story.plays(9_000.0, "film");
    let exchanges = story.run(1, &[]);
    let late = exchanges.iter().find(|e| e.at >= 9_000.0 && e.at - happened(e) > 4.0);
    assert!(late.is_none(), "{late:?}");
}

#[test]
fn in_an_ad_it_catches_up_at_twice_the_rate_of_ad_pings() {
    let mut story = Story::default();
    story.plays(0.0, "film");
    story.happens(100.0, "NetworkDown", json!({}));
    story.happens(480.0, "NetworkUp", json!({}));
    story.say(500.0, "AdBreakStart", "film", json!({"name": "b", "position": 1, "start": 500.0}));
    story.say(
        500.0,
        "AdStart",
        "film",
        json!({"id": "a", "name": "a", "position": 1, "length": 900.0}),
    );
    story.say(2_000.0, "End", "film", json!({}));
    let exchanges = story.run(1, &["delivery.reconnect_spread_seconds=0"]);
    let last = exchanges.iter().rfind(|e| taken(e) && happened(e) < 500.0).expect("an old one");
    assert!(last.at < 550.0, "the wait, then twice a second: {}", last.at);
}

#[test]
fn a_session_with_nothing_old_goes_at_once_also_inside_the_wait() {
    let mut story = closed_for_an_hour();
    story.happens(3_700.0, "NetworkUp", json!({}));
    story.plays(4_040.0, "news");
    for seed in 0..10 {
        let exchanges = story.run(seed, &[]);
        let news = |e: &&Exchange| {
            e.body["params"]["media.id"] == "news" && kind(e) == "sessionStart" && taken(e)
        };
        let start = exchanges.iter().find(news).expect("a start");
        assert!(start.at < 4_041.0, "{}", start.at);
        let of_it: Vec<_> = exchanges.iter().filter(|e| taken(e) && e.sid == start.sid).collect();
        let late = of_it.iter().find(|e| e.at - happened(e) > 1.0);
        assert!(late.is_none(), "{late:?}");
    }
}

#[test]
fn a_sid_that_is_dead_already_shortens_no_wait() {
    let waits: Vec<f64> = (0..20)
        .map(|seed| {
            let mut story = Story::default();
            story.plays(0.0, "film");
            story.happens(65.0, "NetworkDown", json!({}));
            story.happens(700.0, "NetworkUp", json!({}));
            return_and_rest(&story.run(seed, &[]), 700.0).0 - 700.0
        })
        .collect();
    assert!(waits.iter().filter(|wait| **wait > 5.0).count() > 10, "{waits:?}");
}

#[test]
fn without_any_wait_a_sid_at_its_end_is_saved_too() {
    let mut story = Story::default();
    story.plays(0.0, "film");
    story.happens(65.0, "NetworkDown", json!({}));
    story.happens(655.0, "NetworkUp", json!({}));
    story.say(700.0, "End", "film", json!({}));
    let settings = ["delivery.reconnect_spread_seconds=0", "delivery.backlog_ratio=0"];
    let exchanges = story.run(1, &settings);
    let starts = exchanges.iter().filter(|e| taken(e) && kind(e) == "sessionStart");
    assert_eq!(starts.count(), 1);
}

#[test]
fn a_later_online_does_not_postpone_the_wait() {
    for seed in 0..20 {
        let mut story = Story::default();
        story.plays(0.0, "film");
        story.happens(100.0, "NetworkDown", json!({}));
        story.happens(1_100.0, "NetworkUp", json!({}));
        for n in 1..30 {
            story.happens(1_100.0 + f64::from(n) * 10.0, "NetworkUp", json!({}));
        }
        story.say(3_000.0, "End", "film", json!({}));
        let exchanges = story.run(seed, &[]);
        let (first, _) = return_and_rest(&exchanges, 1_100.0);
        assert!(first <= 1_200.5, "a tenth of 1,000 s: {first}");
    }
}

#[test]
fn ended_sessions_go_one_after_another_at_twice_the_rate_of_one() {
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
    assert!(last - from < 5.0 * taken.len() as f64 + 5.0, "and no slower: {from} to {last}");
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
    assert!(old > 20 && new > 40, "{old} old and {new} new ones");
}

#[test]
fn what_is_left_over_at_a_start_of_the_agent_waits_too() {
    let waits: Vec<f64> = (0..20)
        .map(|seed| {
            let mut story = Story::default();
            story.plays(0.0, "film");
            story.closed(100.0, 130.0);
            story.happens(120.0, "AgentCrash", json!({"down_s": 10.0}));
            story.say(1_000.0, "End", "film", json!({}));
            let exchanges = story.run(seed, &[]);
            return_and_rest(&exchanges, 130.0).0 - 130.0
        })
        .collect();
    assert!(waits.iter().all(|wait| *wait <= 30.1), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait > 15.0), "at random: {waits:?}");
}

#[test]
fn after_a_blackout_the_wait_is_a_tenth_of_it_once_the_time_is_known() {
    let waits: Vec<f64> = (0..20)
        .map(|seed| {
            let mut story = Story::default();
            story.plays(0.0, "film");
            story.closed(100.0, 200.0);
            let cut = json!({"down_s": 2_000.0, "unix_ms": 60_000, "trusted": false});
            story.happens(195.0, "PowerLoss", cut);
            let known = json!({"unix_ms": 1_700_002_295_000_i64, "trusted": true});
            story.happens(2_295.0, "ClockSet", known);
            let exchanges = story.run(seed, &[]);
            return_and_rest(&exchanges, 2_195.0).0 - 2_295.0
        })
        .collect();
    assert!(waits.iter().all(|wait| (0.0..=221.0).contains(wait)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait > 60.0), "at random: {waits:?}");
}

#[test]
fn no_wait_at_all_and_one_in_the_past_do_not_make_it_hot() {
    for header in ["0", "Thu, 01 Jan 1970 00:00:10 GMT"] {
        let mut story = Story::default();
        story.plays(0.0, "bad");
        story.plays(0.0, "good");
        let rules = json!([{"on": "events", "session": "S1", "status": 503,
            "headers": {"Retry-After": header}}]);
        story.happens(0.0, "Collector", json!({"rules": rules}));
        let exchanges = story.run(1, &[]);
        let minute: Vec<_> = exchanges.iter().filter(|e| e.at < 60.0).collect();
        let refused = minute.iter().filter(|e| e.status == Some(503)).count();
        assert!((2..15).contains(&refused), "{refused} tries in a minute");
        let good = minute.iter().filter(|e| e.sid.as_deref() == Some("S2") && taken(e)).count();
        assert_eq!(good, 7, "a start, a play and five pings");
    }
}

#[test]
fn a_wait_that_is_asked_for_outlives_the_agent_and_no_network_ends_it() {
    for seed in 0..20 {
        let mut story = Story::default();
        story.plays(0.0, "film");
        let rules = json!([{"on": "events", "status": 503, "times": 1,
            "headers": {"Retry-After": "300"}}]);
        story.happens(0.0, "Collector", json!({"rules": rules}));
        story.happens(50.0, "AgentCrash", json!({"down_s": 5.0}));
        story.happens(100.0, "NetworkDown", json!({}));
        story.happens(150.0, "NetworkUp", json!({}));
        let exchanges = story.run(seed, &["delivery.reconnect_spread_seconds=0"]);
        let asked = exchanges.iter().find(|e| e.status == Some(503)).expect("a refusal").at;
        let next = exchanges.iter().find(|e| e.at > asked).expect("another try").at;
        assert!((300.0..331.0).contains(&(next - asked)), "{}", next - asked);
    }
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
