//! The rate limit of a sender (behaviour.md 2.8): a token bucket that fills at the allowed rate.

use crate::core::settings::Limits;
use crate::core::time::BootInstant;

#[derive(Debug)]
pub(super) struct Bucket {
    /// In thousandths of a message, so that each ms fills a whole number.
    filled: u64,
    looked: BootInstant,
}

const MESSAGE: u64 = 1000;

impl Bucket {
    /// A new sender may send a whole burst.
    pub fn full(limits: &Limits, now: BootInstant) -> Bucket {
        Bucket { filled: u64::from(limits.event_burst) * MESSAGE, looked: now }
    }

    /// Whether one more message is within the limits.
    pub fn take(&mut self, limits: &Limits, now: BootInstant) -> bool {
        let passed = (now - self.looked).0.max(0).unsigned_abs();
        self.looked = now;
        let most = u64::from(limits.event_burst) * MESSAGE;
        let fresh = passed.saturating_mul(u64::from(limits.events_per_second));
        self.filled = self.filled.saturating_add(fresh).min(most);
        match self.filled.checked_sub(MESSAGE) {
            Some(left) => {
                self.filled = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, limits: &Limits, at: i64) -> u32 {
        (0..1000).map(|_| u32::from(bucket.take(limits, BootInstant(at)))).sum()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let limits = Limits { events_per_second: 50, event_burst: 200, ..Limits::default() };
        let mut bucket = Bucket::full(&limits, BootInstant(0));
        assert_eq!(taken(&mut bucket, &limits, 0), 200);
        assert_eq!(taken(&mut bucket, &limits, 19), 0);
        assert_eq!(taken(&mut bucket, &limits, 20), 1);
        assert_eq!(taken(&mut bucket, &limits, 1020), 50);
        assert_eq!(taken(&mut bucket, &limits, 3_600_000), 200);
        assert_eq!(taken(&mut bucket, &limits, 0), 0, "a clock that goes back fills nothing");
    }
}
