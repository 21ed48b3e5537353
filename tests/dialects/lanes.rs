//! Several collectors at once: a log, a lane each; what one gets of it, and what it loses alone.

use std::collections::BTreeSet;

use playheadd::core::dialect::exchange::{Cause, Outcome, Problem, Request};
use playheadd::core::input::Input;
use playheadd::core::record::{Key, Record as Stored};
use playheadd::core::settings::Settings;
use playheadd::core::tracker::event::EventName;
use playheadd::core::tracker::info::Value;

use super::pipeline::{
    all_records, collector, healthy, hold_once, kind_of, reporting_to, run, run_with_hanging,
};
use crate::driven::{Agents, media, player};

const DAY_MS: i64 = 86_400_000;

fn both() -> Settings {
    reporting_to(vec![collector("adobe", "media-collection"), collector("logs", "otlp")])
}

fn agents(settings: Settings) -> Agents {
    let mut box_ = Agents::new(settings);
    box_.give(Input::Metered(false));
    box_
}

fn open(box_: &mut Agents, n: usize) {
    box_.say(n, EventName::SessionStart, &media(&format!("m{n}"), false));
    box_.say(n, EventName::Play, &[]);
}

fn away(name: &'static str) -> impl Fn(&Request) -> Outcome {
    move |request| match *request.collector == *name {
        true => Outcome::Unreachable(Problem::new(Cause::Refused, "refused")),
        false => healthy(request),
    }
}

/// The event types that the Adobe collector was sent.
fn at_adobe(made: &[(i64, Request)]) -> Vec<String> {
    let to = made.iter().filter(|(_, request)| *request.collector == *"adobe");
    to.map(|(_, request)| kind_of(request)).collect()
}

#[test]
fn one_that_is_down_for_a_week_holds_nobody_up_and_loses_alone() {
    let mut settings = both();
    settings.delivery.queue_max_bytes = 48 * 1024;
    let mut box_ = agents(settings);
    let (mut sent, mut slow) = (Vec::new(), 0);
    for day in 0..7 {
        for viewing in 0..2 {
            open(&mut box_, 0);
            let made = run(&mut box_, 1_200_000, away("logs"));
            box_.say(0, EventName::End, &[]);
            sent.extend(at_adobe(&made));
            let ended = run(&mut box_, 0, away("logs"));
            slow += usize::from(!at_adobe(&ended).contains(&"sessionEnd".to_owned()));
            sent.extend(at_adobe(&ended));
            run(&mut box_, DAY_MS / 2 - 1_200_000, away("logs"));
            assert!(
                box_.agent().delivery().queued_bytes() <= 56 * 1024,
                "day {day}, viewing {viewing}: {}",
                box_.agent().delivery().queued_bytes()
            );
        }
    }
    assert_eq!(slow, 0, "nobody waits for the one that is away");
    let count = |kind: &str| sent.iter().filter(|of| *of == kind).count();
    assert_eq!((count("sessionStart"), count("play"), count("sessionEnd")), (14, 14, 14));
    assert_eq!(count("ping"), 14 * 120, "no ping is thinned that Adobe still needs");
    let dropped = box_.agent().status().counters.dropped;
    assert!(dropped > 0 && dropped == box_.agent().status().counters.over_limit);
    // It is back: the newest is there, whole sessions each with a start.
    let got = all_records(&run(&mut box_, DAY_MS, healthy));
    hold_once(&got);
    assert_eq!(got.len() as u64 + dropped, sent.len() as u64);
    assert_eq!(got.iter().filter(|record| record.kind == "sessionEnd").count(), 14);
}

