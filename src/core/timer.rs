//! The timers of a session, named once, in the order in which they count.

use super::time::BootInstant;

/// What a session waits for. The order of the variants is that in which timers of one instant
/// count (api.md 2.11): what makes another pointless comes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The first 250 ms are over, in which a preroll may take an early `Play` back (spec 3.9).
    Opening,
    /// Nobody came back within the grace of an interrupt (api.md 2.3, spec 4).
    Grace,
    /// It stood still for too long (spec 5.2).
    Idle,
    /// Its sid is a day old (spec 5.4).
    Age,
    /// The next ping (spec 3.2).
    Ping,
}

/// A timer that is due, and the moment that it is dated at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    pub at: BootInstant,
    pub timer: Timer,
}
