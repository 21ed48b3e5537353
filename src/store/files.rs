//! Files and directories of the store: small files that are written whole or not at all, deletion,
//! sizes. Nothing here follows a symbolic link or hangs on a FIFO.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use super::StoreError;

/// No small file is larger.
const MOST_BYTES: u64 = 4096;

/// Reads a small regular file; a FIFO does not hang it, a symbolic link is not followed.
pub(super) fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("expected a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a small file whole or not at all, synced, in place of whatever has its name.
pub(super) fn write_file(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let (path, new) = (dir.join(name), dir.join(format!("{name}.new")));
    let write = || {
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, &path)
    };
    write().map_err(io(&path, "written"))?;
    sync_dir(dir)
}

pub(super) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(io(dir, "synced"))
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

/// Reads all files below a directory.
///
/// Errors: when the medium does not give every byte of them.
pub(super) fn read_every_byte(dir: &Path) -> Result<(), StoreError> {
    for entry in std::fs::read_dir(dir).map_err(io(dir, "read"))? {
        let entry = entry.map_err(io(dir, "read"))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(io(dir, "read"))?);
        if kind.is_dir() {
            read_every_byte(&path)?;
        } else if kind.is_file() {
            File::open(&path)
                .and_then(|mut file| std::io::copy(&mut file, &mut std::io::sink()))
                .map_err(io(&path, "read"))?;
        }
    }
    Ok(())
}

/// Empties a regular file, if there is one.
pub(super) fn empty_file(path: &Path) {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = std::fs::OpenOptions::new().write(true).custom_flags(flags).open(path);
    // Without it there is nothing to empty.
    let _ = file.and_then(|file| file.set_len(0));
}

/// Whether there is something of this name.
///
/// Errors: when the medium does not say.
pub(super) fn exists(path: &Path) -> Result<bool, StoreError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io(path, "read")(error)),
    }
}

/// Deletes a directory, or whatever has its name.
pub(super) fn remove_dir(path: &Path) -> Result<(), StoreError> {
    let removed = match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            std::fs::remove_file(path)
        }
        other => other,
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io(path, "deleted")(error))
        }
        _ => Ok(()),
    }
}

pub(super) fn io<'a>(
    path: &'a Path,
    tried: &'static str,
) -> impl FnOnce(std::io::Error) -> StoreError + 'a {
    move |source| StoreError::Io { path: path.to_owned(), tried, source }
}
