//! Firebolt (doors/firebolt): what two applications call through the gateway and by themselves, as the
//! collector gets it.

#[path = "firebolt/door.rs"]
mod door;

use door::Door;
use playheadd::bench::Record;
use serde_json::{Value, json};

use crate::common::{World, of_type, once, playhead, types};

/// No pings: how many there are depends on the time that a machine takes.
const QUIET: &str = "[heartbeat]\nmain_seconds = 600\n";

fn has<'a>(kind: &'a str, times: usize) -> impl Fn(&[Record]) -> bool + 'a {
    move |hits| of_type(hits, kind).len() == times
}

/// The hits of the session with this media, without pings: event and playhead, where it is one that
/// was told and not one that depends on the clock.
fn told(hits: &[Record], media: &str) -> Vec<(String, Option<f64>)> {
    let starts = of_type(hits, "sessionStart");
    let start = starts.iter().find(|start| start.body["params"]["media.id"] == media);
    let sid = start.and_then(|start| start.sid.clone()).expect("its session");
    let whole = |place: f64| (place.fract() == 0.0).then_some(place);
    hits.iter()
        .filter(|hit| hit.sid.as_ref() == Some(&sid) && hit.event_type() != "ping")
        .map(|hit| (hit.event_type().to_owned(), whole(playhead(hit))))
        .collect()
}

fn kinds(hits: &[(String, Option<f64>)]) -> Vec<&str> {
    hits.iter().map(|(kind, _)| kind.as_str()).collect()
}

/// What an application says through the gateway.
fn of(app: &str, mut params: Value) -> Value {
    params["context"] = json!({"appId": app, "connectionId": 5, "requestId": 9});
    params
}

/// An evening: a film with a pause and a seek, seen to its end, and meanwhile a broadcast of another
/// application, which goes to the background, comes back and is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_evening_of_two_applications() {
    let world = World::start(QUIET).await;
    let door = Door::start(&world.bus.address);
    let mut gateway = door.connect("/");
    let mut own = door.connect("/app/tv.example.live");
    let mut film = |method: &str, more: Value| {
        let mut params = of("tv.example.films", more);
        params["entityId"] = "film-7".into();
        gateway.call(method, params);
    };
    let content = json!({"playhead": {
        "length": 1000, "name": "Harbour Lights", "metadata": {"media.genre": "drama"},
    }});
    film("Metrics.startContent", content);
    film("Metrics.mediaPlay", json!({}));
    film("Metrics.mediaLoadStart", json!({}));
    film("Metrics.mediaPlaying", json!({}));

    let news = json!({"entityId": "news", "playhead": {"content_type": "live", "channel": "One"}});
    own.call("Metrics.appInfo", json!({"build": "3.1"}));
    own.call("metrics.medialoadstart", news);
    own.media("mediaPlaying", "news");
    world.wait("both play", has("play", 2));

    film("Metrics.mediaProgress", json!({"progress": 0.06}));
    film("Metrics.mediaPause", json!({}));
    film("Metrics.mediaSeeking", json!({"target": 0.5}));
    film("Metrics.mediaSeeked", json!({"position": 0.5}));
    film("Metrics.mediaPlay", json!({}));
    film("Metrics.mediaPlaying", json!({}));
    let rendition = json!({"bitrate": 5000, "width": 1920, "height": 1080});
    film("Metrics.mediaRenditionChange", rendition);
    own.call("Lifecycle.onBackground", json!({"state": "background", "previous": "foreground"}));
    world.wait("a pause of each", |hits| {
        kinds(&told(hits, "news")).contains(&"pauseStart") && has("bitrateChange", 1)(hits)
    });

    own.call("Lifecycle.onForeground", json!({"state": "foreground", "previous": "background"}));
    own.call(
        "Metrics.error",
        json!({"type": "network", "code": "DNS", "description": "no name", "visible": false}),
    );
    own.media("mediaWaiting", "news");
    own.media("mediaPlaying", "news");
    film("Metrics.mediaEnded", json!({}));
    film("Metrics.stopContent", json!({}));
    own.media("stopContent", "news");
    let hits = world
        .wait("both ends", |hits| has("sessionComplete", 1)(hits) && has("sessionEnd", 1)(hits));

    let film = told(&hits, "film-7");
    let seen = ["sessionStart", "play", "pauseStart", "play", "bitrateChange", "sessionComplete"];
    assert_eq!(kinds(&film), seen);
    assert_eq!(film[0].1, Some(0.0));
    assert_eq!(film[5].1, Some(1000.0));
    let play = &of_type(&hits, "play");
    let of_film = |hit: &&&Record| hit.sid == hits_of(&hits, "film-7");
    let places: Vec<f64> = play.iter().filter(of_film).map(|hit| playhead(hit)).collect();
    assert_eq!(places.len(), 2);
    assert!((500.0..530.0).contains(&places[1]), "{places:?}");

    let news = told(&hits, "news");
    let seen = [
        "sessionStart",
        "play",
        "pauseStart",
        "play",
        "error",
        "bufferStart",
        "play",
        "sessionEnd",
    ];
    assert_eq!(kinds(&news), seen);

    let start = |media: &str| {
        let starts = of_type(&hits, "sessionStart");
        let found = starts.into_iter().find(|hit| hit.body["params"]["media.id"] == media);
        found.expect("a start").body["params"].clone()
    };
    let film = start("film-7");
    assert_eq!(film["media.name"], "Harbour Lights");
    assert_eq!(film["media.length"], 1000.0);
    assert_eq!(film["media.genre"], "drama");
    assert_eq!(film["media.resume"], false);
    let news = start("news");
    assert_eq!(news["media.contentType"], "live");
    assert_eq!(news["media.channel"], "One");
    assert_eq!(news["media.sdkVersion"], "3.1");
    let quality = |key: &str| {
        let hits = hits.iter().filter_map(|hit| hit.body["qoeData"].get(key));
        hits.cloned().next_back().unwrap_or_default()
    };
    assert_eq!(quality("media.qoe.bitrate"), 5000);
    assert!(quality("media.qoe.timeToStart").is_number(), "the startup time");
    assert_eq!(quality("media.qoe.errorID"), "DNS");
    assert_eq!(quality("media.qoe.errorSource"), "external");
}

