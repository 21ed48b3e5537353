//! The door as a program: applications connect, and a real daemon on a real bus has their sessions.

mod scene;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use playhead_firebolt::apps::MAX_APPS;
use playhead_firebolt::server::{MAX_CONNECTIONS, MAX_MESSAGE};
use scene::{PATIENCE, Scene};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

fn code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or_default()
}

#[tokio::test]
async fn two_applications_play_at_a_time() {
    let Some(scene) = Scene::start(&[]).await else { return };
    let mut gateway = scene.connect("/").await;
    let mut own = scene.connect("/app/tv.example%2Eown").await;
    gateway.media_of("tv.example.first", "mediaPlay", "film").await;
    gateway.media_of("tv.example.first", "mediaLoadStart", "film").await;
    own.media("startContent", "show").await;
    own.media("mediaPlaying", "episode").await;
    scene
        .sees(&[("tv.example.first", "film", "starting"), ("tv.example.own", "show", "playing")])
        .await;
    gateway.media_of("tv.example.first", "mediaPlaying", "film").await;
    own.media("mediaWaiting", "episode").await;
    scene
        .sees(&[("tv.example.first", "film", "playing"), ("tv.example.own", "show", "buffering")])
        .await;
    gateway.media_of("tv.example.first", "mediaPause", "film").await;
    own.media("mediaPlaying", "episode").await;
    scene
        .sees(&[("tv.example.first", "film", "paused"), ("tv.example.own", "show", "playing")])
        .await;
    gateway.media_of("tv.example.first", "mediaEnded", "film").await;
    own.media("stopContent", "show").await;
    scene.sees(&[]).await;
}

#[tokio::test]
async fn positions_arrive_as_seconds() {
    let Some(scene) = Scene::start(&[]).await else { return };
    let mut app = scene.connect("/app/a").await;
    let length = json!({"entityId": "film", "playhead": {"length": 1000.0}});
    app.call("Metrics.mediaLoadStart", length).await;
    app.media("mediaPlaying", "film").await;
    app.media("mediaPause", "film").await;
    app.call("Metrics.mediaSeeking", json!({"entityId": "film", "target": 0.4})).await;
    app.call("Metrics.mediaSeeked", json!({"entityId": "film", "position": 0.41})).await;
    scene.until("410 s", async || scene.position("a", "film").await == Some(410.0)).await;
    app.call("Metrics.mediaProgress", json!({"entityId": "film", "progress": 77})).await;
    scene.until("77 s", async || scene.position("a", "film").await == Some(77.0)).await;
}

#[tokio::test]
async fn what_is_wrong_is_answered() {
    let Some(scene) = Scene::start(&[]).await else { return };
    let mut gateway = scene.connect("/").await;
    let rows = [
        ("Metrics.mediaRewind", json!({"context": {"appId": "a"}}), -32601),
        ("Device.name", json!({}), -32601),
        ("Metrics.mediaPlay", json!({"entityId": "film"}), -32602),
        ("Metrics.mediaPlay", json!({"entityId": "film", "context": 7}), -32602),
        ("Metrics.mediaPlay", json!({"entityId": "film", "context": {"appId": 7}}), -32602),
        ("Metrics.mediaPlay", json!({"context": {"appId": "a"}}), -32602),
        (
            "Metrics.mediaProgress",
            json!({"entityId": "film", "progress": -1, "context": {"appId": "a"}}),
            -32602,
        ),
    ];
    for (method, params, expected) in rows {
        let answer = gateway.ask(method, params).await;
        assert_eq!(code(&answer), expected, "{answer}");
    }
    gateway.send("{").await;
    assert_eq!(code(&gateway.hear().await), -32700);
    gateway.socket.send(Message::binary(vec![0xff, 0xfe])).await.expect("sent");
    assert_eq!(code(&gateway.hear().await), -32700);
    gateway.send("[]").await;
    assert_eq!(code(&gateway.hear().await), -32600);

    // Nobody speaks for another application.
    let mut own = scene.connect("/app/a").await;
    let other = json!({"entityId": "film", "context": {"appId": "b"}});
    assert_eq!(code(&own.ask("Metrics.mediaPlay", other).await), -32602);
    let same = json!({"entityId": "film", "context": {"appId": "a"}});
    own.call("Metrics.mediaPlay", same).await;
    scene.sees(&[("a", "film", "starting")]).await;
}

