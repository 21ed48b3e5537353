//! The players under `examples/`: those on D-Bus alone (`raw`), in each language and through each door,
//! and those on the client. What the collector gets from them, that a second viewing goes on, and what
//! they do when the agent says no.

mod common;
#[path = "examples/on_the_client.rs"]
mod on_the_client;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::process::{Command, Output};

use common::examples::{Language, arguments, hits_of, player, said, viewing};
use common::{AGENT, AGENT_PATH, Bus, SESSION, World, of_type};
use futures_util::StreamExt;
use playheadd::bench::Record;
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream, ObjectPath, Variant};

async fn is_reported_and_goes_on(language: Language, door: &str) {
    let world = World::start("").await;
    let address = world.bus.address.as_str();
    // The bus can be named in each of the three ways.
    let out = player(language)
        .args(["--bus", address])
        .args(arguments(door))
        .output()
        .expect("the player");
    let played = "played film-7 from 0.0 to 33.0\n".to_owned();
    assert_eq!(said(&out), (Some(0), played, String::new()), "{}", world.agent.log());
    let ends = |n| move |hits: &[Record]| of_type(hits, "sessionEnd").len() == n;
    let hits = world.wait("the first end", ends(1));
    assert_eq!(hits_of(&hits, "S1"), viewing(0.0));
    let start = &of_type(&hits, "sessionStart")[0].body;
    assert_eq!(start["params"]["media.id"], "film-7");
    assert_eq!(start["params"]["media.name"], "Harbour Lights");
    assert_eq!(start["params"]["media.length"], 600.0);
    assert_eq!(start["params"]["media.genre"], "drama");
    assert_eq!(start["params"]["media.resume"], false);
    let pod = &of_type(&hits, "adBreakStart")[0].body["params"];
    assert_eq!(pod["media.ad.podIndex"], 1);
    assert_eq!(pod["media.ad.podSecond"], 32.0);
    let ad = &of_type(&hits, "adStart")[0].body["params"];
    assert_eq!(ad["media.ad.id"], "ad-7");
    assert_eq!(ad["media.ad.length"], 1.0);
    assert_eq!(ad["media.ad.advertiser"], "Example");

    let (option, variable) = match door {
        "method" => (&["--bus", "session"][..], "DBUS_SESSION_BUS_ADDRESS"),
        _ => (&[][..], "DBUS_SYSTEM_BUS_ADDRESS"),
    };
    let out = player(language)
        .args(option)
        .args(arguments(door))
        .env(variable, address)
        .output()
        .expect("the player");
    let played = "played film-7 from 33.0 to 66.0\n".to_owned();
    assert_eq!(said(&out), (Some(0), played, String::new()), "{}", world.agent.log());
    let hits = world.wait("the second end", ends(2));
    assert_eq!(hits_of(&hits, "S2"), viewing(33.0));
    let start = &of_type(&hits, "sessionStart")[1].body;
    assert_eq!(start["params"]["media.id"], "film-7");
    assert_eq!(start["params"]["media.resume"], true);
    let refused = world.player().await.property(AGENT_PATH, AGENT, "RejectedEvents").await;
    assert_eq!(u64::try_from(refused).expect("a number"), 0);
}

#[tokio::test]
async fn c_by_method() {
    is_reported_and_goes_on(Language::C, "method").await;
}

#[tokio::test]
async fn c_by_signal() {
    is_reported_and_goes_on(Language::C, "signal").await;
}

#[tokio::test]
async fn cpp_by_method() {
    is_reported_and_goes_on(Language::Cpp, "method").await;
}

#[tokio::test]
async fn cpp_by_signal() {
    is_reported_and_goes_on(Language::Cpp, "signal").await;
}

#[tokio::test]
async fn python_by_method() {
    is_reported_and_goes_on(Language::Python, "method").await;
}

#[tokio::test]
async fn python_by_signal() {
    is_reported_and_goes_on(Language::Python, "signal").await;
}

