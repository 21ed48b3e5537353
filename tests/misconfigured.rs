//! A daemon without a configuration that it can use: it has its name, answers everybody with what is
//! wrong, and a good reload starts it in the same process (docs/behaviour.md 3).

#[path = "misconfigured/answers.rs"]
mod answers;
#[path = "misconfigured/commands.rs"]
mod commands;
mod common;
#[path = "misconfigured/reload.rs"]
mod reload;
#[path = "misconfigured/service.rs"]
mod service;

use std::collections::HashMap;

use common::{AGENT, AGENT_PATH, PATIENCE, Player, World};
use futures_util::StreamExt;
use zbus::fdo::PropertiesProxy;
use zbus::{Connection, OwnedVariant};

/// The name of the error.
const NOT_CONFIGURED: &str = "tv.playhead.Error.NotConfigured";

/// A world whose daemon finds this in its configuration file; `None`: there is no such file. Nothing is
/// stored yet.
async fn misconfigured(config: Option<&str>) -> World {
    let mut world = World::start("").await;
    world.agent.kill().await;
    std::fs::remove_dir_all(world.agent.state()).expect("its state");
    configure(&world, config);
    world.agent.start_again().await;
    world
}

fn configure(world: &World, config: Option<&str>) {
    match config {
        Some(text) => std::fs::write(world.agent.config(), text).expect("a file"),
        None => std::fs::remove_file(world.agent.config()).expect("a file"),
    }
}

/// A good configuration, and SIGHUP.
fn mend(world: &World, more: &str) {
    let good = common::config_text(&world.collector.url(), more);
    configure(world, Some(&good));
    world.agent.hang_up();
}

async fn properties(connection: &Connection) -> PropertiesProxy<'static> {
    let proxy = PropertiesProxy::builder(connection).destination(AGENT).path(AGENT_PATH);
    proxy.build().await.expect("a proxy")
}

/// All properties of the agent.
async fn all(player: &Player) -> HashMap<String, OwnedVariant> {
    let interface = zbus::names::InterfaceName::from_static_str(AGENT).expect("an interface");
    properties(&player.connection).await.get_all(interface).await.expect("an answer")
}

async fn word(player: &Player, name: &str) -> String {
    String::try_from(player.property(AGENT_PATH, AGENT, name).await).expect("a text")
}

/// Waits until the agent announces a state other than `misconfigured`.
async fn configured(player: &Player, reload: impl FnOnce()) {
    let proxy = properties(&player.connection).await;
    let mut changes = proxy.receive_properties_changed().await.expect("a stream");
    reload();
    let announced = async {
        loop {
            let change = changes.next().await.expect("a signal");
            let args = change.args().expect("arguments");
            if let Some(state) = args.changed_properties().get("DeliveryState") {
                assert_ne!(state, &zbus::Variant::from("misconfigured"));
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, announced).await.expect("another state in time");
}
