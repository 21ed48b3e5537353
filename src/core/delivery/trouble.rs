//! What is wrong with delivery at present, and what keeps hits back, in words for people
//! (behaviour.md 1.3).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::Delivery;
use super::lane::Lane;
use super::log::Log;
use crate::core::dialect::exchange::Problem;
use crate::core::settings::{CollectorSettings, Consent, Settings};
use crate::core::time::{BootInstant, Now, Span, WallTime};

/// Lanes whose failures are remembered one by one. What fails in more of them says nothing new.
const MOST: usize = 64;
/// A refused hit is shown for so long.
const REFUSAL_SHOWN: Span = Span::seconds(3600);

/// What keeps hits back: the first that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryState {
    OptedOut,
    WaitingConsent,
    WaitingClock,
    HeldMetered,
    HeldBudget,
    Failing,
    WaitingNetwork,
    /// Hits wait or are under way, and nothing is in their way.
    Working,
    Idle,
}

impl DeliveryState {
    /// The word for the property `DeliveryState`.
    pub const fn name(self) -> &'static str {
        match self {
            DeliveryState::OptedOut => "opted-out",
            DeliveryState::WaitingConsent => "waiting-consent",
            DeliveryState::WaitingClock => "waiting-clock",
            DeliveryState::HeldMetered => "held-metered",
            DeliveryState::HeldBudget => "held-budget",
            DeliveryState::Failing => "failing",
            DeliveryState::WaitingNetwork => "waiting-network",
            DeliveryState::Working => "working",
            DeliveryState::Idle => "idle",
        }
    }
}

/// A lane that fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    pub collector: Arc<str>,
    /// When the first try of the row was sent.
    pub since: BootInstant,
    pub last: BootInstant,
    pub problem: Problem,
}

/// Hits that a collector has refused for good, as one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusals {
    pub since: BootInstant,
    pub last: BootInstant,
    /// How many since then.
    pub count: u64,
    /// The newest.
    pub problem: Problem,
}

/// What a collector last said, and when.
pub type Heard = (WallTime, Result<u16, Problem>);

/// What one collector last said, took and refused.
#[derive(Debug, Default)]
struct Exchanges {
    refusals: Option<Refusals>,
    heard: Option<Heard>,
    /// When it last took something.
    delivered: Option<WallTime>,
}

/// What collectors last said, and what they refuse.
#[derive(Debug, Default)]
pub struct Troubles {
    lanes: BTreeMap<(u64, Arc<str>), Trouble>,
    collectors: BTreeMap<Arc<str>, Exchanges>,
}

impl Troubles {
    fn of(&mut self, collector: &Arc<str>) -> &mut Exchanges {
        self.collectors.entry(collector.clone()).or_default()
    }

    pub fn heard(&mut self, collector: &Arc<str>, at: WallTime, said: Result<u16, Problem>) {
        self.of(collector).heard = Some((at, said));
    }

    pub fn failed(
        &mut self,
        key: u64,
        collector: &Arc<str>,
        sent_at: BootInstant,
        now: BootInstant,
        problem: &Problem,
    ) {
        let room = self.lanes.len() < MOST;
        let collector = collector.clone();
        let new = Trouble {
            collector: collector.clone(),
            since: sent_at,
            last: now,
            problem: problem.clone(),
        };
        match self.lanes.entry((key, collector)) {
            Entry::Occupied(mut known) => {
                let since = known.get().since;
                known.insert(Trouble { since, ..new });
            }
            Entry::Vacant(place) if room => {
                place.insert(new);
            }
            Entry::Vacant(_) => {}
        }
    }

    /// A collector has taken something.
    pub fn delivered(&mut self, collector: &Arc<str>, at: WallTime) {
        self.of(collector).delivered = Some(at);
    }

    /// A lane does not fail any more.
    pub fn over(&mut self, key: u64, collector: &Arc<str>) {
        if !self.lanes.is_empty() {
            self.lanes.remove(&(key, collector.clone()));
        }
    }

    /// A log is gone.
    pub fn forget(&mut self, key: u64) {
        if !self.lanes.is_empty() {
            self.lanes.retain(|(log, _), _| *log != key);
        }
    }

    /// What failed is tried with another configuration, which has these collectors.
    pub fn try_anew(&mut self, collectors: &[CollectorSettings]) {
        self.lanes.clear();
        self.collectors.retain(|name, _| collectors.iter().any(|known| known.name == **name));
    }

    /// Nothing that was said counts any more.
    pub fn forget_all(&mut self) {
        self.lanes.clear();
        self.collectors.clear();
    }

