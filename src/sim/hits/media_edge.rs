//! The hits of a body of the Media Edge API (edge 4 to 8).

use serde_json::{Map, Value};

use super::{Hit, MOST_HITS, elements, text};
use crate::sim::backend::media_edge::timestamp;

/// The objects of `mediaCollection` whose members are parameters, and what their names begin with in the
/// Media Collection API.
const DETAILS: [(&str, &str); 4] = [
    ("sessionDetails", "media."),
    ("advertisingPodDetails", "media.ad."),
    ("advertisingDetails", "media.ad."),
    ("chapterDetails", "media.chapter."),
];

/// Members whose names differ (edge 6): object, name here, name there. The others differ in what they begin
/// with.
const RENAMED: [(&str, &str, &str); 17] = [
    ("sessionDetails", "name", "media.id"),
    ("sessionDetails", "friendlyName", "media.name"),
    ("sessionDetails", "hasResume", "media.resume"),
    ("sessionDetails", "isDownloaded", "media.downloaded"),
    ("sessionDetails", "appVersion", "media.sdkVersion"),
    ("sessionDetails", "assetID", "media.assetId"),
    ("sessionDetails", "mvpd", "media.pass.mvpd"),
    ("sessionDetails", "authorized", "media.pass.auth"),
    ("advertisingPodDetails", "index", "media.ad.podIndex"),
    ("advertisingPodDetails", "offset", "media.ad.podSecond"),
    ("advertisingPodDetails", "friendlyName", "media.ad.podFriendlyName"),
    ("advertisingDetails", "name", "media.ad.id"),
    ("advertisingDetails", "friendlyName", "media.ad.name"),
    ("advertisingDetails", "campaignID", "media.ad.campaignId"),
    ("advertisingDetails", "creativeID", "media.ad.creativeId"),
    ("advertisingDetails", "siteID", "media.ad.siteId"),
    ("advertisingDetails", "placementID", "media.ad.placementId"),
];

pub(super) fn hits(body: &Value) -> Vec<Hit<'_>> {
    let mut hits = Vec::new();
    for (pointer, event) in elements("/events", &body["events"]) {
        let xdm = &event["xdm"];
        let Some(reports) = xdm.get("mediaDownloadedEvents") else {
            let what = (text(&xdm["eventType"]), &xdm["timestamp"], &xdm["mediaCollection"]);
            report(&mut hits, pointer, what, &xdm["identityMap"], false);
            if hits.len() >= MOST_HITS {
                break;
            }
            continue;
        };
        let base = format!("{pointer}/xdm/mediaDownloadedEvents");
        for (pointer, one) in elements(&base, reports) {
            if hits.len() >= MOST_HITS {
                return hits;
            }
            let kind = text(&one["mediaEventType"]);
            let what = (kind, &one["mediaEventTimestamp"], &one["mediaCollection"]);
            report(&mut hits, pointer, what, &xdm["identityMap"], true);
        }
    }
    hits
}

pub(super) fn first_event_type(body: &Value) -> &str {
    let xdm = &body["events"][0]["xdm"];
    let first = &xdm["mediaDownloadedEvents"][0]["mediaEventType"];
    let kind = plain(if first.is_string() { text(first) } else { text(&xdm["eventType"]) });
    match kind {
        "statesUpdate" if non_empty(&xdm["mediaCollection"]["statesEnd"]) => "stateEnd",
        "statesUpdate" if non_empty(&xdm["mediaCollection"]["statesStart"]) => "stateStart",
        kind => kind,
    }
}

fn plain(event_type: &str) -> &str {
    event_type.strip_prefix("media.").unwrap_or(event_type)
}

fn non_empty(list: &Value) -> bool {
    list.as_array().is_some_and(|list| !list.is_empty())
}

/// Appends the hit of a report; those of a `statesUpdate` are one for each state, what ends first.
fn report<'a>(
    hits: &mut Vec<Hit<'a>>,
    pointer: String,
    (event_type, timestamp, content): (&'a str, &'a Value, &'a Value),
    identity: &Value,
    downloaded: bool,
) {
    let mut hit = Hit {
        session: content["sessionID"].as_str(),
        event_type: plain(event_type),
        ts: timestamp.as_str().and_then(timestamp::unix_ms),
        playhead: content["playhead"].as_f64(),
        params: params(content),
        quality: quality(content),
        metadata: metadata(&content["customMetadata"]),
        pointer,
        ..Hit::default()
    };
    if hit.event_type == "sessionStart" {
        for (namespace, name) in
            [("FPID", "appInstallationId"), ("ECID", "visitor.marketingCloudUserId")]
        {
            if let Some(id) = identity[namespace][0]["id"].as_str() {
                hit.params.insert(name.into(), id.into());
            }
        }
        if downloaded {
            // The server sets it (edge 8).
            hit.params.insert("media.downloaded".into(), true.into());
        }
    }
    if hit.event_type != "statesUpdate" {
        hits.push(hit);
        return;
    }
    let before = hits.len();
    for (list, event_type) in [("statesEnd", "stateEnd"), ("statesStart", "stateStart")] {
        for state in content[list].as_array().map_or(&[][..], Vec::as_slice) {
            if hits.len() >= MOST_HITS {
                return;
            }
            let mut one = Hit { event_type, ..hit.clone() };
            // Both spellings are in use (edge 12).
            let name = match state["name"].as_str() {
                Some("fullScreen") => "fullscreen".into(),
                _ => state["name"].clone(),
            };
            one.params.insert("media.state.name".into(), name);
            hits.push(one);
        }
    }
    if hits.len() == before {
        hits.push(hit);
    }
}

fn params(content: &Value) -> Map<String, Value> {
    let mut params = Map::new();
    for (object, prefix) in DETAILS {
        for (name, value) in content[object].as_object().into_iter().flatten() {
            let renamed = RENAMED.iter().find(|(of, here, _)| *of == object && here == name);
            let key = match renamed {
                Some((_, _, there)) => (*there).to_owned(),
                None => format!("{prefix}{name}"),
            };
            params.insert(key, value.clone());
        }
    }
    params
}

fn quality(content: &Value) -> Map<String, Value> {
    let measured = content["qoeDataDetails"].as_object().into_iter().flatten();
    let mut quality: Map<String, Value> =
        measured.map(|(name, value)| (format!("media.qoe.{name}"), value.clone())).collect();
    for (name, key) in [("name", "media.qoe.errorID"), ("source", "media.qoe.errorSource")] {
        if let Some(value) = content["errorDetails"].get(name) {
            quality.insert(key.into(), value.clone());
        }
    }
    quality
}

fn metadata(list: &Value) -> Map<String, Value> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(|i| Some((i["name"].as_str()?.to_owned(), i["value"].clone()))).collect()
}
