//! Faults on request (behaviour.md 4): which requests a rule meets and what becomes of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What a request is addressed to (spec 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// `POST {uri}/api/v1/sessions`.
    Sessions,
    /// `POST {uri}/api/v1/sessions/{sid}/events`.
    Events,
    /// `POST {uri}/api/v1/downloaded`.
    Downloaded,
}

/// The endpoint of a path, with its sid if it has one. The prefix of a first-party domain and a
/// query are ignored; `None` is a path that the API does not have.
pub fn route(path: &str) -> Option<(Endpoint, Option<&str>)> {
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

/// One fault: which requests it meets and what becomes of them (behaviour.md 4).
///
/// A rule without `status`, `hang` and `drop_after_send` lets the normal answer through, after
/// `delay_s` and with `headers` added.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub on: Endpoint,
    /// Only this `eventType`; of a batch, any of its events.
    #[serde(default)]
    pub event_type: Option<String>,
    /// `S<n>`: on events the sid, on sessions the n-th sessionStart requested, on downloaded the
    /// n-th batch requested.
    #[serde(default)]
    pub session: Option<String>,
    /// How many requests it applies to; absent: all.
    #[serde(default)]
    pub times: Option<u64>,
    /// Replaces the whole answer. The request counts only if this is a 2xx.
    #[serde(default)]
    pub status: Option<u16>,
    /// Headers of the answer; one of the same name in a normal answer is replaced.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Seconds until the answer, instead of the usual delay.
    #[serde(default)]
    pub delay_s: Option<f64>,
    /// The request does not count and is never answered.
    #[serde(default)]
    pub hang: bool,
    /// The request is handled as usual, then the connection closes without an answer.
    #[serde(default)]
    pub drop_after_send: bool,
}

impl Rule {
    /// Reads a list of rules.
    ///
    /// Errors: one sentence for unknown members and wrong types, a status outside 200..=599, a
    /// delay that is negative or not finite, a `session` that is not `S<n>`.
    pub fn list(value: &Value) -> Result<Vec<Rule>, String> {
        let items = value.as_array().ok_or("expected an array of rules")?;
        let read = |(index, item): (usize, &Value)| {
            let rule = Rule::deserialize(item).map_err(|e| format!("rule [{index}]: {e}"))?;
            rule.check().map_err(|e| format!("rule [{index}]: {e}"))?;
            Ok(rule)
        };
        items.iter().enumerate().map(read).collect()
    }

    fn check(&self) -> Result<(), String> {
        if let Some(status) = self.status.filter(|status| !(200..=599).contains(status)) {
            return Err(format!("status: expected 200 to 599, got {status}"));
        }
        if let Some(delay) = self.delay_s.filter(|delay| !delay.is_finite() || *delay < 0.0) {
            return Err(format!("delay_s: expected seconds from 0, got {delay}"));
        }
        let label = |text: &str| text.strip_prefix('S').is_some_and(|n| n.parse::<u64>().is_ok());
        if let Some(session) = self.session.as_deref().filter(|text| !label(text)) {
            return Err(format!("session: expected S1, S2, ..., got {session:?}"));
        }
        Ok(())
    }

    pub(super) fn meets(&self, endpoint: Endpoint, label: Option<&str>, body: &Value) -> bool {
        let kind = |wanted: &str| events(body).iter().any(|event| event["eventType"] == wanted);
        self.on == endpoint
            && self.times != Some(0)
            && self.session.as_deref().is_none_or(|wanted| label == Some(wanted))
            && self.event_type.as_deref().is_none_or(kind)
    }
}

/// The events of a body: one, or those of a batch.
fn events(body: &Value) -> &[Value] {
    body.as_array().map_or(std::slice::from_ref(body), Vec::as_slice)
}
