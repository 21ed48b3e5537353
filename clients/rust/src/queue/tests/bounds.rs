//! How much waits, and for how long.

use super::*;

const NAMES: [&str; 2] = ["BufferStart", "BufferComplete"];

/// `count` events that mean nothing to the queue, one each 10 ms, at the positions 0, 1, 2, ...
fn fill(rig: &mut Rig, session: SessionId, count: usize) {
    for n in 0..count {
        rig.other(session, NAMES[n % 2], n as f64);
        rig.pass(SECOND / 100);
    }
}

#[test]
fn at_most_256_messages_wait_and_the_oldest_goes() {
    let mut rig = Rig::without_bus();
    let film = rig.open("film");
    fill(&mut rig, film, PENDING_MAX - 1);
    assert_eq!(rig.queue.pending(), PENDING_MAX);
    assert_eq!(rig.notices(), [""; 0]);
    rig.other(film, "SeekStart", 999.0);
    assert_eq!(rig.queue.pending(), PENDING_MAX);
    assert_eq!(rig.notices(), ["1 BufferStart Dropped"], "reported at once, and once");
    rig.queue.connected();
    let said = rig.say_all();
    assert_eq!(said.len(), PENDING_MAX);
    assert_eq!(said[..2], ["Open film 0", "101 BufferComplete 1"], "the open stays");
    assert_eq!(said.last().expect("a message"), "101 SeekStart 999");
}

#[test]
fn what_is_being_said_does_not_go() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.other(film, "SeekStart", 1.0);
    assert_eq!(rig.call(), ["1 SeekStart 1"]);
    fill(&mut rig, film, PENDING_MAX);
    assert_eq!(rig.notices(), ["1 BufferStart Dropped"]);
    rig.done();
    assert_eq!(rig.call(), ["1 BufferComplete 1"]);
}

#[test]
fn of_what_was_dropped_the_newest_play_or_pause_stays() {
    let mut rig = Rig::without_bus();
    let film = rig.open("film");
    rig.play(film, 0.0);
    rig.pause(film, 1.0);
    rig.other(film, "SeekStart", 2.0);
    fill(&mut rig, film, PENDING_MAX - 2);
    assert_eq!(rig.queue.pending(), PENDING_MAX);
    assert_eq!(rig.notices(), ["1 Play Dropped", "1 SeekStart Dropped"]);
    rig.queue.connected();
    assert_eq!(rig.say_all()[..3], ["Open film 0", "101 Pause 1", "101 BufferStart 0"]);
}

#[test]
fn nothing_waits_longer_than_60_s() {
    let mut rig = Rig::without_bus();
    let film = rig.open("film");
    rig.play(film, 0.0);
    rig.other(film, "SeekStart", 1.0);
    rig.other(film, "SeekComplete", 2.0);
    rig.pass(40 * SECOND);
    rig.other(film, "BufferStart", 3.0);
    rig.pass(20 * SECOND);
    assert_eq!(rig.queue.pending(), 5, "exactly 60 s is not too long");
    assert_eq!(rig.notices(), [""; 0]);
    while rig.queue.pending() > 3 {
        rig.pass_to_deadline();
    }
    assert!(rig.now - START < 60 * SECOND + 10, "without a wait for anything else");
    assert_eq!(rig.notices(), ["1 SeekStart Dropped", "1 SeekComplete Dropped"]);
    rig.queue.connected();
    assert_eq!(rig.say_all(), ["Open film 0", "101 Play 0", "101 BufferStart 3"]);
}

#[test]
fn a_drop_of_several_is_one_report_with_their_number() {
    let mut rig = Rig::without_bus();
    let film = rig.open("film");
    fill(&mut rig, film, 5);
    rig.pass(100 * SECOND);
    let Some(Notice::Failed { session, error }) = rig.queue.next_notice() else { panic!("none") };
    assert_eq!(session, Some(film));
    assert_eq!(error.kind, crate::ErrorKind::Dropped(5));
    assert_eq!(error.event, "BufferStart");
    assert!(error.message.starts_with("5 messages"), "{}", error.message);
    assert_eq!(rig.notices(), [""; 0]);
}

#[test]
fn a_film_without_an_agent_is_told_of_in_the_end() {
    let mut rig = Rig::without_bus();
    let film = rig.open("film");
    rig.play(film, 0.0);
    for minute in 1..=90 {
        rig.pass(60 * SECOND);
        rig.playhead(film, f64::from(minute) * 60.0);
    }
    rig.pause(film, 5_400.0);
    rig.pass(100 * SECOND);
    rig.end(film, 5_400.0);
    rig.pass(3_600 * SECOND);
    rig.queue.connected();
    assert_eq!(rig.say_all(), ["Open film 0", "101 Pause 5400", "101 End 5400"]);
}

#[test]
fn an_evening_of_zapping_without_an_agent_keeps_whole_playbacks() {
    let mut rig = Rig::without_bus();
    for n in 0..200 {
        let channel = rig.open(&format!("channel {n}"));
        rig.play(channel, 0.0);
        rig.pass(100 * SECOND);
        rig.end(channel, 100.0);
        rig.queue.forget(rig.now, channel, true);
        assert!(rig.queue.pending() <= PENDING_MAX);
    }
    rig.queue.connected();
    let said = rig.say_all();
    assert_eq!(said.len(), PENDING_MAX - PENDING_MAX % 3, "in threes");
    for playback in said.chunks(3) {
        let [open, play, end] = playback else { panic!("{playback:?}") };
        assert!(open.starts_with("Open channel"), "{playback:?}");
        assert!(play.ends_with("Play 0") && end.ends_with("End 100"), "{playback:?}");
    }
    assert_eq!(said[said.len() - 3], "Open channel 199 0", "the oldest have gone");
    assert!(rig.queue.sessions.len() <= super::super::LINGERING);
}

#[test]
fn sessions_that_all_live_are_bounded_too() {
    let mut rig = Rig::without_bus();
    let sessions: Vec<_> = (0..300).map(|n| rig.open_as("film", &format!("player {n}"))).collect();
    assert_eq!(rig.queue.pending(), PENDING_MAX);
    rig.queue.connected();
    rig.say_all();
    // One whose opening went is opened when it says something.
    rig.play(sessions[0], 3.0);
    assert_eq!(rig.say_all(), ["Open film 3", "101 Play 3"]);
}

#[test]
fn notices_that_nobody_reads_are_bounded() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.end(film, 0.0);
    for _ in 0..10_000 {
        rig.play(film, 0.0);
    }
    assert_eq!(rig.notices().len(), super::super::NOTICES);
}
