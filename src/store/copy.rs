//! Copies of the store's files: in memory, where a store on a disk that takes no writes can be
//! opened, and on the disk, where a store whose files sled must not touch again goes on.

use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::files::{bytes_on_disk, io, remove_dir, sync_dir};

/// Where copies in memory lie.
#[derive(Debug, Clone)]
pub struct MemoryDir {
    path: PathBuf,
    /// The service manager has made it; else it is ours to make.
    given: bool,
}

impl MemoryDir {
    /// The service manager's runtime directory, else a directory of our own below `/dev/shm`, one
    /// for each state directory.
    pub fn of(state_dir: &Path) -> MemoryDir {
        if let Some(dir) = std::env::var_os("RUNTIME_DIRECTORY").filter(|dir| !dir.is_empty()) {
            return MemoryDir { path: dir.into(), given: true };
        }
        let uid = rustix::process::getuid().as_raw();
        let state_dir = std::path::absolute(state_dir).unwrap_or_else(|_| state_dir.to_owned());
        let name = format!("playheadd-{uid}-{:016x}", hash(&state_dir));
        MemoryDir { path: Path::new("/dev/shm").join(name), given: false }
    }

    /// A directory that is there.
    pub fn given(path: &Path) -> MemoryDir {
        MemoryDir { path: path.to_owned(), given: true }
    }

    /// The directory, if it is there and nobody else can have made it or write to it.
    pub fn existing(&self) -> Option<&Path> {
        let made = std::fs::symlink_metadata(&self.path).ok()?;
        let ours = made.uid() == rustix::process::getuid().as_raw() && made.mode() & 0o077 == 0;
        (made.is_dir() && (self.given || ours)).then_some(&*self.path)
    }

    /// The directory, made if need be.
    pub fn made(&self) -> Option<&Path> {
        if !self.given {
            // It may be there already; another's is refused below.
            let _ = std::fs::DirBuilder::new().mode(0o700).create(&self.path);
        }
        self.existing()
    }

    /// Deletes the copy of the store, and the directory if it is ours and nothing else is in it.
    pub fn forget_copy(&self) {
        if let Some(dir) = self.existing() {
            let _ = remove_dir(&dir.join("db"));
            if !self.given {
                let _ = std::fs::remove_dir(dir);
            }
        }
    }
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
