//! Manners towards a collector (behaviour.md 2.7) as the real daemon has them. How long the waits are is
//! shown in virtual time (tests/outage.rs); here it is who goes first, and what waits for whom.

use std::collections::HashMap;

use serde_json::json;
use zbus::{Connection, Variant, interface};

use crate::common::{World, film, nothing, of_type, types};
use crate::scene::{ALL, Scene, count};

/// What is old would wait for an hour.
const PATIENT: &str =
    "[delivery]\nreconnect_spread_seconds = 3600\n\n[heartbeat]\nmain_seconds = 0.2\n";

#[tokio::test]
async fn what_is_left_over_at_a_start_waits_and_a_new_session_does_not() {
    let mut scene = Scene::start(PATIENT).await;
    let closed = json!([{"on": "sessions", "status": 503}]).to_string();
    scene.world.collector.set_rules_json(&closed).expect("rules");
    scene.play_through("old").await;
    scene.world.wait("a refusal", |hits| !hits.is_empty());
    scene.world.agent.kill().await;
    scene.world.collector.set_rules(Vec::new());
    scene.world.collector.clear();
    scene.world.agent.start_again().await;
    scene.play_through("new").await;
    scene.all_arrives_once();
    let player = scene.world.player().await;
    assert_eq!(count(&player, "QueuedHits").await, ALL.len() as u64, "what is old waits");
    // `Flush` ends the wait.
    player
        .connection
        .call_method(
            Some(crate::common::AGENT),
            crate::common::AGENT_PATH,
            Some(crate::common::AGENT),
            "Flush",
            &(),
        )
        .await
        .expect("an answer");
    let hits = scene.world.wait("both", |hits| of_type(hits, "sessionEnd").len() == 2);
    assert_eq!(types(&hits, "S2"), ALL);
}

#[tokio::test]
async fn no_wait_at_all_is_no_wish_and_starves_nobody() {
    let scene = Scene::start("[heartbeat]\nmain_seconds = 0.2\n").await;
    let player = scene.world.player().await;
    let hot =
        json!([{"on": "events", "session": "S1", "status": 503, "headers": {"Retry-After": "0"}}]);
    scene.world.collector.set_rules_json(&hot.to_string()).expect("rules");
    let bad = player.open(0.0, film("bad")).await.expect("a session");
    player.call(&bad, "Play", 0.0, nothing()).await.expect("play");
    scene.world.wait("a refusal", |hits| hits.iter().any(|hit| hit.status == Some(503)));
    let good = player.open(0.0, film("good")).await.expect("a session");
    player.call(&good, "Play", 0.0, nothing()).await.expect("play");
    let of = |hits: &[playheadd::bench::Record], sid: &str| {
        hits.iter().filter(|hit| hit.sid.as_deref() == Some(sid)).count()
    };
    let hits = scene.world.wait("pings of the other", |hits| of(hits, "S2") > 30);
    // In these 6 seconds: doubling waits from 1 s on, at random.
    assert!(of(&hits, "S1") < 60, "{} tries", of(&hits, "S1"));
}

struct NetworkManager(zbus::OwnedObjectPath);

#[interface(name = "org.freedesktop.NetworkManager")]
impl NetworkManager {
    #[zbus(property)]
    fn state(&self) -> u32 {
        70
    }

    #[zbus(property)]
    fn primary_connection(&self) -> zbus::OwnedObjectPath {
        self.0.clone()
    }
}

const NM_PATH: &str = "/org/freedesktop/NetworkManager";

fn connection(n: u32) -> zbus::OwnedObjectPath {
    let path = format!("{NM_PATH}/ActiveConnection/{n}");
    zbus::ObjectPath::try_from(path).expect("a path").into()
}

async fn network_manager(world: &World) -> Connection {
    let manager = world.bus.connect().await;
    manager.object_server().at(NM_PATH, NetworkManager(connection(1))).await.expect("served");
    manager.request_name("org.freedesktop.NetworkManager").await.expect("a name");
    manager
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_another_network_no_connection_of_the_old_one_is_used() {
    let scene = Scene::start("[heartbeat]\nmain_seconds = 0.1\n").await;
    let manager = network_manager(&scene.world).await;
    scene.logged(&["the network manager reports a change"]).await;
    let player = scene.world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    let pings = |more: usize| {
        let so_far = of_type(&scene.world.collector.hits(), "ping").len();
        scene.world.wait("pings", |hits| of_type(hits, "ping").len() >= so_far + more);
        scene.world.collector.accepted()
    };
    let one = pings(20);
    assert_eq!(pings(10), one, "one connection is kept");
    // The state stays, the connection is another one: Wi-Fi instead of the cable.
    let changed: HashMap<&str, Variant<'_>> =
        HashMap::from([("PrimaryConnection", Variant::ObjectPath(connection(2).into()))]);
    let served = manager.object_server().interface::<_, NetworkManager>(NM_PATH).await;
    served.expect("served").get_mut().await.0 = connection(2);
    let body = ("org.freedesktop.NetworkManager", changed, Vec::<&str>::new());
    let properties = "org.freedesktop.DBus.Properties";
    manager
        .emit_signal(None::<&str>, NM_PATH, properties, "PropertiesChanged", &body)
        .await
        .expect("sent");
    scene.until("a new connection", async || scene.world.collector.accepted() > one).await;
    assert_eq!(pings(10), one + 1, "and that one is kept");
    player.call(&session, "End", 9.0, nothing()).await.expect("end");
    let hits = scene.world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    assert_eq!(of_type(&hits, "sessionStart").len(), 1, "the same session");
    assert_eq!(count(&player, "DroppedHits").await, 0);
}
