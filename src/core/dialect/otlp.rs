//! OpenTelemetry logs over HTTP in JSON (otlp.md): the only place that knows its path, members and
//! answers. A request holds records of many sessions, whose ids the agent makes. The names of
//! attributes are those of the Media Collection API.

use std::fmt::Write;

use serde_json::Value;

use super::exchange::{Cause, Outcome, Problem, Purpose};
use super::media_collection::{number as seconds, params, quality};
use super::members::{Members, answered};
use super::{Capabilities, DatedReport, Dialect, RequestContent, SessionId, Verdict};
use crate::core::report::Kind;
use crate::core::time::WallTime;

/// `collector.kind` of this dialect.
pub const KIND: &str = "otlp";

/// `service.name`, and the name of the scope.
const NAME: &str = "playheadd";

#[derive(Debug)]
pub struct Otlp;

impl Dialect for Otlp {
    fn facts(&self) -> Capabilities {
        Capabilities {
            session_id: SessionId::Agent,
            reports_per_request: 100,
            bytes_per_request: 64 * 1024,
            tells_repeats_apart: true,
            downloads_in_one: false,
            reads_answer: true,
        }
    }

    fn path(&self, content: &RequestContent<'_>) -> String {
        match content.purpose {
            Purpose::Probe => String::new(),
            _ => "/v1/logs".into(),
        }
    }

    fn append(&self, body: &mut String, content: &RequestContent<'_>) {
        for dated in content.reports {
            if body.is_empty() {
                begin(body, content);
            } else {
                body.push(',');
            }
            record(body, dated, content);
        }
    }

    fn finish(&self, body: &mut String, _: &RequestContent<'_>) -> usize {
        body.push_str("]}]}]}");
        0
    }

    /// otlp.md 3.
    fn judge(&self, _: &Purpose, outcome: &Outcome, now: WallTime) -> Verdict {
        let (status, retry_after, body) = match outcome {
            Outcome::Unreachable(problem) => {
                return Verdict::Later { after: None, problem: problem.clone() };
            }
            Outcome::Unanswered(problem) => {
                return Verdict::Ambiguous { problem: problem.clone() };
            }
            Outcome::Answered { status, retry_after, body, .. } => (*status, retry_after, body),
        };
        let message = Outcome::message(body);
        match status {
            200..=299 => match partial_success(body) {
                Some((refused, message)) => Verdict::AcceptedBut { refused, status, message },
                None => Verdict::Accepted,
            },
            400..=499 if !matches!(status, 401 | 403 | 404 | 407 | 408 | 429) => {
                Verdict::Refused { status, message }
            }
            _ => Verdict::Later {
                after: retry_after.map(|wish| wish.wait(now)),
                problem: Problem::new(Cause::Status(status), answered(status, &message)),
            },
        }
    }
}

/// How many records of an accepted request are refused for good, and why.
fn partial_success(body: &str) -> Option<(u64, String)> {
    let answer: Value = serde_json::from_str(body).ok()?;
    let partial = &answer["partialSuccess"];
    // A 64-bit number is a text in this JSON; not everybody keeps to that.
    let rejected = &partial["rejectedLogRecords"];
    let refused = rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok())?;
    let why = partial["errorMessage"].as_str().unwrap_or_default();
    (refused > 0).then(|| (refused, Outcome::message(why)))
}

