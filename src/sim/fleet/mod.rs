//! A fleet in virtual time: the shipped engine and core on many boxes, one queue of events, one collector
//! whose limits follow from the steady rate. Boxes are real state machines, each with a store of its own
//! and standing for as many others as the figures say; what is a model is the network, the collector, the
//! viewers, and the clients to compare with.

mod agent;
mod bounds;
pub mod chart;
mod collector;
mod figures;
mod hit;
mod queue;
mod scenarios;
mod sdk;
mod store;
mod viewer;
mod world;

use std::sync::Arc;

pub use self::bounds::Bound;
pub use self::collector::{CAPACITY, HANDSHAKES};
pub use self::figures::{BIN, Bin, Figures};
pub use self::scenarios::Scenario;
pub use self::sdk::{Lost, Policy};
use crate::core::dialect::Dialects;
use crate::core::settings::{Consent, Settings};
use crate::core::time::Span;

/// The boxes that a fleet stands for.
pub const STANDS_FOR: u32 = 10_000_000;

/// How a fleet delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The shipped engine with these settings.
    Ours,
    /// A model of another client.
    Other(Policy),
}

impl Way {
    pub const ALL: [Way; 5] = [
        Way::Ours,
        Way::Other(Policy::Fixed),
        Way::Other(Policy::ThreeTries),
        Way::Other(Policy::FullJitter),
        Way::Other(Policy::Never),
    ];

    /// As the table has it.
    pub const fn name(self) -> &'static str {
        match self {
            Way::Ours => "playheadd",
            Way::Other(Policy::Fixed) => "every 5 s",
            Way::Other(Policy::ThreeTries) => "3 tries",
            Way::Other(Policy::FullJitter) => "full jitter",
            Way::Other(Policy::Never) => "no retry",
            Way::Other(Policy::AtOnce) => "at once",
        }
    }
}

/// What a run of one way has shown.
#[derive(Debug)]
pub struct Run {
    pub way: Way,
    pub figures: Figures,
    pub bins: Vec<Bin>,
}

/// Runs a scenario in one way. The same settings and seed give the same figures.
pub fn run(scenario: &Scenario, way: Way, settings: &Settings, seed: u64) -> Run {
    let mut settings = settings.clone();
    // The boxes of a fleet have consent, and somebody to report to.
    settings.initial_consent = Consent::In;
    settings.max_session = Span::seconds(scenario.longest_session_s as u64);
    let power_cuts = scenario.cuts_power();
    if !power_cuts {
        // What is only written for a death that does not come need not be written so often.
        settings.flush_interval = Span::seconds(60);
    }
    let settings = Arc::new(settings);
    let common = agent::Common { settings, power_cuts, dialects: Dialects::default() };
    let (counted, figures) = world::World::new(scenario, way, common, seed).run();
    Run { way, figures, bins: counted.bins }
}
