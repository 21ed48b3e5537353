//! The store on disk. It writes records in portions that survive a power cut, and replaces a
//! database that has grown too large or is broken.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::database::Database;
use super::files::{bytes_on_disk, io, remove_dir, sync_dir};
use super::guard;
use super::pieces::{AssembledPieces, Entry, PieceAssembler, Pieces};
use super::{StoreError, StoredBuilder, codec, pieces};
use crate::core::record::{
    Batch, Durability, Key, Numbered, Read, ReadReports, ReportRange, Stored, StoredReport,
};

/// The most that one write holds. sled rewrites a whole page after every ten changes of it, so many
/// small changes cost as much as a few large ones.
const GROUP_BYTES: usize = 8 * 1024;
const GROUP_ENTRIES: usize = 16;
/// A batch with more changes is that of a long failure, and is written in parts.
const MOST_TOGETHER: usize = 64;
/// A store that takes so many batches without a panic is sound.
const SOUND_BATCHES: u32 = 256;
/// Bytes written between two looks at the size on disk.
const LOOK_BYTES: u64 = 256 * 1024;
/// Nobody compacts for less than this.
const LEAST_GAIN: u64 = 1 << 20;

pub struct SledStore {
    dir: PathBuf,
    db: Database,
    pieces: Pieces,
    generation: u64,
    /// The most that it may take on disk, the copy of a compaction included.
    max_bytes: u64,
    batches: u32,
    /// The size after the last compaction; 0 before the first.
    compacted_bytes: u64,
    /// Written since the last compaction or the opening, and since the last look at the size.
    written_bytes: u64,
    unlooked_bytes: u64,
}

/// Changes that are applied whole or not at all.
#[derive(Default)]
struct Group {
    entries: Vec<Entry>,
    bytes: usize,
}

impl Group {
    fn full(&self) -> bool {
        self.entries.len() >= GROUP_ENTRIES || self.bytes >= GROUP_BYTES
    }

    fn add(&mut self, (key, value): Entry) {
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        self.entries.push((key, value));
    }
}

impl SledStore {
    /// Opens or creates the database in `dir`, and reads everything in it. Nothing guards against a
    /// broken one: `StoreLocation::open` does.
    pub fn open(
        dir: &Path,
        generation: u64,
        max_bytes: u64,
    ) -> Result<(SledStore, Stored), StoreError> {
        SledStore::opened(dir, open_and_read(&dir.join("db"), generation)?, generation, max_bytes)
    }

    /// Opens a copy of a database, to read from it.
    pub(super) fn open_copy(
        path: &Path,
        max_bytes: u64,
    ) -> Result<(SledStore, Stored), StoreError> {
        let dir = path.parent().unwrap_or(path);
        SledStore::opened(dir, open_and_read(path, 0)?, 0, max_bytes)
    }

    fn opened(
        dir: &Path,
        (db, pieces, stored): (Database, Pieces, Stored),
        generation: u64,
        max_bytes: u64,
    ) -> Result<(SledStore, Stored), StoreError> {
        let store = SledStore {
            dir: dir.to_owned(),
            db,
            pieces,
            generation,
            max_bytes,
            batches: 0,
            compacted_bytes: 0,
            written_bytes: 0,
            unlooked_bytes: 0,
        };
        Ok((store, stored))
    }

    /// Closes a store that works. One that is only dropped stays open for the rest of the process.
    pub fn close(self) {
        self.db.close();
    }

    /// Brings everything to sled and closes it, for a stop: nothing is left to put together.
    pub fn settle_and_close(mut self) {
        if let Err(error) = self.db.settle().and_then(|_| self.db.sync()) {
            tracing::debug!(error = error.report(), "the journal stays as it is");
        }
        self.db.close();
    }

    /// Has a function called after each sync, for tests that cut the power.
    #[cfg(feature = "bench")]
    pub fn on_sync(&mut self, told: Box<dyn FnMut() + Send>) {
        self.db.on_sync = Some(told);
    }

