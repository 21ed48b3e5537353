//! The session is gone: it is opened anew where it was.

use super::*;
use crate::Reason;

const GONE: [(&str, &str); 4] = [
    ("UnknownObject", "Unknown object"),
    ("UnknownMethod", "no such object"),
    ("NoSession", "there is no such session; open one first"),
    ("AccessDenied", "another connection has opened this session"),
];

#[test]
fn a_session_that_is_gone_is_opened_anew_and_says_what_it_did() {
    for (name, message) in GONE {
        let mut rig = Rig::new();
        let film = rig.open("film");
        rig.queue.say(rig.now, film, 7.0, info::play(2.0));
        rig.call();
        rig.opened(1);
        rig.call();
        rig.done();
        rig.pass(SECOND);
        rig.other(film, "BufferStart", 9.0);
        assert_eq!(rig.call(), ["1 BufferStart 9"]);
        let said = rig.now;
        rig.pass(SECOND);
        rig.fails(name, message);
        assert_eq!(rig.call(), ["Open film 9 resume"], "{name}");
        assert_eq!(at(&rig.calls[0].1), said, "{name}");
        rig.opened(4);
        assert_eq!(rig.call(), ["4 Play 9 rate 2"], "{name}");
        assert_eq!(at(&rig.calls[0].1), said, "{name}");
        rig.done();
        assert_eq!(rig.call(), ["4 BufferStart 9"], "{name}");
        rig.done();
        assert_eq!(rig.queue.pending(), 0);
        assert_eq!(rig.notices(), [""; 0], "{name}");
    }
}

#[test]
fn an_event_that_says_what_plays_is_said_alone() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.pause(film, 9.0);
    rig.call();
    rig.fails("UnknownObject", "");
    assert_eq!(rig.say_all(), ["Open film 9 resume", "101 Pause 9"]);
    rig.other(film, "SeekStart", 9.0);
    rig.call();
    rig.fails("UnknownObject", "");
    assert_eq!(rig.say_all(), ["Open film 9 resume", "101 Pause 9", "101 SeekStart 9"]);
}

#[test]
fn an_event_without_a_position_opens_at_the_last_one_that_is_known() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.playhead(film, 61.5);
    rig.say_all();
    rig.other(film, "BufferStart", -1.0);
    rig.call();
    rig.fails("UnknownObject", "");
    assert_eq!(rig.say_all(), ["Open film 61.5 resume", "101 Play -1", "101 BufferStart -1"]);
}

#[test]
fn an_end_is_done_when_the_session_is_gone() {
    for (name, message) in GONE {
        let mut rig = Rig::new();
        let film = rig.playing("film", 1);
        rig.end(film, 9.0);
        rig.call();
        rig.fails(name, message);
        assert_eq!(rig.say_all(), [""; 0], "{name}");
        assert_eq!(rig.queue.pending(), 0);
        assert_eq!(rig.notices(), [""; 0], "{name}");
    }
}

#[test]
fn for_one_event_a_session_is_opened_anew_once() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.other(film, "BufferStart", 9.0);
    rig.call();
    rig.fails("UnknownObject", "");
    rig.call();
    rig.opened(2);
    assert_eq!(rig.call(), ["2 Play 9"]);
    rig.fails("UnknownObject", "");
    assert_eq!(rig.call(), [""; 0]);
    assert_eq!(rig.notices(), ["1 BufferStart NoSession"]);

    rig.pause(film, 10.0);
    assert_eq!(rig.call(), ["Open film 10 resume"], "the next event tries again");
    rig.opened(3);
    rig.call();
    rig.fails("UnknownObject", "");
    assert_eq!(rig.call(), [""; 0]);
    assert_eq!(rig.notices(), ["1 Pause NoSession"]);
}

#[test]
fn a_reopening_that_is_refused_closes_the_session() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.other(film, "BufferStart", 9.0);
    rig.pause(film, 9.0);
    rig.call();
    rig.fails("UnknownObject", "");
    rig.call();
    rig.fails("InvalidArgs", "no");
    assert_eq!(rig.call(), [""; 0]);
    rig.play(film, 9.0);
    let expected =
        ["1 OpenSession InvalidArgs", "1 Pause NoSession", "1 closed failed", "1 Play NoSession"];
    assert_eq!(rig.notices(), expected);
    assert_eq!(rig.queue.pending(), 0);
}

