//! How much may wait (api.md 2.8): over the limit pings are thinned first, then whole oldest
//! downloaded sessions go, then oldest sessions. Each loss is counted and logged.

use super::outbox::Outbox;
use super::{Clerk, Delivery};
use crate::core::effect::Key;
use crate::core::settings::DeliverySettings;
use crate::core::time::{Now, Span, WallTime};
use crate::core::tracker::hit::HitKind;
use crate::core::tracker::media::log_id;

/// Room is made a sixteenth at a time, so that not every hit makes room for itself.
const ROOM: u64 = 16;

/// Bytes of bodies sent on one day of the wall clock, UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DayBudget {
    day: i64,
    bytes: u64,
}

const DAY: Span = Span::seconds(86_400);

impl DayBudget {
    fn day_of(wall: WallTime) -> i64 {
        wall.0.div_euclid(DAY.0)
    }

    pub(super) fn spend(&mut self, bytes: u64, wall: WallTime) {
        let day = DayBudget::day_of(wall);
        if day != self.day {
            *self = DayBudget { day, bytes: 0 };
        }
        self.bytes += bytes;
    }

    /// How long nothing may be sent; `None` when there is room. `limit` 0 is no budget.
    pub(super) fn wait(&self, limit: u64, wall: WallTime) -> Option<Span> {
        let spent = self.day == DayBudget::day_of(wall) && self.bytes >= limit;
        (limit > 0 && spent).then(|| Span((self.day + 1) * DAY.0 - wall.0))
    }
}

impl Delivery {
    /// Bytes that wait, as they lie in the store.
    pub fn queued_bytes(&self) -> u64 {
        self.outboxes.values().map(|o| o.bytes).sum()
    }

    /// Makes room, if there is too much or it is too old.
    pub(super) fn enforce_limits(&mut self, now: Now, clerk: &mut Clerk<'_>) {
        let limits = &clerk.settings.delivery;
        self.drop_old(now, limits.queue_max_age, clerk);
        let most = limits.queue_max_bytes;
        if self.queued_bytes() <= most {
            return;
        }
        let target = most - most / ROOM;
        self.thin_pings(target, clerk);
        while self.queued_bytes() > target {
            let free = |o: &&Outbox| o.flight.is_none() && !o.queue.is_empty();
            let oldest = |wanted: &dyn Fn(&Outbox) -> bool| {
                let mut all = self.outboxes.iter().filter(|(_, o)| free(o) && wanted(o));
                all.next().map(|(key, _)| *key)
            };
            let ended = oldest(&|o| o.line.downloaded).or_else(|| oldest(&|o| o.line.ended));
            if let Some(key) = ended {
                self.drop_queue(key, "the queue is full", clerk);
            } else if let Some(key) = oldest(&|_| true) {
                self.drop_oldest(key, target, clerk);
            } else {
                return;
            }
        }
    }

    /// The oldest hits of a session that is still open; what they opened is remembered for the
    /// restart that the rest will need.
    fn drop_oldest(&mut self, key: u64, target: u64, clerk: &mut Clerk<'_>) {
        let mut hits = 0;
        while self.queued_bytes() > target {
            let popped = self.outboxes.get_mut(&key).and_then(Outbox::pop);
            let Some((number, _)) = popped else { break };
            clerk.ledger.delete(Key::Hit(key, number));
            hits += 1;
        }
        self.counters.dropped += hits;
        self.counters.over_limit += hits;
        tracing::warn!(hits, "the queue is full: the oldest hits of an open session were given up");
        self.note(key, clerk);
    }

    /// Oldest pings first; what is under way stays.
    fn thin_pings(&mut self, target: u64, clerk: &mut Clerk<'_>) {
        let mut left = self.queued_bytes();
        let mut thinned = 0;
        for (key, outbox) in &mut self.outboxes {
            if left <= target {
                break;
            }
            let busy = outbox.flight.as_ref().map_or(0, |f| f.hits);
            let before = outbox.bytes;
            let need = left - target;
            for number in outbox.thin(HitKind::Ping, busy, need) {
                clerk.ledger.delete(Key::Hit(*key, number));
                thinned += 1;
            }
            left -= before - outbox.bytes;
        }
        if thinned > 0 {
            self.counters.dropped += thinned;
            self.counters.over_limit += thinned;
            tracing::warn!(pings = thinned, "the queue is full: pings were thinned");
        }
    }

    /// Everything that waits in one queue goes. A session that is still open keeps its context
    /// and is opened again when there is play time to report.
    fn drop_queue(&mut self, key: u64, why: &str, clerk: &mut Clerk<'_>) {
        let Some(outbox) = self.outboxes.get_mut(&key) else { return };
        let mut hits = 0;
        while let Some((number, _)) = outbox.pop() {
            clerk.ledger.delete(Key::Hit(key, number));
            hits += 1;
        }
        outbox.line.lost = true;
        outbox.line.sid = None;
        self.counters.dropped += hits;
        self.counters.over_limit += hits;
        tracing::warn!(
            hits,
            why,
            media = log_id(&outbox.line.media_id),
            "a session's hits were given up"
        );
        self.note(key, clerk);
    }

    /// Sessions whose last hit is older than the limit.
    fn drop_old(&mut self, now: Now, most: Span, clerk: &mut Clerk<'_>) {
        let trusted = self.gates.clock_trusted;
        let old: Vec<u64> = self
            .outboxes
            .iter()
            .filter(|(_, o)| o.flight.is_none() && o.age(&self.boot, now, trusted) > most)
            .map(|(key, _)| *key)
            .collect();
        for key in old {
            self.drop_queue(key, "it is too old", clerk);
        }
    }

    /// Why nothing may be sent at present although everything else allows it.
    pub(super) fn held_for(&self, now: Now, settings: &DeliverySettings) -> Option<Span> {
        self.budget.wait(settings.daily_bytes, now.wall)
    }
}

impl Outbox {
    /// How long ago the last hit happened; zero when nothing waits or nobody can tell.
    fn age(&self, boot: &crate::core::clock::BootId, now: Now, trusted: bool) -> Span {
        let Some((_, last)) = self.queue.back() else { return Span::ZERO };
        match (self.line.boot == *boot, self.line.anchor) {
            (true, _) => now.boot - last.at,
            (false, Some(anchor)) if trusted => now.wall - anchor.wall(last.at),
            (false, _) => Span::ZERO,
        }
    }

    /// Takes hits of one kind out, oldest first, behind the first `busy` ones, until `need` bytes
    /// are free. Gives their numbers.
    fn thin(&mut self, kind: HitKind, busy: usize, need: u64) -> Vec<u64> {
        let mut freed = 0;
        let mut taken = Vec::new();
        let mut at = 0;
        let mut bytes = self.bytes;
        self.queue.retain(|(number, hit)| {
            at += 1;
            if at <= busy || hit.kind != kind || freed >= need {
                return true;
            }
            let weight = hit.stored_bytes();
            freed += weight;
            bytes = bytes.saturating_sub(weight);
            taken.push(*number);
            false
        });
        self.bytes = bytes;
        taken
    }
}
