//! How a request of a lane is put together, and what its session needs first (behaviour.md 2.7,
//! spec 8).

use super::answers::pass_all;
use super::backoff::Failure;
use super::flight::{Class, Download, InFlight};
use super::lane::Lane;
use super::log::{Changed, Log, WINDOW};
use super::reading::Reading;
use super::{Delivery, DeliveryContext};
use crate::core::clock::Anchor;
use crate::core::dialect::exchange::{Purpose, Request, RequestId};
use crate::core::dialect::{DatedReport, RequestContent, SessionId};
use crate::core::record::{Durability, Key, ReadReports, ReportRange};
use crate::core::report::{Kind, Report};
use crate::core::settings::Settings;
use crate::core::time::{Now, WallTime};

impl Delivery {
    /// Makes sure that the front report has a session at the collector: a dead one is opened again,
    /// or given up when no play time waits. False when the lane has to wait or is empty now.
    pub(super) fn alive(
        &mut self,
        key: u64,
        at: usize,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) -> bool {
        let d = &ctx.settings.delivery;
        let Some(log) = self.logs.get_mut(&key) else { return false };
        let lane = &mut log.lanes[at];
        let facts = lane.facts();
        if log.origin.media.downloaded && facts.downloads_in_one {
            if lane.lost {
                // Its beginning was given up to make room; a download begins with a start.
                lane.reopen(now.boot);
                log.change(Changed::Everything);
            }
            return true;
        }
        if lane.expired(now, d.sid_lifetime) {
            tracing::info!(
                media = log.origin.media.log_id(),
                "the session has expired at the collector"
            );
            lane.sid = None;
        }
        if lane.sid.is_some() {
            return true;
        }
        if lane.front().is_some_and(|report| report.kind() == Kind::Start) {
            if facts.session_id == SessionId::Agent {
                let uuid = self.chance.uuid();
                log.give_id(at, uuid);
                log.change(Changed::Everything);
                ctx.changes.require(Durability::Flushed);
            }
            return true;
        }
        if !lane.holds_play_time(&log.summary) {
            self.give_up(key, at, ctx);
            self.settle(key, ctx);
            return false;
        }
        self.restart(key, at, now, ctx)
    }

    /// Puts the resume sequence before the first undelivered report (spec 5.3, behaviour.md 2.7).
    /// False after too many restarts: then the lane has to wait.
    pub(super) fn restart(
        &mut self,
        key: u64,
        at: usize,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) -> bool {
        let d = &ctx.settings.delivery;
        let Some(log) = self.logs.get_mut(&key) else { return false };
        let lane = &mut log.lanes[at];
        if !lane.may_restart(now.boot, d.restart_window, d.max_restarts) {
            lane.retry.failed(now.boot, Failure::default(), d, &mut self.chance);
            return false;
        }
        lane.reopen(now.boot);
        if lane.facts().session_id == SessionId::Agent {
            lane.sid = Some(self.chance.uuid());
        }
        if log.origin.boot == self.boot {
            // A new session takes a new anchor (behaviour.md 2.6); only its own boot can give it
            // one.
            lane.anchor = Some(Anchor::taken(now));
        }
        ctx.changes.require(Durability::Flushed);
        tracing::info!(
            media = log.origin.media.log_id(),
            "the session is opened again at the collector"
        );
        log.change(Changed::Everything);
        true
    }

    /// Drops and counts what waits in a lane: it is not worth a new session (behaviour.md 2.7).
    pub(super) fn give_up(&mut self, key: u64, at: usize, ctx: &mut DeliveryContext<'_>) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        let waiting = log.lanes[at].waiting(&log.summary).count;
        pass_all(key, log, at, ctx);
        let lane = &mut log.lanes[at];
        lane.lost = true;
        lane.sid = None;
        self.counters.dropped += waiting;
        self.counters.closed_by_server += waiting;
        log.change(Changed::Everything);
    }

