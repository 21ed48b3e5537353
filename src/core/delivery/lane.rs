//! One collector's way through a log: how far it is, what the collector knows, the request in
//! flight, and the next few reports in memory (spec 3.1, 5.3, 8).

use std::collections::VecDeque;
use std::sync::Arc;

use super::backoff::{Pace, Retry};
use super::flight::{Download, InFlight};
use crate::core::clock::Anchor;
use crate::core::context::SessionContext;
use crate::core::dialect::{Capabilities, DatedReport, Dialect, SessionId};
use crate::core::record::{Accepted, LaneRecord, Numbered, Progress, Summary, Totals};
use crate::core::report::{Kind, Kinds, Report};
use crate::core::settings::CollectorSettings;
use crate::core::time::{BootInstant, Now, Span, WallTime};

#[derive(Debug)]
pub struct Lane {
    pub collector: Arc<str>,
    kind: String,
    url: String,
    pub dialect: Arc<dyn Dialect>,
    /// What the collector wants to hear of (`collector.events`).
    events: Kinds,
    /// Of the reports that wait, so many at least are none of these. Not stored: after a start of the
    /// agent it is found again when what waits is in memory.
    unwanted: u64,
    pub sid: Option<String>,
    /// The agent's own id of the session that this one goes on with since it was opened anew.
    pub previous: Option<Box<str>>,
    pub anchor: Option<Anchor>,
    /// The session is lost, and no report since was worth a new one (behaviour.md 2.7).
    pub lost: bool,
    pub context: SessionContext,
    pub restarts: Vec<BootInstant>,
    /// Reports that open the session anew and are not delivered yet; they come first.
    pub reopening: VecDeque<Arc<Report>>,
    pub progress: Progress,
    pub flight: Option<InFlight>,
    pub retry: Retry,
    /// Something in it is old (behaviour.md 2.7), so it is worked off at a rate.
    pub behind: bool,
    /// Reports since that began: so many requests go beside the rate.
    pub news: u32,
    pub pace: Pace,
    /// The request with which it was served last, plus one; and the one with which it failed last.
    pub served: u64,
    pub failed: u64,
    pub download: Option<Download>,
    /// The next reports, as far as they are in memory: all with numbers in `cursor..ahead_to`.
    ahead: VecDeque<(u64, Arc<Report>)>,
    ahead_to: u64,
    /// More reports are being read from the store.
    pub reading: bool,
}

impl Lane {
    /// A lane at the beginning of a log.
    pub fn new(
        collector: &CollectorSettings,
        dialect: Arc<dyn Dialect>,
        anchor: Option<Anchor>,
    ) -> Lane {
        let first = super::log::FIRST;
        let progress = Progress {
            cursor: first,
            passed: Totals::default(),
            ping_under_way: None,
            ping_ts: None,
            accepted: None,
            last_ts: None,
        };
        Lane {
            collector: collector.name.as_str().into(),
            kind: collector.kind.clone(),
            url: collector.url.clone(),
            dialect,
            events: events(collector),
            unwanted: 0,
            sid: None,
            previous: None,
            anchor,
            lost: false,
            context: SessionContext::default(),
            restarts: Vec::new(),
            reopening: VecDeque::new(),
            progress,
            flight: None,
            retry: Retry::default(),
            behind: false,
            news: 0,
            pace: Pace::default(),
            served: 0,
            failed: 0,
            download: None,
            ahead: VecDeque::new(),
            ahead_to: first,
            reading: false,
        }
    }

    /// A lane as it was stored.
    pub fn restored(record: LaneRecord, dialect: Arc<dyn Dialect>, summary: &Summary) -> Lane {
        let LaneRecord { collector, kind, url, sid, previous, anchor, lost, context, .. } = record;
        Lane {
            collector: collector.into(),
            kind,
            url,
            dialect,
            events: Kinds::ALL,
            unwanted: 0,
            sid,
            previous,
            anchor,
            lost,
            context: context.unwrap_or_else(|| summary.context.clone()),
            restarts: record.restarts,
            reopening: record.reopening.into_iter().map(Arc::new).collect(),
            flight: None,
            retry: record.not_before.map(Retry::restored).unwrap_or_default(),
            behind: false,
            news: 0,
            pace: Pace::default(),
            served: 0,
            failed: 0,
            download: None,
            ahead: VecDeque::new(),
            ahead_to: record.progress.cursor,
            reading: false,
            progress: record.progress,
        }
    }

