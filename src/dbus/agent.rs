//! `tv.playhead.Agent1` (behaviour.md 1.3).

use std::collections::HashMap;

use tokio::sync::oneshot;
use zbus::message::Message;
use zbus::object_server::DispatchResult;
use zbus::{Connection, Variant};

use super::error::Refused;
use super::identity;
use super::names::{AGENT_INTERFACE, AGENT_METHODS};
use super::object::BusObject;
use super::senders::Senders;
use super::{Sessions, args, session};
use crate::core::input::{CallId, Input, Lifecycle};
use crate::core::player::{EventSource, PlayerId};
use crate::core::record::{BoxTotals, ResumePoint};
use crate::core::rejected::Rejected;
use crate::core::settings::Consent;
use crate::core::time::WallTime;
use crate::core::tracker::info::Value;
use crate::core::turn::Reply;
use crate::engine::snapshot::CollectorSnapshot;
use crate::port::{self, Port};
use crate::system::clock;

const PROPERTIES: &[&str] = &[
    "Version",
    "ActiveSessions",
    "QueuedHits",
    "QueuedBytes",
    "StoreHealthy",
    "DeliveredHits",
    "DroppedHits",
    "RejectedEvents",
    "Online",
    "ClockTrusted",
    "Consent",
    "Collector",
    "CollectorKind",
    "Collectors",
    "ReportSuite",
    "DeliveryState",
    "LastError",
    "Problems",
    "Warnings",
    "FailingSince",
    "LastDelivered",
    "OldestQueued",
    "NextTry",
    "LastAnswer",
    "LastAnswerAt",
    "CountingSince",
    "Totals",
];

pub(super) struct AgentObject {
    pub senders: Senders,
}

/// A property's present value; `None` for an unknown name.
pub(super) fn property(port: &Port, name: &str) -> Option<Variant<'static>> {
    port.view.read(|snapshot| {
        let status = snapshot.status.as_ref();
        let gates = status.map(|s| s.gates);
        let counters = status.map(|s| s.counters).unwrap_or_default();
        Some(match name {
            "Version" => env!("CARGO_PKG_VERSION").into(),
            "ActiveSessions" => status.map_or(0, |s| s.active_sessions).into(),
            "QueuedHits" => status.map_or(0, |s| s.queued_hits).into(),
            "QueuedBytes" => snapshot.queued_bytes.into(),
            "StoreHealthy" => snapshot.store_healthy.into(),
            "DeliveredHits" => counters.delivered.into(),
            "DroppedHits" => counters.dropped.into(),
            "RejectedEvents" => status.map_or(0, |s| s.rejected_events).into(),
            "Online" => gates.is_some_and(|g| g.online).into(),
            "ClockTrusted" => gates.is_some_and(|g| g.clock_trusted).into(),
            "Consent" => status.map_or(Consent::Unknown, |s| s.consent).name().into(),
            "Collector" => snapshot.of_collectors(|c| &c.host).into(),
            "CollectorKind" => snapshot.of_collectors(|c| &c.kind).into(),
            "Collectors" => snapshot.collectors.iter().map(collector).collect::<Vec<_>>().into(),
            "ReportSuite" => snapshot.report_suite.clone().into(),
            "DeliveryState" => snapshot.delivery.into(),
            "LastError" => snapshot.failures.newest(clock::now()).into(),
            "Warnings" => snapshot.warnings.to_vec().into(),
            "Problems" => snapshot.failures.texts(clock::now()).into(),
            "FailingSince" => unix_ms(snapshot.times.failing_since),
            "LastDelivered" => unix_ms(snapshot.times.last_delivered),
            "OldestQueued" => unix_ms(snapshot.times.oldest_queued),
            "NextTry" => unix_ms(snapshot.times.next_try),
            "LastAnswer" => snapshot.last_answer.clone().into(),
            "LastAnswerAt" => unix_ms(snapshot.times.last_answer),
            "CountingSince" => unix_ms(snapshot.times.started),
            "Totals" => totals(status.map(|s| s.totals).unwrap_or_default()).into(),
            _ => return None,
        })
    })
}

/// A collector: `a{sv}`.
fn collector(of: &CollectorSnapshot) -> HashMap<String, Variant<'static>> {
    let named = [
        ("name", of.name.clone().into()),
        ("kind", of.kind.clone().into()),
        ("host", of.host.clone().into()),
        ("hits", of.hits.into()),
        ("bytes", of.bytes.into()),
        ("last_delivered", unix_ms(of.last_delivered)),
        ("last_answer", of.last_answer.clone().into()),
        ("last_answer_at", unix_ms(of.last_answer_at)),
        ("failing_since", unix_ms(of.failing_since)),
    ];
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Milliseconds since 1970 UTC; 0: none.
fn unix_ms(at: Option<WallTime>) -> Variant<'static> {
    at.map_or(0, |at| at.0).into()
}

