//! The schemas of the Media Collection API (spec 2): what a body may hold, down to its last key.
//!
//! The collector answers 400 to a body that fails, and throws a whole batch away for one bad event;
//! so every mistake is named by its path. What a schema cannot express is not checked: the order of
//! events, the length of the content, the sid.

use serde_json::{Map, Value};

/// What the value of a key must be.
#[derive(Debug, Clone, Copy)]
enum Type {
    Text,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// `^[a-zA-Z0-9_\.]{1,64}$` (spec 2.5).
    StateName,
    Flag,
    /// From 0, a fraction allowed.
    Number,
    /// From 0, written without a fraction.
    Integer,
    /// `visitor.customerIDs` (spec 2.2).
    CustomerIds,
    /// An array of `{"media.state.name": ..}`.
    States,
}

use Type::{CustomerIds, Flag, Integer, Number, OneOf, StateName, States, Text};

/// A key: its name, its type, whether it must be there.
type Key = (&'static str, Type, bool);

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
    ("visitor.aamLocationHint", Integer, false),
    ("visitor.customerIDs", CustomerIds, false),
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
    ("media.ad.podIndex", Integer, true),
    ("media.ad.podSecond", Number, true),
    ("media.ad.podFriendlyName", Text, false),
];

const AD_START: &[Key] = &[
    ("media.ad.podPosition", Integer, true),
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
    ("media.chapter.index", Integer, true),
    ("media.chapter.offset", Number, true),
    ("media.chapter.length", Number, true),
    ("media.chapter.friendlyName", Text, false),
];

const STATE: &[Key] = &[("media.state.name", StateName, true)];

const STATES_UPDATE: &[Key] = &[("statesStart", States, false), ("statesEnd", States, false)];

const CUSTOMER_ID: &[Key] = &[("id", Text, true), ("authState", Integer, true)];

const QOE: &[Key] = &[
    ("media.qoe.bitrate", Integer, false),
    ("media.qoe.droppedFrames", Integer, false),
    ("media.qoe.framesPerSecond", Integer, false),
    ("media.qoe.timeToStart", Integer, false),
];

/// `error` carries its id beside the quality data (spec 2.6, 12.4).
const QOE_OF_ERROR: &[Key] = &[
    ("media.qoe.bitrate", Integer, false),
    ("media.qoe.droppedFrames", Integer, false),
    ("media.qoe.framesPerSecond", Integer, false),
    ("media.qoe.timeToStart", Integer, false),
    ("media.qoe.errorID", Text, false),
    ("media.qoe.errorSource", OneOf(&["player", "external"]), false),
];

const PLAYER_TIME: &[Key] = &[("playhead", Number, true), ("ts", Integer, true)];

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

/// Checks one event against the schema of its type (spec 2).
///
/// Errors: one sentence that begins with the path of the offending key and says what was expected,
/// such as `params.media.length: expected a number from 0, got "60"`.
pub fn event(value: &Value) -> Result<(), String> {
    event_at("", value)
}

/// Checks a downloaded session against the schemas (spec 7): an array that begins with its only
/// `sessionStart`, every event valid.
///
/// Errors: as [`event`], with the index first: `[3].playerTime.ts: ...`.
pub fn batch(value: &Value) -> Result<(), String> {
    let Some(events) = value.as_array().filter(|events| !events.is_empty()) else {
        return Err(wrong("", "an array of events", value));
    };
    for (index, one) in events.iter().enumerate() {
        event_at(&format!("[{index}]"), one)?;
        if (one["eventType"] == "sessionStart") != (index == 0) {
            let path = format!("[{index}].eventType");
            let expected = if index == 0 { "sessionStart" } else { "no second sessionStart" };
            return Err(wrong(&path, expected, &one["eventType"]));
        }
    }
    Ok(())
}

