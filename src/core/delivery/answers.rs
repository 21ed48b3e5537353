//! What a collector's answer changes in its lane (behaviour.md 2.7).

use super::backoff::Failure;
use super::flight::{Class, InFlight};
use super::lane::Lane;
use super::log::{Changed, Log};
use super::{Delivery, DeliveryContext};
use crate::core::dialect::exchange::{Cause, Outcome, Problem, RequestId};
use crate::core::dialect::{SessionId, Verdict};
use crate::core::record::{Accepted, Durability, Key, ReportRange};
use crate::core::report::Kind;
use crate::core::time::{Now, Span};

/// What was in a request of one lane: its log, its place there, and what went out.
pub(super) type Flown = (u64, usize, InFlight);

impl Delivery {
    /// The answer to a request.
    pub(crate) fn answer(
        &mut self,
        request: RequestId,
        outcome: &Outcome,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) {
        let flown = self.landed(request);
        let Some((key, at, _)) = flown.first() else { return };
        let Some(log) = self.logs.get(key) else { return };
        let lane = &log.lanes[*at];
        let (collector, dialect) = (lane.collector.clone(), lane.dialect.clone());
        let purpose = log.purpose(lane);
        let said = match outcome {
            Outcome::Answered { status, .. } => Ok(*status),
            Outcome::Unreachable(problem) | Outcome::Unanswered(problem) => Err(problem.clone()),
        };
        self.troubles.heard(&collector, now.wall, said);
        if matches!(outcome, Outcome::Unreachable(_)) {
            flown.iter().for_each(|(.., flight)| self.budget.refund(flight.bytes));
        }
        match dialect.judge(&purpose, outcome, now.wall) {
            Verdict::Opened { sid } => {
                self.accepted(&flown, Some(&sid), now, ctx);
                self.reached(&collector, &flown, now, ctx);
            }
            Verdict::Accepted => {
                self.accepted(&flown, None, now, ctx);
                self.reached(&collector, &flown, now, ctx);
            }
            Verdict::AcceptedBut { refused, status, message } => {
                self.refused_among(&flown, refused, status, message, now, ctx);
                self.reached(&collector, &flown, now, ctx);
            }
            Verdict::Refused { status, message } => {
                self.refused(&flown, status, message, now, ctx);
            }
            Verdict::Gone => {
                self.pings_stay(&flown, now, ctx);
                for (key, at, _) in &flown {
                    self.gone(*key, *at, now, ctx);
                }
            }
            Verdict::Ambiguous { problem } => {
                for (key, at, flight) in &flown {
                    self.ambiguous(*key, *at, flight, now, ctx);
                }
                self.failed(&flown, now, None, &problem, ctx);
            }
            Verdict::Later { after, problem } => {
                self.pings_stay(&flown, now, ctx);
                self.failed(&flown, now, after, &problem, ctx);
            }
        }
        for (key, ..) in &flown {
            self.settle(*key, ctx);
        }
    }

    /// Takes what is in a request off its lanes, because its answer has come. The one that leads is
    /// the first.
    fn landed(&mut self, request: RequestId) -> Vec<Flown> {
        let mut flown = Vec::new();
        for (key, log) in self.logs.iter() {
            let flying = |lane: &Lane| lane.flight.as_ref().is_some_and(|f| f.request == request);
            flown.extend(log.lanes.iter().position(flying).map(|at| (*key, at)));
        }
        let land = |(key, at): (u64, usize)| {
            Some((key, at, self.logs.get_mut(&key)?.lanes[at].flight.take()?))
        };
        let mut flown: Vec<Flown> = flown.into_iter().filter_map(land).collect();
        if let Some(lead) = flown.iter().position(|(_, _, flight)| flight.leads) {
            flown.swap(0, lead);
        }
        flown
    }

    /// Nobody knows whether a request has arrived. A ping is not repeated, unless the server can tell
    /// that it is the same.
    fn ambiguous(
        &mut self,
        key: u64,
        at: usize,
        flight: &InFlight,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        let lane = &mut log.lanes[at];
        let ping = lane.front().is_some_and(|report| report.kind() == Kind::Ping);
        if ping && !lane.facts().tells_repeats_apart {
            lane.progress.last_ts = Some(flight.last_ts);
            self.counters.ambiguous_pings += 1;
            self.drop_front(key, at, 1, ctx);
        } else {
            self.ping_stays(key, at, now, ctx);
        }
    }

