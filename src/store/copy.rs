//! Copies of the store's files: in memory, where a store on a disk that takes no writes can be
//! opened, and on the disk, where a store whose files sled must not touch again goes on.

use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::files::{bytes_on_disk, io, remove_dir, sync_dir};

/// Where copies in memory lie, if there is such a place: the service manager's runtime directory,
/// else a directory of our own below `/dev/shm`, one for each state directory.
pub fn memory_dir(state_dir: &Path) -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os("RUNTIME_DIRECTORY").filter(|dir| !dir.is_empty()) {
        return Some(dir.into());
    }
    let uid = rustix::process::getuid().as_raw();
    let state_dir = std::path::absolute(state_dir).ok()?;
    let dir = Path::new("/dev/shm").join(format!("playheadd-{uid}-{:016x}", hash(&state_dir)));
    match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return None,
        _ => {}
    }
    // Others may make names there too.
    let made = std::fs::symlink_metadata(&dir).ok()?;
    (made.is_dir() && made.uid() == uid && made.mode() & 0o077 == 0).then_some(dir)
}

/// Removes the directory of copies if nothing is in it.
pub fn forget_memory_dir(dir: &Path) {
    let _ = std::fs::remove_dir(dir);
}

/// FNV-1a, which is the same in every run.
fn hash(path: &Path) -> u64 {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Copies the files of a store to `to`, which is made anew.
///
/// Errors: when it is larger than `most` bytes, cannot be read, or finds no room.
pub(super) fn copy(store: &Path, to: &Path, most: u64, synced: bool) -> Result<(), StoreError> {
    let bytes = bytes_on_disk(store);
    if bytes > most {
        let why = format!("it has {bytes} bytes, and a copy may have {most}");
        return Err(io(store, "copied")(std::io::Error::other(why)));
    }
    remove_dir(to)?;
    let copied = copy_files(store, to, synced);
    if copied.is_err() {
        // The first error is the one to tell.
        let _ = remove_dir(to);
    }
    copied
}

fn copy_files(from: &Path, to: &Path, synced: bool) -> Result<(), StoreError> {
    std::fs::DirBuilder::new().mode(0o700).create(to).map_err(io(to, "created"))?;
    for entry in std::fs::read_dir(from).map_err(io(from, "read"))? {
        let entry = entry.map_err(io(from, "read"))?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(io(&path, "read"))?;
        if kind.is_dir() {
            copy_files(&path, &copy, synced)?;
        } else if kind.is_file() {
            std::fs::copy(&path, &copy).map_err(io(&path, "copied"))?;
            if synced {
                let file = std::fs::File::open(&copy).and_then(|file| file.sync_all());
                file.map_err(io(&copy, "synced"))?;
            }
        }
    }
    if synced { sync_dir(to) } else { Ok(()) }
}
