//! How a request to a collector ends.

use serde_json::Value;

use crate::core::dialect::exchange::{self, MOST_ANSWER_BYTES};

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The label of the session that the request is for, or that it opened: `S1`, `S2`, ... An id that the
    /// collector does not know stands as it was sent.
    pub sid: Option<String>,
    pub outcome: Outcome,
}

/// A plan, and whether the backend or a fault rule made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedAnswer {
    pub plan: Plan,
    /// The backend took it: it opened a session, was counted in one, or was stored as a batch.
    pub counted: bool,
    /// A rule, not the backend, chose the status or the body, or withheld the answer.
    pub fault: bool,
    /// Why the backend refused it, in one sentence; never because of a rule.
    pub refusal: Option<String>,
    /// How many of its records had been taken before, where the protocol tells repeats apart.
    pub repeated: usize,
}

/// How a request ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An answer. `delay_ms` is `None` for the usual delay.
    Answer { status: u16, headers: Vec<(String, String)>, body: String, delay_ms: Option<u64> },
    /// No answer, ever.
    Hang,
    /// The connection closes without an answer.
    DropAfterSend,
}

/// Headers and body of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    /// A sentence.
    pub fn text(body: impl Into<String>) -> Reply {
        Reply { headers: Vec::new(), body: body.into() }
    }

    /// A JSON document with its media type.
    pub fn json(media_type: &str, body: &Value) -> Reply {
        let headers = vec![("Content-Type".to_owned(), media_type.to_owned())];
        Reply { headers, body: body.to_string() }
    }

    /// What a rule says: a text as it is, anything else as JSON.
    pub fn told(body: &Value) -> Reply {
        match body {
            Value::String(text) => Reply::text(text.as_str()),
            body => Reply::json("application/json", body),
        }
    }

    /// The answer of this status.
    pub fn with(self, status: u16) -> Outcome {
        let Reply { headers, body } = self;
        Outcome::Answer { status, headers, body, delay_ms: None }
    }
}

impl PlannedAnswer {
    /// The backend took the request.
    pub fn taken(sid: Option<String>, status: u16, reply: Reply) -> PlannedAnswer {
        let plan = Plan { sid, outcome: reply.with(status) };
        PlannedAnswer { plan, counted: true, fault: false, refusal: None, repeated: 0 }
    }

    /// The backend refused it; `why` is one sentence.
    pub fn refused(
        sid: Option<String>,
        status: u16,
        reply: Reply,
        why: impl Into<String>,
    ) -> PlannedAnswer {
        let plan = Plan { sid, outcome: reply.with(status) };
        PlannedAnswer { plan, counted: false, fault: false, refusal: Some(why.into()), repeated: 0 }
    }

    /// A refusal that is a sentence and concerns no session.
    pub fn in_words(status: u16, why: &str) -> PlannedAnswer {
        PlannedAnswer::refused(None, status, Reply::text(why), why)
    }

    /// A rule withheld it from the backend.
    pub fn withheld(sid: Option<String>, outcome: Outcome) -> PlannedAnswer {
        let plan = Plan { sid, outcome };
        PlannedAnswer { plan, counted: false, fault: true, refusal: None, repeated: 0 }
    }
}

/// An answer in the form in which the agent gets it.
pub fn answered(status: u16, headers: &[(String, String)], body: String) -> exchange::Outcome {
    let header = |name: &str| {
        headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    };
    exchange::Outcome::Answered {
        status,
        location: header("location").map(str::to_owned),
        retry_after: header("retry-after").and_then(crate::collector::retry_after),
        body: shortened(body),
    }
}

/// What the agent reads of a body.
fn shortened(mut body: String) -> String {
    let mut end = body.len().min(MOST_ANSWER_BYTES);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    body.truncate(end);
    body
}
