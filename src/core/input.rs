//! Everything that can happen, in one enum: the front door of the core.

use super::settings::{Consent, Settings};
use super::time::WallTime;
use super::tracker::event::{EventName, Info};

/// Names a call that waits for its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// Names a request that is on its way to the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// One player: a bus connection, and which of its players (an object path for signals, the
/// `instance` info key for methods).
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct PlayerId {
    /// Unique bus name of the connection.
    pub sender: String,
    pub instance: String,
}

/// The way a player talks to us. A player uses one door (api.md 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    Method,
    Signal,
    Mpris,
}

/// A session as the caller names it.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// The session object's number, and the connection that calls.
    Session { number: u32, sender: String },
    /// The session that this player has open.
    Player(PlayerId),
}

/// What an application manager says of an application (spec 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    Foreground,
    Background,
    Stopped,
}

impl Lifecycle {
    /// The name in a timeline, and that of the signal.
    pub const fn name(self) -> &'static str {
        match self {
            Lifecycle::Foreground => "Foreground",
            Lifecycle::Background => "Background",
            Lifecycle::Stopped => "Stopped",
        }
    }

    /// `None` for any word but `foreground`, `background` and `stopped`.
    pub fn parse(word: &str) -> Option<Lifecycle> {
        match word {
            "foreground" => Some(Lifecycle::Foreground),
            "background" => Some(Lifecycle::Background),
            "stopped" => Some(Lifecycle::Stopped),
            _ => None,
        }
    }
}

/// What became of a request (spec 1.1).
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The collector answered.
    Answered {
        status: u16,
        location: Option<String>,
        retry_after: Option<RetryAfter>,
        /// The beginning of the body, for the log.
        message: String,
    },
    /// Nothing reached the collector: name, connect or TLS failure.
    Unreachable(String),
    /// The request may have been received: a timeout or a lost connection after it was sent.
    Unanswered(String),
}

/// Both forms of the `Retry-After` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    Seconds(u64),
    Date(WallTime),
}

/// Everything that can happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// `OpenSession` or `SessionStart`.
    Open {
        call: Option<CallId>,
        player: PlayerId,
        door: Door,
        /// The application as the adapter knows it; the info key `app` comes first.
        app: String,
        playhead: f64,
        info: Info,
    },
    /// A playback event in a session.
    Event {
        call: Option<CallId>,
        target: Target,
        name: EventName,
        playhead: f64,
        info: Info,
    },
    /// An event that could not even be read; nobody waits for an answer.
    Unreadable {
        event: &'static str,
        why: String,
    },
    /// Senders have said more than the limits allow (api.md 2.8); it was dropped unread.
    Flooded {
        events: u64,
    },
    /// A bus connection is gone, after everything it sent was handed in (api.md 1.5).
    PlayerGone {
        sender: String,
    },
    /// One player of a connection is gone while the connection lives (MPRIS).
    InstanceGone {
        player: PlayerId,
    },
    Lifecycle {
        call: Option<CallId>,
        app: String,
        state: Lifecycle,
    },
    GetResumePoint {
        call: CallId,
        app: String,
        media_id: String,
    },
    ForgetResumePoint {
        call: CallId,
        app: String,
        media_id: String,
    },
    /// Try to deliver now, whatever back-off says.
    Flush {
        call: Option<CallId>,
    },
    SetConsent {
        call: Option<CallId>,
        consent: Consent,
    },
    Answer {
        request: RequestId,
        outcome: Outcome,
    },
    /// The network manager says whether there is a network.
    Network {
        online: bool,
    },
    /// Whether the connection costs money.
    Metered(bool),
    /// The wall clock was set, or the kernel's synchronised flag changed.
    Clock {
        trusted: bool,
    },
    Sleep,
    Wake,
    /// A new configuration was loaded.
    Reload {
        settings: Box<Settings>,
    },
    /// The state was restored, and these connections are still there (api.md 2.5).
    Recovered {
        present: Vec<String>,
    },
    /// A deadline was reached.
    Tick,
    /// The agent is asked to leave.
    Stop,
}
