//! The way to the collector and back, with what can happen on it.

use std::fmt::{Display, Formatter};

use playheadd::core::dialect::exchange::{
    Cause, Outcome, Problem, Purpose, Request, RequestId, RetryAfter,
};

use playheadd::core::dialect::media_edge;
use playheadd::core::settings::{CollectorSettings, Consent, EdgeSettings};
use playheadd::engine::{Action, Event};
use playheadd::sim::backend::{Outcome as Planned, answered};
use serde_json::Value as Json;

use super::{Promise, World};
use crate::day::DAWN_MS;
use crate::from_edge;

const SESSION_DELAY_MS: i64 = 100;
const EVENT_DELAY_MS: i64 = 20;
const TIMEOUT_MS: i64 = 30_000;
const CONNECT_TIMEOUT_MS: i64 = 5_000;
/// A download in which no other ping has room (edge 8).
const NEARLY_FULL_BYTES: usize = 62 * 1024;
/// The longest wait that a collector may ask for, and what is added to it (docs/behaviour.md 2.7).
const LONGEST_WISH_MS: i64 = 66 * 60_000;

/// A request that reached the collector.
#[derive(Debug)]
pub struct Post {
    pub at: i64,
    /// Of events the sid in the path, of a session the one it was given.
    pub sid: Option<String>,
    pub bodies: Vec<Json>,
    pub bytes: usize,
    /// The collector took it.
    pub counted: bool,
    pub status: Option<u16>,
    /// It says that what it was sent is wrong: nothing of it comes again (docs/behaviour.md 2.7, edge 7).
    pub for_good: bool,
    /// Pings of a download that the agent has left out, so that it fits into one request (edge 8).
    pub left_out: u64,
    /// The agent knows the answer, and will not forget it.
    pub told: bool,
}

impl Display for Post {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let sid = self.sid.as_deref().unwrap_or("-");
        write!(f, "  at {} to {sid}:", self.at)?;
        for body in &self.bodies {
            let (kind, time) = (&body["eventType"], &body["playerTime"]);
            let ts = time["ts"].as_i64().unwrap_or(0) - DAWN_MS;
            write!(f, " {} {ts} {}", kind.as_str().unwrap_or("?"), time["playhead"])?;
        }
        let taken = if self.counted { "taken" } else { "not taken" };
        write!(f, "; {taken}, answered {:?}", self.status)
    }
}

/// A request under way.
pub(super) struct PendingAnswer {
    request: RequestId,
    post: Option<usize>,
    /// Which of the records sent to the collector of logs are in it.
    logs: Option<std::ops::Range<usize>>,
    to: Purpose,
    outcome: Outcome,
}

impl World {
    pub(super) fn send(&mut self, request: Request) {
        if !self.trusted || self.model.consent() != Consent::In {
            self.say("gate", format!("{}: a request that may not be made", self.now));
        }
        let same =
            |f: &&PendingAnswer| matches!(f.to, Purpose::Report { .. }) && f.to == request.purpose;
        if self.flying.values().any(|f| same(&f))
            || self.under_way(&request.purpose) >= self.settings.delivery.parallel
        {
            self.say("flight", format!("{}: too many requests under way", self.now));
        }
        let mut logs = None;
        let (delay, outcome, post) = match (self.network, &request.purpose) {
            (true, Purpose::Batch) => {
                let arrived = self.logs_arrive(&request);
                logs = Some(arrived.2);
                (arrived.0, arrived.1, None)
            }
            (true, _) => self.arrive(&request),
            (false, _) => (
                CONNECT_TIMEOUT_MS,
                Outcome::Unreachable(Problem::new(Cause::Refused, "refused")),
                None,
            ),
        };
        if let Some(ts) = ping(&request) {
            self.tried_pings.push((self.now + delay, ts));
            let unknown = matches!(outcome, Outcome::Unanswered(_));
            if unknown && !post.is_some_and(|p| self.posts[p].counted) {
                self.lost_pings.push(ts);
            }
        }
        self.sent += 1;
        let flying =
            PendingAnswer { request: request.id, post, logs, to: request.purpose, outcome };
        self.flying.insert((self.now + delay, self.sent), flying);
    }

    /// Requests under way to the same collector as one for this.
    fn under_way(&self, to: &Purpose) -> usize {
        let logs = |purpose: &Purpose| *purpose == Purpose::Batch;
        self.flying.values().filter(|flying| logs(&flying.to) == logs(to)).count()
    }

    /// The agent died before this. A ping was marked in the store already.
    pub(super) fn never_done(&mut self, action: &Action) {
        if let Action::Send(request) = action {
            self.lost_pings.extend(ping(request));
        }
    }

