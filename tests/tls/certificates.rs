//! The certificates of both sides: the one that a collector presents, the one that it asks for, and
//! SIGHUP with other files, which count for the next request.

use playheadd::bench::{Authority, Identity};

use crate::common::{film, nothing, of_type, types};
use crate::scene::{ALL, HERE, Scene, trusting};

// What the collector presents.

#[tokio::test]
async fn a_whole_playback_arrives() {
    let scene = Scene::start("").await;
    assert!(scene.world.collector.url().starts_with("https://"));
    scene.play_through("ep-1").await;
    scene.all_arrives_once();
}

/// Nothing is sent to a collector that presents this, and `words` say why. With a good certificate
/// everything that was kept arrives.
async fn refused(identity: impl FnOnce(&Authority) -> Identity, words: &[&str]) {
    let scene = Scene::presenting(identity, "").await;
    scene.play_through("ep-1").await;
    let why = ["delivery failed", "cannot connect", "invalid peer certificate"];
    scene.logged(&[&why[..], words].concat()).await;
    scene.nothing_came_and_all_is_kept().await;
    scene.tls.present(scene.authority.server(HERE));
    scene.all_arrives_once();
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let words = ["not valid for name", "127.0.0.1", "collector.example"];
    refused(|authority| authority.server(&["collector.example"]), &words).await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    refused(|authority| authority.expired_server(HERE), &["certificate expired"]).await;
}

#[tokio::test]
async fn a_self_signed_certificate_is_refused() {
    refused(|_| Identity::self_signed(HERE), &["UnknownIssuer"]).await;
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    refused(|_| Authority::new().server(HERE), &["UnknownIssuer"]).await;
}

#[tokio::test]
async fn a_certificate_that_is_no_server_s_is_refused() {
    refused(|authority| authority.client("box"), &["invalid peer certificate"]).await;
}

#[tokio::test]
async fn a_certificate_that_expires_in_the_middle_of_a_session_costs_nothing() {
    let scene = Scene::start("").await;
    let player = scene.world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    scene.world.wait("play", |hits| !of_type(hits, "play").is_empty());
    scene.change(|tls| tls.present(scene.authority.expired_server(HERE))).await;
    player.call(&session, "Pause", 1.0, nothing()).await.expect("pause");
    player.call(&session, "Play", 1.0, nothing()).await.expect("play");
    player.call(&session, "End", 2.0, nothing()).await.expect("end");
    scene.logged(&["delivery failed", "certificate expired"]).await;
    assert_eq!(scene.world.collector.hits().len(), 2);
    scene.tls.present(scene.authority.server(HERE));
    let hits = scene.world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart", "play", "sessionEnd"]);
    assert_eq!(hits.len(), 5, "nothing came twice");
}

// A collector that asks for client certificates.

/// The keys of a client's files, which are written beside the configuration.
fn client_keys(scene: &Scene, client: &Identity) -> String {
    let certificate = scene.file("client.pem", client.certificate());
    let key = scene.file("client.key", client.key());
    format!(
        "client_cert_file = \"{}\"\nclient_key_file = \"{}\"\n",
        certificate.display(),
        key.display()
    )
}

/// A collector that talks to clients of its authority only, and a daemon that has `client`.
async fn asked(client: impl FnOnce(&Authority) -> Option<Identity>) -> Scene {
    let scene = Scene::start("").await;
    scene.tls.ask_for_clients_of(Some(&scene.authority));
    if let Some(client) = client(&scene.authority) {
        scene.reload(&client_keys(&scene, &client));
        scene.logged(&["the configuration was read anew"]).await;
    }
    scene
}

#[tokio::test]
async fn with_a_client_certificate_everything_arrives() {
    let scene = asked(|authority| Some(authority.client("box"))).await;
    scene.play_through("ep-1").await;
    scene.all_arrives_once();
}

/// Nothing counts while the daemon has `client`. With a good certificate everything arrives.
async fn without_a_good_one(client: impl FnOnce(&Authority) -> Option<Identity>, why: &str) {
    let scene = asked(client).await;
    scene.play_through("ep-1").await;
    scene.logged(&["delivery failed", "received fatal alert", why]).await;
    scene.nothing_came_and_all_is_kept().await;
    scene.reload(&client_keys(&scene, &scene.authority.client("box")));
    scene.all_arrives_once();
}

#[tokio::test]
async fn without_a_client_certificate_nothing_counts_until_the_configuration_names_one() {
    without_a_good_one(|_| None, "CertificateRequired").await;
}

#[tokio::test]
async fn with_a_client_certificate_of_another_authority_nothing_counts() {
    without_a_good_one(|_| Some(Authority::new().client("box")), "UnknownCA").await;
}

