//! What the bench collector saw: one [`Record`] a request, and their sums.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sim::hits::{self, Hit, Protocol};

/// Records kept; beyond it the oldest tenth goes, so that a demo may run for weeks.
const KEEP: usize = 100_000;

/// One request, noted when it has arrived whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Arrival, Unix time in ms.
    pub at_ms: i64,
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// The JSON body; null when there is none or it is no JSON.
    pub body: Value,
    /// The status decided on at arrival; `None` when a fault rule gives no answer. A client that
    /// gave up in the meantime has not seen it.
    pub status: Option<u16>,
    /// The sid in the path, or the one that a sessionStart was given.
    pub sid: Option<String>,
    /// The backend took it (a fault rule may have kept the answer back).
    pub counted: bool,
    /// A fault rule chose the status or withheld the answer.
    pub fault: bool,
    /// How long a fault rule holds the answer back, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Why a POST was refused by the schemas or the sid rules; never by a fault rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The name of a collector beside the first, in what was simulated for several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collector: Option<String>,
}

impl Record {
    /// The hits of the body: several for a batch, none for what is no JSON. Their session is what it is
    /// shown as: `S1`, `S2`, ... where the server makes its id, else that id.
    pub fn hits(&self) -> Vec<Hit<'_>> {
        let mut hits = hits::of(&self.path, &self.body);
        let label = self.sid.as_deref().filter(|_| self.protocol() != Some(Protocol::Otlp));
        for hit in &mut hits {
            hit.session = label.or(hit.session);
        }
        hits
    }

    /// The protocol of its path.
    pub fn protocol(&self) -> Option<Protocol> {
        Protocol::of(&self.path)
    }

    /// The event type of the first hit, as the Media Collection API names it; empty when there is none.
    pub fn event_type(&self) -> &str {
        hits::first_event_type(&self.path, &self.body)
    }
}

/// The records and their sums.
#[derive(Debug, Default)]
pub(super) struct Log {
    records: Vec<Record>,
    requests: u64,
    accepted: u64,
    refused: usize,
    /// Hits of the accepted requests.
    hits: u64,
    hits_by_session: BTreeMap<String, u64>,
    /// How often it was cleared.
    cleared: i64,
}

impl Log {
    pub(super) fn push(&mut self, record: Record) {
        self.requests += 1;
        self.accepted += u64::from(record.counted);
        self.refused += usize::from(record.refusal.is_some());
        for hit in record.hits().iter().filter(|_| record.counted) {
            self.hits += 1;
            if let Some(session) = hit.session {
                *self.hits_by_session.entry(session.to_owned()).or_default() += 1;
            }
        }
        if self.records.len() >= KEEP {
            self.records.drain(..KEEP / 10);
        }
        self.records.push(record);
    }

    /// Forgets records and sums.
    pub(super) fn clear(&mut self) {
        *self = Log { cleared: self.cleared + 1, ..Log::default() };
    }

    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// Tells this log from one of an earlier collector, and from itself before it was cleared.
    pub(super) fn id(&self, began_ms: i64) -> i64 {
        began_ms + self.cleared
    }

    /// The number of the oldest record that is kept; the first ever has 0.
    pub(super) fn first(&self) -> u64 {
        self.requests - self.records.len() as u64
    }

    /// The number that the next record gets.
    pub(super) fn end(&self) -> u64 {
        self.requests
    }

    /// The records from number `next` on, as far as they are kept.
    pub(super) fn since(&self, next: u64) -> &[Record] {
        let skip = usize::try_from(next.saturating_sub(self.first())).unwrap_or(usize::MAX);
        self.records.get(skip..).unwrap_or_default()
    }

    pub(super) fn refused(&self) -> usize {
        self.refused
    }

    pub(super) fn summary(&self) -> Value {
        json!({
            "requests": self.requests,
            "accepted": self.accepted,
            "refused": self.refused,
            "hits": self.hits,
            "hits_by_session": self.hits_by_session,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::bench) fn record(body: Value) -> Record {
        Record {
            at_ms: 43_201_234,
            method: "POST".into(),
            path: "/api/v1/sessions".into(),
            body,
            status: Some(201),
            sid: Some("S1".into()),
            counted: true,
            fault: false,
            delay_ms: None,
            refusal: None,
            collector: None,
        }
    }

    #[test]
    fn sums_and_bounds() {
        let mut log = Log::default();
        let ping = json!({"eventType": "ping", "playerTime": {"playhead": 1}});
        for _ in 0..KEEP {
            log.push(record(ping.clone()));
        }
        log.push(Record {
            counted: false,
            refusal: Some("no".into()),
            sid: Some("S2".into()),
            ..record(Value::Null)
        });
        assert_eq!(log.records().len(), KEEP - KEEP / 10 + 1);
        let summary = json!({"requests": KEEP + 1, "accepted": KEEP, "refused": 1,
                             "hits": KEEP, "hits_by_session": {"S1": KEEP}});
        assert_eq!(log.summary(), summary);
    }

    #[test]
    fn each_hit_of_a_request_counts() {
        let report = |session: &str, kind: &str| {
            let id = json!({"key": "session.id", "value": {"stringValue": session}});
            json!({"eventName": format!("media.{kind}"), "attributes": [id]})
        };
        let records = |number: usize| {
            let mut records = vec![report("a", "sessionStart"), report("b", "sessionStart")];
            records.extend(vec![report("b", "ping"); number - 2]);
            let body = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]});
            Record { path: "/v1/logs".into(), sid: None, ..record(body) }
        };
        let batch = json!([{"eventType": "sessionStart"}, {"eventType": "play"}]);
        let mut log = Log::default();
        log.push(records(100));
        log.push(Record { status: Some(503), counted: false, ..records(100) });
        log.push(Record { path: "/api/v1/downloaded".into(), sid: None, ..record(batch) });
        let summary = json!({"requests": 3, "accepted": 2, "refused": 0, "hits": 102,
                             "hits_by_session": {"a": 1, "b": 99}});
        assert_eq!(log.summary(), summary);
    }
}
