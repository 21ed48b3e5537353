//! The store's own thread. It carries out the engine's jobs one at a time and reports each result,
//! so the engine never waits for a disk. No other thread of the daemon calls sled, except those that it
//! starts: its timers come late, and so do those of all threads that sled starts (store/threads.rs).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as std_mpsc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::mpsc;

use crate::core::record::{StoreState, Stored};
use crate::engine::{ConsentDone, ConsentJob, StoreDone, StoreJob};
use crate::store::consent::{self, ConsentFile};
use crate::store::opening::{OpenStore, Opened, StoreLocation};
use crate::store::sled::SledStore;
use crate::store::{StoreError, threads};
use crate::system::memory;

/// The engine has one job under way at a time.
const JOBS: usize = 1;
/// How long one look at a store may take when nobody waits for the start any more.
const JOIN_PATIENCE: Duration = Duration::from_secs(120);
/// Databases that may be left open after errors of the medium. Each keeps some memory.
const MOST_LEFT_OPEN: usize = 4;

/// The engine's end of the thread.
pub struct StoreThread {
    jobs: Option<std_mpsc::SyncSender<StoreJob>>,
    thread: Option<JoinHandle<()>>,
    done: Option<std_mpsc::Receiver<StoreDone>>,
    bell: Arc<Bell>,
}

/// Wakes the loop when a job is done. A heartbeat that was written wakes it only if something waits for
/// that: the loop hears of it when it turns anyway.
#[derive(Default)]
struct Bell {
    waker: AtomicWaker,
    wanted: AtomicBool,
}

impl StoreThread {
    /// Opens the store of this generation, and waits for that. Gives what lies in it, too.
    ///
    /// Errors: when there can be no thread, or it ended while it opened the store.
    pub fn start(
        place: StoreLocation,
        generation: u64,
    ) -> std::io::Result<(StoreThread, Stored, StoreState)> {
        let (jobs, asked) = std_mpsc::sync_channel(JOBS);
        let (word, done) = std_mpsc::sync_channel(JOBS);
        let bell = Arc::new(Bell::default());
        let ringing = bell.clone();
        let (opened, opening) = std_mpsc::sync_channel(1);
        let serves = move || {
            threads::may_be_late();
            let Opened { store, stored, state } = place.open(generation);
            if opened.send((stored, state)).is_err() {
                return;
            }
            let mut worker = StoreWorker {
                store,
                place,
                generation,
                left_open: 0,
                in_use: false,
                suspect: false,
            };
            while let Ok(job) = asked.recv() {
                let done = worker.work(&job);
                let routine = matches!(done, StoreDone::Written(Ok(())));
                // Never blocks, because the engine has one job under way at a time.
                if word.send(done).is_err() {
                    break;
                }
                if !routine || ringing.wanted.load(Ordering::SeqCst) {
                    ringing.waker.wake();
                }
            }
            worker.leave();
        };
        let thread = threads::start("store", Box::new(serves))?;
        let (stored, state) = opening.recv().map_err(std::io::Error::other)?;
        let (jobs, thread, done) = (Some(jobs), Some(thread), Some(done));
        Ok((StoreThread { jobs, thread, done, bell }, stored, state))
    }

    pub fn ask(&self, job: StoreJob) {
        if let Some(jobs) = &self.jobs {
            // Never blocks, because the engine has one job under way at a time. Fails only after
            // `finish`.
            let _ = jobs.send(job);
        }
    }

    /// The next result; `None` when the thread has ended. Unless it is `wanted`, nobody is woken for a
    /// write that went well.
    pub async fn done(&mut self, wanted: bool) -> Option<StoreDone> {
        std::future::poll_fn(|context| self.poll_done(wanted, context)).await
    }

    fn poll_done(&self, wanted: bool, context: &Context<'_>) -> Poll<Option<StoreDone>> {
        let Some(done) = &self.done else { return Poll::Ready(None) };
        // In this order: the thread looks whether it is wanted after it has sent.
        self.bell.waker.register(context.waker());
        self.bell.wanted.store(wanted, Ordering::SeqCst);
        match done.try_recv() {
            Ok(done) => Poll::Ready(Some(done)),
            Err(std_mpsc::TryRecvError::Empty) => Poll::Pending,
            Err(std_mpsc::TryRecvError::Disconnected) => Poll::Ready(None),
        }
    }

    /// Closes the store. A thread that hangs in a job is left to its fate.
    pub fn finish(&mut self, at_rest: bool) {
        self.jobs = None;
        self.done = None;
        if let Some(thread) = self.thread.take().filter(|_| at_rest)
            && thread.join().is_err()
        {
            tracing::error!("the store's thread has panicked");
        }
    }
}

/// The state of the store's thread.
struct StoreWorker {
    store: OpenStore,
    place: StoreLocation,
    generation: u64,
    /// Databases that were left open after an error of the medium. Nothing may touch their files.
    left_open: usize,
    /// The database in the directory is one of them, or may be.
    in_use: bool,
    /// sled has found bytes in it that cannot be read.
    suspect: bool,
}

