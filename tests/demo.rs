//! What a newcomer is shown is true: the demo, and the README's example.

mod common;

use std::path::Path;
use std::process::Command;

use common::demo::demo;
use common::{World, of_type, types};

const PYTHON: &str = "/usr/bin/python3";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_playback_survives_the_death_of_its_player() {
    demo(&[]);
}

#[test]
fn the_same_over_tls() {
    demo(&["--tls"]);
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
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    assert_eq!(play(), "played film-9 from 0.0 to 3.0\n");
    assert_eq!(play(), "played film-9 from 3.0 to 6.0\n");
    let hits = world.wait("both ends", |hits| of_type(hits, "sessionEnd").len() == 2);
    assert_eq!(types(&hits, "S2"), ["sessionStart", "play", "sessionEnd"]);
    assert_eq!(of_type(&hits, "sessionStart")[1].body["params"]["media.resume"], true);
}
