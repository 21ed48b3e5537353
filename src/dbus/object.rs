//! What our objects have in common, as a zbus `Interface`: read-only properties, who may read them,
//! methods that need no exclusive access, and introspection from the checked-in XML.

use std::collections::HashMap;
use std::fmt::Write;

use zbus::message::{self, Message};
use zbus::names::{InterfaceName, MemberName};
use zbus::object_server::{DispatchResult, Interface, SignalEmitter};
use zbus::{BoxDBusError, Connection, ObjectServer, OwnedVariant, Variant, fdo};

use super::access::Right;
use super::describe;
use super::senders::Senders;

/// One interface of one object.
pub(super) trait BusObject: Send + Sync + 'static {
    const INTERFACE: &'static str;
    /// The interface as it is documented and introspected.
    const XML: &'static str;
    const PROPERTIES: &'static [&'static str] = &[];
    /// The right that reading a property needs; `None`: everybody may.
    const READING: Option<Right> = None;

    fn senders(&self) -> &Senders;

    /// A property's present value; `None` for an unknown name, or an object that is gone.
    fn property(&self, _name: &str) -> Option<Variant<'static>> {
        None
    }

    /// Serves a method call. What it does before it returns happens in the order of the wire.
    fn called<'call>(
        &'call self,
        connection: &'call Connection,
        message: &'call Message,
        member: &str,
    ) -> DispatchResult<'call>;

    fn describe(&self, writer: &mut dyn Write, level: usize) {
        describe::write(writer, level, Self::XML);
    }
}

/// All properties of an object.
pub(super) fn all<T: BusObject>(object: &T) -> fdo::Result<HashMap<String, OwnedVariant>> {
    let values = T::PROPERTIES.iter().filter_map(|name| Some((name, object.property(name)?)));
    values.map(|(name, value)| Ok(((*name).to_owned(), owned(value)?))).collect()
}

fn owned(value: Variant<'static>) -> fdo::Result<OwnedVariant> {
    OwnedVariant::try_from(value).map_err(|e| fdo::Error::Failed(e.to_string()))
}

/// Makes a `BusObject` object a zbus `Interface`.
pub(super) struct Object<T>(pub T);

impl<T: BusObject> Object<T> {
    /// A read without a header is the daemon's own and is allowed.
    async fn may_read(&self, header: Option<&message::Header<'_>>) -> fdo::Result<()> {
        match (T::READING, header) {
            (Some(right), Some(header)) => Ok(self.0.senders().check(header, right).await?),
            _ => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl<T: BusObject> Interface for Object<T> {
    fn name() -> InterfaceName<'static> {
        InterfaceName::from_static_str_unchecked(T::INTERFACE)
    }

    async fn get(
        &self,
        name: &str,
        _: &ObjectServer,
        _: &Connection,
        header: Option<&message::Header<'_>>,
        _: &SignalEmitter<'_>,
    ) -> Option<Result<OwnedVariant, BoxDBusError>> {
        if let Err(error) = self.may_read(header).await {
            return Some(Err(Box::new(error)));
        }
        Some(owned(self.0.property(name)?).map_err(|error| Box::new(error) as BoxDBusError))
    }

    async fn get_all(
        &self,
        _: &ObjectServer,
        _: &Connection,
        header: Option<&message::Header<'_>>,
        _: &SignalEmitter<'_>,
    ) -> fdo::Result<HashMap<String, OwnedVariant>> {
        self.may_read(header).await?;
        all(&self.0)
    }

    /// Answered here, so that zbus never takes an object's write guard. To get it, zbus would hold
    /// the server and wait for every call in flight, and an `OpenSession` waits for the server.
    fn set<'call>(
        &'call self,
        name: &'call str,
        _: &'call Variant<'_>,
        _: &'call ObjectServer,
        _: &'call Connection,
        _: Option<&'call message::Header<'_>>,
        _: &'call SignalEmitter<'_>,
    ) -> DispatchResult<'call> {
        if !T::PROPERTIES.contains(&name) {
            return DispatchResult::NotFound;
        }
        let error = fdo::Error::PropertyReadOnly(format!("{name} is read-only"));
        DispatchResult::Async(Box::pin(async { Err(Box::new(error) as BoxDBusError) }))
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
        self.0.called(connection, message, &member)
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
        self.0.describe(writer, level);
    }
}