    /// The next request of a lane; `None` while it is being put together.
    pub(super) fn request(
        &mut self,
        key: u64,
        at: usize,
        class: Class,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) -> Option<Request> {
        let log = self.logs.get_mut(&key)?;
        let purpose = log.purpose(&log.lanes[at]);
        let (body, reports, left_out, last_ts) = match purpose {
            Purpose::Download => {
                self.download(key, at, ctx);
                let log = self.logs.get_mut(&key)?;
                // Taken whole: a later try puts the body together anew.
                let next = log.summary.next;
                let mut whole = log.lanes[at].download.take_if(|d| d.next >= next)?;
                let content = content(&purpose, log, at, ctx.settings, &[])?;
                let left_out = log.lanes[at].dialect.finish(&mut whole.body, &content);
                (whole.body, whole.reports, left_out, whole.last_ts?)
            }
            _ => single(log, at, &purpose, ctx.settings)?,
        };
        let bytes = self.spend(&body, now, ctx);
        let log = self.logs.get_mut(&key)?;
        let lane = &log.lanes[at];
        let (number, report) = lane.first(1).next()?;
        let dated = [DatedReport { ts: last_ts, number, report }];
        let path = lane.dialect.path(&content(&purpose, log, at, ctx.settings, &dated)?);
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let whole = purpose == Purpose::Download;
        let lane = &mut log.lanes[at];
        lane.flight = Some(InFlight {
            request: id,
            sent_at: now.boot,
            class,
            reports,
            left_out,
            unwanted: 0,
            whole,
            leads: true,
            bytes,
            last_ts,
        });
        let facts = lane.facts();
        if let Some(number) = lane.front_number() {
            // A ping must not be repeated when the agent dies while it is under way, so it is
            // marked before it leaves the box (behaviour.md 2.11).
            let ping = lane.front().is_some_and(|front| front.kind() == Kind::Ping);
            if ping && !facts.tells_repeats_apart {
                lane.mark_ping(number, last_ts);
                log.change(Changed::Progress);
                ctx.changes.require(Durability::Flushed);
            }
            // The collector knows nothing that a restarted agent does not: it goes on from its
            // last recorded state (behaviour.md 2.5).
            if ctx.changes.holds(&Key::Report(key, number)) {
                ctx.changes.require(Durability::Flushed);
            }
        }
        let collector = log.lanes[at].collector.clone();
        let reads_answer = facts.reads_answer;
        Some(Request { id, collector, purpose, path, body, reads_answer })
    }

    /// Takes a body from the budget of the day, if there is one. Gives its bytes then, else 0.
    pub(super) fn spend(&mut self, body: &str, now: Now, ctx: &DeliveryContext<'_>) -> u64 {
        if ctx.settings.delivery.daily_bytes == 0 {
            return 0;
        }
        let bytes = body.len() as u64;
        self.budget.spend(bytes, now.wall);
        bytes
    }

    /// Puts a downloaded session together, as far as it is in memory, and has the rest read.
    fn download(&mut self, key: u64, at: usize, ctx: &mut DeliveryContext<'_>) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        let lane = &mut log.lanes[at];
        if lane.download.is_none() {
            lane.download = Some(Download {
                body: String::new(),
                next: lane.progress.cursor,
                reports: 0,
                last_ts: lane.progress.last_ts,
                reading: false,
            });
            let first = lane.first(WINDOW).map(|(number, report)| (number, report.clone()));
            let reports: Vec<(i64, Report)> = first.collect();
            let to = lane.ahead_to();
            append_piece(log, at, &reports, to, ctx.settings);
        }
        self.read_on(key, at, ctx);
    }

