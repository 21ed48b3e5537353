use serde_json::json;

use super::super::{Backend, Outcome, Rule};
use super::*;

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

/// A body with what stands at a place replaced or (`None`) removed.
fn with(mut body: Value, parent: &str, key: &str, new: Option<Value>) -> Value {
    let place = body.pointer_mut(&format!("/events/0{parent}")).expect("a place");
    let members = place.as_object_mut().expect("an object");
    match new {
        Some(new) => members.insert(key.into(), new),
        None => members.remove(key),
    };
    body
}

#[test]
fn one_mistake_in_a_start() {
    const MEDIA: &str = "/xdm/mediaCollection";
    const DETAILS: &str = "/xdm/mediaCollection/sessionDetails";
    let some = |value: Value| Some(value);
    let table: Vec<(&str, &str, Option<Value>, &str)> = vec![
        ("", "more", some(json!(1)), "$.more: expected no such key"),
        ("", "_data", some(json!({"x": 1})), "$._data.x: expected no such key"),
        (
            "",
            "_data",
            some(json!({"__adobe": {"analytics": {"contextData": {"a": 1}}}})),
            "$._data.__adobe.analytics.contextData.a: expected a string",
        ),
        ("", "xdm", None, "$.xdm: expected an object, it is missing"),
        ("", "xdm", some(json!([])), "$.xdm: expected an object, got []"),
        ("/xdm", "eventType", None, "$.xdm.eventType: expected media.sessionStart"),
        ("/xdm", "eventType", some(json!(1)), "$.xdm.eventType: expected media.sessionStart"),
        ("/xdm", "timestamp", None, "$.xdm.timestamp: expected a time"),
        ("/xdm", "timestamp", some(json!(1_700_000_000)), "$.xdm.timestamp: expected a time"),
        ("/xdm", "timestamp", some(json!("2024-01-01T00:00:00")), "$.xdm.timestamp: expected"),
        ("/xdm", "_id", some(json!(7)), "$.xdm._id: expected a string"),
        ("/xdm", "mediaReporting", some(json!({})), "$.xdm.mediaReporting: expected no such key"),
        ("/xdm", "mediaDownloadedEvents", some(json!([])), "mediaDownloadedEvents: expected no"),
        ("/xdm", "mediaCollection", None, "$.xdm.mediaCollection: expected an object"),
        ("/xdm", "identityMap", some(json!([])), "$.xdm.identityMap: expected an object"),
        ("/xdm", "identityMap", some(json!({"crm": []})), "identityMap.crm: expected an array of"),
        ("/xdm", "identityMap", some(json!({"crm": {}})), "identityMap.crm: expected an array of"),
        ("/xdm", "identityMap", some(json!({"crm": [{}]})), "identityMap.crm[0].id: expected"),
        (
            "/xdm",
            "identityMap",
            some(json!({"crm": [{"id": "1", "authenticatedState": "1"}]})),
            "identityMap.crm[0].authenticatedState: expected one of",
        ),
        (
            "/xdm",
            "identityMap",
            some(json!({"crm": [{"id": "1", "primary": "no"}]})),
            "identityMap.crm[0].primary: expected true or false",
        ),
        (
            "/xdm",
            "implementationDetails",
            some(json!({"environment": "box"})),
            "implementationDetails.environment: expected one of",
        ),
        (MEDIA, "playhead", None, "$.xdm.mediaCollection.playhead: expected it, it is missing"),
        (MEDIA, "playhead", some(json!(3.0)), "mediaCollection.playhead: expected an integer"),
        (MEDIA, "playhead", some(json!("3")), "mediaCollection.playhead: expected an integer"),
        (MEDIA, "playhead", some(json!(-1)), "mediaCollection.playhead: expected an integer"),
        (MEDIA, "playhead", some(json!(null)), "mediaCollection.playhead: expected an integer"),
        (MEDIA, "sessionID", some(json!("a")), "mediaCollection.sessionID: expected no such key"),
        (MEDIA, "chapterDetails", some(json!({})), "chapterDetails: expected no such key"),
        (MEDIA, "statesStart", some(json!([])), "statesStart: expected no such key"),
        (MEDIA, "sessionDetails", None, "mediaCollection.sessionDetails: expected it"),
        (MEDIA, "customMetadata", some(json!({})), "customMetadata: expected an array of"),
        (
            MEDIA,
            "customMetadata",
            some(json!([{"name": "n"}])),
            "customMetadata[0].value: expected",
        ),
        (
            MEDIA,
            "customMetadata",
            some(json!([{"name": "n", "value": 1}])),
            "customMetadata[0].value: expected a string",
        ),
        (
            MEDIA,
            "qoeDataDetails",
            some(json!({"bitrate": 2_147_483_648_u64})),
            "qoeDataDetails.bitrate: expected an integer from 0 to 2147483647",
        ),
        (MEDIA, "qoeDataDetails", some(json!({"droppedFrames": -1})), "droppedFrames: expected"),
        (MEDIA, "qoeDataDetails", some(json!({"fps": 1})), "qoeDataDetails.fps: expected no such"),
        (DETAILS, "name", some(json!("")), "sessionDetails.name: expected a string that is not"),
        (DETAILS, "playerName", None, "sessionDetails.playerName: expected a string that is not"),
        (DETAILS, "channel", None, "sessionDetails.channel: expected a string that is not"),
        (DETAILS, "contentType", None, "sessionDetails.contentType: expected a string that is not"),
        (DETAILS, "length", None, "sessionDetails.length: expected an integer from 0, it is"),
        (DETAILS, "length", some(json!(60.5)), "sessionDetails.length: expected an integer"),
        (DETAILS, "streamType", some(json!("radio")), "streamType: expected one of audio, video"),
        (DETAILS, "hasResume", some(json!("true")), "hasResume: expected true or false"),
        (DETAILS, "authorized", some(json!(true)), "authorized: expected a string"),
        (DETAILS, "isCompleted", some(json!(true)), "isCompleted: expected no such key"),
    ];
    assert_eq!(post(&mut Backend::new(), &path("sessionStart"), &start(), 0).0, 200);
    for (parent, key, new, part) in table {
        let mut backend = Backend::new();
        let wrong = with(start(), parent, key, new);
        let answer = backend.judge(&path("sessionStart"), &wrong, 0);
        assert!(!answer.counted && !answer.fault && answer.refusal.is_some(), "{part}: {answer:?}");
        let (status, document) = post(&mut backend, &path("sessionStart"), &wrong, 0);
        assert_eq!((status, &document["handle"]), (207, &json!([])), "{part}");
        let error = &document["errors"][0];
        assert_eq!(error["type"], format!("https://ns.adobe.com/aep/errors/{INVALID}"));
        assert_eq!((&error["status"], &error["title"]), (&json!(400), &json!("Invalid request")));
        let detail = &error["report"]["details"][0];
        let said = format!("{}: {}", detail["name"], detail["reason"]).replace(['"', '\\'], "");
        assert!(said.contains(part), "{said}\n  does not say\n{part}");
        assert_eq!(open(&mut backend), documents::session_id(1), "no session was opened");
    }
}

