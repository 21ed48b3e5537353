//! What goes out to a collector and what comes back, whatever the dialect.

use std::sync::Arc;

use crate::core::time::WallTime;

/// Names a request that is on its way to a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Opens a session at the collector.
    Open,
    /// Reports of a session that is open there, under its id.
    Report { sid: String },
    /// A downloaded session as a whole (spec 7).
    Download,
}

/// A request to a collector: `POST` with a JSON body.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub id: RequestId,
    /// The name of the collector in the settings.
    pub collector: Arc<str>,
    pub purpose: Purpose,
    /// The path below the collector's base URL.
    pub path: String,
    /// JSON text.
    pub body: String,
    /// The dialect needs the body of a 2xx answer.
    pub reads_answer: bool,
}

/// The most of an answer's body that is read, in bytes.
pub const MOST_ANSWER_BYTES: usize = 64 * 1024;

/// What became of a request (spec 1.1).
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The collector answered.
    Answered {
        status: u16,
        /// The answer's `Location` header.
        location: Option<String>,
        retry_after: Option<RetryAfter>,
        /// At most `MOST_ANSWER_BYTES`; empty when the body was not read.
        body: String,
    },
    /// Nothing reached the collector: name, connect or TLS failure.
    Unreachable(String),
    /// The request may have been received: a timeout or a lost connection after it was sent.
    Unanswered(String),
}

impl Outcome {
    /// The beginning of an answer's body, as a log line may have it.
    pub fn message(body: &str) -> String {
        const MOST: usize = 512;
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let mut end = body.len().min(MOST);
        while !body.is_char_boundary(end) {
            end -= 1;
        }
        body[..end].chars().map(printable).collect()
    }
}

/// Both forms of the `Retry-After` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    Seconds(u64),
    Date(WallTime),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_short_and_printable() {
        assert_eq!(Outcome::message("a\nb\u{1b}[2J"), "a b [2J");
        let long = "ä".repeat(1_000);
        assert_eq!(Outcome::message(&long).len(), 512);
    }
}
