//! Bad input gets its named error, says what was expected and what came, and changes nothing.

mod common;

use common::{AGENT, AGENT_PATH, Info, World, film, nothing, of_type, types};
use std::collections::HashMap;
use zbus::Variant;

const INVALID: &str = "tv.playhead.Error.InvalidArgs";
const NOT_ALLOWED: &str = "tv.playhead.Error.NotAllowed";
const NO_SESSION: &str = "tv.playhead.Error.NoSession";
const LIMITS: &str = "tv.playhead.Error.LimitsExceeded";

fn with(key: &'static str, value: Variant<'static>) -> Info {
    let mut info = film("ep-1");
    info.insert(key, value);
    info
}

fn info<const N: usize>(pairs: [(&'static str, Variant<'static>); N]) -> Info {
    Info::from(pairs)
}

fn customer(id: &str, state: i32) -> Variant<'static> {
    let ids = HashMap::from([("crm".to_owned(), (id.to_owned(), state))]);
    HashMap::from([("customer_ids".to_owned(), Variant::from(ids))]).into()
}

#[tokio::test]
async fn a_session_that_cannot_be_opened_says_why() {
    let world = World::start("").await;
    let player = world.player().await;
    let long = "x".repeat(5000);
    let huge: HashMap<String, String> =
        (0..4000).map(|n| (format!("key{n}"), "some value of a viewer".into())).collect();
    for (playhead, media, name, part) in [
        (0.0, Info::new(), INVALID, "'id' (a string (s)) is missing"),
        (0.0, info([("id", "".into())]), INVALID, "'id' is empty"),
        (0.0, info([("id", 7_i32.into())]), INVALID, "'id' must be a string (s), got an integer"),
        (0.0, with("length", "600".into()), INVALID, "'length' must be a double (d), got a string"),
        (0.0, with("length", (-1.0).into()), INVALID, "'length' must be 0 or more seconds, got -1"),
        (0.0, with("length", f64::NAN.into()), INVALID, "'length' must be a finite number"),
        (0.0, with("stream_type", "film".into()), INVALID, "'video' or 'audio', got 'film'"),
        (0.0, with("resume", "yes".into()), INVALID, "'resume' must be a boolean (b)"),
        (0.0, with("ad_ping_seconds", 60_i32.into()), INVALID, "1 to 10, got 60"),
        (0.0, with("metadata", vec!["a"].into()), INVALID, "'metadata' must be a dictionary"),
        (0.0, with("track", 0_i32.into()), INVALID, "'track' must be a boolean (b)"),
        (0.0, with("identity", "me".into()), INVALID, "'identity' must be a dictionary (a{sv})"),
        (0.0, with("identity", customer("c-1", 3)), INVALID, "got another shape"),
        (0.0, with("identity", customer("", 1)), INVALID, "'customer_ids' is a{s(si)}"),
        (0.0, with("app", 1.5.into()), INVALID, "'app' must be a string (s), got a double"),
        (0.0, with("instance", true.into()), INVALID, "'instance' must be a string (s)"),
        (f64::NAN, film("ep-1"), INVALID, "finite number of seconds, got NaN"),
        (f64::INFINITY, film("ep-1"), INVALID, "finite number of seconds, got inf"),
        (0.0, with("name", long.into()), LIMITS, "'name' may hold 4096 bytes, this one has 5000"),
        (0.0, with("metadata", huge.into()), LIMITS, "a message may hold 65536 bytes"),
    ] {
        let (got, why) = common::refusal(player.open(playhead, media).await.map(|_| ()));
        assert!(
            got == name && why.contains(part),
            "expected {name} with '{part}', got {got}: {why}"
        );
        assert!(!why.contains("SessionStart"), "a method has its own name: {why}");
    }
    let call = |body: &'static str| {
        let connection = player.connection.clone();
        async move {
            connection
                .call_method(Some(AGENT), AGENT_PATH, Some(AGENT), "OpenSession", &(body,))
                .await
                .map(|_| ())
        }
    };
    let (name, why) = common::refusal(call("film").await);
    assert!(name == INVALID && why.contains("takes (da{sv}), got (s)"), "{name}: {why}");
    let sessions = player.property(AGENT_PATH, AGENT, "ActiveSessions").await;
    assert_eq!(u32::try_from(sessions).unwrap(), 0, "nothing was opened");
    // What would have been sent comes before this.
    player.open(0.0, common::film("ep-1")).await.expect("a session");
    let hits = world.wait("a start", |hits| !hits.is_empty());
    assert_eq!(hits[0].body["params"]["media.id"], "ep-1", "nothing else was sent");
}

