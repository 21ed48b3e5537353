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
    /// When the waiting changes must be written at the latest.
    due: Option<BootInstant>,
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

    /// Nothing depends on the waiting changes: they go with the next batch or after `interval`.
    pub fn write_within(&mut self, now: BootInstant, interval: Span) {
        self.due.get_or_insert(now + interval);
    }

    pub fn deadline(&self) -> Option<BootInstant> {
        self.due
    }

    /// The durability asked for, if a batch has to go now.
    pub fn urgent(&self, now: BootInstant) -> Option<Durability> {
        self.wanted.or_else(|| self.due.filter(|due| *due <= now).map(|_| Durability::Flushed))
    }

    /// How many batches were taken.
    pub fn batches(&self) -> u64 {
        self.last
    }

    /// The next batch; `None` when nothing has changed.
    pub fn take(&mut self, durability: Durability) -> Option<Batch> {
        self.wanted = None;
        self.due = None;
        if self.changes.is_empty() && self.deleted_reports.is_empty() {
            return None;
        }
        self.last += 1;
        let changes = std::mem::take(&mut self.changes);
        let changes = changes.into_iter().map(|(key, change)| (key, change.record)).collect();
        let deleted_reports = std::mem::take(&mut self.deleted_reports);
        Some(Batch { number: self.last, changes, deleted_reports, durability })
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

    fn ping() -> Record {
        let report = Report::new(What::Ping, BootInstant(0), 0.0);
        Record::Report(StoredReport { report, recorded_at: None })
    }

    #[test]
    fn a_report_that_was_never_written_leaves_no_trace() {
        let mut changes = PendingChanges::default();
        changes.put(Key::Report(1, 1), ping());
        changes.delete(Key::Report(1, 1));
        assert_eq!(changes.take(Durability::Flushed), None);
        changes.delete(Key::Report(1, 2));
        let batch = changes.take(Durability::Flushed).unwrap();
        assert_eq!((batch.number, batch.changes.len()), (1, 1));
    }

    #[test]
    fn a_range_takes_what_waits_with_it() {
        let mut changes = PendingChanges::default();
        for n in 1..=4 {
            changes.put(Key::Report(1, n), ping());
        }
        changes.put(Key::Report(2, 1), ping());
        changes.delete_reports(ReportRange { log: 1, from: 0, to: 4 });
        let batch = changes.take(Durability::Flushed).unwrap();
        let left: Vec<_> = batch.changes.into_iter().map(|(key, _)| key).collect();
        assert_eq!(left, [Key::Report(1, 4), Key::Report(2, 1)]);
        assert_eq!(batch.deleted_reports.len(), 1);
    }
}
