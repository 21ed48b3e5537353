//! What the log says of what lasts: that nothing is sent and why, that delivery goes on, and a
//! reminder every hour while something is wrong.

use super::Engine;
use super::failure::Failure;
use super::mistakes::reason;
use crate::core::delivery::trouble::DeliveryState;
use crate::core::message_ids as ids;
use crate::core::time::{BootInstant, Now, Span};

/// While something lasts, the log says so again after this.
const AGAIN: Span = Span::seconds(3600);
/// A state of delivery that flaps has one line in this time.
const QUIET: Span = Span::seconds(60);

/// What the log is to say of delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing gets through, since then.
    Stops(DeliveryState, BootInstant),
    /// It is still so.
    Lasts(DeliveryState, BootInstant),
    /// What was in the way for so long is over.
    GoesOn(DeliveryState, Span),
}

/// What the log has said.
#[derive(Debug)]
pub struct Alerts {
    /// What is in the way of delivery, and since when; `None`: nothing.
    present: Option<DeliveryState>,
    changed: BootInstant,
    /// The same as the log has it.
    said: Option<(DeliveryState, BootInstant)>,
    said_at: Option<BootInstant>,
    looked_at: BootInstant,
}

impl Alerts {
    pub fn new(now: BootInstant) -> Alerts {
        Alerts { present: None, changed: now, said: None, said_at: None, looked_at: now }
    }

    /// Looks at the state of delivery, with so many hits waiting.
    pub fn look(&mut self, state: DeliveryState, waiting: u64, now: BootInstant) -> Option<News> {
        let before = std::mem::replace(&mut self.looked_at, now);
        let present = explained(state).map(|_| state);
        if present != self.present {
            (self.present, self.changed) = (present, now);
        }
        if state == DeliveryState::OptedOut {
            // Whoever opted out has a line of its own, and nothing waits any more.
            self.said = None;
        }
        let quiet = self.said_at.is_some_and(|at| now - at < QUIET);
        let news = match (self.said, present) {
            (Some((said, since)), Some(state)) if said == state => {
                let again = waiting > 0 && hour_over(since, before) <= now;
                return again.then_some(News::Lasts(state, since));
            }
            (None, None) => return None,
            _ if quiet => return None,
            (_, Some(state)) => News::Stops(state, self.changed),
            (Some((was, since)), None) => News::GoesOn(was, self.changed - since),
        };
        self.said = present.map(|state| (state, self.changed));
        self.said_at = Some(now);
        Some(news)
    }

    /// When it has to look at the latest.
    fn deadline(&self) -> Option<BootInstant> {
        match self.said {
            said if said.map(|(state, _)| state) != self.present => Some(self.said_at? + QUIET),
            Some((_, since)) => Some(hour_over(since, self.looked_at)),
            None => None,
        }
    }
}

/// The end of the hour, counted from `since`, in which `at` lies; of the first one before it.
fn hour_over(since: BootInstant, at: BootInstant) -> BootInstant {
    since + Span((at - since).0.max(0) / AGAIN.0 * AGAIN.0) + AGAIN
}

/// Message id and sentence of a state that keeps hits back or fails; `None` for any other.
fn explained(state: DeliveryState) -> Option<(&'static str, &'static str)> {
    Some(match state {
        DeliveryState::WaitingConsent => {
            (ids::WAITS_FOR_CONSENT, "nothing is sent: nobody has said what the viewer allows")
        }
        DeliveryState::WaitingClock => {
            (ids::WAITS_FOR_CLOCK, "nothing is sent: the clock is not right yet")
        }
        DeliveryState::HeldMetered => {
            (ids::HELD_METERED, "nothing is sent: the connection is metered")
        }
        DeliveryState::HeldBudget => {
            (ids::HELD_BUDGET, "nothing is sent: the bytes of this day are spent")
        }
        DeliveryState::Failing => (ids::DELIVERY_FAILS, "delivery fails; it is tried again"),
        DeliveryState::OptedOut
        | DeliveryState::WaitingNetwork
        | DeliveryState::Working
        | DeliveryState::Idle => return None,
    })
}

impl Failure {
    /// The message id of a failure of which the log reminds; `None` for those that are said otherwise.
    fn reminder(&self) -> Option<&'static str> {
        match self {
            Failure::Configuration(..) => Some(ids::CONFIGURATION_BROKEN),
            Failure::ClockHidden => Some(ids::CLOCK_HIDDEN),
            Failure::Store(_) => Some(ids::STORE_FAILS),
            Failure::PlayersAway => Some(ids::PLAYERS_AWAY),
            Failure::NotConfigured(..)
            | Failure::StoreSetAside(_)
            | Failure::Delivery(..)
            | Failure::Refused(..) => None,
        }
    }
}

