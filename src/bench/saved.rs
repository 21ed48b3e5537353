//! Files that `playheadctl collector --open` shows: hits, what `simulate` printed, what the page exported.

use serde::Deserialize;
use serde_json::{Value, json};

use super::lines::Lines;
use super::log::Record;
use crate::sim::Exchange;

/// When a timeline begins that does not say it, Unix time in ms (behaviour.md 4).
const BOOT_MS: i64 = 1_700_000_000_000;
/// The member of a Chrome trace in which the page keeps what it was made of.
const OWN: &str = "playheadd";

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Saved {
    /// The name of the file.
    pub name: Option<String>,
    pub hits: Vec<Record>,
    /// What the players did: lines of a timeline, each with `at_ms`, its Unix time in ms.
    pub timeline: Vec<Value>,
}

/// Reads hits (`collector --json`, `GET /bench/hits`), the output of `simulate`, or a Chrome trace that the
/// page exported. `None`: a timeline, which [`timeline_notes`] and `sim` read.
///
/// Errors: a sentence with the line, what was expected and what came.
pub fn read_saved(name: &str, text: &str) -> Result<Option<Saved>, String> {
    let own = serde_json::from_str::<Value>(text).ok().and_then(|mut whole| {
        let trace = whole.get("traceEvents").is_some();
        trace.then(|| whole.get_mut(OWN).map(Value::take).unwrap_or_default())
    });
    let mut saved = Saved { name: Some(name.to_owned()), ..Saved::default() };
    if let Some(own) = own {
        let parts: Parts = serde_json::from_value(own).map_err(|e| {
            format!(
                "{name}: expected a trace that the page exported, with its hits in '{OWN}': {e}"
            )
        })?;
        saved.hits = parts.hits;
        saved.timeline = parts.timeline;
        return Ok(Some(saved));
    }
    let mut simulated = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad = |why: String| {
            format!(
                "{name}:{}: {why}; expected hits of the collector, the output of simulate, a timeline \
                 or an exported trace",
                number + 1
            )
        };
        let value: Value = serde_json::from_str(line).map_err(|e| bad(format!("no JSON: {e}")))?;
        if value.get("event").is_some() && value.get("at").is_some() {
            return Ok(None);
        }
        let hit = if value.get("answered").is_some() {
            let sent: Sent = serde_json::from_value(value).map_err(|e| bad(e.to_string()))?;
            simulated.push(saved.hits.len());
            sent.record(BOOT_MS)
        } else {
            serde_json::from_value(value).map_err(|e| bad(e.to_string()))?
        };
        saved.hits.push(hit);
    }
    let shift = ahead_of_arrival(simulated.iter().map(|at| &saved.hits[*at]));
    for at in simulated {
        saved.hits[at].at_ms = saved.hits[at].at_ms.saturating_add(shift);
    }
    Ok(Some(saved))
}

/// How much later than it arrives the hit happens that arrives soonest, ms; 0 when no hit has a time. What
/// `simulate` prints does not say when its timeline begins, but no hit happens after it arrived.
fn ahead_of_arrival<'a>(records: impl Iterator<Item = &'a Record>) -> i64 {
    let ahead = |record: &Record| {
        let newest = record.hits().iter().filter_map(|hit| hit.ts).max();
        newest.map(|ts| ts.saturating_sub(record.at_ms))
    };
    records.filter_map(ahead).max().unwrap_or_default()
}

