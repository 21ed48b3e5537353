//! Players that only know a status.

use super::*;
use crate::Reason;

fn now(rig: &mut Rig, id: &str, playhead: f64, rate: f64) -> Option<SessionId> {
    let media = (!id.is_empty()).then(|| Media::new(id));
    rig.queue.now(rig.now, media.as_ref(), playhead, rate).0
}

#[test]
fn what_has_changed_is_said_and_otherwise_the_position() {
    let mut rig = Rig::new();
    let mut said = Vec::new();
    for (playhead, rate) in [(0.0, 1.0), (1.0, 1.0), (2.0, 0.0), (2.0, 0.0), (2.0, 2.0), (4.0, 1.0)]
    {
        now(&mut rig, "film", playhead, rate);
        said.extend(rig.say_all());
    }
    let expected = [
        "Open film 0",
        "101 Play 0",
        "101 Playhead 1",
        "101 Pause 2",
        "101 Playhead 2",
        "101 Play 2 rate 2",
        "101 Play 4",
    ];
    assert_eq!(said, expected);
}

#[test]
fn another_content_ends_the_former_and_nothing_ends_it_too() {
    let mut rig = Rig::new();
    let first = now(&mut rig, "first", 0.0, 1.0);
    let second = now(&mut rig, "second", 7.0, 0.0);
    assert_ne!(first, second);
    assert_eq!(now(&mut rig, "", 9.0, 0.0), None);
    assert_eq!(now(&mut rig, "", 9.0, 0.0), None, "nothing plays still");
    let expected =
        ["Open first 0", "101 Play 0", "101 End -1", "Open second 7", "102 Pause 7", "102 End 9"];
    assert_eq!(rig.say_all(), expected);
    assert_eq!(rig.notices(), [""; 0]);
}

#[test]
fn it_goes_on_with_a_session_that_was_opened_otherwise() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    assert_eq!(now(&mut rig, "film", 1.0, 1.0), Some(film));
    assert_eq!(rig.say_all(), ["1 Playhead 1"]);
}

#[test]
fn a_session_that_is_over_is_followed_by_another() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.queue.closed(&path(1), Reason::Complete);
    assert_ne!(now(&mut rig, "film", 1.0, 1.0), Some(film));
    assert_eq!(rig.say_all(), ["Open film 1", "101 Play 1"]);
}

#[test]
fn a_session_that_was_idle_is_revived_when_it_plays() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.queue.closed(&path(1), Reason::Idle);
    assert_eq!(now(&mut rig, "film", 1.0, 1.0), Some(film));
    assert_eq!(rig.say_all(), ["1 Play 1"]);
}

#[test]
fn what_the_agent_refuses_is_not_tried_with_every_report() {
    let mut rig = Rig::new();
    now(&mut rig, "film", 0.0, 1.0);
    rig.call();
    rig.fails("AccessDenied", "not in group playhead");
    rig.notices();
    for _ in 0..5 {
        now(&mut rig, "film", 1.0, 1.0);
    }
    assert_eq!(rig.call(), [""; 0]);
    assert_eq!(rig.notices(), [""; 0]);
    now(&mut rig, "other", 0.0, 1.0);
    assert_eq!(rig.call(), ["Open other 0"]);
}
