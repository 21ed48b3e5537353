//! A player that says too much (behaviour.md 2.8): it is dropped and counted, everybody else is
//! served as before, and the agent's memory stays what it was. How fast it is meanwhile:
//! `benches/latency.rs`.

mod common;

use std::time::Duration;

use common::{
    AGENT, AGENT_PATH, Player, World, anonymous_kib, film, flood, nothing, of_type, refusal,
};
use futures_util::future::join_all;

const SECONDS: usize = 10;
const PLAYERS: usize = 8;
/// Calls of each player, twenty a second.
const CALLS: usize = 20 * SECONDS;
/// Of those, how many are events that have to arrive.
const EVENTS_EVERY: usize = 10;
/// More than a sender may say at once.
const BURST: usize = 300;
const GROWTH_KIB: u64 = 4 * 1024;

/// What a player does meanwhile; gives the most memory that the agent had.
async fn play(player: Player, media: &'static str, pid: u32) -> u64 {
    let session = player.open(0.0, film(media)).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    let mut next = tokio::time::interval(Duration::from_secs(SECONDS as u64) / CALLS as u32);
    let mut most_kib = 0;
    for n in 0..CALLS {
        next.tick().await;
        player.call(&session, "Playhead", n as f64, nothing()).await.expect("an answer");
        most_kib = most_kib.max(anonymous_kib(pid));
        if n.is_multiple_of(EVENTS_EVERY) {
            let info = common::Info::from([("id", format!("{media}-{n}").into())]);
            player.call(&session, "Error", n as f64, info).await.expect("an event");
        }
    }
    player.call(&session, "End", CALLS as f64, nothing()).await.expect("the end");
    most_kib
}

async fn refused(player: &Player) -> u64 {
    let value = player.property(AGENT_PATH, AGENT, "RejectedEvents").await;
    value.try_into().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_harms_nobody_but_the_one_who_sends_it() {
    let world = World::start("").await;
    let observer = world.player().await;
    let pid = world.agent.pid();
    let before = anonymous_kib(pid);

    let flooder = world.player().await;
    let media = ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"];
    let mut players = Vec::new();
    for name in media {
        players.push(tokio::spawn(play(world.player().await, name, pid)));
    }
    assert_eq!(players.len(), PLAYERS);
    let sender = tokio::spawn(async move {
        let sent = flood(&flooder, SECONDS).await;
        (flooder, sent)
    });
    let mut most = before;
    for came in join_all(players).await {
        most = most.max(came.expect("a player"));
    }
    let (flooder, sent) = sender.await.expect("the flood");

    // The one who floods is told so, when it asks, and everything dropped is counted.
    let asking = (0..BURST).map(|_| async {
        let call =
            flooder.connection.call_method(Some(AGENT), AGENT_PATH, Some(AGENT), "Flush", &());
        call.await.map(|_| ())
    });
    let told: Vec<_> = join_all(asking).await.into_iter().filter(Result::is_err).collect();
    let counted = sent + told.len() as u64;
    let (name, why) = refusal(told.into_iter().next().expect("a refusal"));
    assert_eq!(name, "tv.playhead.Error.LimitsExceeded", "{why}");
    assert!(why.contains("50 messages a second"), "{why}");
    while refused(&observer).await < counted {}
    assert_eq!(refused(&observer).await, counted);

    // Nobody else has lost anything.
    let events = PLAYERS * CALLS.div_ceil(EVENTS_EVERY);
    let hits = world.wait("every event", |hits| {
        of_type(hits, "error").len() >= events && of_type(hits, "sessionEnd").len() >= PLAYERS
    });
    assert_eq!(of_type(&hits, "error").len(), events);
    assert!(most < before + GROWTH_KIB, "{before} KiB grew to {most} KiB");

    // What is kept of the one who floods goes with it.
    flooder.die().await;
    let after = anonymous_kib(pid);
    assert!(after <= before + GROWTH_KIB / 2, "{before} KiB came back to {after} KiB only");
}
