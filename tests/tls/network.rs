//! What lies between a box and its collector: a network that swallows, as behind some firewalls, and
//! HTTP proxies, which make a tunnel and see nothing of what goes through it.

use std::net::TcpListener;

use playheadd::bench::{Authority, Collector, Tls};

use crate::common::proxy::{Proxy, Way};
use crate::common::{film, nothing, of_type, ts};
use crate::scene::{HERE, Scene, count, trusting};

// A handshake that never comes to its end: no request has left the box, so nothing is in doubt and no
// ping is given up.

/// A connection that is not made is given up long before an answer is.
const SOON: &str = "connect_timeout_seconds = 0.2\n";

/// A daemon that reaches its collector through something that can fall silent.
async fn swallowed_by(tunnels: bool, more: &str) -> (Scene, Proxy) {
    let authority = Authority::new();
    let tls = Tls::new(authority.server(HERE));
    let mut between = None;
    let place = |collector: &Collector| {
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
    let (scene, between) = swallowed_by(tunnels, "").await;
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
    let (scene, between) = swallowed_by(false, "[heartbeat]\nmain_seconds = 0.5\n").await;
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

// Proxies.

/// A name that only the proxy can find.
const COLLECTOR: &str = "collector.example";
const URL: &str = "https://collector.example";

/// A collector that only a proxy can reach. `proxy` makes the value of `collector.proxy`.
async fn behind(proxy: impl FnOnce(&Collector) -> String) -> Scene {
    let authority = Authority::new();
    let tls = Tls::new(authority.server(&[COLLECTOR]));
    let place =
        |collector: &Collector| (URL.to_owned(), format!("proxy = \"{}\"\n", proxy(collector)));
    Scene::with(authority, tls, place, "").await
}

#[tokio::test]
async fn everything_goes_through_a_tunnel_to_the_collector_by_its_name() {
    let mut proxy = None;
    let scene = behind(|collector| {
        let started = proxy.insert(Proxy::start(collector.address(), Way::Open));
        format!("http://127.0.0.1:{}", started.port())
    })
    .await;
    scene.play_through("ep-1").await;
    scene.all_arrives_once();
    let asked = proxy.expect("the proxy").asked();
    assert!(!asked.is_empty() && asked.iter().all(|to| to == "collector.example:443"), "{asked:?}");
}

/// The proxy's own word does not make a stranger the collector.
#[tokio::test]
async fn a_tunnel_to_a_stranger_is_not_used() {
    let mut proxy = None;
    let scene = behind(|collector| {
        let started = proxy.insert(Proxy::start(collector.address(), Way::Open));
        format!("http://127.0.0.1:{}", started.port())
    })
    .await;
    scene.tls.present(scene.authority.server(&["stranger.example"]));
    scene.play_through("ep-1").await;
    scene.logged(&["delivery failed", "not valid for name", "stranger.example"]).await;
    scene.nothing_came_and_all_is_kept().await;
    scene.tls.present(scene.authority.server(&[COLLECTOR]));
    scene.all_arrives_once();
}

#[tokio::test]
async fn a_proxy_that_wants_a_password_is_told_it_after_a_reload() {
    let mut proxy = None;
    let scene = behind(|collector| {
        // box:secret
        let way = Way::For("Basic Ym94OnNlY3JldA==");
        let started = proxy.insert(Proxy::start(collector.address(), way));
        format!("http://127.0.0.1:{}", started.port())
    })
    .await;
    let proxy = proxy.expect("the proxy");
    scene.play_through("ep-1").await;
    scene.logged(&["delivery failed", "cannot connect", "proxy auth"]).await;
    scene.nothing_came_and_all_is_kept().await;
    assert!(proxy.asked().is_empty(), "no tunnel was made");
    let ca = scene.world.agent.config().with_file_name("ca.pem");
    let keys = format!("proxy = \"http://box:secret@127.0.0.1:{}\"\n", proxy.port());
    scene.reload_with(URL, &trusting(&ca, &keys));
    scene.all_arrives_once();
    assert!(!scene.world.agent.log().contains("secret"), "the password stays out of the log");
}

#[tokio::test]
async fn a_dead_proxy_costs_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let scene = behind(|_| format!("http://127.0.0.1:{port}")).await;
    scene.play_through("ep-1").await;
    scene.logged(&["delivery failed", "cannot connect", "refused"]).await;
    scene.nothing_came_and_all_is_kept().await;
    let _proxy = Proxy::start_on(port, scene.world.collector.address());
    scene.all_arrives_once();
}
