//! How much may wait (behaviour.md 2.8): over the limit pings are thinned first, then whole oldest
//! downloaded sessions go, then oldest sessions. Each loss is counted and logged. With several
//! collectors this happens first to those for which most waits, and to what no other needs.
//!
//! Waiting reports lie in the store, so room is made in steps: reports that must be looked at are
//! read first.

use super::answers::{forget_passed, pass_all};
use super::contact::Contact;
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
            let away = self.away();
            let mut step = self.make_room(&away, target, ctx);
            if step == Step::Nothing && self.is_under_way_to(&away) {
                // What cannot be given up now can be when its answer is there.
                return;
            }
            if step == Step::Nothing {
                step = self.make_room(&GivingUp::all(), target, ctx);
            }
            if step != Step::Done {
                return;
            }
            self.logs.count();
        }
        self.making_room = false;
    }

    /// The collectors for which most waits: at least half as much as for the first of them.
    fn away(&self) -> GivingUp {
        let waiting = |contact: &Contact| -> u64 {
            self.lanes_of(contact).map(|(_, log, lane)| lane.waiting(&log.summary).bytes).sum()
        };
        let sums: Vec<u64> = self.contacts.iter().map(waiting).collect();
        let most = sums.iter().copied().max().unwrap_or_default();
        let away = self.contacts.iter().zip(sums).filter(|(_, sum)| sum.saturating_mul(2) >= most);
        GivingUp(Some(away.map(|(contact, _)| contact.collector.clone()).collect()))
    }

    /// Whether something that would make room is in flight.
    fn is_under_way_to(&self, of: &GivingUp) -> bool {
        let flies = |lane: &Lane| of.has(lane) && lane.flight.is_some();
        self.contacts.len() > 1 && self.logs.values().any(|log| log.lanes.iter().any(flies))
    }

    fn make_room(&mut self, of: &GivingUp, target: u64, ctx: &mut DeliveryContext<'_>) -> Step {
        match self.thin_pings(of, target, ctx) {
            Step::Nothing => self.drop_some(of, target, ctx),
            step => step,
        }
    }

    /// Thins pings among the next reports of the oldest log that was not thinned yet. Reports in
    /// flight stay.
    fn thin_pings(&mut self, of: &GivingUp, target: u64, ctx: &mut DeliveryContext<'_>) -> Step {
        if self.reads.values().any(|reading| matches!(reading, Reading::Thin { .. })) {
            return self.thin_unwritten(of, target, ctx);
        }
        let unthinned = |(key, log): (&u64, &Log)| {
            let from = log.thinned_to.max(log.first());
            let to = log.summary.next.min(of.alone_below(log));
            let downloading = log.lanes.iter().any(Lane::downloading);
            (from < to && !downloading).then_some((*key, from, to))
        };
        let Some((key, from, to)) = self.logs.iter().find_map(unthinned) else {
            return Step::Nothing;
        };
        let Some(log) = self.logs.get(&key) else { return Step::Nothing };
        let stored_to = log.stored_to();
        if from < stored_to {
            let range = ReportRange { log: key, from, to: stored_to.min(to) };
            self.want_read(range, WINDOW, Reading::Thin { log: key });
            return Step::Reading;
        }
        let pings = unwritten_pings(log, from, to);
        let kept = self.thin(key, pings, target, ctx);
        self.thinned(key, kept.unwrap_or(to));
        Step::Done
    }

    /// Thins pings that are only in memory, when the store could not be read for long.
    fn thin_unwritten(
        &mut self,
        of: &GivingUp,
        target: u64,
        ctx: &mut DeliveryContext<'_>,
    ) -> Step {
        let most = ctx.settings.delivery.queue_max_bytes;
        if self.queued_bytes() <= most + most / UNANSWERED {
            return Step::Reading;
        }
        for key in self.logs.keys().copied().collect::<Vec<_>>() {
            let Some(log) = self.logs.get(&key) else { continue };
            let pings = unwritten_pings(log, 0, of.alone_below(log));
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
            let waits = |lane: &&Lane| lane.progress.cursor <= number;
            if !log.lanes.iter().any(|lane| waits(&lane))
                || newest == Some(number)
                || log.lanes.iter().any(|lane| lane.is_under_way(number))
            {
                continue;
            }
            let lanes = log.lanes.iter().filter(waits);
            thinned += lanes.filter(|lane| lane.wants_kind(Kind::Ping)).count() as u64;
            log.thin(number, bytes);
            ctx.changes.delete(Key::Report(key, number));
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
    /// the oldest open one, all of them only for the collectors that are away.
    fn drop_some(&mut self, of: &GivingUp, target: u64, ctx: &mut DeliveryContext<'_>) -> Step {
        let oldest = |wanted: &dyn Fn(&Log) -> bool| {
            let free = |log: &Log| log.lanes.iter().any(|lane| of.can_drop(log, lane));
            let mut all = self.logs.iter().filter(|(_, log)| free(log) && wanted(log));
            all.next().map(|(key, _)| *key)
        };
        let ended = oldest(&|log| log.origin.media.downloaded).or_else(|| oldest(&|log| log.ended));
        if let Some(key) = ended {
            self.drop_log(key, of, "the queue is full", ctx);
            Step::Done
        } else if let Some(key) = oldest(&|_| true) {
            self.drop_oldest(key, of, target, ctx)
        } else {
            Step::Nothing
        }
    }

    /// Drops the oldest reports of a session that is still open. The lane's context keeps what they
    /// opened, for the restart that the rest will need.
    fn drop_oldest(
        &mut self,
        key: u64,
        of: &GivingUp,
        target: u64,
        ctx: &mut DeliveryContext<'_>,
    ) -> Step {
        let mut left = self.queued_bytes();
        let Some(log) = self.logs.get_mut(&key) else { return Step::Nothing };
        let (mut passed, mut hits, mut collector) = (0, 0, None);
        while left > target {
            let before = log.waiting().bytes;
            let can = |at: &usize| of.can_drop(log, &log.lanes[*at]);
            let slowest = |at: &usize| log.lanes[*at].progress.cursor;
            let Some(at) = (0..log.lanes.len()).filter(can).min_by_key(slowest) else { break };
            let lane = &mut log.lanes[at];
            let Some((number, report)) = lane.pass() else { break };
            collector = Some(lane.collector.clone());
            if report.kind() == Kind::Start {
                // Nobody there knows of the session.
                lane.sid = None;
            }
            hits += u64::from(lane.wants(&report));
            forget_passed(key, log, number, ctx);
            left = left.saturating_sub(before.saturating_sub(log.waiting().bytes));
            passed += 1;
        }
        log.change(Changed::Everything);
        self.counters.dropped += hits;
        self.counters.over_limit += hits;
        self.settle(key, ctx);
        if passed == 0 {
            return Step::Reading;
        }
        tracing::warn!(
            message_id = ids::HITS_GIVEN_UP,
            hits,
            collector = collector.as_deref(),
            "the queue is full: the oldest hits of an open session were given up"
        );
        Step::Done
    }

    /// Drops everything that waits in one log for some collectors. A session that is still open keeps
    /// its context and is opened again when there is play time to report.
    fn drop_log(&mut self, key: u64, of: &GivingUp, why: &str, ctx: &mut DeliveryContext<'_>) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        let (mut hits, mut collectors) = (0, Vec::new());
        for at in 0..log.lanes.len() {
            if of.can_drop(log, &log.lanes[at]) {
                collectors.push(log.lanes[at].collector.clone());
                hits += log.lanes[at].waiting(&log.summary).count;
                pass_all(key, log, at, ctx);
                log.lanes[at].lost = true;
                log.lanes[at].leave_session();
            }
        }
        self.counters.dropped += hits;
        self.counters.over_limit += hits;
        tracing::warn!(
            message_id = ids::HITS_GIVEN_UP,
            hits,
            why,
            collector = collectors.join(", "),
            media = log.origin.media.log_id(),
            "a session's hits were given up"
        );
        log.change(Changed::Everything);
        self.settle(key, ctx);
    }

    /// Drops the sessions whose last report is older than `most`.
    fn drop_old(&mut self, now: Now, most: Span, ctx: &mut DeliveryContext<'_>) {
        let trusted = self.gates.clock_trusted;
        let all = GivingUp::all();
        let old = |log: &Log| {
            let free = log.lanes.iter().any(|lane| all.can_drop(log, lane));
            free && age(log, &self.boot, now, trusted) > most
        };
        let old: Vec<u64> =
            self.logs.iter().filter(|(_, log)| old(log)).map(|(key, _)| *key).collect();
        for key in old {
            self.drop_log(key, &all, "it is too old", ctx);
        }
    }
}

/// Collectors that give something up to make room; `None`: all.
struct GivingUp(Option<Vec<String>>);

impl GivingUp {
    fn all() -> GivingUp {
        GivingUp(None)
    }

    fn has(&self, lane: &Lane) -> bool {
        self.0.as_ref().is_none_or(|names| names.iter().any(|name| *name == *lane.collector))
    }

    /// The reports of a log with lower numbers are needed by no other collector.
    fn alone_below(&self, log: &Log) -> u64 {
        let others = log.lanes.iter().filter(|lane| !self.has(lane));
        others.map(|lane| lane.progress.cursor).min().unwrap_or(u64::MAX)
    }

    /// Whether it makes room to drop what waits in a lane.
    fn can_drop(&self, log: &Log, lane: &Lane) -> bool {
        self.has(lane)
            && lane.flight.is_none()
            && lane.waiting(&log.summary).count > 0
            && lane.progress.cursor < self.alone_below(log)
    }
}

/// The pings of a log that are only in memory, with numbers in a range: their numbers and bytes.
fn unwritten_pings(log: &Log, from: u64, to: u64) -> Vec<(u64, u64)> {
    log.unwritten_from(from)
        .filter(|(number, report)| *number < to && report.kind() == Kind::Ping)
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
