//! The HTTP/1.1 side of the bench collector, over the rules of `sim::backend`.

use std::convert::Infallible;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Notify;

use super::lines::Lines;
use super::log::Record;
use super::page;
use super::saved::read_for_page;
use super::shared::{Shared, unix_ms};
use super::stream::{self, Stream};
use crate::sim::CollectorModel as _;
use crate::sim::backend::{Outcome, Plan, PlannedAnswer, Rule, Unread};

/// Longest body of a request, bytes.
pub const MAX_BODY_BYTES: usize = 8 << 20;
/// Where the page has a saved file read, and the longest, bytes.
const READ: &str = "/bench/read";
const MAX_SAVED_BYTES: usize = 128 << 20;

/// Reads fault rules, such as the body of `POST /bench/faults`.
///
/// Errors: one sentence for what is not JSON, for what [`Rule::list`] refuses, for a rule that names
/// a collector, and for headers that HTTP does not allow.
pub fn rules_from_json(text: &[u8]) -> Result<Vec<Rule>, String> {
    let value = serde_json::from_slice(text).map_err(|e| format!("expected JSON: {e}"))?;
    let rules = Rule::list(&value)?;
    if let Some(name) = rules.iter().find_map(|rule| rule.collector.as_ref()) {
        return Err(format!("collector: expected none, this one has no name; got {name:?}"));
    }
    for (name, value) in rules.iter().flat_map(|rule| &rule.headers) {
        if header(name, value).is_none() {
            return Err(format!("headers: expected an HTTP header, got {name:?}: {value:?}"));
        }
    }
    Ok(rules)
}

/// Tells hyper to close the connection without an answer.
#[derive(Debug)]
pub(super) struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is dropped without an answer")
    }
}

impl std::error::Error for Dropped {}

pub(super) type Answer = Response<Full<Bytes>>;
type AnswerOrStream = Response<Either<Full<Bytes>, Stream>>;

