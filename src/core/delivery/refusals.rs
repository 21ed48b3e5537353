//! What collectors refuse for good (behaviour.md 2.7): a report, a whole session, or some reports of a
//! request that holds many.

use super::answers::{Flown, reports_in};
use super::lost::RefusedSession;
use super::{Delivery, DeliveryContext};
use crate::core::delivery::log::Changed;
use crate::core::dialect::SessionId;
use crate::core::dialect::exchange::{Cause, Problem};
use crate::core::message_ids as ids;
use crate::core::record::{Durability, Key, Record, RejectedReport, ReportRange};
use crate::core::report::{Kind, Report};
use crate::core::time::Now;

/// What a collector says about a refusal.
struct Refusal {
    status: u16,
    message: String,
    /// More reports that are lost with the one.
    lost: u64,
}

impl Delivery {
    /// A request is refused. Of many reports one may be bad: they go again in halves, until it is
    /// alone.
    pub(super) fn refused(
        &mut self,
        flown: &[Flown],
        status: u16,
        message: String,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) {
        let [(key, at, flight), ..] = flown else { return };
        let Some(log) = self.logs.get_mut(key) else { return };
        let lane = &mut log.lanes[*at];
        let contact = self.contacts.iter_mut().find(|c| *c.collector == *lane.collector);
        if lane.facts().session_id == SessionId::Agent
            && let Some(contact) = contact
        {
            let reports = reports_in(flown);
            if reports > 1 {
                tracing::info!(
                    collector = &*lane.collector,
                    reports,
                    status,
                    answer = message,
                    "the collector refused a request; its hits are sent again in halves"
                );
                return contact.halve(reports, self.next_request);
            }
            contact.refused_alone();
        }
        // An earlier try may have been accepted although its answer was lost.
        lane.progress.last_ts = Some(flight.last_ts);
        let Some(report) = lane.front().cloned() else { return };
        let whole = report.kind() == Kind::Start && lane.facts().session_id == SessionId::Server;
        let lost = if whole {
            lane.waiting(&log.summary).count
        } else {
            (flight.reports - flight.unwanted) as u64
        };
        let lost = lost.saturating_sub(1);
        let refusal = Refusal { status, message, lost };
        let (number, rejected) = self.reject((*key, *at), report, refusal, now, ctx);
        if !whole {
            self.drop_front(*key, *at, flight.reports, ctx);
            return;
        }
        // The collector refused the whole session, so its lane is removed.
        let Some(log) = self.logs.get_mut(key) else { return };
        if !log.ended {
            self.refused.push(RefusedSession::new(*key, number, rejected));
        }
        self.counters.dropped += 1 + lost;
        let before = log.first();
        log.lanes.remove(*at);
        log.change(Changed::Everything);
        if log.lanes.is_empty() {
            self.remove(*key, ctx);
        } else {
            let range = ReportRange { log: *key, from: before, to: log.first() };
            ctx.changes.delete_reports(range);
        }
    }

    /// A request is accepted, but for some of its reports. The collector does not say which.
    pub(super) fn refused_among(
        &mut self,
        flown: &[Flown],
        refused: u64,
        status: u16,
        message: String,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) {
        let [(key, at, _), ..] = flown else { return };
        let refused = refused.min(reports_in(flown) as u64);
        let front = self.logs.get(key).and_then(|log| log.lanes[*at].front().cloned());
        self.accepted(flown, None, now, ctx);
        if let Some(report) = front.filter(|_| refused > 0) {
            let refusal = Refusal { status, message, lost: refused - 1 };
            self.reject((*key, *at), report, refusal, now, ctx);
            self.counters.delivered = self.counters.delivered.saturating_sub(refused);
            self.counters.dropped += refused;
        }
    }

    /// Puts a report on the rejected list. Gives its number there.
    fn reject(
        &mut self,
        (key, at): (u64, usize),
        report: Report,
        refusal: Refusal,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) -> (u64, RejectedReport) {
        let refused_at = self.wall(now);
        let Refusal { status, message, lost } = refusal;
        let problem = Problem::new(Cause::GivenUp(status), format!("{status}: {message}"));
        let (mut collector, mut app, mut media_id) = Default::default();
        if let Some(log) = self.logs.get(&key) {
            let name = &log.lanes[at].collector;
            self.troubles.over(key, name);
            self.troubles.refused(name, now.boot, problem);
            (collector, app) = (name.to_string(), log.origin.app.clone());
            media_id = log.origin.media_id().to_owned();
        }
        tracing::warn!(
            message_id = ids::HITS_REFUSED,
            app,
            collector,
            hit = report.kind().event_type(),
            status,
            answer = message,
            lost = 1 + lost,
            "the collector refused a hit for good"
        );
        let rejected = RejectedReport {
            collector,
            app,
            media_id,
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
        (number, rejected)
    }
}
