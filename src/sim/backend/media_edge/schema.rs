//! What a body of Media Edge may hold, down to its last key (edge 3 to 5, 8).

use serde_json::Value;

use super::timestamp::unix_ms;
use crate::sim::backend::shape::Type::{
    Flag, IntegerTo, ListOf, Object, OneOf, StateName, Text, TextMap, Words,
};
use crate::sim::backend::shape::{INTEGER, Key, Mistakes, Type, is_uuid, join};

/// The largest request that Edge is known to take, bytes (edge 2).
pub const MOST_BYTES: usize = 64 * 1024;

const SESSION: &[Key] = &[
    ("name", Words, true),
    ("playerName", Words, true),
    ("length", INTEGER, true),
    ("channel", Words, true),
    ("contentType", Words, true),
    ("friendlyName", Text, false),
    ("streamType", OneOf(&["audio", "video"]), false),
    ("hasResume", Flag, false),
    ("isDownloaded", Flag, false),
    ("appVersion", Text, false),
    ("show", Text, false),
    ("season", Text, false),
    ("episode", Text, false),
    ("assetID", Text, false),
    ("genre", Text, false),
    ("firstAirDate", Text, false),
    ("firstDigitalDate", Text, false),
    ("rating", Text, false),
    ("originator", Text, false),
    ("network", Text, false),
    ("showType", Text, false),
    ("adLoad", Text, false),
    ("mvpd", Text, false),
    ("authorized", Text, false),
    ("dayPart", Text, false),
    ("feed", Text, false),
    ("streamFormat", Text, false),
    ("artist", Text, false),
    ("album", Text, false),
    ("label", Text, false),
    ("author", Text, false),
    ("station", Text, false),
    ("publisher", Text, false),
];

const AD_BREAK: &[Key] =
    &[("index", INTEGER, true), ("offset", INTEGER, true), ("friendlyName", Text, false)];

const AD: &[Key] = &[
    ("name", Words, true),
    ("length", INTEGER, true),
    ("playerName", Words, true),
    ("podPosition", INTEGER, true),
    ("friendlyName", Text, false),
    ("advertiser", Text, false),
    ("campaignID", Text, false),
    ("creativeID", Text, false),
    ("creativeURL", Text, false),
    ("siteID", Text, false),
    ("placementID", Text, false),
];

const CHAPTER: &[Key] = &[
    ("index", INTEGER, true),
    ("offset", INTEGER, true),
    ("length", INTEGER, true),
    ("friendlyName", Text, false),
];

const ERROR: &[Key] = &[("name", Words, true), ("source", OneOf(&["player", "external"]), true)];

const INT32: Type = IntegerTo(i32::MAX as u64);

const QUALITY: &[Key] = &[
    ("bitrate", INT32, false),
    ("droppedFrames", INT32, false),
    ("framesPerSecond", INT32, false),
    ("timeToStart", INT32, false),
];

const STATE: &[Key] = &[("name", StateName, true)];

const CUSTOM: &[Key] = &[("name", Words, true), ("value", Text, true)];

const IMPLEMENTATION: &[Key] = &[
    ("name", Words, false),
    ("version", Text, false),
    ("environment", OneOf(&["browser", "app", "device", "server", "iot"]), false),
];

const IDENTITY: &[Key] = &[
    ("id", Words, true),
    ("authenticatedState", OneOf(&["ambiguous", "authenticated", "loggedOut"]), false),
    ("primary", Flag, false),
];

/// Beside `xdm`: for Adobe Analytics only (edge 4).
const DATA: &[Key] = &[("__adobe", Object(&[("analytics", Object(CONTEXT), true)]), true)];
const CONTEXT: &[Key] = &[("contextData", TextMap, true)];

/// What stands at a place of an event type, and whether it must (edge 3).
type Details = &'static [Key];

/// The members of `mediaCollection` that only this event type has, or that it must have.
fn details_of(event: &str) -> Option<Details> {
    const QUALITY_NEEDED: Details = &[("qoeDataDetails", Object(QUALITY), true)];
    Some(match event {
        "sessionStart" => {
            &[("sessionDetails", Object(SESSION), true), ("customMetadata", ListOf(CUSTOM), false)]
        }
        "adBreakStart" => &[("advertisingPodDetails", Object(AD_BREAK), true)],
        "adStart" => {
            &[("advertisingDetails", Object(AD), true), ("customMetadata", ListOf(CUSTOM), false)]
        }
        "chapterStart" => {
            &[("chapterDetails", Object(CHAPTER), true), ("customMetadata", ListOf(CUSTOM), false)]
        }
        "error" => &[("errorDetails", Object(ERROR), true)],
        "bitrateChange" => QUALITY_NEEDED,
        "statesUpdate" => {
            &[("statesStart", ListOf(STATE), false), ("statesEnd", ListOf(STATE), false)]
        }
        "play" | "ping" | "pauseStart" | "bufferStart" | "adBreakComplete" | "adComplete"
        | "adSkip" | "chapterComplete" | "chapterSkip" | "sessionComplete" | "sessionEnd" => &[],
        _ => return None,
    })
}

