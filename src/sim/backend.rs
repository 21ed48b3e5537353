//! The collector's side of the Media Collection API, as rules without I/O (spec 1, 3.3, 7;
//! behaviour.md 4).
//!
//! [`Backend::judge`] takes one request and the time it came, and says how it is to be answered.
//! The simulated collector carries the [`Plan`] out in virtual time, the bench collector over HTTP.
//! Bodies are taken as valid here; `validate` has the schemas.

use std::collections::HashMap;

use serde_json::Value;

use super::CollectorModel;
use crate::core::dialect::exchange;

pub use super::faults::{Endpoint, Rule, route};

/// Longest silence of a sid, ms: the server's 10 minutes (spec 3.3) and a minute of slack.
pub const SILENCE_MS: i64 = 11 * 60_000;
/// Longest standstill of the playhead, ms: the server's 30 minutes (spec 3.3) and a minute of slack.
pub const STANDSTILL_MS: i64 = 31 * 60_000;

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The sid in the path, or the one that a sessionStart was given.
    pub sid: Option<String>,
    pub outcome: Outcome,
}

/// A plan, and whether the backend or a fault rule made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedAnswer {
    pub plan: Plan,
    /// The backend took it: it opened a session, was counted in one, or was stored as a batch.
    pub counted: bool,
    /// A rule, not the backend, chose the status or withheld the answer.
    pub fault: bool,
}

/// How a request ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An answer. `delay_ms` is `None` for the usual delay; `body` is empty or a sentence.
    Answer { status: u16, headers: Vec<(String, String)>, body: String, delay_ms: Option<u64> },
    /// No answer, ever.
    Hang,
    /// The connection closes without an answer.
    DropAfterSend,
}

/// The collector's memory: its sids, and the fault rules in force.
#[derive(Debug, Default)]
pub struct Backend {
    rules: Vec<Rule>,
    sessions: HashMap<String, Session>,
    /// sessionStarts asked for, accepted or not.
    starts_requested: u64,
    batches_requested: u64,
}

impl CollectorModel for Backend {
    fn set_rules(&mut self, rules: Vec<Rule>) {
        self.rules = rules;
    }

    fn arrive(&mut self, path: &str, body: &Value, now_ms: i64) -> Plan {
        self.judge(path, body, now_ms).plan
    }
}

impl Backend {
    /// A collector without sids and without faults.
    pub fn new() -> Backend {
        Backend::default()
    }

    /// Deals with a POST that arrives at `now_ms` (Unix time, ms), and says whether it counted and
    /// whether a rule changed the answer.
    ///
    /// Silence and standstill are judged at that instant (behaviour.md 4). The first rule that
    /// matches the request applies.
    pub fn judge(&mut self, path: &str, body: &Value, now_ms: i64) -> PlannedAnswer {
        let Some((endpoint, path_sid)) = route(path) else {
            return PlannedAnswer::refusal(None, 404, format!("the API has no {path}"));
        };
        let number = match endpoint {
            Endpoint::Sessions if body.is_object() => next(&mut self.starts_requested),
            Endpoint::Downloaded => next(&mut self.batches_requested),
            _ => 0,
        };
        let requested = (number > 0).then(|| format!("S{number}"));
        let label = path_sid.or(requested.as_deref());
        let rule = self.rules.iter_mut().find(|rule| rule.meets(endpoint, label, body));
        let rule = rule.map(|rule| {
            rule.times = rule.times.map(|left| left - 1);
            rule.clone()
        });
        let Some(rule) = rule else {
            return self.normal(endpoint, path_sid, body, now_ms);
        };
        let sid = path_sid.map(str::to_owned);
        if rule.hang {
            return PlannedAnswer::fault(sid, Outcome::Hang);
        }
        let counts = rule.status.is_none_or(|status| (200..300).contains(&status));
        let judgement = if counts {
            self.normal(endpoint, path_sid, body, now_ms)
        } else {
            PlannedAnswer::fault(sid, Outcome::DropAfterSend)
        };
        judgement.with_fault(rule)
    }

