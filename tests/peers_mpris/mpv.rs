//! mpv with mpv-mpris.

use crate::common::{World, of_type, playhead, types};
use crate::media::{clip_in, slow_server};
use crate::players::Running;

const CONFIG: &str = "[mpris]\nenabled = true\nallow = [\"mpv*\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mpv_that_keeps_the_last_picture_has_completed() {
    let world = World::start(CONFIG).await;
    let clip = clip_in(world.bus.dir.path(), "clip.wav", 6);
    let _mpv = Running::mpv(&world.bus, &["--keep-open=yes", &clip.display().to_string()]);
    let hits = world.wait("the completion", |hits| !of_type(hits, "sessionComplete").is_empty());
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "sessionComplete"]);
    let start = &of_type(&hits, "sessionStart")[0].body["params"];
    assert_eq!((&start["media.length"], &start["media.contentType"]), (&6.into(), &"vod".into()));
    let end = playhead(of_type(&hits, "sessionComplete")[0]);
    assert!((5.0..=6.0).contains(&end), "{end}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mpv_that_is_killed_goes_on_where_it_is_started() {
    let world = World::start(CONFIG).await;
    let clip = clip_in(world.bus.dir.path(), "clip.wav", 60).display().to_string();
    let mpv = Running::mpv(&world.bus, &["--start=10", &clip]);
    let hits = world.wait("play", |hits| !of_type(hits, "play").is_empty());
    let start = playhead(of_type(&hits, "sessionStart")[0]);
    assert!((9.5..12.0).contains(&start), "{start}");
    mpv.dies();
    world.wait("the pause", |hits| !of_type(hits, "pauseStart").is_empty());
    let _mpv = Running::mpv(&world.bus, &["--start=20", &clip]);
    let both =
        |hits: &[_]| of_type(hits, "play").len() == 2 && !of_type(hits, "sessionEnd").is_empty();
    let hits = world.wait("another session", both);
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart", "sessionEnd"]);
    let start = of_type(&hits, "sessionStart")[1];
    assert_eq!(start.body["params"]["media.resume"], true);
    assert!((19.5..22.0).contains(&playhead(start)), "{}", playhead(start));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_a_slow_server_tells_late_makes_no_live_stream() {
    let world = World::start(CONFIG).await;
    let (url, may) = slow_server(60);
    let _mpv = Running::mpv(&world.bus, &[&url]);
    // It plays, and nobody knows for how long.
    while !world.agent.log().contains("session opened") {
        tokio::task::yield_now().await;
    }
    assert!(world.collector.hits().is_empty(), "the start waits");
    may.wait();
    let hits = world.wait("play", |hits| !of_type(hits, "play").is_empty());
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play"]);
    let start = of_type(&hits, "sessionStart")[0];
    let params = &start.body["params"];
    assert_eq!((&params["media.length"], &params["media.id"]), (&60.into(), &url.into()));
    assert!(playhead(start) < 1.0, "{}", playhead(start));
}
