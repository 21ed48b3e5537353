//! Order and identity on the bus (behaviour.md 1.5).

mod common;

use common::{AGENT, AGENT_PATH, World, film, nothing, of_type, ts, types};
use futures_util::future::join_all;

/// More than a player says in a second.
const FAST: &str = "[limits]\nevent_burst = 10000\n";

#[tokio::test]
async fn two_thousand_pipelined_calls_arrive_in_the_order_sent() {
    let world = World::start(FAST).await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    let calls = (0..2000).map(|n| {
        let info = common::Info::from([("id", format!("e{n}").into())]);
        player.call(&session, "Error", 1.0, info)
    });
    for (n, answer) in join_all(calls).await.into_iter().enumerate() {
        answer.unwrap_or_else(|e| panic!("call {n}: {e}"));
    }
    player.call(&session, "End", 1.0, nothing()).await.expect("end");
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    let errors = of_type(&hits, "error");
    let ids: Vec<_> =
        errors.iter().map(|r| r.body["qoeData"]["media.qoe.errorID"].as_str().unwrap()).collect();
    let sent: Vec<_> = (0..2000).map(|n| format!("e{n}")).collect();
    assert_eq!(ids, sent);
    assert!(hits.windows(2).all(|pair| ts(&pair[0]) < ts(&pair[1])), "ts rises");
}

#[tokio::test]
async fn complete_and_gone_is_never_a_vanished_player() {
    const TIMES: usize = 400;
    let world = World::start("[limits]\nsessions = 1000\n").await;
    for n in 0..TIMES {
        let player = world.player().await;
        // Known to the agent, as a player that has played for a while is.
        player.resume_point("", "nothing").await;
        if n % 2 == 0 {
            player.emit("/p", "SessionStart", 0.0, film("ep-1")).await;
            player.emit("/p", "Play", 0.0, nothing()).await;
            player.emit("/p", "Complete", 600.0, nothing()).await;
        } else {
            let session = player.open(0.0, film("ep-1")).await.expect("a session");
            player.call(&session, "Play", 0.0, nothing()).await.expect("play");
            let proxy = zbus::Proxy::new(&player.connection, AGENT, session, common::SESSION)
                .await
                .expect("a proxy");
            proxy.call_noreply("Complete", &(600.0, nothing())).await.expect("sent");
        }
        player.die().await;
    }
    let hits = world.wait("every completion", |hits| {
        of_type(hits, "sessionComplete").len() + of_type(hits, "sessionEnd").len() >= TIMES
    });
    assert_eq!(of_type(&hits, "sessionComplete").len(), TIMES);
    assert!(of_type(&hits, "pauseStart").is_empty());
    assert!(of_type(&hits, "sessionEnd").is_empty());
}

#[tokio::test]
async fn what_happens_before_a_slow_answer_waits_in_order_with_its_own_time() {
    let world = World::start("").await;
    world.collector.set_rules_json(r#"[{"on": "sessions", "delay_s": 12}]"#).expect("a rule");
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    let mut times = Vec::new();
    let events = [
        "Play",
        "Pause",
        "Play",
        "BufferStart",
        "BufferComplete",
        "SeekStart",
        "SeekComplete",
        "Pause",
        "Play",
        "Pause",
    ];
    for event in events {
        let before = common::now_ms();
        player.call(&session, event, 5.0, nothing()).await.expect(event);
        times.push((before, common::now_ms()));
    }
    assert_eq!(world.collector.hits().len(), 1, "nothing goes before the answer");
    player.call(&session, "End", 5.0, nothing()).await.expect("end");
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    let expected = [
        "sessionStart",
        "play",
        "pauseStart",
        "play",
        "bufferStart",
        "play",
        "pauseStart",
        "play",
        "pauseStart",
        "play",
        "pauseStart",
        "sessionEnd",
    ];
    assert_eq!(types(&hits, "S1"), expected);
    let playback: Vec<_> = hits
        .iter()
        .filter(|r| {
            ["play", "pauseStart", "bufferStart"].contains(&r.body["eventType"].as_str().unwrap())
        })
        .collect();
    for (n, (record, (before, after))) in playback.iter().zip(times).enumerate() {
        // Events of the same millisecond are told apart by one each.
        let slack = n as i64 + 2;
        assert!((before - 2..=after + slack).contains(&ts(record)), "event {n}");
    }
}

#[tokio::test]
async fn a_session_is_driven_by_its_opener_alone() {
    let world = World::start("").await;
    let (owner, other) = (world.player().await, world.player().await);
    let session = owner.open(0.0, film("ep-1")).await.expect("a session");
    for event in ["Play", "Pause", "Complete", "End", "Playhead"] {
        let (name, why) = common::refusal(other.call(&session, event, 1.0, nothing()).await);
        assert_eq!(name, "tv.playhead.Error.AccessDenied", "{event}: {why}");
    }
    // A signal speaks for its own sender alone.
    other.emit("/p", "Complete", 1.0, nothing()).await;
    owner.call(&session, "Play", 1.0, nothing()).await.expect("the owner may");
    let state = owner.property(&session, common::SESSION, "State").await;
    assert_eq!(String::try_from(state).unwrap(), "playing");
    let open: u32 =
        owner.property(AGENT_PATH, AGENT, "ActiveSessions").await.try_into().expect("a number");
    assert_eq!(open, 1);
}
