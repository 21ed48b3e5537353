//! Whatever players say, in whatever order: what must hold for the hits of every session
//! (docs/protocol.md 2, 3, 9), also where limits are reached. The agent runs in virtual time against a
//! collector that accepts everything.

#[path = "tracker_properties/set_top_box.rs"]
mod set_top_box;
#[path = "tracker_properties/story.rs"]
mod story;

use std::cell::RefCell;
use std::collections::BTreeMap;

use playheadd::core::settings::{Consent, Limits, Settings};
use playheadd::core::tracker::event::EventName;
use playheadd::core::tracker::info::{Info, Value};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value as Json;
use set_top_box::{Sent, play_out, sent};
use story::{Said, Who, crowd, info, story, text};

fn settings() -> Settings {
    Settings { initial_consent: Consent::In, ..Settings::default() }
}

/// Limits that a crowd reaches in a minute.
fn narrow() -> Settings {
    let limits = Limits {
        sessions_per_sender: 2,
        sessions_per_uid: 3,
        sessions: 5,
        string_bytes: 300,
        info_bytes: 2_500,
        metadata_bytes: 4_000,
        event_burst: 20,
        uid_event_burst: 30,
        all_event_burst: 40,
        state_names: 2,
        ..settings().limits
    };
    Settings { limits, ..settings() }
}

/// What a limit says when it is reached, with the numbers left out.
const LIMITS: [&str; 10] = [
    "this connection has ",
    "the players of this uid have ",
    "there are ",
    "all sessions together may keep ",
    "this session has used ",
    "'name' may hold ",
    "a message may hold ",
    "a sender may send ",
    "the senders of one uid may send ",
    "all senders together may send ",
];

fn kind(body: &Json) -> &str {
    body["eventType"].as_str().expect("a type")
}

fn ts(body: &Json) -> i64 {
    body["playerTime"]["ts"].as_i64().expect("an integer")
}

fn by_session(sent: &Sent) -> BTreeMap<&str, Vec<&Json>> {
    let mut sessions: BTreeMap<&str, Vec<&Json>> = BTreeMap::new();
    for (sid, body) in sent {
        sessions.entry(sid).or_default().push(body);
    }
    sessions
}

/// The order and nesting of one session's hits (spec 3.1, 3.2, 3.9, 3.10).
fn check_session(sid: &str, hits: &[&Json], most_names: usize) -> Result<(), TestCaseError> {
    prop_assert_eq!(kind(hits[0]), "sessionStart", "{} begins", sid);
    let (mut in_break, mut in_ad, mut in_chapter) = (false, false, false);
    let mut states: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let mut heard_at = ts(hits[0]);
    for (n, hit) in hits.iter().enumerate() {
        if n > 0 {
            prop_assert!(ts(hit) > ts(hits[n - 1]), "{}: ts rises at #{} {}", sid, n, hit);
            let ended = ["sessionEnd", "sessionComplete"].contains(&kind(hits[n - 1]));
            prop_assert!(!ended, "{}: {} after the end", sid, hit);
            // Hits of the same instant are told apart by a millisecond each.
            let patience = if in_ad { 1_000 } else { 10_000 } + 50;
            prop_assert!(ts(hit) - heard_at <= patience, "{}: silence before #{} {}", sid, n, hit);
        }
        let state = || hit["params"]["media.state.name"].as_str().expect("a name");
        match kind(hit) {
            "sessionStart" => prop_assert_eq!(n, 0),
            "ping" => prop_assert!(hit.get("params").is_none()),
            "adBreakStart" => prop_assert!(!std::mem::replace(&mut in_break, true)),
            "adBreakComplete" => {
                prop_assert!(!in_ad);
                prop_assert!(std::mem::replace(&mut in_break, false));
            }
            "adStart" => {
                prop_assert!(in_break, "{}: an ad outside a break", sid);
                prop_assert!(!std::mem::replace(&mut in_ad, true));
            }
            "adComplete" | "adSkip" => prop_assert!(std::mem::replace(&mut in_ad, false)),
            "chapterStart" => prop_assert!(!std::mem::replace(&mut in_chapter, true)),
            "chapterComplete" | "chapterSkip" => {
                prop_assert!(std::mem::replace(&mut in_chapter, false));
            }
            "stateStart" => {
                prop_assert!(!states.contains(&state()));
                states.push(state());
                if !names.contains(&state()) {
                    names.push(state());
                }
                prop_assert!(names.len() <= most_names, "{}: too many state names", sid);
            }
            "stateEnd" => {
                prop_assert!(states.contains(&state()));
                states.retain(|s| *s != state());
            }
            _ => {}
        }
        if ["ping", "play", "pauseStart", "bufferStart", "adStart"].contains(&kind(hit)) {
            heard_at = ts(hit);
        }
        let playhead = hit["playerTime"]["playhead"].as_f64().expect("a number");
        prop_assert!(playhead >= 0.0);
        playheadd::sim::backend::media_collection::schema::event(hit)
            .map_err(TestCaseError::fail)?;
    }
    Ok(())
}

