//! Everything that can happen, in one enum: what the core takes in.

use super::dialect::exchange::{Outcome, RequestId};
use super::player::{EventSource, PlayerId};
use super::record::{ConsentRecord, ReadId, ReadReports, Stored};
use super::settings::{Consent, Settings};
use super::time::BootInstant;
use super::tracker::event::EventName;
use super::tracker::info::Info;

/// Names a call that waits for its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// A session as the caller names it.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// The session object's number, and the connection that calls.
    Session { number: u32, sender: String },
    /// The session that this player has open.
    Player(PlayerId),
}

impl Target {
    /// The connection that speaks.
    pub fn sender(&self) -> &str {
        match self {
            Target::Session { sender, .. } => sender,
            Target::Player(player) => &player.sender,
        }
    }
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

/// What an operator can have listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// What waits.
    Queue,
    /// What collectors have refused for good.
    Rejected,
    ResumePoints,
}

impl Listing {
    /// `None` for any word but `queue`, `rejected` and `resume-points`.
    pub fn parse(word: &str) -> Option<Listing> {
        match word {
            "queue" => Some(Listing::Queue),
            "rejected" => Some(Listing::Rejected),
            "resume-points" => Some(Listing::ResumePoints),
            _ => None,
        }
    }
}

/// Everything that can happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// `OpenSession` or `SessionStart`.
    Open {
        call: Option<CallId>,
        player: PlayerId,
        source: EventSource,
        /// Whose sessions it counts among (behaviour.md 2.8); `None` for root and the service's own
        /// user.
        uid: Option<u32>,
        /// The application as the adapter knows it; the info key `app` takes precedence.
        app: String,
        playhead: f64,
        info: Info,
    },
    /// A player of MPRIS has begun to play something whose length or place is not known yet. What
    /// follows in this session waits behind it, until `Known` or `until` (behaviour.md 1.7).
    Begin {
        player: PlayerId,
        /// As for `Open`.
        uid: Option<u32>,
        app: String,
        info: Info,
        /// Where it began, in seconds, if that is known.
        playhead: Option<f64>,
        until: BootInstant,
    },
    /// What a player of MPRIS has told meanwhile about what it plays (behaviour.md 1.7).
    Known {
        player: PlayerId,
        /// Seconds.
        length: Option<f64>,
        /// Where the session began, in seconds.
        start: Option<f64>,
        /// Where the player is now, in seconds.
        place: f64,
        /// The session waits no longer.
        over: bool,
    },
    /// A playback event in a session.
    Event {
        call: Option<CallId>,
        target: Target,
        name: EventName,
        playhead: f64,
        info: Info,
    },
    /// An event that could not be read, or that its sender may not send. It gets no reply.
    Unreadable {
        event: &'static str,
        sender: String,
        why: String,
    },
    /// A call that was refused before it became an event. Its caller was told; it changes nothing,
    /// and is shown to whoever watches.
    TurnedAway {
        /// The method, or what kind of mistake it is.
        call: String,
        sender: String,
        why: String,
    },
    /// Senders sent more events than the limits allow (behaviour.md 2.8); these were dropped
    /// unread.
    Flooded {
        events: u64,
    },
    /// A bus connection has closed. Everything that it sent was handed in before (behaviour.md
    /// 1.5).
    PlayerGone {
        sender: String,
    },
    /// One player of a connection has gone; the connection is still open (MPRIS).
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
    /// A point of another device of the household.
    SetResumePoint {
        call: CallId,
        app: String,
        media_id: String,
        /// `position`, `length`, `ended_at`, `completed`, as `GetResumePoint` gives them.
        point: Info,
    },
    ForgetResumePoint {
        call: CallId,
        app: String,
        media_id: String,
    },
    /// A list for the operator.
    List {
        call: CallId,
        listing: Listing,
    },
    /// Find out whether the collector can be reached. The engine answers it.
    Probe {
        call: CallId,
    },
    /// Whether somebody watches from now on, and wants to see what consent holds back.
    Watched(bool),
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
    /// Every batch up to this number is in the store.
    Written {
        batch: u64,
    },
    /// The store has answered a read.
    Read {
        id: ReadId,
        read: ReadReports,
    },
    /// The consent file could not be read when the agent started; it holds this.
    ConsentRead(ConsentRecord),
    /// The store could not be read when the agent started; it holds this.
    Joined {
        stored: Box<Stored>,
    },
    /// The network manager says whether there is a network; it came, went or is another one.
    Network {
        online: bool,
    },
    /// Whether the connection costs money.
    Metered(bool),
    /// The wall clock was set, or the kernel's synchronised flag changed.
    Clock {
        trusted: bool,
    },
    /// The box is going to sleep, or to be shut down.
    Sleep,
    /// It is awake again.
    Wake,
    /// The box slept from then until now, and nobody said so (behaviour.md 1.6).
    Slept {
        since: BootInstant,
    },
    /// A new configuration was loaded.
    Reload {
        settings: Box<Settings>,
    },
    /// The state was restored, and these connections are still on the bus (behaviour.md 2.5).
    Recovered {
        present: Vec<String>,
    },
    /// A deadline was reached.
    Tick,
    /// The box is shut down: every session ends.
    ShutDown,
    /// The agent is asked to stop. Sessions that are open are kept for its next start.
    Stop,
}
