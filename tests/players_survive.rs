//! The agent dies under the players of `examples/raw`, in each language and through each door: before the
//! session, in the middle, for good, or it is not there yet. The film is played to its end, and the
//! collector gets one session wherever the agent has kept it. The players take a piece of the film
//! for each line on their standard input (`--step`), and the test waits for what they print.

mod common;

use common::examples::{Language, Steered, arguments, hits_of, player, viewing};
use common::{Agent, Bus, World, brief, of_type, playhead};
use playheadd::bench::{Collector, Record};

fn steered(language: Language, door: &str, bus: &Bus) -> Steered {
    Steered::start(player(language), &arguments(door), bus)
}

/// A request waits for every batch before it: once the collector has a play, the session's id is
/// stored, and a kill cannot open the session twice.
fn is_playing(world: &World) {
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
}

/// Signals have no answer. What the agent has reported it has heard, and it knows the sender by then.
fn is_heard(world: &World, kind: &str) {
    world.wait(kind, |hits| !of_type(hits, kind).is_empty());
}

fn seek_is_heard(world: &World) {
    let sought = |r: &Record| r.event_type() == "play" && playhead(r) == 31.0;
    world.wait("the seek", |hits| hits.iter().any(sought));
}

/// One session from its start to its end, as if nothing had happened. A hit whose acceptance was not
/// recorded before a kill comes twice.
fn one_session(world: &World, wanted: &[(String, f64)]) -> Vec<Record> {
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    let mut got = hits_of(&hits, "S1");
    got.dedup();
    assert_eq!(got, wanted, "{}", world.agent.log());
    assert_eq!(of_type(&hits, "sessionStart").len(), 1, "{:#?}", brief(&hits));
    hits
}

const SESSION_1: &str = "/tv/playhead/Agent1/session/1";

fn session_name(door: &str) -> &'static str {
    if door == "method" { SESSION_1 } else { "/tv/example/player" }
}

/// Killed while a picture plays, and stopped as for an upgrade. Both times it comes back at once.
async fn dies_and_comes_back(language: Language, door: &str) {
    let mut world = World::start("").await;
    let mut player = steered(language, door, &world.bus);
    player.says("at 0.0");
    is_playing(&world);
    world.agent.kill().await;
    player.says("the agent is away");
    world.agent.start_again().await;
    assert_eq!(player.says("the agent is there and knows "), session_name(door));
    player.plays_to("31.0");
    seek_is_heard(&world);
    assert!(world.agent.stop().success());
    player.says("the agent is away");
    world.agent.start_again().await;
    assert_eq!(player.says("the agent is there and knows "), session_name(door));
    player.plays_to("32.0");
    is_heard(&world, "adStart");
    player.plays_to("32.0");
    assert_eq!(player.ends(), "0.0 to 33.0");
    one_session(&world, &viewing(0.0));
}

/// An ad begins while the agent is away, and another time it ends: the agent is told when it is back.
async fn misses_something(language: Language, door: &str) {
    let mut world = World::start("").await;
    let mut player = steered(language, door, &world.bus);
    player.says("at 0.0");
    is_playing(&world);
    player.plays_to("31.0");
    seek_is_heard(&world);
    world.agent.kill().await;
    player.says("the agent is away");
    player.plays_to("32.0");
    world.agent.start_again().await;
    player.says("the agent is there and knows ");
    is_heard(&world, "adStart");
    world.agent.kill().await;
    player.says("the agent is away");
    player.plays_to("32.0");
    world.agent.start_again().await;
    player.says("the agent is there and knows ");
    is_heard(&world, "adBreakComplete");
    assert_eq!(player.ends(), "0.0 to 33.0, not all of it reported");
    let mut wanted = viewing(0.0);
    // The break was closed, and the ad with it.
    let at = wanted.iter().position(|hit| hit.0 == "adComplete").expect("an ad");
    wanted[at].0 = "adSkip".to_owned();
    one_session(&world, &wanted);
}

