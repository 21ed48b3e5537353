//! An operator sees at once why nothing arrives: `playheadctl status` in every fault and hold, on the
//! real daemon (docs/operating.md, "States of delivery").

mod common;
#[path = "tls/scene.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod scene;

#[path = "operator/answers.rs"]
mod answers;
#[path = "operator/connections.rs"]
mod connections;
#[path = "operator/holds.rs"]
mod holds;
#[path = "operator/running.rs"]
mod running;

use std::process::Command;
use std::time::Duration;

use common::{PATIENCE, Player, World, film, nothing};

/// What `playheadctl` prints on standard output and on standard error, and its exit status.
fn ctl(address: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_playheadctl"))
        .args(["--bus-address", address])
        .args(arguments)
        .output()
        .expect("playheadctl");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Waits until the status says all of this, with this exit status; gives its text.
async fn status(world: &World, parts: &[&str], code: i32) -> String {
    let mut last = String::new();
    let look = async {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        loop {
            looks.tick().await;
            let (got, text, error) = ctl(&world.bus.address, &["status"]);
            assert_eq!(error, "", "{text}");
            last = format!("{got}: {text}");
            if got == code && parts.iter().all(|part| text.contains(part)) {
                return text;
            }
        }
    };
    let seen = tokio::time::timeout(PATIENCE, look).await.ok();
    seen.unwrap_or_else(|| panic!("expected {code}, {parts:?}\n{last}\n{}", world.agent.log()))
}

/// The same when all is not well: exit status 1.
async fn unwell(world: &World, parts: &[&str]) -> String {
    status(world, parts, 1).await
}

/// The same when all is well: exit status 0, and nothing is called a problem.
async fn well(world: &World, parts: &[&str]) {
    let text = status(world, parts, 0).await;
    assert!(!text.contains("problem"), "{text}");
}

/// A session that plays.
async fn play(world: &World) -> Player {
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    player
}
