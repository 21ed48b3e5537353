//! What the store holds: keys, records, batches and reads. This file has no rules.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::clock::{Anchor, BootId};
use super::context::SessionContext;
use super::media::MediaInfo;
use super::player::{EventSource, PlayerId};
use super::report::Report;
use super::settings::Consent;
use super::time::{BootInstant, Span, WallTime};
use super::tracker::event::Event;
use super::tracker::{Position, Tracker};

/// Changes that must be stored before anything that depends on them is carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Batches are numbered from 1 in the order in which they are made.
    pub number: u64,
    /// `None` deletes the key.
    /// Sorted by key, which is unique.
    pub changes: Vec<(Key, Option<Record>)>,
    /// Reports to delete, after the changes.
    pub deleted_reports: Vec<ReportRange>,
    /// More to delete, after these: what many batches that waited have deleted.
    pub deleted: Vec<KeyRange>,
    pub durability: Durability,
}

/// How safe a batch is when it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// With the operating system: survives SIGKILL of the daemon.
    Flushed,
    /// On the medium: survives a power cut.
    Synced,
}

/// Some reports of one log: numbers in `from..to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportRange {
    pub log: u64,
    pub from: u64,
    pub to: u64,
}

impl ReportRange {
    pub fn holds(&self, log: u64, number: u64) -> bool {
        self.log == log && (self.from..self.to).contains(&number)
    }
}

/// Everything with keys in `from..to`, in the order of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    pub from: Key,
    pub to: Key,
}

/// Names a read of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReadId(pub u64);

/// A read of the store: the first `most` reports of a range. It sees every batch that was handed
/// over before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    pub id: ReadId,
    pub range: ReportRange,
    pub most: usize,
}

/// Reports with their numbers, in order.
pub type Numbered = Vec<(u64, StoredReport)>;

/// What a read of the store has found.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadReports {
    pub reports: Numbered,
    /// Every stored report of the range with a lower number is among them.
    pub to: u64,
}

impl ReadReports {
    /// The result of a read that found these reports: all of its range, or as many as it asked for.
    pub fn of(read: &Read, reports: Numbered) -> ReadReports {
        let to = match reports.last() {
            Some((last, _)) if reports.len() >= read.most => last.saturating_add(1),
            _ => read.range.to,
        };
        ReadReports { reports, to }
    }
}

/// A record's place in the store. The order of the variants is that of the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Meta,
    /// What is played in a session; written once, shared by the session and its logs.
    Media(u32),
    /// The part of a session that changes.
    Session(u32),
    /// A log: the reports of one start and what follows it, with its lanes.
    Log(u64),
    /// What a heartbeat changes in a log and its session.
    Heartbeat(u64),
    /// A report that waits in a log.
    Report(u64, u64),
    /// A resume point of (app, media id).
    Resume(String, String),
    /// A report that a collector refused for good.
    Rejected(u64),
}

/// A record of the store: one variant for each kind of key.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Meta(Meta),
    Media(Arc<MediaInfo>),
    Session(Box<SessionRecord>),
    Log(Box<LogRecord>),
    Heartbeat(Box<HeartbeatRecord>),
    Report(StoredReport),
    Resume(ResumePoint),
    Rejected(Box<RejectedReport>),
}

impl Key {
    /// Bytes of the key in the store.
    pub fn stored_bytes(&self) -> u64 {
        match self {
            Key::Resume(app, media_id) => (app.len() + media_id.len() + 2) as u64,
            Key::Report(..) => 17,
            _ => 9,
        }
    }
}

impl Record {
    /// Estimated size of the record in the store, in bytes.
    pub fn stored_bytes(&self) -> u64 {
        /// Names of members, numbers and punctuation.
        const FRAME: u64 = 160;
        match self {
            Record::Meta(_) | Record::Heartbeat(_) | Record::Resume(_) => FRAME,
            Record::Media(media) => media.stored_bytes(),
            Record::Session(session) => 4 * FRAME + session.tracker.text_bytes(),
            Record::Log(log) => {
                let lanes = log.lanes.iter().filter_map(|lane| lane.context.as_ref());
                let texts: u64 = lanes.map(SessionContext::text_bytes).sum();
                4 * FRAME + log.summary.context.text_bytes() + texts
            }
            Record::Report(stored) => stored.report.stored_bytes(),
            Record::Rejected(rejected) => FRAME + rejected.report.stored_bytes(),
        }
    }
}

