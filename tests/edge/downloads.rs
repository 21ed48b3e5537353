//! Downloads (edge 8): one request for a session, and what its answers do to it.

use playheadd::bench::Record;
use serde_json::{Value, json};

use crate::box_and_collector::{
    as_sent, ctl, dropped, nothing_waits, problem, rejected, rules, start,
    tells_nobody_what_was_watched, without_session,
};
use crate::common::{Info, Player, film, nothing};
use crate::scene::Scene;

const MOST_BYTES: usize = 64 * 1024;

fn downloaded(media: &'static str) -> Info {
    let mut info = film(media);
    info.insert("downloaded", true.into());
    info
}

async fn play(player: &Player, media: &'static str) {
    let session = player.open(0.0, downloaded(media)).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    player.call(&session, "End", 5.0, nothing()).await.expect("end");
}

fn events(record: &Record) -> &[Value] {
    let events = record.body["events"][0]["xdm"]["mediaDownloadedEvents"].as_array();
    events.unwrap_or_else(|| panic!("a download: {record:?}"))
}

fn kinds(record: &Record) -> Vec<&str> {
    events(record).iter().filter_map(|event| event["mediaEventType"].as_str()).collect()
}

const ALL: [&str; 3] = ["media.sessionStart", "media.play", "media.sessionEnd"];

/// Waits until so many downloads were taken.
fn taken(scene: &Scene, number: usize) {
    scene.world.wait("a download", |hits| hits.iter().filter(|r| r.counted).count() == number);
}

#[tokio::test]
async fn a_download_is_one_request_and_needs_no_session_in_its_answer() {
    let scene = start("").await;
    let player = scene.world.player().await;
    // The collector answers every second one with a session.
    for n in 1..=2 {
        play(&player, "ep-1").await;
        taken(&scene, n);
        nothing_waits(&scene).await;
    }
    let beside = json!({"handle": [], "errors": [problem("EXEG-0104-422", 422)]});
    rules(&scene, &json!([{"on": "downloaded", "status": 207, "body": beside}]));
    play(&player, "ep-1").await;
    taken(&scene, 3);
    nothing_waits(&scene).await;
    for record in as_sent(&scene) {
        assert!(record.path.starts_with("/ee/va/v1/downloaded?configId="), "{}", record.path);
        assert_eq!(kinds(&record), ALL);
        let xdm = &record.body["events"][0]["xdm"];
        assert_eq!(xdm["eventType"], "media.downloaded");
        assert!(xdm["identityMap"]["FPID"][0]["id"].is_string(), "{xdm}");
        for event in events(&record) {
            assert!(event["mediaCollection"].get("sessionID").is_none(), "{event}");
        }
    }
    assert_eq!((scene.count("DeliveredHits").await, scene.count("DroppedHits").await), (9, 0));
    assert_eq!(rejected(&scene), Vec::<Value>::new());
}

#[tokio::test]
async fn a_download_that_is_wrong_goes_as_a_whole() {
    let scene = start("").await;
    let player = scene.world.player().await;
    let wrong = problem("va-edge-0400-400", 400);
    let consent = json!({"handle": [], "warnings": [problem("EXEG-0301-200", 200)]});
    for (n, (status, body)) in [
        (400, wrong.clone()),
        (207, without_session(&[wrong])),
        (413, problem("EXEG-0112-413", 413)),
        (200, consent),
    ]
    .into_iter()
    .enumerate()
    {
        rules(&scene, &json!([{"on": "downloaded", "status": status, "body": body}]));
        play(&player, "ep-1").await;
        dropped(&scene, 3 * (n as u64 + 1)).await;
        assert_eq!(as_sent(&scene).len(), n + 1, "{status}: not tried again");
        let list = rejected(&scene);
        let newest = list.iter().max_by_key(|hit| hit["at"].as_i64()).expect("a hit");
        assert_eq!((&newest["status"], &newest["lost"]), (&json!(status), &json!(2)), "{newest}");
    }
    tells_nobody_what_was_watched(&scene).await;
    scene.world.collector.set_rules(Vec::new());
    scene.world.collector.clear();
    play(&player, "ep-2").await;
    taken(&scene, 1);
}

