use serde_json::json;

use super::super::{Backend, Outcome, Rule};
use super::*;

mod mistakes;
mod rules;

const MINUTE: i64 = 60_000;
const CONFIG: &str = "?configId=11111111-2222-4333-8444-555555555555";
const FPID: &str = "00112233-4455-4677-8899-aabbccddeeff";

fn path(event: &str) -> String {
    format!("/ee/va/v1/{event}{CONFIG}")
}

/// A second of the first hour of 2024, as a timestamp.
fn time(second: i64) -> String {
    format!("2024-01-01T00:{:02}:{:02}.000Z", second / 60, second % 60)
}

/// A body that the API takes.
fn body(event: &str, id: Option<&str>, second: i64) -> Value {
    let mut collection = json!({"playhead": 3});
    if let Some(id) = id {
        collection["sessionID"] = id.into();
    }
    let ad = json!({"name": "a", "length": 15, "playerName": "p", "podPosition": 0});
    let details = match event {
        "sessionStart" => Some(("sessionDetails", session_details())),
        "adBreakStart" => Some(("advertisingPodDetails", json!({"index": 1, "offset": 0}))),
        "adStart" => Some(("advertisingDetails", ad)),
        "chapterStart" => Some(("chapterDetails", json!({"index": 1, "offset": 0, "length": 9}))),
        "error" => Some(("errorDetails", json!({"name": "E1", "source": "player"}))),
        "bitrateChange" => Some(("qoeDataDetails", json!({}))),
        "statesUpdate" => Some(("statesStart", json!([{"name": "mute"}]))),
        _ => None,
    };
    if let Some((name, details)) = details {
        collection[name] = details;
    }
    let xdm = json!({
        "eventType": format!("media.{event}"), "timestamp": time(second),
        "mediaCollection": collection,
    });
    json!({"events": [{"xdm": xdm}]})
}

fn session_details() -> Value {
    json!({
        "name": "ep-1", "playerName": "p", "length": 60, "channel": "c", "contentType": "vod",
        "streamType": "video", "hasResume": false, "authorized": "true",
    })
}

fn start() -> Value {
    let mut start = body("sessionStart", None, 0);
    let xdm = &mut start["events"][0]["xdm"];
    xdm["identityMap"] = json!({
        "FPID": [{"id": FPID, "primary": false}],
        "ECID": [{"id": "7".repeat(38)}],
        "crm": [{"id": "c", "authenticatedState": "loggedOut"}],
    });
    xdm["implementationDetails"] = json!({"name": "n", "version": "1", "environment": "device"});
    xdm["mediaCollection"]["customMetadata"] = json!([{"name": "_t.mood", "value": ""}]);
    xdm["mediaCollection"]["qoeDataDetails"] = json!({"bitrate": 1200, "timeToStart": 0});
    start
}

fn download() -> Value {
    let event = |kind: &str, second: i64| {
        let mut collection = body(kind, None, 0)["events"][0]["xdm"]["mediaCollection"].clone();
        collection["playhead"] = second.into();
        json!({
            "mediaEventType": format!("media.{kind}"), "mediaEventTimestamp": time(second),
            "mediaCollection": collection,
        })
    };
    json!({"events": [{"xdm": {
        "eventType": "media.downloaded",
        "identityMap": {"FPID": [{"id": FPID}]},
        "mediaDownloadedEvents": [event("sessionStart", 0), event("play", 1), event("ping", 2)],
    }}]})
}

/// Status and document of an answer; 0 when there is none.
fn post(backend: &mut Backend, path: &str, body: &Value, now_ms: i64) -> (u16, Value) {
    match backend.judge(path, body, now_ms).plan.outcome {
        Outcome::Answer { status, body, .. } => {
            (status, serde_json::from_str(&body).unwrap_or_default())
        }
        _ => (0, Value::Null),
    }
}

fn with_rules(rules: Value) -> Backend {
    let mut backend = Backend::new();
    super::super::CollectorModel::set_rules(&mut backend, Rule::list(&rules).expect("rules"));
    backend
}

