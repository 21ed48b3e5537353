use super::super::{Backend, CollectorModel as _, Outcome, Rule};
use super::*;

const PATH: &str = "/v1/logs";
const SESSION: &str = "5b0f3b0e-2f5a-4d43-9d0c-0c1a2b3c4d5e";
const OTHER: &str = "6c1f4c1f-3061-4e54-8e1d-1d2b3c4d5e6f";

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn int(key: &str, value: i64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

/// A record that is valid.
fn record(kind: &str, session: &str, uid: &str, second: u64) -> Value {
    let mut attributes = vec![
        text("session.id", session),
        text("log.record.uid", uid),
        json!({"key": "media.playhead", "value": {"doubleValue": 1}}),
    ];
    match kind {
        "sessionStart" => attributes.extend([
            text("media.id", "ep-1"),
            json!({"key": "media.length", "value": {"doubleValue": 60.0}}),
            text("media.contentType", "vod"),
            text("media.playerName", "p"),
            text("media.channel", "c"),
            json!({"key": "media.resume", "value": {"boolValue": true}}),
            text("session.previous_id", "before"),
            text("media.custom.mood", "calm"),
            int("media.qoe.bitrate", 1200),
        ]),
        "error" => attributes
            .extend([text("media.qoe.errorID", "E1"), text("media.qoe.errorSource", "player")]),
        "stateStart" => attributes.push(text("media.state.name", "mute")),
        _ => {}
    }
    let (number, severity) = if kind == "error" { (17, "ERROR") } else { (9, "INFO") };
    let time = (1_700_000_000 + second).to_string() + "000000000";
    json!({
        "timeUnixNano": time, "observedTimeUnixNano": time, "severityNumber": number,
        "severityText": severity, "eventName": format!("media.{kind}"), "attributes": attributes,
    })
}

fn body(records: Vec<Value>) -> Value {
    let resource = [
        text("service.name", "playheadd"),
        text("service.version", "1"),
        text("service.instance.id", "00112233"),
        text("deployment.environment.name", "test"),
    ];
    json!({"resourceLogs": [{
        "resource": {"attributes": resource},
        "scopeLogs": [{"scope": {"name": "playheadd", "version": "1"}, "logRecords": records}],
    }]})
}

fn first() -> Value {
    body(vec![
        record("sessionStart", SESSION, "a", 0),
        record("play", SESSION, "b", 0),
        record("error", SESSION, "c", 1),
        record("stateStart", SESSION, "d", 2),
        record("ping", SESSION, "e", 10),
    ])
}

fn post(backend: &mut Backend, body: &Value) -> (u16, Value) {
    match backend.judge(PATH, body, 0).plan.outcome {
        Outcome::Answer { status, body, .. } => {
            (status, serde_json::from_str(&body).unwrap_or_default())
        }
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn records_are_taken_and_a_repeat_is_told_apart() {
    let mut backend = Backend::new();
    let answer = backend.judge("/pre/v1/logs?x=1", &first(), 0);
    assert!(answer.counted && !answer.fault && answer.repeated == 0, "{answer:?}");
    assert_eq!(answer.plan.sid.as_deref(), Some("S1"));
    let again = backend.judge(PATH, &first(), 0);
    assert!(again.counted && again.repeated == 5, "{again:?}");
    let mut records = vec![record("ping", SESSION, "e", 10), record("ping", SESSION, "f", 10)];
    assert_eq!(backend.judge(PATH, &body(records.clone()), 0).repeated, 1);
    records.push(record("sessionStart", OTHER, "g", 3));
    let mixed = backend.judge(PATH, &body(records), 0);
    assert_eq!((mixed.repeated, mixed.plan.sid), (2, None), "two sessions have no label");
    assert_eq!(post(&mut backend, &first()), (200, json!({})));
    assert_eq!(backend.judge("/v1/traces", &first(), 0).plan.sid, None);
}

#[test]
fn one_mistake() {
    const ATTRIBUTES: &str = "/resourceLogs/0/scopeLogs/0/logRecords/0/attributes";
    const RECORD: &str = "/resourceLogs/0/scopeLogs/0/logRecords/0";
    const SCOPE: &str = "/resourceLogs/0/scopeLogs/0";
    let table: Vec<(&str, &str, Value, &str)> = vec![
        ("", "resource_logs", json!([]), "resource_logs: expected no such key"),
        ("", "resourceLogs", json!([]), "resourceLogs: expected an array of one"),
        ("/resourceLogs/0", "schemaUrl", json!("u"), "schemaUrl: expected no such key"),
        ("/resourceLogs/0", "scopeLogs", json!(null), "scopeLogs: expected an array of one"),
        ("/resourceLogs/0", "resource", json!(null), "resource: expected an object"),
        ("/resourceLogs/0/resource", "attributes", json!([]), "service.name: expected a text"),
        (
            "/resourceLogs/0/resource",
            "attributes",
            json!([text("service.name", "other")]),
            "service.name: expected the text",
        ),
        ("/resourceLogs/0/resource", "entityRefs", json!([]), "entityRefs: expected no such key"),
        (SCOPE, "scope", json!({"name": "playheadd"}), "scope.version: expected a string"),
        (SCOPE, "scope", json!({"name": "x", "version": "1"}), "scope.name: expected playheadd"),
        (SCOPE, "logRecords", json!([]), "logRecords: expected 1 to 100 records, got 0"),
        (SCOPE, "logRecords", json!(vec![0; 101]), "expected 1 to 100 records, got 101"),
        (RECORD, "timeUnixNano", json!(1_700_000_000), "timeUnixNano: expected nanoseconds"),
        (RECORD, "timeUnixNano", json!("1.5"), "timeUnixNano: expected nanoseconds"),
        (RECORD, "observedTimeUnixNano", json!("1"), "expected the value of timeUnixNano"),
        (RECORD, "severityNumber", json!(10), "severityNumber: expected 9, got 10"),
        (RECORD, "severityText", json!("Info"), "severityText: expected \"INFO\""),
        (RECORD, "eventName", json!("sessionStart"), "eventName: expected media."),
        (RECORD, "eventName", json!("media.statesUpdate"), "eventName: expected media."),
        (RECORD, "eventName", json!("media.resume"), "eventName: expected media."),
        (RECORD, "body", json!({"stringValue": "x"}), "body: expected no such key in a record"),
        (RECORD, "traceId", json!(null), "traceId: expected no such key"),
        (RECORD, "attributes", json!({}), "attributes: expected an array of {key, value}"),
        (ATTRIBUTES, "", json!({"key": "", "value": {}}), ".key: expected a text"),
        (ATTRIBUTES, "", json!({"key": "a", "value": null}), ".value: expected one of"),
        (ATTRIBUTES, "", json!({"key": "a", "value": {"intValue": 1}}), ".value: expected one of"),
        (
            ATTRIBUTES,
            "",
            json!({"key": "a", "value": {"intValue": "1", "stringValue": "1"}}),
            ".value: expected one of",
        ),
        (ATTRIBUTES, "", json!({"key": "a", "value": {"stringValue": 1}}), ".value: expected one"),
        (ATTRIBUTES, "", json!({"key": "a", "v": 1}), ".v: expected no such key in an attribute"),
        (ATTRIBUTES, "", text("media.id", "again"), "expected each key once, media.id"),
        (ATTRIBUTES, "", text("analytics.reportSuite", "r"), "analytics.reportSuite: expected no"),
        (ATTRIBUTES, "", text("visitor.aamLocationHint", "1"), "aamLocationHint: expected no such"),
        (ATTRIBUTES, "", text("appInstallationId", "1"), "appInstallationId: expected no such key"),
        (ATTRIBUTES, "", text("media.shoe", "x"), "params.media.shoe: expected no such key"),
        (
            ATTRIBUTES,
            "",
            text("media.qoe.droppedFrames", "x"),
            "droppedFrames: expected an integer",
        ),
        (ATTRIBUTES, "", int("media.custom.n", 1), "customMetadata.n: expected a string"),
        (ATTRIBUTES, "", int("media.name", 1), "params.media.name: expected a string"),
        (ATTRIBUTES, "session.id", json!(null), "session.id: expected it, it is missing"),
        (ATTRIBUTES, "session.id", text("session.id", "S1"), "session.id: expected a UUID"),
        (ATTRIBUTES, "log.record.uid", text("log.record.uid", ""), "uid: expected a text that"),
        (ATTRIBUTES, "log.record.uid", json!(null), "log.record.uid: expected it"),
        (ATTRIBUTES, "media.playhead", json!(null), "media.playhead: expected it"),
        (ATTRIBUTES, "media.playhead", int("media.playhead", 1), "playhead: expected a double"),
        (ATTRIBUTES, "media.id", json!(null), "params.media.id: expected a string, it is missing"),
        (ATTRIBUTES, "media.resume", json!(null), "session.previous_id: expected no such key"),
    ];
    assert_eq!(post(&mut Backend::new(), &first()).0, 200);
    for (parent, key, new, part) in table {
        let mut wrong = first();
        let place = wrong.pointer_mut(parent).expect("a place");
        match place {
            Value::Array(list) => {
                list.retain(|one| key.is_empty() || one["key"] != key);
                list.extend((!new.is_null()).then_some(new));
            }
            place => place[key] = new,
        }
        let mut backend = Backend::new();
        let answer = backend.judge(PATH, &wrong, 0);
        assert!(!answer.counted && !answer.fault && answer.refusal.is_some(), "{part}: {answer:?}");
        let (status, document) = post(&mut backend, &wrong);
        assert_eq!((status, &document["code"]), (400, &json!(3)), "{part}");
        let message = document["message"].as_str().expect("a message");
        assert!(message.contains(part), "{message}\n  does not say\n{part}");
        assert_eq!(backend.judge(PATH, &first(), 0).repeated, 0, "nothing was taken");
    }
}

#[test]
fn a_request_that_is_too_large() {
    let long = text("media.name", &"x".repeat(schema::MOST_BYTES));
    let mut body = first();
    body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["attributes"]
        .as_array_mut()
        .expect("attributes")
        .push(long);
    assert_eq!(post(&mut Backend::new(), &body).0, 413);
}

#[test]
fn the_order_of_a_session() {
    let start = || record("sessionStart", SESSION, "a", 5);
    let play = |uid: &str, second| record("play", SESSION, uid, second);
    let table = [
        (vec![play("b", 5)], 400, "expected media.sessionStart as the first"),
        (vec![start(), play("b", 4)], 400, "expected 1700000005000000000 or more"),
        (vec![start(), record("sessionStart", SESSION, "b", 6)], 400, "expected one media.sess"),
        (vec![start(), play("b", 5), play("c", 6)], 200, ""),
        (vec![play("c", 6), play("d", 5)], 400, "or more"),
        // What was taken before may come at any place.
        (vec![start(), play("c", 6), play("d", 6)], 200, ""),
    ];
    let mut backend = Backend::new();
    for (records, status, part) in table {
        let (got, document) = post(&mut backend, &body(records));
        assert_eq!(got, status, "{document}");
        let message = document["message"].as_str().unwrap_or_default();
        assert!(message.contains(part), "{message} does not say {part}");
    }
}

#[test]
fn a_session_whose_start_is_not_for_this_receiver() {
    let play = body(vec![record("play", SESSION, "b", 5)]);
    let mut backend = Backend::new().without_starts();
    assert_eq!(post(&mut backend, &play).0, 200);

    let mut backend = Backend::new();
    let rules = json!([{"on": "logs", "times": 1, "status": 400}]);
    backend.set_rules(Rule::list(&rules).expect("rules"));
    assert_eq!(post(&mut backend, &first()).0, 400);
    assert_eq!(post(&mut backend, &play).0, 200, "its start was refused on request");
}

#[test]
fn what_a_rule_meets_and_says() {
    let other = body(vec![record("sessionStart", OTHER, "x", 0)]);
    let table = [
        (json!({"on": "logs"}), [503, 503]),
        (json!({"on": "events"}), [200, 200]),
        (json!({"on": "logs", "event_type": "error"}), [503, 200]),
        (json!({"on": "logs", "session": "S1"}), [503, 503]),
        (json!({"on": "logs", "session": "S1", "times": 1}), [503, 200]),
        (json!({"on": "logs", "session": "S2"}), [200, 503]),
    ];
    for (mut rule, expected) in table {
        rule["status"] = 503.into();
        let mut backend = Backend::new();
        backend.set_rules(Rule::list(&json!([rule])).expect("rules"));
        let got = [post(&mut backend, &first()).0, post(&mut backend, &other).0];
        assert_eq!(got, expected, "{rule}");
    }
    let partial = json!({"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": "no"}});
    let mut backend = Backend::new();
    let rules = json!([{"on": "logs", "times": 1, "body": partial}, {"on": "logs", "status": 429}]);
    backend.set_rules(Rule::list(&rules).expect("rules"));
    assert_eq!(post(&mut backend, &first()), (200, partial));
    assert_eq!(post(&mut backend, &other).1["code"], 8);
}
