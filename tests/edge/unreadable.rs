//! Answers that cannot be read (edge 7.1): a body that is no JSON, one that is too long, one without an
//! end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::box_and_collector::{
    as_sent, ctl, ended, last_error, nothing_waits, play, rules, start,
    tells_nobody_what_was_watched,
};
use crate::common::{
    AGENT, AGENT_PATH, Agent, Bus, Kind, PATIENCE, Player, config_text_of, film, nothing, types,
};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_start_whose_answer_cannot_be_read_is_tried_again() {
    let scene = start("").await;
    let player = scene.world.player().await;
    let session = json!({"type": "media-analytics:new-session", "payload": [{"sessionId": ID}]});
    // The session stands behind what is read of a body.
    let long = json!({"handle": [{"type": "x".repeat(64 * 1024)}, session]}).to_string();
    let cut = json!({"handle": [session]}).to_string();
    let bodies = ["<html>The Secret Film</html>", "", &long, &cut[..cut.len() - 1], "[]", "null"];
    for (n, body) in bodies.into_iter().enumerate() {
        scene.world.collector.clear();
        rules(&scene, &json!([{"on": "sessions", "body": body}]));
        play(&player, "ep-1", &["Play"]).await;
        last_error(&scene, &["delivery fails", "200"]).await;
        tells_nobody_what_was_watched(&scene).await;
        scene.world.collector.set_rules(Vec::new());
        assert_eq!(ctl(&scene, &["flush"]).0, 0);
        let sid = format!("S{}", n + 1);
        let hits = ended(&scene, &sid);
        assert_eq!(types(&hits, &sid), ["sessionStart", "play", "sessionEnd"], "{n}");
        nothing_waits(&scene).await;
    }
    assert_eq!(scene.count("DroppedHits").await, 0);
}

#[tokio::test]
async fn a_session_before_much_that_is_not_read_is_none() {
    // 64 KiB are read, and what is cut off is no JSON.
    let scene = start("").await;
    let session = json!({"type": "media-analytics:new-session", "payload": [{"sessionId": ID}]});
    let body = json!({"handle": [session], "state": "x".repeat(64 * 1024)}).to_string();
    rules(&scene, &json!([{"on": "sessions", "times": 1, "body": body}]));
    play(&scene.world.player().await, "ep-1", &["Play"]).await;
    ended(&scene, "S1");
    assert_eq!(as_sent(&scene).iter().filter(|r| r.path.contains("sessionStart")).count(), 2);
    assert_eq!(scene.count("DroppedHits").await, 0);
}

#[tokio::test]
async fn an_event_is_taken_whatever_else_the_answer_says() {
    let scene = start("").await;
    let body = "x".repeat(100_000);
    rules(&scene, &json!([{"on": "events", "status": 200, "body": body}]));
    play(&scene.world.player().await, "ep-1", &["Play"]).await;
    let hits = ended(&scene, "S1");
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "sessionEnd"]);
    nothing_waits(&scene).await;
}

/// A collector that answers every request with 200 and a body without an end. Counts the connections
/// that the agent has ended.
fn endless() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let ended = Arc::new(AtomicUsize::new(0));
    let told = ended.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let told = told.clone();
            std::thread::spawn(move || {
                talk(stream);
                told.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    (port, ended)
}

fn talk(mut stream: TcpStream) {
    let mut request = [0; 8192];
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n11\r\n{\"handle\": [{}, {\r\n";
    if stream.read(&mut request).is_err() || stream.write_all(head.as_bytes()).is_err() {
        return;
    }
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    while stream.write_all(chunk.as_bytes()).is_ok() {}
}

#[tokio::test]
async fn a_body_without_an_end_is_given_up_and_the_start_kept() {
    let bus = Bus::start();
    let (port, ended) = endless();
    let text = config_text_of(Kind::MediaEdge, &format!("http://127.0.0.1:{port}"), "");
    let mut agent = Agent::start_configured(&bus.dir.path().join("state"), &bus, &text).await;
    let player = Player { connection: bus.connect().await };
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    let lets_go = async {
        let mut calls = tokio::time::interval(std::time::Duration::from_millis(30));
        while ended.load(Ordering::Relaxed) < 2 {
            calls.tick().await;
            player.call(&session, "Playhead", 1.0, nothing()).await.expect("an answer");
        }
    };
    tokio::time::timeout(PATIENCE, lets_go).await.expect("the agent lets go, and tries again");
    // The play is held back for the first 250 ms of a session, which three quick tries can be within.
    let kept = async {
        let queued = || player.property(AGENT_PATH, AGENT, "QueuedHits");
        while u64::try_from(queued().await).expect("a number") < 2 {
            player.call(&session, "Playhead", 1.0, nothing()).await.expect("an answer");
        }
    };
    tokio::time::timeout(PATIENCE, kept).await.expect("both hits are kept");
    assert!(agent.stop().success());
}