    fn normal(
        &mut self,
        to: Endpoint,
        sid: Option<&str>,
        body: &Value,
        now_ms: i64,
    ) -> PlannedAnswer {
        match (to, sid) {
            (Endpoint::Events, Some(sid)) => self.event(sid, body, now_ms),
            (Endpoint::Sessions, _) if body.is_object() => self.open(body, now_ms),
            (Endpoint::Sessions, _) => batch(body, true),
            _ => batch(body, false),
        }
    }

    fn open(&mut self, start: &Value, now_ms: i64) -> PlannedAnswer {
        if kind(start) != "sessionStart" {
            let text = format!("eventType: expected sessionStart, got {:?}", kind(start));
            return PlannedAnswer::refusal(None, 400, text);
        }
        if downloaded_flag(start) {
            let text = "params.media.downloaded: expected false, this opens a live session";
            return PlannedAnswer::refusal(None, 400, text.into());
        }
        let sid = format!("S{}", self.sessions.len() + 1);
        let location = format!("/api/v1/sessions/{sid}");
        self.sessions.insert(sid.clone(), Session::new(start, now_ms));
        PlannedAnswer::taken(Some(sid), 201, vec![("Location".into(), location)])
    }

    fn event(&mut self, sid: &str, event: &Value, now_ms: i64) -> PlannedAnswer {
        if !event.is_object() || kind(event) == "sessionStart" {
            let text = "expected one event other than sessionStart".into();
            return PlannedAnswer::refusal(Some(sid), 400, text);
        }
        let Some(session) = self.sessions.get_mut(sid) else {
            return PlannedAnswer::refusal(Some(sid), 404, format!("sid {sid} is not known"));
        };
        match session.take(event, now_ms) {
            Ok(()) => PlannedAnswer::taken(Some(sid.into()), 204, Vec::new()),
            Err(why) => {
                PlannedAnswer::refusal(Some(sid), 410, format!("sid {sid} is closed: {why}"))
            }
        }
    }
}

impl PlannedAnswer {
    fn taken(sid: Option<String>, status: u16, headers: Vec<(String, String)>) -> PlannedAnswer {
        let outcome = Outcome::Answer { status, headers, body: String::new(), delay_ms: None };
        PlannedAnswer { plan: Plan { sid, outcome }, counted: true, fault: false }
    }

    fn refusal(sid: Option<&str>, status: u16, body: String) -> PlannedAnswer {
        let outcome = Outcome::Answer { status, headers: Vec::new(), body, delay_ms: None };
        PlannedAnswer {
            plan: Plan { sid: sid.map(str::to_owned), outcome },
            counted: false,
            fault: false,
        }
    }

    fn fault(sid: Option<String>, outcome: Outcome) -> PlannedAnswer {
        PlannedAnswer { plan: Plan { sid, outcome }, counted: false, fault: true }
    }

    /// The judgement as a rule changes it; a request that was counted stays counted.
    fn with_fault(mut self, rule: Rule) -> PlannedAnswer {
        if let Some(status) = rule.status {
            let silent = (200..300).contains(&status);
            let body = if silent { String::new() } else { format!("a fault rule says {status}") };
            // Another 2xx is still the answer of the backend: a session that it opens has a place.
            let headers = match self.plan.outcome {
                Outcome::Answer { headers, .. } if silent => headers,
                _ => Vec::new(),
            };
            self.plan.outcome = Outcome::Answer { status, headers, body, delay_ms: None };
            self.fault = true;
        }
        if rule.drop_after_send {
            self.plan.outcome = Outcome::DropAfterSend;
            self.fault = true;
        }
        if let Outcome::Answer { headers, delay_ms, .. } = &mut self.plan.outcome {
            headers.retain(|(name, _)| !rule.headers.keys().any(|k| k.eq_ignore_ascii_case(name)));
            headers.extend(rule.headers);
            *delay_ms = rule.delay_s.map(|seconds| (seconds * 1000.0).round() as u64);
        }
        self
    }
}

/// One sid.
#[derive(Debug)]
struct Session {
    last_event_ms: i64,
    playhead: Option<f64>,
    playing: bool,
    /// The later of the end of playing and the last change of the playhead.
    still_since_ms: i64,
    closed: Option<Closed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    Ended,
    Silence,
    Standstill,
}

impl Closed {
    const fn why(self) -> &'static str {
        match self {
            Closed::Ended => "sessionEnd was received",
            Closed::Silence => "no event for 10 minutes",
            Closed::Standstill => "the playhead stood still for 30 minutes",
        }
    }
}

