//! What an export of OpenTelemetry logs may hold (otlp 1, 2): proto3 JSON, and in each record an event as
//! the Media Collection API knows it.

use serde_json::{Map, Value, json};

use crate::sim::backend::media_collection::schema as media_collection;
use crate::sim::backend::shape::Type::Text;
use crate::sim::backend::shape::{Key, Mistakes, is_uuid, join};

/// The largest request, bytes, and the most records in it (otlp 1).
pub const MOST_BYTES: usize = 64 * 1024;
const MOST_RECORDS: usize = 100;

const SCOPE: &[Key] = &[("name", Text, true), ("version", Text, true)];

/// Attributes that the box has at least.
const BOX: [&str; 3] = ["service.name", "service.version", "service.instance.id"];
const NAME: &str = "playheadd";

/// What the Media Collection API needs in a start, and this protocol has not.
const OPERATOR: [&str; 3] =
    ["analytics.trackingServer", "analytics.reportSuite", "visitor.marketingCloudOrgId"];

/// A record, as far as the rules ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// The event type as the Media Collection API calls it.
    pub kind: &'a str,
    pub session: &'a str,
    /// Tells a second delivery of the record from the first.
    pub uid: &'a str,
    /// Unix time, ns.
    pub at_ns: u64,
}

/// The records of a body; what is no record is left out.
pub fn records(body: &Value) -> impl Iterator<Item = Record<'_>> {
    let scopes = list_of(&body["resourceLogs"]).flat_map(|logs| list_of(&logs["scopeLogs"]));
    scopes.flat_map(|logs| list_of(&logs["logRecords"])).filter_map(|record| {
        let text = |key: &str| {
            let one = list_of(&record["attributes"]).find(|one| one["key"] == key)?;
            one["value"]["stringValue"].as_str()
        };
        Some(Record {
            kind: record["eventName"].as_str()?.strip_prefix("media.")?,
            session: text("session.id")?,
            uid: text("log.record.uid")?,
            at_ns: record["timeUnixNano"].as_str()?.parse().ok()?,
        })
    })
}

fn list_of(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map_or(&[][..], Vec::as_slice).iter()
}

/// Checks a body.
pub fn check(body: &Value) -> Mistakes {
    let mut mistakes = Mistakes::default();
    if let Some(logs) = the_one("", body, "resourceLogs", &["resourceLogs"], &mut mistakes) {
        let path = "resourceLogs[0]";
        resource(path, logs, &mut mistakes);
        let known = ["resource", "scopeLogs"];
        if let Some(logs) = the_one(path, logs, "scopeLogs", &known, &mut mistakes) {
            scope("resourceLogs[0].scopeLogs[0]", logs, &mut mistakes);
        }
    }
    mistakes
}

/// The only item of a list in an object with these members.
fn the_one<'a>(
    path: &str,
    value: &'a Value,
    list: &str,
    known: &[&str],
    mistakes: &mut Mistakes,
) -> Option<&'a Value> {
    let members = mistakes.object(path, value)?;
    for key in members.keys().filter(|key| !known.contains(&key.as_str())) {
        mistakes.unknown(&join(path, key), "an export of logs");
    }
    match value[list].as_array().map(Vec::as_slice) {
        Some([one]) => Some(one),
        _ => {
            mistakes.wrong(&join(path, list), "an array of one", &value[list]);
            None
        }
    }
}

fn resource(path: &str, logs: &Value, mistakes: &mut Mistakes) {
    let path = join(path, "resource");
    let Some(members) = mistakes.object(&path, &logs["resource"]) else { return };
    for key in members.keys().filter(|key| *key != "attributes") {
        mistakes.unknown(&join(&path, key), "a resource");
    }
    let attributes = attributes(&path, &logs["resource"], mistakes);
    for name in BOX {
        match attributes.get(name) {
            Some(Value::String(text)) if name != "service.name" || text == NAME => {}
            Some(other) => mistakes.wrong(&join(&path, name), "the text that names the box", other),
            None => mistakes.missing(&join(&path, name), "a text"),
        }
    }
}

fn scope(path: &str, logs: &Value, mistakes: &mut Mistakes) {
    let Some(members) = mistakes.object(path, logs) else { return };
    for key in members.keys().filter(|key| !["scope", "logRecords"].contains(&key.as_str())) {
        mistakes.unknown(&join(path, key), "scopeLogs");
    }
    let scope = join(path, "scope");
    mistakes.table(&scope, &logs["scope"], SCOPE, "a scope");
    if logs["scope"]["name"].as_str().is_some_and(|name| name != NAME) {
        mistakes.wrong(&join(&scope, "name"), NAME, &logs["scope"]["name"]);
    }
    let records = join(path, "logRecords");
    match logs["logRecords"].as_array() {
        Some(list) if (1..=MOST_RECORDS).contains(&list.len()) => {
            for (index, one) in list.iter().enumerate() {
                record(&format!("{records}[{index}]"), one, mistakes);
            }
        }
        Some(list) => {
            let reason = format!("expected 1 to {MOST_RECORDS} records, got {}", list.len());
            mistakes.add(&records, reason);
        }
        None => mistakes.missing(&records, "an array of records"),
    }
}

