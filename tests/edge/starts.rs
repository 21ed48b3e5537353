//! Answers to a start (edge 7.1, 7.2): the session, the location hint, and errors with and without a
//! session.

use playheadd::bench::Record;
use serde_json::{Value, json};

use crate::box_and_collector::{
    QUOTED, as_sent, ctl, dropped, ended, last_error, nothing_waits, play, playing, problem,
    rejected, rules, session_id, start, statuses, tells_nobody_what_was_watched, without_session,
};
use crate::common::{DATASTREAM, nothing, of_type, ts, types};
use crate::scene::Scene;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// An answer with a session, a hint, and what a client does not know.
fn opened(hint: &Value) -> Value {
    json!({"requestId": "r", "extra": [1], "handle": [
        {"type": "of another time", "payload": 7},
        {"type": "locationHint:result", "payload": [
            {"scope": "Target", "hint": "35", "ttlSeconds": 1800},
            {"scope": "AAM", "hint": "7", "ttlSeconds": 1800},
            {"scope": "EdgeNetwork", "hint": hint, "ttlSeconds": 1800, "more": null},
        ]},
        {"payload": [{"sessionId": "not of a type"}]},
        {"type": "state:store", "payload": [{"key": "k", "value": "v", "maxAge": 1800}]},
        {"type": "media-analytics:new-session", "eventIndex": 0, "payload": [{"sessionId": ID}]},
    ]})
}

fn once(answer: &Value) -> Value {
    json!([{"on": "sessions", "times": 1, "body": answer}])
}

fn path(hint: Option<&str>, event: &str) -> String {
    let hint = hint.map(|hint| format!("{hint}/")).unwrap_or_default();
    format!("/ee/{hint}va/v1/{event}?configId={DATASTREAM}")
}

fn paths(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| &*record.path).collect()
}

#[tokio::test]
async fn a_session_is_found_among_handles_in_any_order_and_unknown_ones() {
    let scene = start("").await;
    rules(&scene, &once(&opened(&json!("va6"))));
    play(&scene.world.player().await, "ep-1", &["Play", "Pause"]).await;
    ended(&scene, "S1");
    let sent = as_sent(&scene);
    let events = ["play", "pauseStart", "sessionEnd"].map(|event| path(Some("va6"), event));
    assert_eq!(sent[0].path, path(None, "sessionStart"));
    assert_eq!(paths(&sent[1..]), events);
    assert!(sent[1..].iter().all(|record| session_id(record) == ID), "{sent:#?}");
    nothing_waits(&scene).await;
    assert_eq!(scene.count("DroppedHits").await, 0);
}

#[tokio::test]
async fn a_hint_leads_every_later_request_of_its_session_and_no_other() {
    let mut scene = start("").await;
    let player = scene.world.player().await;
    let one = playing(&player, "ep-1", &["Play"]).await;
    scene.world.wait("play", |hits| !of_type(hits, "play").is_empty());
    let another = scene.world.player().await;
    let two = playing(&another, "ep-2", &["Play"]).await;
    scene.world.wait("play", |hits| of_type(hits, "play").len() == 2);
    nothing_waits(&scene).await;
    // A daemon that dies keeps it.
    scene.world.agent.kill().await;
    scene.world.agent.start_again().await;
    for (player, session) in [(&player, &one), (&another, &two)] {
        player.call(session, "Pause", 6.0, nothing()).await.expect("pause");
        player.call(session, "End", 6.0, nothing()).await.expect("end");
    }
    ended(&scene, "S1");
    ended(&scene, "S2");
    play(&player, "ep-3", &[]).await;
    ended(&scene, "S3");
    let sent = as_sent(&scene);
    let mut hints = Vec::new();
    for (n, sid) in ["S1", "S2", "S3"].into_iter().enumerate() {
        let of_it: Vec<_> = sent.iter().filter(|r| r.sid.as_deref() == Some(sid)).collect();
        assert_eq!(of_it[0].path, path(None, "sessionStart"), "{sid}");
        let hint = of_it[1].path.split('/').nth(2).expect("a hint").to_owned();
        for record in &of_it[1..] {
            let event = record.path.rsplit('/').next().and_then(|last| last.split('?').next());
            assert_eq!(record.path, path(Some(&hint), event.expect("an event")), "{sid}");
        }
        assert!(of_it.len() > [3, 3, 1][n], "{of_it:#?}");
        assert!(!hints.contains(&hint), "another session, another hint: {hint}");
        hints.push(hint);
    }
}

