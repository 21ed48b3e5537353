//! How much may wait (behaviour.md 2.8): over the limit pings are thinned first, then whole oldest
//! downloaded sessions go, then oldest sessions. Each loss is counted and logged.
//!
//! Waiting reports lie in the store, so room is made in steps: reports that must be looked at are
//! read first.

use super::answers::{forget_passed, pass_all};
use super::lane::Lane;
use super::log::{Changed, Log, WINDOW};
use super::reading::Reading;
use super::{Delivery, DeliveryContext};
use crate::core::clock::BootId;
use crate::core::message_ids as ids;
use crate::core::record::{Key, ReadReports, ReportRange};
use crate::core::report::{Kind, Report};
use crate::core::time::{Now, Span};

/// When the store does not answer a read and the queue has outgrown its limit by this fraction,
/// room is made among the reports that are only in memory.
const UNANSWERED: u64 = 8;
/// A full queue is cut by this fraction, so that not every new report has to make room.
const ROOM: u64 = 16;

/// How often reports that are too old are looked for.
const OLD_EVERY: Span = Span::seconds(60);

/// How a step towards more room went.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Done,
    /// It goes on when the store has answered a read.
    Reading,
    /// This way frees nothing more.
    Nothing,
}

impl Delivery {
    /// Drops what is too old, and makes room if too much waits.
    pub(super) fn enforce_limits(&mut self, now: Now, ctx: &mut DeliveryContext<'_>) {
        let limits = &ctx.settings.delivery;
        if now.boot >= self.old_at {
            self.old_at = now.boot + OLD_EVERY.min(limits.queue_max_age);
            self.drop_old(now, limits.queue_max_age, ctx);
        }
        let most = limits.queue_max_bytes;
        self.logs.count();
        self.making_room |= self.queued_bytes() > most;
        if !self.making_room {
            return;
        }
        let target = most - most / ROOM;
        while self.queued_bytes() > target {
            let thinned = self.thin_pings(target, ctx);
            if thinned == Step::Reading {
                return;
            }
            if thinned == Step::Nothing && self.drop_some(target, ctx) != Step::Done {
                return;
            }
            self.logs.count();
        }
        self.making_room = false;
    }

    /// Thins pings among the next reports of the oldest log that was not thinned yet. Reports in
    /// flight stay.
    fn thin_pings(&mut self, target: u64, ctx: &mut DeliveryContext<'_>) -> Step {
        if self.reads.values().any(|reading| matches!(reading, Reading::Thin { .. })) {
            return self.thin_unwritten(target, ctx);
        }
        let unthinned = |(key, log): (&u64, &Log)| {
            let from = log.thinned_to.max(log.first());
            let downloading = log.lanes.iter().any(Lane::downloading);
            (from < log.summary.next && !downloading).then_some((*key, from))
        };
        let Some((key, from)) = self.logs.iter().find_map(unthinned) else { return Step::Nothing };
        let Some(log) = self.logs.get(&key) else { return Step::Nothing };
        let stored_to = log.stored_to();
        if from < stored_to {
            let range = ReportRange { log: key, from, to: stored_to };
            self.want_read(range, WINDOW, Reading::Thin { log: key });
            return Step::Reading;
        }
        let (pings, to) = (unwritten_pings(log, from), log.summary.next);
        let kept = self.thin(key, pings, target, ctx);
        self.thinned(key, kept.unwrap_or(to));
        Step::Done
    }

    /// Thins pings that are only in memory, when the store could not be read for long.
    fn thin_unwritten(&mut self, target: u64, ctx: &mut DeliveryContext<'_>) -> Step {
        let most = ctx.settings.delivery.queue_max_bytes;
        if self.queued_bytes() <= most + most / UNANSWERED {
            return Step::Reading;
        }
        for key in self.logs.keys().copied().collect::<Vec<_>>() {
            let Some(log) = self.logs.get(&key) else { continue };
            let pings = unwritten_pings(log, 0);
            self.thin(key, pings, target, ctx);
        }
        Step::Reading
    }

    /// Thins pings among reports that `thin_pings` has had read.
    pub(super) fn thin_read(&mut self, key: u64, read: ReadReports, ctx: &mut DeliveryContext<'_>) {
        let limit = ctx.settings.delivery.queue_max_bytes;
        let ReadReports { reports, to } = read;
        let ping = |report: &Report| report.kind() == Kind::Ping;
        let pings = reports.iter().filter(|(_, stored)| ping(&stored.report));
        let pings = pings.map(|(number, stored)| (*number, stored.report.stored_bytes())).collect();
        let kept = self.thin(key, pings, limit - limit / ROOM, ctx);
        self.thinned(key, kept.unwrap_or(to));
    }

    /// Notes that the pings of a log with lower numbers than `to` were looked at.
    fn thinned(&mut self, key: u64, to: u64) {
        if let Some(log) = self.logs.get_mut(&key) {
            log.thinned_to = to;
        }
    }

