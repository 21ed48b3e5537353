//! Problem documents (edge 7.3), on an event and on a start: what is dropped, what is kept, what is tried
//! again, and what an operator gets to know.

use serde_json::{Value, json};

use crate::box_and_collector::{
    QUOTED, as_sent, ctl, dropped, ended, last_error, nothing_waits, play, problem, rejected,
    rules, start, statuses, tells_nobody_what_was_watched, text,
};
use crate::common::{now_ms, of_type, ts, types};
use crate::scene::Scene;

/// The name of a fault, its status, and words of the advice.
type Row = (&'static str, u16, &'static [&'static str]);

/// The event is wrong.
const REFUSED: [Row; 3] =
    [("va-edge-0400-400", 400, &[]), ("EXEG-0112-413", 413, &[]), ("EXEG-0111-415", 415, &[])];
/// The configuration is wrong.
const DATASTREAM: &[&str] = &["edge.datastream_id", "hits are kept"];
const IDENTITY: &[&str] = &["analytics.app_installation_id", "hits are kept"];
const CONFIGURATION: [Row; 11] = [
    ("EXEG-0002-400", 400, DATASTREAM),
    ("EXEG-0003-400", 400, DATASTREAM),
    ("EXEG-0501-401", 401, DATASTREAM),
    ("EXEG-0400-403", 403, DATASTREAM),
    ("EXEG-0004-422", 422, DATASTREAM),
    ("EXEG-0010-422", 422, DATASTREAM),
    ("EXEG-0013-422", 422, DATASTREAM),
    ("EXEG-0304-400", 400, IDENTITY),
    ("EXEG-0305-400", 400, IDENTITY),
    ("EXEG-0306-400", 400, IDENTITY),
    ("EXEG-0308-400", 400, IDENTITY),
];
/// The collector has to recover.
const RECOVERS: &[&str] = &["the collector has to recover", "hits are kept"];
const FOR_NOW: [Row; 6] = [
    ("EXEG-0109-408", 408, RECOVERS),
    ("", 429, RECOVERS),
    ("EXEG-0100-500", 500, RECOVERS),
    ("EXEG-0201-502", 502, RECOVERS),
    ("EXEG-0201-503", 503, RECOVERS),
    ("EXEG-0201-504", 504, RECOVERS),
];

fn rule(on: &str, event: &str, name: &str, status: u16) -> Value {
    json!({"on": on, "event_type": event, "status": status, "body": problem(name, status)})
}

#[tokio::test]
async fn an_event_that_is_wrong_goes_alone_and_its_reasons_are_kept() {
    let scene = start("").await;
    let player = scene.world.player().await;
    let in_words = json!({
        "type": "https://ns.adobe.com/aep/errors/va-edge-0400-400", "status": 400,
        "report": {"details": format!("the path is not that of {QUOTED}")},
    });
    let documents = REFUSED.map(|(name, status, _)| (status, problem(name, status), name));
    let all = documents.into_iter().chain([(400, in_words, "the path is not that of")]);
    for (n, (status, document, reason)) in all.enumerate() {
        let on =
            json!([{"on": "events", "event_type": "error", "status": status, "body": document}]);
        rules(&scene, &on);
        play(&player, "ep-1", &["Play", "Error"]).await;
        let sid = format!("S{}", n + 1);
        let hits = ended(&scene, &sid);
        assert_eq!(types(&hits, &sid), ["sessionStart", "play", "error", "sessionEnd"]);
        dropped(&scene, n as u64 + 1).await;
        let list = rejected(&scene);
        assert_eq!(list.len(), n + 1, "{list:?}");
        let found = |hit: &&Value| hit["message"].as_str().is_some_and(|m| m.contains(reason));
        let hit = list.iter().find(found).unwrap_or_else(|| panic!("{reason} in {list:?}"));
        assert!(hit["message"].as_str().is_some_and(|m| m.contains(QUOTED)), "{hit}");
        let of_it = [&hit["event_type"], &hit["status"], &hit["lost"]];
        assert_eq!(of_it, [&json!("error"), &json!(status), &json!(0)]);
        let refused = format!("{} so far; the collector answered", n + 1);
        last_error(&scene, &["the collector refuses hits", &refused, "queue --rejected"]).await;
        tells_nobody_what_was_watched(&scene).await;
        let (code, shown) = ctl(&scene, &["status"]);
        assert!(code == 1 && shown.contains(&refused), "{shown}");
    }
}

#[tokio::test]
async fn a_start_that_is_wrong_takes_its_session() {
    let scene = start("").await;
    let player = scene.world.player().await;
    for (n, (name, status, _)) in REFUSED.into_iter().enumerate() {
        rules(&scene, &json!([rule("sessions", "sessionStart", name, status)]));
        play(&player, "ep-1", &["Play"]).await;
        dropped(&scene, 3 * (n as u64 + 1)).await;
        assert_eq!(as_sent(&scene).len(), n + 1, "nothing else of it was sent");
    }
    let lost: Vec<_> = rejected(&scene).iter().map(|hit| hit["lost"].clone()).collect();
    assert_eq!(lost, [2, 2, 2]);
    tells_nobody_what_was_watched(&scene).await;
    scene.world.collector.set_rules(Vec::new());
    play(&player, "ep-2", &[]).await;
    ended(&scene, "S1");
}

/// While the collector says so, the request that it is about is kept, and all that follows it. Then it
/// comes again, with its own time, and everything arrives in order.
async fn kept(on: &str, event: &str, rows: &[Row]) {
    let scene = start("").await;
    let player = scene.world.player().await;
    for (n, (name, status, words)) in rows.iter().enumerate() {
        scene.world.collector.clear();
        rules(&scene, &json!([rule(on, event, name, *status)]));
        play(&player, "ep-1", &["Play", "Pause", "StateStart"]).await;
        let said = format!("the collector answered {status};");
        last_error(&scene, &[&["delivery fails", &said], *words].concat()).await;
        assert_eq!(text(&scene, "DeliveryState").await, "failing", "{name}");
        tells_nobody_what_was_watched(&scene).await;
        let (code, shown) = ctl(&scene, &["status"]);
        assert!(code == 1 && words.iter().all(|word| shown.contains(word)), "{shown}");
        let (code, shown) = ctl(&scene, &["doctor"]);
        assert!(code == 1 && words.iter().all(|word| shown.contains(word)), "{shown}");
        assert!(scene.count("QueuedHits").await > 0);
        scene.world.collector.set_rules(Vec::new());
        assert_eq!(ctl(&scene, &["flush"]).0, 0);
        let sid = format!("S{}", n + 1);
        let hits = ended(&scene, &sid);
        let counted: Vec<_> = hits.iter().filter(|hit| hit.counted).cloned().collect();
        let all = ["sessionStart", "play", "pauseStart", "stateStart", "sessionEnd"];
        assert_eq!(types(&counted, &sid), all, "{name}");
        assert!(counted.windows(2).all(|pair| ts(&pair[0]) < ts(&pair[1])), "{name}: in order");
        let tries = of_type(&hits, event);
        assert!(tries.len() > 1 && statuses(&tries)[0] == Some(*status), "{name}");
        assert!(tries.iter().all(|r| r.body == tries[0].body), "{name}: what it was");
        nothing_waits(&scene).await;
    }
    assert_eq!(scene.count("DroppedHits").await, 0);
    assert_eq!(rejected(&scene), Vec::<Value>::new());
    scene.until("all is well", async || ctl(&scene, &["status"]).0 == 0).await;
}

#[tokio::test]
async fn an_event_that_the_configuration_is_in_the_way_of_is_kept() {
    kept("events", "pauseStart", &CONFIGURATION).await;
}

#[tokio::test]
async fn a_start_that_the_configuration_is_in_the_way_of_is_kept() {
    kept("sessions", "sessionStart", &CONFIGURATION).await;
}

#[tokio::test]
async fn an_event_that_failed_for_now_is_tried_again() {
    kept("events", "pauseStart", &FOR_NOW).await;
}

#[tokio::test]
async fn a_start_that_failed_for_now_is_tried_again() {
    kept("sessions", "sessionStart", &FOR_NOW).await;
}

#[tokio::test]
async fn a_start_at_a_path_that_is_unknown_is_kept() {
    let words: &[&str] = &["this path is unknown there", "collector.url"];
    kept("sessions", "sessionStart", &[("va-edge-0404-404", 404, words), ("", 410, words)]).await;
}

/// A wait that the collector asks for is not undercut.
#[tokio::test]
async fn a_wait_that_the_collector_asks_for_is_kept() {
    for (on, event, status, wish) in [
        ("events", "play", 429, "3600"),
        ("events", "play", 503, "3600"),
        ("sessions", "sessionStart", 429, "3600"),
        ("sessions", "sessionStart", 503, "Fri, 31 Dec 2100 23:59:59 GMT"),
    ] {
        let scene = start("").await;
        let mut wait = rule(on, event, "EXEG-0201-503", status);
        wait["headers"] = json!({"Retry-After": wish});
        wait["times"] = json!(1);
        rules(&scene, &json!([wait]));
        let began = now_ms();
        play(&scene.world.player().await, "ep-1", &["Play"]).await;
        last_error(&scene, &["delivery fails", &format!("the collector answered {status}")]).await;
        let next = next_try(&scene).await;
        assert!(next >= began + 3_600_000, "{status}: {} ms", next - began);
    }
}

/// When the next request can go, Unix time in ms.
async fn next_try(scene: &Scene) -> i64 {
    let (_, shown) = ctl(scene, &["queue", "--json"]);
    let list: Value = serde_json::from_str(&shown).expect("JSON");
    list["logs"][0]["next_try"].as_i64().unwrap_or_else(|| panic!("a next try: {shown}"))
}

#[tokio::test]
async fn a_session_that_is_gone_is_opened_anew_where_it_was() {
    let scene = start("").await;
    let player = scene.world.player().await;
    for (n, (name, status)) in [("va-edge-0404-404", 404), ("", 410)].into_iter().enumerate() {
        let (old, new) = (format!("S{}", 2 * n + 1), format!("S{}", 2 * n + 2));
        let mut gone = rule("events", "pauseStart", name, status);
        gone["session"] = json!(old);
        rules(&scene, &json!([gone]));
        play(&player, "ep-1", &["Play", "Pause", "Play"]).await;
        let hits = ended(&scene, &new);
        assert_eq!(types(&hits, &old), ["sessionStart", "play", "pauseStart"], "{status}");
        assert_eq!(types(&hits, &new), ["sessionStart", "pauseStart", "play", "sessionEnd"]);
        let opened = of_type(&hits, "sessionStart");
        assert_eq!(opened[2 * n + 1].body["params"]["media.resume"], true, "{status}");
        let sent = as_sent(&scene);
        let start = sent.iter().rfind(|r| r.path.contains("sessionStart")).expect("a start");
        assert!(start.path.starts_with("/ee/va/v1/"), "without the old hint: {}", start.path);
        let collection = &start.body["events"][0]["xdm"]["mediaCollection"];
        assert!(collection.get("sessionID").is_none(), "{collection}");
    }
    nothing_waits(&scene).await;
    tells_nobody_what_was_watched(&scene).await;
}
