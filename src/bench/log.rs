//! What the bench collector saw: one [`Record`] a request, and its line for people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Records kept; beyond it the oldest tenth goes, so that a demo may run for weeks.
const KEEP: usize = 100_000;
/// Longest text shown of a name that a client sent.
const SHOWN_CHARS: usize = 60;

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
}

impl Record {
    /// The events of the body: several for a batch.
    pub fn events(&self) -> &[Value] {
        self.body.as_array().map_or(std::slice::from_ref(&self.body), Vec::as_slice)
    }

    /// `eventType` of the first event, empty when there is none.
    pub fn event_type(&self) -> &str {
        self.events().first().and_then(|event| event["eventType"].as_str()).unwrap_or_default()
    }
}

/// How a request is written to the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lines {
    /// Aligned columns.
    #[default]
    Plain,
    /// The same with ANSI colours; resumed sessionStarts stand out.
    Coloured,
    /// The [`Record`] as one JSON object.
    Json,
}

impl Lines {
    /// The line of a record, without its newline.
    pub fn line(self, record: &Record) -> String {
        match self {
            Lines::Plain => readable(record, false),
            Lines::Coloured => readable(record, true),
            Lines::Json => serde_json::to_string(record).expect("a record is plain data"),
        }
    }
}

/// The records and their sums.
#[derive(Debug, Default)]
pub(super) struct Log {
    records: Vec<Record>,
    requests: u64,
    accepted: u64,
    refused: usize,
    hits_by_session: BTreeMap<String, u64>,
    /// How often it was cleared.
    cleared: i64,
}

impl Log {
    pub(super) fn push(&mut self, record: Record) {
        self.requests += 1;
        self.accepted += u64::from(record.counted);
        self.refused += usize::from(record.refusal.is_some());
        if let Some(sid) = record.sid.as_ref().filter(|_| record.counted) {
            *self.hits_by_session.entry(sid.clone()).or_default() += 1;
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
            "hits_by_session": self.hits_by_session,
        })
    }
}

const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const RESUMED: &str = "\x1b[1;35m";
const PLAIN: &str = "\x1b[0m";

fn readable(record: &Record, colour: bool) -> String {
    let paint = |code: &str, text: String| {
        if colour { format!("{code}{text}{PLAIN}") } else { text }
    };
    let (status_colour, status) = match record.status {
        Some(status @ 200..=299) => (GREEN, status.to_string()),
        Some(status @ 400..=499) => (YELLOW, status.to_string()),
        Some(status) => (RED, status.to_string()),
        None => (RED, "---".to_owned()),
    };
    let sid = shown(record.sid.as_deref().unwrap_or("-"));
    let head = format!("{}  {sid:<4}", time_of_day(record.at_ms));
    let mut tail = what(record);
    if record.fault || record.delay_ms.is_some() {
        tail.push_str(match record.status {
            None if record.counted => "  (fault: counted, connection dropped)",
            None => "  (fault: no answer)",
            Some(_) => "  (fault)",
        });
    }
    if let Some(ms) = record.delay_ms {
        tail.push_str(&format!("  after {} s", ms as f64 / 1000.0));
    }
    if let Some(why) = &record.refusal {
        tail.push_str(&format!("  refused: {}", visible(why)));
    }
    let first = record.events().first();
    let tail = match record.event_type() {
        "ping" => paint(DIM, tail),
        "sessionStart" if first.is_some_and(resumed) => paint(RESUMED, tail),
        _ => tail,
    };
    format!("{head}  {}  {tail}", paint(status_colour, status))
}

/// The columns behind the status: event type, playhead, and the details of the event.
fn what(record: &Record) -> String {
    let event_type = record.event_type();
    let Some(event) = record.events().first().filter(|_| !event_type.is_empty()) else {
        return format!("{} {}", record.method, shown(&record.path));
    };
    let playhead = event["playerTime"]["playhead"].as_f64().unwrap_or_default();
    let playhead = format!("{playhead:.1}");
    let (name, mut detail) = match record.body.as_array() {
        Some(events) => ("downloaded".to_owned(), format!("{} events  ", events.len())),
        None => (shown(event_type), String::new()),
    };
    detail.push_str(&detail_of(event));
    format!("{name:<15}  playhead {playhead:<8}  {detail}").trim_end().to_owned()
}

