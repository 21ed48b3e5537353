//! Connections that cannot be made.

use playheadd::bench::{Authority, Collector, Identity};

use crate::common::{Agent, Bus, World, config_text};
use crate::scene::{HERE, Scene};
use crate::{play, unwell, well};

const FAILING: &str = "state       failing: delivery fails: hits are kept and tried again";

/// A daemon whose configuration is this.
async fn configured(text: &str) -> World {
    let (bus, collector) = (Bus::start(), Collector::start());
    let agent = Agent::start_configured(&bus.dir.path().join("state"), &bus, text).await;
    World { agent, collector, bus }
}

/// A port where nobody listens.
fn nobody() -> String {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    taken.local_addr().expect("its address").to_string()
}

#[tokio::test]
async fn connection_refused() {
    let nobody = nobody();
    let world = configured(&config_text(&format!("http://{nobody}"), "")).await;
    well(&world, &["state       idle: nothing waits", "delivered   nothing yet"]).await;
    let _player = play(&world).await;
    let text = unwell(&world, &[FAILING, "Connection refused", "next try    20"]).await;
    let problem = format!("{nobody}: cannot connect");
    assert!(text.contains("problem     delivery fails since 20"), "{text}");
    assert!(text.contains(&problem) && text.contains("nothing listens there"), "{text}");
    assert!(text.contains(&format!("reporting to {nobody} (media-collection)")), "{text}");
    assert!(text.contains("report suite tests"), "{text}");
    assert!(text.contains("hits wait (") && text.contains("the oldest of 20"), "{text}");
    assert!(text.contains("last heard  cannot connect"), "{text}");
}

#[tokio::test]
async fn unknown_host() {
    let text =
        config_text("https://collector.invalid", "").replace("allow_plain_http = true\n", "");
    let world = configured(&text).await;
    let _player = play(&world).await;
    unwell(&world, &[FAILING, "collector.invalid: ", "dns error", "name servers of the box"]).await;
}

#[tokio::test]
async fn dead_proxy() {
    let proxy = format!("proxy = \"http://{}\"\nallow_plain_http = true", nobody());
    let text = config_text("http://127.0.0.1:9", "").replace("allow_plain_http = true", &proxy);
    let world = configured(&text).await;
    let _player = play(&world).await;
    unwell(&world, &[FAILING, "check collector.proxy"]).await;
}

/// A collector with another certificate is told, and it is over once it has a good one.
async fn presenting(identity: impl FnOnce(&Authority) -> Identity, parts: &[&str]) {
    let scene = Scene::presenting(identity, "").await;
    scene.play_through("ep-1").await;
    unwell(&scene.world, &[&[FAILING, "cannot connect"], parts].concat()).await;
    scene.tls.present(scene.authority.server(HERE));
    scene.all_arrives_once();
    well(&scene.world, &["state       idle", "last heard  204", "delivered   20"]).await;
}

#[tokio::test]
async fn unknown_authority() {
    presenting(|_| Authority::new().server(HERE), &["UnknownIssuer", "set collector.ca_file"])
        .await;
}

#[tokio::test]
async fn wrong_name() {
    let parts = ["not valid for name", "its certificate is for another host"];
    presenting(|authority| authority.server(&["collector.example"]), &parts).await;
}

#[tokio::test]
async fn expired() {
    let parts = ["certificate expired", "check the clock of the box, then the certificate"];
    presenting(|authority| authority.expired_server(HERE), &parts).await;
}

#[tokio::test]
async fn client_certificate() {
    let scene = Scene::start("").await;
    let authority = Authority::new();
    scene.change(|tls| tls.ask_for_clients_of(Some(&authority))).await;
    scene.play_through("ep-1").await;
    unwell(
        &scene.world,
        &[FAILING, "set collector.client_cert_file and collector.client_key_file"],
    )
    .await;
}

#[tokio::test]
async fn a_handshake_that_hangs() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("its address");
    let keys = "connect_timeout_seconds = 0.2\ntimeout_seconds = 1";
    let text = config_text(&format!("https://{address}"), "");
    let world = configured(&text.replace("allow_plain_http = true", keys)).await;
    let _player = play(&world).await;
    unwell(&world, &[FAILING, "timed out", "nothing answers there"]).await;
    drop(silent);
    // The newest failure is told.
    unwell(&world, &["Connection refused", "nothing listens there"]).await;
}
