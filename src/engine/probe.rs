//! A look whether the collector can be reached, for `playheadctl doctor`: a request that reports
//! nothing, made as every other one is. One at a time; who asks meanwhile gets the same answer.

use serde_json::json;

use super::{Action, Engine};
use crate::core::dialect::exchange::{Outcome, Purpose, Request, RequestId};
use crate::core::input::CallId;
use crate::core::settings::CollectorSettings;
use crate::core::text::shown_url;
use crate::core::time::BootInstant;
use crate::core::turn::Reply;

/// The probe that is under way.
#[derive(Debug, Default)]
pub(super) struct Probe {
    sent: Option<BootInstant>,
    calls: Vec<CallId>,
}

impl Engine {
    fn collector(&self) -> Option<&CollectorSettings> {
        self.agent.settings().collectors.first()
    }

    /// Somebody asks.
    pub(super) fn probe(&mut self, call: CallId, now: BootInstant) {
        self.probe.calls.push(call);
        if self.probe.sent.is_none() {
            self.probe.sent = Some(now);
            self.probe_again();
        }
    }

    /// Sends the probe; for the second time when all requests were dropped.
    pub(super) fn probe_again(&mut self) {
        if self.probe.sent.is_some() {
            let collector = self.collector().map_or("", |first| &first.name).into();
            self.actions.push(Action::Send(Request {
                id: RequestId::PROBE,
                collector,
                purpose: Purpose::Probe,
                path: String::new(),
                body: String::new(),
                reads_answer: false,
            }));
        }
    }

    /// What became of it.
    pub(super) fn probed(&mut self, outcome: &Outcome, now: BootInstant) {
        let Probe { sent, calls } = std::mem::take(&mut self.probe);
        let mut found = match outcome {
            Outcome::Answered { status, .. } => json!({"status": status}),
            Outcome::Unreachable(problem) | Outcome::Unanswered(problem) => {
                json!({"error": problem.why, "advice": problem.cause.advice()})
            }
        };
        found["collector"] = self.collector().map_or("".into(), |c| shown_url(&c.url).into());
        found["ms"] = sent.map(|sent| (now - sent).0).into();
        let text = found.to_string();
        let reply = |call| Action::Reply(call, Ok(Reply::Json(text.clone())));
        self.actions.extend(calls.into_iter().map(reply));
    }
}
