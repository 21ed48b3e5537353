//! What waits to be said, and everything that is decided about it. There is no I/O in here and no
//! clock: what happens comes in with its time, and what is to be done comes out.
//!
//! - The player says something: [`Queue::open`], [`Queue::say`], [`Queue::now`], [`Queue::ask`],
//!   [`Queue::lifecycle`].
//! - The driver carries out what [`Queue::next_call`] gives, and tells what becomes of it:
//!   [`Queue::answered`], [`Queue::connected`], [`Queue::owner_changed`], [`Queue::closed`], and the
//!   time that has passed: [`Queue::tick`], at [`Queue::deadline`] at the latest.
//!
//! The sessions of one `instance` follow one another, so they are one lane: one call of a lane is in
//! flight, and the others wait in order. Lanes do not wait for each other.

mod answers;
mod bounds;
mod bus;
mod calls;
mod lifecycle;
mod now;
mod points;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(crate) use answers::{Answer, Failure};
pub(crate) use calls::{Call, CallId, Request};
pub(crate) use points::{AskId, PointAnswer};

use crate::error::{Error, ErrorKind, Notice, Reason, SessionId};
use crate::info::{self, Event, Kind};
use crate::media::Media;
use lifecycle::Change;
use points::Asks;
use state::{Lane, Message, Over, SessionState, What};

/// How many messages wait at most.
pub const PENDING_MAX: usize = 256;
/// How long a message waits at most, in seconds; the agent believes no older one.
pub const PENDING_SECONDS: u64 = 60;

/// Microseconds of CLOCK_BOOTTIME, or a span of them.
pub(crate) type Micros = i64;

pub(crate) const SECOND: Micros = 1_000_000;
const PENDING: Micros = PENDING_SECONDS as Micros * SECOND;
/// How long a call may take.
pub(crate) const CALL_LIMIT: Micros = 5 * SECOND;
/// How often an agent that is away is tried: a call starts one that the bus can start.
const RETRY: Micros = 5 * SECOND;
/// How long a closing waits for the signal that a session has closed, after the answer to its end.
const LAST_WORDS: Micros = SECOND / 4;
/// How many notices wait for a reader; beyond it the oldest goes.
const NOTICES: usize = 256;
/// How many sessions are remembered that nobody holds, for the signal that they have closed.
const LINGERING: usize = 64;

/// Whether there is a bus.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Link {
    /// The first try is under way.
    Unknown,
    Up,
    Down,
}

/// What waits to be said by one agent.
#[derive(Debug)]
pub(crate) struct Queue {
    messages: VecDeque<Message>,
    sessions: BTreeMap<SessionId, SessionState>,
    lanes: BTreeMap<String, Lane>,
    asks: Asks,
    lifecycle: Vec<Change>,
    notices: VecDeque<Notice>,
    link: Link,
    /// Counts the owners of the agent's name.
    owners: u64,
    /// When an agent that is away is tried again.
    away: Option<Micros>,
    /// The session that was opened last.
    current: Option<SessionId>,
    /// Until when what waits is still said.
    closing: Option<Micros>,
    next_session: u64,
    next_message: u64,
    next_call: u64,
}

impl Queue {
    pub(crate) fn new() -> Queue {
        Queue {
            messages: VecDeque::new(),
            sessions: BTreeMap::new(),
            lanes: BTreeMap::new(),
            asks: Asks::default(),
            lifecycle: Vec::new(),
            notices: VecDeque::new(),
            link: Link::Unknown,
            owners: 0,
            away: None,
            current: None,
            closing: None,
            next_session: 1,
            next_message: 1,
            next_call: 1,
        }
    }

