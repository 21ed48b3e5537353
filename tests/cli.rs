//! The two programs from outside: text, `--json`, exit status.

mod common;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use common::{Bus, World, film, nothing};
use serde_json::Value;

fn ctl(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_playheadctl"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("playheadctl");
    // A program that refuses its arguments may be gone before it reads.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("its end")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const STORY: &str = r#"{"at":0,"event":"SessionStart","playhead":0,"info":{"id":"ep-1","length":600}}
{"at":0,"event":"Play","playhead":0}
{"at":35,"event":"Complete","playhead":35}
"#;

#[test]
fn simulate_prints_each_request_and_the_same_bytes_every_time() {
    let once = ctl(&["simulate", "-", "--seed", "3"], STORY);
    assert!(once.status.success(), "{}", text(&once.stderr));
    let again = ctl(&["simulate", "-", "--seed", "3"], STORY);
    assert_eq!(once.stdout, again.stdout);
    let lines: Vec<Value> =
        text(&once.stdout).lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let first = &lines[0];
    assert_eq!(first["at"], 0.0);
    assert_eq!(first["method"], "POST");
    assert_eq!(first["path"], "/api/v1/sessions");
    assert_eq!(first["status"], 201);
    assert_eq!(first["sid"], "S1");
    assert_eq!(first["answered"], 0.1);
    let last = lines.last().expect("a last request");
    assert_eq!(last["path"], "/api/v1/sessions/S1/events");
    assert_eq!(last["body"]["eventType"], "sessionComplete");
    assert_eq!(last["status"], 204);
}

#[test]
fn simulate_takes_settings_and_an_end() {
    let out = ctl(
        &["simulate", "-", "--set", "heartbeat.main_seconds=5", "--until", "20"],
        &STORY.lines().take(2).collect::<Vec<_>>().join("\n"),
    );
    let pings = text(&out.stdout).matches("\"ping\"").count();
    assert_eq!(pings, 4, "at 5, 10, 15 and 20 s");
}

#[test]
fn simulate_refuses_a_burst_as_the_box_does_and_says_so() {
    let burst = "{\"at\":2,\"event\":\"Error\",\"info\":{\"id\":\"E\"}}\n".repeat(230);
    let start: String = STORY.lines().take(2).map(|line| format!("{line}\n")).collect();
    let errors = |settings: &[&str]| {
        let out = ctl(&[&["simulate", "-"], settings].concat(), &format!("{start}{burst}"));
        assert!(out.status.success());
        (text(&out.stdout).matches("\"error\"").count(), text(&out.stderr))
    };
    let (passed, warned) = errors(&[]);
    assert_eq!(passed, 200);
    assert_eq!(warned.lines().count(), 1, "{warned}");
    assert!(warned.starts_with("playheadctl: warning: refused event=\"messages\""), "{warned}");
    assert!(warned.contains("30 messages over the limits"), "{warned}");
    assert_eq!(errors(&["--set", "limits.event_burst=230"]), (230, String::new()));
}

#[test]
fn an_empty_timeline_is_no_mistake() {
    let out = ctl(&["simulate", "-"], "\n");
    assert!(out.status.success());
    assert!(out.stdout.is_empty());
}

#[test]
fn a_broken_timeline_is_refused_with_file_line_and_reason() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("box.jsonl");
    for (line, reason) in [
        ("{\"at\":1,\"event\":\"Play\"", "no JSON"),
        ("{\"at\":1,\"event\":\"Rewind\"}", "unknown event 'Rewind'"),
        ("{\"at\":-1,\"event\":\"Play\"}", "'at' must be 0 or more"),
        ("{\"at\":0.5,\"event\":\"Pause\"}", "time goes back"),
    ] {
        let first = "{\"at\":0.75,\"event\":\"Playhead\",\"playhead\":1}";
        std::fs::write(&file, format!("{first}\n{line}\n")).expect("a file");
        let out = ctl(&["simulate", file.to_str().expect("a path")], "");
        assert_eq!(out.status.code(), Some(2), "{line}");
        let message = text(&out.stderr);
        assert!(message.contains("box.jsonl:2: ") && message.contains(reason), "{message}");
        assert!(out.stdout.is_empty());
    }
    let out = ctl(&["simulate", "/nowhere/at-all"], "");
    assert_eq!(out.status.code(), Some(2));
    let out = ctl(&["simulate", "-", "--set", "heartbeat.main=5"], STORY);
    assert_eq!(out.status.code(), Some(2));
    assert!(
        text(&out.stderr).contains("unknown key `main`; did you mean `main_seconds`?"),
        "{}",
        text(&out.stderr)
    );
}

