//! Callers that mean no good, or know no better: garbage, half messages, file descriptors, strings as
//! large as the bus lets through. None of it does harm, and an honest player goes on beside it.

mod common;

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use common::raw::hello;
use common::{AGENT, AGENT_PATH, Player, World, film, nothing, of_type, refusal};
use zbus::message::Flags;
use zbus::{Fd, Message, Variant};

const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";

/// A session of an honest player, and that it is served at the end as it was at the beginning.
struct Honest {
    player: Player,
    session: zbus::OwnedObjectPath,
}

impl Honest {
    async fn new(world: &World) -> Honest {
        let player = world.player().await;
        let session = player.open(0.0, film("honest")).await.expect("a session");
        player.call(&session, "Play", 0.0, nothing()).await.expect("play");
        Honest { player, session }
    }

    async fn ends(self, world: &World) {
        self.player.call(&self.session, "End", 60.0, nothing()).await.expect("the end");
        let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
        assert_eq!(of_type(&hits, "sessionStart").len(), 1, "nobody else has a session");
    }
}

fn raw(world: &World) -> UnixStream {
    common::raw::raw(&world.bus.dir.path().join("bus"))
}

fn open(info: common::Info) -> Message {
    Message::method_call(AGENT_PATH, "OpenSession")
        .interface(AGENT)
        .destination(AGENT)
        .build(&(0.0, info))
        .expect("a message")
}

#[tokio::test]
async fn garbage_and_half_messages_harm_nobody() {
    let world = World::start("").await;
    let honest = Honest::new(&world).await;
    let whole = open(film("half"));
    let whole = whole.data().bytes();
    for part in [0, 1, 12, 15, 16, whole.len() / 2, whole.len() - 1] {
        let mut stream = raw(&world);
        stream.write_all(hello().data().bytes()).expect("written");
        stream.write_all(&whole[..part]).expect("written");
        // The end of the stream, in the middle of a message.
        drop(stream);
    }
    let mut stream = raw(&world);
    stream.write_all(hello().data().bytes()).expect("written");
    let _ = stream.write_all(&[0x5a; 4096]);
    // The bus has had enough of it.
    while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
    // A header that promises more than it may.
    let mut stream = raw(&world);
    let mut bytes = hello().data().bytes().to_vec();
    bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    stream.write_all(&bytes).expect("written");
    while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
    honest.ends(&world).await;
}

#[tokio::test]
async fn the_bus_is_told_to_keep_file_descriptors() {
    let world = World::start("").await;
    let honest = Honest::new(&world).await;
    let open_files = || {
        let files = std::fs::read_dir(format!("/proc/{}/fd", world.agent.pid()));
        files.expect("its files").count()
    };
    let rude = world.player().await;
    rude.resume_point("", "nothing").await;
    // Connections to the collector come and go meanwhile.
    let most = open_files() + 10;
    let null = std::fs::File::open("/dev/null").expect("a file");
    let refused = match common::on_dbus_broker() {
        true => "org.freedesktop.DBus.Error.Failed",
        false => "org.freedesktop.DBus.Error.NotSupported",
    };
    for _ in 0..100 {
        let mut media = film("");
        media.insert(
            "id",
            Variant::Fd(Fd::from(null.as_fd().try_clone_to_owned().expect("a file"))),
        );
        let (name, why) = refusal(rude.open(0.0, media).await.map(|_| ()));
        assert_eq!(name, refused, "{why}");
        let body = &(Fd::from(null.as_fd()),);
        let call = rude.connection.call_method(Some(AGENT), AGENT_PATH, Some(AGENT), "Flush", body);
        let (name, why) = refusal(call.await.map(|_| ()));
        assert_eq!(name, refused, "{why}");
    }
    assert!(open_files() < most, "{} files are open", open_files());
    honest.ends(&world).await;
}

