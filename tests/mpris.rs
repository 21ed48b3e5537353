//! Players that speak MPRIS and know nothing of us (behaviour.md 1.7).

mod common;

use std::collections::HashMap;
use std::time::Duration;

use common::{Bus, World, anonymous_kib, of_type, playhead, types};
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedVariant, Variant, interface};

const CONFIG: &str =
    "[mpris]\nenabled = true\nallow = [\"tests*\"]\n[heartbeat]\nmain_seconds = 0.2\n";
const PATH: &str = "/org/mpris/MediaPlayer2";

/// A player as the specification has it, moved by the test.
struct Fake {
    status: &'static str,
    url: &'static str,
    length_us: Option<i64>,
    position_us: i64,
    rate: f64,
}

#[interface(name = "org.mpris.MediaPlayer2.Player")]
impl Fake {
    #[zbus(property)]
    fn playback_status(&self) -> &str {
        self.status
    }

    #[zbus(property)]
    fn rate(&self) -> f64 {
        self.rate
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn position(&self) -> i64 {
        self.position_us
    }

    #[zbus(property)]
    fn metadata(&self) -> HashMap<String, OwnedVariant> {
        let mut metadata = HashMap::new();
        let mut put = |key: &str, value: Variant<'static>| {
            metadata.insert(key.to_owned(), OwnedVariant::try_from(value).expect("a value"));
        };
        if !self.url.is_empty() {
            put("xesam:url", self.url.into());
            put("xesam:title", "A Title".into());
        }
        if let Some(length) = self.length_us {
            put("mpris:length", length.into());
        }
        metadata
    }

    #[zbus(signal)]
    async fn seeked(emitter: &SignalEmitter<'_>, position: i64) -> zbus::Result<()>;
}

struct Mpris {
    connection: Connection,
}

impl Mpris {
    async fn start(world: &World, name: &str) -> Mpris {
        Mpris::start_on(&world.bus, name).await
    }

    async fn start_on(bus: &Bus, name: &str) -> Mpris {
        let connection = bus.connect().await;
        let fake = Fake { status: "Stopped", url: "", length_us: None, position_us: 0, rate: 1.0 };
        connection.object_server().at(PATH, fake).await.expect("an object");
        connection.request_name(format!("org.mpris.MediaPlayer2.{name}")).await.expect("a name");
        Mpris { connection }
    }

    /// Changes the player and says so as one message, as players do.
    async fn change(&self, with: impl FnOnce(&mut Fake) -> Vec<&'static str>) {
        let reference =
            self.connection.object_server().interface::<_, Fake>(PATH).await.expect("the player");
        let mut fake = reference.get_mut().await;
        let changed = with(&mut fake);
        let mut values: HashMap<&str, Variant<'_>> = HashMap::new();
        for name in changed {
            let value: Variant<'_> = match name {
                "PlaybackStatus" => fake.status.into(),
                "Rate" => fake.rate.into(),
                _ => {
                    let metadata = fake.metadata();
                    let plain: HashMap<String, Variant<'_>> =
                        metadata.into_iter().map(|(k, v)| (k, v.into())).collect();
                    plain.into()
                }
            };
            values.insert(name, value);
        }
        drop(fake);
        let invalidated: Vec<&str> = Vec::new();
        self.connection
            .emit_signal(
                None::<&str>,
                PATH,
                "org.freedesktop.DBus.Properties",
                "PropertiesChanged",
                &("org.mpris.MediaPlayer2.Player", values, invalidated),
            )
            .await
            .expect("a signal");
    }

    async fn play(&self, url: &'static str, position_us: i64) {
        self.change(|fake| {
            fake.status = "Playing";
            fake.url = url;
            fake.length_us = Some(600_000_000);
            fake.position_us = position_us;
            vec!["PlaybackStatus", "Metadata"]
        })
        .await;
    }

