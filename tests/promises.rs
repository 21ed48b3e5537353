//! What the store promises to keep, on disks that are full, fail or have lost something
//! (docs/behaviour.md 2.9).

mod driven;

use driven::{Agents, media, of_type, settings};
use playheadd::core::input::{CallId, Input};
use playheadd::core::record::{Key, ResumePoint};
use playheadd::core::settings::Consent;
use playheadd::core::tracker::event::EventName;
use playheadd::sim::driver::DiskFault;
use playheadd::store::memory::MemoryStore;

const FAILS: DiskFault = DiskFault { fails: true, full: false, read_only: false };
const FULL: DiskFault = DiskFault { fails: false, full: true, read_only: false };
const READ_ONLY: DiskFault = DiskFault { fails: false, full: false, read_only: true };

/// A box on which a film has played for two minutes without a network. The twelfth ping is not
/// stored yet.
fn played() -> Agents {
    let mut box_ = Agents::new(settings(1));
    box_.say(0, EventName::SessionStart, &media("film", false));
    box_.say(0, EventName::Play, &[]);
    box_.pass(120_000);
    box_
}

fn healed(box_: &mut Agents) {
    box_.driver.disk.fault = DiskFault::default();
    box_.pass(10_000);
    assert!(box_.driver.engine().expect("an engine").store_healthy());
}

fn point(box_: &Agents, media_id: &str) -> Option<ResumePoint> {
    let mut points = box_.agent().resume_points();
    points.find(|((_, media), _)| media == media_id).map(|(_, point)| point.clone())
}

#[test]
fn a_store_that_cannot_be_read_at_the_start_is_joined_later() {
    let mut box_ = played();
    let before: Vec<u32> = box_.agent().sessions().map(|(number, _)| number).collect();
    box_.driver.kill();
    box_.driver.disk.fault = FAILS;
    box_.start(vec![":1.0".into()]);
    assert_eq!(box_.agent().status().queued_hits, 0, "nothing is known");
    // The player has lost its session and opens another of the same film.
    box_.say(0, EventName::SessionStart, &media("film", false));
    box_.say(0, EventName::Play, &[]);
    box_.pass(60_000);
    healed(&mut box_);
    let now: Vec<u32> = box_.agent().sessions().map(|(number, _)| number).collect();
    assert_eq!(now.len(), 1, "the old one has ended");
    assert!(!before.contains(&now[0]), "numbers are not used twice");
    assert!(point(&box_, "film").is_some_and(|p| (115.0..=120.0).contains(&p.position)));
    // Both go out, the old one first, and nothing goes out twice after a restart.
    box_.say(0, EventName::Complete, &[]);
    box_.driver.kill();
    box_.start(Vec::new());
    box_.give(Input::Metered(false));
    let got = box_.deliver();
    assert_eq!(of_type(&got, "sessionStart"), 2);
    assert_eq!((of_type(&got, "sessionEnd"), of_type(&got, "sessionComplete")), (1, 1));
    assert_eq!(of_type(&got, "ping"), 11 + 7);
    assert!(point(&box_, "film").is_some_and(|point| point.completed), "the newest point stays");
    let left = box_.driver.disk.store.load();
    assert_eq!((left.logs.len(), left.sessions.len(), left.media.len()), (0, 0, 0));
}

#[test]
fn a_disk_that_takes_no_writes_at_the_start_is_read_all_the_same() {
    for fault in [FULL, READ_ONLY] {
        let mut box_ = played();
        box_.driver.kill();
        box_.driver.disk.fault = fault;
        box_.start(vec![":1.0".into()]);
        assert_eq!(box_.agent().sessions().count(), 1, "it goes on: {fault:?}");
        box_.give(Input::Metered(false));
        let got = box_.deliver();
        let pings = of_type(&got, "ping");
        assert!(pings >= 12, "what is stored is delivered: {fault:?}, {pings}");
        box_.pass(20_000);
        healed(&mut box_);
        box_.driver.kill();
        box_.start(vec![":1.0".into()]);
        box_.say(0, EventName::Complete, &[]);
        box_.give(Input::Metered(false));
        let got = box_.deliver();
        assert_eq!(of_type(&got, "sessionComplete"), 1);
        assert_eq!(of_type(&got, "sessionStart"), 0, "the same session: {fault:?}");
    }
}

#[test]
fn without_the_meta_record_no_number_is_used_twice() {
    let mut box_ = played();
    box_.pass(5_000);
    box_.driver.kill();
    box_.driver.disk.store.lose(&Key::Meta);
    box_.start(vec![":1.0".into()]);
    assert_eq!(box_.agent().sessions().count(), 0, "nobody knows of which boot it was");
    assert!(point(&box_, "film").is_some());
    box_.say(0, EventName::SessionStart, &media("film", false));
    box_.say(0, EventName::Complete, &[]);
    box_.give(Input::Metered(false));
    let got = box_.deliver();
    assert_eq!(of_type(&got, "sessionStart"), 2);
    assert_eq!(of_type(&got, "ping"), 12);
    assert_eq!((of_type(&got, "sessionEnd"), of_type(&got, "sessionComplete")), (1, 1));
}