    /// Writes batches in order: the last write of them is synced if one of them asks for it.
    pub fn apply(&mut self, batches: &[Batch]) -> Result<(), StoreError> {
        let Some((last, before)) = batches.split_last() else { return Ok(()) };
        let (mut group, mut after) = (Group::default(), Vec::new());
        for batch in before {
            self.gather(batch, &mut group, &mut after)?;
            if group.full() {
                self.write(std::mem::take(&mut group), false)?;
            }
        }
        self.gather(last, &mut group, &mut after)?;
        self.write(group, batches.iter().any(|b| b.durability == Durability::Synced))?;
        self.write_apart(after)?;
        for batch in batches {
            let ranges = batch.deleted_reports.iter().map(bounds);
            for range in ranges.chain(batch.deleted.iter().map(codec::keys)) {
                self.delete(range)?;
            }
        }
        self.batches += 1;
        if self.batches.is_multiple_of(SOUND_BATCHES) {
            guard::forget_panics(&self.dir);
        }
        if self.unlooked_bytes >= LOOK_BYTES {
            self.unlooked_bytes = 0;
            if self.wants_compaction(self.bytes_on_disk()) {
                self.compact()?;
            }
        }
        Ok(())
    }

    /// Whether a compaction keeps the store within `max_bytes`, with room for the copy that it makes,
    /// and gains enough for what it writes: what was written since the last one is more than half of
    /// what it left, and a third of all there is now.
    fn wants_compaction(&self, size: u64) -> bool {
        let copy = self.compacted_bytes.clamp(self.max_bytes / 4, self.max_bytes / 2);
        let gain = (self.compacted_bytes / 2).max(size / 3).max(LEAST_GAIN);
        size > self.max_bytes - copy && self.written_bytes >= gain
    }

    /// Deletes the records of a range, in steps.
    fn delete(&mut self, range: Range<Vec<u8>>) -> Result<(), StoreError> {
        loop {
            let some = self.db.range(range.clone()).take(GROUP_ENTRIES * 4);
            let keys = some.map(|entry| Ok(entry?.0)).collect::<Result<Vec<_>, StoreError>>()?;
            if keys.is_empty() {
                return Ok(());
            }
            let mut entries = Vec::new();
            for key in keys {
                let gone = self.pieces.entries(key, None);
                entries.push(gone.together);
                entries.extend(gone.after);
            }
            self.write_apart(entries)?;
        }
    }

    /// The first reports of a range. One that cannot be read is skipped.
    ///
    /// Errors: when the database cannot be read.
    pub fn read(&self, read: &Read) -> Result<ReadReports, StoreError> {
        let mut reports = Numbered::new();
        for entry in self.db.range(bounds(&read.range)) {
            let (key, value) = entry?;
            if let Some(report) = report_of(&self.db, &key, &value) {
                reports.push(report);
            }
            if reports.len() >= read.most {
                break;
            }
        }
        Ok(ReadReports::of(read, reports))
    }

    /// Adds a batch to a group that is applied whole or not at all. The pieces of large records
    /// are written at once; deletions of old pieces go to `after`.
    fn gather(
        &mut self,
        batch: &Batch,
        group: &mut Group,
        after: &mut Vec<Entry>,
    ) -> Result<(), StoreError> {
        let large = batch.changes.len() > MOST_TOGETHER;
        // Reports and resume points first: nothing refers to them before the records of their logs.
        let apart = |key: &Key| large && matches!(key, Key::Report(..) | Key::Resume(..));
        let mut first = Group::default();
        for (key, record) in batch.changes.iter().filter(|(key, _)| apart(key)) {
            let entries = self.pieces.entries(codec::key(key), record.as_ref().map(codec::value));
            self.write_apart(entries.ahead)?;
            first.add(entries.together);
            after.extend(entries.after);
            if first.full() {
                self.write(std::mem::take(&mut first), false)?;
            }
        }
        self.write_apart(first.entries)?;
        for (key, record) in batch.changes.iter().filter(|(key, _)| !apart(key)) {
            let entries = self.pieces.entries(codec::key(key), record.as_ref().map(codec::value));
            self.write_apart(entries.ahead)?;
            group.add(entries.together);
            after.extend(entries.after);
        }
        Ok(())
    }

    /// Writes entries that need not be applied together.
    fn write_apart(&mut self, entries: Vec<Entry>) -> Result<(), StoreError> {
        let mut group = Group::default();
        for entry in entries {
            group.add(entry);
            if group.full() {
                self.write(std::mem::take(&mut group), false)?;
            }
        }
        if group.entries.is_empty() { Ok(()) } else { self.write(group, false) }
    }

    fn write(&mut self, group: Group, synced: bool) -> Result<(), StoreError> {
        let grown = self.db.write(group.entries)? as u64;
        self.written_bytes += grown;
        self.unlooked_bytes += grown;
        if synced { self.db.sync() } else { Ok(()) }
    }

