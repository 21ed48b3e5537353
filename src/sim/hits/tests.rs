use serde_json::json;

use super::*;

const TS: i64 = 1_700_000_000_000;

/// Hits as JSON, without their places in the body.
fn shown(path: &str, body: &Value) -> Vec<Value> {
    let json = |hit: &Hit<'_>| {
        let mut hit = serde_json::to_value(hit).expect("plain data");
        let pointer = hit.as_object_mut().and_then(|members| members.remove("pointer"));
        let pointer = pointer.expect("a place");
        assert!(body.pointer(pointer.as_str().expect("text")).is_some(), "{pointer}");
        hit
    };
    let hits = of(path, body);
    let first = hits.first().map(|hit| hit.event_type).unwrap_or_default();
    assert_eq!(first_event_type(path, body), first, "{path}");
    hits.iter().map(json).collect()
}

fn edge(kind: &str, content: Value) -> Value {
    json!({"eventType": format!("media.{kind}"), "timestamp": "2023-11-14T22:13:20.000Z",
        "mediaCollection": content})
}

fn hit(session: Option<&str>, kind: &str, more: Value) -> Value {
    let mut hit = json!({"event_type": kind, "ts": TS, "playhead": 7.0});
    if let Some(session) = session {
        hit["session"] = session.into();
    }
    hit.as_object_mut().expect("an object").extend(members(&more));
    hit
}

#[test]
fn the_path_tells_the_protocol() {
    for (path, protocol) in [
        ("/api/v1/sessions", Some(Protocol::MediaCollection)),
        ("/tv/api/v1/sessions/S1/events?x=/v1/logs", Some(Protocol::MediaCollection)),
        ("/ee/va/v1/ping?configId=c", Some(Protocol::MediaEdge)),
        ("/ee/or2/va/v1/sessionStart?configId=c", Some(Protocol::MediaEdge)),
        ("/ee-pre-prd/va/v1/downloaded", Some(Protocol::MediaEdge)),
        ("/v1/logs", Some(Protocol::Otlp)),
        ("/otlp/v1/logs?a=b", Some(Protocol::Otlp)),
        ("/v1/traces", None),
        ("/", None),
    ] {
        assert_eq!(Protocol::of(path), protocol, "{path}");
    }
}

#[test]
fn media_collection_as_it_is() {
    let start = json!({"eventType": "sessionStart", "playerTime": {"playhead": 7.0, "ts": TS},
        "params": {"media.id": "ep-1"}, "customMetadata": {"a": "b"},
        "qoeData": {"media.qoe.bitrate": 3}});
    let parts = json!({"params": {"media.id": "ep-1"}, "customMetadata": {"a": "b"},
        "qoeData": {"media.qoe.bitrate": 3}});
    assert_eq!(shown("/api/v1/sessions", &start), [hit(None, "sessionStart", parts.clone())]);
    assert_eq!(
        shown("/tv/api/v1/sessions/S1/events", &start),
        [hit(Some("S1"), "sessionStart", parts.clone())]
    );
    let two = json!([start, start]);
    let one = hit(None, "sessionStart", parts);
    assert_eq!(shown("/api/v1/downloaded", &two), [one.clone(), one]);
    assert!(is_download("/api/v1/downloaded", &two));
}

