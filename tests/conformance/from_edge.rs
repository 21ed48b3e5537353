//! What a request of Media Edge says, in the words of the Media Collection API: the given cases and
//! the oracle of the random days speak these.

use playheadd::sim::Exchange;
use serde_json::{Map, Value, json};

/// Names of Media Edge, and what each is called in the Media Collection API.
type Names = &'static [(&'static str, &'static str)];

/// Names of edge 6 that are not the same behind the prefix of the Media Collection API.
const OTHER_NAMES: Names = &[
    ("name", "id"),
    ("friendlyName", "name"),
    ("hasResume", "resume"),
    ("isDownloaded", "downloaded"),
    ("appVersion", "sdkVersion"),
    ("assetID", "assetId"),
    ("mvpd", "pass.mvpd"),
    ("authorized", "pass.auth"),
    ("campaignID", "campaignId"),
    ("creativeID", "creativeId"),
    ("siteID", "siteId"),
    ("placementID", "placementId"),
];
const POD_NAMES: Names =
    &[("friendlyName", "podFriendlyName"), ("index", "podIndex"), ("offset", "podSecond")];

/// The details of an event, what their names begin with there, and the names that differ.
const DETAILS: &[(&str, &str, Names)] = &[
    ("sessionDetails", "media.", OTHER_NAMES),
    ("advertisingDetails", "media.ad.", OTHER_NAMES),
    ("advertisingPodDetails", "media.ad.", POD_NAMES),
    ("chapterDetails", "media.chapter.", &[]),
    ("qoeDataDetails", "media.qoe.", &[]),
    ("errorDetails", "media.qoe.", &[("name", "errorID"), ("source", "errorSource")]),
];

/// The same request as requests of the Media Collection API.
pub fn exchanges(edge: &Exchange) -> Vec<Exchange> {
    let events = events(&edge.body);
    if event_of(&edge.path) == "downloaded" {
        let path = "/api/v1/downloaded".into();
        return vec![Exchange { path, body: events.into(), ..edge.clone() }];
    }
    let one = |body: Value| {
        let path = match body["eventType"] == "sessionStart" {
            true => "/api/v1/sessions".to_owned(),
            false => format!("/api/v1/sessions/{}/events", edge.sid.as_deref().unwrap_or("-")),
        };
        Exchange { path, body, ..edge.clone() }
    };
    events.into_iter().map(one).collect()
}

/// The last part of a path of Media Edge.
fn event_of(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

/// The events in a body, each as the Media Collection API has it.
pub fn events(body: &Value) -> Vec<Value> {
    let xdm = &body["events"][0]["xdm"];
    match xdm["mediaDownloadedEvents"].as_array() {
        Some(events) => {
            let one = |event: &Value| {
                let (kind, time) = (&event["mediaEventType"], &event["mediaEventTimestamp"]);
                translated(kind, time, &event["mediaCollection"])
            };
            events.iter().flat_map(one).collect()
        }
        None => translated(&xdm["eventType"], &xdm["timestamp"], &xdm["mediaCollection"]),
    }
}

fn translated(kind: &Value, time: &Value, collection: &Value) -> Vec<Value> {
    let kind = kind.as_str().unwrap_or_default().trim_start_matches("media.");
    let ts = unix_ms(time.as_str().unwrap_or_default());
    let (mut params, mut quality) = (Map::new(), Map::new());
    for (details, prefix, names) in DETAILS {
        for (name, value) in collection[*details].as_object().into_iter().flatten() {
            let other = names.iter().find(|(edge, _)| edge == name).map(|(_, other)| *other);
            let name = format!("{prefix}{}", other.unwrap_or(name));
            match *prefix {
                "media.qoe." => quality.insert(name, value.clone()),
                _ => params.insert(name, value.clone()),
            };
        }
    }
    let event = |kind: &str, ts: i64, params: Map<String, Value>| {
        let mut event = json!({
            "eventType": kind, "playerTime": {"ts": ts, "playhead": collection["playhead"]},
        });
        let custom = collection["customMetadata"].as_array();
        let custom: Map<String, Value> = custom
            .into_iter()
            .flatten()
            .filter_map(|one| Some((one["name"].as_str()?.to_owned(), one["value"].clone())))
            .collect();
        let parts = [("params", params), ("customMetadata", custom), ("qoeData", quality.clone())];
        for (part, members) in parts {
            if !members.is_empty() {
                event[part] = members.into();
            }
        }
        event
    };
    if kind != "statesUpdate" {
        return vec![event(kind, ts, params)];
    }
    let states = |list: &str, kind: &'static str| {
        let states = collection[list].as_array().cloned().unwrap_or_default();
        states.into_iter().map(move |state| (kind, state["name"].clone()))
    };
    let all = states("statesEnd", "stateEnd").chain(states("statesStart", "stateStart"));
    let one = |(n, (kind, mut name)): (usize, (&str, Value))| {
        if name == "fullScreen" {
            name = "fullscreen".into();
        }
        let params = Map::from_iter([("media.state.name".to_owned(), name)]);
        event(kind, ts + n as i64, params)
    };
    all.enumerate().map(one).collect()
}

/// `2023-11-14T22:13:20.007Z` as Unix time in ms; 0 for another form.
pub fn unix_ms(text: &str) -> i64 {
    let numbers: Vec<i64> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .filter_map(|part| part.parse().ok())
        .collect();
    let &[year, month, day, hour, minute, second, ms] = numbers.as_slice() else { return 0 };
    // Years begin in March, so that a leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    let days = days - 719_469;
    (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms
}
