//! A web page with video, in WebKitGTK and in Chromium. Both keep one track id or none for everything,
//! and tell title and length piecemeal.

use std::process::{Command, Stdio};

use crate::common::{World, of_type, playhead, types};
use crate::media::web_server;
use crate::players::{Running, screen};

const CONFIG: &str = "[mpris]\nenabled = true\n";

/// Two clips, one after the other: the first is paused for a moment, late enough for a browser that
/// takes its time to be on the bus. With `?from=S` it is one clip, from that second on.
const PAGE: &str = r#"<!doctype html>
<title>A page</title>
<video id="video"></video>
<script>
const video = document.getElementById("video");
const from = new URLSearchParams(location.search).get("from");
const clips = from === null
  ? [["First", "/8.wav"], ["Second", "/9.wav"]]
  : [["Film", "/60.wav"]];
let paused = false;
function next() {
  const clip = clips.shift();
  if (!clip) return;
  navigator.mediaSession.metadata = new MediaMetadata({title: clip[0], artist: "Artist", album: "Album"});
  video.src = clip[1];
  video.play();
}
video.ontimeupdate = () => {
  if (from !== null || paused || video.currentTime < 4) return;
  paused = true;
  video.pause();
  setTimeout(() => video.play(), 5000);
};
video.onloadedmetadata = () => { if (from !== null) video.currentTime = Number(from); };
video.onended = next;
next();
</script>
"#;

#[derive(Clone, Copy)]
enum Engine {
    WebKit,
    Chromium,
}

/// The page in an engine, on a screen of its own.
struct Browser {
    running: Running,
    _screen: Running,
}

impl Browser {
    fn open(engine: Engine, world: &World, url: &str) -> Browser {
        let (screen, display) = screen(&world.bus);
        let home = world.bus.dir.path().join("home");
        std::fs::create_dir_all(&home).expect("a home");
        let mut command = match engine {
            Engine::WebKit => {
                let mut python = Command::new("/usr/bin/python3");
                python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers_mpris/webkit.py"));
                python
            }
            Engine::Chromium => {
                let mut chromium = Command::new("chromium");
                chromium
                    .args(["--no-sandbox", "--no-first-run", "--disable-gpu"])
                    .arg("--autoplay-policy=no-user-gesture-required")
                    .arg(format!("--user-data-dir={}", home.join("chromium").display()));
                chromium
            }
        };
        command
            .arg(url)
            .env("DISPLAY", display)
            .env("HOME", &home)
            .env("XDG_RUNTIME_DIR", &home)
            .stdout(Stdio::null());
        Browser { running: Running::start(&mut command, &world.bus), _screen: screen }
    }
}

async fn two_videos_are_two_viewings(engine: Engine) {
    let world = World::start(CONFIG).await;
    let url = web_server(PAGE);
    let _browser = Browser::open(engine, &world, &url);
    let both = |hits: &[_]| of_type(hits, "sessionComplete").len() == 2;
    let hits = world.wait("both to the end", both);
    let starts: Vec<_> = of_type(&hits, "sessionStart").iter().map(|r| &r.body["params"]).collect();
    let told = |key: &str| starts.iter().map(|params| params[key].clone()).collect::<Vec<_>>();
    assert_eq!(told("media.id"), ["First / Album / 8 s", "Second / Album / 9 s"]);
    assert_eq!(told("media.name"), ["First", "Second"]);
    assert_eq!(told("media.length"), [8, 9]);
    assert_eq!(told("media.contentType"), ["vod", "vod"]);
    assert_eq!(
        types(&hits, "S1"),
        ["sessionStart", "play", "pauseStart", "play", "sessionComplete"]
    );
    assert_eq!(types(&hits, "S2"), ["sessionStart", "play", "sessionComplete"]);
    let pause = playhead(of_type(&hits, "pauseStart")[0]);
    assert!((3.5..7.0).contains(&pause), "{pause}");
    for (end, length) in of_type(&hits, "sessionComplete").into_iter().zip([8.0, 9.0]) {
        assert!((length - 1.0..=length).contains(&playhead(end)), "{}", playhead(end));
    }
}

async fn a_killed_browser_is_resumed(engine: Engine) {
    let world = World::start(CONFIG).await;
    let url = web_server(PAGE);
    let browser = Browser::open(engine, &world, &format!("{url}?from=10"));
    let hits = world.wait("play", |hits| !of_type(hits, "play").is_empty());
    let start = playhead(of_type(&hits, "sessionStart")[0]);
    assert!((9.0..13.0).contains(&start), "{start}");
    browser.running.dies();
    world.wait("the pause", |hits| !of_type(hits, "pauseStart").is_empty());
    let _browser = Browser::open(engine, &world, &format!("{url}?from=20"));
    let both =
        |hits: &[_]| of_type(hits, "play").len() == 2 && !of_type(hits, "sessionEnd").is_empty();
    let hits = world.wait("another session", both);
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart", "sessionEnd"]);
    let start = of_type(&hits, "sessionStart")[1];
    assert_eq!(start.body["params"]["media.id"], "Film / Album / 60 s");
    assert_eq!(start.body["params"]["media.resume"], true);
    assert!((19.0..23.0).contains(&playhead(start)), "{}", playhead(start));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_videos_of_a_page_in_webkit_are_two_viewings() {
    two_videos_are_two_viewings(Engine::WebKit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_videos_of_a_page_in_chromium_are_two_viewings() {
    two_videos_are_two_viewings(Engine::Chromium).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webkit_that_is_killed_goes_on_where_the_page_does() {
    a_killed_browser_is_resumed(Engine::WebKit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_that_is_killed_goes_on_where_the_page_does() {
    a_killed_browser_is_resumed(Engine::Chromium).await;
}
