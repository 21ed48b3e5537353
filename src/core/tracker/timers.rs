//! The timers of a session: the ping cadence (spec 3.2), the idle close (spec 5.2), the 24-hour
//! rule (spec 5.4) and the end of the opening (spec 3.9).

use super::{Phase, Tracker, TrackerContext};
use crate::core::report::What;
use crate::core::settings::Settings;
use crate::core::time::{BootInstant, Span};
use crate::core::timer::{Due, Timer};

impl Tracker {
    fn ping_interval(&self, settings: &Settings) -> Span {
        self.media.ping_interval(self.context.ad.is_some(), settings)
    }

    /// When the next ping is due.
    pub(crate) fn ping_due(&self, settings: &Settings) -> BootInstant {
        self.context.ping_from + self.ping_interval(settings)
    }

    /// When each timer is due.
    fn timers(&self, settings: &Settings) -> [(Timer, Option<BootInstant>); 4] {
        let c = &self.context;
        let idle = c.idle_since.map(|since| since + settings.idle_timeout);
        [
            (Timer::PrerollWindow, self.preroll.as_ref().map(|preroll| preroll.until)),
            (Timer::Idle, idle),
            (Timer::Age, Some(c.opened_at + settings.max_session)),
            (Timer::Ping, Some(self.ping_due(settings))),
        ]
    }

    /// When the session's next timer can run. Pings, and what may be taken back, wait for `quiet`.
    pub(crate) fn deadline(
        &self,
        quiet: Option<BootInstant>,
        settings: &Settings,
    ) -> Option<BootInstant> {
        if self.context.phase != Phase::Open {
            return None;
        }
        let timers = self.timers(settings).into_iter();
        timers.filter_map(|(timer, due)| Some(runs_at(timer, due?, quiet))).min()
    }

    /// The first timer that can run by `until`. A ping or a 24-hour restart that is late by a whole
    /// period or more happens only once, and is dated at `until`.
    pub(crate) fn due(
        &self,
        until: BootInstant,
        quiet: Option<BootInstant>,
        settings: &Settings,
    ) -> Option<Due> {
        if self.context.phase != Phase::Open {
            return None;
        }
        let period = |timer| match timer {
            Timer::Ping => Some(self.ping_interval(settings)),
            Timer::Age => Some(settings.max_session),
            _ => None,
        };
        let due = self.timers(settings).into_iter().filter_map(|(timer, due)| {
            let due = due?;
            // What it waited on purpose is not late.
            let late_by = until - runs_at(timer, due, quiet);
            let late = period(timer).is_some_and(|period| late_by >= period);
            (late_by >= Span::ZERO).then_some(Due { at: if late { until } else { due }, timer })
        });
        due.min()
    }

    /// Carries out a timer that is due.
    pub(crate) fn run(&mut self, due: Due, out: &mut TrackerContext<'_>) {
        match due.timer {
            Timer::PrerollWindow => self.release_preroll(out),
            Timer::Idle => {
                // `sessionEnd` alone: what is open stays in the context (spec 5.2).
                self.release_preroll(out);
                self.report(What::End, due.at, out);
                self.context.phase = Phase::Dormant;
            }
            Timer::Age => {
                self.release_preroll(out);
                self.report(What::End, due.at, out);
                self.restart(due.at, out);
            }
            Timer::Ping => self.report(What::Ping, due.at, out),
            // `sessions` handles this one.
            Timer::Grace => {}
        }
    }

    /// Reports the ping that is due by now, if any, before anything else of this instant.
    pub(super) fn ping_if_due(&mut self, now: BootInstant, out: &mut TrackerContext<'_>) {
        let due = self.ping_due(out.settings);
        if self.context.phase == Phase::Open && due <= now {
            let late = now - due >= self.ping_interval(out.settings);
            self.report(What::Ping, if late { now } else { due }, out);
        }
    }

    /// Moves the ping cadence on after the box slept or the agent was down. A ping that is late by
    /// less than one interval may have been sent unrecorded, so it is skipped. After a longer time
    /// one ping is due now, because none may be dated to a time at which the agent did not run.
    pub(crate) fn catch_up(&mut self, now: BootInstant, settings: &Settings) {
        let interval = self.ping_interval(settings);
        let late = now - self.ping_due(settings);
        if late > Span::ZERO {
            let maybe_sent = late < interval;
            self.context.ping_from =
                if maybe_sent { self.ping_due(settings) } else { now - interval };
        }
    }
}

/// When a timer that is due can run.
fn runs_at(timer: Timer, due: BootInstant, quiet: Option<BootInstant>) -> BootInstant {
    match (timer, quiet) {
        (Timer::Ping | Timer::PrerollWindow, Some(quiet)) => due.max(quiet),
        _ => due,
    }
}
