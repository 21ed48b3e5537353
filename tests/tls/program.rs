//! `playheadctl collector --tls` as it is run on a workbench.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use playheadd::bench::Authority;
use serde_json::Value;

use crate::common::{Agent, Bus, PATIENCE, Player, collector_config_text, film, nothing};
use crate::scene::trusting;

/// The bench collector as a process of its own; killed on drop.
struct Program {
    child: Child,
    lines: Receiver<String>,
    complaints: Receiver<String>,
    url: String,
}

/// The lines that come out of a pipe, as they come.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (line, lines) = channel();
    std::thread::spawn(move || {
        let mut said = BufReader::new(pipe).lines().map_while(Result::ok);
        said.all(|text| line.send(text).is_ok())
    });
    lines
}

impl Program {
    fn start(dir: &Path, more: &[&str]) -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_playheadctl"))
            .args(["collector", "--json", "--tls"])
            .arg(dir)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("playheadctl");
        let lines = lines(child.stdout.take().expect("a pipe"));
        let complaints = self::lines(child.stderr.take().expect("a pipe"));
        let said = complaints.recv_timeout(PATIENCE).expect("its first line");
        let url = said.strip_prefix("the bench collector listens on ");
        let url = url.unwrap_or_else(|| panic!("expected a URL, got: {said}")).to_owned();
        Program { child, lines, complaints, url }
    }

    /// Event types up to the end of a session.
    fn session(&self) -> Vec<String> {
        let mut kinds = Vec::new();
        while kinds.last().is_none_or(|kind| kind != "sessionEnd") {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|e| panic!("after {kinds:?} a hit was expected: {e}"));
            let hit: Value = serde_json::from_str(&line).expect("JSON");
            assert!(hit["counted"] == true, "{hit}");
            kinds.push(hit["body"]["eventType"].as_str().expect("a type").to_owned());
        }
        kinds
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the program says when it does not start, and its exit status.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_playheadctl"))
        .args(["collector", "--listen", "127.0.0.1:0"])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("playheadctl");
    let said = lines(child.stderr.take().expect("a pipe"));
    let first = said.recv_timeout(PATIENCE).expect("a message");
    if first.contains("listens on") {
        child.kill().expect("its end");
        panic!("it started with {arguments:?}");
    }
    let status = child.wait().expect("its end");
    let rest: String = said.iter().collect();
    (status.code(), first + &rest)
}