fn record(path: &str, record: &Value, mistakes: &mut Mistakes) {
    let Some(members) = mistakes.object(path, record) else { return };
    let known = [
        "timeUnixNano",
        "observedTimeUnixNano",
        "severityNumber",
        "severityText",
        "eventName",
        "attributes",
    ];
    for key in members.keys().filter(|key| !known.contains(&key.as_str())) {
        mistakes.unknown(&join(path, key), "a record");
    }
    let time = record["timeUnixNano"].as_str().and_then(|text| text.parse::<u64>().ok());
    if time.is_none() {
        let expected = "nanoseconds as a string of digits";
        mistakes.wrong(&join(path, "timeUnixNano"), expected, &record["timeUnixNano"]);
    }
    if record["observedTimeUnixNano"] != record["timeUnixNano"] {
        let at = join(path, "observedTimeUnixNano");
        mistakes.wrong(&at, "the value of timeUnixNano", &record["observedTimeUnixNano"]);
    }
    let kind = record["eventName"].as_str().and_then(|name| name.strip_prefix("media."));
    let Some(kind) = kind.filter(|kind| media_collection::has(kind) && *kind != "statesUpdate")
    else {
        let expected = "media. and an event type of the Media Collection API";
        return mistakes.wrong(&join(path, "eventName"), expected, &record["eventName"]);
    };
    let (number, text) = if kind == "error" { (17, "ERROR") } else { (9, "INFO") };
    for (key, expected) in [("severityNumber", json!(number)), ("severityText", json!(text))] {
        if record[key] != expected {
            mistakes.wrong(&join(path, key), &expected.to_string(), &record[key]);
        }
    }
    let attributes = attributes(path, record, mistakes);
    event(path, kind, time.unwrap_or_default(), attributes, mistakes);
}

/// Holds the attributes of a record to the schema of its event.
fn event(
    path: &str,
    kind: &str,
    at_ns: u64,
    attributes: Map<String, Value>,
    mistakes: &mut Mistakes,
) {
    let (mut params, mut custom, mut quality) = (Map::new(), Map::new(), Map::new());
    let path = join(path, "attributes");
    let is_start = kind == "sessionStart";
    let resumed = attributes.get("media.resume") == Some(&Value::Bool(true));
    for needed in ["session.id", "log.record.uid", "media.playhead"] {
        if !attributes.contains_key(needed) {
            mistakes.missing(&join(&path, needed), "it");
        }
    }
    let mut playhead = json!(0);
    for (key, value) in attributes {
        let at = join(&path, &key);
        let of_media = key.strip_prefix("media.");
        match (key.as_str(), of_media) {
            ("session.id", _) => {
                if !value.as_str().is_some_and(|id| is_uuid(id, None)) {
                    mistakes.wrong(&at, "a UUID", &value);
                }
            }
            ("log.record.uid", _) => {
                if value.as_str().is_none_or(str::is_empty) {
                    mistakes.wrong(&at, "a text that is not empty", &value);
                }
            }
            ("session.previous_id", _) if is_start && resumed => {
                if !value.is_string() {
                    mistakes.wrong(&at, "a text", &value);
                }
            }
            ("media.playhead", _) => {
                if !value.is_f64() {
                    mistakes.wrong(&at, "a double", &value);
                }
                playhead = value;
            }
            (_, Some(name)) if name.starts_with("custom.") => {
                custom.insert(name["custom.".len()..].to_owned(), value);
            }
            (_, Some(name)) if name.starts_with("qoe.") => {
                quality.insert(key, value);
            }
            (_, Some(_)) => {
                params.insert(key, value);
            }
            _ => mistakes.unknown(&at, kind),
        }
    }
    if is_start {
        params.extend(OPERATOR.map(|key| (key.to_owned(), json!(""))));
    }
    let mut event = json!({
        "eventType": kind, "playerTime": {"ts": at_ns / 1_000_000, "playhead": playhead},
    });
    for (name, part) in [("params", params), ("customMetadata", custom), ("qoeData", quality)] {
        if !part.is_empty() {
            event[name] = part.into();
        }
    }
    if let Err(why) = media_collection::event(&event) {
        mistakes.add(&path, format!("expected a valid {kind}: {why}"));
    }
}

/// The attributes of an object as plain values: an `intValue` is a whole number, a `doubleValue` one with
/// a fraction.
fn attributes(path: &str, of: &Value, mistakes: &mut Mistakes) -> Map<String, Value> {
    let path = join(path, "attributes");
    let mut all = Map::new();
    let Some(list) = of["attributes"].as_array() else {
        mistakes.wrong(&path, "an array of {key, value}", &of["attributes"]);
        return all;
    };
    for (index, one) in list.iter().enumerate() {
        let at = format!("{path}[{index}]");
        let Some(members) = mistakes.object(&at, one) else { continue };
        for key in members.keys().filter(|key| !["key", "value"].contains(&key.as_str())) {
            mistakes.unknown(&join(&at, key), "an attribute");
        }
        let Some(key) = one["key"].as_str().filter(|key| !key.is_empty()) else {
            mistakes.wrong(&join(&at, "key"), "a text that is not empty", &one["key"]);
            continue;
        };
        let Some(value) = plain(&one["value"]) else {
            let expected = "one of stringValue, boolValue, intValue (a string), doubleValue";
            mistakes.wrong(&join(&at, "value"), expected, &one["value"]);
            continue;
        };
        if all.insert(key.to_owned(), value).is_some() {
            mistakes.add(&at, format!("expected each key once, {key} is there again"));
        }
    }
    all
}

fn plain(value: &Value) -> Option<Value> {
    let mut members = value.as_object()?.iter();
    let (kind, value) = members.next().filter(|_| members.next().is_none())?;
    match kind.as_str() {
        "stringValue" => value.is_string().then(|| value.clone()),
        "boolValue" => value.is_boolean().then(|| value.clone()),
        "intValue" => value.as_str()?.parse::<i64>().ok().map(Value::from),
        "doubleValue" => value.as_f64().map(Value::from),
        _ => None,
    }
}
