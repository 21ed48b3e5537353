//! The certificate that a collector presents.

use playheadd::bench::{Authority, Identity};

use crate::common::{film, nothing, of_type, types};
use crate::scene::{HERE, Scene};

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
