//! The consent file, beside the store (behaviour.md 2.9), and the deletion of what a viewer who has
//! opted out must not find again.

use std::path::{Path, PathBuf};

use super::StoreError;
use super::copy::MemoryDir;
use super::files::{empty_file, io, read_file, remove_dir, sync_dir, write_file};
use crate::core::message_ids as ids;
use crate::core::record::{ConsentRecord, ConsentState};
use crate::core::settings::Consent;

const NAME: &str = "consent";
/// The file in a store's directory that names its generation.
const GENERATION: &str = "generation";

/// The consent file of a state directory, and a second place for it in memory.
#[derive(Debug, Clone)]
pub struct ConsentFile {
    dir: PathBuf,
    /// Outlives the daemon, not the box.
    memory: MemoryDir,
}

impl ConsentFile {
    pub fn new(dir: &Path, memory: MemoryDir) -> ConsentFile {
        ConsentFile { dir: dir.to_owned(), memory }
    }

    /// Reads the file, or makes the one of a new box with this installation id. A file that is
    /// missing beside a store, or cannot be read, means `unknown`.
    pub fn open(&self, installation: impl FnOnce() -> String) -> (ConsentRecord, ConsentState) {
        let file = self.dir.join(NAME);
        let kept = read_record(&file);
        let in_memory = self.memory.existing().and_then(|dir| read_record(&dir.join(NAME)).ok());
        if let Some(newer) = in_memory {
            // One that reaches the disk takes this one away.
            return (newer, ConsentState::Unsaved);
        }
        let error = match kept {
            Ok(record) => return (record, ConsentState::Saved),
            Err(error) => error,
        };
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let mut record = ConsentRecord::first(installation());
        let newest = stores(&self.dir).filter_map(|store| generation(&store).ok().flatten()).max();
        if !missing || stores(&self.dir).next().is_some() {
            record.consent = Some(Consent::Unknown);
            record.generation = newest.unwrap_or(1);
        }
        if !missing {
            let message_id = ids::STORE_FAILS;
            tracing::error!(message_id, %error, "the consent file cannot be read; nothing is sent until it can \
                be, or somebody says what the viewer allows");
            if !is_nonsense(&error) {
                return (record, ConsentState::Unread);
            }
        }
        match self.write(&record) {
            Ok(()) => (record, ConsentState::Saved),
            Err(error) => {
                let (message_id, error) = (ids::STORE_FAILS, error.report());
                tracing::error!(message_id, error, "the consent file cannot be written");
                (record, ConsentState::Unsaved)
            }
        }
    }

    /// Reads the file; `None` when there is none that makes sense.
    ///
    /// Errors: when the medium does not give it.
    pub fn read(&self) -> Result<Option<ConsentRecord>, StoreError> {
        let file = self.dir.join(NAME);
        match read_record(&file) {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) if is_nonsense(&error) => Ok(None),
            Err(error) => Err(io(&file, "read")(error)),
        }
    }

    /// Writes a record, synced. On a full disk what is stored of older generations makes room. A
    /// record that cannot be written does not leave an older one behind that says otherwise.
    ///
    /// Errors: when it is not on the disk.
    pub fn write(&self, record: &ConsentRecord) -> Result<(), StoreError> {
        let mut written = write_record(&self.dir, record);
        if written.is_err() && delete_older(&self.dir, record.generation).is_ok() {
            written = write_record(&self.dir, record);
        }
        match written {
            Ok(()) => {
                if let Some(memory) = self.memory.existing() {
                    // One that stayed would count at the next start; files in memory can be deleted.
                    let _ = std::fs::remove_file(memory.join(NAME));
                }
                Ok(())
            }
            Err(error) => {
                if record.consent == Some(Consent::Out) {
                    // Without a file nothing is sent either. It cannot go on a read-only disk.
                    let _ = std::fs::remove_file(self.dir.join(NAME));
                }
                let in_memory = self.memory.made().map(|memory| write_record(memory, record));
                if let Some(Err(error)) = in_memory {
                    tracing::warn!(error = error.report(), "no consent file in memory either");
                }
                Err(error)
            }
        }
    }
}

/// Deletes every store in a directory that is of an older generation, unread: databases, what a
/// compaction left, and broken ones.
///
/// Errors: the first that could not be deleted; the others are.
pub fn delete_older(dir: &Path, than: u64) -> Result<(), StoreError> {
    let mut deleted = Ok(());
    let mut any = false;
    for store in stores(dir) {
        match is_older(&store, than) {
            Ok(false) => {}
            Ok(true) => {
                any = true;
                // An open database must not keep its bytes on the disk.
                empty_file(&store.join("db"));
                deleted = deleted.and(remove_dir(&store));
            }
            Err(error) => deleted = deleted.and(Err(error)),
        }
    }
    if any { deleted.and(sync_dir(dir)) } else { deleted }
}

/// Whether a store is of an older generation. One without a generation was never used, or has lost
/// it: where somebody has opted out, it may hold what must not be kept.
///
/// Errors: when the medium does not say.
pub(super) fn is_older(store: &Path, than: u64) -> Result<bool, StoreError> {
    let own = generation(store).map_err(io(store, "read"))?;
    Ok(own.map_or(than > 1, |own| own < than))
}