    pub fn bytes_on_disk(&self) -> u64 {
        bytes_on_disk(&self.db.path)
    }

    /// Copies the live entries into a fresh database and replaces the old one with it, because a
    /// log-structured store keeps old bytes. At every moment one of the two is whole, so a power
    /// cut loses nothing (see `StoreLocation::open_in_place`).
    fn compact(&mut self) -> Result<(), StoreError> {
        let before = self.bytes_on_disk();
        let (path, new, old) =
            (self.dir.join("db"), self.dir.join("db.new"), self.dir.join("db.old"));
        remove_dir(&new)?;
        let mut fresh = Database::open(&new, self.generation)?;
        fresh.fill_from(&self.db)?;
        // The old one stays open under its new name until the fresh one has taken its place.
        fresh.close();
        remove_dir(&old)?;
        std::fs::rename(&path, &old).map_err(io(&path, "moved"))?;
        std::fs::rename(&new, &path).map_err(io(&new, "moved"))?;
        std::mem::replace(&mut self.db, Database::open(&path, self.generation)?).close();
        sync_dir(&self.dir)?;
        remove_dir(&old)?;
        self.compacted_bytes = self.bytes_on_disk();
        self.written_bytes = 0;
        tracing::info!(before, after = self.compacted_bytes, "the store was compacted");
        Ok(())
    }
}

/// Installs a panic hook that notes a panic of sled beside the store of `dir`, so that the next start
/// looks at the store first (behaviour.md 2.9).
pub fn note_panics(dir: &Path) {
    let (dir, report) = (dir.to_owned(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        if panic.location().is_some_and(|at| at.file().contains("sled-")) {
            guard::note_panic(&dir);
        }
        report(panic);
    }));
}

fn bounds(range: &ReportRange) -> Range<Vec<u8>> {
    codec::key(&Key::Report(range.log, range.from))..codec::key(&Key::Report(range.log, range.to))
}

/// A report with its number, put together from its pieces.
fn report_of(db: &Database, key: &[u8], value: &[u8]) -> Option<(u64, StoredReport)> {
    let whole = pieces::whole(key, value, |piece| db.get(piece))?;
    Some((codec::report_key(key)?.1, codec::report(&whole)?))
}

/// Opens a database and reads everything in it but the reports that a log's record covers.
fn open_and_read(path: &Path, generation: u64) -> Result<(Database, Pieces, Stored), StoreError> {
    let mut database = Database::open(path, generation)?;
    let (mut joining, mut gathering) =
        (PieceAssembler::new(codec::REPORT), StoredBuilder::default());
    let before = database.range(..vec![codec::REPORT]);
    let behind = database.range(vec![codec::REPORT + 1]..);
    for entry in before.chain(behind) {
        let (key, value) = entry?;
        if let Some((key, value)) = joining.take(&key, &value) {
            gathering.take(&key, &value);
        }
    }
    read_newest(&database, &mut gathering)?;
    let AssembledPieces { pieces, lost, strays } = joining.done(|key| database.get(key));
    gathering.unreadable += lost;
    if !strays.is_empty() {
        // On a full disk they stay, which does no harm.
        if let Err(error) = database.write(strays.into_iter().map(|key| (key, None)).collect()) {
            tracing::debug!(%error, "stray pieces of records stay in the store");
        }
    }
    Ok((database, pieces, gathering.done()))
}

/// Reads the reports of each log that its record does not cover. Of a log without a record one
/// report is enough to know that there are some.
fn read_newest(database: &Database, gathering: &mut StoredBuilder) -> Result<(), StoreError> {
    let mut from = codec::key(&Key::Report(0, 0));
    while let Some(entry) = database.range(from..vec![codec::REPORT + 1]).next() {
        let (key, _) = entry?;
        let Some((log, _)) = codec::report_key(&key) else { break };
        let (least, most) = match gathering.newest_from(log) {
            Some(least) => (least, usize::MAX),
            None => (0, 1),
        };
        let range = ReportRange { log, from: least, to: u64::MAX };
        for entry in database.range(bounds(&range)).take(most) {
            let (key, value) = entry?;
            match report_of(database, &key, &value) {
                Some((number, report)) => gathering.take_report(log, number, report),
                None => gathering.unreadable += 1,
            }
        }
        let Some(next) = log.checked_add(1) else { break };
        from = codec::key(&Key::Report(next, 0));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
