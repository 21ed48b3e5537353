//! A process that calls everything as somebody, and prints what came of it.

use std::collections::HashMap;

use futures_util::StreamExt;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, fdo};

use crate::common::{AGENT, AGENT_PATH, Player, SESSION, film, nothing};
use crate::place::connect;

/// Names the bus to the process, and the session of somebody else.
pub const BUS: &str = "PLAYHEADD_TEST_CALLS";
pub const ANOTHERS: &str = "PLAYHEADD_TEST_SESSION";
/// The name of the test that is one.
pub const TEST: &str = "caller::called_as_somebody";
/// The application of that session.
pub const OBSERVED: &str = "tv.example.observed";
/// The consent by which the callers are told that they have heard it all.
pub const WORD: &str = "unknown";
/// Printed when only the signals are left; the name of a film is read then.
pub const CALLED: &str = "= called";

/// Calls everything and prints what came of it. Not a test by itself.
#[tokio::test]
async fn called_as_somebody() {
    #[allow(clippy::disallowed_methods)]
    let told = |name: &str| std::env::var(name).ok();
    let (Some(address), Some(another)) = (told(BUS), told(ANOTHERS)) else { return };
    let player = Player { connection: connect(&address).await };
    let connection = &player.connection;
    // PlaybackEvent from before anything is asked until the other side gives the word.
    let mut signals = MessageStream::from(connection);
    let heard = tokio::spawn(async move {
        let mut of_sessions = false;
        while let Some(message) = signals.next().await {
            let message = message.expect("a message");
            let header = message.header();
            let member = header.member().map_or("", |m| m.as_str());
            match (member, header.path().map(|p| p.as_str())) {
                ("PropertiesChanged", Some(AGENT_PATH)) if consent(&message) == WORD => break,
                ("PropertiesChanged", Some(AGENT_PATH)) => {}
                ("InterfacesAdded" | "Closed" | "PropertiesChanged", _) => of_sessions = true,
                _ => {}
            }
        }
        of_sessions
    });
    let dbus = fdo::DBusProxy::new(connection).await.expect("the bus");
    let rule = MatchRule::builder().msg_type(Type::Signal).path_namespace(AGENT_PATH);
    dbus.add_match_rule(rule.build().expect("a rule")).await.expect("a match rule");

    let agent = async |member: &str, body: &[&str]| match body {
        [] => call(connection, AGENT_PATH, AGENT, member, &()).await,
        [one] => call(connection, AGENT_PATH, AGENT, member, one).await,
        [one, two, ..] => call(connection, AGENT_PATH, AGENT, member, &(one, two)).await,
    };
    let own = player.open(0.0, film("own")).await;
    println!("= OpenSession: {}", outcome(own.as_ref().map(|_| ())));
    let target = own.unwrap_or_else(|_| another.as_str().try_into().expect("a path"));
    let another = OwnedObjectPath::try_from(another.as_str()).expect("a path");
    let event = async |session: &OwnedObjectPath, name: &str| {
        let told = player.call(session, name, 1.0, nothing()).await;
        outcome(told.as_ref().map(|_| ()))
    };
    // That nothing is known, or that it is too early, is no question of access.
    let mut driven: Vec<String> = Vec::new();
    for member in session_methods() {
        println!("= drive another's session: {}", event(&another, member).await);
        driven.push(event(&target, member).await);
    }
    driven.sort();
    println!("= drive an own session: {}", driven.last().expect("methods"));
    agent("GetResumePoint", &["tv.example.tests", "own"]).await;
    let point = ("tv.example.tests", "nothing", nothing());
    call(connection, AGENT_PATH, AGENT, "SetResumePoint", &point).await;
    agent("ForgetResumePoint", &["tv.example.tests", "nothing"]).await;
    agent("NotifyLifecycle", &["tv.example.nobody", "foreground"]).await;
    agent("Flush", &[]).await;
    agent("SetConsent", &["in"]).await;
    let monitor = "tv.playhead.Monitor1";
    call(connection, AGENT_PATH, monitor, "Watch", &()).await;
    call(connection, AGENT_PATH, monitor, "List", &"queue").await;
    call(connection, AGENT_PATH, monitor, "Probe", &()).await;
    let session = another.as_str();
    let properties = "org.freedesktop.DBus.Properties";
    for (what, path, body) in [
        ("a property of the agent", AGENT_PATH, (AGENT, "Version")),
        ("a property of a session", session, (SESSION, "MediaId")),
    ] {
        say(what, asked(connection, path, properties, "Get", &body).await);
    }
    for (what, path, body) in [
        ("properties of the agent", AGENT_PATH, AGENT),
        ("properties of a session", session, SESSION),
    ] {
        say(what, asked(connection, path, properties, "GetAll", &body).await);
    }
    call(connection, AGENT_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", &())
        .await;
    call(connection, AGENT_PATH, "org.freedesktop.DBus.Introspectable", "Introspect", &()).await;
    call(connection, AGENT_PATH, "org.freedesktop.DBus.Peer", "Ping", &()).await;
    println!("{CALLED}");
    let mut media = film("");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("the name of a film");
    media.insert("id", line.trim().to_owned().into());
    player.emit("/p", "SessionStart", 0.0, media).await;
    let lifecycle = "tv.playhead.Lifecycle1";
    let said = connection.emit_signal(None::<&str>, "/m", lifecycle, "Background", &OBSERVED).await;
    said.expect("a signal");

    let of_sessions = heard.await.expect("what was heard");
    println!("= hear the agent's properties: allowed");
    println!("= hear of a session: {}", if of_sessions { "allowed" } else { "denied" });
}

/// The consent that a change of the agent's properties tells, if it tells one.
fn consent(message: &zbus::Message) -> String {
    type Change = (String, HashMap<String, zbus::OwnedVariant>, Vec<String>);
    let (_, mut changed, _): Change = message.body().deserialize().expect("a change");
    changed.remove("Consent").and_then(|value| value.try_into().ok()).unwrap_or_default()
}

fn session_methods() -> Vec<&'static str> {
    let xml = include_str!("../../dbus/tv.playhead.Session1.xml");
    let names = xml.lines().filter_map(|line| line.trim().strip_prefix("<method name=\""));
    names.filter_map(|rest| Some(rest.split_once('"')?.0)).collect()
}