#[test]
fn a_session_that_goes_on_begins_anew_where_its_beginning_was_given_up() {
    let mut settings = both();
    settings.delivery.queue_max_bytes = 12_000;
    settings.max_session = playheadd::core::time::Span::seconds(10 * 86_400);
    let mut box_ = agents(settings);
    open(&mut box_, 0);
    let first = all_records(&run(&mut box_, 100, healthy));
    let mut pauses = 0;
    for _ in 0..400 {
        box_.say(0, EventName::Pause, &[]);
        run(&mut box_, 10_000, away("logs"));
        box_.say(0, EventName::Play, &[]);
        run(&mut box_, 10_000, away("logs"));
        pauses += 1;
    }
    assert!(box_.agent().status().counters.over_limit > 0);
    let got = all_records(&run(&mut box_, 600_000, healthy));
    let sessions: BTreeSet<&str> = got.iter().map(|record| record.session.as_str()).collect();
    assert_eq!(sessions.len(), 1);
    let uids: BTreeSet<&str> = got.iter().map(|record| record.uid.as_str()).collect();
    assert_eq!(uids.len(), got.len());
    // Its start had arrived, so it is the same session with a gap.
    assert!(sessions.contains(&*first[0].session));
    let kept = got.iter().filter(|record| record.kind == "pauseStart").count();
    assert!(kept > 10 && kept < pauses, "{kept}");

    // Where it had not, the rest is another session, which names the one that it goes on with.
    let mut settings = both();
    settings.delivery.queue_max_bytes = 12_000;
    let mut box_ = agents(settings);
    open(&mut box_, 0);
    for _ in 0..400 {
        box_.say(0, EventName::Pause, &[]);
        run(&mut box_, 10_000, away("logs"));
        box_.say(0, EventName::Play, &[]);
        run(&mut box_, 10_000, away("logs"));
    }
    let got = all_records(&run(&mut box_, 600_000, healthy));
    hold_once(&got);
    assert_eq!(got[0].kind, "sessionStart");
    assert!(got[0].text("session.previous_id").is_some());
    assert_eq!(got[0].attributes["media.resume"]["boolValue"], true);
}

#[test]
fn what_a_collector_does_not_want_is_passed() {
    let mut settings = both();
    let kinds = ["sessionStart", "chapterStart", "error", "sessionEnd"];
    settings.collectors[1].events = Some(kinds.map(str::to_owned).to_vec());
    let mut box_ = agents(settings);
    open(&mut box_, 0);
    let mut made = run(&mut box_, 3_600_000, healthy);
    assert_eq!(box_.agent().delivery().queued(), 0, "nothing waits that nobody wants");
    assert!(box_.agent().delivery().reports_in_memory() < 5);
    // The same in an outage, longer than the window, and over a kill.
    box_.say(0, EventName::Error, &[("id", Value::Text("e".into()))]);
    made.extend(run(&mut box_, 1_800_000, away("logs")));
    assert_eq!(box_.agent().delivery().queued(), 1, "pings behind the error are none that wait");
    box_.say(0, EventName::End, &[]);
    made.extend(run(&mut box_, 1_000, away("logs")));
    assert_eq!(box_.agent().delivery().queued(), 2);
    let delivered = box_.agent().status().counters.delivered;
    box_.start_with(box_.agent().settings().clone(), vec![player(0).sender]);
    box_.give(Input::Metered(false));
    made.extend(run(&mut box_, 600_000, healthy));
    let got = all_records(&made);
    let late = ["error", "sessionEnd"];
    hold_once(&got.iter().filter(|r| !late.contains(&&*r.kind)).cloned().collect::<Vec<_>>());
    let kinds: BTreeSet<&str> = got.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, BTreeSet::from(["error", "sessionEnd", "sessionStart"]));
    let adobe = at_adobe(&made);
    assert!(adobe.iter().filter(|kind| *kind == "ping").count() > 500);
    // The context follows what was passed: an Adobe collector always gets its start.
    assert_eq!(delivered, adobe.len() as u64 + 1);
    assert_eq!(box_.agent().delivery().queued(), 0);

    let mut settings = reporting_to(vec![collector("adobe", "media-collection")]);
    settings.collectors[0].events = Some(vec!["play".to_owned()]);
    let mut box_ = agents(settings);
    open(&mut box_, 0);
    let made = run(&mut box_, 60_000, healthy);
    assert_eq!(at_adobe(&made), ["sessionStart", "play"]);
}

