//! Answers that do not accept.

use serde_json::json;

use crate::common::{World, film, nothing};
use crate::{play, unwell, well};

/// Every answer to these is this one; `parts` say so. Once it is accepted, all is well again.
async fn answered(on: &str, status: u16, headers: serde_json::Value, parts: &[&str]) {
    let world = World::start("").await;
    let rules = json!([{"on": on, "status": status, "headers": headers}]);
    world.collector.set_rules_json(&rules.to_string()).expect("a rule");
    let _player = play(&world).await;
    let said = format!("the collector answered {status}");
    let heard = format!("last heard  {status} at 20");
    unwell(
        &world,
        &[&["state       failing", "problem     delivery fails", &said, &heard], parts].concat(),
    )
    .await;
    world.collector.set_rules(Vec::new());
    flush(&world).await;
    well(&world, &["last heard  204"]).await;
}

async fn flush(world: &World) {
    let player = world.player().await;
    let agent = crate::common::AGENT;
    let path = crate::common::AGENT_PATH;
    player
        .connection
        .call_method(Some(agent), path, Some(agent), "Flush", &())
        .await
        .expect("done");
}

#[tokio::test]
async fn status_401() {
    answered("sessions", 401, json!({}), &["it does not let this box in"]).await;
}

#[tokio::test]
async fn status_403() {
    answered("events", 403, json!({}), &["it does not let this box in"]).await;
}

#[tokio::test]
async fn status_404() {
    answered("sessions", 404, json!({}), &["this path is unknown there: check collector.url"])
        .await;
}

#[tokio::test]
async fn status_302() {
    let elsewhere = json!({"Location": "https://elsewhere.example"});
    answered("sessions", 302, elsewhere, &["redirects are not followed"]).await;
}

#[tokio::test]
async fn status_500() {
    answered("events", 500, json!({}), &["the collector has to recover; hits are kept"]).await;
}

#[tokio::test]
async fn status_503_with_a_wait() {
    let world = World::start("").await;
    let rules = json!([{"on": "sessions", "status": 503, "headers": {"Retry-After": "600"}}]);
    world.collector.set_rules_json(&rules.to_string()).expect("a rule");
    let _player = play(&world).await;
    // Ten minutes, and up to a tenth of it.
    let parts = ["state       failing", "the collector answered 503", "next try    20", "(in 1"];
    let text = unwell(&world, &parts).await;
    assert!(
        text.contains("(in 10 min)") || text.contains("(in 9 min)") || text.contains("(in 11 min)"),
        "{text}"
    );
}

#[tokio::test]
async fn status_400() {
    let world = World::start("").await;
    let rules = json!([{"on": "events", "event_type": "play", "status": 400, "times": 1}]);
    world.collector.set_rules_json(&rules.to_string()).expect("a rule");
    let player = play(&world).await;
    let parts =
        ["problem     the collector refuses hits since 20", "1 so far; the collector answered 400"];
    let text = unwell(&world, &parts).await;
    assert!(text.contains("playheadctl queue --rejected"), "{text}");
    assert!(!text.contains("failing"), "the rest arrives: {text}");
    // It is shown for an hour, also when others are accepted.
    let session = player.open(0.0, film("ep-2")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    world.wait("another play", |hits| {
        hits.iter().any(|hit| hit.body["eventType"] == "play" && hit.status == Some(204))
    });
    unwell(&world, &["1 so far; the collector answered 400"]).await;
}
