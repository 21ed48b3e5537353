//! `playheadctl record` writes what `simulate` reads (behaviour.md 4).

mod common;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::{AGENT, AGENT_PATH, World, film, nothing};
use playheadd::config::Config;
use playheadd::sim::{Options, simulate, timeline};
use zbus::Variant;

/// A player of MPRIS that answers nothing, and says this.
async fn mpris(world: &World, said: &[(&'static str, f64)]) {
    const PATH: &str = "/org/mpris/MediaPlayer2";
    const PLAYER: &str = "org.mpris.MediaPlayer2.Player";
    let connection = world.bus.connect().await;
    connection.request_name("org.mpris.MediaPlayer2.box.instance7").await.expect("a name");
    for (status, rate) in said {
        let metadata = HashMap::from([
            ("xesam:url", Variant::from("file:///film")),
            ("mpris:length", Variant::from(600_000_000_i64)),
        ]);
        let values = HashMap::from([
            ("PlaybackStatus", Variant::from(*status)),
            ("Rate", Variant::from(*rate)),
            ("Metadata", Variant::from(metadata)),
        ]);
        let body = (PLAYER, values, Vec::<&str>::new());
        let properties = "org.freedesktop.DBus.Properties";
        let to = None::<&str>;
        let signal = connection.emit_signal(to, PATH, properties, "PropertiesChanged", &body);
        signal.await.expect("sent");
    }
    let seeked = connection.emit_signal(None::<&str>, PATH, PLAYER, "Seeked", &(90_000_000_i64,));
    seeked.await.expect("sent");
    connection.close().await.expect("gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn players_of_mpris_are_recorded_too() {
    let world = World::start("").await;
    let mut recorder = Command::new(env!("CARGO_BIN_EXE_playheadctl"))
        .args(["--bus-address", &world.bus.address, "record"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("playheadctl");
    let mut lines = BufReader::new(recorder.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    let mut text = next() + "\n"; // it listens
    mpris(&world, &[("Playing", 1.0), ("Paused", 1.0)]).await;
    while !text.contains("MprisGone") {
        text += &(next() + "\n");
    }
    recorder.kill().expect("a running recorder");
    recorder.wait().expect("its end");
    let recorded = timeline::parse("the recording", &text).expect(&text);
    let names: Vec<_> = recorded.iter().map(|line| line.what.name()).collect();
    let heard = ["MprisPlayer", "MprisChanged", "MprisChanged", "MprisSeeked", "MprisGone"];
    assert_eq!(names[1..], heard, "{text}");
    let config = Config::from_overrides(&[]).expect("defaults");
    let exchanges = simulate(&recorded, Options { config, until_ms: None, seed: 0 });
    let told = exchanges.iter().all(|e| e.body["params"]["media.id"] == "file:///film");
    assert!(exchanges.is_empty() || told, "both in one moment are none, else a film: {text}");
}

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
