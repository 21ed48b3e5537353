//! Rates (behaviour.md 2.8): token buckets that fill at the allowed rate, and those that hold for the
//! events of one sender, of one uid and of all. The bus's door and the simulated one both ask here.

use std::collections::HashMap;

use super::rejected::{Refusal, Rejected};
use super::settings::Limits;
use super::time::{BootInstant, Span};

/// How much is allowed: so many a second, after so many at once.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

impl Rate {
    /// The rate of one sender's events.
    pub fn of_sender(limits: &Limits) -> Rate {
        Rate { per_second: limits.events_per_second, burst: limits.event_burst }
    }

    /// The rate of the events of one uid.
    pub fn of_uid(limits: &Limits) -> Rate {
        Rate { per_second: limits.uid_events_per_second, burst: limits.uid_event_burst }
    }

    /// The rate of everybody's events.
    pub fn of_all(limits: &Limits) -> Rate {
        Rate { per_second: limits.all_events_per_second, burst: limits.all_event_burst }
    }
}

/// What may still be said at a rate.
#[derive(Debug)]
pub struct Bucket {
    /// In thousandths of a message, so that each ms fills a whole number. Below zero for what was
    /// reserved.
    filled: i64,
    looked: BootInstant,
}

const MESSAGE: i64 = 1000;

impl Bucket {
    /// A new sender may send a whole burst.
    pub fn full(rate: Rate, now: BootInstant) -> Bucket {
        Bucket { filled: i64::from(rate.burst) * MESSAGE, looked: now }
    }

    fn fill(&mut self, rate: Rate, now: BootInstant) {
        let passed = (now - self.looked).0.max(0);
        self.looked = now;
        let most = i64::from(rate.burst) * MESSAGE;
        let fresh = passed.saturating_mul(rate.per_second.into());
        self.filled = self.filled.saturating_add(fresh).min(most);
    }

    /// Whether a message that counts as `cost` is within the rate. One that counts as more than a
    /// whole burst passes when the bucket is full.
    pub fn take(&mut self, rate: Rate, cost: u32, now: BootInstant) -> bool {
        self.fill(rate, now);
        let cost = i64::from(cost.min(rate.burst)) * MESSAGE;
        let enough = self.filled >= cost;
        if enough {
            self.filled -= cost;
        }
        enough
    }

    /// Reserves room for one message, and gives how long it has to wait for it.
    pub fn reserve(&mut self, rate: Rate, now: BootInstant) -> Span {
        self.fill(rate, now);
        self.filled -= MESSAGE;
        let missing = (-self.filled).max(0);
        let per_ms = i64::from(rate.per_second.max(1));
        Span::millis((missing + per_ms - 1) / per_ms)
    }

    /// Gives back what `reserve` has taken for a message that is not sent.
    pub fn give_back(&mut self) {
        self.filled += MESSAGE;
    }

    /// Whether it is full, so that forgetting it changes nothing.
    pub fn is_full(&mut self, rate: Rate, now: BootInstant) -> bool {
        self.fill(rate, now);
        self.filled >= i64::from(rate.burst) * MESSAGE
    }
}

/// How long what was dropped is counted before the agent is told.
pub const COUNT_EVERY: Span = Span::seconds(1);
/// Rates of uids that are remembered before those that have sent nothing lately are forgotten.
pub const UIDS: usize = 64;

/// As how many events one with a body of `bytes` counts: long ones count as several, so that a rate
/// bounds what is written too.
pub fn cost(bytes: usize, limits: &Limits) -> u32 {
    let each = limits.string_bytes.max(1);
    u32::try_from(bytes / each).unwrap_or(u32::MAX).saturating_add(1)
}

/// What each sender, each uid and all together may still say.
#[derive(Debug, Default)]
pub struct EventRates {
    senders: HashMap<String, Bucket>,
    uids: HashMap<u32, Bucket>,
    all: Option<Bucket>,
}

impl EventRates {
    /// Whether an event is within its sender's rate.
    ///
    /// Errors: `LimitsExceeded`.
    pub fn of_sender(
        &mut self,
        limits: &Limits,
        sender: &str,
        cost: u32,
        now: BootInstant,
    ) -> Result<(), Rejected> {
        let rate = Rate::of_sender(limits);
        if !self.senders.contains_key(sender) {
            self.senders.insert(sender.to_owned(), Bucket::full(rate, now));
        }
        match self.senders.get_mut(sender).is_some_and(|bucket| bucket.take(rate, cost, now)) {
            true => Ok(()),
            false => Err(over("a sender", rate)),
        }
    }

    /// Whether an event that is within its sender's rate is within that of its uid and that of all.
    /// No uid: root and the service's own user, whom no limit of a uid concerns.
    ///
    /// Errors: `LimitsExceeded`.
    pub fn of_others(
        &mut self,
        limits: &Limits,
        uid: Option<u32>,
        cost: u32,
        now: BootInstant,
    ) -> Result<(), Rejected> {
        let rate = Rate::of_uid(limits);
        if let Some(uid) = uid {
            if self.uids.len() > UIDS {
                self.uids.retain(|_, bucket| !bucket.is_full(rate, now));
            }
            let bucket = self.uids.entry(uid).or_insert_with(|| Bucket::full(rate, now));
            if !bucket.take(rate, cost, now) {
                return Err(over("the senders of one uid", rate));
            }
        }
        let rate = Rate::of_all(limits);
        match self.all.get_or_insert_with(|| Bucket::full(rate, now)).take(rate, cost, now) {
            true => Ok(()),
            false => Err(over("all senders together", rate)),
        }
    }

