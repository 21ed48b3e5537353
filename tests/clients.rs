//! The clients under `clients/`: each says the same scripted evening to a real daemon that is killed
//! three times, and the collector gets the same hits from all, none lost and each with its time.
//!
//! A test of each part runs for each client. One whose language is not on this machine is skipped.

mod clients {
    pub mod programs;
    pub mod script;
}
mod common;

use std::time::Duration;

use clients::programs::{Client, Driver};
use clients::script::{EVENING, Step, evening};
use common::{World, of_type, once, playhead};
use playheadd::bench::Record;

/// No pings: how many there are depends on the time that a machine takes for the evening. Nothing waits
/// for its turn in a fleet.
const QUIET: &str = "[heartbeat]\nmain_seconds = 600\nad_seconds = 10\n\
                     [delivery]\nreconnect_spread_seconds = 0\nbacklog_ratio = 0\n";

/// The hits without pings and repeats.
fn events(hits: &[Record]) -> Vec<Record> {
    once(hits).into_iter().filter(|hit| hit.event_type() != "ping").collect()
}

/// Of each such hit: event, playhead, and the name of what it is about.
fn told(hits: &[Record]) -> Vec<(String, f64, String)> {
    let named = |hit: &Record| -> String {
        let params = &hit.body["params"];
        let keys = ["media.ad.id", "media.chapter.friendlyName", "media.state.name", "media.id"];
        let name = keys.iter().find_map(|key| params[key].as_str());
        let quality = hit.body["qoeData"]["media.qoe.bitrate"].as_i64();
        let error = hit.body["qoeData"]["media.qoe.errorID"].as_str();
        let name = name.or(error).map(str::to_owned);
        name.or(quality.map(|bitrate| bitrate.to_string())).unwrap_or_default()
    };
    let hits = events(hits);
    hits.iter().map(|hit| (hit.event_type().to_owned(), playhead(hit), named(hit))).collect()
}

fn at(hit: &Record) -> i64 {
    hit.body["playerTime"]["ts"].as_i64().expect("a time")
}

/// The evening: what is said, and what the collector has to have got. The daemon is killed where the
/// script says so.
async fn says_the_evening(client: Client) {
    let Some(mut driver) = Driver::of(client) else { return };
    let mut world = World::start(QUIET).await;
    world.agent.kill().await;
    driver.start(&world.bus.address);
    let mut expected = Vec::new();
    for step in evening() {
        match step {
            Step::Say(line, hits) => {
                let (from, to) = driver.say(line);
                expected.extend(hits.iter().map(|hit| (*hit, from, to)));
            }
            Step::Kill => world.agent.kill().await,
            Step::Later => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Step::Start => world.agent.start_again().await,
            Step::Delivered => {
                let wanted = expected.len();
                world.wait(line_of(&expected), |hits| told(hits).len() >= wanted);
            }
        }
    }
    let wanted = expected.len();
    let hits = world.wait("the whole evening", |hits| told(hits).len() >= wanted);
    driver.close();
    let said: Vec<_> = told(&hits);
    let wanted: Vec<_> = expected
        .iter()
        .map(|((event, playhead, name), ..)| ((*event).to_owned(), *playhead, (*name).to_owned()))
        .collect();
    assert_eq!(said, wanted, "{}\n{}", driver.said(), world.agent.log());
    for (hit, ((event, ..), from, to)) in events(&hits).into_iter().zip(&expected) {
        let at = at(&hit);
        // A fifth of a second on either side of when the player said it.
        assert!((from - 200..=to + 200).contains(&at), "{event}: {from} {at} {to}");
    }
    assert!(driver.said().contains("point none"), "{}", driver.said());
    assert!(!driver.said().contains("\nerror "), "{}", driver.said());
}

fn line_of<'a>(expected: &[((&'a str, f64, &str), i64, i64)]) -> &'a str {
    expected.last().map_or("nothing", |((event, ..), ..)| event)
}

/// The store is lost with the daemon: the session is opened anew where it was.
async fn opens_anew(client: Client) {
    let Some(mut driver) = Driver::of(client) else { return };
    let mut world = World::start(QUIET).await;
    driver.start(&world.bus.address);
    driver.say("open 0 id=film length=3600 name=The+Film");
    driver.say("play 0 rate=2");
    world.wait("it plays", |hits| !of_type(hits, "play").is_empty());
    world.agent.kill().await;
    std::fs::remove_dir_all(world.agent.state()).expect("the store is lost");
    world.agent.start_again().await;
    driver.say("state-start 40 name=mute");
    driver.say("end 41");
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    let said: Vec<(String, f64)> =
        told(&hits).into_iter().map(|(event, playhead, _)| (event, playhead)).collect();
    let wanted = [
        ("sessionStart", 0.0),
        ("play", 0.0),
        ("sessionStart", 40.0),
        ("play", 40.0),
        ("stateStart", 40.0),
        ("sessionEnd", 41.0),
    ];
    let wanted: Vec<_> = wanted.map(|(event, playhead)| (event.to_owned(), playhead)).into();
    assert_eq!(said, wanted, "{}\n{}", driver.said(), world.agent.log());
    assert_eq!(of_type(&hits, "sessionStart")[1].body["params"]["media.resume"], true);
    driver.close();
}

