//! `SetResumePoint`: where a viewer stopped on another device of the household (docs/behaviour.md
//! 1.3).

mod common;

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use common::{AGENT, AGENT_PATH, Player, World, film, nothing, now_ms, refusal};
use zbus::Variant;

const APP: &str = "tv.example.app";

type Point = HashMap<&'static str, Variant<'static>>;

fn point(position: f64, ended_at: i64) -> Point {
    HashMap::from([
        ("position", Variant::from(position)),
        ("length", Variant::from(3600.0)),
        ("ended_at", Variant::from(ended_at)),
    ])
}

async fn set(player: &Player, media: &str, point: Point) -> zbus::Result<bool> {
    let body = (APP, media, point);
    let agent = Some(AGENT);
    let reply =
        player.connection.call_method(agent, AGENT_PATH, agent, "SetResumePoint", &body).await?;
    reply.body().deserialize()
}

async fn position(player: &Player, media: &str) -> Option<f64> {
    let point = player.resume_point(APP, media).await;
    point.get("position").map(common::double)
}

#[tokio::test]
async fn the_newer_point_is_kept_and_counts_as_a_resume() {
    let mut world = World::start("").await;
    let player = world.player().await;
    let now = now_ms();
    assert!(set(&player, "film", point(350.0, now - 60_000)).await.expect("answered"));
    assert!(!set(&player, "film", point(300.0, now - 60_000)).await.expect("as new"));
    assert!(!set(&player, "film", point(250.0, now - 90_000)).await.expect("older"));
    assert_eq!(position(&player, "film").await, Some(350.0));
    assert!(set(&player, "film", point(400.0, now - 30_000)).await.expect("newer"));
    world.agent.kill().await;
    world.agent.start_again().await;
    assert_eq!(position(&player, "film").await, Some(400.0), "it survives");

    let mut media = film("film");
    media.insert("app", Variant::from(APP));
    let session = player.open(-1.0, media).await.expect("a session");
    // Whoever watches here is at the newest place.
    assert!(!set(&player, "film", point(450.0, now_ms())).await.expect("answered"));
    player.call(&session, "Play", 401.0, nothing()).await.expect("played");
    player.call(&session, "End", 402.0, nothing()).await.expect("ended");
    let hits = world.wait("the start", |hits| !common::of_type(hits, "sessionStart").is_empty());
    let start = &common::of_type(&hits, "sessionStart")[0].body;
    assert_eq!(start["params"]["media.resume"], true);
    assert_eq!(start["playerTime"]["playhead"], 400.0);
    assert!(!set(&player, "film", point(450.0, now)).await.expect("older than what ended here"));
    assert_eq!(position(&player, "film").await, Some(402.0));
    assert!(set(&player, "film", point(450.0, now_ms() + 1_000)).await.expect("newer"));
}

#[tokio::test]
async fn a_film_seen_to_its_end_elsewhere_begins_anew_here() {
    let world = World::start("").await;
    let player = world.player().await;
    let mut seen = point(3000.0, now_ms() - 1_000);
    seen.insert("completed", Variant::from(true));
    assert!(set(&player, "film", seen).await.expect("answered"));
    let known = player.resume_point(APP, "film").await;
    assert_eq!(bool::try_from(known["completed"].clone()).ok(), Some(true));
}

#[tokio::test]
async fn a_point_with_a_mistake_is_refused_with_a_reason() {
    let world = World::start("").await;
    let player = world.player().await;
    let now = now_ms();
    let with = |key, value| {
        let mut point = point(10.0, now);
        point.insert(key, value);
        point
    };
    let without = |key| {
        let mut point = point(10.0, now);
        point.remove(key);
        point
    };
    for (media, point, part) in [
        ("film", without("ended_at"), "'ended_at' (x), milliseconds since 1970 UTC, is missing"),
        ("film", without("position"), "'position' (a double (d), seconds) is missing"),
        ("film", with("position", Variant::from(-1.0)), "must be 0 or more seconds, got -1"),
        ("film", with("position", Variant::from(f64::NAN)), "must be a finite number"),
        ("film", with("ended_at", Variant::from(1.5)), "'ended_at' must be an integer"),
        ("film", with("completed", Variant::from("yes")), "'completed' must be a boolean"),
        ("film", with("ended_at", Variant::from(now + 3_600_000)), "is in the future"),
        ("", point(10.0, now), "the media id is empty"),
    ] {
        let (name, why) = refusal(set(&player, media, point).await.map(|_| ()));
        assert_eq!(name, "tv.playhead.Error.InvalidArgs", "{why}");
        assert!(why.contains(part), "'{part}' in {why}");
    }
    assert_eq!(position(&player, "film").await, None);
}

/// `examples/household` on this box.
fn exchange(world: &World, share: &Path, name: &str) -> (bool, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/household/exchange.py");
    let out = Command::new("/usr/bin/python3")
        .arg(script)
        .args(["--name", name, "--bus", &world.bus.address])
        .args(["--playheadctl", env!("CARGO_BIN_EXE_playheadctl"), "--share"])
        .arg(share)
        .output()
        .expect("python3");
    let said = [out.stdout, out.stderr].concat();
    (out.status.success(), String::from_utf8(said).expect("text"))
}

#[tokio::test]
async fn two_boxes_exchange_their_points_over_a_directory() {
    let (living, kitchen) = (World::start("").await, World::start("").await);
    let share = tempfile::tempdir().expect("a directory");
    let share = share.path();
    let watch = async |world: &World, id, to| {
        let player = world.player().await;
        let mut media = film(id);
        media.insert("app", Variant::from(APP));
        let session = player.open(0.0, media).await.expect("a session");
        player.call(&session, "Play", 0.0, nothing()).await.expect("played");
        player.call(&session, "End", to, nothing()).await.expect("ended");
    };
    watch(&living, "film", 300.0).await;
    watch(&living, "series", 60.0).await;
    watch(&kitchen, "film", 30.0).await;
    // The kitchen knows the film later, the living room knows the series alone.
    let (done, said) = exchange(&living, share, "living");
    assert!(done && said == "gave 2 points, was given 0 newer ones and kept 0\n", "{said}");
    let (done, said) = exchange(&kitchen, share, "kitchen");
    assert!(done && said == "gave 1 points, was given 1 newer ones and kept 1\n", "{said}");
    // A file that nobody wrote is left out, and said.
    std::fs::write(share.join("other.json"), r#"[{"app":"a"}]"#).expect("written");
    let (done, said) = exchange(&living, share, "living");
    assert!(done && said.contains("was given 1 newer ones and kept 1"), "{said}");
    assert!(said.contains("other.json is left out: KeyError('ended_at')"), "{said}");
    for world in [&living, &kitchen] {
        let player = world.player().await;
        assert_eq!(position(&player, "film").await, Some(30.0));
        assert_eq!(position(&player, "series").await, Some(60.0));
    }
    let (done, said) = exchange(&living, &share.join("away"), "living");
    assert!(!done && said.contains("the points could not be exchanged"), "{said}");
}
