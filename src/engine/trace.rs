//! What `playheadctl monitor` shows: one JSON object for each event, hit and answer. No trace is
//! made while no monitor watches.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use crate::core::Agent;
use crate::core::dialect::exchange::{Outcome, Request, RequestId};
use crate::core::input::{Input, Target};
use crate::core::time::{BootInstant, Now};
use crate::core::tracker::info::info_json;
use crate::core::turn::Turn;

/// When each request in flight was sent.
#[derive(Debug, Default)]
pub(super) struct Trace {
    left: HashMap<RequestId, BootInstant>,
}

impl Trace {
    /// The line of an input, made before the agent handles it; `None` when it gets no line.
    pub fn input(&mut self, input: &Input, agent: &Agent, now: Now) -> Option<Json> {
        let mut line = match input {
            Input::Open { player, app, playhead, info, .. } => json!({
                "event": "SessionStart", "from": player.sender, "app": app, "playhead": playhead,
                "info": info_json(info),
            }),
            Input::Event { target, name, playhead, info, .. } => {
                let (from, session) = match target {
                    Target::Session { number, sender } => (sender, Some(number)),
                    Target::Player(player) => (&player.sender, None),
                };
                json!({
                    "event": name.name(), "from": from, "session": session, "playhead": playhead,
                    "info": info_json(info),
                })
            }
            Input::Unreadable { event, why } => json!({"event": event, "refused": why}),
            Input::Flooded { events } => json!({"event": "Flooded", "dropped": events}),
            Input::PlayerGone { sender } => {
                let mut owners = agent.sessions().filter_map(|(_, s)| s.owner.as_ref());
                owners.find(|owner| owner.sender == *sender)?;
                json!({"event": "PlayerVanished", "from": sender})
            }
            Input::InstanceGone { player } => {
                json!({"event": "PlayerVanished", "from": player.instance})
            }
            Input::Lifecycle { app, state, .. } => json!({"event": state.name(), "app": app}),
            Input::SetConsent { consent, .. } => {
                json!({"event": "Consent", "value": consent.name()})
            }
            Input::Network { online: true } => json!({"event": "NetworkUp"}),
            Input::Network { online: false } => json!({"event": "NetworkDown"}),
            Input::Clock { trusted } => json!({"event": "ClockSet", "trusted": trusted}),
            Input::Sleep => json!({"event": "Sleep"}),
            Input::Wake => json!({"event": "Wake"}),
            Input::Answer { request, outcome } => self.answer(*request, outcome, now),
            _ => return None,
        };
        if line.get("what").is_none() {
            line["what"] = "event".into();
        }
        line["unix_ms"] = now.wall.0.into();
        Some(line)
    }

    fn answer(&mut self, request: RequestId, outcome: &Outcome, now: Now) -> Json {
        let mut line = match outcome {
            Outcome::Answered { status, body, .. } if body.is_empty() => {
                json!({"status": status})
            }
            Outcome::Answered { status, body, .. } => {
                json!({"status": status, "message": Outcome::message(body)})
            }
            Outcome::Unreachable(problem) | Outcome::Unanswered(problem) => {
                json!({"error": problem.why})
            }
        };
        line["what"] = "answer".into();
        line["id"] = request.0.into();
        line["ms"] = self.left.remove(&request).map(|left| (now.boot - left).0).into();
        line
    }

    /// The line of a request that is sent now.
    pub fn request(&mut self, request: &Request, now: Now) -> Json {
        self.left.insert(request.id, now.boot);
        let body: Json = serde_json::from_str(&request.body).unwrap_or_default();
        json!({
            "what": "hit", "unix_ms": now.wall.0, "id": request.id.0,
            "path": request.path, "body": body,
        })
    }
}

/// Adds to an event's line why it was refused, if it was.
pub(super) fn outcome(line: &mut Json, turn: &Turn, refused: bool) {
    match &turn.reply {
        Some((_, Err(rejected))) => line["refused"] = rejected.why.as_str().into(),
        _ if refused && line.get("refused").is_none() => line["refused"] = "see the log".into(),
        _ => {}
    }
}
