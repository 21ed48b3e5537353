//! The limits in force on the bus (behaviour.md 2.8). They hold for the life of the connection, and are
//! the defaults until a configuration gives others.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::core::settings::Limits;

/// Shared by the door and all objects.
#[derive(Debug, Clone, Default)]
pub(super) struct LimitsInForce(Arc<(OnceLock<Limits>, Limits)>);

impl LimitsInForce {
    /// Limits of a configuration. The first ones hold.
    pub fn configure(&self, limits: Limits) {
        let _ = self.0.0.set(limits);
    }
}

impl Deref for LimitsInForce {
    type Target = Limits;

    fn deref(&self) -> &Limits {
        self.0.0.get().unwrap_or(&self.0.1)
    }
}
