//! `playheadctl monitor`: what holds hits back, what would be sent, and what is refused.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc;

use playheadd::bench::Collector;
use serde_json::Value;

use crate::common::disk::set_consent;
use crate::common::{
    AGENT, AGENT_PATH, Agent, Bus, Kind, PATIENCE, Player, SESSION, World, collector_config_text,
    film, json, nothing,
};
use crate::scene::{QUIET, command, paused, plays, wait_for};

/// A monitor that is killed with its test, and its lines.
struct Monitor {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Monitor {
    /// It has shown its first line: from now on nothing is missed.
    fn start(world: &World, arguments: &[&str]) -> (Monitor, String) {
        let mut command = command(&world.bus.address, arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("playheadctl");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (said, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = said.send(line);
            }
        });
        let monitor = Monitor { child, lines };
        let first = monitor.lines.recv_timeout(PATIENCE).expect("a first line");
        (monitor, first)
    }

    fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.all_until(wanted).pop().expect("the last one")
    }

    fn all_until(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            seen.push(json(&line));
            if wanted(&seen[seen.len() - 1]) {
                return seen;
            }
        }
        panic!("the monitor has shown {seen:#?} only");
    }

    /// The line that says that something of this name was refused.
    fn refused(&self, event: &str) -> (String, String) {
        let line = self.until(|line| line["event"] == event && !line["refused"].is_null());
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        (text("from"), text("refused"))
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn name(player: &Player) -> String {
    player.connection.unique_name().expect("a name").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_begins_with_the_state_of_delivery() {
    let world = World::start(QUIET).await;
    let (_idle, first) = Monitor::start(&world, &["monitor", "--json"]);
    let first = json(&first);
    assert_eq!((&first["what"], &first["state"]), (&"state".into(), &"idle".into()));
    set_consent(&world.player().await, "unknown").await.expect("unknown");
    let _player = plays(&world, "ep-1").await;
    wait_for(&world, 3).await;
    let (_held, first) = Monitor::start(&world, &["monitor"]);
    let words = "waiting-consent               3 hits wait; waits for the viewer's consent: \
                 `playheadctl consent in`, or consent.initial in the configuration";
    assert!(first.ends_with(words), "{first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_what_would_be_sent_and_when_a_hold_begins_and_ends() {
    let world = World::start(QUIET).await;
    let (monitor, _) = Monitor::start(&world, &["monitor", "--json"]);
    let manager = world.player().await;
    set_consent(&manager, "unknown").await.expect("unknown");
    let state = monitor.until(|line| line["what"] == "state");
    assert_eq!(state["state"], "waiting-consent");
    let (player, session) = plays(&world, "ep-1").await;
    let held = |kind: &str| {
        let line = monitor.until(|line| line["body"]["eventType"] == kind);
        assert_eq!((&line["what"], &line["held"]), (&"hit".into(), &"waiting-consent".into()));
        assert!(line.get("id").is_none(), "{line}");
        line
    };
    let start = held("sessionStart");
    assert_eq!(start["path"], "/api/v1/sessions");
    assert_eq!(start["body"]["params"]["media.id"], "ep-1");
    assert_eq!(held("play")["path"], "/api/v1/sessions/-/events");
    held("pauseStart");
    assert!(world.collector.hits().is_empty(), "nothing is sent");
    set_consent(&manager, "in").await.expect("in");
    let state = monitor.until(|line| line["what"] == "state");
    assert_eq!(state["state"], "working");
    // All is delivered, and what comes then is delivered too: that is no news.
    paused(&world, 1).await;
    player.call(&session, "End", 6.0, nothing()).await.expect("the end");
    let shown = monitor.all_until(|line| line["body"]["eventType"] == "sessionEnd");
    assert!(shown.iter().all(|line| line.get("held").is_none()), "{shown:#?}");
    assert!(shown.iter().all(|line| line["what"] != "state"), "no news: {shown:#?}");
    assert!(shown[shown.len() - 1]["id"].is_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_of_media_edge_are_as_readable() {
    let (bus, collector) = (Bus::start(), Collector::start());
    let kind = "kind = \"media-edge\"\nallow_plain_http = true\n";
    let edge = "[edge]\ndatastream_id = \"3d2c9a54-5f0e-4a6b-9c1d-7e8f90a1b2c3\"\n";
    let text = collector_config_text(&collector.url(), kind, &format!("{QUIET}{edge}"));
    let agent = Agent::start_configured(&bus.dir.path().join("state"), &bus, &text).await;
    let world = World { agent, collector, bus };
    let (monitor, _) = Monitor::start(&world, &["monitor"]);
    let (player, session) = plays(&world, "ep-1").await;
    player.call(&session, "End", 6.0, nothing()).await.expect("the end");
    // What it was, whose it is, and what it says; an answer has no more than its status.
    let mut shown = Vec::new();
    while shown.iter().filter(|line: &&String| line.starts_with("answer")).count() < 4 {
        let line = monitor.lines.recv_timeout(PATIENCE).expect("a line");
        let words: Vec<&str> = line.split_whitespace().skip(1).take(4).collect();
        match words[..] {
            ["hit", ..] => shown.push(words.join(" ")),
            ["answer", who, status, _] => shown.push(format!("answer {who} {status}")),
            _ => {}
        }
    }
    let hits = world.collector.hits();
    let id = hits[1].body["events"][0]["xdm"]["mediaCollection"]["sessionID"].as_str();
    let id = &id.expect("an id")[..8];
    let mut expected =
        vec!["hit sessions sessionStart 0.0".to_owned(), "answer sessions 200".into()];
    for hit in ["play 0.0", "pauseStart 5.0", "sessionEnd 6.0"] {
        expected.extend([format!("hit {id} {hit}"), format!("answer {id} 204")]);
    }
    assert_eq!(shown, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_every_refusal_with_its_sender() {
    let world = World::start(QUIET).await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    let (monitor, _) = Monitor::start(&world, &["monitor", "--json"]);
    let me = name(&player);
    let connection = &player.connection;
    let shown = |event: &str, part: &str| {
        let (from, why) = monitor.refused(event);
        assert_eq!(from, me, "{event}: {why}");
        assert!(why.contains(part), "{event}: {why}");
    };

    // Signals have no answer.
    player.emit("/p", "AdComplete", 1.0, nothing()).await;
    shown("AdComplete", "session");
    let signal = |member: &'static str| {
        connection.emit_signal(None::<&str>, "/p", "tv.playhead.Player1", member, &"text")
    };
    signal("Play").await.expect("a signal");
    shown("Play", "Play takes (da{sv}), got (s)");

    // Calls that are none.
    for (path, interface, member, event, part) in [
        (AGENT_PATH, AGENT, "OpenSession", "OpenSession", "OpenSession takes (da{sv}), got (s)"),
        (AGENT_PATH, AGENT, "SetConsent", "SetConsent", "consent is 'in', 'out' or 'unknown'"),
        (session.as_str(), SESSION, "Pause", "Pause", "Pause takes (da{sv}), got (s)"),
        (AGENT_PATH, AGENT, "OpenSesion", "UnknownMethod", "OpenSesion"),
        (session.as_str(), SESSION, "Pose", "UnknownMethod", "Pose"),
        (AGENT_PATH, "tv.playhead.Agent2", "OpenSession", "UnknownInterface", "tv.playhead.Agent2"),
        ("/tv/playhead/Agent1/session/77", SESSION, "Play", "UnknownObject", "session/77"),
        (AGENT_PATH, "tv.playhead.Monitor1", "List", "List", "got 'text'"),
    ] {
        let body = "text";
        let called =
            connection.call_method(Some(AGENT), path, Some(interface), member, &body).await;
        called.expect_err("refused");
        shown(event, part);
    }
    // A long read is turned away at the door.
    let long = "x".repeat(10_000);
    let properties = Some("org.freedesktop.DBus.Properties");
    let asked = connection.call_method(Some(AGENT), AGENT_PATH, properties, "GetAll", &long).await;
    asked.expect_err("refused");
    shown("GetAll", "bytes");
}

/// The event of a request to Media Edge, without `media.`.
fn edge_event(line: &Value) -> &str {
    let event = line["body"]["events"][0]["xdm"]["eventType"].as_str();
    event.and_then(|event| event.strip_prefix("media.")).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_hits_of_media_edge_that_are_held_and_sent() {
    let world = World::start_with(Kind::MediaEdge, QUIET).await;
    let (monitor, _) = Monitor::start(&world, &["monitor", "--json"]);
    let manager = world.player().await;
    set_consent(&manager, "unknown").await.expect("unknown");
    let (player, session) = plays(&world, "ep-1").await;
    for event in ["sessionStart", "play", "pauseStart"] {
        let held = monitor.until(|line| edge_event(line) == event);
        assert_eq!(held["held"], "waiting-consent", "{held}");
        let path = held["path"].as_str().expect("a path");
        assert!(path.starts_with(&format!("/ee/va/v1/{event}?configId=")), "no hint yet: {path}");
    }
    set_consent(&manager, "in").await.expect("in");
    paused(&world, 1).await;
    player.call(&session, "End", 6.0, nothing()).await.expect("the end");
    let shown = monitor.all_until(|line| edge_event(line) == "sessionEnd");
    let sent: Vec<&str> = shown.iter().map(edge_event).filter(|event| !event.is_empty()).collect();
    assert_eq!(sent, ["sessionStart", "play", "pauseStart", "sessionEnd"], "{shown:#?}");
    let answers = shown.iter().filter(|line| line["what"] == "answer");
    let answers: Vec<_> = answers.map(|line| line["status"].as_u64().expect("a status")).collect();
    assert_eq!(answers, [200, 204, 204], "{shown:#?}");
}