#[test]
fn one_mistake_in_an_event() {
    const MEDIA: &str = "/xdm/mediaCollection";
    let mut backend = Backend::new();
    let id = open(&mut backend);
    let table: Vec<(&str, &str, &str, Option<Value>, &str)> = vec![
        ("play", MEDIA, "sessionID", None, "$.events[0].xdm.mediaCollection.sessionID"),
        ("play", MEDIA, "sessionID", Some(json!(id[1..])), "expected 64 hexadecimal digits"),
        ("play", MEDIA, "sessionID", Some(json!("z".repeat(64))), "expected 64 hexadecimal"),
        ("play", MEDIA, "customMetadata", Some(json!([])), "customMetadata"),
        ("play", MEDIA, "sessionDetails", Some(session_details()), "sessionDetails"),
        ("ping", MEDIA, "errorDetails", Some(json!({})), "errorDetails"),
        ("bitrateChange", MEDIA, "qoeDataDetails", None, "qoeDataDetails"),
        ("error", MEDIA, "errorDetails", None, "errorDetails"),
        ("error", "/xdm/mediaCollection/errorDetails", "name", Some(json!("")), "name"),
        ("error", "/xdm/mediaCollection/errorDetails", "source", Some(json!("tv")), "player"),
        ("adBreakStart", MEDIA, "advertisingPodDetails", None, "advertisingPodDetails"),
        ("adBreakStart", "/xdm/mediaCollection/advertisingPodDetails", "index", None, "index"),
        ("adBreakStart", "/xdm/mediaCollection/advertisingPodDetails", "offset", None, "offset"),
        ("adStart", MEDIA, "advertisingDetails", None, "advertisingDetails"),
        ("adStart", "/xdm/mediaCollection/advertisingDetails", "name", None, "name"),
        ("adStart", "/xdm/mediaCollection/advertisingDetails", "length", None, "length"),
        ("adStart", "/xdm/mediaCollection/advertisingDetails", "playerName", None, "playerName"),
        ("adStart", "/xdm/mediaCollection/advertisingDetails", "podPosition", None, "podPosition"),
        (
            "adStart",
            "/xdm/mediaCollection/advertisingDetails",
            "campaignId",
            Some(json!("c")),
            "campaignId",
        ),
        ("chapterStart", MEDIA, "chapterDetails", None, "chapterDetails"),
        ("chapterStart", "/xdm/mediaCollection/chapterDetails", "index", None, "index"),
        ("chapterStart", "/xdm/mediaCollection/chapterDetails", "offset", None, "offset"),
        (
            "chapterStart",
            "/xdm/mediaCollection/chapterDetails",
            "length",
            Some(json!(9.0)),
            "length",
        ),
        ("statesUpdate", MEDIA, "statesStart", Some(json!([])), "a state in it"),
        ("statesUpdate", MEDIA, "statesStart", Some(json!([{"name": "a b"}])), "1 to 64"),
        (
            "statesUpdate",
            MEDIA,
            "statesEnd",
            Some(json!([{"name": "x".repeat(65)}])),
            "1 to 64 letters",
        ),
        ("statesUpdate", MEDIA, "statesEnd", Some(json!(["mute"])), "statesEnd[0]"),
        ("play", "/xdm", "timestamp", Some(json!(time(0))), "expected a time after"),
        ("play", "/xdm", "identityMap", Some(json!({"": [{"id": "a"}]})), "a name for each"),
    ];
    for (event, parent, key, new, part) in table {
        let body = body(event, Some(&id), 100);
        let answer = backend.judge(&path(event), &with(body, parent, key, new), 0);
        assert!(!answer.counted && answer.refusal.is_some(), "{event} {part}: {answer:?}");
        let Outcome::Answer { status, headers, body, .. } = answer.plan.outcome else { panic!() };
        assert_eq!(status, 400, "{event} {part}: {body}");
        assert_eq!(headers, [("Content-Type".into(), "application/problem+json".into())]);
        let problem: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(problem["type"], format!("https://ns.adobe.com/aep/errors/{INVALID}"), "{part}");
        assert_eq!((&problem["status"], problem["detail"].is_string()), (&json!(400), true));
        let detail = &problem["report"]["details"][0];
        let name = detail["name"].as_str().expect("a name");
        assert!(name.starts_with("$.events[0].xdm."), "{name}");
        assert!(detail.to_string().contains(part), "{detail} does not say {part}");
        if let Some(answer) = post(&mut backend, &path(event), &self::body(event, Some(&id), 0), 0)
            .1["report"]["details"][0]["reason"]
            .as_str()
        {
            assert!(answer.contains("expected a time after"), "{event}: only its time is wrong");
        }
    }
}

