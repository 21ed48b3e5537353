//! The main job: a playback survives the death of its player, through each of the doors.

mod common;

use common::{Info, World, brief, double, film, nothing, of_type, playhead, types};

const FAST: &str = "[heartbeat]\nmain_seconds = 0.2\n";

#[tokio::test]
async fn by_method() {
    let world = World::start(FAST).await;
    let player = world.player().await;
    assert!(player.resume_point("tv.example.tests", "ep-1").await.is_empty());
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    player.call(&session, "Playhead", 40.0, nothing()).await.expect("a position");
    world.wait("pings at 40 s", |hits| hits.iter().any(|r| playhead(r) >= 40.0));
    player.die().await;
    world.wait("a pause", |hits| !of_type(hits, "pauseStart").is_empty());

    let again = world.player().await;
    let point = again.resume_point("tv.example.tests", "ep-1").await;
    let position = double(&point["position"]);
    assert!((40.0..60.0).contains(&position), "{position}");
    let session = again.open(position, film("ep-1")).await.expect("a session");
    assert!(bool::try_from(again.property(&session, common::SESSION, "Resumed").await).unwrap());
    again.call(&session, "Play", position, nothing()).await.expect("play");
    again.call(&session, "Complete", 600.0, nothing()).await.expect("the end");
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionComplete").is_empty());
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart", "sessionEnd"]);
    assert_eq!(types(&hits, "S2"), ["sessionStart", "play", "sessionComplete"]);
    let starts = of_type(&hits, "sessionStart");
    assert_eq!(starts[0].body["params"]["media.resume"], false);
    assert_eq!(starts[1].body["params"]["media.resume"], true);
    assert!((playhead(starts[1]) - position).abs() < 0.01);

    // Completed: the next viewing is a fresh one.
    let point = again.resume_point("tv.example.tests", "ep-1").await;
    assert!(bool::try_from(&point["completed"]).unwrap());
}

#[tokio::test]
async fn by_signal() {
    let world = World::start(FAST).await;
    let path = "/tv/example/player";
    let player = world.player().await;
    player.emit(path, "SessionStart", 0.0, film("ep-1")).await;
    player.emit(path, "Play", 0.0, nothing()).await;
    player.emit(path, "Playhead", 40.0, nothing()).await;
    world.wait("pings at 40 s", |hits| hits.iter().any(|r| playhead(r) >= 40.0));
    player.die().await;
    world.wait("a pause", |hits| !of_type(hits, "pauseStart").is_empty());

    let again = world.player().await;
    // "Where I was": the agent knows the position.
    again.emit(path, "SessionStart", -1.0, film("ep-1")).await;
    again.emit(path, "Play", -1.0, nothing()).await;
    again.emit(path, "Complete", 600.0, nothing()).await;
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionComplete").is_empty());
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart", "sessionEnd"]);
    assert_eq!(types(&hits, "S2"), ["sessionStart", "play", "sessionComplete"]);
    let start = of_type(&hits, "sessionStart")[1];
    assert_eq!(start.body["params"]["media.resume"], true);
    assert!((40.0..60.0).contains(&playhead(start)), "{:?}", brief(&hits));
}

#[tokio::test]
async fn two_players_at_once_keep_apart() {
    let world = World::start("").await;
    let (one, two) = (world.player().await, world.player().await);
    let of = |id: &'static str, app: &'static str| {
        let mut media = film(id);
        media.insert("app", app.into());
        media
    };
    let a = one.open(0.0, of("a", "tv.example.one")).await.expect("a session");
    let b = two.open(10.0, of("b", "tv.example.two")).await.expect("a session");
    assert_ne!(a, b);
    one.call(&a, "Play", 0.0, nothing()).await.expect("play");
    two.call(&b, "Play", 10.0, nothing()).await.expect("play");
    two.call(&b, "Pause", 12.0, nothing()).await.expect("pause");
    one.call(&a, "End", 5.0, nothing()).await.expect("end");
    two.call(&b, "End", 12.0, nothing()).await.expect("end");
    let hits = world.wait("both ends", |hits| of_type(hits, "sessionEnd").len() == 2);
    let sid_of = |id: &str| {
        let start = hits.iter().find(|r| r.body["params"]["media.id"] == id).expect("a start");
        start.sid.clone().expect("a sid")
    };
    assert_eq!(types(&hits, &sid_of("a")), ["sessionStart", "play", "sessionEnd"]);
    assert_eq!(types(&hits, &sid_of("b")), ["sessionStart", "play", "pauseStart", "sessionEnd"]);
}

#[tokio::test]
async fn one_process_may_run_several_players() {
    let world = World::start("").await;
    let player = world.player().await;
    player.emit("/left", "SessionStart", 0.0, film("left")).await;
    player.emit("/right", "SessionStart", 0.0, film("right")).await;
    player.emit("/left", "Play", 0.0, nothing()).await;
    player.emit("/right", "End", 0.0, nothing()).await;
    player.emit("/left", "Complete", 600.0, nothing()).await;
    let hits = world.wait("both ends", |hits| {
        of_type(hits, "sessionEnd").len() + of_type(hits, "sessionComplete").len() == 2
    });
    let mut seen: Vec<_> = ["S1", "S2"].map(|sid| types(&hits, sid)).into();
    seen.sort();
    assert_eq!(
        seen,
        [vec!["sessionStart", "play", "sessionComplete"], vec!["sessionStart", "sessionEnd"]]
    );
}

#[tokio::test]
async fn a_player_that_zaps_needs_no_end() {
    let world = World::start("").await;
    let player = world.player().await;
    player.open(0.0, film("one")).await.expect("a session");
    let two = player.open(0.0, film("two")).await.expect("a session");
    let again = player.open(0.0, film("two")).await.map(|_| ());
    assert_eq!(common::refusal(again).0, "tv.playhead.Error.NotAllowed");
    let mut other: Info = film("three");
    other.insert("instance", "second screen".into());
    player.open(0.0, other).await.expect("a second player of the same process");
    player.call(&two, "End", 1.0, nothing()).await.expect("the session is still open");
    let hits = world.wait("two ends", |hits| of_type(hits, "sessionEnd").len() == 2);
    assert_eq!(types(&hits, "S1"), ["sessionStart", "sessionEnd"]);
}
