//! A collector that asks for client certificates.

use playheadd::bench::{Authority, Identity};

use crate::common::{film, nothing, of_type, types};
use crate::scene::{ALL, HERE, Scene};

/// The keys of a client's files, which are written beside the configuration.
pub fn client_keys(scene: &Scene, client: &Identity) -> String {
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
async fn with_one_everything_arrives() {
    let scene = asked(|authority| Some(authority.client("box"))).await;
    scene.play_through("ep-1").await;
    scene.all_arrives_once();
}

/// Nothing counts while the daemon has `client`. With a good certificate everything arrives.
async fn refused(client: impl FnOnce(&Authority) -> Option<Identity>, why: &str) {
    let scene = asked(client).await;
    scene.play_through("ep-1").await;
    scene.logged(&["delivery failed", "received fatal alert", why]).await;
    scene.nothing_came_and_all_is_kept().await;
    scene.reload(&client_keys(&scene, &scene.authority.client("box")));
    scene.all_arrives_once();
}

#[tokio::test]
async fn without_one_nothing_counts_until_the_configuration_names_one() {
    refused(|_| None, "CertificateRequired").await;
}

#[tokio::test]
async fn with_one_of_another_authority_nothing_counts() {
    refused(|_| Some(Authority::new().client("box")), "UnknownCA").await;
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
