//! A look whether the collectors can be reached, for `playheadctl doctor`: a request to each that reports
//! nothing, made as every other one is. One look at a time; who asks meanwhile gets the same answer.

use serde_json::{Value, json};

use super::{Action, Engine};
use crate::core::dialect::exchange::{Outcome, Purpose, Request, RequestId};
use crate::core::input::CallId;
use crate::core::text::shown_url;
use crate::core::time::BootInstant;
use crate::core::turn::Reply;

/// The look that is under way.
#[derive(Debug, Default)]
pub(super) struct Probe {
    calls: Vec<CallId>,
    /// One for each collector, the first one first.
    probes: Vec<One>,
}

/// What is known of one collector.
#[derive(Debug)]
struct One {
    collector: String,
    url: String,
    sent: BootInstant,
    found: Option<Value>,
}

impl Engine {
    /// Somebody asks.
    pub(super) fn probe(&mut self, call: CallId, now: BootInstant) {
        self.probe.calls.push(call);
        if self.probe.probes.is_empty() {
            let collectors = &self.agent.settings().collectors;
            self.probe.probes = collectors
                .iter()
                .map(|c| One {
                    collector: c.name.clone(),
                    url: shown_url(&c.url),
                    sent: now,
                    found: None,
                })
                .collect();
            self.probe_again();
        }
    }

    /// Sends the probes that are not answered; for the second time when all requests were dropped.
    pub(super) fn probe_again(&mut self) {
        for (n, one) in self.probe.probes.iter().enumerate().filter(|(_, one)| one.found.is_none())
        {
            self.actions.push(Action::Send(Request {
                id: RequestId::probe(n),
                collector: one.collector.as_str().into(),
                purpose: Purpose::Probe,
                path: String::new(),
                body: String::new(),
                reads_answer: false,
            }));
        }
    }

    /// What became of one.
    pub(super) fn probed(&mut self, number: usize, outcome: &Outcome, now: BootInstant) {
        let Some(one) = self.probe.probes.get_mut(number) else { return };
        let mut found = match outcome {
            Outcome::Answered { status, .. } => json!({"status": status}),
            Outcome::Unreachable(problem) | Outcome::Unanswered(problem) => {
                json!({"error": problem.why, "advice": problem.cause.advice_for(&one.collector)})
            }
        };
        found["name"] = one.collector.as_str().into();
        found["collector"] = one.url.as_str().into();
        found["ms"] = (now - one.sent).0.into();
        one.found = Some(found);
        if self.probe.probes.iter().any(|one| one.found.is_none()) {
            return;
        }
        let Probe { calls, probes } = std::mem::take(&mut self.probe);
        let all: Vec<Value> = probes.into_iter().filter_map(|one| one.found).collect();
        // What is said of the first one alone stood here before there could be others.
        let mut answer = all.first().cloned().unwrap_or_default();
        answer["collectors"] = all.into();
        let text = answer.to_string();
        let reply = |call| Action::Reply(call, Ok(Reply::Json(text.clone())));
        self.actions.extend(calls.into_iter().map(reply));
    }
}
