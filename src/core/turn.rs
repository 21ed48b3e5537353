//! Everything that follows from one input, by kind: what the core gives back. A turn is carried
//! out in the order of its members, and a request or a reply waits for the batch before it
//! (behaviour.md 2.9). The type allows no other order.

use super::delivery::held::HeldHit;
use super::dialect::exchange::Request;
use super::input::CallId;
use super::player::PlayerId;
use super::record::{Batch, ConsentRecord, Read, ResumePoint};
use super::rejected::Rejected;

/// Everything that follows from one input.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turn {
    /// Delete everything of generations older than this that is stored or about to be, so that no
    /// old byte is left (behaviour.md 2.10).
    pub wipe: Option<u64>,
    /// What the consent file is to hold. The reply waits for it and for nothing else.
    pub consent: Option<ConsentRecord>,
    /// What must be stored before anything below is carried out.
    pub batch: Option<Batch>,
    pub reads: Vec<Read>,
    /// Connections to collectors may be dead: the requests below need new ones (behaviour.md 1.6).
    pub reconnect: bool,
    pub requests: Vec<Request>,
    pub reply: Option<(CallId, Result<Reply, Rejected>)>,
    pub notices: Vec<Notice>,
    /// Why the input was refused, if nobody is told so by a reply.
    pub refused: Option<String>,
    /// What consent holds back, while somebody watches.
    pub held: Vec<HeldHit>,
}

/// One step of a turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Consent(ConsentRecord),
    Wipe(u64),
    Write(Batch),
    Read(Read),
    Reconnect,
    Send(Request),
    Reply(CallId, Result<Reply, Rejected>),
    Announce(Notice),
}

impl Turn {
    /// The steps in the order in which they are carried out.
    pub fn steps(self) -> Vec<Step> {
        let mut steps = Vec::new();
        steps.extend(self.consent.map(Step::Consent));
        steps.extend(self.wipe.map(Step::Wipe));
        steps.extend(self.batch.map(Step::Write));
        steps.extend(self.reads.into_iter().map(Step::Read));
        steps.extend(self.reconnect.then_some(Step::Reconnect));
        steps.extend(self.requests.into_iter().map(Step::Send));
        steps.extend(self.reply.map(|(call, result)| Step::Reply(call, result)));
        steps.extend(self.notices.into_iter().map(Step::Announce));
        steps
    }
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Done,
    Session(u32),
    ResumePoint(Option<ResumePoint>),
    /// Whether the resume point was kept.
    Kept(bool),
    /// Hits that wait.
    Pending(u64),
    /// JSON for an operator.
    Json(String),
}

/// Why a session's `Closed` signal was sent (behaviour.md 1.4).
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

/// Something to announce on the bus.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A session object appears.
    Opened(u32),
    Closed(u32, CloseReason),
    /// An interrupt of this MPRIS player's session has ended, at this position in seconds: the
    /// player is to be read again (behaviour.md 2.4).
    ReadAgain(PlayerId, f64),
}
