//! `org.freedesktop.DBus.ObjectManager` of the agent. What zbus itself has would tell everybody what is
//! watched; the signals of appearing and going are zbus's own.

use std::collections::HashMap;
use std::fmt::Write;

use zbus::message::{self, Message};
use zbus::names::{InterfaceName, MemberName};
use zbus::object_server::{DispatchResult, Interface, SignalEmitter};
use zbus::{BoxDBusError, Connection, ObjectServer, OwnedObjectPath, OwnedVariant, Variant, fdo};

use super::access::Right;
use super::owners::Owners;
use super::session;
use crate::port::Port;

pub(super) struct Objects {
    pub port: Port,
    pub owners: Owners,
}

impl Objects {
    fn managed(&self) -> fdo::Result<fdo::ManagedObjects> {
        let numbers: Vec<u32> =
            self.port.view.read(|picture| picture.sessions.keys().copied().collect());
        let mut objects = fdo::ManagedObjects::new();
        for number in numbers {
            let path = OwnedObjectPath::try_from(session::path(number))
                .map_err(|e| fdo::Error::Failed(e.to_string()))?;
            let name = InterfaceName::from_static_str_unchecked(super::SESSION_INTERFACE);
            let properties = session::all_of(&self.port, number)?;
            objects.insert(path, HashMap::from([(name.into(), properties)]));
        }
        Ok(objects)
    }
}

#[async_trait::async_trait]
impl Interface for Objects {
    fn name() -> InterfaceName<'static> {
        fdo::ObjectManager::name()
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
        if member != "GetManagedObjects" {
            return DispatchResult::NotFound;
        }
        DispatchResult::new_async(connection, message, async move {
            let header = message.header();
            self.owners.check(Some(&header), Right::Play).await.map_err(fdo::Error::from)?;
            self.managed()
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
        fdo::ObjectManager.introspect_to_writer(writer, level);
    }
}