#[test]
fn a_share_of_sessions_is_reported_and_each_of_them_whole() {
    let mut settings = both();
    settings.collectors[1].sample = 0.3;
    let mut box_ = agents(settings.clone());
    let (mut got, mut adobe) = (Vec::new(), 0);
    for n in 0..60 {
        open(&mut box_, n);
        let mut made = run(&mut box_, 25_000, healthy);
        if n % 10 == 0 {
            box_.start_with(settings.clone(), vec![player(n).sender]);
            box_.give(Input::Metered(false));
        }
        // It is closed for idleness, and goes on: still in the share or not.
        box_.say(n, EventName::Pause, &[]);
        made.extend(run(&mut box_, 1_900_000, healthy));
        box_.say(n, EventName::Play, &[]);
        made.extend(run(&mut box_, 10_000, healthy));
        box_.say(n, EventName::End, &[]);
        made.extend(run(&mut box_, 10_000, healthy));
        let of_this = all_records(&made);
        let starts = of_this.iter().filter(|record| record.kind == "sessionStart").count();
        assert!(starts == 0 && of_this.is_empty() || starts == 2, "{starts}");
        adobe += at_adobe(&made).iter().filter(|kind| *kind == "sessionStart").count();
        got.extend(of_this);
    }
    let sessions: BTreeSet<&str> = got.iter().map(|record| record.session.as_str()).collect();
    assert!((20..52).contains(&sessions.len()), "{}", sessions.len());
    assert_eq!(adobe, 120, "the other collector has a share of its own");
}

#[test]
fn a_session_that_nobody_wants_is_not_kept() {
    let mut settings = reporting_to(vec![collector("logs", "otlp")]);
    settings.collectors[0].sample = 0.0;
    let mut box_ = agents(settings);
    open(&mut box_, 0);
    assert!(run(&mut box_, 60_000, healthy).is_empty());
    box_.say(0, EventName::End, &[]);
    run(&mut box_, 10_000, healthy);
    assert!(box_.driver.disk.store.load().logs.is_empty());
    let status = box_.agent().status();
    assert_eq!((status.queued_hits, status.counters.dropped, status.counters.delivered), (0, 0, 0));
    assert_eq!(box_.agent().resume_points().count(), 1, "it can be resumed all the same");
}

/// A collector whose kind the operator changes, in both directions, and over a kill.
#[test]
fn what_waits_is_sent_in_the_new_dialect_in_a_new_session() {
    for killed in [false, true] {
        let settings = |kind: &str| reporting_to(vec![collector("main", kind)]);
        let turn = |box_: &mut Agents, kind: &str| match killed {
            false => box_.reload(settings(kind)),
            true => {
                box_.start_with(settings(kind), vec![player(0).sender]);
                box_.give(Input::Metered(false));
            }
        };
        let mut box_ = agents(settings("media-collection"));
        open(&mut box_, 0);
        run(&mut box_, 30_500, healthy);
        run(&mut box_, 60_000, away("main"));
        turn(&mut box_, "otlp");
        let got = all_records(&run(&mut box_, 60_000, healthy));
        hold_once(&got);
        let kinds: Vec<&str> = got.iter().map(|record| record.kind.as_str()).collect();
        assert_eq!(kinds[..3], ["sessionStart", "play", "ping"], "{kinds:?}");
        assert!((12..=14).contains(&kinds.len()), "{kinds:?}");
        assert_eq!(got[0].attributes["media.resume"]["boolValue"], true);
        // And back.
        run(&mut box_, 60_000, away("main"));
        turn(&mut box_, "media-collection");
        let made = run(&mut box_, 60_000, healthy);
        let kinds: Vec<String> = made.iter().map(|(_, request)| kind_of(request)).collect();
        assert_eq!(kinds[..3], ["sessionStart", "play", "ping"], "{kinds:?}");
        assert!((12..=14).contains(&kinds.len()), "{kinds:?}");
        assert_eq!(box_.agent().status().counters.dropped, 0);
    }
}

/// A start that waits begins the log's own session, in the id that other collectors have as well.
#[test]
fn two_collectors_of_logs_get_the_same_ids() {
    let settings = reporting_to(vec![collector("a", "otlp"), collector("b", "otlp")]);
    let mut box_ = agents(settings);
    open(&mut box_, 0);
    let made = run(&mut box_, 60_000, healthy);
    let of = |name: &str| {
        let to = made.iter().filter(|(_, request)| *request.collector == *name);
        all_records(&to.cloned().collect::<Vec<_>>())
    };
    assert_eq!(of("a"), of("b"));
    hold_once(&of("a"));
}

