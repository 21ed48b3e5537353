//! The in-memory twin of the store, with sled's promise made explicit: what is flushed survives
//! the daemon's death, what is synced or old enough survives a power cut (api.md 2.9).

use std::collections::{BTreeMap, VecDeque};

use super::{Gathering, codec};
use crate::core::Stored;
use crate::core::effect::{Batch, Durability};

type Change = (Vec<u8>, Option<Vec<u8>>);

#[derive(Debug, Default)]
pub struct MemoryStore {
    /// With the operating system.
    flushed: BTreeMap<Vec<u8>, Vec<u8>>,
    /// On the medium.
    synced: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Flushed and not yet on the medium, with the time of writing in ms.
    between: VecDeque<(i64, Vec<Change>)>,
}

impl MemoryStore {
    /// A store that holds these bytes, whoever wrote them: an older or newer version, or chance.
    pub fn from_raw(records: Vec<(Vec<u8>, Vec<u8>)>) -> MemoryStore {
        let flushed: BTreeMap<_, _> = records.into_iter().collect();
        MemoryStore { synced: flushed.clone(), flushed, ..MemoryStore::default() }
    }

    /// Takes a batch at `now_ms` on the simulated world's own clock.
    pub fn apply(&mut self, batch: &Batch, now_ms: i64) {
        let changes: Vec<Change> = batch
            .changes
            .iter()
            .map(|(key, record)| (codec::key(key), record.as_ref().map(codec::value)))
            .collect();
        write(&mut self.flushed, &changes);
        self.between.push_back((now_ms, changes));
        if batch.durability == Durability::Synced {
            self.sync_until(i64::MAX);
        }
    }

    /// The power is cut: what was flushed within the last `unsynced_ms` is gone.
    pub fn power_cut(&mut self, now_ms: i64, unsynced_ms: i64) {
        self.sync_until(now_ms - unsynced_ms);
        self.between.clear();
        self.flushed = self.synced.clone();
    }

    fn sync_until(&mut self, until_ms: i64) {
        while self.between.front().is_some_and(|(at, _)| *at <= until_ms) {
            if let Some((_, changes)) = self.between.pop_front() {
                write(&mut self.synced, &changes);
            }
        }
    }

    /// Everything that is stored, as the daemon would find it.
    pub fn load(&self) -> Stored {
        let mut gathering = Gathering::default();
        for (key, value) in &self.flushed {
            gathering.take(key, value);
        }
        gathering.done()
    }
}

fn write(map: &mut BTreeMap<Vec<u8>, Vec<u8>>, changes: &[Change]) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}
