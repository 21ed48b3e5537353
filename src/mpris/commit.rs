//! What is made of changes that have settled (behaviour.md 1.7, "Settling", "Length", "Events").

use super::player::{Out, Player};
use super::position::{JUMP_SECONDS, Verdict};
use super::seeks::Row;
use super::settling::{Status, Window};
use crate::core::time::BootInstant;

impl Player {
    /// Ends the window: its changes count, dated at the first. `may_begin`: a new viewing may
    /// follow from them.
    pub(super) fn commit(&mut self, now: BootInstant, may_begin: bool, out: &mut Out) {
        let Some(window) = self.window.take() else { return };
        let since = window.since;
        self.settled = since;
        let (plays, stopped) = (self.said.plays(), self.said.status == Status::Stopped);
        if let Some(viewing) = &self.viewing {
            let jump = |to: f64| (to - self.place.at(since)).abs() > JUMP_SECONDS;
            let stale = |(position, at)| self.belief.may_be_stale(position, at);
            let continuous = self.row.is_some()
                || window.position.is_some_and(stale)
                || !self.led_back(&window).is_some_and(jump);
            let new = &self.said.track;
            let same = match viewing.adopted {
                _ if new.blank() => true,
                true => {
                    new.media_id() == viewing.id
                        || new.url.is_empty() && new.title == viewing.track.title
                }
                false => viewing.track.goes_on(new, continuous),
            };
            if same && !stopped && (continuous || !window.stopped || !plays) {
                return self.go_on(&window, now, out);
            }
            // A `Seeked` after the change is about the next viewing.
            let later = self.row.filter(|row| row.first >= since && !stopped);
            self.close(since, out);
            self.row = later;
        }
        if plays && may_begin {
            // A `Seeked` in the first moment tells where a viewing begins.
            let stale = |row: &Row| self.belief.may_be_stale(row.position, row.last);
            let told = self.row.take_if(|row| !stale(row)).map(|row| (row.position, row.last));
            self.begin(since, told.or(window.position), now, out);
        } else {
            self.row = None;
            self.untold = None;
            self.given_up = false;
        }
    }

    /// Where the player was when the window began, as far as its answer tells.
    fn led_back(&self, window: &Window) -> Option<f64> {
        let (position, at) = window.position?;
        let moved = match self.said.plays() {
            true => (at - window.since).as_seconds() * self.said.rate,
            false => 0.0,
        };
        Some((position - moved).max(0.0))
    }

    /// The changes are about the viewing that there is.
    fn go_on(&mut self, window: &Window, now: BootInstant, out: &mut Out) {
        let since = window.since;
        if self.row.is_some_and(|row| row.first <= since) {
            self.end_row(out);
        }
        let (plays, rate) = (self.said.plays(), self.said.rate);
        let estimate = self.place.at(since);
        let led_back = self.led_back(window);
        let Some(viewing) = &mut self.viewing else { return };
        if !self.said.track.blank() {
            viewing.track = self.said.track.clone();
            viewing.adopted = false;
        }
        let new_length = viewing.track.length.filter(|length| viewing.length != Some(*length));
        viewing.length = new_length.or(viewing.length);
        let (was_live, length) = (viewing.live, viewing.length);
        viewing.live &= length.is_none();
        let verdict = window
            .position
            .map(|(position, at)| self.belief.judge(position, at, viewing.length, viewing.playing));
        let believed = led_back.filter(|_| verdict == Some(Verdict::Believed));
        let was_playing = viewing.playing;
        if let Some(wait) = &mut viewing.wait {
            match (window.position, verdict) {
                (Some((position, at)), Some(Verdict::Believed))
                    if wait.no_start() && !wait.is_zero(position, at) =>
                {
                    self.found_start(position, at, out);
                }
                (position, verdict) => {
                    wait.stale = position.filter(|_| verdict == Some(Verdict::Stale));
                    if new_length.is_some() {
                        let start = wait.start;
                        self.known(length, start, false, since, out);
                    }
                }
            }
        } else if new_length.is_some() {
            // A live session goes on as VOD from where the player is.
            let place = if was_live { believed.unwrap_or(estimate) } else { estimate };
            self.place.set(place, since);
            self.known(length, None, true, since, out);
        }
        let jumped = |to: &f64| (to - self.place.at(since)).abs() > JUMP_SECONDS;
        let jump = believed.filter(jumped);
        if jump.is_some_and(|to| self.repeated(to, since, now, out)) {
            return;
        }
        let rate_before = self.place.rate();
        if was_playing && !plays {
            self.pause(believed, since, out);
        } else if plays && (!was_playing || rate != rate_before) {
            self.place.set(believed.unwrap_or(estimate), since);
            self.place.go_on(true, rate, since);
            self.belief.interrupt();
            if let Some(viewing) = &mut self.viewing {
                viewing.playing = true;
            }
            self.play(believed.unwrap_or(-1.0), since, out);
        } else if let Some(position) = believed {
            self.moved_to(position, since, now, out);
        }
    }
}
