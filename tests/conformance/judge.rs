//! What a case of the conformance set says, held against what a collector got: the accepted hits of
//! each session in order, windows for pings, counts of requests.
//!
//! `at_s` counts within 0.6 s and `playhead` within 1.1; `params`, `customMetadata` and `qoeData`
//! are subsets, where `{"$not": v}` and `{"$absent": true}` deny; `optional` hits may be missing;
//! neighbours of one `group` come in any order; of `anyOf` one subset must match. A `play` that
//! repeats the reported state is tolerated in the given cases, and wrong in our own.

use std::collections::{BTreeMap, HashMap, HashSet};

use playheadd::config::Config;
use playheadd::sim::{Exchange, Options, timeline};
use serde_json::{Map, Value};

const AT_SECONDS: f64 = 0.6;
const PLAYHEAD_SECONDS: f64 = 1.1;
/// What an implied `Boot` shows.
const DEFAULT_UNIX_MS: f64 = 1_700_000_000_000.0;

/// Whether a `play` that repeats the reported state may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// The given cases leave it open.
    Tolerated,
    Wrong,
}

/// An accepted hit.
#[derive(Debug, Clone)]
struct Hit {
    session: String,
    kind: String,
    at_s: f64,
    playhead: f64,
    body: Value,
}

fn subset(want: &Map<String, Value>, have: Option<&Value>) -> bool {
    let nothing = Map::new();
    let have = have.and_then(Value::as_object).unwrap_or(&nothing);
    want.iter().all(|(key, value)| {
        let seen = have.get(key);
        if let Some(denied) = value.get("$not") {
            return seen != Some(denied);
        }
        if value.get("$absent").is_some() {
            return seen.is_none();
        }
        match (value, seen) {
            (_, None) => false,
            (Value::Number(a), Some(Value::Number(b))) => {
                (a.as_f64().unwrap_or(f64::NAN) - b.as_f64().unwrap_or(f64::NAN)).abs() <= 1e-6
            }
            (a, Some(b)) => a == b,
        }
    })
}

fn parts_match(want: &Value, hit: &Hit) -> bool {
    ["params", "customMetadata", "qoeData"]
        .iter()
        .all(|part| want[part].as_object().is_none_or(|w| subset(w, hit.body.get(*part))))
}

fn matches(want: &Value, hit: &Hit) -> bool {
    let near = |key: &str, seen: f64, by: f64| {
        want[key].as_f64().is_none_or(|wanted| (wanted - seen).abs() <= by)
    };
    want["eventType"] == hit.kind.as_str()
        && near("at_s", hit.at_s, AT_SECONDS)
        && near("playhead", hit.playhead, PLAYHEAD_SECONDS)
        && parts_match(want, hit)
        && want["anyOf"].as_array().is_none_or(|any| any.iter().any(|alt| parts_match(alt, hit)))
}

fn optional(want: &Value) -> bool {
    want["optional"] == true
}

/// Walks through what was wanted and what was seen, with a memory of where it has been.
struct Walk<'a> {
    want: &'a [Value],
    have: &'a [Hit],
    redundant: Vec<bool>,
    extra: &'a [Value],
    dead: HashSet<(usize, usize, u64)>,
    furthest: (usize, usize),
}

impl Walk<'_> {
    fn tolerated(&self, at: usize) -> bool {
        let hit = &self.have[at];
        let of_session =
            |want: &Value| want["session"].as_str().is_none_or(|session| session == hit.session);
        self.redundant[at] || self.extra.iter().any(|x| of_session(x) && matches(x, hit))
    }

    fn go(&mut self, i: usize, j: usize, used: u64) -> bool {
        self.furthest = self.furthest.max((i, j));
        if i == self.want.len() && j == self.have.len() {
            return true;
        }
        if !self.dead.insert((i, j, used)) {
            return false;
        }
        if j < self.have.len() && self.tolerated(j) && self.go(i, j + 1, used) {
            return true;
        }
        if i == self.want.len() {
            return false;
        }
        match self.want[i]["group"].as_str() {
            Some(group) => self.go_in_group(group, i, j, used),
            None => {
                optional(&self.want[i]) && self.go(i + 1, j, 0)
                    || j < self.have.len()
                        && matches(&self.want[i], &self.have[j])
                        && self.go(i + 1, j + 1, 0)
            }
        }
    }

    fn go_in_group(&mut self, group: &str, i: usize, j: usize, used: u64) -> bool {
        let size = self.want[i..].iter().take_while(|w| w["group"] == group).count();
        let left: Vec<usize> = (0..size).filter(|k| used >> k & 1 == 0).collect();
        if left.iter().all(|k| optional(&self.want[i + k])) && self.go(i + size, j, 0) {
            return true;
        }
        if j == self.have.len() {
            return false;
        }
        left.iter().any(|k| {
            matches(&self.want[i + k], &self.have[j]) && {
                let mask = used | 1 << k;
                match mask == (1 << size) - 1 {
                    true => self.go(i + size, j + 1, 0),
                    false => self.go(i, j + 1, mask),
                }
            }
        })
    }
}

