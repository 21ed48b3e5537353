//! What waits for what, and with which time it is said.

use super::*;

#[test]
fn one_call_of_a_session_is_in_flight_and_the_others_wait_in_order() {
    let mut rig = Rig::new();
    let film = rig.open("film");
    rig.play(film, 0.0);
    rig.other(film, "SeekStart", 10.0);
    assert_eq!(rig.call(), ["Open film 0"]);
    assert_eq!(rig.call(), [""; 0]);
    assert_eq!(rig.queue.pending(), 3);
    rig.opened(1);
    assert_eq!(rig.call(), ["1 Play 0"]);
    assert_eq!(rig.call(), [""; 0]);
    rig.done();
    assert_eq!(rig.call(), ["1 SeekStart 10"]);
    rig.done();
    assert_eq!(rig.queue.pending(), 0);
    assert_eq!(rig.queue.deadline(rig.now), None, "nothing to wake up for");
}

#[test]
fn an_open_waits_for_the_end_of_the_session_before_it() {
    let mut rig = Rig::new();
    let first = rig.playing("first", 1);
    rig.end(first, 5.0);
    let second = rig.open("second");
    rig.play(second, 0.0);
    assert_eq!(rig.call(), ["1 End 5"]);
    rig.done();
    assert_eq!(rig.call(), ["Open second 0"]);
}

#[test]
fn sessions_of_two_instances_do_not_wait_for_each_other() {
    let mut rig = Rig::new();
    let main = rig.open_as("film", "main");
    let small = rig.open_as("news", "small");
    rig.play(main, 0.0);
    rig.play(small, 0.0);
    assert_eq!(rig.call(), ["Open film 0", "Open news 0"]);
    // The second is answered first.
    rig.calls.swap(0, 1);
    rig.opened(2);
    assert_eq!(rig.call(), ["2 Play 0"]);
    assert_eq!(rig.queue.pending(), 3);
}

#[test]
fn each_event_has_the_time_at_which_it_was_said_and_never_one_twice() {
    let mut rig = Rig::new();
    let film = rig.open("film");
    rig.play(film, 0.0);
    rig.pause(film, 0.0);
    rig.pass(7 * SECOND);
    rig.play(film, 0.0);
    let mut times = Vec::new();
    for _ in 0..4 {
        rig.call();
        times.push(at(&rig.calls[0].1) - START);
        if times.len() == 1 { rig.opened(1) } else { rig.done() }
    }
    assert_eq!(times, [0, 1, 2, 7 * SECOND]);
}

#[test]
fn a_message_that_is_said_again_has_the_time_of_before() {
    let mut rig = Rig::new();
    rig.open("film");
    rig.call();
    let first = at(&rig.calls[0].1);
    rig.fails("NoReply", "");
    rig.pass(SECOND);
    rig.queue.owner_changed(rig.now, true);
    assert_eq!(rig.call(), ["Open film 0"]);
    assert_eq!(at(&rig.calls[0].1), first);
}

#[test]
fn of_the_positions_that_wait_only_the_newest_is_said_and_at_its_place() {
    let mut rig = Rig::new();
    let film = rig.open("film");
    rig.playhead(film, 1.0);
    rig.other(film, "BufferStart", 1.5);
    rig.playhead(film, 2.0);
    rig.playhead(film, 3.0);
    assert_eq!(rig.queue.pending(), 3);
    assert_eq!(rig.say_all(), ["Open film 0", "101 BufferStart 1.5", "101 Playhead 3"]);
    assert_eq!(rig.notices(), [""; 0], "that is no loss");
}

#[test]
fn a_position_that_is_being_said_is_not_replaced() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.playhead(film, 1.0);
    assert_eq!(rig.call(), ["1 Playhead 1"]);
    rig.playhead(film, 2.0);
    rig.done();
    assert_eq!(rig.call(), ["1 Playhead 2"]);
}

#[test]
fn positions_of_two_sessions_do_not_replace_each_other() {
    let mut rig = Rig::new();
    let main = rig.open_as("film", "main");
    let small = rig.open_as("news", "small");
    rig.playhead(main, 1.0);
    rig.playhead(small, 2.0);
    assert_eq!(rig.queue.pending(), 4);
}

#[test]
fn what_is_said_after_the_end_is_reported_and_not_said() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.end(film, 5.0);
    rig.play(film, 5.0);
    rig.end(film, 5.0);
    assert_eq!(rig.notices(), ["1 Play NoSession", "1 End NoSession"]);
    assert_eq!(rig.say_all(), ["1 End 5"]);
}

#[test]
fn a_session_that_is_dropped_ends_once() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.queue.forget(rig.now, film, true);
    assert_eq!(rig.say_all(), ["1 End -1"]);

    let other = rig.playing("other", 2);
    rig.end(other, 9.0);
    rig.queue.forget(rig.now, other, true);
    assert_eq!(rig.say_all(), ["2 End 9"]);

    let third = rig.playing("third", 3);
    rig.queue.forget(rig.now, third, false);
    assert_eq!(rig.say_all(), [""; 0], "the agent sees a player that dies");
}

#[test]
fn the_agent_hears_of_a_session_that_nobody_holds_any_more() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.queue.forget(rig.now, film, true);
    rig.say_all();
    rig.queue.closed(&path(1), crate::Reason::End);
    assert_eq!(rig.notices(), ["1 closed end"]);
    assert!(rig.queue.sessions.is_empty() && rig.queue.lanes.is_empty(), "nothing is kept of it");
}

#[test]
fn sessions_that_never_close_do_not_pile_up() {
    let mut rig = Rig::new();
    for number in 0..200 {
        let film = rig.open_as("film", &format!("player {number}"));
        rig.call();
        rig.opened(number);
        rig.queue.forget(rig.now, film, false);
    }
    assert_eq!(rig.queue.sessions.len(), super::super::LINGERING);
    assert_eq!(rig.queue.lanes.len(), super::super::LINGERING);
}
