//! What a store holds is a copy of the truth, taken with every batch, so that going back after a
//! crash or a power cut goes back in both.

use playheadd::core::record::Durability;
use playheadd::engine::StoreJob;

use crate::model::Model;

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
    /// With the operating system only.
    flushed: Option<Saved>,
}

impl Copies {
    pub fn new(saved: Saved) -> Copies {
        Copies { newest: saved.clone(), on_medium: saved, flushed: None }
    }

    /// The store has written what the agent made.
    pub fn written(&mut self, job: &StoreJob) {
        let saved = self.newest.clone();
        let StoreJob::Write(batches) = job else { return };
        if batches.iter().any(|batch| batch.durability == Durability::Synced) {
            self.flushed = None;
            self.on_medium = saved;
        } else {
            self.flushed = Some(saved);
        }
    }

    /// Everything was deleted; `saved` is a truth that knows nothing.
    pub fn wiped(&mut self, saved: Saved) {
        self.flushed = None;
        self.on_medium = saved;
    }

    /// The agent dies.
    pub fn after_crash(&mut self) -> Saved {
        self.newest = self.flushed.as_ref().unwrap_or(&self.on_medium).clone();
        self.newest.clone()
    }

    pub fn after_power_cut(&mut self) -> Saved {
        self.flushed = None;
        self.newest = self.on_medium.clone();
        self.newest.clone()
    }
}