    /// Opens a session, from the player's point of view at once.
    pub(crate) fn open(&mut self, now: Micros, playhead: f64, media: &Media) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        self.lanes.entry(media.instance.clone()).or_default();
        self.sessions.insert(id, SessionState::new(media, now));
        self.current = Some(id);
        if self.closing.is_some() {
            self.fail(Some(id), "OpenSession", ErrorKind::NoSession, CLOSED);
            self.session_closed(id, Reason::Failed);
        } else {
            self.push(now, Message::new(self.next_message, id, now, playhead, What::Open));
        }
        id
    }

    /// An event of a session, at this moment.
    pub(crate) fn say(&mut self, now: Micros, id: SessionId, playhead: f64, event: Event) {
        let closing = self.closing.is_some();
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if closing || session.over != Over::No {
            let why = if closing { CLOSED } else { "the session is over; open another" };
            self.fail(Some(id), event.name, ErrorKind::NoSession, why);
            return;
        }
        // The agent recognises an event that it has heard before by its name and its time.
        let at = now.max(session.last_at + 1);
        session.last_at = at;
        match event.kind {
            Kind::Motion(motion) => session.told = Some(motion),
            Kind::Last => session.over = Over::Ended,
            Kind::Position | Kind::Other => {}
        }
        if event.kind == Kind::Position {
            let stale =
                |m: &Message| m.session == id && m.kind() == Kind::Position && !m.in_flight();
            self.messages.retain(|message| !stale(message));
        }
        self.push(now, Message::new(self.next_message, id, at, playhead, What::Event(event)));
    }

    /// The player does not use the session any more. If it has not ended, `End` is said, unless the
    /// player is dying.
    pub(crate) fn forget(&mut self, now: Micros, id: SessionId, end: bool) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.held = false;
        if end && session.over == Over::No && self.closing.is_none() {
            self.say(now, id, -1.0, info::last("End"));
        }
        self.tidy();
    }

    /// Nothing more is taken. What waits is said until `limit` has passed.
    pub(crate) fn close(&mut self, now: Micros, limit: Micros) {
        let until = now.saturating_add(limit);
        self.closing = Some(self.closing.map_or(until, |before| before.min(until)));
        // An agent that may be there again is tried at once.
        if self.away.is_some() {
            self.away = Some(now);
        }
    }

    /// Whether it was closed, and there is nothing to wait for.
    pub(crate) fn is_over(&self, now: Micros) -> bool {
        let nothing_waits = self.messages.is_empty()
            && self.asks.is_empty()
            && self.lifecycle.is_empty()
            && self.last_words().all(|until| until <= now);
        self.closing.is_some_and(|until| nothing_waits || until <= now)
    }

    /// Until when the signals may come that sessions have closed whose end was taken.
    fn last_words(&self) -> impl Iterator<Item = Micros> {
        let ended = |session: &&SessionState| session.over == Over::Ended && session.path.is_some();
        let ended = self.sessions.values().filter(ended);
        ended.filter_map(|session| session.ended_at).map(|at| at + LAST_WORDS)
    }

    /// Nobody carries anything out any more.
    pub(crate) fn abandon(&mut self, now: Micros) {
        self.closing = Some(now);
        self.fail_asks(CLOSED);
    }

    pub(crate) fn pending(&self) -> usize {
        self.messages.len() + self.lifecycle.len()
    }

    /// Whether there is something for the player to take.
    pub(crate) fn has_news(&self) -> bool {
        !self.notices.is_empty() || self.asks.has_answers()
    }

    pub(crate) fn next_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    fn push(&mut self, now: Micros, message: Message) {
        self.next_message += 1;
        self.messages.push_back(message);
        self.keep_bounds(now);
    }

    /// Takes a message out, for whatever reason.
    fn remove(&mut self, index: usize) -> Option<Message> {
        let message = self.messages.remove(index)?;
        if let Some(session) = self.sessions.get_mut(&message.session)
            && message.playhead >= 0.0
        {
            session.position = message.playhead;
        }
        Some(message)
    }

    /// Takes out what waits of sessions that have closed. It is reported, but for their end, which
    /// has come. What is in flight is answered yet.
    fn drop_unsaid(&mut self) {
        let sessions = &self.sessions;
        let closed =
            |id: &SessionId| sessions.get(id).is_some_and(|session| session.over == Over::Closed);
        let mut unsaid = Vec::new();
        self.messages.retain(|message| {
            let goes = closed(&message.session) && !message.in_flight();
            if goes && message.kind() != Kind::Last {
                unsaid.push((message.session, message.name()));
            }
            !goes
        });
        for (session, event) in unsaid {
            let why = "the session was over before this could be said";
            self.fail(Some(session), event, ErrorKind::NoSession, why);
        }
    }

    fn fail(
        &mut self,
        session: Option<SessionId>,
        event: &'static str,
        kind: ErrorKind,
        message: impl Into<String>,
    ) {
        let error = Error { event, kind, message: message.into() };
        self.notify(Notice::Failed { session, error });
    }

    fn notify(&mut self, notice: Notice) {
        if self.notices.len() >= NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }

    /// Forgets sessions of which nothing more can come.
    fn tidy(&mut self) {
        let busy: BTreeSet<SessionId> = self.messages.iter().map(|m| m.session).collect();
        let idle = |id: &SessionId, session: &SessionState| !session.held && !busy.contains(id);
        self.sessions.retain(|id, session| session.path.is_some() || !idle(id, session));
        let lingering: Vec<SessionId> =
            self.sessions.iter().filter(|(id, s)| idle(id, s)).map(|(id, _)| *id).collect();
        for id in lingering.iter().take(lingering.len().saturating_sub(LINGERING)) {
            self.sessions.remove(id);
        }
        let lanes: BTreeSet<&str> = self.sessions.values().map(|s| s.lane.as_str()).collect();
        self.lanes.retain(|lane, _| lanes.contains(lane.as_str()));
    }
}

const CLOSED: &str = "the connection was closed by the player";
