//! The session objects, the players that drive them, interrupts, timers and resume points.

mod closing;
mod happened;
mod interrupt;
pub(super) mod join;
mod restart;
pub(super) mod resume;
mod table;
mod timers;
mod waiting;

use super::player::{EventSource, PlayerId};
use super::record::{Interrupt, InterruptCause, Said, SessionRecord, Stamp, Waiting};
use super::time::{BootInstant, Now};
use super::tracker::{Phase, Tracker};

/// A session object and the playback behind it.
#[derive(Debug)]
pub struct Session {
    pub app: String,
    pub source: EventSource,
    /// The player that drives it; `None` once it is gone or was stopped.
    pub owner: Option<PlayerId>,
    /// Whose sessions it counts among; `None`: nobody's.
    pub uid: Option<u32>,
    pub tracker: Tracker,
    /// The log that its reports go to.
    pub log: u64,
    pub interrupt: Option<Interrupt>,
    /// Its start waits for a length; its tracker is dormant meanwhile (behaviour.md 1.7).
    pub waiting: Option<Box<Waiting>>,
    /// The resume flag of its last `sessionStart`.
    pub resumed: bool,
    /// It played when the box slept unannounced: its player may play on without having noticed
    /// (behaviour.md 1.6).
    pub unaware: bool,
    /// Opened while the viewer had opted out: calls are accepted without effect until it ends.
    pub untracked: bool,
    /// The last event that told when it happened.
    pub(crate) said: Option<Said>,
    /// Its pings wait until then, because more of the past may be said.
    pub(crate) quiet_until: Option<BootInstant>,
    /// The session has changed since its record was last written.
    pub(crate) dirty: bool,
    /// Only its position changed since then.
    pub(crate) position_change: PositionChange,
    /// A stored report replaces the record of the position.
    pub(crate) recorded_by_report: bool,
    pub(crate) revision: u64,
}

/// What a heartbeat or a report of the position has changed in a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum PositionChange {
    #[default]
    No,
    /// Only a ping was reported, under this number of the session's log.
    Ping(u64),
    Yes,
}

impl Session {
    /// The stamp of the next record of the session.
    pub(crate) fn stamp(&mut self, reports_before: u64, now: Now) -> Stamp {
        self.revision += 1;
        Stamp { revision: self.revision, recorded_at: now.boot, reports_before }
    }

    pub(crate) fn record(&self, stamp: Stamp) -> SessionRecord {
        SessionRecord {
            app: self.app.clone(),
            source: self.source,
            owner: self.owner.clone(),
            uid: self.uid,
            tracker: self.tracker.clone(),
            log: self.log,
            interrupt: self.interrupt,
            resumed: self.resumed,
            unaware: self.unaware,
            waiting: self.waiting.clone(),
            said: self.said,
            stamp,
        }
    }

    /// The word for the `State` property (behaviour.md 1.4).
    pub fn state_name(&self) -> &'static str {
        match (&self.interrupt, self.tracker.phase()) {
            (Some(i), _) if i.cause == InterruptCause::Background => "background",
            (_, Phase::Dormant) if self.waiting.is_none() => "idle",
            _ => self.tracker.state().name(),
        }
    }
}
