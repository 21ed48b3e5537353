use serde_json::json;

use super::*;
use crate::core::time::Span;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const NOW: WallTime = WallTime(1_700_000_000_000);

fn verdict(purpose: &Purpose, status: u16, body: &str) -> Verdict {
    let (location, retry_after) = (None, Some(RetryAfter::Seconds(7)));
    let outcome = Outcome::Answered { status, location, retry_after, body: body.into() };
    judge(purpose, &outcome, NOW)
}

fn event() -> Purpose {
    Purpose::Report { sid: format!("va6/{ID}") }
}

/// A short word for a verdict.
fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Opened { sid } => sid.replace(ID, "ID"),
        Verdict::Accepted => "accepted".into(),
        Verdict::AcceptedBut { .. } => "accepted but some".into(),
        Verdict::Refused { status, .. } => format!("refused {status}"),
        Verdict::Gone => "gone".into(),
        Verdict::Later { problem: Problem { cause: Cause::NoSession(_), .. }, .. } => {
            "later NoSession".into()
        }
        Verdict::Later { problem, .. } => format!("later {:?}", problem.cause),
        Verdict::Ambiguous { .. } => "ambiguous".into(),
    }
}

fn handles(id: &str, hint: &str) -> Value {
    json!([
        {"type": "state:store", "payload": [{"key": "k", "value": "v", "maxAge": 1800}]},
        {"type": "of another time", "payload": 7},
        {"type": "locationHint:result", "payload": [
            {"scope": "Target", "hint": "35", "ttlSeconds": 1800},
            {"scope": "EdgeNetwork", "hint": hint, "ttlSeconds": 1800},
        ]},
        {"type": "media-analytics:new-session", "payload": [{"sessionId": id}]},
    ])
}

fn fault(name: &str, status: u16) -> Value {
    json!({
        "type": format!("{PREFIX}{name}"), "status": status, "title": "Invalid request",
        "report": {"details": [{"name": "$.xdm", "reason": "wrong"}]},
    })
}

#[test]
fn a_start_is_opened_by_its_session_and_led_by_its_hint() {
    let long = "a".repeat(17);
    for (id, hint, expected) in [
        (ID, "va6", "va6/ID"),
        (ID, "", "ID"),
        (ID, "../x", "ID"),
        (ID, "VA6", "ID"),
        (ID, &*long, "ID"),
        ("", "va6", "later NoSession"),
        (&ID[1..], "va6", "later NoSession"),
    ] {
        for status in [200, 207] {
            let body = json!({"requestId": "r", "handle": handles(id, hint)}).to_string();
            assert_eq!(word(&verdict(&Purpose::Open, status, &body)), expected, "{status} {hint}");
        }
    }
    // Errors beside a session are another service's.
    let body = json!({"handle": handles(ID, "or2"), "errors": [fault("EXEG-0104-422", 422)]});
    assert_eq!(word(&verdict(&Purpose::Open, 207, &body.to_string())), "or2/ID");
}

#[test]
fn a_start_without_a_session_failed_for_good_or_for_now() {
    let bad = || fault("va-edge-0400-400", 400);
    for (body, expected) in [
        (json!({"errors": [bad()]}), "refused 207"),
        (json!({"errors": [bad(), fault("EXEG-0201-503", 503)]}), "later Status(503)"),
        (json!({"errors": [{"type": "x"}]}), "later NoSession"),
        (json!({"handle": []}), "later NoSession"),
        (json!({"warnings": [fault(NO_CONSENT, 200)]}), "refused 207"),
        (json!({"errors": [fault(NO_CONSENT, 200)]}), "refused 207"),
        (json!({"warnings": [fault("EXEG-0204-200", 200)]}), "later NoSession"),
        (json!(null), "later NoSession"),
    ] {
        assert_eq!(word(&verdict(&Purpose::Open, 207, &body.to_string())), expected, "{body}");
    }
    assert_eq!(word(&verdict(&Purpose::Open, 200, "<html>")), "later NoSession");
}

#[test]
fn every_status_has_its_row() {
    for (status, name, on_event, on_start) in [
        (204, "", "accepted", "later NoSession"),
        (400, "va-edge-0400-400", "refused 400", "refused 400"),
        (400, "", "refused 400", "refused 400"),
        (400, "EXEG-0003-400", "later Datastream(400)", "later Datastream(400)"),
        (400, "EXEG-0002-400", "later Datastream(400)", "later Datastream(400)"),
        (400, "EXEG-0304-400", "later Identity(400)", "later Identity(400)"),
        (401, "EXEG-0501-401", "later Datastream(401)", "later Datastream(401)"),
        (403, "EXEG-0400-403", "later Datastream(403)", "later Datastream(403)"),
        (403, "", "later Status(403)", "later Status(403)"),
        (404, "va-edge-0404-404", "gone", "later Status(404)"),
        (410, "", "gone", "later Status(410)"),
        (408, "EXEG-0109-408", "later Status(408)", "later Status(408)"),
        (413, "EXEG-0112-413", "refused 413", "refused 413"),
        (415, "EXEG-0111-415", "refused 415", "refused 415"),
        (422, "EXEG-0010-422", "later Datastream(422)", "later Datastream(422)"),
        (429, "", "later Status(429)", "later Status(429)"),
        (500, "EXEG-0100-500", "later Status(500)", "later Status(500)"),
        (503, "EXEG-0201-503", "later Status(503)", "later Status(503)"),
        (302, "", "later Status(302)", "later Status(302)"),
    ] {
        let body = if name.is_empty() { String::new() } else { fault(name, status).to_string() };
        assert_eq!(word(&verdict(&event(), status, &body)), on_event, "{status} {name}");
        assert_eq!(word(&verdict(&Purpose::Open, status, &body)), on_start, "{status} {name}");
        if let Verdict::Later { after, .. } = verdict(&event(), status, &body) {
            assert_eq!(after, Some(Span::seconds(7)), "{status}");
        }
    }
}

#[test]
fn a_download_needs_no_session_in_its_answer() {
    for (status, body, expected) in [
        (200, json!({"handle": []}), "accepted"),
        (200, json!({"handle": handles(ID, "va6")}), "accepted"),
        (207, json!({"errors": [fault("va-edge-0400-400", 400)]}), "refused 207"),
        (207, json!({"errors": [fault("va-edge-0500-500", 500)]}), "later Status(500)"),
        (207, json!({"errors": [fault("EXEG-0201-503", 503)]}), "later Status(503)"),
        (207, json!({"errors": [fault("EXEG-0104-422", 422)]}), "accepted"),
        (200, json!({"warnings": [fault(NO_CONSENT, 200)]}), "refused 200"),
        (400, fault("va-edge-0400-400", 400), "refused 400"),
        (404, json!(null), "later Status(404)"),
    ] {
        let verdict = verdict(&Purpose::Download, status, &body.to_string());
        assert_eq!(word(&verdict), expected, "{status} {body}");
    }
}

#[test]
fn a_refusal_says_what_is_wrong() {
    let Verdict::Refused { message, .. } =
        verdict(&event(), 400, &fault("va-edge-0400-400", 400).to_string())
    else {
        panic!("refused");
    };
    assert_eq!(message, "va-edge-0400-400; Invalid request; $.xdm: wrong");
    let mut other = fault("va-edge-0404-404", 404);
    other["report"]["details"] = "session unknown\n".into();
    let Verdict::Refused { message, .. } = verdict(&event(), 415, &other.to_string()) else {
        panic!("refused");
    };
    assert!(message.ends_with("session unknown "), "{message:?}");
}
