//! Keeps a broken store from stopping every start (behaviour.md 2.9). sled can panic on a file that
//! a power cut or bad flash has damaged, and losing the store is better than never starting. So a
//! note file lies beside the store while it is opened, and another one counts later panics of sled.
//! After two starts that died, the store is set aside. A daemon that is killed once its store is
//! open leaves no note.

use std::path::{Path, PathBuf};

use super::StoreError;

/// Keeps a second daemon away from the same directory; the kernel frees it with the process.
pub(super) struct Lock(#[allow(dead_code)] std::fs::File);

impl Lock {
    /// Errors: `InUse` when another process holds it.
    pub fn take(dir: &Path) -> Result<Lock, StoreError> {
        let path = dir.join("lock");
        let file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io(&path, "locked"))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::InUse { dir: dir.to_owned() }),
            Err(errno) => Err(io(&path, "locked")(errno.into())),
        }
    }
}

/// Starts that may die while opening before the store is taken to be broken.
const MAX_FAILED_STARTS: u32 = 2;

/// Notes that an opening is under way. A start that dies or panics over it leaves the note behind.
#[must_use]
pub(super) struct Opening {
    note: PathBuf,
}

impl Opening {
    /// Begins an opening; sets the store aside when earlier ones died over it.
    pub fn begin(dir: &Path, store: &Path) -> Result<Opening, StoreError> {
        let note = dir.join("opening");
        let died = count(&note);
        let panicked = count(&panics(dir));
        let tries = if died.max(panicked) >= MAX_FAILED_STARTS && store.exists() {
            set_aside(store, "two starts have died over it")?;
            forget_panics(dir);
            1
        } else {
            died + 1
        };
        std::fs::write(&note, tries.to_string()).map_err(io(&note, "written"))?;
        Ok(Opening { note })
    }
}

impl Opening {
    /// The store is open and was read to its end.
    pub fn succeeded(self) {
        // A note that stays counts as one start that died, which does no harm alone.
        let _ = std::fs::remove_file(&self.note);
    }
}

fn count(note: &Path) -> u32 {
    std::fs::read_to_string(note).ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0)
}

fn panics(dir: &Path) -> PathBuf {
    dir.join("panicked")
}

/// Notes that sled has panicked over the open store of `dir`.
pub(super) fn note_panic(dir: &Path) {
    let note = panics(dir);
    // The process is about to end; without the note the next start only tries once more.
    let _ = std::fs::write(&note, (count(&note) + 1).to_string());
}

/// Removes the note of panics, because the store works.
pub(super) fn forget_panics(dir: &Path) {
    let _ = std::fs::remove_file(panics(dir));
}

/// Renames a broken store, logs an error, and deletes older broken stores.
pub(super) fn set_aside(store: &Path, why: &str) -> Result<(), StoreError> {
    let name = store.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let numbered = |n: u32| store.with_file_name(format!("{name}.broken-{n}"));
    let taken: Vec<u32> = (1..1000).filter(|n| numbered(*n).exists()).collect();
    let aside = numbered(taken.last().map_or(1, |n| n + 1));
    std::fs::rename(store, &aside).map_err(io(store, "set aside"))?;
    tracing::error!(
        store = %store.display(),
        aside = %aside.display(),
        why,
        "the store is broken; it was set aside and a fresh one is used"
    );
    for old in taken {
        if let Err(error) = std::fs::remove_dir_all(numbered(old)) {
            tracing::warn!(%error, "an older broken store could not be removed");
        }
    }
    Ok(())
}

/// Bytes of all files below a directory.
pub(super) fn bytes_on_disk(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_on_disk(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

pub(super) fn io<'a>(
    path: &'a Path,
    tried: &'static str,
) -> impl FnOnce(std::io::Error) -> StoreError + 'a {
    move |source| StoreError::Io { path: path.to_owned(), tried, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_start_after_two_that_died_sets_the_store_aside() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("db");
        std::fs::create_dir(&store).unwrap();
        for _ in 0..2 {
            let _died = Opening::begin(dir.path(), &store).unwrap();
            assert!(store.exists());
        }
        Opening::begin(dir.path(), &store).unwrap().succeeded();
        assert!(!store.exists());
        assert!(dir.path().join("db.broken-1").exists());
        assert!(!dir.path().join("opening").exists());
    }

    #[test]
    fn two_panics_over_an_open_store_set_it_aside_unless_it_worked_between() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("db");
        let start = || Opening::begin(dir.path(), &store).unwrap().succeeded();
        std::fs::create_dir(&store).unwrap();
        note_panic(dir.path());
        start();
        forget_panics(dir.path());
        note_panic(dir.path());
        start();
        assert!(store.exists());
        note_panic(dir.path());
        start();
        assert!(!store.exists());
        std::fs::create_dir(&store).unwrap();
        start();
        assert!(store.exists(), "the note is gone with the broken store");
    }

    #[test]
    fn one_broken_store_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("db");
        for _ in 0..3 {
            std::fs::create_dir(&store).unwrap();
            set_aside(&store, "a test").unwrap();
        }
        let mut left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left.pop().unwrap().file_name(), "db.broken-3");
    }
}
