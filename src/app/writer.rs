//! The store's own thread: batches in order, as many as wait with one barrier, and word when each
//! is done. The engine never waits for a disk.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::core::record::{Batch, Durability, Key, Numbered, Read, ReadId, Stored};
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

/// Word from the store.
#[derive(Debug)]
pub enum Written {
    /// Everything up to this batch has been handed over as its durability says.
    Done(u64),
    /// The batch could not be written; it is kept and tried again.
    Failed(u64, String),
    /// Reports that were asked for.
    Read(ReadId, Numbered),
}

/// What the store's thread is asked to do.
enum Job {
    Write(Batch),
    Read(Read),
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
    pub written: mpsc::UnboundedReceiver<Written>,
}

impl Writer {
    /// `store` is `None` when it could not be opened; it is tried again.
    pub fn start(store: Option<SledStore>, place: Place) -> std::io::Result<Writer> {
        let (jobs, waiting) = std_mpsc::channel();
        let (word, written) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || {
            let read = store.is_some();
            let worker = StoreWorker {
                store,
                place,
                read,
                to_delete: false,
                untidy: TIDY_EVERY,
                reads: Vec::new(),
            };
            worker.work(&waiting, &word)
        })?;
        Ok(Writer { jobs: Some(jobs), thread: Some(thread), written })
    }

    /// Hands a batch over.
    pub fn hand_over(&mut self, batch: Batch) {
        self.ask(Job::Write(batch));
    }

    /// Asks for reports; every batch that was handed over before is in them.
    pub fn read(&mut self, read: Read) {
        self.ask(Job::Read(read));
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
struct StoreWorker {
    store: Option<SledStore>,
    place: Place,
    /// What lies there has been read, so that what is kept belongs on top of it.
    read: bool,
    /// The viewer has opted out and the old bytes are still there.
    to_delete: bool,
    /// Batches since the last tidying.
    untidy: usize,
    /// Reads that the store could not answer yet.
    reads: Vec<Read>,
}

impl StoreWorker {
    fn work(mut self, waiting: &std_mpsc::Receiver<Job>, word: &mpsc::UnboundedSender<Written>) {
        let mut kept: Vec<Batch> = Vec::new();
        if !self.read && word.send(Written::Failed(0, "it could not be opened".into())).is_err() {
            return;
        }
        loop {
            let idle = kept.is_empty() && !self.to_delete && self.reads.is_empty();
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
                    Job::Write(batch) => {
                        last = batch.number;
                        kept.push(batch);
                    }
                    Job::Read(read) => self.reads.push(read),
                    Job::Wipe => {
                        kept.clear();
                        self.reads.clear();
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
                    self.close();
                    // Later changes of a key come after earlier ones, so one batch holds them all.
                    squash(&mut kept);
                    Written::Failed(last, error.report())
                }
            };
            if !ended
                && matches!(said, Written::Done(_))
                && let Err(error) = self.answer_reads(word)
            {
                tracing::warn!(error = error.report(), "the store cannot be read; tried again");
                self.close();
            }
            if ended || word.send(said).is_err() {
                return;
            }
            if self.untidy >= TIDY_EVERY {
                self.tidy();
            }
        }
    }

    /// Closing can hang over a full disk, so a thread of its own does it.
    fn close(&mut self) {
        if let Some(store) = self.store.take() {
            let closing = std::thread::Builder::new().name("closing".into());
            if let Err(error) = closing.spawn(move || drop(store)) {
                tracing::error!(%error, "the store could not be closed");
            }
        }
    }

    /// Answers what was asked for, after everything that was handed over before.
    fn answer_reads(&mut self, word: &mpsc::UnboundedSender<Written>) -> Result<(), StoreError> {
        while let Some(read) = self.reads.first().copied() {
            let store = match self.store.take() {
                Some(store) => store,
                None => self.open()?,
            };
            let reports = self.store.insert(store).read(&read)?;
            self.reads.remove(0);
            let _ = word.send(Written::Read(read.id, reports));
        }
        Ok(())
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
    let mut newest = BTreeMap::new();
    let mut whole =
        Batch { number: 0, changes: Vec::new(), gone: Vec::new(), durability: Durability::Flushed };
    for batch in kept.drain(..) {
        whole.number = batch.number;
        whole.durability = whole.durability.max(batch.durability);
        newest.extend(batch.changes);
        for gone in batch.gone {
            let all = Key::Report(gone.log, gone.from)..Key::Report(gone.log, gone.to);
            let keys: Vec<Key> = newest.range(all).map(|(key, _)| key.clone()).collect();
            for key in keys {
                newest.remove(&key);
            }
            whole.gone.push(gone);
        }
    }
    whole.changes = newest.into_iter().collect();
    kept.push(whole);
}
