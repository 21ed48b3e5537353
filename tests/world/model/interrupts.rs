//! What takes a player away from its session: the background, sleep, a connection that is gone, a
//! restart of the agent or of the box (docs/behaviour.md 2.3 to 2.5, 2.11).

use playheadd::core::input::Lifecycle;

use super::track::Phase;
use super::{InterruptCause, Model};
use crate::truth::Truth;

const GRACE_MS: i64 = 60_000;

impl Model {
    pub fn lifecycle(&mut self, app: &str, state: Lifecycle, t: i64, truth: &mut Truth) {
        let of_app = self.sessions.iter().filter(|(_, s)| s.app == app).map(|(n, _)| *n);
        for number in of_app.collect::<Vec<_>>() {
            let session = &self.sessions[&number];
            match state {
                Lifecycle::Background if session.track.media.background => {}
                Lifecycle::Background => {
                    self.interrupt(number, InterruptCause::Background, t, truth)
                }
                Lifecycle::Foreground => self.back(number, InterruptCause::Background),
                Lifecycle::Stopped => {
                    if session.owner.is_some() {
                        self.detach(number, t, t, truth);
                    }
                }
            }
        }
    }

    pub fn sleep(&mut self, t: i64, truth: &mut Truth) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.interrupt(number, InterruptCause::Sleep, t, truth);
        }
    }

    /// The box slept from `t` on, and nobody said so: one that played may play on.
    pub fn slept(&mut self, t: i64, truth: &mut Truth) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            let session = &self.sessions[&number];
            let played = session.track.base_plays() && session.interrupt.is_none();
            self.interrupt(number, InterruptCause::Sleep, t, truth);
            if let Some(session) = self.sessions.get_mut(&number) {
                session.unaware |= played;
            }
        }
    }

    pub fn wake(&mut self) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.back(number, InterruptCause::Sleep);
        }
    }

    fn interrupt(&mut self, number: u32, cause: InterruptCause, t: i64, truth: &mut Truth) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        if session.silent || session.track.phase != Phase::Open {
            return;
        }
        session.interrupt = Some(match session.interrupt {
            Some((old, Some(until))) => (old.max(cause), Some(until)),
            _ => (cause, Some(t + GRACE_MS)),
        });
        session.track.interrupt(t, truth);
        session.unaware &= cause == InterruptCause::Sleep;
        session.heard = t;
    }

    fn back(&mut self, number: u32, from: InterruptCause) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        if session.track.phase == Phase::Open && session.interrupt.is_some_and(|i| i.0 == from) {
            session.interrupt = None;
        }
    }

    /// A connection is gone.
    pub fn gone(&mut self, owner: &str, t: i64, truth: &mut Truth) {
        if let Some(number) = self.of(owner) {
            self.detach(number, t, t, truth);
        }
    }

    /// The player went at some instant between the two; the later one counts.
    fn detach(&mut self, number: u32, from: i64, to: i64, truth: &mut Truth) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        session.owner = None;
        if session.silent {
            self.sessions.remove(&number);
        } else if session.track.phase == Phase::Dormant {
            self.close(number, false, from, to);
        } else {
            self.interrupt(number, InterruptCause::Vanished, to, truth);
        }
    }

    pub(super) fn grace_over(&mut self, number: u32, due: i64, truth: &mut Truth) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        let Some((cause, until)) = &mut session.interrupt else { return };
        *until = None;
        if *cause == InterruptCause::Vanished {
            self.end(number, due, due, truth);
        } else if session.track.phase == Phase::Dormant {
            // Closed for idleness meanwhile, with its context kept (spec 5.2).
        } else {
            session.track.end_interrupted(due, truth);
            self.keep_point(number, false, due, due);
        }
    }

    /// The agent comes back on what a store holds, in the same boot. `when` is the agent's own
    /// estimate of when a session's player went; it must lie between the last word of the player
    /// and the agent's death. Gives the sessions for which it does not.
    pub fn recovered(
        &mut self,
        present: &[String],
        (died, t): (i64, i64),
        when: impl Fn(u32) -> Option<i64>,
        truth: &mut Truth,
    ) -> Vec<String> {
        self.sessions.retain(|_, s| !s.silent);
        let mut wrong = Vec::new();
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            let Some(session) = self.sessions.get_mut(&number) else { continue };
            let Some(owner) = session.owner.clone() else { continue };
            if present.contains(&owner) {
                continue;
            }
            let heard = session.heard;
            let running = session.interrupt.is_some_and(|(_, until)| until.is_some());
            let at = when(number).filter(|_| !running);
            if let Some(at) = at.filter(|at| !(heard..=died.max(heard)).contains(at)) {
                wrong.push(format!("session {number}: its player went at {at}, heard {heard}"));
            }
            // The grace of an earlier interrupt goes on; that the player went is only seen within it.
            let due = session.interrupt.and_then(|(_, until)| until);
            let to = at.unwrap_or(due.map_or(t, |due| t.min(due)));
            // What was due before comes first.
            self.tick_session(number, if running { heard } else { to }, t, truth);
            if let Some(session) = self.sessions.get_mut(&number) {
                session.track.since = at.is_none().then_some(heard);
            }
            self.detach(number, at.unwrap_or(heard), to, truth);
            if let Some(session) = self.sessions.get_mut(&number) {
                session.track.since = None;
            }
        }
        wrong
    }

    /// Another boot: every session of the old one ends, at its last recorded state (`cut` is when
    /// the power went) or, after a clean stop, then.
    pub fn rebooted(&mut self, clean: bool, cut: i64, slack_ms: i64, truth: &mut Truth) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            let Some(session) = self.sessions.get_mut(&number) else { continue };
            let whole = session.track.media.downloaded && !self.rules.live_downloads;
            let (from, to) = match (clean, whole) {
                (true, _) => (cut, cut),
                (_, false) => (session.heard, cut + slack_ms),
                // Nothing of it was delivered, so nothing has to be later (spec 7).
                (_, true) => (session.track.last_hit(truth), cut + 1),
            };
            if !clean {
                session.track.since = Some(from);
                session.track.position_is_lost();
            }
            self.end(number, from, to, truth);
        }
    }
}
