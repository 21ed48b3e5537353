//! Where the viewer was.

use super::*;
use crate::media::ResumePoint;
use crate::queue::{AskId, PointAnswer};

fn ask(rig: &mut Rig, media_id: &str) -> AskId {
    rig.queue.ask(rig.now, "app", media_id)
}

fn name(answer: Option<PointAnswer>) -> String {
    let error = answer.expect("an answer").expect_err("an error");
    assert_eq!(error.event, "GetResumePoint");
    error.kind.name().to_owned()
}

#[test]
fn the_answer_comes_to_who_has_asked() {
    let mut rig = Rig::new();
    let (first, second) = (ask(&mut rig, "first"), ask(&mut rig, "second"));
    assert_eq!(rig.call(), ["Point first", "Point second"]);
    assert_eq!(rig.queue.take_answer(first), None);
    let point = ResumePoint { position: 61.5, ..ResumePoint::default() };
    rig.answer(Ok(Answer::Point(Some(point))));
    rig.answer(Ok(Answer::Point(None)));
    assert_eq!(rig.queue.take_answer(second), Some(Ok(None)));
    assert_eq!(rig.queue.take_answer(first), Some(Ok(Some(point))));
    assert_eq!(rig.queue.take_answer(first), None);
}

#[test]
fn it_does_not_wait_for_an_agent_that_is_away() {
    let mut rig = Rig::new();
    rig.open("film");
    rig.call();
    rig.fails("ServiceUnknown", "");
    let id = ask(&mut rig, "film");
    assert_eq!(rig.call(), ["Point film"], "asked at once");
    rig.fails("ServiceUnknown", "The name was not provided");
    assert_eq!(name(rig.queue.take_answer(id)), "ServiceUnknown");
}

#[test]
fn without_a_bus_there_is_an_error_at_once() {
    let mut rig = Rig::without_bus();
    let early = ask(&mut rig, "film");
    assert_eq!(rig.queue.take_answer(early), None, "the first try is under way");
    rig.queue.disconnected("there is no such socket");
    assert_eq!(name(rig.queue.take_answer(early)), "Disconnected");
    let late = ask(&mut rig, "film");
    assert_eq!(name(rig.queue.take_answer(late)), "Disconnected");
}

#[test]
fn after_5_s_nobody_waits_any_more() {
    let mut rig = Rig::new();
    let id = ask(&mut rig, "film");
    rig.call();
    let mut passed = 0;
    while rig.queue.deadline(rig.now).is_some() {
        passed += rig.pass_to_deadline();
    }
    assert_eq!(passed, 5 * SECOND);
    assert_eq!(name(rig.queue.take_answer(id)), "NoReply");
    rig.answer(Ok(Answer::Point(None)));
    assert_eq!(rig.queue.take_answer(id), None);
}

#[test]
fn what_was_said_before_of_the_same_content_is_known_then() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.end(film, 40.0);
    ask(&mut rig, "film");
    rig.open("film");
    assert_eq!(rig.call(), ["1 End 40"]);
    rig.done();
    assert_eq!(rig.call(), ["Point film", "Open film 0"]);
}

#[test]
fn it_waits_1_s_for_that_at_most_and_not_for_other_content() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.end(film, 40.0);
    rig.call();
    ask(&mut rig, "other");
    assert_eq!(rig.call(), ["Point other"]);
    ask(&mut rig, "film");
    assert_eq!(rig.call(), [""; 0]);
    assert_eq!(rig.pass_to_deadline(), SECOND);
    assert_eq!(rig.call(), ["Point film"]);
}

#[test]
fn only_so_many_wait() {
    let mut rig = Rig::without_bus();
    for _ in 0..32 {
        ask(&mut rig, "film");
    }
    let one_more = ask(&mut rig, "film");
    assert_eq!(name(rig.queue.take_answer(one_more)), "LimitsExceeded");
}

#[test]
fn one_that_nobody_waits_for_is_forgotten() {
    let mut rig = Rig::new();
    let id = ask(&mut rig, "film");
    rig.call();
    rig.queue.forget_ask(id);
    rig.answer(Ok(Answer::Point(None)));
    assert!(!rig.queue.has_news());
}
