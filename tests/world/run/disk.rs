//! What a store holds is a copy of the truth, taken with every batch, so that going back after a
//! crash or a power cut goes back in both.

use std::collections::VecDeque;

use playheadd::core::record::Durability;
use playheadd::engine::StoreJob;

use crate::model::Model;

/// What is flushed and not synced is on the medium after this (docs/behaviour.md 4).
pub const UNSYNCED_MS: i64 = 5_000;

/// The truth as of one batch.
#[derive(Debug, Clone)]
pub struct Saved {
    pub model: Model,
    /// How much was owed, and how many answers had been taken in.
    pub owed: usize,
    pub acks: usize,
}

/// The truth as of what the disk holds.
#[derive(Debug)]
pub struct Copies {
    /// As of the last batch that the agent made.
    pub newest: Saved,
    on_medium: Saved,
    /// With the operating system, and when it was handed over.
    between: VecDeque<(i64, Saved)>,
}

impl Copies {
    pub fn new(saved: Saved) -> Copies {
        Copies { newest: saved.clone(), on_medium: saved, between: VecDeque::new() }
    }

    /// The store has written what the agent made.
    pub fn written(&mut self, job: &StoreJob, now: i64) {
        let saved = self.newest.clone();
        let StoreJob::Write { batches, .. } = job else { return };
        if batches.iter().any(|batch| batch.durability == Durability::Synced) {
            self.between.clear();
            self.on_medium = saved;
        } else {
            self.between.push_back((now, saved));
        }
    }

    /// Everything was deleted; `saved` is a truth that knows nothing.
    pub fn wiped(&mut self, saved: Saved) {
        self.between.clear();
        self.on_medium = saved;
    }

    /// The agent dies.
    pub fn after_crash(&mut self) -> Saved {
        self.newest = self.between.back().map_or(&self.on_medium, |(_, saved)| saved).clone();
        self.newest.clone()
    }

    pub fn after_power_cut(&mut self, now: i64) -> Saved {
        while self.between.front().is_some_and(|(at, _)| *at <= now - UNSYNCED_MS) {
            if let Some((_, saved)) = self.between.pop_front() {
                self.on_medium = saved;
            }
        }
        self.between.clear();
        self.newest = self.on_medium.clone();
        self.newest.clone()
    }
}
