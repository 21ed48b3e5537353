//! `playheadctl player` and `playheadctl monitor`: a box is tried out and looked at without a player.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;

use common::{PATIENCE, World, film, nothing, of_type, playhead, types};
use serde_json::Value;

const STORY: &str = r#"{"at":0,"event":"SessionStart","playhead":0,"info":{"id":"ep-1","app":"tv.try","length":600,"metadata":{"media.show":"A Show"}}}
{"at":0.01,"event":"Play","playhead":0}
{"at":0.02,"event":"AdBreakStart","playhead":10,"info":{"name":"mid","position":1,"start":10}}
{"at":0.03,"event":"AdStart","playhead":10,"info":{"id":"ad-1","name":"An Ad","position":1,"length":30}}
{"at":0.04,"event":"AdComplete","playhead":10}
{"at":0.05,"event":"AdBreakComplete","playhead":10}
{"at":0.06,"event":"Sleep"}
{"at":0.07,"event":"SessionStart","from":"p2","playhead":5,"info":{"id":"ep-2","app":"tv.other"}}
{"at":0.08,"event":"Background","app":"tv.other"}
{"at":0.09,"event":"PlayerVanished","from":"p2"}
{"at":0.1,"event":"Complete","playhead":600}
"#;

fn ctl(world: &World, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_playheadctl"));
    command.args(["--bus-address", &world.bus.address]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn play(world: &World, story: &str) -> Output {
    play_with(world, &["player", "-"], story)
}

fn play_with(world: &World, arguments: &[&str], story: &str) -> Output {
    let mut child = ctl(world, arguments).spawn().expect("playheadctl");
    child.stdin.take().expect("a pipe").write_all(story.as_bytes()).expect("written");
    child.wait_with_output().expect("its end")
}

#[tokio::test]
async fn a_timeline_is_played_to_the_agent() {
    let world = World::start("").await;
    let came = play(&world, STORY);
    let (out, err) = (String::from_utf8_lossy(&came.stdout), String::from_utf8_lossy(&came.stderr));
    assert!(came.status.success(), "{out}{err}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), STORY.lines().count(), "{out}");
    assert_eq!(lines[0], "    0.000 s  SessionStart        /tv/playhead/Agent1/session/1");
    assert_eq!(lines[1], "    0.010 s  Play                ok");
    assert_eq!(lines[6], "    0.060 s  Sleep               only simulate can do that");
    let hits = world.wait("the story", |hits| !of_type(hits, "sessionComplete").is_empty());
    let first = of_type(&hits, "sessionStart")[0];
    assert_eq!(first.body["params"]["media.show"], "A Show");
    assert_eq!(
        types(&hits, first.sid.as_deref().expect("a sid")),
        // A break right at the start is a preroll, which takes the `Play` before it back.
        [
            "sessionStart",
            "adBreakStart",
            "adStart",
            "play",
            "adComplete",
            "adBreakComplete",
            "play",
            "sessionComplete"
        ]
    );
}

#[tokio::test]
async fn what_is_refused_is_said_and_the_rest_is_played() {
    let world = World::start("").await;
    let came = play(
        &world,
        r#"{"at":0,"event":"Play","playhead":0}
{"at":0,"event":"SessionStart","playhead":0,"info":{"id":"ep-1","length":"long"}}
{"at":0,"event":"SessionStart","playhead":0,"info":{"id":"ep-1"}}
{"at":0,"event":"AdStart","playhead":0,"info":{"id":"ad","name":"ad","position":1,"length":30}}
{"at":0,"event":"End","playhead":7}
"#,
    );
    let out = String::from_utf8_lossy(&came.stdout);
    assert_eq!(came.status.code(), Some(1), "{out}");
    assert_eq!(String::from_utf8_lossy(&came.stderr), "playheadctl: 3 events were refused\n");
    assert!(out.contains("no session: SessionStart comes first"), "{out}");
    assert!(out.contains("InvalidArgs: "), "{out}");
    assert!(out.contains("NotAllowed: "), "{out}");
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    assert_eq!(playhead(of_type(&hits, "sessionEnd")[0]), 7.0);
}

#[tokio::test]
async fn with_json_each_line_has_an_object() {
    let world = World::start("").await;
    let story = r#"{"at":0,"event":"Pause","playhead":0}
{"at":0,"event":"SessionStart","playhead":0,"info":{"id":"ep-1"}}
{"at":0.01,"event":"End","playhead":7}
"#;
    let came = play_with(&world, &["player", "-", "--json"], story);
    assert_eq!(came.status.code(), Some(1));
    let out = String::from_utf8_lossy(&came.stdout);
    let lines: Vec<Value> = out.lines().map(common::json).collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert_eq!(lines[0]["event"], "Pause");
    assert_eq!(lines[0]["refused"], "no session: SessionStart comes first");
    assert!(lines[0]["answer"].is_null());
    assert_eq!(lines[1]["answer"], "/tv/playhead/Agent1/session/1");
    assert!(lines[1]["refused"].is_null());
    assert_eq!((&lines[2]["at"], &lines[2]["answer"]), (&0.01.into(), &"ok".into()));
}

#[test]
fn without_an_agent_nothing_is_played() {
    let bus = common::Bus::start();
    let came = Command::new(env!("CARGO_BIN_EXE_playheadctl"))
        .args(["--bus-address", &bus.address, "player", "-"])
        .stdin(Stdio::null())
        .output()
        .expect("playheadctl");
    assert_eq!(came.status.code(), Some(3));
    let said = String::from_utf8_lossy(&came.stderr);
    assert!(said.contains("playheadd does not run"), "{said}");
}

/// A monitor that is killed with its test, and its lines.
struct Monitor {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Monitor {
    fn start(world: &World, arguments: &[&str]) -> Monitor {
        let mut child = ctl(world, arguments).spawn().expect("playheadctl");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (said, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = said.send(line);
            }
        });
        Monitor { child, lines }
    }

    fn until(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            seen.push(line);
            if wanted(&seen[seen.len() - 1]) {
                return seen;
            }
        }
        panic!("the monitor has shown {seen:#?} only");
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plays a moment; gives what the monitor shows of it.
async fn watched(world: &World, arguments: &[&str]) -> (String, Vec<String>) {
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    let monitor = Monitor::start(world, arguments);
    // Its watch has begun once it shows something; somebody else knocks until then.
    let other = world.player().await;
    while monitor.lines.try_recv().is_err() {
        let _ = other.call(&session, "Playhead", 1.0, nothing()).await;
    }
    player.call(&session, "Play", 2.0, nothing()).await.expect("play");
    player.call(&session, "AdComplete", 3.0, nothing()).await.expect_err("no ad");
    player.call(&session, "End", 4.0, nothing()).await.expect("the end");
    let ended = std::cell::Cell::new(false);
    let shown = monitor.until(|line| {
        ended.set(ended.get() || (line.contains("hit") && line.contains("sessionEnd")));
        ended.get() && line.contains("answer")
    });
    (player.connection.unique_name().expect("a name").to_string(), shown)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_monitor_shows_each_event_hit_and_answer() {
    let world = World::start("").await;
    let (player, shown) = watched(&world, &["monitor", "--json"]).await;
    let lines: Vec<Value> = shown.iter().map(|line| common::json(line)).collect();
    let find = |key: &str, value: &str| {
        lines
            .iter()
            .find(|line| line[key] == value)
            .unwrap_or_else(|| panic!("{value}: {shown:#?}"))
    };
    let play = find("event", "Play");
    assert_eq!((&play["from"], &play["playhead"]), (&player.into(), &2.0.into()));
    assert!(play.get("refused").is_none(), "{play}");
    let refused = find("event", "AdComplete")["refused"].as_str().expect("a reason");
    assert!(refused.contains("ad"), "{refused}");
    let sent = |kind: &str| lines.iter().find(|line| line["body"]["eventType"] == kind);
    for kind in ["play", "sessionEnd"] {
        let hit = sent(kind).expect(kind);
        let answer = lines.iter().find(|line| line["what"] == "answer" && line["id"] == hit["id"]);
        assert_eq!(answer.expect("its answer")["status"], 204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn for_people_it_is_columns_without_colour_in_a_pipe() {
    let world = World::start("").await;
    let (player, shown) = watched(&world, &["monitor"]).await;
    for (kind, who, what) in [
        ("event", player.as_str(), "Play"),
        ("event", player.as_str(), "End"),
        ("hit", "S1", "play"),
        ("answer", "S1", "204"),
    ] {
        let part = format!("  {kind:<6}  {who:<12}  {what} ");
        assert!(shown.iter().any(|line| line.contains(&part)), "'{part}' in {shown:#?}");
    }
    assert!(!shown.concat().contains('\u{1b}'), "{shown:#?}");
}