/// What the agent knows about itself across restarts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The boot in which this was written.
    pub boot: BootId,
    /// Id of the run of the bus in which this was written.
    pub bus: String,
    pub next_session: u32,
    pub next_log: u64,
    pub next_rejected: u64,
    /// The agent stopped on request, so the recorded state is complete.
    pub clean_stop: bool,
    /// Bytes sent today, for the daily budget (behaviour.md 2.8).
    #[serde(default)]
    pub budget: DayBudget,
    #[serde(default)]
    pub totals: BoxTotals,
}

/// What the box has counted in all its life, since it first knew the time. Written with each new
/// session, every ten minutes and at a stop, so a power cut costs what was counted since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxTotals {
    /// `None` as long as no clock could tell.
    pub since: Option<WallTime>,
    /// When a collector last took something.
    pub last_delivered: Option<WallTime>,
    pub delivered: u64,
    pub dropped: u64,
    pub rejected_events: u64,
}

/// What the viewer allows, in a small file beside the store, so that it holds whatever becomes of
/// the store (behaviour.md 2.9).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentRecord {
    /// `None` until it is set (behaviour.md 2.10).
    pub consent: Option<Consent>,
    /// Random, made anew when the viewer opts out: the id of the box at its collectors (spec 2.2).
    pub installation: String,
    /// Opting out raises it. A store of an older generation is deleted unread.
    pub generation: u64,
    /// Rises with each record, so that the newest of two files is known.
    pub revision: u64,
}

/// Where the consent record of a start comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentState {
    /// It is what the file holds.
    Saved,
    /// It is new, and could not be written.
    Unsaved,
    /// The file is there and could not be read. What it holds counts as soon as it can be.
    Unread,
}

impl ConsentRecord {
    /// The record of a new box.
    pub fn first(installation: String) -> ConsentRecord {
        ConsentRecord { consent: None, installation, generation: 1, revision: 1 }
    }
}

/// Bytes of bodies sent on one day of the wall clock, UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayBudget {
    /// Days since 1970-01-01.
    pub day: i64,
    pub bytes: u64,
}

/// The part of a session that changes. Its media info has a record of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    pub app: String,
    pub source: EventSource,
    pub owner: Option<PlayerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    pub tracker: Tracker,
    /// The log that its reports go to.
    pub log: u64,
    pub interrupt: Option<Interrupt>,
    pub resumed: bool,
    /// It played when the box slept unannounced, and nothing was heard of its player since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unaware: bool,
    /// Its start waits for a length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Box<Waiting>>,
    /// The last event that told when it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    pub stamp: Stamp,
}

/// An event that told when it happened (behaviour.md 1.1). A player whose answer was lost says it
/// again, and it is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Microseconds of CLOCK_BOOTTIME.
    pub at: i64,
    /// Hash of the event, its playhead and its info.
    pub what: u64,
}

/// The start of a session of MPRIS that waits for a length or a position, and what has followed it
/// (behaviour.md 1.7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    pub since: BootInstant,
    /// What the wall clock showed then, if it was trusted. After a reboot nothing else can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall: Option<WallTime>,
    pub until: BootInstant,
    /// Seconds.
    pub length: Option<f64>,
    /// Where the session began, in seconds.
    pub start: Option<f64>,
    /// What has happened since, with its playhead, and when.
    pub events: Vec<(Event, f64, BootInstant)>,
}

/// Tells which of the records of one session is the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Rises with each record of the session.
    #[serde(rename = "v")]
    pub revision: u64,
    #[serde(rename = "t")]
    pub recorded_at: BootInstant,
    /// This record reflects the reports of the session's log with lower numbers.
    #[serde(rename = "n")]
    pub reports_before: u64,
}

/// What interrupted a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum InterruptCause {
    Sleep,
    Background,
    Vanished,
}

