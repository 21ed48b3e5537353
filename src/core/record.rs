//! What the store holds: keys, records, batches and reads. This file has no rules.

mod agent;
mod log;
mod session;

use std::sync::Arc;

pub use self::agent::{BoxTotals, ConsentRecord, ConsentState, DayBudget, Meta};
pub use self::log::{
    Accepted, HeartbeatRecord, LaneRecord, LogRecord, Progress, RejectedHit, RejectedReport,
    StoredReport, Summary, Totals,
};
pub use self::session::{
    Interrupt, InterruptCause, ResumePoint, Said, SessionRecord, Stamp, Waiting,
};
use super::context::SessionContext;
use super::media::MediaInfo;

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