    pub fn record(&self, summary: &Summary) -> LaneRecord {
        LaneRecord {
            collector: self.collector.to_string(),
            kind: self.kind.clone(),
            url: self.url.clone(),
            sid: self.sid.clone(),
            previous: self.previous.clone(),
            anchor: self.anchor,
            lost: self.lost,
            context: (self.context != summary.context).then(|| self.context.clone()),
            restarts: self.restarts.clone(),
            reopening: self.reopening.iter().map(|report| Report::clone(report)).collect(),
            not_before: self.retry.asked_for(),
            progress: self.progress.clone(),
        }
    }

    pub fn facts(&self) -> Capabilities {
        self.dialect.facts()
    }

    /// The settings of its collector have been loaded.
    pub fn reload(&mut self, collector: &CollectorSettings) {
        let events = events(collector);
        if self.events != events {
            self.unwanted = 0;
        }
        self.events = events;
    }

    /// Whether the collector gets a report. A start without which there is no session always goes.
    pub fn wants(&self, report: &Report) -> bool {
        self.wants_kind(report.kind())
    }

    pub fn wants_kind(&self, kind: Kind) -> bool {
        let opens = kind == Kind::Start && self.facts().session_id == SessionId::Server;
        self.events.has(kind) || opens
    }

    /// Whether the collector still has this lane's kind and URL.
    pub fn leads_to(&self, collector: &CollectorSettings) -> bool {
        self.kind == collector.kind && self.url == collector.url
    }

    /// Points the lane at another collector of the same name, which does not know the session.
    pub fn turn_to(&mut self, collector: &CollectorSettings, dialect: Arc<dyn Dialect>) {
        self.kind.clone_from(&collector.kind);
        self.url.clone_from(&collector.url);
        self.dialect = dialect;
        (self.sid, self.previous) = (None, None);
        self.progress.accepted = None;
        self.flight = None;
        self.unmark_ping();
        self.download = None;
        self.retry.succeeded();
    }

    /// The next report, if it is in memory.
    pub fn front(&self) -> Option<&Report> {
        self.reopening
            .front()
            .or_else(|| self.ahead.front().map(|(_, report)| report))
            .map(Arc::as_ref)
    }

    /// The number of the front report; `None` when it belongs to a reopening or is not in memory.
    pub fn front_number(&self) -> Option<u64> {
        match self.reopening.is_empty() {
            true => self.ahead.front().map(|(number, _)| *number),
            false => None,
        }
    }

    /// The first reports of the lane that are in memory, at most `most`, with the numbers that a
    /// dialect gets (`DatedReport::number`).
    pub fn first(&self, most: usize) -> impl Iterator<Item = (i64, &Report)> {
        // The first one that is passed has the lowest number, so the others keep theirs.
        let again = (-(self.reopening.len() as i64)..).zip(&self.reopening);
        let ahead = self.ahead.iter().map(|(number, report)| (*number as i64, report));
        again.chain(ahead).take(most).map(|(number, report)| (number, report.as_ref()))
    }

    /// Reports that wait, and the bytes in the store of all that the lane has not passed.
    pub fn waiting(&self, summary: &Summary) -> Totals {
        let mut waiting = summary.totals.without(self.progress.passed);
        waiting.count = waiting.count.saturating_sub(self.unwanted);
        for report in &self.reopening {
            waiting.add(report.stored_bytes());
        }
        waiting
    }

    /// Whether what is undelivered is worth a new session (behaviour.md 2.7).
    pub fn holds_play_time(&self, summary: &Summary) -> bool {
        let mut playback = self.context.playback();
        let opens_play = self.reopening.iter().any(|report| {
            let holds = report.holds_play_time(playback);
            if report.kind().is_playback() {
                playback = Some(report.kind());
            }
            holds
        });
        opens_play || summary.last_play >= self.progress.cursor
    }

