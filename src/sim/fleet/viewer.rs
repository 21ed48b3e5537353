//! Viewers: when somebody watches on a box, and what the player says of it.

use std::collections::BTreeMap;

use super::hit::Viewing;
use super::scenarios::Scenario;
use crate::core::delivery::backoff::Rng;
use crate::core::tracker::event::EventName;
use crate::core::tracker::info::{Info, Value};

/// What happens on one box, beside what its viewer does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Another channel.
    Zap,
    Ad(AdEvent),
    Stop,
    Restart,
    Boot,
    LinkUp,
    ClockSet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdEvent {
    Break,
    Start(u8),
    Complete,
    BreakOver,
}

/// Ads of a break, and how long each is in ms.
const ADS: u8 = 4;
const AD: i64 = 30_000;
/// The shortest viewing, in ms.
const SHORTEST: f64 = 20_000.0;
/// How many of those whose box lost its power go on watching.
const GO_ON: f64 = 0.7;

/// A break, as times after its beginning, in ms.
pub fn ad_break() -> Vec<(i64, AdEvent)> {
    let mut events = vec![(0, AdEvent::Break)];
    for ad in 0..ADS {
        events.push((i64::from(ad) * AD, AdEvent::Start(ad)));
        events.push((i64::from(ad + 1) * AD, AdEvent::Complete));
    }
    events.push((i64::from(ADS) * AD, AdEvent::BreakOver));
    events
}

impl AdEvent {
    /// Whether an ad plays after it.
    pub fn in_ad(self) -> bool {
        matches!(self, AdEvent::Start(_))
    }

    /// As the player says it.
    pub fn said(self) -> (EventName, Info) {
        let text = |key: &str, value: &str| (key.to_owned(), Value::Text(value.to_owned()));
        let position = |n: u8| ("position".to_owned(), Value::Int(i64::from(n) + 1));
        match self {
            AdEvent::Break => {
                let start = ("start".to_owned(), Value::Float(600.0));
                (
                    EventName::AdBreakStart,
                    BTreeMap::from([text("name", "break"), position(0), start]),
                )
            }
            AdEvent::Start(n) => {
                let length = ("length".to_owned(), Value::Float(AD as f64 / 1000.0));
                let info = [text("id", "ad"), text("name", "ad"), position(n), length];
                (EventName::AdStart, BTreeMap::from(info))
            }
            AdEvent::Complete => (EventName::AdComplete, Info::new()),
            AdEvent::BreakOver => (EventName::AdBreakComplete, Info::new()),
        }
    }
}

/// What a player says of what it plays.
pub fn media_info(id: &str) -> Info {
    let text = |key: &str, value: &str| (key.to_owned(), Value::Text(value.to_owned()));
    // Nobody comes to its end.
    let length = ("length".to_owned(), Value::Float(200_000.0));
    BTreeMap::from([text("id", id), text("name", "An evening"), length])
}

#[derive(Debug)]
pub struct Viewer {
    chance: Rng,
    pub watches: Option<Viewing>,
    /// What was expected of an earlier turn is void.
    pub turn: u16,
    /// It watched when the power was cut.
    watched: bool,
}

impl Viewer {
    pub fn new(seed: u64) -> Viewer {
        Viewer { chance: Rng::new(seed), watches: None, turn: 0, watched: false }
    }

    /// When the first viewing begins, if one does. As many watch in the first minute as always do.
    pub fn first(&mut self, scenario: &Scenario) -> Option<i64> {
        let watches = self.share() < scenario.watching;
        match (watches, scenario.viewing_s) {
            (true, Some(_)) => Some((self.share() * 60_000.0) as i64),
            (true, None) => Some((self.share() * 120_000.0) as i64),
            (false, Some(_)) => Some(60_000 + self.idle(scenario)),
            (false, None) => None,
        }
    }

    /// A viewing begins. Gives when it ends.
    pub fn begins(&mut self, viewing: Viewing, now: i64, scenario: &Scenario) -> Option<i64> {
        self.watches = Some(viewing);
        self.turn += 1;
        let mean = scenario.viewing_s? as f64 * 1000.0;
        Some(now + self.exponential(mean).max(SHORTEST) as i64)
    }

    /// A viewing ends. Gives when the next one begins.
    pub fn ends(&mut self, now: i64, scenario: &Scenario) -> Option<i64> {
        self.watches = None;
        self.turn += 1;
        Some(now + self.idle(scenario))
    }

    pub fn power_cut(&mut self) {
        self.watched = self.watches.take().is_some();
        self.turn += 1;
    }

    /// Whoever watched goes on at `watch`, as far as they want to.
    pub fn power_back(&mut self, watch: i64, scenario: &Scenario) -> Option<i64> {
        let goes_on = std::mem::take(&mut self.watched) && self.share() < GO_ON;
        Some(if goes_on { watch } else { watch + self.idle(scenario) })
    }

    /// How long nobody watches, in ms.
    fn idle(&mut self, scenario: &Scenario) -> i64 {
        let viewing = scenario.viewing_s.unwrap_or(3_600) as f64 * 1000.0;
        self.exponential(viewing * (1.0 - scenario.watching) / scenario.watching) as i64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.share()).ln()
    }

    /// A number in `0..1`.
    fn share(&mut self) -> f64 {
        (self.chance.number() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
