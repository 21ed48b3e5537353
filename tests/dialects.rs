//! A protocol that the program does not speak, plugged in from outside: session ids of the agent's
//! own, three reports a request, answers in the body. No rule of tracker, sessions, queue or clock
//! is touched for it. And two collectors at once: one log, a lane each. And OpenTelemetry logs, where a
//! request holds reports of many sessions.

#[path = "conformance/judge.rs"]
#[allow(dead_code, reason = "no case of our own is read here")]
mod judge;

mod driven;

#[path = "dialects/batches.rs"]
mod batches;
#[path = "dialects/lanes.rs"]
mod lanes;
#[path = "dialects/pipeline.rs"]
mod pipeline;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use playheadd::config::Config;
use playheadd::core::dialect::exchange::{Cause, Outcome, Problem, Purpose};
use playheadd::core::dialect::{
    Capabilities, DatedReport, Dialect, Dialects, RequestContent, SessionId, Verdict,
    media_collection,
};
use playheadd::core::report::What;
use playheadd::core::settings::CollectorSettings;
use playheadd::core::time::WallTime;
use playheadd::sim::backend::{Backend, Outcome as Planned, Plan, Rule};
use playheadd::sim::{
    CollectorModel, Collectors, Exchange, Options, check_rules, simulate, simulate_with, timeline,
};
use serde_json::{Value, json};

const KIND: &str = "toy";
/// Reports in one request.
const MOST: usize = 3;

#[derive(Debug)]
struct Toy;

impl Dialect for Toy {
    fn facts(&self) -> Capabilities {
        Capabilities {
            session_id: SessionId::Agent,
            reports_per_request: MOST,
            bytes_per_request: usize::MAX,
            tells_repeats_apart: true,
            downloads_in_one: false,
            reads_answer: true,
        }
    }

    fn path(&self, _: &RequestContent<'_>) -> String {
        "/toy".into()
    }

    fn append(&self, body: &mut String, content: &RequestContent<'_>) {
        for DatedReport { ts, report, .. } in content.reports {
            body.push(if body.is_empty() { '[' } else { ',' });
            let mut line = json!({
                "session": content.sid, "what": report.kind().event_type(), "ms": ts.0,
                "second": report.playhead,
            });
            if let What::Start { resume } = report.what {
                let media = content.media;
                line["media"] = json!({"id": media.id, "again": resume, "title": media.name});
            }
            body.push_str(&line.to_string());
        }
    }

    fn finish(&self, body: &mut String, _: &RequestContent<'_>) -> usize {
        body.push(']');
        0
    }

    fn judge(&self, _: &Purpose, outcome: &Outcome, _: WallTime) -> Verdict {
        match outcome {
            Outcome::Unreachable(problem) => {
                Verdict::Later { after: None, problem: problem.clone() }
            }
            Outcome::Unanswered(problem) => Verdict::Ambiguous { problem: problem.clone() },
            Outcome::Answered { body, status, .. } => match body.as_str() {
                "taken" => Verdict::Accepted,
                "no" => Verdict::Refused { status: *status, message: body.clone() },
                other => {
                    let problem = Problem::new(Cause::Connection, other);
                    Verdict::Later { after: None, problem }
                }
            },
        }
    }
}

/// Takes everything, but for what a rule says.
#[derive(Default)]
struct ToyCollector {
    rules: Vec<Rule>,
}

impl CollectorModel for ToyCollector {
    fn set_rules(&mut self, rules: Vec<Rule>) {
        self.rules = rules;
    }

    fn arrive(&mut self, _: &str, body: &Value, _: i64) -> Plan {
        assert!(body.as_array().is_some_and(|reports| reports.len() <= MOST), "{body}");
        let refused = !self.rules.is_empty();
        let answer = if refused { "busy" } else { "taken" };
        let outcome = Planned::Answer {
            status: if refused { 503 } else { 200 },
            headers: Vec::new(),
            body: answer.into(),
            delay_ms: None,
        };
        Plan { sid: None, outcome }
    }
}

fn dialects() -> Dialects {
    let mut dialects = Dialects::default();
    dialects.add(KIND, Arc::new(Toy));
    dialects
}

fn collector(name: &str, kind: &str) -> CollectorSettings {
    CollectorSettings {
        name: name.into(),
        kind: kind.into(),
        url: format!("http://{name}"),
        ..CollectorSettings::default()
    }
}

/// The simulator with the toy as its only collector.
fn with_toy(lines: &[timeline::Line], mut options: Options) -> Vec<Exchange> {
    options.config.settings.collectors = vec![collector("main", KIND)];
    let mut models: BTreeMap<String, Box<dyn CollectorModel>> = BTreeMap::new();
    models.insert("main".into(), Box::<ToyCollector>::default());
    simulate_with(lines, options, Collectors { dialects: dialects(), models })
}

