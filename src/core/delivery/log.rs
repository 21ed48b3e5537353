//! The reports of one `sessionStart` and what follows it, numbered, stored once, with a lane for
//! each collector. Memory holds a window of them: what no finished batch holds yet, and the few
//! that come next in each lane.

use std::collections::VecDeque;
use std::sync::Arc;

use super::lane::{self, Lane};
use crate::core::clock::BootId;
use crate::core::dialect::SessionId;
use crate::core::dialect::exchange::Purpose;
use crate::core::media::MediaInfo;
use crate::core::record::{
    HeartbeatRecord, LogRecord, ReadReports, ReportRange, Stamp, StoredReport, Summary, Totals,
};
use crate::core::report::{Kind, Report};
use crate::core::time::BootInstant;
use crate::core::tracker::Position;

/// The number of a log's first report.
pub const FIRST: u64 = 1;
/// No log gets this long: a stored number beyond it comes from a damaged store.
pub const MOST_REPORTS: u64 = 1 << 62;
/// The most reports of a log that wait in memory once they are stored, and the fewest where there
/// are many logs.
pub const WINDOW: usize = 64;
const SMALLEST_WINDOW: usize = 8;
/// Reports of all logs together that wait in memory, as far as the smallest windows allow.
const ALL_WINDOWS: usize = 1024;

/// How large the windows are when there are so many logs.
pub fn window(logs: usize) -> usize {
    (ALL_WINDOWS / logs.max(1)).clamp(SMALLEST_WINDOW, WINDOW)
}
/// The record of a log is written anew after so many reports, so that a start of the agent has to
/// read only these.
const CHECKPOINT: u64 = 64;

/// Whose reports a log holds.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The session object's number.
    pub session: u32,
    pub app: String,
    pub media: Arc<MediaInfo>,
    /// The boot in which the reports are dated.
    pub boot: BootId,
    /// The agent's own id of the session that it goes on with, when that is known.
    pub previous: Option<Box<str>>,
}

impl Origin {
    pub fn media_id(&self) -> &str {
        let MediaInfo { id, .. } = &*self.media;
        id
    }
}

/// What of a log must be written with the next batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Changed {
    Nothing,
    /// What a heartbeat changes.
    Progress,
    Everything,
}

#[derive(Debug)]
pub struct Log {
    pub origin: Origin,
    /// The tracker will add nothing more.
    pub ended: bool,
    pub summary: Summary,
    /// The agent's own id of the session. Every collector that takes such ids gets the same, unless
    /// the session was opened anew there. `None`: none has needed it yet.
    pub uuid: Option<Box<str>>,
    pub lanes: Vec<Lane>,
    /// Reports that no finished batch holds yet.
    unwritten: VecDeque<(u64, Arc<Report>)>,
    /// Reports with lower numbers were handed to the store.
    handed_to: u64,
    pub changed: Changed,
    /// The position of the log's session, for the next heartbeat record.
    pub position: Option<(Stamp, Position)>,
    revision: u64,
    recorded_next: u64,
    /// Pings with lower numbers were thinned out already.
    pub thinned_to: u64,
}

impl Log {
    pub fn new(origin: Origin, at: BootInstant, lanes: Vec<Lane>) -> Log {
        let summary = Summary {
            next: FIRST,
            totals: Totals::default(),
            last_play: 0,
            last_play_but_pings: 0,
            last_open: 0,
            last_at: at,
            context: Default::default(),
        };
        Log {
            origin,
            ended: false,
            summary,
            uuid: None,
            lanes,
            unwritten: VecDeque::new(),
            handed_to: FIRST,
            changed: Changed::Everything,
            position: None,
            revision: 0,
            recorded_next: FIRST,
            thinned_to: FIRST,
        }
    }

    /// A log as it was stored: the record, its newer reports and what heartbeats have changed.
    pub fn restored(
        record: LogRecord,
        heartbeat: Option<&HeartbeatRecord>,
        newest: &[(u64, StoredReport)],
        media: Arc<MediaInfo>,
        lanes: Vec<Lane>,
    ) -> Log {
        let LogRecord { session, app, boot, previous, .. } = record;
        let origin = Origin { session, app, media, boot, previous };
        let mut log = Log {
            origin,
            ended: record.ended,
            recorded_next: record.summary.next,
            summary: record.summary,
            uuid: record.uuid,
            lanes,
            unwritten: VecDeque::new(),
            handed_to: FIRST,
            changed: Changed::Nothing,
            position: None,
            revision: record.revision,
            thinned_to: FIRST,
        };
        let known = log.recorded_next;
        // The heartbeat's totals count the reports with lower numbers already.
        let counted = heartbeat.map_or(known, |heartbeat| {
            log.summary.totals = heartbeat.totals;
            log.summary.next = log.summary.next.max(heartbeat.next);
            heartbeat.next
        });
        for (number, stored) in newest.iter().filter(|(number, _)| *number >= known) {
            if *number >= counted {
                log.summary.totals.add(stored.report.stored_bytes());
            }
            log.summary.next = log.summary.next.max(number.saturating_add(1));
            log.note(*number, &stored.report);
        }
        log.handed_to = log.summary.next;
        // A damaged record must not put a cursor beyond the end of the log.
        for lane in &mut log.lanes {
            lane.progress.cursor = lane.progress.cursor.min(log.summary.next);
        }
        log
    }

