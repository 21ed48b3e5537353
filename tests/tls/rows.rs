//! What each answer does, over TLS: the rows of the table in behaviour.md 2.7.

use playheadd::bench::{Authority, Collector, Record, Tls};
use serde_json::json;

use crate::common::{Info, Player, film, nothing, of_type, ts, types};
use crate::scene::{HERE, Scene, count};

/// A session from its start to its end, with these events at 5 s between.
async fn play(player: &Player, media: &'static str, events: &[&str]) {
    let session = player.open(0.0, film(media)).await.expect("a session");
    for event in events {
        let info = match *event {
            "Error" => Info::from([("id", "E1".into())]),
            _ => nothing(),
        };
        player.call(&session, event, 5.0, info).await.expect(event);
    }
    player.call(&session, "End", 5.0, nothing()).await.expect("end");
}

fn rules(scene: &Scene, rules: &serde_json::Value) {
    scene.world.collector.set_rules_json(&rules.to_string()).expect("rules");
}

/// Waits until the session of this sid has ended at the collector.
fn ended(scene: &Scene, sid: &str) -> Vec<Record> {
    scene.world.wait(&format!("the end of {sid}"), |hits| {
        of_type(hits, "sessionEnd").iter().any(|r| r.sid.as_deref() == Some(sid) && r.counted)
    })
}

/// Hits of this film: its `sessionStart` names it, and what follows has the sid.
fn starts<'a>(hits: &'a [Record], media: &str) -> Vec<&'a Record> {
    let starts = of_type(hits, "sessionStart").into_iter();
    starts.filter(|r| r.body["params"]["media.id"] == media).collect()
}

fn statuses(records: &[&Record]) -> Vec<Option<u16>> {
    records.iter().map(|record| record.status).collect()
}

#[tokio::test]
async fn a_hit_that_is_refused_for_good_goes_alone() {
    let scene = Scene::start("").await;
    let player = scene.world.player().await;
    for (n, status) in [400, 413, 415, 422].into_iter().enumerate() {
        rules(&scene, &json!([{"on": "events", "event_type": "error", "status": status}]));
        play(&player, "ep-1", &["Play", "Error"]).await;
        let sid = format!("S{}", n + 1);
        let hits = ended(&scene, &sid);
        assert_eq!(types(&hits, &sid), ["sessionStart", "play", "error", "sessionEnd"]);
        assert_eq!(count(&player, "DroppedHits").await, n as u64 + 1, "{status}");
        let said = format!("status={status}");
        scene.logged(&["refused a hit for good", &said, "a fault rule says"]).await;
    }
}

#[tokio::test]
async fn a_start_that_is_refused_for_good_takes_its_session() {
    let scene = Scene::start("").await;
    let player = scene.world.player().await;
    for (n, status) in [400, 413, 415, 422].into_iter().enumerate() {
        rules(&scene, &json!([{"on": "sessions", "times": 1, "status": status}]));
        play(&player, "ep-1", &["Play"]).await;
        let dropped = 3 * (n as u64 + 1);
        scene.until("three dropped", async || count(&player, "DroppedHits").await == dropped).await;
        assert_eq!(scene.world.collector.hits().len(), n + 1, "nothing else of it was sent");
    }
    play(&player, "ep-2", &[]).await;
    ended(&scene, "S1");
}

/// The configuration is wrong, the data are not.
#[tokio::test]
async fn a_start_that_is_not_let_in_is_kept() {
    let scene = Scene::start("").await;
    let player = scene.world.player().await;
    for (n, status) in [401, 403, 404, 407, 410, 418].into_iter().enumerate() {
        scene.world.collector.clear();
        rules(&scene, &json!([{"on": "sessions", "times": 1, "status": status}]));
        play(&player, "ep-1", &["Play"]).await;
        let sid = format!("S{}", n + 1);
        let hits = ended(&scene, &sid);
        let starts = starts(&hits, "ep-1");
        assert_eq!(statuses(&starts), [Some(status), Some(201)]);
        assert_eq!(ts(starts[0]), ts(starts[1]), "{status}");
        assert_eq!(types(&hits[1..], &sid), ["sessionStart", "play", "sessionEnd"]);
        scene.logged(&["delivery failed", &format!("the collector answered {status}")]).await;
    }
    assert_eq!(count(&player, "DroppedHits").await, 0);
}

#[tokio::test]
async fn an_event_that_is_not_let_in_is_kept_in_its_place() {
    let scene = Scene::start("").await;
    let player = scene.world.player().await;
    let one = |kind: &str, status: u16| json!({"on": "events", "event_type": kind, "times": 1, "status": status});
    rules(&scene, &json!([one("play", 401), one("pauseStart", 403), one("sessionEnd", 407)]));
    play(&player, "ep-1", &["Play", "Pause"]).await;
    let hits = ended(&scene, "S1");
    let twice =
        ["sessionStart", "play", "play", "pauseStart", "pauseStart", "sessionEnd", "sessionEnd"];
    assert_eq!(types(&hits, "S1"), twice);
    assert_eq!(count(&player, "DroppedHits").await, 0);
}