/// What the box has counted in all its life: `a{st}`.
fn totals(totals: BoxTotals) -> HashMap<String, u64> {
    let since = totals.since.map_or(0, |at| at.0.max(0) as u64);
    let named = [
        ("since", since),
        ("delivered", totals.delivered),
        ("dropped", totals.dropped),
        ("rejected_events", totals.rejected_events),
    ];
    named.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

/// A call, ready to be handed in, and where its answer will arrive.
type Call = (port::Message, oneshot::Receiver<Result<Reply, Rejected>>);

impl AgentObject {
    /// Reads a method's arguments into a call; `None` for an unknown method.
    fn read(
        &self,
        message: &Message,
        member: &str,
        sender: &str,
    ) -> Option<Result<Call, Rejected>> {
        if !AGENT_METHODS.contains(&member) {
            return None;
        }
        Some(match member {
            "OpenSession" => self.open_session(message, sender),
            "GetResumePoint" => {
                args::strings(message, &self.senders.limits).map(|[app, media_id]| {
                    self.call(|call| Input::GetResumePoint { call, app, media_id })
                })
            }
            "SetResumePoint" => {
                args::point(message, &self.senders.limits).map(|(app, media_id, point)| {
                    self.call(|call| Input::SetResumePoint { call, app, media_id, point })
                })
            }
            "ForgetResumePoint" => {
                args::strings(message, &self.senders.limits).map(|[app, media_id]| {
                    self.call(|call| Input::ForgetResumePoint { call, app, media_id })
                })
            }
            "NotifyLifecycle" => self.notify_lifecycle(message),
            "Flush" => {
                args::nothing(message).map(|()| self.call(|call| Input::Flush { call: Some(call) }))
            }
            "SetConsent" => self.set_consent(message),
            _ => return None,
        })
    }

    /// Makes a call that arrives now.
    fn call(&self, make: impl FnOnce(CallId) -> Input) -> Call {
        self.senders.port.call(clock::now().boot, make)
    }

    fn open_session(&self, message: &Message, sender: &str) -> Result<Call, Rejected> {
        let (playhead, info) = args::event(message, &self.senders.limits)?;
        let instance = match info.get("instance") {
            None => String::new(),
            Some(Value::Text(name)) => name.clone(),
            Some(other) => {
                return Err(Rejected::invalid(format!(
                    "OpenSession: info key 'instance' must be a string (s), got {}",
                    other.type_name()
                )));
            }
        };
        let player = PlayerId { sender: sender.to_owned(), instance };
        Ok(self.call(|call| Input::Open {
            call: Some(call),
            player,
            source: EventSource::Method,
            uid: None,
            app: String::new(),
            playhead,
            info,
        }))
    }

    fn notify_lifecycle(&self, message: &Message) -> Result<Call, Rejected> {
        let [app, word] = args::strings(message, &self.senders.limits)?;
        let state = Lifecycle::parse(&word).ok_or_else(|| {
            Rejected::invalid(format!(
                "the state is 'foreground', 'background' or 'stopped', got '{word}'"
            ))
        })?;
        Ok(self.call(|call| Input::Lifecycle { call: Some(call), app, state }))
    }

    fn set_consent(&self, message: &Message) -> Result<Call, Rejected> {
        let [word] = args::strings(message, &self.senders.limits)?;
        let consent = Consent::parse(&word).ok_or_else(|| {
            Rejected::invalid(format!("consent is 'in', 'out' or 'unknown', got '{word}'"))
        })?;
        Ok(self.call(|call| Input::SetConsent { call: Some(call), consent }))
    }
}

impl BusObject for AgentObject {
    const INTERFACE: &'static str = AGENT_INTERFACE;
    const XML: &'static str = include_str!(concat!(env!("OUT_DIR"), "/tv.playhead.Agent1.xml"));
    const PROPERTIES: &'static [&'static str] = PROPERTIES;

    fn senders(&self) -> &Senders {
        &self.senders
    }

    fn property(&self, name: &str) -> Option<Variant<'static>> {
        property(&self.senders.port, name)
    }

    fn called<'call>(
        &'call self,
        connection: &'call Connection,
        message: &'call Message,
        member: &str,
    ) -> DispatchResult<'call> {
        let header = message.header();
        let sender = identity::sender(&header);
        let Some(read) = self.read(message, member, sender) else {
            return DispatchResult::NotFound;
        };
        // Handed in before the first await, so that calls keep the order of the wire (behaviour.md
        // 1.5).
        let read = read.inspect_err(|why| self.senders.note_refusal(message, why));
        let answer = read.map(|(said, answer)| {
            self.senders.hand_in(message, said);
            answer
        });
        let sessions = Sessions(self.senders.clone());
        DispatchResult::new_async(connection, message, async move {
            let reply = session::answered(&self.senders, message, answer).await?;
            if let Reply::Session(number) = reply
                && let Err(error) = sessions.appear(number).await
            {
                tracing::warn!(%error, session = number, "a session object could not be served");
            }
            Ok::<_, Refused>(Answered(reply))
        })
    }
}

/// A reply, serialised with its method's signature.
pub(super) struct Answered(pub Reply);

impl zbus::DynamicType for Answered {
    fn signature(&self) -> zbus::Signature {
        let text = match self.0 {
            Reply::Done => "",
            Reply::Session(_) => "o",
            Reply::ResumePoint(_) => "a{sv}",
            Reply::Pending(_) => "t",
            Reply::Kept(_) => "b",
            Reply::Json(_) => "s",
        };
        zbus::Signature::try_from(text).unwrap_or_default()
    }
}

impl serde::Serialize for Answered {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Reply::Done => ().serialize(serializer),
            Reply::Session(number) => {
                zbus::ObjectPath::from_string_unchecked(session::path(*number))
                    .serialize(serializer)
            }
            Reply::ResumePoint(point) => resume_point(point.as_ref()).serialize(serializer),
            Reply::Pending(hits) => hits.serialize(serializer),
            Reply::Kept(kept) => kept.serialize(serializer),
            Reply::Json(text) => text.serialize(serializer),
        }
    }
}

/// `a{sv}` of behaviour.md 1.3, empty when nothing is known.
fn resume_point(point: Option<&ResumePoint>) -> HashMap<&'static str, Variant<'static>> {
    let Some(point) = point else { return HashMap::new() };
    let mut known = HashMap::from([
        ("position", point.position.into()),
        ("length", point.length.into()),
        ("completed", point.completed.into()),
    ]);
    if let Some(at) = point.ended_at {
        known.insert("ended_at", at.0.into());
    }
    known
}
