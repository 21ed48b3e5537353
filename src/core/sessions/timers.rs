//! Runs the timers of sessions, in the order of `core/timer.rs`.

use super::Session;
use super::happened::Late;
use super::waiting::OVERDUE;
use crate::core::Agent;
use crate::core::record::Durability;
use crate::core::settings::Settings;
use crate::core::time::{BootInstant, Now};
use crate::core::timer::{Due, Timer};
use crate::core::tracker::{Phase, TrackerContext};
use crate::core::turn::{CloseReason, Notice};

impl Session {
    fn grace(&self) -> Option<BootInstant> {
        self.interrupt.and_then(|interrupt| interrupt.until)
    }

    /// When the session's next timer is due, the grace included.
    pub(in crate::core) fn deadline(&self, settings: &Settings) -> Option<BootInstant> {
        if self.untracked {
            return None;
        }
        let waits = self.waiting.as_ref().map(|waiting| waiting.until + OVERDUE);
        let tracker = self.tracker.deadline(self.quiet_until, settings);
        [tracker, self.grace(), waits].into_iter().flatten().min()
    }

    /// The first timer that is due by `until`.
    fn due(&self, until: BootInstant, settings: &Settings) -> Option<Due> {
        let grace = self.grace().filter(|at| *at <= until);
        let grace = grace.map(|at| Due { at, timer: Timer::Grace });
        let tracker = self.tracker.due(until, self.quiet_until, settings);
        [tracker, grace].into_iter().flatten().min()
    }
}

impl Agent {
    /// Runs every timer that is due by `until`.
    /// Those of the session of a late event run only up to it.
    pub(in crate::core) fn run_timers(&mut self, until: BootInstant, late: Option<Late>, now: Now) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            match late.filter(|late| late.session == Some(number)) {
                Some(late) => {
                    if let Some(session) = self.sessions.get_mut(&number) {
                        session.quiet_until = None;
                    }
                    self.run_timers_of(number, until.min(late.at.just_before()), now);
                }
                None => self.run_timers_of(number, until, now),
            }
        }
    }

    pub(in crate::core) fn run_timers_of(&mut self, number: u32, until: BootInstant, now: Now) {
        self.wait_over(number, until, now);
        while let Some(session) = self.sessions.get_mut(&number).filter(|s| !s.untracked) {
            let Some(due) = session.due(until, &self.settings) else { return };
            if due.timer == Timer::Grace {
                self.grace_over(number, due.at, now);
            } else {
                self.run_timer(number, due, now);
            }
        }
    }

    fn run_timer(&mut self, number: u32, due: Due, now: Now) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        let mut reports = Vec::new();
        let mut out = TrackerContext { settings: &self.settings, reports: &mut reports };
        session.tracker.run(due, &mut out);
        let closed = due.timer == Timer::Idle && session.tracker.phase() == Phase::Dormant;
        // `submit` marks what a ping changed.
        session.dirty |= closed || reports.is_empty();
        let orphan = session.owner.is_none();
        self.submit(number, reports, now);
        self.changes.write_within(now.boot, self.settings.flush_interval);
        if closed && orphan {
            // No player is left that could revive it.
            self.close(number, CloseReason::Vanished, now);
        } else if closed {
            self.keep_point(number, false, now.boot, now);
            self.announce(Notice::Closed(number, CloseReason::Idle));
        }
    }

    /// Moves the ping cadences on after a sleep or a restart of the agent. The state is synced
    /// before the first ping goes out: a power cut must not bring back a state from before the gap.
    pub(in crate::core) fn catch_up(&mut self, now: Now) {
        for session in self.sessions.values_mut() {
            session.tracker.catch_up(now.boot, &self.settings);
        }
        self.write_all();
        self.changes.require(Durability::Synced);
    }
}