    async fn status(&self, status: &'static str, position_us: i64) {
        self.change(|fake| {
            fake.status = status;
            fake.position_us = position_us;
            vec!["PlaybackStatus"]
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_story_without_a_line_of_code_in_the_player() {
    let world = World::start(CONFIG).await;
    let player = Mpris::start(&world, "tests.instance42").await;
    player.play("file:///film", 0).await;
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
    player.status("Paused", 30_000_000).await;
    player.status("Paused", 30_000_000).await; // repeated: one event
    world.wait("the pause", |hits| !of_type(hits, "pauseStart").is_empty());
    player.status("Playing", 30_000_000).await;
    world.wait("two plays", |hits| of_type(hits, "play").len() == 2);
    let seeked = player.connection.emit_signal(
        None::<&str>,
        PATH,
        "org.mpris.MediaPlayer2.Player",
        "Seeked",
        &(90_000_000_i64,),
    );
    seeked.await.expect("a signal");
    world.wait("the seek", |hits| of_type(hits, "play").iter().any(|r| playhead(r) >= 90.0));
    player.connection.close().await.expect("gone");
    let hits = world.wait("the pause", |hits| of_type(hits, "pauseStart").len() >= 3);
    let start = of_type(&hits, "sessionStart")[0];
    assert_eq!(start.body["params"]["media.id"], "file:///film");
    assert_eq!(start.body["params"]["media.name"], "A Title");
    assert_eq!(start.body["params"]["media.length"], 600);

    let controller = world.player().await;
    let point = controller.resume_point("tests", "file:///film").await;
    let position = common::double(&point["position"]);
    assert!((90.0..120.0).contains(&position), "{position}");

    let again = Mpris::start(&world, "tests.instance43").await;
    again.play("file:///film", (position * 1e6) as i64).await;
    let hits = world.wait("the resumed session", |hits| of_type(hits, "sessionStart").len() == 2);
    assert_eq!(of_type(&hits, "sessionStart")[1].body["params"]["media.resume"], true);
    again.status("Paused", 598_000_000).await;
    // The position is got after the signal, so it has to be still true then.
    world.wait("the pause", |hits| hits.iter().any(|r| playhead(r) >= 598.0));
    again.status("Stopped", 0).await;
    let hits = world.wait("the completion", |hits| !of_type(hits, "sessionComplete").is_empty());
    assert_eq!(types(&hits, "S2"), ["sessionStart", "play", "pauseStart", "sessionComplete"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_track_is_a_new_session_and_others_are_not_looked_at() {
    let world = World::start(CONFIG).await;
    let stranger = Mpris::start(&world, "browser").await;
    stranger.play("file:///private", 0).await;
    let player = Mpris::start(&world, "tests").await;
    player.play("file:///one", 0).await;
    world.wait("the first", |hits| !of_type(hits, "play").is_empty());
    player.play("file:///two", 0).await;
    let hits = world.wait("the second", |hits| of_type(hits, "play").len() == 2);
    let mut ids: Vec<_> = of_type(&hits, "sessionStart")
        .iter()
        .map(|r| r.body["params"]["media.id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    assert_eq!(ids, ["file:///one", "file:///two"]);
    let hits = world.wait("the first one's end", |hits| !of_type(hits, "sessionEnd").is_empty());
    assert_eq!(of_type(&hits, "sessionEnd").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_an_mpris_player_survives_the_agent() {
    let mut world = World::start(CONFIG).await;
    let player = Mpris::start(&world, "tests").await;
    player.play("file:///film", 0).await;
    world.wait("pings", |hits| of_type(hits, "ping").len() > 2);
    world.agent.kill().await;
    world.agent.start_again().await;
    let before = of_type(&world.collector.hits(), "ping").len();
    world.wait("more pings", |hits| of_type(hits, "ping").len() > before + 2);
    player.status("Stopped", 0).await;
    let hits = world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
    assert!(hits.iter().all(|r| r.sid.as_deref() == Some("S1")), "{:?}", common::brief(&hits));
    assert!(of_type(&hits, "pauseStart").is_empty());
}

const PLAYER: &str = "org.mpris.MediaPlayer2.Player";
/// More than may wait while a player is asked.
const SIGNALS: usize = 3_000;

/// Says that a player has changed in this, as a player does.
async fn says(connection: &Connection, status: &str) {
    let values: HashMap<&str, Variant<'_>> = HashMap::from([("PlaybackStatus", status.into())]);
    let body = (PLAYER, values, Vec::<&str>::new());
    let properties = "org.freedesktop.DBus.Properties";
    let signal = connection.emit_signal(None::<&str>, PATH, properties, "PropertiesChanged", &body);
    signal.await.expect("sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_in_a_flood_of_signals_is_read_anew() {
    let world = World::start(CONFIG).await;
    let honest = Mpris::start(&world, "tests.honest").await;
    // Asked for its position, this one says nothing until the agent gives up.
    let silent = world.bus.connect().await;
    silent.request_name("org.mpris.MediaPlayer2.tests.silent").await.expect("a name");
    for _ in 0..5 {
        says(&silent, "Playing").await;
    }
    let flooder = world.bus.connect().await;
    for _ in 0..SIGNALS {
        says(&flooder, "Paused").await;
    }
    honest.play("file:///film", 0).await;
    let hits = world.wait("a session", |hits| !of_type(hits, "play").is_empty());
    assert_eq!(of_type(&hits, "sessionStart").len(), 1);
    assert!(world.agent.log().contains("all of them are read anew"), "{}", world.agent.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_lost_in_a_flood_is_forgotten() {
    let world = World::start(&format!("{CONFIG}[interrupt]\ngrace_seconds = 0.1\n")).await;
    let player = Mpris::start(&world, "tests.one").await;
    player.connection.request_name("org.mpris.MediaPlayer2.tests.two").await.expect("a name");
    player.play("file:///film", 0).await;
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
    player.status("Paused", 0).await;
    world.wait("the pause", |hits| !of_type(hits, "pauseStart").is_empty());
    let flooder = world.bus.connect().await;
    for _ in 0..SIGNALS {
        says(&flooder, "Paused").await;
    }
    // The bus has passed all of them on. If it is quick, nobody hears this one.
    flooder.request_name("org.example.Flooder").await.expect("a name");
    player.connection.release_name("org.mpris.MediaPlayer2.tests.two").await.expect("released");
    logged(&world, "all of them are read anew").await;
    player.connection.release_name("org.mpris.MediaPlayer2.tests.one").await.expect("released");
    world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
}

/// More than what the daemon may take for a few large messages, and less than a copy of each takes.
const FEW_LARGE_MESSAGES_KIB: u64 = 40 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_metadata_costs_little_and_is_cut() {
    let world = World::start(CONFIG).await;
    let before = anonymous_kib(world.agent.pid());
    let player = world.bus.connect().await;
    player.request_name("org.mpris.MediaPlayer2.tests.large").await.expect("a name");
    let large = format!("http://h.example/{}", "x".repeat(5 << 20));
    for _ in 0..10 {
        let metadata = HashMap::from([
            ("xesam:url", Variant::from(large.as_str())),
            ("mpris:artUrl", Variant::from(large.as_str())),
            ("mpris:length", Variant::from(600_000_000_i64)),
        ]);
        let values = HashMap::from([
            ("PlaybackStatus", Variant::from("Playing")),
            ("Metadata", Variant::from(metadata)),
        ]);
        let body = (PLAYER, values, Vec::<&str>::new());
        let properties = "org.freedesktop.DBus.Properties";
        let to = None::<&str>;
        let signal = player.emit_signal(to, PATH, properties, "PropertiesChanged", &body);
        signal.await.expect("sent");
    }
    // It is gone when it was heard. It answers no question, so its start waits for a position till then.
    let watcher = world.player().await;
    let sessions =
        async || watcher.property(common::AGENT_PATH, common::AGENT, "ActiveSessions").await;
    while u32::try_from(sessions().await).expect("a number") == 0 {}
    player.close().await.expect("gone");
    let hits = world.wait("a session", |hits| !of_type(hits, "pauseStart").is_empty());
    let id = of_type(&hits, "sessionStart")[0].body["params"]["media.id"].as_str().expect("an id");
    assert!(id.len() == 512 && id.starts_with("http://h.example/xxx") && id.contains('#'), "{id}");
    let after = anonymous_kib(world.agent.pid());
    assert!(after < before + FEW_LARGE_MESSAGES_KIB, "{before} KiB before, {after} KiB after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_players_bus_may_be_away_go_and_come_back() {
    let mut players = Bus::start();
    let config = format!("{CONFIG}\n").replace(
        "enabled = true",
        &format!("enabled = true\nbus = \"{}\"", players.address.split(',').next().expect("it")),
    );
    let world = World::start(&config).await;
    let player = Mpris::start_on(&players, "tests.instance1").await;
    player.play("file:///film", 0).await;
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
    players.start_again();
    let hits = world.wait("the vanish", |hits| !of_type(hits, "pauseStart").is_empty());
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart"]);
    // The daemon lives on, and finds the bus again.
    let player = Mpris::start_on(&players, "tests.instance2").await;
    player.play("file:///film", 100_000_000).await;
    let hits = world.wait("another session", |hits| of_type(hits, "play").len() == 2);
    let start = of_type(&hits, "sessionStart")[1];
    assert_eq!(start.body["params"]["media.resume"], true);
    assert!(world.agent.log().contains("the bus of the MPRIS players is away"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_background_a_player_is_read_again() {
    let world = World::start(CONFIG).await;
    let player = Mpris::start(&world, "tests").await;
    player.play("file:///film", 0).await;
    world.wait("play", |hits| !of_type(hits, "play").is_empty());
    let manager = world.player().await.connection;
    let notify = |state| {
        let body = ("tests", state);
        let manager = manager.clone();
        async move {
            let to = Some(common::AGENT);
            let called = manager.call_method(to, common::AGENT_PATH, to, "NotifyLifecycle", &body);
            called.await.expect("told");
        }
    };
    notify("background").await;
    world.wait("the pause", |hits| !of_type(hits, "pauseStart").is_empty());
    notify("foreground").await;
    let hits = world.wait("play again", |hits| of_type(hits, "play").len() == 2);
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart", "play"]);
}

/// Waits until the daemon has logged this.
async fn logged(world: &World, text: &str) {
    let there = async {
        while !world.agent.log().contains(text) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(common::PATIENCE, there).await;
    assert!(in_time.is_ok(), "'{text}' is not in {}", world.agent.log());
}

/// How often a name comes and goes.
const TIMES: usize = 40;

async fn comes_and_goes(world: &World, name: &str) {
    let connection = world.bus.connect().await;
    let name = format!("org.mpris.MediaPlayer2.{name}");
    for _ in 0..TIMES {
        connection.request_name(name.as_str()).await.expect("a name");
        connection.release_name(name.as_str()).await.expect("released");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_players_than_are_tracked_are_said_once_until_there_is_room() {
    let world = World::start(&format!("{CONFIG}[limits]\nsessions = 1\n")).await;
    let warned = || world.agent.log().matches("more MPRIS players than are tracked").count();
    let first = Mpris::start(&world, "tests.first").await;
    first.play("file:///one", 0).await;
    world.wait("the first", |hits| !of_type(hits, "play").is_empty());
    comes_and_goes(&world, "tests.second").await;
    first.connection.close().await.expect("gone");
    world.wait("the vanish", |hits| !of_type(hits, "pauseStart").is_empty());
    assert_eq!(warned(), 1, "{}", world.agent.log());
    // There was room, and there is none again.
    let third = Mpris::start(&world, "tests.third").await;
    third.play("file:///two", 0).await;
    world.wait("the third", |hits| of_type(hits, "play").len() == 2);
    comes_and_goes(&world, "tests.second").await;
    third.connection.close().await.expect("gone");
    world.wait("the vanish", |hits| of_type(hits, "pauseStart").len() == 2);
    assert_eq!(warned(), 2, "{}", world.agent.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_hangs_does_not_hold_up_the_daemon() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("bus");
    // Whoever connects waits for an answer.
    let _hung = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let bus = format!("enabled = true\nbus = \"unix:path={}\"", path.display());
    let world = World::start(&CONFIG.replace("enabled = true", &bus)).await;
    let player = world.player().await;
    player.open(0.0, common::film("film")).await.expect("a session");
    let away = "the bus of the MPRIS players is away";
    logged(&world, away).await;
    let log = world.agent.log();
    let (ready, away) = (log.find(" ready"), log.find(away));
    assert!(ready.is_some() && ready < away, "{log}");
}