/// A request of the toy as the requests of the Media Collection API that say the same.
fn translated(exchange: &Exchange) -> Vec<Exchange> {
    let reports = exchange.body.as_array().expect("a list of reports");
    let one = |report: &Value| {
        let sid = report["session"].as_str().expect("a session").to_owned();
        let start = report["what"] == "sessionStart";
        let mut event = json!({
            "eventType": report["what"],
            "playerTime": {"ts": report["ms"], "playhead": report["second"]},
        });
        if start {
            let media = &report["media"];
            event["params"] = json!({
                "media.id": media["id"], "media.name": media["title"], "media.resume": media["again"],
            });
        }
        let path = match start {
            true => "/api/v1/sessions".to_owned(),
            false => format!("/api/v1/sessions/{sid}/"),
        };
        Exchange { path, body: event, sid: Some(sid), ..exchange.clone() }
    };
    reports.iter().map(one).collect()
}

/// A given case; what the toy has no words for is left out of it.
fn case(id: &str) -> Value {
    let mut case = judge::cases("scenarios.json")
        .into_iter()
        .find(|case| case["id"] == id)
        .expect("a given case");
    for expected in case["expect"].as_array_mut().into_iter().flatten() {
        if let Some(expected) = expected.as_object_mut() {
            expected.remove("customMetadata");
            if let Some(params) = expected.get_mut("params").and_then(Value::as_object_mut) {
                let known = ["media.id", "media.name", "media.resume"];
                params.retain(|key, _| known.contains(&key.as_str()));
            }
        }
    }
    case
}

fn hold(case: &Value) {
    let faults = judge::run_with(case, judge::Repeats::Tolerated, |lines, options| {
        with_toy(lines, options).iter().flat_map(translated).collect()
    });
    assert!(faults.is_empty(), "{}: {faults:?}", case["id"]);
}

#[test]
fn a_playback_in_another_protocol() {
    hold(&case("MC-001"));
}

#[test]
fn an_idle_close_and_a_resume_in_another_protocol() {
    hold(&case("MC-024"));
}

fn lines(text: &str) -> Vec<timeline::Line> {
    timeline::parse("the test", text).expect("valid lines")
}

fn options(settings: &[&str]) -> Options {
    let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
    let config = Config::from_overrides(&settings).expect("settings");
    Options { config, until_ms: None, seed: 0 }
}

const OUTAGE: &str = r#"
{"at": 0, "event": "SessionStart", "playhead": 0, "info": {"id": "m", "length": 9000}}
{"at": 0, "event": "Play", "playhead": 0}
{"at": 100, "event": "NetworkDown", "silent": true}
{"at": 2000, "event": "NetworkUp", "silent": true}
{"at": 4000, "event": "Complete"}
"#;

#[test]
fn an_outage_longer_than_the_window_loses_nothing_and_opens_nothing_anew() {
    let made = with_toy(&lines(OUTAGE), options(&[]));
    let accepted = made.iter().filter(|e| e.status == Some(200)).flat_map(translated);
    let accepted: Vec<_> = accepted.collect();
    let starts = accepted.iter().filter(|e| e.body["eventType"] == "sessionStart").count();
    assert_eq!(starts, 1, "a server without sessions forgets none");
    let times: Vec<i64> =
        accepted.iter().filter_map(|e| e.body["playerTime"]["ts"].as_i64()).collect();
    assert!(times.is_sorted(), "in order");
    let gaps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap <= 10_000), "a ping each 10 s, in the outage too");
    // The ping of the last second is made pointless by its end (behaviour.md 2.11).
    assert_eq!(accepted.len(), 1 + 1 + 399 + 1, "start, play, pings, complete");
}

