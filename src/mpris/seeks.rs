//! `Seeked`: a row of them is one seek (behaviour.md 1.7, "Position").

use crate::core::time::{BootInstant, Span};

/// One within so many seconds of the estimate only corrects it.
pub const CORRECTION_SECONDS: f64 = 1.0;
/// One that comes so soon after another belongs to the same row.
const ROW: Span = Span::millis(500);

/// `Seeked` signals, each soon after the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    pub first: BootInstant,
    pub last: BootInstant,
    /// Where the last one says that the player is, in seconds.
    pub position: f64,
    /// One of them was too far from the estimate to be a correction.
    pub far: bool,
}

impl Row {
    pub fn new(position: f64, at: BootInstant, far: bool) -> Row {
        Row { first: at, last: at, position, far }
    }

    /// When it is over, if no other comes.
    pub fn over_at(&self) -> BootInstant {
        self.last + ROW
    }

    /// Adds one more, if it belongs to the row.
    pub fn add(&mut self, position: f64, at: BootInstant, far: bool) -> bool {
        let ours = at <= self.over_at();
        if ours {
            *self = Row { first: self.first, last: at, position, far: self.far || far };
        }
        ours
    }
}
