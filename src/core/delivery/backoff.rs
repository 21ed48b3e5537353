//! When to try again: full jitter and `Retry-After`; and the rate of a backlog (behaviour.md 2.7).
//! Random numbers come from a seed that the caller gives.

use serde::{Deserialize, Serialize};

use crate::core::settings::DeliverySettings;
use crate::core::time::{BootInstant, Span};

/// A network manager that says "online" again and again brings a lane no tries closer than this.
const BETWEEN_REVIVALS: Span = Span::seconds(10);

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

    /// A version 4 UUID, for a session.
    pub fn uuid(&mut self) -> String {
        let (a, b) = (self.number(), self.number());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | (b >> 48) & 0x3fff,
            b & 0xffff_ffff_ffff
        )
    }
}

/// What is known of a failure besides that it was one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Failure {
    /// The wait that the collector asked for.
    pub after: Option<Span>,
    /// A network manager says that there is no network.
    pub offline: bool,
}

/// The failures in a row, and when the next try may be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    failures: u32,
    failed_at: BootInstant,
    not_before: BootInstant,
    /// The collector asked for the present wait.
    asked: bool,
}

impl Default for Retry {
    fn default() -> Retry {
        let never = BootInstant(i64::MIN);
        Retry { failures: 0, failed_at: never, not_before: never, asked: false }
    }
}

impl Retry {
    /// Another failure: a random delay below a ceiling that doubles (full jitter), or what the
    /// collector asked for and up to a tenth of it, so that a fleet does not return as one. A wait
    /// of nothing is no wish. Offline the ceiling is the highest from the first failure on.
    pub fn failed(
        &mut self,
        now: BootInstant,
        failure: Failure,
        settings: &DeliverySettings,
        chance: &mut Rng,
    ) {
        let doubled = settings.backoff_first.0.saturating_mul(1 << self.failures.min(20));
        let most = settings.backoff_max;
        let ceiling = if failure.offline { most } else { Span(doubled).min(most) };
        self.failures += 1;
        self.failed_at = now;
        let wish = failure.after.filter(|after| *after > Span::ZERO);
        self.asked = wish.is_some();
        self.not_before = match wish.map(|wish| wish.min(settings.retry_after_max)) {
            None => now + chance.up_to(ceiling),
            // A short wish again and again does not stop the back-off.
            Some(wish) => {
                let backed_off = chance.up_to(ceiling);
                now + (wish + chance.up_to(Span(wish.0 / 10))).max(backed_off)
            }
        };
    }

    pub fn not_before(&self) -> BootInstant {
        self.not_before
    }

    /// The end of a wait that the collector asked for; it survives a restart of the agent.
    pub fn asked_for(&self) -> Option<BootInstant> {
        self.asked.then_some(self.not_before)
    }

    /// A wait that the collector asked for before the agent was restarted.
    pub fn restored(not_before: BootInstant) -> Retry {
        Retry { not_before, asked: true, ..Retry::default() }
    }

    /// Resets the back-off.
    pub fn succeeded(&mut self) {
        *self = Retry::default();
    }

    /// The next try may be made now; the failures still count.
    pub fn go_on(&mut self) {
        self.not_before = BootInstant(i64::MIN);
        self.asked = false;
    }

    /// Something has changed that may have been in the way, such as the network: the back-off starts
    /// anew. What the collector asked for holds.
    pub fn revive(&mut self) {
        if !self.asked {
            self.soon();
            // It is still one that has failed and may hang.
            self.failures = self.failures.min(1);
        }
    }

    /// Others have reached the collector: a long wait is over. What the collector asked for holds.
    pub fn soon(&mut self) {
        if !self.asked {
            self.not_before = self.not_before.min(self.failed_at + BETWEEN_REVIVALS);
        }
    }

