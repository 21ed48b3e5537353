//! A box that reports to a collector of Media Edge, and what is looked at there.

use std::process::Command;

use playheadd::bench::{Authority, Record, Tls};
use serde_json::{Value, json};

use crate::common::{AGENT, AGENT_PATH, Info, Kind, Player, film, nothing, of_type};
use crate::scene::{HERE, Scene};

/// What the `type` of every problem begins with (edge 7.3).
const PREFIX: &str = "https://ns.adobe.com/aep/errors/";
/// What was watched, as a problem document may quote it.
pub const QUOTED: &str = "The Secret Film";

/// Bus, daemon and a collector that speaks TLS.
pub async fn start(more: &str) -> Scene {
    let authority = Authority::new();
    let tls = Tls::new(authority.server(HERE));
    let kind = Kind::MediaEdge;
    let more = kind.sections(more);
    Scene::with(authority, tls, |c| (c.url(), kind.key().to_owned()), &more).await
}

pub fn rules(scene: &Scene, rules: &Value) {
    scene.world.collector.set_rules_json(&rules.to_string()).expect("rules");
}

/// A session that goes on, with these events at 5 s.
pub async fn playing(
    player: &Player,
    media: &'static str,
    events: &[&str],
) -> zbus::OwnedObjectPath {
    let session = player.open(0.0, film(media)).await.expect("a session");
    for event in events {
        let info = match *event {
            "Error" => Info::from([("id", "E1".into())]),
            "StateStart" => Info::from([("name", "mute".into())]),
            _ => nothing(),
        };
        player.call(&session, event, 5.0, info).await.expect(event);
    }
    session
}

/// A session from its start to its end.
pub async fn play(player: &Player, media: &'static str, events: &[&str]) {
    let session = playing(player, media, events).await;
    player.call(&session, "End", 5.0, nothing()).await.expect("end");
}

/// Waits until the session of this sid has ended at the collector.
pub fn ended(scene: &Scene, sid: &str) -> Vec<Record> {
    scene.world.wait(&format!("the end of {sid}"), |hits| {
        of_type(hits, "sessionEnd").iter().any(|r| r.sid.as_deref() == Some(sid) && r.counted)
    })
}

pub fn statuses(records: &[&Record]) -> Vec<Option<u16>> {
    records.iter().map(|record| record.status).collect()
}

/// A problem document of this name whose details quote what was watched.
pub fn problem(name: &str, status: u16) -> Value {
    json!({
        "type": format!("{PREFIX}{name}"), "status": status, "title": "A title",
        "detail": format!("about {QUOTED}"),
        "report": {"requestId": "r", "details": [
            {"name": "$.events[0].xdm.mediaCollection", "reason": format!("not {QUOTED}")},
        ]},
    })
}

/// The answer of edge 7.2 with these errors, without a session.
pub fn without_session(errors: &[Value]) -> Value {
    json!({"requestId": "r", "handle": [], "errors": errors})
}

/// The count of dropped hits, once it is so.
pub async fn dropped(scene: &Scene, hits: u64) {
    scene.until("so many dropped", async || scene.count("DroppedHits").await == hits).await;
}

/// Nothing waits any more.
pub async fn nothing_waits(scene: &Scene) {
    scene.until("nothing waits", async || scene.count("QueuedHits").await == 0).await;
}

pub async fn text(scene: &Scene, property: &str) -> String {
    let value = scene.world.player().await.property(AGENT_PATH, AGENT, property).await;
    String::try_from(value).expect("text")
}

/// Waits until `LastError` has all of these words.
pub async fn last_error(scene: &Scene, words: &[&str]) -> String {
    let says = async || {
        let text = text(scene, "LastError").await;
        words.iter().all(|word| text.contains(word))
    };
    scene.until(&format!("{words:?} in LastError"), says).await;
    text(scene, "LastError").await
}

/// What everybody may read tells nothing of what was watched, whatever the collector quotes.
pub async fn tells_nobody_what_was_watched(scene: &Scene) {
    let player = scene.world.player().await;
    let answer = player
        .connection
        .call_method(
            Some(AGENT),
            AGENT_PATH,
            Some("org.freedesktop.DBus.Properties"),
            "GetAll",
            &(AGENT,),
        )
        .await
        .expect("the properties");
    let all: std::collections::HashMap<String, zbus::OwnedVariant> =
        answer.body().deserialize().expect("a{sv}");
    let all = format!("{all:?}");
    assert!(all.contains("media-edge"), "{all}");
    assert!(!all.contains("Secret"), "{all}");
}

/// What `playheadctl` prints, and its exit status.
pub fn ctl(scene: &Scene, arguments: &[&str]) -> (i32, String) {
    let address = &scene.world.bus.address;
    let mut command = Command::new(env!("CARGO_BIN_EXE_playheadctl"));
    let out = command.args(["--bus-address", address]).args(arguments).output();
    let out = out.expect("playheadctl");
    let text = String::from_utf8(out.stdout).expect("text");
    (out.status.code().unwrap_or(-1), text)
}

/// What the collector has refused for good, the newest last.
pub fn rejected(scene: &Scene) -> Vec<Value> {
    let (code, text) = ctl(scene, &["queue", "--rejected", "--json"]);
    assert_eq!(code, 0, "{text}");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    list.as_array().expect("a list").clone()
}

/// The requests as they were sent, not in the words of the Media Collection API.
pub fn as_sent(scene: &Scene) -> Vec<Record> {
    scene.world.collector.hits()
}

/// The session id in a request (edge 5.1).
pub fn session_id(record: &Record) -> &str {
    let collection = &record.body["events"][0]["xdm"]["mediaCollection"];
    collection["sessionID"].as_str().unwrap_or_default()
}