#[test]
fn media_edge_in_the_names_of_media_collection() {
    let content = json!({"playhead": 7, "sessionDetails": {"name": "ep-1", "friendlyName": "T",
        "length": 60, "hasResume": true, "appVersion": "2", "assetID": "a", "mvpd": "m",
        "authorized": "true", "show": "s", "channel": "c"},
        "customMetadata": [{"name": "_t.k", "value": "v"}], "qoeDataDetails": {"bitrate": 3}});
    let mut start = edge("sessionStart", content);
    start["identityMap"] = json!({"FPID": [{"id": "box"}], "ECID": [{"id": "12"}]});
    let params = json!({"media.id": "ep-1", "media.name": "T", "media.length": 60,
        "media.resume": true, "media.sdkVersion": "2", "media.assetId": "a",
        "media.pass.mvpd": "m", "media.pass.auth": "true", "media.show": "s",
        "media.channel": "c", "appInstallationId": "box",
        "visitor.marketingCloudUserId": "12"});
    let parts = json!({"params": params, "customMetadata": {"_t.k": "v"},
        "qoeData": {"media.qoe.bitrate": 3}});
    let path = "/ee/va/v1/sessionStart?configId=c";
    let body = json!({"events": [{"xdm": start}]});
    assert_eq!(shown(path, &body), [hit(None, "sessionStart", parts)]);
    for (kind, content, parts) in [
        ("ping", json!({}), json!({})),
        (
            "adBreakStart",
            json!({"advertisingPodDetails": {"index": 1, "offset": 2, "friendlyName": "b"}}),
            json!({"params": {"media.ad.podIndex": 1, "media.ad.podSecond": 2,
                "media.ad.podFriendlyName": "b"}}),
        ),
        (
            "adStart",
            json!({"advertisingDetails": {"name": "ad-1", "friendlyName": "A", "length": 15,
                "podPosition": 1, "campaignID": "c", "placementID": "p", "advertiser": "x"}}),
            json!({"params": {"media.ad.id": "ad-1", "media.ad.name": "A", "media.ad.length": 15,
                "media.ad.podPosition": 1, "media.ad.campaignId": "c",
                "media.ad.placementId": "p", "media.ad.advertiser": "x"}}),
        ),
        (
            "chapterStart",
            json!({"chapterDetails": {"index": 1, "friendlyName": "C"}}),
            json!({"params": {"media.chapter.index": 1, "media.chapter.friendlyName": "C"}}),
        ),
        (
            "error",
            json!({"errorDetails": {"name": "e-1", "source": "player"}}),
            json!({"qoeData": {"media.qoe.errorID": "e-1", "media.qoe.errorSource": "player"}}),
        ),
    ] {
        let mut content = content;
        content["playhead"] = 7.into();
        content["sessionID"] = "64hex".into();
        let body = json!({"events": [{"xdm": edge(kind, content)}]});
        let path = format!("/ee/or2/va/v1/{kind}?configId=c");
        assert_eq!(shown(&path, &body), [hit(Some("64hex"), kind, parts)]);
    }
}

#[test]
fn states_are_one_hit_each_and_what_ends_comes_first() {
    let state = |name: &str| json!({"params": {"media.state.name": name}});
    let path = "/ee/va/v1/statesUpdate?configId=c";
    let (mute, pip) = (json!([{"name": "mute"}]), json!([{"name": "pip"}, {"name": "x"}]));
    for (lists, expected) in [
        (
            json!({"statesStart": pip, "statesEnd": mute}),
            vec![("stateEnd", "mute"), ("stateStart", "pip"), ("stateStart", "x")],
        ),
        (json!({"statesStart": mute}), vec![("stateStart", "mute")]),
        (json!({"statesStart": [{"name": "fullScreen"}]}), vec![("stateStart", "fullscreen")]),
        (json!({"statesStart": [], "statesEnd": mute}), vec![("stateEnd", "mute")]),
    ] {
        let mut content = lists;
        content["playhead"] = 7.into();
        let body = json!({"events": [{"xdm": edge("statesUpdate", content)}]});
        let expected: Vec<_> =
            expected.iter().map(|(kind, name)| hit(None, kind, state(name))).collect();
        assert_eq!(shown(path, &body), expected);
    }
    let body = json!({"events": [{"xdm": edge("statesUpdate", json!({"playhead": 7}))}]});
    assert_eq!(shown(path, &body), [hit(None, "statesUpdate", json!({}))]);
}

