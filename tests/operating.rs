//! Every command that docs/operating.md names is one that works: what talks to the agent is run here on
//! a live one, what talks to the service manager is run by `make test-system`.

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;

use common::{World, film, nothing};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

/// The commands of the page: what stands between backticks and begins with a program's name.
fn commands() -> BTreeSet<String> {
    let programs = ["playheadctl ", "playheadd ", "systemctl ", "journalctl "];
    let page = read("docs/operating.md");
    let quoted = page.split('`').skip(1).step_by(2).map(str::to_owned);
    quoted.filter(|q| programs.iter().any(|program| q.starts_with(program))).collect()
}

/// The first line of a command that runs until it is stopped, on either of its outputs.
fn first_line(mut command: Command) -> String {
    let (read, write) = std::io::pipe().expect("a pipe");
    command.stdout(write.try_clone().expect("a pipe")).stderr(write);
    let mut child = command.spawn().expect("it runs");
    drop(command);
    let mut line = String::new();
    BufReader::new(read).read_line(&mut line).expect("a line");
    child.kill().expect("killed");
    child.wait().expect("its end");
    line
}

#[tokio::test]
async fn every_command_of_the_page_works() {
    let world = World::start("").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    let timeline = world.agent.config().with_file_name("FILE");
    std::fs::write(&timeline, "{\"at\":0,\"event\":\"Consent\",\"value\":\"in\"}\n")
        .expect("written");
    let (mut seen, mut of_agent) = (0, 0);
    for quoted in commands() {
        let line = quoted
            .replace("FILE", &timeline.display().to_string())
            .replace("PID", &world.agent.pid().to_string());
        let mut words = line.split_whitespace();
        let program = words.next().expect("a program");
        let words: Vec<&str> = words.collect();
        seen += 1;
        if matches!(program, "systemctl" | "journalctl") {
            // `edit` opens an editor.
            let story =
                read("tests/system/guest/story.py") + &read("tests/system/guest/machine.py");
            let ran = story.contains(&format!("\"{program}\", \"{}\"", words[0]))
                || story.contains(&format!("{program}(\"{}\"", words[0]))
                || words[0].starts_with("MESSAGE_ID=") && story.contains("MESSAGE_ID");
            assert!(ran || words[0] == "edit", "make test-system does not run `{quoted}`");
            continue;
        }
        of_agent += 1;
        let mut command = match program {
            "playheadctl" => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_playheadctl"));
                command.args(["--bus-address", &world.bus.address]);
                command
            }
            _ => Command::new(common::daemon()),
        };
        command.args(&words);
        match words[0] {
            "monitor" => {
                assert!(first_line(command).contains("state"), "`{quoted}`");
                continue;
            }
            "collector" => {
                command.args(["--listen", "127.0.0.1:0"]);
                assert!(first_line(command).contains("http://127.0.0.1:"), "`{quoted}`");
                continue;
            }
            "--check" => {
                command.arg("--config").arg(world.agent.config());
            }
            _ => {}
        }
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // The box is well; only what was just done can be wrong.
        let expected =
            if quoted.contains("status") || quoted.contains("queue") { 0..=0 } else { 0..=1 };
        let code = output.status.code().unwrap_or(-1);
        assert!(expected.contains(&code), "`{quoted}` exits with {code}: {said}");
        assert!(!said.contains("panicked"), "`{quoted}`: {said}");
    }
    assert!(seen >= 15 && of_agent >= 11, "{seen} commands, {of_agent} of the agent");
}
