//! The store on disk: sled 0.34.7. Every sled type stays in this file, because that release is
//! no longer maintained and another store may take its place one day.
//!
//! Measured (docs/performance.md): `flush` hands the log to the operating system with
//! `sync_file_range`, which empties no drive cache; a power cut loses it. So what is promised to
//! survive a power cut is followed by `sync_data` on a second handle of sled's file.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{Gathering, StoreError, codec};
use crate::core::Stored;
use crate::core::effect::{Batch, Durability};

/// Smaller segments make a smaller file; 64 KiB ends near 320 KB for a box's state.
const SEGMENT_BYTES: usize = 64 * 1024;
const CACHE_BYTES: u64 = 256 * 1024;
/// A database that was just dropped may hold its lock a moment longer.
const LOCK_RETRIES: u32 = 50;

pub struct SledStore {
    path: PathBuf,
    db: sled::Db,
    /// For `sync_data`.
    file: File,
}

impl SledStore {
    /// Opens or creates the database in `dir`, which is created too. A database that cannot be
    /// read is set aside as `db.broken-N` and a fresh one takes its place (api.md 2.9).
    ///
    /// Errors: when the directory cannot be used at all.
    pub fn open(dir: &Path) -> Result<SledStore, StoreError> {
        let path = dir.join("db");
        std::fs::create_dir_all(dir).map_err(io(dir, "created"))?;
        match open_with_retry(&path) {
            Ok(store) => Ok(store),
            Err(StoreError::Sled { source, .. }) if path.exists() => {
                let aside = set_aside(&path)?;
                tracing::error!(
                    store = %path.display(),
                    aside = %aside.display(),
                    error = %source,
                    "the store is broken; it was set aside and a fresh one is used"
                );
                open_with_retry(&path)
            }
            Err(other) => Err(other),
        }
    }

    /// Everything that is stored.
    pub fn load(&self) -> Result<Stored, StoreError> {
        let mut gathering = Gathering::default();
        for entry in self.db.iter() {
            let (key, value) = entry.map_err(sled(&self.path, "read"))?;
            gathering.take(&key, &value);
        }
        Ok(gathering.done())
    }

    /// Writes batches in order with one barrier for all of them: the strongest that one asks for.
    pub fn apply(&self, batches: &[Batch]) -> Result<(), StoreError> {
        if batches.is_empty() {
            return Ok(());
        }
        let mut changes = sled::Batch::default();
        for (key, record) in batches.iter().flat_map(|b| &b.changes) {
            match record {
                Some(record) => changes.insert(codec::key(key), codec::value(record)),
                None => changes.remove(codec::key(key)),
            }
        }
        self.db.apply_batch(changes).map_err(sled(&self.path, "written"))?;
        self.db.flush().map_err(sled(&self.path, "flushed"))?;
        if batches.iter().any(|b| b.durability == Durability::Synced) {
            self.file.sync_data().map_err(io(&self.path, "synced"))?;
        }
        Ok(())
    }
}

fn open_with_retry(path: &Path) -> Result<SledStore, StoreError> {
    let mut left = LOCK_RETRIES;
    loop {
        match open_once(path) {
            Err(StoreError::Sled { source, .. }) if left > 0 && is_lock(source.as_ref()) => {
                left -= 1;
                // The only wait outside the runtime: before the daemon has begun to serve.
                #[allow(clippy::disallowed_methods)]
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            other => return other,
        }
    }
}

fn is_lock(error: &(dyn std::error::Error + 'static)) -> bool {
    let text = error.to_string();
    text.contains("lock") || text.contains("WouldBlock")
}

fn open_once(path: &Path) -> Result<SledStore, StoreError> {
    let fresh = !path.exists();
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
            File::open(dir).and_then(|d| d.sync_all()).map_err(io(dir, "synced"))?;
        }
    }
    Ok(SledStore { path: path.to_owned(), db, file })
}

impl SledStore {
    /// Deletes everything: the directory goes and is made anew, because a log-structured store
    /// keeps old bytes (api.md 2.10). On an error the keys at least are gone.
    pub fn wipe(&mut self) -> Result<(), StoreError> {
        self.db.clear().map_err(sled(&self.path, "cleared"))?;
        self.db.flush().map_err(sled(&self.path, "flushed"))?;
        // The old database keeps its lock until it is dropped; a stand-in takes its place.
        let stand_in = sled::Config::new().temporary(true).open();
        self.db = stand_in.map_err(sled(&self.path, "closed"))?;
        std::fs::remove_dir_all(&self.path).map_err(io(&self.path, "deleted"))?;
        *self = open_with_retry(&self.path.clone())?;
        Ok(())
    }
}

/// Moves a broken database out of the way and keeps only the newest of these.
fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let numbered = |n: u32| path.with_file_name(format!("db.broken-{n}"));
    let taken: Vec<u32> = (1..1000).filter(|n| numbered(*n).exists()).collect();
    let aside = numbered(taken.last().map_or(1, |n| n + 1));
    std::fs::rename(path, &aside).map_err(io(path, "set aside"))?;
    for old in taken {
        if let Err(error) = std::fs::remove_dir_all(numbered(old)) {
            tracing::warn!(%error, "an older broken store could not be removed");
        }
    }
    Ok(aside)
}

fn io<'a>(path: &'a Path, tried: &'static str) -> impl FnOnce(std::io::Error) -> StoreError + 'a {
    move |source| StoreError::Io { path: path.to_owned(), tried, source }
}

fn sled<'a>(path: &'a Path, tried: &'static str) -> impl FnOnce(sled::Error) -> StoreError + 'a {
    move |source| StoreError::Sled { path: path.to_owned(), tried, source: source.into() }
}
