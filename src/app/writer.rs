//! The store's own thread: batches in order, as many as wait with one barrier, and word when each
//! is done. The engine never waits for a disk.

use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::core::effect::Batch;
use crate::store::StoreError;
use crate::store::sled::SledStore;

/// How long a store that could not be written is left alone.
const RETRY: Duration = Duration::from_secs(5);

/// Numbers batches in the order in which they were handed over.
pub type BatchNumber = u64;

/// Word from the store.
#[derive(Debug)]
pub enum Written {
    /// Everything up to this batch has been handed over as its durability says.
    Done(BatchNumber),
    /// It could not be written; it is kept and tried again.
    Failed(BatchNumber, StoreError),
}

/// What the store's thread is asked to do.
enum Job {
    Write(BatchNumber, Batch),
    Wipe,
}

pub struct Writer {
    jobs: Option<std_mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    next: BatchNumber,
    pub written: mpsc::UnboundedReceiver<Written>,
}

impl Writer {
    pub fn start(store: SledStore) -> std::io::Result<Writer> {
        let (jobs, waiting) = std_mpsc::channel();
        let (word, written) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || work(store, &waiting, &word))?;
        Ok(Writer { jobs: Some(jobs), thread: Some(thread), next: 0, written })
    }

    /// Hands a batch over and gives its number.
    pub fn hand_over(&mut self, batch: Batch) -> BatchNumber {
        self.next += 1;
        self.ask(Job::Write(self.next, batch));
        self.next
    }

    /// Deletes everything that is stored or waits to be.
    pub fn wipe(&mut self) {
        self.ask(Job::Wipe);
    }

    fn ask(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // The thread is gone only after `finish`.
            let _ = jobs.send(job);
        }
    }

    /// Waits until everything that was handed over is written, or given up.
    pub fn finish(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's thread has panicked");
        }
    }
}

fn work(
    mut store: SledStore,
    waiting: &std_mpsc::Receiver<Job>,
    word: &mpsc::UnboundedSender<Written>,
) {
    let mut kept: Vec<Batch> = Vec::new();
    loop {
        let first = match kept.is_empty() {
            true => waiting.recv().map_err(|_| std_mpsc::RecvTimeoutError::Disconnected),
            false => waiting.recv_timeout(RETRY),
        };
        let mut last = 0;
        let mut take = |job, kept: &mut Vec<Batch>| match job {
            Job::Write(number, batch) => {
                last = number;
                kept.push(batch);
            }
            Job::Wipe => {
                kept.clear();
                if let Err(error) = store.wipe() {
                    tracing::error!(%error, "the store could not be deleted; it is tried at the next start");
                }
            }
        };
        match first {
            Ok(job) => take(job, &mut kept),
            Err(std_mpsc::RecvTimeoutError::Timeout) => {}
            Err(std_mpsc::RecvTimeoutError::Disconnected) => {
                if let Some(error) = store.apply(&kept).err() {
                    tracing::error!(%error, "the last changes could not be written");
                }
                return;
            }
        }
        while let Ok(job) = waiting.try_recv() {
            take(job, &mut kept);
        }
        let said = match store.apply(&kept) {
            Ok(()) => {
                kept.clear();
                Written::Done(last)
            }
            Err(error) => {
                // Later changes of a key come after earlier ones, so one batch holds them all.
                squash(&mut kept);
                Written::Failed(last, error)
            }
        };
        if word.send(said).is_err() {
            return;
        }
    }
}

/// Keeps only the newest change of each key, so that a store that stays away costs no more memory
/// than its own size.
fn squash(kept: &mut Vec<Batch>) {
    let mut newest = std::collections::BTreeMap::new();
    let mut durability = crate::core::effect::Durability::Flushed;
    for batch in kept.drain(..) {
        durability = durability.max(batch.durability);
        newest.extend(batch.changes);
    }
    kept.push(Batch { changes: newest.into_iter().collect(), durability });
}