    fn arrive(&mut self, request: &Request) -> (i64, Outcome, Option<usize>) {
        let body = body(request);
        let judged = self.backend.judge(&request.path, &body, self.now + DAWN_MS);
        let usual = match request.purpose {
            Purpose::Report { .. } => EVENT_DELAY_MS,
            _ => SESSION_DELAY_MS,
        };
        let (delay, outcome, status) = comes_back(judged.plan.outcome, usual);
        self.stood_still |= !judged.fault && outcome_says(&outcome, "stood still");
        let wish = match &outcome {
            Outcome::Answered { retry_after, .. } => *retry_after,
            _ => None,
        };
        if wish.is_some_and(|wish| wish != RetryAfter::Seconds(0)) {
            self.wished_until = self.now + delay + LONGEST_WISH_MS;
        }
        // The order of times is the oracle's: a disk can have lost what had arrived.
        let malformed = judged.refusal.filter(|why| {
            !matches!(status, Some(404 | 410)) && !why.contains("expected a time after")
        });
        if let Some(why) = malformed {
            self.say("form", format!("{}: malformed: {why}: {}", self.now, request.body));
        }
        let for_good = match &outcome {
            Outcome::Answered { status, body, .. } if !judged.counted => {
                says_for_good(self.edge, &request.purpose, *status, body)
            }
            _ => false,
        };
        let bodies = bodies(body);
        self.posts.push(Post {
            at: self.now,
            sid: judged.plan.sid,
            bodies,
            bytes: request.body.len(),
            counted: judged.counted,
            status,
            for_good,
            left_out: 0,
            told: false,
        });
        (delay, outcome, Some(self.posts.len() - 1))
    }

    pub(super) fn answer(&mut self) {
        let Some((_, flying)) = self.flying.pop_first() else { return };
        if self.agent().is_none() {
            return;
        }
        if let Some(post) = flying.post.filter(|p| self.posts[*p].status.is_some()) {
            self.posts[post].told = true;
            self.acks.push(post);
        }
        if let Some(logs) = &flying.logs {
            self.logs_told(logs.clone(), &flying.outcome);
        }
        // A power cut must not open a session twice (docs/behaviour.md 2.11).
        let counted = flying.post.is_some_and(|post| self.posts[post].counted);
        let opened = flying.to == Purpose::Open
            && counted
            && matches!(&flying.outcome, Outcome::Answered { status: 200..=299, .. });
        let promise = if opened { Promise::Synced } else { Promise::Nothing };
        let event = Event::Answer { request: flying.request, outcome: flying.outcome };
        let before = self.counted.over_limit;
        self.tell(event, promise, |_, _, _| None);
        if let (Purpose::Download, Some(post)) = (flying.to, flying.post) {
            self.posts[post].left_out = self.counted.over_limit - before;
            if self.posts[post].left_out > 0 && self.posts[post].bytes < NEARLY_FULL_BYTES {
                self.say("limit", format!("{}: pings were left out, and there is room", self.now));
            }
            if !self.small_queue {
                // It is no limit of the queue.
                self.counted.over_limit = before;
            }
        }
    }
}

/// When and as what a planned answer comes back, and its status.
pub(super) fn comes_back(planned: Planned, usual: i64) -> (i64, Outcome, Option<u16>) {
    let lost = |why: &str| Outcome::Unanswered(Problem::new(Cause::TimedOut, why));
    match planned {
        Planned::Answer { status, headers, body, delay_ms } => {
            let delay = delay_ms.map_or(usual, |d| d as i64);
            match delay >= TIMEOUT_MS {
                true => (TIMEOUT_MS, lost("timed out"), None),
                false => (delay, answered(status, &headers, body), Some(status)),
            }
        }
        Planned::Hang => (TIMEOUT_MS, lost("timed out"), None),
        Planned::DropAfterSend => (usual, lost("connection lost"), None),
    }
}

fn outcome_says(outcome: &Outcome, what: &str) -> bool {
    matches!(outcome, Outcome::Answered { body, .. } if body.contains(what))
}

/// Whether an answer that takes nothing says that the request is wrong.
fn says_for_good(edge: bool, purpose: &Purpose, status: u16, body: &str) -> bool {
    if !edge {
        return matches!(status, 400 | 413 | 415 | 422);
    }
    let document: Json = serde_json::from_str(body).unwrap_or_default();
    let errors = document["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let wrong = |error: &Json| matches!(error["status"].as_u64(), Some(400..=499));
    match status {
        413 | 415 => true,
        // Edge's own faults are those of the configuration.
        400 => !document["type"].as_str().is_some_and(|kind| kind.contains("/EXEG-")),
        200..=299 if *purpose == Purpose::Open => !errors.is_empty() && errors.iter().all(wrong),
        _ => false,
    }
}

/// The `ts` of a ping, on the timeline.
fn ping(request: &Request) -> Option<i64> {
    let bodies = match request.purpose {
        Purpose::Download => return None,
        _ => bodies(body(request)),
    };
    let ping = bodies.first().filter(|body| body["eventType"] == "ping")?;
    Some(ping["playerTime"]["ts"].as_i64()? - DAWN_MS)
}

/// The events in a body, in the words of the Media Collection API.
fn bodies(body: Json) -> Vec<Json> {
    match body {
        Json::Array(bodies) => bodies,
        body if body.get("events").is_some() => from_edge::events(&body),
        body => vec![body],
    }
}

/// The collector of a day.
pub(super) fn settings(edge: bool) -> CollectorSettings {
    if !edge {
        return CollectorSettings::default();
    }
    let datastream_id = "11111111-2222-4333-8444-555555555555".into();
    CollectorSettings {
        kind: media_edge::KIND.into(),
        edge: EdgeSettings { datastream_id, ..EdgeSettings::default() },
        ..CollectorSettings::default()
    }
}

fn body(request: &Request) -> Json {
    serde_json::from_str(&request.body).expect("a body is JSON")
}
