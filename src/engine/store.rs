//! What the store is asked to do, one job at a time. Batches that could not be written are kept,
//! merged and tried again (behaviour.md 2.9). All batches that wait are one job, so that they
//! share one sync.

use std::collections::VecDeque;
use std::sync::Arc;

use super::squash::{self, Squashed};
use crate::core::message_ids as ids;
use crate::core::record::{Batch, Key, Read, ReadId, ReadReports, Record, StoreState, Stored};
use crate::core::time::{BootInstant, Span};

/// How long after a failure the store is tried again.
pub(super) const RETRY: Span = Span::seconds(5);
/// A job that takes longer is given up for the present: nobody waits for it any more.
pub(super) const PATIENCE: Span = Span::seconds(10);
/// When more batches wait, they are put together.
const MOST_APART: usize = 64;
/// When this much waits for a store that works, players have to wait too.
const MOST_BEHIND: u64 = 2 << 20;
/// Unused memory is given back after `TIDY_EVERY` batches, or after `TIDY_FROM` batches and then
/// `TIDY_AFTER` without one.
const TIDY_EVERY: usize = 256;
const TIDY_FROM: usize = 64;
const TIDY_AFTER: Span = Span::seconds(2);

/// Something that the store is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum StoreJob {
    /// Writes batches in order; the last write of them is synced if one of them asks for it.
    Write(Arc<Vec<Batch>>),
    Read(Read),
    /// Reads a store that could not be read when the agent started.
    Join,
    /// Deletes everything that is stored of older generations, so that no old byte is left
    /// (behaviour.md 2.10).
    Wipe {
        generation: u64,
    },
    /// Gives back memory that is not used.
    Tidy,
}

/// What became of a job.
#[derive(Debug)]
pub enum StoreDone {
    Written(Result<(), String>),
    Read(Result<ReadReports, String>),
    /// What the store holds, or why it cannot be read yet.
    Joined(Result<Box<Stored>, String>),
    Wiped(Result<(), String>),
    Tidied,
}

/// What the engine learns from a finished job.
#[derive(Debug, PartialEq)]
pub(super) enum JobResult {
    /// Every batch up to this one is in the store.
    Written(u64),
    /// The batches up to this one could not be written; they are kept.
    Failed(u64),
    Read(ReadId, ReadReports),
    /// The store that could not be read at the start holds this.
    Joined(Box<Stored>),
    Nothing,
}

#[derive(Debug)]
pub(super) struct StoreQueue {
    /// The job under way, and since when.
    job: Option<(Job, BootInstant)>,
    /// The job under way takes too long.
    stuck: bool,
    /// Batches that are not handed over yet: the older ones put together, if there are many, and
    /// the newer ones.
    squashed: Option<Squashed>,
    batches: Vec<Batch>,
    /// Bytes of the newer ones, and of the job under way.
    batch_bytes: u64,
    job_bytes: u64,
    reads: VecDeque<Read>,
    /// Everything stored of older generations is to be deleted, once `may_wipe` was called.
    wipe: Option<u64>,
    wipe_waits: bool,
    /// The old store could not be read at the start. Nothing is written before it is.
    unread: bool,
    /// It is read now, and was not written since.
    joined: bool,
    healthy: bool,
    /// Why it is not.
    why: String,
    /// A store that could not be written is not tried again before this.
    retry_at: BootInstant,
    /// A failed read is not tried again before this; it does not delay writes.
    read_at: BootInstant,
    /// Batches since the last tidying, and when the last one came.
    untidy: usize,
    last_write: BootInstant,
}

#[derive(Debug)]
enum Job {
    Write(Arc<Vec<Batch>>),
    Read(Read),
    Other,
}

impl StoreQueue {
    pub fn new(state: StoreState, now: BootInstant) -> StoreQueue {
        let mut retry_at = now + RETRY;
        match &state {
            StoreState::Works => retry_at = BootInstant(i64::MIN),
            StoreState::Unwritable(error) => {
                tracing::error!(
                    message_id = ids::STORE_FAILS,
                    error,
                    "the store can be read but not written; what changes is kept in memory"
                );
            }
            StoreState::Unread(error) => {
                let message_id = ids::STORE_FAILS;
                tracing::error!(
                    message_id,
                    error,
                    "the store cannot be read; going on from memory"
                );
            }
        }
        StoreQueue {
            job: None,
            stuck: false,
            squashed: None,
            batches: Vec::new(),
            batch_bytes: 0,
            job_bytes: 0,
            reads: VecDeque::new(),
            wipe: None,
            wipe_waits: false,
            joined: false,
            unread: matches!(state, StoreState::Unread(_)),
            healthy: state == StoreState::Works,
            why: match state {
                StoreState::Works => String::new(),
                StoreState::Unwritable(why) | StoreState::Unread(why) => why,
            },
            retry_at,
            read_at: BootInstant(i64::MIN),
            untidy: TIDY_EVERY,
            last_write: BootInstant(i64::MIN),
        }
    }

