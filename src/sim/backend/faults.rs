//! Faults on request (behaviour.md 4): which requests a rule meets and what becomes of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What a request is addressed to (spec 1, edge 3, otlp 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// Opens a session.
    Sessions,
    /// Reports of a session that is open.
    Events,
    /// A downloaded session as a whole.
    Downloaded,
    /// Log records of any sessions.
    Logs,
}

/// What rules ask about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    pub endpoint: Endpoint,
    /// The sessions that it is about, `S1`, `S2`, ...; of a start the number that it would have if all
    /// starts were accepted.
    pub sessions: Vec<String>,
    /// Its event types, as the Media Collection API calls them.
    pub event_types: Vec<&'a str>,
}

/// One fault: which requests it meets and what becomes of them (behaviour.md 4).
///
/// A rule without `status`, `body`, `hang` and `drop_after_send` lets the normal answer through, after
/// `delay_s` and with `headers` added.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub on: Endpoint,
    /// Only at this collector, by its name in the configuration; absent: at all of them.
    #[serde(default)]
    pub collector: Option<String>,
    /// Only this `eventType`; of a batch, any of its events. The name is that of the Media
    /// Collection API in every protocol.
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
    /// Replaces the body of the answer: a text as it is, any other value as JSON.
    #[serde(default)]
    pub body: Option<Value>,
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

    pub(super) fn meets(&self, request: &Request<'_>) -> bool {
        let session = |wanted: &String| request.sessions.contains(wanted);
        let kind = |wanted: &String| request.event_types.contains(&wanted.as_str());
        self.on == request.endpoint
            && self.times != Some(0)
            && self.session.as_ref().is_none_or(session)
            && self.event_type.as_ref().is_none_or(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_that_make_no_sense() {
        let table = [
            (json!({}), "expected an array"),
            (json!([{"status": 500}]), "missing field `on`"),
            (json!([{"on": "events", "state": 1}]), "unknown field `state`"),
            (json!([{"on": "events"}, {"on": "events", "status": 20}]), "rule [1]: status"),
            (json!([{"on": "events", "delay_s": -1}]), "delay_s"),
            (json!([{"on": "events", "session": "first"}]), "S1, S2"),
        ];
        for (rules, part) in table {
            let error = Rule::list(&rules).expect_err("the rules are wrong");
            assert!(error.contains(part), "{rules}: {error}");
        }
    }
}
