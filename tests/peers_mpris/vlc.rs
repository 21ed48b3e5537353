//! VLC, which sends a `Seeked` of its own after each resume.

use crate::common::{World, of_type, playhead, types};
use crate::media::clip_in;
use crate::players::{Running, tell};

const CONFIG: &str = "[mpris]\nenabled = true\nallow = [\"vlc*\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vlc_pauses_seeks_and_plays_to_the_end_as_one_viewing() {
    let world = World::start(CONFIG).await;
    let remote = world.bus.connect().await;
    let clip = clip_in(world.bus.dir.path(), "clip.wav", 40).display().to_string();
    let _vlc = Running::vlc(&world.bus, &[&clip]);
    let hits = world.wait("play", |hits| !of_type(hits, "play").is_empty());
    let start = &of_type(&hits, "sessionStart")[0].body["params"];
    assert_eq!((&start["media.length"], &start["media.contentType"]), (&40.into(), &"vod".into()));
    assert_eq!(start["media.id"], format!("file://{clip}"));
    tell(&remote, "vlc", "Pause", &()).await;
    world.wait("the pause", |hits| !of_type(hits, "pauseStart").is_empty());
    tell(&remote, "vlc", "Play", &()).await;
    world.wait("play again", |hits| of_type(hits, "play").len() == 2);
    tell(&remote, "vlc", "Seek", &(30_000_000_i64,)).await;
    let hits = world.wait("the completion", |hits| !of_type(hits, "sessionComplete").is_empty());
    let seen = types(&hits, "S1");
    let paused_and_sought =
        ["sessionStart", "play", "pauseStart", "play", "pauseStart", "play", "sessionComplete"];
    assert_eq!(seen, paused_and_sought);
    let (before, after) = (of_type(&hits, "pauseStart")[1], of_type(&hits, "play")[2]);
    let moved = playhead(after) - playhead(before);
    assert!((28.0..33.0).contains(&moved), "{moved}");
    let end = playhead(of_type(&hits, "sessionComplete")[0]);
    assert!((36.0..=40.0).contains(&end), "{end}");
    assert_eq!(of_type(&hits, "sessionStart").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vlc_that_is_killed_goes_on_where_it_is_started() {
    let world = World::start(CONFIG).await;
    let clip = clip_in(world.bus.dir.path(), "clip.wav", 60).display().to_string();
    let vlc = Running::vlc(&world.bus, &["--start-time=10", &clip]);
    let hits = world.wait("play", |hits| !of_type(hits, "play").is_empty());
    let start = playhead(of_type(&hits, "sessionStart")[0]);
    assert!((9.0..12.0).contains(&start), "{start}");
    vlc.dies();
    world.wait("the pause", |hits| !of_type(hits, "pauseStart").is_empty());
    let _vlc = Running::vlc(&world.bus, &["--start-time=20", &clip]);
    let both =
        |hits: &[_]| of_type(hits, "play").len() == 2 && !of_type(hits, "sessionEnd").is_empty();
    let hits = world.wait("another session", both);
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart", "sessionEnd"]);
    let start = of_type(&hits, "sessionStart")[1];
    assert_eq!(start.body["params"]["media.resume"], true);
    assert!((19.0..22.0).contains(&playhead(start)), "{}", playhead(start));
}
