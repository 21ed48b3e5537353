//! The lines of the bench collector: a request as JSON, or its hits for people.

use serde::Serialize;
use serde_json::Value;

use super::log::Record;
use crate::sim::hits::{self, Hit, Protocol};

/// Longest text shown of a name that a client sent.
const SHOWN_CHARS: usize = 60;

/// How a request is written to the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lines {
    /// Aligned columns.
    #[default]
    Plain,
    /// The same with ANSI colours; resumed sessionStarts stand out.
    Coloured,
    /// The [`Record`] as one JSON object, with its `protocol` and its `hits`.
    Json,
}

impl Lines {
    /// The line of a record, without its newline. For people it is a line a hit: a request may have
    /// many.
    pub fn line(self, record: &Record) -> String {
        match self {
            Lines::Plain => readable(record, false),
            Lines::Coloured => readable(record, true),
            Lines::Json => {
                let protocol = record.protocol().map(Protocol::kind);
                let line = JsonLine { record, protocol, hits: record.hits() };
                serde_json::to_string(&line).expect("a record is plain data")
            }
        }
    }
}

#[derive(Serialize)]
struct JsonLine<'a> {
    #[serde(flatten)]
    record: &'a Record,
    protocol: Option<&'static str>,
    hits: Vec<Hit<'a>>,
}

const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const RESUMED: &str = "\x1b[1;35m";
const PLAIN: &str = "\x1b[0m";

fn readable(record: &Record, colour: bool) -> String {
    let hits = record.hits();
    let whole = hits.is_empty() || hits::is_download(&record.path, &record.body);
    let rows: Vec<String> = match whole {
        true => vec![row(record, hits.first(), hits.len(), colour)],
        false => hits.iter().map(|hit| row(record, Some(hit), 1, colour)).collect(),
    };
    rows.join("\n")
}

/// The line of a hit; of a downloaded session, with the number of its hits; or of a request without any.
fn row(record: &Record, hit: Option<&Hit<'_>>, count: usize, colour: bool) -> String {
    let paint = |code: &str, text: String| {
        if colour { format!("{code}{text}{PLAIN}") } else { text }
    };
    let (status_colour, status) = match record.status {
        Some(status @ 200..=299) => (GREEN, status.to_string()),
        Some(status @ 400..=499) => (YELLOW, status.to_string()),
        Some(status) => (RED, status.to_string()),
        None => (RED, "---".to_owned()),
    };
    let session = hit.and_then(|hit| hit.session).or(record.sid.as_deref()).unwrap_or("-");
    let session = match record.protocol() {
        Some(Protocol::MediaCollection) | None => session,
        Some(_) => hits::short(session),
    };
    let head = format!("{}  {:<4}", time_of_day(record.at_ms), shown(session));
    let mut tail = what(record, hit, count);
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
    let tail = match hit {
        Some(hit) if hit.event_type == "ping" => paint(DIM, tail),
        Some(hit) if hit.resumes() => paint(RESUMED, tail),
        _ => tail,
    };
    format!("{head}  {}  {tail}", paint(status_colour, status))
}

/// The columns behind the status: event type, playhead, and the details of the event.
fn what(record: &Record, hit: Option<&Hit<'_>>, count: usize) -> String {
    let Some(hit) = hit.filter(|hit| !hit.event_type.is_empty()) else {
        return format!("{} {}", record.method, shown(&record.path));
    };
    let playhead = format!("{:.1}", hit.playhead.unwrap_or_default());
    let (name, mut detail) = match hits::is_download(&record.path, &record.body) {
        true => ("downloaded".to_owned(), format!("{count} events  ")),
        false => (shown(hit.event_type), String::new()),
    };
    detail.push_str(&detail_of(hit));
    if let Some(protocol @ (Protocol::MediaEdge | Protocol::Otlp)) = record.protocol()
        && hit.event_type == "sessionStart"
    {
        detail.push_str(&format!(" ({})", protocol.kind()));
    }
    format!("{name:<15}  playhead {playhead:<8}  {detail}").trim_end().to_owned()
}

fn detail_of(hit: &Hit<'_>) -> String {
    let text = |key: &str| shown(hit.text(key));
    let number = |key: &str| hit.number(key);
    match hit.event_type {
        "sessionStart" => {
            let flag = if hit.resumes() { " RESUME" } else { "" };
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
            let id = hit.quality.get("media.qoe.errorID").and_then(Value::as_str);
            format!("id={}", shown(id.unwrap_or_default()))
        }
        "bitrateChange" => {
            let rate = hit.quality.get("media.qoe.bitrate").and_then(Value::as_i64);
            format!("{} kbit/s", rate.unwrap_or_default())
        }
        _ => String::new(),
    }
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
    use serde_json::json;

    use super::super::log::tests::record;
    use super::*;

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
    fn lines_of_the_other_protocols() {
        let edge = json!({"events": [{"xdm": {"eventType": "media.ping",
            "mediaCollection": {"playhead": 12, "sessionID": "0f".repeat(32)}}}]});
        let record_of = |path: &str, sid: Option<&str>, body| Record {
            path: path.into(),
            sid: sid.map(str::to_owned),
            status: Some(200),
            ..record(body)
        };
        let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        let report = |session: &str, kind: &str| {
            json!({"eventName": format!("media.{kind}"), "attributes": [
                text("session.id", session), text("media.id", "ep-1"), text("media.name", "N"),
                json!({"key": "media.playhead", "value": {"doubleValue": 3.5}})]})
        };
        let records =
            [report("5c2a9f00-1111", "sessionStart"), report("77aa0000-2222", "ping"), json!({})];
        let logs = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]});
        for (record, lines) in [
            (
                record_of("/ee/or2/va/v1/ping?configId=c", Some("S2"), edge.clone()),
                "12:00:01.234  S2    200  ping             playhead 12.0",
            ),
            (
                record_of("/ee/or2/va/v1/ping?configId=c", None, edge),
                "12:00:01.234  0f0f0f0f  200  ping             playhead 12.0",
            ),
            (
                record_of("/v1/logs", None, logs.clone()),
                "12:00:01.234  5c2a9f00  200  sessionStart     playhead 3.5       \
                 media=ep-1 \"N\" (otlp)\n\
                 12:00:01.234  77aa0000  200  ping             playhead 3.5\n\
                 12:00:01.234  -     200  POST /v1/logs",
            ),
        ] {
            assert_eq!(Lines::Plain.line(&record), lines);
        }
    }

    #[test]
    fn a_json_line_says_the_same_of_every_protocol() {
        let line = Lines::Json.line(&record(start("x")));
        let line: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&line["at_ms"], &line["sid"]), (&json!(43_201_234), &json!("S1")));
        assert_eq!(line["protocol"], "media-collection");
        let hit = &line["hits"][0];
        assert_eq!((&hit["session"], &hit["event_type"]), (&json!("S1"), &json!("sessionStart")));
        assert_eq!(hit["params"]["media.resume"], true);
    }

    #[test]
    fn colours_mark_a_resume_and_names_cannot_steer_the_terminal() {
        let line = Lines::Coloured.line(&record(start("\x1b[2Jboo")));
        assert!(line.contains(GREEN) && line.contains(RESUMED), "{line:?}");
        assert!(line.contains("\u{fffd}[2Jboo"), "{line:?}");
        assert!(!Lines::Plain.line(&record(start("x"))).contains('\x1b'));
    }
}
