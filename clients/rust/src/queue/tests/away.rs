//! The agent is away, is killed, or does not answer.

use super::*;

#[test]
fn without_a_bus_nothing_is_called() {
    let mut rig = Rig::without_bus();
    let film = rig.open("film");
    rig.play(film, 0.0);
    assert_eq!(rig.call(), [""; 0]);
    rig.queue.connected();
    assert_eq!(rig.say_all(), ["Open film 0", "101 Play 0"]);
}

#[test]
fn an_agent_that_is_not_there_is_tried_every_5_s_and_with_one_call() {
    for name in ["ServiceUnknown", "NameHasNoOwner", "NoReply", "Disconnected", "Spawn.ExecFailed"]
    {
        let mut rig = Rig::new();
        rig.open_as("film", "main");
        rig.open_as("news", "small");
        assert_eq!(rig.call().len(), 2);
        rig.fails(name, "");
        rig.fails(name, "");
        for _ in 0..3 {
            assert_eq!(rig.call(), [""; 0], "{name}");
            assert_eq!(rig.pass_to_deadline(), 5 * SECOND, "{name}");
            assert_eq!(rig.call(), ["Open film 0"], "{name}");
            rig.fails(name, "");
        }
        rig.pass_to_deadline();
        rig.call();
        rig.opened(1);
        assert_eq!(rig.call(), ["Open news 0"], "it is there for the others too");
        assert_eq!(rig.notices(), [""; 0], "nothing was lost");
    }
}

#[test]
fn a_new_owner_is_told_at_once() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.pause(film, 3.0);
    assert_eq!(rig.call(), ["1 Pause 3"]);
    rig.queue.owner_changed(rig.now, false);
    rig.fails("NoReply", "");
    rig.play(film, 4.0);
    assert_eq!(rig.call(), [""; 0]);
    rig.pass(SECOND / 10);
    rig.queue.owner_changed(rig.now, true);
    // The object is the same as before.
    assert_eq!(rig.say_all(), ["1 Pause 3", "1 Play 4"]);
}

#[test]
fn the_late_news_of_a_death_does_not_keep_the_new_owner_waiting() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.pause(film, 3.0);
    rig.call();
    rig.queue.owner_changed(rig.now, false);
    rig.queue.owner_changed(rig.now, true);
    rig.fails("NoReply", "");
    assert_eq!(rig.call(), ["1 Pause 3"]);
}

#[test]
fn when_the_name_has_no_owner_nothing_is_called_for_5_s() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.queue.owner_changed(rig.now, false);
    rig.pause(film, 3.0);
    assert_eq!(rig.call(), [""; 0]);
    assert_eq!(rig.pass_to_deadline(), 5 * SECOND);
    assert_eq!(rig.call(), ["1 Pause 3"], "a call starts an agent that the bus can start");
}

#[test]
fn a_call_without_an_answer_is_over_after_5_s_and_said_again() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.pause(film, 3.0);
    rig.call();
    assert_eq!(rig.pass_to_deadline(), 5 * SECOND);
    assert_eq!(rig.call(), [""; 0]);
    assert_eq!(rig.pass_to_deadline(), 5 * SECOND);
    assert_eq!(rig.call(), ["1 Pause 3"]);
    // The answer to the first call is of no use any more, and does no harm.
    rig.done();
    assert_eq!(rig.queue.pending(), 1);
    rig.done();
    assert_eq!(rig.queue.pending(), 0);
}

#[test]
fn an_answer_that_comes_late_but_before_the_repetition_counts() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.pause(film, 3.0);
    rig.play(film, 4.0);
    rig.call();
    rig.pass(7 * SECOND);
    assert_eq!(rig.call(), [""; 0]);
    rig.done();
    assert_eq!(rig.call(), ["1 Play 4"], "and the agent is there");
}

#[test]
fn an_agent_that_is_stopping_keeps_the_session() {
    let stopping = "the agent is stopping; what it has is kept";
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.pause(film, 3.0);
    rig.call();
    rig.fails("NoSession", stopping);
    rig.queue.owner_changed(rig.now, false);
    rig.queue.owner_changed(rig.now, true);
    assert_eq!(rig.call(), ["1 Pause 3"]);
    rig.done();
    rig.end(film, 4.0);
    let next = rig.open("next");
    rig.play(next, 0.0);
    rig.call();
    rig.done();
    assert_eq!(rig.call(), ["Open next 0"]);
    rig.fails("NoSession", stopping);
    rig.queue.owner_changed(rig.now, true);
    assert_eq!(rig.say_all(), ["Open next 0", "101 Play 0"]);
    assert_eq!(rig.notices(), [""; 0]);
}

#[test]
fn nothing_is_done_again_and_again_at_one_moment() {
    let mut rig = Rig::new();
    let film = rig.open("film");
    let mut calls = 0;
    for second in 0..3_600 {
        rig.playhead(film, f64::from(second));
        while !rig.call().is_empty() {
            calls += 1;
            rig.fails("ServiceUnknown", "");
        }
        rig.pass(SECOND);
    }
    assert_eq!(calls, 720, "one each 5 s");
    assert_eq!(rig.queue.pending(), 2);
}
