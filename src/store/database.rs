//! sled 0.34.7 itself, and the journal in front of it. Every sled type stays in this file, because that
//! release is no longer maintained and another store may replace it one day.
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
use super::journal::{Journal, Newer};
use super::pieces::Entry;
use super::{StoreError, threads};

/// Smaller segments make a smaller file.
const SEGMENT_BYTES: usize = 64 * 1024;
const CACHE_BYTES: u64 = 256 * 1024;
/// How often an entry is looked up after it was written.
const TOUCHES: u32 = 4;
/// Entries that `fill_from` copies in one step.
const STEP: usize = 64;
/// A write that is smaller goes to the journal. A larger one is one of many, which all go to sled in the end.
const SMALL_BYTES: usize = 8 * 1024;
const SMALL_ENTRIES: usize = 16;
/// Bytes written to sled at most between two syncs. It moves live pages and overwrites old segments, so
/// with more a power cut can lose both the old and the new place. 13 of 300 simulated cuts lost
/// synced records of up to 1,000 bytes without this rule, none of 200 with (tests/power_loss.rs).
const UNSYNCED_BYTES: usize = 16 * 1024;
/// The entry that says how far the journal has come: the epoch of the last row that sled has got. No
/// record has this key (codec.rs).
const EPOCH: &[u8] = b"J";
/// A database that was just dropped may hold its lock a moment longer.
const LOCK_RETRIES: u32 = 20;
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// An open database and a second handle of its file, for `sync_data`. It stays open for the rest of
/// the process if it is only dropped: sled panics when it is closed after an error of the medium.
pub(super) struct Database {
    pub path: PathBuf,
    db: ManuallyDrop<sled::Db>,
    file: File,
    /// Where there is no room for one, sled gets everything at once.
    journal: Option<Journal>,
    /// Written to sled since the last sync.
    unsynced_bytes: usize,
    /// Called after each sync, for tests that cut the power.
    #[cfg(feature = "bench")]
    pub on_sync: Option<Box<dyn FnMut() + Send>>,
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
        let epoch = epoch_of(db.get(EPOCH).map_err(sled(path, "read"))?.as_deref());
        let journal = Journal::open_or_make(path, epoch + 1)?;
        Ok(Database {
            path: path.to_owned(),
            db: ManuallyDrop::new(db),
            file,
            journal,
            // An agent that was killed may have left some.
            unsynced_bytes: 1,
            #[cfg(feature = "bench")]
            on_sync: None,
        })
    }

    /// Closes a database that works.
    pub fn close(self) {
        drop(ManuallyDrop::into_inner(self.db));
    }

    /// The entries of a range, in the order of keys.
    pub fn range(
        &self,
        range: impl RangeBounds<Vec<u8>> + Clone,
    ) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), StoreError>> {
        let none = Newer::new();
        let newer = self.journal.as_ref().map_or(&none, Journal::newer).range(range.clone());
        let newer: Vec<Entry> = newer.map(|(key, value)| (key.clone(), value.clone())).collect();
        let older = self.db.range(range).map(|entry| {
            let (key, value) = entry.map_err(sled(&self.path, "read"))?;
            Ok((key.to_vec(), value.to_vec()))
        });
        Merged { older: older.peekable(), newer: newer.into_iter().peekable() }
    }

    /// The value of one entry, if it is there and can be read.
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = self.journal.as_ref().and_then(|journal| journal.newer().get(key)) {
            return value.clone();
        }
        self.db.get(key).ok().flatten().map(|value| value.to_vec())
    }

    /// Copies all entries of another database, in steps, and syncs.
    pub fn fill_from(&mut self, other: &Database) -> Result<(), StoreError> {
        let mut last = Bound::Unbounded;
        loop {
            let some = other.range((last, Bound::Unbounded)).take(STEP);
            let entries = some.collect::<Result<Vec<_>, StoreError>>()?;
            let Some((key, _)) = entries.last() else { break };
            last = Bound::Excluded(key.clone());
            for (key, value) in entries {
                other.touch(&key);
                self.unsynced_bytes += key.len() + value.len();
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

    /// Applies all entries or none. Gives the bytes that sled's log grew by.
    pub fn write(&mut self, entries: Vec<Entry>) -> Result<usize, StoreError> {
        if entries.is_empty() {
            // Asking sled for nothing would wake all its threads.
            return Ok(0);
        }
        let small = entries.len() < SMALL_ENTRIES && bytes_of(&entries) < SMALL_BYTES;
        let Some(journal) = self.journal.as_ref().filter(|_| small) else {
            return Ok(self.settle()? + self.write_to_sled(entries)?);
        };
        let grown = if journal.has_room(&entries) { 0 } else { self.settle()? };
        if self.unsynced_bytes > 0 {
            // What sled got before has to be on the medium first: after a power cut a change in the journal
            // must not be there without those before it, and a row that is written over must be in sled.
            self.sync()?;
        }
        if let Some(journal) = &mut self.journal {
            journal.append(entries)?;
        }
        Ok(grown)
    }

    /// Brings what lies in the journal to sled. Gives the bytes that sled's log grew by.
    pub fn settle(&mut self) -> Result<usize, StoreError> {
        let Some(journal) = self.journal.as_mut().filter(|journal| !journal.is_empty()) else {
            return Ok(0);
        };
        let newer = journal.newer().iter().map(|(key, value)| (key.clone(), value.clone()));
        let epoch = journal.epoch().to_be_bytes().to_vec();
        // The epoch last: until it is there, the journal counts.
        let entries: Vec<Entry> = newer.chain([(EPOCH.to_vec(), Some(epoch))]).collect();
        if bytes_of(&entries) >= SMALL_BYTES || entries.len() >= STEP {
            // More than one write: after a power cut the journal has to mend what sled has got in part.
            journal.sync()?;
        }
        let (mut left, mut grown) = (entries.into_iter().peekable(), 0);
        while left.peek().is_some() {
            let (mut group, mut bytes) = (Vec::new(), 0);
            while bytes < SMALL_BYTES
                && let Some((key, value)) = left.next_if(|_| group.len() < STEP)
            {
                bytes += key.len() + value.as_ref().map_or(0, Vec::len);
                group.push((key, value));
            }
            grown += self.write_to_sled(group)?;
        }
        if let Some(journal) = &mut self.journal {
            journal.begin_again();
        }
        Ok(grown)
    }

    fn write_to_sled(&mut self, mut entries: Vec<Entry>) -> Result<usize, StoreError> {
        let bytes = bytes_of(&entries);
        let is_put = |(key, value): &Entry| value.is_some().then(|| key.clone());
        let puts: Vec<Vec<u8>> = entries.iter().filter_map(is_put).collect();
        let written = match (entries.pop(), entries.is_empty()) {
            // sled writes a batch in two steps, each of which costs a page of flash.
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
        let grown = self.db.flush().map_err(sled(&self.path, "flushed"))?.max(bytes);
        puts.iter().for_each(|key| self.touch(key));
        self.unsynced_bytes += grown;
        if self.unsynced_bytes >= UNSYNCED_BYTES {
            self.sync()?;
        }
        Ok(grown)
    }

    /// Everything that was written survives a power cut from here on.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        if self.unsynced_bytes > 0 {
            self.sync_blobs()?;
            self.file.sync_data().map_err(io(&self.path, "synced"))?;
            self.unsynced_bytes = 0;
        }
        if let Some(journal) = &mut self.journal {
            journal.sync()?;
        }
        #[cfg(feature = "bench")]
        if let Some(told) = &mut self.on_sync {
            told();
        }
        Ok(())
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

/// The entries of sled, and in place of some of them newer ones.
struct Merged<Older: Iterator, Newer: Iterator> {
    older: std::iter::Peekable<Older>,
    newer: std::iter::Peekable<Newer>,
}

impl<Older, Newer> Iterator for Merged<Older, Newer>
where
    Older: Iterator<Item = Result<(Vec<u8>, Vec<u8>), StoreError>>,
    Newer: Iterator<Item = Entry>,
{
    type Item = Result<(Vec<u8>, Vec<u8>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let is_older = match (self.older.peek(), self.newer.peek()) {
                (Some(Ok((older, _))), Some((newer, _))) if older == newer => {
                    // The newer one counts.
                    self.older.next();
                    continue;
                }
                (Some(Ok((older, _))), Some((newer, _))) => older < newer,
                (older, _) => older.is_some(),
            };
            if is_older {
                match self.older.next() {
                    Some(Ok((key, _))) if key == EPOCH => {}
                    entry => return entry,
                }
            } else if let (key, Some(value)) = self.newer.next()? {
                return Some(Ok((key, value)));
            }
        }
    }
}

fn bytes_of(entries: &[Entry]) -> usize {
    entries.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
}

/// The epoch that an entry says; 0 without one.
fn epoch_of(value: Option<&[u8]>) -> u64 {
    value.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))).unwrap_or(0)
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
