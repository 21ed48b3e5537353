//! Nothing grows without a bound, and nobody is locked out (docs/behaviour.md 2.8): the limits that the
//! engine keeps by itself, in virtual time. Those of a live bus: tests/limits.rs.

mod driven;

use std::collections::BTreeMap;

use driven::{Agents, media, player, settings};
use playheadd::core::input::{CallId, Input, Target};
use playheadd::core::player::{EventSource, PlayerId};
use playheadd::core::rejected::Refusal;
use playheadd::core::tracker::event::EventName;
use playheadd::core::tracker::info::{Info, Value};
use playheadd::core::turn::Reply;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

fn ended(agents: &mut Agents, n: usize) {
    agents.say(n, EventName::End, &[]);
}

/// What became of a session that a player of some uid opens.
fn opens(agents: &mut Agents, player: PlayerId, uid: Option<u32>) -> Result<Reply, Refusal> {
    let id = format!("{}{}", player.sender, player.instance);
    agents.give(Input::Open {
        call: Some(CallId(1)),
        player,
        source: EventSource::Method,
        uid,
        app: id.clone(),
        playhead: 0.0,
        info: Info::from([("id".to_owned(), Value::Text(id))]),
    });
    agents.replies.pop().expect("a reply").map_err(|rejected| rejected.kind)
}

fn of(sender: usize, instance: usize) -> PlayerId {
    PlayerId { sender: format!(":1.{sender}"), instance: format!("/{instance}") }
}

/// Every session that these connections of one uid get.
fn squat(agents: &mut Agents, senders: std::ops::Range<usize>, uid: u32) -> usize {
    let all = senders.flat_map(|sender| (0..20).map(move |instance| of(sender, instance)));
    all.filter(|player| opens(agents, player.clone(), Some(uid)).is_ok()).count()
}

#[test]
fn one_uid_does_not_lock_out_the_others() {
    let mut agents = Agents::new(settings(1));
    assert_eq!(squat(&mut agents, 0..4, 7), 48);
    let others: Vec<_> = (0..17).map(|n| opens(&mut agents, of(50, n), None)).collect();
    assert_eq!(others.iter().filter(|came| came.is_ok()).count(), 16);
    assert_eq!(others[16], Err(Refusal::LimitsExceeded));
    // 64 are open now: more than these has no connection of anybody.
    assert_eq!(opens(&mut agents, of(51, 0), None), Err(Refusal::LimitsExceeded));
    // What vanished is not counted from then on, although its grace runs.
    for sender in 0..4 {
        agents.give(Input::PlayerGone { sender: format!(":1.{sender}") });
    }
    assert_eq!(agents.agent().status().active_sessions, 64, "they wait for their players");
    assert_eq!(squat(&mut agents, 10..14, 7), 48);
    assert_eq!(opens(&mut agents, of(51, 0), None), Err(Refusal::LimitsExceeded), "64 again");
    agents.pass(120_000);
    assert_eq!(agents.agent().status().active_sessions, 64);
}

#[test]
fn whoever_opens_sessions_and_leaves_again_and_again_keeps_few() {
    let mut settings = settings(1);
    settings.grace = playheadd::core::time::Span::ZERO;
    let mut agents = Agents::new(settings);
    for round in 0..40 {
        squat(&mut agents, round * 2..round * 2 + 2, 7);
        for sender in round * 2..round * 2 + 2 {
            agents.give(Input::PlayerGone { sender: format!(":1.{sender}") });
        }
        let sessions = agents.agent().status().active_sessions;
        assert!(sessions <= 48, "{sessions} sessions wait for ever for players of one uid");
    }
    assert!(opens(&mut agents, of(1_000, 0), None).is_ok());
}

fn heavy(id: &str, bytes: usize) -> Vec<(&'static str, Value)> {
    let mut info = media(id, false);
    let texts: BTreeMap<String, String> =
        (0..bytes / 4_000).map(|n| (format!("k{n}"), "x".repeat(4_000))).collect();
    info.push(("metadata", Value::Dict(texts)));
    info
}

#[test]
fn metadata_counts_in_the_queue() {
    let mut agents = Agents::new(settings(1));
    let most = 8 * MIB;
    for n in 0..400 {
        agents.say(n, EventName::SessionStart, &heavy(&format!("m{n}"), 60_000));
        agents.say(n, EventName::Play, &[]);
        ended(&mut agents, n);
        agents.pass(6_000);
        let queued = agents.agent().delivery().queued_bytes();
        assert!(queued <= most, "{queued} bytes wait");
    }
    let dropped = agents.agent().status().counters.over_limit;
    assert!(dropped > 700, "{dropped} hits were given up: 24 MB do not fit into 8");
    let stored: usize = agents.driver.disk.store.raw().map(|(k, v)| k.len() + v.len()).sum();
    assert!(stored as u64 <= most + MIB, "{stored} bytes are stored");
    assert!(agents.agent().delivery().queued_bytes() > most / 2);
}

#[test]
fn the_estimate_of_what_waits_is_close_to_what_is_stored() {
    let mut agents = Agents::new(settings(1));
    for (n, bytes) in [(0, 0), (1, 0), (2, 4_000), (3, 40_000)] {
        agents.say(n, EventName::SessionStart, &heavy(&format!("m{n}"), bytes));
        agents.say(n, EventName::Play, &[]);
        agents.pass(60_000);
        ended(&mut agents, n);
        agents.pass(6_000);
    }
    let stored: usize = agents.driver.disk.store.raw().map(|(k, v)| k.len() + v.len()).sum();
    let queued = agents.agent().delivery().queued_bytes() as f64;
    let ratio = queued / stored as f64;
    assert!((0.8..1.25).contains(&ratio), "{queued} bytes for {stored} stored");
}

