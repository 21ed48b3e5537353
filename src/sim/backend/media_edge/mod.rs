//! The collector's side of the Media Edge API (edge).

mod documents;
pub mod schema;
pub mod timestamp;

use std::collections::HashMap;

use serde_json::Value;

use self::documents::{
    IDENTITY, INVALID, NO_DATASTREAM, NO_SESSION, TOO_LARGE, problem_in_words, problem_of,
};
use self::schema::{Wrong, xdm};
use super::answer::{PlannedAnswer, Reply};
use super::faults::{Endpoint, Request};
use super::protocol::{Arrival, Numbers, Protocol, label};
use super::session::{Event, LIFE_MS, Session, Sessions};
use super::shape::{Mistake, is_uuid};

/// The sessions of this protocol, by their ids of 64 hexadecimal digits.
#[derive(Debug, Default)]
pub struct MediaEdge {
    sessions: Sessions,
    newest: HashMap<String, Newest>,
}

/// The newest event that a session has taken.
#[derive(Debug)]
struct Newest {
    /// Unix time, ms.
    at_ms: i64,
    /// The event itself: one whose answer was lost comes once more.
    xdm: Value,
}

/// A path taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Route<'a> {
    /// The last part of the path.
    event: &'a str,
    query: &'a str,
}

/// What a path leads to. The prefix of a first-party domain is ignored; `None` is a path that the API does
/// not have.
fn route(path: &str) -> Option<Route<'_>> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (before, event) = path.rsplit_once("/va/v1/")?;
    let mut parts = before.rsplit('/');
    let base = |part: Option<&str>| matches!(part, Some("ee" | "ee-pre-prd"));
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let last = parts.next().unwrap_or_default();
    let hinted = (1..=16).contains(&last.len()) && last.bytes().all(plain) && base(parts.next());
    ((base(Some(last)) || hinted) && schema::has(event)).then_some(Route { event, query })
}

impl Route<'_> {
    fn endpoint(self) -> Endpoint {
        match self.event {
            "sessionStart" => Endpoint::Sessions,
            "downloaded" => Endpoint::Downloaded,
            _ => Endpoint::Events,
        }
    }

    fn has_datastream(self) -> bool {
        let mut parts = self.query.split('&');
        parts.any(|p| p.strip_prefix("configId=").is_some_and(|id| is_uuid(id, None)))
    }
}

impl Protocol for MediaEdge {
    fn has(&self, path: &str) -> bool {
        route(path).is_some()
    }

    fn session(&self, _: &str, body: &Value) -> Option<String> {
        let id = session_id(body)?;
        Some(self.sessions.get(id).map_or(id, |session| &session.label).to_owned())
    }

    fn check(&self, path: &str, body: &Value) -> Result<(), Box<PlannedAnswer>> {
        let Some(route) = route(path) else { return Ok(()) };
        let refuse = |status, reply, why: String| {
            Err(Box::new(PlannedAnswer::refused(self.session(path, body), status, reply, why)))
        };
        let in_words = |name: &str, status, why: String| {
            refuse(status, problem_in_words(name, status, &why), why)
        };
        if !route.has_datastream() {
            return in_words(
                NO_DATASTREAM,
                400,
                "configId: expected the UUID of a datastream".into(),
            );
        }
        let bytes = body.to_string().len();
        if bytes > schema::MOST_BYTES {
            let why = format!("expected at most {} bytes, got {bytes}", schema::MOST_BYTES);
            return in_words(TOO_LARGE, 413, why);
        }
        let Wrong { mismatch, identities, mistakes } = schema::check(route.event, body);
        if let Err(why) = identities.first() {
            return refuse(400, problem_of(IDENTITY, 400, identities.list()), why);
        }
        if let Some(why) = mismatch {
            return in_words(INVALID, 400, why);
        }
        match mistakes.first() {
            Ok(()) => Ok(()),
            Err(why) if route.endpoint() == Endpoint::Sessions => {
                let document = documents::no_session(mistakes.list());
                refuse(207, Reply::json("application/json", &document), why)
            }
            Err(why) => refuse(400, problem_of(INVALID, 400, mistakes.list()), why),
        }
    }

    fn request<'a>(
        &self,
        path: &'a str,
        body: &'a Value,
        numbers: &mut Numbers,
    ) -> Option<Request<'a>> {
        let endpoint = route(path)?.endpoint();
        let session = match endpoint {
            Endpoint::Sessions => Some(label(numbers.next_start())),
            Endpoint::Downloaded => Some(label(numbers.next_batch())),
            _ => self.session(path, body),
        };
        Some(Request {
            endpoint,
            sessions: session.into_iter().collect(),
            event_types: event_types(body),
        })
    }

    fn take(&mut self, arrival: &Arrival<'_>, numbers: &mut Numbers) -> PlannedAnswer {
        match route(arrival.path).map(Route::endpoint) {
            Some(Endpoint::Sessions) => self.open(arrival, numbers),
            Some(Endpoint::Downloaded) => {
                PlannedAnswer::taken(None, 200, documents::stored(numbers.batches()))
            }
            _ => self.event(arrival),
        }
    }

    fn refuse_unread(&self, _: &str, status: u16, why: &str) -> PlannedAnswer {
        let name = if status == 413 { TOO_LARGE } else { INVALID };
        PlannedAnswer::refused(None, status, problem_in_words(name, status, why), why)
    }

    /// Problem documents by status; 207 is the answer of the backend, with an error of another service.
    fn reply_of(&self, _: Endpoint, status: u16, normal: Option<Reply>) -> Reply {
        match (status, normal) {
            (204 | 205 | 300..=399, _) => Reply::default(),
            (207, Some(normal)) => documents::with_an_error(normal),
            (200..=299, normal) => normal.unwrap_or_default(),
            _ => documents::problem_of_status(status),
        }
    }
}