/// A Media Collection collector that is away for a time, and what reached it.
#[derive(Default)]
struct Away {
    backend: Backend,
    /// Unix time, ms.
    from: i64,
    to: i64,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl CollectorModel for Away {
    fn set_rules(&mut self, rules: Vec<Rule>) {
        self.backend.set_rules(rules);
    }

    fn arrive(&mut self, path: &str, body: &Value, now_ms: i64) -> Plan {
        if (self.from..self.to).contains(&now_ms) {
            let (status, headers, body) = (503, Vec::new(), String::new());
            let outcome = Planned::Answer { status, headers, body, delay_ms: None };
            return Plan { sid: None, outcome };
        }
        self.seen.lock().expect("a lock").push(body.clone());
        self.backend.arrive(path, body, now_ms)
    }
}

const EPOCH_MS: i64 = 1_700_000_000_000;

/// The first collector always there, the second away between two moments; and what both accepted.
fn with_two(text: &str, away_s: (i64, i64), settings: &[&str]) -> (Vec<Exchange>, Vec<Exchange>) {
    let mut options = options(settings);
    options.config.settings.collectors = vec![
        collector("main", media_collection::KIND),
        collector("second", media_collection::KIND),
    ];
    let mut models: BTreeMap<String, Box<dyn CollectorModel>> = BTreeMap::new();
    models.insert("main".into(), Box::new(Backend::new()));
    let away = Away {
        from: EPOCH_MS + away_s.0 * 1000,
        to: EPOCH_MS + away_s.1 * 1000,
        ..Away::default()
    };
    models.insert("second".into(), Box::new(away));
    let collectors = Collectors { dialects: Dialects::default(), models };
    let made = simulate_with(&lines(text), options, collectors);
    let accepted = made.into_iter().filter(|e| e.status.is_some_and(|s| s < 300));
    accepted.partition(|e| e.collector.is_none())
}

/// What was reported: type, second and playhead. A reopening at the same place moves the hits after
/// it by some milliseconds.
fn reported(exchanges: &[Exchange]) -> BTreeSet<String> {
    let of = |e: &Exchange| {
        let time = &e.body["playerTime"];
        let second = time["ts"].as_i64().map(|ms| ms / 1000);
        format!("{} {second:?} {}", e.body["eventType"], time["playhead"])
    };
    exchanges.iter().map(of).collect()
}

const VIEWING: &str = r#"
{"at": 0, "event": "SessionStart", "playhead": 0, "info": {"id": "m", "length": 9000}}
{"at": 0, "event": "Play", "playhead": 0}
{"at": 700, "event": "Pause"}
{"at": 720, "event": "Play"}
{"at": 2100, "event": "Complete"}
"#;

#[test]
fn two_collectors_get_the_same_and_one_that_is_away_holds_nobody_up() {
    let (first, second) = with_two(VIEWING, (0, 0), &[]);
    assert_eq!(reported(&first), reported(&second));
    let alone = simulate(&lines(VIEWING), options(&[]));
    assert_eq!(reported(&alone), reported(&first), "a second lane changes nothing in the first");

    let (first, second) = with_two(VIEWING, (300, 1500), &[]);
    assert_eq!(reported(&alone), reported(&first));
    let late = first.iter().filter(|e| e.answered - e.at > 1.0).count();
    assert_eq!(late, 0, "nobody waits for the one that is away");
    // The second has lost its sid meanwhile, so a start is there twice; nothing else is missing.
    let starts = second.iter().filter(|e| e.body["eventType"] == "sessionStart").count();
    assert_eq!(starts, 2);
    let missing: Vec<_> = reported(&first).difference(&reported(&second)).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn an_agent_that_dies_repeats_no_ping_in_either_lane() {
    let mut text = VIEWING.to_owned();
    // In the middle of the second one's backlog, and where both are up to date.
    for (at, down) in [(1510, 3), (1530, 5), (1800, 2)] {
        let crash = format!(r#"{{"at": {at}, "event": "AgentCrash", "down_s": {down}}}"#);
        let complete = text.find(r#"{"at": 2100"#).expect("the last line");
        text.insert_str(complete, &format!("{crash}\n"));
    }
    let (first, second) = with_two(&text, (300, 1500), &["delivery.max_rate=5"]);
    for (name, lane) in [("first", &first), ("second", &second)] {
        let pings: Vec<i64> = lane
            .iter()
            .filter(|e| e.body["eventType"] == "ping")
            .filter_map(|e| e.body["playerTime"]["ts"].as_i64())
            .collect();
        let distinct: BTreeSet<i64> = pings.iter().copied().collect();
        assert_eq!(pings.len(), distinct.len(), "{name}: a ping came twice");
        assert!(pings.len() > 200, "{name}: {} pings", pings.len());
    }
    let other = |lane: &[Exchange]| -> BTreeSet<String> {
        let hits = reported(lane).into_iter();
        hits.filter(|hit| !hit.contains("ping") && !hit.contains("sessionStart")).collect()
    };
    let missing: Vec<_> = other(&first).difference(&other(&second)).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_rule_may_name_a_collector() {
    let rules = |collector: &str| {
        let rule = format!(r#"{{"on": "events", "status": 503, "collector": "{collector}"}}"#);
        let line = format!(r#"{{"at": 0, "event": "Collector", "rules": [{rule}]}}"#);
        format!("{line}\n{}", VIEWING.trim_start())
    };
    let events = |lane: &[Exchange]| lane.iter().any(|e| e.body["eventType"] == "play");
    for (name, expected) in [("main", (false, true)), ("second", (true, false))] {
        let (first, second) = with_two(&rules(name), (0, 0), &[]);
        assert_eq!((events(&first), events(&second)), expected, "{name}");
    }
    let config = options(&[]).config;
    assert_eq!(check_rules(&lines(&rules("main")), &config), Ok(()));
    let why = check_rules(&lines(&rules("second")), &config).expect_err("nobody has this name");
    assert!(why.contains("\"second\"; the configuration has main"), "{why}");
}
