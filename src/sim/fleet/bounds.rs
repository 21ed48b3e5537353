//! What has to hold for the boxes of the daemon, whatever the settings of the collector's model say.

use super::figures::Figures;
use super::scenarios::Scenario;

/// A figure that has to be at most so much.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// For people: what is bounded, with its unit.
    pub what: &'static str,
    pub most: f64,
    of: fn(&Figures) -> f64,
}

impl Bound {
    const PEAK: Bound =
        Bound { what: "peak to steady arrivals", most: 3.2, of: |figures| figures.peak };
    const DRAINED: Bound = Bound {
        what: "seconds until 99 % of what was old has arrived",
        most: 2_700.0,
        of: |figures| figures.drained.unwrap_or(f64::INFINITY),
    };
    const FRESH: Bound = Bound {
        what: "seconds that a ping of a session without anything old is late",
        most: 30.0,
        of: |figures| figures.fresh_most,
    };
    const WORK: Bound =
        Bound { what: "server work for each useful hit", most: 2.2, of: |figures| figures.work };

    /// What has to hold in a scenario.
    pub fn of(scenario: &Scenario) -> &'static [Bound] {
        match scenario.name {
            "outage" => &[Bound::PEAK, Bound::DRAINED, Bound::FRESH],
            "errors" => &[Bound::PEAK, Bound::WORK],
            _ => &[],
        }
    }

    pub fn value(&self, figures: &Figures) -> f64 {
        (self.of)(figures)
    }

    pub fn holds(&self, figures: &Figures) -> bool {
        self.value(figures) <= self.most
    }
}
