//! A stop that is asked for (docs/behaviour.md 1.6, 2.9): what is kept is answered, and what is not
//! answered is not kept.

mod common;

use common::{AGENT, AGENT_PATH, Info, World, film, nothing};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustix::process::{Pid, Signal, kill_process};

const STOPS: usize = 3;
/// Calls under way at a time.
const CALLS: usize = 8;
const LIMITS: &str = "[limits]\nevents_per_second = 100000\nevent_burst = 100000\n";

async fn queued(world: &World) -> u64 {
    let value = world.player().await.property(AGENT_PATH, AGENT, "QueuedHits").await;
    u64::try_from(value).expect("a number")
}

/// Calls that reach the daemon around its SIGTERM: each caller hears what became of its own.
#[tokio::test]
async fn a_call_during_a_stop_is_kept_and_answered_or_neither() {
    let mut world = World::start(LIMITS).await;
    let player = world.player().await;
    // A collector that never answers: each call that is kept is a hit that waits, and a stop takes
    // its two seconds.
    let hangs = r#"[{"on":"sessions","hang":true}]"#;
    world.collector.set_rules_json(hangs).expect("rules");
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    // An ad could still come before it.
    while queued(&world).await < 2 {}
    player.call(&session, "Pause", 0.0, nothing()).await.expect("pause");
    let mut error = 0;
    let mut call = || {
        error += 1;
        let info = Info::from([("id", error.to_string().into())]);
        player.call(&session, "Error", 0.0, info)
    };
    for stop in 0..STOPS {
        let before = queued(&world).await;
        let mut calls: FuturesUnordered<_> = (0..CALLS).map(|_| call()).collect();
        let pid = Pid::from_raw(world.agent.pid() as i32).expect("a process");
        kill_process(pid, Signal::TERM).expect("SIGTERM");
        let mut kept = 0;
        while let Some(answer) = calls.next().await {
            if answer.is_ok() {
                kept += 1;
                calls.push(call());
            }
        }
        assert!(world.agent.end().success(), "a clean stop");
        world.agent.start_again().await;
        let after = queued(&world).await;
        assert_eq!(after - before, kept, "stop {stop}: {before} and {after} hits");
    }
}

/// Whether the daemon handles SIGHUP by now.
fn handles_hangups(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("SigCgt");
    u64::from_str_radix(caught.trim(), 16).expect("a mask") & 1 == 1
}

#[tokio::test]
async fn a_reload_while_the_daemon_starts_is_not_lost() {
    let mut world = World::start("").await;
    world.agent.kill().await;
    // The start waits for the bus.
    world.bus.freeze();
    world.agent.launch();
    while !handles_hangups(world.agent.pid()) {}
    world.agent.hang_up();
    world.bus.go_on();
    world.agent.named().await;
    let patience = tokio::time::Instant::now() + common::PATIENCE;
    while !world.agent.log().contains("the configuration was read anew") {
        assert!(tokio::time::Instant::now() < patience, "{}", world.agent.log());
        tokio::task::yield_now().await;
    }
}
