//! What a collector's answer changes in its lane (behaviour.md 2.7).

use super::backoff::Failure;
use super::lane::{Class, InFlight, Lane};
use super::log::{Changed, Log};
use super::lost::RefusedSession;
use super::{Delivery, DeliveryContext};
use crate::core::dialect::exchange::{Cause, Outcome, Problem, RequestId};
use crate::core::dialect::{SessionId, Verdict};
use crate::core::message_ids as ids;
use crate::core::record::{Accepted, Durability, Key, Record, RejectedReport, ReportRange};
use crate::core::report::Kind;
use crate::core::time::{Now, Span};

impl Delivery {
    /// The answer to a request.
    pub(crate) fn answer(
        &mut self,
        request: RequestId,
        outcome: &Outcome,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) {
        let Some((key, at)) = self.flight_of(request) else { return };
        let Some(log) = self.logs.get_mut(&key) else { return };
        let lane = &mut log.lanes[at];
        let Some(flight) = lane.flight.take() else { return };
        let purpose = purpose(log, at, ctx);
        let lane = &mut log.lanes[at];
        let collector = lane.collector.clone();
        let said = match outcome {
            Outcome::Answered { status, .. } => Ok(*status),
            Outcome::Unreachable(problem) | Outcome::Unanswered(problem) => Err(problem.clone()),
        };
        self.troubles.heard(&collector, now.wall, said);
        match lane.dialect.judge(&purpose, outcome, now.wall) {
            Verdict::Opened { sid } => {
                self.accepted(key, at, Some(sid), flight, now, ctx);
                self.reached(&collector, now, ctx);
            }
            Verdict::Accepted => {
                self.accepted(key, at, None, flight, now, ctx);
                self.reached(&collector, now, ctx);
            }
            Verdict::AcceptedBut { .. } => {
                self.accepted(key, at, None, flight, now, ctx);
                self.reached(&collector, now, ctx);
            }
            Verdict::Refused { status, message } => {
                // An earlier try may have been accepted although its answer was lost.
                lane.progress.last_ts = Some(flight.last_ts);
                self.refused(key, at, flight.reports, status, message, now, ctx);
            }
            Verdict::Gone => {
                self.ping_stays(key, at, now, ctx);
                self.gone(key, at, now, ctx);
            }
            Verdict::Ambiguous { problem } => {
                let ping = lane.front().is_some_and(|report| report.kind() == Kind::Ping);
                if ping && !lane.facts().tells_repeats_apart {
                    lane.progress.last_ts = Some(flight.last_ts);
                    self.counters.ambiguous_pings += 1;
                    self.drop_front(key, at, 1, ctx);
                } else {
                    self.ping_stays(key, at, now, ctx);
                }
                self.failed(key, at, &flight, now, None, &problem, ctx);
            }
            Verdict::Later { after, problem } => {
                self.ping_stays(key, at, now, ctx);
                self.failed(key, at, &flight, now, after, &problem, ctx);
            }
        }
        self.settle(key, ctx);
    }

    fn flight_of(&self, request: RequestId) -> Option<(u64, usize)> {
        let flying = |lane: &Lane| lane.flight.as_ref().is_some_and(|f| f.request == request);
        self.logs.iter().find_map(|(key, log)| Some((*key, log.lanes.iter().position(flying)?)))
    }

    fn accepted(
        &mut self,
        key: u64,
        at: usize,
        opened: Option<String>,
        flight: InFlight,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        let whole = flight.whole;
        let mut changed = Changed::Progress;
        if whole {
            self.counters.delivered += (flight.reports - flight.left_out) as u64;
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
            self.counters.delivered += 1;
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
            lane.sid = Some(sid);
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
            let Some((number, _)) = log.lanes[at].pass() else { break };
            forget_passed(key, log, number, ctx);
            self.counters.dropped += 1;
        }
        log.change(Changed::Everything);
    }

