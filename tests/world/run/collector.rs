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
/// The longest wait that a collector may ask for, and what is added to it (docs/behaviour.md 2.7).
const LONGEST_WISH_MS: i64 = 66 * 60_000;

/// A request that reached the collector.
#[derive(Debug)]
pub struct Post {
    pub at: i64,
    /// Of events the sid in the path, of a session the one it was given.
    pub sid: Option<String>,
    pub bodies: Vec<Json>,
    /// The collector took it.
    pub counted: bool,
    pub status: Option<u16>,
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
        if status == Some(400) && !judged.fault {
            self.say("form", format!("{}: malformed: {}", self.now, request.body));
        }
        let bodies = bodies(body);
        self.posts.push(Post {
            at: self.now,
            sid: judged.plan.sid,
            bodies,
            counted: judged.counted,
            status,
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
        let opened = flying.to == Purpose::Open
            && matches!(&flying.outcome, Outcome::Answered { status: 200..=299, .. });
        let promise = if opened { Promise::Synced } else { Promise::Nothing };
        let event = Event::Answer { request: flying.request, outcome: flying.outcome };
        self.tell(event, promise, |_, _, _| None);
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
