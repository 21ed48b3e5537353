//! `tv.playhead.Monitor1`: reports what the agent does to the connections that watch, and answers what
//! an operator asks.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zbus::Connection;
use zbus::message::Message;
use zbus::names::UniqueName;
use zbus::object_server::{DispatchResult, SignalEmitter};

use super::access::Right;
use super::agent::Answered;
use super::error::Refused;
use super::names::{AGENT_PATH, MONITOR_INTERFACE};
use super::object::BusObject;
use super::senders::Senders;
use super::{args, identity, session};
use crate::core::input::{CallId, Input, Listing};
use crate::core::rejected::Rejected;
use crate::core::turn::Reply;
use crate::port::Port;
use crate::system::clock;

/// The connections that watch.
#[derive(Clone)]
pub(super) struct Watchers {
    port: Port,
    names: Arc<Mutex<BTreeSet<String>>>,
}

impl Watchers {
    pub fn new(port: Port) -> Watchers {
        Watchers { port, names: Arc::default() }
    }

    fn names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, name: &str) {
        self.names().insert(name.to_owned());
        self.port.watched(true);
    }

    /// A connection is gone.
    pub fn remove(&self, name: &str) {
        let mut names = self.names();
        if names.remove(name) {
            self.port.watched(!names.is_empty());
        }
    }

    /// Sends one line to each watcher.
    pub async fn tell(&self, connection: &Connection, line: &str) -> zbus::Result<()> {
        let names: Vec<String> = self.names().iter().cloned().collect();
        for name in names {
            let to = UniqueName::try_from(name)?;
            let emitter = SignalEmitter::new(connection, AGENT_PATH)?;
            let emitter = emitter.set_destination(to.into());
            emitter.emit(MONITOR_INTERFACE, "Line", &(line,)).await?;
        }
        Ok(())
    }
}

pub(super) struct MonitorObject {
    pub senders: Senders,
    pub watchers: Watchers,
}

impl BusObject for MonitorObject {
    const INTERFACE: &'static str = MONITOR_INTERFACE;
    const XML: &'static str = include_str!(concat!(env!("OUT_DIR"), "/tv.playhead.Monitor1.xml"));

    fn senders(&self) -> &Senders {
        &self.senders
    }

    fn called<'call>(
        &'call self,
        connection: &'call Connection,
        message: &'call Message,
        member: &str,
    ) -> DispatchResult<'call> {
        let limits = &self.senders.limits;
        let asked = match member {
            "Watch" => Ok(Asked::Watch),
            "List" => args::strings(message, limits).and_then(|[what]| list(&what)),
            "Probe" => args::nothing(message).map(|()| Asked::Probe),
            _ => return DispatchResult::NotFound,
        };
        DispatchResult::new_async(connection, message, async move {
            let header = message.header();
            self.senders.check(&header, Right::Manage).await?;
            let asked = asked.inspect_err(|why| self.senders.note_refusal(message, why));
            let reply = match asked? {
                Asked::Watch => {
                    if let Some(why) = self.senders.port.view.not_configured() {
                        self.senders.say_refused(&header, &why);
                        return Err(why.into());
                    }
                    self.watch(identity::sender(&header));
                    Reply::Done
                }
                Asked::List(listing) => {
                    self.ask(message, |call| Input::List { call, listing }).await?
                }
                Asked::Probe => self.ask(message, |call| Input::Probe { call }).await?,
                Asked::Mpris => Reply::Json(self.senders.port.mpris.text()),
            };
            Ok::<_, Refused>(Answered(reply))
        })
    }
}

/// A method with its arguments.
enum Asked {
    Watch,
    List(Listing),
    /// What is known of MPRIS players, which the engine does not know.
    Mpris,
    Probe,
}

fn list(what: &str) -> Result<Asked, Rejected> {
    match (what, Listing::parse(what)) {
        (_, Some(listing)) => Ok(Asked::List(listing)),
        ("mpris", None) => Ok(Asked::Mpris),
        _ => Err(Rejected::invalid(format!(
            "a list is 'queue', 'rejected', 'resume-points' or 'mpris', got '{what}'"
        ))),
    }
}

impl MonitorObject {
    fn watch(&self, sender: &str) {
        self.watchers.add(sender);
        if !self.senders.is_connected(sender) {
            // It has left meanwhile, and no further signal will report that.
            self.watchers.remove(sender);
        }
    }

    /// Asks the engine.
    async fn ask(
        &self,
        message: &Message,
        make: impl FnOnce(CallId) -> Input,
    ) -> Result<Reply, Refused> {
        let (said, answer) = self.senders.port.call(clock::now().boot, make);
        self.senders.port.hand_in(said);
        session::answered(&self.senders, message, Ok(answer)).await
    }
}
