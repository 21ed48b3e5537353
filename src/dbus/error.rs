//! The one place where a refusal becomes a D-Bus error.

use zbus::DBusError;
use zbus::message::{Header, Message};
use zbus::names::ErrorName;

use crate::core::rejected::Rejected;

/// A refusal with its name on the bus, `tv.playhead.Error.*`.
#[derive(Debug)]
pub(super) struct Refused {
    name: String,
    why: String,
}

impl From<Rejected> for Refused {
    fn from(rejected: Rejected) -> Refused {
        Refused { name: format!("tv.playhead.Error.{}", rejected.kind.name()), why: rejected.why }
    }
}

/// For members of the standard interfaces, which have the standard's own error names.
impl From<Rejected> for zbus::fdo::Error {
    fn from(rejected: Rejected) -> zbus::fdo::Error {
        zbus::fdo::Error::AccessDenied(rejected.why)
    }
}

impl DBusError for Refused {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name()).build(&(self.why.as_str(),))
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::from_str_unchecked(&self.name)
    }

    fn description(&self) -> Option<&str> {
        Some(&self.why)
    }
}
