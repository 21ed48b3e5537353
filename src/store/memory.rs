//! The store in memory, with the same promises as sled: what is flushed survives the daemon's
//! death, what is synced survives a power cut (behaviour.md 2.9).

use std::collections::BTreeMap;

use super::{StoredBuilder, codec};
use crate::core::record::{Batch, Durability, Key, Read, ReadReports, ReportRange, Stored};

type Change = (Vec<u8>, Option<Vec<u8>>);

#[derive(Debug, Default)]
pub struct MemoryStore {
    /// Handed to the operating system: lost in a power cut only.
    flushed: BTreeMap<Vec<u8>, Vec<u8>>,
    /// On the medium: never lost.
    synced: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Flushed and not yet on the medium.
    between: Vec<Change>,
}

impl MemoryStore {
    /// A store that holds these bytes, such as those of another version, or random ones.
    pub fn from_raw(records: Vec<(Vec<u8>, Vec<u8>)>) -> MemoryStore {
        let flushed: BTreeMap<_, _> = records.into_iter().collect();
        MemoryStore { synced: flushed.clone(), flushed, ..MemoryStore::default() }
    }

    /// Everything in it as it is stored, for `from_raw`.
    pub fn raw(&self) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        self.flushed.iter()
    }

    pub fn apply(&mut self, batch: &Batch) {
        let changes: Vec<Change> = batch
            .changes
            .iter()
            .map(|(key, record)| (codec::key(key), record.as_ref().map(codec::value)))
            .collect();
        write(&mut self.flushed, changes.clone());
        self.between.extend(changes);
        let ranges = batch.deleted_reports.iter().map(bounds);
        for range in ranges.chain(batch.deleted.iter().map(codec::keys)) {
            let gone = self.flushed.range(range);
            let gone: Vec<Change> = gone.map(|(key, _)| (key.clone(), None)).collect();
            write(&mut self.flushed, gone.clone());
            self.between.extend(gone);
        }
        if batch.durability == Durability::Synced {
            write(&mut self.synced, std::mem::take(&mut self.between));
        }
    }

    /// A damaged medium loses a record.
    pub fn lose(&mut self, key: &Key) {
        let key = codec::key(key);
        self.flushed.remove(&key);
        self.synced.remove(&key);
    }

    /// The power is cut: what was not synced is gone.
    pub fn power_cut(&mut self) {
        self.between.clear();
        self.flushed = self.synced.clone();
    }

    /// Everything that is stored, as the daemon would find it.
    pub fn load(&self) -> Stored {
        let mut gathering = StoredBuilder::default();
        let others = |key: &Vec<u8>| key.first() != Some(&codec::REPORT);
        for (key, value) in self.flushed.iter().filter(|(key, _)| others(key)) {
            gathering.take(key, value);
        }
        let reports = self.flushed.iter().filter(|(key, _)| !others(key));
        for (key, value) in reports {
            let Some((log, number)) = codec::report_key(key) else { continue };
            if gathering.newest_from(log).is_none_or(|from| number >= from) {
                match codec::report(value) {
                    Some(stored) => gathering.take_report(log, number, stored),
                    None => gathering.unreadable += 1,
                }
            }
        }
        gathering.done()
    }

    /// The first reports of a range.
    pub fn read(&self, read: &Read) -> ReadReports {
        let entries = self.flushed.range(bounds(&read.range));
        let reports = entries
            .filter_map(|(key, value)| Some((codec::report_key(key)?.1, codec::report(value)?)));
        ReadReports::of(read, reports.take(read.most).collect())
    }
}

fn bounds(range: &ReportRange) -> std::ops::Range<Vec<u8>> {
    codec::key(&Key::Report(range.log, range.from))..codec::key(&Key::Report(range.log, range.to))
}

fn write(map: &mut BTreeMap<Vec<u8>, Vec<u8>>, changes: Vec<Change>) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        };
    }
}