#[tokio::test]
async fn status_and_sessions_as_text_and_as_json() {
    let world = World::start("").await;
    let bus = ["--bus-address", &world.bus.address];
    let run = |command: &[&str]| ctl(&[&bus[..], command].concat(), "");
    assert_eq!(text(&run(&["sessions"]).stdout), "no sessions\n");

    let player = world.player().await;
    let session = player.open(65.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Pause", 65.0, nothing()).await.expect("pause");
    world.wait("the pause", |hits| hits.len() == 2);

    let out = text(&run(&["sessions"]).stdout);
    let row: Vec<&str> = out.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(row[..5], ["1", "tv.example.tests", "ep-1", "paused", "1:05"], "{out}");
    let list: Value = common::json(&text(&run(&["sessions", "--json"]).stdout));
    assert_eq!(list[0]["State"], "paused");
    assert_eq!(list[0]["Playhead"], 65.0);
    assert_eq!(list[0]["Session"], 1);

    let out = text(&run(&["status"]).stdout);
    assert!(out.contains("state       idle") && out.contains("1 open"), "{out}");
    let status: Value = common::json(&text(&run(&["status", "--json"]).stdout));
    assert_eq!(status["ActiveSessions"], 1);
    assert_eq!(status["Consent"], "in");
    assert_eq!(status["StoreHealthy"], true);
}

#[test]
fn the_help_says_how_a_command_ends_and_json_is_taken_by_all() {
    let help = text(&ctl(&["--help"], "").stdout);
    for (status, meaning) in playheadd::cli::EXIT_STATUSES {
        assert!(help.contains(&format!("  {status}  {meaning}\n")), "{help}");
    }
    for command in help.lines().skip_while(|line| *line != "Commands:").skip(1) {
        let Some(name) = command.split_whitespace().next() else { break };
        let options = text(&ctl(&[name, "--help"], "").stdout);
        assert!(name == "help" || options.contains("--json"), "{name}: {options}");
    }
    assert_eq!(
        ctl(&["simulate", "-", "--json"], STORY).stdout,
        ctl(&["simulate", "-"], STORY).stdout
    );
}

#[tokio::test]
async fn nobody_on_the_bus_is_said_with_what_to_do() {
    let bus = Bus::start();
    let behind = ctl(&["status", "--bus-address", &bus.address], "");
    assert_eq!(behind.status.code(), Some(3), "the bus may stand behind the command");
    let out = ctl(&["--bus-address", &bus.address, "status"], "");
    assert_eq!(out.status.code(), Some(3));
    assert!(text(&out.stderr).contains("playheadd does not run"), "{}", text(&out.stderr));
    let out = ctl(&["--bus-address", "unix:path=/nowhere/bus", "status"], "");
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("cannot be reached"), "{}", text(&out.stderr));
}

fn daemon(config: &str) -> Output {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("playheadd.toml");
    std::fs::write(&file, config).expect("a file");
    Command::new(common::daemon())
        .args(["--check", "--config"])
        .arg(&file)
        .output()
        .expect("playheadd")
}

fn short(config: &str) -> &str {
    config.get(..60).unwrap_or(config)
}

