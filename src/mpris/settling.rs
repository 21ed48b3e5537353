//! What a player says, and the short time in which it may say it piecemeal (behaviour.md 1.7,
//! "Settling").

use super::viewing::Track;
use crate::core::time::{BootInstant, Span};

/// Changes within this time of the first are taken together.
pub const SETTLING: Span = Span::millis(300);
/// Faster is not believed.
const MOST_RATE: f64 = 32.0;

/// `PlaybackStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Playing,
    Paused,
    Stopped,
}

impl Status {
    pub const fn name(self) -> &'static str {
        match self {
            Status::Playing => "Playing",
            Status::Paused => "Paused",
            Status::Stopped => "Stopped",
        }
    }

    pub fn parse(word: &str) -> Option<Status> {
        match word {
            "Playing" => Some(Status::Playing),
            "Paused" => Some(Status::Paused),
            "Stopped" => Some(Status::Stopped),
            _ => None,
        }
    }
}

/// What one message or answer tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    pub status: Option<Status>,
    pub track: Option<Track>,
    pub rate: Option<f64>,
    /// Seconds.
    pub position: Option<f64>,
    /// Something has changed that has to be asked for.
    pub invalidated: bool,
}

/// What a player says at present.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    pub status: Status,
    pub track: Track,
    /// 0, or within (0, 32].
    pub rate: f64,
}

impl Reported {
    pub fn nothing() -> Reported {
        Reported { status: Status::Stopped, track: Track::default(), rate: 1.0 }
    }

    pub fn plays(&self) -> bool {
        self.status == Status::Playing && self.rate > 0.0
    }

    /// Takes over what a message tells.
    pub fn hear(&mut self, change: &Change) {
        self.status = change.status.unwrap_or(self.status);
        if let Some(rate) = change.rate {
            self.rate = if rate == 0.0 || rate > 0.0 && rate <= MOST_RATE { rate } else { 1.0 };
        }
        if let Some(mut track) = change.track.clone().filter(|track| !track.blank()) {
            track.fill_from(&self.track);
            self.track = track;
        }
    }
}

/// The changes since the first that nothing was made of yet.
#[derive(Debug)]
pub struct Window {
    /// The date of all of them.
    pub since: BootInstant,
    pub until: BootInstant,
    /// The player was stopped for a moment.
    pub stopped: bool,
    /// The newest answer for the position, in seconds, and when it came.
    pub position: Option<(f64, BootInstant)>,
}

impl Window {
    /// A window for changes of `since` that are heard at `now`.
    pub fn new(since: BootInstant, now: BootInstant) -> Window {
        let until = (since + SETTLING).max(now);
        Window { since, until, stopped: false, position: None }
    }
}