    #[allow(clippy::too_many_arguments, reason = "a refusal is all of this")]
    fn refused(
        &mut self,
        key: u64,
        at: usize,
        reports: usize,
        status: u16,
        message: String,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) {
        let refused_at = self.wall(now);
        let Some(log) = self.logs.get_mut(&key) else { return };
        let lane = &log.lanes[at];
        let Some(report) = lane.front().cloned() else { return };
        let problem = Problem::new(Cause::Status(status), format!("{status}: {message}"));
        self.troubles.refused(&lane.collector, now.boot, problem);
        self.troubles.over(key, &lane.collector);
        let whole = report.kind() == Kind::Start && lane.facts().session_id == SessionId::Server;
        let waiting = lane.waiting(&log.summary).count;
        let lost = if whole { waiting } else { reports as u64 }.saturating_sub(1);
        tracing::warn!(
            message_id = ids::HITS_REFUSED,
            app = log.origin.app,
            collector = &*lane.collector,
            hit = report.kind().event_type(),
            status,
            answer = message,
            lost = 1 + lost,
            "the collector refused a hit for good"
        );
        let rejected = RejectedReport {
            collector: lane.collector.to_string(),
            app: log.origin.app.clone(),
            media_id: log.origin.media_id().to_owned(),
            report,
            lost,
            status,
            message,
            at: refused_at,
        };
        let number = *ctx.next_rejected;
        self.rejected.add(vec![(number, rejected.clone().into())], ctx.settings);
        *ctx.next_rejected = ctx.next_rejected.wrapping_add(1);
        ctx.changes.put(Key::Rejected(number), Record::Rejected(Box::new(rejected.clone())));
        if let Some(oldest) = number.checked_sub(ctx.settings.limits.rejected_kept as u64) {
            ctx.changes.delete(Key::Rejected(oldest));
        }
        ctx.changes.require(Durability::Flushed);
        if !whole {
            self.drop_front(key, at, reports, ctx);
            return;
        }
        // The collector refused the whole session, so its lane is removed.
        if !log.ended {
            self.refused.push(RefusedSession::new(key, number, rejected));
        }
        self.counters.dropped += 1 + lost;
        let before = log.first();
        log.lanes.remove(at);
        log.change(Changed::Everything);
        if log.lanes.is_empty() {
            self.remove(key, ctx);
        } else {
            let range = ReportRange { log: key, from: before, to: log.first() };
            ctx.changes.delete_reports(range);
        }
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
    fn reached(&mut self, collector: &str, now: Now, ctx: &DeliveryContext<'_>) {
        let Some(at) = self.contacts.iter().position(|c| c.collector == collector) else { return };
        if self.contacts[at].succeeded(now.boot, &ctx.settings.delivery, &mut self.chance) {
            self.fall_behind(collector);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "a failure is all of this")]
    fn failed(
        &mut self,
        key: u64,
        at: usize,
        flight: &InFlight,
        now: Now,
        after: Option<Span>,
        problem: &Problem,
        ctx: &mut DeliveryContext<'_>,
    ) {
        let d = &ctx.settings.delivery;
        let failure = Failure { after, offline: !self.gates.online };
        let Some(log) = self.logs.get_mut(&key) else { return };
        let lane = &mut log.lanes[at];
        lane.retry.failed(now.boot, failure, d, &mut self.chance);
        lane.failed = flight.request.0 + 1;
        let contact = self.contacts.iter_mut().find(|c| *c.collector == *lane.collector);
        if let Some(contact) = contact {
            contact.failed(flight.sent_at, now.boot);
            if flight.class == Class::Ended {
                contact.ended_failed(now.boot, failure, d, &mut self.chance);
            }
        }
        self.troubles.failed(key, &lane.collector, flight.sent_at, now.boot, problem);
        let (failures, why) = (lane.retry.failures(), problem.why.as_str());
        let (media, collector) = (log.origin.media.log_id(), &*lane.collector);
        if failures == 1 {
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

    /// Unmarks a ping in flight that was not delivered, so that it waits again.
    fn ping_stays(&mut self, key: u64, at: usize, now: Now, ctx: &mut DeliveryContext<'_>) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        if log.lanes[at].progress.ping_under_way.take().is_some() {
            log.change(Changed::Progress);
            ctx.changes.write_within(now.boot, ctx.settings.flush_interval);
        }
    }
}

/// What the request in flight was for: the dialect needs it to judge the answer.
fn purpose(
    log: &Log,
    at: usize,
    ctx: &DeliveryContext<'_>,
) -> crate::core::dialect::exchange::Purpose {
    super::requests::purpose(log, &log.lanes[at], ctx.settings)
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