/// An interrupt and when it ends the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupt {
    pub cause: InterruptCause,
    /// `None`: never, or the session has ended already.
    pub until: Option<BootInstant>,
}

/// A log and its lanes, without the reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Rises with each record of the log, heartbeats included.
    pub revision: u64,
    /// The session object that it belongs to; its media record describes what is played.
    pub session: u32,
    pub app: String,
    /// The boot in which its reports are dated.
    pub boot: BootId,
    /// The tracker will add nothing more.
    pub ended: bool,
    pub summary: Summary,
    /// The agent's own id of the session, a UUID, and of the one that it goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Box<str>>,
    pub lanes: Vec<LaneRecord>,
}

/// Facts about all reports of a log, so that they need not be read. Reports numbered `next` and
/// higher were stored after it; they are added when the agent starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The number of the next report.
    pub next: u64,
    /// All reports but those that were thinned out.
    pub totals: Totals,
    /// The newest report that holds play time, and the newest of these that is no ping; 0: none.
    pub last_play: u64,
    pub last_play_but_pings: u64,
    /// The newest report that does more than close something; 0: none.
    pub last_open: u64,
    /// When the newest report happened.
    pub last_at: BootInstant,
    /// The context after all reports.
    pub context: SessionContext,
}

/// Reports, and the bytes that they take in the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    #[serde(rename = "n")]
    pub count: u64,
    #[serde(rename = "b")]
    pub bytes: u64,
}

/// One collector's way through a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneRecord {
    /// The collector's name in the settings. If its kind or URL differs, it has no such session.
    pub collector: String,
    pub kind: String,
    pub url: String,
    /// The session's id at the collector.
    pub sid: Option<String>,
    /// The agent's own id of the session that this one goes on with since it was opened anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Box<str>>,
    pub anchor: Option<Anchor>,
    /// The session is lost, and no report since was worth a new one (behaviour.md 2.7).
    pub lost: bool,
    /// What the collector knows; `None`: the same as the log's context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<SessionContext>,
    /// Recent restarts, for the guard against loops (spec 1.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<BootInstant>,
    /// Reports that open the session anew and are not delivered yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reopening: Vec<Report>,
    /// When a wait that the collector asked for ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<BootInstant>,
    pub progress: Progress,
}

/// How far a collector is in a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Reports with lower numbers were delivered or dropped.
    #[serde(rename = "c")]
    pub cursor: u64,
    /// The reports before the cursor, without those that were thinned out.
    #[serde(rename = "p")]
    pub passed: Totals,
    /// A ping in flight. It is not sent again if the agent dies meanwhile (behaviour.md 2.11).
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub ping_under_way: Option<u64>,
    /// The date of that ping, which may not be stored itself.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub ping_ts: Option<WallTime>,
    /// When the last report was accepted.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub last_ts: Option<WallTime>,
}

/// When the last report of a session was accepted. After a reboot only the wall clock can tell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Accepted {
    #[serde(rename = "b")]
    Boot(BootInstant),
    #[serde(rename = "w")]
    Wall(WallTime),
}

/// What a heartbeat changes, in a record of its own. One small record each ten seconds wears the
/// flash little (docs/performance.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeartbeatRecord {
    /// As in the record of the log.
    #[serde(rename = "v")]
    pub revision: u64,
    /// As in the summary of the log: pings that were delivered before they were stored count too.
    #[serde(rename = "n")]
    pub next: u64,
    #[serde(rename = "s")]
    pub totals: Totals,
    /// In the order of the log's lanes.
    #[serde(rename = "l")]
    pub lanes: Vec<Progress>,
    /// The position of the log's session, as long as the session reports to this log.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub position: Option<(Stamp, Position)>,
}

/// A report as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredReport {
    #[serde(rename = "e")]
    pub report: Report,
    /// When it was stored, if it also replaces the position record of its session: an offline
    /// heartbeat is one record.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<BootInstant>,
}

