//! `tv.playhead.Session1` (behaviour.md 1.4): every playback event is a method. The names are those
//! of `EventName`.

use tokio::sync::oneshot;
use zbus::message::Message;
use zbus::object_server::DispatchResult;
use zbus::{Connection, Variant};

use super::access::Right;
use super::args;
use super::error::Refused;
use super::identity;
use super::names::{AGENT_PATH, SESSION_INTERFACE};
use super::object::BusObject;
use super::senders::Senders;
use crate::core::input::{Input, Target};
use crate::core::rejected::{Refusal, Rejected};
use crate::core::tracker::event::EventName;
use crate::core::turn::Reply;
use crate::port::Port;
use crate::system::clock;

/// The object path of a session.
pub(super) fn path(number: u32) -> String {
    format!("{}/session/{number}", AGENT_PATH)
}

pub(super) struct SessionObject {
    pub number: u32,
    pub senders: Senders,
}

/// A property's present value; `None` for an unknown name, or a session that is gone.
pub(super) fn property(port: &Port, number: u32, name: &str) -> Option<Variant<'static>> {
    port.view.read(|snapshot| {
        let session = snapshot.sessions.get(&number)?;
        Some(match name {
            "App" => session.app.clone().into(),
            "MediaId" => session.media.id.clone().into(),
            "State" => session.state.into(),
            "Playhead" => session.position(clock::now().boot).into(),
            "Resumed" => session.resumed.into(),
            "Live" => session.media.live().into(),
            "Queued" => session.queued.into(),
            "Opened" => session.opened.into(),
            _ => return None,
        })
    })
}

/// Waits for the engine's answer to a call, unless the call could not be read.
pub(super) async fn answered(
    senders: &Senders,
    call: &Message,
    asked: Result<oneshot::Receiver<Result<Reply, Rejected>>, Rejected>,
) -> Result<Reply, Refused> {
    let gone = |_| Rejected::new(Refusal::NoSession, "the agent is stopping; what it has is kept");
    let answer = match asked {
        Ok(answer) => answer.await.map_err(gone).flatten(),
        Err(unreadable) => Err(unreadable),
    };
    answer.map_err(|rejected| {
        senders.say_refused(&call.header(), &rejected);
        Refused::from(rejected)
    })
}

impl BusObject for SessionObject {
    const INTERFACE: &'static str = SESSION_INTERFACE;
    const XML: &'static str = include_str!(concat!(env!("OUT_DIR"), "/tv.playhead.Session1.xml"));
    const PROPERTIES: &'static [&'static str] =
        &["App", "MediaId", "State", "Playhead", "Resumed", "Live", "Queued", "Opened"];
    const READING: Option<Right> = Some(Right::Play);

    fn senders(&self) -> &Senders {
        &self.senders
    }

    fn property(&self, name: &str) -> Option<Variant<'static>> {
        property(&self.senders.port, self.number, name)
    }

    fn called<'call>(
        &'call self,
        connection: &'call Connection,
        message: &'call Message,
        member: &str,
    ) -> DispatchResult<'call> {
        let name = match EventName::parse(member) {
            None | Some(EventName::SessionStart) => return DispatchResult::NotFound,
            Some(name) => name,
        };
        let Senders { port, limits, .. } = &self.senders;
        let header = message.header();
        let sender = identity::sender(&header);
        // Handed in before the first await, so that calls keep the order of the wire (behaviour.md
        // 1.5).
        let said = args::event(message, limits);
        let said = said.inspect_err(|why| self.senders.note_refusal(message, why));
        let asked = said.map(|(playhead, info)| {
            let target = Target::Session { number: self.number, sender: sender.to_owned() };
            let call = |call| Input::Event { call: Some(call), target, name, playhead, info };
            let (said, answer) = port.call(clock::now().boot, call);
            self.senders.hand_in(message, said);
            answer
        });
        DispatchResult::new_async(connection, message, async move {
            answered(&self.senders, message, asked).await.map(|_| ())
        })
    }
}
