//! What is refused at the bus, by the daemon or by its rules, is a line in the log with the sender and its
//! application: at most one a minute of each kind.

mod common;

use common::{AGENT, AGENT_PATH, World, film, nothing};
use zbus::Message;

/// The lines about refusals, without those at `debug`.
fn refusals(world: &World) -> Vec<String> {
    let log = world.agent.log();
    let lines = log.lines().filter(|line| line.contains("WARN") && line.contains(" refused "));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_refused_call_names_its_sender() {
    let world = World::start("").await;
    let player = world.player().await;
    let sender = player.connection.unique_name().expect("a name").to_string();
    let session = player.open(0.0, film("a")).await.expect("a session");
    for _ in 0..3 {
        player.call(&session, "AdComplete", 0.0, nothing()).await.expect_err("it is refused");
    }
    let (to, path) = (Some(AGENT), AGENT_PATH);
    let call = player.connection.call_method(to, path, to, "SetConsent", &"maybe");
    call.await.expect_err("there is no such word");
    let lines = refusals(&world);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    for (line, event) in lines.iter().zip(["AdComplete", "SetConsent"]) {
        assert!(line.contains(&format!("event={event:?} sender={sender:?}")), "{line}");
    }
    // The test's program owns no name and is no service.
    assert!(lines[0].contains(" app=\"refused_calls-"), "{lines:#?}");
    assert!(lines[0].contains("refusal=\"NotAllowed\""), "{lines:#?}");
}

#[tokio::test]
async fn a_signal_that_cannot_be_read_names_its_sender() {
    let world = World::start("").await;
    let player = world.player().await;
    let sender = player.connection.unique_name().expect("a name").to_string();
    let signal = Message::signal("/p", "tv.playhead.Player1", "Play");
    let signal = signal.build(&("no number",)).expect("a message");
    player.connection.send(&signal).await.expect("sent");
    let seen = || async {
        while refusals(&world).is_empty() {
            // A turn of the daemon, and its answer.
            player.property(AGENT_PATH, AGENT, "RejectedEvents").await;
        }
    };
    tokio::time::timeout(common::PATIENCE, seen()).await.expect("a line");
    let line = &refusals(&world)[0];
    assert!(line.contains(&format!("event=\"Play\" sender={sender:?}")), "{line}");
    assert!(line.contains("Play takes (da{sv}), got (s)"), "{line}");
}
