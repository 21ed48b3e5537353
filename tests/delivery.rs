//! Delivery over real HTTP: what fails is tried again, in order (behaviour.md 2.7, spec 8).

mod common;

use common::{Info, World, film, nothing, of_type, ts, types};

async fn play_through(world: &World) {
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    for event in ["Play", "Pause", "Play", "Pause"] {
        player.call(&session, event, 5.0, nothing()).await.expect(event);
    }
    player.call(&session, "End", 5.0, nothing()).await.expect("end");
}

const ALL: [&str; 6] = ["sessionStart", "play", "pauseStart", "play", "pauseStart", "sessionEnd"];

#[tokio::test]
async fn server_errors_and_lost_connections_change_nothing_but_time() {
    let world = World::start("").await;
    world
        .collector
        .set_rules_json(
            r#"[{"on": "sessions", "times": 1, "status": 503},
                {"on": "events", "event_type": "play", "times": 1, "status": 500},
                {"on": "events", "event_type": "pauseStart", "times": 1, "status": 429,
                 "headers": {"Retry-After": "1"}}]"#,
        )
        .expect("rules");
    play_through(&world).await;
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    let accepted: Vec<_> =
        hits.iter().filter(|r| r.status.is_some_and(|s| s < 300)).cloned().collect();
    assert_eq!(types(&accepted, "S1"), ALL);
    assert!(accepted.windows(2).all(|pair| ts(&pair[0]) < ts(&pair[1])), "ts rises");
    assert_eq!(hits.len(), ALL.len() + 3, "each failure was tried again once");
}

#[tokio::test]
async fn an_answer_that_got_lost_is_asked_for_again() {
    let world = World::start("").await;
    world
        .collector
        .set_rules_json(
            r#"[{"on": "events", "event_type": "play", "times": 1, "drop_after_send": true}]"#,
        )
        .expect("rules");
    play_through(&world).await;
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    let plays = of_type(&hits, "play");
    assert_eq!(plays.len(), 3, "the first was sent twice");
    assert_eq!(ts(plays[0]), ts(plays[1]), "with the same time");
}

#[tokio::test]
async fn a_refused_hit_goes_alone_and_a_refused_start_takes_its_session() {
    let world = World::start("").await;
    world
        .collector
        .set_rules_json(
            r#"[{"on": "events", "event_type": "error", "status": 400},
                {"on": "sessions", "session": "S2", "status": 400}]"#,
        )
        .expect("rules");
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    let error = Info::from([("id", "E1".into())]);
    player.call(&session, "Error", 1.0, error).await.expect("error");
    player.call(&session, "End", 2.0, nothing()).await.expect("end");
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "error", "sessionEnd"]);
    assert_eq!(of_type(&hits, "error").len(), 1, "not tried again");

    let session = player.open(0.0, film("ep-2")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    player.call(&session, "End", 2.0, nothing()).await.expect("end");
    let session = player.open(0.0, film("ep-3")).await.expect("a session");
    player.call(&session, "Complete", 600.0, nothing()).await.expect("complete");
    let hits = world.wait("the third", |hits| !of_type(hits, "sessionComplete").is_empty());
    assert_eq!(of_type(&hits, "play").len(), 1, "nothing of the refused session was sent");
}

#[tokio::test]
async fn a_session_that_the_collector_lost_is_opened_again() {
    let world = World::start("").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
    world
        .collector
        .set_rules_json(r#"[{"on": "events", "session": "S1", "status": 404}]"#)
        .expect("rules");
    player.call(&session, "Pause", 3.0, nothing()).await.expect("pause");
    player.call(&session, "Play", 3.0, nothing()).await.expect("play");
    player.call(&session, "End", 4.0, nothing()).await.expect("end");
    let hits = world.wait("the end", |hits| {
        of_type(hits, "sessionEnd").iter().any(|r| r.sid.as_deref() == Some("S2"))
    });
    assert_eq!(types(&hits, "S2"), ["sessionStart", "pauseStart", "play", "sessionEnd"]);
    assert_eq!(of_type(&hits, "sessionStart")[1].body["params"]["media.resume"], true);
}

#[tokio::test]
async fn without_consent_nothing_is_sent_and_nothing_is_lost() {
    let world = World::start("[heartbeat]\nmain_seconds = 0.1\n").await;
    let player = world.player().await;
    let consent = |word: &'static str| {
        let connection = player.connection.clone();
        async move {
            connection
                .call_method(
                    Some(common::AGENT),
                    common::AGENT_PATH,
                    Some(common::AGENT),
                    "SetConsent",
                    &(word,),
                )
                .await
                .expect("an answer");
        }
    };
    consent("unknown").await;
    play_through(&world).await;
    // What would have been sent by now has the time of 20 pings to come.
    let session = player.open(0.0, common::film("ep-2")).await.expect("a session");
    player.call(&session, "Play", 0.0, common::nothing()).await.expect("play");
    let queued = async || {
        let queued = player.property(common::AGENT_PATH, common::AGENT, "QueuedHits").await;
        u64::try_from(queued).expect("a number")
    };
    while queued().await < ALL.len() as u64 + 22 {}
    assert!(world.collector.hits().is_empty());
    consent("in").await;
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    // Both sessions are opened at once, and either may be the first.
    let whole = of_type(&hits, "sessionEnd")[0].sid.clone().expect("a sid");
    assert_eq!(types(&hits, &whole), ALL);
}
