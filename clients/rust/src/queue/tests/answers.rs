//! What errors mean.

use super::*;
use crate::Reason;

#[test]
fn a_mistake_is_reported_with_the_agent_s_own_words_and_the_rest_goes_on() {
    for name in ["InvalidArgs", "NotAllowed", "Failed"] {
        let mut rig = Rig::new();
        let film = rig.playing("film", 1);
        rig.other(film, "AdComplete", 5.0);
        rig.pause(film, 6.0);
        rig.call();
        rig.fails(name, "no ad is open");
        assert_eq!(rig.call(), ["1 Pause 6"]);
        let Some(Notice::Failed { session, error }) = rig.queue.next_notice() else {
            panic!("none")
        };
        assert_eq!(session, Some(film));
        assert_eq!((error.event, error.kind.name()), ("AdComplete", name));
        assert_eq!(error.message, "no ad is open");
        assert_eq!(error.to_string(), format!("AdComplete: {name}: no ad is open"));
    }
}

#[test]
fn an_open_that_is_refused_closes_the_session() {
    for name in ["InvalidArgs", "NotAllowed", "AccessDenied"] {
        let mut rig = Rig::new();
        let film = rig.open("film");
        rig.play(film, 0.0);
        rig.end(film, 0.0);
        rig.call();
        rig.fails(name, "no");
        assert_eq!(rig.call(), [""; 0]);
        let refused = format!("1 OpenSession {name}");
        assert_eq!(rig.notices(), [&refused, "1 Play NoSession", "1 closed failed"]);
    }
}

#[test]
fn storage_is_done_and_reported() {
    let mut rig = Rig::new();
    let film = rig.open("film");
    rig.play(film, 0.0);
    rig.call();
    rig.fails("Storage", "done as session 7, but the store cannot be written: a power cut ...");
    assert_eq!(rig.call(), ["7 Play 0"]);
    rig.fails("Storage", "done, but the store cannot be written");
    rig.other(film, "BufferStart", 1.0);
    rig.call();
    // It knows what plays all the same.
    rig.fails("UnknownObject", "");
    assert_eq!(rig.say_all(), ["Open film 1 resume", "101 Play 1", "101 BufferStart 1"]);
    assert_eq!(rig.notices(), ["1 OpenSession Storage", "1 Play Storage"]);
}

#[test]
fn the_sentence_of_storage_may_name_the_object() {
    let mut rig = Rig::new();
    let film = rig.open("film");
    rig.play(film, 0.0);
    rig.call();
    rig.fails("Storage", "the store cannot be written: /tv/playhead/Agent1/session/12");
    assert_eq!(rig.call(), ["12 Play 0"]);
}

#[test]
fn a_session_that_is_open_already_is_taken() {
    let mut rig = Rig::new();
    let film = rig.open("film");
    rig.play(film, 0.0);
    rig.call();
    rig.fails("NotAllowed", "this player has this media open as session 3; Play goes on with it");
    assert_eq!(rig.call(), ["3 Play 0"]);
    assert_eq!(rig.notices(), [""; 0], "an earlier answer was lost; that is no mistake");
}

#[test]
fn what_is_refused_for_a_while_is_tried_again_after_1_s_doubling_to_30_s() {
    for name in ["LimitsExceeded", "NotConfigured"] {
        let mut rig = Rig::new();
        rig.open("film");
        let mut pauses = Vec::new();
        let mut said = rig.call();
        for _ in 0..7 {
            assert_eq!(said, ["Open film 0"], "{name}");
            rig.fails(name, "slow down");
            let before = rig.now;
            said = rig.call();
            while said.is_empty() {
                rig.pass_to_deadline();
                said = rig.call();
            }
            pauses.push((rig.now - before) / SECOND);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30], "{name}");
        assert_eq!(rig.notices(), [format!("1 OpenSession {name}")], "once for the row");
    }
}

#[test]
fn another_row_of_refusals_begins_anew() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    for playhead in [1.0, 2.0] {
        rig.pause(film, playhead);
        rig.call();
        rig.fails("LimitsExceeded", "slow down");
        assert_eq!(rig.notices(), ["1 Pause LimitsExceeded"]);
        assert_eq!(rig.pass_to_deadline(), SECOND);
        assert_eq!(rig.call(), [format!("1 Pause {playhead}")]);
        rig.done();
    }
}

#[test]
fn an_end_that_is_refused_has_not_ended_the_session() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.end(film, f64::NAN);
    rig.call();
    rig.fails("InvalidArgs", "the playhead must be a finite number of seconds, got NaN");
    rig.end(film, 8.0);
    assert_eq!(rig.say_all(), ["1 End 8"]);
}

#[test]
fn another_session_takes_the_place_of_the_one_before() {
    let mut rig = Rig::new();
    let first = rig.playing("first", 1);
    let second = rig.open("second");
    rig.pause(first, 5.0);
    rig.call();
    rig.opened(2);
    // The agent says so too, before its answer or after.
    rig.queue.closed(&path(1), Reason::Replaced);
    rig.end(first, 6.0);
    rig.play(second, 0.0);
    assert_eq!(rig.say_all(), ["2 Play 0"]);
    let expected = ["1 Pause NoSession", "1 closed replaced", "1 End NoSession"];
    assert_eq!(rig.notices(), expected);
}
