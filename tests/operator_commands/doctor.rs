//! `playheadctl doctor`, whose look at the collector is the daemon's own.

use std::io::Read;
use std::net::TcpListener;

use playheadd::bench::{Authority, Collector, Tls};
use serde_json::Value;

use crate::common::disk::{consent, send_collector_away};
use crate::common::{
    AGENT, AGENT_PATH, Agent, Bus, Player, World, collector_config_text, config_text, json,
};
use crate::scene::{QUIET, command, ctl, ctl_at, paused, plays};

#[tokio::test]
async fn all_is_well_or_each_line_says_what_to_do() {
    let world = World::start(QUIET).await;
    let version = env!("CARGO_PKG_VERSION");
    let uid = rustix::process::geteuid().as_raw();
    let came = ctl(&world, &["doctor"]);
    let expected = format!(
        "\
CHECK           FOUND
bus        ok   playheadd {version} answers, and uid {uid} may manage it
config     ok   what was loaded last is in force
clock      ok   it shows DATE
store      ok   it takes what happens; 0 hits wait, N bytes
consent    ok   the viewer allows it
network    ok   no network manager is here: delivery just tries
collector  ok   http://127.0.0.1:N answers in N ms (404 to a HEAD)
delivery   ok   idle: nothing was sent yet
mpris      off  mpris.enabled is false
"
    );
    assert_eq!(came.out, expected);
    assert_eq!((came.err.as_str(), came.status), ("", 0));
    let heads = world.collector.hits();
    assert_eq!((heads.len(), heads[0].method.as_str()), (1, "HEAD"), "nothing is reported");

    ctl(&world, &["consent", "unknown"]);
    let came = ctl(&world, &["doctor"]);
    assert!(came.out.contains("consent    !!   waits for the viewer's consent"), "{}", came.out);
    assert_eq!((came.err.as_str(), came.status), ("playheadctl: 2 lines say what to do\n", 1));
}

#[tokio::test]
async fn what_the_collector_last_said_is_there() {
    let world = World::start(QUIET).await;
    let _player = plays(&world, "ep-1").await;
    paused(&world, 1).await;
    let before = world.collector.accepted();
    let came = ctl(&world, &["doctor"]);
    assert_eq!(world.collector.accepted(), before + 1, "over a connection of its own");
    let line = "delivery   ok   idle: the last answer was 204 at DATE";
    assert!(came.out.contains(line), "{}", came.out);
    send_collector_away(&world);
    let _player = plays(&world, "ep-2").await;
    world.wait("a try", |hits| hits.iter().any(|hit| hit.status == Some(503)));
    let fails = async { while !ctl(&world, &["queue", "--json"]).out.contains("\"failing\"") {} };
    fails.await;
    let came = ctl(&world, &["doctor"]);
    assert!(came.out.contains("delivery   !!   delivery fails since DATE"), "{}", came.out);
    assert!(came.out.contains("the collector answered 503"), "{}", came.out);
    assert_eq!(came.status, 1);
}

/// What doctor says of a daemon with this configuration.
async fn told_of(text: &str) -> (String, i32) {
    let bus = Bus::start();
    let _agent = Agent::start_configured(&bus.dir.path().join("state"), &bus, text).await;
    let came = ctl_at(&bus.address, &["doctor"]);
    let line = came.out.lines().find(|line| line.starts_with("collector")).expect("a line");
    (line.to_owned(), came.status)
}

/// A port at which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

#[tokio::test]
async fn a_collector_that_is_not_there_is_named_with_what_to_do() {
    let (line, status) =
        told_of(&config_text(&format!("http://127.0.0.1:{}", closed_port()), "")).await;
    assert!(line.starts_with("collector  !!   http://127.0.0.1:N: cannot connect"), "{line}");
    assert!(line.ends_with("nothing listens there: check collector.url and firewalls"), "{line}");
    assert_eq!(status, 1);
}

