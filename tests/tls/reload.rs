//! SIGHUP with other files: they count for the next request.

use playheadd::bench::Authority;

use crate::client_certificates::client_keys;
use crate::common::{film, nothing, of_type, types};
use crate::scene::{ALL, HERE, Scene, trusting};

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
