//! How long a start waits for a length and for a position (behaviour.md 1.7, "Length").

use crate::core::time::{BootInstant, Span};

/// How often a player is asked meanwhile.
const AGAIN: Span = Span::seconds(1);

/// What a start waits for.
#[derive(Debug)]
pub struct Wait {
    pub until: BootInstant,
    next: BootInstant,
    /// Where the session began, in seconds, once a position was believed.
    pub start: Option<f64>,
    /// The newest position that may be that of the former track, and when it came.
    pub stale: Option<(f64, BootInstant)>,
}

impl Wait {
    pub fn new(until: BootInstant, start: Option<f64>, now: BootInstant) -> Wait {
        Wait { until, next: now + AGAIN, start, stale: None }
    }

    pub fn no_start(&self) -> bool {
        self.start.is_none()
    }

    pub fn deadline(&self) -> BootInstant {
        self.next.min(self.until)
    }

    /// The deadline is reached: whether the player is asked once more, or the wait is over.
    pub fn ask(&mut self, now: BootInstant) -> bool {
        self.next = now + AGAIN;
        now < self.until
    }
}
