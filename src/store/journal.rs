//! A journal in front of sled, for the small writes that a playback makes all day long. sled starts the
//! writing of two pages for a change and wakes seven threads for it; here a change is a few bytes behind
//! the last one, in a file whose size never changes. When it is full, the newest value of each key goes
//! to sled, and it begins again.
//!
//! The file is a row of groups, each applied whole or not at all: its length, its checksum, its entries. A
//! group begins where the last one ends, or with the next page.
//! The checksum goes on from that of the group before, and that of the first from the epoch, which is
//! another each time the journal begins again. So what is left of an earlier row is never taken for part
//! of this one, and a group that a power cut has torn is the end of the row.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::StoreError;
use super::files::{exists, io, remove_dir, sync_dir};
use super::pieces::Entry;

const NAME: &str = "journal";
/// Enough for the heartbeats of ten minutes.
const BYTES: usize = 32 * 1024;
/// What a medium writes as a whole.
const PAGE: usize = 4096;
/// Length and checksum, 32 bits each.
const HEAD_BYTES: usize = 8;
/// The lengths of a key, 16 bits, and of its value, 32 bits.
const ENTRY_BYTES: usize = 6;
/// In place of the length of a value, where the key is deleted.
const DELETED: u32 = u32::MAX;

/// Values that are newer than those in sled; `None` is a key that is gone.
pub(super) type Newer = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

pub(super) struct Journal {
    path: PathBuf,
    file: File,
    epoch: u64,
    newer: Newer,
    /// Where the next group goes, and the checksum that it goes on from.
    end: usize,
    chain: u32,
    unsynced: bool,
}

impl Journal {
    /// Opens the journal of the database in `dir`, or makes one in place of whatever is no file. `None`: there
    /// is none, and no room for one.
    ///
    /// `epoch` is that of the row that sled has not got yet.
    ///
    /// Errors: when the medium fails, or has no room for what is missing of one that is there. Without its
    /// row sled would go on from older values, and have them back later.
    pub fn open_or_make(dir: &Path, epoch: u64) -> Result<Option<Journal>, StoreError> {
        let path = dir.join(NAME);
        let found = exists(&path)?;
        match Journal::open(dir, epoch) {
            Err(error) if !found && error.is_full() => {
                // What there is of it holds nothing.
                let _ = std::fs::remove_file(&path);
                Ok(None)
            }
            opened => opened.map(Some),
        }
    }

