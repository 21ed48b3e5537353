//! The players under `examples/`, in each language and through each door: what the collector gets
//! from them, that a second viewing goes on, and what they do when the agent says no.

mod common;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{AGENT, AGENT_PATH, Bus, SESSION, World, of_type, playhead};
use futures_util::StreamExt;
use playheadd::bench::Record;
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream, ObjectPath, Variant};

#[derive(Clone, Copy, PartialEq)]
enum Language {
    C,
    Cpp,
    Python,
}

/// The player, ready to run. Those in C and C++ are built with the sanitizers, so that a leak or a
/// wild pointer is a failed run.
fn player(language: Language) -> Command {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    if language == Language::Python {
        let mut command = Command::new("/usr/bin/python3");
        command.arg(examples.join("python/both_doors.py"));
        return command;
    }
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("players");
    std::fs::create_dir_all(&out).expect("a directory");
    let program =
        out.join(if language == Language::C { "player-c" } else { "player-cpp" }).to_owned();
    // One test builds, the others find it done.
    let lock = File::create(program.with_extension("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let make = Command::new("make")
        .args(["--no-print-directory", "-C"])
        .arg(&examples)
        .arg(format!("OUT={}", out.display()))
        .arg("SANITIZE=address,undefined")
        .arg(&program)
        .output()
        .expect("make");
    let said = String::from_utf8_lossy(&make.stderr).into_owned();
    assert!(make.status.success(), "{said}\n(Debian packages: gcc g++ libsystemd-dev)");
    Command::new(program)
}

fn arguments(door: &str) -> [&str; 2] {
    [door, "film-7"]
}

fn said(out: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

/// What a viewing looks like on the wire: a pause, a seek of 30 s, an ad break, and it is left.
fn viewing(from: f64) -> Vec<(String, f64)> {
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
fn hits_of(hits: &[Record], sid: &str) -> Vec<(String, f64)> {
    hits.iter()
        .filter(|r| r.sid.as_deref() == Some(sid) && r.event_type() != "ping")
        .map(|r| (r.event_type().to_owned(), playhead(r)))
        .collect()
}

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
    assert_eq!(status, Some(2), "{complaint}");
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
    Closes(&'static str),
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
async fn troubled(language: Language, method: &str, trouble: Trouble) -> (Vec<String>, Output) {
    let bus = Bus::start();
    let (agent, us) = (bus.connect().await, bus.connect().await);
    let name = method.to_owned();
    let acting = tokio::spawn(async move { stand_in(agent, &name, trouble).await });
    let dbus = zbus::fdo::DBusProxy::new(&us).await.expect("the bus");
    while !dbus.name_has_owner(AGENT.try_into().expect("a name")).await.expect("an answer") {}
    let mut command = player(language);
    command.args(["--bus", &bus.address]).args(arguments("method"));
    let out = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread");
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

async fn knows_what_to_do_when_refused(language: Language) {
    const REST: &str = "SeekStart SeekComplete AdBreakStart AdStart AdComplete AdBreakComplete End";
    let opened = || asked("GetResumePoint OpenSession");
    let go_on = || opened().chain(session(1, "Play Pause Play")).chain(session(1, REST));
    let anew = |first| {
        opened()
            .chain(session(1, first))
            .chain(asked("OpenSession"))
            .chain(session(2, "Play"))
            .chain(session(2, REST))
    };
    let ours = |name: &'static str| Trouble::Refuses(name);
    let mut cases: Vec<(&str, Trouble, Vec<String>)> = vec![
        ("Pause", ours("tv.playhead.Error.NotAllowed"), go_on().collect()),
        ("Pause", ours("tv.playhead.Error.InvalidArgs"), go_on().collect()),
        ("End", ours("tv.playhead.Error.Storage"), go_on().collect()),
        (
            "Pause",
            ours("tv.playhead.Error.LimitsExceeded"),
            opened().chain(session(1, "Play Pause Pause Play")).chain(session(1, REST)).collect(),
        ),
        ("Pause", ours("tv.playhead.Error.NoSession"), anew("Play Pause").collect()),
        ("Pause", ours("org.freedesktop.DBus.Error.UnknownObject"), anew("Play Pause").collect()),
        (
            "Play",
            ours("tv.playhead.Error.AccessDenied"),
            opened().chain(session(1, "Play")).collect(),
        ),
        ("OpenSession", ours("tv.playhead.Error.LimitsExceeded"), opened().collect()),
        (
            "GetResumePoint",
            ours("org.freedesktop.DBus.Error.AccessDenied"),
            asked("GetResumePoint").collect(),
        ),
    ];
    // dbus-python hears signals only with a main loop, which the example does without.
    if language != Language::Python {
        cases.push(("Play", Trouble::Closes("consent"), anew("Play").collect()));
        cases.push(("Play", Trouble::Closes("background"), go_on().collect()));
    }
    let runs = cases.iter().map(|(method, trouble, _)| troubled(language, method, *trouble));
    let ends = futures_util::future::join_all(runs).await;
    for ((method, trouble, wanted), (heard, out)) in cases.into_iter().zip(ends) {
        let (status, played, complaint) = said(&out);
        match trouble {
            Trouble::Refuses(error) => {
                let line = format!("{method}: {error}: as the test wants it\n");
                assert_eq!(complaint, line);
                assert_eq!(played, "played film-7 from 0.0 to 33.0, not all of it reported\n");
                assert_eq!(status, Some(2));
            }
            Trouble::Closes(reason) => {
                assert_eq!(complaint, format!("the session has closed: {reason}\n"));
                assert_eq!(played, "played film-7 from 0.0 to 33.0\n");
                assert_eq!(status, Some(0));
            }
        }
        assert_eq!(heard, wanted, "{method}: {complaint}");
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
                let run = |address: &OsStr| {
                    let mut command = player(language);
                    command.arg("--bus").arg(address).args(arguments(door));
                    said(&command.output().expect("the player"))
                };
                let (status, played, complaint) = run(bus.address.as_ref());
                assert_eq!(status, Some(2), "{complaint}");
                assert_eq!(played, "played film-7 from 0.0 to 33.0, not all of it reported\n");
                let unknown = "GetResumePoint: org.freedesktop.DBus.Error.ServiceUnknown: ";
                assert!(complaint.starts_with(unknown), "{complaint}");
                assert_eq!(complaint.lines().count(), 1, "{complaint}");
                let (status, _, complaint) = run(nowhere.as_ref());
                assert_eq!(status, Some(1));
                assert!(complaint.starts_with("the bus cannot be reached: "), "{complaint}");
            });
        }
    });
}
