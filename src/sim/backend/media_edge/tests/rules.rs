//! Fault rules, and what they say.

use super::*;
use crate::sim::CollectorModel;

#[test]
fn what_a_rule_meets() {
    let states = |collection: Value| {
        move |id: &str| {
            let mut body = body("statesUpdate", Some(id), 9);
            body["events"][0]["xdm"]["mediaCollection"] = collection.clone();
            body["events"][0]["xdm"]["mediaCollection"]["sessionID"] = id.into();
            body["events"][0]["xdm"]["mediaCollection"]["playhead"] = 1.into();
            body
        }
    };
    let (on, off) = (
        states(json!({"statesStart": [{"name": "mute"}], "statesEnd": []})),
        states(json!({"statesEnd": [{"name": "mute"}]})),
    );
    // A start, a play of S1, a change of states on, one off, a download, a second start.
    let table = [
        (json!({"on": "sessions"}), [503, 204, 204, 204, 200, 503]),
        (json!({"on": "sessions", "session": "S2"}), [200, 204, 204, 204, 200, 503]),
        (json!({"on": "events"}), [200, 503, 503, 503, 200, 200]),
        (json!({"on": "events", "event_type": "play"}), [200, 503, 204, 204, 200, 200]),
        (json!({"on": "events", "event_type": "stateStart"}), [200, 204, 503, 204, 200, 200]),
        (json!({"on": "events", "event_type": "stateEnd"}), [200, 204, 204, 503, 200, 200]),
        (json!({"on": "events", "event_type": "statesUpdate"}), [200, 204, 503, 503, 200, 200]),
        (json!({"on": "events", "session": "S1"}), [200, 503, 503, 503, 200, 200]),
        (json!({"on": "events", "session": "S2"}), [200, 204, 204, 204, 200, 200]),
        (json!({"on": "downloaded"}), [200, 204, 204, 204, 503, 200]),
        (json!({"on": "downloaded", "event_type": "ping"}), [200, 204, 204, 204, 503, 200]),
        (json!({"on": "downloaded", "event_type": "error"}), [200, 204, 204, 204, 200, 200]),
    ];
    for (mut rule, expected) in table {
        rule["status"] = 503.into();
        let mut backend = with_rules(json!([rule]));
        let first = post(&mut backend, &path("sessionStart"), &start(), 0).0;
        let id = match first {
            200 => documents::session_id(1),
            // A rule that stands in the way is lifted for a moment.
            _ => {
                CollectorModel::set_rules(&mut backend, Vec::new());
                let id = open(&mut backend);
                let again = Rule::list(&json!([rule])).expect("a rule");
                CollectorModel::set_rules(&mut backend, again);
                id
            }
        };
        let mut later = off(&id);
        later["events"][0]["xdm"]["timestamp"] = time(10).into();
        let got = [
            first,
            post(&mut backend, &path("play"), &body("play", Some(&id), 1), 0).0,
            post(&mut backend, &path("statesUpdate"), &on(&id), 0).0,
            post(&mut backend, &path("statesUpdate"), &later, 0).0,
            post(&mut backend, &path("downloaded"), &download(), 0).0,
            post(&mut backend, &path("sessionStart"), &start(), 0).0,
        ];
        assert_eq!(got, expected, "{rule}");
    }
}

#[test]
fn what_a_rule_says() {
    let table = [
        (400, INVALID),
        (401, "EXEG-0501-401"),
        (403, "EXEG-0400-403"),
        (404, NO_SESSION),
        (408, "EXEG-0109-408"),
        (413, TOO_LARGE),
        (415, "EXEG-0111-415"),
        (422, "EXEG-0004-422"),
        (500, "EXEG-0100-500"),
        (502, "EXEG-0201-502"),
        (503, "EXEG-0201-503"),
        (504, "EXEG-0201-504"),
    ];
    for (status, name) in table {
        let mut backend = with_rules(json!([{"on": "sessions", "status": status}]));
        let answer = backend.judge(&path("sessionStart"), &start(), 0);
        assert!(!answer.counted && answer.fault && answer.refusal.is_none(), "{answer:?}");
        let (got, problem) = post(&mut backend, &path("sessionStart"), &start(), 0);
        assert_eq!((got, &problem["status"]), (status, &json!(status)));
        assert_eq!(problem["type"], format!("https://ns.adobe.com/aep/errors/{name}"));
    }
    for (status, body) in [(429, "about:blank"), (410, "about:blank")] {
        let mut backend = with_rules(json!([{"on": "sessions", "status": status}]));
        assert_eq!(post(&mut backend, &path("sessionStart"), &start(), 0).1["type"], body);
    }
    // Nothing stands in a 204 and in a redirect.
    for status in [204, 302] {
        let mut backend = with_rules(json!([{"on": "sessions", "status": status}]));
        let (got, document) = post(&mut backend, &path("sessionStart"), &start(), 0);
        assert_eq!((got, document), (status, Value::Null));
    }
}

#[test]
fn a_207_on_request_has_a_session_and_another_service_s_error() {
    let mut backend = with_rules(json!([{"on": "sessions", "times": 1, "status": 207}]));
    let answer = backend.judge(&path("sessionStart"), &start(), 0);
    assert!(answer.counted && answer.fault, "{answer:?}");
    let Outcome::Answer { status: 207, body, .. } = answer.plan.outcome else { panic!() };
    let document: Value = serde_json::from_str(&body).expect("JSON");
    let id = handle(&document, "media-analytics:new-session")[0]["sessionId"].clone();
    assert_eq!(document["errors"][0]["status"], 503);
    let id = id.as_str().expect("an id");
    let play = self::body("play", Some(id), 1);
    assert_eq!(post(&mut backend, &path("play"), &play, 0).0, 204, "the session is open");
}

#[test]
fn a_rule_may_say_any_body() {
    let own = "f".repeat(64);
    let with_handle = json!({"handle": [
        {"type": "media-analytics:new-session", "payload": [{"sessionId": own}]}
    ]});
    let consent = json!({"handle": [], "warnings": [{"type": "EXEG-0301-200", "status": 200}]});
    let table = [
        (json!({"body": consent}), 200, false),
        (json!({"status": 207, "body": {"errors": []}}), 207, false),
        (json!({"body": with_handle}), 200, true),
        (json!({"status": 400, "body": {"type": "x/EXEG-0003-400"}}), 400, false),
    ];
    for (mut rule, status, opens) in table {
        let body = rule["body"].clone();
        rule["on"] = "sessions".into();
        rule["times"] = 1.into();
        let mut backend = with_rules(json!([rule]));
        let answer = backend.judge(&path("sessionStart"), &start(), 0);
        assert_eq!((answer.counted, answer.fault), (opens, true), "{rule}");
        let Outcome::Answer { status: got, body: text, .. } = answer.plan.outcome else { panic!() };
        assert_eq!((got, serde_json::from_str::<Value>(&text).ok()), (status, Some(body)));
        let play = self::body("play", Some(&own), 1);
        let known = post(&mut backend, &path("play"), &play, 0).0 == 204;
        assert_eq!(known, opens, "{rule}: the session that the answer names");
    }
    let mut backend = with_rules(json!([{"on": "sessions", "status": 500, "body": "no JSON"}]));
    let Outcome::Answer { body, .. } =
        backend.judge(&path("sessionStart"), &start(), 0).plan.outcome
    else {
        panic!()
    };
    assert_eq!(body, "no JSON", "a text stands as it is");
}
