//! Background, sleep and players that are gone: the session pauses at once and ends when the grace
//! has run out (spec 4, behaviour.md 2.3, 2.4).

use super::Session;
use crate::core::Agent;
use crate::core::input::{Input, Lifecycle};
use crate::core::player::PlayerId;
use crate::core::record::{Durability, Interrupt, InterruptCause};
use crate::core::rejected::Rejected;
use crate::core::time::{BootInstant, Now};
use crate::core::tracker::event::Event;
use crate::core::tracker::{Phase, TrackerContext};
use crate::core::turn::{CloseReason, Notice};

/// A place that is reported after a sleep and lies no further than this before our estimate has not
/// moved, in seconds: so long ago was the last report.
const STANDS_WITHIN: f64 = 3.0;

impl Session {
    /// Applies an event of the player. `Play` ends an interrupt, and so does anything that a player
    /// says that played through a sleep without noticing, or a position that has moved meanwhile.
    ///
    /// Errors: `NotAllowed`; then nothing has changed.
    pub(super) fn take(
        &mut self,
        event: &Event,
        playhead: f64,
        at: BootInstant,
        out: &mut TrackerContext<'_>,
    ) -> Result<(), Rejected> {
        let plays = matches!(event, Event::Play { .. });
        // One that stands may report a place that lies before our last estimate.
        let place = self.tracker.position(at);
        let stands = matches!(event, Event::Playhead)
            && (playhead < 0.0 || (place - STANDS_WITHIN..=place).contains(&playhead));
        let plays_on = self.unaware && !plays && !stands;
        let before = plays_on.then(|| (self.tracker.clone(), out.reports.len()));
        if plays_on {
            self.tracker.play_on(playhead, at, out);
        }
        let waits = self.interrupt.is_some() || self.unaware;
        let lifted = plays && waits && self.tracker.lift_between_ads(at, out);
        if !lifted && let Err(refused) = self.tracker.call(event, playhead, at, out) {
            if let Some((tracker, reports)) = before {
                self.tracker = tracker;
                out.reports.truncate(reports);
            }
            return Err(refused);
        }
        if plays || plays_on {
            (self.interrupt, self.unaware) = (None, false);
            self.dirty = true;
        }
        Ok(())
    }
}

impl Agent {
    /// Applies what an application manager says to the sessions of that application.
    pub(in crate::core) fn lifecycle(&mut self, app: &str, state: Lifecycle, now: Now) {
        let of_app: Vec<u32> =
            self.sessions.iter().filter(|(_, s)| s.app == app).map(|(n, _)| *n).collect();
        for number in of_app {
            let Some(session) = self.sessions.get_mut(&number) else { continue };
            match state {
                Lifecycle::Background if session.tracker.media().background_playback => {}
                Lifecycle::Background => {
                    self.interrupt(number, InterruptCause::Background, now.boot, now)
                }
                Lifecycle::Foreground => self.back(number, InterruptCause::Background, now),
                Lifecycle::Stopped => {
                    if let Some(owner) = session.owner.clone() {
                        self.detach(&owner, now.boot, now);
                    }
                }
            }
        }
        self.changes.require(Durability::Flushed);
    }

    /// One player has gone; its connection is still open.
    pub(in crate::core) fn instance_gone(&mut self, player: &PlayerId, now: Now) {
        self.detach(player, now.boot, now);
    }

    /// Suspend is an interrupt for every session (behaviour.md 2.4); all is written out.
    pub(in crate::core) fn sleep(&mut self, now: Now) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.interrupt(number, InterruptCause::Sleep, now.boot, now);
        }
        self.write_all();
        self.changes.require(Durability::Synced);
    }

    /// The box slept from `since` on, and nobody said so. A player that played may never notice, and
    /// what is heard of it next tells (behaviour.md 1.6).
    pub(in crate::core) fn slept(&mut self, since: BootInstant, now: Now) {
        self.end_waits(&Input::Sleep, now.at(since));
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            let session = self.sessions.get(&number);
            let played = session.is_some_and(|s| s.tracker.is_playing() && s.interrupt.is_none());
            self.interrupt(number, InterruptCause::Sleep, since, now.at(since));
            if let Some(session) = self.sessions.get_mut(&number) {
                session.unaware |= played;
            }
        }
    }

    pub(in crate::core) fn wake(&mut self, now: Now) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.back(number, InterruptCause::Sleep, now);
        }
    }

    pub(in crate::core) fn interrupt(
        &mut self,
        number: u32,
        cause: InterruptCause,
        at: BootInstant,
        now: Now,
    ) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        if session.untracked || session.tracker.phase() != Phase::Open {
            return;
        }
        let at = session.tracker.date_arrival(at);
        let grace = self.settings.grace;
        let until = (grace.0 > 0).then(|| at + grace);
        session.interrupt = Some(match session.interrupt {
            // The first interrupt's grace goes on. The cause that can last longer is kept: a
            // vanished player, else the background, else sleep.
            Some(Interrupt { cause: old, until: Some(running) }) => {
                Interrupt { cause: old.max(cause), until: Some(running) }
            }
            _ => Interrupt { cause, until },
        });
        let mut reports = Vec::new();
        let mut out = TrackerContext { settings: &self.settings, reports: &mut reports };
        session.tracker.interrupt(at, &mut out);
        session.unaware &= cause == InterruptCause::Sleep;
        session.dirty = true;
        self.submit(number, reports, now);
        self.changes.require(Durability::Flushed);
    }

    /// A cause has ended within the grace: the grace stops. The session stays paused until `Play`.
    fn back(&mut self, number: u32, from: InterruptCause, now: Now) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        if session.tracker.phase() == Phase::Open
            && session.interrupt.is_some_and(|i| i.cause == from)
        {
            session.interrupt = None;
            session.dirty = true;
            self.changes.write_within(now.boot, self.settings.flush_interval);
        }
    }

    /// The grace has run out: the session ends, dated to that moment. `Play` can revive it, unless
    /// its player has vanished.
    pub(in crate::core) fn grace_over(&mut self, number: u32, due: BootInstant, now: Now) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        let Some(interrupt) = &mut session.interrupt else { return };
        interrupt.until = None;
        if interrupt.cause == InterruptCause::Vanished {
            self.end_at(number, CloseReason::Vanished, due, now);
            return;
        }
        if session.tracker.phase() == Phase::Dormant {
            // Closed for idleness meanwhile, with its context kept (spec 5.2).
            session.dirty = true;
            self.changes.write_within(now.boot, self.settings.flush_interval);
            return;
        }
        let mut reports = Vec::new();
        let mut out = TrackerContext { settings: &self.settings, reports: &mut reports };
        session.tracker.end_interrupted(due, &mut out);
        session.dirty = true;
        self.submit(number, reports, now);
        self.keep_point(number, false, due, now);
        self.announce(Notice::Closed(number, CloseReason::Background));
    }
}
