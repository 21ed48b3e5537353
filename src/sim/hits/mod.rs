//! What a request to a collector reports, whatever its protocol: its hits, in the names of the Media
//! Collection API (spec 2). The bench collector, its page and `playheadctl monitor` show these.
//!
//! Nothing is checked here, that is what the validators do: what a body lacks is missing in its hits.

mod media_edge;
mod otlp;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::{Map, Value};

/// Hits of one request that are looked at. A valid request has fewer: 100 records of OTLP, and a day of
/// pings is 8,640 hits of a downloaded session.
const MOST_HITS: usize = 20_000;

/// A protocol of collectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    MediaCollection,
    MediaEdge,
    Otlp,
}

impl Protocol {
    /// The protocol that has a path such as this one; a query and the prefix of a first-party domain are
    /// ignored. `None`: no protocol has it.
    pub fn of(path: &str) -> Option<Protocol> {
        let path = path.split('?').next().unwrap_or(path);
        if path.contains("/api/v1/") {
            Some(Protocol::MediaCollection)
        } else if path.contains("/va/v1/") {
            Some(Protocol::MediaEdge)
        } else if path.ends_with("/v1/logs") {
            Some(Protocol::Otlp)
        } else {
            None
        }
    }

    /// `collector.kind` of the configuration.
    pub const fn kind(self) -> &'static str {
        match self {
            Protocol::MediaCollection => "media-collection",
            Protocol::MediaEdge => "media-edge",
            Protocol::Otlp => "otlp",
        }
    }
}

/// One hit of a request.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Hit<'a> {
    /// The session's id as the request has it; `None` for a start at a server that makes it, and for a
    /// downloaded session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<&'a str>,
    /// `eventType` of the Media Collection API; empty when there is none.
    pub event_type: &'a str,
    /// When it happened, Unix time in ms.
    pub ts: Option<i64>,
    /// Seconds in the content.
    pub playhead: Option<f64>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    #[serde(rename = "qoeData", skip_serializing_if = "Map::is_empty")]
    pub quality: Map<String, Value>,
    #[serde(rename = "customMetadata", skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// What a second delivery of the same report has in common with the first (otlp.md 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<&'a str>,
    /// The id of the session that this start goes on with, where the protocol says it (otlp.md 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<&'a str>,
    /// Where the hit stands in the body (RFC 6901).
    pub pointer: String,
}

impl Hit<'_> {
    /// A start that goes on with an earlier session.
    pub fn resumes(&self) -> bool {
        self.event_type == "sessionStart" && self.params.get("media.resume") == Some(&true.into())
    }

    /// A parameter that is text; empty when it is not.
    pub fn text(&self, key: &str) -> &str {
        self.params.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A parameter that is a number; 0 when it is not.
    pub fn number(&self, key: &str) -> f64 {
        self.params.get(key).and_then(Value::as_f64).unwrap_or_default()
    }
}

/// The hits of a request, in the order in which they stand in it. A body on a path that no protocol has is
/// read as one of the Media Collection API.
pub fn of<'a>(path: &'a str, body: &'a Value) -> Vec<Hit<'a>> {
    match Protocol::of(path) {
        Some(Protocol::MediaEdge) => media_edge::hits(body),
        Some(Protocol::Otlp) => otlp::hits(body),
        Some(Protocol::MediaCollection) | None => media_collection(path, body),
    }
}

/// The event type of the first hit; empty when there is none.
pub fn first_event_type<'a>(path: &str, body: &'a Value) -> &'a str {
    match Protocol::of(path) {
        Some(Protocol::MediaEdge) => media_edge::first_event_type(body),
        Some(Protocol::Otlp) => otlp::first_event_type(body),
        Some(Protocol::MediaCollection) | None => {
            let first = body.as_array().map_or(body, |events| events.first().unwrap_or(body));
            text(&first["eventType"])
        }
    }
}

/// A body that is one whole downloaded session (spec 7, edge 8).
pub fn is_download(path: &str, body: &Value) -> bool {
    match Protocol::of(path) {
        Some(Protocol::MediaEdge) => {
            path.split('?').next().is_some_and(|path| path.ends_with("/downloaded"))
        }
        Some(Protocol::Otlp) => false,
        Some(Protocol::MediaCollection) | None => body.is_array(),
    }
}

/// The beginning of a session's id, as far as people need it: ids of Media Edge have 64 characters, those
/// of OTLP 36.
pub fn short(id: &str) -> &str {
    if id.len() <= 12 { id } else { id.split_at_checked(8).map_or(id, |(start, _)| start) }
}

fn media_collection<'a>(path: &'a str, body: &'a Value) -> Vec<Hit<'a>> {
    let session = path.rsplit_once("/sessions/").and_then(|(_, rest)| rest.strip_suffix("/events"));
    let one = |(pointer, event): (String, &'a Value)| Hit {
        session,
        event_type: text(&event["eventType"]),
        ts: event["playerTime"]["ts"].as_i64(),
        playhead: event["playerTime"]["playhead"].as_f64(),
        params: members(&event["params"]),
        quality: members(&event["qoeData"]),
        metadata: members(&event["customMetadata"]),
        pointer,
        ..Hit::default()
    };
    match body {
        Value::Array(events) => {
            let numbered = events.iter().enumerate().take(MOST_HITS);
            numbered.map(|(n, event)| (format!("/{n}"), event)).map(one).collect()
        }
        Value::Object(_) => vec![one((String::new(), body))],
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// The elements of an array with their pointers; none for anything else.
fn elements<'a>(base: &str, value: &'a Value) -> impl Iterator<Item = (String, &'a Value)> {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().enumerate().map(move |(n, item)| (format!("{base}/{n}"), item))
}