fn hits_of(hits: &[Record], media: &str) -> Option<String> {
    let starts = of_type(hits, "sessionStart");
    let start = starts.into_iter().find(|hit| hit.body["params"]["media.id"] == media);
    start.and_then(|start| start.sid.clone())
}

/// The daemon is killed while an application plays: nothing is lost, and what is called meanwhile has
/// the time of the call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_called_without_a_daemon_arrives() {
    let mut world = World::start(QUIET).await;
    let door = Door::start(&world.bus.address);
    let mut app = door.connect("/app/tv.example.films");
    let film = json!({"entityId": "film-7", "playhead": {"length": 1000}});
    app.call("Metrics.mediaLoadStart", film);
    app.media("mediaPlaying", "film-7");
    world.wait("it plays", has("play", 1));
    world.agent.kill().await;
    app.media("mediaPause", "film-7");
    app.call("Metrics.mediaProgress", json!({"entityId": "film-7", "progress": 0.3}));
    app.media("mediaPlaying", "film-7");
    app.media("mediaEnded", "film-7");
    app.media("mediaPlaying", "film-8");
    app.media("stopContent", "film-8");
    world.agent.start_again().await;
    let hits = once(&world.wait("the end of the second", has("sessionEnd", 1)));
    let seen = ["sessionStart", "play", "pauseStart", "play", "sessionComplete"];
    assert_eq!(types(&hits, "S1"), seen);
    assert_eq!(types(&hits, "S2"), ["sessionStart", "play", "sessionEnd"]);
    let resumed = of_type(&hits, "play")[1];
    assert!((300.0..330.0).contains(&playhead(resumed)), "{}", playhead(resumed));
}

/// A second viewing goes on where the first was left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_viewing_is_a_resume() {
    let world = World::start(QUIET).await;
    let door = Door::start(&world.bus.address);
    let mut app = door.connect("/app/tv.example.films");
    let film = json!({"entityId": "film-7", "playhead": {"length": 1000}});
    app.call("Metrics.mediaLoadStart", film.clone());
    app.media("mediaPlaying", "film-7");
    app.call("Metrics.mediaProgress", json!({"entityId": "film-7", "progress": 0.3}));
    app.media("mediaPause", "film-7");
    app.media("stopContent", "film-7");
    world.wait("the first end", has("sessionEnd", 1));
    app.call("Metrics.mediaLoadStart", film);
    app.media("mediaPlaying", "film-7");
    app.media("stopContent", "film-7");
    let hits = world.wait("the second end", has("sessionEnd", 2));
    let start = of_type(&hits, "sessionStart")[1];
    assert_eq!(start.body["params"]["media.resume"], true);
    assert!((300.0..330.0).contains(&playhead(start)), "{}", playhead(start));
}