#[test]
fn mistakes_that_are_no_list() {
    let mut backend = Backend::new();
    let id = open(&mut backend);
    let play = body("play", Some(&id), 1);
    let twice = json!({"events": [play["events"][0], play["events"][0]]});
    let framed = json!({"events": play["events"], "meta": {"konductorConfig": {"streaming": {}}}});
    let fpid = |id: &str| with(start(), "/xdm", "identityMap", Some(json!({"FPID": [{"id": id}]})));
    let ecid = with(start(), "/xdm", "identityMap", Some(json!({"ECID": [{"id": "7"}]})));
    let large = with(
        play.clone(),
        "",
        "_data",
        Some(json!({"__adobe": {"analytics": {"contextData": {"a": "x".repeat(65_536)}}}})),
    );
    let no_config = "/ee/va/v1/play".to_owned();
    let table = [
        (path("ping"), &play, INVALID, 400, "the path is that of media.ping"),
        (path("play"), &twice, INVALID, 400, "an array of one event"),
        (path("play"), &json!({}), INVALID, 400, "an array of one event"),
        (path("play"), &json!([]), INVALID, 400, "expected an object"),
        (path("play"), &framed, INVALID, 400, "$.meta"),
        (no_config.clone(), &play, NO_DATASTREAM, 400, "configId"),
        (format!("{no_config}?configId=main"), &play, NO_DATASTREAM, 400, "configId"),
        (path("sessionStart"), &fpid(&FPID.replace('-', "")), IDENTITY, 400, "version 4 UUID"),
        (path("sessionStart"), &fpid(&FPID.replace("-4677", "-1677")), IDENTITY, 400, "version 4"),
        (path("sessionStart"), &ecid, IDENTITY, 400, "38 digits"),
        (path("play"), &large, TOO_LARGE, 413, "at most 65536 bytes"),
    ];
    for (path, body, name, status, part) in table {
        let (got, problem) = post(&mut backend, &path, body, 0);
        assert_eq!(got, status, "{part}: {problem}");
        assert_eq!(problem["type"], format!("https://ns.adobe.com/aep/errors/{name}"), "{part}");
        let details = &problem["report"]["details"];
        assert!(details.to_string().contains(part), "{details} does not say {part}");
    }
    let mismatch = post(&mut backend, &path("ping"), &play, 0).1;
    assert!(mismatch["report"]["details"].is_string(), "{mismatch}");
    assert_eq!(post(&mut backend, &path("play"), &play, 0).0, 204, "none of these was counted");
}