/// Notes the generation of a store that is about to be made in `store`.
pub(super) fn note_generation(store: &Path, generation: u64) -> Result<(), StoreError> {
    write_file(store, GENERATION, generation.to_string().as_bytes())
}

/// Every store of a directory: `db`, `db.old`, `db.broken-1` and so on.
fn stores(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let named = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name == "db" || name.starts_with("db.")
    });
    named.map(|entry| entry.path())
}

/// `None` for a store without a generation that makes sense.
///
/// Errors: when the medium does not give it.
fn generation(store: &Path) -> std::io::Result<Option<u64>> {
    match read_file(&store.join(GENERATION)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).trim().parse().ok()),
        // It is missing, or the store is no directory.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(None),
        Err(error) if is_nonsense(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a file cannot be read because of what it is, rather than because of its medium.
fn is_nonsense(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    let kinds = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof, ErrorKind::Other];
    // A symbolic link, where none is followed, or a socket.
    let no_file = [rustix::io::Errno::LOOP, rustix::io::Errno::NXIO];
    let errno = error.raw_os_error();
    match errno {
        Some(errno) => no_file.iter().any(|no_file| no_file.raw_os_error() == errno),
        None => kinds.contains(&error.kind()),
    }
}

fn read_record(path: &Path) -> std::io::Result<ConsentRecord> {
    serde_json::from_slice(&read_file(path)?).map_err(std::io::Error::from)
}

fn write_record(dir: &Path, record: &ConsentRecord) -> Result<(), StoreError> {
    let text = serde_json::to_vec(record)
        .map_err(|e| io(&dir.join(NAME), "written")(std::io::Error::from(e)))?;
    write_file(dir, NAME, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn box_id() -> String {
        "box-1".to_owned()
    }

    #[test]
    fn a_new_box_has_said_nothing_and_keeps_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let file = ConsentFile::new(dir.path(), MemoryDir::of(dir.path()));
        let (first, saved) = file.open(box_id);
        assert_eq!(first, ConsentRecord::first(box_id()));
        assert_eq!(saved, ConsentState::Saved);
        let (again, _) = file.open(|| panic!("it has an id"));
        assert_eq!(again, first);
    }

    #[test]
    fn a_file_that_is_lost_or_broken_beside_a_store_means_unknown() {
        let dir = tempfile::tempdir().unwrap();
        let file = ConsentFile::new(dir.path(), MemoryDir::of(dir.path()));
        std::fs::create_dir(dir.path().join("db")).unwrap();
        note_generation(&dir.path().join("db"), 3).unwrap();
        let (record, saved) = file.open(box_id);
        assert_eq!((record.consent, record.generation), (Some(Consent::Unknown), 3));
        assert_eq!(saved, ConsentState::Saved);
        std::fs::write(dir.path().join("consent"), "{").unwrap();
        let (record, _) = file.open(box_id);
        assert_eq!((record.consent, record.generation), (Some(Consent::Unknown), 3));
    }

    #[test]
    fn what_is_no_regular_file_neither_hangs_nor_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let file = ConsentFile::new(dir.path(), MemoryDir::of(dir.path()));
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        let place = dir.path().join("consent");
        std::os::unix::fs::symlink(&victim, &place).unwrap();
        let (record, saved) = file.open(box_id);
        assert_eq!((record.consent, saved), (Some(Consent::Unknown), ConsentState::Saved));
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert!(std::fs::symlink_metadata(&place).unwrap().is_file());
        std::fs::remove_file(&place).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&place).status().unwrap();
        assert!(made.success());
        let (record, saved) = file.open(box_id);
        assert_eq!((record.consent, saved), (Some(Consent::Unknown), ConsentState::Saved));
    }

    #[test]
    fn opting_out_deletes_every_store_of_an_older_generation() {
        let dir = tempfile::tempdir().unwrap();
        for (name, generation) in
            [("db", Some(1)), ("db.broken-1", Some(1)), ("db.old", None), ("db.new", Some(2))]
        {
            let store = dir.path().join(name);
            std::fs::create_dir(&store).unwrap();
            if let Some(generation) = generation {
                note_generation(&store, generation).unwrap();
            }
        }
        std::fs::write(dir.path().join("dbx"), "another's").unwrap();
        delete_older(dir.path(), 1).unwrap();
        assert!(dir.path().join("db.old").exists(), "nobody has opted out");
        delete_older(dir.path(), 2).unwrap();
        let left = std::fs::read_dir(dir.path()).unwrap().flatten();
        let mut left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, ["db.new", "dbx"]);
    }

    #[test]
    fn a_record_that_finds_no_place_on_the_disk_is_in_memory() {
        let (memory, gone) = (tempfile::tempdir().unwrap(), PathBuf::from("/nonexistent/state"));
        let file = ConsentFile::new(&gone, MemoryDir::given(memory.path()));
        let mut record = ConsentRecord::first(box_id());
        (record.consent, record.revision) = (Some(Consent::Out), 7);
        assert!(file.write(&record).is_err());
        assert_eq!(file.open(box_id), (record, ConsentState::Unsaved));
    }
}
