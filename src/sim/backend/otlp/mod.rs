//! The receiver's side of OpenTelemetry logs over HTTP (otlp): every record is stored, and no session is
//! kept. What is remembered serves to find mistakes of the sender.

pub mod schema;

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Value, json};

use self::schema::{Record, records};
use super::answer::{PlannedAnswer, Reply};
use super::faults::{Endpoint, Request};
use super::protocol::{Arrival, Numbers, Protocol, label};

/// Ids of records that are remembered; the oldest go.
const MOST_UIDS: usize = 200_000;

/// What was taken so far.
#[derive(Debug, Default)]
pub struct Otlp {
    /// By `session.id`.
    senders: HashMap<String, Sender>,
    /// A session may begin with any record, because its start is not for this receiver.
    pub without_starts: bool,
    /// Sessions whose start was refused on request.
    excused: HashSet<String>,
    uids: HashSet<String>,
    /// The same in the order of their arrival.
    order: VecDeque<String>,
}

/// A session of a sender.
#[derive(Debug)]
struct Sender {
    label: String,
    /// The time of its newest record, Unix time in ns.
    last_ns: u64,
}

/// Ends whose time may be that of the last recorded state (behaviour.md 2.5, 2.11).
const ESTIMATED: [&str; 4] = ["sessionEnd", "adSkip", "adBreakComplete", "chapterSkip"];

impl Protocol for Otlp {
    fn has(&self, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or(path);
        path.ends_with("/v1/logs")
    }

    /// `None` when the records are of several sessions.
    fn session(&self, _: &str, body: &Value) -> Option<String> {
        let mut sessions = records(body).map(|record| record.session);
        let first = sessions.next()?;
        let label = self.senders.get(first).map(|sender| sender.label.clone());
        sessions.all(|session| session == first).then_some(label)?
    }

    fn check(&self, path: &str, body: &Value) -> Result<(), Box<PlannedAnswer>> {
        let bytes = body.to_string().len();
        let (status, fits) = match bytes > schema::MOST_BYTES {
            true => {
                let most = schema::MOST_BYTES;
                (413, Err(format!("expected at most {most} bytes, got {bytes}")))
            }
            false => (400, schema::check(body).first()),
        };
        fits.map_err(|why| Box::new(self.refuse(self.session(path, body), status, why)))
    }

    fn request<'a>(
        &self,
        _: &'a str,
        body: &'a Value,
        numbers: &mut Numbers,
    ) -> Option<Request<'a>> {
        let mut sessions: Vec<String> = Vec::new();
        let mut unknown: Vec<&str> = Vec::new();
        for record in records(body) {
            let label = match self.senders.get(record.session) {
                Some(sender) => sender.label.clone(),
                // The number that it will have.
                None => {
                    if !unknown.contains(&record.session) {
                        unknown.push(record.session);
                    }
                    let place = unknown.iter().position(|session| *session == record.session);
                    label(numbers.sessions() + 1 + place.unwrap_or_default() as u64)
                }
            };
            if !sessions.contains(&label) {
                sessions.push(label);
            }
        }
        let event_types = records(body).map(|record| record.kind).collect();
        Some(Request { endpoint: Endpoint::Logs, sessions, event_types })
    }

    fn take(&mut self, arrival: &Arrival<'_>, numbers: &mut Numbers) -> PlannedAnswer {
        let Arrival { path, body, .. } = *arrival;
        if let Some(why) = self.out_of_order(body) {
            return self.refuse(self.session(path, body), 400, why);
        }
        let mut repeated = 0;
        for Record { session, uid, at_ns, .. } in records(body) {
            if !self.uids.insert(uid.to_owned()) {
                repeated += 1;
                continue;
            }
            self.order.push_back(uid.to_owned());
            if self.order.len() > MOST_UIDS
                && let Some(oldest) = self.order.pop_front()
            {
                self.uids.remove(&oldest);
            }
            let sender = self.senders.entry(session.to_owned());
            let new = || Sender { label: label(numbers.next_session()), last_ns: 0 };
            sender.or_insert_with(new).last_ns = at_ns;
        }
        let reply = Reply::json("application/json", &json!({}));
        let taken = PlannedAnswer::taken(self.session(path, body), 200, reply);
        PlannedAnswer { repeated, ..taken }
    }

    fn excuse(&mut self, body: &Value) {
        let starts = records(body).filter(|record| record.kind == "sessionStart");
        self.excused.extend(starts.map(|record| record.session.to_owned()));
    }

    fn refuse_unread(&self, _: &str, status: u16, why: &str) -> PlannedAnswer {
        self.refuse(None, status, why)
    }

    fn reply_of(&self, _: Endpoint, status: u16, normal: Option<Reply>) -> Reply {
        match (status, normal) {
            (204 | 205 | 300..=399, _) => Reply::default(),
            (200..=299, normal) => normal.unwrap_or_default(),
            _ => status_document(status, &format!("a fault rule says {status}")),
        }
    }
}

impl Otlp {
    fn refuse(&self, sid: Option<String>, status: u16, why: impl Into<String>) -> PlannedAnswer {
        let why = why.into();
        PlannedAnswer::refused(sid, status, status_document(status, &why), why)
    }

    /// What is wrong about the order of the records that are new: a session begins with its start, has one
    /// alone, and its times never fall (otlp 1).
    fn out_of_order(&self, body: &Value) -> Option<String> {
        let mut newest: HashMap<&str, u64> = HashMap::new();
        let mut seen: HashSet<&str> = HashSet::new();
        for Record { kind, session, uid, at_ns } in records(body) {
            if self.uids.contains(uid) || !seen.insert(uid) {
                continue;
            }
            let known = newest.get(session).copied();
            let last = known.or_else(|| self.senders.get(session).map(|sender| sender.last_ns));
            let excused = self.without_starts || self.excused.contains(session);
            match last {
                None if kind != "sessionStart" && !excused => {
                    return Some(format!(
                        "session.id: expected media.sessionStart as the first of {session}, got media.{kind}"
                    ));
                }
                Some(_) if kind == "sessionStart" => {
                    return Some(format!(
                        "session.id: expected one media.sessionStart of {session}, got another"
                    ));
                }
                // What ends a session of a store that failed is an estimate.
                Some(last) if at_ns < last && !ESTIMATED.contains(&kind) => {
                    return Some(format!(
                        "timeUnixNano: expected {last} or more in session {session}, got {at_ns}"
                    ));
                }
                _ => {}
            }
            newest.insert(session, at_ns);
        }
        None
    }
}

/// A `Status` message, which the protocol has in the body of a refusal.
fn status_document(status: u16, message: &str) -> Reply {
    let code = match status {
        401 => 16,
        403 => 7,
        404 => 5,
        429 => 8,
        400..=499 => 3,
        502..=504 => 14,
        _ => 13,
    };
    Reply::json("application/json", &json!({"code": code, "message": message}))
}

#[cfg(test)]
mod tests;