#[test]
fn a_mistake_in_the_configuration_is_named_with_file_line_and_key() {
    let good = common::config_text("http://127.0.0.1:1", "");
    assert!(daemon(&good).status.success(), "{}", text(&daemon(&good).stderr));
    for (config, parts) in [
        (
            "[heartbeat]\nmain_second = 10\n",
            vec!["playheadd.toml:2", "heartbeat.main_second", "unknown key", "`main_seconds`"],
        ),
        ("[hartbeat]\n", vec!["playheadd.toml:1", "unknown section `hartbeat`", "`heartbeat`"]),
        (
            "\n[heartbeat]\nmain_seconds = \"ten\"\n",
            vec![
                "playheadd.toml:3",
                "heartbeat.main_seconds",
                "expected 0.1 or more seconds, got a value of the type string",
            ],
        ),
        ("[heartbeat]\nmain_seconds = 0\n", vec!["heartbeat.main_seconds", "got 0"]),
        ("[heartbeat\n", vec!["playheadd.toml:1"]),
        ("[consent]\ninitial = \"yes\"\n", vec!["consent.initial", "got 'yes'"]),
        ("[collector]\nurl = \"ftp://x\"\n", vec!["collector.url", "https://"]),
        ("[collector]\nurl = \"http://10.0.0.1\"\n", vec!["collector.url", "plain http"]),
        (
            "[store]\nmax_bytes = 16_000_000\n[delivery]\nqueue_max_bytes = 8_000_000\n",
            vec!["store.max_bytes", "at least 6 times delivery.queue_max_bytes", "got 16000000"],
        ),
        (
            "[collector]\nconnect_timeout_seconds = 30\ntimeout_seconds = 30\n",
            vec![
                "collector.connect_timeout_seconds",
                "less than collector.timeout_seconds",
                "got 30",
            ],
        ),
        (
            "[delivery]\nbacklog_ratio = -1.0\n",
            vec!["delivery.backlog_ratio", "0.01 to 1000", "got -1"],
        ),
        ("[store]\nmax_bytes = 100\n", vec!["store.max_bytes", "at least 2097152", "got 100"]),
        (
            &format!("[heartbeat]\nmain_seconds = -1{}.0\n", "0".repeat(308)),
            vec!["heartbeat.main_seconds", "got -1e308"],
        ),
        (
            &format!("[delivery]\nmax_rate = 1{}\n", "0".repeat(5_000)),
            vec!["playheadd.toml:2", "delivery.max_rate"],
        ),
        (&"# much\n".repeat(60_000), vec!["playheadd.toml", "at most 262144 bytes"]),
        ("", vec!["collector.url: not set", "[collector]", "url = "]),
        (
            "[collector]\nurl = \"https://c.example\"\n",
            vec!["analytics.tracking_server: not set", "[analytics]", "analytics.org_id: not set"],
        ),
    ] {
        let out = daemon(config);
        let message = text(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{}: {message}", short(config));
        for part in parts {
            assert!(message.contains(part), "{}: expected '{part}' in: {message}", short(config));
        }
        assert!(message.len() < 1_000, "it quotes too much: {message}");
    }
}

#[test]
fn a_small_store_has_a_small_queue_and_a_large_queue_a_large_store() {
    let sized = |settings: &[&str]| {
        let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
        let config = playheadd::config::Config::from_overrides(&settings).expect("settings");
        (config.store.max_bytes >> 20, config.settings.delivery.queue_max_bytes >> 20)
    };
    assert_eq!(sized(&[]), (48, 8));
    assert_eq!(sized(&["store.max_bytes=16777216"]), (16, 2));
    assert_eq!(sized(&["delivery.queue_max_bytes=33554432"]), (192, 32));
    assert_eq!(sized(&["delivery.queue_max_bytes=1048576"]), (48, 1));
    assert_eq!(sized(&["store.max_bytes=67108864"]), (64, 8));
}

#[tokio::test]
async fn a_reload_takes_a_good_file_and_keeps_the_old_for_a_broken_one() {
    let world = World::start("[heartbeat]\nmain_seconds = 3000\n").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    let file = world.agent.config();
    std::fs::write(file, "[heartbeat]\nmain = 1\n").expect("a broken file");
    world.agent.hang_up();
    while !world.agent.log().contains("the old one stays in force") {
        player.call(&session, "Playhead", 1.0, nothing()).await.expect("it still runs");
    }
    let text = common::config_text(&world.collector.url(), "[heartbeat]\nmain_seconds = 0.2\n");
    std::fs::write(file, text).expect("a good file");
    world.agent.hang_up();
    world.wait("pings at the new pace", |hits| common::of_type(hits, "ping").len() > 3);
}
