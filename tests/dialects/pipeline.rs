//! A receiver of OpenTelemetry logs for tests: what a request says, and a box that reports to it.

use std::collections::{BTreeMap, BTreeSet};

use playheadd::core::dialect::exchange::{Outcome, Request};
use playheadd::core::settings::{CollectorSettings, Settings};
use playheadd::engine::Event;
use serde_json::Value;

use crate::driven::{Agents, settings};

/// What a request may hold (otlp.md 1).
const MOST_RECORDS: usize = 100;
const MOST_BYTES: usize = 64 * 1024;

/// One log record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The event type of spec 2.1.
    pub kind: String,
    pub session: String,
    pub uid: String,
    pub nanos: u64,
    pub attributes: BTreeMap<String, Value>,
}

impl Record {
    pub fn text(&self, key: &str) -> Option<&str> {
        self.attributes.get(key)?["stringValue"].as_str()
    }
}

/// The records of a body, which keeps to what a request may hold.
pub fn records(body: &Value) -> Vec<Record> {
    let records = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
    let records: Vec<Record> = records.as_array().expect("records").iter().map(record).collect();
    assert!(records.len() <= MOST_RECORDS && !records.is_empty(), "{} records", records.len());
    assert!(body.to_string().len() <= MOST_BYTES || records.len() == 1, "a large body");
    assert!(records.is_sorted_by_key(|record| record.nanos), "oldest first");
    records
}

fn record(json: &Value) -> Record {
    let attributes: BTreeMap<String, Value> = json["attributes"]
        .as_array()
        .expect("attributes")
        .iter()
        .map(|a| (a["key"].as_str().expect("a key").to_owned(), a["value"].clone()))
        .collect();
    let text = |key: &str| attributes[key]["stringValue"].as_str().expect("a text").to_owned();
    let name = json["eventName"].as_str().expect("a name");
    Record {
        kind: name.strip_prefix("media.").expect("media.").to_owned(),
        session: text("session.id"),
        uid: text("log.record.uid"),
        nanos: json["timeUnixNano"].as_str().and_then(|n| n.parse().ok()).expect("a time"),
        attributes,
    }
}

pub fn collector(name: &str, kind: &str) -> CollectorSettings {
    let url = format!("https://{name}.example");
    CollectorSettings { name: name.into(), kind: kind.into(), url, ..Default::default() }
}

/// Settings with these collectors.
pub fn reporting_to(collectors: Vec<CollectorSettings>) -> Settings {
    Settings { collectors, ..settings(0) }
}

pub fn answer(status: u16, body: &str) -> Outcome {
    Outcome::Answered { status, location: None, retry_after: None, body: body.into() }
}

/// A healthy collector of any kind.
pub fn healthy(request: &Request) -> Outcome {
    let location = Some(format!("/api/v1/sessions/S{}", request.id.0));
    Outcome::Answered { status: 201, location, retry_after: None, body: "{}".into() }
}

/// The event type of a request of the Media Collection API.
pub fn kind_of(request: &Request) -> String {
    let body: Value = serde_json::from_str(&request.body).expect("JSON");
    body["eventType"].as_str().expect("an event").to_owned()
}

/// Lets time pass. Each request is answered at once, and is in the list with its time.
pub fn run(
    box_: &mut Agents,
    ms: i64,
    mut outcome: impl FnMut(&Request) -> Outcome,
) -> Vec<(i64, Request)> {
    run_with_hanging(box_, ms, |request| Some(outcome(request)))
}

/// The same with requests that get no answer: `None`.
pub fn run_with_hanging(
    box_: &mut Agents,
    ms: i64,
    mut outcome: impl FnMut(&Request) -> Option<Outcome>,
) -> Vec<(i64, Request)> {
    let (until, mut made) = (box_.now + ms, Vec::new());
    for turn in 0.. {
        assert!(turn < 100_000, "it comes to rest");
        for request in std::mem::take(&mut box_.sent) {
            if let Some(outcome) = outcome(&request) {
                box_.tell(Event::Answer { request: request.id, outcome });
            }
            made.push((box_.now, request));
        }
        match box_.driver.deadline().filter(|due| due.0 <= until) {
            Some(due) => {
                box_.now = due.0.max(box_.now);
                box_.tell(Event::Tick);
            }
            None if box_.sent.is_empty() => break,
            None => {}
        }
    }
    box_.now = until;
    made
}

/// The records of requests of the OTLP collector, in the order made.
pub fn all_records(made: &[(i64, Request)]) -> Vec<Record> {
    let logs = made.iter().filter(|(_, request)| request.path == "/v1/logs");
    let body = |(_, request): &(i64, Request)| serde_json::from_str(&request.body).expect("JSON");
    logs.map(body).flat_map(|body: Value| records(&body)).collect()
}

/// Every record is there once, and those of each session are in order and begin with a start.
pub fn hold_once(records: &[Record]) {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut uids = BTreeSet::new();
    for record in records {
        assert!(uids.insert(&record.uid), "twice: {record:?}");
        let before = last.insert(&record.session, record.nanos);
        assert!(before.is_none_or(|before| before < record.nanos), "out of order: {record:?}");
        assert_eq!(before.is_none(), record.kind == "sessionStart", "{record:?}");
    }
}