    pub fn record(&mut self) -> LogRecord {
        self.revision += 1;
        self.recorded_next = self.summary.next;
        LogRecord {
            revision: self.revision,
            session: self.origin.session,
            app: self.origin.app.clone(),
            boot: self.origin.boot.clone(),
            ended: self.ended,
            summary: self.summary.clone(),
            uuid: self.uuid.clone(),
            previous: self.origin.previous.clone(),
            lanes: self.lanes.iter().map(|lane| lane.record(&self.summary)).collect(),
        }
    }

    pub fn heartbeat(&mut self) -> HeartbeatRecord {
        self.revision += 1;
        let lanes = self.lanes.iter().map(|lane| lane.progress.clone()).collect();
        HeartbeatRecord {
            revision: self.revision,
            next: self.summary.next,
            totals: self.summary.totals,
            lanes,
            position: self.position.take(),
        }
    }

    /// What the next request of a lane is for.
    pub fn purpose(&self, lane: &Lane) -> Purpose {
        let facts = lane.facts();
        match (&lane.sid, facts.session_id) {
            _ if self.origin.media.downloaded && facts.downloads_in_one => Purpose::Download,
            (_, SessionId::Agent) => Purpose::Batch,
            (Some(sid), SessionId::Server) => Purpose::Report { sid: sid.clone() },
            (None, SessionId::Server) => Purpose::Open,
        }
    }

    /// Gives a lane the agent's own id of the session, or `fresh` if it reports to another one.
    pub fn give_id(&mut self, lane: usize, fresh: String) {
        let lane = &mut self.lanes[lane];
        let first = lane.reopening.is_empty() && lane.progress.cursor == FIRST;
        let uuid = match first {
            true => self.uuid.get_or_insert(fresh.into()).to_string(),
            false => fresh,
        };
        lane.sid = Some(uuid);
    }

    /// Whether it is time to write the record anew.
    pub fn wants_checkpoint(&self) -> bool {
        self.summary.next - self.recorded_next >= CHECKPOINT
    }

    pub fn change(&mut self, changed: Changed) {
        self.changed = self.changed.max(changed);
    }

    /// What a report changes in the summary, but for the counts.
    fn note(&mut self, number: u64, report: &Report) {
        let summary = &mut self.summary;
        if report.holds_play_time(summary.context.playback()) {
            summary.last_play = number;
            if report.kind() != Kind::Ping {
                summary.last_play_but_pings = number;
            }
        }
        if !report.kind().is_closing() {
            summary.last_open = number;
        }
        summary.last_at = report.at;
        self.fold(report);
    }

    /// Adds a report to the context; a report that no lane keeps is added too.
    pub fn fold(&mut self, report: &Report) {
        self.summary.context.fold(report);
        self.ended |= report.kind().is_end();
    }

    /// Appends a report and gives its number. `window` is the result of [`window`].
    pub fn append(&mut self, report: Report, window: usize) -> u64 {
        let number = self.summary.next;
        self.summary.next = number.saturating_add(1);
        self.summary.totals.add(report.stored_bytes());
        self.note(number, &report);
        let report = Arc::new(report);
        let window = self.of_a_lane(window);
        for lane in &mut self.lanes {
            lane.hear_of(&report);
            if lane.ahead_to() == number && lane.reports_ahead() < window {
                lane.load(number, report.clone());
            }
        }
        self.unwritten.push_back((number, report));
        number
    }

    /// Each lane's share of the window.
    fn of_a_lane(&self, window: usize) -> usize {
        (window / self.lanes.len().max(1)).max(1)
    }

    /// A ping that the next batch need not hold: the last report, on its way to the only collector.
    /// The heartbeat marks it, and a restarted agent would not repeat it, stored or not
    /// (behaviour.md 2.11). Once it is accepted there is nothing to store.
    pub fn spared_ping(&self) -> Option<u64> {
        let [lane] = &self.lanes[..] else { return None };
        let number = lane.progress.ping_under_way?;
        let (last, report) = self.unwritten.back()?;
        let alone = *last == number && number >= self.handed_to && lane.flight.is_some();
        (alone && report.is_bare_ping()).then_some(number)
    }

