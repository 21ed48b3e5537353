//! The position between reports (spec 3.6): it moves at the last known rate while content plays
//! and stands still otherwise.

use serde::{Deserialize, Serialize};

use crate::core::media::MediaInfo;
use crate::core::time::BootInstant;

/// A position that was true at one moment, and how it has moved since.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Playhead {
    /// Seconds in the main content.
    #[serde(rename = "b")]
    base: f64,
    #[serde(rename = "s")]
    since: BootInstant,
    /// Content seconds per second; 1 is normal play.
    #[serde(rename = "r")]
    rate: f64,
    #[serde(rename = "m")]
    moving: bool,
}

impl Playhead {
    pub fn standing(position: f64, at: BootInstant) -> Playhead {
        Playhead { base: position, since: at, rate: 1.0, moving: false }
    }

    /// The position at a moment, inside the content's bounds.
    pub fn at(&self, now: BootInstant, media: &MediaInfo) -> f64 {
        let moved = if self.moving { self.rate * (now - self.since).as_seconds() } else { 0.0 };
        media.clamp(self.base + moved)
    }

    /// Takes the player's position. A negative one keeps the computed one (behaviour.md 1.1).
    pub fn report(&mut self, position: f64, now: BootInstant, media: &MediaInfo) {
        self.base = if position < 0.0 { self.at(now, media) } else { media.clamp(position) };
        self.since = now;
    }

    /// From now on the position moves at `rate`, or stands when `moving` is false.
    pub fn go_on(&mut self, moving: bool, rate: f64, now: BootInstant, media: &MediaInfo) {
        if moving != self.moving || rate != self.rate {
            self.base = self.at(now, media);
            self.since = now;
            self.moving = moving;
            self.rate = rate;
        }
    }

    pub fn rate(&self) -> f64 {
        self.rate
    }
}
