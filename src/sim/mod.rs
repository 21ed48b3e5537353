//! The agent in virtual time: the same core as on the box, with a timeline instead of a bus, a
//! store in memory and a simulated collector (behaviour.md 4). It differs from the daemon only in
//! its adapters, so what `simulate` shows holds for the daemon.

pub mod backend;
mod bus;
pub mod driver;
#[cfg(feature = "bench")]
pub mod fleet;
pub mod hits;
mod mpris;
pub mod mpris_lines;
pub mod timeline;
mod world;

use std::collections::BTreeMap;

use serde::Serialize;

use self::backend::{Backend, Plan, Rule};
use self::timeline::Line;
use crate::config::Config;
use crate::core::dialect::Dialects;
use crate::core::settings::Consent;

/// How a simulation runs.
#[derive(Debug, Clone)]
pub struct Options {
    pub config: Config,
    /// When the run ends, in milliseconds on the timeline; `None` is an hour after its last line.
    pub until_ms: Option<i64>,
    pub seed: u64,
}

/// One request to the collector, as `simulate` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exchange {
    /// Seconds on the timeline.
    pub at: f64,
    pub method: &'static str,
    pub path: String,
    pub body: serde_json::Value,
    /// `None` when no answer came.
    pub status: Option<u16>,
    pub sid: Option<String>,
    pub answered: f64,
    /// The name of a collector beside the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collector: Option<String>,
}

/// A collector's side of a protocol, as rules without I/O.
pub trait CollectorModel {
    /// Replaces the fault rules; what it remembers stays.
    fn set_rules(&mut self, rules: Vec<Rule>);

    /// Deals with a POST that arrives at `now_ms` (Unix time, ms).
    fn arrive(&mut self, path: &str, body: &serde_json::Value, now_ms: i64) -> Plan;

    /// The session of a request in the output of a simulation; `sid` is the id that the agent knows it by,
    /// once it has one.
    fn session(&self, path: &str, body: &serde_json::Value, sid: Option<&str>) -> Option<String> {
        let _ = (path, body);
        sid.map(str::to_owned)
    }
}

/// The protocols of a simulation, and the collectors that answer, by their names in the settings.
pub struct Collectors {
    pub dialects: Dialects,
    pub models: BTreeMap<String, Box<dyn CollectorModel>>,
}

/// Holds the fault rules of a timeline to the collectors of the configuration.
///
/// Errors: one sentence for a rule that names a collector which is not there.
pub fn check_rules(lines: &[Line], config: &Config) -> Result<(), String> {
    let names: Vec<&str> =
        config.settings.collectors.iter().map(|collector| collector.name.as_str()).collect();
    for line in lines {
        let timeline::What::Collector(rules) = &line.what else { continue };
        let named = rules.iter().filter_map(|rule| rule.collector.as_deref());
        if let Some(other) = named.into_iter().find(|name| !names.contains(name)) {
            let at = line.at_ms as f64 / 1000.0;
            let names = names.join(", ");
            return Err(format!(
                "Collector at {at}: a rule names the collector {other:?}; the configuration has {names}"
            ));
        }
    }
    Ok(())
}

/// Runs the whole agent over a timeline and gives every request in the order made. The same
/// timeline, configuration and seed give the same exchanges.
pub fn simulate(lines: &[Line], options: Options) -> Vec<Exchange> {
    let mut models: BTreeMap<String, Box<dyn CollectorModel>> = BTreeMap::new();
    for collector in &options.config.settings.collectors {
        let starts = |events: &Vec<String>| events.iter().any(|event| event == "sessionStart");
        let model = match &collector.events {
            Some(events) if !starts(events) => Backend::new().without_starts(),
            _ => Backend::new(),
        };
        models.insert(collector.name.clone(), Box::new(model));
    }
    simulate_with(lines, options, Collectors { dialects: Dialects::default(), models })
}

/// The same with the caller's own dialects and collectors.
pub fn simulate_with(lines: &[Line], options: Options, collectors: Collectors) -> Vec<Exchange> {
    let mut options = options;
    if lines.iter().any(|line| matches!(line.what, timeline::What::Mpris(_))) {
        options.config.mpris.enabled = true;
    }
    let settings = &mut options.config.settings;
    // A simulation has consent, and default identifiers where the configuration has none.
    settings.initial_consent = Consent::In;
    let identity = &mut settings.identity;
    for (value, default) in [
        (&mut identity.tracking_server, "metrics.example.com"),
        (&mut identity.report_suite, "simulation"),
        (&mut identity.org_id, "SIMULATION@AdobeOrg"),
    ] {
        if value.is_empty() {
            *value = default.into();
        }
    }
    world::World::new(lines, options, collectors).run()
}
