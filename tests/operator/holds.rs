//! What keeps hits back on purpose, and what is wrong on the box itself.

use playheadd::bench::Collector;
use zbus::{Connection, interface};

use crate::common::disk::{Disk, a_film_at_length, set_consent};
use crate::common::{Agent, Bus, World, config_text};
use crate::{play, unwell, well};

/// A network manager that says one thing.
struct NetworkManager {
    state: u32,
    metered: u32,
}

#[interface(name = "org.freedesktop.NetworkManager")]
impl NetworkManager {
    #[zbus(property)]
    fn state(&self) -> u32 {
        self.state
    }

    #[zbus(property)]
    fn metered(&self) -> u32 {
        self.metered
    }
}

async fn network_manager(bus: &Bus, state: u32, metered: u32) -> Connection {
    let connection = bus.connect().await;
    let object = NetworkManager { state, metered };
    let server = connection.object_server();
    server.at("/org/freedesktop/NetworkManager", object).await.expect("served");
    connection.request_name("org.freedesktop.NetworkManager").await.expect("a name");
    connection
}

// The network manager has to answer while `playheadctl` is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_metered_connection() {
    let world = World::start("[delivery]\non_metered = \"hold\"\n").await;
    let _manager = network_manager(&world.bus, 70, 1).await;
    unwell(&world, &["state       held-metered"]).await;
    let _player = play(&world).await;
    unwell(&world, &["state       held-metered", "delivery.on_metered is 'hold'", "hits wait ("])
        .await;
    assert!(world.collector.hits().is_empty());
}

// The network manager has to answer while `playheadctl` is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_manager_that_is_offline() {
    let world = World::start("").await;
    let _manager = network_manager(&world.bus, 20, 2).await;
    unwell(&world, &["state       waiting-network", "delivery tries all the same"]).await;
}

#[tokio::test]
async fn a_budget_that_is_spent() {
    let world = World::start("[delivery]\ndaily_bytes = 1\n").await;
    let _player = play(&world).await;
    let parts = ["state       held-budget", "delivery.daily_bytes is spent", "next try    20"];
    unwell(&world, &parts).await;
    // A larger one counts at once, and what was delivered is known all the same.
    let text = std::fs::read_to_string(world.agent.config()).expect("a configuration");
    let text = text.replace("daily_bytes = 1\n", "daily_bytes = 0\n");
    std::fs::write(world.agent.config(), text).expect("written");
    world.agent.hang_up();
    well(&world, &["state       idle", "delivered   20"]).await;
    world.agent.hang_up();
    well(&world, &["state       idle", "delivered   20", "last heard  204"]).await;
}

#[tokio::test]
async fn consent_that_nobody_has_given_and_that_was_taken() {
    let (bus, collector) = (Bus::start(), Collector::start());
    let text =
        config_text(&collector.url(), "").replace("initial = \"in\"", "initial = \"unknown\"");
    let agent = Agent::start_configured(&bus.dir.path().join("state"), &bus, &text).await;
    let world = World { agent, collector, bus };
    let player = play(&world).await;
    unwell(&world, &["state       waiting-consent", "`playheadctl consent in`", "hits wait ("])
        .await;
    set_consent(&player, "out").await.expect("done");
    unwell(&world, &["state       opted-out", "nothing is tracked or sent"]).await;
    set_consent(&player, "in").await.expect("done");
    well(&world, &["state       idle"]).await;
}

#[tokio::test]
async fn a_clock_that_is_not_trusted() {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/without_adjtimex.py");
    let (bus, collector) = (Bus::start(), Collector::start());
    let mut agent = Agent::start(&bus, &collector, "[clock]\nrequire_sync = true\n").await;
    agent.stop();
    agent.under = vec!["/usr/bin/python3".into(), program.into()];
    agent.start_again().await;
    let world = World { agent, collector, bus };
    let _player = play(&world).await;
    unwell(
        &world,
        &["state       waiting-clock", "problem     nothing is sent", "'ProtectClock=no'"],
    )
    .await;
    assert!(world.collector.hits().is_empty());
}

#[tokio::test]
async fn a_store_that_is_full() {
    let Some(disk) = Disk::mount("a_store_that_is_full") else { return };
    let world = World::start_in(&disk.state(), "").await;
    well(&world, &["state       idle"]).await;
    disk.fill();
    let player = world.player().await;
    player.open(0.0, a_film_at_length("ep-1")).await.expect_err("it cannot be promised");
    let problem = "problem     what changes is kept in memory only since 20";
    let text = unwell(&world, &[problem, "No space left"]).await;
    assert!(text.contains("make room on its disk"), "{text}");
    disk.make_room();
    well(&world, &["playheadd"]).await;
}

#[tokio::test]
async fn a_store_that_was_broken() {
    let (bus, collector) = (Bus::start(), Collector::start());
    let state = bus.dir.path().join("state");
    let aside = state.join("db.broken-1");
    let mut agent = Agent::start_in(&state, &bus, &collector, "").await;
    agent.stop();
    std::fs::create_dir_all(&aside).expect("what a start has set aside");
    agent.start_again().await;
    let world = World { agent, collector, bus };
    let problem = format!("{}; what can be read of it was taken over", aside.display());
    unwell(&world, &["problem     a broken store lies aside since 20", &problem]).await;
    std::fs::remove_dir_all(aside).expect("removed");
    world.agent.hang_up();
    well(&world, &["playheadd"]).await;
}

#[tokio::test]
async fn an_old_configuration_that_is_in_force() {
    let world = World::start("").await;
    well(&world, &["state       idle"]).await;
    let good = std::fs::read_to_string(world.agent.config()).expect("a configuration");
    std::fs::write(world.agent.config(), "[collector]\nurrl = 1\n").expect("written");
    world.agent.hang_up();
    let parts = ["problem     the old configuration is in force since 20", "urrl"];
    unwell(&world, &parts).await;
    std::fs::write(world.agent.config(), good).expect("written");
    world.agent.hang_up();
    well(&world, &["state       idle"]).await;
}

#[tokio::test]
async fn a_bus_of_mpris_players_that_is_away() {
    let world = World::start("[mpris]\nenabled = true\nbus = \"unix:path=/nowhere/bus\"\n").await;
    let text = unwell(&world, &["problem     players of MPRIS are not tracked since 20"]).await;
    assert!(text.contains("state       idle") && text.contains("see mpris.bus"), "{text}");
}
