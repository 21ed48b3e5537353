//! The queue and its manners: what is sent when, and what an answer changes (api.md 2.7, spec 8).

mod answers;
pub mod backoff;
mod limits;
pub mod outbox;
pub mod verdict;
pub mod wire;

use std::collections::BTreeMap;

use self::backoff::{Chance, Pace};
pub use self::limits::DayBudget;
use self::outbox::{Flight, Line, Outbox};
use super::clock::{Anchor, BootId};
use super::effect::{Durability, Key, Record, Request, Resource};
use super::input::RequestId;
use super::ledger::Ledger;
use super::sessions::Pulse;
use super::settings::Settings;
use super::time::{BootInstant, Now, WallTime};
use super::tracker::Beat;
use super::tracker::hit::{Fill, Hit, HitKind};
use super::tracker::media::log_id;

/// What has become of hits since the agent started (api.md 1.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub delivered: u64,
    /// Refused by the collector, over a limit, or not worth a new session.
    pub dropped: u64,
    /// Of these, what the collector had closed its session for.
    pub closed_by_server: u64,
    /// Of these, what went because too much waited or it was too old.
    pub over_limit: u64,
    /// Of these, pings whose fate nobody knows.
    pub ambiguous_pings: u64,
}

/// The gates that are the same for all queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gates {
    pub consent: bool,
    pub clock_trusted: bool,
    pub online: bool,
    /// The connection costs money, as far as the network manager says.
    pub metered: bool,
}

#[derive(Debug)]
pub struct Delivery {
    outboxes: BTreeMap<u64, Outbox>,
    pub gates: Gates,
    pub counters: Counters,
    boot: BootId,
    next_request: u64,
    chance: Chance,
    /// After an outage: nothing before this.
    spread_until: BootInstant,
    /// A backlog after an outage is worked off at a limited rate.
    recovering: bool,
    pace: Pace,
    pub(super) budget: DayBudget,
    /// The budget of the day is spent: nothing before this.
    budget_until: BootInstant,
}

/// What a turn of the delivery writes and remembers.
pub(crate) struct Clerk<'a> {
    pub settings: &'a Settings,
    pub ledger: &'a mut Ledger,
    pub next_rejected: &'a mut u64,
    pub next_outbox: &'a mut u64,
}

impl Delivery {
    pub fn new(boot: BootId, gates: Gates, chance: Chance) -> Delivery {
        Delivery {
            outboxes: BTreeMap::new(),
            gates,
            counters: Counters::default(),
            boot,
            next_request: 0,
            chance,
            spread_until: BootInstant(i64::MIN),
            recovering: false,
            pace: Pace::default(),
            budget: DayBudget::default(),
            budget_until: BootInstant(i64::MIN),
        }
    }

    pub(crate) fn restore(&mut self, key: u64, outbox: Outbox) {
        self.outboxes.insert(key, outbox);
    }

    /// Drops everything that waits or is under way; an answer to it is nobody's.
    pub(crate) fn forget(&mut self) {
        self.outboxes.clear();
    }

    /// A new random id for the box.
    pub(crate) fn fresh_id(&mut self) -> String {
        self.chance.hex128()
    }

    pub fn queued(&self) -> u64 {
        self.outboxes.values().map(|o| o.queue.len() as u64).sum()
    }

    /// Hits of one session that wait, and whether the collector has answered its start.
    pub fn queued_of(&self, session: u32) -> (u32, bool) {
        let own = self.outboxes.values().filter(|o| o.line.session == session);
        own.fold((0, false), |(n, _), o| (n + o.queue.len() as u32, o.line.sid.is_some()))
    }

    /// What a heartbeat has changed in a session and its queue.
    pub(crate) fn pulse(&self, outbox: u64, beat: Beat, now: Now) -> Pulse {
        let line = self.outboxes.get(&outbox).map(|o| &o.line);
        Pulse {
            recorded_at: now.boot,
            beat,
            outbox,
            accepted: line.and_then(|l| l.accepted),
            last_ts: line.and_then(|l| l.last_ts),
        }
    }