    pub fn refused(&mut self, collector: &Arc<str>, now: BootInstant, problem: Problem) {
        let refusals = &mut self.of(collector).refusals;
        let before = refusals.take().filter(|r| now - r.last < REFUSAL_SHOWN);
        let (since, count) = before.map_or((now, 0), |r| (r.since, r.count));
        *refusals = Some(Refusals { since, last: now, count: count + 1, problem });
    }
}

impl Delivery {
    /// Since when some lane fails, and the newest failure.
    pub fn failing(&self) -> Option<(BootInstant, &Trouble)> {
        self.failing_at(|_| true)
    }

    /// The same of the lanes of one collector.
    pub fn failing_of(&self, collector: &str) -> Option<(BootInstant, &Trouble)> {
        self.failing_at(|name| name == collector)
    }

    fn failing_at(&self, is_meant: impl Fn(&str) -> bool) -> Option<(BootInstant, &Trouble)> {
        let meant = self.troubles.lanes.values().filter(|trouble| is_meant(&trouble.collector));
        meant.fold(None, |found, trouble| {
            let (since, newest) = found.unwrap_or((trouble.since, trouble));
            let newest = if trouble.last >= newest.last { trouble } else { newest };
            Some((since.min(trouble.since), newest))
        })
    }

    fn exchanges(&self, collector: &str) -> Option<&Exchanges> {
        self.troubles.collectors.get(collector)
    }

    /// What a collector has refused in the last hour.
    pub fn refusals(&self, collector: &str, now: BootInstant) -> Option<&Refusals> {
        let refusals = self.exchanges(collector)?.refusals.as_ref();
        refusals.filter(|r| now - r.last < REFUSAL_SHOWN)
    }

    /// What a collector last said, and when.
    pub fn heard_of(&self, collector: &str) -> Option<&Heard> {
        self.exchanges(collector)?.heard.as_ref()
    }

    /// What any of them last said, and when.
    pub fn last_heard(&self) -> Option<&Heard> {
        let all = self.troubles.collectors.values();
        all.filter_map(|of| of.heard.as_ref()).max_by_key(|(at, _)| *at)
    }

    /// When a collector last took something.
    pub fn delivered_of(&self, collector: &str) -> Option<WallTime> {
        self.exchanges(collector)?.delivered
    }

    /// When any of them last took something.
    pub fn last_delivered(&self) -> Option<WallTime> {
        self.troubles.collectors.values().filter_map(|of| of.delivered).max()
    }

    /// What keeps hits back.
    pub fn state(&self, consent: Consent, now: Now, settings: &Settings) -> DeliveryState {
        let gates = self.gates;
        let budget = settings.delivery.daily_bytes > 0 && self.budget_until > now.boot;
        match consent {
            Consent::Out => DeliveryState::OptedOut,
            Consent::Unknown => DeliveryState::WaitingConsent,
            Consent::In if !gates.clock_trusted => DeliveryState::WaitingClock,
            Consent::In if gates.metered && settings.delivery.hold_on_metered => {
                DeliveryState::HeldMetered
            }
            Consent::In if budget && self.queued() > 0 => DeliveryState::HeldBudget,
            Consent::In if self.failing().is_some() => DeliveryState::Failing,
            Consent::In if !gates.online => DeliveryState::WaitingNetwork,
            Consent::In if self.queued() > 0 => DeliveryState::Working,
            Consent::In => DeliveryState::Idle,
        }
    }

    /// When the budget of the day is renewed, if it is spent.
    pub fn budget_until(&self, now: Now) -> Option<BootInstant> {
        Some(self.budget_until).filter(|until| *until > now.boot)
    }

    /// When the oldest hit that waits happened, as far as a clock can tell.
    pub fn oldest_queued(&self, now: Now) -> Option<WallTime> {
        if self.queued() == 0 {
            return None;
        }
        let lanes =
            self.logs.values().flat_map(|log| log.lanes.iter().map(move |lane| (log, lane)));
        let waiting = lanes.filter(|(log, lane)| lane.waiting(&log.summary).count > 0);
        waiting.filter_map(|(log, lane)| self.oldest_of(log, lane, now)).min()
    }

    /// When the oldest hit that waits in a lane happened, as far as a clock can tell.
    pub(super) fn oldest_of(&self, log: &Log, lane: &Lane, now: Now) -> Option<WallTime> {
        let at = lane.front().map_or(log.summary.last_at, |front| front.at);
        let ours = log.origin.boot == self.boot && self.gates.clock_trusted;
        match lane.anchor {
            Some(anchor) => Some(anchor.wall(at)),
            None => ours.then(|| now.at(at).wall),
        }
    }

    /// When the next request can go, while something waits.
    pub fn next_try(&self, settings: &Settings) -> Option<BootInstant> {
        self.deadline(settings).filter(|_| self.queued() > 0)
    }
}
