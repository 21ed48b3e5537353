//! What callers hear, and what readers see.

use std::collections::HashMap;

use zbus::{OwnedObjectPath, OwnedVariant};

use crate::common::{AGENT, AGENT_PATH, Player, SESSION, film, nothing, refusal};
use crate::{NOT_CONFIGURED, all, configured, mend, misconfigured, word};

const MONITOR: &str = "tv.playhead.Monitor1";

async fn call<B>(player: &Player, interface: &str, member: &str, body: &B) -> zbus::Result<()>
where
    B: serde::Serialize + zbus::DynamicType,
{
    let call =
        player.connection.call_method(Some(AGENT), AGENT_PATH, Some(interface), member, body);
    call.await.map(|_| ())
}

#[tokio::test]
async fn every_call_but_reads_says_what_is_wrong() {
    let world = misconfigured(Some("[heartbeat]\nmain = 1\n")).await;
    let player = world.player().await;
    let session = OwnedObjectPath::try_from(format!("{AGENT_PATH}/session/1")).expect("a path");
    let refused = [
        player.open(0.0, film("ep-1")).await.map(|_| ()),
        player.call(&session, "Play", 0.0, nothing()).await,
        player.call(&session, "End", 0.0, nothing()).await,
        call(&player, AGENT, "SetResumePoint", &("app", "ep-1", nothing())).await,
        call(&player, AGENT, "ForgetResumePoint", &("app", "ep-1")).await,
        call(&player, AGENT, "NotifyLifecycle", &("app", "background")).await,
        call(&player, AGENT, "Flush", &()).await,
        call(&player, AGENT, "SetConsent", &("out",)).await,
        call(&player, MONITOR, "Watch", &()).await,
        call(&player, MONITOR, "Probe", &()).await,
    ];
    for answer in refused {
        let (name, why) = refusal(answer);
        assert_eq!(name, NOT_CONFIGURED, "{why}");
        for part in ["playheadd.toml:", "`main`", "reloaded"] {
            assert!(why.contains(part), "'{part}' in {why}");
        }
    }
    assert!(!world.agent.state().exists(), "nothing is stored");
    // A mistake in the arguments is one of the player, which an operator cannot mend.
    let (name, _) = refusal(call(&player, AGENT, "SetConsent", &("maybe",)).await);
    assert_eq!(name, "tv.playhead.Error.InvalidArgs");
    assert!(world.agent.log().contains("refusal=\"NotConfigured\""), "{}", world.agent.log());
}

#[tokio::test]
async fn reads_are_answered_as_by_an_agent_without_sessions() {
    let mut world = misconfigured(None).await;
    let player = world.player().await;
    assert!(player.resume_point("tv.example.tests", "ep-1").await.is_empty());
    for (what, nothing) in [
        ("rejected", "[]"),
        ("resume-points", "[]"),
        ("mpris", "null"),
        ("queue", r#"{"bytes":0,"hits":0,"left_out":0,"logs":[],"state":"misconfigured"}"#),
    ] {
        let body = (what,);
        let call =
            player.connection.call_method(Some(AGENT), AGENT_PATH, Some(MONITOR), "List", &body);
        let text: String = call.await.expect("a list").body().deserialize().expect("a text");
        assert_eq!(text, nothing, "{what}");
    }
    let standard = async |interface: &str, member: &str| {
        let interface = Some(interface);
        let call = player.connection.call_method(Some(AGENT), AGENT_PATH, interface, member, &());
        call.await.expect("an answer")
    };
    let objects = standard("org.freedesktop.DBus.ObjectManager", "GetManagedObjects").await;
    let objects: HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>> =
        objects.body().deserialize().expect("objects");
    assert!(objects.is_empty());
    let xml = standard("org.freedesktop.DBus.Introspectable", "Introspect").await;
    let xml: String = xml.body().deserialize().expect("a text");
    assert!(xml.contains("OpenSession") && xml.contains("tv.playhead.Monitor1"), "{xml}");
    standard("org.freedesktop.DBus.Peer", "Ping").await;
    let before = all(&player).await;
    let text =
        |name: &str| String::try_from(before[name].try_clone().expect("a value")).expect("a text");
    assert_eq!(text("DeliveryState"), "misconfigured");
    assert_eq!((text("Consent"), text("Collector")), ("unknown".to_owned(), String::new()));
    let said = text("LastError");
    assert!(said.starts_with("nothing is tracked or sent since 20"), "{said}");
    assert!(said.contains("playheadd.toml") && said.ends_with("correct it and reload"), "{said}");
    let problems = Vec::<String>::try_from(before["Problems"].try_clone().expect("a value"));
    assert_eq!(problems.expect("texts")[0], said);
    // The properties are those of an agent that works.
    configured(&player, || mend(&world, "")).await;
    let after = all(&player).await;
    let names = |of: &HashMap<String, OwnedVariant>| {
        of.keys().cloned().collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&before), names(&after));
    assert_eq!(word(&player, "LastError").await, "");
    assert!(world.agent.stop().success());
}

#[tokio::test]
async fn signals_are_dropped_and_counted_in_few_lines() {
    const SIGNALS: u64 = 20;
    let mut world = misconfigured(None).await;
    let player = world.player().await;
    player.emit("/player", "SessionStart", 0.0, film("ep-1")).await;
    for n in 1..SIGNALS {
        player.emit("/player", "Playhead", n as f64, nothing()).await;
    }
    let counted = async || {
        let value = player.property(AGENT_PATH, AGENT, "RejectedEvents").await;
        u64::try_from(value).expect("a number")
    };
    let patience = tokio::time::Instant::now() + crate::PATIENCE;
    while counted().await < SIGNALS {
        assert!(tokio::time::Instant::now() < patience, "{} counted", counted().await);
    }
    assert!(world.agent.stop().success());
    let log = world.agent.log();
    let lines =
        log.lines().filter_map(|line| line.split_once("dropped: playheadd is not configured"));
    let events: Vec<u64> = lines
        .map(|(_, fields)| fields.trim().trim_start_matches("events=").parse().expect("a number"))
        .collect();
    assert_eq!(events.iter().sum::<u64>(), SIGNALS, "{log}");
    assert!(events.len() <= 3, "{log}");
    assert!(!world.agent.state().exists(), "nothing is stored");
    // `SESSION` has no object, and nobody was told of one.
    assert!(!log.contains(SESSION));
}
