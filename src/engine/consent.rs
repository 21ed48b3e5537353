//! Keeps the consent file up to date: the newest record is written until it is there, and the
//! replies to those who set it wait for that (behaviour.md 2.9).

use super::store::RETRY;
use crate::core::record::ConsentRecord;
use crate::core::time::BootInstant;
use crate::core::turn::Step;

#[derive(Debug)]
pub(super) struct ConsentQueue {
    /// The newest record that is not written yet.
    record: Option<ConsentRecord>,
    /// The revision that is being written.
    writing: Option<u64>,
    /// A file that could not be written is not tried again before this.
    retry_at: BootInstant,
    /// Replies, and the revision that each waits for.
    replies: Vec<(u64, Step)>,
}

impl ConsentQueue {
    pub fn new() -> ConsentQueue {
        let retry_at = BootInstant(i64::MIN);
        ConsentQueue { record: None, writing: None, retry_at, replies: Vec::new() }
    }

    /// Takes a record to be written and the reply that waits for it.
    pub fn write(&mut self, record: ConsentRecord, reply: Option<Step>) {
        self.replies.extend(reply.map(|reply| (record.revision, reply)));
        self.record = Some(record);
        self.retry_at = BootInstant(i64::MIN);
    }

    /// The record to be written now.
    pub fn next(&mut self, now: BootInstant) -> Option<ConsentRecord> {
        if self.writing.is_some() || now < self.retry_at {
            return None;
        }
        let record = self.record.clone()?;
        self.writing = Some(record.revision);
        Some(record)
    }

    pub fn deadline(&self) -> Option<BootInstant> {
        (self.writing.is_none() && self.record.is_some()).then_some(self.retry_at)
    }

    /// Whether a reply waits, or a record that was not tried yet.
    pub fn busy(&self) -> bool {
        let untried = self.record.is_some() && self.retry_at == BootInstant(i64::MIN);
        self.writing.is_some() || untried
    }

    /// A write is done. Gives the replies that waited for it.
    pub fn done(&mut self, written: &Result<(), String>, now: BootInstant) -> Vec<Step> {
        let Some(revision) = self.writing.take() else { return Vec::new() };
        let newest = self.record.as_ref().is_some_and(|record| record.revision == revision);
        match written {
            Ok(()) if newest => self.record = None,
            Ok(()) => {}
            Err(error) => {
                tracing::error!(error, "the consent file cannot be written; tried again");
                if newest {
                    self.retry_at = now + RETRY;
                }
            }
        }
        let mut done = Vec::new();
        self.replies.retain_mut(|(waits_for, reply)| {
            let ready = *waits_for <= revision;
            if ready {
                done.push(reply.clone());
            }
            !ready
        });
        done
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
        let mut queue = ConsentQueue::new();
        queue.write(record(2), Some(reply(1)));
        assert_eq!(queue.next(T0), Some(record(2)));
        queue.write(record(3), Some(reply(2)));
        queue.write(record(4), Some(reply(3)));
        assert_eq!(queue.next(T0), None, "one at a time");
        assert_eq!(queue.done(&Ok(()), T0), [reply(1)]);
        assert_eq!(queue.next(T0), Some(record(4)));
        assert_eq!(queue.done(&Ok(()), T0), [reply(2), reply(3)]);
        assert!(!queue.busy() && queue.deadline().is_none());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_tried_again() {
        let mut queue = ConsentQueue::new();
        queue.write(record(2), Some(reply(1)));
        assert!(queue.next(T0).is_some());
        assert_eq!(queue.done(&Err("read-only".into()), T0), [reply(1)], "nobody waits");
        assert!(!queue.busy(), "a stop does not wait either");
        assert_eq!(queue.next(T0), None);
        assert_eq!(queue.deadline(), Some(T0 + RETRY));
        assert_eq!(queue.next(T0 + RETRY), Some(record(2)));
        assert!(queue.done(&Ok(()), T0).is_empty());
        assert_eq!(queue.deadline(), None);
    }
}