    /// Whether all that is undelivered only closes something.
    pub fn only_closes(&self, summary: &Summary) -> bool {
        self.reopening.iter().all(|report| report.kind().is_closing())
            && summary.last_open < self.progress.cursor
    }

    /// Whether the collector has closed the session for want of events (spec 3.3).
    pub fn expired(&self, now: Now, lifetime: Span) -> bool {
        self.facts().session_id == SessionId::Server
            && self.sid.is_some()
            && match self.progress.accepted {
                Some(Accepted::Boot(at)) => now.boot - at >= lifetime,
                Some(Accepted::Wall(at)) => now.wall - at >= lifetime,
                None => false,
            }
    }

    /// Notes that everything that waits is old, or that nothing waits any more.
    pub fn set_behind(&mut self, behind: bool) {
        self.behind = behind;
        self.news = 0;
        self.pace = Pace::default();
    }

    /// A report has come while what is old is worked off. A few of them may go at once, not more.
    pub fn hear_news(&mut self) {
        const MOST: u32 = 4;
        self.news = (self.news + 1).min(MOST);
    }

    /// The last moment at which a try keeps the collector from closing a session that lives, with
    /// a twentieth of the sid's life to spare (30 s).
    pub fn last_chance(&self, lifetime: Span) -> Option<BootInstant> {
        match self.progress.accepted {
            Some(Accepted::Boot(at))
                if self.sid.is_some() && self.facts().session_id == SessionId::Server =>
            {
                Some(at + Span(lifetime.0 - lifetime.0 / 20))
            }
            _ => None,
        }
    }

    /// The session is not continued under its id.
    pub fn leave_session(&mut self) {
        let sid = self.sid.take();
        if self.facts().session_id == SessionId::Agent && self.progress.accepted.is_some() {
            self.previous = sid.map(Into::into).or(self.previous.take());
        }
    }

    /// Whether another restart is allowed now.
    pub fn may_restart(&mut self, now: BootInstant, window: Span, most: usize) -> bool {
        self.restarts.retain(|at| now - *at < window);
        self.restarts.len() < most
    }

    /// Puts the reports that open the session anew in front of what is undelivered (spec 5.3).
    pub fn reopen(&mut self, now: BootInstant) {
        let Some(first) = self.front() else { return };
        let reports = self.context.reopening(first);
        for report in reports.into_iter().rev() {
            self.reopening.push_front(Arc::new(report));
        }
        self.leave_session();
        self.progress.accepted = None;
        self.progress.last_ts = None;
        self.lost = false;
        self.restarts.push(now);
    }

    /// Passes the front report, which was delivered or dropped. Its number is `None` when it
    /// belongs to a reopening.
    pub fn pass(&mut self) -> Option<(Option<u64>, Arc<Report>)> {
        self.unmark_ping();
        if let Some(report) = self.reopening.pop_front() {
            self.context.fold(&report);
            return Some((None, report));
        }
        let (number, report) = self.ahead.pop_front()?;
        self.progress.cursor = number.saturating_add(1);
        self.progress.passed.add(report.stored_bytes());
        self.unwanted = self.unwanted.saturating_sub(u64::from(!self.wants(&report)));
        self.context.fold(&report);
        Some((Some(number), report))
    }

    /// Passes every report of the log.
    pub fn pass_all(&mut self, summary: &Summary) {
        self.ahead.clear();
        self.reopening.clear();
        self.download = None;
        self.ahead_to = summary.next;
        self.progress.cursor = summary.next;
        self.progress.passed = summary.totals;
        self.unwanted = 0;
        self.unmark_ping();
        self.context = summary.context.clone();
    }

    /// Marks a ping before it leaves the box. It has this date.
    pub fn mark_ping(&mut self, number: u64, ts: WallTime) {
        (self.progress.ping_under_way, self.progress.ping_ts) = (Some(number), Some(ts));
    }