#[tokio::test]
async fn batches_notifications_and_binary_frames() {
    let Some(scene) = Scene::start(&[]).await else { return };
    let mut app = scene.connect("/app/a").await;
    app.send(
        r#"[{"jsonrpc":"2.0","id":1,"method":"Metrics.mediaLoadStart","params":{"entityId":"film"}},
            {"jsonrpc":"2.0","method":"Metrics.mediaPlaying","params":{"entityId":"film"}},
            {"jsonrpc":"2.0","id":2,"method":"Metrics.mediaPlaying","params":{}}]"#,
    )
    .await;
    let answers = app.hear().await;
    assert_eq!(answers.as_array().map(Vec::len), Some(2), "{answers}");
    assert_eq!(answers[0], json!({"jsonrpc": "2.0", "id": 1, "result": null}));
    assert_eq!((answers[1]["id"].clone(), code(&answers[1])), (json!(2), -32602));
    scene.sees(&[("a", "film", "playing")]).await;
    // A notification is carried out and not answered: the next answer is to the next call.
    let pause = r#"{"jsonrpc":"2.0","method":"Metrics.mediaPause","params":{"entityId":"film"}}"#;
    app.socket.send(Message::binary(pause.as_bytes().to_vec())).await.expect("sent");
    app.call("Metrics.page", json!({"pageId": "x"})).await;
    scene.sees(&[("a", "film", "paused")]).await;
}

#[tokio::test]
async fn an_application_goes_to_the_background_and_comes_back() {
    let Some(scene) = Scene::start(&[]).await else { return };
    let mut gateway = scene.connect("/").await;
    let context = json!({"context": {"appId": "a"}});
    gateway.media_of("a", "mediaPlaying", "film").await;
    scene.sees(&[("a", "film", "playing")]).await;
    gateway.call("Lifecycle.onBackground", context.clone()).await;
    scene.sees(&[("a", "film", "background")]).await;
    gateway.call("Lifecycle.onForeground", context.clone()).await;
    scene.sees(&[("a", "film", "playing")]).await;
    let change = json!({"context": {"appId": "a"}, "newState": "suspended", "oldState": "active"});
    gateway.call("Lifecycle2.onStateChanged", change).await;
    scene.sees(&[("a", "film", "background")]).await;
    gateway.media_of("a", "mediaPlaying", "film").await;
    scene.sees(&[("a", "film", "playing")]).await;
}

#[tokio::test]
async fn an_application_that_plays_in_the_background() {
    let Some(scene) = Scene::start(&["--background-playback"]).await else { return };
    let mut app = scene.connect("/app/a").await;
    app.media("mediaPlaying", "film").await;
    scene.sees(&[("a", "film", "playing")]).await;
    app.call("Lifecycle.onBackground", json!({})).await;
    app.call("Metrics.mediaRateChanged", json!({"entityId": "film", "rate": 2})).await;
    app.media("mediaPause", "film").await;
    app.media("mediaPlaying", "film").await;
    scene.sees(&[("a", "film", "playing")]).await;
    app.call("Lifecycle.onSuspended", json!({})).await;
    scene.until("a pause", async || scene.sessions().await[0].2 != "playing").await;
}

/// An application that is unloaded has vanished, and so has one whose connection is gone.
#[tokio::test]
async fn an_application_that_is_gone() {
    let Some(scene) = Scene::with_grace(&[], 1).await else { return };
    let before = scene.connections().await;
    let mut app = scene.connect("/app/a").await;
    app.media("mediaPlaying", "film").await;
    let mut gateway = scene.connect("/").await;
    gateway.media_of("b", "mediaPlaying", "news").await;
    scene.sees(&[("a", "film", "playing"), ("b", "news", "playing")]).await;
    assert_eq!(scene.connections().await, before + 2);
    app.leave().await;
    scene.sees(&[("b", "news", "playing")]).await;
    gateway.call("Lifecycle.onUnloading", json!({"context": {"appId": "b"}})).await;
    scene.sees(&[]).await;
    scene.until("no connection", async || scene.connections().await == before).await;
    // It comes again, and goes on where it was.
    gateway.media_of("b", "mediaPlaying", "news").await;
    scene.sees(&[("b", "news", "playing")]).await;
}