#[test]
fn one_mistake_in_a_download() {
    let events = "/xdm/mediaDownloadedEvents";
    let at = |n: usize, rest: &str| format!("{events}/{n}{rest}");
    let ok = download();
    let table: Vec<(String, &str, Option<Value>, &str)> = vec![
        ("/xdm".into(), "identityMap", None, "xdm.identityMap"),
        ("/xdm".into(), "mediaDownloadedEvents", None, "mediaDownloadedEvents"),
        ("/xdm".into(), "mediaDownloadedEvents", Some(json!([])), "an array of events"),
        ("/xdm".into(), "timestamp", Some(json!("today")), "xdm.timestamp"),
        ("/xdm".into(), "mediaCollection", Some(json!(1)), "xdm.mediaCollection"),
        (at(0, ""), "mediaEventType", Some(json!("media.play")), "media.sessionStart as the first"),
        (at(1, ""), "mediaEventType", Some(json!("media.resume")), "an event type of the API"),
        (at(1, ""), "mediaEventType", None, "an event type of the API"),
        (at(1, ""), "mediaEventType", Some(json!("media.sessionStart")), "no second sessionStart"),
        (at(1, ""), "mediaEventTimestamp", None, "a time of RFC 3339"),
        (at(1, ""), "mediaEventTimestamp", Some(json!(time(0))), "after that of the event before"),
        (at(2, ""), "mediaEventTimestamp", Some(json!(time(1))), "after that of the event before"),
        (at(1, ""), "mediaCollection", None, "mediaDownloadedEvents[1].mediaCollection"),
        (at(1, ""), "sid", Some(json!("S1")), "mediaDownloadedEvents[1].sid"),
        (at(1, "/mediaCollection"), "sessionID", Some(json!("a".repeat(64))), "sessionID"),
        (at(2, "/mediaCollection"), "playhead", Some(json!(1.5)), "playhead"),
        (
            at(0, "/mediaCollection/sessionDetails"),
            "isDownloaded",
            Some(json!(false)),
            "true or no such key",
        ),
        (at(0, "/mediaCollection/sessionDetails"), "channel", None, "sessionDetails.channel"),
    ];
    for (parent, key, new, part) in table {
        let mut backend = Backend::new();
        let wrong = with(ok.clone(), &parent, key, new);
        let (status, problem) = post(&mut backend, &path("downloaded"), &wrong, 0);
        assert_eq!(status, 400, "{part}: {problem}");
        let details = &problem["report"]["details"];
        assert!(details.to_string().contains(part), "{details} does not say {part}");
    }
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
fn what_a_rule_meets() {
    let states = |collection: Value| {
        move |id: &str| {
            let mut body = body("statesUpdate", Some(id), 9);
            body["events"][0]["xdm"]["mediaCollection"] = collection.clone();
            body["events"][0]["xdm"]["mediaCollection"]["sessionID"] = id.into();
            body["events"][0]["xdm"]["mediaCollection"]["playhead"] = 1.into();
            body
        }
    };
    let (on, off) = (
        states(json!({"statesStart": [{"name": "mute"}], "statesEnd": []})),
        states(json!({"statesEnd": [{"name": "mute"}]})),
    );
    // A start, a play of S1, a change of states on, one off, a download, a second start.
    let table = [
        (json!({"on": "sessions"}), [503, 204, 204, 204, 200, 503]),
        (json!({"on": "sessions", "session": "S2"}), [200, 204, 204, 204, 200, 503]),
        (json!({"on": "events"}), [200, 503, 503, 503, 200, 200]),
        (json!({"on": "events", "event_type": "play"}), [200, 503, 204, 204, 200, 200]),
        (json!({"on": "events", "event_type": "stateStart"}), [200, 204, 503, 204, 200, 200]),
        (json!({"on": "events", "event_type": "stateEnd"}), [200, 204, 204, 503, 200, 200]),
        (json!({"on": "events", "event_type": "statesUpdate"}), [200, 204, 503, 503, 200, 200]),
        (json!({"on": "events", "session": "S1"}), [200, 503, 503, 503, 200, 200]),
        (json!({"on": "events", "session": "S2"}), [200, 204, 204, 204, 200, 200]),
        (json!({"on": "downloaded"}), [200, 204, 204, 204, 503, 200]),
        (json!({"on": "downloaded", "event_type": "ping"}), [200, 204, 204, 204, 503, 200]),
        (json!({"on": "downloaded", "event_type": "error"}), [200, 204, 204, 204, 200, 200]),
    ];
    for (mut rule, expected) in table {
        rule["status"] = 503.into();
        let mut backend = with_rules(json!([rule]));
        let first = post(&mut backend, &path("sessionStart"), &start(), 0).0;
        let id = match first {
            200 => documents::session_id(1),
            // A rule that stands in the way is lifted for a moment.
            _ => {
                super::super::CollectorModel::set_rules(&mut backend, Vec::new());
                let id = open(&mut backend);
                let again = Rule::list(&json!([rule])).expect("a rule");
                super::super::CollectorModel::set_rules(&mut backend, again);
                id
            }
        };
        let mut later = off(&id);
        later["events"][0]["xdm"]["timestamp"] = time(10).into();
        let got = [
            first,
            post(&mut backend, &path("play"), &body("play", Some(&id), 1), 0).0,
            post(&mut backend, &path("statesUpdate"), &on(&id), 0).0,
            post(&mut backend, &path("statesUpdate"), &later, 0).0,
            post(&mut backend, &path("downloaded"), &download(), 0).0,
            post(&mut backend, &path("sessionStart"), &start(), 0).0,
        ];
        assert_eq!(got, expected, "{rule}");
    }
}

#[test]
fn what_a_rule_says() {
    let table = [
        (400, INVALID),
        (401, "EXEG-0501-401"),
        (403, "EXEG-0400-403"),
        (404, NO_SESSION),
        (408, "EXEG-0109-408"),
        (413, TOO_LARGE),
        (415, "EXEG-0111-415"),
        (422, "EXEG-0004-422"),
        (500, "EXEG-0100-500"),
        (502, "EXEG-0201-502"),
        (503, "EXEG-0201-503"),
        (504, "EXEG-0201-504"),
    ];
    for (status, name) in table {
        let mut backend = with_rules(json!([{"on": "sessions", "status": status}]));
        let answer = backend.judge(&path("sessionStart"), &start(), 0);
        assert!(!answer.counted && answer.fault && answer.refusal.is_none(), "{answer:?}");
        let (got, problem) = post(&mut backend, &path("sessionStart"), &start(), 0);
        assert_eq!((got, &problem["status"]), (status, &json!(status)));
        assert_eq!(problem["type"], format!("https://ns.adobe.com/aep/errors/{name}"));
    }
    for (status, body) in [(429, "about:blank"), (410, "about:blank")] {
        let mut backend = with_rules(json!([{"on": "sessions", "status": status}]));
        assert_eq!(post(&mut backend, &path("sessionStart"), &start(), 0).1["type"], body);
    }
    // Nothing stands in a 204 and in a redirect.
    for status in [204, 302] {
        let mut backend = with_rules(json!([{"on": "sessions", "status": status}]));
        let (got, document) = post(&mut backend, &path("sessionStart"), &start(), 0);
        assert_eq!((got, document), (status, Value::Null));
    }
}

#[test]
fn a_207_on_request_has_a_session_and_another_service_s_error() {
    let mut backend = with_rules(json!([{"on": "sessions", "times": 1, "status": 207}]));
    let answer = backend.judge(&path("sessionStart"), &start(), 0);
    assert!(answer.counted && answer.fault, "{answer:?}");
    let Outcome::Answer { status: 207, body, .. } = answer.plan.outcome else { panic!() };
    let document: Value = serde_json::from_str(&body).expect("JSON");
    let id = handle(&document, "media-analytics:new-session")[0]["sessionId"].clone();
    assert_eq!(document["errors"][0]["status"], 503);
    let id = id.as_str().expect("an id");
    let play = self::body("play", Some(id), 1);
    assert_eq!(post(&mut backend, &path("play"), &play, 0).0, 204, "the session is open");
}

#[test]
fn a_rule_may_say_any_body() {
    let own = "f".repeat(64);
    let with_handle = json!({"handle": [
        {"type": "media-analytics:new-session", "payload": [{"sessionId": own}]}
    ]});
    let consent = json!({"handle": [], "warnings": [{"type": "EXEG-0301-200", "status": 200}]});
    let table = [
        (json!({"body": consent}), 200, false),
        (json!({"status": 207, "body": {"errors": []}}), 207, false),
        (json!({"body": with_handle}), 200, true),
        (json!({"status": 400, "body": {"type": "x/EXEG-0003-400"}}), 400, false),
    ];
    for (mut rule, status, opens) in table {
        let body = rule["body"].clone();
        rule["on"] = "sessions".into();
        rule["times"] = 1.into();
        let mut backend = with_rules(json!([rule]));
        let answer = backend.judge(&path("sessionStart"), &start(), 0);
        assert_eq!((answer.counted, answer.fault), (opens, true), "{rule}");
        let Outcome::Answer { status: got, body: text, .. } = answer.plan.outcome else { panic!() };
        assert_eq!((got, serde_json::from_str::<Value>(&text).ok()), (status, Some(body)));
        let play = self::body("play", Some(&own), 1);
        let known = post(&mut backend, &path("play"), &play, 0).0 == 204;
        assert_eq!(known, opens, "{rule}: the session that the answer names");
    }
    let mut backend = with_rules(json!([{"on": "sessions", "status": 500, "body": "no JSON"}]));
    let Outcome::Answer { body, .. } =
        backend.judge(&path("sessionStart"), &start(), 0).plan.outcome
    else {
        panic!()
    };
    assert_eq!(body, "no JSON", "a text stands as it is");
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
