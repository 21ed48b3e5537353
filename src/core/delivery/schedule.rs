//! Which lane may send next (behaviour.md 2.7): whoever is up to date first, what is old at its rate,
//! and nobody keeps the others from being served.

use super::contact::{Contact, OUTAGE};
use super::flight::Class;
use super::lane::Lane;
use super::log::Log;
use super::{Delivery, DeliveryContext};
use crate::core::dialect::SessionId;
use crate::core::dialect::exchange::Request;
use crate::core::record::{Accepted, Totals};
use crate::core::settings::{DeliverySettings, Settings};
use crate::core::time::{BootInstant, Now, Span};

/// What is under way to one collector.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    all: usize,
    /// Not `Class::Current`.
    slow: usize,
    failing: usize,
    ended: bool,
    /// Less than a request holds is waiting, so reports are gathered.
    gathers: bool,
    /// Halves of a refused request go one after another.
    halves: bool,
}

/// Lanes that may send now, in their order: the request that served each last, and its log.
#[derive(Debug, Default)]
struct Ready {
    current: Vec<(u64, u64)>,
    slow: Vec<(u64, u64)>,
    failing: Vec<(u64, u64)>,
}

impl Delivery {
    fn open(&self, settings: &Settings) -> bool {
        let gates = self.gates;
        let held = gates.metered && settings.delivery.hold_on_metered;
        gates.consent && gates.clock_trusted && !held
    }

    /// When the next request could go, if nothing else happens.
    pub fn deadline(&self, settings: &Settings) -> Option<BootInstant> {
        if !self.open(settings) {
            return None;
        }
        let of_one = |contact: &Contact| {
            let under_way = self.under_way(contact);
            let due = |(log, lane): (&Log, &Lane)| {
                let class = class(log, lane);
                let undrawn = contact.left_over && lane.behind;
                under_way.has_place(class, lane, &settings.delivery).then(|| match undrawn {
                    true => BootInstant(i64::MIN),
                    false => ready_at(class, log, lane, contact, &under_way, settings),
                })
            };
            let lanes = self.lanes_of(contact).map(|(_, log, lane)| (log, lane));
            lanes.filter(|(log, lane)| sendable(log, lane)).filter_map(due).min()
        };
        let due = self.contacts.iter().filter_map(of_one).min();
        due.map(|due| due.max(self.budget_until))
    }

    /// Every request that may go now.
    pub(crate) fn pump(&mut self, now: Now, ctx: &mut DeliveryContext<'_>) -> Vec<Request> {
        let mut requests = Vec::new();
        if !self.open(ctx.settings) {
            return requests;
        }
        self.enforce_limits(now, ctx);
        if let Some(wait) = self.budget.wait(ctx.settings.delivery.daily_bytes, now.wall) {
            self.budget_until = now.boot + wait;
            return requests;
        }
        self.budget_until = BootInstant(i64::MIN);
        for contact in 0..self.contacts.len() {
            self.pump_one(contact, now, &mut requests, ctx);
        }
        requests
    }

    fn pump_one(
        &mut self,
        contact: usize,
        now: Now,
        requests: &mut Vec<Request>,
        ctx: &mut DeliveryContext<'_>,
    ) {
        if !self.lanes_of(&self.contacts[contact]).any(|(_, log, lane)| waits(log, lane)) {
            return self.contacts[contact].nothing_to_say();
        }
        let of = &self.contacts[contact];
        let left_over = |(_, log, lane): (u64, &Log, &Lane)| lane.behind && sendable(log, lane);
        if of.left_over && self.lanes_of(of).any(left_over) {
            let silence = self.silence(&self.contacts[contact], now);
            let d = &ctx.settings.delivery;
            self.contacts[contact].started(now.boot, silence, d, &mut self.chance);
        }
        let mut under_way = self.under_way(&self.contacts[contact]);
        let ready = self.ready(contact, &under_way, now, ctx.settings);
        let mut current = ready.current.into_iter();
        let mut slow = ready.slow.into_iter().chain(ready.failing);
        let mut slow_turn = self.contacts[contact].slow_turn(&ctx.settings.delivery);
        loop {
            // The slow ones go last, but where there is one place they have every other turn.
            let next = match slow_turn {
                true => slow.next().or_else(|| current.next()),
                false => current.next().or_else(|| slow.next()),
            };
            let Some((_, key)) = next else { break };
            if under_way.all >= ctx.settings.delivery.parallel {
                break;
            }
            if let Some((class, failing, request)) = self.serve(contact, key, &under_way, now, ctx)
            {
                requests.push(request);
                under_way.add(class, failing);
                slow_turn = self.contacts[contact].slow_turn(&ctx.settings.delivery);
            }
        }
    }