fn complete(sent: &Sent) -> Sent {
    // The operator's parameters are empty here, and the schema wants them.
    let mut sent = sent.clone();
    for (_, body) in &mut sent {
        for key in
            ["analytics.trackingServer", "analytics.reportSuite", "visitor.marketingCloudOrgId"]
        {
            if body["params"].get(key).is_some() {
                body["params"][key] = "x".into();
            }
        }
    }
    sent
}

/// The hits of each session, whatever its number and turn.
fn each_by_itself(sent: &Sent) -> Vec<String> {
    let mut all: Vec<String> =
        by_session(sent).into_values().map(|hits| format!("{hits:?}")).collect();
    all.sort();
    all
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(150))]

    /// spec 2, 3.1, 3.2, 5.5, P1 and P2.
    #[test]
    fn the_hits_of_every_session_are_in_order(story in story()) {
        let settings = settings();
        let told = play_out(&settings, &story);
        for (sid, hits) in by_session(&complete(&told.sent)) {
            check_session(sid, &hits, settings.limits.state_names)?;
        }
        prop_assert_eq!(told.changed, None, "an illegal call has changed something");
    }

    #[test]
    fn a_restart_of_the_agent_at_any_point_changes_nothing(story in story(), at in any::<prop::sample::Index>()) {
        let whole = sent(&settings(), &story, None);
        let cut = sent(&settings(), &story, Some(at.index(story.len())));
        // Sessions take turns, so only the order within each is the same.
        prop_assert_eq!(each_by_itself(&whole), each_by_itself(&cut));
    }
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn nor_does_it_where_several_players_reach_limits(story in crowd(), at in any::<prop::sample::Index>()) {
        let whole = sent(&narrow(), &story, None);
        let cut = sent(&narrow(), &story, Some(at.index(story.len())));
        prop_assert_eq!(each_by_itself(&whole), each_by_itself(&cut));
    }
}

/// behaviour.md 2.8: what is over a limit is refused, and that is all that happens.
#[test]
fn at_every_limit_a_refusal_changes_nothing() {
    let reached = RefCell::new(BTreeMap::<String, u32>::new());
    let played = TestRunner::new(config(200)).run(&crowd(), |story| {
        let settings = narrow();
        let told = play_out(&settings, &story);
        for (sid, hits) in by_session(&complete(&told.sent)) {
            check_session(sid, &hits, settings.limits.state_names)?;
        }
        for (why, times) in told.refused {
            *reached.borrow_mut().entry(why).or_default() += times;
        }
        prop_assert_eq!(told.changed, None, "a refused call has changed something");
        Ok(())
    });
    if let Err(fault) = played {
        panic!("{fault}");
    }
    let reached = reached.into_inner();
    for limit in LIMITS {
        let times: u32 =
            reached.iter().filter(|(why, _)| why.starts_with(limit)).map(|(_, n)| n).sum();
        assert!(times > 0, "{limit}: {times} times of {reached:#?}");
    }
}

/// An idle session has no ping that could be late, so a start of the agent delays none that it has later.
#[test]
fn a_restart_while_a_session_is_idle_delays_no_ping_of_its_next() {
    let say = |gap: i64, name: EventName, info: Info| {
        (gap, Said::Event(Who::default(), name, -1.0, info))
    };
    let numbered = info(&[
        ("id", text("id1")),
        ("name", text("name1")),
        ("position", Value::Int(1)),
        ("start", Value::Float(0.0)),
        ("length", Value::Float(30.0)),
    ]);
    let other = info(&[("app", text("tv.example.app")), ("id", text("other"))]);
    let story = vec![
        say(0, EventName::AdBreakStart, numbered.clone()),
        say(1, EventName::Play, Info::new()),
        say(1_800_000, EventName::Play, Info::new()),
        say(0, EventName::AdStart, numbered.clone()),
        say(1_000, EventName::SessionStart, other),
        say(0, EventName::Play, Info::new()),
    ];
    let whole = sent(&settings(), &story, None);
    for at in 0..story.len() {
        let cut = sent(&settings(), &story, Some(at));
        assert_eq!(each_by_itself(&whole), each_by_itself(&cut), "before line {at}");
    }
}