    /// Drops pings of a log, oldest first, until there is room. Gives the first one that is kept
    /// because there is room.
    fn thin(
        &mut self,
        key: u64,
        pings: Vec<(u64, u64)>,
        target: u64,
        ctx: &mut DeliveryContext<'_>,
    ) -> Option<u64> {
        self.logs.count();
        let mut left = self.queued_bytes();
        let log = self.logs.get_mut(&key)?;
        let (mut thinned, mut kept) = (0, None);
        // The newest one keeps the sid of a session that lives alive.
        let newest = if log.ended { None } else { log.summary.next.checked_sub(1) };
        for (number, bytes) in pings {
            if left <= target {
                kept = Some(number);
                break;
            }
            let wanted = log.lanes.iter().any(|lane| lane.progress.cursor <= number);
            if !wanted
                || newest == Some(number)
                || log.lanes.iter().any(|lane| lane.is_under_way(number))
            {
                continue;
            }
            log.thin(number, bytes);
            ctx.changes.delete(Key::Report(key, number));
            thinned += 1;
            left = left.saturating_sub(bytes);
        }
        self.counters.dropped += thinned;
        self.counters.over_limit += thinned;
        if thinned > 0 {
            let message_id = ids::HITS_GIVEN_UP;
            tracing::warn!(message_id, hits = thinned, "the queue is full: pings were thinned");
        }
        kept
    }

    /// Drops the oldest downloaded session, else the oldest ended one, else the oldest reports of
    /// the oldest open one.
    fn drop_some(&mut self, target: u64, ctx: &mut DeliveryContext<'_>) -> Step {
        let free = |log: &Log| !log.in_flight() && log.waiting().count > 0;
        let oldest = |wanted: &dyn Fn(&Log) -> bool| {
            let mut all = self.logs.iter().filter(|(_, log)| free(log) && wanted(log));
            all.next().map(|(key, _)| *key)
        };
        let ended = oldest(&|log| log.origin.media.downloaded).or_else(|| oldest(&|log| log.ended));
        if let Some(key) = ended {
            self.drop_log(key, "the queue is full", ctx);
            Step::Done
        } else if let Some(key) = oldest(&|_| true) {
            self.drop_oldest(key, target, ctx)
        } else {
            Step::Nothing
        }
    }

    /// Drops the oldest reports of a session that is still open. The lane's context keeps what they
    /// opened, for the restart that the rest will need.
    fn drop_oldest(&mut self, key: u64, target: u64, ctx: &mut DeliveryContext<'_>) -> Step {
        let mut left = self.queued_bytes();
        let Some(log) = self.logs.get_mut(&key) else { return Step::Nothing };
        let mut hits = 0;
        while left > target {
            let before = log.waiting().bytes;
            let slowest = |lane: &&mut Lane| lane.progress.cursor;
            let Some(lane) = log.lanes.iter_mut().min_by_key(slowest) else { break };
            let Some((number, _)) = lane.pass() else { break };
            forget_passed(key, log, number, ctx);
            left = left.saturating_sub(before.saturating_sub(log.waiting().bytes));
            hits += 1;
        }
        log.change(Changed::Everything);
        self.counters.dropped += hits;
        self.counters.over_limit += hits;
        self.settle(key, ctx);
        if hits == 0 {
            return Step::Reading;
        }
        tracing::warn!(
            message_id = ids::HITS_GIVEN_UP,
            hits,
            "the queue is full: the oldest hits of an open session were given up"
        );
        Step::Done
    }

    /// Drops everything that waits in one log. A session that is still open keeps its context and
    /// is opened again when there is play time to report.
    fn drop_log(&mut self, key: u64, why: &str, ctx: &mut DeliveryContext<'_>) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        let hits = log.waiting().count;
        for at in 0..log.lanes.len() {
            pass_all(key, log, at, ctx);
            log.lanes[at].lost = true;
            log.lanes[at].sid = None;
        }
        self.counters.dropped += hits;
        self.counters.over_limit += hits;
        tracing::warn!(
            message_id = ids::HITS_GIVEN_UP,
            hits,
            why,
            media = log.origin.media.log_id(),
            "a session's hits were given up"
        );
        log.change(Changed::Everything);
        self.settle(key, ctx);
    }

    /// Drops the sessions whose last report is older than `most`.
    fn drop_old(&mut self, now: Now, most: Span, ctx: &mut DeliveryContext<'_>) {
        let trusted = self.gates.clock_trusted;
        let old: Vec<u64> = self
            .logs
            .iter()
            .filter(|(_, log)| !log.in_flight() && age(log, &self.boot, now, trusted) > most)
            .map(|(key, _)| *key)
            .collect();
        for key in old {
            self.drop_log(key, "it is too old", ctx);
        }
    }
}

/// The pings of a log that are only in memory, from a number on: their numbers and bytes.
fn unwritten_pings(log: &Log, from: u64) -> Vec<(u64, u64)> {
    log.unwritten_from(from)
        .filter(|(_, report)| report.kind() == Kind::Ping)
        .map(|(number, report)| (*number, report.stored_bytes()))
        .collect()
}

/// How long ago the last report happened; zero when nothing waits or no clock can tell.
fn age(log: &Log, boot: &BootId, now: Now, trusted: bool) -> Span {
    if log.waiting().count == 0 {
        return Span::ZERO;
    }
    let anchor = log.lanes.iter().find_map(|lane| lane.anchor);
    match (log.origin.boot == *boot, anchor) {
        (true, _) => now.boot - log.summary.last_at,
        (false, Some(anchor)) if trusted => now.wall - anchor.wall(log.summary.last_at),
        (false, _) => Span::ZERO,
    }
}