fn with(mut body: Value, parent: &str, key: &str, new: Option<Value>) -> Value {
    let place = body.pointer_mut(&format!("/events/0{parent}")).expect("a place");
    let members = place.as_object_mut().expect("an object");
    match new {
        Some(new) => members.insert(key.into(), new),
        None => members.remove(key),
    };
    body
}

fn handle<'a>(document: &'a Value, kind: &str) -> &'a Value {
    let handles = document["handle"].as_array().expect("handles");
    &handles.iter().find(|handle| handle["type"] == kind).expect(kind)["payload"]
}

/// Opens a session and gives its id.
fn open(backend: &mut Backend) -> String {
    let (status, document) = post(backend, &path("sessionStart"), &start(), 0);
    assert_eq!(status, 200, "{document}");
    let id = &handle(&document, "media-analytics:new-session")[0]["sessionId"];
    id.as_str().expect("an id").to_owned()
}

#[test]
fn paths() {
    let yes = [
        "/ee/va/v1/play?configId=x",
        "/ee/va6/va/v1/play",
        "/ee/ee/va/v1/play",
        "/pre/ee/or2/va/v1/statesUpdate",
        "/ee-pre-prd/va/v1/downloaded",
    ];
    let no = [
        "/va/v1/play",
        "/ee/VA6/va/v1/play",
        "/ee/a/b/va/v1/play",
        "/ee/12345678901234567/va/v1/play",
        "/ee//va/v1/play",
        "/ee/va/v2/play",
        "/ee/va/v1/stateStart",
        "/ee/va/v1/resume",
        "/ee/va/v1/",
    ];
    for path in yes {
        assert!(route(path).is_some(), "{path}");
    }
    for path in no {
        assert_eq!(route(path), None, "{path}");
        assert_eq!(post(&mut Backend::new(), path, &json!({}), 0).0, 404, "{path}");
    }
}

#[test]
fn every_path_of_the_page_is_taken() {
    let mut backend = Backend::new();
    let id = open(&mut backend);
    let events = [
        "play",
        "ping",
        "pauseStart",
        "bufferStart",
        "bitrateChange",
        "error",
        "adBreakStart",
        "adStart",
        "adSkip",
        "adComplete",
        "adBreakComplete",
        "chapterStart",
        "chapterSkip",
        "chapterComplete",
        "statesUpdate",
        "sessionComplete",
        "sessionEnd",
    ];
    for (second, event) in events.into_iter().enumerate() {
        let body = body(event, Some(&id), second as i64 + 1);
        let hinted = path(event).replace("/ee/", "/ee/va6/");
        let answer = backend.judge(&hinted, &body, 0);
        assert!(answer.counted, "{event}: {answer:?}");
        assert_eq!(answer.plan.sid.as_deref(), Some("S1"), "{event}");
    }
    assert_eq!(post(&mut backend, &path("downloaded"), &download(), 0).0, 200);
}

