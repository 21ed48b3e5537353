//! The store's threads sleep until there is something to do (src/store/threads.rs): all of them carry
//! a timer slack of an hour, whichever way the store came to be open, and no other thread does.

mod common;

use common::disk::{Disk, FAST, a_film_at_length, consent, healthy, set_consent};
use common::{Player, World, nothing, skip};

const LATE: &str = "3600000000000";
const USUAL: &str = "50000";
/// sled starts so many at least.
const SLED_THREADS: usize = 7;

/// Names and timer slacks of the daemon's threads; `None` where other threads' cannot be read.
fn threads(world: &World) -> Option<Vec<(String, String)>> {
    let tasks = format!("/proc/{}/task", world.agent.pid());
    let mut threads = Vec::new();
    for task in std::fs::read_dir(tasks).expect("the threads").flatten() {
        let Ok(name) = std::fs::read_to_string(task.path().join("comm")) else { continue };
        let slack = format!("/proc/{}/timerslack_ns", task.file_name().display());
        match std::fs::read_to_string(slack) {
            Ok(slack) => threads.push((name.trim().to_owned(), slack.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(_) => return None,
        }
    }
    Some(threads)
}

/// Whether all threads have the slack that they should have. `false`: it cannot be known here.
fn assert_slack(test: &str, world: &World) -> bool {
    let Some(threads) = threads(world) else {
        skip(test, "another thread's timer slack needs CAP_SYS_NICE");
        return false;
    };
    let is_sled = |name: &str| name.starts_with("sled-io");
    let sled = threads.iter().filter(|(name, _)| is_sled(name)).count();
    assert!(sled >= SLED_THREADS, "{threads:?}");
    for (name, slack) in &threads {
        let late = is_sled(name) || name == "store" || name == "closing";
        assert_eq!(slack, if late { LATE } else { USUAL }, "{name} of {threads:?}");
    }
    true
}

/// A film whose calls are answered when they are on the disk. sled has no threads before it has something
/// to do.
async fn play(player: &Player, id: &str) {
    let session = player.open(0.0, a_film_at_length(id)).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    player.call(&session, "End", 9.0, nothing()).await.expect("the end");
}

#[tokio::test]
async fn sleep_while_the_daemon_runs_and_in_a_store_that_was_made_anew() {
    let test = "sleep_while_the_daemon_runs_and_in_a_store_that_was_made_anew";
    let mut world = World::start(FAST).await;
    let player = world.player().await;
    play(&player, "one").await;
    if !assert_slack(test, &world) {
        return;
    }
    set_consent(&player, "out").await.expect("opted out");
    assert_eq!(consent(&world).await, "out");
    set_consent(&player, "in").await.expect("opted in");
    play(&player, "two").await;
    assert_slack(test, &world);
    world.agent.kill().await;
    world.agent.start_again().await;
    play(&world.player().await, "three").await;
    assert_slack(test, &world);
}

#[tokio::test]
async fn sleep_in_a_store_that_was_joined_later() {
    let test = "sleep_in_a_store_that_was_joined_later";
    let Some(disk) = Disk::mount(test) else { return };
    let mut world = World::start_in(&disk.state(), FAST).await;
    play(&world.player().await, "one").await;
    assert!(world.agent.stop().success());
    disk.take_no_writes();
    // Nor is there a place for a copy.
    world.agent.under = ["env", "RUNTIME_DIRECTORY=/nonexistent"].map(String::from).into();
    world.agent.start_again().await;
    assert!(!healthy(&world).await);
    disk.take_writes();
    while !healthy(&world).await {}
    assert_slack(test, &world);
    play(&world.player().await, "two").await;
    assert_slack(test, &world);
}