impl Session {
    fn new(start: &Value, now_ms: i64) -> Session {
        Session {
            last_event_ms: now_ms,
            playhead: playhead(start),
            playing: false,
            still_since_ms: now_ms,
            closed: None,
        }
    }

    /// Counts an event, or says why the sid takes no more.
    fn take(&mut self, event: &Value, now_ms: i64) -> Result<(), &'static str> {
        if self.closed.is_none() {
            self.closed = self.timed_out(now_ms);
        }
        match self.closed {
            // A second sessionEnd is harmless (spec 3.3).
            Some(Closed::Ended) if kind(event) == "sessionEnd" => return Ok(()),
            Some(closed) => return Err(closed.why()),
            None => {}
        }
        self.last_event_ms = now_ms;
        if playhead(event) != self.playhead {
            self.playhead = playhead(event);
            self.still_since_ms = now_ms;
        }
        match kind(event) {
            "play" => self.playing = true,
            "pauseStart" | "bufferStart" => {
                if self.playing {
                    self.still_since_ms = now_ms;
                }
                self.playing = false;
            }
            "sessionEnd" => self.closed = Some(Closed::Ended),
            _ => {}
        }
        Ok(())
    }

    fn timed_out(&self, now_ms: i64) -> Option<Closed> {
        if now_ms - self.last_event_ms > SILENCE_MS {
            Some(Closed::Silence)
        } else if !self.playing && now_ms - self.still_since_ms > STANDSTILL_MS {
            Some(Closed::Standstill)
        } else {
            None
        }
    }
}

/// A downloaded session (spec 7); the flag decides only at the legacy endpoint.
fn batch(body: &Value, legacy: bool) -> PlannedAnswer {
    let first = body.as_array().and_then(|events| events.first());
    match first {
        None => PlannedAnswer::refusal(None, 400, "expected an array of events".into()),
        Some(first) if kind(first) != "sessionStart" => {
            let text = format!("[0].eventType: expected sessionStart, got {:?}", kind(first));
            PlannedAnswer::refusal(None, 400, text)
        }
        Some(first) if legacy && !downloaded_flag(first) => {
            let text = "[0].params.media.downloaded: expected true, a batch to /sessions needs it";
            PlannedAnswer::refusal(None, 400, text.into())
        }
        Some(_) => PlannedAnswer::taken(None, 201, Vec::new()),
    }
}

fn next(counter: &mut u64) -> u64 {
    *counter += 1;
    *counter
}

fn kind(event: &Value) -> &str {
    event["eventType"].as_str().unwrap_or_default()
}

fn playhead(event: &Value) -> Option<f64> {
    event["playerTime"]["playhead"].as_f64()
}

