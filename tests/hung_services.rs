//! A service manager that hangs, lies or leaves while the agent asks it for a player's application
//! (docs/behaviour.md 1.2): nobody waits for it for long, and others not at all.

mod common;

use common::service::Service;
use common::{Player, SESSION, World, film, nothing, of_type};
use zbus::{ObjectPath, OwnedObjectPath, Variant};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const UNIT: &str = "/org/freedesktop/systemd1/unit/tv_2eservice";

/// A film of whoever opens it.
fn anybodys(id: &'static str) -> common::Info {
    let mut media = film(id);
    media.remove("app");
    media
}

/// As the agent names a connection whose service is not known.
fn program() -> String {
    std::fs::read_to_string("/proc/self/comm").expect("a name").trim_end().to_owned()
}

async fn app_of(player: &Player, session: &OwnedObjectPath) -> String {
    let app = player.property(session.as_str(), SESSION, "App").await;
    String::try_from(app).expect("text")
}

async fn opened(player: &Player) -> String {
    let session = player.open(0.0, anybodys("ep-1")).await.expect("a session");
    app_of(player, &session).await
}

/// What a service manager answers when it is asked for a unit, and then for its name.
async fn answer(systemd: &mut Service, name: &str) {
    let asked = systemd.call_of("GetUnitByPID").await;
    systemd.answer(&asked, &ObjectPath::try_from(UNIT).expect("a path")).await;
    let asked = systemd.call_of("Get").await;
    assert_eq!(asked.header().path().expect("a path").as_str(), UNIT);
    systemd.answer(&asked, &Variant::from(name)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_is_named_after_its_service() {
    let world = World::start("").await;
    let mut systemd = Service::start(&world.bus, SYSTEMD).await;
    let player = world.player().await;
    let (app, ()) = tokio::join!(opened(&player), answer(&mut systemd, "tv.service"));
    assert_eq!(app, "tv");
    // A login is no service; a name that no unit can have is none either.
    let long = format!("{}.service", "x".repeat(10_000));
    for name in ["session-1.scope", ".service", long.as_str()] {
        let player = world.player().await;
        let (app, ()) = tokio::join!(opened(&player), answer(&mut systemd, name));
        assert_eq!(app, program());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_manager_that_hangs_keeps_nobody_from_playing() {
    let world = World::start("").await;
    let known = world.player().await;
    let session = known.open(0.0, film("ep-0")).await.expect("a session");
    let mut systemd = Service::start(&world.bus, SYSTEMD).await;
    let mut overtaken = false;
    for _ in 0..20 {
        let player = world.player().await;
        let opens = opened(&player);
        tokio::pin!(opens);
        let asked = tokio::select! {
            asked = systemd.call_of("GetUnitByPID") => asked,
            app = &mut opens => panic!("it was not asked for {app}"),
        };
        // Whoever is known does not wait with it, and neither does whoever has a name.
        let others = async {
            known.call(&session, "Play", 0.0, nothing()).await.expect("play");
            let named = world.player().await;
            named.connection.request_name("tv.example.Named").await.expect("a name");
            let app = opened(&named).await;
            assert_eq!(app, "tv.example.Named");
        };
        tokio::pin!(others);
        // Its time may be over on a machine that is busy; then once more.
        overtaken = tokio::select! {
            biased;
            app = &mut opens => {
                assert_eq!(app, program());
                others.await;
                false
            }
            () = &mut others => {
                assert_eq!(opens.await, program());
                true
            }
        };
        // An answer that comes too late changes nothing.
        systemd.answer(&asked, &ObjectPath::try_from(UNIT).expect("a path")).await;
        systemd.flush().await;
        if overtaken {
            break;
        }
    }
    assert!(overtaken, "others wait for a service manager that hangs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_wait_in_order_for_a_service_manager_that_hangs() {
    let world = World::start("").await;
    let mut systemd = Service::start(&world.bus, SYSTEMD).await;
    let player = world.player().await;
    player.emit("/p", "SessionStart", 0.0, anybodys("ep-1")).await;
    player.emit("/p", "Play", 0.0, nothing()).await;
    player.emit("/p", "Complete", 600.0, nothing()).await;
    let _never_answered = systemd.call_of("GetUnitByPID").await;
    let hits = world.wait("the session", |hits| !of_type(hits, "sessionComplete").is_empty());
    let sid = hits[0].sid.clone().expect("a sid");
    assert_eq!(common::types(&hits, &sid), ["sessionStart", "play", "sessionComplete"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_manager_that_lies_refuses_or_leaves_is_done_without() {
    let world = World::start("").await;
    let mut systemd = Service::start(&world.bus, SYSTEMD).await;
    for kind in 0..5 {
        let player = world.player().await;
        let answers = async {
            let asked = systemd.call_of("GetUnitByPID").await;
            match kind {
                0 => systemd.refuse(&asked).await,
                1 => systemd.answer(&asked, &7_u32).await,
                2 => systemd.answer(&asked, &"no path").await,
                3 => systemd.answer(&asked, &"x".repeat(2 << 20)).await,
                _ => {
                    let path = ObjectPath::try_from(UNIT).expect("a path");
                    systemd.answer(&asked, &path).await;
                    let asked = systemd.call_of("Get").await;
                    systemd.answer(&asked, &Variant::from(vec![1_u32, 2])).await;
                }
            }
        };
        let (app, ()) = tokio::join!(opened(&player), answers);
        assert_eq!(app, program(), "answer {kind}");
    }
    // It leaves in the middle of a question.
    let player = world.player().await;
    let leaves = async {
        systemd.call_of("GetUnitByPID").await;
        systemd.connection.close().await.expect("gone");
    };
    let (app, ()) = tokio::join!(opened(&player), leaves);
    assert_eq!(app, program());
    let player = world.player().await;
    assert_eq!(opened(&player).await, program(), "nobody is there to be asked");
}
