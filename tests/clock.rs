//! The clock (docs/behaviour.md 2.6): who says that it is synchronised where the sandbox hides the
//! kernel's state, and that a step of an hour bends nothing.

#[path = "clock/step.rs"]
mod step;

mod common;

use std::collections::HashMap;

use common::service::{Mock, Service};
use common::{AGENT, AGENT_PATH, Agent, Bus, World, film, nothing, of_type};
use playheadd::bench::Collector;
use zbus::Variant;

const TIMEDATE: &str = "org.freedesktop.timedate1";
const TIMEDATE_PATH: &str = "/org/freedesktop/timedate1";
const REQUIRED: &str = "[clock]\nrequire_sync = true\n";

/// A world whose daemon cannot read the kernel's state, as under the unit's sandbox, and is started
/// under a program besides.
async fn sandboxed(bus: Bus, more: &str, under: &[&str]) -> World {
    let collector = Collector::start();
    let mut agent = Agent::start(&bus, &collector, more).await;
    agent.stop();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/without_adjtimex.py");
    let line = under.iter().copied().chain(["/usr/bin/python3", program]);
    agent.under = line.map(str::to_owned).collect();
    agent.start_again().await;
    World { agent, collector, bus }
}

async fn text(world: &World, property: &str) -> String {
    let player = world.player().await;
    let value = player.property(AGENT_PATH, AGENT, property).await;
    String::try_from(value).expect("text")
}

/// Waits until the agent shows this.
async fn until(world: &World, property: &str, wanted: impl Fn(&str) -> bool) -> String {
    loop {
        let value = text(world, property).await;
        if wanted(&value) {
            return value;
        }
    }
}

/// Two events that are stored and wait.
async fn play(world: &World) {
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    player.call(&session, "Complete", 600.0, nothing()).await.expect("complete");
}

fn arrives(world: &World) {
    world.wait("what was kept", |hits| !of_type(hits, "sessionComplete").is_empty());
}

async fn synchronised(timedated: &Mock) {
    let set = HashMap::from([("NTPSynchronized", Variant::from(true))]);
    let mock = "org.freedesktop.DBus.Mock";
    timedated.call(TIMEDATE_PATH, mock, "UpdateProperties", &(TIMEDATE, set)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_word_of_timedated_counts_where_the_kernels_is_hidden() {
    let bus = Bus::start();
    let timedated = Mock::start(&bus, "timedated", TIMEDATE, r#"{"NTP": false}"#).await;
    // Its template is loaded.
    timedated.call(TIMEDATE_PATH, TIMEDATE, "SetTimezone", &("Etc/UTC", false)).await;
    let world = sandboxed(bus, REQUIRED, &[]).await;
    play(&world).await;
    until(&world, "DeliveryState", |state| state == "waiting-clock").await;
    assert_eq!(
        text(&world, "LastError").await,
        "",
        "it is no fault that the clock is not right yet"
    );
    assert!(world.collector.hits().is_empty());
    synchronised(&timedated).await;
    // It is asked again within a minute, and at a reload.
    world.agent.hang_up();
    arrives(&world);
    assert_eq!(text(&world, "LastError").await, "");
    // It ends when it has nothing to do.
    timedated.kill();
    play(&world).await;
    world.wait("another one", |hits| of_type(hits, "sessionComplete").len() == 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_can_say_it_that_is_said_until_somebody_does() {
    let world = sandboxed(Bus::start(), REQUIRED, &[]).await;
    play(&world).await;
    let said = until(&world, "LastError", |said| !said.is_empty()).await;
    assert!(said.contains("ProtectClock=no") && said.contains("systemd-timedated"), "{said}");
    let mut timedated = Service::start(&world.bus, TIMEDATE).await;
    world.agent.hang_up();
    // Something that is no answer.
    for garbage in [Variant::from("yes"), Variant::from(vec![1_u32])] {
        let asked = timedated.call_of("Get").await;
        timedated.answer(&asked, &garbage).await;
        timedated.flush().await;
        assert_eq!(text(&world, "LastError").await, said);
        world.agent.hang_up();
    }
    let asked = timedated.call_of("Get").await;
    assert!(world.collector.hits().is_empty());
    timedated.answer(&asked, &Variant::from(true)).await;
    arrives(&world);
    until(&world, "LastError", str::is_empty).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_timedated_that_hangs() {
    let bus = Bus::start();
    let mut timedated = Service::start(&bus, TIMEDATE).await;
    let world = sandboxed(bus, REQUIRED, &[]).await;
    let asked = timedated.call_of("Get").await;
    // The daemon has its name, and players play.
    play(&world).await;
    assert_eq!(text(&world, "DeliveryState").await, "waiting-clock");
    assert!(world.collector.hits().is_empty());
    // One question at a time, whatever happens meanwhile. Its time may be over on a machine that is
    // busy; then there is another one.
    world.agent.hang_up();
    timedated.answer(&asked, &Variant::from(true)).await;
    let again = async {
        loop {
            let asked = timedated.call_of("Get").await;
            timedated.answer(&asked, &Variant::from(true)).await;
        }
    };
    let sent = async {
        while world.collector.hits().len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = again => {}
        () = sent => {}
    }
    arrives(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_asked_who_is_not_needed() {
    let bus = Bus::start();
    let mut timedated = Service::start(&bus, TIMEDATE).await;
    let world = sandboxed(bus, "", &[]).await;
    play(&world).await;
    arrives(&world);
    // What would have been asked at the start was sent before this.
    let own = timedated.connection.unique_name().expect("a name").to_string();
    let ping = "org.freedesktop.DBus.Peer";
    let caller = world.player().await.connection;
    let pinged = caller.call_method(Some(own.as_str()), "/", Some(ping), "Ping", &());
    let call = tokio::select! {
        call = timedated.call() => call,
        _ = pinged => panic!("nobody answers it"),
    };
    assert_eq!(call.header().member().expect("a member").as_str(), "Ping");
}

/// Runs its arguments where /run/systemd belongs to the test.
const OWN_RUN: [&str; 5] = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/timesync && exec \"$0\" \"$@\"",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mark_of_timesyncd_counts_where_the_kernels_word_is_hidden() {
    if !rustix::process::geteuid().is_root() {
        common::skip("the_mark_of_timesyncd", "only root has a /run of its own");
        return;
    }
    let world = sandboxed(Bus::start(), REQUIRED, &OWN_RUN).await;
    play(&world).await;
    until(&world, "LastError", |said| said.contains("systemd-timesyncd")).await;
    assert!(world.collector.hits().is_empty());
    let mark = format!("/proc/{}/root/run/systemd/timesync/synchronized", world.agent.pid());
    std::fs::write(mark, "").expect("the mark");
    arrives(&world);
    until(&world, "LastError", str::is_empty).await;
}