/// The agent sees a player vanish, which is paused until its grace is over, and not one that ends.
#[tokio::test]
async fn what_is_gone_has_not_ended() {
    let Some(scene) = Scene::start(&[]).await else { return };
    let mut app = scene.connect("/app/a").await;
    app.media("mediaPlaying", "film").await;
    let mut gateway = scene.connect("/").await;
    gateway.media_of("b", "mediaPlaying", "news").await;
    scene.sees(&[("a", "film", "playing"), ("b", "news", "playing")]).await;
    app.leave().await;
    gateway.call("Lifecycle.onUnloading", json!({"context": {"appId": "b"}})).await;
    scene.sees(&[("a", "film", "paused"), ("b", "news", "paused")]).await;
}

#[tokio::test]
async fn a_second_connection_of_an_application_keeps_it() {
    let Some(scene) = Scene::with_grace(&[], 1).await else { return };
    let mut first = scene.connect("/app/a").await;
    let second = scene.connect("/app/a").await;
    first.media("mediaPlaying", "film").await;
    scene.sees(&[("a", "film", "playing")]).await;
    let paths = scene.paths().await;
    second.leave().await;
    // What comes after the end of the second is heard, and of the same session.
    first.media("mediaPause", "film").await;
    scene.sees(&[("a", "film", "paused")]).await;
    assert_eq!(scene.paths().await, paths);
    first.leave().await;
    scene.sees(&[]).await;
}

#[tokio::test]
async fn a_gateway_that_does_not_come_back() {
    let Some(scene) = Scene::with_grace(&["--gateway-grace", "1"], 1).await else { return };
    let mut gateway = scene.connect("/").await;
    gateway.media_of("a", "mediaPlaying", "film").await;
    scene.sees(&[("a", "film", "playing")]).await;
    gateway.leave().await;
    scene.sees(&[]).await;
}

#[tokio::test]
async fn a_gateway_that_comes_back() {
    let Some(scene) = Scene::start(&[]).await else { return };
    let mut gateway = scene.connect("/").await;
    gateway.media_of("a", "mediaPlaying", "film").await;
    scene.sees(&[("a", "film", "playing")]).await;
    gateway.leave().await;
    let mut gateway = scene.connect("/").await;
    gateway.media_of("a", "mediaPause", "film").await;
    scene.sees(&[("a", "film", "paused")]).await;
}

/// What is called while the agent is away is answered at once, and the agent hears it later.
#[tokio::test]
async fn the_agent_is_away() {
    let Some(mut scene) = Scene::start(&[]).await else { return };
    let mut app = scene.connect("/app/a").await;
    app.media("mediaPlaying", "film").await;
    scene.sees(&[("a", "film", "playing")]).await;
    scene.kill_daemon().await;
    app.media("mediaPause", "film").await;
    app.call("Lifecycle.onBackground", json!({})).await;
    app.call("Lifecycle.onForeground", json!({})).await;
    app.media("mediaEnded", "film").await;
    app.media("mediaPlaying", "next").await;
    scene.start_daemon().await;
    scene.sees(&[("a", "next", "playing")]).await;
}

/// The door ends what it had open when it is told to stop.
#[tokio::test]
async fn the_door_stops() {
    let Some(mut scene) = Scene::start(&[]).await else { return };
    let mut app = scene.connect("/app/a").await;
    app.media("mediaPlaying", "film").await;
    scene.sees(&[("a", "film", "playing")]).await;
    scene.door.signal("-TERM");
    let status = scene.door.0.wait().expect("its end");
    assert!(status.success(), "{status}");
    assert_eq!(scene.sessions().await, []);
}

