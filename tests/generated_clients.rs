//! Clients made by code generators from `dbus/*.xml`: GDBus, Qt, sdbus-c++ and dasbus. They are made
//! with the commands that stand in docs/integrating-a-player.md, compiled, and run against the agent:
//! a session by method, a property, a resume point, an error by its name, and a session by signals
//! that a generated object emits.

mod common;

use std::path::Path;
use std::process::Command;

use common::{AGENT, AGENT_PATH, World, of_type, playhead};
use playheadd::bench::Record;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The commands below a heading of the page, as one script.
fn commands(heading: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/integrating-a-player.md")).expect("text");
    let (_, below) = page.split_once(&format!("\n### {heading}\n")).expect("the heading");
    let section = below.split("\n## ").next().expect("text").split("\n### ").next().expect("text");
    let (_, block) = section.split_once("```sh\n").expect("commands");
    block.split("```").next().expect("their end").to_owned()
}

/// Hits of the one session with this media id: event type and playhead.
fn hits_of(hits: &[Record], media: &str) -> Vec<(String, f64)> {
    let is_its_start =
        |r: &&Record| r.event_type() == "sessionStart" && r.body["params"]["media.id"] == media;
    let starts: Vec<_> = hits.iter().filter(is_its_start).collect();
    assert_eq!(starts.len(), 1, "{media}");
    let its_own = hits.iter().filter(|r| r.sid == starts[0].sid && r.event_type() != "ping");
    its_own.map(|r| (r.event_type().to_owned(), playhead(r))).collect()
}

async fn is_made_and_plays(heading: &str, name: &str) {
    let script = commands(heading);
    // The commands are for the top of the source tree; what they make goes with the test.
    let place = tempfile::tempdir().expect("a directory");
    for part in ["dbus", "tests"] {
        std::os::unix::fs::symlink(root().join(part), place.path().join(part)).expect("a link");
    }
    let (last, before) =
        script.trim_end().rsplit_once('\n').map_or((&*script, ""), |(b, l)| (l, b));
    let made = Command::new("/bin/sh").args(["-euc", before]).current_dir(place.path()).output();
    let made = made.expect("a shell");
    let complaint = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "{before}: {complaint}");

    let world = World::start("").await;
    let ran = Command::new("/bin/sh")
        .args(["-euc", last])
        .env("DBUS_SYSTEM_BUS_ADDRESS", &world.bus.address)
        .current_dir(place.path())
        .output()
        .expect("the client");
    let complaint = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{last}: {complaint}\n{}", world.agent.log());
    let said = format!(
        "version {}\nmedia {name}-method\nrefused tv.playhead.Error.NotAllowed\npoint 5.0\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(String::from_utf8_lossy(&ran.stdout), said);
    let hits = world.wait("both ends", |hits| of_type(hits, "sessionEnd").len() == 2);
    for (door, end) in [("method", 5.0), ("signal", 7.0)] {
        let wanted = [("sessionStart", 0.0), ("play", 0.0), ("sessionEnd", end)]
            .map(|(kind, at)| (kind.to_owned(), at));
        assert_eq!(hits_of(&hits, &format!("{name}-{door}")), wanted);
    }
    let refused = world.player().await.property(AGENT_PATH, AGENT, "RejectedEvents").await;
    assert_eq!(u64::try_from(refused).expect("a number"), 1, "the one that was to be refused");
}

const GDBUS: &str = "GDBus (C)";
const QT: &str = "Qt (C++)";
const SDBUS: &str = "sdbus-c++ (C++)";
const DASBUS: &str = "dasbus (Python)";

#[tokio::test]
async fn gdbus() {
    is_made_and_plays(GDBUS, "gdbus").await;
}

#[tokio::test]
async fn qt() {
    is_made_and_plays(QT, "qt").await;
}

#[tokio::test]
async fn sdbus() {
    is_made_and_plays(SDBUS, "sdbus").await;
}

#[tokio::test]
async fn dasbus() {
    is_made_and_plays(DASBUS, "dasbus").await;
}

#[test]
fn no_command_of_the_page_is_left_out() {
    let page = std::fs::read_to_string(root().join("docs/integrating-a-player.md")).expect("text");
    let (_, below) = page.split_once("\n## Generated clients\n").expect("the chapter");
    let all: Vec<_> =
        below.split("```sh\n").skip(1).filter_map(|b| b.split("```").next()).collect();
    assert_eq!(all, [GDBUS, QT, SDBUS, DASBUS].map(commands));
}

/// Proxies of every interface are made and compile, and objects of those that players and
/// application managers emit.
#[test]
fn qt_makes_classes_of_every_interface() {
    let place = tempfile::tempdir().expect("a directory");
    let script = r#"
        moc=$(pkg-config --variable=host_bins Qt5Core)/moc
        for xml in "$0"/dbus/*.xml; do
            name=$(basename "$xml" .xml)
            name=${name##*.}
            qdbusxml2cpp -p "$name" "$xml"
            qdbusxml2cpp -a "${name}_adaptor" "$xml"
            for part in "$name" "${name}_adaptor"; do
                "$moc" "$part.h" -o "$part.moc.cpp"
                # One unit, because Qt's headers take longest.
                printf '#include "%s"\n' "$part.cpp" "$part.moc.cpp" >> all.cpp
            done
            echo "$name"
        done
        c++ -std=c++17 -fPIC -fsyntax-only $(pkg-config --cflags Qt5DBus) all.cpp
    "#;
    let mut shell = Command::new("/bin/sh");
    let out = shell.args(["-euc", script]).arg(root()).current_dir(place.path()).output();
    let out = out.expect("a shell");
    let complaint = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{complaint}");
    let mut made: Vec<_> = std::str::from_utf8(&out.stdout).expect("text").lines().collect();
    made.sort_unstable();
    assert_eq!(made, ["Agent1", "Lifecycle1", "Monitor1", "Player1", "Session1"], "{complaint}");
}
