//! A store that could not be read when the agent started, and can be now: what it holds is joined to
//! what has happened since (behaviour.md 2.9).

use super::restart::Run;
use crate::core::Agent;
use crate::core::delivery::backoff::Rng;
use crate::core::record::{Durability, ResumePoint, Stored};
use crate::core::time::{Now, WallTime};

/// Numbers of sessions, logs and rejected reports that the store does not hold.
pub(in crate::core) struct FreeNumbers {
    pub session: u32,
    pub log: u64,
    pub rejected: u64,
}

impl FreeNumbers {
    /// The next numbers, also when the meta record was lost.
    pub fn after(stored: &Stored) -> FreeNumbers {
        let meta = stored.meta.as_ref();
        let sessions = stored.sessions.iter().map(|(n, _)| *n);
        let media = stored.media.iter().map(|(n, _)| *n);
        let session = sessions.chain(media).max().map_or(1, |n| n.saturating_add(1));
        let logs = stored.logs.iter().map(|(n, _)| *n);
        let heartbeats = stored.heartbeats.iter().map(|(n, _)| *n);
        let reports = stored.newest.iter().map(|(n, _)| *n);
        let log = logs.chain(heartbeats).chain(reports).max().map_or(1, |n| n.saturating_add(1));
        FreeNumbers {
            session: session.max(meta.map_or(1, |m| m.next_session)),
            log: log.max(meta.map_or(1, |m| m.next_log)),
            rejected: stored.next_rejected.max(meta.map_or(1, |m| m.next_rejected)),
        }
    }

    /// Numbers far from those that a store uses, for an agent that cannot read its store: nothing
    /// has to be renumbered when the store is joined. They are random, so that the next such start
    /// does not use them again.
    pub fn apart(chance: &mut Rng) -> FreeNumbers {
        let random = chance.number();
        FreeNumbers {
            session: (1 << 30) | (random as u32 & ((1 << 30) - 1)),
            log: (1 << 61) | (random >> 4),
            rejected: (1 << 61) | (random >> 4),
        }
    }
}

impl Agent {
    /// Takes over what the store holds. Its sessions end at their last recorded state, because
    /// their players have been reported anew since; its reports wait as before; of two resume
    /// points the newest stays.
    pub(in crate::core) fn join(&mut self, mut stored: Stored, now: Now) {
        let (next, run) = (FreeNumbers::after(&stored), Run::of(&stored));
        self.meta.next_session = self.meta.next_session.max(next.session);
        self.meta.next_log = self.meta.next_log.max(next.log);
        self.meta.next_rejected = self.meta.next_rejected.max(next.rejected);
        if let Some(meta) = &stored.meta
            && meta.budget.day == self.delivery.budget.day
        {
            self.delivery.budget.bytes =
                self.delivery.budget.bytes.saturating_add(meta.budget.bytes);
        }
        if let Some(meta) = &stored.meta {
            let (ours, theirs) = (&mut self.counted_before, meta.totals);
            ours.since = theirs.since.or(ours.since);
            ours.last_delivered = ours.last_delivered.max(theirs.last_delivered);
            ours.delivered += theirs.delivered;
            ours.dropped += theirs.dropped;
            ours.rejected_events += theirs.rejected_events;
        }
        for (app, media_id, point) in std::mem::take(&mut stored.points) {
            self.join_point(app, media_id, point);
        }
        self.delivery.rejected.add(std::mem::take(&mut stored.rejected), &self.settings);
        stored.logs.retain(|(key, _)| self.delivery.log_mut(*key).is_none());
        self.restore_logs(&mut stored, run.boot == self.meta.boot);
        for (number, record) in std::mem::take(&mut stored.sessions) {
            if self.sessions.contains_key(&number) {
                continue;
            }
            let restored = self.restored_session(number, record, &stored);
            let Some((mut session, recorded_at)) = restored else { continue };
            session.owner = None;
            self.sessions.insert(number, session);
            self.end_as_recorded(number, recorded_at, &run, now);
        }
        for (number, _) in stored.media {
            self.forget_media(number);
        }
        if self.delivery.gates.clock_trusted {
            self.clock(true, now);
        }
        self.write_meta();
        self.changes.require(Durability::Synced);
    }

    fn join_point(&mut self, app: String, media_id: String, point: ResumePoint) {
        let ended = |point: &ResumePoint| point.ended_at.unwrap_or(WallTime(i64::MIN));
        let ours = self.resume.get(&app, &media_id);
        // Ours was made later, unless both know the time and it says otherwise.
        let ours_is_newer =
            ours.is_some_and(|ours| ours.ended_at.is_none() || ended(ours) >= ended(&point));
        if !ours_is_newer {
            self.resume.keep(&app, &media_id, point, &self.settings, &mut self.changes);
        }
    }
}
