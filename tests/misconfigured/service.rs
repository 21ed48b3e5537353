//! What the service manager hears, and each way in which a configuration can be of no use.

use crate::common::manager::Manager;
use crate::common::{self, World, collector_config_text, config_text, film, refusal};
use crate::{NOT_CONFIGURED, configure, mend, misconfigured};

/// A misconfigured daemon with a service manager, whose watchdog bites after a second.
async fn managed(config: Option<&str>) -> (World, Manager) {
    let mut world = misconfigured(config).await;
    assert!(world.agent.stop().success());
    let place = world.bus.dir.path().join("notify");
    let manager = Manager::listen(&place);
    let socket = format!("NOTIFY_SOCKET={}", place.display());
    world.agent.under = ["env", &socket, "WATCHDOG_USEC=1000000"].map(str::to_owned).into();
    world.agent.launch();
    (world, manager)
}

#[tokio::test]
async fn the_service_manager_hears_ready_the_reason_the_watchdog_and_the_stop() {
    let (mut world, manager) = managed(None).await;
    let status = manager.ends();
    assert!(status.starts_with("misconfigured: nothing is tracked or sent since 20"), "{status}");
    assert!(status.contains("playheadd.toml"), "{status}");
    assert!(world.agent.is_named().await, "READY means: the name is owned");
    for _ in 0..3 {
        manager.next(&["WATCHDOG=1"]);
    }
    // A reload is a pair, whatever becomes of it.
    configure(&world, Some("[collector\n"));
    world.agent.hang_up();
    let (_, status) = manager.reload();
    assert!(status.starts_with("misconfigured: ") && status.contains("toml:1"), "{status}");
    mend(&world, "");
    world.agent.hang_up();
    let (_, status) = manager.reload();
    assert!(status.contains("hits delivered") && !status.contains("misconfigured"), "{status}");
    manager.next(&["WATCHDOG=1"]);
    assert!(world.agent.stop().success());
}

#[tokio::test]
async fn a_stop_is_a_clean_one_and_leaves_nothing() {
    let (mut world, manager) = managed(None).await;
    manager.ends();
    assert!(world.agent.stop().success());
    manager.next(&["STOPPING=1"]);
    assert!(!world.agent.state().exists(), "nothing is stored");
    assert!(world.agent.log().contains("stopped"), "{}", world.agent.log());
}

/// What only a restart mends is no matter of the configuration.
#[tokio::test]
async fn a_bus_that_goes_away_ends_it() {
    let mut world = misconfigured(None).await;
    world.bus.start_again();
    assert_eq!(world.agent.end().code(), Some(1));
    assert!(world.agent.log().contains("the connection to the bus is lost"));
}

#[tokio::test]
async fn each_mistake_is_told_at_the_start_and_at_a_reload() {
    let (world, manager) = managed(None).await;
    manager.ends();
    let player = world.player().await;
    let url = world.collector.url();
    let dir = world.bus.dir.path();
    let (none, garbage) = (dir.join("none.pem"), dir.join("garbage.pem"));
    std::fs::write(&garbage, "this is no certificate").expect("a file");
    let file = |key: &str, path: &std::path::Path| {
        let line = format!("allow_plain_http = true\n{key} = \"{}\"\n", path.display());
        collector_config_text(&url, &line, "")
    };
    let pair = format!(
        "allow_plain_http = true\nclient_cert_file = \"{}\"\nclient_key_file = \"{}\"\n",
        garbage.display(),
        none.display()
    );
    let cases = [
        ("no table".to_owned(), "playheadd.toml:1"),
        ("[heartbeat]\nmain_seconds = \"x\"\n".to_owned(), "main_seconds"),
        (String::new(), "collector.url"),
        ("[collector]\nurl = \"https://c.example\"\n".to_owned(), "analytics.tracking_server"),
        (config_text("http://c.example", ""), "collector.url"),
        (file("ca_file", &none), "ca_file"),
        (file("ca_file", &garbage), "ca_file"),
        (collector_config_text(&url, &pair, ""), "client_cert_file"),
    ];
    for (text, part) in cases {
        configure(&world, Some(&text));
        world.agent.hang_up();
        let (_, status) = manager.reload();
        assert!(status.starts_with("misconfigured: ") && status.contains(part), "{status}");
        let (name, why) = refusal(player.open(0.0, film("ep-1")).await.map(|_| ()));
        assert_eq!(name, NOT_CONFIGURED, "{why}");
        assert!(why.contains(part), "'{part}' in {why}");
        // A start has the same.
        let checked = std::process::Command::new(common::daemon())
            .args(["--check", "--config"])
            .arg(world.agent.config())
            .output()
            .expect("playheadd");
        assert_eq!(checked.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&checked.stderr).contains(part));
    }
    // A file that cannot be read.
    std::fs::remove_file(world.agent.config()).expect("a file");
    std::fs::create_dir(world.agent.config()).expect("a directory");
    world.agent.hang_up();
    let (_, status) = manager.reload();
    assert!(status.contains("playheadd.toml"), "{status}");
    std::fs::remove_dir(world.agent.config()).expect("a directory");
    mend(&world, "");
    let (_, status) = manager.reload();
    assert!(!status.contains("misconfigured"), "{status}");
    player.open(0.0, film("ep-1")).await.expect("a session");
}
