//! Changes to the store, gathered until a reply, a request or the flush interval needs them
//! written (behaviour.md 2.9). A record that changes ten times in between is written once; a ping
//! that is accepted before it was ever written is not written at all.

use std::collections::BTreeMap;

use super::record::{Batch, Durability, Key, Record, ReportRange};
use super::time::{BootInstant, Span};

#[derive(Debug)]
struct Change {
    /// `None` deletes the key.
    record: Option<Record>,
    /// The store has never seen the key.
    fresh: bool,
}

#[derive(Debug, Default)]
pub struct PendingChanges {
    changes: BTreeMap<Key, Change>,
    deleted_reports: Vec<ReportRange>,
    wanted: Option<Durability>,
    /// When the waiting changes must be on the medium at the latest.
    due: Option<BootInstant>,
    /// When what was handed to the operating system must be on the medium at the latest.
    sync_due: Option<BootInstant>,
    /// The number of the last batch.
    last: u64,
}

impl PendingChanges {
    pub fn put(&mut self, key: Key, record: Record) {
        // Only a report's key is surely new; any other key may be in the store already.
        let fresh = match self.changes.get(&key) {
            Some(change) => change.fresh,
            None => matches!(key, Key::Report(..)),
        };
        self.changes.insert(key, Change { record: Some(record), fresh });
    }

    /// Whether a change of the key waits to be written.
    pub fn holds(&self, key: &Key) -> bool {
        self.changes.contains_key(key)
    }

    /// Whether a report that is stored waits to be deleted.
    pub fn deletes_report(&self, log: u64, number: u64) -> bool {
        let alone = self.changes.get(&Key::Report(log, number));
        alone.is_some_and(|change| change.record.is_none())
            || self.deleted_reports.iter().any(|range| range.holds(log, number))
    }

    /// The record that waits to be written under a key.
    pub fn waiting_mut(&mut self, key: &Key) -> Option<&mut Record> {
        self.changes.get_mut(key)?.record.as_mut()
    }

    pub fn delete(&mut self, key: Key) {
        if self.changes.get(&key).is_some_and(|change| change.fresh) {
            self.changes.remove(&key);
        } else {
            self.changes.insert(key, Change { record: None, fresh: false });
        }
    }

    /// Deletes reports, whether they are stored or wait to be.
    pub fn delete_reports(&mut self, range: ReportRange) {
        if range.from >= range.to {
            return;
        }
        let (first, end) = (Key::Report(range.log, range.from), Key::Report(range.log, range.to));
        let waiting: Vec<Key> =
            self.changes.range(first..end).map(|(key, _)| key.clone()).collect();
        for key in waiting {
            self.changes.remove(&key);
        }
        self.deleted_reports.push(range);
    }

    /// A reply or a request depends on the waiting changes: they are written in this turn.
    pub fn require(&mut self, durability: Durability) {
        self.wanted = self.wanted.max(Some(durability));
    }

    /// Nothing depends on the waiting changes: they are on the medium after `interval`.
    pub fn write_within(&mut self, now: BootInstant, interval: Span) {
        self.due.get_or_insert(now + interval);
    }

    pub fn deadline(&self) -> Option<BootInstant> {
        self.due.into_iter().chain(self.sync_due).min()
    }

    /// The durability asked for, if a batch has to go now.
    pub fn urgent(&self, now: BootInstant) -> Option<Durability> {
        let due = self.deadline().filter(|due| *due <= now);
        self.wanted.or(due.map(|_| Durability::Synced))
    }

    /// How many batches were taken.
    pub fn batches(&self) -> u64 {
        self.last
    }

    /// The next batch; `None` when nothing has changed and nothing has to be synced. A batch that
    /// is only flushed is followed by an empty synced one at `sync_by`, or earlier if a change in
    /// it was due earlier.
    pub fn take(&mut self, durability: Durability, sync_by: BootInstant) -> Option<Batch> {
        self.wanted = None;
        let due = self.due.take();
        let unsynced = self.sync_due.take();
        let changed = !self.changes.is_empty() || !self.deleted_reports.is_empty();
        if durability == Durability::Flushed {
            let new = due.into_iter().chain(changed.then_some(sync_by)).min();
            self.sync_due = unsynced.into_iter().chain(new).min();
        }
        if !changed && (durability == Durability::Flushed || unsynced.is_none()) {
            return None;
        }
        self.last += 1;
        let changes = std::mem::take(&mut self.changes);
        let changes = changes.into_iter().map(|(key, change)| (key, change.record)).collect();
        let deleted_reports = std::mem::take(&mut self.deleted_reports);
        Some(Batch { number: self.last, changes, deleted_reports, deleted: Vec::new(), durability })
    }