#[tokio::test]
async fn an_event_that_cannot_be_says_why_and_changes_nothing() {
    let world = World::start("").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    let ad_break =
        || info([("name", "b".into()), ("position", 1_i32.into()), ("start", 0.0.into())]);
    for (event, playhead, info, name, part) in [
        ("Play", f64::NAN, nothing(), INVALID, "finite number of seconds"),
        ("Play", 1.0, info([("rate", "fast".into())]), INVALID, "'rate' must be a double (d)"),
        ("BufferComplete", 1.0, nothing(), NOT_ALLOWED, "no BufferStart to complete"),
        ("SeekComplete", 1.0, nothing(), NOT_ALLOWED, "no SeekStart to complete"),
        ("AdStart", 1.0, nothing(), INVALID, "'id' (a string (s)) is missing"),
        ("AdComplete", 1.0, nothing(), NOT_ALLOWED, "no ad break is open"),
        ("AdBreakStart", 1.0, nothing(), INVALID, "'name'"),
        (
            "AdBreakStart",
            1.0,
            {
                let mut info = ad_break();
                info.insert("position", 0_i32.into());
                info
            },
            INVALID,
            "'position' is counted from 1, got 0",
        ),
        ("ChapterComplete", 1.0, nothing(), NOT_ALLOWED, "no chapter is open"),
        ("StateStart", 1.0, info([("name", "a b".into())]), INVALID, "a state name is 1 to 64"),
        ("StateEnd", 1.0, info([("name", "mute".into())]), NOT_ALLOWED, "state 'mute' is not on"),
        ("Qoe", 1.0, info([("fps", (-1_i64).into())]), INVALID, "'fps' must not be negative"),
        ("Error", 1.0, nothing(), INVALID, "'id' (a string (s)) is missing"),
        (
            "Error",
            1.0,
            info([("id", "E1".into()), ("source", "me".into())]),
            INVALID,
            "'player' or 'external', got 'me'",
        ),
    ] {
        let (got, why) = common::refusal(player.call(&session, event, playhead, info).await);
        assert!(
            got == name && why.contains(part),
            "{event}: expected {name} '{part}', got {got}: {why}"
        );
    }
    let unknown = player.call(&session, "Rewind", 1.0, nothing()).await;
    assert_eq!(common::refusal(unknown).0, "org.freedesktop.DBus.Error.UnknownMethod");
    let extra = info([("colour", "blue".into())]);
    player.call(&session, "Pause", 2.0, extra).await.expect("unknown keys are nobody's business");
    player.call(&session, "End", 2.0, nothing()).await.expect("end");
    let gone = player.call(&session, "Play", 2.0, nothing()).await;
    let (name, _) = common::refusal(gone);
    assert!(
        name == NO_SESSION || name.starts_with("org.freedesktop.DBus.Error.Unknown"),
        "the object is gone: {name}"
    );
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart", "sessionEnd"]);
}

#[tokio::test]
async fn a_bad_signal_is_counted_and_forgotten() {
    let world = World::start("").await;
    let player = world.player().await;
    player.emit("/p", "Play", 0.0, nothing()).await; // no session yet
    player.emit("/p", "SessionStart", 0.0, Info::new()).await; // no id
    player.emit("/p", "SessionStart", 0.0, film("ep-1")).await;
    player.emit("/p", "SeekComplete", 0.0, nothing()).await; // nothing to complete
    player.emit("/p", "Dance", 0.0, nothing()).await; // no event
    player
        .connection
        .emit_signal(None::<&str>, "/p", "tv.playhead.Player1", "Play", &("soon",))
        .await
        .expect("a signal of the wrong shape");
    player.emit("/p", "Play", 0.0, nothing()).await;
    player.emit("/p", "End", 0.0, nothing()).await;
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "sessionEnd"]);
    let refused = player.property(AGENT_PATH, AGENT, "RejectedEvents").await;
    assert_eq!(u64::try_from(refused).unwrap(), 4);
}