impl Shared {
    /// `slow` is told when the client listens and does not read.
    pub async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        slow: Arc<Notify>,
    ) -> Result<AnswerOrStream, Dropped> {
        let (head, body) = request.into_parts();
        if head.method == Method::GET {
            match self.shown(head.uri.path(), &head.headers, slow) {
                Shown::Whole(answer) => return Ok(answer.map(Either::Left)),
                Shown::Stream(answer) => return Ok(answer.map(Either::Right)),
                Shown::NotOfThePage => {}
            }
        }
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        self.taken(&head.method, path, body).await.map(|answer| answer.map(Either::Left))
    }

    /// The page and what it listens to.
    fn shown(self: &Arc<Self>, path: &str, headers: &HeaderMap, slow: Arc<Notify>) -> Shown {
        let listens = path == "/bench/stream";
        let Some(file) = page::file(path).or_else(|| listens.then(Response::default)) else {
            return Shown::NotOfThePage;
        };
        if !page::is_own_host(headers) {
            let why = "expected this machine's address or localhost as the host of the page";
            return Shown::Whole(answer(421, Vec::new(), why.into()));
        }
        if !listens {
            return Shown::Whole(file.map(Full::new));
        }
        let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
        let Some(body) = stream::listen(self, last, slow) else {
            let why =
                format!("expected at most {} pages at a time; close one", stream::MAX_READERS);
            return Shown::Whole(answer(503, Vec::new(), why));
        };
        let mut answer = Response::new(body);
        page::protect(answer.headers_mut());
        let kind = HeaderValue::from_static("text/event-stream");
        answer.headers_mut().insert(CONTENT_TYPE, kind);
        Shown::Stream(answer)
    }

    async fn taken(
        &self,
        method: &Method,
        path: String,
        body: Incoming,
    ) -> Result<Answer, Dropped> {
        let most = if path == READ { MAX_SAVED_BYTES } else { MAX_BODY_BYTES };
        let body = read(body, most).await?;
        if let Some(command) = path.strip_prefix("/bench/") {
            return Ok(self.control(method, command, &body));
        }
        if let Some(name) = &self.saved {
            let why = format!("expected no hits: this shows {name}; leave --open away to collect");
            return Ok(answer(404, Vec::new(), why));
        }
        let plan = self.note(method, &path, &body);
        match plan.outcome {
            Outcome::Answer { status, headers, body, delay_ms } => {
                if let Some(ms) = delay_ms {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                }
                Ok(answer(status, headers, body))
            }
            Outcome::Hang => match std::future::pending::<Infallible>().await {},
            Outcome::DropAfterSend => Err(Dropped),
        }
    }

    /// Decides about a request, notes it and writes its line.
    fn note(&self, method: &Method, path: &str, body: &Payload) -> Plan {
        let mut state = self.state();
        // Read under the lock, so that records are in the order of their times.
        let at_ms = unix_ms();
        let json = match body {
            Payload::Whole(bytes) => serde_json::from_slice(bytes)
                .map_err(|e| (Unread::NoJson, format!("body: expected JSON: {e}"))),
            Payload::TooLarge => {
                let why = format!("body: expected JSON: more than {MAX_BODY_BYTES} bytes");
                Err((Unread::TooLarge, why))
            }
        };
        let posted = method == Method::POST;
        let PlannedAnswer { plan, counted, fault, refusal, .. } = match &json {
            _ if !posted && state.backend.has(path) => no_post(),
            Ok(json) => state.backend.judge(path, json, at_ms),
            Err((unread, why)) => state.backend.refuse_unread(path, *unread, why),
        };
        let (status, delay_ms) = match &plan.outcome {
            Outcome::Answer { status, delay_ms, .. } => (Some(*status), *delay_ms),
            Outcome::Hang | Outcome::DropAfterSend => (None, None),
        };
        let record = Record {
            at_ms,
            method: method.to_string(),
            path: path.to_owned(),
            refusal: refusal.filter(|_| posted),
            collector: None,
            status,
            sid: plan.sid.clone(),
            counted,
            fault,
            delay_ms,
            body: json.unwrap_or_default(),
        };
        let line = state.lines.line(&record);
        let _ = writeln!(state.output, "{line}").and_then(|()| state.output.flush());
        state.log.push(record);
        drop(state);
        self.changed.notify_all();
        self.news.send_replace(());
        plan
    }

    fn control(&self, method: &Method, command: &str, body: &Payload) -> Answer {
        let typed = |kind: &str, text: String| {
            answer(200, vec![(CONTENT_TYPE.to_string(), kind.to_owned())], text)
        };
        match (command, method.as_str()) {
            ("faults", "POST") => {
                let rules = match body {
                    Payload::Whole(bytes) => rules_from_json(bytes),
                    Payload::TooLarge => Err(format!("more than {MAX_BODY_BYTES} bytes")),
                };
                match rules {
                    Ok(rules) => {
                        self.state().backend.set_rules(rules);
                        answer(204, Vec::new(), String::new())
                    }
                    Err(why) => answer(400, Vec::new(), why),
                }
            }
            ("hits", "GET") => {
                let records = self.state().log.records().to_vec();
                let lines = records.iter().map(|record| Lines::Json.line(record) + "\n");
                typed("application/x-ndjson", lines.collect())
            }
            ("summary", "GET") => {
                let summary = self.state().log.summary();
                typed("application/json", format!("{summary}\n"))
            }
            ("clear", "POST") => {
                self.clear();
                answer(204, Vec::new(), String::new())
            }
            ("read", "POST") => match body {
                Payload::Whole(bytes) => match read_for_page(&String::from_utf8_lossy(bytes)) {
                    Ok(saved) => typed("application/json", saved),
                    Err(why) => answer(400, Vec::new(), why),
                },
                Payload::TooLarge => {
                    let why = format!(
                        "expected at most {MAX_SAVED_BYTES} bytes; `playheadctl collector --open` \
                         shows larger files"
                    );
                    answer(413, Vec::new(), why)
                }
            },
            ("faults" | "clear" | "read", _) => not_allowed("POST"),
            ("hits" | "summary", _) => not_allowed("GET"),
            _ => answer(404, Vec::new(), "expected faults, hits, summary, clear or read".into()),
        }
    }
}

/// The answer to somebody who looks.
enum Shown {
    Whole(Answer),
    Stream(Response<Stream>),
    NotOfThePage,
}

/// A request's body.
enum Payload {
    Whole(Bytes),
    TooLarge,
}

/// Reads a body up to the limit; an error is a client that went away.
async fn read(body: Incoming, most: usize) -> Result<Payload, Dropped> {
    if body.size_hint().lower() > most as u64 {
        return Ok(Payload::TooLarge);
    }
    match Limited::new(body, most).collect().await {
        Ok(whole) => Ok(Payload::Whole(whole.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(Payload::TooLarge),
        Err(_) => Err(Dropped),
    }
}

/// The answer to a GET where hits are posted.
fn no_post() -> PlannedAnswer {
    PlannedAnswer::in_words(405, "expected a POST")
}

fn not_allowed(expected: &str) -> Answer {
    answer(405, vec![(ALLOW.to_string(), expected.into())], format!("expected a {expected}"))
}

/// Headers that HTTP does not allow are left out; [`rules_from_json`] refuses rules with such.
fn answer(status: u16, headers: Vec<(String, String)>, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let Some((name, value)) = header(&name, &value) {
            answer.headers_mut().append(name, value);
        }
    }
    let is_empty = answer.body().is_end_stream();
    if !is_empty && !answer.headers().contains_key(CONTENT_TYPE) {
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        answer.headers_mut().insert(CONTENT_TYPE, text);
    }
    answer
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((name.parse().ok()?, value.parse().ok()?))
}
