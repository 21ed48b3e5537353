//! Manners towards a collector that was away (docs/behaviour.md 2.7, "back after an outage"), in virtual
//! time: how long what is old waits, and how fast it goes then.

#[path = "outage/story.rs"]
mod story;
#[path = "outage/turns.rs"]
mod turns;

use playheadd::sim::Exchange;
use serde_json::json;

use story::{Story, between, happened, kind, taken};

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
fn a_session_that_lives_catches_up_slowly_at_first_and_then_at_twice_the_rate_of_its_pings() {
    let exchanges = closed_for_an_hour().run(3, &[]);
    let (first, next) = return_and_rest(&exchanges, 3_700.0);
    let at_once = between(&exchanges, next + 1.0, next + 1_001.0);
    assert!((205..=250).contains(&at_once), "100 new and 126 old ones in 1,000 s: {at_once}");
    let later = between(&exchanges, next + 1_501.0, next + 2_001.0);
    assert!((130..=155).contains(&later), "50 new and 95 old ones in 500 s: {later}");
    // All of an hour, and what was reported until it was worked off.
    let old = (next - 100.0) / 10.0;
    let done = next + old * 6.5 + 60.0;
    let late = exchanges.iter().find(|e| taken(e) && e.at > done && e.at - happened(e) > 1.0);
    assert!(late.is_none(), "{late:?}");
    let starts = exchanges.iter().filter(|e| taken(e) && kind(e) == "sessionStart");
    assert_eq!(starts.count(), 2, "one before, and one that goes on: no sid dies of the wait");
    assert!(first < next);
}

/// When the second and the last of what was old was taken.
fn old_from_to(exchanges: &[Exchange], back: f64) -> (f64, f64) {
    let old = |e: &&Exchange| taken(e) && e.at >= back && happened(e) < back;
    let last = exchanges.iter().rfind(old).expect("an old one").at;
    (return_and_rest(exchanges, back).1, last)
}

#[test]
fn what_is_old_of_an_hour_takes_half_of_that_and_the_spread_however_little_it_is() {
    let mut story = Story::default();
    story.plays(0.0, "film");
    story.closed(100.0, 3_700.0);
    story.say(1_200.0, "End", "film", json!({}));
    for seed in 0..10 {
        let (next, last) = old_from_to(&story.run(seed, &[]), 3_700.0);
        assert!((2_000.0..2_450.0).contains(&(last - next)), "{}", last - next);
    }
}

#[test]
fn what_is_old_waits_at_most_25_s_for_its_next_request() {
    let mut story = Story::default();
    story.played(0.0, 150.0, "film");
    story.closed(100.0, 3_700.0);
    for seed in 0..10 {
        let (next, last) = old_from_to(&story.run(seed, &[]), 3_700.0);
        assert!(last - next < 8.0 * 25.5, "{}", last - next);
    }
}

#[test]
fn what_is_old_yields_to_a_collector_that_is_slow_and_the_news_do_not() {
    let mut story = closed_for_an_hour();
    let slow = json!([{"on": "events", "delay_s": 2.5}, {"on": "sessions", "delay_s": 2.5}]);
    story.happens(3_700.5, "Collector", json!({"rules": slow}));
    story.plays(5_000.0, "news");
    let exchanges = story.run(3, &[]);
    let (_, next) = return_and_rest(&exchanges, 3_700.0);
    // A hundred of them are reported meanwhile; the old ones wait 12 s on average, not 5.
    let film = exchanges.iter().filter(|e| taken(e) && media_is(&exchanges, e, "film"));
    let at_once = film.filter(|e| (next + 1.0..next + 1_001.0).contains(&e.at)).count();
    assert!((145..230).contains(&at_once), "{at_once}");
    let news = exchanges.iter().filter(|e| taken(e) && media_is(&exchanges, e, "news"));
    let late = news.clone().find(|e| e.at - happened(e) > 6.0);
    assert!(news.count() > 100 && late.is_none(), "{late:?}");
}

fn media_is(exchanges: &[Exchange], exchange: &Exchange, id: &str) -> bool {
    exchange.sid.as_deref().is_some_and(|sid| story::media(exchanges, sid) == id)
}

#[test]
fn a_session_that_has_just_begun_is_not_old_when_the_outage_ends() {
    let mut story = closed_for_an_hour();
    // The first that the collector takes is its start, while its play waits.
    story.plays(3_700.5, "news");
    let mut first = 0;
    for seed in 0..20 {
        let exchanges = story.run(seed, &[]);
        let back = exchanges.iter().find(|e| taken(e) && e.at >= 3_700.0).expect("it comes back");
        if media_is(&exchanges, back, "news") {
            first += 1;
            let of_it = exchanges.iter().filter(|e| taken(e) && e.sid == back.sid);
            let late = of_it.clone().find(|e| e.at - happened(e) > 1.0);
            assert!(of_it.count() > 100 && late.is_none(), "{late:?}");
        }
    }
    assert!(first > 10, "{first}");
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