    pub fn sid(&self, outbox: u64) -> Option<&str> {
        self.outboxes.get(&outbox)?.line.sid.as_deref()
    }

    /// Queues the hits of one session, in order. A `sessionStart` opens a new queue, whose number
    /// becomes the session's. `wanted` is the durability that somebody waits for; pings wait for
    /// the next batch.
    pub(crate) fn submit(
        &mut self,
        who: &Line,
        current: &mut u64,
        hits: Vec<Hit>,
        now: Now,
        clerk: &mut Clerk<'_>,
    ) {
        for hit in hits {
            if hit.kind == HitKind::SessionStart {
                *current = *clerk.next_outbox;
                *clerk.next_outbox = clerk.next_outbox.wrapping_add(1);
                let anchor = self.gates.clock_trusted.then(|| Anchor::taken(now));
                let line = Line { anchor, ..who.clone() };
                clerk.ledger.put(Key::Start(*current), Record::Start(hit.clone()));
                let outbox = Outbox::open(line, hit);
                for (number, hit) in &outbox.queue {
                    clerk.ledger.put(Key::Hit(*current, *number), Record::Hit(hit.clone()));
                }
                self.outboxes.insert(*current, outbox);
                self.note(*current, clerk);
                continue;
            }
            let Some(outbox) = self.outboxes.get_mut(current) else {
                // A refused session: what follows it is refused with it (spec 1.1).
                self.counters.dropped += 1;
                continue;
            };
            let ends = hit.kind.is_end();
            let idle = outbox.line.lost && outbox.queue.is_empty();
            let folded = idle && !outbox.line.wire.plays([&hit]);
            // What a new sid would have to repeat must survive a restart of the agent.
            let note = ends || folded && hit.kind != HitKind::Ping;
            if folded {
                outbox.line.wire.fold(&hit);
                outbox.line.ended |= ends;
                self.counters.dropped += 1;
                self.counters.closed_by_server += 1;
            } else {
                let number = outbox.push(hit.clone());
                clerk.ledger.put(Key::Hit(*current, number), Record::Hit(hit));
            }
            if note {
                self.note(*current, clerk);
            }
        }
        self.enforce_limits(now, clerk);
    }

    /// The moving part of an outbox changed: written with the next batch, or gone with it.
    fn note(&mut self, key: u64, clerk: &mut Clerk<'_>) {
        let Some(outbox) = self.outboxes.get(&key) else { return };
        if outbox.done() {
            self.remove(key, clerk);
        } else {
            clerk.ledger.put(Key::Outbox(key), Record::Outbox(Box::new(outbox.line.clone())));
        }
    }

    fn remove(&mut self, key: u64, clerk: &mut Clerk<'_>) {
        if let Some(outbox) = self.outboxes.remove(&key) {
            for (number, _) in &outbox.queue {
                clerk.ledger.delete(Key::Hit(key, *number));
            }
            clerk.ledger.delete(Key::Start(key));
            clerk.ledger.delete(Key::Outbox(key));
        }
    }

    /// The network manager speaks. Back online, a fleet must not arrive at once.
    pub(crate) fn network(&mut self, online: bool, now: Now, settings: &Settings) {
        if online && !self.gates.online {
            let d = &settings.delivery;
            self.spread_until = now.boot + self.chance.up_to(d.reconnect_spread);
            self.recovering = true;
            for outbox in self.outboxes.values_mut() {
                outbox.retry.succeeded();
            }
        }
        self.gates.online = online;
    }

    /// The network manager says whether the connection costs money.
    pub(crate) fn metered(&mut self, metered: bool) {
        self.gates.metered = metered;
    }

