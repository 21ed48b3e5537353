//! However much waits, memory holds a window of it: the rest lies in the store and is read in steps
//! (docs/architecture.md, "Logs and lanes").

mod driven;

use driven::{Agents, media, settings};
use playheadd::core::input::Input;
use playheadd::core::tracker::event::EventName;
use playheadd::sim::driver::DiskFault;

/// What one log keeps in memory once it is stored.
const WINDOW: usize = 64;
/// What is reported within a flush interval and is not stored yet.
const UNWRITTEN: usize = 8;

#[test]
fn a_night_offline_waits_in_the_store_and_comes_out_whole() {
    for collectors in [1, 2] {
        let mut box_ = Agents::new(settings(collectors));
        box_.say(0, EventName::SessionStart, &media("m", false));
        box_.say(0, EventName::Play, &[]);
        // And as long as the last ping may take to the store.
        box_.pass(8 * 3_600_000 + 6_000);
        let waiting = box_.agent().status().queued_hits;
        assert!(waiting > 2_800, "{waiting} wait");
        assert!(
            box_.most_in_memory <= WINDOW + 2 * UNWRITTEN,
            "{} in memory with {collectors} collectors",
            box_.most_in_memory
        );
        // A restart reads no more than that either.
        box_.driver.kill();
        box_.start(vec![":1.0".into()]);
        assert_eq!(box_.agent().status().queued_hits, waiting);
        box_.most_in_memory = 0;
        box_.say(0, EventName::Complete, &[]);
        box_.give(Input::Metered(false));
        let got = box_.deliver();
        assert!(box_.most_in_memory <= WINDOW + 2 * UNWRITTEN, "{} read", box_.most_in_memory);
        let pings = got.iter().filter(|hit| hit["eventType"] == "ping").count();
        assert_eq!(pings, collectors * 2_880, "each of them, once for each collector");
        assert_eq!(box_.agent().status().queued_hits, 0);
        assert_eq!(box_.driver.disk.store.load().logs.len(), 0, "nothing is left behind");
        assert_eq!(box_.driver.disk.store.load().newest.len(), 0, "nothing is left behind");
    }
}

#[test]
fn a_long_download_is_put_together_from_the_store() {
    let mut box_ = Agents::new(settings(1));
    box_.say(0, EventName::SessionStart, &media("m", true));
    box_.say(0, EventName::Play, &[]);
    box_.pass(3 * 3_600_000);
    box_.say(0, EventName::Complete, &[]);
    box_.pass(10_000);
    box_.give(Input::Metered(false));
    let got = box_.deliver();
    assert_eq!(got.len(), 1, "one array");
    let hits = got[0].as_array().expect("an array");
    assert_eq!(hits.len(), 1 + 1 + 1080 + 1);
    let times: Vec<_> = hits.iter().filter_map(|h| h["playerTime"]["ts"].as_i64()).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "in order");
    assert!(box_.most_in_memory <= WINDOW + UNWRITTEN);
}

#[test]
fn many_sessions_share_the_memory() {
    const SESSIONS: usize = 40;
    let mut box_ = Agents::new(settings(1));
    for n in 0..SESSIONS {
        box_.say(n, EventName::SessionStart, &media(&format!("m{n}"), false));
        box_.say(n, EventName::Play, &[]);
    }
    box_.pass(3_600_000);
    assert!(box_.agent().status().queued_hits > 14_000);
    let each = box_.most_in_memory / SESSIONS;
    assert!(each <= WINDOW / 2, "{each} each");
}

fn full() -> DiskFault {
    DiskFault { full: true, ..DiskFault::default() }
}

#[test]
fn what_lies_in_the_store_goes_out_while_the_disk_is_full() {
    for downloaded in [false, true] {
        let mut box_ = Agents::new(settings(1));
        box_.say(0, EventName::SessionStart, &media("m", downloaded));
        box_.say(0, EventName::Play, &[]);
        box_.pass(3_600_000);
        box_.driver.disk.fault = full();
        box_.pass(600_000);
        box_.say(0, EventName::Complete, &[]);
        box_.give(Input::Metered(false));
        let got = box_.deliver();
        let hits = if downloaded { got[0].as_array().expect("an array") } else { &got };
        let pings = hits.iter().filter(|hit| hit["eventType"] == "ping").count();
        assert_eq!(pings, 420, "downloaded: {downloaded}");
        assert_eq!(box_.agent().status().queued_hits, 0);
        // None of them comes again once there is room, nor after a restart.
        box_.driver.disk.fault = DiskFault::default();
        box_.pass(10_000);
        assert_eq!(box_.driver.disk.store.load().logs.len(), 0, "nothing is left behind");
        box_.driver.kill();
        box_.start(Vec::new());
        assert_eq!(box_.agent().status().queued_hits, 0);
    }
}

#[test]
fn the_limit_holds_on_a_disk_that_is_full_and_on_one_that_cannot_be_read() {
    let unreadable = DiskFault { fails: true, ..DiskFault::default() };
    for fault in [full(), unreadable] {
        let mut limited = settings(1);
        limited.delivery.queue_max_bytes = 20_000;
        let mut box_ = Agents::new(limited);
        box_.say(0, EventName::SessionStart, &media("m", false));
        box_.say(0, EventName::Play, &[]);
        box_.pass(600_000);
        box_.driver.disk.fault = fault;
        box_.pass(24 * 3_600_000);
        let (bytes, held) =
            (box_.agent().delivery().queued_bytes(), box_.agent().delivery().reports_in_memory());
        assert!(bytes <= 20_000 + 20_000 / 8 + 200, "{bytes} bytes wait: {fault:?}");
        assert!(held < 400, "{held} reports in memory: {fault:?}");
    }
}