impl StoreWorker {
    fn work(&mut self, job: &StoreJob) -> StoreDone {
        match job {
            StoreJob::Write(batches) => {
                let written = self.writable().and_then(|store| store.apply(batches));
                if let Err(error) = &written {
                    self.close(error);
                }
                StoreDone::Written(written.map_err(|error| error.report()))
            }
            StoreJob::Read(read) => {
                let reports = self.readable().and_then(|store| store.read(read));
                if let Err(error) = &reports {
                    self.close(error);
                }
                StoreDone::Read(reports.map_err(|error| error.report()))
            }
            StoreJob::Join => StoreDone::Joined(self.join()),
            StoreJob::Wipe { generation } => {
                self.generation = *generation;
                // Closing would write what is about to be deleted, and can hang on a full disk.
                std::mem::forget(std::mem::take(&mut self.store));
                self.in_use = false;
                self.place.forget_copy();
                let wiped = consent::delete_older(&self.place.dir, *generation);
                StoreDone::Wiped(wiped.map_err(|error| error.report()))
            }
            StoreJob::Tidy => {
                memory::give_back_free_heap();
                StoreDone::Tidied
            }
        }
    }

    /// The database on the disk, opened again if it has to be.
    fn writable(&mut self) -> Result<&mut SledStore, StoreError> {
        if !matches!(self.store, OpenStore::Disk(_)) {
            if self.in_use {
                if self.left_open >= MOST_LEFT_OPEN {
                    let why = "its disk has failed too often; it is used again at the next start";
                    return Err(unusable(&self.place.dir, why));
                }
                self.place.replace_by_copy()?;
                self.in_use = false;
            }
            let (store, _) = self.place.open_in_place(self.generation, self.suspect)?;
            self.suspect = false;
            self.store = OpenStore::Disk(store);
            self.place.forget_copy();
        }
        match &mut self.store {
            OpenStore::Disk(store) => Ok(store),
            _ => Err(unusable(&self.place.dir, "it is not open")),
        }
    }

    /// The database, or a copy of it in memory while the disk takes no writes.
    fn readable(&mut self) -> Result<&mut SledStore, StoreError> {
        if matches!(self.store, OpenStore::Nothing)
            && let Some((copy, _)) = self.place.open_copy(self.generation)?
        {
            self.store = OpenStore::Copy(copy);
        }
        match &mut self.store {
            OpenStore::Disk(store) | OpenStore::Copy(store) => Ok(store),
            OpenStore::Nothing => Err(unusable(&self.place.dir, "it is not open")),
        }
    }

    /// Closes the store when the daemon stops.
    fn leave(&mut self) {
        match std::mem::take(&mut self.store) {
            OpenStore::Disk(store) => store.settle_and_close(),
            other => std::mem::forget(other),
        }
        self.place.forget_copy();
    }

    /// Reads a store that could not be read at the start. It may be slow by now, but not broken.
    fn join(&mut self) -> Result<Box<Stored>, String> {
        self.place.reader.patience = JOIN_PATIENCE;
        let Opened { store, stored, state } = self.place.open(self.generation);
        match state {
            StoreState::Unread(why) => Err(why),
            StoreState::Works | StoreState::Unwritable(_) => {
                self.store = store;
                Ok(Box::new(stored))
            }
        }
    }

    /// Lets go of the store after an error, because sled does not recover by itself. The next job
    /// opens it again. After an error of the medium sled must not be closed: it would panic. On a
    /// full disk closing can hang, so a thread of its own does it.
    fn close(&mut self, error: &StoreError) {
        let broken = matches!(error, StoreError::Broken { .. });
        self.suspect |= broken;
        match std::mem::take(&mut self.store) {
            OpenStore::Disk(store) if error.is_full() => {
                if let Err(error) = threads::start("closing", Box::new(move || store.close())) {
                    tracing::error!(%error, "the store could not be closed");
                    self.in_use = true;
                }
            }
            OpenStore::Disk(store) => {
                std::mem::forget(store);
                self.left_open += usize::from(!broken);
                self.in_use = true;
            }
            OpenStore::Copy(store) => std::mem::forget(store),
            OpenStore::Nothing => {}
        }
    }
}

fn unusable(dir: &Path, why: &'static str) -> StoreError {
    let source = std::io::Error::other(why);
    StoreError::Io { path: dir.to_owned(), tried: "used", source }
}

/// The thread of the consent file. It has nothing to do with the store's thread, so that
/// opting out works although the store hangs.
pub struct ConsentThread {
    jobs: std_mpsc::SyncSender<ConsentJob>,
    pub done: mpsc::Receiver<ConsentDone>,
}

impl ConsentThread {
    pub fn start(file: ConsentFile) -> std::io::Result<ConsentThread> {
        let (jobs, asked) = std_mpsc::sync_channel(JOBS);
        let (word, done) = mpsc::channel(JOBS);
        let serves = move || {
            while let Ok(job) = asked.recv() {
                let report = |error: StoreError| error.report();
                let done = match job {
                    ConsentJob::Write(record) => {
                        ConsentDone::Written(file.write(&record).map_err(report))
                    }
                    ConsentJob::Read => ConsentDone::Read(file.read().map_err(report)),
                };
                if word.blocking_send(done).is_err() {
                    return;
                }
            }
        };
        threads::start("consent", Box::new(serves))?;
        Ok(ConsentThread { jobs, done })
    }

    pub fn ask(&self, job: ConsentJob) {
        // Never blocks, because the engine has one job under way at a time.
        let _ = self.jobs.send(job);
    }
}