/// Where a viewer stopped in some media, and how the playback ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResumePoint {
    /// Seconds in the main content.
    pub position: f64,
    /// Seconds; 0 when unknown.
    pub length: f64,
    pub live: bool,
    /// It ended in `Complete`.
    pub completed: bool,
    /// When it ended: on the wall clock (`None` when unknown), and on the clock of its boot.
    pub ended_at: Option<WallTime>,
    pub ended: BootInstant,
    pub boot: BootId,
    /// The agent's own id of the session that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Box<str>>,
}

/// A report that a collector refused, with its reason (behaviour.md 2.7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RejectedReport {
    pub collector: String,
    pub app: String,
    pub media_id: String,
    pub report: Report,
    /// More reports dropped with it: those of the refused request or session, the later ones of a
    /// session included once it has ended.
    pub lost: u64,
    pub status: u16,
    pub message: String,
    /// When it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<WallTime>,
}

/// A rejected report without its contents, which can be large.
#[derive(Debug, Clone, PartialEq)]
pub struct RejectedHit {
    pub collector: String,
    pub app: String,
    pub media_id: String,
    pub event_type: &'static str,
    pub lost: u64,
    pub status: u16,
    pub message: String,
    pub at: Option<WallTime>,
}

impl From<RejectedReport> for RejectedHit {
    fn from(rejected: RejectedReport) -> RejectedHit {
        let RejectedReport { collector, app, media_id, report, lost, status, message, at } =
            rejected;
        let event_type = report.kind().event_type();
        RejectedHit { collector, app, media_id, event_type, lost, status, message, at }
    }
}

/// In what state the store is when the agent starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StoreState {
    #[default]
    Works,
    /// It was read and cannot be written at present, because of this.
    Unwritable(String),
    /// It could not be read, because of this. It is joined as soon as it can be.
    Unread(String),
}

/// What a store holds when the agent starts, without the reports that their log's summary covers.
/// Each list is sorted by key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stored {
    pub meta: Option<Meta>,
    pub media: Vec<(u32, Arc<MediaInfo>)>,
    pub sessions: Vec<(u32, SessionRecord)>,
    pub logs: Vec<(u64, LogRecord)>,
    pub heartbeats: Vec<(u64, HeartbeatRecord)>,
    /// The reports of each log that are newer than its record.
    pub newest: Vec<(u64, Numbered)>,
    pub points: Vec<(String, String, ResumePoint)>,
    /// By number.
    pub rejected: Vec<(u64, RejectedHit)>,
    /// The number after that of the newest rejected report.
    pub next_rejected: u64,
}

impl Stored {
    /// Whether not even the meta record is there.
    pub fn is_empty(&self) -> bool {
        self.meta.is_none() && !self.holds_something()
    }

    /// Whether anything of viewers is there.
    pub fn holds_something(&self) -> bool {
        let lists = [self.sessions.len(), self.media.len(), self.logs.len(), self.points.len()];
        let left = [self.heartbeats.len(), self.newest.len(), self.rejected.len()];
        lists.iter().chain(&left).any(|n| *n > 0)
    }
}

impl Totals {
    pub fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub fn subtract(&mut self, bytes: u64) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Both together.
    pub fn and(self, other: Totals) -> Totals {
        Totals {
            count: self.count.saturating_add(other.count),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// These minus `other`, at least 0.
    pub fn without(self, other: Totals) -> Totals {
        Totals {
            count: self.count.saturating_sub(other.count),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

impl DayBudget {
    const DAY: Span = Span::seconds(86_400);

    fn day_of(wall: WallTime) -> i64 {
        wall.0.div_euclid(DayBudget::DAY.0)
    }

    pub fn spend(&mut self, bytes: u64, wall: WallTime) {
        let day = DayBudget::day_of(wall);
        if day != self.day {
            *self = DayBudget { day, bytes: 0 };
        }
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// What was to be sent has not left the box.
    pub fn refund(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// How long nothing may be sent; `None` when there is room. `limit` 0 is no budget.
    pub fn wait(&self, limit: u64, wall: WallTime) -> Option<Span> {
        let spent = self.day == DayBudget::day_of(wall) && self.bytes >= limit;
        (limit > 0 && spent).then(|| Span((self.day + 1) * DayBudget::DAY.0 - wall.0))
    }
}