/// Everything before the first record: who reports (otlp.md 1).
fn begin(body: &mut String, content: &RequestContent<'_>) {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    let identity = &content.settings.identity;
    let installation = identity.app_installation_id.as_ref().unwrap_or(&identity.installation);
    body.push_str(r#"{"resourceLogs":[{"resource":{"attributes":["#);
    attribute(body, "service.name", &NAME.into());
    attribute(body, "service.version", &VERSION.into());
    attribute(body, "service.instance.id", &installation.as_str().into());
    for (key, value) in &content.collector.otlp.resource {
        if !["service.name", "service.version", "service.instance.id"].contains(&&**key) {
            attribute(body, key, &value.as_str().into());
        }
    }
    write_to(
        body,
        format_args!(
            r#"]}},"scopeLogs":[{{"scope":{{"name":"{NAME}","version":"{VERSION}"}},"logRecords":["#
        ),
    );
}

/// One report (otlp.md 2).
fn record(body: &mut String, dated: &DatedReport<'_>, content: &RequestContent<'_>) {
    let DatedReport { ts, number, report } = dated;
    let kind = report.kind();
    let (severity, word) = if kind == Kind::Error { (17, "ERROR") } else { (9, "INFO") };
    let (nanos, event) = (format_args!("{}000000", ts.0), kind.event_type());
    write_to(
        body,
        format_args!(
            r#"{{"timeUnixNano":"{nanos}","observedTimeUnixNano":"{nanos}","severityNumber":{severity},"severityText":"{word}","eventName":"media.{event}","attributes":["#
        ),
    );
    let sid = content.sid.unwrap_or_default();
    attribute(body, "session.id", &sid.into());
    if let Some(previous) = content.previous.filter(|_| kind == Kind::Start) {
        attribute(body, "session.previous_id", &previous.into());
    }
    // A number is given again when a power cut or a bad disk took its record, but hardly ever to the
    // same kind of event at the same millisecond.
    let at = report.at.0;
    attribute(body, "log.record.uid", &format!("{sid}.{number}.{at}.{event}").into());
    attribute(body, "media.playhead", &seconds(report.playhead));
    let (members, custom) = params(report, content.media);
    let all = [members, quality(report)];
    for (key, value) in all.iter().flat_map(Members::iter) {
        attribute(body, key, value);
    }
    for (key, value) in custom.into_iter().flatten() {
        attribute(body, &format!("media.custom.{key}"), &value.as_str().into());
    }
    body.push_str("]}");
}

/// Appends an attribute to a list of them.
fn attribute(body: &mut String, key: &str, value: &Value) {
    /// Whole numbers (spec 2.4, 2.6). Others are `double`, also when they have no fraction.
    const INTS: [&str; 3] = ["media.ad.podIndex", "media.ad.podPosition", "media.chapter.index"];
    let kind = match value {
        Value::String(_) => "stringValue",
        Value::Bool(_) => "boolValue",
        _ if INTS.contains(&key) || key.starts_with("media.qoe.") => "intValue",
        _ => "doubleValue",
    };
    // A 64-bit number is a text in this JSON.
    let quote = if kind == "intValue" { "\"" } else { "" };
    let comma = if body.ends_with('[') { "" } else { "," };
    let key = Value::from(key);
    write_to(
        body,
        format_args!(r#"{comma}{{"key":{key},"value":{{"{kind}":{quote}{value}{quote}}}}}"#),
    );
}

fn write_to(body: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    let _ = body.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::core::dialect::exchange::RetryAfter;
    use crate::core::media::{Ad, MediaInfo, Qoe};
    use crate::core::report::{ErrorSource, PlayerError, Report, What};
    use crate::core::settings::{CollectorSettings, Settings};
    use crate::core::time::{BootInstant, Span};

    fn body(reports: &[Report]) -> Value {
        let number =
            |(n, report)| DatedReport { ts: WallTime(1_700), number: n as i64 + 1, report };
        let reports: Vec<_> = reports.iter().enumerate().map(number).collect();
        let mut settings = Settings::default();
        settings.identity.installation = "box".into();
        let mut collector = CollectorSettings::default();
        for (key, value) in [("service.name", "mine"), ("deployment.environment.name", "lab")] {
            collector.otlp.resource.insert(key.into(), value.into());
        }
        let media = MediaInfo {
            id: "m".into(),
            length: Some(60.0),
            custom: [("a.b".into(), "\"x\"\n".into())].into(),
            ..MediaInfo::default()
        };
        let content = RequestContent {
            purpose: &Purpose::Batch,
            sid: Some("s"),
            previous: Some("p"),
            media: &media,
            collector: &collector,
            settings: &settings,
            reports: &reports,
        };
        let mut body = String::new();
        Otlp.append(&mut body, &content);
        Otlp.finish(&mut body, &content);
        serde_json::from_str(&body).expect("JSON")
    }

    fn report(what: What) -> Report {
        Report::new(what, BootInstant(5), 2.0)
    }

    /// The attributes of a list by key, each of which comes once.
    fn attributes(list: &Value) -> BTreeMap<&str, &Value> {
        let list = list.as_array().expect("a list");
        let all: BTreeMap<&str, &Value> =
            list.iter().map(|a| (a["key"].as_str().expect("a key"), &a["value"])).collect();
        assert_eq!(all.len(), list.len());
        all
    }

    #[test]
    fn a_request_says_who_reports_and_what() {
        let start = report(What::Start { resume: true });
        let body = body(&[start, report(What::Ping)]);
        let logs = &body["resourceLogs"][0];
        let resource = attributes(&logs["resource"]["attributes"]);
        assert_eq!(*resource["service.name"], json!({"stringValue": "playheadd"}));
        assert_eq!(*resource["service.instance.id"], json!({"stringValue": "box"}));
        assert_eq!(*resource["deployment.environment.name"], json!({"stringValue": "lab"}));
        let scope = &logs["scopeLogs"][0];
        assert_eq!(scope["scope"]["name"], "playheadd");
        let [start, ping] = &scope["logRecords"].as_array().expect("records")[..] else {
            panic!("two records");
        };
        assert_eq!(start["eventName"], "media.sessionStart");
        assert_eq!(start["timeUnixNano"], "1700000000");
        assert_eq!((&start["severityNumber"], &start["severityText"]), (&json!(9), &json!("INFO")));
        let of = attributes(&start["attributes"]);
        assert_eq!(*of["session.id"], json!({"stringValue": "s"}));
        assert_eq!(*of["session.previous_id"], json!({"stringValue": "p"}));
        assert_eq!(*of["media.playhead"], json!({"doubleValue": 2}));
        assert_eq!(*of["media.length"], json!({"doubleValue": 60}));
        assert_eq!(*of["media.resume"], json!({"boolValue": true}));
        assert_eq!(*of["media.custom.a.b"], json!({"stringValue": "\"x\"\n"}));
        assert!(!of.keys().any(|key| key.starts_with("visitor.") || key.starts_with("analytics.")));
        let of = attributes(&ping["attributes"]);
        let keys: Vec<&str> = of.into_keys().collect();
        assert_eq!(keys, ["log.record.uid", "media.playhead", "session.id"]);
    }

    #[test]
    fn whole_numbers_are_texts_and_an_error_is_severe() {
        let mut error = report(What::Error(Box::new(PlayerError {
            id: "e".into(),
            source: ErrorSource::Player,
        })));
        error.quality = Some(Box::new(Qoe { bitrate: Some(7), ..Qoe::default() }));
        let ad = Ad {
            id: "a".into(),
            name: "n".into(),
            position: 2,
            length: 15.0,
            standard: Default::default(),
            custom: Default::default(),
        };
        let body = body(&[error, report(What::AdStart(Box::new(ad)))]);
        let records = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
        assert_eq!(records[0]["severityNumber"], 17);
        let of = attributes(&records[0]["attributes"]);
        assert_eq!(*of["media.qoe.bitrate"], json!({"intValue": "7"}));
        assert_eq!(*of["media.qoe.errorID"], json!({"stringValue": "e"}));
        let of = attributes(&records[1]["attributes"]);
        assert_eq!(*of["media.ad.podPosition"], json!({"intValue": "2"}));
        assert_eq!(*of["media.ad.length"], json!({"doubleValue": 15}));
    }

    /// otlp.md 3.
    #[test]
    fn every_answer_has_its_row() {
        let judge = |status, body: &str| {
            let (location, retry_after) = (None, Some(RetryAfter::Seconds(9)));
            let answer = Outcome::Answered { status, location, retry_after, body: body.into() };
            Otlp.judge(&Purpose::Batch, &answer, WallTime(0))
        };
        for body in ["{}", "", "no JSON", r#"{"partialSuccess":{"errorMessage":"a warning"}}"#] {
            assert_eq!(judge(200, body), Verdict::Accepted, "{body}");
        }
        for number in ["3", "\"3\""] {
            let body = format!(
                r#"{{"partialSuccess":{{"rejectedLogRecords":{number},"errorMessage":"bad"}}}}"#
            );
            let message = "bad".to_owned();
            assert_eq!(
                judge(200, &body),
                Verdict::AcceptedBut { refused: 3, status: 200, message }
            );
        }
        for status in [400, 409, 413, 415, 422] {
            assert!(matches!(judge(status, "no"), Verdict::Refused { .. }), "{status}");
        }
        for status in [301, 401, 403, 404, 407, 408, 429, 500, 502, 503, 504] {
            let Verdict::Later { after, problem } = judge(status, "") else { panic!("{status}") };
            assert_eq!((after, problem.cause), (Some(Span::seconds(9)), Cause::Status(status)));
        }
    }
}
