//! The store of one box of a fleet: the records as they are, without their bytes. It promises what sled
//! does: what is written survives the daemon, what is synced a power cut (behaviour.md 2.9).

use std::collections::{BTreeMap, VecDeque};

use crate::core::record::{
    Batch, Durability, Key, Numbered, Read, ReadReports, Record, ReportRange, Stored, StoredReport,
};
use crate::core::report::{Report, What};
use crate::core::time::BootInstant;
use crate::engine::{StoreDone, StoreJob};

/// A stored report. Most are pings, which wait by the thousand.
#[derive(Debug, Clone)]
enum Kept {
    Ping { at: BootInstant, playhead: f64, recorded_at: Option<BootInstant> },
    Other(Box<StoredReport>),
}

/// What a change that is not synced has replaced.
#[derive(Debug)]
enum Undo {
    Record(Key, Option<Record>),
    /// The log has no report with this number.
    Added(u64, u64),
    Removed(u64, Vec<(u64, Kept)>),
}

#[derive(Debug, Default)]
pub struct Store {
    records: BTreeMap<Key, Record>,
    reports: BTreeMap<u64, VecDeque<(u64, Kept)>>,
    /// What a power cut takes back; `None` where there is none.
    undo: Option<Vec<Undo>>,
}

impl Kept {
    fn of(stored: &StoredReport) -> Kept {
        match &stored.report {
            Report { at, playhead, what: What::Ping, quality: None } => {
                Kept::Ping { at: *at, playhead: *playhead, recorded_at: stored.recorded_at }
            }
            _ => Kept::Other(Box::new(stored.clone())),
        }
    }

    fn stored(&self) -> StoredReport {
        match self {
            Kept::Ping { at, playhead, recorded_at } => StoredReport {
                report: Report::new(What::Ping, *at, *playhead),
                recorded_at: *recorded_at,
            },
            Kept::Other(stored) => (**stored).clone(),
        }
    }
}

impl Store {
    /// An empty store. Where the power may be cut it keeps what that would take back.
    pub fn new(power_cuts: bool) -> Store {
        Store { undo: power_cuts.then(Vec::new), ..Store::default() }
    }

    /// Carries a job out, at once and without errors.
    pub fn work(&mut self, job: &StoreJob) -> StoreDone {
        match job {
            StoreJob::Write(batches) => {
                batches.iter().for_each(|batch| self.apply(batch));
                StoreDone::Written(Ok(()))
            }
            StoreJob::Read(read) => StoreDone::Read(Ok(self.read(read))),
            StoreJob::Join => StoreDone::Joined(Ok(Box::new(self.load()))),
            StoreJob::Wipe { .. } => {
                *self = Store::new(self.undo.is_some());
                StoreDone::Wiped(Ok(()))
            }
            StoreJob::Tidy => StoreDone::Tidied,
        }
    }

    /// The power is cut: what was not synced is gone.
    pub fn power_cut(&mut self) {
        let Some(undone) = self.undo.take() else { return };
        for undo in undone.into_iter().rev() {
            match undo {
                Undo::Record(key, Some(record)) => {
                    self.records.insert(key, record);
                }
                Undo::Record(key, None) => {
                    self.records.remove(&key);
                }
                Undo::Added(log, number) => self.cut(log, number, number.saturating_add(1)),
                Undo::Removed(log, reports) => {
                    for (number, kept) in reports {
                        self.keep(log, number, kept);
                    }
                }
            }
        }
        self.undo = Some(Vec::new());
    }

    /// Everything that is stored, as the daemon finds it when it starts.
    pub fn load(&self) -> Stored {
        let mut stored = Stored::default();
        for (key, record) in &self.records {
            match (key, record.clone()) {
                (Key::Meta, Record::Meta(meta)) => stored.meta = Some(meta),
                (Key::Media(n), Record::Media(media)) => stored.media.push((*n, media)),
                (Key::Session(n), Record::Session(s)) => stored.sessions.push((*n, *s)),
                (Key::Log(n), Record::Log(log)) => stored.logs.push((*n, *log)),
                (Key::Heartbeat(n), Record::Heartbeat(h)) => stored.heartbeats.push((*n, *h)),
                (Key::Resume(app, media), Record::Resume(point)) => {
                    stored.points.push((app.clone(), media.clone(), point));
                }
                (Key::Rejected(number), Record::Rejected(rejected)) => {
                    stored.rejected.push((*number, (*rejected).into()));
                    stored.next_rejected = number.saturating_add(1);
                }
                _ => {}
            }
        }
        for (log, reports) in &self.reports {
            let record = stored.logs.iter().find(|(key, _)| key == log);
            let from = record.map_or(u64::MAX, |(_, record)| record.summary.next);
            let newest: Numbered = reports
                .iter()
                .filter(|(number, _)| *number >= from)
                .map(|(number, kept)| (*number, kept.stored()))
                .collect();
            if !newest.is_empty() {
                stored.newest.push((*log, newest));
            }
        }
        stored
    }

