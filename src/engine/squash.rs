//! Batches that wait for the store, as one batch with the newest change of each key: however long the
//! store is slow, full or broken, they take little more memory than what is alive (behaviour.md 2.8,
//! 2.9).

use std::collections::BTreeMap;

use crate::core::record::{Batch, Durability, Key, KeyRange, Record, ReportRange};

/// Bytes of deleted resume points that are remembered. An older one that is forgotten may be in the
/// store again; it is then the oldest there, and the first to go.
const MOST_GONE_POINTS: u64 = 1 << 20;

/// Batches put together.
#[derive(Debug, Default)]
pub(super) struct Squashed {
    number: u64,
    synced: bool,
    newest: BTreeMap<Key, Option<Record>>,
    /// Deleted reports, by log.
    reports: Ranges,
    /// Deleted records with a number, by kind.
    numbered: Ranges,
    bytes: u64,
    gone_points: u64,
}

impl Squashed {
    /// Adds a batch that is newer than all the others.
    pub fn add(&mut self, batch: Batch) {
        self.number = batch.number;
        self.synced |= batch.durability == Durability::Synced;
        for (key, record) in batch.changes {
            match record {
                Some(record) => self.put(key, Some(record)),
                None => self.delete(key),
            }
        }
        for range in batch.deleted_reports {
            self.delete_reports(range);
        }
        for KeyRange { from, to } in batch.deleted {
            if let (Some((kind, from)), Some((_, to))) = (numbered(&from), numbered(&to)) {
                self.numbered.add(kind, from, to);
            }
        }
    }

    /// The number of the newest of them.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What it takes in the store, about.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn put(&mut self, key: Key, record: Option<Record>) {
        if let Some((kind, number)) = numbered(&key) {
            self.numbered.remove(kind, number);
        }
        self.bytes += bytes_of(&key, record.as_ref());
        if record.is_none() {
            self.gone_points += bytes_of(&key, None);
        }
        let size = bytes_of(&key, None);
        if let Some(old) = self.newest.insert(key, record) {
            let old = size + old.as_ref().map_or(0, Record::stored_bytes);
            self.bytes = self.bytes.saturating_sub(old);
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(old) = self.newest.remove(key) {
            self.bytes = self.bytes.saturating_sub(bytes_of(key, old.as_ref()));
        }
    }

    fn delete(&mut self, key: Key) {
        if let Key::Report(log, from) = key {
            return self.delete_reports(ReportRange { log, from, to: from.saturating_add(1) });
        }
        if let Some((kind, number)) = numbered(&key) {
            self.forget(&key);
            return self.numbered.add(kind, number, number.saturating_add(1));
        }
        self.put(key, None);
        if self.gone_points > MOST_GONE_POINTS {
            let gone = self.newest.iter().filter(|(_, record)| record.is_none());
            let gone: Vec<Key> = gone.map(|(key, _)| key.clone()).collect();
            gone.iter().for_each(|key| self.forget(key));
            self.gone_points = 0;
        }
    }

    fn delete_reports(&mut self, range: ReportRange) {
        let ReportRange { log, from, to } = range;
        let held = self.newest.range(Key::Report(log, from)..Key::Report(log, to));
        let held: Vec<Key> = held.map(|(key, _)| key.clone()).collect();
        held.iter().for_each(|key| self.forget(key));
        if (from, to) == (0, u64::MAX) {
            // The whole log is gone; one range holds many such logs.
            self.reports.forget(log);
            self.numbered.add(WHOLE_LOGS, log, log.saturating_add(1));
        } else {
            self.reports.add(log, from, to);
        }
    }

    /// Whether it deletes a report.
    pub fn deletes(&self, log: u64, number: u64) -> bool {
        self.reports.hold(log, number) || self.numbered.hold(WHOLE_LOGS, log)
    }

