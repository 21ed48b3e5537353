//! Players, as the rest of the core names them.

use serde::{Deserialize, Serialize};

/// One player: a bus connection, and which of its players (an object path for signals, the
/// `instance` info key for methods).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlayerId {
    /// Unique bus name of the connection.
    pub sender: String,
    pub instance: String,
}

/// How a player sends its events. A player uses only one of these ways (behaviour.md 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventSource {
    Method,
    Signal,
    Mpris,
}
