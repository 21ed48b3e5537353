//! What a protocol says about requests to a collector. Fault rules, and what counts under one, are the
//! same for all (`backend`).

use std::fmt::Debug;

use serde_json::Value;

use super::answer::{PlannedAnswer, Reply};
use super::faults::{Endpoint, Request};

/// One protocol's side of a collector. A method with a path may take it as one that [`Protocol::has`].
pub trait Protocol: Debug {
    /// Whether the protocol has the path.
    fn has(&self, path: &str) -> bool;

    /// The label of the session that a request is for. An id that nobody was given stands as it was sent.
    fn session(&self, path: &str, body: &Value) -> Option<String>;

    /// Refuses a body that breaks a rule of the protocol for which no memory is needed.
    ///
    /// Errors: the answer.
    fn check(&self, path: &str, body: &Value) -> Result<(), Box<PlannedAnswer>>;

    /// What rules ask about a request whose body was checked. It is counted as asked for.
    fn request<'a>(
        &self,
        path: &'a str,
        body: &'a Value,
        numbers: &mut Numbers,
    ) -> Option<Request<'a>>;

    /// Deals with a request whose body was checked.
    fn take(&mut self, arrival: &Arrival<'_>, numbers: &mut Numbers) -> PlannedAnswer;

    /// A rule refuses this body for good: what is missing later is no mistake of the sender.
    fn excuse(&mut self, body: &Value) {
        let _ = body;
    }

    /// The answer to a request whose body could not be read; `why` is one sentence.
    fn refuse_unread(&self, path: &str, status: u16, why: &str) -> PlannedAnswer;

    /// What an answer says whose status a rule has chosen. `normal` is what the backend says when it takes
    /// the request.
    fn reply_of(&self, endpoint: Endpoint, status: u16, normal: Option<Reply>) -> Reply;
}

/// A request, and when it came.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    pub path: &'a str,
    pub body: &'a Value,
    /// Unix time, ms.
    pub now_ms: i64,
    /// What a rule says in place of the body of the answer.
    pub told: Option<&'a Value>,
}

/// What was asked for and accepted so far, over all protocols.
#[derive(Debug, Default)]
pub struct Numbers {
    starts: u64,
    batches: u64,
    sessions: u64,
}

impl Numbers {
    /// Of a start that is asked for, accepted or not.
    pub fn next_start(&mut self) -> u64 {
        next(&mut self.starts)
    }

    /// Of a downloaded session that is asked for, accepted or not.
    pub fn next_batch(&mut self) -> u64 {
        next(&mut self.batches)
    }

    /// Downloaded sessions asked for so far.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Sessions opened so far.
    pub fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Of a session that is opened.
    pub fn next_session(&mut self) -> u64 {
        next(&mut self.sessions)
    }
}

fn next(counter: &mut u64) -> u64 {
    *counter += 1;
    *counter
}

/// The label of a number.
pub fn label(number: u64) -> String {
    format!("S{number}")
}
