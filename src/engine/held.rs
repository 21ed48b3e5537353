//! What of a turn is carried out at once, and what is held until its batch is written (behaviour.md
//! 2.9): replies, requests and notices.

use super::{Action, Engine};
use crate::core::record::{ConsentRecord, Durability};
use crate::core::rejected::{Refusal, Rejected};
use crate::core::settings::{CollectorSettings, Settings};
use crate::core::time::Now;
use crate::core::turn::{Reply, Step, Turn};

/// Steps that wait for a batch, and whether the batch has to be synced.
#[derive(Debug)]
pub(super) struct Held {
    pub batch: u64,
    pub synced: bool,
    pub steps: Vec<Step>,
}

impl Engine {
    pub(super) fn carry_out(&mut self, turn: Turn, now: Now) {
        let (mut batch, mut waiting) = (None, Vec::new());
        let mut consent = None;
        for step in turn.steps() {
            match step {
                Step::Consent(record) => consent = Some(record),
                Step::Wipe(generation) => {
                    // Nothing that was held or is under way may be sent any more.
                    self.flying.clear();
                    self.actions.push(Action::DropRequests);
                    self.probe_again();
                    for held in &mut self.held {
                        held.steps.retain(|step| !matches!(step, Step::Send(_)));
                    }
                    // The consent file comes first, if it is to change.
                    self.wipe_after =
                        consent.as_ref().map(|record: &ConsentRecord| record.revision);
                    self.store.wipe(generation, self.wipe_after.is_some());
                }
                Step::Write(b) => {
                    batch = Some((b.number, b.durability == Durability::Synced));
                    self.store.write(b);
                }
                Step::Read(read) => self.store.read(read),
                Step::Reconnect => self.actions.push(Action::Reconnect),
                // Consent lies beside the store and does not wait for it.
                reply @ Step::Reply(..) if consent.is_some() => {
                    if let Some(record) = consent.take() {
                        self.consent.write(record, Some(reply));
                    }
                }
                Step::Reply(call, result) if batch.is_none() || result.is_err() => {
                    self.actions.push(Action::Reply(call, result));
                }
                step => waiting.push(step),
            }
        }
        if let Some(record) = consent {
            self.consent.write(record, None);
        }
        let last = self.held.back().map(|held| held.batch);
        match (batch, last) {
            (Some((batch, synced)), _) => {
                self.held.push_back(Held { batch, synced, steps: waiting });
            }
            (None, Some(_)) if waiting.is_empty() => {}
            (None, Some(batch)) => {
                self.held.push_back(Held { batch, synced: false, steps: waiting });
            }
            (None, None) => self.release(waiting, now),
        }
    }

    /// A request that waits for its batch does not go to another collector than the one that it was made
    /// for. Its lane makes another one.
    pub(super) fn drop_held_for_others(&mut self, new: &Settings) {
        let old = &self.agent.settings().collectors;
        let same = |name: &str| {
            let of = |all: &[CollectorSettings]| {
                all.iter().find(|c| c.name == name).map(|c| (c.kind.clone(), c.url.clone()))
            };
            of(old) == of(&new.collectors)
        };
        for held in &mut self.held {
            held.steps.retain(|step| match step {
                Step::Send(request) => same(&request.collector),
                _ => true,
            });
        }
    }

    /// Every batch up to this one is written, or could not be.
    pub(super) fn released(&mut self, batch: u64, written: bool, now: Now) {
        while self.held.front().is_some_and(|held| held.batch <= batch) {
            let Some(mut held) = self.held.pop_front() else { break };
            if !written && held.synced {
                refuse_promises(&mut held.steps);
            }
            self.release(held.steps, now);
        }
    }

    pub(super) fn release(&mut self, steps: Vec<Step>, now: Now) {
        for step in steps {
            match step {
                Step::Send(request) => {
                    if let Some(trace) = &mut self.trace {
                        let several = self.agent.settings().collectors.len() > 1;
                        let line = trace.request(&request, several, now).to_string();
                        self.actions.push(Action::Show(line));
                    }
                    self.flying.insert(request.id);
                    self.actions.push(Action::Send(request));
                }
                Step::Reply(call, result) => self.actions.push(Action::Reply(call, result)),
                Step::Announce(notice) => self.actions.push(Action::Announce(notice)),
                // `carry_out` hands these to the store at once.
                Step::Consent(_)
                | Step::Wipe(_)
                | Step::Write(_)
                | Step::Read(_)
                | Step::Reconnect => {}
            }
        }
    }
}

/// Turns replies into errors: the store could not keep what they promise (behaviour.md 2.9).
pub(super) fn refuse_promises(steps: &mut [Step]) {
    for step in steps {
        if let Step::Reply(_, result @ Ok(_)) = step {
            let opened = match result {
                Ok(Reply::Session(number)) => format!(" as session {number}"),
                _ => String::new(),
            };
            *result = Err(Rejected::new(
                Refusal::Storage,
                format!("done{opened}, but the store cannot be written: a power cut would undo it"),
            ));
        }
    }
}
