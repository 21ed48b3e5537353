//! What is made of a position: where a viewing began, a correction of the estimate, a seek or a
//! repetition (behaviour.md 1.7, "Position", "Events").

use super::ending;
use super::player::{Out, Player};
use super::position::{JUMP_SECONDS, Verdict};
use super::seeks::CORRECTION_SECONDS;
use super::wait::Wait;
use crate::core::time::BootInstant;
use crate::core::tracker::event::EventName;

/// A smaller correction of the estimate is not worth an event.
const WORTH_TELLING_SECONDS: f64 = 0.25;

impl Player {
    /// An answer for the position, while nothing else has changed.
    pub(super) fn found(&mut self, position: f64, now: BootInstant, out: &mut Out) {
        let Some(viewing) = &mut self.viewing else { return };
        if self.row.is_some() {
            return;
        }
        let verdict = self.belief.judge(position, now, viewing.length, viewing.playing);
        if let Some(wait) = viewing.wait.as_mut().filter(|wait| wait.no_start()) {
            match verdict {
                Verdict::Believed if wait.is_zero(position, now) => {}
                Verdict::Believed => self.found_start(position, now, out),
                Verdict::Stale => wait.stale = Some((position, now)),
                Verdict::Implausible => wait.stale = None,
            }
        } else if verdict == Verdict::Believed {
            self.moved_to(position, now, now, out);
        }
    }

    /// The player is at a position that is believed, and nothing has announced a jump.
    pub(super) fn moved_to(
        &mut self,
        position: f64,
        at: BootInstant,
        now: BootInstant,
        out: &mut Out,
    ) {
        let Some(viewing) = &self.viewing else { return };
        let estimate = self.place.at(at);
        if viewing.live {
            self.place.set(position, at);
        } else if (position - estimate).abs() <= JUMP_SECONDS {
            self.correct(position, at, out);
        } else if !self.repeated(position, at, now, out) {
            self.event(EventName::SeekStart, -1.0, at, out);
            self.place.set(position, at);
            self.event(EventName::SeekComplete, position, at, out);
        }
    }

    /// If a jump to `position` is a repetition: completes the viewing and begins a new one.
    pub(super) fn repeated(
        &mut self,
        position: f64,
        at: BootInstant,
        now: BootInstant,
        out: &mut Out,
    ) -> bool {
        let Some(viewing) = self.viewing.as_ref().filter(|viewing| !viewing.live) else {
            return false;
        };
        let start = self.rules.start_seconds;
        let again = ending::repeats(self.place.at(at), position, viewing.length, start);
        if again {
            self.close(at, out);
            if self.said.plays() {
                self.begin(at, Some((position, at)), now, out);
            }
        }
        again
    }

    /// The row of `Seeked` is over.
    pub(super) fn end_row(&mut self, out: &mut Out) {
        let Some(row) = self.row.take() else { return };
        let Some(viewing) = &self.viewing else { return };
        if viewing.wait.as_ref().is_some_and(Wait::no_start) {
            return self.found_start(row.position, row.last, out);
        }
        let near = (row.position - self.place.at(row.last)).abs() <= CORRECTION_SECONDS;
        let to_start = !viewing.live && row.position <= self.rules.start_seconds;
        if near && !row.far {
            self.correct(row.position, row.last, out);
        } else if to_start && viewing.reached_end(self.place.at(row.first)) {
            self.close(row.first, out);
            if self.said.plays() {
                self.begin(row.last, Some((row.position, row.last)), row.last, out);
            }
        } else {
            self.event(EventName::SeekStart, -1.0, row.first, out);
            self.place.set(row.position, row.last);
            self.event(EventName::SeekComplete, row.position, row.last, out);
        }
    }

    /// The estimate was off by a little.
    pub(super) fn correct(&mut self, position: f64, at: BootInstant, out: &mut Out) {
        let off = (position - self.place.at(at)).abs();
        self.place.set(position, at);
        let live = self.viewing.as_ref().is_none_or(|viewing| viewing.live);
        if off > WORTH_TELLING_SECONDS && !live {
            self.event(EventName::Playhead, position, at, out);
        }
    }

    /// The first position that is believed leads back to where the session began.
    pub(super) fn found_start(&mut self, position: f64, at: BootInstant, out: &mut Out) {
        let moved = self.place.at(at);
        let Some(viewing) = &mut self.viewing else { return };
        let (length, start) = (viewing.length, (position - moved).max(0.0));
        if let Some(wait) = &mut viewing.wait {
            wait.start = Some(start);
        }
        self.place.set(moved + start, at);
        self.known(length, Some(start), false, at, out);
        self.correct(position, at, out);
    }
}
