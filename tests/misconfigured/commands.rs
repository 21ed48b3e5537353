//! What an operator sees.

use std::process::{Command, Output};

use crate::common::World;
use crate::misconfigured;

fn ctl(world: &World, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_playheadctl"))
        .args(["--bus-address", &world.bus.address])
        .args(arguments)
        .output()
        .expect("playheadctl")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const WRONG: &str = "[heartbeat]\nmain = 1\n";

#[tokio::test]
async fn every_command_says_what_is_wrong_and_fails() {
    let world = misconfigured(Some(WRONG)).await;
    let timeline = world.bus.dir.path().join("a.jsonl");
    std::fs::write(&timeline, "{\"at\":0,\"event\":\"Consent\",\"value\":\"in\"}\n")
        .expect("a file");
    let timeline = timeline.display().to_string();
    for arguments in [
        &["sessions"][..],
        &["queue"],
        &["queue", "--rejected"],
        &["resume-points"],
        &["flush"],
        &["consent"],
        &["consent", "in"],
        &["monitor"],
    ] {
        for json in [false, true] {
            let more: &[&str] = if json { &["--json"] } else { &[] };
            let came = ctl(&world, &[arguments, more].concat());
            let said = text(&came.stderr);
            assert_eq!(came.status.code(), Some(1), "{arguments:?}: {said}");
            assert_eq!(text(&came.stdout), "", "{arguments:?}");
            for part in ["nothing is tracked or sent since", "toml:", "`main`", "reload"] {
                assert!(said.contains(part), "{arguments:?}: '{part}' in {said}");
            }
        }
    }
    let came = ctl(&world, &["player", &timeline]);
    assert_eq!((came.status.code(), text(&came.stdout)), (Some(1), String::new()));
    assert!(text(&came.stderr).contains("nothing is tracked or sent since"));
}

#[tokio::test]
async fn status_and_doctor_show_it_on_top_and_nothing_that_nobody_knows() {
    let world = misconfigured(Some(WRONG)).await;
    let came = ctl(&world, &["status"]);
    assert_eq!(came.status.code(), Some(1));
    let said = text(&came.stdout);
    let lines: Vec<&str> = said.lines().collect();
    let problems = lines.iter().filter(|line| line.starts_with("problem     ")).count();
    assert!(problems >= 1 && lines.len() == 2 + problems, "{said}");
    assert!(lines[0].starts_with("playheadd   0."), "{said}");
    assert!(
        lines[1].starts_with("state       misconfigured: the configuration is broken"),
        "{said}"
    );
    assert!(lines[2].starts_with("problem     nothing is tracked or sent since 20"), "{said}");
    let came = ctl(&world, &["status", "--json"]);
    assert_eq!(came.status.code(), Some(1));
    let shown = crate::common::json(&text(&came.stdout));
    assert_eq!((&shown["Running"], &shown["Well"]), (&true.into(), &false.into()));
    assert_eq!(shown["DeliveryState"], "misconfigured");
    let came = ctl(&world, &["doctor"]);
    assert_eq!(came.status.code(), Some(1));
    let said = text(&came.stdout);
    let line = |name: &str| {
        let found = said.lines().find(|line| line.starts_with(name));
        found.unwrap_or_else(|| panic!("no {name} in {said}"))
    };
    assert!(line("bus").contains("ok"), "{said}");
    assert!(line("config").contains("!!") && line("config").contains("`main`"), "{said}");
    for name in ["clock", "store", "consent", "collector", "delivery", "mpris"] {
        assert!(line(name).contains("off"), "{said}");
    }
    let came = ctl(&world, &["doctor", "--json"]);
    assert_eq!(came.status.code(), Some(1));
    let shown = crate::common::json(&text(&came.stdout));
    assert_eq!(shown["ok"], false);
    let bad: Vec<_> = shown["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .filter(|check| check["ok"] == false)
        .map(|check| check["check"].clone())
        .collect();
    assert_eq!(bad.len(), problems);
    assert!(bad.iter().all(|check| check == "config"), "{bad:?}");
}