#[tokio::test]
async fn the_probe_uses_the_proxy_and_the_certificates_of_delivery() {
    let collector = Collector::start();
    let proxy =
        format!("allow_plain_http = true\nproxy = \"http://127.0.0.1:{}\"\n", closed_port());
    let (line, status) = told_of(&collector_config_text(&collector.url(), &proxy, "")).await;
    assert!(line.ends_with("check collector.proxy: it does not lead to the collector"), "{line}");
    assert_eq!((status, collector.hits().len()), (1, 0));

    let authority = Authority::new();
    let collector = Collector::start_tls(Tls::new(authority.server(&["127.0.0.1"])));
    let (line, status) = told_of(&collector_config_text(&collector.url(), "", "")).await;
    assert!(line.ends_with("set collector.ca_file"), "{line}");
    assert_eq!(status, 1);
    let dir = tempfile::tempdir().expect("a directory");
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, authority.certificate()).expect("a file");
    let keys = format!("ca_file = \"{}\"\n", ca.display());
    let (line, status) = told_of(&collector_config_text(&collector.url(), &keys, "")).await;
    let good = "collector  ok   https://127.0.0.1:N answers in N ms, and its certificate is good (404 to \
                a HEAD)";
    assert_eq!((line.as_str(), status), (good, 0));
}

async fn probe(player: &Player) -> Value {
    let monitor = Some("tv.playhead.Monitor1");
    let asked = player.connection.call_method(Some(AGENT), AGENT_PATH, monitor, "Probe", &()).await;
    json(&asked.expect("an answer").body().deserialize::<String>().expect("text"))
}

#[tokio::test]
async fn a_collector_that_hangs_holds_up_nobody_and_is_asked_once() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("its address"));
    let keys = "allow_plain_http = true\ntimeout_seconds = 2\nconnect_timeout_seconds = 1\n";
    let bus = Bus::start();
    let text = collector_config_text(&url, keys, "");
    let agent = Agent::start_configured(&bus.dir.path().join("state"), &bus, &text).await;
    let world = World { agent, collector: Collector::start(), bus };
    let (one, two) = (world.player().await, world.player().await);
    let both = async { tokio::join!(probe(&one), probe(&two)) };
    let meanwhile = async {
        // The request has arrived, so the probe is under way.
        let accepted = tokio::task::spawn_blocking(move || {
            let (mut stream, _) = silent.accept().expect("a connection");
            let mut head = [0; 4];
            stream.read_exact(&mut head).expect("a request");
            (silent, stream, head)
        });
        let (silent, stream, head) = accepted.await.expect("a connection");
        assert_eq!(consent(&world).await, "in", "it answers");
        (silent, stream, head)
    };
    let ((first, second), (silent, _stream, head)) = tokio::join!(both, meanwhile);
    assert_eq!(&head, b"HEAD");
    assert_eq!(first, second);
    assert!(first["error"].as_str().expect("words").contains("timed out"), "{first}");
    assert_eq!(
        first["advice"],
        "nothing answers there: check the network, firewalls and collector.url"
    );
    silent.set_nonblocking(true).expect("a listener");
    assert!(silent.accept().is_err(), "one connection for both");
}

#[tokio::test]
async fn opting_out_meanwhile_leaves_no_caller_without_an_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("its address"));
    let keys = "allow_plain_http = true\ntimeout_seconds = 2\nconnect_timeout_seconds = 1\n";
    let bus = Bus::start();
    let text = collector_config_text(&url, keys, "");
    let agent = Agent::start_configured(&bus.dir.path().join("state"), &bus, &text).await;
    let world = World { agent, collector: Collector::start(), bus };
    let player = world.player().await;
    let meanwhile = async {
        let accepted = tokio::task::spawn_blocking(move || (silent.accept(), silent));
        let accepted = accepted.await.expect("a connection");
        let out = crate::common::disk::set_consent(&world.player().await, "out").await;
        out.expect("opted out");
        accepted
    };
    let (found, _accepted) = tokio::join!(probe(&player), meanwhile);
    assert!(found["error"].as_str().expect("words").contains("timed out"), "{found}");
}

#[test]
fn without_a_daemon_it_says_so() {
    let bus = Bus::start();
    let came = ctl_at(&bus.address, &["doctor"]);
    assert!(came.out.contains("bus    !!  playheadd does not run"), "{came:#?}");
    assert_eq!(came.status, 3);
    let came = command(&bus.address, &["doctor", "--json"]).output().expect("playheadctl");
    let found = json(&String::from_utf8(came.stdout).expect("text"));
    assert_eq!((&found["ok"], &found["checks"][0]["check"]), (&false.into(), &"bus".into()));
}