    fn apply(&mut self, batch: &Batch) {
        for (key, record) in &batch.changes {
            match (key, record) {
                (Key::Report(log, number), Some(Record::Report(stored))) => {
                    self.keep(*log, *number, Kept::of(stored));
                    self.note(Undo::Added(*log, *number));
                }
                (Key::Report(log, number), _) => self.remove(*log, *number, number + 1),
                (key, Some(record)) => {
                    let before = self.records.insert(key.clone(), record.clone());
                    self.note(Undo::Record(key.clone(), before));
                }
                (key, None) => {
                    if let Some(before) = self.records.remove(key) {
                        self.note(Undo::Record(key.clone(), Some(before)));
                    }
                }
            }
        }
        for ReportRange { log, from, to } in &batch.deleted_reports {
            self.remove(*log, *from, *to);
        }
        for range in &batch.deleted {
            let keys = self.records.range(range.from.clone()..range.to.clone());
            for key in keys.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
                let before = self.records.remove(&key);
                self.note(Undo::Record(key, before));
            }
            if let (Key::Report(log, from), Key::Report(_, to)) = (&range.from, &range.to) {
                self.remove(*log, *from, *to);
            }
        }
        if batch.durability == Durability::Synced {
            self.undo = self.undo.take().map(|_| Vec::new());
        }
    }

    fn note(&mut self, undo: Undo) {
        if let Some(all) = &mut self.undo {
            all.push(undo);
        }
    }

    fn read(&self, read: &Read) -> ReadReports {
        let ReportRange { log, from, to } = read.range;
        let reports = self.reports.get(&log).into_iter().flat_map(|reports| {
            let at = reports.partition_point(|(number, _)| *number < from);
            reports.range(at..).take_while(|(number, _)| *number < to)
        });
        let found = reports.take(read.most).map(|(number, kept)| (*number, kept.stored()));
        ReadReports::of(read, found.collect())
    }

    fn keep(&mut self, log: u64, number: u64, kept: Kept) {
        let reports = self.reports.entry(log).or_default();
        if reports.back().is_none_or(|(last, _)| *last < number) {
            return reports.push_back((number, kept));
        }
        let at = reports.partition_point(|(n, _)| *n < number);
        match reports.get_mut(at) {
            Some((n, there)) if *n == number => *there = kept,
            _ => reports.insert(at, (number, kept)),
        }
    }

    /// Takes the reports with numbers in `from..to` away. Those from the front cost nothing.
    fn cut(&mut self, log: u64, from: u64, to: u64) {
        self.taken(log, from, to);
    }

    fn taken(&mut self, log: u64, from: u64, to: u64) -> Vec<(u64, Kept)> {
        let Some(reports) = self.reports.get_mut(&log) else { return Vec::new() };
        let first = match reports.front() {
            Some((front, _)) if *front >= from => 0,
            _ => reports.partition_point(|(number, _)| *number < from),
        };
        let end = reports.partition_point(|(number, _)| *number < to);
        let taken: Vec<_> = match (first, end) {
            (0, 1) => reports.pop_front().into_iter().collect(),
            _ => reports.drain(first..end).collect(),
        };
        if reports.is_empty() {
            self.reports.remove(&log);
        } else if reports.capacity() > 64 && reports.len() * 4 < reports.capacity() {
            reports.shrink_to_fit();
        }
        taken
    }

    fn remove(&mut self, log: u64, from: u64, to: u64) {
        let taken = self.taken(log, from, to);
        if !taken.is_empty() {
            self.note(Undo::Removed(log, taken));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::record::ReadId;

    fn batch(number: u64, durability: Durability, reports: &[u64]) -> StoreJob {
        let ping = |n: &u64| {
            let report = Report::new(What::Ping, BootInstant(*n as i64), *n as f64);
            let record = Record::Report(StoredReport { report, recorded_at: None });
            (Key::Report(1, *n), Some(record))
        };
        let changes = reports.iter().map(ping).collect();
        let (deleted_reports, deleted) = (Vec::new(), Vec::new());
        let batch = Batch { number, changes, deleted_reports, deleted, durability };
        StoreJob::Write(Arc::new(vec![batch]))
    }

    fn numbers(store: &Store) -> Vec<u64> {
        let range = ReportRange { log: 1, from: 0, to: 100 };
        let read = store.read(&Read { id: ReadId(0), range, most: 64 });
        read.reports.into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn a_power_cut_leaves_what_was_synced() {
        let mut store = Store::new(true);
        store.work(&batch(1, Durability::Synced, &[1, 2, 3]));
        store.work(&batch(2, Durability::Flushed, &[4]));
        let gone = Batch {
            number: 3,
            changes: vec![(Key::Report(1, 2), None)],
            deleted_reports: vec![ReportRange { log: 1, from: 3, to: 5 }],
            deleted: Vec::new(),
            durability: Durability::Flushed,
        };
        store.work(&StoreJob::Write(Arc::new(vec![gone])));
        assert_eq!(numbers(&store), [1]);
        store.power_cut();
        assert_eq!(numbers(&store), [1, 2, 3]);
    }
}
