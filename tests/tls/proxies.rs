//! TLS through an HTTP proxy: a tunnel is made, and the proxy sees nothing of what goes through it.

use std::net::TcpListener;

use playheadd::bench::{Authority, Collector, Tls};

use crate::common::proxy::{Proxy, Way};
use crate::scene::{Scene, trusting};

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