    /// Somebody asks for a try now. What the collector asked for holds.
    pub fn hurry(&mut self) {
        if !self.asked {
            self.not_before = BootInstant(i64::MIN);
        }
    }

    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether a try was made and failed at this instant or later.
    pub fn failed_since(&self, at: BootInstant) -> bool {
        self.failed_at >= at
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

    /// A request goes out now; the next one may go after `interval`.
    pub fn spend(&mut self, now: BootInstant, interval: Span) {
        self.next = now + interval;
    }

    /// No request goes before `until`.
    pub fn hold(&mut self, until: BootInstant) {
        self.next = self.next.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: BootInstant = BootInstant(1_000_000);

    fn waited(retry: &mut Retry, after: Option<Span>, chance: &mut Rng) -> Span {
        let failure = Failure { after, offline: false };
        retry.failed(T0, failure, &DeliverySettings::default(), chance);
        retry.not_before() - T0
    }

    #[test]
    fn the_ceiling_doubles_to_its_limit_and_the_draw_stays_below() {
        let (mut chance, mut retry) = (Rng::new(7), Retry::default());
        for n in 0..40 {
            let ceiling = (1000_i64 << n.min(20)).min(300_000);
            assert!(waited(&mut retry, None, &mut chance) <= Span(ceiling), "failure {n}");
        }
    }

    #[test]
    fn a_wish_is_obeyed_and_a_tenth_of_it_is_spread() {
        let mut chance = Rng::new(7);
        let mut draws: Vec<i64> = (0..200)
            .map(|_| waited(&mut Retry::default(), Some(Span::seconds(60)), &mut chance).0)
            .collect();
        draws.sort_unstable();
        assert!(draws[0] >= 60_000 && draws[199] <= 66_000, "{draws:?}");
        assert!(draws[0] < 60_600 && draws[199] > 65_400, "all of the tenth is used: {draws:?}");
        let day = waited(&mut Retry::default(), Some(Span::seconds(86_400)), &mut chance);
        assert!((3_600_000..=3_960_000).contains(&day.0), "{day:?}");
    }

    #[test]
    fn no_wait_at_all_and_one_in_the_past_are_no_wishes() {
        for nothing in [Span::ZERO, Span::millis(-5_000)] {
            let (mut chance, mut retry) = (Rng::new(7), Retry::default());
            let sum: i64 = (0..12).map(|_| waited(&mut retry, Some(nothing), &mut chance).0).sum();
            assert!(sum > 100_000, "the back-off goes on: {sum}");
            assert_eq!(retry.asked_for(), None);
        }
    }

    #[test]
    fn a_short_wish_again_and_again_does_not_stop_the_back_off() {
        let (mut chance, mut retry) = (Rng::new(7), Retry::default());
        let short = Some(Span::millis(300));
        let sum: i64 = (0..12).map(|_| waited(&mut retry, short, &mut chance).0).sum();
        assert!(sum > 100_000, "{sum}");
    }

    #[test]
    fn offline_the_first_failure_may_wait_as_long_as_any() {
        let mut chance = Rng::new(7);
        let settings = DeliverySettings::default();
        let longest = (0..100).map(|_| {
            let mut retry = Retry::default();
            let failure = Failure { after: None, offline: true };
            retry.failed(T0, failure, &settings, &mut chance);
            retry.not_before() - T0
        });
        assert!(longest.max() > Some(Span::seconds(200)));
    }

    #[test]
    fn a_network_that_comes_and_goes_brings_few_tries() {
        let (mut chance, mut retry) = (Rng::new(7), Retry::default());
        for _ in 0..20 {
            waited(&mut retry, None, &mut chance);
        }
        retry.revive();
        assert!(retry.not_before() <= T0 + BETWEEN_REVIVALS);
        waited(&mut retry, Some(Span::seconds(600)), &mut chance);
        retry.revive();
        retry.hurry();
        assert!(retry.not_before() >= T0 + Span::seconds(600), "a wish is never undercut");
    }
}
