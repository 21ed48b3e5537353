//! Everything the agent can want, in one enum: the back door of the core. Effects are carried out
//! in order; what promises something waits for the batch before it (api.md 2.9).

use serde::{Deserialize, Serialize};

use super::clock::BootId;
use super::delivery::DayBudget;
use super::delivery::outbox::Line;
use super::input::{CallId, RequestId};
use super::rejected::Rejected;
use super::resume::ResumePoint;
use super::sessions::{Pulse, SessionRecord};
use super::settings::Consent;
use super::tracker::hit::Hit;
use super::tracker::media::MediaInfo;

/// What must be on disk before the effects after it are carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// `None` deletes the key.
    pub changes: Vec<(Key, Option<Record>)>,
    pub durability: Durability,
}

/// How safe a batch is when it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// With the operating system: survives SIGKILL of the daemon.
    Flushed,
    /// On the medium: survives a power cut.
    Synced,
}

/// A record's place in the store. The order of the variants is that of the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Meta,
    /// What is played in a session; written once.
    Media(u32),
    /// The moving part of a session.
    Session(u32),
    /// What a heartbeat changes in a session and its queue.
    Pulse(u32),
    /// The `sessionStart` of an outbox, with its parameters; written once or twice.
    Start(u64),
    /// The moving part of an outbox.
    Outbox(u64),
    /// A hit that waits in an outbox.
    Hit(u64, u64),
    /// A resume point of (app, media id).
    Resume(String, String),
    /// A hit that the collector refused for good.
    Rejected(u64),
}

/// A record of the store, as typed as its key.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Meta(Meta),
    Media(MediaInfo),
    Session(Box<SessionRecord>),
    Pulse(Pulse),
    Start(Hit),
    Outbox(Box<Line>),
    Hit(Hit),
    Resume(ResumePoint),
    Rejected(RejectedHit),
}

/// What the agent knows about itself across restarts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The boot in which this was written.
    pub boot: BootId,
    /// The life of the bus in which it was written.
    pub bus: String,
    pub next_session: u32,
    pub next_outbox: u64,
    pub next_rejected: u64,
    /// `None` as long as nobody has said (api.md 2.10).
    pub consent: Option<Consent>,
    /// Random, made once: the `appInstallationId` of the box (spec 2.2).
    pub installation: String,
    /// The last stop was asked for, so the last recorded state is the true one.
    pub clean_stop: bool,
    /// What was sent today, for a budget of bytes (api.md 2.8).
    #[serde(default)]
    pub budget: DayBudget,
}

/// A hit that the collector refused, with its reason (api.md 2.7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RejectedHit {
    pub app: String,
    pub media_id: String,
    pub hit: Hit,
    /// Hits that went with it: those of a refused session or batch.
    pub lost: usize,
    pub status: u16,
    pub message: String,
}

/// Which resource of the collector a request goes to (spec 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    Sessions,
    Events { sid: String },
    Downloaded,
}

impl Resource {
    /// The path below the collector's base URL.
    pub fn path(&self) -> String {
        match self {
            Resource::Sessions => "/api/v1/sessions".into(),
            Resource::Events { sid } => format!("/api/v1/sessions/{sid}/events"),
            Resource::Downloaded => "/api/v1/downloaded".into(),
        }
    }
}

/// A request to the collector: `POST` with a JSON body.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub id: RequestId,
    pub resource: Resource,
    pub body: serde_json::Value,
}

/// What a call is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Done,
    Session(u32),
    ResumePoint(Option<ResumePoint>),
    /// Hits that wait.
    Pending(u64),
}

/// Why a session's `Closed` signal was sent (api.md 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    Complete,
    End,
    Replaced,
    Idle,
    Background,
    Vanished,
    Shutdown,
    Consent,
}

impl CloseReason {
    pub const fn name(self) -> &'static str {
        match self {
            CloseReason::Complete => "complete",
            CloseReason::End => "end",
            CloseReason::Replaced => "replaced",
            CloseReason::Idle => "idle",
            CloseReason::Background => "background",
            CloseReason::Vanished => "vanished",
            CloseReason::Shutdown => "shutdown",
            CloseReason::Consent => "consent",
        }
    }

    /// Whether the session object stays, because `Play` revives it.
    pub const fn stays(self) -> bool {
        matches!(self, CloseReason::Idle | CloseReason::Background)
    }
}

/// Something the bus should hear.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A session object appears.
    Opened(u32),
    Closed(u32, CloseReason),
}

/// Everything the agent can want.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Delete everything that is stored, also what is about to be written, so that no old byte
    /// is left (api.md 2.10).
    Wipe,
    Persist(Batch),
    Send(Request),
    Reply(CallId, Result<Reply, Rejected>),
    Announce(Notice),
}
