//! A player that says too much (api.md 2.8): it is dropped and counted, everybody else is served as
//! before, and the agent's memory stays what it was.

mod common;

use std::time::{Duration, Instant};

use common::{AGENT, AGENT_PATH, Player, World, anonymous_kib, film, nothing, of_type, refusal};
use futures_util::StreamExt;
use futures_util::future::join_all;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream};

const A_SECOND: usize = 10_000;
const SECONDS: usize = 10;
/// Signals that are sent in one go; the rest of the time until the next go is waited for.
const AT_ONCE: usize = 100;
const PLAYERS: usize = 8;
/// Calls of each player to the agent and to the echo, twenty a second.
const CALLS: usize = 20 * SECONDS;
/// Of those, how many are events that have to arrive.
const EVENTS_EVERY: usize = 10;
/// How much slower than a bare echo the agent may be in the worst of a hundred calls.
const RATIO: f64 = 3.0;
/// More than a sender may say at once.
const BURST: usize = 300;
const GROWTH_KIB: u64 = 4 * 1024;

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

/// Ten thousand signals a second; gives how many there were.
async fn flood(player: &Player) -> u64 {
    let pause = Duration::from_secs(1) / (A_SECOND / AT_ONCE) as u32;
    let mut next = tokio::time::interval(pause);
    let mut sent = 0;
    for _ in 0..SECONDS * A_SECOND / AT_ONCE {
        next.tick().await;
        for _ in 0..AT_ONCE {
            player.emit("/flood", "Playhead", 1.0, nothing()).await;
            sent += 1;
        }
    }
    sent
}

/// The only time that is measured here; what it is compared with is measured beside it.
#[allow(clippy::disallowed_methods)]
fn clock() -> Instant {
    Instant::now()
}

/// The second in which a call was made, and how long it took.
type Call = (usize, Duration);

/// What a player has seen: its calls to the agent and to the echo, and the most memory that the agent
/// had meanwhile.
struct Seen {
    agent: Vec<Call>,
    bare: Vec<Call>,
    most_kib: u64,
}

/// A player's calls to the agent and to the echo, by turns.
async fn play(player: Player, media: &'static str, pid: u32) -> Seen {
    let session = player.open(0.0, film(media)).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    let mut next = tokio::time::interval(Duration::from_secs(SECONDS as u64) / CALLS as u32);
    let mut seen = Seen { agent: Vec::new(), bare: Vec::new(), most_kib: 0 };
    for n in 0..CALLS {
        next.tick().await;
        let from = clock();
        player.call(&session, "Playhead", n as f64, nothing()).await.expect("an answer");
        seen.agent.push((n * SECONDS / CALLS, from.elapsed()));
        let from = clock();
        let body = (1.0, nothing());
        let call = player.connection.call_method(Some(ECHO), "/", Some(ECHO), "Echo", &body);
        call.await.expect("an answer");
        seen.bare.push((n * SECONDS / CALLS, from.elapsed()));
        seen.most_kib = seen.most_kib.max(anonymous_kib(pid));
        if n.is_multiple_of(EVENTS_EVERY) {
            let info = common::Info::from([("id", format!("{media}-{n}").into())]);
            player.call(&session, "Error", n as f64, info).await.expect("an event");
        }
    }
    player.call(&session, "End", CALLS as f64, nothing()).await.expect("the end");
    seen
}

/// The worst of a hundred calls in each second.
fn p99(calls: &[Call]) -> [f64; SECONDS] {
    std::array::from_fn(|second| {
        let of_second = calls.iter().filter(|(at, _)| *at == second);
        let mut latencies: Vec<Duration> = of_second.map(|(_, latency)| *latency).collect();
        latencies.sort();
        latencies[latencies.len() * 99 / 100].as_secs_f64()
    })
}

fn median(mut values: [f64; SECONDS]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[SECONDS / 2]
}

async fn refused(player: &Player) -> u64 {
    let value = player.property(AGENT_PATH, AGENT, "RejectedEvents").await;
    value.try_into().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_harms_nobody_but_the_one_who_sends_it() {
    let world = World::start("").await;
    tokio::spawn(echo(world.bus.connect().await));
    let observer = world.player().await;
    let dbus = zbus::fdo::DBusProxy::new(&observer.connection).await.expect("the bus");
    while !dbus.name_has_owner(ECHO.try_into().expect("a name")).await.expect("an answer") {}
    let pid = world.agent.pid();
    let before = anonymous_kib(pid);

    let flooder = world.player().await;
    let media = ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"];
    let mut players = Vec::new();
    for name in media {
        players.push(tokio::spawn(play(world.player().await, name, pid)));
    }
    assert_eq!(players.len(), PLAYERS);
    let sender = tokio::spawn(async move {
        let sent = flood(&flooder).await;
        (flooder, sent)
    });
    let (mut agent, mut bare, mut most) = (Vec::new(), Vec::new(), before);
    for came in join_all(players).await {
        let seen = came.expect("a player");
        agent.extend(seen.agent);
        bare.extend(seen.bare);
        most = most.max(seen.most_kib);
    }
    let (flooder, sent) = sender.await.expect("the flood");

    // The one who floods is told so, when it asks, and everything dropped is counted.
    let asking = (0..BURST).map(|_| async {
        let call =
            flooder.connection.call_method(Some(AGENT), AGENT_PATH, Some(AGENT), "Flush", &());
        call.await.map(|_| ())
    });
    let told: Vec<_> = join_all(asking).await.into_iter().filter(Result::is_err).collect();
    let counted = sent + told.len() as u64;
    let (name, why) = refusal(told.into_iter().next().expect("a refusal"));
    assert_eq!(name, "tv.playhead.Error.LimitsExceeded", "{why}");
    assert!(why.contains("50 messages a second"), "{why}");
    while refused(&observer).await < counted {}
    assert_eq!(refused(&observer).await, counted);

    // Nobody else has lost anything.
    let events = PLAYERS * CALLS.div_ceil(EVENTS_EVERY);
    let hits = world.wait("every event", |hits| {
        of_type(hits, "error").len() >= events && of_type(hits, "sessionEnd").len() >= PLAYERS
    });
    assert_eq!(of_type(&hits, "error").len(), events);
    // Second by second, so that what else the machine does for a moment does not count.
    let (agent, bare) = (p99(&agent), p99(&bare));
    let ratio = median(std::array::from_fn(|second| agent[second] / bare[second]));
    println!(
        "p99 of the agent {:.2} ms, of a bare echo {:.2} ms, ratio {ratio:.2} (medians of {SECONDS} \
         seconds); anonymous memory {before} KiB, at most {most} KiB",
        median(agent) * 1e3,
        median(bare) * 1e3,
    );
    assert!(ratio <= RATIO, "{ratio:.2}: {agent:?}, echo {bare:?}");
    assert!(most < before + GROWTH_KIB, "{before} KiB grew to {most} KiB");

    // What is kept of the one who floods goes with it.
    flooder.die().await;
    let after = anonymous_kib(pid);
    assert!(after <= before + GROWTH_KIB / 2, "{before} KiB came back to {after} KiB only");
}
