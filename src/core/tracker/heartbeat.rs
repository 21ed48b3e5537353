//! The timers of a session: the ping cadence (spec 3.2), the idle close (spec 5.2), the 24-hour
//! rule (spec 5.4) and the end of the opening (spec 3.9).

use super::{Phase, Tracker, TrackerContext};
use crate::core::report::What;
use crate::core::settings::Settings;
use crate::core::time::{BootInstant, Span};

impl Tracker {
    fn ping_interval(&self, settings: &Settings) -> Span {
        if self.media.downloaded {
            settings.downloaded_ping
        } else if self.context.ad.is_some() {
            // What was stored may be nonsense (spec 12.1: 1 to 10).
            let own = self.media.own_ad_ping_seconds.map(|s| Span::seconds(s.clamp(1, 10)));
            own.unwrap_or(settings.ad_ping)
        } else {
            settings.main_ping
        }
    }

    /// When the next ping is due.
    pub(crate) fn ping_due(&self, settings: &Settings) -> BootInstant {
        self.context.ping_from + self.ping_interval(settings)
    }

    fn idle_due(&self, settings: &Settings) -> Option<BootInstant> {
        Some(self.context.idle_since? + settings.idle_timeout)
    }

    /// When this session next wants to be looked at.
    pub(crate) fn deadline(&self, settings: &Settings) -> Option<BootInstant> {
        if self.context.phase != Phase::Open {
            return None;
        }
        let mut next = self.ping_due(settings).min(self.context.opened_at + settings.max_session);
        if let Some(idle) = self.idle_due(settings) {
            next = next.min(idle);
        }
        if let Some(opening) = &self.opening {
            next = next.min(opening.until);
        }
        Some(next)
    }

    pub(super) fn ping_if_due(&mut self, now: BootInstant, out: &mut TrackerContext<'_>) {
        let due = self.ping_due(out.settings);
        if self.context.phase == Phase::Open && due <= now {
            // A late tick makes one ping, never several (spec 3.2); one that is hardly late
            // keeps the grid.
            let late = now - due >= self.ping_interval(out.settings);
            self.report(What::Ping, if late { now } else { due }, out);
        }
    }

    /// The box slept or the agent was down. A ping that was due just before may have gone out
    /// unrecorded and is not repeated: the grid goes on. After a longer time one is due now, and
    /// not dated to a moment at which nothing ran.
    pub(crate) fn catch_up(&mut self, now: BootInstant, settings: &Settings) {
        let interval = self.ping_interval(settings);
        let late = now - self.ping_due(settings);
        if late > Span::ZERO {
            let maybe_sent = late < interval;
            self.context.ping_from =
                if maybe_sent { self.ping_due(settings) } else { now - interval };
        }
    }

    /// Runs every timer that is due at `now`. Idle and age come before the ping, which they make
    /// pointless (api.md 2.11).
    pub(crate) fn tick(&mut self, now: BootInstant, out: &mut TrackerContext<'_>) {
        if self.opening.as_ref().is_some_and(|o| o.until <= now) {
            self.release_opening(out);
        }
        if self.context.phase != Phase::Open {
            return;
        }
        if let Some(due) = self.idle_due(out.settings).filter(|due| *due <= now) {
            // `sessionEnd` alone: what is open stays in the context (spec 5.2).
            self.release_opening(out);
            self.report(What::End, due, out);
            self.context.phase = Phase::Dormant;
            return;
        }
        let mut old = self.context.opened_at + out.settings.max_session;
        if old <= now {
            // After a long sleep one restart is enough.
            if now - old >= out.settings.max_session {
                old = now;
            }
            self.release_opening(out);
            self.report(What::End, old, out);
            self.restart(old, out);
        }
        self.ping_if_due(now, out);
    }
}
