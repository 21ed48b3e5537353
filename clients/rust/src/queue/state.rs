//! What the queue knows of a session, of a lane and of a message.

use super::{CallId, Micros};
use crate::error::SessionId;
use crate::info::{self, Event, Info, Kind, Motion};
use crate::media::Media;

/// One playback.
#[derive(Debug)]
pub(super) struct SessionState {
    pub(super) lane: String,
    pub(super) media_id: String,
    /// The keys of `OpenSession`.
    pub(super) media: Info,
    /// Its object; `None` while it is not open.
    pub(super) path: Option<String>,
    /// It was open before, so that opening it again is a resume.
    pub(super) was_open: bool,
    /// It was opened anew, and the agent does not know what it does.
    pub(super) restate: bool,
    /// What it does, as the agent has been told; for `now`, as it was said by the player.
    pub(super) motion: Option<Motion>,
    pub(super) told: Option<Motion>,
    /// The last position that is known, in seconds; negative: none.
    pub(super) position: f64,
    pub(super) last_at: Micros,
    pub(super) over: Over,
    /// When the agent has taken its end.
    pub(super) ended_at: Option<Micros>,
    /// It could not be opened.
    pub(super) failed: bool,
    /// The agent has closed it, and `Play` revives it.
    pub(super) dormant: bool,
    /// The player has a handle of it.
    pub(super) held: bool,
}

/// Whether more can be said of a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Over {
    No,
    /// The player has said its end.
    Ended,
    /// It has closed.
    Closed,
}

impl SessionState {
    pub(super) fn new(media: &Media, now: Micros) -> SessionState {
        SessionState {
            lane: media.instance.clone(),
            media_id: media.id.clone(),
            media: info::media(media),
            path: None,
            was_open: false,
            restate: false,
            motion: None,
            told: None,
            position: -1.0,
            last_at: now,
            over: Over::No,
            ended_at: None,
            failed: false,
            dormant: false,
            held: true,
        }
    }
}

/// The sessions of one instance.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// The agent has refused for a while: when it is tried again, and after how long it was.
    pub(super) refused: Option<Refused>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) until: Micros,
    pub(super) delay: Micros,
}

/// Something to be said.
#[derive(Debug)]
pub(super) struct Message {
    /// In the order in which it was said.
    pub(super) number: u64,
    pub(super) session: SessionId,
    pub(super) at: Micros,
    pub(super) playhead: f64,
    pub(super) what: What,
    /// The newest call for it.
    pub(super) call: Option<Flight>,
    /// The session was opened anew for it.
    pub(super) reopened: bool,
    /// Its turn to be dropped has come, but it is needed.
    pub(super) kept: bool,
}

#[derive(Debug)]
pub(super) enum What {
    Open,
    Event(Event),
}

/// A call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) id: CallId,
    pub(super) step: Step,
    pub(super) sent_at: Micros,
    /// Which owner of the agent's name it went to.
    pub(super) owner: u64,
    /// False once its time was over; an answer that comes all the same counts.
    pub(super) waits: bool,
}

/// What a call does for its message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// Opens the session, for the first time or anew.
    Open,
    /// Says what a session did before it was opened anew.
    Restate(Motion),
    /// Says the event.
    Event,
}

impl Message {
    pub(super) fn new(
        number: u64,
        session: SessionId,
        at: Micros,
        playhead: f64,
        what: What,
    ) -> Message {
        Message { number, session, at, playhead, what, call: None, reopened: false, kept: false }
    }

    pub(super) fn in_flight(&self) -> bool {
        self.call.is_some_and(|call| call.waits)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.what, What::Open)
    }

    pub(super) fn kind(&self) -> Kind {
        match &self.what {
            What::Open => Kind::Other,
            What::Event(event) => event.kind,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match &self.what {
            What::Open => "OpenSession",
            What::Event(event) => event.name,
        }
    }
}