#[tokio::test]
async fn who_may_connect() {
    let Some(scene) = Scene::start(&["--allow-origin", "https://app.example"]).await else {
        return;
    };
    let status =
        async |path: &str, headers: &[(&str, &str)]| match scene.try_connect(path, headers).await {
            Ok(caller) => {
                caller.leave().await;
                101
            }
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{path}: {error}"),
        };
    let long = format!("/app/{}", "x".repeat(257));
    for (path, expected) in [
        ("/", 101),
        ("/app/tv.example", 101),
        ("/app/", 404),
        ("/app/%", 404),
        ("/app/%0A", 404),
        ("/app/%FF", 404),
        (&long, 404),
        ("/jsonrpc", 404),
    ] {
        assert_eq!(status(path, &[]).await, expected, "{path}");
    }
    assert_eq!(status("/", &[("origin", "https://app.example")]).await, 101);
    assert_eq!(status("/", &[("origin", "https://other.example")]).await, 403);
    assert_eq!(status("/", &[("origin", "")]).await, 101);
    let offered = [("sec-websocket-protocol", "json, jsonrpc")];
    let caller = scene.try_connect("/", &offered).await.expect("a connection");
    assert_eq!(caller.protocol.as_deref(), Some("jsonrpc"));
}

/// Thunder's own client masks its frames only if it is told to.
#[tokio::test]
async fn frames_without_a_mask() {
    let Some(scene) = Scene::start(&[]).await else { return };
    let app = scene.connect("/app/a").await;
    let mut stream = app.socket.into_inner();
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"mediaPlay","params":{"entityId":"film"}}"#;
    stream.write_all(&[0x81, call.len() as u8]).await.expect("sent");
    stream.write_all(call.as_bytes()).await.expect("sent");
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.expect("an answer");
    assert_eq!(head[0], 0x81, "a text");
    scene.sees(&[("a", "film", "starting")]).await;
}

#[tokio::test]
async fn a_message_has_a_bound() {
    let Some(scene) = Scene::start(&[]).await else { return };
    let mut app = scene.connect("/app/a").await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"Metrics.page","params":{"pageId":"x"}}"#;
    let of_bytes = |bytes: usize| format!("{call}{}", " ".repeat(bytes - call.len()));
    app.send(of_bytes(MAX_MESSAGE)).await;
    assert_eq!(app.hear().await["result"], Value::Null);
    app.send(of_bytes(MAX_MESSAGE + 1)).await;
    let frame = app.closed().await.expect("a reason");
    assert_eq!(frame.code, CloseCode::Size);
    assert!(frame.reason.contains("65536 bytes"), "{}", frame.reason);
}

#[tokio::test]
async fn connections_have_a_bound() {
    let Some(scene) = Scene::start(&[]).await else { return };
    let mut callers = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        callers.push(scene.connect("/").await);
    }
    // A full handshake is refused; one that is never made, too.
    let mut stream = TcpStream::connect(&scene.host).await.expect("the door listens");
    let mut said = String::new();
    stream.read_to_string(&mut said).await.expect("an answer");
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    // The place of one that leaves is free.
    callers.pop().expect("a connection").leave().await;
    let free = async || scene.try_connect("/", &[]).await.is_ok();
    scene.until("a free place", free).await;
}

/// Who connects and says nothing keeps no place.
#[tokio::test]
async fn a_handshake_has_a_limit() {
    let Some(scene) = Scene::start(&[]).await else { return };
    let mut stream = TcpStream::connect(&scene.host).await.expect("the door listens");
    stream.write_all(b"GET / HTTP/1.1\r\n").await.expect("sent");
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    closed.expect("it is closed").ok();
}

#[tokio::test]
async fn applications_have_a_bound() {
    let Some(scene) = Scene::start(&[]).await else { return };
    let mut gateway = scene.connect("/").await;
    // Those that play nothing give way.
    for number in 0..=MAX_APPS {
        gateway.media_of(&format!("idle-{number}"), "stopContent", "film").await;
    }
    for number in 0..MAX_APPS {
        gateway.media_of(&format!("app-{number:02}"), "mediaPlaying", "film").await;
    }
    let params = json!({"entityId": "film", "context": {"appId": "one-more"}});
    let answer = gateway.ask("metrics.mediaPlaying", params).await;
    assert_eq!(code(&answer), -32000, "{answer}");
    gateway.media_of("app-00", "mediaEnded", "film").await;
    gateway.media_of("one-more", "mediaPlaying", "film").await;
    scene.until("their sessions", async || scene.sessions().await.len() == MAX_APPS).await;
}

