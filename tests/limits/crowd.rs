//! A process that asks for too much of everything, as one uid on many connections, and prints what it
//! got.

use futures_util::future::join_all;
use zbus::OwnedObjectPath;

use crate::common::{AGENT, AGENT_PATH, Info, Player, film, nothing, refusal};
use crate::place::connect;

/// Names the bus to the process.
pub const BUS: &str = "PLAYHEADD_TEST_CROWD";
/// The name of the test that is one.
pub const TEST: &str = "crowd::asks_for_too_much";

/// Connections that flood at the end, and what each says.
const FLOODERS: usize = 60;
const SIGNALS: usize = 300;

/// Asks for too much and prints what came of it. Not a test by itself.
#[tokio::test]
async fn asks_for_too_much() {
    #[allow(clippy::disallowed_methods)]
    let Ok(address) = std::env::var(BUS) else { return };
    squat(&address).await;
    too_large(&address).await;
    too_fast(&address).await;
    reads(&address).await;
    flood(&address).await;
}

fn say(what: &str, came: impl std::fmt::Display) {
    println!("= {what}: {came}");
}

async fn player(address: &str) -> Player {
    Player { connection: connect(address).await }
}

fn of_instance(media: &'static str, instance: usize) -> Info {
    let mut info = film(media);
    info.insert("instance", format!("{instance}").into());
    info
}

/// Counts what was granted, and gives the sentence of the last refusal.
fn count<T>(came: Vec<zbus::Result<T>>) -> (usize, String) {
    let granted = came.iter().filter(|came| came.is_ok()).count();
    let refused = came.into_iter().rfind(Result::is_err).map(|came| refusal(came.map(|_| ())));
    (granted, refused.map(|(name, why)| format!("{name} {why}")).unwrap_or_default())
}

/// As many sessions as four connections get. Two of them leave then, and their sessions with them.
async fn squat(address: &str) {
    let (mut granted, mut last, mut players) = (0, String::new(), Vec::new());
    for connection in 0..4 {
        let player = player(address).await;
        let opened = (0..17).map(|n| player.open(0.0, of_instance("squat", connection * 20 + n)));
        let (some, why) = count(join_all(opened).await);
        if connection == 0 {
            say("sessions of a connection", format!("{some} {why}"));
        }
        (granted, last) = (granted + some, why);
        players.push(player);
    }
    say("sessions of the uid", format!("{granted} {last}"));
    for player in players.drain(..2) {
        player.die().await;
    }
    // The others stay connected until the process ends.
    std::mem::forget(players);
}

/// Events that hold too much, and a session that keeps too many names of states.
async fn too_large(address: &str) {
    let player = player(address).await;
    // The bus tells the agent who has left in its own time.
    let session = loop {
        if let Ok(session) = player.open(0.0, film("large")).await {
            break session;
        }
    };
    let error = |id: String| Info::from([("id", id.into())]);
    let long = player.call(&session, "Error", 0.0, error("x".repeat(4_097))).await;
    say("a string", count(vec![long]).1);
    let texts = (0..20).map(|n| (format!("k{n}"), "x".repeat(4_000))).collect();
    let texts: std::collections::HashMap<String, String> = texts;
    let mut info = error("e".into());
    info.insert("metadata", texts.into());
    let large = player.call(&session, "Error", 0.0, info).await;
    say("an event", count(vec![large]).1);
    let mut states = Vec::new();
    for n in 0..11 {
        let name = Info::from([("name", format!("s{n}").into())]);
        states.push(player.call(&session, "StateStart", 0.0, name).await);
    }
    say("states", count(states).0);
    player.call(&session, "End", 0.0, nothing()).await.expect("an end");
}

async fn asks(player: &Player, times: usize) -> Vec<zbus::Result<zbus::Message>> {
    let ask = |_| {
        let connection = &player.connection;
        connection.call_method(Some(AGENT), AGENT_PATH, Some(AGENT), "GetResumePoint", &("a", "b"))
    };
    join_all((0..times).map(ask)).await
}

/// More than a connection may say at once, and more than a uid may.
async fn too_fast(address: &str) {
    let (granted, why) = count(asks(&player(address).await, 2_000).await);
    say("events of a connection", format!("{granted} {why}"));
    let players = join_all((0..40).map(|_| player(address))).await;
    // Known to the agent before they say much.
    join_all(players.iter().map(|player| asks(player, 1))).await;
    let came = join_all(players.iter().map(|player| asks(player, 150))).await;
    let (granted, why) = count(came.into_iter().flatten().collect());
    say("events of the uid", format!("{granted} {why}"));
}

/// Reads whose answers are not waited for, and reads one after the other.
async fn reads(address: &str) {
    let player = player(address).await;
    let read = |_| {
        let properties = Some("org.freedesktop.DBus.Properties");
        player.connection.call_method(Some(AGENT), AGENT_PATH, properties, "GetAll", &(AGENT,))
    };
    let (granted, why) = count(join_all((0..2_000).map(read)).await);
    say("reads at once", format!("{granted} {why}"));
    let mut came = Vec::new();
    for n in 0..100 {
        came.push(read(n).await);
    }
    say("reads one by one", count(came).0);
}

/// Signals from many connections, with ids as long as they may be.
async fn flood(address: &str) {
    let players = join_all((0..FLOODERS).map(|_| player(address))).await;
    for player in &players {
        player.emit("/p", "SessionStart", 0.0, film("flood")).await;
    }
    for n in 0..SIGNALS {
        for player in &players {
            let id = Info::from([("id", format!("{n:04}{}", "x".repeat(4_000)).into())]);
            player.emit("/p", "Error", 0.0, id).await;
        }
    }
    let path: OwnedObjectPath = AGENT_PATH.try_into().expect("a path");
    let ping = Some("org.freedesktop.DBus.Peer");
    let last = &players[0].connection;
    last.call_method(Some(AGENT), &path, ping, "Ping", &()).await.expect("an answer");
    say("signals", FLOODERS * SIGNALS);
}
