//! What the answers of Media Edge mean (edge 7).

use serde_json::Value;

use crate::core::dialect::Verdict;
use crate::core::dialect::exchange::{Cause, Outcome, Problem, Purpose, RetryAfter};
use crate::core::dialect::members::answered;
use crate::core::time::WallTime;

/// What a `type` of Edge's own faults begins with, behind `PREFIX`.
const EDGE: &str = "EXEG-";
/// And those of its media service.
const MEDIA: &str = "va-edge-";
/// Before the name of every fault.
const PREFIX: &str = "https://ns.adobe.com/aep/errors/";
/// The viewer has not agreed, as Adobe knows it.
const NO_CONSENT: &str = "EXEG-0301-200";
/// The identities are not in the form that they should have.
const IDENTITY: [&str; 4] = ["EXEG-0304-400", "EXEG-0305-400", "EXEG-0306-400", "EXEG-0308-400"];

/// The agent's id of a session at Media Edge is `ID`, or `HINT/ID` where the server has given a
/// location hint: the later requests of the session go to that place (edge 2).
pub(super) fn hint_and_id(sid: &str) -> (Option<&str>, &str) {
    sid.split_once('/').map_or((None, sid), |(hint, id)| (Some(hint), id))
}

pub(super) fn judge(purpose: &Purpose, outcome: &Outcome, now: WallTime) -> Verdict {
    match outcome {
        Outcome::Unreachable(problem) => Verdict::Later { after: None, problem: problem.clone() },
        Outcome::Unanswered(problem) => Verdict::Ambiguous { problem: problem.clone() },
        Outcome::Answered { status, retry_after, body, .. } => {
            let document = serde_json::from_str(body).unwrap_or_default();
            let answer = Answer { status: *status, retry_after: *retry_after, body, document };
            answer.judge(purpose, now)
        }
    }
}

struct Answer<'a> {
    status: u16,
    retry_after: Option<RetryAfter>,
    body: &'a str,
    /// `Null` when the body is no JSON.
    document: Value,
}

