//! A story of films and a collector, and what the simulator made of it.

use playheadd::config::Config;
use playheadd::sim::{Exchange, Options, simulate, timeline};
use serde_json::json;

/// A timeline that is put together line by line.
#[derive(Default)]
pub struct Story(Vec<(f64, String)>);

impl Story {
    pub fn say(&mut self, at: f64, event: &str, from: &str, info: serde_json::Value) {
        let line = json!({"at": at, "event": event, "from": from, "info": info});
        self.0.push((at, line.to_string()));
    }

    pub fn plays(&mut self, at: f64, from: &str) {
        self.say(at, "SessionStart", from, json!({"id": from, "length": 90_000}));
        self.say(at, "Play", from, json!({}));
    }

    /// A whole session of `seconds`: a start, a play, pings and an end.
    pub fn played(&mut self, at: f64, seconds: f64, from: &str) {
        self.plays(at, from);
        self.say(at + seconds, "End", from, json!({}));
    }

    pub fn happens(&mut self, at: f64, event: &str, members: serde_json::Value) {
        let mut line = json!({"at": at, "event": event});
        for (key, value) in members.as_object().into_iter().flatten() {
            line[key] = value.clone();
        }
        self.0.push((at, line.to_string()));
    }

    /// The collector takes nothing from one moment to another; the link is up.
    pub fn closed(&mut self, from: f64, to: f64) {
        let rules = json!([{"on": "sessions", "status": 503}, {"on": "events", "status": 503}]);
        self.happens(from, "Collector", json!({"rules": rules}));
        self.happens(to, "Collector", json!({"rules": []}));
    }

    pub fn run(&self, seed: u64, settings: &[&str]) -> Vec<Exchange> {
        let mut lines = self.0.clone();
        lines.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let text: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
        let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
        let config = Config::from_overrides(&settings).expect("settings");
        let lines = timeline::parse("the story", &text).expect("a timeline");
        simulate(&lines, Options { config, until_ms: None, seed })
    }
}

pub fn kind(exchange: &Exchange) -> &str {
    exchange.body["eventType"].as_str().unwrap_or("batch")
}

pub fn taken(exchange: &Exchange) -> bool {
    exchange.status.is_some_and(|status| status < 300)
}

/// When it happened, in seconds of the timeline.
pub fn happened(exchange: &Exchange) -> f64 {
    let ts = exchange.body["playerTime"]["ts"].as_f64().expect("a time");
    (ts - 1_700_000_000_000.0) / 1000.0
}

pub fn media(exchanges: &[Exchange], sid: &str) -> String {
    let opens = |e: &&Exchange| kind(e) == "sessionStart" && e.sid.as_deref() == Some(sid);
    let start = exchanges.iter().find(opens).expect("a start");
    start.body["params"]["media.id"].as_str().expect("an id").to_owned()
}

/// Requests that were taken between two moments.
pub fn between(exchanges: &[Exchange], from: f64, to: f64) -> usize {
    exchanges.iter().filter(|e| taken(e) && (from..to).contains(&e.at)).count()
}