/// The bus is started again, and with it the daemon: the player is another connection now.
async fn outlives_the_bus(client: Client) {
    let Some(mut driver) = Driver::of(client) else { return };
    let mut world = World::start(QUIET).await;
    driver.start(&world.bus.address);
    driver.say("open 0 id=film length=3600");
    driver.say("play 0");
    world.wait("it plays", |hits| !of_type(hits, "play").is_empty());
    world.bus.start_again();
    driver.say("pause 20");
    world.agent.end();
    world.agent.launch();
    driver.say("end 20");
    let paused = |hits: &[Record]| of_type(hits, "sessionEnd").len() == 2;
    let hits = world.wait("the second end", paused);
    let starts = of_type(&hits, "sessionStart");
    assert_eq!(starts.len(), 2, "{}\n{}", driver.said(), world.agent.log());
    assert_eq!(starts[1].body["params"]["media.resume"], true);
    assert_eq!(playhead(starts[1]), 20.0);
    driver.close();
}

/// What the daemon refuses comes as a value, in its own words, and the player goes on.
async fn tells_of_refusals(client: Client) {
    let Some(mut driver) = Driver::of(client) else { return };
    let mut world = World::start(QUIET).await;
    driver.start(&world.bus.address);
    driver.say("open 0 id=film length=3600");
    driver.say("ad-complete 1");
    driver.say("play 1");
    driver.wait_for("error AdComplete NotAllowed no ad break is open; AdBreakStart comes first");
    driver.say("complete 3600");
    driver.wait_for("closed complete");
    driver.say("play 2");
    driver.wait_for("error Play NoSession ");
    world.wait("the end", |hits| !of_type(hits, "sessionComplete").is_empty());
    // The daemon knows the film as seen.
    driver.say("resume-point film");
    driver.wait_for("point ");
    // No daemon: an answer at once, and an error.
    world.agent.kill().await;
    driver.say("resume-point film");
    driver.wait_for("point error ");
    world.agent.start_again().await;
    driver.close();
}

/// A player that only knows a status says what plays now.
async fn says_what_plays_now(client: Client) {
    let Some(mut driver) = Driver::of(client) else { return };
    let world = World::start(QUIET).await;
    driver.start(&world.bus.address);
    for line in [
        "now 5 rate=1 id=song-1 length=200",
        "now 6 rate=1 id=song-1 length=200",
        "now 6 rate=0 id=song-1 length=200",
        "now 0 rate=1 id=song-2 length=100",
        "now 1",
    ] {
        driver.say(line);
    }
    let hits = world.wait("both ends", |hits| of_type(hits, "sessionEnd").len() == 2);
    for (sid, wanted) in [
        ("S1", &[("sessionStart", 5.0), ("play", 5.0), ("pauseStart", 6.0)][..]),
        ("S2", &[("sessionStart", 0.0), ("play", 0.0)]),
    ] {
        let of_it: Vec<Record> =
            hits.iter().filter(|hit| hit.sid.as_deref() == Some(sid)).cloned().collect();
        let mut said = told(&of_it);
        let (end, ..) = said.pop().expect("hits");
        assert_eq!(end, "sessionEnd");
        let said: Vec<(&str, f64)> =
            said.iter().map(|(event, playhead, _)| (event.as_str(), *playhead)).collect();
        assert_eq!(said, wanted, "{}\n{}", driver.said(), world.agent.log());
    }
    driver.close();
}

macro_rules! for_each_client {
    ($($module:ident: $client:expr;)*) => {$(
        mod $module {
            use super::*;

            #[tokio::test]
            async fn says_the_same_evening_to_a_daemon_that_is_killed_three_times() {
                says_the_evening($client).await;
            }

            #[tokio::test]
            async fn opens_a_lost_session_anew_where_it_was() {
                opens_anew($client).await;
            }

            #[tokio::test]
            async fn goes_on_when_the_bus_was_started_again() {
                outlives_the_bus($client).await;
            }

            #[tokio::test]
            async fn gives_the_daemons_own_sentences() {
                tells_of_refusals($client).await;
            }

            #[tokio::test]
            async fn tells_what_plays_now() {
                says_what_plays_now($client).await;
            }
        }
    )*};
}

for_each_client! {
    c: Client::C;
    python: Client::Python;
    rust: Client::Rust;
    node: Client::Node;
    gjs: Client::Gjs;
}

#[test]
fn the_script_kills_the_daemon_three_times() {
    assert_eq!(evening().filter(|step| matches!(step, Step::Kill)).count(), 3);
    assert!(EVENING.lines().count() > 40);
}
