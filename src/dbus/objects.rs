//! `org.freedesktop.DBus.ObjectManager` of the agent. It checks the caller's rights; zbus's own
//! would show everybody what is watched. The signals of added and removed objects are zbus's own.

use std::collections::HashMap;
use std::fmt::Write;

use zbus::message::Message;
use zbus::names::InterfaceName;
use zbus::object_server::{DispatchResult, Interface};
use zbus::{Connection, OwnedObjectPath, fdo};

use super::access::Right;
use super::object::{self, BusObject};
use super::senders::Senders;
use super::session::{self, SessionObject};

pub(super) struct Objects {
    pub senders: Senders,
}

impl Objects {
    fn managed(&self) -> fdo::Result<fdo::ManagedObjects> {
        let numbers: Vec<u32> =
            self.senders.port.view.read(|snapshot| snapshot.sessions.keys().copied().collect());
        let mut objects = fdo::ManagedObjects::new();
        for number in numbers {
            let path = OwnedObjectPath::try_from(session::path(number))
                .map_err(|e| fdo::Error::Failed(e.to_string()))?;
            let name = InterfaceName::from_static_str_unchecked(SessionObject::INTERFACE);
            let properties = object::all(&SessionObject { number, senders: self.senders.clone() })?;
            objects.insert(path, HashMap::from([(name.into(), properties)]));
        }
        Ok(objects)
    }
}

impl BusObject for Objects {
    const INTERFACE: &'static str = "org.freedesktop.DBus.ObjectManager";
    const XML: &'static str = "";

    fn senders(&self) -> &Senders {
        &self.senders
    }

    fn called<'call>(
        &'call self,
        connection: &'call Connection,
        message: &'call Message,
        member: &str,
    ) -> DispatchResult<'call> {
        if member != "GetManagedObjects" {
            return DispatchResult::NotFound;
        }
        DispatchResult::new_async(connection, message, async move {
            self.senders.check(&message.header(), Right::Play).await.map_err(fdo::Error::from)?;
            self.managed()
        })
    }

    /// zbus has the XML of this standard interface.
    fn describe(&self, writer: &mut dyn Write, level: usize) {
        fdo::ObjectManager.introspect_to_writer(writer, level);
    }
}
