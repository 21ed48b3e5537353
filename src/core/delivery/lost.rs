//! What is lost with a session that a collector has refused: also the hits that come after the
//! refusal. How many those were is known when the session ends. Then the log and the rejected list
//! say it.

use super::rejected::RejectedHits;
use super::{Delivery, DeliveryContext};
use crate::core::message_ids as ids;
use crate::core::record::{Key, Record, RejectedReport};

/// A session that a collector has refused and that still goes on. There are no more of them than
/// open sessions times collectors.
#[derive(Debug)]
pub(super) struct RefusedSession {
    log: u64,
    /// All hits that it has lost so far.
    lost: u64,
    /// Its entry in the rejected list; `None` when it was refused before this start of the agent.
    entry: Option<(u64, Box<RejectedReport>)>,
}

impl RefusedSession {
    pub fn new(log: u64, number: u64, rejected: RejectedReport) -> RefusedSession {
        RefusedSession { log, lost: 1 + rejected.lost, entry: Some((number, Box::new(rejected))) }
    }

    /// Brings the entry in the rejected list up to date, unless it is no longer among the newest.
    fn note(&mut self, list: &mut RejectedHits, ctx: &mut DeliveryContext<'_>) {
        let kept = ctx.settings.limits.rejected_kept as u64;
        if let Some((number, rejected)) = &mut self.entry
            && rejected.lost != self.lost - 1
            && *ctx.next_rejected - *number <= kept
        {
            rejected.lost = self.lost - 1;
            list.lost(*number, rejected.lost);
            ctx.changes.put(Key::Rejected(*number), Record::Rejected(rejected.clone()));
        }
    }
}

impl Delivery {
    /// A report comes for a log, which may have been refused. `ends`: it is the session's last. Gives
    /// for how many collectors it is lost.
    pub(super) fn lose(&mut self, log: u64, ends: bool, ctx: &mut DeliveryContext<'_>) -> u64 {
        let gone = self.logs.get(&log).is_none();
        if gone && self.refused.iter().all(|refused| refused.log != log) {
            self.refused.push(RefusedSession { log, lost: 0, entry: None });
        }
        let mut lost = 0;
        for refused in self.refused.iter_mut().filter(|refused| refused.log == log) {
            refused.lost += 1;
            lost += 1;
        }
        if !ends {
            return lost;
        }
        for mut over in self.refused.extract_if(.., |refused| refused.log == log) {
            over.note(&mut self.rejected, ctx);
            let rejected = over.entry.as_ref().map(|(_, rejected)| rejected);
            let (app, collector) = (rejected.map(|r| &*r.app), rejected.map(|r| &*r.collector));
            tracing::warn!(
                message_id = ids::HITS_REFUSED,
                app,
                collector,
                lost = over.lost,
                "a session that the collector refused has ended; all its hits are lost"
            );
        }
        lost
    }

    /// Brings the rejected list up to date while the refused sessions go on.
    pub(crate) fn note_lost(&mut self, ctx: &mut DeliveryContext<'_>) {
        self.refused.iter_mut().for_each(|refused| refused.note(&mut self.rejected, ctx));
    }
}