#[test]
fn a_reopening_outlasts_the_agent() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.other(film, "BufferStart", 9.0);
    rig.call();
    rig.fails("UnknownObject", "");
    rig.call();
    rig.fails("NoReply", "");
    rig.queue.owner_changed(rig.now, true);
    assert_eq!(rig.call(), ["Open film 9 resume"]);
    rig.opened(2);
    rig.call();
    rig.fails("NoReply", "");
    rig.queue.owner_changed(rig.now, true);
    assert_eq!(rig.say_all(), ["2 Play 9", "2 BufferStart 9"]);
}

#[test]
fn after_another_connection_each_session_is_opened_anew_when_it_says_something() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.playhead(film, 5.0);
    rig.say_all();
    rig.queue.disconnected("it is gone");
    rig.other(film, "BufferStart", -1.0);
    assert_eq!(rig.call(), [""; 0]);
    rig.queue.connected();
    assert_eq!(rig.say_all(), ["Open film 5 resume", "101 Play -1", "101 BufferStart -1"]);
    rig.queue.disconnected("it is gone");
    rig.queue.connected();
    assert_eq!(rig.call(), [""; 0], "nothing has happened");
}

#[test]
fn what_was_in_flight_when_the_connection_was_lost_is_said_again() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.pause(film, 5.0);
    rig.call();
    rig.queue.disconnected("it is gone");
    rig.calls.clear();
    rig.queue.connected();
    assert_eq!(rig.say_all(), ["Open film 5 resume", "101 Pause 5"]);
}

#[test]
fn after_idle_and_background_the_object_stays() {
    for reason in [Reason::Idle, Reason::Background] {
        let mut rig = Rig::new();
        let film = rig.playing("film", 1);
        rig.queue.closed(&path(1), reason);
        assert_eq!(rig.notices(), [format!("1 closed {}", reason.name())]);
        rig.play(film, 5.0);
        assert_eq!(rig.say_all(), ["1 Play 5"]);
    }
}

#[test]
fn after_vanished_and_shutdown_the_next_event_opens_anew() {
    for reason in [Reason::Vanished, Reason::Shutdown] {
        let mut rig = Rig::new();
        let film = rig.playing("film", 1);
        rig.queue.closed(&path(1), reason);
        rig.other(film, "BufferStart", 5.0);
        assert_eq!(rig.say_all(), ["Open film 5 resume", "101 Play 5", "101 BufferStart 5"]);
    }
}

#[test]
fn after_other_reasons_the_session_is_over() {
    for reason in [Reason::Complete, Reason::End, Reason::Replaced, Reason::Consent] {
        let mut rig = Rig::new();
        let film = rig.playing("film", 1);
        rig.other(film, "BufferStart", 5.0);
        rig.call();
        rig.pause(film, 5.0);
        rig.queue.closed(&path(1), reason);
        rig.fails("UnknownObject", "");
        rig.play(film, 6.0);
        assert_eq!(rig.call(), [""; 0]);
        let closed = format!("1 closed {}", reason.name());
        let expected =
            ["1 Pause NoSession", &closed, "1 BufferStart NoSession", "1 Play NoSession"];
        assert_eq!(rig.notices(), expected);
        assert_eq!(rig.queue.pending(), 0);
    }
}

#[test]
fn a_number_that_is_given_anew_belongs_to_one_session() {
    let mut rig = Rig::new();
    let main = rig.open_as("film", "main");
    rig.call();
    rig.opened(1);
    let small = rig.open_as("news", "small");
    rig.call();
    rig.opened(2);
    // The agent has lost its store, and counts from 1 again.
    rig.play(small, 3.0);
    rig.call();
    rig.fails("UnknownObject", "");
    rig.call();
    rig.opened(1);
    rig.say_all();
    rig.play(main, 4.0);
    assert_eq!(rig.call(), ["Open film 4 resume"]);
    rig.queue.closed(&path(1), Reason::Idle);
    assert_eq!(rig.notices(), ["2 closed idle"]);
}
