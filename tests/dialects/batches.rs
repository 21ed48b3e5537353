//! Requests that hold reports of many sessions (otlp.md 1 and 3).

use std::collections::BTreeSet;

use playheadd::core::dialect::exchange::{Cause, Outcome, Problem, Request, RetryAfter};
use playheadd::core::input::{CallId, Input, Listing};
use playheadd::core::settings::Settings;
use playheadd::core::time::Span;
use playheadd::core::tracker::event::EventName;
use playheadd::core::tracker::info::Value;
use playheadd::core::turn::Reply;
use serde_json::Value as Json;

use super::pipeline::{
    all_records, answer, collector, healthy, hold_once, records, reporting_to, run,
};
use crate::driven::{Agents, media, player};

fn otlp() -> Settings {
    reporting_to(vec![collector("main", "otlp")])
}

fn open(box_: &mut Agents, n: usize) {
    box_.say(n, EventName::SessionStart, &media(&format!("m{n}"), false));
    box_.say(n, EventName::Play, &[]);
}

fn agents(settings: Settings) -> Agents {
    let mut box_ = Agents::new(settings);
    box_.give(Input::Metered(false));
    box_
}

fn unreachable(_: &Request) -> Outcome {
    Outcome::Unreachable(Problem::new(Cause::Refused, "refused"))
}

fn counters(box_: &Agents) -> (u64, u64) {
    let counters = box_.agent().status().counters;
    (counters.delivered, counters.dropped)
}

