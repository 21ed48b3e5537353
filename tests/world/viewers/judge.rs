//! Holds what has arrived against what was owed: each session in order, each hit at its time and its
//! second.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Session;

const AT_MS: i64 = 600;
const PLAYHEAD_SECONDS: f64 = 1.2;
/// What the clock shows when the evening begins.
const DAWN_MS: i64 = 1_700_000_000_000;

struct Arrived<'a> {
    kind: &'a str,
    at: i64,
    playhead: f64,
}

/// What arrived under one sid.
struct Seen<'a> {
    title: &'a str,
    resume: bool,
    hits: Vec<Arrived<'a>>,
}

fn seen<'a>(bodies: &[(Option<String>, &'a Value)]) -> Vec<Seen<'a>> {
    let mut by_sid: BTreeMap<&str, Seen<'a>> = BTreeMap::new();
    let text = |value: &'a Value| value.as_str().unwrap_or_default();
    for (sid, body) in bodies {
        let sid = sid.as_deref().unwrap_or_default();
        let params = &body["params"];
        let session = by_sid.entry(sid).or_insert_with(|| Seen {
            title: text(&params["media.name"]),
            resume: params["media.resume"] == true,
            hits: Vec::new(),
        });
        let kind = text(&body["eventType"]);
        if kind != "ping" {
            let time = &body["playerTime"];
            let at = time["ts"].as_i64().unwrap_or_default() - DAWN_MS;
            let playhead = time["playhead"].as_f64().unwrap_or(f64::NAN);
            session.hits.push(Arrived { kind, at, playhead });
        }
    }
    by_sid.into_values().collect()
}

pub fn judge(owed: &[Session], bodies: &[(Option<String>, &Value)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen = seen(bodies);
    for session in owed {
        let begins = session.hits[0].at;
        let fits = |s: &Seen<'_>| {
            s.title == session.title && s.hits.first().is_some_and(|h| near(h.at, begins))
        };
        let Some(found) = seen.iter().position(fits) else {
            wrong.push(format!("'{}' of {begins} is missing", session.title));
            continue;
        };
        let found = seen.remove(found);
        if found.resume != session.resume {
            wrong.push(format!("'{}' of {begins}: media.resume {}", session.title, found.resume));
        }
        let kinds = |hits: &[Arrived<'_>]| hits.iter().map(|h| h.kind.to_owned()).collect();
        let (have, want): (Vec<String>, Vec<&str>) =
            (kinds(&found.hits), session.hits.iter().map(|h| h.kind).collect());
        if have != want {
            wrong.push(format!("'{}' of {begins}: {have:?}, owed {want:?}", session.title));
            continue;
        }
        for (hit, owed) in found.hits.iter().zip(&session.hits) {
            let off = owed.playhead.is_some_and(|p| (p - hit.playhead).abs() > PLAYHEAD_SECONDS);
            if off || !near(hit.at, owed.at) {
                let (at, playhead) = (hit.at, hit.playhead);
                wrong.push(format!("'{}': at {at}, {playhead}; {owed:?}", session.title));
            }
        }
    }
    for extra in seen {
        let at = extra.hits.first().map(|hit| hit.at);
        wrong.push(format!("'{}' of {at:?} is too much", extra.title));
    }
    wrong
}

fn near(at: i64, owed: i64) -> bool {
    (at - owed).abs() <= AT_MS
}