impl MediaEdge {
    /// Opens a session. A rule that says the body of the answer says the id too, or that there is none.
    fn open(&mut self, arrival: &Arrival<'_>, numbers: &mut Numbers) -> PlannedAnswer {
        let told = arrival.told.map(new_session);
        if told == Some(None) {
            return PlannedAnswer::withheld(None, Reply::default().with(200));
        }
        let number = numbers.next_session();
        let id = told.flatten().map_or_else(|| documents::session_id(number), str::to_owned);
        let start = xdm(arrival.body);
        let session = Session::new(label(number), playhead(start), arrival.now_ms, LIFE_MS);
        let sid = session.label.clone();
        self.sessions.insert(id.clone(), session);
        self.note(&id, start);
        PlannedAnswer::taken(Some(sid), 200, documents::opened(number, &id))
    }

    fn event(&mut self, arrival: &Arrival<'_>) -> PlannedAnswer {
        let Arrival { body, now_ms, .. } = *arrival;
        let (id, xdm) = (session_id(body).unwrap_or_default(), xdm(body));
        let gone = |sid: String, why: String| {
            let reply = problem_in_words(NO_SESSION, 404, &why);
            PlannedAnswer::refused(Some(sid), 404, reply, why)
        };
        let Some(session) = self.sessions.get_mut(id) else {
            return gone(id.to_owned(), format!("the session {id} is not known"));
        };
        let sid = session.label.clone();
        let event = Event { kind: kind(xdm), playhead: playhead(xdm) };
        if let Some(why) = session.refuses(&event, now_ms) {
            return gone(sid.clone(), format!("the session {sid} is closed: {why}"));
        }
        if let Some(mistake) = self.newest.get(id).and_then(|newest| newest.before(xdm)) {
            let why = mistake.to_string();
            return PlannedAnswer::refused(
                Some(sid),
                400,
                problem_of(INVALID, 400, &[mistake]),
                why,
            );
        }
        session.count(&event, now_ms);
        let id = id.to_owned();
        self.note(&id, xdm);
        PlannedAnswer::taken(Some(sid), 204, Reply::default())
    }

    fn note(&mut self, id: &str, xdm: &Value) {
        if kind(xdm) == "sessionEnd" {
            // Nothing comes after it.
            self.newest.remove(id);
        } else {
            self.newest.insert(id.to_owned(), Newest { at_ms: at_ms(xdm), xdm: xdm.clone() });
        }
    }
}

impl Newest {
    /// Whether an event is not after this one: the times of a session ascend (edge 9).
    fn before(&self, xdm: &Value) -> Option<Mistake> {
        let later = at_ms(xdm) > self.at_ms || *xdm == self.xdm;
        (!later).then(|| Mistake {
            path: "events[0].xdm.timestamp".into(),
            reason: format!(
                "expected a time after {} of this session, got {}",
                self.xdm["timestamp"], xdm["timestamp"]
            ),
        })
    }
}

fn session_id(body: &Value) -> Option<&str> {
    xdm(body)["mediaCollection"]["sessionID"].as_str()
}

fn at_ms(xdm: &Value) -> i64 {
    xdm["timestamp"].as_str().and_then(timestamp::unix_ms).unwrap_or_default()
}

fn playhead(xdm: &Value) -> Option<f64> {
    xdm["mediaCollection"]["playhead"].as_f64()
}

fn kind(xdm: &Value) -> &str {
    bare(&xdm["eventType"])
}

/// An event type without `media.`.
fn bare(kind: &Value) -> &str {
    kind.as_str().and_then(|kind| kind.strip_prefix("media.")).unwrap_or_default()
}

/// The event types of a body, as the Media Collection API calls them.
fn event_types(body: &Value) -> Vec<&str> {
    let mut types = Vec::new();
    for event in body["events"].as_array().into_iter().flatten() {
        let xdm = &event["xdm"];
        match xdm["mediaDownloadedEvents"].as_array() {
            Some(events) => events.iter().for_each(|one| {
                types.extend(types_of(&one["mediaEventType"], &one["mediaCollection"]));
            }),
            None => types.extend(types_of(&xdm["eventType"], &xdm["mediaCollection"])),
        }
    }
    types
}

/// A change of states is of several types.
fn types_of<'a>(kind: &'a Value, collection: &Value) -> impl Iterator<Item = &'a str> {
    let kind = bare(kind);
    let some = |list: &str| collection[list].as_array().is_some_and(|list| !list.is_empty());
    let updates = kind == "statesUpdate";
    let starts = (updates && some("statesStart")).then_some("stateStart");
    let ends = (updates && some("statesEnd")).then_some("stateEnd");
    [Some(kind), starts, ends].into_iter().flatten()
}

/// The id in the handle of a new session (edge 7.1).
fn new_session(answer: &Value) -> Option<&str> {
    let handles = answer["handle"].as_array()?;
    let handle = handles.iter().find(|h| h["type"] == "media-analytics:new-session")?;
    handle["payload"][0]["sessionId"].as_str().filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests;
