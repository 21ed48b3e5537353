//! A configuration that is read anew: what the service manager, the bus and `playheadctl status` hear
//! of it, and what a good, a broken and a missing one do (docs/behaviour.md 1.3, 3).

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use common::manager::Manager;
use common::{AGENT, AGENT_PATH, PATIENCE, World, config_text, film, nothing};
use futures_util::StreamExt;
use zbus::fdo::PropertiesProxy;

/// A world whose daemon has a service manager, and was started under a program.
async fn managed(more: &str, under: &[&str]) -> (World, Manager) {
    let mut world = World::start(more).await;
    assert!(world.agent.stop().success());
    let place = world.bus.dir.path().join("notify");
    let manager = Manager::listen(&place);
    let socket = format!("NOTIFY_SOCKET={}", place.display());
    let under = ["env", &socket].into_iter().chain(under.iter().copied());
    world.agent.under = under.map(str::to_owned).collect();
    world.agent.start_again().await;
    assert!(manager.ends().contains("hits delivered"), "ready");
    (world, manager)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn status(world: &World, more: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_playheadctl"))
        .args(["--bus-address", &world.bus.address, "status"])
        .args(more)
        .output()
        .expect("playheadctl");
    // 1 where something is wrong.
    assert!(matches!(out.status.code(), Some(0 | 1)), "{}", text(&out.stderr));
    text(&out.stdout)
}

/// `LastError`, which `playheadctl status` has too.
fn last_error(world: &World) -> String {
    let properties = common::json(&status(world, &["--json"]));
    let said = properties["LastError"].as_str().expect("a text").to_owned();
    let line =
        status(world, &[]).lines().find_map(|l| l.strip_prefix("problem     ").map(str::to_owned));
    assert_eq!(line.unwrap_or_default(), said);
    said
}

fn write(world: &World, more: &str) {
    std::fs::write(world.agent.config(), config_text(&world.collector.url(), more))
        .expect("a file");
}

fn playheadd(arguments: &[&str]) -> Output {
    Command::new(common::daemon()).args(arguments).output().expect("playheadd")
}

const BROKEN: &str = "[heartbeat]\nmain = 1\n";

#[tokio::test]
async fn every_reload_is_a_pair_and_a_broken_one_is_seen_until_a_good_one_comes() {
    let (world, manager) = managed("", &[]).await;
    let player = world.player().await;
    let agent = PropertiesProxy::builder(&player.connection)
        .destination(AGENT)
        .path(AGENT_PATH)
        .build()
        .await
        .expect("a proxy");
    let mut changes = agent.receive_properties_changed().await.expect("a stream");
    let mut announced = async || {
        loop {
            let change = changes.next();
            let change =
                tokio::time::timeout(PATIENCE, change).await.expect("in time").expect("one");
            let args = change.args().expect("arguments");
            if let Some(value) = args.changed_properties().get("LastError") {
                return String::try_from(value.try_clone().expect("a value")).expect("a text");
            }
        }
    };
    assert_eq!(last_error(&world), "");
    let mut before = 0;
    for round in 0..2 {
        write(&world, BROKEN);
        world.agent.hang_up();
        let (began, status) = manager.reload();
        assert!(began > before, "{began} after {before}");
        before = began;
        let said = announced().await;
        for part in ["the old configuration is in force since 20", "playheadd.toml:", "`main`"] {
            assert!(said.contains(part), "round {round}: '{part}' in {said}");
        }
        assert!(status.ends_with(&format!("; {said}")), "{status}");
        assert_eq!(last_error(&world), said);
        std::fs::remove_file(world.agent.config()).expect("a file");
        world.agent.hang_up();
        let (_, status) = manager.reload();
        let said = announced().await;
        assert!(said.contains("playheadd.toml: cannot be read: No such file"), "{said}");
        assert!(status.contains(&said), "{status}");
        // The service manager takes nothing longer than 4 KiB, and no second line is a status.
        let host = format!("\\u0007{}", "x".repeat(9_000));
        let url = format!("[collector]\nurl = \"ftp://user:secret@{host}/secret\"\n");
        std::fs::write(world.agent.config(), url).expect("a file");
        world.agent.hang_up();
        let (_, status) = manager.reload();
        let said = announced().await;
        assert!(
            status.contains(&said) && status.len() < 2_000 && !status.contains('\n'),
            "{status}"
        );
        assert!(said.contains("got 'ftp://\\u0007xxx") && !said.contains("secret"), "{said}");
        write(&world, "");
        world.agent.hang_up();
        let (_, status) = manager.reload();
        assert!(!status.is_empty() && !status.contains("old configuration"), "{status}");
        assert_eq!(announced().await, "");
        assert_eq!(last_error(&world), "");
    }
}

#[tokio::test]
async fn a_hangup_while_a_configuration_is_read_has_a_pair_of_its_own() {
    let (world, manager) = managed("", &[]).await;
    let held = Lease::take(world.agent.config());
    world.agent.hang_up();
    let first = manager.begins();
    world.agent.hang_up();
    held.release();
    assert!(!manager.ends().contains("old configuration"));
    let second = manager.begins();
    assert!(second > first, "{second} after {first}");
    assert!(!manager.ends().contains("old configuration"));
}

/// Another process holds a file so that whoever opens it waits (a lease of fcntl(2)).
struct Lease(Child);

const LEASE: &str = "
import fcntl, os, signal, sys
# A handler of Python's own is gone before its process is.
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('held', flush=True)
sys.stdin.read()
";

impl Lease {
    fn take(file: &Path) -> Lease {
        let mut holder = Command::new("/usr/bin/python3")
            .args(["-c", LEASE])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = String::new();
        let out = holder.stdout.as_mut().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        assert_eq!(line, "held\n");
        Lease(holder)
    }

    fn release(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("its end").success());
    }
}