    /// The wall clock was set or became trusted: queues that the collector knows nothing of are
    /// anchored anew; hits of an earlier boot that never knew the time are dated to end where
    /// this boot began (api.md 2.6).
    pub(crate) fn clock(&mut self, trusted: bool, now: Now, clerk: &mut Clerk<'_>) {
        self.gates.clock_trusted = trusted;
        self.budget_until = BootInstant(i64::MIN);
        if !trusted {
            return;
        }
        let keys: Vec<u64> = self.outboxes.keys().copied().collect();
        for key in keys {
            let boot = self.boot.clone();
            let Some(outbox) = self.outboxes.get_mut(&key) else { continue };
            let line = &mut outbox.line;
            if line.boot == boot {
                if line.anchor.is_none() || (line.accepted.is_none() && outbox.flight.is_none()) {
                    line.anchor = Some(Anchor::taken(now));
                }
            } else if line.anchor.is_none()
                && let Some((_, last)) = outbox.queue.back()
            {
                let booted = now.wall + (BootInstant(0) - now.boot);
                line.anchor = Some(Anchor { boot: last.at, wall: booted });
                tracing::warn!(
                    hits = outbox.queue.len(),
                    media = log_id(&line.media_id),
                    "ClockEstimated: hits of a boot that never knew the time are dated to its end"
                );
            }
            self.note(key, clerk);
        }
    }

    /// Tries everything now, whatever back-off says.
    pub fn flush(&mut self) {
        self.spread_until = BootInstant(i64::MIN);
        for outbox in self.outboxes.values_mut() {
            outbox.retry.not_before = BootInstant(i64::MIN);
        }
    }

    fn open(&self, settings: &Settings) -> bool {
        let gates = self.gates;
        let held = gates.metered && settings.delivery.hold_on_metered;
        gates.consent && gates.clock_trusted && gates.online && !held
    }

    /// When the next request could go, if nothing else happens.
    pub fn deadline(&self, settings: &Settings) -> Option<BootInstant> {
        if !self.open(settings) || self.in_flight() >= settings.delivery.parallel {
            return None;
        }
        let gate = self.spread_until.max(self.pace.ready()).max(self.budget_until);
        self.outboxes.values().filter(|o| sendable(o)).map(|o| o.retry.not_before.max(gate)).min()
    }

    fn in_flight(&self) -> usize {
        self.outboxes.values().filter(|o| o.flight.is_some()).count()
    }

    /// Every request that may go now: oldest session first, one in flight per session.
    pub(crate) fn pump(&mut self, now: Now, clerk: &mut Clerk<'_>) -> Vec<Request> {
        let mut requests = Vec::new();
        if !self.open(clerk.settings) || now.boot < self.spread_until {
            return requests;
        }
        self.enforce_limits(now, clerk);
        if let Some(wait) = self.held_for(now, &clerk.settings.delivery) {
            self.budget_until = now.boot + wait;
            return requests;
        }
        let mut free = clerk.settings.delivery.parallel.saturating_sub(self.in_flight());
        let keys: Vec<u64> = self.outboxes.keys().copied().collect();
        for key in keys {
            if free == 0 || now.boot < self.pace.ready() {
                break;
            }
            let ready = |o: &Outbox| sendable(o) && o.retry.not_before <= now.boot;
            if !self.outboxes.get(&key).is_some_and(ready) || !self.alive(key, now, clerk) {
                continue;
            }
            if let Some(request) = self.request(key, now, clerk) {
                requests.push(request);
                free -= 1;
                if self.recovering {
                    self.pace.spend(now.boot, clerk.settings.delivery.max_rate);
                }
            }
        }
        if self.recovering && self.outboxes.values().all(|o| o.queue.is_empty()) {
            self.recovering = false;
            self.pace = Pace::default();
        }
        requests
    }

    /// Makes sure that the front hit has a sid to go to: a dead one is opened again, or given up
    /// when nothing is left to report. False when the queue has to wait or is empty now.
    fn alive(&mut self, key: u64, now: Now, clerk: &mut Clerk<'_>) -> bool {
        let d = &clerk.settings.delivery;
        let Some(outbox) = self.outboxes.get_mut(&key) else { return false };
        if outbox.line.downloaded {
            return true;
        }
        if outbox.expired(now, d.sid_lifetime) {
            tracing::info!(
                media = log_id(&outbox.line.media_id),
                "the session has expired at the collector"
            );
            outbox.line.sid = None;
        }
        let starts = outbox.queue.front().is_some_and(|(_, h)| h.kind == HitKind::SessionStart);
        if outbox.line.sid.is_some() || starts {
            return true;
        }
        if !outbox.plays() {
            self.give_up(key, clerk);
            return false;
        }
        self.restart(key, now, clerk)
    }

