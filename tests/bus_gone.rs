//! The bus daemon dies or cuts us off: the daemon writes out, says so and leaves; started again it goes
//! on with its sessions.

mod common;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use common::{World, film, nothing, of_type, playhead, types};

const LOST: &str = "the connection to the bus is lost; everything is written, start me again";

/// A socket between the daemon and its bus, which can be cut.
struct Wire {
    address: String,
    streams: Arc<Mutex<Vec<UnixStream>>>,
}

impl Wire {
    fn new(at: PathBuf, bus: PathBuf) -> Wire {
        let listener = UnixListener::bind(&at).expect("a socket");
        let streams: Arc<Mutex<Vec<UnixStream>>> = Arc::default();
        let kept = streams.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = UnixStream::connect(&bus).expect("the bus");
                pump(&near, &far);
                pump(&far, &near);
                kept.lock().expect("the streams").extend([near, far]);
            }
        });
        Wire { address: format!("unix:path={}", at.display()), streams }
    }

    fn cut(&self) {
        for stream in self.streams.lock().expect("the streams").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pump(from: &UnixStream, to: &UnixStream) {
    let (mut from, mut to) =
        (from.try_clone().expect("a stream"), to.try_clone().expect("a stream"));
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut bytes) {
            if to.write_all(&bytes[..n]).is_err() {
                return;
            }
        }
    });
}

#[tokio::test]
async fn cut_off_from_the_bus_it_leaves_and_goes_on_with_the_same_session() {
    let mut world = World::start("").await;
    let dir = world.bus.dir.path();
    let wire = Wire::new(dir.join("wire"), dir.join("bus"));
    assert!(world.agent.stop().success());
    world.agent.address.clone_from(&wire.address);
    world.agent.start_again().await;

    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
    player.call(&session, "BufferStart", 30.0, nothing()).await.expect("buffering");
    wire.cut();
    assert_eq!(world.agent.end().code(), Some(1));
    assert!(world.agent.log().contains(LOST), "{}", world.agent.log());
    // The journal has an entry that says what it means (systemd/playheadd.catalog).
    assert!(world.agent.log().contains("ERROR the connection to the bus is lost; stopping"));

    world.agent.start_again().await;
    player.call(&session, "Play", 30.0, nothing()).await.expect("the same session");
    player.call(&session, "End", 60.0, nothing()).await.expect("its end");
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    let sid = of_type(&hits, "play")[0].sid.clone().expect("a sid");
    assert_eq!(types(&hits, &sid), ["sessionStart", "play", "bufferStart", "play", "sessionEnd"]);
    assert_eq!(of_type(&hits, "sessionStart").len(), 1);
}

#[tokio::test]
async fn a_bus_that_died_has_lost_the_player_and_nothing_else() {
    let mut world = World::start("").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    player.call(&session, "Pause", 120.0, nothing()).await.expect("pause");
    world.bus.start_again();
    assert_eq!(world.agent.end().code(), Some(1));
    assert!(world.agent.log().contains(LOST), "{}", world.agent.log());

    world.agent.watcher = world.bus.connect().await;
    world.agent.address.clone_from(&world.bus.address);
    world.agent.start_again().await;
    let player = world.player().await;
    player.open(-1.0, film("ep-1")).await.expect("a session");
    let hits = world.wait("the old end and the new start", |hits| {
        of_type(hits, "sessionStart").len() == 2 && of_type(hits, "sessionEnd").len() == 1
    });
    let starts = of_type(&hits, "sessionStart");
    assert_eq!(starts[0].body["params"]["media.resume"], false);
    assert_eq!(starts[1].body["params"]["media.resume"], true);
    assert_eq!(playhead(starts[1]), 120.0);
    assert_eq!(playhead(of_type(&hits, "sessionEnd")[0]), 120.0);
}