#[tokio::test]
async fn what_holds_until_a_restart_is_named_when_it_has_changed() {
    let (world, manager) = managed("", &[]).await;
    for (more, sections) in [
        (
            "[heartbeat]\nmain_seconds = 5\n[limits]\nsessions = 5\n[store]\nflush_seconds = 2\n",
            None,
        ),
        ("[store]\nmax_bytes = 100_000_000\n", Some("store")),
        ("[mpris]\nallow = [\"mpv\"]\n[limits]\nevents_per_second = 7\n", Some("limits, mpris")),
        ("", None),
    ] {
        let before = world.agent.log().len();
        write(&world, more);
        world.agent.hang_up();
        manager.reload();
        let log = world.agent.log()[before..].to_owned();
        assert!(log.contains("the configuration was read anew"), "{more}: {log}");
        let named = log.lines().find_map(|l| l.split_once("; a restart takes over: "));
        assert_eq!(named.map(|(_, sections)| sections), sections, "{more}: {log}");
    }
}

#[tokio::test]
async fn mistakes_without_an_end_are_one_short_line_of_the_log() {
    let (world, manager) = managed("", &[]).await;
    let keys: String = (0..29_000).map(|n| format!("x{n:05}=1\n")).collect();
    std::fs::write(world.agent.config(), format!("[delivery]\n{keys}")).expect("a file");
    let before = world.agent.log().len();
    world.agent.hang_up();
    let (_, status) = manager.reload();
    assert!(status.contains("the old configuration is in force"), "{status}");
    let log = world.agent.log()[before..].to_owned();
    let told = log.lines().find(|line| line.contains("the old one stays in force")).expect("it");
    assert!(told.len() < 16_000 && told.contains("x00015"), "{}: {told}", told.len());
    // With the required keys that are not set.
    assert!(told.contains("and 28988 more") && !told.contains("x00016"), "{told}");
    let out = playheadd(&["--reload", &world.agent.pid().to_string()]);
    assert_eq!((out.status.code(), out.stderr.len() < 40_000), (Some(2), true));
    manager.reload();
}

/// The variables of a process are fixed when it starts: whoever reloads has the new ones and does not
/// help it.
#[tokio::test]
async fn a_mistake_in_a_variable_takes_a_restart() {
    let (mut world, _) = managed("", &[]).await;
    assert!(world.agent.stop().success());
    let place = world.bus.dir.path().join("notify-2");
    let manager = Manager::listen(&place);
    let socket = format!("NOTIFY_SOCKET={}", place.display());
    let wrong = "PLAYHEADD_CONSENT__INITIAL=inn";
    world.agent.under = ["env", &socket, wrong].map(str::to_owned).into();
    world.agent.launch();
    let said = manager.ends();
    assert!(said.contains("PLAYHEADD_CONSENT__INITIAL: consent.initial"), "{said}");
    assert!(said.ends_with("correct it and restart the service"), "{said}");
    let pid = world.agent.pid().to_string();
    let out = Command::new(common::daemon())
        .env("MAINPID", &pid)
        .env("PLAYHEADD_CONSENT__INITIAL", "in")
        .args(["--reload", &pid])
        .output()
        .expect("playheadd");
    let said = text(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("PLAYHEADD_CONSENT__INITIAL: ") && said.contains("restart it"), "{said}");
    manager.reload();
}

