//! What the agent keeps of itself and of the box.

use serde::{Deserialize, Serialize};

use crate::core::clock::BootId;
use crate::core::settings::Consent;
use crate::core::time::{Span, WallTime};

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
