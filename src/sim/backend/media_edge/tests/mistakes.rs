//! Each clause of the validator has a body that breaks it.

use super::*;

/// A body with what stands at a place replaced or (`None`) removed.
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