#[tokio::test]
async fn a_hint_that_is_no_part_of_a_path_is_left_out() {
    let scene = start("").await;
    let player = scene.world.player().await;
    let bad = [
        json!("../../elsewhere"),
        json!("va6/x"),
        json!("va6?configId=other"),
        json!("VA6"),
        json!("a".repeat(17)),
        json!(""),
        json!("%2e%2e"),
        json!(6),
        json!(null),
    ];
    for (n, hint) in bad.into_iter().enumerate() {
        scene.world.collector.clear();
        rules(&scene, &once(&opened(&hint)));
        play(&player, "ep-1", &["Play"]).await;
        ended(&scene, &format!("S{}", n + 1));
        let expected = ["sessionStart", "play", "sessionEnd"].map(|event| path(None, event));
        assert_eq!(paths(&as_sent(&scene)), expected, "{hint}");
    }
}

#[tokio::test]
async fn an_error_of_another_service_beside_a_session_changes_nothing() {
    let scene = start("").await;
    rules(&scene, &json!([{"on": "sessions", "times": 1, "status": 207}]));
    play(&scene.world.player().await, "ep-1", &["Play"]).await;
    let hits = ended(&scene, "S1");
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "sessionEnd"]);
    assert_eq!(hits[0].status, Some(207));
    nothing_waits(&scene).await;
    assert_eq!(scene.count("DroppedHits").await, 0);
    assert_eq!(rejected(&scene), Vec::<Value>::new());
}

/// The session is on the rejected list with the reasons, and is not tried again. The next one is.
async fn failed_for_good(scene: &Scene, answer: &Value, status: u16, reasons: &[&str]) {
    rules(scene, &json!([{"on": "sessions", "times": 1, "status": status, "body": answer}]));
    let player = scene.world.player().await;
    let (requests, before) = (as_sent(scene).len(), scene.count("DroppedHits").await);
    play(&player, "ep-1", &["Play"]).await;
    dropped(scene, before + 3).await;
    assert_eq!(as_sent(scene).len(), requests + 1, "nothing is tried again");
    let list = rejected(scene);
    let newest = list.iter().max_by_key(|hit| hit["at"].as_i64()).expect("a hit");
    assert_eq!(
        (&newest["event_type"], &newest["status"]),
        (&json!("sessionStart"), &json!(status))
    );
    assert_eq!(newest["lost"], 2, "{newest}");
    let message = newest["message"].as_str().expect("a message");
    assert!(reasons.iter().all(|reason| message.contains(reason)), "{message}");
    let said = last_error(scene, &["the collector refuses hits", &status.to_string()]).await;
    assert!(said.contains("playheadctl queue --rejected"), "{said}");
    let (code, shown) = ctl(scene, &["status"]);
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains(&format!("the collector answered {status}")), "{shown}");
    tells_nobody_what_was_watched(scene).await;
}

#[tokio::test]
async fn without_a_session_a_start_that_is_wrong_failed_for_good() {
    let scene = start("").await;
    let wrong = problem("va-edge-0400-400", 400);
    let two = without_session(&[wrong.clone(), problem("EXEG-0104-422", 422)]);
    failed_for_good(&scene, &without_session(&[wrong]), 207, &["va-edge-0400-400", QUOTED]).await;
    failed_for_good(&scene, &two, 207, &["va-edge-0400-400", "EXEG-0104-422"]).await;
    play(&scene.world.player().await, "ep-2", &["Play"]).await;
    let hits = ended(&scene, "S1");
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "sessionEnd"]);
}