#[tokio::test]
async fn a_download_that_failed_for_now_is_kept() {
    let scene = start("").await;
    let player = scene.world.player().await;
    for (status, body) in [
        (401, problem("EXEG-0501-401", 401)),
        (404, problem("va-edge-0404-404", 404)),
        (410, json!("")),
        (422, problem("EXEG-0010-422", 422)),
        (503, problem("EXEG-0201-503", 503)),
        (207, without_session(&[problem("va-edge-0500-500", 500)])),
    ] {
        scene.world.collector.clear();
        rules(&scene, &json!([{"on": "downloaded", "times": 1, "status": status, "body": body}]));
        play(&player, "ep-1").await;
        scene.world.wait("two tries", |hits| hits.len() == 2);
        nothing_waits(&scene).await;
        let sent = as_sent(&scene);
        assert_eq!(sent[0].body, sent[1].body, "{status}");
        assert_eq!(kinds(&sent[1]), ALL);
    }
    assert_eq!(scene.count("DroppedHits").await, 0);
    assert_eq!(rejected(&scene), Vec::<Value>::new());
}

/// Chapters with long names of their own fill the request; its pings are thinned, everything else stays,
/// and `status` counts what was left out.
#[tokio::test]
async fn a_download_that_is_too_long_loses_pings_and_says_how_many() {
    const PINGS: u64 = 40;
    let scene = start("[heartbeat]\ndownloaded_seconds = 0.1\n").await;
    let player = scene.world.player().await;
    let session = player.open(0.0, downloaded("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    let mut chapters = 0;
    for _ in 0..3 {
        let metadata: std::collections::HashMap<String, String> =
            (0..5).map(|n| (format!("note{n}"), "x".repeat(4000))).collect();
        let info = Info::from([
            ("name", "a chapter".into()),
            ("position", (chapters + 1).into()),
            ("start", 1.0.into()),
            ("length", 60.0.into()),
            ("metadata", metadata.into()),
        ]);
        player.call(&session, "ChapterStart", 1.0, info).await.expect("a chapter");
        player.call(&session, "ChapterComplete", 1.0, nothing()).await.expect("its end");
        chapters += 1;
    }
    scene.until("pings", async || scene.count("QueuedHits").await > PINGS).await;
    player.call(&session, "End", 5.0, nothing()).await.expect("end");
    taken(&scene, 1);
    nothing_waits(&scene).await;
    let sent = as_sent(&scene);
    assert_eq!(sent.len(), 1);
    let bytes = sent[0].body.to_string().len();
    assert!((MOST_BYTES - 1024..=MOST_BYTES).contains(&bytes), "{bytes} bytes");
    let kinds = kinds(&sent[0]);
    let count = |kind: &str| kinds.iter().filter(|k| **k == kind).count();
    assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("media.sessionStart", "media.sessionEnd"));
    assert_eq!(count("media.chapterStart"), chapters as usize);
    assert_eq!(count("media.chapterComplete"), chapters as usize);
    assert_eq!(scene.count("DeliveredHits").await, kinds.len() as u64);
    let (sent_pings, left_out) = (count("media.ping") as u64, scene.count("DroppedHits").await);
    assert!(sent_pings > 0 && left_out > 0, "{sent_pings} pings, {left_out} left out");
    assert!(sent_pings + left_out > PINGS - 10, "{sent_pings} pings, {left_out} left out");
    let (code, shown) = ctl(&scene, &["status"]);
    assert_eq!(code, 0, "{shown}");
    let words = format!("{} hits delivered, {left_out} given up", kinds.len());
    assert!(shown.contains(&words), "{shown}");
    scene.logged(&["pings of a download were thinned", &format!("pings={left_out}")]).await;
    assert_eq!(rejected(&scene), Vec::<Value>::new());
}