    /// The next request of a lane, if there is a place for it.
    fn serve(
        &mut self,
        contact: usize,
        key: u64,
        under_way: &UnderWay,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) -> Option<(Class, bool, Request)> {
        let of = &self.contacts[contact];
        let log = self.logs.get(&key)?;
        let at = log.lanes.iter().position(|lane| *lane.collector == *of.collector)?;
        let lane = &log.lanes[at];
        let (class, failing) = (class(log, lane), lane.retry.failures() > 0);
        let due = ready_at(class, log, lane, of, under_way, ctx.settings);
        // It may have joined another one.
        if !sendable(log, lane)
            || !under_way.has_place(class, lane, &ctx.settings.delivery)
            || due > now.boot
        {
            return None;
        }
        if !self.alive(key, at, now, ctx) {
            return None;
        }
        let (request, lanes) = match self.logs.get(&key)?.lanes[at].facts().session_id {
            SessionId::Server => (self.request(key, at, class, now, ctx)?, vec![(key, at)]),
            SessionId::Agent => self.batch(contact, (key, at), class, now, ctx)?,
        };
        let served = request.id.0 + 1;
        let of = &mut self.contacts[contact];
        of.something_to_say(now.boot);
        of.last_was_slow = class != Class::Current;
        if class == Class::Ended {
            of.ended_served = served;
        }
        for (key, at) in lanes {
            if let Some(log) = self.logs.get_mut(&key) {
                log.lanes[at].served = served;
                charge(class, log, at, of, now.boot, ctx.settings);
            }
        }
        Some((class, failing, request))
    }

    /// The lanes that may send now. Each that `deadline` counts is here, or one goes before it: otherwise
    /// the agent would not come to rest.
    fn ready(
        &mut self,
        contact: usize,
        under_way: &UnderWay,
        now: Now,
        settings: &Settings,
    ) -> Ready {
        let of = &self.contacts[contact];
        let (mut ready, mut ended, mut waits) = (Ready::default(), None, false);
        for (key, log, lane) in self.lanes_of(of).filter(|(_, log, lane)| sendable(log, lane)) {
            let class = class(log, lane);
            if ready_at(class, log, lane, of, under_way, settings) > now.boot {
                continue;
            }
            // What waits of its own accord does not say that the collector is away.
            waits = true;
            if !under_way.has_place(class, lane, &settings.delivery) {
                continue;
            }
            match class {
                Class::Current => ready.current.push((lane.served, key)),
                Class::Behind => ready.slow.push((lane.served, key)),
                Class::Failing => ready.failing.push((lane.served, key)),
                Class::Ended if settings.delivery.backlog_ratio == 0.0 => {
                    ready.slow.push((lane.served, key));
                }
                // One that fails goes behind the others.
                Class::Ended => {
                    let place = (lane.failed, key);
                    ended = Some(ended.map_or(place, |first: (u64, u64)| first.min(place)));
                }
            }
        }
        ready.slow.extend(ended.map(|(_, key)| (of.ended_served, key)));
        ready.current.sort_unstable();
        ready.slow.sort_unstable();
        ready.failing.sort_unstable();
        if waits {
            self.contacts[contact].something_to_say(now.boot);
        }
        ready
    }

