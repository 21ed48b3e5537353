//! The collector's side of the Media Collection API (spec 1, 3.3, 7).

pub mod schema;

use serde_json::Value;

use super::answer::{PlannedAnswer, Reply};
use super::faults::{Endpoint, Request};
use super::protocol::{Arrival, Numbers, Protocol, label};
use super::session::{Event, Session, Sessions};

/// The sessions of this protocol; a sid is the label itself.
#[derive(Debug, Default)]
pub struct MediaCollection {
    sessions: Sessions,
}

/// The endpoint of a path, with its sid if it has one. The prefix of a first-party domain and a
/// query are ignored; `None` is a path that the API does not have.
fn route(path: &str) -> Option<(Endpoint, Option<&str>)> {
    let path = path.split('?').next().unwrap_or(path);
    let (_, rest) = path.rsplit_once("/api/v1/")?;
    match rest {
        "sessions" => Some((Endpoint::Sessions, None)),
        "downloaded" => Some((Endpoint::Downloaded, None)),
        _ => {
            let sid = rest.strip_prefix("sessions/")?.strip_suffix("/events")?;
            let one_segment = !sid.is_empty() && !sid.contains('/');
            one_segment.then_some((Endpoint::Events, Some(sid)))
        }
    }
}

impl Protocol for MediaCollection {
    fn has(&self, path: &str) -> bool {
        route(path).is_some()
    }

    fn session(&self, path: &str, _: &Value) -> Option<String> {
        route(path)?.1.map(str::to_owned)
    }

    fn check(&self, path: &str, body: &Value) -> Result<(), Box<PlannedAnswer>> {
        let fits = match route(path) {
            Some((Endpoint::Sessions, _)) if body.is_array() => schema::batch(body),
            Some((Endpoint::Downloaded, _)) => schema::batch(body),
            _ => schema::event(body),
        };
        fits.map_err(|why| Box::new(self.refuse(path, 400, why)))
    }

    fn request<'a>(
        &self,
        path: &'a str,
        body: &'a Value,
        numbers: &mut Numbers,
    ) -> Option<Request<'a>> {
        let (endpoint, sid) = route(path)?;
        let number = match endpoint {
            Endpoint::Sessions if body.is_object() => Some(numbers.next_start()),
            Endpoint::Downloaded => Some(numbers.next_batch()),
            _ => None,
        };
        let session = sid.map(str::to_owned).or(number.map(label));
        let events = body.as_array().map_or(std::slice::from_ref(body), Vec::as_slice);
        let event_types = events.iter().map(kind).collect();
        Some(Request { endpoint, sessions: session.into_iter().collect(), event_types })
    }

    fn take(&mut self, arrival: &Arrival<'_>, numbers: &mut Numbers) -> PlannedAnswer {
        let (path, body) = (arrival.path, arrival.body);
        match route(path) {
            Some((Endpoint::Events, Some(sid))) => self.event(sid, arrival),
            Some((Endpoint::Sessions, _)) if body.is_object() => self.open(arrival, numbers),
            Some((Endpoint::Sessions, _)) if !downloaded_flag(&body[0]) => {
                let why =
                    "[0].params.media.downloaded: expected true, a batch to /sessions needs it";
                self.refuse(path, 400, why)
            }
            _ => PlannedAnswer::taken(None, 201, Reply::default()),
        }
    }

    fn refuse_unread(&self, path: &str, status: u16, why: &str) -> PlannedAnswer {
        self.refuse(path, status, why)
    }

    /// A sentence; another 2xx is still the answer of the backend: a session that it opens has a place.
    fn reply_of(&self, _: Endpoint, status: u16, normal: Option<Reply>) -> Reply {
        match normal {
            Some(normal) if (200..300).contains(&status) => normal,
            None if (200..300).contains(&status) => Reply::default(),
            _ => Reply::text(format!("a fault rule says {status}")),
        }
    }
}

impl MediaCollection {
    fn refuse(&self, path: &str, status: u16, why: impl Into<String>) -> PlannedAnswer {
        let why = why.into();
        let sid = route(path).and_then(|(_, sid)| sid).map(str::to_owned);
        PlannedAnswer::refused(sid, status, Reply::text(why.as_str()), why)
    }

    fn open(&mut self, arrival: &Arrival<'_>, numbers: &mut Numbers) -> PlannedAnswer {
        let Arrival { path, body: start, now_ms, .. } = *arrival;
        if kind(start) != "sessionStart" {
            let why = format!("eventType: expected sessionStart, got {:?}", kind(start));
            return self.refuse(path, 400, why);
        }
        if downloaded_flag(start) {
            let why = "params.media.downloaded: expected false, this opens a live session";
            return self.refuse(path, 400, why);
        }
        let sid = label(numbers.next_session());
        let session = Session::new(sid.clone(), playhead(start), now_ms, i64::MAX);
        self.sessions.insert(sid.clone(), session);
        let location = ("Location".to_owned(), format!("/api/v1/sessions/{sid}"));
        PlannedAnswer::taken(Some(sid), 201, Reply { headers: vec![location], ..Reply::default() })
    }