/// The agent takes a message a second after the first three; nothing may be missing in the end.
async fn slows_down_when_told(language: Language) {
    let world = World::start("[limits]\nevents_per_second = 1\nevent_burst = 3\n").await;
    let out = player(language)
        .args(["--bus", &world.bus.address])
        .args(arguments("method"))
        .output()
        .expect("the player");
    let (status, _, complaint) = said(&out);
    assert_eq!(status, Some(0), "{complaint}");
    let refused = |line: &str| line.contains(": tv.playhead.Error.LimitsExceeded: ");
    assert!(complaint.lines().all(refused), "{complaint}");
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    assert_eq!(hits_of(&hits, "S1"), viewing(0.0));
}

#[tokio::test]
async fn c_slows_down_when_told() {
    slows_down_when_told(Language::C).await;
}

#[tokio::test]
async fn cpp_slows_down_when_told() {
    slows_down_when_told(Language::Cpp).await;
}

#[tokio::test]
async fn python_slows_down_when_told() {
    slows_down_when_told(Language::Python).await;
}

/// What the agent does to one event: nothing to the event itself when a session closes by itself.
#[derive(Clone, Copy)]
enum Trouble {
    Refuses(&'static str),
    /// The same, with the words that say that a session is open all the same.
    OpenAllTheSame(&'static str),
    Closes(&'static str),
    /// It carries the event out and its answer never comes.
    Silent,
}

/// An agent that does as told when it hears `method` for the first time, and says yes otherwise.
async fn stand_in(bus: Connection, method: &str, trouble: Trouble) -> Vec<String> {
    let mut calls = MessageStream::from(&bus);
    bus.request_name(AGENT).await.expect("the name");
    let (mut heard, mut sessions) = (Vec::new(), 0);
    while let Some(Ok(call)) = calls.next().await {
        let header = call.header();
        if call.message_type() != Type::MethodCall {
            continue;
        }
        let member = header.member().expect("a member").to_string();
        if member == "Quit" {
            break;
        }
        let fresh = !heard.iter().any(|h: &String| h.starts_with(&format!("{method}@")));
        let session = header.path().and_then(|p| p.rsplit('/').next()).unwrap_or_default();
        heard.push(format!("{member}@{session}"));
        match trouble {
            Trouble::Refuses(error) if fresh && member == method => {
                bus.reply_error(&header, error, &"as the test wants it").await.expect("an error");
                continue;
            }
            Trouble::OpenAllTheSame(error) if fresh && member == method => {
                sessions += 1;
                bus.reply_error(&header, error, &"done as session 1, it seems")
                    .await
                    .expect("an error");
                continue;
            }
            Trouble::Silent if fresh && member == method => {
                sessions += u32::from(member == "OpenSession");
                continue;
            }
            Trouble::Silent if method == "OpenSession" && member == method => {
                let why = format!("this player has this media open as session {sessions}; Play");
                bus.reply_error(&header, "tv.playhead.Error.NotAllowed", &why)
                    .await
                    .expect("an error");
                continue;
            }
            Trouble::Closes(reason) if fresh && member == method => {
                let path = header.path().expect("a path").to_owned();
                bus.emit_signal(None::<&str>, path, SESSION, "Closed", &reason)
                    .await
                    .expect("a signal");
            }
            _ => {}
        }
        answer(&bus, &call, &member, &mut sessions).await;
    }
    heard
}

async fn answer(bus: &Connection, call: &Message, member: &str, sessions: &mut u32) {
    let header = call.header();
    let sent = match member {
        "GetResumePoint" => bus.reply(&header, &HashMap::<String, Variant<'_>>::new()).await,
        "OpenSession" => {
            *sessions += 1;
            let path = format!("{AGENT_PATH}/session/{sessions}");
            bus.reply(&header, &ObjectPath::try_from(path).expect("a path")).await
        }
        _ => bus.reply(&header, &()).await,
    };
    sent.expect("a reply");
}

/// Plays against the stand-in and gives what it heard, and the player's end.
async fn troubled(
    mut player: Command,
    arguments: &[&str],
    method: &str,
    trouble: Trouble,
) -> (Vec<String>, Output) {
    let bus = Bus::start();
    let (agent, us) = (bus.connect().await, bus.connect().await);
    let name = method.to_owned();
    let acting = tokio::spawn(async move { stand_in(agent, &name, trouble).await });
    let dbus = zbus::fdo::DBusProxy::new(&us).await.expect("the bus");
    while !dbus.name_has_owner(AGENT.try_into().expect("a name")).await.expect("an answer") {}
    player.args(["--bus", &bus.address]).args(arguments);
    let out = tokio::task::spawn_blocking(move || player.output()).await.expect("a thread");
    let quit = Message::method_call(AGENT_PATH, "Quit").destination(AGENT).build(&());
    us.send(&quit.expect("a message")).await.expect("sent");
    (acting.await.expect("the stand-in"), out.expect("the player"))
}

fn session(number: u32, members: &str) -> impl Iterator<Item = String> {
    members.split_whitespace().map(move |m| format!("{m}@{number}"))
}

fn asked(members: &str) -> impl Iterator<Item = String> {
    members.split_whitespace().map(|m| format!("{m}@Agent1"))
}

/// How a film ends: everything was said, something was not, or something was refused as wrong.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    AllSaid,
    NotAll,
    Wrong,
}

async fn knows_what_to_do_when_refused(language: Language) {
    use Ending::{AllSaid, NotAll, Wrong};
    use Trouble::{Closes, OpenAllTheSame, Refuses, Silent};
    const REST: &str = "SeekStart SeekComplete AdBreakStart AdStart AdComplete AdBreakComplete End";
    let opened = || asked("GetResumePoint OpenSession");
    let go_on = || -> Vec<String> {
        opened().chain(session(1, "Play Pause Play")).chain(session(1, REST)).collect()
    };
    // The session is gone: another is opened at once, and told what is played.
    let anew = |first| -> Vec<String> {
        opened()
            .chain(session(1, first))
            .chain(asked("OpenSession"))
            .chain(session(2, "Pause Play"))
            .chain(session(2, REST))
            .collect()
    };
    // There is no session yet: the next event opens it.
    let later = || -> Vec<String> {
        opened()
            .chain(asked("OpenSession"))
            .chain(session(1, "Pause Play"))
            .chain(session(1, REST))
            .collect()
    };
    let slower = opened().chain(session(1, "Play Pause Pause Play")).chain(session(1, REST));
    let cases: Vec<(&str, Trouble, Ending, Vec<String>)> = vec![
        ("Pause", Refuses("tv.playhead.Error.NotAllowed"), Wrong, go_on()),
        ("Pause", Refuses("tv.playhead.Error.InvalidArgs"), Wrong, go_on()),
        ("End", Refuses("tv.playhead.Error.Storage"), AllSaid, go_on()),
        ("OpenSession", OpenAllTheSame("tv.playhead.Error.Storage"), AllSaid, go_on()),
        ("Pause", Refuses("tv.playhead.Error.LimitsExceeded"), AllSaid, slower.collect()),
        ("OpenSession", Refuses("tv.playhead.Error.LimitsExceeded"), NotAll, later()),
        ("OpenSession", Refuses("tv.playhead.Error.NotConfigured"), NotAll, later()),
        ("Pause", Refuses("tv.playhead.Error.NoSession"), NotAll, anew("Play Pause")),
        ("Pause", Refuses("tv.playhead.Error.AccessDenied"), NotAll, anew("Play Pause")),
        ("Pause", Refuses("org.freedesktop.DBus.Error.UnknownObject"), NotAll, anew("Play Pause")),
        ("Pause", Refuses("org.freedesktop.DBus.Error.ServiceUnknown"), NotAll, go_on()),
        ("Pause", Refuses("tv.playhead.Error.OfTheFuture"), NotAll, go_on()),
        ("Pause", Silent, NotAll, go_on()),
        ("OpenSession", Silent, NotAll, later()),
        (
            "Play",
            Refuses("org.freedesktop.DBus.Error.AccessDenied"),
            Wrong,
            opened().chain(session(1, "Play")).collect(),
        ),
        (
            "OpenSession",
            Refuses("tv.playhead.Error.AccessDenied"),
            Wrong,
            asked("GetResumePoint OpenSession").collect(),
        ),
        (
            "GetResumePoint",
            Refuses("org.freedesktop.DBus.Error.AccessDenied"),
            Wrong,
            asked("GetResumePoint").collect(),
        ),
        ("Play", Closes("consent"), AllSaid, anew("Play")),
        ("Play", Closes("background"), AllSaid, go_on()),
    ];
    let door = arguments("method");
    let runs = cases
        .iter()
        .map(|(method, trouble, ..)| troubled(player(language), &door, method, *trouble));
    let ends = futures_util::future::join_all(runs).await;
    for ((method, trouble, ending, wanted), (heard, out)) in cases.into_iter().zip(ends) {
        let (status, played, complaint) = said(&out);
        assert_eq!(heard, wanted, "{method}: {complaint}");
        let reason = match trouble {
            Refuses(error) => format!("{method}: {error}: as the test wants it\n"),
            Closes(reason) => format!("the session has closed: {reason}\n"),
            OpenAllTheSame(_) => String::new(),
            Silent => {
                let names = ["NoReply", "Timeout"];
                let start = format!("{method}: org.freedesktop.DBus.Error.");
                let name = complaint.strip_prefix(&start).unwrap_or_default();
                assert!(names.iter().any(|n| name.starts_with(&format!("{n}: "))), "{complaint}");
                complaint.clone()
            }
        };
        assert_eq!(complaint, reason);
        let rest = if ending == AllSaid { "" } else { ", not all of it reported" };
        assert_eq!(played, format!("played film-7 from 0.0 to 33.0{rest}\n"), "{complaint}");
        assert_eq!(status, Some(if ending == Wrong { 2 } else { 0 }), "{complaint}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c_knows_what_to_do_when_refused() {
    knows_what_to_do_when_refused(Language::C).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cpp_knows_what_to_do_when_refused() {
    knows_what_to_do_when_refused(Language::Cpp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_knows_what_to_do_when_refused() {
    knows_what_to_do_when_refused(Language::Python).await;
}

#[test]
fn the_film_is_played_without_an_agent_and_without_a_bus() {
    let bus = Bus::start();
    let nowhere = format!("unix:path={}", bus.dir.path().join("none").display());
    let languages = [Language::C, Language::Cpp, Language::Python];
    std::thread::scope(|scope| {
        for (language, door) in languages.iter().flat_map(|l| [(*l, "method"), (*l, "signal")]) {
            let (bus, nowhere) = (&bus, &nowhere);
            scope.spawn(move || {
                let run = |address: &OsStr, first: &str| {
                    let mut command = player(language);
                    command.arg("--bus").arg(address).args(arguments(door));
                    let (status, played, complaint) = said(&command.output().expect("the player"));
                    assert_eq!(status, Some(0), "{complaint}");
                    assert_eq!(played, "played film-7 from 0.0 to 33.0, not all of it reported\n");
                    assert!(complaint.starts_with(first), "{complaint}");
                    assert_eq!(complaint.lines().count(), 1, "{complaint}");
                };
                let unknown = "GetResumePoint: org.freedesktop.DBus.Error.ServiceUnknown: ";
                run(bus.address.as_ref(), unknown);
                run(nowhere.as_ref(), "the bus cannot be reached: ");
            });
        }
    });
}
