//! From boot time to wall time. Events are stamped with CLOCK_BOOTTIME and turned into `ts` when
//! they are sent, by one anchor per sid, so that a wall clock that is set or steps inside a
//! session cannot distort durations (behaviour.md 2.6, spec 3.1).

use serde::{Deserialize, Serialize};

use super::time::{BootInstant, Now, WallTime};

/// A pair of readings of both clocks taken at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    pub boot: BootInstant,
    pub wall: WallTime,
}

impl Anchor {
    pub fn taken(now: Now) -> Anchor {
        Anchor { boot: now.boot, wall: now.wall }
    }

    /// The wall time of a boot instant. It is exact if the anchor's own wall reading was right.
    pub fn wall(&self, at: BootInstant) -> WallTime {
        self.wall + (at - self.boot)
    }
}

/// Names one boot of the box: the kernel's random boot id, or a number in a simulation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub String);

#[cfg(test)]
mod tests {
    use super::super::time::Span;
    use super::*;

    #[test]
    fn an_anchor_dates_what_came_before_and_after_it() {
        let anchor = Anchor { boot: BootInstant(5_000), wall: WallTime(1_700_000_000_000) };
        assert_eq!(anchor.wall(BootInstant(4_000)), WallTime(1_699_999_999_000));
        assert_eq!(anchor.wall(BootInstant(5_000) + Span::seconds(2)), WallTime(1_700_000_002_000));
    }
}
