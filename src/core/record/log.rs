//! What is kept of a log: its reports, and how far each collector is in it.

use serde::{Deserialize, Serialize};

use super::session::Stamp;
use crate::core::clock::{Anchor, BootId};
use crate::core::context::SessionContext;
use crate::core::report::Report;
use crate::core::time::{BootInstant, WallTime};
use crate::core::tracker::Position;

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
