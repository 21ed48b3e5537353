//! A box and a collector that speaks TLS, and what most tests do with them.

use std::path::PathBuf;
use std::time::Duration;

use playheadd::bench::{Authority, Collector, Identity, Record, Tls};

use crate::common::{
    AGENT, AGENT_PATH, Agent, Bus, PATIENCE, Player, World, collector_config_text, film, nothing,
    of_type, types,
};

/// Names of this machine: what a good certificate is good for.
pub const HERE: &[&str] = &["127.0.0.1", "localhost"];

/// A whole playback without pings, as hits.
pub const ALL: [&str; 6] =
    ["sessionStart", "play", "pauseStart", "play", "pauseStart", "sessionEnd"];

/// Bus, daemon and a collector whose certificate comes from `authority`. The daemon trusts it.
pub struct Scene {
    pub world: World,
    pub authority: Authority,
    /// What the collector presents.
    pub tls: Tls,
    /// Further sections of the configuration.
    more: String,
}

impl Scene {
    /// A collector with a good certificate.
    pub async fn start(more: &str) -> Scene {
        Scene::presenting(|authority| authority.server(HERE), more).await
    }

    /// A collector that presents what `identity` makes.
    pub async fn presenting(identity: impl FnOnce(&Authority) -> Identity, more: &str) -> Scene {
        let authority = Authority::new();
        let tls = Tls::new(identity(&authority));
        Scene::with(authority, tls, |collector| (collector.url(), String::new()), more).await
    }

    /// The same with the URL and the keys of `[collector]` besides `ca_file` that `place` gives.
    pub async fn with(
        authority: Authority,
        tls: Tls,
        place: impl FnOnce(&Collector) -> (String, String),
        more: &str,
    ) -> Scene {
        let bus = Bus::start();
        let ca = bus.dir.path().join("ca.pem");
        std::fs::write(&ca, authority.certificate()).expect("a file");
        let collector = Collector::start_tls(tls.clone());
        let (url, keys) = place(&collector);
        let text = collector_config_text(&url, &trusting(&ca, &keys), more);
        let agent = Agent::start_configured(&bus.dir.path().join("state"), &bus, &text).await;
        let world = World { agent, collector, bus };
        let scene = Scene { world, authority, tls, more: more.to_owned() };
        // The daemon has its name a moment earlier; a SIGHUP in between is not obeyed.
        scene.logged(&["ready", "collector="]).await;
        scene
    }

    /// Writes a file beside the configuration and gives its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.world.agent.config().with_file_name(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Makes the daemon read its configuration anew, with this URL and these keys of `[collector]`.
    pub fn reload_with(&self, url: &str, keys: &str) {
        let text = collector_config_text(url, keys, &self.more);
        std::fs::write(self.world.agent.config(), text).expect("written");
        self.world.agent.hang_up();
    }

    /// The same with the collector of the scene, and with `ca_file` naming its authority.
    pub fn reload(&self, keys: &str) {
        let ca = self.world.agent.config().with_file_name("ca.pem");
        self.reload_with(&self.world.collector.url(), &trusting(&ca, keys));
    }

    /// A playback of six hits, from its first to its last.
    pub async fn play_through(&self, media: &'static str) {
        let player = self.world.player().await;
        let session = player.open(0.0, film(media)).await.expect("a session");
        for event in ["Play", "Pause", "Play", "Pause", "End"] {
            player.call(&session, event, 5.0, nothing()).await.expect(event);
        }
    }

    /// Waits until the log of the daemon says all of `words` in one line.
    pub async fn logged(&self, words: &[&str]) {
        let says = |log: &str| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
        self.until(&format!("{words:?} in the log"), async || says(&self.world.agent.log())).await;
    }

    /// Waits until `wanted` is so.
    pub async fn until(&self, what: &str, wanted: impl AsyncFn() -> bool) {
        let look = async {
            let mut looks = tokio::time::interval(Duration::from_millis(20));
            while !wanted().await {
                looks.tick().await;
            }
        };
        if tokio::time::timeout(PATIENCE, look).await.is_err() {
            panic!("expected {what}; the collector has {:#?}", self.world.collector.hits());
        }
    }

    /// Changes what the collector does, and waits until no connection of before is left.
    pub async fn change(&self, with: impl FnOnce(&Tls)) {
        with(&self.tls);
        self.until("no old connection", async || self.world.collector.connections() == 0).await;
    }

    /// A count among the agent's properties.
    pub async fn count(&self, property: &str) -> u64 {
        let player = self.world.player().await;
        count(&player, property).await
    }

    /// All six hits of a playback wait at the agent, and the collector has seen no request.
    pub async fn nothing_came_and_all_is_kept(&self) {
        assert_eq!(self.count("QueuedHits").await, ALL.len() as u64);
        assert_eq!(self.count("DroppedHits").await, 0);
        assert!(self.world.collector.hits().is_empty(), "{:#?}", self.world.collector.hits());
    }

    /// Waits until the playback has arrived: each hit once, in order.
    pub fn all_arrives_once(&self) -> Vec<Record> {
        let hits = self.world.wait("the end", |hits| !of_type(hits, "sessionEnd").is_empty());
        assert_eq!(types(&hits, "S1"), ALL);
        assert_eq!(hits.len(), ALL.len(), "nothing came twice");
        hits
    }
}

/// A count among the agent's properties, asked for by this player.
pub async fn count(player: &Player, property: &str) -> u64 {
    let value = player.property(AGENT_PATH, AGENT, property).await;
    u64::try_from(value).expect("a number")
}

/// `ca_file` and other keys.
pub fn trusting(ca: &std::path::Path, keys: &str) -> String {
    format!("ca_file = \"{}\"\n{keys}", ca.display())
}
