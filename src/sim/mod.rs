//! The agent in virtual time: the same core as on the box, with a timeline for a bus, an
//! in-memory store and a simulated collector (api.md 4). It differs from the daemon only in its
//! adapters; that is why `simulate` proves something.

pub mod backend;
mod faults;
pub mod timeline;
pub mod validate;
mod world;

use serde::Serialize;

use self::timeline::Line;
use crate::config::Config;
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
}

/// Runs the whole agent over a timeline and gives every request in the order made. The same
/// timeline, configuration and seed give the same exchanges.
pub fn simulate(lines: &[Line], options: Options) -> Vec<Exchange> {
    let mut options = options;
    let settings = &mut options.config.settings;
    // A simulation has a viewer who agreed, and an operator where the configuration has none.
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
    world::World::new(lines, options).run()
}