/// Another place may be another server: a redirect is no answer and is not followed.
#[tokio::test]
async fn a_redirect_is_not_followed_and_the_hit_is_kept() {
    let scene = Scene::start("").await;
    let elsewhere = Collector::start_tls(Tls::new(scene.authority.server(HERE)));
    let location = format!("{}/api/v1/sessions", elsewhere.url());
    let player = scene.world.player().await;
    for (n, status) in [302, 307, 308].into_iter().enumerate() {
        let headers = json!({"Location": location});
        let on = |what: &str| json!({"on": what, "times": 1, "status": status, "headers": headers});
        rules(&scene, &json!([on("sessions"), on("events")]));
        play(&player, "ep-1", &["Play"]).await;
        let sid = format!("S{}", n + 1);
        let hits = ended(&scene, &sid);
        let of_it = types(&hits, &sid);
        assert_eq!(of_it, ["sessionStart", "play", "play", "sessionEnd"], "{status}");
    }
    assert!(elsewhere.hits().is_empty(), "{:#?}", elsewhere.hits());
    assert_eq!(count(&player, "DroppedHits").await, 0);
}

#[tokio::test]
async fn a_session_that_the_collector_does_not_know_is_opened_again_where_it_was() {
    let scene = Scene::start("").await;
    let player = scene.world.player().await;
    for (n, status) in [404, 410].into_iter().enumerate() {
        let (old, new) = (format!("S{}", 2 * n + 1), format!("S{}", 2 * n + 2));
        rules(
            &scene,
            &json!([{"on": "events", "session": old, "event_type": "pauseStart", "status": status}]),
        );
        play(&player, "ep-1", &["Play", "Pause", "Play"]).await;
        let hits = ended(&scene, &new);
        assert_eq!(types(&hits, &old), ["sessionStart", "play", "pauseStart"], "{status}");
        assert_eq!(types(&hits, &new), ["sessionStart", "pauseStart", "play", "sessionEnd"]);
        let opened = of_type(&hits, "sessionStart");
        assert_eq!(opened[2 * n + 1].body["params"]["media.resume"], true, "{status}");
    }
}

#[tokio::test]
async fn a_failure_of_the_collector_changes_nothing_but_time() {
    let scene = Scene::start("").await;
    let player = scene.world.player().await;
    let once = |kind: &str, status: u16, headers: serde_json::Value| json!({"on": "events", "event_type": kind, "times": 1, "status": status, "headers": headers});
    rules(
        &scene,
        &json!([
            {"on": "sessions", "times": 1, "status": 503},
            once("play", 408, json!({})),
            once("pauseStart", 429, json!({"Retry-After": "1"})),
            once("bufferStart", 500, json!({})),
            once("error", 502, json!({"Retry-After": "Tue, 14 Nov 2023 22:13:20 GMT"})),
            once("sessionEnd", 504, json!({})),
        ]),
    );
    play(&player, "ep-1", &["Play", "Pause", "BufferStart", "Error"]).await;
    let hits = ended(&scene, "S1");
    let accepted: Vec<Record> = hits.iter().filter(|r| r.counted).cloned().collect();
    let all = ["sessionStart", "play", "pauseStart", "bufferStart", "error", "sessionEnd"];
    assert_eq!(types(&accepted, "S1"), all);
    assert!(accepted.windows(2).all(|pair| ts(&pair[0]) < ts(&pair[1])), "in order");
    assert_eq!(hits.len(), 2 * all.len(), "each was tried twice");
}

/// A collector that wants to be left alone for an hour is; others are served.
#[tokio::test]
async fn a_wait_that_the_collector_asks_for_holds_its_session_alone() {
    let scene = Scene::start("").await;
    let player = scene.world.player().await;
    let wait = json!({"Retry-After": "3600"});
    rules(
        &scene,
        &json!([
            {"on": "events", "session": "S1", "event_type": "play", "times": 1, "status": 503,
             "headers": wait},
            // Long enough for a usual retry of the first session to come.
            {"on": "events", "session": "S2", "event_type": "play", "times": 3, "status": 503},
        ]),
    );
    play(&player, "ep-1", &["Play"]).await;
    scene.world.wait("the wish", |hits| !of_type(hits, "play").is_empty());
    play(&player, "ep-2", &["Play"]).await;
    ended(&scene, "S2");
    scene.until("two hits that wait", async || count(&player, "QueuedHits").await == 2).await;
    let hits = scene.world.collector.hits();
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play"], "not tried again");
}