/// What is in a file, for the page that opens it; a timeline is what the players did, without hits.
///
/// Errors: as [`read_saved`].
pub(super) fn read_for_page(text: &str) -> Result<String, String> {
    // The page knows the name.
    let name = "file";
    let saved = match read_saved(name, text)? {
        Some(saved) => saved,
        None => timeline_notes(name, text, Vec::new()),
    };
    let hits: Vec<String> = saved.hits.iter().map(|record| Lines::Json.line(record)).collect();
    Ok(format!(r#"{{"hits":[{}],"timeline":{}}}"#, hits.join(","), json!(saved.timeline)))
}

#[derive(Deserialize)]
struct Parts {
    hits: Vec<Record>,
    #[serde(default)]
    timeline: Vec<Value>,
}

/// A line of `simulate`.
#[derive(Deserialize)]
struct Sent {
    at: f64,
    method: String,
    path: String,
    body: Value,
    status: Option<u16>,
    sid: Option<String>,
    #[serde(default)]
    collector: Option<String>,
}

impl Sent {
    fn record(self, boot_ms: i64) -> Record {
        let refused = self.status.filter(|status| (400..500).contains(status));
        Record {
            at_ms: boot_ms.saturating_add((self.at * 1000.0).round() as i64),
            method: self.method,
            path: self.path,
            body: self.body,
            status: self.status,
            sid: self.sid,
            counted: self.status.is_some_and(|status| (200..300).contains(&status)),
            fault: self.status.is_none_or(|status| status >= 500),
            delay_ms: None,
            refusal: refused.map(|status| format!("the simulated collector answered {status}")),
            collector: self.collector,
        }
    }
}

/// The lines of a timeline with the time of each, and the hits that the agent made of it.
pub fn timeline_notes(name: &str, text: &str, exchanges: Vec<Exchange>) -> Saved {
    let mut timeline: Vec<Value> =
        text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
    let boot = timeline.first().filter(|line| line["event"] == "Boot");
    let boot_ms = boot.and_then(|line| line["unix_ms"].as_i64()).unwrap_or(BOOT_MS);
    for line in &mut timeline {
        let at = line["at"].as_f64().unwrap_or_default();
        line["at_ms"] = json!(boot_ms.saturating_add((at * 1000.0).round() as i64));
    }
    let hits = exchanges
        .into_iter()
        .map(|exchange| {
            let Exchange { at, method, path, body, status, sid, collector, .. } = exchange;
            Sent { at, method: method.into(), path, body, status, sid, collector }.record(boot_ms)
        })
        .collect();
    Saved { name: Some(name.to_owned()), hits, timeline }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIT: &str = r#"{"at_ms":5,"method":"POST","path":"/p","body":null,"status":201,"sid":"S1","counted":true,"fault":false}"#;

    #[test]
    fn hits_simulated_requests_and_traces() {
        let sent = r#"{"at":1.5,"method":"POST","path":"/p","body":{},"status":400,"sid":"S1","answered":2.0}"#;
        let saved = read_saved("f", &format!("{HIT}\n\n{sent}\n")).expect("hits").expect("hits");
        assert_eq!(saved.hits[0].at_ms, 5);
        assert_eq!(saved.hits[1].at_ms, BOOT_MS + 1500);
        let named = sent.replacen('{', r#"{"collector":"own","#, 1);
        let named = read_saved("f", &named).expect("hits").expect("hits").hits.remove(0);
        assert_eq!(named.collector.as_deref(), Some("own"));
        assert_eq!(saved.hits[1].refusal.as_deref(), Some("the simulated collector answered 400"));
        let trace = format!(r#"{{"traceEvents":[],"playheadd":{{"hits":[{HIT}]}}}}"#);
        assert_eq!(read_saved("f", &trace).expect("a trace").expect("hits").hits, saved.hits[..1]);
        let timeline = r#"{"at":0,"event":"Play","playhead":0}"#;
        assert_eq!(read_saved("f", timeline), Ok(None));
        assert_eq!(read_saved("f", "").expect("empty").expect("empty").hits, []);
    }

    #[test]
    fn simulated_requests_arrive_at_the_time_of_their_hits() {
        let sent = |at: f64, ts: i64| {
            let body = json!({"eventType": "ping", "playerTime": {"ts": ts, "playhead": 0}});
            let sent = json!({"at": at, "method": "POST", "path": "/api/v1/sessions/S1/events",
                "body": body, "status": 204, "sid": "S1", "answered": at});
            format!("{sent}\n")
        };
        // The first waited for 100 s.
        for begin in [9_000, BOOT_MS, BOOT_MS + 11_600_000] {
            let text = [sent(101.0, begin + 1_000), sent(102.0, begin + 102_000), HIT.into()];
            let saved = read_saved("f", &text.concat()).expect("hits").expect("hits");
            let at: Vec<i64> = saved.hits.iter().map(|hit| hit.at_ms).collect();
            assert_eq!(at, [begin + 101_000, begin + 102_000, 5]);
        }
    }

    #[test]
    fn what_is_none_of_these_is_refused_by_line() {
        let why = read_saved("f.json", &format!("{HIT}\nnonsense")).expect_err("no JSON");
        assert!(why.starts_with("f.json:2: no JSON"), "{why}");
        let why = read_saved("f.json", r#"{"x":1}"#).expect_err("no hit");
        assert!(why.starts_with("f.json:1: missing field"), "{why}");
        let why = read_saved("f", r#"{"traceEvents":[]}"#).expect_err("another trace");
        assert!(why.contains("expected a trace that the page exported"), "{why}");
    }

    #[test]
    fn a_timeline_has_the_time_of_its_boot() {
        let text =
            "{\"at\":0,\"event\":\"Boot\",\"unix_ms\":9000}\n{\"at\":1.5,\"event\":\"Stop\"}\n";
        let saved = timeline_notes("f", text, Vec::new());
        assert_eq!(saved.timeline[1]["at_ms"], 10_500);
    }
}
