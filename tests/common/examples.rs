//! The players under `examples/`, built and run.

#![allow(dead_code)]

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};

use playheadd::bench::Record;

use super::{Bus, PATIENCE, playhead};

#[derive(Clone, Copy, PartialEq)]
pub enum Language {
    C,
    Cpp,
    Python,
}

/// The player of `examples/raw`, on D-Bus alone, ready to run.
pub fn player(language: Language) -> Command {
    if language == Language::Python {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(examples.join("raw/player.py"));
        return command;
    }
    made("examples", if language == Language::C { "raw-c" } else { "raw-cpp" })
}

/// The player of `examples/c` or `examples/cpp`, on the client, ready to run.
pub fn player_on_the_client(language: Language) -> Command {
    match language {
        Language::C => made("examples", "player-c"),
        Language::Cpp => made("examples", "player-cpp"),
        Language::Python => panic!("tests/demo.rs plays it"),
    }
}

/// A program that the Makefile of a folder makes, built with the sanitizers, so that a leak or a wild
/// pointer is a failed run.
pub fn made(folder: &str, program: &str) -> Command {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("players").join(folder);
    std::fs::create_dir_all(&out).expect("a directory");
    let program = out.join(program);
    // One test builds, the others find it done; they have objects in common.
    let lock = File::create(out.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let make = Command::new("make")
        .args(["--no-print-directory", "-C"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
        .arg(format!("OUT={}", out.display()))
        .arg("SANITIZE=address,undefined")
        .arg(&program)
        .output()
        .expect("make");
    let said = String::from_utf8_lossy(&make.stderr).into_owned();
    assert!(make.status.success(), "{said}\n(Debian packages: gcc g++ libsystemd-dev pkg-config)");
    Command::new(program)
}

pub fn arguments(door: &str) -> [&str; 2] {
    [door, "film-7"]
}

pub fn said(out: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

/// What a viewing looks like on the wire: a pause, a seek of 30 s, an ad break, and it is left.
pub fn viewing(from: f64) -> Vec<(String, f64)> {
    [
        ("sessionStart", 0.0),
        ("play", 0.0),
        ("pauseStart", 1.0),
        ("play", 1.0),
        ("pauseStart", 1.0),
        ("play", 31.0),
        ("adBreakStart", 32.0),
        ("adStart", 32.0),
        ("adComplete", 32.0),
        ("adBreakComplete", 32.0),
        ("play", 32.0),
        ("sessionEnd", 33.0),
    ]
    .map(|(kind, at)| (kind.to_owned(), from + at))
    .into()
}

/// The hits of a session without pings: event type and playhead.
pub fn hits_of(hits: &[Record], sid: &str) -> Vec<(String, f64)> {
    hits.iter()
        .filter(|r| r.sid.as_deref() == Some(sid) && r.event_type() != "ping")
        .map(|r| (r.event_type().to_owned(), playhead(r)))
        .collect()
}

/// A player that plays a piece of the film when it is told to.
pub struct Steered {
    child: Child,
    orders: ChildStdin,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Steered {
    pub fn start(mut command: Command, arguments: &[&str], bus: &Bus) -> Steered {
        command.args(["--bus", &bus.address, "--step"]).args(arguments);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("the player");
        let (say, lines) = mpsc::channel();
        let out = child.stdout.take().expect("a pipe");
        let err = child.stderr.take().expect("a pipe");
        let tell = say.clone();
        let relay = |pipe: Box<dyn BufRead + Send>, say: mpsc::Sender<String>| {
            std::thread::spawn(move || {
                pipe.lines().map_while(Result::ok).for_each(|line| drop(say.send(line)));
            });
        };
        relay(Box::new(BufReader::new(out)), say);
        relay(Box::new(BufReader::new(err)), tell);
        let orders = child.stdin.take().expect("a pipe");
        Steered { child, orders, lines, seen: Vec::new() }
    }

    /// Waits until it says a line that begins with this, and gives the rest of the line.
    #[track_caller]
    pub fn says(&mut self, start: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("the player did not say '{start}': {:#?}", self.seen);
            };
            self.seen.push(line);
            if let Some(rest) = self.seen.last().expect("a line").strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    /// The next piece of the film, after which it waits at a position.
    #[track_caller]
    pub fn plays_to(&mut self, position: &str) {
        self.orders.write_all(b"\n").expect("an order");
        self.says(&format!("at {position}"));
    }

    /// The last piece. Gives the last line and everything that it said before.
    #[track_caller]
    pub fn ends(&mut self) -> String {
        self.orders.write_all(b"\n").expect("an order");
        let rest = self.says("played film-7 from ");
        let status = self.child.wait().expect("its end");
        assert_eq!(status.code(), Some(0), "{:#?}", self.seen);
        rest
    }
}

impl Drop for Steered {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
