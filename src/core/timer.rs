//! The timers of a session, in the order in which they run.

use super::time::BootInstant;

/// What a session waits for. Timers due at one instant run in the order of the variants
/// (behaviour.md 2.11): a timer that makes another one pointless comes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The first 250 ms are over, in which a preroll may take an early `Play` back (spec 3.9).
    PrerollWindow,
    /// The grace of an interrupt has run out (behaviour.md 2.3, spec 4).
    Grace,
    /// Nothing was played for the idle timeout (spec 5.2).
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
