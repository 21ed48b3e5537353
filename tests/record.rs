//! `playheadctl record` writes what `simulate` reads (behaviour.md 4).

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::{AGENT, AGENT_PATH, World, film, nothing};
use playheadd::config::Config;
use playheadd::sim::{Options, simulate, timeline};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_of_the_live_bus_gives_the_same_hits_in_the_simulator() {
    let world = World::start("").await;
    let mut recorder = Command::new(env!("CARGO_BIN_EXE_playheadctl"))
        .args(["--bus-address", &world.bus.address, "record"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("playheadctl");
    let mut lines = BufReader::new(recorder.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    let mut text = next() + "\n"; // it listens
    assert!(text.contains("\"event\":\"Boot\""), "{text}");

    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    player.emit("/p", "SessionStart", 5.0, film("ep-2")).await;
    player.emit("/p", "Play", 5.0, nothing()).await;
    player.call(&session, "Complete", 600.0, nothing()).await.expect("complete");
    let away = ("tv.example.tests", "background");
    player
        .connection
        .call_method(Some(AGENT), AGENT_PATH, Some(AGENT), "NotifyLifecycle", &away)
        .await
        .expect("told");
    player.die().await;
    while !text.contains("\"from\":\"p2\",\"at\"") && !text.contains("PlayerVanished") {
        text += &(next() + "\n");
    }
    text += &(next() + "\n");
    recorder.kill().expect("a running recorder");
    recorder.wait().expect("its end");

    let recorded = timeline::parse("the recording", &text).expect(&text);
    assert_eq!(text.matches("PlayerVanished").count(), 2, "both players of the connection: {text}");
    let config = Config::from_overrides(&[]).expect("defaults");
    let exchanges = simulate(&recorded, Options { config, until_ms: None, seed: 0 });
    let kinds = |sid: &str| -> Vec<String> {
        exchanges
            .iter()
            .filter(|e| e.sid.as_deref() == Some(sid))
            .map(|e| e.body["eventType"].as_str().expect("a type").to_owned())
            .filter(|kind| kind != "ping")
            .collect()
    };
    assert_eq!(kinds("S1"), ["sessionStart", "play", "sessionComplete"]);
    assert_eq!(kinds("S2"), ["sessionStart", "play", "pauseStart", "sessionEnd"]);
}
