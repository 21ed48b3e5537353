//! The state directory and the notes in it: the lock, the note of an opening under way, the note of
//! panics, and broken stores that are set aside (behaviour.md 2.9).
//!
//! sled can panic on a file that a power cut or bad flash has damaged. A start that dies while it
//! opens the store leaves a note, so that the next one looks at the store in a process of its own
//! first (`suspect`). The note proves nothing by itself: a start can also be killed.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::StoreError;
use super::files::{io, read_file, remove_dir, write_file};
use crate::core::message_ids as ids;

/// Room that an opening needs: a few segments of the database and a snapshot.
const ROOM_BYTES: u64 = 256 * 1024;

/// Keeps a second daemon away from the same state directory; the kernel frees it with the process.
/// The directory itself is locked, so that this works on a read-only disk too.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] std::fs::File);

impl Lock {
    /// Makes the directory if there is none, for its owner alone.
    ///
    /// Errors: `InUse` when another process holds it.
    pub fn take(dir: &Path) -> Result<Lock, StoreError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(io(dir, "created"))?;
        let flags = OFlags::DIRECTORY.bits() as i32;
        let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(dir);
        let file = file.map_err(io(dir, "opened"))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::InUse { dir: dir.to_owned() }),
            Err(errno) => Err(io(dir, "locked")(errno.into())),
        }
    }
}

/// Notes that an opening is under way. Only a process that dies over it leaves the note behind.
#[must_use]
pub(super) struct Opening {
    note: PathBuf,
}

impl Opening {
    /// Begins an opening, if the disk has room for it and takes writes.
    ///
    /// Errors: when it does not.
    pub fn begin(dir: &Path) -> Result<Opening, StoreError> {
        let note = dir.join("opening");
        let write = || {
            remove_note(&note)?;
            let mut file =
                std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&note)?;
            file.write_all(b"a start that leaves this has died over the store\n")?;
            let none = rustix::fs::FallocateFlags::KEEP_SIZE;
            match rustix::fs::fallocate(&file, none, 0, ROOM_BYTES) {
                // Not every file system can.
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) | Ok(()) => {}
                Err(errno) => return Err(errno.into()),
            }
            file.sync_data()
        };
        let opening = Opening { note: note.clone() };
        write().map_err(io(&note, "written"))?;
        Ok(opening)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        // A note that stays costs the next start a look at the store, and nothing else.
        let _ = remove_note(&self.note);
    }
}

fn remove_note(note: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(note) {
        Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => {
            std::fs::remove_dir_all(note)
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether an earlier start has died over the store, or sled has panicked over it.
pub(super) fn suspect(dir: &Path) -> bool {
    dir.join("opening").symlink_metadata().is_ok() || panics(dir) > 0
}

/// How often sled has panicked over the open store since it last worked for long.
pub(super) fn panics(dir: &Path) -> u32 {
    let text = read_file(&dir.join("panicked")).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().parse().unwrap_or(0)
}

/// Notes that sled has panicked over the open store of `dir`.
pub(super) fn note_panic(dir: &Path) {
    let more = (panics(dir) + 1).to_string();
    // The process is about to end; without the note the next start only tries once more.
    let _ = write_file(dir, "panicked", more.as_bytes());
}

/// Removes the note of panics, because the store works.
pub(super) fn forget_panics(dir: &Path) {
    let _ = std::fs::remove_file(dir.join("panicked"));
}

/// Broken stores that lie beside a store, in the order of their names.
pub(super) fn laid_aside(store: &Path) -> Vec<PathBuf> {
    let name = store.file_name().unwrap_or_default().to_string_lossy().into_owned() + ".broken-";
    let entries = store.parent().and_then(|dir| std::fs::read_dir(dir).ok());
    let broken = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        entry.file_name().to_string_lossy().starts_with(&name).then(|| entry.path())
    };
    let mut paths: Vec<PathBuf> = entries.into_iter().flatten().filter_map(broken).collect();
    paths.sort_unstable();
    paths
}

/// Renames a broken store to `<name>.broken-1`, and logs an error. Only the first one is kept, which
/// holds the most. A later one becomes `<name>.new`, which the next start deletes if the caller does
/// not; its path is given.
pub(super) fn set_aside(store: &Path, why: &str) -> Result<Option<PathBuf>, StoreError> {
    let name = store.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let numbered = |n: u32| store.with_file_name(format!("{name}.broken-{n}"));
    let first = !(1..1000).any(|n| numbered(n).symlink_metadata().is_ok());
    let aside = if first { numbered(1) } else { store.with_file_name(format!("{name}.new")) };
    if !first {
        remove_dir(&aside)?;
    }
    std::fs::rename(store, &aside).map_err(io(store, "set aside"))?;
    let (store, kept) = (store.display(), aside.display());
    let message_id = ids::STORE_SET_ASIDE;
    if first {
        tracing::error!(message_id, %store, aside = %kept, why, "the store is broken; it was set aside");
        return Ok(None);
    }
    tracing::error!(message_id, %store, why, "the store is broken again; the first broken one is kept, not this");
    Ok(Some(aside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_start_that_dies_leaves_a_note() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!suspect(dir.path()));
        drop(Opening::begin(dir.path()).unwrap());
        assert!(!suspect(dir.path()));
        std::mem::forget(Opening::begin(dir.path()).unwrap());
        assert!(suspect(dir.path()));
        drop(Opening::begin(dir.path()).unwrap());
        assert!(!suspect(dir.path()));
        note_panic(dir.path());
        note_panic(dir.path());
        assert_eq!((panics(dir.path()), suspect(dir.path())), (2, true));
        forget_panics(dir.path());
        assert!(!suspect(dir.path()));
    }

    #[test]
    fn notes_that_are_no_files_neither_hang_nor_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (note, victim) = (dir.path().join("opening"), dir.path().join("victim"));
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &note).unwrap();
        drop(Opening::begin(dir.path()).unwrap());
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        let made = std::process::Command::new("mkfifo").arg(&note).status().unwrap();
        assert!(made.success());
        drop(Opening::begin(dir.path()).unwrap());
        std::fs::create_dir(&note).unwrap();
        drop(Opening::begin(dir.path()).unwrap());
        assert!(note.symlink_metadata().is_err());
    }

    #[test]
    fn the_first_broken_store_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("db");
        for n in 0..3 {
            std::fs::create_dir(&store).unwrap();
            std::fs::write(store.join("n"), n.to_string()).unwrap();
            if let Some(later) = set_aside(&store, "a test").unwrap() {
                remove_dir(&later).unwrap();
            }
        }
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(std::fs::read_to_string(dir.path().join("db.broken-1/n")).unwrap(), "0");
    }
}
