//! NetworkManager and ConnMan as the agent hears them (docs/behaviour.md 1.6).

mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{AGENT, AGENT_PATH, World, film, nothing, of_type};
use zbus::{Connection, OwnedVariant, Variant, interface};

const NOW: &str = "[delivery]\nreconnect_spread_seconds = 0\nbacklog_ratio = 0\non_metered = \"hold\"\n\
                   [heartbeat]\nmain_seconds = 0.1\n";

struct NetworkManager {
    state: u32,
    metered: u32,
    asked: Arc<AtomicUsize>,
}

#[interface(name = "org.freedesktop.NetworkManager")]
impl NetworkManager {
    #[zbus(property)]
    fn state(&self) -> u32 {
        self.state
    }

    #[zbus(property)]
    fn metered(&self) -> u32 {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.metered
    }
}

const NM_PATH: &str = "/org/freedesktop/NetworkManager";

async fn network_manager(world: &World, state: u32, metered: u32) -> Connection {
    let connection = world.bus.connect().await;
    connection
        .object_server()
        .at(NM_PATH, NetworkManager { state, metered, asked: Arc::default() })
        .await
        .expect("served");
    connection.request_name("org.freedesktop.NetworkManager").await.expect("a name");
    connection
}

async fn change(manager: &Connection, with: impl FnOnce(&mut NetworkManager)) {
    let reference =
        manager.object_server().interface::<_, NetworkManager>(NM_PATH).await.expect("served");
    let mut object = reference.get_mut().await;
    with(&mut object);
    object.state_changed(reference.signal_emitter()).await.expect("told");
}

/// Waits until the agent has put off `more` hits more than now: what would have been sent by now had the
/// time to come.
async fn until_more_wait(world: &World, more: u64) {
    let player = world.player().await;
    let queued = async || {
        let queued = player.property(AGENT_PATH, AGENT, "QueuedHits").await;
        u64::try_from(queued).expect("a number")
    };
    let before = queued().await;
    while queued().await < before + more {}
}

/// Waits until the agent thinks so.
async fn until_online(world: &World, wanted: bool) {
    let player = world.player().await;
    loop {
        let online = player.property(AGENT_PATH, AGENT, "Online").await;
        if bool::try_from(online).expect("a boolean") == wanted {
            return;
        }
    }
}

async fn play(world: &World, media: &'static str) {
    let player = world.player().await;
    let session = player.open(0.0, film(media)).await.expect("a session");
    player.call(&session, "Complete", 600.0, nothing()).await.expect("complete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_manager_that_says_offline_is_not_believed_where_the_network_works() {
    let world = World::start(NOW).await;
    let manager = network_manager(&world, 20, 4).await;
    until_online(&world, false).await;
    play(&world, "ep-1").await;
    world.wait("the session", |hits| !of_type(hits, "sessionComplete").is_empty());
    until_online(&world, false).await;
    // Its interfaces are not managed, so it never says anything else.
    change(&manager, |nm| nm.state = 10).await;
    play(&world, "ep-2").await;
    world.wait("another one", |hits| of_type(hits, "sessionComplete").len() == 2);
    // Whoever spoke is gone: nobody says that there is no network.
    manager.close().await.expect("gone");
    until_online(&world, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hits_are_held_while_the_connection_is_metered() {
    let world = World::start(NOW).await;
    let manager = network_manager(&world, 20, 1).await;
    until_online(&world, false).await;
    play(&world, "ep-1").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-2")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    change(&manager, |nm| nm.state = 70).await;
    until_online(&world, true).await;
    until_more_wait(&world, 20).await;
    assert!(world.collector.hits().is_empty(), "held");
    change(&manager, |nm| nm.metered = 2).await;
    world.wait("the session", |hits| !of_type(hits, "sessionComplete").is_empty());
}

struct ConnMan(&'static str);

#[interface(name = "net.connman.Manager")]
impl ConnMan {
    fn get_properties(&self) -> HashMap<String, OwnedVariant> {
        let state = OwnedVariant::try_from(Variant::from(self.0)).expect("a value");
        HashMap::from([("State".to_owned(), state)])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connman_is_as_good() {
    let world = World::start(NOW).await;
    let connection = world.bus.connect().await;
    connection.object_server().at("/", ConnMan("idle")).await.expect("served");
    connection.request_name("net.connman").await.expect("a name");
    until_online(&world, false).await;
    let reference = connection.object_server().interface::<_, ConnMan>("/").await.expect("served");
    reference.get_mut().await.0 = "online";
    let changed = ("State", Variant::from("online"));
    connection
        .emit_signal(None::<&str>, "/", "net.connman.Manager", "PropertyChanged", &changed)
        .await
        .expect("told");
    until_online(&world, true).await;
}

/// Signals as a network manager sends them.
const SIGNALS: usize = 3_000;

async fn says_it_changed(connection: &Connection, to: Option<&str>) {
    let changed: HashMap<&str, Variant<'_>> = HashMap::from([("State", 70_u32.into())]);
    let body = ("org.freedesktop.NetworkManager", changed, Vec::<&str>::new());
    let properties = "org.freedesktop.DBus.Properties";
    let signal = connection.emit_signal(to, NM_PATH, properties, "PropertiesChanged", &body);
    signal.await.expect("sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_owner_of_the_name_is_heard_and_a_burst_is_one_question() {
    let world = World::start(NOW).await;
    let manager = network_manager(&world, 20, 4).await;
    until_online(&world, false).await;
    let reference =
        manager.object_server().interface::<_, NetworkManager>(NM_PATH).await.expect("served");
    let asked = reference.get().await.asked.clone();
    let before = asked.load(Ordering::Relaxed);
    let (liar, player) = (world.bus.connect().await, world.player().await);
    let dbus = zbus::fdo::DBusProxy::new(&player.connection).await.expect("the bus");
    let agent = dbus.get_name_owner(AGENT.try_into().expect("a name")).await.expect("an owner");
    for to in [None, Some(agent.as_str())] {
        for _ in 0..SIGNALS {
            says_it_changed(&liar, to).await;
        }
    }
    // Everything before this was routed to the agent.
    liar.call_method(Some(AGENT), "/", Some("org.freedesktop.DBus.Peer"), "Ping", &())
        .await
        .expect("an answer");
    until_online(&world, false).await;
    assert_eq!(asked.load(Ordering::Relaxed), before, "whoever does not own the name is not heard");
    for _ in 0..SIGNALS {
        says_it_changed(&manager, None).await;
    }
    change(&manager, |nm| nm.state = 70).await;
    until_online(&world, true).await;
    let questions = asked.load(Ordering::Relaxed) - before;
    assert!((1..SIGNALS / 2).contains(&questions), "{questions} questions");
}
