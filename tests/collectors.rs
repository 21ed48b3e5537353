//! Several collectors at once on the real daemon: each gets everything over a client of its own, one that
//! is down or hostile holds up no other, and the operator hears which it is (docs/behaviour.md 3).

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::mpsc;

use common::{Agent, Bus, PATIENCE, Player, config_text, film, json, nothing, of_type, types};
use playheadd::bench::{Collector, Options};
use serde_json::Value;
use zbus::OwnedObjectPath;

/// Two collectors: that of `[collector]`, and one of the name `lab`.
struct Scene {
    agent: Agent,
    bus: Bus,
    main: Collector,
}

/// A section of `lab`, with further lines.
fn lab(url: &str, more: &str) -> String {
    format!("[collectors.lab]\nurl = \"{url}\"\nallow_plain_http = true\n{more}")
}

/// A port at which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

impl Scene {
    async fn start(more: &str) -> Scene {
        let (bus, main) = (Bus::start(), Collector::start());
        let agent = Agent::start(&bus, &main, more).await;
        Scene { agent, bus, main }
    }

    async fn player(&self) -> Player {
        Player { connection: self.bus.connect().await }
    }

    /// Reads another configuration, and waits until it is in force.
    async fn reload(&self, more: &str) {
        let before = self.reloads();
        std::fs::write(self.agent.config(), config_text(&self.main.url(), more)).expect("a file");
        self.agent.hang_up();
        self.until("the reload", || self.reloads() > before).await;
    }

    fn reloads(&self) -> usize {
        self.agent.log().matches("the configuration was read anew").count()
    }

    async fn until(&self, what: &str, mut wanted: impl FnMut() -> bool) {
        let look = async {
            let mut looks = tokio::time::interval(std::time::Duration::from_millis(20));
            while !wanted() {
                looks.tick().await;
            }
        };
        if tokio::time::timeout(PATIENCE, look).await.is_err() {
            panic!("expected {what}; the main collector has {:#?}", self.main.hits());
        }
    }

    /// What a command prints.
    fn ctl(&self, arguments: &[&str]) -> String {
        let out = Command::new(env!("CARGO_BIN_EXE_playheadctl"))
            .args(["--bus-address", &self.bus.address])
            .args(arguments)
            .output()
            .expect("playheadctl");
        String::from_utf8(out.stdout).expect("text")
    }

    /// What `status --json` says of a collector.
    fn collector(&self, name: &str) -> Value {
        let status = json(&self.ctl(&["status", "--json"]));
        let all = status["Collectors"].as_array().expect("a list").clone();
        all.into_iter().find(|of| of["name"] == name).unwrap_or_default()
    }
}

/// A session that plays.
async fn plays(player: &Player, media: &'static str) -> OwnedObjectPath {
    let session = player.open(0.0, film(media)).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    session
}

fn has(collector: &Collector, what: &str, kind: &str, count: usize) {
    let seen = collector.wait_for(PATIENCE, |hits| of_type(hits, kind).len() >= count);
    assert!(seen, "{what}: {:#?}", collector.hits());
    assert_eq!(collector.refused(), 0, "{:#?}", collector.hits());
}

const WHOLE: [&str; 3] = ["sessionStart", "play", "sessionEnd"];

