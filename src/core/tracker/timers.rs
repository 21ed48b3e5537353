//! The timers of a session: the ping cadence (spec 3.2), the idle close (spec 5.2), the 24-hour
//! rule (spec 5.4) and the end of the opening (spec 3.9).

use super::{Phase, Tracker, TrackerContext};
use crate::core::report::What;
use crate::core::settings::Settings;
use crate::core::time::{BootInstant, Span};
use crate::core::timer::{Due, Timer};

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

    /// When each timer is due.
    fn timers(&self, settings: &Settings) -> [(Timer, Option<BootInstant>); 4] {
        let c = &self.context;
        let idle = c.idle_since.map(|since| since + settings.idle_timeout);
        [
            (Timer::Opening, self.opening.as_ref().map(|opening| opening.until)),
            (Timer::Idle, idle),
            (Timer::Age, Some(c.opened_at + settings.max_session)),
            (Timer::Ping, Some(self.ping_due(settings))),
        ]
    }

    /// When this session next wants to be looked at.
    pub(crate) fn deadline(&self, settings: &Settings) -> Option<BootInstant> {
        if self.context.phase != Phase::Open {
            return None;
        }
        self.timers(settings).into_iter().filter_map(|(_, due)| due).min()
    }

    /// The timer that counts first of those due until a moment. One that is late makes one ping,
    /// never several, and after a long sleep one restart is enough: these are dated at that moment.
    pub(crate) fn due(&self, until: BootInstant, settings: &Settings) -> Option<Due> {
        if self.context.phase != Phase::Open {
            return None;
        }
        let period = |timer| match timer {
            Timer::Ping => Some(self.ping_interval(settings)),
            Timer::Age => Some(settings.max_session),
            _ => None,
        };
        let due = self.timers(settings).into_iter().filter_map(|(timer, due)| {
            let due = due.filter(|due| *due <= until)?;
            let late = period(timer).is_some_and(|period| until - due >= period);
            Some(Due { at: if late { until } else { due }, timer })
        });
        due.min()
    }

    /// A timer has run out.
    pub(crate) fn run(&mut self, due: Due, out: &mut TrackerContext<'_>) {
        match due.timer {
            Timer::Opening => self.release_opening(out),
            Timer::Idle => {
                // `sessionEnd` alone: what is open stays in the context (spec 5.2).
                self.release_opening(out);
                self.report(What::End, due.at, out);
                self.context.phase = Phase::Dormant;
            }
            Timer::Age => {
                self.release_opening(out);
                self.report(What::End, due.at, out);
                self.restart(due.at, out);
            }
            Timer::Ping => self.report(What::Ping, due.at, out),
            // The sessions' own.
            Timer::Grace => {}
        }
    }

    /// The ping that is due by now, if there is one, before anything else of this moment.
    pub(super) fn ping_if_due(&mut self, now: BootInstant, out: &mut TrackerContext<'_>) {
        let due = self.ping_due(out.settings);
        if self.context.phase == Phase::Open && due <= now {
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
}