/// A program that was put back to an older version finds lanes of a kind that it does not know.
#[test]
fn a_lane_of_an_unknown_kind_is_kept_if_its_collector_has_a_known_one() {
    let mut box_ = agents(both());
    open(&mut box_, 0);
    run(&mut box_, 60_000, away("logs"));
    let waiting = box_.agent().delivery().queued();
    assert!(waiting > 5);
    // What is not written yet would be lost with the kill.
    box_.give(Input::Stop);
    let newer = |record: &mut Stored| {
        if let Stored::Log(log) = record {
            for lane in log.lanes.iter_mut().filter(|lane| lane.collector == "logs") {
                lane.kind = "a-newer-one".into();
            }
        }
    };
    change(&mut box_, newer);
    box_.start_with(both(), vec![player(0).sender]);
    assert!(box_.agent().delivery().queued() >= waiting);
    box_.give(Input::Metered(false));
    let got = all_records(&run(&mut box_, 10_000, healthy));
    hold_once(&got);
    assert!(got.len() as u64 >= waiting, "{} of {waiting}", got.len());
}

/// Changes every log in the store.
fn change(box_: &mut Agents, of: impl Fn(&mut Stored)) {
    use playheadd::core::record::{Batch, Durability};
    let stored = box_.driver.disk.store.load();
    let changes = stored.logs.into_iter().map(|(key, log)| {
        let mut record = Stored::Log(Box::new(log));
        of(&mut record);
        (Key::Log(key), Some(record))
    });
    let batch = Batch {
        number: 1 << 40,
        changes: changes.collect(),
        deleted_reports: Vec::new(),
        deleted: Vec::new(),
        durability: Durability::Synced,
    };
    box_.driver.disk.store.apply(&batch);
}

#[test]
fn a_session_that_begins_anew_twice_names_the_one_before_each_time() {
    let mut settings = reporting_to(vec![collector("logs", "otlp")]);
    settings.delivery.queue_max_bytes = 12_000;
    let mut box_ = agents(settings);
    box_.say(0, EventName::SessionStart, &media("m0", true));
    box_.say(0, EventName::Play, &[]);
    let mut ids = vec![all_records(&run(&mut box_, 100, healthy))[0].session.clone()];
    for _ in 0..2 {
        let before = box_.agent().status().counters.over_limit;
        for _ in 0..400 {
            box_.say(0, EventName::Pause, &[]);
            run(&mut box_, 10_000, away("logs"));
            box_.say(0, EventName::Play, &[]);
            run(&mut box_, 10_000, away("logs"));
        }
        assert!(box_.agent().status().counters.over_limit > before);
        let got = all_records(&run(&mut box_, 600_000, healthy));
        assert_eq!(got[0].kind, "sessionStart");
        assert_eq!(got[0].text("session.previous_id"), ids.last().map(String::as_str));
        ids.push(got[0].session.clone());
    }
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), 3);
}

#[test]
fn one_that_hangs_takes_nothing_from_the_others_when_too_much_waits() {
    let mut settings = both();
    settings.delivery.queue_max_bytes = 8_000;
    let mut box_ = agents(settings);
    open(&mut box_, 0);
    let hangs = |request: &Request| (&*request.collector == "adobe").then(|| healthy(request));
    let mut sent = Vec::new();
    for _ in 0..100 {
        box_.say(0, EventName::Pause, &[]);
        sent.extend(run_with_hanging(&mut box_, 1_000, hangs));
        box_.say(0, EventName::Play, &[]);
        sent.extend(run_with_hanging(&mut box_, 1_000, hangs));
    }
    assert!(box_.agent().delivery().queued_bytes() > 8_000, "it waits for its answer");
    let at_adobe = at_adobe(&sent);
    let of = |kind: &str| at_adobe.iter().filter(|of| *of == kind).count();
    assert_eq!((of("pauseStart"), of("play")), (100, 101));
    assert_eq!(box_.agent().status().counters.dropped, 0);
}