#[test]
fn a_new_session_has_an_id_and_a_place_and_their_order_varies() {
    let mut backend = Backend::new();
    let (mut ids, mut hints, mut orders) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=12 {
        let planned = backend.judge(&path("sessionStart"), &start(), 0);
        assert_eq!(planned.plan.sid, Some(format!("S{number}")));
        let Outcome::Answer { status: 200, body, .. } = planned.plan.outcome else {
            panic!("{planned:?}");
        };
        let document: Value = serde_json::from_str(&body).expect("JSON");
        let id = handle(&document, "media-analytics:new-session")[0]["sessionId"].clone();
        let id = id.as_str().expect("an id").to_owned();
        assert!(id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        let places = handle(&document, "locationHint:result").as_array().expect("places");
        assert_eq!(places.len(), 3);
        let edge = places.iter().find(|place| place["scope"] == "EdgeNetwork").expect("a place");
        assert_eq!(edge["ttlSeconds"], 1800);
        let order: Vec<_> = document["handle"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|h| h["type"].clone())
            .collect();
        handle(&document, "state:store");
        ids.push(id);
        hints.push(edge["hint"].as_str().expect("a hint").to_owned());
        orders.push(format!("{order:?}"));
    }
    assert!(hints.windows(2).all(|pair| pair[0] != pair[1]), "{hints:?}");
    for (list, least) in [(&mut ids, 12), (&mut hints, 7), (&mut orders, 6)] {
        list.sort();
        list.dedup();
        assert!(list.len() >= least, "{list:?}");
    }
    assert_eq!(open(&mut Backend::new()), documents::session_id(1), "the same in every run");
}

#[test]
fn a_session_is_gone_when_it_is_unknown_ended_silent_still_or_old() {
    type Step = (i64, &'static str, i64, u16);
    let pings = |from: i64, to: i64, playhead: i64, every: usize| {
        (from..to).step_by(every).map(move |minute| (minute, "ping", playhead, 204))
    };
    let day = 24 * 60;
    let table: Vec<(&str, Vec<Step>)> = vec![
        ("slack", vec![(11, "ping", 3, 204), (22, "ping", 4, 204)]),
        ("silence", vec![(12, "ping", 3, 404), (13, "sessionEnd", 3, 404)]),
        ("end", vec![(1, "sessionEnd", 3, 204), (1, "ping", 3, 404)]),
        ("complete", vec![(1, "sessionComplete", 9, 204), (2, "ping", 9, 204)]),
        ("still", pings(1, 32, 3, 1).chain([(32, "play", 3, 404)]).collect()),
        ("plays", [(0, "play", 3, 204)].into_iter().chain(pings(1, 90, 3, 1)).collect()),
        (
            "old",
            [(0, "play", 3, 204)]
                .into_iter()
                .chain(pings(10, day + 1, 3, 10))
                .chain([(day + 1, "ping", 3, 204), (day + 2, "ping", 3, 404)])
                .collect(),
        ),
    ];
    for (name, steps) in table {
        let mut backend = Backend::new();
        let id = open(&mut backend);
        for (n, (minute, kind, playhead, status)) in steps.into_iter().enumerate() {
            let mut event = body(kind, Some(&id), n as i64 + 1);
            event["events"][0]["xdm"]["mediaCollection"]["playhead"] = playhead.into();
            let (got, problem) = post(&mut backend, &path(kind), &event, minute * MINUTE);
            assert_eq!(got, status, "{name}: {kind} at minute {minute}: {problem}");
            if got == 404 {
                let name = format!("https://ns.adobe.com/aep/errors/{NO_SESSION}");
                assert_eq!(problem["type"], name);
                assert!(problem["report"]["details"].is_string());
            }
        }
    }
    let stranger = body("play", Some(&"0".repeat(64)), 1);
    assert_eq!(post(&mut Backend::new(), &path("play"), &stranger, 0).0, 404);
}

#[test]
fn times_of_a_session_ascend_but_for_an_event_that_comes_once_more() {
    let mut backend = Backend::new();
    let id = open(&mut backend);
    let play = body("play", Some(&id), 5);
    for (body, status) in [
        (body("play", Some(&id), 0), 400),
        (play.clone(), 204),
        (play, 204),
        (body("play", Some(&id), 4), 400),
        (with(body("play", Some(&id), 5), "/xdm/mediaCollection", "playhead", Some(json!(9))), 400),
        (body("play", Some(&id), 6), 204),
    ] {
        assert_eq!(post(&mut backend, &path("play"), &body, 0).0, status, "{body}");
    }
}

#[test]
fn a_session_has_a_label_also_where_nothing_was_answered() {
    let mut backend = Backend::new();
    let id = open(&mut backend);
    let play = body("play", Some(&id), 1);
    let label = |backend: &Backend, body: &Value| {
        super::super::CollectorModel::session(backend, &path("play"), body, Some("va6/opaque"))
    };
    assert_eq!(label(&backend, &play).as_deref(), Some("S1"));
    let stranger = body("play", Some(&"0".repeat(64)), 1);
    assert_eq!(label(&backend, &stranger), Some("0".repeat(64)));
    assert_eq!(label(&backend, &start()), None);
}
