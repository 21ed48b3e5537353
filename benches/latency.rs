//! How long a call takes beside a bare echo that does nothing, in the same run: at rest, while another
//! player floods the bus, and while a stranger asks without reading the answers (needs root, to be
//! somebody else). `cargo bench --all-features --bench latency` prints all.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/access/place.rs"]
mod place;
#[path = "latency/stranger.rs"]
mod stranger;

use std::time::{Duration, Instant};

use common::{FLOOD_A_SECOND, Player, World, film, flood, nothing};
use futures_util::StreamExt;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream};

const SECONDS: usize = 10;
/// Calls of the player to the agent and to the echo, twenty a second.
const CALLS: usize = 20 * SECONDS;

const ECHO: &str = "tv.playhead.test.Echo";

/// A service that does nothing but hear the same flood and answer calls.
async fn echo(connection: Connection) {
    let mut heard = MessageStream::from(&connection);
    let dbus = zbus::fdo::DBusProxy::new(&connection).await.expect("the bus");
    let rule = MatchRule::builder().msg_type(Type::Signal).interface("tv.playhead.Player1").build();
    dbus.add_match_rule(rule.expect("a rule")).await.expect("a match rule");
    connection.request_name(ECHO).await.expect("a name");
    while let Some(Ok(message)) = heard.next().await {
        if message.message_type() == Type::MethodCall {
            let answered = connection.reply(&message.header(), &()).await;
            answered.expect("an answer");
        }
    }
}

/// What the calls to the agent took, and those to the echo made between them.
struct Measured {
    agent: Vec<Duration>,
    echo: Vec<Duration>,
}

impl Measured {
    /// How many times longer the agent takes, in the middle and in the worst of a hundred calls.
    fn ratios(mut self) -> (f64, f64) {
        self.agent.sort();
        self.echo.sort();
        let at = |calls: &[Duration], part: usize| calls[calls.len() * part / 100].as_secs_f64();
        let ratio = |part| at(&self.agent, part) / at(&self.echo, part);
        (ratio(50), ratio(99))
    }
}

/// Calls that store nothing, to the agent and to the echo by turns.
#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
async fn measure(player: &Player) -> Measured {
    let session = player.open(0.0, film("a-film")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    let mut next = tokio::time::interval(Duration::from_secs(SECONDS as u64) / CALLS as u32);
    let mut measured = Measured { agent: Vec::new(), echo: Vec::new() };
    for n in 0..CALLS {
        next.tick().await;
        let from = Instant::now();
        player.call(&session, "Playhead", n as f64, nothing()).await.expect("an answer");
        measured.agent.push(from.elapsed());
        let from = Instant::now();
        let body = (1.0, nothing());
        let call = player.connection.call_method(Some(ECHO), "/", Some(ECHO), "Echo", &body);
        call.await.expect("an answer");
        measured.echo.push(from.elapsed());
    }
    player.call(&session, "End", CALLS as f64, nothing()).await.expect("the end");
    measured
}

/// Waits until a name is owned.
async fn named(connection: &Connection, name: &str) {
    let dbus = zbus::fdo::DBusProxy::new(connection).await.expect("the bus");
    while !dbus.name_has_owner(name.try_into().expect("a name")).await.expect("an answer") {}
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if stranger::floods() {
        return;
    }
    let world = World::start("").await;
    tokio::spawn(echo(world.bus.connect().await));
    let player = world.player().await;
    named(&player.connection, ECHO).await;
    println!("| a call that stores nothing, against a bare echo | p50 | p99 |");
    println!("| --- | --- | --- |");
    let (p50, p99) = measure(&player).await.ratios();
    println!("| at rest (budget 1.3 / 1.6) | {p50:.2} | {p99:.2} |");
    let flooder = world.player().await;
    let flooding = tokio::spawn(async move { flood(&flooder, SECONDS).await });
    let (p50, p99) = measure(&player).await.ratios();
    println!(
        "| while another player sends {FLOOD_A_SECOND} signals a second | {p50:.2} | {p99:.2} |"
    );
    flooding.await.expect("the flood");
    match strangers().await {
        Some((p50, p99)) => println!(
            "| while a stranger asks on {} connections (budget - / 3) | {p50:.2} | {p99:.2} |",
            stranger::CONNECTIONS
        ),
        None => println!("| while a stranger asks | skipped: needs root | |"),
    }
}

/// The same on a bus that everybody may use, flooded by another uid.
async fn strangers() -> Option<(f64, f64)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let place = place::Place::new();
    let (_bus, address) = place::bus(&place, place::OPEN);
    let collector = playheadd::bench::Collector::start();
    let config = place.path().join("playheadd.toml");
    std::fs::write(&config, common::config_text(&collector.url(), "")).expect("written");
    let agent = std::process::Command::new(common::daemon())
        .arg("--config")
        .arg(&config)
        .args(["--bus-address", &address, "--state-dir"])
        .arg(place.path().join("state"))
        .stderr(std::process::Stdio::null())
        .spawn();
    let _agent = place::Process(agent.expect("the daemon"));
    let player = Player { connection: place::connect(&address).await };
    tokio::spawn(echo(place::connect(&address).await));
    named(&player.connection, ECHO).await;
    named(&player.connection, common::AGENT).await;
    let _stranger = place::Process(stranger::start(&place, &address));
    Some(measure(&player).await.ratios())
}