/// The collector takes the hit, and its answer is lost: a ping is not repeated, all else is.
#[tokio::test]
async fn what_is_in_doubt_is_repeated_unless_it_is_a_ping() {
    let scene = Scene::start("[heartbeat]\nmain_seconds = 0.3\n").await;
    let player = scene.world.player().await;
    let lost = |on: &str, kind: &str| json!({"on": on, "event_type": kind, "times": 1, "drop_after_send": true});
    rules(
        &scene,
        &json!([
            lost("sessions", "sessionStart"),
            lost("events", "play"),
            lost("events", "ping"),
            lost("events", "sessionEnd"),
        ]),
    );
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    scene.world.wait("pings", |hits| of_type(hits, "ping").len() > 3);
    player.call(&session, "End", 2.0, nothing()).await.expect("end");
    let hits = scene.world.wait("both ends", |hits| of_type(hits, "sessionEnd").len() == 2);
    for kind in ["sessionStart", "play", "sessionEnd"] {
        let both = of_type(&hits, kind);
        assert_eq!(both.len(), 2, "{kind} is repeated");
        assert_eq!(ts(both[0]), ts(both[1]), "with the same time");
    }
    let pings = of_type(&hits, "ping");
    assert!(pings.windows(2).all(|pair| ts(pair[0]) < ts(pair[1])), "no ping comes twice");
    assert_eq!(count(&player, "DroppedHits").await, 1, "the ping in doubt is counted");
    scene.logged(&["delivery failed", "request failed"]).await;
}

/// No answer comes in time: the same doubt.
#[tokio::test]
async fn an_answer_that_does_not_come_in_time_leaves_the_same_doubt() {
    let authority = Authority::new();
    let tls = Tls::new(authority.server(HERE));
    let place = |collector: &Collector| (collector.url(), "timeout_seconds = 0.5\n".to_owned());
    let scene = Scene::with(authority, tls, place, "[heartbeat]\nmain_seconds = 0.3\n").await;
    let player = scene.world.player().await;
    let hang = |kind: &str| json!({"on": "events", "event_type": kind, "times": 1, "hang": true});
    rules(&scene, &json!([hang("play"), hang("ping")]));
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    scene.world.wait("pings", |hits| of_type(hits, "ping").len() > 3);
    player.call(&session, "End", 2.0, nothing()).await.expect("end");
    let hits = ended(&scene, "S1");
    assert_eq!(of_type(&hits, "play").len(), 2);
    let pings = of_type(&hits, "ping");
    assert!(pings.windows(2).all(|pair| ts(pair[0]) < ts(pair[1])), "no ping comes twice");
    scene.logged(&["delivery failed", "timed out"]).await;
    assert!(count(&player, "DroppedHits").await >= 1, "the ping in doubt is counted");
}

fn downloaded(media: &'static str) -> Info {
    let mut info = film(media);
    info.insert("downloaded", true.into());
    info
}

/// A downloaded session from its start to its end.
async fn play_downloaded(player: &Player, media: &'static str) {
    let session = player.open(0.0, downloaded(media)).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    player.call(&session, "End", 5.0, nothing()).await.expect("end");
}

/// The event types of an array.
fn kinds(record: &Record) -> Vec<&str> {
    record.hits().iter().map(|hit| hit.event_type).collect()
}

#[tokio::test]
async fn a_downloaded_session_is_one_array_and_is_kept_until_it_is_taken() {
    let scene = Scene::start("").await;
    let player = scene.world.player().await;
    for status in [401, 404, 410, 503] {
        scene.world.collector.clear();
        rules(&scene, &json!([{"on": "downloaded", "times": 1, "status": status}]));
        play_downloaded(&player, "ep-1").await;
        let hits = scene.world.wait("the array", |hits| hits.iter().any(|r| r.counted));
        assert_eq!(statuses(&hits.iter().collect::<Vec<_>>()), [Some(status), Some(201)]);
        for hit in &hits {
            assert_eq!(hit.path, "/api/v1/downloaded");
            assert_eq!(kinds(hit), ["sessionStart", "play", "sessionEnd"]);
        }
    }
    assert_eq!(count(&player, "DroppedHits").await, 0);
}

#[tokio::test]
async fn a_downloaded_session_that_is_refused_for_good_goes_as_a_whole() {
    let scene = Scene::start("").await;
    let player = scene.world.player().await;
    rules(&scene, &json!([{"on": "downloaded", "times": 1, "status": 422}]));
    play_downloaded(&player, "ep-1").await;
    scene.until("three dropped", async || count(&player, "DroppedHits").await == 3).await;
    play_downloaded(&player, "ep-2").await;
    let hits = scene.world.wait("the second", |hits| hits.iter().any(|r| r.counted));
    assert_eq!(hits.len(), 2, "the refused one is not tried again");
    scene.until("nothing left", async || count(&player, "QueuedHits").await == 0).await;
}