    fn open(dir: &Path, epoch: u64) -> Result<Journal, StoreError> {
        let path = dir.join(NAME);
        if exists(&path)? && !std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
            remove_dir(&path)?;
        }
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o600).custom_flags(flags).open(&path);
        let file = file.map_err(io(&path, "opened"))?;
        let mut bytes = Vec::new();
        let whole = (&file).take(BYTES as u64).read_to_end(&mut bytes);
        whole.map_err(io(&path, "read"))?;
        if bytes.len() < BYTES {
            // Zeroes that are written, and not only room, so that a later write changes nothing but them.
            let rest = vec![0; BYTES - bytes.len()];
            let made = file.write_all_at(&rest, bytes.len() as u64).and_then(|()| file.sync_all());
            made.map_err(io(&path, "written"))?;
            sync_dir(dir)?;
        }
        // What was read or written as a whole lies in the cache as one page of that size, which a small
        // change would have written whole. The file system brings it back in small ones.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        let mut journal = Journal {
            path,
            file,
            epoch,
            newer: Newer::new(),
            end: 0,
            chain: first_link(epoch),
            unsynced: false,
        };
        journal.read(&bytes);
        journal.unsynced = !journal.is_empty();
        Ok(journal)
    }

    fn read(&mut self, bytes: &[u8]) {
        let group = |journal: &Journal| {
            let next_page = journal.end.next_multiple_of(PAGE);
            group_at(bytes, journal.end, journal.chain)
                .or_else(|| group_at(bytes, next_page, journal.chain))
        };
        while let Some((entries, chain, end)) = group(self) {
            self.newer.extend(entries);
            (self.chain, self.end) = (chain, end);
        }
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn newer(&self) -> &Newer {
        &self.newer
    }

    /// Whether nothing was written since it began again.
    pub fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Whether entries find room behind the others.
    pub fn has_room(&self, entries: &[Entry]) -> bool {
        let bytes =
            |(key, value): &Entry| ENTRY_BYTES + key.len() + value.as_ref().map_or(0, Vec::len);
        let length = HEAD_BYTES + entries.iter().map(bytes).sum::<usize>();
        self.place_of(length) + length <= BYTES
    }

    /// Where a group of a length goes. One that begins a page's way to the medium leaves room for another
    /// of its size there: a heartbeat is two groups and one sync, and two pages would cost twice as much.
    fn place_of(&self, length: usize) -> usize {
        let next_page = self.end.next_multiple_of(PAGE);
        let fits = 2 * length <= next_page - self.end || length > PAGE / 2;
        if self.unsynced || fits { self.end } else { next_page }
    }

    /// Writes entries behind the others, all or none.
    pub fn append(&mut self, entries: Vec<Entry>) -> Result<(), StoreError> {
        let (group, chain) = group_of(&entries, self.chain);
        let place = self.place_of(group.len());
        // One that is written in part is no group, and the next try is written over it.
        let written = self.file.write_all_at(&group, place as u64);
        written.map_err(io(&self.path, "written"))?;
        self.end = place + group.len();
        self.chain = chain;
        self.unsynced = true;
        self.newer.extend(entries);
        Ok(())
    }

    pub fn sync(&mut self) -> Result<(), StoreError> {
        if self.unsynced {
            self.file.sync_data().map_err(io(&self.path, "synced"))?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Begins again, because sled has got everything in it.
    pub fn begin_again(&mut self) {
        self.epoch += 1;
        self.newer.clear();
        self.end = 0;
        self.chain = first_link(self.epoch);
        self.unsynced = false;
    }
}

fn first_link(epoch: u64) -> u32 {
    crc32fast::hash(&epoch.to_le_bytes())
}

fn checksum(chain: u32, entries: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&chain.to_le_bytes());
    hasher.update(entries);
    hasher.finalize()
}

/// A group as bytes, and its checksum.
fn group_of(entries: &[Entry], chain: u32) -> (Vec<u8>, u32) {
    let mut bytes = vec![0; HEAD_BYTES];
    for (key, value) in entries {
        let length = value.as_ref().map_or(DELETED, |value| value.len() as u32);
        bytes.extend((key.len() as u16).to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(key);
        bytes.extend(value.iter().flatten());
    }
    let chain = checksum(chain, &bytes[HEAD_BYTES..]);
    let length = (bytes.len() - HEAD_BYTES) as u32;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..HEAD_BYTES].copy_from_slice(&chain.to_le_bytes());
    (bytes, chain)
}

/// The entries of the group that begins at `at`, its checksum and its end. `None` if there is none that
/// goes on from `chain`.
fn group_at(bytes: &[u8], at: usize, chain: u32) -> Option<(Vec<Entry>, u32, usize)> {
    let mut rest = bytes.get(at..)?;
    let (length, is) = (number(&mut rest)? as usize, number(&mut rest)?);
    let mut left = rest.get(..length).filter(|left| !left.is_empty())?;
    if checksum(chain, left) != is {
        return None;
    }
    let mut entries = Vec::new();
    while !left.is_empty() {
        let length = u16::from_le_bytes(cut(&mut left, 2)?.try_into().ok()?);
        let value_length = number(&mut left)?;
        let key = cut(&mut left, length.into())?.to_vec();
        let value = match value_length {
            DELETED => None,
            length => Some(cut(&mut left, length as usize)?.to_vec()),
        };
        entries.push((key, value));
    }
    Some((entries, is, at + HEAD_BYTES + length))
}

fn number(bytes: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(cut(bytes, 4)?.try_into().ok()?))
}