/// The store is lost with the agent: the viewing goes on in a session of its own, as a resume.
async fn loses_its_store(language: Language, door: &str) {
    let mut world = World::start("").await;
    let mut player = steered(language, door, &world.bus);
    player.says("at 0.0");
    is_playing(&world);
    player.plays_to("31.0");
    player.plays_to("32.0");
    is_heard(&world, "adStart");
    world.agent.kill().await;
    player.says("the agent is away");
    let before = world.collector.hits().len();
    std::fs::remove_dir_all(world.agent.state().join("db")).expect("the database goes");
    std::fs::remove_file(world.agent.state().join("consent")).expect("and the consent");
    world.agent.start_again().await;
    assert_eq!(player.says("the agent is there and knows "), session_name(door));
    world.wait("the ad", |hits| of_type(hits, "adStart").len() == 2);
    player.plays_to("32.0");
    player.ends();
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    let starts = of_type(&hits, "sessionStart");
    assert_eq!(starts.len(), 2, "{:#?}", brief(&hits));
    assert_eq!(starts[1].body["params"]["media.resume"], true);
    let sid = starts[1].sid.clone().expect("a sid");
    let wanted: Vec<(String, f64)> = [
        ("sessionStart", 32.0),
        ("adBreakStart", 32.0),
        ("adStart", 32.0),
        ("play", 32.0),
        ("adComplete", 32.0),
        ("adBreakComplete", 32.0),
        ("play", 32.0),
        ("sessionEnd", 33.0),
    ]
    .map(|(kind, at)| (kind.to_owned(), at))
    .into();
    assert_eq!(hits_of(&hits[before..], &sid), wanted);
}

/// It never comes back: the film ends, and nobody waits for anything.
async fn stays_away(language: Language, door: &str) {
    let mut world = World::start("").await;
    let mut player = steered(language, door, &world.bus);
    player.says("at 0.0");
    is_playing(&world);
    world.agent.kill().await;
    player.says("the agent is away");
    player.plays_to("31.0");
    player.plays_to("32.0");
    player.plays_to("32.0");
    assert_eq!(player.ends(), "0.0 to 33.0, not all of it reported");
    let hits = world.collector.hits();
    assert_eq!(of_type(&hits, "sessionStart").len(), 1);
    assert!(of_type(&hits, "sessionEnd").is_empty());
}

/// The player is there first. Its session begins when the agent is there.
async fn is_not_there_yet(language: Language, door: &str) {
    let bus = Bus::start();
    let collector = Collector::start();
    let mut player = steered(language, door, &bus);
    player.says("GetResumePoint: org.freedesktop.DBus.Error.ServiceUnknown: ");
    player.says("at 0.0");
    player.plays_to("31.0");
    let agent = Agent::start(&bus, &collector, "").await;
    let world = World { agent, collector, bus };
    assert_eq!(player.says("the agent is there and knows "), session_name(door));
    is_playing(&world);
    player.plays_to("32.0");
    player.plays_to("32.0");
    assert_eq!(player.ends(), "0.0 to 33.0, not all of it reported");
    let mut wanted = viewing(0.0);
    wanted.drain(2..=5);
    wanted[0].1 = 31.0;
    wanted[1].1 = 31.0;
    let hits = one_session(&world, &wanted);
    assert_eq!(of_type(&hits, "sessionStart")[0].body["params"]["media.resume"], false);
}

/// The bus itself goes away. A connection is a player, so this one says no more, and plays on.
async fn loses_its_bus(language: Language, door: &str) {
    let mut world = World::start("").await;
    let mut player = steered(language, door, &world.bus);
    player.says("at 0.0");
    is_playing(&world);
    world.bus.start_again();
    player.plays_to("31.0");
    player.plays_to("32.0");
    player.plays_to("32.0");
    assert_eq!(player.ends(), "0.0 to 33.0, not all of it reported");
    assert!(!world.agent.end().success());
}

macro_rules! under_each_player {
    ($($scene:ident)*) => {$(
        mod $scene {
            use super::Language;

            #[tokio::test]
            async fn c_by_method() {
                super::$scene(Language::C, "method").await;
            }

            #[tokio::test]
            async fn c_by_signal() {
                super::$scene(Language::C, "signal").await;
            }

            #[tokio::test]
            async fn cpp_by_method() {
                super::$scene(Language::Cpp, "method").await;
            }

            #[tokio::test]
            async fn cpp_by_signal() {
                super::$scene(Language::Cpp, "signal").await;
            }

            #[tokio::test]
            async fn python_by_method() {
                super::$scene(Language::Python, "method").await;
            }

            #[tokio::test]
            async fn python_by_signal() {
                super::$scene(Language::Python, "signal").await;
            }
        }
    )*};
}

under_each_player! {
    dies_and_comes_back misses_something loses_its_store stays_away is_not_there_yet loses_its_bus
}
