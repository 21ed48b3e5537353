//! Who the box says it is (edge 6, 11.5): an FPID of its own that outlives every restart and no opting
//! out, and what the configuration and the player say besides.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::box_and_collector::{as_sent, start};
use crate::common::disk::set_consent;
use crate::common::{Agent, Bus, Info, Kind, World, config_text_of, film, nothing, of_type};
use crate::scene::Scene;
use playheadd::bench::Collector;

/// The `identityMap` of the newest start.
fn newest(scene_hits: &[playheadd::bench::Record]) -> Value {
    let start = scene_hits.iter().rfind(|r| r.path.contains("sessionStart")).expect("a start");
    start.body["events"][0]["xdm"]["identityMap"].clone()
}

/// Plays a film to its end, and gives what its start says of the box.
async fn identity_of_a_session(scene: &Scene, sessions: usize) -> Value {
    let player = scene.world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    player.call(&session, "End", 1.0, nothing()).await.expect("end");
    // An end whose acceptance was not recorded before a kill comes twice.
    let ended = |hits: &[playheadd::bench::Record]| {
        let ends: BTreeSet<_> = of_type(hits, "sessionEnd").iter().map(|r| r.sid.clone()).collect();
        ends.len() == sessions
    };
    scene.world.wait("its end", ended);
    newest(&as_sent(scene))
}

fn is_version_4(id: &str) -> bool {
    let parts: Vec<&str> = id.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let hex = |part: &&str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    lengths == [8, 4, 4, 4, 12]
        && parts.iter().all(hex)
        && parts[2].starts_with('4')
        && parts[3].starts_with(['8', '9', 'a', 'b'])
}

#[tokio::test]
async fn the_box_keeps_its_id_until_the_viewer_opts_out() {
    let mut scene = start("").await;
    let first = identity_of_a_session(&scene, 1).await;
    let id = first["FPID"][0]["id"].as_str().expect("an id").to_owned();
    assert!(is_version_4(&id), "{id}");
    assert_eq!(first, json!({"FPID": [{"id": id}]}));
    assert!(scene.world.agent.stop().success());
    scene.world.agent.start_again().await;
    assert_eq!(identity_of_a_session(&scene, 2).await, first, "after a restart");
    scene.world.agent.kill().await;
    scene.world.agent.start_again().await;
    assert_eq!(identity_of_a_session(&scene, 3).await, first, "after a kill");
    let player = scene.world.player().await;
    set_consent(&player, "out").await.expect("done");
    set_consent(&player, "in").await.expect("done");
    let other = identity_of_a_session(&scene, 4).await;
    let other = other["FPID"][0]["id"].as_str().expect("an id").to_owned();
    assert!(is_version_4(&other) && other != id, "{other} after {id}");
    scene.world.agent.kill().await;
    scene.world.agent.start_again().await;
    let kept = identity_of_a_session(&scene, 5).await;
    assert_eq!(kept["FPID"][0]["id"], other);
}

/// A box with these lines in `[analytics]`, and the `identityMap` of a session with this media info.
async fn identified(
    lines: &str,
    more: &[(&'static str, zbus::Variant<'static>)],
) -> (World, Value) {
    let (bus, collector) = (Bus::start(), Collector::start());
    let text = config_text_of(Kind::MediaEdge, &collector.url(), "");
    let text = text.replace("[analytics]\n", &format!("[analytics]\n{lines}"));
    let agent = Agent::start_configured(&bus.dir.path().join("state"), &bus, &text).await;
    let world = World { agent, collector, bus };
    let mut info: Info = film("ep-1");
    info.extend(more.iter().map(|(key, value)| (*key, value.try_clone().expect("a value"))));
    let player = world.player().await;
    let session = player.open(0.0, info).await.expect("a session");
    player.call(&session, "End", 1.0, nothing()).await.expect("end");
    world.wait("its end", |hits| !of_type(hits, "sessionEnd").is_empty());
    let map = newest(&world.collector.hits());
    (world, map)
}

#[tokio::test]
async fn a_configured_id_that_is_no_uuid_is_warned_of_and_replaced() {
    let (world, map) = identified("app_installation_id = \"box-17\"\n", &[]).await;
    let id = map["FPID"][0]["id"].as_str().expect("an id");
    assert!(is_version_4(id), "{id}");
    let log = world.agent.log();
    let warned = |line: &&str| {
        ["the configuration:", "analytics.app_installation_id", "UUID of version 4"]
            .iter()
            .all(|words| line.contains(words))
    };
    assert_eq!(log.lines().filter(|line| warned(line)).count(), 1, "{log}");
}

#[tokio::test]
async fn a_configured_id_that_is_a_uuid_of_version_4_is_sent() {
    let id = "F8B0F7A1-9C5E-4A07-AD45-0123456789AB";
    let lines = format!("app_installation_id = \"{id}\"\n");
    let (world, map) = identified(&lines, &[]).await;
    assert_eq!(map["FPID"][0]["id"], id.to_lowercase());
    assert!(!world.agent.log().contains("UUID of version 4"), "{}", world.agent.log());
}

#[tokio::test]
async fn the_player_says_who_watches_over_the_configuration() {
    let (of_the_box, of_the_viewer) = ("1".repeat(38), "2".repeat(38));
    let lines = format!("marketing_cloud_user_id = \"{of_the_box}\"\n");
    let (_world, map) = identified(&lines, &[]).await;
    assert_eq!(map["ECID"], json!([{"id": of_the_box}]));
    let ids = std::collections::HashMap::from([("crm", ("c-1", 1)), ("mail", ("m-1", 2))]);
    let viewer = std::collections::HashMap::from([
        ("marketing_cloud_user_id", zbus::Variant::from(of_the_viewer.clone())),
        ("customer_ids", ids.into()),
    ]);
    let (_world, map) = identified(&lines, &[("identity", viewer.into())]).await;
    assert_eq!(map["ECID"], json!([{"id": of_the_viewer}]));
    assert_eq!(map["crm"], json!([{"id": "c-1", "authenticatedState": "authenticated"}]));
    assert_eq!(map["mail"], json!([{"id": "m-1", "authenticatedState": "loggedOut"}]));
    assert!(map["FPID"][0]["id"].is_string(), "{map}");
}