    /// A sender is gone.
    pub fn forget(&mut self, sender: &str) {
        self.senders.remove(sender);
    }
}

/// What `who` is told who has sent too much.
fn over(who: &str, rate: Rate) -> Rejected {
    let Rate { per_second, burst } = rate;
    let why = format!(
        "{who} may send {per_second} messages a second, {burst} at once; this one was dropped"
    );
    Rejected::new(Refusal::LimitsExceeded, why)
}

/// Why so many messages of the last second were dropped, for the log.
pub fn over_the_limits(events: u64) -> Rejected {
    let why = format!("{events} messages over the limits, the last of this sender");
    Rejected::new(Refusal::LimitsExceeded, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 50, burst: 200 };

    fn taken(bucket: &mut Bucket, at: i64) -> u32 {
        (0..1000).map(|_| u32::from(bucket.take(RATE, 1, BootInstant(at)))).sum()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut bucket = Bucket::full(RATE, BootInstant(0));
        assert_eq!(taken(&mut bucket, 0), 200);
        assert_eq!(taken(&mut bucket, 19), 0);
        assert_eq!(taken(&mut bucket, 20), 1);
        assert_eq!(taken(&mut bucket, 1020), 50);
        assert_eq!(taken(&mut bucket, 3_600_000), 200);
        assert_eq!(taken(&mut bucket, 0), 0, "a clock that goes back fills nothing");
    }

    #[test]
    fn a_large_message_counts_as_several_and_is_never_locked_out() {
        let mut bucket = Bucket::full(RATE, BootInstant(0));
        assert!(bucket.take(RATE, 150, BootInstant(0)) && !bucket.take(RATE, 51, BootInstant(0)));
        assert!(bucket.take(RATE, 50, BootInstant(0)));
        assert!(bucket.take(RATE, 1_000, BootInstant(4_000)), "it takes the whole burst");
        assert!(!bucket.take(RATE, 1, BootInstant(4_000)));
    }

    #[test]
    fn what_is_reserved_waits_its_turn() {
        let rate = Rate { per_second: 50, burst: 2 };
        let mut bucket = Bucket::full(rate, BootInstant(0));
        let waits: Vec<i64> = (0..4).map(|_| bucket.reserve(rate, BootInstant(0)).0).collect();
        assert_eq!(waits, [0, 0, 20, 40]);
        bucket.reserve(rate, BootInstant(0));
        bucket.give_back();
        assert_eq!(bucket.reserve(rate, BootInstant(60)).0, 0);
        assert!(!bucket.is_full(rate, BootInstant(60)) && bucket.is_full(rate, BootInstant(200)));
    }
    /// How many of 2,000 events each pass: from one sender, from ten of one uid, from ten of ten.
    #[test]
    fn each_rate_holds_for_its_own() {
        let limits = crate::core::settings::Settings::default().limits;
        let passed = |senders: usize, uids: u32| {
            let mut rates = EventRates::default();
            let now = BootInstant(0);
            (0..2_000_u32)
                .filter(|n| {
                    let (sender, uid) = (*n as usize % senders, n % uids);
                    rates.of_sender(&limits, &format!(":1.{sender}"), 1, now).is_ok()
                        && rates.of_others(&limits, Some(uid), 1, now).is_ok()
                })
                .count()
        };
        assert_eq!([passed(1, 1), passed(10, 1), passed(10, 10)], [200, 600, 1_000]);
    }

    #[test]
    fn what_is_forgotten_was_full_or_gone() {
        let limits = crate::core::settings::Settings::default().limits;
        let (mut rates, now) = (EventRates::default(), BootInstant(0));
        let mut say = |uid, cost, at| {
            let within = rates.of_others(&limits, Some(uid), cost, BootInstant(at));
            (within.is_ok(), rates.uids.len())
        };
        assert!(say(7, 600, 0).0 && !say(7, 1, 0).0);
        for uid in 100..200 {
            assert!(say(uid, 1, 0).0);
        }
        assert_eq!(say(7, 151, 1_000), (false, 1), "only what is full was forgotten");
        assert!(say(7, 150, 1_000).0);
        assert!(rates.of_sender(&limits, ":1.1", 200, now).is_ok());
        assert!(rates.of_sender(&limits, ":1.1", 1, now).is_err());
        rates.forget(":1.1");
        assert!(rates.of_sender(&limits, ":1.1", 1, now).is_ok(), "another connection");
    }

    #[test]
    fn a_long_event_counts_as_one_for_each_4_kib() {
        let limits = crate::core::settings::Settings::default().limits;
        let costs = [0, 4_095, 4_096, 65_536].map(|bytes| cost(bytes, &limits));
        assert_eq!(costs, [1, 1, 2, 17]);
    }
}