impl Answer<'_> {
    fn judge(&self, purpose: &Purpose, now: WallTime) -> Verdict {
        let verdict = self.verdict(purpose, now);
        let taken = matches!(verdict, Verdict::Opened { .. } | Verdict::Accepted);
        if taken && self.complaints().next().is_some() {
            // They are of another service, to which the datastream leads too (edge 7.2).
            tracing::info!(answer = self.message(), "Media Edge has taken it, with complaints");
        }
        verdict
    }

    fn verdict(&self, purpose: &Purpose, now: WallTime) -> Verdict {
        match self.status {
            200..=299 if *purpose == Purpose::Open => self.opened(now),
            200..=299 if *purpose == Purpose::Download => self.stored(now),
            200..=299 => Verdict::Accepted,
            400 if IDENTITY.contains(&self.fault()) => self.later(Cause::Identity(400), now),
            400 if self.is_of_edge() => self.later(Cause::Datastream(400), now),
            400 | 413 | 415 => self.refused(),
            422 => self.later(Cause::Datastream(422), now),
            401 | 403 if self.is_of_edge() => self.later(Cause::Datastream(self.status), now),
            404 | 410 if matches!(purpose, Purpose::Report { .. }) => Verdict::Gone,
            _ => self.later(Cause::Status(self.status), now),
        }
    }

    /// An answer to a start that may have opened a session (edge 7.1, 7.2).
    fn opened(&self, now: WallTime) -> Verdict {
        let for_good = |error: &Value| (400..500).contains(&status(error));
        let errors = self.errors();
        match (self.session(), self.server_fault()) {
            (Some(sid), _) => Verdict::Opened { sid },
            (None, Some(fault)) => self.later(Cause::Status(fault), now),
            (None, None) if self.lacks_consent() => self.refused(),
            (None, None) if !errors.is_empty() && errors.iter().all(for_good) => self.refused(),
            (None, None) => self.later(Cause::NoSession(self.status), now),
        }
    }

    /// An answer to a download. A session need not be in it (edge 8), and a complaint of another service
    /// than that of media is not about it.
    fn stored(&self, now: WallTime) -> Verdict {
        let of_media = |error: &Value| name(error).starts_with(MEDIA);
        match (self.session(), self.server_fault()) {
            (Some(_), _) => Verdict::Accepted,
            // Perhaps that of media: better twice than never.
            (None, Some(fault)) => self.later(Cause::Status(fault), now),
            (None, None) if self.lacks_consent() => self.refused(),
            (None, None) if self.errors().iter().any(of_media) => self.refused(),
            (None, None) => Verdict::Accepted,
        }
    }

    /// The id of the new session, behind the hint where it is kept.
    fn session(&self) -> Option<String> {
        let id =
            self.handle("media-analytics:new-session").find_map(|p| p["sessionId"].as_str())?;
        if id.len() != 64 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let of_edge = |payload: &&Value| payload["scope"] == "EdgeNetwork";
        let hint = self.handle("locationHint:result").find(of_edge);
        // It becomes a part of a path.
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let usable = |hint: &&str| (1..=16).contains(&hint.len()) && hint.bytes().all(plain);
        match hint.and_then(|payload| payload["hint"].as_str()).filter(usable) {
            Some(hint) => Some(format!("{hint}/{id}")),
            None => Some(id.to_owned()),
        }
    }

    /// The payloads of the handles of a type.
    fn handle<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        let handles = list(&self.document["handle"]).iter();
        let of_kind = handles.filter(move |handle| handle["type"] == kind);
        of_kind.flat_map(|handle| list(&handle["payload"]))
    }

    fn errors(&self) -> &[Value] {
        list(&self.document["errors"])
    }

    /// The name of the fault of a problem document (edge 7.3).
    fn fault(&self) -> &str {
        name(&self.document)
    }

    fn is_of_edge(&self) -> bool {
        self.fault().starts_with(EDGE)
    }

    /// Errors and warnings beside what was done.
    fn complaints(&self) -> impl Iterator<Item = &Value> {
        self.errors().iter().chain(list(&self.document["warnings"]))
    }

    /// The status of an error that a server has to recover from.
    fn server_fault(&self) -> Option<u16> {
        let fault = self.errors().iter().map(status).find(|status| (500..600).contains(status));
        fault.and_then(|status| u16::try_from(status).ok())
    }

    /// Adobe knows that the viewer has not agreed.
    fn lacks_consent(&self) -> bool {
        self.complaints().any(|complaint| name(complaint) == NO_CONSENT)
    }

    fn refused(&self) -> Verdict {
        Verdict::Refused { status: self.status, message: self.message() }
    }

    fn later(&self, cause: Cause, now: WallTime) -> Verdict {
        Verdict::Later {
            after: self.retry_after.map(|wish| wish.wait(now)),
            problem: Problem::new(cause, answered(self.status, &self.message())),
        }
    }

    /// What the answer says is wrong, for people: names and reasons, or the body as it is.
    fn message(&self) -> String {
        let problems = match (self.errors(), list(&self.document["warnings"])) {
            ([], []) => std::slice::from_ref(&self.document),
            ([], warnings) => warnings,
            (errors, _) => errors,
        };
        let mut parts = Vec::new();
        for problem in problems {
            for text in [name(problem), text(problem, "title"), text(problem, "detail")] {
                if !text.is_empty() {
                    parts.push(text.to_owned());
                }
            }
            match &problem["report"]["details"] {
                Value::String(details) => parts.push(details.clone()),
                details => {
                    parts.extend(list(details).iter().map(|detail| {
                        format!("{}: {}", text(detail, "name"), text(detail, "reason"))
                    }))
                }
            }
        }
        match parts.is_empty() {
            true => Outcome::message(self.body),
            false => Outcome::message(&parts.join("; ")),
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// The name of a fault, out of its `type`.
fn name(problem: &Value) -> &str {
    let kind = text(problem, "type");
    kind.strip_prefix(PREFIX).unwrap_or(kind)
}

fn status(error: &Value) -> u64 {
    error["status"].as_u64().unwrap_or_default()
}

#[cfg(test)]
mod tests;
