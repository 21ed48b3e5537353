//! The agent's persistent state: sled on a box, a store in memory with the same promises in
//! simulations. The store knows records, not what they mean.

mod codec;
pub mod consent;
pub mod copy;
mod database;
mod files;
pub mod guard;
mod journal;
pub mod memory;
pub mod opening;
mod pieces;
pub mod reader;
pub mod sled;
pub mod threads;

use std::path::PathBuf;

use crate::core::record::{Key, Record, Stored, StoredReport};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the state directory {} is in use by another playheadd; stop it, or give --state-dir", dir.display())]
    InUse { dir: PathBuf },
    #[error("the store {} could not be {tried}", path.display())]
    Io { path: PathBuf, tried: &'static str, source: std::io::Error },
    /// The files there are not a readable database.
    #[error("the store {} is broken: {why}", path.display())]
    Broken { path: PathBuf, why: String },
}

impl StoreError {
    /// Whether the disk has no room. sled can be closed then.
    pub fn is_full(&self) -> bool {
        let StoreError::Io { source, .. } = self else { return false };
        source.kind() == std::io::ErrorKind::StorageFull
    }

    /// The error with its cause, in one line.
    pub fn report(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}

/// Gathers what a scan of a store yields. Records that cannot be read are counted, not fatal.
#[derive(Default)]
struct StoredBuilder {
    stored: Stored,
    unreadable: usize,
}

impl StoredBuilder {
    fn take(&mut self, key: &[u8], value: &[u8]) {
        match codec::decode(key, value) {
            Some((Key::Meta, Record::Meta(meta))) => self.stored.meta = Some(meta),
            Some((Key::Media(n), Record::Media(media))) => self.stored.media.push((n, media)),
            Some((Key::Session(n), Record::Session(s))) => self.stored.sessions.push((n, *s)),
            Some((Key::Log(n), Record::Log(log))) => self.stored.logs.push((n, *log)),
            Some((Key::Heartbeat(n), Record::Heartbeat(heartbeat))) => {
                self.stored.heartbeats.push((n, *heartbeat));
            }
            Some((Key::Resume(app, media), Record::Resume(point))) => {
                self.stored.points.push((app, media, point));
            }
            Some((Key::Rejected(number), Record::Rejected(rejected))) => {
                self.stored.rejected.push((number, (*rejected).into()));
                self.stored.next_rejected = number.saturating_add(1);
            }
            _ => self.unreadable += 1,
        }
    }

    /// The number of the first report that the log's record does not cover; the start reads reports
    /// from there on. `None` for a log without a record, of which one report is enough.
    fn newest_from(&self, log: u64) -> Option<u64> {
        let (_, record) = self.stored.logs.iter().find(|(key, _)| *key == log)?;
        Some(record.summary.next)
    }

    /// A report among the newest of its log.
    fn take_report(&mut self, log: u64, number: u64, stored: StoredReport) {
        match self.stored.newest.last_mut() {
            Some((last, reports)) if *last == log => reports.push((number, stored)),
            _ => self.stored.newest.push((log, vec![(number, stored)])),
        }
    }

    fn done(self) -> Stored {
        if self.unreadable > 0 {
            tracing::warn!(
                records = self.unreadable,
                "the store holds records that this version cannot read; they are left alone"
            );
        }
        self.stored
    }
}