    /// The next batch holds the reports below this number, but for those that are passed; `None` when
    /// none of them is new.
    pub fn hand_over(&mut self) -> Option<u64> {
        let to = self.spared_ping().unwrap_or(self.summary.next);
        (to > self.handed_to).then(|| {
            self.handed_to = to;
            to
        })
    }

    /// Reports with numbers below `to` are in the store now, so they may leave memory.
    pub fn written(&mut self, to: u64) {
        while self.unwritten.front().is_some_and(|(number, _)| *number < to) {
            self.unwritten.pop_front();
        }
    }

    /// The number of the oldest report that may not be in the store yet.
    pub fn stored_to(&self) -> u64 {
        self.unwritten.front().map_or(self.summary.next, |(number, _)| *number)
    }

    /// Reports that are only in memory, from a number on.
    pub fn unwritten_from(&self, from: u64) -> impl Iterator<Item = &(u64, Arc<Report>)> {
        let at = self.unwritten.partition_point(|(number, _)| *number < from);
        self.unwritten.range(at..)
    }

    /// Fills a lane's window from memory. Gives what has to be read for it, if anything: the range
    /// (the caller sets its log) and how many of it.
    pub fn refill(&mut self, lane: usize, window: usize) -> Option<(ReportRange, usize)> {
        let window = self.of_a_lane(window);
        let (log_end, stored_to) = (self.summary.next, self.stored_to());
        let at = self.unwritten.partition_point(|(n, _)| *n < self.lanes[lane].ahead_to());
        let lane = &mut self.lanes[lane];
        if lane.reading {
            return None;
        }
        if lane.ahead_to() < stored_to {
            let have = lane.reports_ahead();
            // Read when half the window is used up, so that delivery does not wait for the store.
            return (have <= window / 2).then(|| {
                let range = ReportRange { log: 0, from: lane.ahead_to(), to: stored_to };
                (range, window - have)
            });
        }
        for (number, report) in self.unwritten.range(at..) {
            if lane.reports_ahead() >= window {
                return None;
            }
            lane.load(*number, report.clone());
        }
        if lane.ahead_to() <= log_end {
            lane.loaded_to(log_end);
        }
        None
    }

    /// Takes what was read for a lane.
    pub fn filled(&mut self, lane: usize, read: ReadReports) {
        let lane = &mut self.lanes[lane];
        lane.reading = false;
        for (number, report) in lane::shared(read.reports) {
            lane.load(number, report);
        }
        lane.loaded_to(read.to);
        if lane.ahead_to() >= self.summary.next {
            lane.reconcile(&self.summary);
        }
    }

    /// The lowest number that some lane still needs.
    pub fn first(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.progress.cursor).min().unwrap_or(self.summary.next)
    }

    /// Reports that wait for the slowest lane, and what they take in the store. A log counts once,
    /// however many lanes it has.
    pub fn waiting(&self) -> Totals {
        let waiting = self.lanes.iter().map(|lane| lane.waiting(&self.summary));
        waiting.max_by_key(|totals| totals.bytes).unwrap_or_default()
    }

    /// Estimated bytes of what is stored beside the reports as long as some wait: the records of the
    /// log, its heartbeat and its media.
    pub fn bytes_beside(&self) -> u64 {
        /// Measured with a log of bare reports and one lane: 640 bytes of records, 160 of heartbeat.
        const RECORDS: u64 = 800;
        if self.waiting().count == 0 {
            return 0;
        }
        let lanes: u64 = self.lanes.iter().map(|lane| lane.context.text_bytes()).sum();
        let texts = self.origin.app.len() as u64 + self.summary.context.text_bytes() + lanes;
        RECORDS + self.origin.media.stored_bytes() + texts
    }

    /// Drops a ping to make room.
    pub fn thin(&mut self, number: u64, bytes: u64) {
        self.summary.totals.subtract(bytes);
        if self.summary.last_play == number {
            self.summary.last_play = self.summary.last_play_but_pings;
        }
        self.unwritten.retain(|(n, _)| *n != number);
        for lane in &mut self.lanes {
            lane.thinned(number, bytes);
        }
        self.change(Changed::Everything);
    }

    pub fn in_flight(&self) -> bool {
        self.lanes.iter().any(|lane| lane.flight.is_some())
    }

    /// Whether no report waits and none can follow.
    pub fn done(&self) -> bool {
        let open = |lane: &Lane| lane.flight.is_some() || lane.waiting(&self.summary).count > 0;
        self.ended && !self.lanes.iter().any(open)
    }
}
