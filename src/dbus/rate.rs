//! Rates (behaviour.md 2.8): token buckets that fill at the allowed rate.

use crate::core::time::{BootInstant, Span};

/// How much is allowed: so many a second, after so many at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

#[derive(Debug)]
pub(super) struct Bucket {
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
}
