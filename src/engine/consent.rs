//! Keeps the consent file up to date: the newest record is written until it is there, and the
//! replies to those who set it wait for that (behaviour.md 2.9).

use super::store::{PATIENCE, RETRY};
use crate::core::message_ids as ids;
use crate::core::record::{ConsentRecord, ConsentState};
use crate::core::time::BootInstant;
use crate::core::turn::Step;

#[derive(Debug)]
pub(super) struct ConsentQueue {
    /// The newest record that is not written yet.
    record: Option<ConsentRecord>,
    /// The file could not be read at the start.
    unread: bool,
    /// What is being done: a revision that is being written, or the file that is being read; and
    /// since when.
    doing: Option<(Doing, BootInstant)>,
    /// It takes too long.
    stuck: bool,
    /// A file that could not be written is not tried again before this.
    retry_at: BootInstant,
    /// Replies, and the revision that each waits for.
    replies: Vec<(u64, Step)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Writing(u64),
    Reading,
}

/// Something to do with the consent file; one thing at a time.
#[derive(Debug, Clone, PartialEq)]
pub enum ConsentJob {
    /// Write it, synced.
    Write(ConsentRecord),
    /// Read it; `None` when there is none.
    Read,
}

/// What became of it.
#[derive(Debug)]
pub enum ConsentDone {
    Written(Result<(), String>),
    Read(Result<Option<ConsentRecord>, String>),
}

impl ConsentQueue {
    /// `record` is what the agent started with.
    pub fn new(state: ConsentState, record: &ConsentRecord, now: BootInstant) -> ConsentQueue {
        let mut queue = ConsentQueue {
            record: (state == ConsentState::Unsaved).then(|| record.clone()),
            unread: state == ConsentState::Unread,
            doing: None,
            stuck: false,
            retry_at: BootInstant(i64::MIN),
            replies: Vec::new(),
        };
        if state != ConsentState::Saved {
            queue.retry_at = now + RETRY;
        }
        queue
    }

    /// Takes a record to be written and the reply that waits for it.
    pub fn write(&mut self, record: ConsentRecord, reply: Option<Step>) {
        self.replies.extend(reply.map(|reply| (record.revision, reply)));
        self.record = Some(record);
        // What the file says does not count any more.
        self.unread = false;
        self.retry_at = BootInstant(i64::MIN);
    }

    /// What is to be done now.
    pub fn next(&mut self, now: BootInstant) -> Option<ConsentJob> {
        if self.doing.is_some() || now < self.retry_at {
            return None;
        }
        if let Some(record) = self.record.clone() {
            self.doing = Some((Doing::Writing(record.revision), now));
            return Some(ConsentJob::Write(record));
        }
        self.unread.then(|| {
            self.doing = Some((Doing::Reading, now));
            ConsentJob::Read
        })
    }

    pub fn deadline(&self) -> Option<BootInstant> {
        if let Some((_, since)) = self.doing {
            return (!self.stuck).then(|| since + PATIENCE);
        }
        let waits = self.record.is_some() || self.unread;
        waits.then_some(self.retry_at)
    }

    /// Nobody waits for a file that takes too long to be written or read, nor for what is to be
    /// written after that. Gives the replies that wait; `None` when it does not take too long.
    pub fn given_up(&mut self, now: BootInstant) -> Option<Vec<Step>> {
        let (_, since) = self.doing?;
        if now - since < PATIENCE {
            return None;
        }
        if !self.stuck {
            let message_id = ids::STORE_FAILS;
            tracing::error!(message_id, "the consent file does not answer");
        }
        self.stuck = true;
        Some(self.replies_to(u64::MAX))
    }

    /// Whether a reply waits, or a record that was not tried yet.
    pub fn busy(&self) -> bool {
        let untried = self.record.is_some() && self.retry_at == BootInstant(i64::MIN);
        let writing = matches!(self.doing, Some((Doing::Writing(_), _)));
        !self.stuck && (writing || untried)
    }

    /// The file was read. Gives what it holds, if that counts.
    pub fn read(
        &mut self,
        read: Result<Option<ConsentRecord>, String>,
        ours: &ConsentRecord,
        now: BootInstant,
    ) -> Option<ConsentRecord> {
        (self.doing, self.stuck) = (None, false);
        if !self.unread {
            return None;
        }
        match read {
            Ok(found) => {
                self.unread = false;
                if found.is_none() {
                    self.write(ours.clone(), None);
                }
                found
            }
            Err(error) => {
                tracing::debug!(error, "the consent file still cannot be read");
                self.retry_at = now + RETRY;
                None
            }
        }
    }

