//! GStreamer (doors/gstreamer): what an application plays that knows nothing of playheadd, with the tracer
//! in its process.

#[path = "gstreamer/application.rs"]
mod application;
#[path = "gstreamer/life.rs"]
mod life;
#[path = "gstreamer/server.rs"]
mod server;

use application::{Workshop, in_python};
use playheadd::bench::Record;
use serde_json::Value;
use server::serve;

use crate::common::{World, of_type, playhead, ts, types};

fn workshop(test: &str) -> Option<Workshop> {
    Workshop::open(&format!("doors::gstreamer::{test}"))
}

fn params(start: &Record) -> &Value {
    &start.body["params"]
}

fn has<'a>(kind: &'a str, times: usize) -> impl Fn(&[Record]) -> bool + 'a {
    move |hits| of_type(hits, kind).len() == times
}

/// Whether two places are the same, as far as pictures of 10 a second can tell.
#[track_caller]
fn near(place: f64, wanted: f64) {
    assert!((place - wanted).abs() < 0.75, "{place} is not {wanted}");
}

async fn a_film_from_its_start_to_its_end(test: &str, kind: &str) {
    let Some(workshop) = workshop(test) else { return };
    let world = World::start("").await;
    let mut app = workshop.start(&world.bus, "");
    let film = workshop.uri("film.avi");
    app.tell(&format!("bin film {kind} {film}"));
    app.tell("play film");
    app.reaches("film", 3.0);
    app.tell("pause film");
    app.hears("paused film");
    let paused = app.position("film");
    world.wait("the pause", has("pauseStart", 1));
    app.tell("play film");
    app.reaches("film", 4.5);
    app.tell("seek film 16 1");
    world.wait("the picture after the seek", has("play", 3));
    app.hears("end film");
    let hits = world.wait("the completion", has("sessionComplete", 1));
    let seen =
        ["sessionStart", "play", "pauseStart", "play", "pauseStart", "play", "sessionComplete"];
    assert_eq!(types(&hits, "S1"), seen);
    let start = of_type(&hits, "sessionStart")[0];
    let told = |key: &str| params(start)[key].clone();
    assert_eq!(told("media.id"), film);
    assert_eq!(told("media.name"), "Harbour-Lights");
    assert_eq!(told("media.length"), 20);
    assert_eq!(told("media.contentType"), "vod");
    assert_eq!(told("media.streamType"), "video");
    let plays: Vec<_> = of_type(&hits, "play").into_iter().map(playhead).collect();
    let pauses: Vec<_> = of_type(&hits, "pauseStart").into_iter().map(playhead).collect();
    near(playhead(start), 0.0);
    near(plays[0], 0.0);
    near(pauses[0], paused);
    near(plays[1], paused);
    assert!((4.4..8.0).contains(&pauses[1]), "{}", pauses[1]);
    near(plays[2], 16.0);
    near(playhead(of_type(&hits, "sessionComplete")[0]), 20.0);
    let quality = hits.iter().find_map(|hit| hit.body.get("qoeData")).expect("its quality");
    assert_eq!(quality["media.qoe.framesPerSecond"], 10);
    for key in ["media.qoe.timeToStart", "media.qoe.bitrate"] {
        assert!(quality[key].as_i64().is_some_and(|value| value > 0), "{quality}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbin_from_its_start_to_its_end() {
    a_film_from_its_start_to_its_end("playbin_from_its_start_to_its_end", "playbin").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbin3_from_its_start_to_its_end() {
    a_film_from_its_start_to_its_end("playbin3_from_its_start_to_its_end", "playbin3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_is_that_of_the_position() {
    let Some(workshop) = workshop("a_rate_is_that_of_the_position") else { return };
    // Pings tell how fast the position moves.
    let world = World::start("[heartbeat]\nmain_seconds = 1\n").await;
    let mut app = workshop.start(&world.bus, ",position=60");
    app.tell(&format!("bin film playbin {}", workshop.uri("film.avi")));
    app.tell("play film");
    app.reaches("film", 1.0);
    app.tell("seek film 4 4");
    app.hears("end film");
    let hits = world.wait("the completion", has("sessionComplete", 1));
    assert_eq!(
        types(&hits, "S1"),
        ["sessionStart", "play", "pauseStart", "play", "sessionComplete"]
    );
    near(playhead(of_type(&hits, "play")[1]), 4.0);
    let fast: Vec<_> =
        of_type(&hits, "ping").into_iter().filter(|ping| playhead(ping) > 5.0).collect();
    let (first, last) = (fast.first().expect("a ping"), fast.last().expect("a ping"));
    let rate = (playhead(last) - playhead(first)) / ((ts(last) - ts(first)) as f64 / 1000.0);
    assert!((rate - 4.0).abs() < 0.2, "{rate}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_come_too_late_are_dropped_ones() {
    let Some(workshop) = workshop("frames_that_come_too_late_are_dropped_ones") else { return };
    let world = World::start("[heartbeat]\nmain_seconds = 1\n").await;
    let mut app = workshop.start(&world.bus, ",position=1");
    // Half of the frames can be shown, and those are late.
    app.tell(&format!(
        "launch film uridecodebin uri={} ! video/x-raw ! identity sleep-time=200000 \
         ! fakesink sync=true qos=true max-lateness=20000000",
        workshop.uri("film.avi")
    ));
    app.tell("play film");
    let dropped = |hit: &Record| hit.body["qoeData"]["media.qoe.droppedFrames"].as_i64();
    world.wait("dropped frames", |hits| hits.iter().any(|hit| dropped(hit) > Some(0)));
    app.tell("ready film");
    let hits = world.wait("the end", has("sessionEnd", 1));
    let counts: Vec<_> = hits.iter().filter_map(dropped).collect();
    assert!(counts.is_sorted(), "{counts:?}");
    let seconds = playhead(of_type(&hits, "sessionEnd")[0]);
    let last = *counts.last().expect("a count") as f64;
    assert!(last <= seconds * 10.0, "{last} of {seconds} s");
}

async fn what_waits_for_data(test: &str, obeys: bool) {
    let Some(workshop) = workshop(test) else { return };
    let world = World::start("").await;
    // 16,000 bytes are a second of it.
    let (url, gate) = serve(&workshop.path("half-minute.wav"), 80_000, true);
    let mut app = workshop.start(&world.bus, "");
    app.tell(&format!("bin radio playbin {url}"));
    if obeys {
        app.tell("obey radio");
    }
    app.tell("play radio");
    let hits = world.wait("that it waits", has("bufferStart", 1));
    let waits = playhead(of_type(&hits, "bufferStart")[0]);
    assert!((0.4..5.1).contains(&waits), "{waits}");
    near(app.position("radio"), waits);
    gate.open();
    app.reaches("radio", 14.0);
    app.tell("pause radio");
    let hits = world.wait("the pause", has("pauseStart", 1));
    let seen = types(&hits, "S1");
    assert_eq!(seen[..4], ["sessionStart", "play", "bufferStart", "play"]);
    // A machine that is slow may wait again.
    assert_eq!(seen.iter().filter(|kind| *kind == "pauseStart").count(), 1);
    let goes_on = playhead(of_type(&hits, "play")[1]);
    match obeys {
        true => near(goes_on, waits),
        // Its clock has run on: what comes late is left out.
        false => assert!((waits - 0.1..14.0).contains(&goes_on), "{goes_on}, {waits}"),
    }
    assert_eq!(params(of_type(&hits, "sessionStart")[0])["media.streamType"], "audio");
    assert_eq!(params(of_type(&hits, "sessionStart")[0])["media.length"], 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_pauses_to_fill_its_buffers_waits() {
    what_waits_for_data("an_application_that_pauses_to_fill_its_buffers_waits", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_that_stands_still_waits() {
    what_waits_for_data("a_picture_that_stands_still_waits", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_who_pauses_while_data_are_awaited_has_paused() {
    let test = "a_viewer_who_pauses_while_data_are_awaited_has_paused";
    let Some(workshop) = workshop(test) else { return };
    let world = World::start("").await;
    let (url, gate) = serve(&workshop.path("half-minute.wav"), 80_000, true);
    let mut app = workshop.start(&world.bus, "");
    app.tell(&format!("bin radio playbin {url}"));
    app.tell("obey radio");
    app.tell("play radio");
    world.wait("that it waits", has("bufferStart", 1));
    app.tell("disobey radio");
    app.tell("pause radio");
    gate.open();
    let hits = world.wait("the pause", has("pauseStart", 1));
    // The agent goes from the one to the other by way of what was before.
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "bufferStart", "play", "pauseStart"]);
    let (play, pause) = (of_type(&hits, "play")[1], of_type(&hits, "pauseStart")[0]);
    assert_eq!(playhead(play), playhead(pause));
    assert!(ts(pause) - ts(play) < 1_000, "{} ms", ts(pause) - ts(play));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pipelines_are_two_viewings() {
    let Some(workshop) = workshop("two_pipelines_are_two_viewings") else { return };
    let world = World::start("").await;
    let mut app = workshop.start(&world.bus, "");
    app.tell(&format!("bin film playbin {}", workshop.uri("film.avi")));
    app.tell("play film");
    world.wait("the film", has("play", 1));
    // Another kind of pipeline.
    let song = workshop.uri("first.ogg");
    app.tell(&format!("launch song uridecodebin uri={song} ! audioconvert ! fakesink sync=true"));
    app.tell("play song");
    world.wait("the song", has("play", 2));
    app.tell("pause film");
    world.wait("the pause", has("pauseStart", 1));
    app.hears("end song");
    world.wait("the completion", has("sessionComplete", 1));
    app.tell("ready film");
    let hits = world.wait("the end", has("sessionEnd", 1));
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart", "sessionEnd"]);
    assert_eq!(types(&hits, "S2"), ["sessionStart", "play", "sessionComplete"]);
    let start = params(of_type(&hits, "sessionStart")[1]);
    assert_eq!(start["media.id"], song);
    assert_eq!(start["media.name"], "first");
    assert_eq!(start["media.artist"], "Nobody");
    assert_eq!(start["media.length"], 6);
    assert_eq!(start["media.streamType"], "audio");
}

async fn songs_without_a_gap(test: &str, kind: &str) {
    let Some(workshop) = workshop(test) else { return };
    let world = World::start("").await;
    let mut app = workshop.start(&world.bus, "");
    app.tell(&format!("bin songs {kind} {}", workshop.uri("first.ogg")));
    app.tell(&format!("next songs {}", workshop.uri("second.ogg")));
    app.tell(&format!("next songs {}", workshop.uri("second.ogg")));
    app.tell("play songs");
    app.hears("end songs");
    let hits = world.wait("the third completion", has("sessionComplete", 3));
    for sid in ["S1", "S2", "S3"] {
        assert_eq!(types(&hits, sid), ["sessionStart", "play", "sessionComplete"]);
    }
    let names: Vec<_> =
        of_type(&hits, "sessionStart").iter().map(|start| &params(start)["media.name"]).collect();
    assert_eq!(names, ["first", "second", "second"]);
    for end in of_type(&hits, "sessionComplete") {
        near(playhead(end), 6.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn songs_without_a_gap_in_playbin() {
    songs_without_a_gap("songs_without_a_gap_in_playbin", "playbin").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn songs_without_a_gap_in_playbin3() {
    songs_without_a_gap("songs_without_a_gap_in_playbin3", "playbin3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_a_length_is_live() {
    let Some(workshop) = workshop("a_stream_without_a_length_is_live") else { return };
    let world = World::start("").await;
    let (url, _gate) = serve(&workshop.path("first.ogg"), 5_000, false);
    let mut app = workshop.start(&world.bus, "");
    app.tell(&format!("bin radio playbin {url}"));
    app.tell("play radio");
    let hits = world.wait("the start", has("play", 1));
    let start = of_type(&hits, "sessionStart")[0];
    assert_eq!(params(start)["media.contentType"], "live");
    let second_of_day = (ts(start) / 1000 % 86_400) as f64;
    assert!((playhead(start) - second_of_day).abs() <= 1.0, "{}", playhead(start));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_played_is_an_error() {
    let Some(workshop) = workshop("what_cannot_be_played_is_an_error") else { return };
    let world = World::start("").await;
    let mut app = workshop.start(&world.bus, "");
    // The id of so long a URI is cut, and is the same each time.
    app.tell(&format!("bin film playbin file:///{}nowhere.avi", "deep/".repeat(120)));
    app.tell("play film");
    app.hears("error film");
    let hits = world.wait("the end", has("sessionEnd", 1));
    assert_eq!(types(&hits, "S1"), ["sessionStart", "error", "sessionEnd"]);
    let error = of_type(&hits, "error")[0];
    assert_eq!(error.body["qoeData"]["media.qoe.errorID"], "gst.resource.not-found");
    assert_eq!(error.body["qoeData"]["media.qoe.errorSource"], "player");
    let id = params(of_type(&hits, "sessionStart")[0])["media.id"].as_str().expect("an id");
    assert_eq!((id.len(), &id[495..]), (512, "#fb232fa5c96f2da0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_in_python_with_a_watch() {
    let test = "a_player_in_python_with_a_watch";
    let Some(workshop) = workshop(test) else { return };
    let world = World::start("").await;
    let film = workshop.uri("film.avi");
    let named = format!("doors::gstreamer::{test}");
    let Some(mut app) = in_python(&named, &world.bus, &film) else { return };
    app.tell("play");
    app.tell("reach 2");
    app.hears("reached");
    app.tell("pause");
    world.wait("the pause", has("pauseStart", 1));
    app.tell("seek 16");
    app.hears("paused");
    app.tell("play");
    app.hears("end");
    world.wait("the completion", has("sessionComplete", 1));
    app.tell("stop");
    app.tell("play");
    world.wait("another viewing", has("play", 3));
    app.exits();
    let hits = world.wait("its end", has("sessionEnd", 1));
    assert_eq!(
        types(&hits, "S1"),
        ["sessionStart", "play", "pauseStart", "play", "sessionComplete"]
    );
    assert_eq!(types(&hits, "S2"), ["sessionStart", "play", "sessionEnd"]);
    let start = of_type(&hits, "sessionStart")[0];
    assert_eq!(params(start)["media.id"], film);
    assert_eq!(params(start)["media.length"], 20);
    near(playhead(of_type(&hits, "play")[1]), 16.0);
    near(playhead(of_type(&hits, "sessionComplete")[0]), 20.0);
}
