//! A box gets a collector of another kind while hits wait: they are sent in the new protocol, in a new
//! session, and none is lost, both ways and however the daemon gets to know.

use playheadd::bench::Record;
use serde_json::json;

use crate::common::{
    Info, Kind, Player, World, config_text_of, film, nothing, of_type, playhead, ts, types,
};

const BOTH: [(Kind, Kind); 2] =
    [(Kind::MediaCollection, Kind::MediaEdge), (Kind::MediaEdge, Kind::MediaCollection)];

/// How the daemon gets to know its new configuration.
#[derive(Debug, Clone, Copy)]
enum How {
    Reload,
    Restart,
    Kill,
}

const EVERY_WAY: [How; 3] = [How::Reload, How::Restart, How::Kill];

async fn change(world: &mut World, kind: Kind, how: How) {
    let text = config_text_of(kind, &world.collector.url(), "");
    std::fs::write(world.agent.config(), text).expect("written");
    match how {
        How::Reload => world.agent.hang_up(),
        How::Restart => {
            assert!(world.agent.stop().success());
            world.agent.start_again().await;
        }
        How::Kill => {
            world.agent.kill().await;
            world.agent.start_again().await;
        }
    }
}

/// From now on these requests fail.
fn fail(world: &World, on: &[&str]) {
    let rules: Vec<_> = on.iter().map(|on| json!({"on": on, "status": 503})).collect();
    world.collector.set_rules_json(&json!(rules).to_string()).expect("rules");
}

/// Whether a request, as it was sent, is of this kind.
fn is(kind: Kind, record: &Record) -> bool {
    record.path.starts_with("/ee/") == (kind == Kind::MediaEdge)
}

/// What was taken, in the words of the Media Collection API, and whether it is of the new kind.
fn taken(world: &World) -> Vec<Record> {
    world.hits().into_iter().filter(|hit| hit.counted).collect()
}

/// The daemon may be asked before it has read the new configuration: what is sent meanwhile fails. The
/// new kind is there when a request of it has come.
fn wait_for(world: &World, kind: Kind) {
    let seen = world.collector.wait_for(crate::common::PATIENCE, |records| {
        records.last().is_some_and(|record| is(kind, record))
    });
    assert!(seen, "a request of {kind:?}; {}", world.agent.log());
}

async fn call(player: &Player, session: &zbus::OwnedObjectPath, event: &str, at: f64) {
    let info = match event {
        "Error" => Info::from([("id", "E1".into())]),
        "StateStart" | "StateEnd" => Info::from([("name", "fullscreen".into())]),
        _ => nothing(),
    };
    player.call(session, event, at, info).await.expect(event);
}

/// A session of which nothing has arrived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_was_never_opened_is_opened_there() {
    for (old, new) in BOTH {
        for how in EVERY_WAY {
            let mut world = World::start_with(old, "").await;
            fail(&world, &["sessions", "events", "downloaded"]);
            let player = world.player().await;
            let session = player.open(0.0, film("ep-1")).await.expect("a session");
            for (n, event) in
                ["Play", "StateStart", "Error", "StateEnd", "Pause"].iter().enumerate()
            {
                call(&player, &session, event, n as f64 + 1.0).await;
            }
            world.wait("a refusal", |hits| !hits.is_empty());
            change(&mut world, new, how).await;
            call(&player, &session, "Play", 7.0).await;
            call(&player, &session, "End", 9.0).await;
            wait_for(&world, new);
            world.collector.clear();
            world.collector.set_rules(Vec::new());
            let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
            assert!(world.collector.hits().iter().all(|r| is(new, r)), "{old:?} {how:?}");
            let all = [
                "sessionStart",
                "play",
                "stateStart",
                "error",
                "stateEnd",
                "pauseStart",
                "play",
                "sessionEnd",
            ];
            assert_eq!(types(&taken(&world), "S1"), all, "{old:?} to {new:?} by {how:?}");
            assert!(hits.iter().all(|hit| hit.sid.as_deref().is_none_or(|sid| sid == "S1")));
            let start = of_type(&hits, "sessionStart").pop().expect("a start").clone();
            assert_eq!(start.body["params"]["media.resume"], false, "it is the first");
            let at: Vec<f64> = taken(&world).iter().map(playhead).collect();
            assert_eq!(at, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 9.0], "{old:?} {how:?}");
        }
    }
}

