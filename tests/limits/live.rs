//! A daemon under its own user, a crowd of another one, and a player of root's that goes on playing.
//! Needs root, to be somebody else.

use std::collections::BTreeMap;
use std::process::Stdio;

use futures_util::future::join_all;
use playheadd::bench::Collector;
use zbus::fdo;

use crate::common::{
    self, AGENT, AGENT_PATH, PATIENCE, Player, anonymous_kib, film, nothing, refusal,
};
use crate::crowd::{BUS, TEST};
use crate::place::{OPEN, PLAYER, Place, Process, SERVICE, bus, connect};

/// The most memory of its own that the daemon may have, and the default of `store.max_bytes`.
const MOST_KIB: u64 = 64 * 1024;
const MOST_DISK: u64 = 48 << 20;

/// What the crowd got.
fn crowd(place: &Place, address: &str) -> BTreeMap<String, String> {
    let program = place.program(&std::env::current_exe().expect("this program"));
    let out = place
        .command(PLAYER, &program)
        .args(["--exact", TEST, "--nocapture"])
        .env(BUS, address)
        .stdin(Stdio::null())
        .output()
        .expect("a crowd");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    let told = |line: &str| {
        let (what, came) = line.split_once("= ")?.1.split_once(": ")?;
        Some((what.to_owned(), came.to_owned()))
    };
    text.lines().filter_map(told).collect()
}

async fn started(place: &Place, address: &str, collector: &Collector) -> (Process, Player) {
    let config = place.path().join("playheadd.toml");
    std::fs::write(&config, common::config_text(&collector.url(), "")).expect("written");
    let state = place.path().join("state");
    std::fs::create_dir(&state).expect("a directory");
    std::os::unix::fs::chown(&state, Some(SERVICE), Some(SERVICE)).expect("its owner");
    let child = place
        .command(SERVICE, &place.program(&common::daemon()))
        .arg("--config")
        .arg(&config)
        .args(["--bus-address", address, "--state-dir"])
        .arg(&state)
        .stderr(Stdio::null())
        .spawn()
        .expect("the daemon");
    let player = Player { connection: connect(address).await };
    let dbus = fdo::DBusProxy::new(&player.connection).await.expect("the bus");
    let name: zbus::names::BusName<'_> = AGENT.try_into().expect("a name");
    let owned = async {
        while !dbus.name_has_owner(name.clone()).await.expect("an answer") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, owned).await.expect("the daemon takes its name");
    (Process(child), player)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_one_uid_reaches_every_limit_and_harms_nobody() {
    if !rustix::process::geteuid().is_root() {
        crate::common::skip("a_crowd_of_one_uid", "only root can be somebody else");
        return;
    }
    let place = Place::new();
    // The bus's own limit of calls without an answer is lower than the agent's burst.
    let limit = "<limit name=\"max_replies_per_connection\">50000</limit>";
    let (_bus, address) = bus(&place, &format!("{OPEN}{limit}"));
    let collector = Collector::start();
    let (daemon, player) = started(&place, &address, &collector).await;
    let session = player.open(0.0, film("honest")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");

    let state = place.path().join("state");
    let asked = {
        let address = address.clone();
        move || (crowd(&place, &address), place)
    };
    let mut crowd = tokio::task::spawn_blocking(asked);
    let mut next = tokio::time::interval(std::time::Duration::from_millis(50));
    let (mut most_kib, mut most_disk) = (0, 0);
    let (got, _place) = loop {
        tokio::select! {
            done = &mut crowd => break done.expect("what it got"),
            _ = next.tick() => {
                // Nobody keeps this player from playing.
                player.call(&session, "Playhead", 1.0, nothing()).await.expect("an answer");
                most_kib = most_kib.max(anonymous_kib(daemon.0.id()));
                most_disk = most_disk.max(common::disk::bytes_in(&state));
            }
        }
    };
    assert!(most_kib < MOST_KIB, "{most_kib} KiB of memory");
    assert!(most_disk < MOST_DISK, "{most_disk} bytes on disk");
    let number = |what: &str| -> usize {
        let (count, _) = got[what].split_once(' ').unwrap_or((&got[what], ""));
        count.parse().unwrap_or_else(|_| panic!("{what}: {got:#?}"))
    };
    let refused = |what: &str, parts: &[&str]| {
        let why = &got[what];
        assert!(why.contains("tv.playhead.Error.LimitsExceeded"), "{what}: {why}");
        assert!(parts.iter().all(|part| why.contains(part)), "{what}: {why}");
    };
    assert_eq!(number("sessions of a connection"), 16);
    refused("sessions of a connection", &["this connection has 16 sessions"]);
    assert_eq!(number("sessions of the uid"), 48);
    refused("sessions of the uid", &["of this uid have 48 sessions"]);
    refused("a string", &["4096 bytes"]);
    refused("an event", &["65536 bytes"]);
    assert_eq!(number("states"), 10);
    assert!((200..2_000).contains(&number("events of a connection")), "{got:#?}");
    refused("events of a connection", &["a sender may send 50 messages a second, 200 at once"]);
    assert!((1..6_000).contains(&number("events of the uid")), "{got:#?}");
    refused("events of the uid", &["the senders of one uid may send 150", "600 at once"]);
    assert!((64..2_000).contains(&number("reads at once")), "{got:#?}");
    refused("reads at once", &["64 answers"]);
    assert_eq!(number("reads one by one"), 100);

    // All together: root's own connections have no limit of a uid.
    let players = join_all((0..40).map(|_| connect(&address))).await;
    let asks = players.iter().flat_map(|connection| {
        (0..200).map(move |_| {
            let (to, path) = (Some(AGENT), AGENT_PATH);
            connection.call_method(to, path, to, "GetResumePoint", &("a", "b"))
        })
    });
    let came = join_all(asks).await;
    let refused = came.into_iter().filter(Result::is_err).map(|came| refusal(came.map(|_| ())).1);
    let whys: std::collections::BTreeSet<String> = refused.collect();
    let all = "all senders together may send 300 messages a second";
    assert!(whys.iter().any(|why| why.contains(all)), "{whys:?}");
}
