//! How long a start waits for a length and for a position (behaviour.md 1.7, "Length").

use crate::core::time::{BootInstant, Span};

/// How often a player is asked meanwhile.
const AGAIN: Span = Span::seconds(1);
/// How long a player may say 0 before that is believed.
const ZERO: Span = Span::seconds(4);

/// What a start waits for.
#[derive(Debug)]
pub struct Wait {
    pub until: BootInstant,
    next: BootInstant,
    /// Where the session began, in seconds, once a position was believed.
    pub start: Option<f64>,
    /// The newest position that may be that of the former track, and when it came.
    pub stale: Option<(f64, BootInstant)>,
    /// Until then the player may not know better than 0.
    zero_until: Option<BootInstant>,
}

impl Wait {
    pub fn new(until: BootInstant, start: Option<f64>, now: BootInstant) -> Wait {
        Wait { until, next: now + AGAIN, start, stale: None, zero_until: None }
    }

    /// The player says 0, and may not know better yet: it is asked again at once, because one that
    /// plays from 0 is beyond it by now. One that seeks to its beginning can take seconds for it on a
    /// busy box.
    pub fn hold_zero(&mut self, at: BootInstant, now: BootInstant) {
        self.zero_until = Some(at + ZERO);
        self.stale = Some((0.0, at));
        self.next = now;
    }

    /// Whether an answer says no more than the 0 that is held.
    pub fn is_zero(&self, position: f64, at: BootInstant) -> bool {
        position == 0.0 && self.zero_until.is_some_and(|until| at < until)
    }

    /// Whether the player has said no more than 0 for as long as that is doubted.
    pub fn believes_zero(&self, now: BootInstant) -> bool {
        self.no_start() && self.zero_until.is_some_and(|until| until <= now)
    }

    pub fn holds_zero(&self) -> bool {
        self.zero_until.is_some() && self.no_start()
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
