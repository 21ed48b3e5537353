//! NetworkManager and ConnMan as the agent hears them (docs/behaviour.md 1.6).

mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::service::{Mock, Service};
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

const NM: &str = "org.freedesktop.NetworkManager";
const NM_PATH: &str = "/org/freedesktop/NetworkManager";
const CONNMAN: &str = "net.connman";
const MOCK: &str = "org.freedesktop.DBus.Mock";

async fn network_manager(world: &World, state: u32, metered: u32) -> Connection {
    let connection = world.bus.connect().await;
    connection
        .object_server()
        .at(NM_PATH, NetworkManager { state, metered, asked: Arc::default() })
        .await
        .expect("served");
    connection.request_name(NM).await.expect("a name");
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

/// python-dbusmock's NetworkManager.
async fn mocked(world: &World, state: u32, metered: u32) -> Mock {
    let mock = Mock::start(&world.bus, "networkmanager", NM, "{}").await;
    let more = HashMap::from([("Metered", Variant::from(metered))]);
    mock.call(NM_PATH, MOCK, "AddProperties", &(NM, more)).await;
    set(&mock, "State", state).await;
    mock
}

async fn set(mock: &Mock, name: &str, value: u32) {
    mock.set(NM_PATH, NM, name, value.into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_manager_that_says_offline_is_not_believed_where_the_network_works() {
    let world = World::start(NOW).await;
    let manager = mocked(&world, 20, 4).await;
    until_online(&world, false).await;
    play(&world, "ep-1").await;
    world.wait("the session", |hits| !of_type(hits, "sessionComplete").is_empty());
    until_online(&world, false).await;
    // Its interfaces are not managed, so it never says anything else.
    set(&manager, "State", 10).await;
    play(&world, "ep-2").await;
    world.wait("another one", |hits| of_type(hits, "sessionComplete").len() == 2);
    // Whoever spoke is gone: nobody says that there is no network.
    manager.kill();
    until_online(&world, true).await;
    // It is started again.
    let manager = mocked(&world, 20, 4).await;
    until_online(&world, false).await;
    set(&manager, "State", 70).await;
    until_online(&world, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hits_are_held_while_the_connection_is_metered() {
    let world = World::start(NOW).await;
    let manager = mocked(&world, 20, 1).await;
    until_online(&world, false).await;
    play(&world, "ep-1").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-2")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    set(&manager, "State", 70).await;
    until_online(&world, true).await;
    until_more_wait(&world, 20).await;
    assert!(world.collector.hits().is_empty(), "held");
    set(&manager, "Metered", 2).await;
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
    // It dies: nobody says that there is no network.
    reference.get_mut().await.0 = "idle";
    let changed = ("State", Variant::from("idle"));
    connection
        .emit_signal(None::<&str>, "/", "net.connman.Manager", "PropertyChanged", &changed)
        .await
        .expect("told");
    until_online(&world, false).await;
    drop(reference);
    connection.close().await.expect("gone");
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

type Values = HashMap<&'static str, Variant<'static>>;

/// What NetworkManager answers.
fn nm(state: u32) -> Values {
    Values::from([("State", state.into()), ("Metered", 4_u32.into())])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_network_manager_that_hangs_and_its_last_word_counts() {
    let world = World::start(NOW).await;
    let manager = mocked(&world, 20, 4).await;
    until_online(&world, false).await;
    manager.hang();
    // A name that changes hands is a reason to ask.
    let mut connman = Service::start(&world.bus, CONNMAN).await;
    play(&world, "ep-1").await;
    world.wait("the session", |hits| !of_type(hits, "sessionComplete").is_empty());
    until_online(&world, false).await;
    // It has not answered in time, so the other one is asked.
    let asked = connman.call_of("GetProperties").await;
    until_online(&world, false).await;
    connman.refuse(&asked).await;
    connman.flush().await;
    until_online(&world, false).await;
    connman.connection.close().await.expect("gone");
    // One that is killed while it hangs has said its last word.
    manager.kill();
    until_online(&world, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_without_an_answer_is_asked_again() {
    let world = World::start(NOW).await;
    let mut manager = Service::start(&world.bus, NM).await;
    let never_answered = manager.call_of("GetAll").await;
    let refused = manager.call_of("GetAll").await;
    manager.refuse(&refused).await;
    let asked = manager.call_of("GetAll").await;
    manager.answer(&asked, &nm(20)).await;
    until_online(&world, false).await;
    // An answer to a question that was given up says nothing.
    manager.answer(&never_answered, &nm(70)).await;
    manager.flush().await;
    until_online(&world, false).await;
    // While it hangs again, its last word counts; its next signal has it asked again.
    says_it_changed(&manager.connection, None).await;
    let asked = manager.call_of("GetAll").await;
    manager.refuse(&asked).await;
    says_it_changed(&manager.connection, None).await;
    let asked = manager.call_of("GetAll").await;
    until_online(&world, false).await;
    manager.answer(&asked, &nm(70)).await;
    until_online(&world, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_owner_is_asked_at_once_and_the_old_one_is_not_believed() {
    let world = World::start(NOW).await;
    let mut old = Service::start(&world.bus, NM).await;
    let asked = old.call_of("GetAll").await;
    old.answer(&asked, &nm(20)).await;
    until_online(&world, false).await;
    says_it_changed(&old.connection, None).await;
    let open = old.call_of("GetAll").await;
    // The old one hangs, and the new one has its name.
    let mut new = Service::start(&world.bus, NM).await;
    let asked = new.call_of("GetAll").await;
    // What was said by one that is nobody now does not count any more.
    until_online(&world, true).await;
    new.answer(&asked, &nm(70)).await;
    old.answer(&open, &nm(20)).await;
    old.flush().await;
    says_it_changed(&old.connection, None).await;
    old.flush().await;
    new.flush().await;
    until_online(&world, true).await;
    says_it_changed(&new.connection, None).await;
    let asked = new.call_of("GetAll").await;
    new.answer(&asked, &nm(20)).await;
    until_online(&world, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_no_answer_and_the_other_manager_is_heard() {
    let world = World::start(NOW).await;
    let mut connman = Service::start(&world.bus, CONNMAN).await;
    let asked = connman.call_of("GetProperties").await;
    connman.answer(&asked, &Values::from([("State", "idle".into())])).await;
    until_online(&world, false).await;
    let mut garbage = Service::start(&world.bus, NM).await;
    for n in 0_usize.. {
        let asked = garbage.call_of("GetAll").await;
        match n {
            0 => garbage.answer(&asked, &"offline").await,
            1 => garbage.answer(&asked, &vec![7_u32; 1000]).await,
            2 => garbage.answer(&asked, &()).await,
            // More than the agent takes of anybody.
            _ => {
                garbage.answer(&asked, &"x".repeat(2 << 20)).await;
                break;
            }
        }
        let asked = connman.call_of("GetProperties").await;
        connman.answer(&asked, &Values::from([("State", "idle".into())])).await;
        says_it_changed(&garbage.connection, None).await;
    }
    until_online(&world, false).await;
    let asked = connman.call_of("GetProperties").await;
    connman.answer(&asked, &Values::from([("State", "online".into())])).await;
    until_online(&world, true).await;
    // Values of other types say nothing.
    let wrong: Values = Values::from([
        ("State", "70".into()),
        ("Metered", (1_u32, 2_u32).into()),
        ("PrimaryConnection", true.into()),
    ]);
    let asked = garbage.call_of("GetAll").await;
    garbage.answer(&asked, &nm(20)).await;
    until_online(&world, false).await;
    says_it_changed(&garbage.connection, None).await;
    let asked = garbage.call_of("GetAll").await;
    garbage.answer(&asked, &wrong).await;
    until_online(&world, true).await;
    play(&world, "ep-1").await;
    world.wait("the session", |hits| !of_type(hits, "sessionComplete").is_empty());
}
