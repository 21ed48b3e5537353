//! sled 0.34.7 itself. Every sled type stays in this file, because that release is no longer
//! maintained and another store may replace it one day.
//!
//! `flush` hands the log to the operating system with `sync_file_range`, which empties no drive
//! cache; a power cut loses it (docs/reliability.md). So what is promised to survive a power cut is
//! followed by `sync_data` on a second handle of sled's file.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::ops::{Bound, RangeBounds};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::consent::note_generation;
use super::files::{io, sync_dir};
use super::pieces::Entry;
use super::{StoreError, threads};

/// Smaller segments make a smaller file.
const SEGMENT_BYTES: usize = 64 * 1024;
const CACHE_BYTES: u64 = 256 * 1024;
/// How often an entry is looked up after it was written.
const TOUCHES: u32 = 4;
/// Entries that `fill_from` copies in one step.
const STEP: usize = 64;
/// A database that was just dropped may hold its lock a moment longer.
const LOCK_RETRIES: u32 = 20;
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// An open database and a second handle of its file, for `sync_data`. It stays open for the rest of
/// the process if it is only dropped: sled panics when it is closed after an error of the medium.
pub(super) struct Database {
    pub path: PathBuf,
    db: ManuallyDrop<sled::Db>,
    file: File,
}

impl Database {
    /// Opens or creates a database, and waits for one that is just being closed.
    ///
    /// `generation` is noted in a new one.
    pub fn open(path: &Path, generation: u64) -> Result<Database, StoreError> {
        let mut left = LOCK_RETRIES;
        loop {
            match Database::open_once(path, generation) {
                Err(error) if left > 0 && is_lock(&error) => {
                    left -= 1;
                    threads::sleep(LOCK_WAIT);
                }
                other => return other,
            }
        }
    }

    fn open_once(path: &Path, generation: u64) -> Result<Database, StoreError> {
        let fresh = !path.join("db").exists();
        if fresh {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(io(path, "created"))?;
            note_generation(path, generation)?;
        }
        remove_unfinished_snapshots(path)?;
        let db = sled::Config::new()
            .path(path)
            .segment_size(SEGMENT_BYTES)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .open()
            .map_err(sled(path, "opened"))?;
        let file = File::open(path.join("db")).map_err(io(path, "opened"))?;
        if fresh {
            // A new name survives a power cut only when its directory was synced.
            file.sync_all().map_err(io(path, "synced"))?;
            for dir in [Some(path), path.parent()].into_iter().flatten() {
                sync_dir(dir)?;
            }
        }
        Ok(Database { path: path.to_owned(), db: ManuallyDrop::new(db), file })
    }

    /// Closes a database that works.
    pub fn close(self) {
        drop(ManuallyDrop::into_inner(self.db));
    }

    /// The entries of a range, in the order of keys.
    pub fn range(
        &self,
        range: impl RangeBounds<Vec<u8>>,
    ) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), StoreError>> {
        self.db.range(range).map(|entry| {
            let (key, value) = entry.map_err(sled(&self.path, "read"))?;
            Ok((key.to_vec(), value.to_vec()))
        })
    }

    /// The value of one entry, if it is there and can be read.
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.db.get(key).ok().flatten().map(|value| value.to_vec())
    }

    /// Copies all entries of another database, in steps, and syncs.
    pub fn fill_from(&self, other: &Database) -> Result<(), StoreError> {
        let mut last = Bound::Unbounded;
        loop {
            let some = other.range((last, Bound::Unbounded)).take(STEP);
            let entries = some.collect::<Result<Vec<_>, StoreError>>()?;
            let Some((key, _)) = entries.last() else { break };
            last = Bound::Excluded(key.clone());
            for (key, value) in entries {
                other.touch(&key);
                self.db.insert(&key, value).map_err(sled(&self.path, "written"))?;
                self.touch(&key);
            }
            self.db.flush().map_err(sled(&self.path, "flushed"))?;
        }
        self.sync()
    }

    /// Makes sled evict older pages. sled checks the limit of its cache only after 64 accesses to
    /// one of the cache's 256 parts, and a page that is only written has few. Without this 8 MB of
    /// waiting reports stay in memory, whatever the limit (docs/performance.md).
    fn touch(&self, key: &[u8]) {
        for _ in 0..TOUCHES {
            // Only the access counts.
            let _ = self.db.contains_key(key);
        }
    }

    /// Applies all entries or none. Gives the bytes that the log grew by.
    pub fn write(&self, mut entries: Vec<Entry>) -> Result<usize, StoreError> {
        let is_put = |(key, value): &Entry| value.is_some().then(|| key.clone());
        let puts: Vec<Vec<u8>> = entries.iter().filter_map(is_put).collect();
        let written = match (entries.pop(), entries.is_empty()) {
            // sled writes a batch in two steps, each of which costs a page of flash. A heartbeat
            // is a single entry (benches/wear.py).
            (Some((key, Some(value))), true) => self.db.insert(key, value).map(|_| ()),
            (Some((key, None)), true) => self.db.remove(key).map(|_| ()),
            (last, _) => {
                let mut batch = sled::Batch::default();
                for (key, value) in entries.into_iter().chain(last) {
                    match value {
                        Some(value) => batch.insert(key, value),
                        None => batch.remove(key),
                    }
                }
                self.db.apply_batch(batch)
            }
        };
        written.map_err(sled(&self.path, "written"))?;
        let grown = self.db.flush().map_err(sled(&self.path, "flushed"))?;
        puts.iter().for_each(|key| self.touch(key));
        Ok(grown)
    }

    pub fn sync(&self) -> Result<(), StoreError> {
        self.sync_blobs()?;
        self.file.sync_data().map_err(io(&self.path, "synced"))
    }

    /// A page that was too large for the log (of an older version's store, or under a flood of long
    /// keys) lies in a file of its own, which the log only names.
    fn sync_blobs(&self) -> Result<(), StoreError> {
        let dir = self.path.join("blobs");
        let Ok(entries) = std::fs::read_dir(&dir) else { return Ok(()) };
        let mut any = false;
        for entry in entries.flatten() {
            match File::open(entry.path()).and_then(|file| file.sync_data()) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io(&self.path, "synced")(e));
                }
                _ => any = true,
            }
        }
        if any { sync_dir(&dir) } else { Ok(()) }
    }
}

/// sled takes the newest snapshot, also one that it was killed over while it wrote it, and then calls
/// the database corrupt. Without that file it goes on from the one before.
fn remove_unfinished_snapshots(path: &Path) -> Result<(), StoreError> {
    let files = std::fs::read_dir(path).map_err(io(path, "read"))?;
    for file in files.flatten().map(|entry| entry.path()) {
        if file.extension().is_some_and(|extension| extension == "generating") {
            std::fs::remove_file(&file).map_err(io(&file, "deleted"))?;
        }
    }
    Ok(())
}

fn is_lock(error: &StoreError) -> bool {
    let text = error.report();
    text.contains("lock") || text.contains("WouldBlock")
}

fn sled<'a>(path: &'a Path, tried: &'static str) -> impl FnOnce(sled::Error) -> StoreError + 'a {
    move |source| match source {
        // A full disk, for one, does not mean that the database is broken.
        sled::Error::Io(source) => StoreError::Io { path: path.to_owned(), tried, source },
        source => StoreError::Broken { path: path.to_owned(), why: source.to_string() },
    }
}