fn check_order(
    want: &[Value],
    have: &[Hit],
    extra: &[Value],
    repeats: Repeats,
) -> Result<(), String> {
    let mut state = "";
    let redundant = have
        .iter()
        .map(|hit| {
            let again = hit.kind == "play" && state == "play" && repeats == Repeats::Tolerated;
            if ["play", "pauseStart", "bufferStart"].contains(&hit.kind.as_str()) {
                state = &hit.kind;
            }
            again
        })
        .collect();
    let mut walk = Walk { want, have, redundant, extra, dead: HashSet::new(), furthest: (0, 0) };
    if walk.go(0, 0, 0) {
        return Ok(());
    }
    let (i, j) = walk.furthest;
    let seen = have.get(j).map(|h| (&h.kind, h.at_s, h.playhead));
    Err(format!("expected #{i} {:?}; saw #{j} {seen:?}", want.get(i).map(Value::to_string)))
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

/// What the collector has accepted, by session; and which label a sid has.
struct Accepted {
    hits: BTreeMap<usize, Vec<Hit>>,
    labels: HashMap<String, String>,
    faults: Vec<String>,
}

fn accepted(exchanges: &[Exchange], epoch_ms: f64) -> Accepted {
    let mut all = Accepted { hits: BTreeMap::new(), labels: HashMap::new(), faults: Vec::new() };
    let mut busy: HashMap<String, f64> = HashMap::new();
    let mut sessions = 0;
    for line in exchanges.iter().filter(|l| l.status.is_some_and(|s| (200..300).contains(&s))) {
        let batch = line.body.is_array();
        let single = [line.body.clone()];
        let sid = line.sid.clone().unwrap_or_default();
        let mut label = None;
        for event in line.body.as_array().map_or(&single[..], Vec::as_slice) {
            if has_null(event) {
                all.faults.push(format!("null in a body at {}", line.at));
            }
            if event["eventType"] == "sessionStart" {
                sessions += 1;
                label = Some(sessions);
                all.hits.insert(sessions, Vec::new());
                if !batch {
                    all.labels.insert(sid.clone(), format!("S{sessions}"));
                }
            } else if !batch {
                label = all.labels.get(&sid).and_then(|l| l[1..].parse().ok());
            }
            let Some(number) = label else {
                all.faults.push(format!("{} on an unknown sid {sid}", event["eventType"]));
                continue;
            };
            let Some(ts) = event["playerTime"]["ts"].as_i64() else {
                all.faults.push(format!("ts {} is no integer", event["playerTime"]["ts"]));
                continue;
            };
            all.hits.entry(number).or_default().push(Hit {
                session: format!("S{number}"),
                kind: event["eventType"].as_str().unwrap_or_default().to_owned(),
                at_s: (ts as f64 - epoch_ms) / 1000.0,
                playhead: event["playerTime"]["playhead"].as_f64().unwrap_or(f64::NAN),
                body: event.clone(),
            });
        }
        if !batch && line.path.ends_with("/events") {
            if busy.get(&sid).is_some_and(|until| line.at < until - 1e-6) {
                all.faults.push(format!("two requests in flight on {sid} at {}", line.at));
            }
            busy.insert(sid, line.answered);
        }
    }
    all
}

fn check_sessions(all: &mut Accepted) {
    for (number, hits) in &all.hits {
        if hits[0].kind != "sessionStart" {
            all.faults.push(format!("S{number} begins with {}", hits[0].kind));
        }
        if let Some(pair) = hits.windows(2).find(|pair| pair[1].at_s <= pair[0].at_s) {
            all.faults.push(format!("S{number}: ts does not rise at {}", pair[1].at_s));
        }
        let end = hits.iter().position(|h| h.kind == "sessionEnd");
        if end.is_some_and(|at| at + 1 != hits.len()) {
            all.faults.push(format!("S{number}: a hit after sessionEnd"));
        }
        if hits.iter().any(|h| h.kind == "ping" && h.body.get("params").is_some()) {
            all.faults.push(format!("S{number}: a ping with params"));
        }
    }
}

fn within(rule: &Value, n: usize) -> bool {
    let bound = |key: &str, default: u64| rule[key].as_u64().unwrap_or(default);
    (bound("min", 0)..=bound("max", u64::MAX)).contains(&(n as u64))
}

pub fn judge(case: &Value, exchanges: &[Exchange], repeats: Repeats) -> Vec<String> {
    let timeline = list(&case["timeline"]);
    let boot = timeline.iter().find(|l| l["event"] == "Boot").and_then(|l| l["unix_ms"].as_f64());
    let epoch = case["epoch_ms"].as_f64().or(boot).unwrap_or(DEFAULT_UNIX_MS);
    let mut all = accepted(exchanges, epoch);
    check_sessions(&mut all);
    let expected = list(&case["expect"]);
    let number = |v: &Value| v["session"].as_str().and_then(|s| s[1..].parse::<usize>().ok());
    let mut numbers: Vec<usize> = expected.iter().filter_map(number).collect();
    numbers.extend(all.hits.keys());
    numbers.sort_unstable();
    numbers.dedup();
    let extra = list(&case["allow_extra"]);
    for n in numbers {
        let want: Vec<Value> = expected.iter().filter(|e| number(e) == Some(n)).cloned().collect();
        let seen = all.hits.get(&n).into_iter().flatten();
        let have: Vec<Hit> = seen.filter(|h| h.kind != "ping").cloned().collect();
        if let Err(fault) = check_order(&want, &have, &extra, repeats) {
            all.faults.push(format!("S{n}: {fault}"));
        }
    }
    for window in list(&case["pings"]) {
        let of_session = |h: &&Hit| window["max"] == 0 || window["session"] == h.session.as_str();
        let (from, to) = (window["from_s"].as_f64().unwrap(), window["to_s"].as_f64().unwrap());
        let n = all
            .hits
            .values()
            .flatten()
            .filter(of_session)
            .filter(|h| h.kind == "ping" && (from..=to).contains(&h.at_s))
            .count();
        if !within(&window, n) {
            all.faults.push(format!("{n} pings for {window}"));
        }
    }
    for rule in list(&case["wire"]) {
        let n = exchanges.iter().filter(|line| requested(&rule, line, &all.labels)).count();
        if !within(&rule, n) {
            all.faults.push(format!("{n} requests for {rule}"));
        }
    }
    all.faults
}

fn requested(rule: &Value, line: &Exchange, labels: &HashMap<String, String>) -> bool {
    let on = match line.path.rsplit('/').next() {
        Some("downloaded") => "downloaded",
        Some("events") => "events",
        _ => "sessions",
    };
    let single = [line.body.clone()];
    let bodies = line.body.as_array().map_or(&single[..], Vec::as_slice);
    let kinds: Vec<&str> = bodies.iter().filter_map(|b| b["eventType"].as_str()).collect();
    let label = line.sid.as_ref().and_then(|sid| labels.get(sid)).map(String::as_str);
    let but = list(&rule["but"]);
    rule["on"] == on
        && (rule["answered"] != true || line.status.is_some())
        && rule["session"].as_str().is_none_or(|session| label == Some(session))
        && rule["eventType"].as_str().is_none_or(|kind| kinds.contains(&kind))
        && !but.iter().filter_map(Value::as_str).any(|kind| kinds.contains(&kind))
        && rule["from_s"].as_f64().unwrap_or(-1.0) <= line.at
        && line.at <= rule["to_s"].as_f64().unwrap_or(1e12)
}

pub fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// What became of a request of a case, as the simulator tells it.
pub type Exchanges = Vec<Exchange>;

/// Runs a case and gives what is wrong. `simulate` makes the requests.
pub fn run_with(
    case: &Value,
    repeats: Repeats,
    simulate: impl FnOnce(&[timeline::Line], Options) -> Exchanges,
) -> Vec<String> {
    let text: String = list(&case["timeline"]).iter().map(|l| format!("{l}\n")).collect();
    let settings: Vec<String> =
        list(&case["set"]).iter().filter_map(|s| s.as_str().map(str::to_owned)).collect();
    let lines = match timeline::parse("the case", &text) {
        Ok(lines) => lines,
        Err(error) => return vec![error.to_string()],
    };
    let config = Config::from_overrides(&settings).expect("settings");
    let until_ms = case["until"].as_f64().map(|s| (s * 1000.0) as i64);
    judge(case, &simulate(&lines, Options { config, until_ms, seed: 0 }), repeats)
}

/// The cases of a file under `tests/conformance/`.
pub fn cases(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/conformance/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("cases")).expect("JSON")
}
