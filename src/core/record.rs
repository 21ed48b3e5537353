//! What lies in the store: keys, records, batches and reads. Nobody's rules stand here.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::clock::{Anchor, BootId};
use super::context::SessionContext;
use super::media::MediaInfo;
use super::player::{Door, PlayerId};
use super::report::Report;
use super::settings::Consent;
use super::time::{BootInstant, Span, WallTime};
use super::tracker::{Position, Tracker};

/// What must be on disk before anything that follows from it is carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Batches are numbered from 1 in the order in which they are made.
    pub number: u64,
    /// `None` deletes the key.
    pub changes: Vec<(Key, Option<Record>)>,
    /// Reports that go, after the changes.
    pub gone: Vec<ReportRange>,
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

/// Names a read of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReadId(pub u64);

/// Reports that the agent wants from the store: the first `most` of a range. What was handed over
/// in batches before is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    pub id: ReadId,
    pub range: ReportRange,
    pub most: usize,
}

/// Reports as they were read, with their numbers, in order.
pub type Numbered = Vec<(u64, StoredReport)>;

/// A record's place in the store. The order of the variants is that of the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Meta,
    /// What is played in a session; written once, shared by the session and its logs.
    Media(u32),
    /// The moving part of a session.
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

/// A record of the store, as typed as its key.
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

/// What the agent knows about itself across restarts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The boot in which this was written.
    pub boot: BootId,
    /// The life of the bus in which it was written.
    pub bus: String,
    pub next_session: u32,
    pub next_log: u64,
    pub next_rejected: u64,
    /// `None` as long as nobody has said (api.md 2.10).
    pub consent: Option<Consent>,
    /// Random, made once: the id of the box at its collectors (spec 2.2).
    pub installation: String,
    /// The last stop was asked for, so the last recorded state is the true one.
    pub clean_stop: bool,
    /// What was sent today, for a budget of bytes (api.md 2.8).
    #[serde(default)]
    pub budget: DayBudget,
}

/// Bytes of bodies sent on one day of the wall clock, UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayBudget {
    /// Days since 1970-01-01.
    pub day: i64,
    pub bytes: u64,
}

/// The moving part of a session. What is played stands in its own record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    pub app: String,
    pub door: Door,
    pub owner: Option<PlayerId>,
    pub tracker: Tracker,
    /// The log that its reports go to.
    pub log: u64,
    pub interrupt: Option<Interrupt>,
    pub resumed: bool,
    pub stamp: Stamp,
}

/// Which of the records of one session is the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Rises with each record of the session.
    #[serde(rename = "v")]
    pub revision: u64,
    #[serde(rename = "t")]
    pub recorded_at: BootInstant,
    /// Reports of the session's log with lower numbers are in this record.
    #[serde(rename = "n")]
    pub reports_before: u64,
}

/// What interrupted a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cause {
    Sleep,
    Background,
    Vanished,
}

/// An interrupt and when it ends the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupt {
    pub cause: Cause,
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
    pub lanes: Vec<LaneRecord>,
}

/// What is known of all reports of a log without reading them. Reports with the number `next` and
/// higher, which were stored after it, are added when the store is read.
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
    /// After all reports.
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
    /// The collector's name in the settings. One of another kind or URL does not know the session.
    pub collector: String,
    pub kind: String,
    pub url: String,
    /// The session's id at the collector.
    pub sid: Option<String>,
    pub anchor: Option<Anchor>,
    /// The session is lost and nothing was worth a new one yet (api.md 2.7).
    pub lost: bool,
    /// What the collector knows; `None`: as much as the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<SessionContext>,
    /// Recent restarts, for the guard against loops (spec 1.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<BootInstant>,
    /// What is left of the reports that open the session anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reopening: Vec<Report>,
    /// The wait that the collector asked for ends here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<BootInstant>,
    pub progress: Progress,
}

/// How far a collector is in a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Reports with lower numbers are behind it.
    #[serde(rename = "c")]
    pub cursor: u64,
    /// The reports behind it, but those that were thinned out.
    #[serde(rename = "p")]
    pub passed: Totals,
    /// A ping that is under way: it is not repeated when the agent dies meanwhile (api.md 2.11).
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub ping_under_way: Option<u64>,
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

/// What a heartbeat changes, apart from everything else, so that an hour of playback wears the
/// flash as little as it can: one small record each ten seconds (docs/performance.md).
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
    /// The position of the session that the log belongs to, as long as it reports here.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub position: Option<(Stamp, Position)>,
}

/// A report as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredReport {
    #[serde(rename = "e")]
    pub report: Report,
    /// When it was stored, if that is all that is to be recorded of its session: an offline
    /// heartbeat is one record.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<BootInstant>,
}

/// Where a viewer was in something, and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResumePoint {
    /// Seconds in the main content.
    pub position: f64,
    /// Seconds; 0 when unknown.
    pub length: f64,
    pub live: bool,
    /// It ended in `Complete`.
    pub completed: bool,
    /// When it ended: on the wall clock if that was known, and in its boot.
    pub ended_at: Option<WallTime>,
    pub ended: BootInstant,
    pub boot: BootId,
}

/// A report that a collector refused, with its reason (api.md 2.7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RejectedReport {
    pub collector: String,
    pub app: String,
    pub media_id: String,
    pub report: Report,
    /// Reports that went with it: those of a refused session or batch.
    pub lost: u64,
    pub status: u16,
    pub message: String,
}

/// Everything that a store holds when the agent starts, but the reports that only wait. Each list
/// is in the order of its keys.
#[derive(Debug, Default)]
pub struct Stored {
    pub meta: Option<Meta>,
    pub media: Vec<(u32, Arc<MediaInfo>)>,
    pub sessions: Vec<(u32, SessionRecord)>,
    pub logs: Vec<(u64, LogRecord)>,
    pub heartbeats: Vec<(u64, HeartbeatRecord)>,
    /// The reports of each log that its record does not know yet.
    pub newest: Vec<(u64, Numbered)>,
    pub points: Vec<(String, String, ResumePoint)>,
    pub rejected: usize,
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

    /// What is in these and not in `other`.
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

    /// How long nothing may be sent; `None` when there is room. `limit` 0 is no budget.
    pub fn wait(&self, limit: u64, wall: WallTime) -> Option<Span> {
        let spent = self.day == DayBudget::day_of(wall) && self.bytes >= limit;
        (limit > 0 && spent).then(|| Span((self.day + 1) * DayBudget::DAY.0 - wall.0))
    }
}
