//! What Media Edge answers (edge 7): handles of a new session, and problem documents.

use serde_json::{Value, json};

use crate::sim::backend::answer::Reply;
use crate::sim::backend::shape::Mistake;

/// What the `type` of every problem begins with.
const PREFIX: &str = "https://ns.adobe.com/aep/errors/";
/// A problem of the media service.
pub const INVALID: &str = "va-edge-0400-400";
pub const NO_SESSION: &str = "va-edge-0404-404";
/// The datastream is unknown.
pub const NO_DATASTREAM: &str = "EXEG-0003-400";
/// An identity has a form that is not taken.
pub const IDENTITY: &str = "EXEG-0304-400";
pub const TOO_LARGE: &str = "EXEG-0112-413";

/// The edge servers that location hints name (edge 2).
const HINTS: [&str; 7] = ["or2", "va6", "irl1", "ind1", "jpn3", "sgp3", "aus3"];

/// The id of the `number`th session: 64 hexadecimal digits, the same in every run.
pub fn session_id(number: u64) -> String {
    let mut state = number;
    let mut word = || {
        // SplitMix64: every number gives another row.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    (0..4).map(|_| format!("{:016x}", word())).collect()
}

/// The location hint of the `number`th session.
pub fn hint(number: u64) -> &'static str {
    HINTS[(number % HINTS.len() as u64) as usize]
}

/// The answer to the `number`th start that was accepted. The order of its handles varies.
pub fn opened(number: u64, id: &str) -> Reply {
    let hint = hint(number);
    let place = |scope: &str, hint: &str| json!({"scope": scope, "hint": hint, "ttlSeconds": 1800});
    let mut places = vec![place("Target", "35"), place("AAM", "7"), place("EdgeNetwork", hint)];
    places.rotate_left((number % 3) as usize);
    let cookie = |key: &str, value: &str, age: u64| json!({"key": format!("kndctr_SIMULATION_AdobeOrg_{key}"), "value": value, "maxAge": age});
    let store = [cookie("cluster", hint, 1800), cookie("identity", "simulated", 34_128_000)];
    let session = json!({
        "type": "media-analytics:new-session", "eventIndex": 0, "payload": [{"sessionId": id}]
    });
    let mut handles = vec![
        session,
        json!({"type": "locationHint:result", "payload": places}),
        json!({"type": "state:store", "payload": store}),
    ];
    handles.rotate_left((number / 3 % 3) as usize);
    if number.is_multiple_of(2) {
        handles.swap(0, 1);
    }
    Reply::json("application/json", &json!({"requestId": request_id(number), "handle": handles}))
}

/// The answer to the `number`th download. Every second one has the handle of a session (edge 8).
pub fn stored(number: u64) -> Reply {
    let handle = match number.is_multiple_of(2) {
        true => json!([{
            "type": "media-analytics:new-session",
            "payload": [{"sessionId": session_id(u64::MAX - number)}]
        }]),
        false => json!([]),
    };
    Reply::json("application/json", &json!({"requestId": request_id(number), "handle": handle}))
}

/// A refused start (edge 7.2).
pub fn no_session(mistakes: &[Mistake]) -> Value {
    let error = json!({
        "type": format!("{PREFIX}{INVALID}"),
        "status": 400,
        "title": "Invalid request",
        "report": {"eventIndex": 0, "details": details(mistakes, "events[0].")},
    });
    json!({"requestId": request_id(0), "handle": [], "errors": [error]})
}

/// The same answer with an error of another service than that of media (edge 7.2).
pub fn with_an_error(reply: Reply) -> Reply {
    let Ok(mut document) = serde_json::from_str::<Value>(&reply.body) else { return reply };
    document["errors"] = json!([{
        "type": format!("{PREFIX}EXEG-0201-503"),
        "status": 503,
        "title": "The 'com.adobe.experience.platform.ode' service is temporarily unable to serve this request.",
        "report": {"eventIndex": 0},
    }]);
    Reply { body: document.to_string(), ..reply }
}

/// A problem document (edge 7.3) whose details are a list.
pub fn problem_of(name: &str, status: u16, mistakes: &[Mistake]) -> Reply {
    let detail = "Invalid request (report attached). Please check your input and try again.";
    problem(name, status, title(status), detail, details(mistakes, ""))
}

/// A problem document whose details are a sentence.
pub fn problem_in_words(name: &str, status: u16, why: &str) -> Reply {
    problem(name, status, title(status), why, why.into())
}

/// The problem document of a status that a fault rule has chosen.
pub fn problem_of_status(status: u16) -> Reply {
    let name = match status {
        400 => INVALID.to_owned(),
        401 => "EXEG-0501-401".into(),
        403 => "EXEG-0400-403".into(),
        404 => NO_SESSION.into(),
        408 => "EXEG-0109-408".into(),
        413 => TOO_LARGE.into(),
        415 => "EXEG-0111-415".into(),
        422 => "EXEG-0004-422".into(),
        500 => "EXEG-0100-500".into(),
        502..=504 => format!("EXEG-0201-{status}"),
        // No source names these.
        _ => return problem_without_name(status),
    };
    problem_in_words(&name, status, &format!("a fault rule says {status}"))
}

fn problem(name: &str, status: u16, title: &str, detail: &str, details: Value) -> Reply {
    let document = json!({
        "type": format!("{PREFIX}{name}"),
        "status": status,
        "title": title,
        "detail": detail,
        "report": {"requestId": request_id(0), "details": details},
    });
    Reply::json("application/problem+json", &document)
}

/// RFC 7807: a problem that has no type has `about:blank`.
fn problem_without_name(status: u16) -> Reply {
    let document = json!({
        "type": "about:blank",
        "status": status,
        "title": title(status),
        "detail": format!("a fault rule says {status}"),
    });
    Reply::json("application/problem+json", &document)
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Invalid request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500..=599 => "Service Unavailable",
        _ => "Error",
    }
}

/// Mistakes with paths from the root of the body, or from an event when `without` leads to it.
fn details(mistakes: &[Mistake], without: &str) -> Value {
    let one = |mistake: &Mistake| {
        let path = mistake.path.strip_prefix(without).unwrap_or(&mistake.path);
        let dot = if path.is_empty() { "" } else { "." };
        json!({"name": format!("${dot}{path}"), "reason": mistake.reason})
    };
    mistakes.iter().map(one).collect()
}

/// A UUID that depends on the number alone.
fn request_id(number: u64) -> String {
    let id = session_id(number ^ 0x5eed);
    let [a, b, c, d] = [0..8, 8..12, 13..16, 17..20].map(|part| &id[part]);
    format!("{a}-{b}-4{c}-8{d}-{}", &id[20..32])
}