#[tokio::test]
async fn one_that_is_down_is_named_and_the_other_gets_everything() {
    let address = format!("127.0.0.1:{}", closed_port());
    let scene = Scene::start(&lab(&format!("http://{address}"), "")).await;
    let player = scene.player().await;
    let session = plays(&player, "ep-1").await;
    player.call(&session, "End", 1.0, nothing()).await.expect("end");
    has(&scene.main, "the end", "sessionEnd", 1);
    assert_eq!(types(&scene.main.hits(), "S1"), WHOLE);
    scene.until("a failure", || scene.collector("lab")["failing_since"].as_i64() > Some(0)).await;
    scene.until("all at the first", || scene.collector("main")["hits"] == 0).await;

    let (main, down) = (scene.collector("main"), scene.collector("lab"));
    assert_eq!(
        (&main["kind"], &main["last_answer"]),
        (&json("\"media-collection\""), &json("\"204\""))
    );
    assert!(main["last_delivered"].as_i64() > Some(0) && main["failing_since"] == 0, "{main}");
    assert_eq!(
        (down["host"].as_str(), down["hits"].as_u64()),
        (Some(&*address), Some(3)),
        "{down}"
    );
    assert!(down["bytes"].as_u64() > Some(100) && down["last_delivered"] == 0, "{down}");
    assert!(down["last_answer"].as_str().is_some_and(|said| said.contains("cannot connect")));

    let status = scene.ctl(&["status"]);
    for part in [
        "reporting to 2 collectors, report suite tests",
        "state       failing: ",
        "problem     delivery fails since 20",
        &format!(": lab: {address}: cannot connect"),
        "check collectors.lab.url and firewalls",
        &format!("collector   lab: {address} (media-collection); 3 hits wait ("),
        "; fails since 20",
    ] {
        assert!(status.contains(part), "'{part}' in {status}");
    }
    let main =
        format!("collector   main: {} (media-collection); nothing waits", scene.main.address());
    assert!(status.contains(&main), "{status}");
    assert!(!status.contains("problem     delivery fails since 20: main"), "{status}");
    let properties = json(&scene.ctl(&["status", "--json"]));
    assert_eq!(properties["Collector"], format!("{}, {address}", scene.main.address()));
    assert_eq!(properties["Problems"].as_array().map(Vec::len), Some(1), "{properties}");

    let queue = json(&scene.ctl(&["queue", "--json"]));
    let waits: Vec<_> = queue["logs"].as_array().expect("rows").iter().collect();
    assert_eq!((waits.len(), waits[0]["collector"].as_str()), (1, Some("lab")), "{queue}");

    let doctor = scene.ctl(&["doctor"]);
    let line = |start: &str| doctor.lines().find(|line| line.starts_with(start)).map(str::to_owned);
    let good = line("collector  ok   main: http://127.0.0.1:").expect(&doctor);
    assert!(good.contains("; the last answer was 204 at 20"), "{good}");
    let bad =
        line(&format!("collector  !!   lab: http://{address}: cannot connect")).expect(&doctor);
    assert!(bad.contains("check collectors.lab.url"), "{bad}");
    assert!(
        line("delivery   !!   delivery fails since 20")
            .is_some_and(|line| line.contains(": lab: "))
    );
    let log = scene.agent.log();
    assert!(
        log.lines().any(|line| line.contains("delivery failed;") && line.contains("lab")),
        "{log}"
    );

    // It comes back, and gets everything once.
    let listener = TcpListener::bind(&address).expect("the port");
    let back = Collector::on(listener, Options::default()).expect("a collector");
    scene.ctl(&["flush"]);
    has(&back, "the end", "sessionEnd", 1);
    assert_eq!(types(&back.hits(), "S1"), WHOLE);
    scene.until("all is well", || scene.collector("lab")["failing_since"] == 0).await;
    assert_eq!(
        (scene.main.hits().len(), back.hits().iter().filter(|hit| hit.method == "POST").count()),
        (4, 3)
    );
    let status = scene.ctl(&["status"]);
    assert!(status.contains("state       idle: nothing waits"), "{status}");
}

/// A collector whose answer never comes to its point costs requests to it, and no others.
#[tokio::test]
async fn the_bytes_of_a_hostile_one_are_not_counted_against_the_other() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let many = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(64);
                if stream.read(&mut [0; 4096]).is_ok() {
                    while stream.write_all(&many).is_ok() {}
                }
            });
        }
    });
    let scene = Scene::start(&lab(&url, "")).await;
    // Answers of the good one take longer than looks at what has come, and tries of both are made at any
    // time: the one does not know when the other looks.
    let slow = r#"[{"on": "sessions", "delay_s": 1.3}, {"on": "events", "delay_s": 1.3}]"#;
    scene.main.set_rules_json(slow).expect("rules");
    let mut players = Vec::new();
    for media in ["ep-1", "ep-2", "ep-3", "ep-4"] {
        let player = scene.player().await;
        let session = plays(&player, media).await;
        player.call(&session, "End", 1.0, nothing()).await.expect("end");
        players.push(player);
    }
    has(&scene.main, "the ends", "sessionEnd", 4);
    let log = scene.agent.log();
    let given_up = |name: &str| {
        log.lines().any(|line| line.contains("bytes came, and no answer") && line.contains(name))
    };
    assert!(given_up("lab"), "{log}");
    assert!(!given_up("main"), "{log}");
    assert_eq!(scene.main.hits().len(), 12, "no request was made twice");
}

