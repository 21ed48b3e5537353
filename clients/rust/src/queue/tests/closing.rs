//! The player closes the connection.

use super::*;

#[test]
fn what_waits_is_still_said_and_no_more_is_taken() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.pause(film, 3.0);
    rig.end(film, 3.0);
    rig.queue.close(rig.now, 2 * SECOND);
    rig.open("other");
    assert!(!rig.queue.is_over(rig.now));
    assert_eq!(rig.say_all(), ["1 Pause 3", "1 End 3"]);
    rig.queue.closed(&path(1), crate::Reason::End);
    assert!(rig.queue.is_over(rig.now));
    assert_eq!(rig.notices(), ["2 OpenSession NoSession", "2 closed failed", "1 closed end"]);
}

#[test]
fn it_is_over_when_the_limit_has_passed() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.end(film, 3.0);
    rig.call();
    rig.queue.close(rig.now, 2 * SECOND);
    assert_eq!(rig.pass_to_deadline(), 2 * SECOND);
    assert!(rig.queue.is_over(rig.now));
    assert_eq!(rig.queue.pending(), 1);
}

#[test]
fn it_is_over_at_once_when_nothing_waits() {
    for mut rig in [Rig::new(), Rig::without_bus()] {
        assert!(!rig.queue.is_over(rig.now));
        rig.queue.close(rig.now, 2 * SECOND);
        assert!(rig.queue.is_over(rig.now));
    }
}

#[test]
fn an_agent_that_was_away_is_tried_once_more() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.end(film, 3.0);
    rig.call();
    rig.fails("ServiceUnknown", "");
    assert_eq!(rig.call(), [""; 0]);
    rig.queue.close(rig.now, 2 * SECOND);
    assert_eq!(rig.say_all(), ["1 End 3"]);
    assert_eq!(rig.queue.pending(), 0);
}

#[test]
fn the_signal_of_an_end_is_waited_for_but_not_for_long() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.end(film, 3.0);
    rig.queue.close(rig.now, 2 * SECOND);
    rig.say_all();
    assert!(!rig.queue.is_over(rig.now));
    assert_eq!(rig.pass_to_deadline(), SECOND / 4);
    assert!(rig.queue.is_over(rig.now));
}

#[test]
fn of_two_limits_the_earlier_counts() {
    let mut rig = Rig::new();
    rig.open("film");
    rig.queue.close(rig.now, SECOND);
    rig.queue.close(rig.now, Micros::MAX);
    assert_eq!(rig.pass_to_deadline(), SECOND);
    assert!(rig.queue.is_over(rig.now));
}