async fn asked<B>(
    connection: &Connection,
    path: &str,
    interface: &str,
    member: &str,
    body: &B,
) -> zbus::Result<()>
where
    B: serde::Serialize + zbus::DynamicType,
{
    connection.call_method(Some(AGENT), path, Some(interface), member, body).await.map(|_| ())
}

async fn call<B>(connection: &Connection, path: &str, interface: &str, member: &str, body: &B)
where
    B: serde::Serialize + zbus::DynamicType,
{
    say(member, asked(connection, path, interface, member, body).await);
}

fn say(what: &str, came: zbus::Result<()>) {
    println!("= {what}: {}", outcome(came.as_ref().map(|_| ())));
}

fn outcome(came: Result<(), &zbus::Error>) -> String {
    let name = match came {
        Ok(()) => return "allowed".into(),
        Err(zbus::Error::MethodError(name, ..)) => name.to_string(),
        Err(zbus::Error::FDO(error)) => zbus::DBusError::name(error.as_ref()).to_string(),
        Err(other) => return format!("failed: {other}"),
    };
    match name.rsplit('.').next() {
        Some("AccessDenied") => "denied".into(),
        // Too early, wrong in itself, over by now: the caller was let in.
        Some("UnknownObject") => "allowed".into(),
        _ if name.starts_with("tv.playhead.Error.") => "allowed".into(),
        _ => format!("failed: {name}"),
    }
}