/// One application that says too much is refused, and the others are not.
#[tokio::test]
async fn calls_have_a_rate() {
    let Some(scene) = Scene::start(&[]).await else { return };
    let mut gateway = scene.connect("/").await;
    let call = |app: &str| {
        json!({"jsonrpc": "2.0", "id": 1, "method": "Metrics.page",
            "params": {"pageId": "x", "context": {"appId": app}}})
    };
    let many: Vec<Value> = (0..64).map(|_| call("loud")).collect();
    let mut refused = 0;
    for _ in 0..8 {
        gateway.send(Value::from(many.clone()).to_string()).await;
        let answers = gateway.hear().await;
        let answers = answers.as_array().expect("answers").clone();
        refused += answers.iter().filter(|answer| code(answer) == -32000).count();
    }
    assert!(refused > 0, "512 calls at once, and none was too much");
    gateway.call("Metrics.page", json!({"pageId": "x", "context": {"appId": "quiet"}})).await;
}

#[tokio::test]
async fn on_a_unix_socket() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("door");
    // One that nobody serves is left over.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    let listen = format!("unix:{}", path.display());
    let door = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_playhead-firebolt"));
        command.args(["--listen", &listen, "--bus-address", "unix:path=/nonexistent"]);
        command
    };
    let mut running = door().stdout(std::process::Stdio::piped()).spawn().expect("the door");
    let mut line = String::new();
    let out = running.stdout.take().expect("a pipe");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("a line");
    let running = scene::Process(running);
    assert_eq!(line.trim(), format!("listening on ws+unix://{}", path.display()));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&path).expect("the socket").permissions(),
    );
    assert_eq!(mode & 0o777, 0o660);

    // It is served without a bus, too, and not by a second door.
    let stream = UnixStream::connect(&path).await.expect("a connection");
    let handshake = tokio_tungstenite::client_async("ws://door/app/a", stream).await;
    let (mut socket, _) = handshake.expect("a WebSocket");
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"mediaPlay","params":{"entityId":"film"}}"#;
    socket.send(Message::text(call)).await.expect("sent");
    let answer = tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time");
    let answer = answer.expect("an answer").expect("a message").into_text().expect("text");
    assert_eq!(answer.as_str(), r#"{"id":1,"jsonrpc":"2.0","result":null}"#);
    let second = door().output().expect("the door");
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use"), "{second:?}");
    drop(running);

    // A file that is no socket stays.
    std::fs::remove_file(&path).expect("removed");
    std::fs::write(&path, "mine").expect("written");
    assert_eq!(door().output().expect("the door").status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "mine");
}

/// An application that reads no answers is left, and no other waits for it.
#[tokio::test]
async fn a_peer_that_does_not_read() {
    let Some(scene) = Scene::start(&[]).await else { return };
    let mut deaf = scene.connect("/app/deaf").await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"Metrics.none","params":{}}"#;
    let batch = format!("[{}]", vec![call; 64].join(","));
    // Answers are longer than calls, so the door's own buffers fill up and it stops to read.
    let stuck = async {
        loop {
            deaf.send(batch.clone()).await;
        }
    };
    let other = async {
        let mut app = scene.connect("/app/a").await;
        app.media("mediaPlaying", "film").await;
        scene.sees(&[("a", "film", "playing")]).await;
        app
    };
    let mut app = tokio::select! {
        () = stuck => unreachable!("it sends for ever"),
        app = other => app,
    };
    tokio::time::timeout(Duration::from_secs(60), app.media("mediaPause", "film"))
        .await
        .expect("nobody waits for the deaf one");
    scene.sees(&[("a", "film", "paused")]).await;
}
