//! The daemon as its service runs, and somebody who looks on as root.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{ChildStdout, Stdio};

use playheadd::bench::Collector;
use zbus::{OwnedObjectPath, fdo};

use crate::caller::{ANOTHERS, BUS, CALLED, OBSERVED, TEST, WORD};
use crate::common::{
    self, AGENT, AGENT_PATH, BusProcess, PATIENCE, Player, SESSION, film, nothing,
};
use crate::place::{Place, Process, SERVICE, bus, connect};

/// Bus, daemon and collector, and somebody who looks on as root.
pub struct Scene {
    observer: Player,
    /// What the callers may not drive.
    session: OwnedObjectPath,
    address: String,
    place: Place,
    _daemon: Process,
    _bus: BusProcess,
    _collector: Collector,
}

impl Scene {
    pub async fn new(policy: &str) -> Scene {
        let place = Place::new();
        let (bus, address) = bus(&place, policy);
        let collector = Collector::start();
        let config = place.path().join("playheadd.toml");
        std::fs::write(&config, common::config_text(&collector.url(), "")).expect("written");
        let state = place.path().join("state");
        std::fs::create_dir(&state).expect("a directory");
        std::os::unix::fs::chown(&state, Some(SERVICE), Some(SERVICE)).expect("its owner");
        let observer = Player { connection: connect(&address).await };
        let child = place
            .command(SERVICE, &place.program(&common::daemon()))
            .arg("--config")
            .arg(&config)
            .args(["--bus-address", &address, "--state-dir"])
            .arg(&state)
            .stderr(Stdio::null())
            .spawn()
            .expect("the daemon");
        let daemon = Process(child);
        let dbus = fdo::DBusProxy::new(&observer.connection).await.expect("the bus");
        let owned = async {
            while !dbus.name_has_owner(AGENT.try_into().expect("a name")).await.expect("an answer")
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, owned).await.expect("the daemon takes its name");
        let mut media = film("observed");
        media.insert("app", OBSERVED.into());
        let session = observer.open(0.0, media).await.expect("a session");
        let scene = Scene {
            observer,
            session,
            address,
            place,
            _daemon: daemon,
            _bus: bus,
            _collector: collector,
        };
        scene.play().await;
        scene
    }

    async fn play(&self) {
        self.observer.call(&self.session, "Play", 1.0, nothing()).await.expect("play");
    }

    /// What came of everything that a caller with this uid tried.
    pub async fn try_as(&self, uid: u32) -> Vec<(String, String)> {
        let mut child = self
            .place
            .command(uid, &self.place.program(&std::env::current_exe().expect("this program")))
            .args(["--exact", TEST, "--nocapture"])
            .env(BUS, &self.address)
            .env(ANOTHERS, self.session.as_str())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a caller");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut input = child.stdin.take().expect("a pipe");
        let caller = Process(child);
        let mut came = read_until_called(&mut lines);
        let refused_before = self.refused().await;
        let film = format!("signalled-by-{uid}");
        writeln!(input, "{film}").expect("written");
        let spoken = self.signals(&film, refused_before).await;
        came.extend(spoken.into_iter().map(|(what, came)| (what.to_owned(), came.to_owned())));
        self.show().await;
        came.extend(lines.map_while(Result::ok).filter_map(|line| told(&line)));
        drop(caller);
        came
    }

    /// Whether the signals of the caller have had an effect: both at once, or both none.
    async fn signals(&self, film: &str, refused_before: u64) -> [(&'static str, &'static str); 2] {
        let mut looks = 0;
        loop {
            let heard = [self.knows(film).await, self.state().await == "background"];
            // A bus that drops them leaves nothing to wait for; a hundred turns of the agent are long.
            let refused = self.refused().await > refused_before + 1;
            looks += 1;
            if heard == [true, true] || refused || looks > 100 {
                self.play().await;
                let words = heard.map(|heard| if heard { "allowed" } else { "denied" });
                return [("Player1", words[0]), ("Lifecycle1", words[1])];
            }
        }
    }

    /// A session comes, changes and goes, and then the word.
    async fn show(&self) {
        let mut media = film("shown");
        media.insert("app", OBSERVED.into());
        let second = Player { connection: connect(&self.address).await };
        let session = second.open(0.0, media).await.expect("a session");
        for event in ["Play", "Pause", "End"] {
            second.call(&session, event, 1.0, nothing()).await.expect("an answer");
        }
        for consent in [WORD, "in"] {
            let (to, path) = (Some(AGENT), AGENT_PATH);
            let call = second.connection.call_method(to, path, to, "SetConsent", &consent);
            call.await.expect("an answer");
        }
    }

    async fn refused(&self) -> u64 {
        let value = self.observer.property(AGENT_PATH, AGENT, "RejectedEvents").await;
        value.try_into().expect("a number")
    }

    async fn state(&self) -> String {
        let value = self.observer.property(&self.session, SESSION, "State").await;
        value.try_into().expect("a word")
    }

    async fn knows(&self, media: &str) -> bool {
        let objects = fdo::ObjectManagerProxy::builder(&self.observer.connection)
            .destination(AGENT)
            .path(AGENT_PATH)
            .build()
            .await
            .expect("a proxy");
        let objects = objects.get_managed_objects().await.expect("objects");
        objects.values().flat_map(|of| of.values()).any(|properties| {
            properties
                .get("MediaId")
                .is_some_and(|id| <&str>::try_from(id).is_ok_and(|id| id == media))
        })
    }
}

fn read_until_called(lines: &mut Lines<BufReader<ChildStdout>>) -> Vec<(String, String)> {
    let mut came = Vec::new();
    for line in lines.map_while(Result::ok) {
        if line.contains(CALLED) {
            return came;
        }
        came.extend(told(&line));
    }
    panic!("the caller has ended early: {came:?}");
}

fn told(line: &str) -> Option<(String, String)> {
    let (what, came) = line.split_once("= ")?.1.split_once(": ")?;
    Some((what.to_owned(), came.to_owned()))
}
