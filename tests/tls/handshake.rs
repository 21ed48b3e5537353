//! A handshake that never comes to its end, as behind a firewall that swallows: no request has left the
//! box, so nothing is in doubt and no ping is given up.

use playheadd::bench::{Authority, Tls};

use crate::common::proxy::{Proxy, Way};
use crate::common::{film, nothing, of_type, ts};
use crate::scene::{HERE, Scene, count};

/// A connection that is not made is given up long before an answer is.
const SOON: &str = "connect_timeout_seconds = 0.2\n";

/// A daemon that reaches its collector through something that can fall silent.
async fn behind(tunnels: bool, more: &str) -> (Scene, Proxy) {
    let authority = Authority::new();
    let tls = Tls::new(authority.server(HERE));
    let mut between = None;
    let place = |collector: &playheadd::bench::Collector| {
        let (proxy, url, keys) = match tunnels {
            true => {
                let proxy = Proxy::start(collector.address(), Way::Open);
                let keys = format!("{SOON}proxy = \"http://127.0.0.1:{}\"\n", proxy.port());
                (proxy, collector.url(), keys)
            }
            false => {
                let relay = Proxy::relay(collector.address());
                let url = format!("https://127.0.0.1:{}", relay.port());
                (relay, url, SOON.to_owned())
            }
        };
        between = Some(proxy);
        (url, keys)
    };
    let scene = Scene::with(authority, tls, place, more).await;
    (scene, between.expect("what stands between"))
}

async fn a_silence_costs_nothing(tunnels: bool) {
    let (scene, between) = behind(tunnels, "").await;
    between.set(Way::Silent);
    scene.play_through("ep-1").await;
    scene.logged(&["delivery failed", "timed out"]).await;
    assert!(between.held() > 0);
    scene.nothing_came_and_all_is_kept().await;
    between.set(Way::Open);
    scene.all_arrives_once();
}

#[tokio::test]
async fn a_collector_that_accepts_and_is_silent_costs_nothing() {
    a_silence_costs_nothing(false).await;
}

#[tokio::test]
async fn a_proxy_that_accepts_and_is_silent_costs_nothing() {
    a_silence_costs_nothing(true).await;
}

#[tokio::test]
async fn a_ping_whose_handshake_hangs_is_kept() {
    let (scene, between) = behind(false, "[heartbeat]\nmain_seconds = 0.5\n").await;
    let player = scene.world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    scene.world.wait("a ping", |hits| !of_type(hits, "ping").is_empty());
    // The collector ends the open connection; the next ping needs a new one.
    between.set(Way::Silent);
    scene.change(|tls| tls.present(scene.authority.server(HERE))).await;
    scene.until("two tries", async || between.held() > 1).await;
    scene.logged(&["delivery failed", "timed out"]).await;
    let pings = of_type(&scene.world.collector.hits(), "ping").len();
    scene.until("pings that wait", async || count(&player, "QueuedHits").await > 2).await;
    between.set(Way::Open);
    player.call(&session, "End", 5.0, nothing()).await.expect("end");
    let hits = scene.world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    assert_eq!(scene.count("DroppedHits").await, 0);
    let all = of_type(&hits, "ping");
    assert!(all.len() > pings + 1, "pings of the silence have arrived: {}", all.len());
    assert!(all.windows(2).all(|pair| ts(pair[0]) < ts(pair[1])), "each once");
}