/// A path that the daemon was given begins where the daemon is, not where somebody reloads it.
#[tokio::test]
async fn a_relative_path_is_one_of_the_daemon() {
    // The launcher's arguments are the program, --config, the path, and others.
    let script = "cd \"${3%/*}\" && program=$1 && name=${3##*/} && shift 3 && \
                  exec \"$program\" --config \"$name\" \"$@\"";
    let (world, manager) = managed("", &["/bin/sh", "-c", script, "sh"]).await;
    let pid = world.agent.pid().to_string();
    let out = playheadd(&["--reload", &pid]);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert!(!manager.reload().1.contains("old configuration"));
    write(&world, BROKEN);
    let out = playheadd(&["--reload", &pid]);
    let said = text(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("{}:", world.agent.config().display())), "{said}");
    assert!(manager.reload().1.contains("playheadd.toml:"));
}

#[tokio::test]
async fn the_command_that_reloads_fails_when_the_configuration_is_broken() {
    let (world, manager) = managed("", &[]).await;
    let pid = world.agent.pid().to_string();
    let out = playheadd(&["--reload", &pid]);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert!(!manager.reload().1.contains("old configuration"));
    // It checks the file that the daemon reads, not the one of the machine.
    write(&world, BROKEN);
    let out = playheadd(&["--reload", &pid]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("playheadd.toml:"), "{}", text(&out.stderr));
    assert!(manager.reload().1.contains("the old configuration is in force"));
    // A hangup would end this test.
    let out = playheadd(&["--reload", &std::process::id().to_string()]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("it is no playheadd"), "{}", text(&out.stderr));
    assert_eq!(playheadd(&["--reload", "4194305"]).status.code(), Some(1), "no such process");
}

const REQUIRED: &str = "[clock]\nrequire_sync = true\n";
const LINES: [&str; 2] =
    ["'ProtectClock=no'", "'SystemCallFilter=adjtimex clock_adjtime clock_adjtime64'"];

/// As under the unit's sandbox.
fn without_adjtimex() -> [&'static str; 2] {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/without_adjtimex.py");
    ["/usr/bin/python3", program]
}

#[tokio::test]
async fn a_clock_that_is_required_and_hidden_is_said_with_what_to_do() {
    let (world, manager) = managed(REQUIRED, &without_adjtimex()).await;
    // Whoever could say it besides is asked first.
    let mut said = last_error(&world);
    while said.is_empty() {
        said = last_error(&world);
    }
    assert!(said.starts_with("nothing is sent since 20"), "{said}");
    assert!(LINES.iter().all(|line| said.contains(line)), "{said}");
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    // It is said at the start and at each reload, and keeps its time.
    world.agent.hang_up();
    assert!(manager.reload().1.ends_with(&said));
    assert_eq!(last_error(&world), said);
    let log = world.agent.log();
    let told = log.lines().filter(|l| LINES.iter().all(|line| l.contains(line))).count();
    assert_eq!(told, 2, "{log}");
    assert!(world.collector.hits().is_empty());
    // The newest failure is shown, and then this one again.
    write(&world, BROKEN);
    world.agent.hang_up();
    manager.reload();
    assert!(last_error(&world).starts_with("the old configuration is in force"));
    write(&world, REQUIRED);
    world.agent.hang_up();
    manager.reload();
    assert_eq!(last_error(&world), said);
    // It does not take a restart to do without.
    write(&world, "");
    world.agent.hang_up();
    manager.reload();
    assert_eq!(last_error(&world), "");
    world.wait("what was kept", |hits| hits.len() >= 2);
}

#[test]
fn a_check_warns_of_a_clock_that_the_unit_hides() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("playheadd.toml");
    let check = |more: &str, under: &[&str]| {
        std::fs::write(&file, config_text("http://127.0.0.1:1", more)).expect("a file");
        let program = common::daemon().display().to_string();
        let line: Vec<&str> = under.iter().copied().chain([program.as_str()]).collect();
        let out = Command::new(line[0])
            .args(&line[1..])
            .args(["--check", "--config"])
            .arg(&file)
            .output()
            .expect("playheadd");
        assert!(out.status.success());
        text(&out.stderr)
    };
    assert_eq!(check("", &without_adjtimex()), "");
    let warned = [check(REQUIRED, &without_adjtimex()), check(REQUIRED, &[])];
    for warning in &warned {
        assert!(LINES.iter().all(|line| warning.contains(line)), "{warning}");
    }
    assert!(warned[0].contains("systemd-timedated has to say"), "{}", warned[0]);
}
