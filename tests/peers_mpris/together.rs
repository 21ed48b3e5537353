//! Several players on one bus: a proxy of the others, one that hangs, and a bus that goes away.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::{Bus, World, of_type, playhead, types};
use crate::media::clip_in;
use crate::players::{Running, position, tell};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_playerctld_no_viewing_is_doubled() {
    // `mpris.deny` is as it comes.
    let world = World::start("[mpris]\nenabled = true\n").await;
    let remote = world.bus.connect().await;
    let mut proxy = Command::new("playerctld");
    let _proxy = Running::start(proxy.stdout(Stdio::null()), &world.bus);
    let clip = clip_in(world.bus.dir.path(), "clip.wav", 12).display().to_string();
    let _mpv = Running::mpv(&world.bus, &["--keep-open=yes", &clip]);
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
    // The proxy stands for mpv by now, or it could not pass this on.
    let names = zbus::fdo::DBusProxy::new(&remote).await.expect("the bus");
    let proxy = "org.mpris.MediaPlayer2.playerctld".try_into().expect("a name");
    while !names.name_has_owner(std::clone::Clone::clone(&proxy)).await.expect("an answer") {}
    tell(&remote, "playerctld", "Pause", &()).await;
    world.wait("the pause", |hits| !of_type(hits, "pauseStart").is_empty());
    let seen = Command::new(env!("CARGO_BIN_EXE_playheadctl"))
        .args(["--bus-address", &world.bus.address, "doctor", "--json"])
        .output()
        .expect("playheadctl");
    let seen: Value = serde_json::from_slice(&seen.stdout).expect("JSON");
    let says =
        |text: &str| seen["checks"].as_array().is_some_and(|c| c.iter().any(|c| c["text"] == text));
    assert!(says("org.mpris.MediaPlayer2.mpv: tracked"), "{seen}");
    let denied =
        "org.mpris.MediaPlayer2.playerctld: mpris.allow does not name it, or mpris.deny does";
    assert!(says(denied), "{seen}");
    tell(&remote, "playerctld", "Play", &()).await;
    let hits = world.wait("the completion", |hits| !of_type(hits, "sessionComplete").is_empty());
    assert_eq!(of_type(&hits, "sessionStart").len(), 1);
    assert_eq!(
        types(&hits, "S1"),
        ["sessionStart", "play", "pauseStart", "play", "sessionComplete"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_that_hangs_is_paused_as_of_its_silence_and_disturbs_nobody() {
    // No ping dates the pause later.
    let config = "[mpris]\nenabled = true\nposition_seconds = 1\n[heartbeat]\nmain_seconds = 50\n";
    let world = World::start(config).await;
    let remote = world.bus.connect().await;
    let clip = |name: &str| clip_in(world.bus.dir.path(), name, 120).display().to_string();
    let (hangs, goes_on) = (clip("hangs.wav"), clip("goes-on.wav"));
    let mpv = Running::mpv(&world.bus, &[&hangs]);
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
    let _other = Running::vlc(&world.bus, &[&goes_on]);
    world.wait("the other one's play", |hits| of_type(hits, "play").len() == 2);
    let silent_at = position(&remote, "mpv").await;
    mpv.signal("-STOP");
    let hits = world.wait("the pause", |hits| !of_type(hits, "pauseStart").is_empty());
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart"]);
    // Its third question in a row was given up 9 s after the first.
    let paused_at = playhead(of_type(&hits, "pauseStart")[0]);
    assert!((silent_at - 0.5..silent_at + 6.0).contains(&paused_at), "{silent_at}, {paused_at}");
    let there = position(&remote, "vlc").await;
    tell(&remote, "vlc", "Pause", &()).await;
    let hits = world.wait("a pause of the other", |hits| of_type(hits, "pauseStart").len() == 2);
    assert_eq!(types(&hits, "S2"), ["sessionStart", "play", "pauseStart"]);
    let paused_at = playhead(of_type(&hits, "pauseStart")[1]);
    assert!(there > 8.0 && (there - 0.5..there + 6.0).contains(&paused_at), "{there}, {paused_at}");
    mpv.signal("-CONT");
    let plays_again =
        |hits: &[_]| types(hits, "S1").iter().filter(|kind| *kind == "play").count() == 2;
    let hits = world.wait("it plays again", plays_again);
    assert_eq!(of_type(&hits, "sessionStart").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_players_bus_is_back_a_new_mpv_is_a_resume() {
    let mut players = Bus::start();
    let address = players.address.split(',').next().expect("an address").to_owned();
    let world = World::start(&format!("[mpris]\nenabled = true\nbus = \"{address}\"\n")).await;
    let clip = clip_in(world.bus.dir.path(), "clip.wav", 60).display().to_string();
    let before = Running::mpv(&players, &["--start=10", &clip]);
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
    players.start_again();
    let hits = world.wait("the vanish", |hits| !of_type(hits, "pauseStart").is_empty());
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart"]);
    before.dies();
    let _mpv = Running::mpv(&players, &["--start=20", &clip]);
    let both =
        |hits: &[_]| of_type(hits, "play").len() == 2 && !of_type(hits, "sessionEnd").is_empty();
    let hits = world.wait("another session", both);
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart", "sessionEnd"]);
    let start = of_type(&hits, "sessionStart")[1];
    assert_eq!(start.body["params"]["media.resume"], true);
    assert!((19.5..22.0).contains(&playhead(start)), "{}", playhead(start));
}
