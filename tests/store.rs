//! A store that cannot be used, and one that must not be kept (docs/behaviour.md 2.9, 2.10).

mod common;

use std::path::Path;
use std::process::Command;

use common::{AGENT, AGENT_PATH, World, film, nothing, of_type};

/// A file system of its own, as small as wanted; `None` without the right to mount.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(kib: u32) -> Option<Small> {
        let dir = tempfile::tempdir().expect("a directory");
        let size = format!("size={kib}k");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|out| out.status.success());
        if !mounted {
            common::skip("store", "without the right to mount there is no full disk");
        }
        mounted.then_some(Small(dir))
    }

    fn fill(&self) {
        // As much as there is; the error is the point.
        let _ = Command::new("dd")
            .args(["if=/dev/zero", "bs=4k"])
            .arg(format!("of={}", self.0.path().join("filler").display()))
            .output();
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.path().join("filler")).expect("the filler");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

async fn healthy(world: &World) -> bool {
    let value = world.player().await.property(AGENT_PATH, AGENT, "StoreHealthy").await;
    bool::try_from(value).expect("a boolean")
}

#[tokio::test]
async fn a_full_disk_breaks_promises_only_and_heals_by_itself() {
    fill_up(300).await;
}

#[tokio::test]
async fn a_disk_that_is_full_of_large_records_heals_too() {
    fill_up(4000).await;
}

/// Events with an id of so many bytes until the disk is full, and what comes then.
async fn fill_up(bytes: usize) {
    let Some(small) = Small::mount(2048) else { return };
    let world = World::start_in(small.0.path(), "").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    small.fill();
    let mut refused = 0;
    // sled has some room in its own file; soon it has none.
    for n in 0..3000 {
        let info = common::Info::from([("id", format!("e{n}-{}", "x".repeat(bytes)).into())]);
        player.call(&session, "Error", 1.0, info).await.expect("live delivery goes on");
        if !healthy(&world).await {
            break;
        }
    }
    assert!(!healthy(&world).await, "the disk is full");
    let answer = player.call(&session, "End", 2.0, nothing()).await;
    if let Err(zbus::Error::MethodError(name, why, _)) = answer {
        assert_eq!(name.as_str(), "tv.playhead.Error.Storage");
        assert!(why.is_some_and(|w| w.contains("power cut")));
        refused += 1;
    }
    assert_eq!(refused, 1, "End promises what cannot be kept");
    world.wait("the end all the same", |hits| !of_type(hits, "sessionEnd").is_empty());
    small.make_room();
    while !healthy(&world).await {}
    let session = player.open(0.0, film("ep-2")).await.expect("it is kept again");
    player.call(&session, "End", 60.0, nothing()).await.expect("end");
    let mut world = world;
    world.agent.kill().await;
    world.agent.start_again().await;
    let point = world.player().await.resume_point("tv.example.tests", "ep-2").await;
    assert_eq!(common::double(&point["position"]), 60.0);
}

fn holds(dir: &Path, needle: &str) -> bool {
    std::fs::read_dir(dir).expect("a directory").flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, needle);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(needle.len()).any(|w| w == needle.as_bytes())
    })
}

#[tokio::test]
async fn opting_out_leaves_no_byte_of_what_was_watched() {
    let mut world = World::start("").await;
    let player = world.player().await;
    let session = player.open(0.0, film("a-private-film")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
    let state = world.agent.state().to_owned();
    assert!(holds(&state, "a-private-film"));
    let out = ("out",);
    player
        .connection
        .call_method(Some(AGENT), AGENT_PATH, Some(AGENT), "SetConsent", &out)
        .await
        .expect("opted out");
    // The deletion comes after the answer.
    while holds(&state, "a-private-film") {}
    // Accepted without effect, also after a restart.
    let session = player.open(0.0, film("another-film")).await.expect("a session object");
    player.call(&session, "Play", 0.0, nothing()).await.expect("accepted");
    player.call(&session, "Complete", 600.0, nothing()).await.expect("accepted");
    world.agent.kill().await;
    world.agent.start_again().await;
    let player = world.player().await;
    assert!(player.resume_point("tv.example.tests", "a-private-film").await.is_empty());
    assert!(!holds(&state, "another-film"));
    let hits = world.collector.hits();
    assert!(of_type(&hits, "sessionEnd").is_empty() && of_type(&hits, "sessionStart").len() == 1);
}

#[tokio::test]
async fn a_store_of_garbage_is_set_aside() {
    let mut world = World::start("").await;
    let state = world.agent.state().to_owned();
    world.agent.stop();
    std::fs::remove_dir_all(state.join("db")).expect("the store");
    std::fs::write(state.join("db"), "no database").expect("garbage");
    world.agent.start_again().await;
    let player = world.player().await;
    player.open(0.0, film("ep-1")).await.expect("it works");
}