fn read(dir: &Path, file: &str) -> String {
    std::fs::read_to_string(dir.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn mode(dir: &Path, file: &str) -> u32 {
    std::fs::metadata(dir.join(file)).expect(file).permissions().mode() & 0o777
}

async fn play(bus: &Bus, media: &'static str) {
    let player = Player { connection: bus.connect().await };
    let session = player.open(0.0, film(media)).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    player.call(&session, "End", 5.0, nothing()).await.expect("end");
}

const WHOLE: [&str; 3] = ["sessionStart", "play", "sessionEnd"];

#[tokio::test]
async fn a_box_that_is_told_its_files_once_is_served_at_every_later_start() {
    let bus = Bus::start();
    let dir = bus.dir.path().join("made/here");
    let url_file = bus.dir.path().join("url");
    let url_argument = url_file.to_str().expect("a path");
    let program = Program::start(
        &dir,
        &["--client-certificates", "--listen", "127.0.0.1:0", "--url-file", url_argument],
    );
    assert!(program.url.starts_with("https://127.0.0.1:"), "{}", program.url);
    assert_eq!(std::fs::read_to_string(&url_file).expect("the URL"), program.url);
    let keys = format!(
        "client_cert_file = \"{}\"\nclient_key_file = \"{}\"\n",
        dir.join("client.pem").display(),
        dir.join("client.key").display()
    );
    let text = collector_config_text(&program.url, &trusting(&dir.join("ca.pem"), &keys), "");
    let _agent = Agent::start_configured(&bus.dir.path().join("state"), &bus, &text).await;
    play(&bus, "ep-1").await;
    assert_eq!(program.session(), WHOLE);

    let files = ["ca.pem", "ca.key", "client.pem", "client.key"];
    let before = files.map(|file| read(&dir, file));
    let modes = [0o644, 0o600, 0o644, 0o600];
    assert_eq!(files.map(|file| mode(&dir, file)), modes, "keys are for their owner alone");
    let address = program.url.trim_start_matches("https://").to_owned();
    drop(program);
    let again = Program::start(&dir, &["--client-certificates", "--listen", &address]);
    play(&bus, "ep-2").await;
    assert_eq!(again.session(), WHOLE);
    assert_eq!(files.map(|file| read(&dir, file)), before);
}

#[tokio::test]
async fn a_client_without_a_certificate_is_let_in_only_where_none_is_asked_for() {
    let bus = Bus::start();
    let dir = bus.dir.path().join("tls");
    let asking = Program::start(&dir, &["--client-certificates", "--listen", "127.0.0.1:0"]);
    let address = asking.url.trim_start_matches("https://").to_owned();
    let text = collector_config_text(&asking.url, &trusting(&dir.join("ca.pem"), ""), "");
    let _agent = Agent::start_configured(&bus.dir.path().join("state"), &bus, &text).await;
    play(&bus, "ep-1").await;
    let page = asking.complaints.recv_timeout(PATIENCE).expect("a line");
    assert_eq!(page, format!("its page is {}/", asking.url));
    let said = asking.complaints.recv_timeout(PATIENCE).expect("a line");
    assert_eq!(said, "a TLS handshake failed: peer sent no certificates");
    drop(asking);
    // Nothing counted before: the session begins here.
    let open = Program::start(&dir, &["--listen", &address]);
    assert_eq!(open.session(), WHOLE);
}

#[test]
fn client_certificates_without_tls_are_wrong_use() {
    let (status, message) = refused(&["--client-certificates"]);
    assert_eq!(status, Some(2), "{message}");
    assert!(message.contains("--tls"), "{message}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("file");
    std::fs::write(&file, "").expect("a file");
    for dir in [file.clone(), file.join("below")] {
        let (status, message) = refused(&["--tls", dir.to_str().expect("a path")]);
        assert_eq!(status, Some(2), "{message}");
        for part in [&*dir.display().to_string(), "expected a directory"] {
            assert!(message.contains(part), "expected '{part}' in: {message}");
        }
    }
}

#[test]
fn a_broken_file_is_named_with_what_to_do() {
    let place = tempfile::tempdir().expect("a directory");
    let dir = place.path();
    let (ours, other) = (Authority::new(), Authority::new());
    let (mine, stranger) = (ours.client("mine"), other.client("stranger"));
    let nonsense = "nonsense".to_owned();
    let put = |file: &str, text: Option<String>| match text {
        Some(text) => std::fs::write(dir.join(file), text).expect("a file"),
        None => drop(std::fs::remove_file(dir.join(file))),
    };
    let good = || {
        put("ca.pem", Some(ours.certificate().to_owned()));
        put("ca.key", Some(ours.key()));
        put("client.pem", Some(mine.certificate().to_owned()));
        put("client.key", Some(mine.key().to_owned()));
    };
    for (file, text, parts) in [
        ("ca.pem", Some(nonsense.clone()), ["ca.pem: expected a certificate", "delete ca.pem and"]),
        (
            "ca.pem",
            Some(other.certificate().to_owned()),
            ["ca.pem: it is not the certificate of the key", "delete ca.pem and"],
        ),
        ("ca.key", Some(nonsense.clone()), ["ca.key: expected a private key", "delete ca.pem and"]),
        ("ca.key", None, ["ca.key: expected the private key of ca.pem", "put it back"]),
        ("client.pem", Some(nonsense.clone()), ["client.pem: expected a", "delete client.pem and"]),
        (
            "client.pem",
            Some(stranger.certificate().to_owned()),
            ["client.pem: this authority has not issued it", "delete client.pem and"],
        ),
        ("client.key", Some(nonsense), ["client.pem: its key: expected", "delete client.pem and"]),
        (
            "client.key",
            Some(stranger.key().to_owned()),
            ["client.pem: the key beside it is not its key", "delete client.pem and"],
        ),
        (
            "client.key",
            None,
            ["client.key: expected it beside client.pem", "delete client.pem and"],
        ),
        (
            "client.pem",
            None,
            ["client.pem: expected it beside client.key", "delete client.pem and"],
        ),
    ] {
        good();
        put(file, text);
        let arguments = ["--tls", dir.to_str().expect("a path"), "--client-certificates"];
        let (status, message) = refused(&arguments);
        assert_eq!(status, Some(2), "{file}: {message}");
        for part in parts {
            assert!(message.contains(part), "expected '{part}' in: {message}");
        }
    }
}

/// The certificate can be made again from the key, and boxes that know the old one need nothing new.
#[tokio::test]
async fn a_lost_ca_file_is_made_again_by_the_same_authority() {
    let bus = Bus::start();
    let dir = bus.dir.path().join("tls");
    drop(Program::start(&dir, &["--listen", "127.0.0.1:0"]));
    let old = bus.dir.path().join("old.pem");
    std::fs::rename(dir.join("ca.pem"), &old).expect("moved");
    let program = Program::start(&dir, &["--listen", "127.0.0.1:0"]);
    assert!(dir.join("ca.pem").exists());
    let text = collector_config_text(&program.url, &trusting(&old, ""), "");
    let _agent = Agent::start_configured(&bus.dir.path().join("state"), &bus, &text).await;
    play(&bus, "ep-1").await;
    assert_eq!(program.session(), WHOLE);
}
