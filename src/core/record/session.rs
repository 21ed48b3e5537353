//! What is kept of a session, and where its viewer stopped.

use serde::{Deserialize, Serialize};

use crate::core::clock::BootId;
use crate::core::player::{EventSource, PlayerId};
use crate::core::time::{BootInstant, WallTime};
use crate::core::tracker::Tracker;
use crate::core::tracker::event::Event;

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
