//! Bus, collector and daemon together, and what the collector has seen.

use std::cell::RefCell;
use std::path::Path;

use playheadd::bench::{Collector, Record};

use super::{Agent, Bus, Kind, PATIENCE, Player, config_text_of, in_the_same_words};

/// Bus, collector and daemon together.
pub struct World {
    pub agent: Agent,
    pub collector: Collector,
    pub bus: Bus,
}

impl World {
    pub async fn start(more: &str) -> World {
        let bus = Bus::start();
        let collector = Collector::start();
        let agent = Agent::start(&bus, &collector, more).await;
        World { agent, collector, bus }
    }

    /// The same with a collector of this kind.
    pub async fn start_with(kind: Kind, more: &str) -> World {
        let bus = Bus::start();
        let collector = Collector::start();
        let text = config_text_of(kind, &collector.url(), more);
        let agent = Agent::start_configured(&bus.dir.path().join("state"), &bus, &text).await;
        World { agent, collector, bus }
    }

    /// The same with the state in a directory of the test's.
    pub async fn start_in(state: &Path, more: &str) -> World {
        let bus = Bus::start();
        let collector = Collector::start();
        let agent = Agent::start_in(state, &bus, &collector, more).await;
        World { agent, collector, bus }
    }

    pub async fn player(&self) -> Player {
        Player { connection: self.bus.connect().await }
    }

    /// What the collector has seen, in the words of the Media Collection API.
    pub fn hits(&self) -> Vec<Record> {
        self.collector.hits().iter().map(in_the_same_words).collect()
    }

    /// Waits until what the collector has seen is as wanted, and gives it, in the words of the Media
    /// Collection API.
    #[track_caller]
    pub fn wait(&self, what: &str, wanted: impl Fn(&[Record]) -> bool) -> Vec<Record> {
        // Each request is put into those words once, although it is looked at again and again.
        let read: RefCell<Vec<Record>> = RefCell::default();
        let seen = self.collector.wait_for(PATIENCE, |records| {
            let mut read = read.borrow_mut();
            let news = records.iter().skip(read.len()).map(in_the_same_words);
            read.extend(news);
            wanted(&read)
        });
        let hits = self.hits();
        assert!(seen, "{what}; the collector has {:#?}\n{}", brief(&hits), self.agent.log());
        hits
    }
}

impl Drop for World {
    /// Every test ends with nothing refused by the collector's schemas and session rules.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.collector.refused(), 0, "{:#?}", self.collector.hits());
        }
    }
}

/// What was accepted: sid, event type, playhead.
pub fn brief(records: &[Record]) -> Vec<(String, String, f64)> {
    records
        .iter()
        .map(|r| {
            let sid = r.sid.clone().unwrap_or_default();
            let kind = r.body["eventType"].as_str().unwrap_or("?").to_owned();
            (sid, kind, playhead(r))
        })
        .collect()
}

pub fn playhead(record: &Record) -> f64 {
    record.body["playerTime"]["playhead"].as_f64().unwrap_or(f64::NAN)
}

pub fn ts(record: &Record) -> i64 {
    record.body["playerTime"]["ts"].as_i64().unwrap_or(-1)
}

pub fn of_type<'a>(records: &'a [Record], kind: &str) -> Vec<&'a Record> {
    records.iter().filter(|r| r.body["eventType"] == kind).collect()
}

/// The hits without repeats: what was under way when a daemon was killed may come twice, alike to its
/// time.
pub fn once(records: &[Record]) -> Vec<Record> {
    let mut hits: Vec<Record> = Vec::new();
    for hit in records {
        if !hits.iter().any(|first| first.sid == hit.sid && first.body == hit.body) {
            hits.push(hit.clone());
        }
    }
    hits
}

/// The event types of a session as the collector has them, without pings.
pub fn types(records: &[Record], sid: &str) -> Vec<String> {
    records
        .iter()
        .filter(|r| r.sid.as_deref() == Some(sid))
        .map(|r| r.body["eventType"].as_str().unwrap_or("?").to_owned())
        .filter(|kind| kind != "ping")
        .collect()
}