fn downloaded_flag(start: &Value) -> bool {
    start["params"]["media.downloaded"] == true
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
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MINUTE: i64 = 60_000;
    const SESSIONS: &str = "/api/v1/sessions";

    fn hit(kind: &str, playhead: f64) -> Value {
        json!({"eventType": kind, "playerTime": {"playhead": playhead, "ts": 1}})
    }

    fn events_of(sid: &str) -> String {
        format!("/api/v1/sessions/{sid}/events")
    }

    fn with_rules(rules: Value) -> Backend {
        let mut backend = Backend::new();
        backend.set_rules(Rule::list(&rules).expect("rules of a test are valid"));
        backend
    }

    /// Status, 0 for a hang, 1 for a dropped connection; and whether it counted.
    fn post(backend: &mut Backend, path: &str, body: &Value, now_ms: i64) -> (u16, bool) {
        let judgement = backend.judge(path, body, now_ms);
        let status = match judgement.plan.outcome {
            Outcome::Answer { status, .. } => status,
            Outcome::Hang => 0,
            Outcome::DropAfterSend => 1,
        };
        (status, judgement.counted)
    }

    #[test]
    fn paths() {
        let table = [
            ("/api/v1/sessions", Some((Endpoint::Sessions, None))),
            ("/a/b/api/v1/sessions?x=1", Some((Endpoint::Sessions, None))),
            ("/api/v1/downloaded", Some((Endpoint::Downloaded, None))),
            ("/x/api/v1/sessions/S7/events", Some((Endpoint::Events, Some("S7")))),
            ("/api/v1/sessions//events", None),
            ("/api/v1/sessions/a/b/events", None),
            ("/api/v1/S1/events", None),
            ("/api/v1/sessions/", None),
            ("/", None),
        ];
        for (path, expected) in table {
            assert_eq!(route(path), expected, "{path}");
        }
    }

    #[test]
    fn sids_are_numbered_in_the_order_accepted() {
        let mut backend = with_rules(json!([{"on": "sessions", "times": 1, "status": 503}]));
        let start = hit("sessionStart", 0.0);
        assert_eq!(post(&mut backend, SESSIONS, &start, 0), (503, false));
        for sid in ["S1", "S2"] {
            let plan = backend.arrive(SESSIONS, &start, 0);
            assert_eq!(plan.sid.as_deref(), Some(sid));
            let location = vec![("Location".to_owned(), format!("/api/v1/sessions/{sid}"))];
            let answer = Outcome::Answer {
                status: 201,
                headers: location,
                body: String::new(),
                delay_ms: None,
            };
            assert_eq!(plan.outcome, answer);
        }
    }

    #[test]
    fn bodies_that_do_not_fit_their_endpoint() {
        let start = |params: Value| json!({"eventType": "sessionStart", "params": params});
        let (live, stored) = (start(json!({})), start(json!({"media.downloaded": true})));
        let events = events_of("S1");
        let table = [
            (SESSIONS, json!([live]), 400),
            (SESSIONS, json!([stored]), 201),
            (SESSIONS, stored.clone(), 400),
            (SESSIONS, hit("play", 0.0), 400),
            (SESSIONS, json!([]), 400),
            ("/api/v1/downloaded", json!([live, hit("play", 0.0)]), 201),
            ("/api/v1/downloaded", json!([hit("play", 0.0)]), 400),
            ("/api/v1/downloaded", live.clone(), 400),
            ("/api/v1/uploaded", live.clone(), 404),
            (&events, hit("play", 0.0), 404),
            (SESSIONS, live.clone(), 201),
            (&events, hit("play", 0.0), 204),
            (&events, live.clone(), 400),
            (&events, json!([hit("play", 0.0)]), 400),
        ];
        let mut backend = Backend::new();
        for (path, body, status) in table {
            assert_eq!(post(&mut backend, path, &body, 0).0, status, "{path} {body}");
        }
    }

    #[test]
    fn a_sid_closes_by_its_end_by_silence_and_by_standstill() {
        type Step = (i64, &'static str, f64, u16);
        let pings = |from: i64, to: i64, playhead: f64| {
            (from..to).map(move |minute| (minute, "ping", playhead, 204))
        };
        let table: Vec<(&str, Vec<Step>)> = vec![
            ("the slack", vec![(11, "ping", 0.0, 204), (22, "ping", 0.0, 204)]),
            ("silence", vec![(12, "ping", 0.0, 410), (13, "sessionEnd", 0.0, 410)]),
            (
                "end",
                vec![
                    (1, "sessionEnd", 0.0, 204),
                    (1, "ping", 0.0, 410),
                    (50, "sessionEnd", 0.0, 204),
                ],
            ),
            ("complete", vec![(1, "sessionComplete", 9.0, 204), (2, "ping", 9.0, 204)]),
            ("never played", pings(1, 32, 0.0).chain([(32, "play", 0.0, 410)]).collect()),
            (
                "stalled play",
                [(0, "play", 0.0, 204)].into_iter().chain(pings(1, 90, 0.0)).collect(),
            ),
            (
                "paused",
                [(0, "play", 0.0, 204), (1, "pauseStart", 60.0, 204)]
                    .into_iter()
                    .chain(pings(2, 20, 60.0))
                    .chain([(20, "bufferStart", 60.0, 204)])
                    .chain(pings(21, 33, 60.0))
                    .chain([(33, "ping", 60.0, 410)])
                    .collect(),
            ),
            (
                "moved while paused",
                [(0, "pauseStart", 0.0, 204)]
                    .into_iter()
                    .chain(pings(1, 20, 0.0))
                    .chain(pings(20, 52, 5.0))
                    .chain([(52, "ping", 5.0, 410)])
                    .collect(),
            ),
        ];
        for (name, steps) in table {
            let mut backend = Backend::new();
            post(&mut backend, SESSIONS, &hit("sessionStart", 0.0), 0);
            for (minute, kind, playhead, status) in steps {
                let event = hit(kind, playhead);
                let got = post(&mut backend, &events_of("S1"), &event, minute * MINUTE);
                assert_eq!(got.0, status, "{name}: {kind} at minute {minute}");
            }
        }
    }

    #[test]
    fn what_a_rule_meets() {
        let table = [
            (json!({"on": "events", "status": 500}), [201, 500, 500, 201, 500]),
            (
                json!({"on": "events", "event_type": "play", "status": 500}),
                [201, 500, 204, 201, 204],
            ),
            (json!({"on": "events", "session": "S2", "status": 500}), [201, 204, 204, 201, 500]),
            (json!({"on": "events", "times": 1, "status": 500}), [201, 500, 204, 201, 204]),
            (json!({"on": "events", "times": 0, "status": 500}), [201, 204, 204, 201, 204]),
            (json!({"on": "sessions", "session": "S2", "status": 500}), [201, 204, 204, 500, 404]),
            (json!({"on": "events", "hang": true}), [201, 0, 0, 201, 0]),
        ];
        for (rule, expected) in table {
            let mut backend = with_rules(json!([rule]));
            let start = hit("sessionStart", 0.0);
            let steps = [
                (SESSIONS.to_owned(), start.clone()),
                (events_of("S1"), hit("play", 0.0)),
                (events_of("S1"), hit("ping", 1.0)),
                (SESSIONS.to_owned(), start),
                (events_of("S2"), hit("ping", 1.0)),
            ];
            let got = steps.map(|(path, body)| post(&mut backend, &path, &body, 0).0);
            assert_eq!(got, expected, "{rule}");
        }
    }

    #[test]
    fn what_counts_under_a_rule() {
        // The fate of a sessionEnd, then what a ping on the same sid says about it.
        let table = [
            (json!({"status": 503}), (503, false), 204),
            (json!({"status": 202}), (202, true), 410),
            (json!({"hang": true}), (0, false), 204),
            (json!({"drop_after_send": true}), (1, true), 410),
            (json!({"drop_after_send": true, "status": 500}), (1, false), 204),
            (json!({"delay_s": 2}), (204, true), 410),
        ];
        for (mut rule, fate, ping) in table {
            rule["on"] = json!("events");
            rule["times"] = json!(1);
            let mut backend = with_rules(json!([rule]));
            post(&mut backend, SESSIONS, &hit("sessionStart", 0.0), 0);
            let end = hit("sessionEnd", 0.0);
            assert_eq!(post(&mut backend, &events_of("S1"), &end, 0), fate, "{rule}");
            let (status, _) = post(&mut backend, &events_of("S1"), &hit("ping", 0.0), 0);
            assert_eq!(status, ping, "{rule}");
        }
    }

    #[test]
    fn a_rule_may_only_delay_or_only_add_headers() {
        let mut backend = with_rules(json!([
            {"on": "sessions", "delay_s": 1.5, "headers": {"location": "/elsewhere"}}
        ]));
        let judgement = backend.judge(SESSIONS, &hit("sessionStart", 0.0), 0);
        let answer = Outcome::Answer {
            status: 201,
            headers: vec![("location".into(), "/elsewhere".into())],
            body: String::new(),
            delay_ms: Some(1500),
        };
        assert_eq!(
            (judgement.plan.outcome, judgement.counted, judgement.fault),
            (answer, true, false)
        );
    }

    #[test]
    fn rules_that_make_no_sense() {
        let table = [
            (json!({}), "expected an array"),
            (json!([{"status": 500}]), "missing field `on`"),
            (json!([{"on": "events", "state": 1}]), "unknown field `state`"),
            (json!([{"on": "events"}, {"on": "events", "status": 20}]), "rule [1]: status"),
            (json!([{"on": "events", "delay_s": -1}]), "delay_s"),
            (json!([{"on": "events", "session": "first"}]), "S1, S2"),
        ];
        for (rules, part) in table {
            let error = Rule::list(&rules).expect_err("the rules are wrong");
            assert!(error.contains(part), "{rules}: {error}");
        }
    }
}
