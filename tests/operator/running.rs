//! Whether the daemon runs, what it counts, and JSON.

use crate::common::{Bus, World, film, json, nothing};
use crate::{ctl, play, well};

#[tokio::test]
async fn a_daemon_that_does_not_run_is_another_exit_status() {
    let bus = Bus::start();
    for command in ["status", "sessions"] {
        let (code, text, error) = ctl(&bus.address, &[command]);
        assert_eq!((code, text.as_str()), (3, ""), "{command}");
        assert!(error.contains("playheadd does not run: nobody has its name"), "{error}");
    }
    let (code, text, _) = ctl(&bus.address, &["status", "--json"]);
    let said = json(&text);
    assert_eq!((code, &said["Running"], &said["Well"]), (3, &json("false"), &json("false")));
}

#[tokio::test]
async fn counts_say_since_when_and_totals_survive_a_restart() {
    let mut world = World::start("").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    player.call(&session, "AdComplete", 0.0, nothing()).await.expect_err("no ad is open");
    player.call(&session, "End", 0.0, nothing()).await.expect("end");
    world.wait("the end", |hits| hits.iter().any(|hit| hit.body["eventType"] == "sessionEnd"));
    let counted = "3 hits delivered, 0 given up, 1 events refused since ";
    well(
        &world,
        &[&format!("counted     {counted}the start, 20"), &format!("in all      {counted}20")],
    )
    .await;
    world.agent.stop();
    world.agent.start_again().await;
    well(
        &world,
        &[
            "counted     0 hits delivered, 0 given up, 0 events refused since the start, 20",
            &format!("in all      {counted}20"),
            "delivered   20",
        ],
    )
    .await;
}

#[tokio::test]
async fn json_has_every_property_and_whether_all_is_well() {
    let world = World::start("").await;
    let _player = play(&world).await;
    well(&world, &["1 open", "delivered   20"]).await;
    let (code, text, error) = ctl(&world.bus.address, &["status", "--json"]);
    let said = json(&text);
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!((&said["Running"], &said["Well"]), (&json("true"), &json("true")));
    assert_eq!(said["ActiveSessions"], 1);
    assert_eq!(said["CollectorKind"], "media-collection");
    assert_eq!(said["ReportSuite"], "tests");
    assert!(said["LastDelivered"].as_u64() > Some(1_700_000_000_000), "{text}");
    assert!(said["Totals"]["delivered"].as_u64() >= Some(1), "{text}");
    assert_eq!(said["Problems"], json("[]"));
    assert_eq!(said["LastError"], "");
}
