//! The schemas of the Media Collection API (spec 2): what a body may hold, down to its last key.
//!
//! The collector answers 400 to a body that fails, and throws a whole batch away for one bad event;
//! so every mistake is named by its path. What a schema cannot express is not checked: the order of
//! events, the length of the content, the sid.

use serde_json::{Map, Value};

use crate::sim::backend::shape::Type::{
    Flag, IntegerTo, ListOf, MapOf, Number, OneOf, StateName, Text,
};
use crate::sim::backend::shape::{INTEGER, Key, Mistakes, is_key, join};

const SESSION_START: &[Key] = &[
    ("analytics.trackingServer", Text, true),
    ("analytics.reportSuite", Text, true),
    ("visitor.marketingCloudOrgId", Text, true),
    ("media.id", Text, true),
    ("media.length", Number, true),
    ("media.contentType", Text, true),
    ("media.playerName", Text, true),
    ("media.channel", Text, true),
    // Required by one page of the documentation and unknown to the list of parameters (spec 12.17).
    ("media.streamType", OneOf(&["video", "audio"]), false),
    ("media.name", Text, false),
    ("media.resume", Flag, false),
    ("media.downloaded", Flag, false),
    ("media.sdkVersion", Text, false),
    ("media.libraryVersion", Text, false),
    ("analytics.enableSSL", Flag, false),
    ("analytics.visitorId", Text, false),
    ("analytics.aid", Text, false),
    ("analytics.optOutServerSideForwarding", Flag, false),
    ("analytics.optOutShare", Flag, false),
    ("visitor.marketingCloudUserId", Text, false),
    ("visitor.aamLocationHint", INTEGER, false),
    ("visitor.customerIDs", MapOf(CUSTOMER_ID), false),
    ("appInstallationId", Text, false),
    // Standard metadata (spec 2.3).
    ("media.show", Text, false),
    ("media.season", Text, false),
    ("media.episode", Text, false),
    ("media.assetId", Text, false),
    ("media.genre", Text, false),
    ("media.firstAirDate", Text, false),
    ("media.firstDigitalDate", Text, false),
    ("media.rating", Text, false),
    ("media.originator", Text, false),
    ("media.network", Text, false),
    ("media.showType", Text, false),
    ("media.adLoad", Text, false),
    ("media.pass.mvpd", Text, false),
    ("media.pass.auth", Text, false),
    ("media.dayPart", Text, false),
    ("media.feed", Text, false),
    ("media.streamFormat", Text, false),
    ("media.artist", Text, false),
    ("media.album", Text, false),
    ("media.label", Text, false),
    ("media.author", Text, false),
    ("media.station", Text, false),
    ("media.publisher", Text, false),
];

const AD_BREAK_START: &[Key] = &[
    ("media.ad.podIndex", INTEGER, true),
    ("media.ad.podSecond", Number, true),
    ("media.ad.podFriendlyName", Text, false),
];

const AD_START: &[Key] = &[
    ("media.ad.podPosition", INTEGER, true),
    ("media.ad.id", Text, true),
    ("media.ad.length", Number, true),
    ("media.ad.playerName", Text, true),
    ("media.ad.name", Text, false),
    ("media.ad.advertiser", Text, false),
    ("media.ad.campaignId", Text, false),
    ("media.ad.creativeId", Text, false),
    ("media.ad.siteId", Text, false),
    ("media.ad.creativeURL", Text, false),
    ("media.ad.placementId", Text, false),
];

const CHAPTER_START: &[Key] = &[
    ("media.chapter.index", INTEGER, true),
    ("media.chapter.offset", Number, true),
    ("media.chapter.length", Number, true),
    ("media.chapter.friendlyName", Text, false),
];

const STATE: &[Key] = &[("media.state.name", StateName, true)];

const STATES_UPDATE: &[Key] =
    &[("statesStart", ListOf(STATE), false), ("statesEnd", ListOf(STATE), false)];

const CUSTOMER_ID: &[Key] = &[("id", Text, true), ("authState", IntegerTo(2), true)];

const QOE: &[Key] = &[
    ("media.qoe.bitrate", INTEGER, false),
    ("media.qoe.droppedFrames", INTEGER, false),
    ("media.qoe.framesPerSecond", INTEGER, false),
    ("media.qoe.timeToStart", INTEGER, false),
];

/// `error` carries its id beside the quality data (spec 2.6, 12.4).
const QOE_OF_ERROR: &[Key] = &[
    ("media.qoe.bitrate", INTEGER, false),
    ("media.qoe.droppedFrames", INTEGER, false),
    ("media.qoe.framesPerSecond", INTEGER, false),
    ("media.qoe.timeToStart", INTEGER, false),
    ("media.qoe.errorID", Text, false),
    ("media.qoe.errorSource", OneOf(&["player", "external"]), false),
];

