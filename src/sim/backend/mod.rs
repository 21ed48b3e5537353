//! The collector's side of every protocol, as rules without I/O (behaviour.md 4).
//!
//! [`Backend::judge`] takes one request and the time it came, and says how it is to be answered. The
//! path tells the protocol, so one backend serves agents of any kind. The simulated collector carries
//! the [`Plan`] out in virtual time, the bench collector over HTTP.

mod answer;
mod faults;
pub mod media_collection;
pub mod media_edge;
pub mod otlp;
mod protocol;
mod session;
mod shape;

use serde_json::Value;

use self::answer::Reply;
use self::media_collection::MediaCollection;
use self::media_edge::MediaEdge;
use self::otlp::Otlp;
use self::protocol::{Arrival, Numbers, Protocol};
use super::CollectorModel;

pub use self::answer::{Outcome, Plan, PlannedAnswer, answered};
pub use self::faults::{Endpoint, Rule};
pub use self::session::{LIFE_MS, SILENCE_MS, STANDSTILL_MS};

/// The collector's memory: its sessions, and the fault rules in force.
#[derive(Debug, Default)]
pub struct Backend {
    rules: Vec<Rule>,
    numbers: Numbers,
    media_collection: MediaCollection,
    media_edge: MediaEdge,
    otlp: Otlp,
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is longer than a server takes.
    TooLarge,
    /// It is no JSON.
    NoJson,
}

impl CollectorModel for Backend {
    fn set_rules(&mut self, rules: Vec<Rule>) {
        self.rules = rules;
    }

    fn arrive(&mut self, path: &str, body: &Value, now_ms: i64) -> Plan {
        self.judge(path, body, now_ms).plan
    }

    fn session(&self, path: &str, body: &Value, sid: Option<&str>) -> Option<String> {
        match self.protocol(path) {
            Some(protocol) => protocol.session(path, body),
            None => sid.map(str::to_owned),
        }
    }
}

impl Backend {
    /// A collector without sessions and without faults.
    pub fn new() -> Backend {
        Backend::default()
    }

    /// The same for a receiver of logs that is not meant to get the start of a session.
    pub fn without_starts(mut self) -> Backend {
        self.otlp.without_starts = true;
        self
    }

    /// Whether a protocol has the path.
    pub fn has(&self, path: &str) -> bool {
        self.protocol(path).is_some()
    }

    /// Deals with a POST that arrives at `now_ms` (Unix time, ms), and says whether it counted and
    /// whether a rule changed the answer.
    ///
    /// A body that breaks a rule of the protocol is refused whatever the fault rules say. Silence and
    /// standstill are judged at that instant (behaviour.md 4). The first rule that matches the request
    /// applies.
    pub fn judge(&mut self, path: &str, body: &Value, now_ms: i64) -> PlannedAnswer {
        let Backend { rules, numbers, media_collection, media_edge, otlp } = self;
        let all: [&mut dyn Protocol; 3] = [media_collection, media_edge, otlp];
        let Some(protocol) = all.into_iter().find(|protocol| protocol.has(path)) else {
            return no_such_path(path);
        };
        if let Err(refusal) = protocol.check(path, body) {
            return *refusal;
        }
        let Some(request) = protocol.request(path, body, numbers) else {
            return no_such_path(path);
        };
        let rule = rules.iter_mut().find(|rule| rule.meets(&request)).map(|rule| {
            rule.times = rule.times.map(|left| left - 1);
            rule.clone()
        });
        let mut arrival = Arrival { path, body, now_ms, told: None };
        let Some(rule) = rule else {
            return protocol.take(&arrival, numbers);
        };
        let sid = protocol.session(path, body);
        if rule.hang {
            return PlannedAnswer::withheld(sid, Outcome::Hang);
        }
        let counts = rule.status.is_none_or(|status| (200..300).contains(&status));
        arrival.told = rule.body.as_ref();
        let answer = match counts {
            true => protocol.take(&arrival, numbers),
            false => {
                if rule.status.is_some_and(|status| (400..500).contains(&status)) {
                    protocol.excuse(body);
                }
                PlannedAnswer::withheld(sid, Outcome::DropAfterSend)
            }
        };
        under(rule, answer, request.endpoint, &*protocol)
    }

    /// The answer to a POST whose body could not be read; `why` says what was expected and what came.
    pub fn refuse_unread(&self, path: &str, unread: Unread, why: &str) -> PlannedAnswer {
        let status = if unread == Unread::TooLarge { 413 } else { 400 };
        match self.protocol(path) {
            Some(protocol) => protocol.refuse_unread(path, status, why),
            None => no_such_path(path),
        }
    }

    fn protocol(&self, path: &str) -> Option<&dyn Protocol> {
        let all: [&dyn Protocol; 3] = [&self.media_collection, &self.media_edge, &self.otlp];
        all.into_iter().find(|protocol| protocol.has(path))
    }
}

fn no_such_path(path: &str) -> PlannedAnswer {
    PlannedAnswer::in_words(404, &format!("the API has no {path}"))
}

/// An answer as a rule changes it; a request that was counted stays counted.
fn under(
    rule: Rule,
    mut answer: PlannedAnswer,
    endpoint: Endpoint,
    protocol: &dyn Protocol,
) -> PlannedAnswer {
    if let Some(status) = rule.status {
        let normal = match answer.plan.outcome {
            Outcome::Answer { headers, body, .. } if answer.counted => {
                Some(Reply { headers, body })
            }
            _ => None,
        };
        let Reply { headers, body } = protocol.reply_of(endpoint, status, normal);
        answer.plan.outcome = Outcome::Answer { status, headers, body, delay_ms: None };
        (answer.fault, answer.refusal) = (true, None);
    }
    if let (Some(told), Outcome::Answer { headers, body, .. }) =
        (&rule.body, &mut answer.plan.outcome)
    {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        let reply = Reply::told(told);
        headers.extend(reply.headers);
        *body = reply.body;
        (answer.fault, answer.refusal) = (true, None);
    }
    if rule.drop_after_send {
        answer.plan.outcome = Outcome::DropAfterSend;
        (answer.fault, answer.refusal) = (true, None);
    }
    if let Outcome::Answer { headers, delay_ms, .. } = &mut answer.plan.outcome {
        headers.retain(|(name, _)| !rule.headers.keys().any(|k| k.eq_ignore_ascii_case(name)));
        headers.extend(rule.headers);
        *delay_ms = rule.delay_s.map(|seconds| (seconds * 1000.0).round() as u64);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MINUTE: i64 = 60_000;
    const SESSIONS: &str = "/api/v1/sessions";

    fn hit(kind: &str, playhead: f64) -> Value {
        match kind {
            "sessionStart" => media_collection::tests::start(json!({})),
            _ => json!({"eventType": kind, "playerTime": {"playhead": playhead, "ts": 1}}),
        }
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
}
