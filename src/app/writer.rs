//! The store's own thread: batches in order, as many as wait with one barrier, and word when each
//! is done. The engine never waits for a disk.

use std::path::PathBuf;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::core::Stored;
use crate::core::effect::Batch;
use crate::store::StoreError;
use crate::store::sled::{self as store, SledStore};
use crate::system::memory;

/// How many batches are written before the free memory that they leave behind is given back, and how
/// long nothing comes before it is given back after fewer.
const TIDY_EVERY: usize = 256;
const TIDY_FROM: usize = 64;
const TIDY_AFTER: Duration = Duration::from_secs(2);
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
    Failed(BatchNumber, String),
}

/// What the store's thread is asked to do.
enum Job {
    Write(BatchNumber, Batch),
    Wipe,
}

/// Where the store lies.
#[derive(Debug, Clone)]
pub struct Place {
    pub dir: PathBuf,
    pub max_bytes: u64,
}

impl Place {
    /// Opens the store, or does without: the daemon never refuses to start over its own state
    /// (api.md 2.9).
    ///
    /// Errors: `InUse`, because two daemons on one state would lose it.
    pub fn open(&self) -> Result<(Option<SledStore>, Stored), StoreError> {
        match SledStore::open(&self.dir, self.max_bytes) {
            Ok((store, stored)) => Ok((Some(store), stored)),
            Err(error @ StoreError::InUse { .. }) => Err(error),
            Err(error) => {
                tracing::error!(
                    error = error.report(),
                    "the store cannot be used; going on from memory"
                );
                Ok((None, Stored::default()))
            }
        }
    }
}

pub struct Writer {
    jobs: Option<std_mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    next: BatchNumber,
    pub written: mpsc::UnboundedReceiver<Written>,
}

impl Writer {
    /// `store` is `None` when it could not be opened; it is tried again.
    pub fn start(store: Option<SledStore>, place: Place) -> std::io::Result<Writer> {
        let (jobs, waiting) = std_mpsc::channel();
        let (word, written) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || {
            let read = store.is_some();
            let shelf = Shelf { store, place, read, to_delete: false, untidy: TIDY_EVERY };
            shelf.work(&waiting, &word)
        })?;
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

/// The store as its thread has it.
struct Shelf {
    store: Option<SledStore>,
    place: Place,
    /// What lies there has been read, so that what is kept belongs on top of it.
    read: bool,
    /// The viewer has opted out and the old bytes are still there.
    to_delete: bool,
    /// Batches since the last tidying.
    untidy: usize,
}

impl Shelf {
    fn work(mut self, waiting: &std_mpsc::Receiver<Job>, word: &mpsc::UnboundedSender<Written>) {
        let mut kept: Vec<Batch> = Vec::new();
        if !self.read && word.send(Written::Failed(0, "it could not be opened".into())).is_err() {
            return;
        }
        loop {
            let idle = kept.is_empty() && !self.to_delete;
            let first = match idle {
                true if self.untidy >= TIDY_FROM => waiting.recv_timeout(TIDY_AFTER),
                true => waiting.recv().map_err(|_| std_mpsc::RecvTimeoutError::Disconnected),
                false => waiting.recv_timeout(RETRY),
            };
            if idle && matches!(first, Err(std_mpsc::RecvTimeoutError::Timeout)) {
                self.tidy();
                continue;
            }
            let ended = matches!(first, Err(std_mpsc::RecvTimeoutError::Disconnected));
            let mut last = 0;
            let mut next = first.ok();
            while let Some(job) = next {
                match job {
                    Job::Write(number, batch) => {
                        last = number;
                        kept.push(batch);
                    }
                    Job::Wipe => {
                        kept.clear();
                        self.to_delete = true;
                    }
                }
                next = waiting.try_recv().ok();
            }
            let said = match self.apply(&kept) {
                Ok(()) => {
                    kept.clear();
                    Written::Done(last)
                }
                Err(error) => {
                    // sled does not recover from an error by itself: the next try opens it anew.
                    // Closing can hang over a full disk, so a thread of its own does it.
                    if let Some(store) = self.store.take() {
                        let closing = std::thread::Builder::new().name("closing".into());
                        if let Err(error) = closing.spawn(move || drop(store)) {
                            tracing::error!(%error, "the store could not be closed");
                        }
                    }
                    // Later changes of a key come after earlier ones, so one batch holds them all.
                    squash(&mut kept);
                    Written::Failed(last, error.report())
                }
            };
            if ended || word.send(said).is_err() {
                return;
            }
            if self.untidy >= TIDY_EVERY {
                self.tidy();
            }
        }
    }

    fn apply(&mut self, batches: &[Batch]) -> Result<(), StoreError> {
        if self.to_delete {
            self.store = None;
            store::delete(&self.place.dir)?;
            self.to_delete = false;
            self.read = true;
        }
        if batches.is_empty() {
            return Ok(());
        }
        let store = match self.store.take() {
            Some(store) => store,
            None => self.open()?,
        };
        self.store.insert(store).apply(batches)?;
        self.untidy += batches.len();
        Ok(())
    }

    /// When nobody waits for it.
    fn tidy(&mut self) {
        self.untidy = 0;
        memory::give_back_free_heap();
    }

    fn open(&mut self) -> Result<SledStore, StoreError> {
        if !self.read {
            // Its numbers are those of another life and must not mix with ours.
            store::set_aside(&self.place.dir, "it could not be read when the daemon started")?;
            self.read = true;
        }
        SledStore::open(&self.place.dir, self.place.max_bytes).map(|(store, _)| store)
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