    /// The marked ping is not under way any more. Gives its number.
    pub fn unmark_ping(&mut self) -> Option<u64> {
        self.progress.ping_ts = None;
        self.progress.ping_under_way.take()
    }

    /// Passes a ping that was in flight when the agent died. `bytes` is its size in the store.
    pub fn skip_ping_under_way(&mut self, summary: &Summary, bytes: u64) {
        if let Some(number) = self.unmark_ping()
            && number >= self.progress.cursor
        {
            self.progress.cursor = number.saturating_add(1);
            self.ahead_to = self.ahead_to.max(number.saturating_add(1));
            let waiting = summary.totals.without(self.progress.passed);
            if waiting.count > 0 {
                self.progress.passed.add(bytes);
            }
        }
    }

    /// Whether a downloaded session is being put together or is in flight.
    pub fn downloading(&self) -> bool {
        self.download.is_some() || self.flight.as_ref().is_some_and(|flight| flight.whole)
    }

    /// Whether a report is in the request in flight, so that it may not be thinned.
    pub fn is_under_way(&self, number: u64) -> bool {
        if self.downloading() {
            return true;
        }
        let own = |f: &InFlight| f.reports.saturating_sub(self.reopening.len());
        let busy = self.flight.as_ref().map_or(0, own);
        self.ahead.iter().take(busy).any(|(n, _)| *n == number)
    }

    /// Forgets a ping that was thinned out, whether the lane has passed it or not.
    pub fn thinned(&mut self, number: u64, bytes: u64) {
        if number < self.progress.cursor {
            self.progress.passed.subtract(bytes);
        } else {
            self.ahead.retain(|(n, _)| *n != number);
            self.unwanted = self.unwanted.saturating_sub(u64::from(!self.wants_kind(Kind::Ping)));
        }
    }

    /// A report was added to the log.
    pub fn hear_of(&mut self, report: &Report) {
        self.unwanted += u64::from(!self.wants(report));
    }

    /// Every report from the cursor up to this number is in memory.
    pub fn ahead_to(&self) -> u64 {
        self.ahead_to
    }

    pub fn reports_ahead(&self) -> usize {
        self.ahead.len()
    }

    /// Takes a report into memory. No report is left between it and the last one in memory.
    pub fn load(&mut self, number: u64, report: Arc<Report>) {
        if number >= self.ahead_to {
            self.ahead.push_back((number, report));
            self.ahead_to = number.saturating_add(1);
        }
    }

    /// Notes that every report with a number below `to` is in memory.
    pub fn loaded_to(&mut self, to: u64) {
        self.ahead_to = self.ahead_to.max(to);
    }

    /// Counts the passed reports anew once all waiting ones are in memory, because a damaged store
    /// may give wrong counts.
    pub fn reconcile(&mut self, summary: &Summary) {
        let mut ahead = Totals::default();
        for (_, report) in &self.ahead {
            ahead.add(report.stored_bytes());
        }
        self.progress.passed = summary.totals.without(ahead);
        let unwanted = self.ahead.iter().filter(|(_, report)| !self.wants(report));
        self.unwanted = unwanted.count() as u64;
    }

    /// Gives reports their wall times, each at least 1 ms after the one before (spec 3.1).
    pub fn date<'a>(
        anchor: Anchor,
        last: Option<WallTime>,
        reports: impl Iterator<Item = (i64, &'a Report)>,
    ) -> Vec<DatedReport<'a>> {
        let mut last = last;
        let dated = reports.map(|(number, report)| {
            let least = last.map_or(WallTime(0), |l| l + Span::millis(1));
            let ts = anchor.wall(report.at).max(least);
            last = Some(ts);
            DatedReport { ts, number, report }
        });
        dated.collect()
    }
}

fn events(collector: &CollectorSettings) -> Kinds {
    collector.events.as_deref().map_or(Kinds::ALL, Kinds::of)
}

/// The reports of a read, as the lanes hold them.
pub fn shared(reports: Numbered) -> impl Iterator<Item = (u64, Arc<Report>)> {
    reports.into_iter().map(|(number, stored)| (number, Arc::new(stored.report)))
}