fn rejected(box_: &mut Agents) -> Json {
    let call = CallId(7);
    box_.give(Input::List { call, listing: Listing::Rejected });
    match box_.replies.pop().expect("a reply") {
        Ok(Reply::Json(text)) => serde_json::from_str(&text).expect("JSON"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_waits_of_many_sessions_goes_together_and_oldest_first() {
    let mut box_ = agents(otlp());
    for n in 0..5 {
        open(&mut box_, n);
        run(&mut box_, 1_000, unreachable);
    }
    run(&mut box_, 600_000, unreachable);
    let waiting = box_.agent().delivery().queued();
    assert!(waiting > 300, "{waiting}");
    let made = run(&mut box_, 300_000, healthy);
    let got = all_records(&made);
    hold_once(&got);
    assert!(got.len() as u64 > waiting, "all of it arrived");
    assert_eq!(box_.agent().delivery().queued(), 0);
    let sessions: BTreeSet<&str> = got.iter().map(|record| record.session.as_str()).collect();
    assert_eq!(sessions.len(), 5);
    let first: Json = serde_json::from_str(&made[0].1.body).expect("JSON");
    let first = records(&first);
    assert!(first.len() > 60, "{}", first.len());
    let sessions: BTreeSet<&str> = first.iter().map(|record| record.session.as_str()).collect();
    assert_eq!(sessions.len(), 5, "one request for all sessions");
    assert_eq!(counters(&box_), (got.len() as u64, 0));
}

#[test]
fn a_request_is_not_larger_than_it_may_be() {
    let mut box_ = agents(otlp());
    let text = |key: &str| (key.to_owned(), "x".repeat(4_000));
    for n in 0..40 {
        let mut info = media(&format!("m{n}"), false);
        info.push(("metadata", Value::Dict([text("a"), text("b")].into())));
        box_.say(n, EventName::SessionStart, &info);
        box_.say(n, EventName::End, &[]);
    }
    let made = run(&mut box_, 10_000, healthy);
    // `records` holds each body against the limits.
    hold_once(&all_records(&made));
    assert!(made.len() > 2, "{} requests", made.len());
    assert_eq!(counters(&box_), (all_records(&made).len() as u64, 0));
}

#[test]
fn one_bad_record_does_not_take_others_with_it() {
    let mut box_ = agents(otlp());
    for n in 0..4 {
        open(&mut box_, n);
    }
    run(&mut box_, 60_000, unreachable);
    box_.say(2, EventName::Error, &[("id", Value::Text("bad".into()))]);
    run(&mut box_, 60_000, unreachable);
    let mut taken = Vec::new();
    let made = run(&mut box_, 60_000, |request| {
        let body: Json = serde_json::from_str(&request.body).expect("JSON");
        let all = records(&body);
        if all.iter().any(|record| record.kind == "error") {
            return answer(400, "a bad record");
        }
        taken.extend(all);
        answer(200, "{}")
    });
    hold_once(&taken);
    assert!(!taken.iter().any(|record| record.kind == "error"));
    assert_eq!(counters(&box_), (taken.len() as u64, 1));
    let refused = made.iter().filter(|(_, request)| request.body.contains("media.error")).count();
    assert!((2..=9).contains(&refused), "{refused} requests for one bad record");
    let list = rejected(&mut box_);
    assert_eq!((&list[0]["event_type"], &list[0]["lost"]), (&"error".into(), &0.into()), "{list}");
}

/// So many short sessions, of which one has an error, that they fill several requests.
fn short_sessions(box_: &mut Agents, sessions: usize) {
    for n in 0..sessions {
        box_.say(n, EventName::SessionStart, &media(&format!("m{n}"), false));
        if n == 50 {
            box_.say(n, EventName::Error, &[("id", Value::Text("bad".into()))]);
        }
        box_.say(n, EventName::End, &[]);
        box_.pass(10);
    }
}

#[test]
fn halves_are_not_disturbed_by_what_else_is_under_way() {
    let mut settings = otlp();
    settings.delivery.backlog_ratio = 0.0;
    let mut box_ = agents(settings);
    short_sessions(&mut box_, 1_500);
    let (mut refused, mut taken) = (0, Vec::new());
    run(&mut box_, 600_000, |request| {
        let all = records(&serde_json::from_str(&request.body).expect("JSON"));
        if all.iter().any(|record| record.kind == "error") {
            refused += 1;
            return answer(400, "a bad record");
        }
        taken.extend(all);
        answer(200, "{}")
    });
    hold_once(&taken);
    assert_eq!(taken.len(), 3_000);
    assert!((2..=9).contains(&refused), "{refused} requests for one bad record");
}

#[test]
fn a_receiver_that_refuses_everything_gets_each_record_alone() {
    let mut box_ = agents(otlp());
    short_sessions(&mut box_, 150);
    let mut sent = 0;
    let made = run(&mut box_, 3_600_000, |request| {
        sent += records(&serde_json::from_str(&request.body).expect("JSON")).len();
        answer(415, "protobuf alone")
    });
    assert_eq!(counters(&box_), (0, 301));
    assert_eq!(box_.agent().delivery().queued(), 0);
    assert!(made.len() < 301 + 20 && sent < 301 + 400, "{} requests, {sent} records", made.len());
}

#[test]
fn what_is_too_large_for_a_receiver_goes_in_halves() {
    let mut box_ = agents(otlp());
    for n in 0..4 {
        open(&mut box_, n);
    }
    run(&mut box_, 200_000, unreachable);
    let mut taken = Vec::new();
    run(&mut box_, 60_000, |request| {
        let all = records(&serde_json::from_str(&request.body).expect("JSON"));
        if all.len() > 20 {
            return answer(413, "too large");
        }
        taken.extend(all);
        answer(200, "{}")
    });
    hold_once(&taken);
    assert_eq!(counters(&box_), (taken.len() as u64, 0));
    assert_eq!(box_.agent().delivery().queued(), 0);
}

#[test]
fn what_is_refused_of_an_accepted_request_is_counted_and_listed() {
    let mut box_ = agents(otlp());
    for n in 0..3 {
        open(&mut box_, n);
    }
    let partial =
        r#"{"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "no such column"}}"#;
    let made = run(&mut box_, 1_000, |_| answer(200, partial));
    let sent = all_records(&made).len() as u64;
    assert!(sent >= 6, "{sent}");
    let of_each = 2 * made.len() as u64;
    assert_eq!(counters(&box_), (sent - of_each, of_each));
    assert_eq!(box_.agent().delivery().queued(), 0, "they are not sent again");
    let list = rejected(&mut box_);
    assert_eq!((&list[0]["message"], &list[0]["lost"]), (&"no such column".into(), &1.into()));
}

#[test]
fn what_may_have_arrived_is_sent_again_with_the_same_ids() {
    let mut box_ = agents(otlp());
    open(&mut box_, 0);
    let lost = |_: &Request| Outcome::Unanswered(Problem::new(Cause::TimedOut, "timed out"));
    let tried = all_records(&run(&mut box_, 120_000, lost));
    let tried: BTreeSet<String> = tried.into_iter().map(|record| record.uid).collect();
    // It dies with a request under way.
    box_.say(0, EventName::Pause, &[]);
    box_.pass(300_000);
    assert!(!box_.sent.is_empty());
    box_.sent.clear();
    box_.start_with(otlp(), vec![player(0).sender]);
    box_.give(Input::Metered(false));
    let got = all_records(&run(&mut box_, 300_000, healthy));
    hold_once(&got);
    let got: BTreeSet<String> = got.into_iter().map(|record| record.uid).collect();
    assert!(tried.len() > 5 && tried.is_subset(&got), "{} of {}", tried.len(), got.len());
    assert_eq!(counters(&box_).1, 0);
}

fn asks_to_wait(seconds: u64) -> Outcome {
    let (location, retry_after) = (None, Some(RetryAfter::Seconds(seconds)));
    Outcome::Answered { status: 429, location, retry_after, body: String::new() }
}

#[test]
fn a_wish_holds_whoever_fails_before_it_and_whatever_is_taken_late() {
    let mut box_ = agents(otlp());
    short_sessions(&mut box_, 8);
    let (flying, begun) = (box_.sent.len(), box_.now);
    assert!(flying > 2, "{flying} under way");
    let mut first = [answer(503, ""), asks_to_wait(600)].into_iter();
    let made = run(&mut box_, 3_600_000, |_| first.next().unwrap_or_else(|| answer(200, "{}")));
    let next = made.get(flying).map(|(at, _)| at - begun).expect("the rest");
    assert!(next >= 600_000, "{next} ms later");
    assert_eq!(box_.agent().delivery().queued(), 0);
}

#[test]
fn another_address_is_tried_at_once() {
    let mut box_ = agents(otlp());
    open(&mut box_, 0);
    run(&mut box_, 60_000, |_| asks_to_wait(3_600));
    let mut settings = otlp();
    settings.collectors[0].url = "https://another.example".into();
    box_.reload(settings);
    let made = run(&mut box_, 60_000, healthy);
    assert!(!made.is_empty(), "the old one has asked to wait");
}

#[test]
fn what_does_not_leave_the_box_costs_nothing_of_the_day() {
    let mut settings = otlp();
    settings.delivery.daily_bytes = 100_000;
    let mut box_ = agents(settings);
    open(&mut box_, 0);
    let tries = run(&mut box_, 12 * 3_600_000, unreachable);
    let bytes: usize = tries.iter().map(|(_, request)| request.body.len()).sum();
    assert!(bytes > 200_000, "{bytes} bytes in vain");
    assert!(!run(&mut box_, 300_000, healthy).is_empty());
}

#[test]
fn one_back_off_and_one_wish_hold_for_the_whole_collector() {
    let mut box_ = agents(otlp());
    for n in 0..10 {
        open(&mut box_, n);
    }
    let busy = |_: &Request| asks_to_wait(300);
    let begun = box_.now;
    let made = run(&mut box_, 250_000, busy);
    assert!(made.len() <= 2, "{} requests", made.len());
    assert!(made.iter().all(|(at, _)| at - begun < 1_000));
    // Not for a new session either, and not after the agent was killed.
    open(&mut box_, 11);
    assert_eq!(run(&mut box_, 10_000, busy).len(), 0);
    box_.start_with(otlp(), (0..12).map(|n| player(n).sender).collect());
    box_.give(Input::Metered(false));
    open(&mut box_, 12);
    assert_eq!(run(&mut box_, 20_000, busy).len(), 0);
    hold_once(&all_records(&run(&mut box_, 300_000, healthy)));
    // Without a wish: many sessions try no more often than one.
    let made = run(&mut box_, 3_600_000, unreachable);
    assert!(made.len() < 60, "{} requests in an hour", made.len());
}

#[test]
fn reports_are_gathered_for_so_long_and_go_at_once_when_somebody_asks() {
    let mut settings = otlp();
    settings.collectors[0].interval = Span::seconds(60);
    let mut box_ = agents(settings);
    open(&mut box_, 0);
    open(&mut box_, 1);
    let made = run(&mut box_, 300_000, healthy);
    let times: Vec<i64> = made.iter().map(|(at, _)| *at).collect();
    assert!((4..=5).contains(&times.len()), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 60_000), "{times:?}");
    hold_once(&all_records(&made));
    let held = box_.agent().delivery().queued();
    assert!(held > 0);
    box_.give(Input::Flush { call: None });
    assert_eq!(all_records(&run(&mut box_, 0, healthy)).len() as u64, held);
    for word in [Input::Sleep, Input::Stop, Input::ShutDown] {
        run(&mut box_, 25_000, healthy);
        if word == Input::Sleep {
            box_.say(0, EventName::Pause, &[]);
        } else {
            box_.say(0, EventName::Play, &[]);
        }
        assert!(box_.agent().delivery().queued() > 0);
        box_.give(word.clone());
        run(&mut box_, 0, healthy);
        assert_eq!(box_.agent().delivery().queued(), 0, "{word:?}");
    }
}

#[test]
fn a_full_request_does_not_wait() {
    let mut settings = otlp();
    settings.collectors[0].interval = Span::seconds(3_600);
    let mut box_ = agents(settings);
    for n in 0..10 {
        open(&mut box_, n);
    }
    let made = run(&mut box_, 600_000, healthy);
    assert!(made.len() > 3, "{} requests", made.len());
    let got = all_records(&made);
    assert!(got.len() / made.len() >= 90, "{} in {}", got.len(), made.len());
    hold_once(&got);
}

#[test]
fn a_resume_names_the_session_that_it_goes_on_with() {
    let mut box_ = agents(otlp());
    let info = media("film", false);
    let film = |box_: &mut Agents, at: f64| {
        let mut info = info.clone();
        info.push(("length", Value::Float(6_000.0)));
        box_.give(Input::Open {
            call: None,
            player: player(0),
            source: playheadd::core::player::EventSource::Signal,
            uid: None,
            app: "tv.app".into(),
            playhead: at,
            info: info.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
        });
        box_.say(0, EventName::Play, &[]);
    };
    film(&mut box_, 0.0);
    let mut got = all_records(&run(&mut box_, 600_000, healthy));
    box_.say(0, EventName::End, &[]);
    got.extend(all_records(&run(&mut box_, 1_000, healthy)));
    // The point keeps it over a power cut.
    box_.cut_power();
    box_.start_with(otlp(), Vec::new());
    box_.give(Input::Metered(false));
    film(&mut box_, 600.0);
    got.extend(all_records(&run(&mut box_, 1_000, healthy)));
    hold_once(&got);
    let starts: Vec<_> = got.iter().filter(|record| record.kind == "sessionStart").collect();
    let [first, second] = starts[..] else { panic!("{starts:?}") };
    assert_eq!(first.text("session.previous_id"), None);
    assert_eq!(second.text("session.previous_id"), Some(&*first.session));
    assert_ne!(first.session, second.session);
    // An idle close and a resume in the same session object.
    box_.say(0, EventName::Pause, &[]);
    run(&mut box_, 2_000_000, healthy);
    box_.say(0, EventName::Play, &[]);
    let again = all_records(&run(&mut box_, 1_000, healthy));
    assert_eq!(again[0].text("session.previous_id"), Some(&*second.session));
    // Who opts out has no points any more.
    box_.give(Input::SetConsent { call: None, consent: playheadd::core::settings::Consent::Out });
    box_.give(Input::SetConsent { call: None, consent: playheadd::core::settings::Consent::In });
    film(&mut box_, 700.0);
    let anew = all_records(&run(&mut box_, 1_000, healthy));
    assert_eq!(anew[0].text("session.previous_id"), None);
}
