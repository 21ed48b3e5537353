//! The disk of the simulated box: what a store holds is a copy of the truth, taken with every
//! batch, so that going back after a crash or a power cut goes back in both.

use std::collections::VecDeque;

use playheadd::core::record::{Batch, Durability};
use playheadd::store::memory::MemoryStore;

use crate::model::Model;

/// What is flushed and not synced is on the medium after this (docs/api.md 4).
const UNSYNCED_MS: i64 = 5_000;

/// The truth as of one batch.
#[derive(Debug, Clone)]
pub struct Saved {
    pub model: Model,
    /// How much was owed, and how many answers had been taken in.
    pub owed: usize,
    pub acks: usize,
}

#[derive(Debug)]
pub struct Disk {
    pub store: MemoryStore,
    pub full: bool,
    /// What could not be written yet, as the daemon keeps it.
    kept: Vec<Batch>,
    kept_saved: Option<Saved>,
    /// The last batch that was written, until the agent has been told.
    pub finished: Option<u64>,
    on_medium: Saved,
    /// With the operating system, and when it was handed over.
    between: VecDeque<(i64, Saved)>,
}

impl Disk {
    pub fn new(saved: Saved) -> Disk {
        Disk {
            store: MemoryStore::default(),
            full: false,
            kept: Vec::new(),
            kept_saved: None,
            finished: None,
            on_medium: saved,
            between: VecDeque::new(),
        }
    }

    /// Whether the batch was written; one that was not is tried again.
    pub fn write(&mut self, batch: Batch, saved: Saved, now: i64) -> bool {
        self.kept.push(batch);
        self.kept_saved = Some(saved);
        if !self.full {
            self.write_kept(now);
        }
        !self.full
    }

    pub fn free(&mut self, now: i64) {
        self.full = false;
        self.write_kept(now);
    }

    fn write_kept(&mut self, now: i64) {
        let Some(saved) = self.kept_saved.take() else { return };
        let synced = self.kept.iter().any(|b| b.durability == Durability::Synced);
        let durability = if synced { Durability::Synced } else { Durability::Flushed };
        for batch in self.kept.drain(..) {
            self.finished = Some(batch.number);
            self.store.apply(&Batch { durability, ..batch }, now);
        }
        if synced {
            self.between.clear();
            self.on_medium = saved;
        } else {
            self.between.push_back((now, saved));
        }
    }

    /// The store is deleted and made anew; `saved` is a truth that knows nothing.
    pub fn wipe(&mut self, saved: Saved) {
        let full = self.full;
        *self = Disk { full, ..Disk::new(saved) };
    }

    /// The agent dies; what it kept goes with it.
    pub fn crash(&mut self) -> Saved {
        self.finished = None;
        self.kept.clear();
        self.kept_saved = None;
        self.between.back().map_or(&self.on_medium, |(_, saved)| saved).clone()
    }

    pub fn power_cut(&mut self, now: i64) -> Saved {
        self.finished = None;
        self.kept.clear();
        self.kept_saved = None;
        self.store.power_cut(now, UNSYNCED_MS);
        while self.between.front().is_some_and(|(at, _)| *at <= now - UNSYNCED_MS) {
            if let Some((_, saved)) = self.between.pop_front() {
                self.on_medium = saved;
            }
        }
        self.between.clear();
        self.on_medium.clone()
    }
}