/// Takes the first bytes off.
fn cut<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (first, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: &str) -> Entry {
        (key.into(), Some(value.into()))
    }

    fn reopened(dir: &Path, epoch: u64) -> Newer {
        Journal::open(dir, epoch).unwrap().newer
    }

    #[test]
    fn the_newest_value_of_each_key_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), 1).unwrap();
        assert!(journal.is_empty());
        journal.append(vec![put("a", "1"), put("b", "1")]).unwrap();
        journal.append(vec![put("a", "2"), ("b".into(), None), put("c", "")]).unwrap();
        let is = Newer::from([put("a", "2"), ("b".into(), None), put("c", "")]);
        assert_eq!(*journal.newer(), is);
        assert_eq!(reopened(dir.path(), 1), is);
        assert_eq!(reopened(dir.path(), 2), Newer::new(), "sled has these");
    }

    #[test]
    fn a_group_that_is_torn_ends_it_and_what_lies_behind_is_never_joined_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), 1).unwrap();
        let mut ends = Vec::new();
        for n in ["1", "2", "3"] {
            journal.append(vec![put("a", n), put(n, n)]).unwrap();
            ends.push(journal.end);
        }
        journal.file.write_all_at(b"?", ends[1] as u64 - 1).unwrap();
        let mut journal = Journal::open(dir.path(), 1).unwrap();
        assert_eq!(journal.newer, Newer::from([put("a", "1"), put("1", "1")]));
        // As long as the one that was torn: the third would follow it.
        journal.append(vec![put("a", "4"), put("4", "4")]).unwrap();
        assert_eq!(journal.end, ends[1]);
        let is = Newer::from([put("a", "4"), put("1", "1"), put("4", "4")]);
        assert_eq!(reopened(dir.path(), 1), is);
    }

    #[test]
    fn what_is_full_begins_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), 7).unwrap();
        let large = || vec![put("a", &"x".repeat(BYTES / 2))];
        assert!(journal.has_room(&large()));
        journal.append(large()).unwrap();
        assert!(!journal.has_room(&large()) && journal.has_room(&[put("b", "1")]));
        journal.begin_again();
        journal.append(vec![put("b", "1")]).unwrap();
        assert_eq!(reopened(dir.path(), 8), Newer::from([put("b", "1")]));
        assert_eq!(dir.path().join(NAME).metadata().unwrap().len(), BYTES as u64);
    }

    #[test]
    fn two_groups_and_a_sync_share_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), 1).unwrap();
        let mut is = Newer::new();
        for n in 0..40 {
            let (mark, state) = (put("mark", &"m".repeat(200 + n)), put("state", &"s".repeat(n)));
            let bytes = group_of(std::slice::from_ref(&mark), 0).0.len();
            journal.append(vec![mark.clone()]).unwrap();
            let page = (journal.end - bytes) / PAGE;
            journal.append(vec![state.clone()]).unwrap();
            assert_eq!((journal.end - 1) / PAGE, page, "heartbeat {n}");
            journal.sync().unwrap();
            is.extend([mark, state]);
            assert_eq!(reopened(dir.path(), 1), is, "heartbeat {n}");
        }
        assert!(journal.end > 2 * PAGE);
    }

    #[test]
    fn what_is_no_file_gives_way_and_is_neither_followed_nor_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let (path, victim) = (dir.path().join(NAME), dir.path().join("victim"));
        std::fs::write(&victim, "precious").unwrap();
        let makes: [fn(&Path, &Path); 3] = [
            |path, _| std::fs::create_dir(path).unwrap(),
            |path, victim| std::os::unix::fs::symlink(victim, path).unwrap(),
            |path, _| {
                assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success())
            },
        ];
        for make in makes {
            make(&path, &victim);
            let mut journal = Journal::open_or_make(dir.path(), 1).unwrap().unwrap();
            journal.append(vec![put("a", "1")]).unwrap();
            assert_eq!(reopened(dir.path(), 1), Newer::from([put("a", "1")]));
            std::fs::remove_file(&path).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn no_bytes_stop_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        for length in [0, 1, 7, 8, 9, BYTES, 2 * BYTES] {
            for byte in [0x00, 0x01, 0xff] {
                std::fs::write(&path, vec![byte; length]).unwrap();
                let mut journal = Journal::open(dir.path(), 1).unwrap();
                assert_eq!(*journal.newer(), Newer::new());
                journal.append(vec![put("a", "1")]).unwrap();
                assert_eq!(reopened(dir.path(), 1), Newer::from([put("a", "1")]));
            }
        }
    }
}
