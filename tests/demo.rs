//! What a newcomer is shown is true: the demo, and the README's example.

mod common;

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use common::demo::demo;
use common::{Agent, Bus, World, of_type, types};
use playheadd::bench::Collector;

const PYTHON: &str = "/usr/bin/python3";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_playback_survives_the_death_of_its_player() {
    demo(&["--page"]);
}

#[test]
fn the_same_over_tls() {
    demo(&["--tls"]);
}

#[test]
fn the_same_to_media_edge() {
    demo(&["--kind", "media-edge"]);
}

#[test]
fn the_same_to_a_pipeline_of_ones_own() {
    demo(&["--kind", "otlp"]);
}

#[test]
fn an_unknown_protocol_is_said_before_anything_is_built() {
    let script = root().join("demo/demo.py");
    let demo = Command::new(PYTHON).arg(script).args(["--kind", "smoke"]).output();
    let make = Command::new("make").args(["demo", "KIND=smoke"]).current_dir(root()).output();
    for (out, words) in [
        (demo.expect("python3"), "invalid choice: 'smoke' (choose from "),
        (make.expect("make"), "KIND=smoke: expected one of media-collection media-edge otlp"),
    ] {
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() == Some(2) && said.contains(words), "{said}");
    }
}

/// The README's player, with a film that lasts until the viewer leaves.
struct ReadmePlayer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl ReadmePlayer {
    fn start(bus: &Bus) -> ReadmePlayer {
        let mut child = Command::new(PYTHON)
            .arg(root().join("examples/python/player.py"))
            .args(["film-9", "86400"])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        ReadmePlayer { child, lines }
    }

    /// The viewer leaves. Gives what it said before its last line.
    fn leave(mut self) -> Vec<String> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
        let mut said: Vec<String> = self.lines.map(|line| line.expect("a line")).collect();
        let last = said.pop().expect("a last line");
        assert!(last.starts_with("played film-9 from 0.0 to "), "{said:?} {last}");
        assert!(self.child.wait().expect("its end").success());
        said
    }
}

#[tokio::test]
async fn the_example_of_the_readme_runs_as_it_stands_there() {
    let script = root().join("examples/python/player.py");
    let code = std::fs::read_to_string(&script).expect("the example");
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    assert!(readme.contains(&code), "README.md shows examples/python/player.py to the letter");
    let world = World::start("").await;
    let play = || {
        let out = Command::new(PYTHON)
            .arg(&script)
            .arg("film-9")
            .env("DBUS_SYSTEM_BUS_ADDRESS", &world.bus.address)
            .output()
            .expect("python3");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let last = said.lines().last().expect("a line").to_owned();
        let (from, to) = last
            .strip_prefix("played film-9 from ")
            .and_then(|rest| rest.split_once(" to "))
            .unwrap_or_else(|| panic!("{said}"));
        (from.to_owned(), to.to_owned())
    };
    let (from, to) = play();
    assert_eq!(from, "0.0");
    assert_eq!(play().0, to);
    let hits = world.wait("both ends", |hits| of_type(hits, "sessionEnd").len() == 2);
    assert_eq!(types(&hits, "S2"), ["sessionStart", "play", "sessionEnd"]);
    assert_eq!(of_type(&hits, "sessionStart")[1].body["params"]["media.resume"], true);
}

#[tokio::test]
async fn the_example_of_the_readme_survives_the_daemon() {
    let mut world = World::start("").await;
    let player = ReadmePlayer::start(&world.bus);
    // A request waits for every batch before it, so the session's id is stored.
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
    world.agent.kill().await;
    world.agent.start_again().await;
    assert_eq!(player.leave(), [""; 0]);
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    // A hit whose acceptance was not recorded before the kill comes twice.
    let mut got = types(&hits, "S1");
    got.dedup();
    assert_eq!(got, ["sessionStart", "play", "sessionEnd"]);
    assert_eq!(of_type(&hits, "sessionStart").len(), 1);
}

#[tokio::test]
async fn the_example_of_the_readme_may_be_there_first_and_the_daemon_gone_last() {
    let bus = Bus::start();
    let mut player = ReadmePlayer::start(&bus);
    let first = player.lines.next().expect("a line").expect("text");
    assert!(first.starts_with("from the beginning: GetResumePoint: ServiceUnknown: "), "{first}");
    let collector = Collector::start();
    let agent = Agent::start(&bus, &collector, "").await;
    let mut world = World { agent, collector, bus };
    let hits = world.wait("play", |hits| !of_type(hits, "play").is_empty());
    assert_eq!(of_type(&hits, "sessionStart")[0].body["params"]["media.resume"], false);
    world.agent.kill().await;
    assert_eq!(player.leave(), ["nobody was there to hear all of it"]);
}