    pub(super) fn under_way(&self, contact: &Contact) -> UnderWay {
        let mut under_way = UnderWay { halves: contact.halves(), ..UnderWay::default() };
        let (mut waiting, mut facts) = (Totals::default(), None);
        for (_, log, lane) in self.lanes_of(contact) {
            if let Some(flight) = lane.flight.as_ref().filter(|flight| flight.leads) {
                under_way.add(flight.class, lane.retry.failures() > 0);
            }
            if contact.interval > Span::ZERO {
                waiting = waiting.and(lane.waiting(&log.summary));
                facts = Some(lane.facts());
            }
        }
        under_way.gathers = facts.is_some_and(|facts| {
            // Nothing is full where each goes by itself.
            let full = facts.reports_per_request > 1
                && (waiting.count >= facts.reports_per_request as u64
                    || waiting.bytes >= facts.bytes_per_request as u64);
            !full
        });
        under_way
    }

    /// The lanes to one collector, with their logs.
    pub(super) fn lanes_of<'a>(
        &'a self,
        contact: &'a Contact,
    ) -> impl Iterator<Item = (u64, &'a Log, &'a Lane)> {
        self.logs.iter().filter_map(|(key, log)| {
            let to = |lane: &&Lane| *lane.collector == *contact.collector;
            Some((*key, log, log.lanes.iter().find(to)?))
        })
    }

    /// How long ago the collector last took something of what waits, or how old that is at least.
    fn silence(&self, contact: &Contact, now: Now) -> Span {
        let waiting = || self.lanes_of(contact).filter(|(_, _, lane)| lane.behind);
        let taken = waiting().filter_map(|(_, _, lane)| match lane.progress.accepted? {
            Accepted::Boot(at) => Some(now.boot - at),
            Accepted::Wall(at) => Some(now.wall - at),
        });
        let happened = waiting()
            .filter_map(|(_, log, lane)| Some(now.wall - lane.anchor?.wall(log.summary.last_at)));
        taken.min().or_else(|| happened.max()).unwrap_or(Span::ZERO)
    }

    /// What waits for this collector is old from now on, but for a session of which nothing is older than
    /// the shortest outage.
    pub(super) fn fall_behind(&mut self, collector: &str, now: Now, settings: &DeliverySettings) {
        let mut old = 0;
        for log in self.logs.unrecorded_mut() {
            let ours = log.origin.boot == self.boot;
            for lane in log.lanes.iter_mut().filter(|lane| *lane.collector == *collector) {
                let waiting = lane.waiting(&log.summary).count;
                let recent = |at: BootInstant| ours && now.boot - at < OUTAGE;
                let behind = waiting > 0 && !lane.front().is_some_and(|front| recent(front.at));
                lane.set_behind(behind);
                lane.retry.soon();
                old += if behind { waiting } else { 0 };
            }
        }
        if let Some(contact) = self.contacts.iter_mut().find(|c| c.collector == collector) {
            contact.work_off(old, settings);
        }
    }
}

impl UnderWay {
    fn add(&mut self, class: Class, failing: bool) {
        self.all += 1;
        self.slow += usize::from(class != Class::Current);
        self.failing += usize::from(failing);
        self.ended |= class == Class::Ended;
    }

    /// Whether another request of this class may go.
    pub(super) fn has_place(&self, class: Class, lane: &Lane, settings: &DeliverySettings) -> bool {
        if self.halves && self.all > 0 {
            return false;
        }
        let all_but = |places: usize| settings.parallel.saturating_sub(places).max(1);
        let own = match class {
            Class::Current => return self.all < settings.parallel,
            Class::Behind | Class::Failing => true,
            Class::Ended => !self.ended || settings.backlog_ratio == 0.0,
        };
        // Whoever has failed may hang.
        let calm = lane.retry.failures() == 0 || self.failing < all_but(2);
        own && calm && self.slow < all_but(1) && self.all < settings.parallel
    }
}

