//! When to try again: full jitter, `Retry-After`, the spread after an outage and the rate of a
//! backlog (behaviour.md 2.7). Random numbers come from a seed that the caller gives.

use serde::{Deserialize, Serialize};

use crate::core::settings::DeliverySettings;
use crate::core::time::{BootInstant, Span};

/// SplitMix64: a stream of numbers that is the same for the same seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A span in `0..=max`.
    pub fn up_to(&mut self, max: Span) -> Span {
        Span((self.number() % (max.0.max(0) as u64 + 1)) as i64)
    }

    /// 32 hexadecimal digits, for an installation id.
    pub fn hex128(&mut self) -> String {
        format!("{:016x}{:016x}", self.number(), self.number())
    }
}

/// The failures in a row, and when the next try may be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    failures: u32,
    pub not_before: BootInstant,
    /// The collector asked for the present wait.
    asked: bool,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { failures: 0, not_before: BootInstant(i64::MIN), asked: false }
    }
}

impl Retry {
    /// Another failure: a random delay below a ceiling that doubles (full jitter), or exactly
    /// what the collector asked for.
    pub fn failed(
        &mut self,
        now: BootInstant,
        after: Option<Span>,
        settings: &DeliverySettings,
        chance: &mut Rng,
    ) {
        let doubled = settings.backoff_first.0.saturating_mul(1 << self.failures.min(20));
        let ceiling = Span(doubled.min(settings.backoff_max.0));
        self.failures += 1;
        let delay = match after {
            Some(after) => after.min(settings.retry_after_max),
            None => chance.up_to(ceiling),
        };
        self.not_before = now + delay;
        self.asked = after.is_some();
    }

    /// The end of a wait that the collector asked for; it survives a restart of the agent.
    pub fn asked_for(&self) -> Option<BootInstant> {
        self.asked.then_some(self.not_before)
    }

    /// A wait that the collector asked for before the agent was restarted.
    pub fn restored(not_before: BootInstant) -> Retry {
        Retry { failures: 0, not_before, asked: true }
    }

    /// Resets the back-off.
    pub fn succeeded(&mut self) {
        *self = Retry::default();
    }

    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// A token bucket: one request each `1 / rate` seconds, without bursts.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    next: BootInstant,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { next: BootInstant(i64::MIN) }
    }
}

impl Pace {
    pub fn ready(&self) -> BootInstant {
        self.next
    }

    /// A request goes out now. `rate` is in requests per second, 0 is no limit.
    pub fn spend(&mut self, now: BootInstant, rate: u32) {
        if rate > 0 {
            self.next = now + Span::millis(i64::from(1000 / rate.min(1000)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_to_its_limit_and_the_draw_stays_below() {
        let settings = DeliverySettings::default();
        let mut chance = Rng::new(7);
        let mut retry = Retry::default();
        for n in 0..40 {
            let now = BootInstant(1_000_000);
            retry.failed(now, None, &settings, &mut chance);
            let ceiling = (1000_i64 << n.min(20)).min(300_000);
            assert!(retry.not_before - now <= Span(ceiling), "failure {n}");
        }
        retry.failed(BootInstant(0), Some(Span::seconds(7)), &settings, &mut chance);
        assert_eq!(retry.not_before, BootInstant(7000), "Retry-After has no jitter");
    }
}