/// Whether the API has a path that ends in this.
pub fn has(event: &str) -> bool {
    event == "downloaded" || details_of(event).is_some()
}

/// What is wrong about a body.
#[derive(Debug, Default)]
pub struct Wrong {
    /// `eventType` is not that of the path.
    pub mismatch: Option<String>,
    /// Identities in a form that Edge does not take.
    pub identities: Mistakes,
    pub mistakes: Mistakes,
}

/// Checks the body of a request to the path that ends in `event`.
pub fn check(event: &str, body: &Value) -> Wrong {
    let mut wrong = Wrong::default();
    let Some(members) = wrong.mistakes.object("", body) else { return wrong };
    for (key, value) in members {
        match key.as_str() {
            "events" => {}
            // Framed answers are not for a client that reads one document (edge 4).
            "meta" if value["konductorConfig"]["streaming"].is_null() && value.is_object() => {}
            _ => wrong.mistakes.unknown(key, "a request"),
        }
    }
    let none = Vec::new();
    let events = body["events"].as_array().unwrap_or(&none);
    if events.is_empty() || event != "downloaded" && events.len() > 1 {
        wrong.mistakes.wrong("events", "an array of one event", &body["events"]);
        return wrong;
    }
    for (index, one) in events.iter().enumerate() {
        one_event(&format!("events[{index}]"), event, one, &mut wrong);
    }
    wrong
}

fn one_event(path: &str, event: &str, value: &Value, wrong: &mut Wrong) {
    let Some(members) = wrong.mistakes.object(path, value) else { return };
    for (key, value) in members {
        match key.as_str() {
            "xdm" => {}
            "_data" => wrong.mistakes.one(&join(path, key), value, Object(DATA), "_data"),
            _ => wrong.mistakes.unknown(&join(path, key), "an event"),
        }
    }
    let path = join(path, "xdm");
    let Some(xdm) = members.get("xdm") else {
        return wrong.mistakes.missing(&path, "an object");
    };
    let Some(members) = wrong.mistakes.object(&path, xdm) else { return };
    let downloaded = event == "downloaded";
    for (key, value) in members {
        let at = join(&path, key);
        match key.as_str() {
            "eventType" | "timestamp" | "mediaCollection" => {}
            "mediaDownloadedEvents" if downloaded => {}
            "identityMap" => identities(&at, value, wrong),
            "implementationDetails" => {
                wrong.mistakes.one(&at, value, Object(IMPLEMENTATION), "implementationDetails");
            }
            "_id" => wrong.mistakes.one(&at, value, Words, "xdm"),
            _ => wrong.mistakes.unknown(&at, event),
        }
    }
    let expected = format!("media.{event}");
    match members.get("eventType") {
        None => wrong.mistakes.missing(&join(&path, "eventType"), &expected),
        Some(Value::String(found)) if *found != expected => {
            let why = format!("the path is that of {expected}, the eventType is {found}");
            wrong.mismatch.get_or_insert(why);
        }
        Some(Value::String(_)) => {}
        Some(other) => wrong.mistakes.wrong(&join(&path, "eventType"), &expected, other),
    }
    if downloaded {
        if members.get("identityMap").is_none() {
            wrong.mistakes.missing(&join(&path, "identityMap"), "an object");
        }
        if let Some(time) = members.get("timestamp") {
            timestamp(&join(&path, "timestamp"), time, &mut wrong.mistakes);
        }
        // The one member of a download that no source describes (edge 8).
        if let Some(collection) = members.get("mediaCollection") {
            wrong.mistakes.object(&join(&path, "mediaCollection"), collection);
        }
        return download(&join(&path, "mediaDownloadedEvents"), xdm, &mut wrong.mistakes);
    }
    let mistakes = &mut wrong.mistakes;
    member(&path, xdm, "timestamp", "a time of RFC 3339 with its offset", mistakes, timestamp);
    let id = if event == "sessionStart" { SessionId::Absent } else { SessionId::Needed };
    member(&path, xdm, "mediaCollection", "an object", mistakes, |at, value, mistakes| {
        collection(at, value, event, id, mistakes);
    });
}

/// A member that must be there, checked by `check`.
fn member(
    path: &str,
    of: &Value,
    name: &str,
    expected: &str,
    mistakes: &mut Mistakes,
    check: impl FnOnce(&str, &Value, &mut Mistakes),
) {
    let at = join(path, name);
    match of.get(name) {
        Some(value) => check(&at, value, mistakes),
        None => mistakes.missing(&at, expected),
    }
}

fn timestamp(path: &str, value: &Value, mistakes: &mut Mistakes) {
    if value.as_str().and_then(unix_ms).is_none() {
        mistakes.wrong(path, "a time of RFC 3339 with its offset", value);
    }
}

/// Whether `mediaCollection` has a `sessionID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SessionId {
    Needed,
    Absent,
}