    /// A write is done. Gives its revision and the replies that waited for it.
    pub fn written(
        &mut self,
        written: &Result<(), String>,
        now: BootInstant,
    ) -> Option<(u64, Vec<Step>)> {
        self.stuck = false;
        let (Doing::Writing(revision), _) = self.doing.take()? else { return None };
        let newest = self.record.as_ref().is_some_and(|record| record.revision == revision);
        match written {
            Ok(()) if newest => self.record = None,
            Ok(()) => {}
            Err(error) => {
                let message_id = ids::STORE_FAILS;
                tracing::error!(
                    message_id,
                    error,
                    "the consent file cannot be written; tried again"
                );
                if newest {
                    self.retry_at = now + RETRY;
                }
            }
        }
        Some((revision, self.replies_to(revision)))
    }

    fn replies_to(&mut self, revision: u64) -> Vec<Step> {
        let ready = self.replies.extract_if(.., |(waits_for, _)| *waits_for <= revision);
        ready.map(|(_, reply)| reply).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::input::CallId;
    use crate::core::turn::Reply;

    const T0: BootInstant = BootInstant(1_000);

    fn record(revision: u64) -> ConsentRecord {
        ConsentRecord { revision, ..ConsentRecord::first("box".into()) }
    }

    fn reply(call: u64) -> Step {
        Step::Reply(CallId(call), Ok(Reply::Done))
    }

    #[test]
    fn the_newest_record_is_written_and_each_reply_waits_for_its_own() {
        let mut queue = ConsentQueue::new(ConsentState::Saved, &record(1), T0);
        queue.write(record(2), Some(reply(1)));
        assert_eq!(queue.next(T0), Some(ConsentJob::Write(record(2))));
        queue.write(record(3), Some(reply(2)));
        queue.write(record(4), Some(reply(3)));
        assert_eq!(queue.next(T0), None, "one at a time");
        assert_eq!(queue.written(&Ok(()), T0), Some((2, vec![reply(1)])));
        assert_eq!(queue.next(T0), Some(ConsentJob::Write(record(4))));
        assert_eq!(queue.written(&Ok(()), T0), Some((4, vec![reply(2), reply(3)])));
        assert!(!queue.busy() && queue.deadline().is_none());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_tried_again() {
        let mut queue = ConsentQueue::new(ConsentState::Saved, &record(1), T0);
        queue.write(record(2), Some(reply(1)));
        assert!(queue.next(T0).is_some());
        let failed = queue.written(&Err("read-only".into()), T0);
        assert_eq!(failed, Some((2, vec![reply(1)])), "nobody waits");
        assert!(!queue.busy(), "a stop does not wait either");
        assert_eq!(queue.next(T0), None);
        assert_eq!(queue.deadline(), Some(T0 + RETRY));
        assert_eq!(queue.next(T0 + RETRY), Some(ConsentJob::Write(record(2))));
        assert_eq!(queue.written(&Ok(()), T0), Some((2, Vec::new())));
        assert_eq!(queue.deadline(), None);
    }

    #[test]
    fn a_file_that_could_not_be_read_counts_unless_somebody_has_spoken() {
        let later = T0 + RETRY;
        let mut queue = ConsentQueue::new(ConsentState::Unread, &record(1), T0);
        assert_eq!(queue.next(T0), None);
        assert_eq!(queue.next(later), Some(ConsentJob::Read));
        assert_eq!(queue.read(Err("EIO".into()), &record(1), later), None);
        assert_eq!(queue.next(later), None);
        assert_eq!(queue.next(later + RETRY), Some(ConsentJob::Read));
        assert_eq!(queue.read(Ok(Some(record(9))), &record(1), later), Some(record(9)));
        assert_eq!(queue.deadline(), None);
        let mut queue = ConsentQueue::new(ConsentState::Unread, &record(1), T0);
        assert!(queue.next(later).is_some());
        queue.write(record(2), None);
        assert_eq!(queue.read(Ok(Some(record(9))), &record(2), later), None);
        assert_eq!(queue.next(later), Some(ConsentJob::Write(record(2))));
    }

    #[test]
    fn nobody_waits_for_a_file_that_does_not_answer() {
        let mut queue = ConsentQueue::new(ConsentState::Saved, &record(1), T0);
        queue.write(record(2), Some(reply(1)));
        assert!(queue.next(T0).is_some() && queue.given_up(T0).is_none());
        assert_eq!(queue.deadline(), Some(T0 + PATIENCE));
        let late = T0 + PATIENCE;
        assert_eq!(queue.given_up(late), Some(vec![reply(1)]));
        assert_eq!(queue.deadline(), None);
        queue.write(record(3), Some(reply(2)));
        assert_eq!(queue.given_up(late), Some(vec![reply(2)]), "nor for the next word");
        assert!(!queue.busy(), "a stop does not wait either");
        assert_eq!(queue.written(&Ok(()), late), Some((2, Vec::new())));
        assert_eq!(
            queue.next(late),
            Some(ConsentJob::Write(record(3))),
            "it is written all the same"
        );
        let mut queue = ConsentQueue::new(ConsentState::Unread, &record(1), T0);
        assert_eq!(queue.next(late), Some(ConsentJob::Read));
        queue.write(record(2), Some(reply(1)));
        assert_eq!(queue.given_up(late + PATIENCE), Some(vec![reply(1)]), "nor for a read");
    }
}
