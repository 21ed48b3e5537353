//! What `playheadctl monitor` shows: one JSON object for each event, hit and answer, and for each
//! change of what holds hits back. No trace is made while no monitor watches.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::failure::Failures;
use crate::core::Agent;
use crate::core::delivery::held::HeldHit;
use crate::core::delivery::trouble::DeliveryState;
use crate::core::dialect::exchange::{Outcome, Request, RequestId};
use crate::core::input::{Input, Target};
use crate::core::time::{BootInstant, Now};
use crate::core::tracker::info::info_json;
use crate::core::turn::Turn;

/// When each request in flight was sent, and what held hits back when that was last shown.
#[derive(Debug)]
pub(super) struct Trace {
    left: HashMap<RequestId, BootInstant>,
    state: DeliveryState,
}

impl Trace {
    pub fn new(state: DeliveryState) -> Trace {
        Trace { left: HashMap::new(), state }
    }

    /// The line of a state of delivery, if it is another one. Every hit makes `working` of `idle` and
    /// back, which is no news.
    pub fn state(&mut self, state: DeliveryState, failures: &Failures, now: Now) -> Option<String> {
        let shown = std::mem::replace(&mut self.state, state);
        if shown.min(DeliveryState::Working) == state.min(DeliveryState::Working) {
            return None;
        }
        let line = json!({
            "what": "state", "unix_ms": now.wall.0, "state": state.name(),
            "last_error": failures.newest(now),
        });
        Some(line.to_string())
    }

    /// The line of an input, made before the agent handles it; `None` when it gets no line.
    pub fn input(&mut self, input: &Input, agent: &Agent, now: Now) -> Option<Json> {
        let mut line = match input {
            Input::Open { player, app, playhead, info, .. } => json!({
                "event": "SessionStart", "from": player.sender, "app": app, "playhead": playhead,
                "info": info_json(info),
            }),
            Input::Begin { player, app, info, .. } => json!({
                "event": "SessionStart", "from": player.sender, "app": app, "waits": true,
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
            Input::Unreadable { event, sender, why } => {
                json!({"event": event, "from": sender, "refused": why})
            }
            Input::TurnedAway { call, sender, why } => {
                json!({"event": call, "from": sender, "refused": why})
            }
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
            Input::Slept { since } => {
                let seconds = (now.boot - *since).as_seconds();
                json!({"event": "Wake", "silent": true, "slept_seconds": seconds})
            }
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

    /// The line of a request that is sent now, with its collector where there are several.
    pub fn request(&mut self, request: &Request, several: bool, now: Now) -> Json {
        self.left.insert(request.id, now.boot);
        let body: Json = serde_json::from_str(&request.body).unwrap_or_default();
        let mut line = json!({
            "what": "hit", "unix_ms": now.wall.0, "id": request.id.0,
            "path": request.path, "body": body,
        });
        if several {
            line["collector"] = (*request.collector).into();
        }
        line
    }
}

/// The line of a hit that consent holds back.
pub(super) fn held(hit: &HeldHit, now: Now) -> Json {
    let body: Json = serde_json::from_str(&hit.body).unwrap_or_default();
    json!({
        "what": "hit", "unix_ms": now.wall.0, "held": DeliveryState::WaitingConsent.name(),
        "path": hit.path, "body": body,
    })
}

/// Adds to an event's line why it was refused, if it was.
pub(super) fn outcome(line: &mut Json, turn: &Turn) {
    let why = match &turn.reply {
        Some((_, Err(rejected))) => Some(&rejected.why),
        _ => turn.refused.as_ref(),
    };
    if let Some(why) = why {
        line["refused"] = why.as_str().into();
    }
}