fn collection(path: &str, value: &Value, event: &str, id: SessionId, mistakes: &mut Mistakes) {
    let Some(members) = mistakes.object(path, value) else { return };
    let details = details_of(event).unwrap_or_default();
    for (key, value) in members {
        let at = join(path, key);
        let known = details.iter().find(|(name, ..)| name == key);
        match (key.as_str(), known) {
            (_, Some((_, kind, _))) => mistakes.one(&at, value, *kind, key),
            ("playhead", _) => mistakes.one(&at, value, INTEGER, event),
            ("qoeDataDetails", _) => mistakes.one(&at, value, Object(QUALITY), key),
            ("sessionID", _) if id == SessionId::Needed => {
                let fits = |id: &str| id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
                if !value.as_str().is_some_and(fits) {
                    mistakes.wrong(&at, "64 hexadecimal digits", value);
                }
            }
            _ => mistakes.unknown(&at, event),
        }
    }
    let mut required = vec!["playhead"];
    if id == SessionId::Needed {
        required.push("sessionID");
    }
    required.extend(details.iter().filter(|(_, _, required)| *required).map(|(name, ..)| *name));
    for name in required {
        if !members.contains_key(name) {
            mistakes.missing(&join(path, name), "it");
        }
    }
    let empty = |name: &str| value[name].as_array().is_none_or(Vec::is_empty);
    if event == "statesUpdate" && empty("statesStart") && empty("statesEnd") {
        mistakes.missing(&join(path, "statesStart"), "a state in it, or in statesEnd");
    }
}

/// A downloaded session (edge 8): its events in order, each at a moment of its own.
fn download(path: &str, xdm: &Value, mistakes: &mut Mistakes) {
    let none = Vec::new();
    let events = xdm["mediaDownloadedEvents"].as_array().unwrap_or(&none);
    if events.is_empty() {
        return match xdm.get("mediaDownloadedEvents") {
            Some(found) => mistakes.wrong(path, "an array of events", found),
            None => mistakes.missing(path, "an array of events"),
        };
    }
    let mut last = None;
    for (index, one) in events.iter().enumerate() {
        let at = format!("{path}[{index}]");
        let Some(members) = mistakes.object(&at, one) else { continue };
        for key in members.keys() {
            let known = ["mediaEventType", "mediaEventTimestamp", "mediaCollection"];
            if !known.contains(&key.as_str()) {
                mistakes.unknown(&join(&at, key), "mediaDownloadedEvents");
            }
        }
        let kind_path = join(&at, "mediaEventType");
        let kind = one["mediaEventType"].as_str().and_then(|kind| kind.strip_prefix("media."));
        let Some(kind) = kind.filter(|kind| details_of(kind).is_some()) else {
            mistakes.wrong(&kind_path, "an event type of the API", &one["mediaEventType"]);
            continue;
        };
        if (kind == "sessionStart") != (index == 0) {
            let first = "media.sessionStart as the first event";
            let expected = if index == 0 { first } else { "no second sessionStart" };
            mistakes.wrong(&kind_path, expected, &one["mediaEventType"]);
        }
        let (name, expected) = ("mediaEventTimestamp", "a time of RFC 3339 with its offset");
        member(&at, one, name, expected, mistakes, |at, value, mistakes| {
            timestamp(at, value, mistakes);
            let ms = value.as_str().and_then(unix_ms);
            if last.is_some_and(|last| ms.is_some_and(|ms| ms <= last)) {
                mistakes.wrong(at, "a time after that of the event before", value);
            }
            last = ms.or(last);
        });
        member(&at, one, "mediaCollection", "an object", mistakes, |at, value, mistakes| {
            collection(at, value, kind, SessionId::Absent, mistakes);
            if value["sessionDetails"]["isDownloaded"] == false {
                let at = join(at, "sessionDetails.isDownloaded");
                mistakes.wrong(&at, "true or no such key in downloaded", &false.into());
            }
        });
    }
}

fn identities(path: &str, value: &Value, wrong: &mut Wrong) {
    let Some(namespaces) = wrong.mistakes.object(path, value) else { return };
    for (namespace, ids) in namespaces {
        let at = join(path, namespace);
        if namespace.is_empty() {
            wrong.mistakes.add(path, "expected a name for each namespace");
        }
        if ids.as_array().is_some_and(Vec::is_empty) {
            wrong.mistakes.wrong(&at, "an array of one identity or more", ids);
        }
        wrong.mistakes.one(&at, ids, ListOf(IDENTITY), "identityMap");
        for (index, id) in ids.as_array().into_iter().flatten().enumerate() {
            let Some(text) = id["id"].as_str() else { continue };
            let expected = match namespace.as_str() {
                "FPID" if !is_uuid(text, Some(b'4')) => "a version 4 UUID",
                "ECID" if text.len() != 38 || !text.bytes().all(|b| b.is_ascii_digit()) => {
                    "38 digits"
                }
                _ => continue,
            };
            wrong.identities.wrong(&format!("{at}[{index}].id"), expected, &id["id"]);
        }
    }
}

/// The first event of a body.
pub fn xdm(body: &Value) -> &Value {
    &body["events"][0]["xdm"]
}