#[tokio::test]
async fn collectors_come_change_and_go_while_a_session_runs() {
    let scene = Scene::start("[heartbeat]\nmain_seconds = 0.2\n").await;
    let player = scene.player().await;
    let first = plays(&player, "ep-1").await;
    has(&scene.main, "pings", "ping", 2);

    // A new one begins with the next session. The connection to the first one lives on.
    let (one, two) = (Collector::start(), Collector::start());
    let connections = scene.main.accepted();
    let more = |section: &str| format!("[heartbeat]\nmain_seconds = 0.2\n{section}");
    scene.reload(&more(&lab(&one.url(), ""))).await;
    let seen = of_type(&scene.main.hits(), "ping").len();
    has(&scene.main, "more pings", "ping", seen + 3);
    assert_eq!(scene.main.accepted(), connections, "its client is the same");
    let other = scene.player().await;
    let second = plays(&other, "ep-2").await;
    has(&one, "its own session", "ping", 2);
    assert!(
        of_type(&one.hits(), "sessionStart")
            .iter()
            .all(|hit| hit.body["params"]["media.id"] == "ep-2")
    );
    assert_eq!(scene.collector("lab")["host"], one.address().to_string());
    let seen = of_type(&scene.main.hits(), "ping").len();
    has(&scene.main, "more pings", "ping", seen + 2);

    // Another URL is another collector: the session is opened anew there.
    scene.reload(&more(&lab(&two.url(), "timeout_seconds = 9\n"))).await;
    has(&two, "the session at the other one", "ping", 2);
    let starts = two.hits();
    let starts = of_type(&starts, "sessionStart");
    assert_eq!(starts[0].body["params"]["media.resume"], true, "{starts:#?}");
    let at_one = one.hits().len();

    // One that goes takes with it what waits for it, and nothing else.
    scene.reload(&more("")).await;
    assert_eq!(scene.collector("lab"), Value::Null);
    let seen = of_type(&scene.main.hits(), "ping").len();
    has(&scene.main, "still more pings", "ping", seen + 4);
    for (player, session) in [(&player, &first), (&other, &second)] {
        player.call(session, "End", 5.0, nothing()).await.expect("end");
    }
    has(&scene.main, "both ends", "sessionEnd", 2);
    assert_eq!(of_type(&scene.main.hits(), "sessionStart").len(), 2, "none was opened anew");
    assert!(of_type(&two.hits(), "sessionEnd").is_empty());
    assert_eq!(one.hits().len(), at_one, "nothing came after it was left");

    // A broken one changes nothing, and is named.
    std::fs::write(
        scene.agent.config(),
        config_text(&scene.main.url(), &lab(&one.url(), "ca_file = \"/nowhere.pem\"\n")),
    )
    .expect("a file");
    scene.agent.hang_up();
    scene
        .until("the mistake", || {
            scene.agent.log().contains("collectors.lab.ca_file: /nowhere.pem cannot be read")
        })
        .await;
    assert_eq!(scene.collector("lab"), Value::Null);
}

/// What waits for a collector that is taken out is dropped and counted, unless another one needs it.
#[tokio::test]
async fn what_waits_for_a_removed_collector_is_counted() {
    let url = format!("http://127.0.0.1:{}", closed_port());
    let scene = Scene::start(&lab(&url, "")).await;
    scene.main.set_rules_json(r#"[{"on": "sessions", "status": 503}]"#).expect("rules");
    let player = scene.player().await;
    plays(&player, "ep-1").await;
    scene.until("two that wait", || scene.collector("lab")["hits"] == 2).await;
    assert_eq!(scene.collector("main")["hits"], 2);
    scene.main.set_rules(Vec::new());
    scene.reload("").await;
    has(&scene.main, "what it needs", "play", 1);
    let status = json(&scene.ctl(&["status", "--json"]));
    assert_eq!(status["Collectors"].as_array().map(Vec::len), Some(1), "{status}");
}

/// A warning is in the log at the start and at each reload, and in `doctor`; all is well all the same.
#[tokio::test]
async fn a_warning_is_said_and_is_no_problem() {
    let scene = Scene::start("").await;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/v1/logs", listener.local_addr().expect("its address"));
    let (sender, heads) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let length = stream.read(&mut head).unwrap_or_default();
            let _ = sender.send(String::from_utf8_lossy(&head[..length]).to_ascii_lowercase());
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let secrets = scene.agent.config().with_file_name("headers");
    let write = |text: &str| {
        std::fs::write(&secrets, text).expect("a file");
        std::fs::set_permissions(&secrets, PermissionsExt::from_mode(0o600)).expect("a mode");
    };
    write("X-Api-Key: first\n");
    let path = secrets.display();
    let more =
        lab(&url, &format!("kind = \"otlp\"\n[collectors.lab.otlp]\nheaders_file = \"{path}\"\n"));
    scene.reload(&more).await;
    let doctor = scene.ctl(&["doctor"]);
    assert!(doctor.contains("config     ok   warning: "), "{doctor}");
    assert!(doctor.contains("collectors.lab.url: requests add /v1/logs to it"), "{doctor}");
    assert!(scene.agent.log().contains("the configuration: "), "{}", scene.agent.log());
    assert!(scene.ctl(&["status"]).contains("state       idle: nothing waits"));
    // The headers of the file are in every request to that collector, and in none to another.
    let head = heads.recv_timeout(PATIENCE).expect("a request");
    assert!(head.starts_with("head /v1/logs") && head.contains("x-api-key: first\r\n"), "{head}");
    let of_main = scene.main.hits();
    assert!(!of_main.is_empty() && !format!("{of_main:?}").contains("first"), "{of_main:?}");
    // Another secret in the same file counts after a reload.
    write("X-Api-Key: second\nAuthorization: Bearer x\n");
    scene.reload(&more).await;
    scene.ctl(&["doctor"]);
    let head = heads.recv_timeout(PATIENCE).expect("a request");
    assert!(
        head.contains("x-api-key: second\r\n") && head.contains("authorization: bearer x\r\n"),
        "{head}"
    );
    write("no header\n");
    scene.agent.hang_up();
    scene
        .until("the mistake", || scene.agent.log().contains("headers:1: expected 'Name: value'"))
        .await;
    assert!(!scene.agent.log().contains("second"), "no secret is logged");
}
