//! Real players that speak MPRIS (`make test-peers`, because they are large): what the viewer saw is
//! what the collector gets (docs/behaviour.md 1.7).

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Barrier};

use common::{World, of_type, playhead, types};

const CONFIG: &str = "[mpris]\nenabled = true\nallow = [\"mpv*\"]\n";
/// Samples a second of a clip.
const RATE: u32 = 8_000;

/// A clip of silence.
fn clip(seconds: u32) -> Vec<u8> {
    let data = RATE * seconds * 2;
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + data).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    wav.extend([1, 0, 1, 0]);
    wav.extend(RATE.to_le_bytes());
    wav.extend((RATE * 2).to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(data.to_le_bytes());
    wav.resize(wav.len() + data as usize, 0);
    wav
}

fn clip_in(dir: &Path, seconds: u32) -> PathBuf {
    let path = dir.join("clip.wav");
    std::fs::write(&path, clip(seconds)).expect("a clip");
    path
}

/// mpv, killed on drop.
struct Mpv(Child);

impl Mpv {
    fn start(world: &World, arguments: &[&str]) -> Mpv {
        let child = Command::new("mpv")
            .args(["--no-config", "--ao=null", "--vo=null", "--idle=yes"])
            .arg("--script=/etc/mpv/scripts/mpris.so")
            .args(arguments)
            .env("DBUS_SESSION_BUS_ADDRESS", &world.bus.address)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mpv (Debian packages mpv and mpv-mpris)");
        Mpv(child)
    }
}

impl Drop for Mpv {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mpv_that_keeps_the_last_picture_has_completed() {
    let world = World::start(CONFIG).await;
    let clip = clip_in(world.bus.dir.path(), 6);
    let _mpv = Mpv::start(&world, &["--keep-open=yes", &clip.display().to_string()]);
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
    let clip = clip_in(world.bus.dir.path(), 60).display().to_string();
    let mut mpv = Mpv::start(&world, &["--start=10", &clip]);
    let hits = world.wait("play", |hits| !of_type(hits, "play").is_empty());
    let start = playhead(of_type(&hits, "sessionStart")[0]);
    assert!((9.5..12.0).contains(&start), "{start}");
    mpv.0.kill().expect("SIGKILL");
    world.wait("the pause", |hits| !of_type(hits, "pauseStart").is_empty());
    let _mpv = Mpv::start(&world, &["--start=20", &clip]);
    let hits = world.wait("another session", |hits| of_type(hits, "play").len() == 2);
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart", "sessionEnd"]);
    let start = of_type(&hits, "sessionStart")[1];
    assert_eq!(start.body["params"]["media.resume"], true);
    assert!((19.5..22.0).contains(&playhead(start)), "{}", playhead(start));
}

/// Serves one clip to everybody, once it may.
fn slow_server(clip_seconds: u32) -> (String, Arc<Barrier>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let may = Arc::new(Barrier::new(2));
    let waits = may.clone();
    std::thread::spawn(move || {
        for (nth, mut stream) in listener.incoming().flatten().enumerate() {
            let waits = waits.clone();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                if nth == 0 {
                    waits.wait();
                }
                let clip = clip(clip_seconds);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: {}\r\n\r\n",
                    clip.len()
                );
                let _ = stream.write_all(head.as_bytes());
                let _ = stream.write_all(&clip);
            });
        }
    });
    (format!("http://{address}/clip.wav"), may)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_a_slow_server_tells_late_makes_no_live_stream() {
    let world = World::start(CONFIG).await;
    let (url, may) = slow_server(60);
    let _mpv = Mpv::start(&world, &[&url]);
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
