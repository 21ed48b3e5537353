//! Every command of README.md and of the pages for who builds a box is one that works: what needs no box runs
//! here as it stands there, `make` has its targets, and the rest is run by another test that is named.

mod common;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

const PAGES: [&str; 6] = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/integrating-a-box.md",
    "docs/configuration.md",
    "packaging/README.md",
    "cross/README.md",
];

/// The command lines of a page: those between backticks and those of indented blocks.
fn commands() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for page in PAGES {
        let page = read(page);
        let (mut outside, mut fenced) = (String::new(), false);
        for line in page.lines() {
            if line.starts_with("```") {
                fenced = !fenced;
            } else if !fenced {
                outside.push_str(line);
                outside.push('\n');
            }
        }
        let indented = outside.lines().filter_map(|line| line.strip_prefix("    "));
        found.extend(
            indented.map(|line| line.split('#').next().unwrap_or_default().trim().to_owned()),
        );
        let quoted = outside.split('`').skip(1).step_by(2);
        found.extend(quoted.map(|words| words.replace('\n', " ")));
    }
    let programs =
        ["make ", "playheadctl ", "playheadd ", "systemctl ", "target/release/playheadctl "];
    found.retain(|line| programs.iter().any(|program| line.starts_with(program)));
    found
}

fn program(name: &str) -> PathBuf {
    match name {
        "playheadd" => common::daemon(),
        _ => PathBuf::from(env!("CARGO_BIN_EXE_playheadctl")),
    }
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn make_has_every_target_that_is_named() {
    let targets = Command::new("make").arg("help").current_dir(root()).output().expect("make");
    let targets = said(&targets);
    let mut seen = 0;
    for line in commands().iter().filter(|line| line.starts_with("make ")) {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        if words.first() == Some(&"-C") {
            assert!(root().join(words[1]).join("Makefile").exists(), "{line}");
            continue;
        }
        let target = words.first().expect("a target");
        let known = targets.lines().any(|line| line.split_whitespace().next() == Some(*target));
        assert!(known, "`{line}`: `make help` names no {target}");
        seen += 1;
    }
    assert!(seen >= 9, "{seen} targets");
}

/// Commands that another test runs: where, and what of them stands there.
const ELSEWHERE: [(&str, &str, &str); 13] = [
    ("playheadd --check", "tests/configuration/scene.rs", "--check"),
    ("playheadctl status", "tests/operator_commands.rs", "status"),
    ("playheadctl doctor", "tests/operator_commands/doctor.rs", "doctor"),
    ("playheadctl monitor", "tests/operator_commands/monitor.rs", "monitor"),
    ("playheadctl queue", "tests/operator_commands/queue.rs", "queue"),
    ("playheadctl consent", "tests/consent.rs", "consent"),
    ("playheadctl record", "tests/record.rs", "record"),
    ("playheadctl player", "tests/box_tools.rs", "player"),
    ("playheadctl collector", "tests/page/drive.py", "--open"),
    ("playheadctl config", "tests/configuration/scene.rs", "config"),
    ("systemctl status", "tests/system/guest/story.py", "systemctl"),
    ("systemctl reload", "tests/system/guest/story.py", "\"reload\", \"playheadd\""),
    ("systemctl restart", "tests/system/guest/mpris.py", "\"restart\", \"playheadd\""),
];

#[test]
fn no_other_command_is_left_out() {
    for line in commands() {
        // `edit` opens an editor.
        if line.starts_with("make ") || line.starts_with("systemctl edit") {
            continue;
        }
        if let Some(simulated) = line.strip_prefix("target/release/playheadctl ") {
            let words = simulated.split_whitespace();
            let output = Command::new(program("playheadctl"))
                .args(words)
                .current_dir(root())
                .output()
                .expect("it runs");
            assert!(output.status.success(), "`{line}`: {}", said(&output));
            assert!(said(&output).contains("sessionStart"), "`{line}`");
            continue;
        }
        let known = ELSEWHERE.iter().find(|(start, ..)| line.starts_with(start));
        let (_, file, part) = known.unwrap_or_else(|| panic!("`{line}` is run by no test"));
        assert!(read(file).contains(part), "{file} does not run `{line}`");
        if let Some(words) = line.strip_prefix("playheadctl ") {
            // Its flags are those of the program.
            let mut words: Vec<&str> = words.split_whitespace().collect();
            words.push("--help");
            let output =
                Command::new(program("playheadctl")).args(words).output().expect("it runs");
            assert!(output.status.success(), "`{line}`: {}", said(&output));
        }
    }
}

/// The commands under "All of it by hand" as they stand there, on a bus of their own. Only the place of
/// the programs and the port are others, and the player waits for the agent.
#[test]
fn all_of_it_by_hand() {
    let page = read("README.md");
    let (_, after) = page.split_once("### All of it by hand").expect("the part");
    let block = after.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    let block = block.expect("a block");
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let place = tempfile::tempdir().expect("a directory");
    let programs = place.path().join("programs");
    std::fs::create_dir(&programs).expect("made");
    for name in ["playheadd", "playheadctl"] {
        std::os::unix::fs::symlink(program(name), programs.join(name)).expect("a link");
    }
    std::os::unix::fs::symlink(root().join("examples"), place.path().join("examples"))
        .expect("a link");
    let player = "/usr/bin/python3 examples";
    // It ends when the agent does, whatever became of that.
    let named = "while playheadctl status >/dev/null 2>&1; [ $? -eq 3 ] && kill -0 $agent; do sleep 0.1; done\n";
    let script = block
        .replace("$PWD/target/release", &programs.display().to_string())
        .replace("127.0.0.1:8970", &format!("127.0.0.1:{port}"))
        .replace(
            "playheadctl collector &",
            &format!("playheadctl collector --listen 127.0.0.1:{port} &"),
        )
        .replace(player, &format!("{named}{player}"));
    assert_eq!(script.matches(&port.to_string()).count(), 2, "the port is in two places: {script}");
    let file = place.path().join("by-hand.sh");
    std::fs::write(&file, script).expect("written");
    let output = Command::new("dbus-run-session")
        .args(["--", "sh"])
        .arg(&file)
        .current_dir(place.path())
        .output()
        .expect("dbus-run-session (Debian package dbus)");
    let said = said(&output);
    for part in ["played film-1 from 0.0 to", "sessionStart", "sessionEnd", "\"position\" d "] {
        assert!(said.contains(part), "no {part:?} in: {said}");
    }
    let number = |after: &str| -> f64 {
        let (_, rest) = said.rsplit_once(after).expect("it was seen");
        let number = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next();
        number.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("no number: {said}"))
    };
    // The player says where it was after it has told the agent, in tenths.
    let (played, kept) = (number("from 0.0 to "), number("\"position\" d "));
    assert!((3.0..=played + 0.1).contains(&kept), "played to {played}, kept {kept}");
    assert!(!said.contains("panicked"), "{said}");
}
