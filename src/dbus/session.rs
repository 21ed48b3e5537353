//! `tv.playhead.Session1` (api.md 1.4): every playback event is a method, driven by the one
//! vocabulary of the core.

use std::collections::HashMap;
use std::fmt::Write;

use tokio::sync::oneshot;
use zbus::message::{self, Message};
use zbus::names::{InterfaceName, MemberName};
use zbus::object_server::{DispatchResult, Interface, SignalEmitter};
use zbus::{BoxDBusError, Connection, ObjectServer, OwnedVariant, Variant, fdo};

use super::access::Right;
use super::error::Refused;
use super::owners::Owners;
use super::{args, describe};
use crate::core::effect::Reply;
use crate::core::input::{Input, Target};
use crate::core::rejected::{Refusal, Rejected};
use crate::core::settings::Limits;
use crate::core::tracker::event::EventName;
use crate::port::Port;

pub const SESSION_INTERFACE: &str = "tv.playhead.Session1";

/// The interface as it is documented and introspected.
const XML: &str = include_str!(concat!(env!("OUT_DIR"), "/tv.playhead.Session1.xml"));

const PROPERTIES: &[&str] =
    &["App", "MediaId", "State", "Playhead", "Resumed", "Live", "Queued", "Opened"];

/// The object path of a session.
pub(super) fn path(number: u32) -> String {
    format!("{}/session/{number}", super::AGENT_PATH)
}

pub(super) struct SessionObject {
    pub number: u32,
    pub port: Port,
    pub owners: Owners,
    pub limits: Limits,
}

/// A property's present value; `None` for a name that is none, or a session that is gone.
pub(super) fn property(port: &Port, number: u32, name: &str) -> Option<Variant<'static>> {
    port.view.read(|picture| {
        let session = picture.sessions.get(&number)?;
        Some(match name {
            "App" => session.app.clone().into(),
            "MediaId" => session.media.id.clone().into(),
            "State" => session.state.into(),
            "Playhead" => session.position((picture.now)().boot).into(),
            "Resumed" => session.resumed.into(),
            "Live" => session.media.live().into(),
            "Queued" => session.queued.into(),
            "Opened" => session.opened.into(),
            _ => return None,
        })
    })
}

/// All properties of a session.
pub(super) fn all_of(port: &Port, number: u32) -> fdo::Result<HashMap<String, OwnedVariant>> {
    all(PROPERTIES, |name| property(port, number, name))
}

pub(super) fn owned(value: Variant<'static>) -> Result<OwnedVariant, BoxDBusError> {
    OwnedVariant::try_from(value)
        .map_err(|e| Box::new(fdo::Error::Failed(e.to_string())) as BoxDBusError)
}

pub(super) fn all(
    names: &[&str],
    get: impl Fn(&str) -> Option<Variant<'static>>,
) -> fdo::Result<HashMap<String, OwnedVariant>> {
    let mut values = HashMap::new();
    for name in names {
        if let Some(value) = get(name) {
            let value =
                OwnedVariant::try_from(value).map_err(|e| fdo::Error::Failed(e.to_string()))?;
            values.insert((*name).to_owned(), value);
        }
    }
    Ok(values)
}

/// What setting a property comes to. Answered here, so that zbus never takes an interface's write guard:
/// it would wait for every call in flight while it holds the server, and an `OpenSession` among these
/// waits for the server.
pub(super) fn read_only<'call>(names: &[&str], name: &'call str) -> DispatchResult<'call> {
    if !names.contains(&name) {
        return DispatchResult::NotFound;
    }
    DispatchResult::Async(Box::pin(async move {
        Err(Box::new(fdo::Error::PropertyReadOnly(format!("{name} is read-only"))) as BoxDBusError)
    }))
}

/// Waits for the engine's answer to a call that was handed in, if it could be read at all.
pub(super) async fn answered(
    asked: Result<oneshot::Receiver<Result<Reply, Rejected>>, Rejected>,
) -> Result<Reply, Refused> {
    let gone = |_| Rejected::new(Refusal::NoSession, "the agent is stopping; what it has is kept");
    Ok(asked?.await.map_err(gone)??)
}

#[async_trait::async_trait]
impl Interface for SessionObject {
    fn name() -> InterfaceName<'static> {
        InterfaceName::from_static_str_unchecked(SESSION_INTERFACE)
    }

    async fn get(
        &self,
        name: &str,
        _: &ObjectServer,
        _: &Connection,
        header: Option<&message::Header<'_>>,
        _: &SignalEmitter<'_>,
    ) -> Option<Result<OwnedVariant, BoxDBusError>> {
        if let Err(rejected) = self.owners.check(header, Right::Play).await {
            return Some(Err(Box::new(fdo::Error::from(rejected))));
        }
        property(&self.port, self.number, name).map(owned)
    }

    async fn get_all(
        &self,
        _: &ObjectServer,
        _: &Connection,
        header: Option<&message::Header<'_>>,
        _: &SignalEmitter<'_>,
    ) -> fdo::Result<HashMap<String, OwnedVariant>> {
        self.owners.check(header, Right::Play).await?;
        all_of(&self.port, self.number)
    }

    fn set<'call>(
        &'call self,
        name: &'call str,
        _: &'call Variant<'_>,
        _: &'call ObjectServer,
        _: &'call Connection,
        _: Option<&'call message::Header<'_>>,
        _: &'call SignalEmitter<'_>,
    ) -> DispatchResult<'call> {
        read_only(PROPERTIES, name)
    }

    async fn set_mut(
        &mut self,
        _: &str,
        _: &Variant<'_>,
        _: &ObjectServer,
        _: &Connection,
        _: Option<&message::Header<'_>>,
        _: &SignalEmitter<'_>,
    ) -> Option<Result<(), BoxDBusError>> {
        None
    }

    fn call<'call>(
        &'call self,
        _: &'call ObjectServer,
        connection: &'call Connection,
        message: &'call Message,
        member: MemberName<'call>,
    ) -> DispatchResult<'call> {
        let name = match EventName::parse(&member) {
            None | Some(EventName::SessionStart) => return DispatchResult::NotFound,
            Some(name) => name,
        };
        let header = message.header();
        let sender = header.sender().map_or("", |s| s.as_str());
        // Handed in before anything is waited for: order is that of the wire (api.md 1.5).
        let read = self.owners.admit(sender).and_then(|()| args::event(message, &self.limits));
        let asked = read.map(|(playhead, info)| {
            let target = Target::Session { number: self.number, sender: sender.to_owned() };
            let (said, answer) = self.port.call(|call| Input::Event {
                call: Some(call),
                target,
                name,
                playhead,
                info,
            });
            self.owners.hand_in(sender, said);
            answer
        });
        DispatchResult::new_async(
            connection,
            message,
            async move { answered(asked).await.map(|_| ()) },
        )
    }

    fn call_mut<'call>(
        &'call mut self,
        _: &'call ObjectServer,
        _: &'call Connection,
        _: &'call Message,
        _: MemberName<'call>,
    ) -> DispatchResult<'call> {
        DispatchResult::NotFound
    }

    fn introspect_to_writer(&self, writer: &mut dyn Write, level: usize) {
        describe::write(writer, level, XML);
    }
}