impl Contact {
    /// Whether it is the turn of those that are behind or failing.
    fn slow_turn(&self, settings: &DeliverySettings) -> bool {
        settings.parallel == 1 && !self.last_was_slow
    }
}

pub(super) fn class(log: &Log, lane: &Lane) -> Class {
    let failing = lane.retry.failures() > 0;
    match (failing || lane.behind, log.ended) {
        (false, _) => Class::Current,
        (true, true) => Class::Ended,
        (true, false) if failing => Class::Failing,
        (true, false) => Class::Behind,
    }
}

/// When a lane may send, as far as places do not matter.
pub(super) fn ready_at(
    class: Class,
    log: &Log,
    lane: &Lane,
    contact: &Contact,
    under_way: &UnderWay,
    settings: &Settings,
) -> BootInstant {
    let mut at = lane.retry.not_before().max(contact.retry.not_before());
    // The sid of a session that lives is kept alive: neither the spread nor the back-off costs it.
    let alive = (!log.ended).then(|| lane.last_chance(settings.delivery.sid_lifetime)).flatten();
    if let Some(chance) = alive.filter(|chance| !lane.retry.failed_since(*chance))
        && lane.retry.asked_for().is_none()
    {
        at = at.min(chance);
    }
    if class == Class::Ended {
        at = at.max(contact.ended_retry.not_before());
    }
    if lane.behind {
        let spare = Span(settings.delivery.sid_lifetime.0 / 20);
        at = at.max(contact.old_until(alive, spare));
        let old = contact.old_pace.ready();
        let own = match class {
            Class::Ended => contact.ended_pace.ready().max(old),
            _ if lane.news > 0 => BootInstant(i64::MIN),
            _ => lane.pace.ready().max(old),
        };
        at = at.max(own).max(contact.pace.ready());
    } else if under_way.gathers
        && let Some(front) = lane.front()
    {
        at = at.max(contact.gathered_until(front.at));
    }
    at
}

/// A request of a lane goes out: the next ones of what is old wait.
fn charge(
    class: Class,
    log: &mut Log,
    at: usize,
    contact: &mut Contact,
    now: BootInstant,
    settings: &Settings,
) {
    if !log.lanes[at].behind {
        return;
    }
    let d = &settings.delivery;
    if d.max_rate > 0 {
        contact.pace.spend(now, Span::millis(i64::from(1000_u32.div_ceil(d.max_rate.min(1000)))));
    }
    let own = |interval: Span| match d.backlog_ratio > 0.0 {
        true => Span((interval.0 as f64 / d.backlog_ratio) as i64),
        false => Span::ZERO,
    };
    let pings = log.origin.media.ping_interval(log.summary.context.in_ad(), settings);
    let lane = &mut log.lanes[at];
    if class != Class::Ended && lane.news > 0 {
        lane.news -= 1;
        return;
    }
    contact.send_old(now, d);
    if class == Class::Ended {
        contact.ended_pace.spend(now, own(settings.main_ping));
    } else {
        lane.pace.spend(now, own(pings));
    }
}

fn waits(log: &Log, lane: &Lane) -> bool {
    lane.flight.is_some() || lane.waiting(&log.summary).count > 0
}

/// Whether a lane can send: its front report is in memory, no request is in flight, its wall time
/// is known, and a downloaded session has ended.
pub(super) fn sendable(log: &Log, lane: &Lane) -> bool {
    let in_one = log.origin.media.downloaded && lane.facts().downloads_in_one;
    let reading = lane.download.as_ref().is_some_and(|download| download.reading);
    lane.front().is_some()
        && lane.flight.is_none()
        && !reading
        && lane.anchor.is_some()
        && (!in_one || log.ended)
}