#[test]
fn the_metadata_of_open_sessions_has_a_limit() {
    let mut agents = Agents::new(settings(1));
    let mut open = 0;
    for n in 0..60 {
        agents.say(n, EventName::SessionStart, &heavy(&format!("m{n}"), 60_000));
        open = agents.agent().status().active_sessions;
    }
    assert_eq!(open, 34, "2 MiB of 61 KB each");
    assert_eq!(agents.agent().status().rejected_events, 26);
    // Ads and chapters count too; small ones are never refused.
    agents.say(0, EventName::ChapterStart, &chapter(60_000));
    assert_eq!(agents.agent().status().rejected_events, 27);
    agents.say(0, EventName::ChapterStart, &chapter(0));
    assert_eq!(agents.agent().status().rejected_events, 27);
}

fn chapter(bytes: usize) -> Vec<(&'static str, Value)> {
    let mut info = heavy("unused", bytes);
    info.extend([
        ("name", Value::Text("c".into())),
        ("position", Value::Int(1)),
        ("start", Value::Float(0.0)),
        ("length", Value::Float(9.0)),
    ]);
    info
}

#[test]
fn resume_points_have_a_limit_in_bytes() {
    let mut agents = Agents::new(settings(1));
    for n in 0..600 {
        let id = format!("{n:04}{}", "x".repeat(4_000));
        agents.say(n, EventName::SessionStart, &media(&id, false));
        ended(&mut agents, n);
    }
    let ids: Vec<&String> = agents.agent().resume_points().map(|((_, id), _)| id).collect();
    let bytes: usize = ids.iter().map(|id| id.len()).sum();
    assert!(bytes as u64 <= MIB && bytes as u64 > MIB - 64 * KIB, "{bytes} bytes");
    assert!(ids.iter().any(|id| id.starts_with("0599")), "the newest stay");
    assert!(!ids.iter().any(|id| id.starts_with("0000")), "the oldest go");
}

#[test]
fn of_what_a_collector_refuses_the_newest_is_kept() {
    let mut settings = settings(1);
    settings.limits.rejected_kept = 3;
    let mut agents = Agents::new(settings);
    agents.say(0, EventName::SessionStart, &media("m", false));
    for n in 0..10 {
        agents.say(0, EventName::Error, &[("id", Value::Text(format!("fault-{n}")))]);
    }
    agents.give(Input::Metered(false));
    agents.pass(1_000);
    agents.deliver_to(|request| if request.body.contains("fault-") { 400 } else { 204 });
    agents.pass(6_000);
    assert_eq!(agents.agent().status().counters.dropped, 10);
    // A key of this kind begins with Q.
    let kept = agents.driver.disk.store.raw().filter(|(key, _)| key[0] == b'Q');
    let kept: Vec<_> = kept.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect();
    assert_eq!(kept.len(), 3, "{kept:?}");
    for (record, id) in kept.iter().zip(["fault-7", "fault-8", "fault-9"]) {
        assert!(record.contains(id), "{record}");
    }
}

#[test]
fn a_store_that_is_far_behind_takes_no_more_from_players() {
    let mut agents = Agents::new(settings(1));
    agents.driver.disk.delay_ms = 9_000;
    let mut refused = 0;
    for n in 0..60 {
        agents.say(n, EventName::SessionStart, &heavy(&format!("m{n}"), 60_000));
        ended(&mut agents, n);
        let unwritten = agents.driver.engine().expect("an engine").unwritten_bytes();
        assert!(unwritten <= 2 * MIB + 200 * KIB, "{unwritten} bytes wait for the store");
        refused = agents.agent().status().rejected_events;
    }
    assert!(refused > 20, "{refused} were refused");
    let target = Target::Player(player(0));
    let (call, name) = (Some(CallId(9)), EventName::Play);
    let info = Info::from([("rate".to_owned(), Value::Float(1.0))]);
    agents.give(Input::Event { call, target, name, playhead: 0.0, info });
    let why = agents.replies.pop().expect("a reply").expect_err("refused");
    assert_eq!(why.kind, Refusal::LimitsExceeded);
    assert!(why.why.contains("does not keep up"), "{}", why.why);
    // As soon as it has caught up everything goes on.
    agents.driver.disk.delay_ms = 0;
    agents.pass(60_000);
    agents.say(99, EventName::SessionStart, &media("after", false));
    assert_eq!(agents.agent().status().active_sessions, 1);
}

#[test]
fn sessions_that_come_and_go_on_a_full_disk_leave_nothing_in_memory() {
    let mut settings = settings(1);
    settings.delivery.queue_max_bytes = 200 * KIB;
    let mut agents = Agents::new(settings);
    agents.say(0, EventName::SessionStart, &media("before", false));
    agents.driver.disk.fault.full = true;
    let mut half_way = 0;
    for n in 1..=1_600_usize {
        agents.say(n, EventName::SessionStart, &media(&format!("m{}", n % 40), true));
        ended(&mut agents, n);
        agents.pass(6_000);
        let unwritten = agents.driver.engine().expect("an engine").unwritten_bytes();
        if n == 800 {
            half_way = unwritten;
        }
    }
    let unwritten = agents.driver.engine().expect("an engine").unwritten_bytes();
    assert!(unwritten < 400 * KIB, "{unwritten} bytes wait");
    assert!(unwritten <= half_way + 16 * KIB, "{half_way} grew to {unwritten}");
}