/// A session that goes on: the new collector gets a new one that is a resume, and all that the old one
/// has not taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_open_goes_on_in_a_new_one() {
    for (old, new) in BOTH {
        for how in EVERY_WAY {
            let mut world = World::start_with(old, "").await;
            let player = world.player().await;
            let session = player.open(0.0, film("ep-1")).await.expect("a session");
            call(&player, &session, "Play", 0.0).await;
            call(&player, &session, "StateStart", 1.0).await;
            world.wait("a state", |hits| !of_type(hits, "stateStart").is_empty());
            // The daemon has recorded what arrived, so nothing comes twice.
            let queued = async || crate::common::disk::queued(&world).await;
            while queued().await > 0 {}
            fail(&world, &["sessions", "events"]);
            for (n, event) in ["Error", "Pause", "Play", "Error"].iter().enumerate() {
                call(&player, &session, event, n as f64 + 2.0).await;
            }
            world.wait("a refusal", |hits| hits.iter().any(|hit| hit.status == Some(503)));
            change(&mut world, new, how).await;
            wait_for(&world, new);
            world.collector.set_rules(Vec::new());
            call(&player, &session, "End", 9.0).await;
            world.wait("the end", |hits| of_type(hits, "sessionEnd").iter().any(|h| h.counted));
            let taken = taken(&world);
            assert_eq!(types(&taken, "S1"), ["sessionStart", "play", "stateStart"]);
            let all = ["error", "pauseStart", "play", "error", "sessionEnd"];
            let resumed = types(&taken, "S2");
            assert_eq!(resumed[0], "sessionStart", "{old:?} {how:?}");
            let rest: Vec<&str> =
                resumed.iter().map(String::as_str).filter(|t| all.contains(t)).collect();
            // The state of before is said again: it plays, in full screen.
            assert_eq!(rest[rest.len() - all.len()..], all, "{old:?} to {new:?} by {how:?}");
            assert!(resumed.iter().any(|kind| kind == "stateStart"), "{resumed:?}");
            let of = |sid: &str| -> Vec<&Record> {
                taken.iter().filter(|hit| hit.sid.as_deref() == Some(sid)).collect()
            };
            assert_eq!(of("S2")[0].body["params"]["media.resume"], true);
            assert!(of("S2").windows(2).all(|pair| ts(pair[0]) < ts(pair[1])), "in order");
            let raw = world.collector.hits();
            let kinds = |sid: &str, kind| {
                raw.iter()
                    .filter(|r| r.counted && r.sid.as_deref() == Some(sid))
                    .all(|r| is(kind, r))
            };
            assert!(kinds("S1", old) && kinds("S2", new));
        }
    }
}

/// A download that waits whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_goes_as_the_new_kind_has_it() {
    for (old, new) in BOTH {
        for how in EVERY_WAY {
            let mut world = World::start_with(old, "").await;
            fail(&world, &["downloaded"]);
            let player = world.player().await;
            let mut media = film("ep-1");
            media.insert("downloaded", true.into());
            let session = player.open(0.0, media).await.expect("a session");
            call(&player, &session, "Play", 0.0).await;
            call(&player, &session, "StateStart", 1.0).await;
            call(&player, &session, "End", 2.0).await;
            world.wait("a refusal", |hits| !hits.is_empty());
            change(&mut world, new, how).await;
            wait_for(&world, new);
            world.collector.set_rules(Vec::new());
            world.wait("a download", |hits| hits.iter().any(|hit| hit.counted));
            let raw = world.collector.hits();
            assert_eq!(raw.iter().filter(|r| r.counted).count(), 1);
            assert!(raw.iter().filter(|r| r.counted).all(|r| is(new, r)), "{old:?} {how:?}");
            let whole = taken(&world).remove(0);
            let hits = whole.hits();
            let kinds: Vec<_> = hits.iter().map(|hit| hit.event_type).collect();
            assert_eq!(kinds, ["sessionStart", "play", "stateStart", "sessionEnd"], "{old:?}");
        }
    }
}
