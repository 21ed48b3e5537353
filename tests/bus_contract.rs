//! What the bus shows: introspection as it is documented, properties and their changes, objects that
//! come and go, one owner of the name (docs/behaviour.md 1.3, 1.4).

mod common;

use std::collections::{BTreeSet, HashMap};
use std::process::Command;

use common::{AGENT, AGENT_PATH, PATIENCE, SESSION, World, film, nothing};
use futures_util::StreamExt;
use zbus::fdo::{IntrospectableProxy, ObjectManagerProxy, PropertiesProxy};

/// Every member of an interface with its arguments, as `kind name(types)`.
fn members(xml: &str, interface: &str) -> BTreeSet<String> {
    let attribute = |line: &str, name: &str| {
        let from = line.find(&format!("{name}=\"")).map(|at| at + name.len() + 2)?;
        line[from..].split('"').next().map(str::to_owned)
    };
    let from = xml.find(&format!("<interface name=\"{interface}\"")).expect("the interface");
    let to = xml[from..].find("</interface>").expect("its end") + from;
    let mut found = BTreeSet::new();
    let mut current = String::new();
    for line in xml[from..to].lines().map(str::trim) {
        // Anything else is a comment.
        let Some(tag) = line.strip_prefix('<') else { continue };
        let kind = tag.split([' ', '>']).next().unwrap_or_default();
        match kind {
            "method" | "signal" | "property" => {
                let name = attribute(line, "name").expect("a name");
                current = format!("{kind} {name}");
                let shape = attribute(line, "type").unwrap_or_default();
                let access = attribute(line, "access").unwrap_or_default();
                found.insert(format!("{current} {shape} {access}"));
            }
            "arg" => {
                let direction = attribute(line, "direction").unwrap_or_default();
                found.insert(format!(
                    "{current} arg {} {direction}",
                    attribute(line, "type").unwrap()
                ));
            }
            "annotation" => {
                let name = attribute(line, "name").expect("a name");
                found.insert(format!("{current} {name} {}", attribute(line, "value").unwrap()));
            }
            _ => {}
        }
    }
    found
}

fn documented(file: &str) -> String {
    let path = format!("{}/dbus/{file}.xml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("the checked-in XML")
}

const QT_TYPE: &str = "org.qtproject.QtDBus.QtTypeName";

/// `qdbusxml2cpp` knows simple types and lists of strings. Of each other argument and property it has
/// to be told the C++ type, in the place that it looks in.
#[test]
fn qt_is_told_the_type_of_every_dictionary() {
    let mut told = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/dbus")).expect("dbus") {
        let name = entry.expect("a file").file_name().into_string().expect("a name");
        let Some(interface) = name.strip_suffix(".xml") else { continue };
        let (mut current, mut counts) = (String::new(), [0, 0]);
        let (mut wanted, mut given) = (BTreeSet::new(), BTreeSet::new());
        // In the order of the file, because arguments are counted.
        for line in documented(interface).lines().map(str::trim) {
            let value = |key: &str| {
                let (_, rest) = line.split_once(&format!(" {key}=\""))?;
                rest.split_once('"').map(|(value, _)| value.to_owned())
            };
            let kind = line.split([' ', '>']).next().unwrap_or_default();
            let place = match kind {
                "<method" | "<signal" | "<property" => {
                    current = format!("{kind} {}", value("name").expect("a name"));
                    counts = [0, 0];
                    String::new()
                }
                "<arg" => {
                    let out = current.starts_with("<signal")
                        || value("direction").is_some_and(|d| d == "out");
                    counts[usize::from(out)] += 1;
                    let number = counts[usize::from(out)] - 1;
                    format!(".{}{number}", if out { "Out" } else { "In" })
                }
                "<annotation" => {
                    let name = value("name").expect("a name");
                    if let Some(place) = name.strip_prefix(QT_TYPE) {
                        let cpp = value("value").expect("a type");
                        given.insert(format!("{current} {place} {cpp}"));
                    }
                    continue;
                }
                _ => continue,
            };
            let cpp = match value("type").as_deref() {
                None => continue,
                Some("a{sv}") => "QVariantMap",
                Some("aa{sv}") => "QList&lt;QVariantMap&gt;",
                Some("a{st}") => "QMap&lt;QString,qulonglong&gt;",
                Some("as") => continue,
                Some(simple) if simple.len() == 1 => continue,
                Some(other) => panic!("{current}: which C++ type has {other}?"),
            };
            wanted.insert(format!("{current} {place} {cpp}"));
        }
        assert_eq!(given, wanted, "{interface}");
        told += given.len();
    }
    assert!(told > 40, "{told}");
}