    /// The next batch without the changes of some keys, which wait on. They ask for no write.
    pub fn take_without(
        &mut self,
        spared: &[Key],
        durability: Durability,
        sync_by: BootInstant,
    ) -> Option<Batch> {
        let kept: Vec<(Key, Change)> =
            spared.iter().filter_map(|key| self.changes.remove_entry(key)).collect();
        let batch = self.take(durability, sync_by);
        self.changes.extend(kept);
        batch
    }

    /// Drops the waiting changes. The batch numbers continue.
    pub fn forget(&mut self) {
        *self = PendingChanges { last: self.last, ..PendingChanges::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::StoredReport;
    use super::super::report::{Report, What};
    use super::*;

    const T0: BootInstant = BootInstant(0);
    const T5: BootInstant = BootInstant(5_000);

    fn ping() -> Record {
        let report = Report::new(What::Ping, BootInstant(0), 0.0);
        Record::Report(StoredReport { report, recorded_at: None })
    }

    #[test]
    fn a_report_that_was_never_written_leaves_no_trace() {
        let mut changes = PendingChanges::default();
        changes.put(Key::Report(1, 1), ping());
        changes.delete(Key::Report(1, 1));
        assert_eq!(changes.take(Durability::Flushed, T5), None);
        changes.delete(Key::Report(1, 2));
        let batch = changes.take(Durability::Flushed, T5).unwrap();
        assert_eq!((batch.number, batch.changes.len()), (1, 1));
    }

    #[test]
    fn what_is_spared_waits_for_a_later_batch_and_leaves_no_trace_before() {
        let mut changes = PendingChanges::default();
        let (spared, other) = (Key::Report(1, 1), Key::Report(2, 1));
        changes.put(spared.clone(), ping());
        changes.put(other.clone(), ping());
        let without = std::slice::from_ref(&spared);
        let batch = changes.take_without(without, Durability::Synced, T5).unwrap();
        assert_eq!(batch.changes, [(other, Some(ping()))]);
        assert_eq!(changes.take_without(without, Durability::Synced, T5), None);
        assert_eq!(changes.deadline(), None);
        let batch = changes.take(Durability::Synced, T5).unwrap();
        assert_eq!(batch.changes, [(spared.clone(), Some(ping()))]);
        changes.put(Key::Report(1, 2), ping());
        assert_eq!(changes.take_without(&[Key::Report(1, 2)], Durability::Synced, T5), None);
        changes.delete(Key::Report(1, 2));
        assert_eq!(changes.take(Durability::Synced, T5), None);
    }

    #[test]
    fn what_was_only_flushed_is_synced_in_time() {
        let mut changes = PendingChanges::default();
        changes.put(Key::Report(1, 1), ping());
        changes.require(Durability::Flushed);
        assert_eq!(changes.urgent(T0), Some(Durability::Flushed));
        assert!(changes.take(Durability::Flushed, T5).is_some());
        assert_eq!(changes.deadline(), Some(T5));
        assert_eq!(changes.urgent(BootInstant(4_999)), None);
        // A later one does not delay it.
        changes.put(Key::Report(1, 2), ping());
        assert!(changes.take(Durability::Flushed, BootInstant(9_000)).is_some());
        assert_eq!(changes.urgent(T5), Some(Durability::Synced));
        let batch = changes.take(Durability::Synced, T5).unwrap();
        assert!(batch.changes.is_empty() && batch.durability == Durability::Synced);
        assert_eq!(changes.deadline(), None);
        // A change that waits for its interval is synced at its end, also if it went earlier.
        changes.put(Key::Report(1, 3), ping());
        changes.write_within(T0, Span::seconds(5));
        assert!(changes.take(Durability::Flushed, BootInstant(9_000)).is_some());
        assert_eq!(changes.deadline(), Some(T5));
        assert!(changes.take(Durability::Synced, T5).is_some());
        assert_eq!(changes.take(Durability::Synced, T5), None, "all is synced");
    }

    #[test]
    fn a_range_takes_what_waits_with_it() {
        let mut changes = PendingChanges::default();
        for n in 1..=4 {
            changes.put(Key::Report(1, n), ping());
        }
        changes.put(Key::Report(2, 1), ping());
        changes.delete_reports(ReportRange { log: 1, from: 0, to: 4 });
        let batch = changes.take(Durability::Flushed, T5).unwrap();
        let left: Vec<_> = batch.changes.into_iter().map(|(key, _)| key).collect();
        assert_eq!(left, [Key::Report(1, 4), Key::Report(2, 1)]);
        assert_eq!(batch.deleted_reports.len(), 1);
    }
}
