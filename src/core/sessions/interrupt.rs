//! Background, sleep and players that are gone: the session pauses at once and ends when the grace
//! has run out (spec 4, behaviour.md 2.3, 2.4).

use crate::core::Agent;
use crate::core::input::Lifecycle;
use crate::core::player::PlayerId;
use crate::core::record::{Durability, Interrupt, InterruptCause};
use crate::core::time::{BootInstant, Now};
use crate::core::tracker::{Phase, TrackerContext};
use crate::core::turn::{CloseReason, Notice};

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
