//! A collector that means no good: answers that never come to their point. The bus is served all the
//! while, and a stop takes no longer (docs/behaviour.md 2.7).

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use common::{Agent, Bus, PATIENCE, Player, film, nothing};
use playheadd::bench::Collector;

/// What one connection got, and how many there were.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    bytes: AtomicU64,
    closed: AtomicUsize,
}

/// Answers each request with `beginning` and then `more`, as long as somebody reads.
fn endless(beginning: &'static [u8], more: &'static [u8]) -> (u16, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let seen = Arc::new(Seen::default());
    let told = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let told = told.clone();
            std::thread::spawn(move || answer(stream, beginning, more, &told));
        }
    });
    (port, seen)
}

fn answer(mut stream: TcpStream, beginning: &[u8], more: &[u8], seen: &Seen) {
    seen.connections.fetch_add(1, Ordering::Relaxed);
    let mut request = [0; 4096];
    if stream.read(&mut request).is_ok() && stream.write_all(beginning).is_ok() {
        let many = more.repeat(64);
        while stream.write_all(&many).is_ok() {
            seen.bytes.fetch_add(many.len() as u64, Ordering::Relaxed);
        }
    }
    seen.closed.fetch_add(1, Ordering::Relaxed);
}

/// A daemon that reports to such a collector, and a player that plays meanwhile.
/// It gives the request up because of `why`.
async fn play(beginning: &'static [u8], more: &'static [u8], why: &str) -> Arc<Seen> {
    let (bus, unused) = (Bus::start(), Collector::start());
    let (port, seen) = endless(beginning, more);
    let timeout = "[delivery]\nreconnect_spread_seconds = 0\nbacklog_ratio = 0\n";
    let mut agent = Agent::start(&bus, &unused, timeout).await;
    agent.stop();
    let text = common::config_text(&format!("http://127.0.0.1:{port}"), timeout);
    std::fs::write(agent.config(), text).expect("written");
    agent.start_again().await;
    let player = Player { connection: bus.connect().await };
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    // The agent answers the player while the collector talks, and lets go of the collector.
    let lets_go = async {
        let mut calls = tokio::time::interval(std::time::Duration::from_millis(30));
        while seen.closed.load(Ordering::Relaxed) == 0 {
            calls.tick().await;
            player.call(&session, "Playhead", 1.0, nothing()).await.expect("an answer");
        }
    };
    tokio::time::timeout(PATIENCE, lets_go).await.expect("the agent lets go");
    assert!(seen.connections.load(Ordering::Relaxed) > 0);
    assert!(agent.stop().success());
    assert!(agent.log().contains(why), "expected '{why}' in: {}", agent.log());
    seen
}

#[tokio::test]
async fn interim_answers_without_an_end_are_given_up() {
    let seen =
        play(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", "bytes came, and no answer")
            .await;
    let each = seen.bytes.load(Ordering::Relaxed) / seen.connections.load(Ordering::Relaxed) as u64;
    // 4 MiB, and what comes in half a second: a gigabyte on this machine's own network.
    assert!(each < 2 << 30, "{each} bytes were taken");
}

#[tokio::test]
async fn a_head_without_an_end_is_given_up() {
    let seen = play(
        b"HTTP/1.1 204 No Content\r\n",
        b"X-Padding: xxxxxxxxxxxxxxxxxxxxxxxx\r\n",
        "delivery failed",
    )
    .await;
    let each = seen.bytes.load(Ordering::Relaxed) / seen.connections.load(Ordering::Relaxed) as u64;
    assert!(each < 2 << 30, "{each} bytes were taken");
}
