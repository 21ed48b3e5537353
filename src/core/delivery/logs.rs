//! All logs of the agent, with what waits in them counted as it changes: nobody has to add up
//! thousands of logs at every turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::lane::Lane;
use super::log::Log;
use crate::core::record::Totals;

/// What of a log is in the sums.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counted {
    waiting: Totals,
    /// Bytes of the records beside its reports.
    beside: u64,
    /// What waits in each of its lanes, by collector, where there are several collectors.
    lanes: Vec<(Arc<str>, Totals)>,
}

#[derive(Debug, Default)]
pub struct Logs {
    logs: BTreeMap<u64, Log>,
    counted: BTreeMap<u64, Counted>,
    /// Reports that wait in all logs, and all bytes that they keep in the store.
    waiting: Totals,
    /// What waits for each collector, where there are several.
    apart: Option<BTreeMap<Arc<str>, Totals>>,
    /// The logs of each session.
    of_session: BTreeMap<u32, BTreeSet<u64>>,
    /// Logs that may have changed since they were counted.
    uncounted: BTreeSet<u64>,
    /// Logs that may have changed since the last batch.
    unrecorded: BTreeSet<u64>,
}

impl Logs {
    pub fn len(&self) -> usize {
        self.logs.len()
    }

    pub fn get(&self, key: &u64) -> Option<&Log> {
        self.logs.get(key)
    }

    /// A log that is about to change.
    pub fn get_mut(&mut self, key: &u64) -> Option<&mut Log> {
        let log = self.logs.get_mut(key)?;
        self.uncounted.insert(*key);
        self.unrecorded.insert(*key);
        Some(log)
    }

    /// A log that changes in nothing that is counted, and is recorded in this turn.
    pub fn recording(&mut self, key: &u64) -> Option<&mut Log> {
        self.logs.get_mut(key)
    }

    pub fn insert(&mut self, key: u64, log: Log) {
        self.of_session.entry(log.origin.session).or_default().insert(key);
        self.uncounted.insert(key);
        self.unrecorded.insert(key);
        self.logs.insert(key, log);
    }

    pub fn remove(&mut self, key: &u64) -> Option<Log> {
        let log = self.logs.remove(key)?;
        self.count_one(*key);
        self.uncounted.remove(key);
        self.unrecorded.remove(key);
        let session = log.origin.session;
        if let Some(keys) = self.of_session.get_mut(&session) {
            keys.remove(key);
            if keys.is_empty() {
                self.of_session.remove(&session);
            }
        }
        Some(log)
    }

    pub fn clear(&mut self) {
        let apart = self.apart.is_some();
        *self = Logs::default();
        self.tell_apart(apart);
    }

    /// Whether it counts for each collector what waits for it.
    pub fn tell_apart(&mut self, apart: bool) {
        if self.apart.is_some() != apart {
            self.apart = apart.then(BTreeMap::new);
            self.counted.values_mut().for_each(|counted| counted.lanes.clear());
            self.uncounted.extend(self.logs.keys());
        }
    }

    pub fn keys(&self) -> impl Iterator<Item = &u64> {
        self.logs.keys()
    }

    pub fn values(&self) -> impl Iterator<Item = &Log> {
        self.logs.values()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&u64, &Log)> {
        self.logs.iter()
    }

    /// Every log, about to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&u64, &mut Log)> {
        self.uncounted.extend(self.logs.keys());
        self.unrecorded.extend(self.logs.keys());
        self.logs.iter_mut()
    }

    /// Every log, to change what is neither counted nor recorded.
    pub fn unrecorded_mut(&mut self) -> impl Iterator<Item = &mut Log> {
        self.logs.values_mut()
    }

    /// The logs of a session, oldest first.
    pub fn of_session(&self, session: u32) -> impl Iterator<Item = &Log> {
        let keys = self.of_session.get(&session).into_iter().flatten();
        keys.filter_map(|key| self.logs.get(key))
    }

    /// The logs that may have changed since the last call.
    pub fn take_unrecorded(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.unrecorded)
    }

    /// Brings the sums up to date.
    pub fn count(&mut self) {
        for key in std::mem::take(&mut self.uncounted) {
            self.count_one(key);
        }
        // Random days in `tests/world` run through this.
        debug_assert!(self.logs.len() > 16 || self.waiting == self.counted_anew());
    }

    fn counted_anew(&self) -> Totals {
        let one = |log: &Log| whole(log.waiting(), log.bytes_beside());
        self.logs.values().map(one).fold(Totals::default(), Totals::and)
    }

    fn count_one(&mut self, key: u64) {
        let now = self.logs.get(&key).map(|log| Counted {
            waiting: log.waiting(),
            beside: log.bytes_beside(),
            lanes: match self.apart {
                Some(_) => log.lanes.iter().map(|lane| lane_totals(lane, log)).collect(),
                None => Vec::new(),
            },
        });
        let before = self.counted.remove(&key).unwrap_or_default();
        self.waiting = self.waiting.without(whole(before.waiting, before.beside));
        if let Some(apart) = &mut self.apart {
            for (collector, totals) in &before.lanes {
                let sum = apart.entry(collector.clone()).or_default();
                *sum = sum.without(*totals);
            }
            for (collector, totals) in now.iter().flat_map(|now| &now.lanes) {
                let sum = apart.entry(collector.clone()).or_default();
                *sum = sum.and(*totals);
            }
        }
        if let Some(now) = now {
            self.waiting = self.waiting.and(whole(now.waiting, now.beside));
            self.counted.insert(key, now);
        }
    }

    /// What waits for one collector of several, as of the last `count`.
    pub fn waiting_for(&self, collector: &str) -> Totals {
        self.apart.as_ref().and_then(|apart| apart.get(collector)).copied().unwrap_or_default()
    }

    /// Reports that wait, and all bytes that they keep in the store, as of the last `count`.
    pub fn waiting(&self) -> Totals {
        self.waiting
    }
}

/// All that a log keeps in the store.
fn whole(Totals { count, bytes }: Totals, beside: u64) -> Totals {
    Totals { count, bytes: bytes.saturating_add(beside) }
}

fn lane_totals(lane: &Lane, log: &Log) -> (Arc<str>, Totals) {
    (lane.collector.clone(), lane.waiting(&log.summary))
}