#[test]
fn what_belongs_to_nothing_any_more_is_deleted() {
    let mut box_ = played();
    box_.driver.kill();
    for lost in [Key::Session(1), Key::Log(1)] {
        box_.driver.disk.store.lose(&lost);
    }
    let left = box_.driver.disk.store.load();
    assert!(!left.media.is_empty() && !left.newest.is_empty());
    box_.start(Vec::new());
    box_.pass(10_000);
    let left = box_.driver.disk.store.load();
    assert!(left.media.is_empty() && left.newest.is_empty() && left.heartbeats.is_empty());
}

#[test]
fn a_ping_is_on_the_medium_within_the_flush_interval() {
    let mut box_ = played();
    // The ping of 120 s, and 5 s later the power is cut.
    box_.pass(5_000);
    box_.cut_power();
    box_.start(Vec::new());
    box_.give(Input::Metered(false));
    let got = box_.deliver();
    assert_eq!(of_type(&got, "ping"), 12);
    assert!(point(&box_, "film").is_some_and(|p| p.position >= 120.0));
}

#[test]
fn opting_out_holds_whatever_the_disk_does() {
    for (fault, written) in
        [(DiskFault::default(), true), (FULL, true), (READ_ONLY, false), (FAILS, false)]
    {
        let mut box_ = played();
        box_.driver.disk.fault = fault;
        let out = Input::SetConsent { call: Some(CallId(1)), consent: Consent::Out };
        box_.give(out);
        assert_eq!(box_.replies.pop().map(|reply| reply.is_ok()), Some(written), "{fault:?}");
        box_.give(Input::Metered(false));
        assert!(box_.deliver().is_empty(), "nothing is sent after it: {fault:?}");
        if !written {
            // It is tried again until it is done.
            box_.driver.disk.fault = DiskFault::default();
            box_.pass(10_000);
        }
        box_.driver.kill();
        box_.start(vec![":1.0".into()]);
        assert_eq!(box_.agent().consent(), Consent::Out, "{fault:?}");
        assert_eq!(box_.agent().status().queued_hits, 0);
        assert!(point(&box_, "film").is_none());
    }
}

#[test]
fn a_store_of_before_the_opting_out_is_deleted_unread() {
    let mut box_ = played();
    let old: Vec<_> = box_.driver.disk.store.raw().map(|(k, v)| (k.clone(), v.clone())).collect();
    box_.give(Input::SetConsent { call: None, consent: Consent::Out });
    box_.driver.kill();
    // The agent died between the consent file and the deletion.
    box_.driver.disk.store = MemoryStore::from_raw(old);
    box_.driver.disk.generation = 1;
    box_.start(vec![":1.0".into()]);
    assert_eq!(box_.agent().status().queued_hits, 0);
    box_.give(Input::SetConsent { call: None, consent: Consent::In });
    box_.give(Input::Metered(false));
    box_.pass(10_000);
    assert!(box_.deliver().is_empty());
}

#[test]
fn without_its_file_consent_is_unknown_beside_a_store() {
    let mut box_ = played();
    box_.driver.kill();
    box_.driver.disk.consent = None;
    box_.start(vec![":1.0".into()]);
    assert_eq!(box_.agent().consent(), Consent::Unknown, "although consent.initial is in");
    box_.give(Input::Metered(false));
    box_.pass(60_000);
    assert!(box_.sent.is_empty());
    assert!(box_.agent().status().queued_hits > 12, "it waits");
}

#[test]
fn an_out_that_is_read_late_deletes_what_was_tracked_meanwhile() {
    let mut box_ = played();
    box_.give(Input::SetConsent { call: None, consent: Consent::Out });
    box_.pass(10_000);
    box_.driver.kill();
    box_.driver.disk.fault = FAILS;
    box_.start(vec![":1.0".into()]);
    assert_eq!(box_.agent().consent(), Consent::Unknown);
    box_.say(0, EventName::SessionStart, &media("film", false));
    box_.say(0, EventName::Play, &[]);
    box_.pass(60_000);
    healed(&mut box_);
    assert_eq!(box_.agent().consent(), Consent::Out);
    box_.driver.kill();
    box_.start(vec![":1.0".into()]);
    assert_eq!(box_.agent().consent(), Consent::Out);
    box_.give(Input::SetConsent { call: None, consent: Consent::In });
    box_.give(Input::Metered(false));
    box_.pass(60_000);
    assert!(box_.sent.is_empty(), "nothing of before is left");
}
