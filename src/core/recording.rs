//! What a turn writes: the records of everything that has changed, as few as possible.

use super::Agent;
use super::delivery::log::Changed;
use super::record::{Key, Record};
use super::sessions::PositionChange;
use super::time::{Now, Span};

/// How often what the box has counted in all its life is written, when something else is.
const TOTALS_EVERY: Span = Span::seconds(600);

impl Agent {
    pub(super) fn write_meta(&mut self) {
        self.meta.totals = self.totals();
        self.changes.put(Key::Meta, Record::Meta(self.meta.clone()));
    }

    /// Puts everything that has changed into the changes.
    pub(super) fn write_changed(&mut self, now: Now) {
        let counted = now.boot - self.totals_at >= TOTALS_EVERY;
        if counted && self.meta.totals != self.totals() {
            self.totals_at = now.boot;
            self.write_meta();
        }
        if self.meta.budget != self.delivery.budget {
            self.meta.budget = self.delivery.budget;
            self.write_meta();
        }
        for (number, session) in &mut self.sessions {
            if session.untracked {
                continue;
            }
            let dirty = std::mem::take(&mut session.dirty);
            let position_change = std::mem::take(&mut session.position_change);
            let log = self.delivery.log(session.log);
            let next = log.map_or(0, |log| log.summary.next);
            if dirty || (position_change != PositionChange::No && log.is_none()) {
                let stamp = session.stamp(next, now);
                let record = Record::Session(Box::new(session.record(stamp)));
                self.changes.put(Key::Session(*number), record);
                continue;
            }
            let Some(changed) = log.map(|log| log.changed) else { continue };
            // An offline heartbeat is one record: the report tells when it was stored.
            if let PositionChange::Ping(report) = position_change
                && changed == Changed::Nothing
                && let Some(Record::Report(stored)) =
                    self.changes.waiting_mut(&Key::Report(session.log, report))
            {
                stored.recorded_at = Some(now.boot);
                session.recorded_by_report = true;
            } else if position_change != PositionChange::No
                || changed == Changed::Progress
                || (changed == Changed::Everything && session.recorded_by_report)
            {
                let Some(log) = self.delivery.log_mut(session.log) else { continue };
                // A new log record hides older pings from a restart, so pings that replaced the
                // position record no longer count: the position is written again.
                log.change(Changed::Progress);
                session.recorded_by_report = false;
                log.position = Some((session.stamp(next, now), session.tracker.heartbeat()));
            }
        }
        for key in self.delivery.changed_logs() {
            let Some(log) = self.delivery.recording(key) else { continue };
            let changed = std::mem::replace(&mut log.changed, Changed::Nothing);
            if changed == Changed::Everything {
                let record = Record::Log(Box::new(log.record()));
                self.changes.put(Key::Log(key), record);
            }
            if changed == Changed::Progress || log.position.is_some() {
                let record = Record::Heartbeat(Box::new(log.heartbeat()));
                self.changes.put(Key::Heartbeat(key), record);
            }
        }
    }

    pub(super) fn write_all(&mut self) {
        for session in self.sessions.values_mut() {
            session.dirty = true;
        }
    }
}
