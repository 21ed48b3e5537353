//! What ends a playback without its player: the opening, idle time, age, interrupts (spec 3.9, 4,
//! 5.2, 5.4).

use playheadd::core::tracker::event::EventName;

use super::{BasePlayback, Phase, Track};
use crate::truth::Truth;

/// Idle time until the close (spec 5.2).
const IDLE_MS: i64 = 1_800_000;

impl Track {
    pub(super) fn take_back_play(&mut self, truth: &mut Truth) {
        let Some(mut opening) = self.opening.take() else { return };
        if !opening.calls.iter().any(|(name, ..)| *name == EventName::Play) {
            truth.owed.append(&mut opening.held);
            return;
        }
        *self = *opening.start;
        for (name, playhead, info, t) in opening.calls {
            if name != EventName::Play && self.allows(name, &info) {
                self.apply(name, playhead, &info, t, truth);
            }
        }
    }

    pub fn release_opening(&mut self, truth: &mut Truth) {
        if let Some(opening) = self.opening.take() {
            truth.owed.extend(opening.held);
        }
    }

    /// The player is away: paused, buffering and seeking forgotten (spec 4).
    pub fn interrupt(&mut self, t: i64, truth: &mut Truth) {
        self.release_opening(truth);
        (self.base, self.buffering, self.seeking) = (BasePlayback::Paused, false, false);
        self.settle(false, self.position.rate, t, truth);
    }

    /// `Play` between two ads of an interrupted session (docs/behaviour.md 2.11); false when it is
    /// an ordinary one.
    pub fn lift_between_ads(&mut self, t: i64, truth: &mut Truth) -> bool {
        if !self.between_ads() {
            return false;
        }
        (self.base, self.buffering, self.seeking) = (BasePlayback::Playing, false, false);
        self.settle(false, self.position.rate, t, truth);
        true
    }

    /// The end of a grace: what is open is closed, then the session.
    pub fn end_interrupted(&mut self, t: i64, truth: &mut Truth) {
        self.release_opening(truth);
        self.close_all(t, truth);
        self.bare("sessionEnd", t, truth);
        if self.phase == Phase::Open {
            self.phase = Phase::Dormant;
        }
    }

    pub fn end(&mut self, t: i64, truth: &mut Truth) {
        self.end_interrupted(t, truth);
        self.over(t);
    }

    /// Every timer due at `until`; true when the session was closed for being idle.
    pub fn tick(&mut self, until: i64, max_session_ms: i64, truth: &mut Truth) -> bool {
        if self.opening.as_ref().is_some_and(|o| o.until <= until) {
            self.release_opening(truth);
        }
        if self.phase != Phase::Open {
            return false;
        }
        if let Some(due) = self.idle_since.map(|t| t + IDLE_MS).filter(|due| *due <= until) {
            self.release_opening(truth);
            self.bare("sessionEnd", due, truth);
            self.phase = Phase::Dormant;
            return true;
        }
        let old = self.opened_at + max_session_ms;
        if old <= until {
            self.release_opening(truth);
            self.bare("sessionEnd", old, truth);
            self.restart(old, truth);
        }
        false
    }
}
