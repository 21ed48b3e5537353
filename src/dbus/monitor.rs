//! `tv.playhead.Monitor1`: what the agent does, told to those who watch.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zbus::message::{self, Message};
use zbus::names::{InterfaceName, MemberName, UniqueName};
use zbus::object_server::{DispatchResult, Interface, SignalEmitter};
use zbus::{BoxDBusError, Connection, ObjectServer, OwnedVariant, Variant, fdo};

use super::access::Right;
use super::describe;
use super::error::Refused;
use super::owners::Owners;
use crate::port::Port;

pub const MONITOR_INTERFACE: &str = "tv.playhead.Monitor1";

/// The interface as it is documented and introspected.
const XML: &str = include_str!(concat!(env!("OUT_DIR"), "/tv.playhead.Monitor1.xml"));

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

    /// Tells one line to each of them.
    pub async fn tell(&self, connection: &Connection, line: &str) -> zbus::Result<()> {
        let names: Vec<String> = self.names().iter().cloned().collect();
        for name in names {
            let to = UniqueName::try_from(name)?;
            let emitter = SignalEmitter::new(connection, super::AGENT_PATH)?;
            let emitter = emitter.set_destination(to.into());
            emitter.emit(MONITOR_INTERFACE, "Line", &(line,)).await?;
        }
        Ok(())
    }
}

pub(super) struct MonitorObject {
    pub owners: Owners,
    pub watchers: Watchers,
}

#[async_trait::async_trait]
impl Interface for MonitorObject {
    fn name() -> InterfaceName<'static> {
        InterfaceName::from_static_str_unchecked(MONITOR_INTERFACE)
    }

    async fn get(
        &self,
        _: &str,
        _: &ObjectServer,
        _: &Connection,
        _: Option<&message::Header<'_>>,
        _: &SignalEmitter<'_>,
    ) -> Option<Result<OwnedVariant, BoxDBusError>> {
        None
    }

    async fn get_all(
        &self,
        _: &ObjectServer,
        _: &Connection,
        _: Option<&message::Header<'_>>,
        _: &SignalEmitter<'_>,
    ) -> fdo::Result<HashMap<String, OwnedVariant>> {
        Ok(HashMap::new())
    }

    fn set<'call>(
        &'call self,
        _: &'call str,
        _: &'call Variant<'_>,
        _: &'call ObjectServer,
        _: &'call Connection,
        _: Option<&'call message::Header<'_>>,
        _: &'call SignalEmitter<'_>,
    ) -> DispatchResult<'call> {
        DispatchResult::NotFound
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
        if member != "Watch" {
            return DispatchResult::NotFound;
        }
        DispatchResult::new_async(connection, message, async move {
            let header = message.header();
            self.owners.check(Some(&header), Right::Manage).await?;
            let sender = header.sender().map_or("", |sender| sender.as_str());
            self.watchers.add(sender);
            if !self.owners.is_connected(sender) {
                // It has left meanwhile, and nobody will say so again.
                self.watchers.remove(sender);
            }
            Ok::<_, Refused>(())
        })
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