    pub(super) fn accepted(
        &mut self,
        flown: &[Flown],
        opened: Option<&str>,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) {
        for (key, at, flight) in flown {
            self.accepted_in(*key, *at, opened, flight, now, ctx);
        }
    }

    fn accepted_in(
        &mut self,
        key: u64,
        at: usize,
        opened: Option<&str>,
        flight: &InFlight,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        let whole = flight.whole;
        let mut changed = Changed::Progress;
        if whole {
            self.counters.delivered += flight.reports.saturating_sub(flight.left_out) as u64;
            self.counters.dropped += flight.left_out as u64;
            self.counters.over_limit += flight.left_out as u64;
            if flight.left_out > 0 {
                tracing::info!(
                    media = log.origin.media.log_id(),
                    pings = flight.left_out,
                    "pings of a download were thinned so that it fits into one request"
                );
            }
            ctx.changes.require(Durability::Synced);
            changed = Changed::Everything;
            pass_all(key, log, at, ctx);
        }
        for _ in 0..if whole { 0 } else { flight.reports } {
            let Some((number, report)) = log.lanes[at].pass() else { break };
            self.counters.delivered += u64::from(log.lanes[at].wants(&report));
            if report.kind() != Kind::Ping {
                // If it were sent again after a crash or a power cut, it would count twice.
                ctx.changes.require(Durability::Synced);
            }
            if !report.is_bare_ping() {
                changed = Changed::Everything;
            }
            forget_passed(key, log, number, ctx);
        }
        let ours = log.origin.boot == self.boot;
        let lane = &mut log.lanes[at];
        self.troubles.over(key, &lane.collector);
        self.troubles.delivered(&lane.collector, now.wall);
        lane.progress.last_ts = Some(flight.last_ts);
        // The anchor of a log can date only what happened in the boot of its reports.
        lane.progress.accepted = Some(match ours {
            true => Accepted::Boot(flight.sent_at),
            false => Accepted::Wall(now.wall + (flight.sent_at - now.boot)),
        });
        if let Some(sid) = opened {
            // A power cut must not open the session twice (behaviour.md 2.11).
            ctx.changes.require(Durability::Synced);
            changed = Changed::Everything;
            lane.retry.go_on();
            tracing::info!(
                media = log.origin.media.log_id(),
                sid,
                "the collector has opened the session"
            );
            lane.sid = Some(sid.to_owned());
        } else {
            lane.retry.succeeded();
        }
        log.change(changed);
    }