fn event_at(path: &str, value: &Value) -> Result<(), String> {
    let members = object(path, value)?;
    let type_path = join(path, "eventType");
    let event_type = match members.get("eventType") {
        None => return Err(missing(&type_path, "an event type")),
        Some(found) => found.as_str().ok_or_else(|| wrong(&type_path, "a string", found))?,
    };
    let Some(params) = params_of(event_type) else {
        return Err(wrong(&type_path, "an event type of the API", &members["eventType"]));
    };
    for key in members.keys() {
        let known = ["playerTime", "eventType", "params", "customMetadata", "qoeData"];
        if !known.contains(&key.as_str()) {
            return Err(unknown(&join(path, key), event_type));
        }
    }
    let part = |name: &str| (join(path, name), members.get(name));

    let (time_path, time) = part("playerTime");
    let time = time.ok_or_else(|| missing(&time_path, "an object"))?;
    table(&time_path, time, PLAYER_TIME, event_type)?;

    match part("params") {
        (at, Some(_)) if event_type == "ping" => {
            return Err(format!("{at}: expected no such key, a ping has no params"));
        }
        (at, Some(found)) => table(&at, found, params, event_type)?,
        (at, None) => match params.iter().find(|(_, _, required)| *required) {
            Some((first, ..)) => return Err(missing(&at, &format!("an object with {first}"))),
            None if event_type == "statesUpdate" => return Err(missing(&at, "an object")),
            None => {}
        },
    }
    if event_type == "statesUpdate" && members["params"].as_object().is_some_and(Map::is_empty) {
        return Err(missing(&join(path, "params.statesStart"), "it, or statesEnd"));
    }
    if let (at, Some(found)) = part("customMetadata") {
        if !["sessionStart", "adStart", "chapterStart"].contains(&event_type) {
            return Err(unknown(&at, event_type));
        }
        custom_metadata(&at, found)?;
    }
    if let (at, Some(found)) = part("qoeData") {
        let keys = if event_type == "error" { QOE_OF_ERROR } else { QOE };
        table(&at, found, keys, event_type)?;
    }
    Ok(())
}

/// An object that holds the required keys and none but the listed ones.
fn table(path: &str, value: &Value, keys: &[Key], of: &str) -> Result<(), String> {
    let members = object(path, value)?;
    for (name, value) in members {
        let at = join(path, name);
        match keys.iter().find(|(known, ..)| known == name) {
            Some((_, kind, _)) => one(&at, value, *kind)?,
            None => return Err(unknown(&at, of)),
        }
    }
    let absent = keys.iter().find(|(name, _, required)| *required && !members.contains_key(*name));
    match absent {
        Some((name, kind, _)) => Err(missing(&join(path, name), &kind.expected())),
        None => Ok(()),
    }
}

fn one(path: &str, value: &Value, kind: Type) -> Result<(), String> {
    let fits = match kind {
        Text => value.is_string(),
        OneOf(words) => value.as_str().is_some_and(|text| words.contains(&text)),
        StateName => value.as_str().is_some_and(|text| text.len() <= 64 && is_key(text)),
        Flag => value.is_boolean(),
        Number => value.as_f64().is_some_and(|number| number >= 0.0),
        Integer => value.is_u64(),
        CustomerIds => {
            for (name, id) in object(path, value)? {
                let at = join(path, name);
                table(&at, id, CUSTOMER_ID, "visitor.customerIDs")?;
                if id["authState"].as_u64().is_some_and(|state| state > 2) {
                    return Err(wrong(&join(&at, "authState"), "0, 1 or 2", &id["authState"]));
                }
            }
            true
        }
        States => match value.as_array() {
            Some(states) => {
                for (index, state) in states.iter().enumerate() {
                    table(&format!("{path}[{index}]"), state, STATE, "statesUpdate")?;
                }
                true
            }
            None => false,
        },
    };
    if fits { Ok(()) } else { Err(wrong(path, &kind.expected(), value)) }
}

impl Type {
    fn expected(self) -> String {
        match self {
            Text => "a string".into(),
            OneOf(words) => format!("one of {}", words.join(", ")),
            StateName => "1 to 64 letters, digits, _ and .".into(),
            Flag => "true or false".into(),
            Number => "a number from 0".into(),
            Integer => "an integer from 0".into(),
            CustomerIds => "an object of {id, authState}".into(),
            States => "an array of {media.state.name}".into(),
        }
    }
}

fn custom_metadata(path: &str, value: &Value) -> Result<(), String> {
    for (key, value) in object(path, value)? {
        if !is_key(key) {
            return Err(format!("{path}: expected keys of letters, digits, _ and ., got {key:?}"));
        }
        one(&join(path, key), value, Text)?;
    }
    Ok(())
}

/// `^[a-zA-Z0-9_\.]+$` (spec 2).
fn is_key(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
    !text.is_empty() && text.bytes().all(allowed)
}

fn object<'a>(path: &str, value: &'a Value) -> Result<&'a Map<String, Value>, String> {
    value.as_object().ok_or_else(|| wrong(path, "an object", value))
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn missing(path: &str, expected: &str) -> String {
    format!("{path}: expected {expected}, it is missing")
}

fn unknown(path: &str, of: &str) -> String {
    format!("{path}: expected no such key in {of}")
}

fn wrong(path: &str, expected: &str, got: &Value) -> String {
    let mut got = got.to_string();
    if let Some((cut, _)) = got.char_indices().nth(60) {
        got.truncate(cut);
        got.push_str("...");
    }
    let path = if path.is_empty() { "body" } else { path };
    format!("{path}: expected {expected}, got {got}")
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
                "params.visitor.customerIDs.crm.authState: expected 0, 1 or 2, got 3",
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
