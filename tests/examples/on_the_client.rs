//! The players on the C client, `examples/c` and `examples/cpp`, and what stands beside the client itself:
//! its event loops, and a film without memory.

use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use playheadd::bench::Record;

use super::common::examples::{
    Language, Steered, hits_of, made, player_on_the_client, said, viewing,
};
use super::common::{Bus, World, now_ms, of_type, playhead, skip, ts};
use super::{Trouble, asked, session, troubled};

const FILM: &[&str] = &["film-7"];

/// Every test is there for both languages.
macro_rules! in_each_language {
    ($($scene:ident)*) => {$(
        mod $scene {
            use super::Language;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn c() {
                super::$scene(Language::C).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn cpp() {
                super::$scene(Language::Cpp).await;
            }
        }
    )*};
}

in_each_language! {
    is_reported_and_goes_on nothing_is_lost_with_the_agent knows_what_to_do_when_refused
    is_played_without_an_agent_and_without_a_bus
}

async fn is_reported_and_goes_on(language: Language) {
    let world = World::start("").await;
    let address = world.bus.address.as_str();
    let run = |option: &[&str], variable: &str| {
        let mut player = player_on_the_client(language);
        player.args(option).args(FILM).env(variable, address).output().expect("the player")
    };
    let out = run(&["--bus", address], "NO_VARIABLE");
    let played = "played film-7 from 0.0 to 33.0\n".to_owned();
    assert_eq!(said(&out), (Some(0), played, String::new()), "{}", world.agent.log());
    let ends = |n| move |hits: &[Record]| of_type(hits, "sessionEnd").len() == n;
    let hits = world.wait("the first end", ends(1));
    assert_eq!(hits_of(&hits, "S1"), viewing(0.0));
    let start = &of_type(&hits, "sessionStart")[0].body["params"];
    assert_eq!(start["media.name"], "Harbour Lights");
    assert_eq!(start["media.length"], 600.0);
    assert_eq!(start["media.genre"], "drama");
    assert_eq!(start["media.resume"], false);
    let pod = &of_type(&hits, "adBreakStart")[0].body["params"];
    assert_eq!(pod["media.ad.podSecond"], 32.0);
    let ad = &of_type(&hits, "adStart")[0].body["params"];
    assert_eq!(ad["media.ad.advertiser"], "Example");

    // The bus can be named in each of the three ways.
    let out = match language {
        Language::C => run(&["--bus", "session"], "DBUS_SESSION_BUS_ADDRESS"),
        _ => run(&[], "DBUS_SYSTEM_BUS_ADDRESS"),
    };
    let played = "played film-7 from 33.0 to 66.0\n".to_owned();
    assert_eq!(said(&out), (Some(0), played, String::new()), "{}", world.agent.log());
    let hits = world.wait("the second end", ends(2));
    assert_eq!(hits_of(&hits, "S2"), viewing(33.0));
    assert_eq!(of_type(&hits, "sessionStart")[1].body["params"]["media.resume"], true);
}

/// The agent is killed twice, and the viewer pauses, seeks and sees an ad while it is away. Each hit has the
/// time at which the player said it, and not that at which the agent was there again.
async fn nothing_is_lost_with_the_agent(language: Language) {
    let mut world = World::start("").await;
    let mut player = Steered::start(player_on_the_client(language), FILM, &world.bus);
    player.says("at 0.0");
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
    world.agent.kill().await;
    let from = now_ms();
    player.plays_to("31.0");
    let to = now_ms();
    // Nobody waits for anything here: what is said later than it happened has to be late.
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.agent.start_again().await;
    let sought = |r: &Record| r.event_type() == "play" && playhead(r) == 31.0;
    world.wait("the seek", |hits| hits.iter().any(sought));
    world.agent.kill().await;
    player.plays_to("32.0");
    player.plays_to("32.0");
    world.agent.start_again().await;
    let after_the_ad = |r: &Record| r.event_type() == "play" && playhead(r) == 32.0;
    world.wait("the film after the ad", |hits| hits.iter().any(after_the_ad));
    assert_eq!(player.ends(), "0.0 to 33.0");
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    // What was under way at a kill may come twice.
    let mut got = hits_of(&hits, "S1");
    got.dedup();
    assert_eq!(got, viewing(0.0), "{}", world.agent.log());
    assert_eq!(of_type(&hits, "sessionStart").len(), 1);
    let sought = hits.iter().find(|hit| sought(hit)).expect("the seek");
    // The agent turns the player's clock into that of the hit: a margin for both ends.
    assert!((from - 200..to + 200).contains(&ts(sought)), "{from} {} {to}", ts(sought));
}

/// What the agent says no to comes with its own sentence, and the film goes on.
async fn knows_what_to_do_when_refused(language: Language) {
    use Trouble::{Closes, OpenAllTheSame, Refuses};
    const ALL: &str = "Play Pause Play SeekStart SeekComplete AdBreakStart AdStart AdComplete \
                       AdBreakComplete End";
    let opened = || asked("GetResumePoint OpenSession");
    let all = |number| session(number, ALL);
    let go_on = || -> Vec<String> { opened().chain(all(1)).collect() };
    // The first `said` of all events reached the session that is gone.
    let anew = |said: usize, again: &str| -> Vec<String> {
        let reopened = asked("OpenSession").chain(session(2, again));
        opened().chain(all(1).take(said)).chain(reopened).chain(all(2).skip(said - 1)).collect()
    };
    let twice = || -> Vec<String> { opened().chain(asked("OpenSession")).chain(all(1)).collect() };
    let slower = opened().chain(session(1, "Play Pause")).chain(all(1).skip(1));
    let cases: Vec<(&str, Trouble, i32, &str, Vec<String>)> = vec![
        ("Pause", Refuses("tv.playhead.Error.NotAllowed"), 2, "Pause: NotAllowed: ", go_on()),
        ("Pause", Refuses("tv.playhead.Error.InvalidArgs"), 2, "Pause: InvalidArgs: ", go_on()),
        ("End", Refuses("tv.playhead.Error.Storage"), 0, "End: Storage: ", go_on()),
        (
            "OpenSession",
            OpenAllTheSame("tv.playhead.Error.Storage"),
            0,
            "OpenSession: Storage: done as session 1",
            go_on(),
        ),
        (
            "Pause",
            Refuses("tv.playhead.Error.LimitsExceeded"),
            0,
            "Pause: LimitsExceeded: ",
            slower.collect(),
        ),
        (
            "OpenSession",
            Refuses("tv.playhead.Error.LimitsExceeded"),
            0,
            "OpenSession: LimitsExceeded: ",
            twice(),
        ),
        (
            "OpenSession",
            Refuses("tv.playhead.Error.NotConfigured"),
            0,
            "OpenSession: NotConfigured: ",
            twice(),
        ),
        ("Pause", Refuses("tv.playhead.Error.NoSession"), 0, "", anew(2, "")),
        ("Pause", Refuses("tv.playhead.Error.AccessDenied"), 0, "", anew(2, "")),
        // What the session did is said before what happens in it.
        ("SeekStart", Refuses("org.freedesktop.DBus.Error.UnknownObject"), 0, "", anew(4, "Play")),
        ("End", Refuses("org.freedesktop.DBus.Error.UnknownObject"), 0, "", go_on()),
        (
            "Play",
            Refuses("org.freedesktop.DBus.Error.AccessDenied"),
            2,
            "Play: AccessDenied: ",
            go_on(),
        ),
        ("Pause", Refuses("tv.playhead.Error.OfTheFuture"), 0, "Pause: OfTheFuture: ", go_on()),
        (
            "OpenSession",
            Refuses("tv.playhead.Error.AccessDenied"),
            2,
            "OpenSession: AccessDenied: ",
            opened().collect(),
        ),
        (
            "GetResumePoint",
            Refuses("tv.playhead.Error.AccessDenied"),
            0,
            "from the beginning: AccessDenied: ",
            go_on(),
        ),
        (
            "Play",
            Closes("consent"),
            0,
            "the session has closed: consent",
            opened().chain(session(1, "Play")).collect(),
        ),
        ("Play", Closes("background"), 0, "the session has closed: background", go_on()),
    ];
    let runs = cases.iter().map(|(method, trouble, ..)| {
        troubled(player_on_the_client(language), FILM, method, *trouble)
    });
    let ends = futures_util::future::join_all(runs).await;
    for ((method, _, status, complaint, wanted), (heard, out)) in cases.into_iter().zip(ends) {
        let (ended, played, complained) = said(&out);
        assert_eq!(heard, wanted, "{method}: {complained}");
        assert_eq!(ended, Some(status), "{complained}");
        assert_eq!(played, "played film-7 from 0.0 to 33.0\n", "{complained}");
        assert!(complained.starts_with(complaint), "{complained}");
        assert_eq!(complained.is_empty(), complaint.is_empty(), "{complained}");
    }
}

async fn is_played_without_an_agent_and_without_a_bus(language: Language) {
    let bus = Bus::start();
    let nowhere = format!("unix:path={}", bus.dir.path().join("none").display());
    let run = |address: &OsStr, first: &str| {
        let mut player = player_on_the_client(language);
        let out = player.arg("--bus").arg(address).args(FILM).output().expect("the player");
        let (status, played, complaint) = said(&out);
        assert_eq!(status, Some(0), "{complaint}");
        assert_eq!(played, "played film-7 from 0.0 to 33.0, not all of it reported\n");
        assert!(complaint.starts_with(first), "{complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    };
    run(bus.address.as_ref(), "from the beginning: ServiceUnknown: ");
    run(nowhere.as_ref(), "from the beginning: Disconnected: ");
}

/// The same film of two seconds in each event loop.
async fn joins_the_loop(name: &str) {
    let world = World::start("").await;
    let mut program = made("clients/c", name);
    let out = program.args([FILM[0], &world.bus.address]).output().expect("the player");
    let (status, played, complaint) = said(&out);
    assert_eq!((status, complaint.as_str()), (Some(0), ""), "{}", world.agent.log());
    assert!(played.ends_with(" to 2.0, 0 messages not said\n"), "{played}");
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionComplete").is_empty());
    let kinds: Vec<_> = hits_of(&hits, "S1").into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["sessionStart", "play", "sessionComplete"]);
}

#[tokio::test]
async fn the_client_joins_poll() {
    joins_the_loop("poll").await;
}

#[tokio::test]
async fn the_client_joins_sd_event() {
    joins_the_loop("sd-event").await;
}

#[tokio::test]
async fn the_client_joins_glib() {
    let glib = Command::new("pkg-config").args(["--exists", "glib-2.0"]).status();
    if !glib.is_ok_and(|status| status.success()) {
        return skip("the C client joins a GMainLoop", "Debian package: libglib2.0-dev");
    }
    joins_the_loop("glib").await;
}

/// One allocation of the client fails, another one each time. Where the client says that nothing was lost,
/// the collector has it all, and otherwise it was told.
#[tokio::test]
async fn without_memory_nothing_is_lost_in_silence() {
    let limits = "[limits]\nevents_per_second = 100000\nevent_burst = 100000\n";
    let world = World::start(limits).await;
    let out = made("clients/c", "no-memory").arg(&world.bus.address).output().expect("the film");
    let (status, played, complaint) = said(&out);
    assert_eq!((status, complaint.as_str()), (Some(0), ""), "{played}");
    let lines: Vec<_> = played.lines().map(|l| l.split_once(' ').expect("two words")).collect();
    let lost = lines.iter().filter(|(word, _)| *word == "lost").count();
    assert!(lost >= 20 && lines.last().expect("a line").0 == "said", "{played}");
    let media = |r: &Record| r.body["params"]["media.id"].as_str().unwrap_or_default().to_owned();
    for (word, film) in lines {
        if word == "lost" {
            continue;
        }
        let ended = |hits: &[Record]| {
            let start = of_type(hits, "sessionStart").into_iter().find(|r| media(r) == film);
            let sid = start.and_then(|r| r.sid.clone()).unwrap_or_default();
            hits_of(hits, &sid).iter().any(|(kind, _)| kind == "sessionEnd")
        };
        let hits = world.wait(film, ended);
        let start = of_type(&hits, "sessionStart").into_iter().find(|r| media(r) == film);
        let sid = start.and_then(|r| r.sid.clone()).expect("a session");
        let kinds: Vec<_> = hits_of(&hits, &sid).into_iter().map(|(kind, _)| kind).collect();
        let wanted =
            "sessionStart play chapterStart chapterComplete stateStart pauseStart sessionEnd";
        assert_eq!(kinds, wanted.split_whitespace().collect::<Vec<_>>(), "{film}");
    }
}