#[tokio::test]
async fn arguments_of_the_agent_are_checked() {
    let world = World::start("").await;
    let player = world.player().await;
    for (method, arguments, part) in [
        ("SetConsent", vec!["maybe"], "'in', 'out' or 'unknown', got 'maybe'"),
        ("NotifyLifecycle", vec!["app", "asleep"], "'foreground', 'background' or 'stopped'"),
        ("SetConsent", vec!["in", "now"], "takes (s), got (ss)"),
        ("GetResumePoint", vec!["app"], "takes (ss), got (s)"),
    ] {
        let answer = match arguments.as_slice() {
            [a] => {
                player
                    .connection
                    .call_method(Some(AGENT), AGENT_PATH, Some(AGENT), method, &(a,))
                    .await
            }
            [a, b] => {
                player
                    .connection
                    .call_method(Some(AGENT), AGENT_PATH, Some(AGENT), method, &(a, b))
                    .await
            }
            _ => unreachable!(),
        };
        let (name, why) = common::refusal(answer.map(|_| ()));
        assert!(name == INVALID && why.contains(part), "{method}: {name}: {why}");
    }
}

#[tokio::test]
async fn a_misspelt_key_is_said_once_with_the_one_that_is_meant() {
    let world = World::start("").await;
    let player = world.player().await;
    for id in ["ep-1", "ep-2"] {
        let metadata = HashMap::from([("media.Show", "S"), ("bad key", "B"), ("house", "H")]);
        let media = info([
            ("id", id.into()),
            ("app", "tv.example.app".into()),
            ("titel", "T".into()),
            ("Length", 600.0.into()),
            ("instance", id.into()),
            ("metadata", metadata.into()),
        ]);
        let session = player.open(0.0, media).await.expect("a session");
        player.call(&session, "Play", 0.0, info([("speed", 2.0.into())])).await.expect("play");
        player.call(&session, "Pause", 0.0, info([("why", "x".into())])).await.expect("pause");
        player.call(&session, "End", 0.0, nothing()).await.expect("end");
    }
    let log = world.agent.log();
    for said in [
        "OpenSession: info key 'titel' is unknown and ignored; 'name' is meant?",
        "OpenSession: info key 'Length' is unknown and ignored; 'length' is meant?",
        "OpenSession: metadata key 'media.Show' is no standard one, so it is custom; 'media.show' \
         is meant?",
        "OpenSession: metadata key 'bad key' is left out; a key is made of a-z A-Z 0-9 _ and '.'",
        "Play: info key 'speed' is unknown and ignored; the keys are rate app=\"tv.example.app\"",
        "Pause: info key 'why' is unknown and ignored; this event has no keys",
    ] {
        assert_eq!(log.matches(said).count(), 1, "{said}: {log}");
    }
    assert!(!log.contains("instance"), "a known key: {log}");
}

#[tokio::test]
async fn a_profile_and_a_viewing_that_is_not_tracked_come_over_the_bus() {
    let world = World::start("").await;
    let player = world.player().await;
    let mut hidden = film("secret");
    hidden.insert("track", false.into());
    let session = player.open(0.0, hidden).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    let (name, _) = common::refusal(player.call(&session, "AdComplete", 0.0, nothing()).await);
    assert_eq!(name, NOT_ALLOWED, "answered as ever");
    player.call(&session, "End", 50.0, nothing()).await.expect("end");
    assert!(player.resume_point("", "secret").await.is_empty(), "nothing of it is kept");
    player.open(0.0, with("identity", customer("c-1", 1))).await.expect("a session");
    let hits = world.wait("a start", |hits| !hits.is_empty());
    let ids = &hits[0].body["params"]["visitor.customerIDs"];
    assert_eq!(*ids, common::json(r#"{"crm": {"id": "c-1", "authState": 1}}"#), "{hits:?}");
    assert!(!world.agent.log().contains("secret"), "nor in the log");
}