const PLAYER_TIME: &[Key] = &[("playhead", Number, true), ("ts", INTEGER, true)];

/// The `params` of an event type (spec 2.1); `None` for a type that the API does not have.
fn params_of(event_type: &str) -> Option<&'static [Key]> {
    Some(match event_type {
        "sessionStart" => SESSION_START,
        "adBreakStart" => AD_BREAK_START,
        "adStart" => AD_START,
        "chapterStart" => CHAPTER_START,
        "stateStart" | "stateEnd" => STATE,
        "statesUpdate" => STATES_UPDATE,
        "play" | "ping" | "pauseStart" | "bufferStart" | "bitrateChange" | "error"
        | "adBreakComplete" | "adComplete" | "adSkip" | "chapterComplete" | "chapterSkip"
        | "sessionComplete" | "sessionEnd" => &[],
        _ => return None,
    })
}

/// Whether the API has the event type.
pub fn has(event_type: &str) -> bool {
    params_of(event_type).is_some()
}

/// Checks one event against the schema of its type (spec 2).
///
/// Errors: one sentence that begins with the path of the offending key and says what was expected,
/// such as `params.media.length: expected a number from 0, got "60"`.
pub fn event(value: &Value) -> Result<(), String> {
    let mut mistakes = Mistakes::default();
    event_at("", value, &mut mistakes);
    mistakes.first()
}

/// Checks a downloaded session against the schemas (spec 7): an array that begins with its only
/// `sessionStart`, every event valid.
///
/// Errors: as [`event`], with the index first: `[3].playerTime.ts: ...`.
pub fn batch(value: &Value) -> Result<(), String> {
    let mut mistakes = Mistakes::default();
    let events = value.as_array().map_or(&[][..], Vec::as_slice);
    if events.is_empty() {
        mistakes.wrong("", "an array of events", value);
    }
    for (index, one) in events.iter().enumerate() {
        event_at(&format!("[{index}]"), one, &mut mistakes);
        if (one["eventType"] == "sessionStart") != (index == 0) {
            let path = format!("[{index}].eventType");
            let expected = if index == 0 { "sessionStart" } else { "no second sessionStart" };
            mistakes.wrong(&path, expected, &one["eventType"]);
        }
    }
    mistakes.first()
}

fn event_at(path: &str, value: &Value, mistakes: &mut Mistakes) {
    let Some(members) = mistakes.object(path, value) else { return };
    let type_path = join(path, "eventType");
    let Some(found) = members.get("eventType") else {
        return mistakes.missing(&type_path, "an event type");
    };
    let Some(event_type) = found.as_str() else {
        return mistakes.wrong(&type_path, "a string", found);
    };
    let Some(params) = params_of(event_type) else {
        return mistakes.wrong(&type_path, "an event type of the API", found);
    };
    for key in members.keys() {
        let known = ["playerTime", "eventType", "params", "customMetadata", "qoeData"];
        if !known.contains(&key.as_str()) {
            mistakes.unknown(&join(path, key), event_type);
        }
    }
    let part = |name: &str| (join(path, name), members.get(name));

    match part("playerTime") {
        (at, Some(time)) => mistakes.table(&at, time, PLAYER_TIME, event_type),
        (at, None) => mistakes.missing(&at, "an object"),
    }
    match part("params") {
        (at, Some(_)) if event_type == "ping" => {
            mistakes.add(&at, "expected no such key, a ping has no params");
        }
        (at, Some(found)) => {
            mistakes.table(&at, found, params, event_type);
            if event_type == "statesUpdate" && found.as_object().is_some_and(Map::is_empty) {
                mistakes.missing(&join(&at, "statesStart"), "it, or statesEnd");
            }
        }
        (at, None) => match params.iter().find(|(_, _, required)| *required) {
            Some((first, ..)) => mistakes.missing(&at, &format!("an object with {first}")),
            None if event_type == "statesUpdate" => mistakes.missing(&at, "an object"),
            None => {}
        },
    }
    if let (at, Some(found)) = part("customMetadata") {
        match ["sessionStart", "adStart", "chapterStart"].contains(&event_type) {
            true => custom_metadata(&at, found, mistakes),
            false => mistakes.unknown(&at, event_type),
        }
    }
    if let (at, Some(found)) = part("qoeData") {
        let keys = if event_type == "error" { QOE_OF_ERROR } else { QOE };
        mistakes.table(&at, found, keys, event_type);
    }
}

