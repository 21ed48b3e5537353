//! How a store is opened, whatever its disk is like (behaviour.md 2.9): in place; from a copy in
//! memory where the disk takes no writes; after a look at it in a process of its own where an
//! earlier start has died over it; as a fresh one where its bytes cannot be read.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::copy::{self, MemoryDir};
use super::files::{bytes_on_disk, exists, io, read_every_byte, remove_dir, sync_dir};
use super::guard::{self, Lock, Opening};
use super::reader::{Reader, Verdict};
use super::sled::SledStore;
use super::{StoreError, consent};
use crate::core::record::{StoreState, Stored};

/// Entries of a salvaged store that are written together.
const SALVAGED_TOGETHER: usize = 16;
/// A database that was never written to is not larger.
const MOST_FRESH_BYTES: u64 = 128 * 1024;
/// Panics of sled over an open store after which it is written anew.
const MOST_PANICS: u32 = 2;

/// Where the store lies and how it is looked at.
#[derive(Debug, Clone)]
pub struct StoreLocation {
    pub dir: PathBuf,
    /// Above this size on disk the database is compacted. A copy may be a quarter larger.
    pub max_bytes: u64,
    /// Where copies in memory lie.
    pub memory: MemoryDir,
    pub reader: Reader,
    /// Taken with the first opening.
    pub lock: Arc<OnceLock<Lock>>,
}

/// A store as it was opened.
pub struct Opened {
    pub store: OpenStore,
    pub stored: Stored,
    pub state: StoreState,
}

/// The database that the agent works with.
#[derive(Default)]
pub enum OpenStore {
    /// The one on the disk.
    Disk(SledStore),
    /// A copy in memory of the one on the disk, to read from.
    Copy(SledStore),
    #[default]
    Nothing,
}

/// Where a broken store lies in a state directory that was set aside, as long as nobody has removed it.
pub fn laid_aside(dir: &Path) -> Option<PathBuf> {
    guard::laid_aside(&dir.join("db")).into_iter().next()
}

