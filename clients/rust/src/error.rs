//! What went wrong, and what the agent says by itself.

use std::fmt;

/// Something that was not done, or not as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What was to be said: `OpenSession`, `Play`, `GetResumePoint`, ...
    pub event: &'static str,
    /// What kind of error it is.
    pub kind: ErrorKind,
    /// One sentence: the agent's own where it has said one.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.event, self.kind.name(), self.message)
    }
}

impl std::error::Error for Error {}

/// The kinds of errors, by the names of the D-Bus interface.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A key that is missing or a number that is not finite: mend the player.
    InvalidArgs,
    /// Not legal at this moment; nothing has changed.
    NotAllowed,
    /// The session is over; nothing was said.
    NoSession,
    /// Too fast, or too many sessions. It is said again later.
    LimitsExceeded,
    /// The player lacks the right (group `playhead`).
    AccessDenied,
    /// It was done, but would not survive a power cut.
    Storage,
    /// The agent has no configuration that it can use. It is said again later.
    NotConfigured,
    /// So many messages were given up, because too many waited or waited for too long.
    Dropped(usize),
    /// Any other error of D-Bus, by the last part of its name: `ServiceUnknown`, `NoReply`,
    /// `Disconnected`, ...
    Other(String),
}

impl ErrorKind {
    /// The name, as on D-Bus.
    pub fn name(&self) -> &str {
        match self {
            ErrorKind::InvalidArgs => "InvalidArgs",
            ErrorKind::NotAllowed => "NotAllowed",
            ErrorKind::NoSession => "NoSession",
            ErrorKind::LimitsExceeded => "LimitsExceeded",
            ErrorKind::AccessDenied => "AccessDenied",
            ErrorKind::Storage => "Storage",
            ErrorKind::NotConfigured => "NotConfigured",
            ErrorKind::Dropped(_) => "Dropped",
            ErrorKind::Other(name) => name,
        }
    }
}

/// What the agent says without having been asked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// A session has closed.
    Closed {
        /// Which one.
        session: SessionId,
        /// Why.
        reason: Reason,
    },
    /// An event was refused or given up, or was not done as it should be.
    Failed {
        /// The session of the event; `None` if the error is about several sessions.
        session: Option<SessionId>,
        /// What went wrong.
        error: Error,
    },
}

/// Tells the sessions of a process apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(pub(crate) u64);

/// Why a session has closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The content was played to its end.
    Complete,
    /// The viewer left before.
    End,
    /// Another session has taken its place.
    Replaced,
    /// Nothing happened for too long; Play revives the session.
    Idle,
    /// The application was in the background for too long; Play revives the session.
    Background,
    /// To the agent, the player has vanished. The next event opens the session anew.
    Vanished,
    /// The box was switched off. The next event opens the session anew.
    Shutdown,
    /// The viewer has withdrawn consent.
    Consent,
    /// The session could not be opened; the error was reported before.
    Failed,
}

impl Reason {
    /// The name, as on D-Bus; `failed` has none there.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Complete => "complete",
            Reason::End => "end",
            Reason::Replaced => "replaced",
            Reason::Idle => "idle",
            Reason::Background => "background",
            Reason::Vanished => "vanished",
            Reason::Shutdown => "shutdown",
            Reason::Consent => "consent",
            Reason::Failed => "failed",
        }
    }

    /// The reason that a signal names. One that is unknown here counts as an end.
    pub(crate) fn named(name: &str) -> Reason {
        const KNOWN: [Reason; 8] = [
            Reason::Complete,
            Reason::End,
            Reason::Replaced,
            Reason::Idle,
            Reason::Background,
            Reason::Vanished,
            Reason::Shutdown,
            Reason::Consent,
        ];
        KNOWN.into_iter().find(|reason| reason.name() == name).unwrap_or(Reason::End)
    }
}