fn custom_metadata(path: &str, value: &Value, mistakes: &mut Mistakes) {
    for (key, value) in mistakes.object(path, value).into_iter().flatten() {
        if !is_key(key) {
            mistakes.add(path, format!("expected keys of letters, digits, _ and ., got {key:?}"));
        }
        mistakes.one(&join(path, key), value, Text, "customMetadata");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn start() -> Value {
        json!({
            "playerTime": {"playhead": 0, "ts": 1_700_000_000_000_u64},
            "eventType": "sessionStart",
            "params": {
                "analytics.trackingServer": "t.example", "analytics.reportSuite": "rs",
                "visitor.marketingCloudOrgId": "ORG@AdobeOrg", "media.id": "ep-1",
                "media.length": 60.5, "media.contentType": "vod", "media.playerName": "p",
                "media.channel": "c", "media.streamType": "video", "media.resume": false,
                "visitor.customerIDs": {"crm": {"id": "7", "authState": 1}}
            },
            "customMetadata": {"house.x_1": ""},
            "qoeData": {"media.qoe.bitrate": 1200}
        })
    }

    fn of(event_type: &str, params: Value) -> Value {
        let time = json!({"playhead": 1.5, "ts": 1});
        json!({"playerTime": time, "eventType": event_type, "params": params})
    }

    fn bare(event_type: &str) -> Value {
        json!({"playerTime": {"playhead": 1.5, "ts": 1}, "eventType": event_type})
    }

    /// `value` with what stands at the JSON pointer replaced, added or (null text) removed.
    fn with(mut value: Value, parent: &str, key: &str, new: Option<Value>) -> Value {
        let members = value.pointer_mut(parent).and_then(Value::as_object_mut);
        let members = members.expect("the pointer of a test names an object");
        match new {
            Some(new) => members.insert(key.into(), new),
            None => members.remove(key),
        };
        value
    }

    #[test]
    fn what_is_valid() {
        let ad = json!({"media.ad.podPosition": 1, "media.ad.id": "a", "media.ad.length": 15,
                        "media.ad.playerName": "p", "media.ad.creativeURL": "u"});
        let state = json!({"media.state.name": "fullscreen"});
        let table = [
            start(),
            of("adBreakStart", json!({"media.ad.podIndex": 1, "media.ad.podSecond": 0.5})),
            of("adStart", ad),
            of(
                "chapterStart",
                json!({"media.chapter.index": 1, "media.chapter.offset": 0,
                       "media.chapter.length": 9.5, "media.chapter.friendlyName": "one"}),
            ),
            of("stateStart", state.clone()),
            of("statesUpdate", json!({"statesStart": [state], "statesEnd": []})),
            of("play", json!({})),
            with(
                bare("error"),
                "",
                "qoeData",
                Some(json!({"media.qoe.errorID": "E1", "media.qoe.errorSource": "player"})),
            ),
            with(bare("ping"), "", "qoeData", Some(json!({"media.qoe.droppedFrames": 0}))),
        ];
        let bare_types = [
            "play",
            "ping",
            "pauseStart",
            "bufferStart",
            "bitrateChange",
            "error",
            "adBreakComplete",
            "adComplete",
            "adSkip",
            "chapterComplete",
            "chapterSkip",
            "sessionComplete",
            "sessionEnd",
        ];
        for value in table.into_iter().chain(bare_types.map(bare)) {
            assert_eq!(event(&value), Ok(()), "{value}");
        }
    }

    #[test]
    fn a_start_with_one_mistake() {
        let ids = |id: Value| Some(json!({"crm": id}));
        let table: Vec<(&str, &str, Option<Value>, &str)> = vec![
            ("", "extra", Some(json!(1)), "extra: expected no such key in sessionStart"),
            ("", "eventType", None, "eventType: expected an event type, it is missing"),
            (
                "",
                "eventType",
                Some(json!("resume")),
                "eventType: expected an event type of the API",
            ),
            ("", "eventType", Some(json!(1)), "eventType: expected a string, got 1"),
            ("", "playerTime", None, "playerTime: expected an object, it is missing"),
            ("", "params", None, "params: expected an object with analytics.trackingServer"),
            ("", "params", Some(json!(null)), "params: expected an object, got null"),
            ("", "customMetadata", Some(json!([])), "customMetadata: expected an object, got []"),
            ("/playerTime", "ts", Some(json!(1.5)), "playerTime.ts: expected an integer from 0"),
            ("/playerTime", "ts", Some(json!("1")), "playerTime.ts: expected an integer from 0"),
            ("/playerTime", "playhead", Some(json!(-1)), "playerTime.playhead: expected a number"),
            ("/playerTime", "playhead", None, "playerTime.playhead: expected a number from 0, it"),
            ("/playerTime", "zone", Some(json!(1)), "playerTime.zone: expected no such key"),
            ("/params", "media.id", None, "params.media.id: expected a string, it is missing"),
            ("/params", "media.length", Some(json!("60")), "expected a number from 0, got \"60\""),
            (
                "/params",
                "media.name",
                Some(json!(null)),
                "params.media.name: expected a string, got",
            ),
            (
                "/params",
                "media.resume",
                Some(json!("TRUE")),
                "params.media.resume: expected true or",
            ),
            ("/params", "media.streamType", Some(json!("radio")), "expected one of video, audio"),
            (
                "/params",
                "media.ad.id",
                Some(json!("a")),
                "params.media.ad.id: expected no such key",
            ),
            ("/params", "visitor.aamLocationHint", Some(json!("7")), "expected an integer"),
            (
                "/params",
                "visitor.customerIDs",
                Some(json!([])),
                "visitor.customerIDs: expected an o",
            ),
            (
                "/params",
                "visitor.customerIDs",
                ids(json!({"id": "1"})),
                "crm.authState: expected an",
            ),
            (
                "/params",
                "visitor.customerIDs",
                ids(json!({"id": "1", "authState": 3})),
                "params.visitor.customerIDs.crm.authState: expected an integer from 0 to 2, got 3",
            ),
            ("/customMetadata", "a b", Some(json!("x")), "customMetadata: expected keys of"),
            ("/customMetadata", "n", Some(json!(1)), "customMetadata.n: expected a string, got 1"),
            (
                "/qoeData",
                "media.qoe.bitrate",
                Some(json!(1.5)),
                "qoeData.media.qoe.bitrate: expected",
            ),
            (
                "/qoeData",
                "media.qoe.errorID",
                Some(json!("E")),
                "media.qoe.errorID: expected no such",
            ),
        ];
        for (parent, key, new, part) in table {
            let value = with(start(), parent, key, new);
            let error = event(&value).expect_err(part);
            assert!(error.contains(part), "{error}\n  does not say\n{part}");
        }
    }

    #[test]
    fn other_events_with_one_mistake() {
        let table = [
            (of("ping", json!({})), "params: expected no such key, a ping has no params"),
            (of("play", json!({"x": 1})), "params.x: expected no such key in play"),
            (bare("adBreakStart"), "params: expected an object with media.ad.podIndex"),
            (bare("statesUpdate"), "params: expected an object, it is missing"),
            (of("statesUpdate", json!({})), "params.statesStart: expected it, or statesEnd"),
            (
                of("statesUpdate", json!({"statesEnd": [{"media.state.name": "a b"}]})),
                "params.statesEnd[0].media.state.name: expected 1 to 64 letters",
            ),
            (of("stateEnd", json!({"media.state.name": ""})), "media.state.name: expected 1 to 64"),
            (
                of("stateStart", json!({"media.state.name": "x".repeat(65)})),
                "media.state.name: expected 1 to 64",
            ),
            (
                with(bare("play"), "", "customMetadata", Some(json!({}))),
                "customMetadata: expected no such key in play",
            ),
            (
                with(bare("error"), "", "qoeData", Some(json!({"media.qoe.errorSource": "tv"}))),
                "qoeData.media.qoe.errorSource: expected one of player, external",
            ),
            (json!([]), "body: expected an object, got []"),
        ];
        for (value, part) in table {
            let error = event(&value).expect_err(part);
            assert!(error.contains(part), "{error}\n  does not say\n{part}");
        }
    }

    #[test]
    fn batches() {
        let table = [
            (json!([start(), bare("play"), bare("sessionEnd")]), None),
            (json!([]), Some("body: expected an array of events")),
            (start(), Some("body: expected an array of events")),
            (json!([bare("play")]), Some("[0].eventType: expected sessionStart")),
            (json!([start(), start()]), Some("[1].eventType: expected no second sessionStart")),
            (json!([start(), bare("resume")]), Some("[1].eventType: expected an event type")),
            (
                json!([start(), with(bare("play"), "/playerTime", "ts", None)]),
                Some("[1].playerTime.ts: expected an integer from 0, it is missing"),
            ),
        ];
        for (value, expected) in table {
            match (batch(&value), expected) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) if error.contains(part) => {}
                (got, _) => panic!("{got:?} instead of {expected:?}"),
            }
        }
    }
}
