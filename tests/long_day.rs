//! A day with very many sessions: memory and disk stay what they were (docs/behaviour.md 2.8).
//! `make soak SESSIONS=50000` makes it long.

mod common;

use common::{AGENT, AGENT_PATH, World, anonymous_kib, film, nothing};

/// Sessions, unless `PLAYHEADD_SESSIONS` says otherwise.
const SESSIONS: usize = 1_000;
const FAST: &str = "[limits]\nevents_per_second = 100000\nevent_burst = 100000\n[delivery]\nmax_rate = 0\n\
                    reconnect_spread_seconds = 0\nbacklog_ratio = 0\n[resume]\nmax_points = 200\n";
/// What the memory of the second half of the day may have grown by: the allocator's own slack. 3 KB that
/// stay of each session are more.
const SLACK_KIB: u64 = 1024;
const MOST_DISK: u64 = 48 << 20;

#[allow(clippy::disallowed_methods)]
fn sessions() -> usize {
    std::env::var("PLAYHEADD_SESSIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(SESSIONS)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_day_takes_no_more_than_a_short_one() {
    let world = World::start(FAST).await;
    let player = world.player().await;
    let (sessions, pid) = (sessions(), world.agent.pid());
    let mut half_way = 0;
    for n in 0..sessions {
        let mut media = film("");
        media.insert("id", format!("film-{n}").into());
        let session = player.open(0.0, media).await.expect("a session");
        player.call(&session, "Play", 0.0, nothing()).await.expect("play");
        player.call(&session, "End", 60.0, nothing()).await.expect("the end");
        if n == sessions / 2 {
            half_way = anonymous_kib(pid);
        }
    }
    // The collector keeps the newest hits only, so the agent's own count tells.
    let delivered = async || {
        let value = player.property(AGENT_PATH, AGENT, "DeliveredHits").await;
        u64::try_from(value).expect("a number")
    };
    while delivered().await < 3 * sessions as u64 {}
    let (after, disk) = (anonymous_kib(pid), common::disk::bytes_in(world.agent.state()));
    println!(
        "{sessions} sessions: {half_way} KiB half way, {after} KiB after, {disk} bytes on disk"
    );
    assert!(after <= half_way + SLACK_KIB, "{half_way} KiB grew to {after} KiB");
    assert!(disk < MOST_DISK, "{disk} bytes on disk");
}