/// The collector begins to ask while the daemon's connection is open.
#[tokio::test]
async fn a_collector_that_begins_to_ask_costs_nothing() {
    let scene = Scene::start("").await;
    let player = scene.world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    scene.world.wait("play", |hits| !of_type(hits, "play").is_empty());
    scene.change(|tls| tls.ask_for_clients_of(Some(&scene.authority))).await;
    for event in ["Pause", "Play", "Pause", "End"] {
        player.call(&session, event, 1.0, nothing()).await.expect(event);
    }
    scene.logged(&["delivery failed", "CertificateRequired"]).await;
    assert_eq!(scene.world.collector.hits().len(), 2);
    scene.change(|tls| tls.present(scene.authority.server(HERE))).await;
    scene.reload(&client_keys(&scene, &scene.authority.client("box")));
    let hits = scene.world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    assert_eq!(types(&hits, "S1"), ALL);
    assert_eq!(hits.len(), ALL.len(), "nothing came twice");
}

/// In TLS 1.3 a collector refuses a client after the request was sent. It has not read it, so no ping is
/// in doubt.
#[tokio::test]
async fn pings_wait_for_a_client_certificate() {
    let scene = Scene::start("[heartbeat]\nmain_seconds = 0.2\n").await;
    let player = scene.world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    scene.world.wait("a ping", |hits| !of_type(hits, "ping").is_empty());
    scene.change(|tls| tls.ask_for_clients_of(Some(&scene.authority))).await;
    let before = of_type(&scene.world.collector.hits(), "ping").len();
    scene.logged(&["delivery failed again", "CertificateRequired"]).await;
    scene.until("pings that wait", async || scene.count("QueuedHits").await > 5).await;
    scene.reload(&client_keys(&scene, &scene.authority.client("box")));
    scene.world.wait("those too", |hits| of_type(hits, "ping").len() > before + 5);
    assert_eq!(scene.count("DroppedHits").await, 0);
}

// SIGHUP with other files.

#[tokio::test]
async fn another_ca_file_counts_from_the_next_request() {
    let other = Authority::new();
    let scene = Scene::presenting(|_| other.server(HERE), "").await;
    scene.play_through("ep-1").await;
    scene.logged(&["delivery failed", "UnknownIssuer"]).await;
    scene.nothing_came_and_all_is_kept().await;
    let ca = scene.file("other.pem", other.certificate());
    scene.reload_with(&scene.world.collector.url(), &trusting(&ca, ""));
    scene.all_arrives_once();
}

/// A connection that was made with the old file is not used any more.
#[tokio::test]
async fn trust_that_is_taken_back_counts_from_the_next_request() {
    let scene = Scene::start("").await;
    let player = scene.world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    scene.world.wait("play", |hits| !of_type(hits, "play").is_empty());
    let ca = scene.file("other.pem", Authority::new().certificate());
    scene.reload_with(&scene.world.collector.url(), &trusting(&ca, ""));
    scene.logged(&["the configuration was read anew"]).await;
    for event in ["Pause", "Play", "Pause", "End"] {
        player.call(&session, event, 1.0, nothing()).await.expect(event);
    }
    scene.logged(&["delivery failed", "UnknownIssuer"]).await;
    assert_eq!(scene.world.collector.hits().len(), 2, "the open connection was not used");
    scene.reload("");
    scene.all_arrives_once();
}

/// The same names, other contents: the files are read at each reload.
#[tokio::test]
async fn another_client_certificate_counts_from_the_next_request() {
    let scene = Scene::start("").await;
    scene.tls.ask_for_clients_of(Some(&scene.authority));
    scene.reload(&client_keys(&scene, &Authority::new().client("box")));
    scene.logged(&["the configuration was read anew"]).await;
    scene.play_through("ep-1").await;
    scene.logged(&["delivery failed", "UnknownCA"]).await;
    scene.nothing_came_and_all_is_kept().await;
    client_keys(&scene, &scene.authority.client("box"));
    scene.world.agent.hang_up();
    scene.all_arrives_once();
}

#[tokio::test]
async fn a_broken_file_is_named_and_the_old_one_stays_in_force() {
    let scene = Scene::start("").await;
    for (name, text, words) in [
        ("empty.pem", "", ["collector.ca_file", "no PEM block CERTIFICATE"]),
        (
            "broken.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ["collector.ca_file", "holds no usable certificate"],
        ),
    ] {
        let ca = scene.file(name, text);
        scene.reload_with(&scene.world.collector.url(), &trusting(&ca, ""));
        scene.logged(&[&words[..], &[name, "the old one stays in force"]].concat()).await;
    }
    let gone = scene.world.agent.config().with_file_name("gone.pem");
    scene.reload_with(&scene.world.collector.url(), &trusting(&gone, ""));
    scene.logged(&["collector.ca_file", "gone.pem", "cannot be read", "stays in force"]).await;
    let (one, two) = (scene.authority.client("one"), scene.authority.client("two"));
    let keys = client_keys(&scene, &one);
    scene.file("client.key", two.key());
    scene.reload(&keys);
    scene.logged(&["collector.client_key_file", "client.key", "stays in force"]).await;
    scene.play_through("ep-1").await;
    let hits = scene.all_arrives_once();
    assert_eq!(types(&hits, "S1"), ALL);
}