#[tokio::test]
async fn a_viewer_who_has_not_agreed_at_adobe_has_no_session() {
    let scene = start("").await;
    let warning = json!([problem("EXEG-0301-200", 200)]);
    let answer = json!({"requestId": "r", "handle": [], "warnings": warning});
    failed_for_good(&scene, &answer, 200, &["EXEG-0301-200"]).await;
    // With a session it is one of another service.
    let mut with_session = opened(&json!("va6"));
    with_session["warnings"] = warning;
    rules(&scene, &once(&with_session));
    play(&scene.world.player().await, "ep-2", &["Play"]).await;
    let hits = ended(&scene, "S1");
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "sessionEnd"]);
}

/// The session is kept while every answer to its start is this one, with `words` in `LastError`; and
/// arrives whole once there is another.
async fn kept(scene: &Scene, sid: &str, status: u16, answer: &Value, words: &[&str]) {
    scene.world.collector.clear();
    let before = scene.count("DroppedHits").await;
    rules(scene, &json!([{"on": "sessions", "status": status, "body": answer}]));
    play(&scene.world.player().await, "ep-1", &["Play"]).await;
    last_error(scene, words).await;
    tells_nobody_what_was_watched(scene).await;
    let (code, shown) = ctl(scene, &["status"]);
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("state       failing"), "{shown}");
    assert!(words.iter().all(|word| shown.contains(word)), "expected {words:?} in: {shown}");
    let (code, shown) = ctl(scene, &["doctor"]);
    assert_eq!(code, 1, "{shown}");
    assert!(words.iter().all(|word| shown.contains(word)), "expected {words:?} in: {shown}");
    assert_eq!(scene.count("QueuedHits").await, 3);
    scene.world.collector.set_rules(Vec::new());
    let (code, _) = ctl(scene, &["flush"]);
    assert_eq!(code, 0);
    let hits = ended(scene, sid);
    let starts = of_type(&hits, "sessionStart");
    assert!(starts.iter().all(|start| ts(start) == ts(starts[0])), "the same start");
    assert_eq!(statuses(&starts).last(), Some(&Some(200)));
    assert_eq!(types(&hits, sid), ["sessionStart", "play", "sessionEnd"]);
    nothing_waits(scene).await;
    assert_eq!(scene.count("DroppedHits").await, before);
    scene.until("all is well", async || ctl(scene, &["status"]).0 == 0).await;
}

#[tokio::test]
async fn without_a_session_a_start_that_failed_for_now_is_tried_again() {
    let scene = start("").await;
    let errors = [problem("va-edge-0400-400", 400), problem("EXEG-0201-503", 503)];
    let words = ["delivery fails", "503", "has to recover"];
    kept(&scene, "S1", 207, &without_session(&errors), &words).await;
    let unknown = json!({"type": "about:blank", "title": QUOTED});
    kept(&scene, "S2", 207, &without_session(&[unknown]), &["delivery fails", "207"]).await;
}

#[tokio::test]
async fn a_datastream_without_media_analytics_is_named_and_the_session_kept() {
    let scene = start("").await;
    let words = ["delivery fails", "200", "Media Analytics"];
    kept(&scene, "S1", 200, &json!({"requestId": "r", "handle": []}), &words).await;
    // A warning of another upstream is no reason.
    let warned = json!({"handle": [], "warnings": [problem("EXEG-0204-200", 200)]});
    kept(&scene, "S2", 200, &warned, &words).await;
    // An id that is none.
    let mut short = opened(&json!("va6"));
    short["handle"][4]["payload"][0]["sessionId"] = ID[1..].into();
    rules(&scene, &once(&short));
    play(&scene.world.player().await, "ep-1", &["Play"]).await;
    last_error(&scene, &words).await;
}