    pub fn healthy(&self) -> bool {
        self.healthy
    }

    /// Why the store cannot be written at present.
    pub fn failing(&self) -> Option<&str> {
        (!self.healthy).then_some(self.why.as_str())
    }

    pub fn is_free(&self) -> bool {
        self.job.is_none()
    }

    /// Whether a job is under way, or a wipe or a batch waits.
    pub fn busy(&self) -> bool {
        self.job.is_some() || self.wipe.is_some() || self.has_batches()
    }

    /// Whether more is to be done when the job under way is.
    pub fn has_more(&self) -> bool {
        let more = self.has_batches() || !self.reads.is_empty() || self.wipe.is_some();
        more || self.unread || !self.healthy || self.stuck
    }

    /// Whether the store works, but is so far behind that nobody may give it more.
    pub fn crowded(&self) -> bool {
        self.healthy && self.bytes() > MOST_BEHIND
    }

    /// Whether it is so far behind that it gets not even what is small.
    pub fn overcrowded(&self) -> bool {
        self.healthy && self.bytes() > 2 * MOST_BEHIND
    }

    /// Bytes of everything that was handed to it and is not written, about.
    pub fn bytes(&self) -> u64 {
        let squashed = self.squashed.as_ref().map_or(0, Squashed::bytes);
        squashed + self.batch_bytes + self.job_bytes
    }

    pub fn write(&mut self, batch: Batch) {
        self.batch_bytes += bytes_of(&batch);
        self.batches.push(batch);
        if self.batches.len() > MOST_APART {
            self.squash();
        }
    }

    fn squash(&mut self) {
        let squashed = self.squashed.get_or_insert_default();
        std::mem::take(&mut self.batches).into_iter().for_each(|batch| squashed.add(batch));
        self.batch_bytes = 0;
    }

    fn has_batches(&self) -> bool {
        self.squashed.is_some() || !self.batches.is_empty()
    }

    /// The number of the newest batch that waits.
    fn newest_batch(&self) -> Option<u64> {
        let squashed = self.squashed.as_ref().map(Squashed::number);
        self.batches.last().map(|batch| batch.number).or(squashed)
    }

    fn take_batches(&mut self) -> Arc<Vec<Batch>> {
        self.job_bytes = self.bytes();
        self.batch_bytes = 0;
        let squashed = self.squashed.take().map(Squashed::into_batch);
        Arc::new(squashed.into_iter().chain(std::mem::take(&mut self.batches)).collect())
    }

    fn drop_batches(&mut self) {
        self.squashed = None;
        self.batches.clear();
        self.batch_bytes = 0;
    }

    pub fn read(&mut self, read: Read) {
        self.reads.push_back(read);
    }

    /// Deletes everything of generations older than this that is stored or waits to be. If it
    /// `waits`, the stored part is deleted after `may_wipe`.
    pub fn wipe(&mut self, generation: u64, waits: bool) {
        self.drop_batches();
        self.reads.clear();
        self.wipe = Some(generation);
        self.wipe_waits = waits;
        // An earlier failure does not delay it.
        self.retry_at = BootInstant(i64::MIN);
    }

    /// The consent file says that the viewer has opted out, or cannot be written.
    pub fn may_wipe(&mut self) {
        self.wipe_waits = false;
    }

    /// The newest batch that is not in the store, if the store cannot be written at present or
    /// takes too long: no step may wait for it then.
    pub fn given_up(&mut self, now: BootInstant) -> Option<u64> {
        let late = self.job.as_ref().is_some_and(|(_, since)| now - *since >= PATIENCE);
        if late && !self.stuck {
            self.stuck = true;
            self.healthy = false;
            "it does not answer".clone_into(&mut self.why);
            let message_id = ids::STORE_FAILS;
            tracing::error!(message_id, "the store does not answer; going on from memory");
        }
        let under_way = match &self.job {
            Some((Job::Write(batches), _)) if self.stuck => batches.last().map(|b| b.number),
            _ => None,
        };
        let newest = self.newest_batch().or(under_way)?;
        (self.stuck || (!self.healthy && self.retry_at > BootInstant(i64::MIN))).then_some(newest)
    }

    /// When the next try or the next tidying is due.
    pub fn deadline(&self) -> Option<BootInstant> {
        if let Some((_, since)) = self.job {
            return (!self.stuck).then(|| since + PATIENCE);
        }
        let writing = (self.busy() || self.unread) && !(self.wipe.is_some() && self.wipe_waits);
        let writing = writing.then_some(self.retry_at);
        let may_read = self.wipe.is_none() && !self.unread && !self.reads.is_empty();
        let reading = may_read.then_some(self.read_at);
        if let Some(due) = [writing, reading].into_iter().flatten().min() {
            return Some(due);
        }
        let tidy = self.untidy >= TIDY_FROM && self.wipe.is_none();
        tidy.then(|| self.last_write + TIDY_AFTER)
    }

