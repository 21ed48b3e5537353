//! What is to be written, gathered until somebody's promise or the flush interval asks for it
//! (api.md 2.9). A record that changes ten times in between is written once; a ping that is
//! accepted before it was ever written is not written at all.

use std::collections::BTreeMap;

use super::effect::{Batch, Durability, Key, Record};
use super::time::{BootInstant, Span};

#[derive(Debug)]
struct Change {
    /// `None` deletes the key.
    record: Option<Record>,
    /// The store has never seen the key.
    fresh: bool,
}

#[derive(Debug, Default)]
pub struct Ledger {
    changes: BTreeMap<Key, Change>,
    wanted: Option<Durability>,
    /// When what waits must go at the latest.
    due: Option<BootInstant>,
}

impl Ledger {
    pub fn put(&mut self, key: Key, record: Record) {
        // Only hits are written once and deleted once; of any other key nobody knows.
        let fresh = matches!(key, Key::Hit(..)) && !self.changes.contains_key(&key);
        self.changes.insert(key, Change { record: Some(record), fresh });
    }

    /// Writes what was deleted a moment ago; the store may not have heard of that yet.
    pub fn put_back(&mut self, key: Key, record: Record) {
        let fresh = self.changes.get(&key).is_some_and(|change| change.fresh);
        self.changes.insert(key, Change { record: Some(record), fresh });
    }

    /// Whether a change of the key waits to be written.
    pub fn holds(&self, key: &Key) -> bool {
        self.changes.contains_key(key)
    }

    /// True when the store may hold the key, so that somebody could depend on the deletion.
    pub fn delete(&mut self, key: Key) -> bool {
        if self.changes.get(&key).is_some_and(|change| change.fresh) {
            self.changes.remove(&key);
            return false;
        }
        self.changes.insert(key, Change { record: None, fresh: false });
        true
    }

    /// Somebody's reply or request depends on what is written here.
    pub fn want(&mut self, durability: Durability) {
        self.wanted = self.wanted.max(Some(durability));
    }

    /// Nobody waits; it may ride on the next batch, or go after `interval`.
    pub fn wait(&mut self, now: BootInstant, interval: Span) {
        self.due.get_or_insert(now + interval);
    }

    pub fn deadline(&self) -> Option<BootInstant> {
        self.due
    }

    /// The durability asked for, if a batch has to go now.
    pub fn urgent(&self, now: BootInstant) -> Option<Durability> {
        self.wanted.or_else(|| self.due.filter(|due| *due <= now).map(|_| Durability::Flushed))
    }

    pub fn take(&mut self, durability: Durability) -> Option<Batch> {
        self.wanted = None;
        self.due = None;
        let changes: Vec<_> =
            std::mem::take(&mut self.changes).into_iter().map(|(key, c)| (key, c.record)).collect();
        (!changes.is_empty()).then_some(Batch { changes, durability })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tracker::hit::{Detail, Hit, HitKind};
    use super::*;

    #[test]
    fn a_hit_that_was_never_written_leaves_no_trace() {
        let mut ledger = Ledger::default();
        let hit = Hit::new(HitKind::Ping, BootInstant(0), 0.0, Detail::default());
        ledger.put(Key::Hit(1, 1), Record::Hit(hit));
        ledger.delete(Key::Hit(1, 1));
        assert_eq!(ledger.take(Durability::Flushed), None);
        ledger.delete(Key::Hit(1, 2));
        assert_eq!(ledger.take(Durability::Flushed).unwrap().changes.len(), 1);
    }
}