fn detail_of(event: &Value) -> String {
    let params = &event["params"];
    let text = |key: &str| params[key].as_str().map(shown).unwrap_or_default();
    let number = |key: &str| params[key].as_f64().unwrap_or_default();
    match event["eventType"].as_str().unwrap_or_default() {
        "sessionStart" => {
            let flag = if resumed(event) { " RESUME" } else { "" };
            format!("media={} \"{}\"{flag}", text("media.id"), text("media.name"))
        }
        "adBreakStart" => {
            let name = text("media.ad.podFriendlyName");
            format!("break {} \"{name}\"", number("media.ad.podIndex"))
        }
        "adStart" => {
            let (id, name) = (text("media.ad.id"), text("media.ad.name"));
            format!("ad={id} \"{name}\" {} s", number("media.ad.length"))
        }
        "chapterStart" => {
            let name = text("media.chapter.friendlyName");
            format!("chapter {} \"{name}\"", number("media.chapter.index"))
        }
        "stateStart" | "stateEnd" => text("media.state.name"),
        "error" => {
            let id = event["qoeData"]["media.qoe.errorID"].as_str();
            format!("id={}", shown(id.unwrap_or_default()))
        }
        "bitrateChange" => {
            let rate = event["qoeData"]["media.qoe.bitrate"].as_i64().unwrap_or_default();
            format!("{rate} kbit/s")
        }
        _ => String::new(),
    }
}

fn resumed(start: &Value) -> bool {
    start["params"]["media.resume"] == true
}

/// Text from a client, cut to `SHOWN_CHARS`, without control characters.
fn shown(text: &str) -> String {
    let mut short: String = visible(text).chars().take(SHOWN_CHARS).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        short.push_str("...");
    }
    short
}

fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// `hh:mm:ss.mmm` in UTC.
fn time_of_day(at_ms: i64) -> String {
    let ms = at_ms.rem_euclid(86_400_000);
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", ms / 1000 % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: Value) -> Record {
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
        }
    }

    fn start(name: &str) -> Value {
        let params = json!({"media.id": "ep-1", "media.name": name, "media.resume": true});
        json!({"eventType": "sessionStart", "playerTime": {"playhead": 0}, "params": params})
    }

    #[test]
    fn lines_for_people() {
        let ping = json!({"eventType": "ping", "playerTime": {"playhead": 12.34}});
        let table = [
            (
                record(start("Harbour Lights")),
                "12:00:01.234  S1    201  sessionStart     playhead 0.0       \
                 media=ep-1 \"Harbour Lights\" RESUME",
            ),
            (
                Record { status: None, counted: false, fault: true, ..record(ping.clone()) },
                "12:00:01.234  S1    ---  ping             playhead 12.3  (fault: no answer)",
            ),
            (
                Record { delay_ms: Some(1500), ..record(ping.clone()) },
                "12:00:01.234  S1    201  ping             playhead 12.3  (fault)  after 1.5 s",
            ),
            (
                Record { sid: None, ..record(json!([start("x"), ping])) },
                "12:00:01.234  -     201  downloaded       playhead 0.0       \
                 2 events  media=ep-1 \"x\" RESUME",
            ),
            (
                Record {
                    status: Some(400),
                    sid: None,
                    refusal: Some("body: expected JSON".into()),
                    ..record(Value::Null)
                },
                "12:00:01.234  -     400  POST /api/v1/sessions  refused: body: expected JSON",
            ),
        ];
        for (record, line) in table {
            assert_eq!(Lines::Plain.line(&record), line);
        }
    }

    #[test]
    fn colours_mark_a_resume_and_names_cannot_steer_the_terminal() {
        let line = Lines::Coloured.line(&record(start("\x1b[2Jboo")));
        assert!(line.contains(GREEN) && line.contains(RESUMED), "{line:?}");
        assert!(line.contains("\u{fffd}[2Jboo"), "{line:?}");
        assert!(!Lines::Plain.line(&record(start("x"))).contains('\x1b'));
    }

    #[test]
    fn sums_and_bounds() {
        let mut log = Log::default();
        for _ in 0..KEEP {
            log.push(record(Value::Null));
        }
        log.push(Record {
            counted: false,
            refusal: Some("no".into()),
            sid: Some("S2".into()),
            ..record(Value::Null)
        });
        assert_eq!(log.records().len(), KEEP - KEEP / 10 + 1);
        let summary = json!({"requests": KEEP + 1, "accepted": KEEP, "refused": 1,
                             "hits_by_session": {"S1": KEEP}});
        assert_eq!(log.summary(), summary);
    }
}