    /// The next job, if the store is free and there is one.
    pub fn next(&mut self, now: BootInstant) -> Option<StoreJob> {
        if self.job.is_some() {
            return None;
        }
        let (job, asked) = self.choose(now)?;
        self.job = Some((job, now));
        Some(asked)
    }

    fn choose(&mut self, now: BootInstant) -> Option<(Job, StoreJob)> {
        let may_write = now >= self.retry_at;
        if let Some(generation) = self.wipe {
            // What lies there is as good as deleted, so nothing else is done before.
            let may_wipe = may_write && !self.wipe_waits;
            return may_wipe.then_some((Job::Other, StoreJob::Wipe { generation }));
        }
        if self.unread {
            return may_write.then_some((Job::Other, StoreJob::Join));
        }
        if may_write && self.has_batches() {
            if std::mem::take(&mut self.joined) {
                // The old sessions must not seem to be of this boot, not even between two batches.
                self.squash();
            }
            let batches = self.take_batches();
            self.untidy += batches.len();
            self.last_write = now;
            return Some((Job::Write(batches.clone()), StoreJob::Write(batches)));
        }
        if now >= self.read_at
            && let Some(read) = self.reads.pop_front()
        {
            return Some((Job::Read(read), StoreJob::Read(read)));
        }
        let at_rest = self.untidy >= TIDY_FROM && now - self.last_write >= TIDY_AFTER;
        if may_write && (at_rest || self.untidy >= TIDY_EVERY) {
            self.untidy = 0;
            return Some((Job::Other, StoreJob::Tidy));
        }
        None
    }

    /// The job under way is done.
    pub fn done(&mut self, done: StoreDone, now: BootInstant) -> JobResult {
        self.stuck = false;
        self.job_bytes = 0;
        match (self.job.take().map(|(job, _)| job), done) {
            (Some(Job::Write(batches)), StoreDone::Written(Ok(()))) => {
                self.works();
                batches.last().map_or(JobResult::Nothing, |batch| JobResult::Written(batch.number))
            }
            (Some(Job::Write(batches)), StoreDone::Written(Err(error))) => {
                self.failed(&error, now);
                if self.wipe.is_some() {
                    // The batches are of the generation that is being deleted.
                    return JobResult::Nothing;
                }
                let failed = Arc::try_unwrap(batches).unwrap_or_else(|shared| Vec::clone(&shared));
                let waiting = self.squashed.take().map(Squashed::into_batch);
                self.squashed = Some(squash::squashed(failed.into_iter().chain(waiting)));
                self.squash();
                self.not_written()
            }
            (Some(Job::Read(asked)), StoreDone::Read(Ok(mut read))) => {
                // Batches that wait for the store to heal have deleted some of them.
                read.reports.retain(|(number, _)| !self.deletes(asked.range.log, *number));
                JobResult::Read(asked.id, read)
            }
            (Some(Job::Read(read)), StoreDone::Read(Err(error))) => {
                tracing::warn!(error, "the store cannot be read; tried again");
                if self.wipe.is_none() {
                    self.reads.push_front(read);
                }
                self.read_at = now + RETRY;
                JobResult::Nothing
            }
            (_, StoreDone::Joined(Ok(stored))) if self.wipe.is_none() => {
                tracing::info!("the store that could not be read at the start is read now");
                self.unread = false;
                self.retry_at = now;
                self.joined = true;
                JobResult::Joined(stored)
            }
            (_, StoreDone::Joined(Err(error))) => {
                self.failed(&error, now);
                self.not_written()
            }
            (_, StoreDone::Wiped(Ok(()))) => {
                self.wipe = None;
                self.unread = false;
                self.works();
                JobResult::Nothing
            }
            (_, StoreDone::Wiped(Err(error))) => {
                self.failed(&error, now);
                self.not_written()
            }
            _ => JobResult::Nothing,
        }
    }

    fn not_written(&self) -> JobResult {
        self.newest_batch().map_or(JobResult::Nothing, JobResult::Failed)
    }

    /// Whether a waiting batch deletes a report.
    fn deletes(&self, log: u64, number: u64) -> bool {
        self.squashed.as_ref().is_some_and(|squashed| squashed.deletes(log, number))
            || self.batches.iter().any(|batch| squash::deletes(batch, log, number))
    }

    fn works(&mut self) {
        if !self.healthy {
            tracing::info!("the store can be written again");
        }
        self.healthy = true;
        self.retry_at = BootInstant(i64::MIN);
    }

    fn failed(&mut self, error: &str, now: BootInstant) {
        if self.healthy {
            let message_id = ids::STORE_FAILS;
            tracing::error!(message_id, error, "the store cannot be written; going on from memory");
        }
        self.healthy = false;
        error.clone_into(&mut self.why);
        self.retry_at = now + RETRY;
    }
}

fn bytes_of(batch: &Batch) -> u64 {
    let change = |(key, record): &(Key, Option<Record>)| {
        key.stored_bytes() + record.as_ref().map_or(0, Record::stored_bytes)
    };
    batch.changes.iter().map(change).sum()
}

#[cfg(test)]
mod tests;
