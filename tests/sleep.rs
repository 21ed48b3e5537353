//! The box sleeps, wakes and is shut down, as logind announces it (docs/behaviour.md 1.6, 2.4, 2.5). A
//! sleep that nobody announces is in tests/timelines and in the random days: it takes the clocks of
//! the whole machine.

mod common;

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use common::service::{Mock, Service};
use common::{Player, World, film, nothing, of_type, playhead, types};
use futures_util::StreamExt;
use zbus::{MatchRule, MessageStream, OwnedObjectPath, OwnedVariant, Variant};

const LOGIND: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SYSTEMD: &str = "org.freedesktop.systemd1";

/// A lock that was given, seen from logind.
struct Lock(UnixStream);

impl Lock {
    /// Waits until it is given back.
    fn given_back(mut self) {
        assert_eq!(self.0.read(&mut [0]).expect("an end in time"), 0);
    }

    fn is_held(&self) -> bool {
        self.0.set_nonblocking(true).expect("a socket");
        let held =
            (&self.0).read(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
        self.0.set_nonblocking(false).expect("a socket");
        held
    }
}

/// Gives the lock that is asked for next.
async fn give_lock(logind: &mut Service) -> Lock {
    give_lock_of(logind, "sleep:shutdown").await
}

async fn give_lock_of(logind: &mut Service, kinds: &str) -> Lock {
    let call = logind.call_of("Inhibit").await;
    let (what, who, _, mode): (String, String, String, String) =
        call.body().deserialize().expect("four texts");
    assert_eq!((&*what, &*who, &*mode), (kinds, "playheadd", "delay"));
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    ours.set_read_timeout(Some(common::PATIENCE)).expect("a timeout");
    logind.answer(&call, &zbus::OwnedFd::from(OwnedFd::from(theirs))).await;
    Lock(ours)
}

async fn announce(logind: &Service, signal: &str, begins: bool) {
    let connection = &logind.connection;
    connection.emit_signal(None::<&str>, PATH, MANAGER, signal, &begins).await.expect("a signal");
    logind.flush().await;
}

async fn playing(world: &World) -> (Player, OwnedObjectPath) {
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 10.0, nothing()).await.expect("play");
    (player, session)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sleep_is_put_off_until_the_pause_is_saved_and_delivered() {
    let world = World::start("").await;
    let mut logind = Service::start(&world.bus, LOGIND).await;
    let (player, session) = playing(&world).await;
    let lock = give_lock(&mut logind).await;
    announce(&logind, "PrepareForSleep", true).await;
    lock.given_back();
    // Everything was delivered before the box slept.
    let hits = world.collector.hits();
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart"]);
    assert!((10.0..30.0).contains(&playhead(of_type(&hits, "pauseStart")[0])));
    // It is taken anew after the wake, and the player goes on.
    announce(&logind, "PrepareForSleep", false).await;
    let lock = give_lock(&mut logind).await;
    player.call(&session, "Play", 12.0, nothing()).await.expect("play");
    world.wait("the play", |hits| of_type(hits, "play").len() == 2);
    assert!(lock.is_held(), "a session is open");
    player.call(&session, "End", 13.0, nothing()).await.expect("end");
    lock.given_back();
}

/// What polkit allows to a service that is not root.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_one_lock_of_both_is_refused_each_is_taken() {
    let world = World::start("").await;
    let mut logind = Service::start(&world.bus, LOGIND).await;
    let (player, session) = playing(&world).await;
    let both = logind.call_of("Inhibit").await;
    logind.refuse(&both).await;
    let sleep = give_lock_of(&mut logind, "sleep").await;
    let shutdown = give_lock_of(&mut logind, "shutdown").await;
    assert!(sleep.is_held() && shutdown.is_held());
    player.call(&session, "End", 13.0, nothing()).await.expect("end");
    sleep.given_back();
    shutdown.given_back();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_hangs_puts_sleep_off_for_two_seconds_only() {
    let world = World::start("").await;
    let mut logind = Service::start(&world.bus, LOGIND).await;
    let (player, session) = playing(&world).await;
    let lock = give_lock(&mut logind).await;
    world.collector.set_rules_json(r#"[{"on":"events","hang":true}]"#).expect("rules");
    announce(&logind, "PrepareForSleep", true).await;
    // It ends before the answer is given up, which takes 30 s.
    lock.given_back();
    assert!(of_type(&world.collector.hits(), "pauseStart").iter().all(|hit| hit.status.is_none()));
    drop((player, session));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_session_nothing_is_put_off() {
    let world = World::start("").await;
    let mut logind = Service::start(&world.bus, LOGIND).await;
    // Sleep and wake without a session ask for nothing, so the first question is for the session.
    announce(&logind, "PrepareForSleep", true).await;
    announce(&logind, "PrepareForSleep", false).await;
    let player = world.player().await;
    assert!(player.resume_point("tv.example.tests", "ep-1").await.is_empty());
    let (player, session) = playing(&world).await;
    let lock = give_lock(&mut logind).await;
    assert!(lock.is_held());
    player.call(&session, "Complete", 600.0, nothing()).await.expect("complete");
    lock.given_back();
}

/// Stops the agent. Gives the reasons with which its sessions were closed.
async fn stop(world: &mut World) -> Vec<String> {
    let watcher = world.player().await;
    let closed = MatchRule::builder().interface(common::SESSION).member("Closed");
    let closed = closed.build().expect("a rule");
    let mut closed =
        MessageStream::for_match_rule(closed, &watcher.connection, None).await.expect("a stream");
    assert!(world.agent.stop().success(), "a clean stop");
    // What was sent before this answer has come before it.
    watcher
        .connection
        .call_method(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            Some("org.freedesktop.DBus.Peer"),
            "Ping",
            &(),
        )
        .await
        .expect("an answer");
    let mut reasons = Vec::new();
    while let Some(Some(Ok(signal))) = futures_util::FutureExt::now_or_never(closed.next()) {
        reasons.push(signal.body().deserialize::<String>().expect("a reason"));
    }
    reasons
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_after_an_announced_shutdown_ends_the_sessions() {
    let mut world = World::start("").await;
    let mut logind = Service::start(&world.bus, LOGIND).await;
    let (player, _session) = playing(&world).await;
    let lock = give_lock(&mut logind).await;
    announce(&logind, "PrepareForShutdown", true).await;
    lock.given_back();
    let pid = world.agent.pid();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid as i32).expect("a process"),
        rustix::process::Signal::TERM,
    )
    .expect("SIGTERM");
    assert!(world.agent.end().success(), "a clean stop");
    let hits = world.collector.hits();
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart", "sessionEnd"]);
    world.agent.start_again().await;
    let point = player.resume_point("tv.example.tests", "ep-1").await;
    assert!(common::double(&point["position"]) >= 10.0, "{point:?}");
}

/// Answers systemd's side until the agent has asked for the state of the system.
async fn say_state(mut systemd: Service, state: &'static str) {
    loop {
        let call = systemd.call().await;
        let asked = call.header().member().map(|member| member.to_string());
        if asked.as_deref() == Some("Get")
            && let Ok((_, "SystemState")) = call.body().deserialize::<(&str, &str)>()
        {
            let value = OwnedVariant::try_from(Variant::from(state)).expect("a value");
            systemd.answer(&call, &value).await;
        } else {
            systemd.refuse(&call).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_of_a_box_that_is_stopping_ends_the_sessions_and_one_of_a_running_box_keeps_them() {
    for (state, reasons, wanted) in [
        ("stopping", vec!["shutdown"], vec!["sessionStart", "play", "sessionEnd"]),
        ("running", vec![], vec!["sessionStart", "play"]),
    ] {
        let mut world = World::start("").await;
        let systemd = Service::start(&world.bus, SYSTEMD).await;
        let answers = tokio::spawn(say_state(systemd, state));
        let (_player, _session) = playing(&world).await;
        world.wait("the play", |hits| !of_type(hits, "play").is_empty());
        assert_eq!(stop(&mut world).await, reasons, "{state}");
        assert_eq!(types(&world.collector.hits(), "S1"), wanted, "{state}");
        answers.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_systemd_that_hangs_keeps_no_stop_waiting() {
    let mut world = World::start("").await;
    let _systemd = Service::start(&world.bus, SYSTEMD).await;
    let player = world.player().await;
    // Its sender is looked up by what the bus knows: the systemd of this test answers nothing.
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    assert_eq!(stop(&mut world).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logind_that_refuses_hangs_or_vanishes_costs_nothing() {
    let world = World::start("").await;
    let mut logind = Service::start(&world.bus, LOGIND).await;
    let (player, session) = playing(&world).await;
    for _ in ["sleep:shutdown", "sleep"] {
        let refused = logind.call_of("Inhibit").await;
        logind.refuse(&refused).await;
    }
    // The next question is never answered.
    let _hung = logind.call_of("Inhibit").await;
    announce(&logind, "PrepareForSleep", true).await;
    world.wait("the pause", |hits| !of_type(hits, "pauseStart").is_empty());
    // It vanishes before it says that the box is awake: that counts as the end of the sleep.
    logind.connection.close().await.expect("gone");
    let mut logind = Service::start(&world.bus, LOGIND).await;
    let lock = give_lock(&mut logind).await;
    player.call(&session, "Play", 20.0, nothing()).await.expect("play");
    world.wait("the play", |hits| of_type(hits, "play").len() == 2);
    assert!(lock.is_held());
    // Another one takes the name: the lock of the former is worth nothing.
    let mut next = Service::start(&world.bus, LOGIND).await;
    lock.given_back();
    assert!(give_lock(&mut next).await.is_held());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_that_announces_sleep_is_not_heard() {
    let world = World::start("").await;
    let mut logind = Service::start(&world.bus, LOGIND).await;
    let (player, session) = playing(&world).await;
    let _lock = give_lock(&mut logind).await;
    let stranger = world.player().await.connection;
    for to in [None, Some(common::AGENT)] {
        let signal = "PrepareForSleep";
        stranger.emit_signal(to, PATH, MANAGER, signal, &true).await.expect("a signal");
    }
    let ping = Some("org.freedesktop.DBus.Peer");
    stranger.call_method(Some(common::AGENT), "/", ping, "Ping", &()).await.expect("an answer");
    player.call(&session, "End", 20.0, nothing()).await.expect("end");
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "sessionEnd"]);
}

/// python-dbusmock's logind knows the real one's signatures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asleep_and_awake_with_the_logind_of_python_dbusmock() {
    let world = World::start("").await;
    let logind = Mock::start(&world.bus, "logind", LOGIND, "{}").await;
    let (player, session) = playing(&world).await;
    let inhibitors = async || {
        let listed = player
            .connection
            .call_method(Some(LOGIND), PATH, Some(MANAGER), "ListInhibitors", &())
            .await
            .expect("a list");
        type Inhibitor = (String, String, String, String, u32, u32);
        listed.body().deserialize::<Vec<Inhibitor>>().expect("inhibitors")
    };
    let taken = async { while inhibitors().await.is_empty() {} };
    tokio::time::timeout(common::PATIENCE, taken).await.expect("a lock in time");
    let emit = async |begins: bool| {
        let arguments = vec![Variant::from(begins)];
        let body = &(MANAGER, "PrepareForSleep", "b", arguments);
        logind.call(PATH, "org.freedesktop.DBus.Mock", "EmitSignal", body).await;
    };
    emit(true).await;
    world.wait("the pause", |hits| !of_type(hits, "pauseStart").is_empty());
    emit(false).await;
    player.call(&session, "Play", 12.0, nothing()).await.expect("play");
    world.wait("the play", |hits| of_type(hits, "play").len() == 2);
}