    /// Gets the next piece of a download: reads it, or takes from memory what is not stored yet.
    fn read_on(&mut self, key: u64, at: usize, ctx: &mut DeliveryContext<'_>) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        let (stored_to, end) = (log.stored_to(), log.summary.next);
        let Some(next) = log.lanes[at].download.as_ref().map(|download| download.next) else {
            return;
        };
        if next >= end {
            return;
        }
        if next >= stored_to {
            let unwritten = log.unwritten_from(next);
            let reports: Vec<(i64, Report)> =
                unwritten.map(|(number, report)| (*number as i64, Report::clone(report))).collect();
            append_piece(log, at, &reports, end, ctx.settings);
            return;
        }
        let Some(download) = &mut log.lanes[at].download else { return };
        download.reading = true;
        let lane = log.lanes[at].collector.clone();
        let range = ReportRange { log: key, from: next, to: stored_to };
        self.want_read(range, WINDOW, Reading::Download { log: key, lane, from: next });
    }

    /// A piece of a download has been read.
    pub(super) fn download_piece(
        &mut self,
        key: u64,
        at: usize,
        from: u64,
        read: ReadReports,
        ctx: &mut DeliveryContext<'_>,
    ) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        // The download may have been dropped meanwhile, and another one begun.
        let download = log.lanes[at].download.as_mut();
        let Some(download) = download.filter(|download| download.next == from) else { return };
        download.reading = false;
        let numbered = read.reports.into_iter();
        let reports: Vec<(i64, Report)> =
            numbered.map(|(number, stored)| (number as i64, stored.report)).collect();
        append_piece(log, at, &reports, read.to, ctx.settings);
        self.read_on(key, at, ctx);
    }
}

/// A request of the reports at the front of a lane: its body, their count and the last time.
fn single(
    log: &Log,
    at: usize,
    purpose: &Purpose,
    settings: &Settings,
) -> Option<(String, usize, usize, WallTime)> {
    let lane = &log.lanes[at];
    let anchor = lane.anchor?;
    // A start whose answer gives the sid is the only report in its request.
    let most = if *purpose == Purpose::Open { 1 } else { lane.facts().reports_per_request };
    let wanted = lane.first(most).take_while(|(_, report)| lane.wants(report));
    let dated = Lane::date(anchor, lane.progress.last_ts, wanted);
    let last_ts = dated.last()?.ts;
    let mut content = content(purpose, log, at, settings, &dated)?;
    let mut body = String::new();
    lane.dialect.append(&mut body, &content);
    content.reports = &[];
    let left_out = lane.dialect.finish(&mut body, &content);
    Some((body, dated.len(), left_out, last_ts))
}

/// What a dialect gets for a request of a lane. `None` when the settings have no such collector any
/// more.
pub(super) fn content<'a>(
    purpose: &'a Purpose,
    log: &'a Log,
    at: usize,
    settings: &'a Settings,
    reports: &'a [DatedReport<'a>],
) -> Option<RequestContent<'a>> {
    let lane = &log.lanes[at];
    let collector = settings.collectors.iter().find(|c| c.name == *lane.collector)?;
    let (sid, media) = (lane.sid.as_deref(), &*log.origin.media);
    // One that was opened anew goes on with what it was before: here, or else at other collectors.
    let uuid = log.uuid.as_deref().filter(|uuid| Some(*uuid) != sid);
    let previous = lane.previous.as_deref().or(uuid).or(log.origin.previous.as_deref());
    Some(RequestContent { purpose, sid, previous, media, collector, settings, reports })
}

/// Appends reports to a download. It then holds every report with a number below `next`.
fn append_piece(
    log: &mut Log,
    at: usize,
    reports: &[(i64, Report)],
    next: u64,
    settings: &Settings,
) {
    let lane = &mut log.lanes[at];
    let Some(anchor) = lane.anchor else { return };
    let Some(mut download) = lane.download.take() else { return };
    let wanted = reports.iter().filter(|(_, report)| lane.wants(report));
    let numbered = wanted.map(|(number, report)| (*number, report));
    let dated = Lane::date(anchor, download.last_ts, numbered);
    download.last_ts = dated.last().map(|d| d.ts).or(download.last_ts);
    download.reports += dated.len();
    download.next = next;
    if let Some(content) = content(&Purpose::Download, log, at, settings, &dated) {
        log.lanes[at].dialect.append(&mut download.body, &content);
    }
    log.lanes[at].download = Some(download);
}