    fn event(&mut self, sid: &str, arrival: &Arrival<'_>) -> PlannedAnswer {
        let Arrival { path, body: event, now_ms, .. } = *arrival;
        if kind(event) == "sessionStart" {
            return self.refuse(path, 400, "expected one event other than sessionStart");
        }
        let Some(session) = self.sessions.get_mut(sid) else {
            return self.refuse(path, 404, format!("sid {sid} is not known"));
        };
        let event = Event { kind: kind(event), playhead: playhead(event) };
        if let Some(why) = session.refuses(&event, now_ms) {
            return self.refuse(path, 410, format!("sid {sid} is closed: {why}"));
        }
        session.count(&event, now_ms);
        PlannedAnswer::taken(Some(sid.to_owned()), 204, Reply::default())
    }
}

fn kind(event: &Value) -> &str {
    event["eventType"].as_str().unwrap_or_default()
}

fn playhead(event: &Value) -> Option<f64> {
    event["playerTime"]["playhead"].as_f64()
}

/// The flag of a downloaded session (spec 7); it decides only at the legacy endpoint.
fn downloaded_flag(start: &Value) -> bool {
    start["params"]["media.downloaded"] == true
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::super::{Backend, CollectorModel as _, Outcome, Rule};
    use super::*;

    const SESSIONS: &str = "/api/v1/sessions";

    /// A start with `more` params.
    pub(crate) fn start(more: Value) -> Value {
        let mut params = json!({
            "analytics.trackingServer": "t", "analytics.reportSuite": "r",
            "visitor.marketingCloudOrgId": "o", "media.id": "ep-1", "media.length": 60,
            "media.contentType": "vod", "media.playerName": "p", "media.channel": "c"
        });
        for (key, value) in more.as_object().expect("params are an object") {
            params[key] = value.clone();
        }
        let time = json!({"playhead": 0.0, "ts": 1});
        json!({"eventType": "sessionStart", "playerTime": time, "params": params})
    }

    fn play() -> Value {
        json!({"eventType": "play", "playerTime": {"playhead": 0.0, "ts": 1}})
    }

    fn post(backend: &mut Backend, path: &str, body: &Value) -> u16 {
        match backend.arrive(path, body, 0).outcome {
            Outcome::Answer { status, .. } => status,
            other => panic!("no answer: {other:?}"),
        }
    }

    #[test]
    fn paths() {
        let table = [
            ("/api/v1/sessions", Some((Endpoint::Sessions, None))),
            ("/a/b/api/v1/sessions?x=1", Some((Endpoint::Sessions, None))),
            ("/api/v1/downloaded", Some((Endpoint::Downloaded, None))),
            ("/x/api/v1/sessions/S7/events", Some((Endpoint::Events, Some("S7")))),
            ("/api/v1/sessions//events", None),
            ("/api/v1/sessions/a/b/events", None),
            ("/api/v1/S1/events", None),
            ("/api/v1/sessions/", None),
            ("/", None),
        ];
        for (path, expected) in table {
            assert_eq!(route(path), expected, "{path}");
        }
    }

    #[test]
    fn bodies_that_do_not_fit_their_endpoint() {
        let (live, stored) = (start(json!({})), start(json!({"media.downloaded": true})));
        let events = "/api/v1/sessions/S1/events";
        let table = [
            (SESSIONS, json!([live]), 400),
            (SESSIONS, json!([stored]), 201),
            (SESSIONS, stored.clone(), 400),
            (SESSIONS, play(), 400),
            (SESSIONS, json!([]), 400),
            ("/api/v1/downloaded", json!([live, play()]), 201),
            ("/api/v1/downloaded", json!([play()]), 400),
            ("/api/v1/downloaded", live.clone(), 400),
            ("/api/v1/uploaded", live.clone(), 404),
            (events, play(), 404),
            (SESSIONS, live.clone(), 201),
            (events, play(), 204),
            (events, live.clone(), 400),
            (events, json!([play()]), 400),
        ];
        let mut backend = Backend::new();
        for (path, body, status) in table {
            assert_eq!(post(&mut backend, path, &body), status, "{path} {body}");
        }
    }

    #[test]
    fn sids_are_numbered_in_the_order_accepted() {
        let mut backend = Backend::new();
        backend.set_rules(
            Rule::list(&json!([{"on": "sessions", "times": 1, "status": 503}])).expect("a rule"),
        );
        let start = start(json!({}));
        assert_eq!(post(&mut backend, SESSIONS, &start), 503);
        for sid in ["S1", "S2"] {
            let plan = backend.arrive(SESSIONS, &start, 0);
            assert_eq!(plan.sid.as_deref(), Some(sid));
            let location = vec![("Location".to_owned(), format!("/api/v1/sessions/{sid}"))];
            let answer = Outcome::Answer {
                status: 201,
                headers: location,
                body: String::new(),
                delay_ms: None,
            };
            assert_eq!(plan.outcome, answer);
        }
    }
}