#[tokio::test]
async fn the_live_objects_are_as_documented_and_every_member_is_served() {
    let world = World::start("").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    for (path, interface, least) in [
        (AGENT_PATH, AGENT, 20),
        (AGENT_PATH, "tv.playhead.Monitor1", 3),
        (session.as_str(), SESSION, 20),
    ] {
        let proxy = IntrospectableProxy::builder(&player.connection)
            .destination(AGENT)
            .path(path)
            .build()
            .await
            .expect("a proxy");
        let live = proxy.introspect().await.expect("XML");
        assert!(
            !live.contains("<!--") && !live.contains("Rights:") && !live.contains("qtproject"),
            "what is for people and code generators stays at home: {live}"
        );
        let live = members(&live, interface);
        let mut written = members(&documented(interface), interface);
        // What is for Qt's code generator stays at home too, and nothing else.
        written.retain(|member| !member.contains(QT_TYPE));
        assert_eq!(live, written);
        assert!(live.len() >= least, "{live:?}");
        // Each property has a value of its documented type, and nothing else has one.
        let properties = PropertiesProxy::builder(&player.connection)
            .destination(AGENT)
            .path(path)
            .build()
            .await
            .expect("a proxy");
        let name = zbus::names::InterfaceName::try_from(interface).expect("a name");
        let values = properties.get_all(name).await.expect("values");
        let served: BTreeSet<String> = values
            .iter()
            .map(|(name, value)| format!("property {name} {} read", value.value_signature()))
            .collect();
        let written: BTreeSet<String> = live
            .iter()
            .filter(|m| m.starts_with("property") && m.ends_with("read"))
            .cloned()
            .collect();
        assert_eq!(served, written);
        for method in live.iter().filter(|m| m.starts_with("method") && m.split(' ').count() == 4) {
            let method = method.split(' ').nth(1).expect("a name");
            // Without arguments: refused or answered, but known.
            let answer = player
                .connection
                .call_method(Some(AGENT), path, Some(interface), method, &())
                .await;
            if let Err(error) = answer {
                assert!(!error.to_string().contains("Unknown"), "{method}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn changes_and_objects_are_announced() {
    let world = World::start("").await;
    // The collector answers when we listen.
    world.collector.set_rules_json(r#"[{"on": "sessions", "delay_s": 2}]"#).expect("a rule");
    let player = world.player().await;
    let manager = ObjectManagerProxy::builder(&player.connection)
        .destination(AGENT)
        .path(AGENT_PATH)
        .build()
        .await
        .expect("a proxy");
    let mut added = manager.receive_interfaces_added().await.expect("a stream");
    let mut removed = manager.receive_interfaces_removed().await.expect("a stream");
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    let appeared =
        tokio::time::timeout(PATIENCE, added.next()).await.expect("in time").expect("one");
    assert_eq!(appeared.args().expect("arguments").object_path().as_str(), session.as_str());

    let properties = PropertiesProxy::builder(&player.connection)
        .destination(AGENT)
        .path(session.clone())
        .build()
        .await
        .expect("a proxy");
    let mut changes = properties.receive_properties_changed().await.expect("a stream");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    let mut seen: HashMap<String, String> = HashMap::new();
    while !(seen.contains_key("State") && seen.contains_key("Opened")) {
        let change =
            tokio::time::timeout(PATIENCE, changes.next()).await.expect("in time").expect("one");
        for (name, value) in change.args().expect("arguments").changed_properties() {
            seen.insert((*name).to_owned(), value.to_string());
        }
    }
    assert_eq!(seen["State"], "\"playing\"");
    assert_eq!(seen["Opened"], "true");

    let proxy = zbus::Proxy::new(&player.connection, AGENT, session.clone(), SESSION)
        .await
        .expect("a proxy");
    let mut closed = proxy.receive_signal("Closed").await.expect("a stream");
    player.call(&session, "Complete", 600.0, nothing()).await.expect("complete");
    let signal =
        tokio::time::timeout(PATIENCE, closed.next()).await.expect("in time").expect("one");
    assert_eq!(signal.body().deserialize::<String>().expect("a reason"), "complete");
    let gone = tokio::time::timeout(PATIENCE, removed.next()).await.expect("in time").expect("one");
    assert_eq!(gone.args().expect("arguments").object_path().as_str(), session.as_str());
    let late = player.call(&session, "Play", 0.0, nothing()).await;
    assert_eq!(common::refusal(late).0, "org.freedesktop.DBus.Error.UnknownObject");
}

#[tokio::test]
async fn sessions_that_close_at_once_leave_no_object_behind() {
    let world = World::start("[limits]\nsessions = 1000\n").await;
    let player = world.player().await;
    let names = ["even", "odd"];
    let opens = (0..200).map(|n| player.open(0.0, film(names[n % 2])));
    futures_util::future::join_all(opens).await;
    let manager = ObjectManagerProxy::builder(&player.connection)
        .destination(AGENT)
        .path(AGENT_PATH)
        .build()
        .await
        .expect("a proxy");
    // Each look is a turn of the daemon; after some of them everything announced has been done.
    let mut left = Vec::new();
    for _ in 0..200 {
        let objects = manager.get_managed_objects().await.expect("objects");
        left = objects
            .into_iter()
            .filter(|(_, interfaces)| interfaces.keys().any(|name| name.as_str() == SESSION))
            .map(|(path, _)| path)
            .collect();
        if left.len() == 1 {
            return;
        }
    }
    panic!("{left:?}");
}

#[tokio::test]
async fn a_second_daemon_takes_neither_the_name_nor_the_state() {
    let world = World::start("").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    for (state, part) in
        [("state", "in use by another playheadd"), ("elsewhere", "is not to be had")]
    {
        let out = Command::new(common::daemon())
            .arg("--config")
            .arg(world.agent.config())
            .args(["--bus-address", &world.bus.address])
            .arg("--state-dir")
            .arg(world.bus.dir.path().join(state))
            .output()
            .expect("a second daemon");
        let message = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{message}");
        assert!(message.contains(part), "{message}");
    }
    player.call(&session, "Play", 0.0, nothing()).await.expect("the first goes on");
}

#[tokio::test]
async fn a_bus_with_many_names_does_not_hold_up_the_start() {
    let bus = common::Bus::start();
    let crowd = bus.connect().await;
    for n in 0..200 {
        crowd.request_name(format!("tv.example.name{n}")).await.expect("a name");
    }
    let collector = playheadd::bench::Collector::start();
    common::Agent::start(&bus, &collector, "").await;
}

/// The answer to an `OpenSession` can be lost when the daemon dies or is slow.
#[tokio::test]
async fn a_player_that_missed_the_answer_is_told_its_session() {
    let world = World::start("").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    let again = player.open(0.0, film("ep-1")).await.map(|_| ());
    let (name, why) = common::refusal(again);
    assert_eq!(name, "tv.playhead.Error.NotAllowed");
    let (_, number) = why.split_once("as session ").expect("its number");
    let number = number.split(';').next().expect("a number");
    assert_eq!(format!("{AGENT_PATH}/session/{number}"), session.as_str());
}

#[tokio::test]
async fn a_player_uses_one_door() {
    let world = World::start("").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.emit("/p", "SessionStart", 0.0, film("ep-1")).await;
    player.emit("/p", "Complete", 0.0, nothing()).await;
    player.call(&session, "End", 1.0, nothing()).await.expect("end");
    let refused = player.property(AGENT_PATH, AGENT, "RejectedEvents").await;
    assert_eq!(u64::try_from(refused).unwrap(), 2, "both signals were counted");
    let hits = world.wait("the end", |hits| !common::of_type(hits, "sessionEnd").is_empty());
    assert_eq!(common::of_type(&hits, "sessionStart").len(), 1);
}