#[tokio::test]
async fn strings_as_large_as_the_bus_lets_through_leave_nothing_behind() {
    const BYTES: usize = 24 << 20;
    let world = World::start("").await;
    let honest = Honest::new(&world).await;
    let rude = world.player().await;
    for _ in 0..3 {
        for key in ["id", "whatever"] {
            let mut media = film("large");
            media.insert(key, "x".repeat(BYTES).into());
            let (name, why) = refusal(rude.open(0.0, media).await.map(|_| ()));
            assert_eq!(name, "tv.playhead.Error.LimitsExceeded", "{why}");
        }
        let info = common::Info::from([("id", "x".repeat(BYTES).into())]);
        rude.emit("/p", "Error", 0.0, info).await;
    }
    rude.resume_point("", "nothing").await;
    let kib = common::anonymous_kib(world.agent.pid()) as usize;
    assert!(kib * 1024 < 2 * BYTES, "{kib} KiB are still held");
    honest.ends(&world).await;
}

#[tokio::test]
async fn what_is_not_there_is_said_and_what_nests_too_deep_too() {
    let world = World::start("").await;
    let honest = Honest::new(&world).await;
    let rude = world.player().await;
    let call = async |path: &str, interface: &str, member: &str| {
        let call = rude.connection.call_method(Some(AGENT), path, Some(interface), member, &());
        refusal(call.await.map(|_| ())).0
    };
    const UNKNOWN: &str = "org.freedesktop.DBus.Error.Unknown";
    for (path, interface, member, part) in [
        (AGENT_PATH, AGENT, "Explode", "Method"),
        (AGENT_PATH, "tv.playhead.Agent2", "Flush", "Interface"),
        ("/elsewhere", AGENT, "Flush", "Object"),
        ("/tv/playhead/Agent1/session/4294967295", common::SESSION, "Play", "Object"),
    ] {
        assert_eq!(call(path, interface, member).await, format!("{UNKNOWN}{part}"));
    }
    let mut deep = Variant::from(1_u8);
    for _ in 0..20 {
        deep = Variant::Variant(Box::new(deep));
    }
    let mut media = film("deep");
    media.insert("id", deep);
    let (name, why) = refusal(rude.open(0.0, media).await.map(|_| ()));
    assert_eq!(name, "tv.playhead.Error.InvalidArgs", "{why}");
    // A method that is told not to answer is not waited for either.
    let silent = Message::method_call(AGENT_PATH, "OpenSession")
        .interface(AGENT)
        .destination(AGENT)
        .with_flags(Flags::NO_REPLY_EXPECTED)
        .build(&(0.0, nothing()))
        .expect("a message");
    rude.connection.send(&silent).await.expect("sent");
    rude.connection
        .call_method(Some(AGENT), AGENT_PATH, Some(INTROSPECTABLE), "Introspect", &())
        .await
        .expect("an answer");
    honest.ends(&world).await;
}

#[tokio::test]
async fn setting_a_property_holds_nobody_up() {
    let world = World::start("").await;
    let honest = Honest::new(&world).await;
    let rude = world.player().await;
    let properties = "org.freedesktop.DBus.Properties";
    for n in 0..20 {
        // Each in the middle of a session that is being opened.
        let mut media = film("");
        media.insert("id", format!("set-{n}").into());
        let opening = rude.open(0.0, media);
        let (path, connection) = (honest.session.as_str(), &rude.connection);
        let set = async |path: &str, interface: &str, name: &str| {
            let body = (interface, name, Variant::from("x"));
            let call = connection.call_method(Some(AGENT), path, Some(properties), "Set", &body);
            refusal(call.await.map(|_| ())).0
        };
        let (opened, agent, session, unknown, monitor) = tokio::join!(
            opening,
            set(AGENT_PATH, AGENT, "Version"),
            set(path, common::SESSION, "State"),
            set(AGENT_PATH, AGENT, "Nothing"),
            set(AGENT_PATH, "tv.playhead.Monitor1", "Nothing"),
        );
        let session_of_it = opened.expect("a session");
        let error = |name: &str| format!("org.freedesktop.DBus.Error.{name}");
        assert_eq!([agent, session], [error("PropertyReadOnly"), error("PropertyReadOnly")]);
        assert_eq!([unknown, monitor], [error("UnknownProperty"), error("UnknownProperty")]);
        rude.call(&session_of_it, "End", 1.0, nothing()).await.expect("its end");
    }
    honest.player.call(&honest.session, "End", 60.0, nothing()).await.expect("the end");
}