impl StoreLocation {
    /// Makes the directory and keeps other daemons away from it.
    ///
    /// Errors: `InUse`, because two daemons in one directory would destroy its data; and when there
    /// can be no such directory.
    pub fn take(&self) -> Result<(), StoreError> {
        if self.lock.get().is_none() {
            let lock = Lock::take(&self.dir)?;
            self.lock.get_or_init(|| lock);
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.dir.join("db")
    }

    /// Opens the store of this generation, or makes it. It never fails: without a store the agent
    /// works in memory.
    pub fn open(&self, generation: u64) -> Opened {
        let why = match self.open_in_place(generation, false) {
            Ok((store, stored)) => {
                // One that a killed agent has left.
                self.forget_copy();
                let state = StoreState::Works;
                return Opened { store: OpenStore::Disk(store), stored, state };
            }
            Err(error) => error.report(),
        };
        match self.open_copy(generation) {
            Ok(Some((store, stored))) => {
                Opened { store: OpenStore::Copy(store), stored, state: StoreState::Unwritable(why) }
            }
            Ok(None) => {
                let (store, stored) = (OpenStore::Nothing, Stored::default());
                Opened { store, stored, state: StoreState::Unwritable(why) }
            }
            Err(error) => {
                let why = format!("{why}; {}", error.report());
                let (store, stored) = (OpenStore::Nothing, Stored::default());
                Opened { store, stored, state: StoreState::Unread(why) }
            }
        }
    }

    /// Opens the database where it lies. What cannot be read there, twice, is set aside, and a
    /// fresh one takes over what can. A `suspect` one is looked at first.
    ///
    /// Errors: when the disk takes no writes, or fails.
    pub fn open_in_place(
        &self,
        generation: u64,
        suspect: bool,
    ) -> Result<(SledStore, Stored), StoreError> {
        let path = self.path();
        self.take()?;
        self.finish_renames()?;
        consent::delete_older(&self.dir, generation)?;
        let suspect = suspect || guard::suspect(&self.dir);
        let opening = Opening::begin(&self.dir)?;
        if exists(&path)? {
            if !path.is_dir() {
                self.give_up("it is no directory")?;
            } else if suspect && exists(&path.join("db"))? {
                tracing::warn!("the store may be broken; it is looked at first");
                self.examine(generation)?;
            } else {
                // sled takes a segment that cannot be read for a free one, and writes over it.
                read_every_byte(&path)?;
            }
        }
        let used = bytes_on_disk(&path) > MOST_FRESH_BYTES;
        let open = || SledStore::open(&self.dir, generation, self.max_bytes);
        let opened = match open() {
            Err(StoreError::Broken { .. }) => {
                self.examine(generation)?;
                open()
            }
            Ok((store, stored)) if used && stored.is_empty() => {
                // A store that was used has a meta record at least. sled has taken it for a new one.
                store.close();
                self.give_up("nothing can be read of it")?;
                open()
            }
            opened => opened,
        };
        drop(opening);
        opened
    }

    /// Opens a copy of the database in memory; `None` when there is no database of this generation.
    ///
    /// Errors: when there is no place for it, or it cannot be read.
    pub fn open_copy(&self, generation: u64) -> Result<Option<(SledStore, Stored)>, StoreError> {
        let path = self.readable_path()?;
        if !exists(&path)? || consent::is_older(&path, generation)? {
            return Ok(None);
        }
        let copy = self.copy_in_memory()?;
        match self.reader.check(&copy) {
            Verdict::Sound => SledStore::open_copy(&copy, self.max_bytes).map(Some),
            Verdict::Broken(why) | Verdict::Unknown(why) => {
                self.forget_copy();
                Err(io(&self.path(), "read")(std::io::Error::other(why)))
            }
        }
    }

    /// Puts a copy of the database's files in the place of the database, because sled may still
    /// write to those.
    ///
    /// Errors: when the disk takes no writes, or has no room for a copy.
    pub fn replace_by_copy(&self) -> Result<(), StoreError> {
        let (path, new, old) = (self.path(), self.dir.join("db.new"), self.dir.join("db.old"));
        self.finish_renames()?;
        drop(Opening::begin(&self.dir)?);
        copy::copy(&path, &new, self.most_copied(), true)?;
        remove_dir(&old)?;
        std::fs::rename(&path, &old).map_err(io(&path, "moved"))?;
        std::fs::rename(&new, &path).map_err(io(&new, "moved"))?;
        sync_dir(&self.dir)?;
        remove_dir(&old)
    }

    /// Deletes copies in memory.
    pub fn forget_copy(&self) {
        self.memory.forget_copy();
    }

    /// Looks at a suspect database in a process of its own, and sets it aside if it cannot be read
    /// twice.
    ///
    /// Errors: when nothing can be known about it now.
    fn examine(&self, generation: u64) -> Result<(), StoreError> {
        let unknown = |why: String| io(&self.path(), "read")(std::io::Error::other(why));
        let mut why = String::new();
        for _ in 0..2 {
            // Where there is no room for a copy, the database itself is looked at.
            let (store, copied) = match self.copy_in_memory() {
                Ok(copy) => (copy, true),
                Err(error) => {
                    read_every_byte(&self.path())?;
                    tracing::debug!(error = error.report(), "no copy of the store");
                    (self.path(), false)
                }
            };
            let verdict = self.reader.check(&store);
            if copied {
                self.forget_copy();
            }
            match verdict {
                Verdict::Sound if guard::panics(&self.dir) < MOST_PANICS => return Ok(()),
                Verdict::Sound => "sled has panicked over it twice".clone_into(&mut why),
                Verdict::Broken(broken) => why = broken,
                Verdict::Unknown(error) => return Err(unknown(error)),
            }
        }
        self.start_afresh(&why, generation)
    }

    /// Sets the database aside and makes a fresh one of what can be read of it.
    fn start_afresh(&self, why: &str, generation: u64) -> Result<(), StoreError> {
        let (path, new, old) = (self.path(), self.dir.join("db.new"), self.dir.join("db.old"));
        let source = self.copy_in_memory();
        remove_dir(&new)?;
        let salvaged = self.salvage(source.as_ref().unwrap_or(&path), &new, generation)?;
        tracing::error!(entries = salvaged, "what can be read of the broken store is kept");
        self.forget_copy();
        // A start that dies between these goes on with `finish_renames`.
        remove_dir(&old)?;
        std::fs::rename(&new, &old).map_err(io(&new, "moved"))?;
        let later = guard::set_aside(&path, why)?;
        std::fs::rename(&old, &path).map_err(io(&old, "moved"))?;
        guard::forget_panics(&self.dir);
        sync_dir(&self.dir)?;
        later.map_or(Ok(()), |later| remove_dir(&later))
    }

    /// Sets aside a database of which nothing can be read.
    fn give_up(&self, why: &str) -> Result<(), StoreError> {
        guard::set_aside(&self.path(), why)?.map_or(Ok(()), |later| remove_dir(&later))
    }

    /// Copies every entry of a broken database that can be read to a fresh one. Gives their number.
    fn salvage(&self, broken: &Path, to: &Path, generation: u64) -> Result<usize, StoreError> {
        let mut fresh = super::database::Database::open(to, generation)?;
        let (mut salvaged, mut together) = (0, Vec::new());
        let verdict = self.reader.salvage(broken, &mut |key, value| {
            salvaged += 1;
            together.push((key, Some(value)));
            if together.len() >= SALVAGED_TOGETHER {
                fresh.write(std::mem::take(&mut together))?;
            }
            Ok(())
        })?;
        if let Verdict::Unknown(why) = verdict {
            // What came is not all that can be read.
            return Err(io(broken, "read")(std::io::Error::other(why)));
        }
        if !together.is_empty() {
            fresh.write(together)?;
        }
        fresh.sync()?;
        fresh.close();
        Ok(salvaged)
    }

    fn copy_in_memory(&self) -> Result<PathBuf, StoreError> {
        let path = self.readable_path()?;
        let Some(memory) = self.memory.made() else {
            let why = "there is no RuntimeDirectory= and no /dev/shm of ours for a copy";
            return Err(io(&path, "copied")(std::io::Error::other(why)));
        };
        let copy = memory.join("db");
        copy::copy(&path, &copy, self.most_copied(), false)?;
        Ok(copy)
    }

    fn most_copied(&self) -> u64 {
        self.max_bytes.saturating_add(self.max_bytes / 4)
    }

    /// The database, or the one that an interrupted compaction has left.
    fn readable_path(&self) -> Result<PathBuf, StoreError> {
        let (path, old) = (self.path(), self.dir.join("db.old"));
        Ok(if !exists(&path)? && exists(&old)? { old } else { path })
    }

    /// Cleans up after a compaction or a fresh start that was interrupted, also between two renames.
    fn finish_renames(&self) -> Result<(), StoreError> {
        let (path, new, old) = (self.path(), self.dir.join("db.new"), self.dir.join("db.old"));
        if !exists(&path)? && exists(&old)? {
            std::fs::rename(&old, &path).map_err(io(&old, "moved"))?;
        }
        for left in [new, old] {
            if exists(&left)? {
                remove_dir(&left)?;
            }
        }
        Ok(())
    }
}
