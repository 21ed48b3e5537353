//! The store's own thread. It carries out the engine's jobs one at a time and reports each result,
//! so the engine never waits for a disk.

use std::path::PathBuf;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::core::record::Stored;
use crate::engine::{StoreDone, StoreJob};
use crate::store::StoreError;
use crate::store::sled::{self as store, SledStore};
use crate::system::memory;

/// The engine has one job under way at a time.
const JOBS: usize = 1;

/// Where the store lies.
#[derive(Debug, Clone)]
pub struct StoreLocation {
    pub dir: PathBuf,
    pub max_bytes: u64,
}

/// A store as it was opened.
pub struct OpenedStore {
    pub store: Option<SledStore>,
    pub stored: Stored,
    /// Why the store could not be opened.
    pub failed: Option<String>,
}

impl StoreLocation {
    /// Opens the store, or goes on without one: a broken store never keeps the daemon from
    /// starting (behaviour.md 2.9).
    ///
    /// Errors: `InUse`, because two daemons in one directory would destroy its data.
    pub fn open(&self) -> Result<OpenedStore, StoreError> {
        match SledStore::open(&self.dir, self.max_bytes) {
            Ok((store, stored)) => Ok(OpenedStore { store: Some(store), stored, failed: None }),
            Err(error @ StoreError::InUse { .. }) => Err(error),
            Err(error) => {
                let (stored, failed) = (Stored::default(), Some(error.report()));
                Ok(OpenedStore { store: None, stored, failed })
            }
        }
    }
}

/// The engine's end of the thread.
pub struct StoreThread {
    jobs: Option<std_mpsc::SyncSender<StoreJob>>,
    thread: Option<JoinHandle<()>>,
    pub done: mpsc::Receiver<StoreDone>,
}

impl StoreThread {
    /// `store` is `None` when it could not be opened; it is tried again at the next write.
    pub fn start(store: Option<SledStore>, place: StoreLocation) -> std::io::Result<StoreThread> {
        let (jobs, asked) = std_mpsc::sync_channel(JOBS);
        let (word, done) = mpsc::channel(JOBS);
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || {
            let mut worker = StoreWorker { store, place };
            while let Ok(job) = asked.recv() {
                if word.blocking_send(worker.work(&job)).is_err() {
                    return;
                }
            }
        })?;
        Ok(StoreThread { jobs: Some(jobs), thread: Some(thread), done })
    }

    pub fn ask(&self, job: StoreJob) {
        if let Some(jobs) = &self.jobs {
            // Never blocks, because the engine has one job under way at a time. Fails only after
            // `finish`.
            let _ = jobs.send(job);
        }
    }

    /// Closes the store.
    pub fn finish(&mut self) {
        self.jobs = None;
        self.done.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's thread has panicked");
        }
    }
}

/// The state of the store's thread.
struct StoreWorker {
    store: Option<SledStore>,
    place: StoreLocation,
}

impl StoreWorker {
    fn work(&mut self, job: &StoreJob) -> StoreDone {
        match job {
            StoreJob::Write { batches, set_aside } => {
                let written = self.open(*set_aside).and_then(|store| store.apply(batches));
                StoreDone::Written(self.closed_on_error(written))
            }
            StoreJob::Read(read) => {
                let reports = self.open(false).and_then(|store| store.read(read));
                StoreDone::Read(self.closed_on_error(reports))
            }
            StoreJob::Wipe => {
                self.store = None;
                StoreDone::Wiped(store::delete(&self.place.dir).map_err(|e| e.report()))
            }
            StoreJob::Tidy => {
                memory::give_back_free_heap();
                StoreDone::Tidied
            }
        }
    }

    fn open(&mut self, set_aside: bool) -> Result<&mut SledStore, StoreError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => {
                if set_aside {
                    // Its record numbers are those of an earlier run and must not mix with ours.
                    let why = "it could not be read when the daemon started";
                    store::set_aside(&self.place.dir, why)?;
                }
                SledStore::open(&self.place.dir, self.place.max_bytes)?.0
            }
        };
        Ok(self.store.insert(store))
    }

    /// Closes the store after an error, because sled does not recover by itself. The next job opens
    /// it again. Closing can hang on a full disk, so a thread of its own does it.
    fn closed_on_error<T>(&mut self, result: Result<T, StoreError>) -> Result<T, String> {
        result.map_err(|error| {
            if let Some(store) = self.store.take() {
                let closing = std::thread::Builder::new().name("closing".into());
                if let Err(error) = closing.spawn(move || drop(store)) {
                    tracing::error!(%error, "the store could not be closed");
                }
            }
            error.report()
        })
    }
}