    /// All of it, as one batch.
    pub fn into_batch(self) -> Batch {
        let reports = self.reports.all().map(|(log, from, to)| ReportRange { log, from, to });
        let numbered = self.numbered.all().filter_map(|(kind, from, to)| {
            Some(KeyRange { from: key_of(kind, from)?, to: key_of(kind, to)? })
        });
        Batch {
            number: self.number,
            changes: self.newest.into_iter().collect(),
            deleted_reports: reports.collect(),
            deleted: numbered.collect(),
            durability: match self.synced {
                true => Durability::Synced,
                false => Durability::Flushed,
            },
        }
    }
}

/// Merges batches.
pub(super) fn squashed(batches: impl IntoIterator<Item = Batch>) -> Squashed {
    let mut all = Squashed::default();
    batches.into_iter().for_each(|batch| all.add(batch));
    all
}

/// Whether a batch deletes a report.
pub(super) fn deletes(batch: &Batch, log: u64, number: u64) -> bool {
    let key = Key::Report(log, number);
    let alone = batch.changes.binary_search_by(|(other, _)| other.cmp(&key));
    alone.is_ok_and(|at| batch.changes[at].1.is_none())
        || batch.deleted_reports.iter().any(|range| range.holds(log, number))
        || batch.deleted.iter().any(|range| (&range.from..&range.to).contains(&&key))
}

fn bytes_of(key: &Key, record: Option<&Record>) -> u64 {
    key.stored_bytes() + record.map_or(0, Record::stored_bytes)
}

/// The kind of "all reports of a log".
const WHOLE_LOGS: u64 = 5;

/// Kind and number of a record that has one of its own and gets no second life.
fn numbered(key: &Key) -> Option<(u64, u64)> {
    match *key {
        Key::Media(number) => Some((0, number.into())),
        Key::Session(number) => Some((1, number.into())),
        Key::Log(number) => Some((2, number)),
        Key::Heartbeat(number) => Some((3, number)),
        Key::Rejected(number) => Some((4, number)),
        Key::Report(log, 0) => Some((WHOLE_LOGS, log)),
        Key::Meta | Key::Report(..) | Key::Resume(..) => None,
    }
}

fn key_of(kind: u64, number: u64) -> Option<Key> {
    let small = u32::try_from(number).unwrap_or(u32::MAX);
    Some(match kind {
        0 => Key::Media(small),
        1 => Key::Session(small),
        2 => Key::Log(number),
        3 => Key::Heartbeat(number),
        4 => Key::Rejected(number),
        WHOLE_LOGS => Key::Report(number, 0),
        _ => return None,
    })
}

/// Ranges of numbers in groups, none of which touches another: (group, from) and to.
#[derive(Debug, Default)]
struct Ranges(BTreeMap<(u64, u64), u64>);

impl Ranges {
    fn add(&mut self, group: u64, mut from: u64, mut to: u64) {
        if from >= to {
            return;
        }
        while let Some((&(_, start), &end)) = self.0.range((group, 0)..=(group, to)).next_back()
            && end >= from
        {
            (from, to) = (from.min(start), to.max(end));
            self.0.remove(&(group, start));
        }
        self.0.insert((group, from), to);
    }

    /// The range that holds a number.
    fn of(&self, group: u64, number: u64) -> Option<(u64, u64)> {
        let (&(_, from), &to) = self.0.range((group, 0)..=(group, number)).next_back()?;
        (number < to).then_some((from, to))
    }

    fn hold(&self, group: u64, number: u64) -> bool {
        self.of(group, number).is_some()
    }

    fn remove(&mut self, group: u64, number: u64) {
        if let Some((from, to)) = self.of(group, number) {
            self.0.remove(&(group, from));
            self.add(group, from, number);
            self.add(group, number.saturating_add(1), to);
        }
    }

    fn forget(&mut self, group: u64) {
        while let Some((from, _)) = self.0.range((group, 0)..=(group, u64::MAX)).next() {
            let from = *from;
            self.0.remove(&from);
        }
    }

