//! What of a lane is under way to its collector, or is being put together for it.

use crate::core::dialect::exchange::RequestId;
use crate::core::time::{BootInstant, WallTime};

/// How a lane is served (behaviour.md 2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nothing in it is old, and its last try did not fail: at once, and first.
    Current,
    /// Something in it is old. One of the parallel places is never for this class and the next two.
    Behind,
    /// Its last try failed, so the next one may hang: another place is not for it.
    Failing,
    /// Behind or failing, of a session that has ended: one after another.
    Ended,
}

/// A request on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct InFlight {
    pub request: RequestId,
    pub sent_at: BootInstant,
    pub class: Class,
    /// How many reports are in it, from the front of the lane.
    pub reports: usize,
    /// Of these, pings that are not in it because they did not fit.
    pub left_out: usize,
    /// Of these, reports that the collector does not want.
    pub unwanted: usize,
    /// It is a downloaded session as a whole.
    pub whole: bool,
    /// Of the lanes in the request, the one that counts for all.
    pub leads: bool,
    /// Of its body, when the day has a budget; only where it leads.
    pub bytes: u64,
    pub last_ts: WallTime,
}

/// A downloaded session that is being put together from the store, in steps.
#[derive(Debug)]
pub struct Download {
    pub body: String,
    /// Reports with lower numbers are in the body.
    pub next: u64,
    pub reports: usize,
    pub last_ts: Option<WallTime>,
    /// The next piece is being read.
    pub reading: bool,
}
