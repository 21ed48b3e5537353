//! The hits of a body of OTLP logs (otlp.md 1 and 2).

use serde_json::{Map, Number, Value};

use super::{Hit, MOST_HITS, elements, text};

/// The box (otlp.md 1), as a parameter of its starts.
const BOX: &str = "service.instance.id";
const QUALITY: &str = "media.qoe.";
const CUSTOM: &str = "media.custom.";

pub(super) fn hits(body: &Value) -> Vec<Hit<'_>> {
    let mut hits = Vec::new();
    for (pointer, resource) in elements("/resourceLogs", &body["resourceLogs"]) {
        let place = attributes(&resource["resource"]["attributes"]);
        let place = place.into_iter().find(|(key, _)| *key == BOX).map(|(_, value)| value);
        for (pointer, scope) in elements(&format!("{pointer}/scopeLogs"), &resource["scopeLogs"]) {
            for (pointer, record) in
                elements(&format!("{pointer}/logRecords"), &scope["logRecords"])
            {
                if hits.len() >= MOST_HITS {
                    return hits;
                }
                hits.push(hit(pointer, record, place.as_ref()));
            }
        }
    }
    hits
}

pub(super) fn first_event_type(body: &Value) -> &str {
    event_type(&body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0])
}

fn event_type(record: &Value) -> &str {
    let name = text(&record["eventName"]);
    name.strip_prefix("media.").unwrap_or(name)
}

fn hit<'a>(pointer: String, record: &'a Value, place: Option<&Value>) -> Hit<'a> {
    let nanoseconds = number(&record["timeUnixNano"]);
    let mut hit = Hit {
        event_type: event_type(record),
        ts: nanoseconds.and_then(|ns| ns.as_i64()).map(|ns| ns.div_euclid(1_000_000)),
        pointer,
        ..Hit::default()
    };
    for item in record["attributes"].as_array().into_iter().flatten() {
        let (key, value) = (text(&item["key"]), &item["value"]);
        match key {
            "session.id" => hit.session = value["stringValue"].as_str(),
            "session.previous_id" => hit.previous = value["stringValue"].as_str(),
            "log.record.uid" => hit.uid = value["stringValue"].as_str(),
            "media.playhead" => hit.playhead = plain(value).as_f64(),
            _ if key.starts_with(CUSTOM) => {
                hit.metadata.insert(key[CUSTOM.len()..].to_owned(), plain(value));
            }
            _ => {
                let part =
                    if key.starts_with(QUALITY) { &mut hit.quality } else { &mut hit.params };
                part.insert(key.to_owned(), plain(value));
            }
        }
    }
    if let Some(place) = place.filter(|_| hit.event_type == "sessionStart") {
        hit.params.insert("appInstallationId".into(), place.clone());
    }
    hit
}

fn attributes(list: &Value) -> Map<String, Value> {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| (text(&item["key"]).to_owned(), plain(&item["value"]))).collect()
}

/// The value of an `AnyValue`, as JSON has it; null for what these records do not use.
fn plain(value: &Value) -> Value {
    let (kind, value) = match value.as_object().and_then(|members| members.iter().next()) {
        Some((kind, value)) => (kind.as_str(), value),
        None => return Value::Null,
    };
    match kind {
        "stringValue" | "boolValue" | "doubleValue" => value.clone(),
        "intValue" => number(value).map_or(Value::Null, Value::Number),
        _ => Value::Null,
    }
}

/// A whole number, which proto3 JSON writes as a string and may write as a number.
fn number(value: &Value) -> Option<Number> {
    match value {
        Value::String(digits) => digits.parse::<i64>().ok().map(Number::from),
        Value::Number(number) => Some(number.clone()),
        _ => None,
    }
}