    fn all(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        self.0.iter().map(|(&(group, from), &to)| (group, from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::StoredReport;
    use crate::core::report::{Report, What};
    use crate::core::time::BootInstant;

    #[test]
    fn ranges_that_touch_become_one_and_a_number_can_be_taken_out() {
        let mut ranges = Ranges::default();
        for (from, to) in [(5, 6), (1, 2), (2, 3), (9, 9), (3, 5), (8, 12), (20, 21)] {
            ranges.add(1, from, to);
        }
        ranges.add(2, 6, 8);
        ranges.add(1, 11, 20);
        assert_eq!(ranges.all().collect::<Vec<_>>(), [(1, 1, 6), (1, 8, 21), (2, 6, 8)]);
        ranges.remove(1, 8);
        ranges.remove(1, 10);
        ranges.forget(2);
        assert_eq!(ranges.all().collect::<Vec<_>>(), [(1, 1, 6), (1, 9, 10), (1, 11, 21)]);
    }

    fn batch(number: u64, changes: Vec<(Key, Option<Record>)>) -> Batch {
        Batch {
            number,
            changes,
            deleted_reports: Vec::new(),
            deleted: Vec::new(),
            durability: Durability::Flushed,
        }
    }

    fn report(log: u64, number: u64) -> (Key, Option<Record>) {
        let report = Report::new(What::Ping, BootInstant(0), 0.0);
        let record = Record::Report(StoredReport { report, recorded_at: None });
        (Key::Report(log, number), Some(record))
    }

    #[test]
    fn deleted_reports_are_found_alone_and_in_ranges() {
        let range = ReportRange { log: 1, from: 7, to: 9 };
        let whole = ReportRange { log: 3, from: 0, to: u64::MAX };
        let one = batch(1, vec![(Key::Report(1, 4), None)]);
        let two = Batch { deleted_reports: vec![range, whole], ..batch(2, Vec::new()) };
        assert!(deletes(&one, 1, 4) && !deletes(&one, 1, 5));
        let both = squashed([one, two]);
        let gone: Vec<u64> = (1..12).filter(|n| both.deletes(1, *n)).collect();
        assert_eq!(gone, [4, 7, 8]);
        assert!(both.deletes(3, 9) && !both.deletes(2, 4));
        let both = both.into_batch();
        let gone: Vec<u64> = (1..12).filter(|n| deletes(&both, 1, *n)).collect();
        assert_eq!(gone, [4, 7, 8]);
        assert!(deletes(&both, 3, 9) && !deletes(&both, 2, 4) && !deletes(&both, 4, 0));
    }

    #[test]
    fn sessions_that_came_and_went_leave_a_few_ranges() {
        let mut all = Squashed::default();
        for n in 1..=10_000_u64 {
            let session = n as u32;
            all.add(batch(2 * n, vec![report(n, 1), report(n, 2)]));
            let gone = vec![
                (Key::Media(session), None),
                (Key::Session(session), None),
                (Key::Log(n), None),
                (Key::Heartbeat(n), None),
            ];
            let whole = ReportRange { log: n, from: 0, to: u64::MAX };
            all.add(Batch { deleted_reports: vec![whole], ..batch(2 * n + 1, gone) });
        }
        assert_eq!(all.bytes(), 0);
        let batch = all.into_batch();
        assert_eq!((batch.changes.len(), batch.deleted_reports.len()), (0, 0));
        assert_eq!(batch.deleted.len(), 5, "one range of each kind");
    }

    #[test]
    fn what_is_put_again_is_no_longer_deleted() {
        let mut all = squashed([batch(1, vec![(Key::Log(4), None), (Key::Log(5), None)])]);
        all.add(batch(2, vec![(Key::Log(5), report(1, 1).1)]));
        let batch = all.into_batch();
        let left = KeyRange { from: Key::Log(4), to: Key::Log(5) };
        assert_eq!((batch.changes.len(), batch.deleted), (1, vec![left]));
    }
}