    /// Drops the first reports of a lane, and counts them.
    pub(super) fn drop_front(
        &mut self,
        key: u64,
        at: usize,
        reports: usize,
        ctx: &mut DeliveryContext<'_>,
    ) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        for _ in 0..reports {
            let Some((number, report)) = log.lanes[at].pass() else { break };
            forget_passed(key, log, number, ctx);
            self.counters.dropped += u64::from(log.lanes[at].wants(&report));
        }
        log.change(Changed::Everything);
    }

    /// The session is unknown at the collector (spec 1.1).
    fn gone(&mut self, key: u64, at: usize, now: Now, ctx: &mut DeliveryContext<'_>) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        if log.lanes[at].only_closes(&log.summary) {
            self.give_up(key, at, ctx);
        } else if !self.restart(key, at, now, ctx) {
            tracing::warn!("the collector keeps losing a session; trying again later");
            let problem = Problem::new(Cause::Status(404), "the collector keeps losing a session");
            if let Some(lane) = self.logs.get(&key).map(|log| &log.lanes[at]) {
                let collector = lane.collector.clone();
                self.troubles.failed(key, &collector, now.boot, now.boot, &problem);
            }
        }
    }

    /// The collector has taken something. If it was away, what waits is old now.
    fn reached(&mut self, collector: &str, flown: &[Flown], now: Now, ctx: &DeliveryContext<'_>) {
        let Some(at) = self.contacts.iter().position(|c| c.collector == collector) else { return };
        let Some((.., flight)) = flown.first() else { return };
        self.contacts[at].halves_over(reports_in(flown), flight.request.0);
        let sent_at = flight.sent_at;
        let d = &ctx.settings.delivery;
        if self.contacts[at].succeeded(sent_at, now.boot, d, &mut self.chance) {
            self.fall_behind(collector, now, d);
        }
        self.contacts[at].answered(sent_at, now.boot, d, &mut self.chance);
    }

    fn failed(
        &mut self,
        flown: &[Flown],
        now: Now,
        after: Option<Span>,
        problem: &Problem,
        ctx: &mut DeliveryContext<'_>,
    ) {
        let d = &ctx.settings.delivery;
        let failure = Failure { after, offline: !self.gates.online };
        for (key, at, flight) in flown {
            let Some(log) = self.logs.get_mut(key) else { continue };
            let lane = &mut log.lanes[*at];
            let of = self.contacts.iter_mut().find(|c| *c.collector == *lane.collector);
            let alone = lane.facts().session_id == SessionId::Server;
            if alone {
                lane.retry.failed(now.boot, failure, d, &mut self.chance);
            }
            let mut failures = lane.retry.failures();
            if let Some(contact) = of {
                contact.failed(flight.sent_at, now.boot);
                if alone && flight.class == Class::Ended {
                    contact.ended_failed(now.boot, failure, d, &mut self.chance);
                }
                // A wait that it asks for counts in any case.
                let new = !contact.retry.failed_since(flight.sent_at) || after.is_some();
                if !alone && flight.leads && new {
                    contact.retry.failed(now.boot, failure, d, &mut self.chance);
                }
                if !alone {
                    failures = contact.retry.failures();
                    if contact.retry.asked_for().is_some() {
                        // A wait that the collector asked for is kept with the lane.
                        lane.retry = contact.retry.clone();
                    }
                }
            }
            lane.failed = flight.request.0 + 1;
            self.troubles.failed(*key, &lane.collector, flight.sent_at, now.boot, problem);
            let (why, media, collector) =
                (problem.why.as_str(), log.origin.media.log_id(), &*lane.collector);
            if failures == 1 && flight.leads {
                tracing::info!(media, collector, why, "delivery failed; it is tried again");
            } else {
                tracing::debug!(media, collector, why, failures, "delivery failed again");
            }
            if lane.retry.asked_for().is_some() {
                // A wait that the collector asked for must survive a restart of the agent.
                log.change(Changed::Everything);
                ctx.changes.write_within(now.boot, ctx.settings.flush_interval);
            }
        }
    }

    fn pings_stay(&mut self, flown: &[Flown], now: Now, ctx: &mut DeliveryContext<'_>) {
        for (key, at, _) in flown {
            self.ping_stays(*key, *at, now, ctx);
        }
    }

    /// Unmarks a ping in flight that was not delivered, so that it waits again.
    fn ping_stays(&mut self, key: u64, at: usize, now: Now, ctx: &mut DeliveryContext<'_>) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        if log.lanes[at].unmark_ping().is_some() {
            log.change(Changed::Progress);
            ctx.changes.write_within(now.boot, ctx.settings.flush_interval);
        }
    }
}

/// How many reports went out.
pub(super) fn reports_in(flown: &[Flown]) -> usize {
    flown.iter().map(|(_, _, flight)| flight.reports - flight.unwanted).sum()
}

/// Deletes a report that a lane has just passed, if every lane has passed it.
pub(super) fn forget_passed(
    key: u64,
    log: &Log,
    number: Option<u64>,
    ctx: &mut DeliveryContext<'_>,
) {
    if let Some(number) = number.filter(|number| log.first() > *number) {
        ctx.changes.delete(Key::Report(key, number));
    }
}

/// Moves a lane to the end of its log, and deletes reports that every lane has passed.
pub(super) fn pass_all(key: u64, log: &mut Log, at: usize, ctx: &mut DeliveryContext<'_>) {
    let from = log.first();
    log.lanes[at].pass_all(&log.summary);
    ctx.changes.delete_reports(ReportRange { log: key, from, to: log.first() });
}