impl Engine {
    /// Says in the log what there is to say.
    pub(super) fn alert(&mut self, now: Now) {
        let before = self.alerts.looked_at;
        for (failure, since) in self.failures.iter() {
            if let Some(message_id) = failure.reminder()
                && hour_over(since, before) <= now.boot
            {
                let (since, why) = (now.at(since).wall, failure);
                tracing::error!(message_id, %since, %why, "still: {}", failure.effect());
            }
        }
        let state = self.agent.delivery_state(now);
        let delivery = self.agent.delivery();
        let waiting = delivery.queued();
        let (state, since, still) = match self.alerts.look(state, waiting, now.boot) {
            None => return,
            Some(News::GoesOn(was, after)) => {
                let (was, after_seconds) = (was.name(), after.0 / 1000);
                return tracing::info!(was, after_seconds, waiting, "delivery goes on");
            }
            Some(News::Stops(state, since)) => (state, since, ""),
            Some(News::Lasts(state, since)) => (state, since, "still: "),
        };
        let Some((message_id, text)) = explained(state) else { return };
        let failing = delivery.failing().filter(|_| state == DeliveryState::Failing);
        let why = failing.map(|(_, trouble)| reason(&trouble.problem.why));
        let collector = failing.map(|(_, trouble)| &*trouble.collector);
        let until = delivery.budget_until(now).filter(|_| state == DeliveryState::HeldBudget);
        let until = until.map(|until| tracing::field::display(now.at(until).wall));
        let oldest = delivery.oldest_queued(now).map(tracing::field::display);
        let (state, since) = (state.name(), now.at(since).wall);
        tracing::warn!(
            message_id, state, %since, until, collector, why, waiting, oldest, "{still}{text}"
        );
    }

    /// When something is to be said at the latest.
    pub(super) fn alert_due(&self) -> Option<BootInstant> {
        let lasting = self.failures.iter().filter(|(failure, _)| failure.reminder().is_some());
        let reminders = lasting.map(|(_, since)| hour_over(since, self.alerts.looked_at));
        reminders.chain(self.alerts.deadline()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::DeliveryState::*;
    use super::*;

    const T0: BootInstant = BootInstant(1_000_000);

    fn at(seconds: i64) -> BootInstant {
        T0 + Span(seconds * 1000)
    }

    /// Looks whenever it is due up to a moment, and then.
    fn until(alerts: &mut Alerts, state: DeliveryState, seconds: i64) -> Vec<(i64, News)> {
        let mut said = Vec::new();
        loop {
            let due = alerts.deadline().filter(|due| *due < at(seconds));
            let now = due.unwrap_or(at(seconds));
            assert!(due.is_none_or(|due| due > alerts.looked_at), "it comes to rest");
            let news = alerts.look(state, 3, now);
            said.extend(news.map(|news| ((now - T0).0 / 1000, news)));
            if due.is_none() {
                return said;
            }
        }
    }

    #[test]
    fn a_hold_has_a_line_a_reminder_each_hour_and_an_end() {
        let mut alerts = Alerts::new(T0);
        assert_eq!(until(&mut alerts, Idle, 10), []);
        let stops = (20, News::Stops(HeldMetered, at(20)));
        assert_eq!(until(&mut alerts, HeldMetered, 20), [stops]);
        let lasts = |seconds| (seconds, News::Lasts(HeldMetered, at(20)));
        assert_eq!(until(&mut alerts, HeldMetered, 7_300), [lasts(3_620), lasts(7_220)]);
        let goes_on = (7_310, News::GoesOn(HeldMetered, Span::seconds(7_290)));
        assert_eq!(until(&mut alerts, Working, 7_310), [goes_on]);
        assert_eq!(until(&mut alerts, Idle, 90_000), []);
    }

    #[test]
    fn a_state_that_flaps_has_a_line_a_minute() {
        let mut alerts = Alerts::new(T0);
        let mut lines = Vec::new();
        for second in 0..600 {
            let state = if second % 2 == 0 { Failing } else { Working };
            lines.extend(until(&mut alerts, state, second));
        }
        assert!((9..=10).contains(&lines.len()), "{lines:?}");
        // What it comes to is what was said last.
        lines.extend(until(&mut alerts, Idle, 900));
        assert!(matches!(lines.last(), Some((_, News::GoesOn(Failing, _)))), "{lines:?}");
        assert_eq!(alerts.said, None);
    }

    #[test]
    fn another_hold_takes_the_place_of_the_first() {
        let mut alerts = Alerts::new(T0);
        until(&mut alerts, WaitingClock, 0);
        assert_eq!(until(&mut alerts, WaitingConsent, 59), []);
        let stops = (60, News::Stops(WaitingConsent, at(59)));
        assert_eq!(until(&mut alerts, WaitingConsent, 70), [stops]);
        assert_eq!(until(&mut alerts, OptedOut, 80), [], "opting out has a line of its own");
        assert_eq!(until(&mut alerts, Working, 500), []);
    }

    #[test]
    fn nothing_waits_and_nothing_is_said_again() {
        let mut alerts = Alerts::new(T0);
        assert!(alerts.look(WaitingConsent, 0, T0).is_some());
        assert_eq!(alerts.look(WaitingConsent, 0, at(3_600)), None);
        assert_eq!(alerts.deadline(), Some(at(7_200)));
    }
}
