//! A run of `playheadctl`, and what differs from run to run made the same.

use std::process::{Command, Stdio};

use serde_json::Value;
use zbus::OwnedObjectPath;

use crate::common::disk::{a_film, queued};
use crate::common::{Player, World, nothing, of_type};

/// Nothing is sent but what happens, when it happens.
pub const QUIET: &str = "[heartbeat]\nmain_seconds = 3000\n";

/// What a command has printed, and its exit status.
#[derive(Debug)]
pub struct Came {
    pub out: String,
    pub err: String,
    pub status: i32,
}

pub fn command(address: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_playheadctl"));
    command.args(["--bus-address", address]).args(arguments).stdin(Stdio::null());
    command
}

pub fn ctl(world: &World, arguments: &[&str]) -> Came {
    ctl_at(&world.bus.address, arguments)
}

pub fn ctl_at(address: &str, arguments: &[&str]) -> Came {
    let came = command(address, arguments).output().expect("playheadctl");
    Came {
        out: masked(&String::from_utf8(came.stdout).expect("text")),
        err: masked(&String::from_utf8(came.stderr).expect("text")),
        status: came.status.code().expect("an end of its own"),
    }
}

/// The JSON that a command prints.
pub fn json(world: &World, arguments: &[&str]) -> Value {
    let came = command(&world.bus.address, arguments).output().expect("playheadctl");
    serde_json::from_slice(&came.stdout).expect("JSON")
}

/// Times, bytes, waits and ports are those of the run: `DATE` and `N` stand for them, as wide.
pub fn masked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let (mut shown, mut at) = (String::new(), 0);
    while at < chars.len() {
        let rest: String = chars[at..].iter().take(20).collect();
        if is_date(&rest) {
            shown.push_str("DATE                ");
            at += 20;
            continue;
        }
        let digits = chars[at..].iter().take_while(|c| c.is_ascii_digit()).count();
        let after: String = chars[at + digits..].iter().take(6).collect();
        let own =
            ["next try in ", ".1:", "answers in "].iter().any(|before| shown.ends_with(before));
        let bytes = after.starts_with(" bytes");
        if digits > 0 && (own || bytes) {
            shown.push('N');
        } else {
            shown.extend(&chars[at..at + digits]);
        }
        at += digits;
        if digits == 0 {
            shown.push(chars[at]);
            at += 1;
        }
    }
    shown.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// `2027-01-15T08:00:00Z`
fn is_date(text: &str) -> bool {
    let form = "dddd-dd-ddTdd:dd:ddZ";
    text.len() == form.len()
        && text.chars().zip(form.chars()).all(|(c, f)| match f {
            'd' => c.is_ascii_digit(),
            f => c == f,
        })
}

/// Plays a film; gives its player and its session. So many hits of it wait or were sent.
pub async fn plays(world: &World, id: &str) -> (Player, OwnedObjectPath) {
    let player = world.player().await;
    let session = player.open(0.0, a_film(id)).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    // What can be taken back by a preroll is none of it.
    player.call(&session, "Pause", 5.0, nothing()).await.expect("pause");
    (player, session)
}

/// Waits until so many pauses were sent, which is the last hit of each film, and answered.
pub async fn paused(world: &World, films: usize) {
    world.wait("the pauses", |hits| of_type(hits, "pauseStart").len() >= films);
    wait_for(world, 0).await;
}

/// Waits until so many hits wait.
pub async fn wait_for(world: &World, hits: u64) {
    let waits = async { while queued(world).await != hits {} };
    tokio::time::timeout(crate::common::PATIENCE, waits).await.expect("in time");
}
