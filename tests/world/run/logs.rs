//! The way to the collector of OpenTelemetry logs, with everything that was sent to it.

use std::ops::Range;

use playheadd::core::dialect::exchange::{Outcome, Request};
use playheadd::core::settings::CollectorSettings;
use serde_json::Value as Json;

use super::World;
use super::collector::comes_back;
use crate::day::DAWN_MS;

const DELAY_MS: i64 = 100;

/// One record of a request that reached the collector.
#[derive(Debug)]
pub struct Sent {
    pub at: i64,
    pub uid: String,
    pub session: String,
    /// The event type of spec 2.1.
    pub kind: String,
    /// What names its event; empty when it has no name.
    pub key: String,
    /// Of a `sessionStart` the mark of the viewing.
    pub mark: Option<String>,
    /// On the timeline, in ms.
    pub ts: i64,
    /// As JSON has it.
    pub playhead: String,
    /// The collector took it.
    pub taken: bool,
    /// The agent was told that this record alone is refused for good.
    pub refused: bool,
}

pub(super) fn settings() -> CollectorSettings {
    CollectorSettings { name: "logs".into(), kind: "otlp".into(), ..CollectorSettings::default() }
}

impl World {
    /// A request arrives. Gives when its answer comes, that, and which records it had.
    pub(super) fn logs_arrive(&mut self, request: &Request) -> (i64, Outcome, Range<usize>) {
        let body: Json = serde_json::from_str(&request.body).expect("a body is JSON");
        let judged = self.logs.judge(&request.path, &body, self.now + DAWN_MS);
        let (delay, mut outcome, _) = comes_back(judged.plan.outcome, DELAY_MS);
        let mut taken = judged.counted;
        if let (Outcome::Answered { status: status @ 400..=499, body, .. }, false) =
            (&mut outcome, judged.fault)
        {
            // Nothing can be later than what was sent and never written.
            if self.forgotten.is_empty() || !body.contains("timeUnixNano: expected") {
                let text = format!("{}: {body}: {}", self.now, request.body);
                self.say("form", text);
            } else {
                (*status, taken) = (200, true);
            }
        }
        let from = self.sent_logs.len();
        let records = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
        for record in records.as_array().into_iter().flatten() {
            let sent = Sent { at: self.now, taken, ..read(record) };
            self.sent_logs.push(sent);
        }
        (delay, outcome, from..self.sent_logs.len())
    }

    /// The agent has been told what became of a request.
    pub(super) fn logs_told(&mut self, records: Range<usize>, outcome: &Outcome) {
        if let (Outcome::Answered { status: 400 | 413 | 415 | 422, .. }, 1) =
            (outcome, records.len())
        {
            self.sent_logs[records.start].refused = true;
        }
    }
}

fn read(record: &Json) -> Sent {
    let get = |key: &str| {
        let mut all = record["attributes"].as_array().into_iter().flatten();
        let value = all.find(|attribute| attribute["key"] == key)?["value"].as_object()?;
        value.values().next().cloned()
    };
    let text = |key: &str| match get(key) {
        Some(Json::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let kind = record["eventName"].as_str().unwrap_or_default().replacen("media.", "", 1);
    let key = match kind.as_str() {
        "error" => text("media.qoe.errorID"),
        "bitrateChange" => text("media.qoe.bitrate"),
        "chapterStart" => text("media.chapter.friendlyName"),
        "adBreakStart" => text("media.ad.podFriendlyName"),
        "adStart" => text("media.ad.id"),
        "stateStart" | "stateEnd" => text("media.state.name"),
        _ => String::new(),
    };
    let nanos = record["timeUnixNano"].as_str().and_then(|nanos| nanos.parse::<i64>().ok());
    Sent {
        at: 0,
        uid: text("log.record.uid"),
        session: text("session.id"),
        kind,
        key,
        mark: get("media.custom.mark").and_then(|mark| mark.as_str().map(str::to_owned)),
        ts: nanos.map_or(0, |nanos| nanos / 1_000_000) - DAWN_MS,
        playhead: text("media.playhead"),
        taken: false,
        refused: false,
    }
}