#[test]
fn a_downloaded_session_of_media_edge() {
    let one = |kind: &str| {
        json!({"mediaEventType": format!("media.{kind}"),
            "mediaEventTimestamp": "2023-11-14T22:13:20Z", "mediaCollection": {"playhead": 7}})
    };
    let xdm = json!({"eventType": "media.downloaded",
        "identityMap": {"FPID": [{"id": "box"}]},
        "mediaDownloadedEvents": [one("sessionStart"), one("play")]});
    let body = json!({"events": [{"xdm": xdm}]});
    let path = "/ee/va/v1/downloaded?configId=c";
    let params = json!({"params": {"media.downloaded": true, "appInstallationId": "box"}});
    let expected = [hit(None, "sessionStart", params), hit(None, "play", json!({}))];
    assert_eq!(shown(path, &body), expected);
    assert!(is_download(path, &body));
}

#[test]
fn records_of_otlp_of_many_sessions() {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let record = |session: &str, kind: &str, more: Vec<Value>| {
        let mut attributes = vec![
            text("session.id", session),
            text("log.record.uid", "u"),
            json!({"key": "media.playhead", "value": {"doubleValue": 7.0}}),
        ];
        attributes.extend(more);
        json!({"timeUnixNano": "1700000000000999999", "eventName": format!("media.{kind}"),
            "attributes": attributes})
    };
    let start = vec![
        text("media.id", "ep-1"),
        text("media.custom.k", "v"),
        text("session.previous_id", "one"),
        json!({"key": "media.resume", "value": {"boolValue": true}}),
        json!({"key": "media.ad.podIndex", "value": {"intValue": "2"}}),
        json!({"key": "media.qoe.bitrate", "value": {"intValue": "3"}}),
    ];
    let records = [record("two", "sessionStart", start), record("one", "ping", vec![])];
    let body = json!({"resourceLogs": [{
        "resource": {"attributes": [text("service.instance.id", "box")]},
        "scopeLogs": [{"logRecords": records}]}]});
    let parts = json!({"uid": "u", "previous": "one", "customMetadata": {"k": "v"},
        "params": {"media.id": "ep-1", "media.resume": true, "media.ad.podIndex": 2,
            "appInstallationId": "box"},
        "qoeData": {"media.qoe.bitrate": 3}});
    let expected =
        [hit(Some("two"), "sessionStart", parts), hit(Some("one"), "ping", json!({"uid": "u"}))];
    assert_eq!(shown("/v1/logs", &body), expected);
    assert!(of("/v1/logs", &body)[0].resumes());
}

#[test]
fn what_is_nothing_of_that_kind_has_no_hits_and_harms_nobody() {
    let odd = [
        json!(null),
        json!(7),
        json!("x"),
        json!({"events": {}, "resourceLogs": 1}),
        json!({"events": [], "resourceLogs": [{"scopeLogs": [{"logRecords": {}}]}]}),
    ];
    for body in &odd {
        assert_eq!(shown("/ee/va/v1/ping", body), [] as [Value; 0], "{body}");
        assert_eq!(shown("/v1/logs", body), [] as [Value; 0], "{body}");
    }
    let body = json!({"events": [{"xdm": {"mediaCollection": {"sessionDetails": 1,
        "customMetadata": [1, {"name": 2}], "statesStart": 3}, "identityMap": [],
        "eventType": 5, "timestamp": 1}}]});
    let nothing = json!({"event_type": "", "ts": null, "playhead": null});
    assert_eq!(shown("/ee/va/v1/ping", &body), [nothing]);
    let many = Value::Array(vec![json!({}); MOST_HITS + 1]);
    assert_eq!(of("/api/v1/downloaded", &many).len(), MOST_HITS);
    let states = Value::Array(vec![json!({"name": "x"}); MOST_HITS]);
    let xdm = edge("statesUpdate", json!({"statesStart": states, "statesEnd": states}));
    assert_eq!(of("/ee/va/v1/statesUpdate", &json!({"events": [{"xdm": xdm}]})).len(), MOST_HITS);
}

#[test]
fn ids_are_short_for_people() {
    for (id, shown) in [
        ("S1", "S1"),
        ("123456789012", "123456789012"),
        ("0f6e7d5a-1111", "0f6e7d5a"),
        ("\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}", "\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}"),
    ] {
        assert_eq!(short(id), shown);
    }
}
