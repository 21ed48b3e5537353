//! What an application manager says of applications: foreground, background, stopped. It is said in its
//! order among all that the sessions of this agent say, because `Play` in the background ends the
//! interrupt.

use super::answers::{Failure, Meaning};
use super::calls::Request;
use super::state::Step;
use super::{CALL_LIMIT, CallId, Micros, PENDING, Queue};
use crate::error::ErrorKind;

/// How many changes wait at most.
const LIFECYCLE_MAX: usize = 32;
/// How soon what the agent takes later is said again.
const LATER: Micros = super::SECOND;

const CALL: &str = "NotifyLifecycle";

#[derive(Debug)]
pub(super) struct Change {
    app: String,
    state: &'static str,
    at: Micros,
    /// The first message that was said after it.
    before: u64,
    call: Option<(CallId, Micros)>,
    /// The agent has refused for a while: when it is tried again.
    later: Option<Micros>,
}

impl Queue {
    /// What happens to an application.
    pub(crate) fn lifecycle(&mut self, now: Micros, app: &str, state: &'static str) {
        if self.closing.is_some() {
            self.fail(None, CALL, ErrorKind::NoSession, super::CLOSED);
            return;
        }
        if self.lifecycle.len() >= LIFECYCLE_MAX {
            self.lifecycle.remove(0);
            let why = format!("more than {LIFECYCLE_MAX} changes of applications waited");
            self.fail(None, CALL, ErrorKind::Dropped(1), why);
        }
        self.lifecycle.push(Change {
            app: app.to_owned(),
            state,
            at: now,
            before: self.next_message,
            call: None,
            later: None,
        });
    }

    /// The first message that has to wait for a change.
    pub(super) fn held_back(&self) -> u64 {
        self.lifecycle.first().map_or(u64::MAX, |change| change.before)
    }

    /// The first change, when all that was said before it is done.
    pub(super) fn next_lifecycle(&mut self, now: Micros, id: CallId) -> Option<Request> {
        let first = self.messages.front().map_or(u64::MAX, |message| message.number);
        let away = self.away.is_some_and(|until| now < until);
        let change = self.lifecycle.first_mut()?;
        let waits = change.call.is_some() || change.later.is_some_and(|until| now < until);
        if waits || away || first < change.before {
            return None;
        }
        change.call = Some((id, now));
        Some(Request::Lifecycle { app: change.app.clone(), state: change.state })
    }

    /// False: the answer is to something else.
    pub(super) fn lifecycle_answered(
        &mut self,
        now: Micros,
        id: CallId,
        failure: Option<&Failure>,
    ) -> bool {
        let answers = |change: &Change| change.call.is_some_and(|(call, _)| call == id);
        let Some(index) = self.lifecycle.iter().position(answers) else { return false };
        match failure.map(|failure| (failure, failure.meaning(Step::Open))) {
            Some((_, Meaning::Away)) => {
                self.away = Some(now + super::RETRY);
                self.lifecycle_unsent();
                return true;
            }
            Some((_, Meaning::Later)) => {
                self.away = None;
                if let Some(change) = self.lifecycle.get_mut(index) {
                    change.call = None;
                    change.later = Some(now + LATER);
                }
                return true;
            }
            Some((failure, _)) => {
                self.away = None;
                self.fail(None, CALL, failure.kind(), failure.message.clone());
            }
            None => self.away = None,
        }
        self.lifecycle.remove(index);
        true
    }

    /// The calls that are under way are lost.
    pub(super) fn lifecycle_unsent(&mut self) {
        for change in &mut self.lifecycle {
            change.call = None;
        }
    }

    pub(super) fn lifecycle_waits_for(&self, id: CallId) -> bool {
        self.lifecycle.iter().any(|change| change.call.is_some_and(|(call, _)| call == id))
    }

    pub(super) fn tick_lifecycle(&mut self, now: Micros) {
        if self.lifecycle.iter().any(|c| c.call.is_some_and(|(_, sent)| sent + CALL_LIMIT <= now)) {
            self.away = Some(now + super::RETRY);
            self.lifecycle_unsent();
        }
        while self.lifecycle.first().is_some_and(|change| change.at < now - PENDING) {
            self.lifecycle.remove(0);
            let why = format!("waited for more than {} s", PENDING / super::SECOND);
            self.fail(None, CALL, ErrorKind::Dropped(1), why);
        }
    }

    pub(super) fn lifecycle_deadlines(&self) -> impl Iterator<Item = Micros> {
        let change = |change: &Change| {
            [
                Some(change.at + PENDING + 1),
                change.call.map(|(_, sent)| sent + CALL_LIMIT),
                change.later,
            ]
        };
        self.lifecycle.iter().flat_map(change).flatten()
    }
}