    /// The resume sequence at the first undelivered hit (spec 5.3, api.md 2.7). False when there
    /// were too many already and the queue has to wait.
    fn restart(&mut self, key: u64, now: Now, clerk: &mut Clerk<'_>) -> bool {
        let d = &clerk.settings.delivery;
        let Some(outbox) = self.outboxes.get_mut(&key) else { return false };
        if !outbox.may_restart(now.boot, d.restart_window, d.max_restarts) {
            outbox.retry.failed(now.boot, None, d, &mut self.chance);
            return false;
        }
        let numbers = outbox.reopen(now.boot);
        if outbox.line.boot == self.boot {
            // A new sid takes a new anchor (api.md 2.6); only its own boot can give it one.
            outbox.line.anchor = Some(Anchor::taken(now));
        }
        for (number, hit) in outbox.queue.iter().take(numbers.len()) {
            clerk.ledger.put(Key::Hit(key, *number), Record::Hit(hit.clone()));
        }
        clerk.ledger.put(Key::Start(key), Record::Start(outbox.start.clone()));
        clerk.ledger.want(Durability::Flushed);
        tracing::info!(
            media = log_id(&outbox.line.media_id),
            "the session is opened again at the collector"
        );
        self.note(key, clerk);
        true
    }

    /// Nothing undelivered is worth a new session: dropped and counted (api.md 2.7).
    fn give_up(&mut self, key: u64, clerk: &mut Clerk<'_>) {
        let Some(outbox) = self.outboxes.get_mut(&key) else { return };
        outbox.line.lost = true;
        outbox.line.sid = None;
        while let Some((number, _)) = outbox.pop() {
            clerk.ledger.delete(Key::Hit(key, number));
            self.counters.dropped += 1;
            self.counters.closed_by_server += 1;
        }
        self.note(key, clerk);
    }

    fn request(&mut self, key: u64, now: Now, clerk: &mut Clerk<'_>) -> Option<Request> {
        let settings = clerk.settings;
        let outbox = self.outboxes.get_mut(&key)?;
        let fill = Fill {
            identity: &settings.identity,
            delivery: &settings.delivery,
            downloaded: outbox.line.downloaded,
        };
        let (body, hits, last_ts) = outbox.body(&fill)?;
        let resource = if outbox.line.downloaded {
            match settings.delivery.legacy_sessions_batch {
                true => Resource::Sessions,
                false => Resource::Downloaded,
            }
        } else {
            match &outbox.line.sid {
                Some(sid) => Resource::Events { sid: sid.clone() },
                None => Resource::Sessions,
            }
        };
        if settings.delivery.daily_bytes > 0 {
            self.budget.spend(body.to_string().len() as u64, now.wall);
        }
        let id = RequestId(self.next_request);
        self.next_request += 1;
        outbox.flight = Some(Flight { request: id, sent_at: now.boot, hits, last_ts });
        // A stored ping must not be repeated when the agent dies while it is under way, so it
        // leaves the store before it leaves the box (api.md 2.11).
        if let Some((number, front)) = outbox.queue.front()
            && front.kind == HitKind::Ping
            && clerk.ledger.delete(Key::Hit(key, *number))
        {
            clerk.ledger.want(Durability::Flushed);
        }
        Some(Request { id, resource, body })
    }

    /// The wall time of an instant in the boot of a queue, when that boot knew it.
    pub fn wall_of(&self, outbox: u64, at: BootInstant) -> Option<WallTime> {
        Some(self.outboxes.get(&outbox)?.line.anchor?.wall(at))
    }

    /// The present wall time, when it is known.
    pub fn wall(&self, now: Now) -> Option<WallTime> {
        self.gates.clock_trusted.then_some(now.wall)
    }
}

/// Something waits, nothing is on its way, its time is known, and it is complete if it is a
/// download.
fn sendable(outbox: &Outbox) -> bool {
    !outbox.queue.is_empty()
        && outbox.flight.is_none()
        && outbox.line.anchor.is_some()
        && (!outbox.line.downloaded || outbox.line.ended)
}
