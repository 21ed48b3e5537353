//! What an answer of the agent, or none, means for what waits.

use super::state::{Message, Over, Refused, SessionState, Step, What};
use super::{CallId, Micros, Queue, RETRY, SECOND};
use crate::error::{ErrorKind, Reason, SessionId};
use crate::info::{Kind, Motion};
use crate::media::ResumePoint;

/// The longest pause between two tries of what the agent refuses for a while.
const REFUSED_MAX: Micros = 30 * SECOND;

/// An answer that is no error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// An event was taken.
    Done,
    /// A session is open: its object path.
    Opened(String),
    /// Where the viewer was, if that is known.
    Point(Option<ResumePoint>),
}

/// An error by its full name on D-Bus.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) name: String,
    pub(crate) message: String,
}

const OURS: &str = "tv.playhead.Error.";
const DBUS: &str = "org.freedesktop.DBus.Error.";

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    /// The agent is not there, or has not answered.
    Away,
    /// To be said again later.
    Later,
    /// There is no such session any more.
    Gone,
    /// Done, but for what the store promises.
    Done,
    Refused,
}

impl Failure {
    pub(crate) fn new(name: &str, message: &str) -> Failure {
        Failure { name: format!("{DBUS}{name}"), message: message.to_owned() }
    }

    pub(super) fn kind(&self) -> ErrorKind {
        match self.name.strip_prefix(OURS) {
            Some("InvalidArgs") => ErrorKind::InvalidArgs,
            Some("NotAllowed") => ErrorKind::NotAllowed,
            Some("NoSession") => ErrorKind::NoSession,
            Some("LimitsExceeded") => ErrorKind::LimitsExceeded,
            Some("AccessDenied") => ErrorKind::AccessDenied,
            Some("Storage") => ErrorKind::Storage,
            Some("NotConfigured") => ErrorKind::NotConfigured,
            _ => match self.name.strip_prefix(DBUS) {
                Some("AccessDenied") => ErrorKind::AccessDenied,
                Some("InvalidArgs") => ErrorKind::InvalidArgs,
                Some("LimitsExceeded") => ErrorKind::LimitsExceeded,
                Some("UnknownObject") => ErrorKind::NoSession,
                _ => ErrorKind::Other(self.name.rsplit('.').next().unwrap_or_default().to_owned()),
            },
        }
    }

    pub(super) fn meaning(&self, step: Step) -> Meaning {
        let opens = step == Step::Open;
        if let Some(name) = self.name.strip_prefix(OURS) {
            return match name {
                "LimitsExceeded" | "NotConfigured" => Meaning::Later,
                "Storage" => Meaning::Done,
                // An agent that is stopping says so with this name, and keeps the session.
                "NoSession" if opens || self.message.contains("stopping") => Meaning::Away,
                "NoSession" => Meaning::Gone,
                // The number is another player's: the agent has lost its store and counts anew.
                "AccessDenied" if !opens => Meaning::Gone,
                _ => Meaning::Refused,
            };
        }
        match self.name.strip_prefix(DBUS) {
            Some(
                "ServiceUnknown" | "NameHasNoOwner" | "NoReply" | "Disconnected" | "Timeout"
                | "TimedOut",
            ) => Meaning::Away,
            Some(name) if name.starts_with("Spawn.") => Meaning::Away,
            Some("LimitsExceeded") => Meaning::Later,
            Some("UnknownObject" | "UnknownMethod" | "UnknownInterface") if !opens => Meaning::Gone,
            _ => Meaning::Refused,
        }
    }

    /// The object of the session that the sentence names, if it does.
    fn session(&self) -> Option<String> {
        const OBJECTS: &str = "/tv/playhead/Agent1/session/";
        let (_, rest) =
            self.message.split_once(OBJECTS).or_else(|| self.message.split_once("as session "))?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then(|| format!("{OBJECTS}{digits}"))
    }
}

impl Queue {
    /// What became of a call. An answer that nobody waits for any more is left out of account.
    pub(crate) fn answered(&mut self, now: Micros, id: CallId, result: Result<Answer, Failure>) {
        let asked = |message: &Message| message.call.is_some_and(|call| call.id == id);
        let Some(index) = self.messages.iter().position(asked) else {
            if !self.lifecycle_answered(now, id, result.as_ref().err()) {
                self.point_answered(id, result);
            }
            return;
        };
        let Some(message) = self.messages.get(index) else { return };
        let Some(step) = message.call.map(|call| call.step) else { return };
        let session = message.session;
        let failure = result.as_ref().err();
        let meaning = failure.map_or(Meaning::Done, |failure| failure.meaning(step));
        if meaning == Meaning::Away {
            self.is_away(now, index);
            return;
        }
        self.away = None;
        if let Some(message) = self.messages.get_mut(index) {
            message.call = None;
        }
        if meaning == Meaning::Later {
            if let Some(failure) = failure {
                self.is_refused(now, index, step, failure);
            }
            self.drop_unsaid();
            return;
        }
        if let Some(session) = self.sessions.get(&session)
            && let Some(lane) = self.lanes.get_mut(&session.lane)
        {
            lane.refused = None;
        }
        match step {
            Step::Open => self.open_answered(index, session, result),
            Step::Restate(motion) => self.restated(index, session, motion, meaning, failure),
            Step::Event => self.event_answered(now, index, session, meaning, failure),
        }
        self.drop_unsaid();
        self.tidy();
    }

    /// The agent was not there for this message, or has not answered it.
    pub(super) fn is_away(&mut self, now: Micros, index: usize) {
        let Some(message) = self.messages.get_mut(index) else { return };
        let Some(call) = &mut message.call else { return };
        let before = call.waits;
        call.waits = false;
        // If another owner has come meanwhile, it is asked at once.
        if before && call.owner == self.owners {
            self.away = Some(now + RETRY);
        }
        self.drop_unsaid();
    }

    /// The agent takes it later: 1 s, doubling to 30 s. Reported once for a row of such answers.
    fn is_refused(&mut self, now: Micros, index: usize, step: Step, failure: &Failure) {
        let Some(message) = self.messages.get(index) else { return };
        let (id, event) = (message.session, called(message, step));
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(lane) = self.lanes.get_mut(&session.lane) else { return };
        let first = lane.refused.is_none();
        let delay = lane.refused.map_or(SECOND, |refused| (refused.delay * 2).min(REFUSED_MAX));
        lane.refused = Some(Refused { until: now + delay, delay });
        if first {
            self.fail(Some(id), event, failure.kind(), failure.message.clone());
        }
    }

    fn open_answered(&mut self, index: usize, id: SessionId, result: Result<Answer, Failure>) {
        let first = self.messages.get(index).is_some_and(Message::is_open);
        let path = match result {
            Ok(Answer::Opened(path)) => path,
            Ok(_) => return,
            Err(failure) => {
                let kind = failure.kind();
                let path = failure.session();
                // Open already means that an earlier answer was lost.
                if path.is_none() || kind != ErrorKind::NotAllowed {
                    self.fail(Some(id), "OpenSession", kind.clone(), failure.message);
                }
                let known = matches!(kind, ErrorKind::NotAllowed | ErrorKind::Storage);
                let Some(path) = path.filter(|_| known) else {
                    self.remove(index);
                    self.session_closed(id, Reason::Failed);
                    return;
                };
                path
            }
        };
        if first {
            self.remove(index);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.path = Some(path.clone());
        session.was_open = true;
        session.restate = session.motion.is_some();
        let lane = session.lane.clone();
        // A number that another session had was given anew.
        let others = self.sessions.iter_mut().filter(|(other, _)| **other != id);
        for (_, other) in others.filter(|(_, other)| other.path.as_deref() == Some(&path)) {
            other.path = None;
        }
        // The agent has ended the session before it, and may have said so already.
        let before = |(other, session): (&SessionId, &SessionState)| {
            let lives = session.over == Over::No && !session.failed;
            (first && *other < id && session.lane == lane && lives)
                .then_some((*other, session.dormant))
        };
        for (other, dormant) in self.sessions.iter().filter_map(before).collect::<Vec<_>>() {
            match self.sessions.get_mut(&other) {
                Some(session) if dormant => session.over = Over::Closed,
                _ => self.session_closed(other, Reason::Replaced),
            }
        }
    }

    fn restated(
        &mut self,
        index: usize,
        id: SessionId,
        motion: Motion,
        meaning: Meaning,
        failure: Option<&Failure>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.restate = false;
        let Some(failure) = failure else { return };
        if meaning == Meaning::Gone {
            // Gone again: for one event a session is opened anew only once.
            session.path = None;
            self.refused(index, id, failure);
            return;
        }
        self.fail(Some(id), motion.event().name, failure.kind(), failure.message.clone());
    }

    /// Reports why the event is not said, and gives it up.
    fn refused(&mut self, index: usize, id: SessionId, failure: &Failure) {
        let Some(message) = self.remove(index) else { return };
        self.fail(Some(id), message.name(), failure.kind(), failure.message.clone());
    }

    fn event_answered(
        &mut self,
        now: Micros,
        index: usize,
        id: SessionId,
        meaning: Meaning,
        failure: Option<&Failure>,
    ) {
        let Some(message) = self.messages.get(index) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (event, kind) = (message.name(), message.kind());
        match meaning {
            Meaning::Done => match kind {
                Kind::Motion(motion) => {
                    session.motion = Some(motion);
                    session.restate = false;
                    session.dormant &= motion == Motion::Pause;
                }
                Kind::Last => session.ended_at = Some(now),
                Kind::Position | Kind::Other => {}
            },
            Meaning::Gone => {
                session.path = None;
                if kind == Kind::Last {
                    self.remove(index);
                    return;
                }
                if !message.reopened {
                    return; // it is opened anew, for this event
                }
            }
            Meaning::Refused if kind == Kind::Last && session.over == Over::Ended => {
                session.over = Over::No;
            }
            Meaning::Refused | Meaning::Away | Meaning::Later => {}
        }
        if let Some(failure) = failure {
            self.fail(Some(id), event, failure.kind(), failure.message.clone());
        }
        self.remove(index);
    }
}

/// The method that a step calls.
fn called(message: &Message, step: Step) -> &'static str {
    match (step, &message.what) {
        (Step::Open, _) | (_, What::Open) => "OpenSession",
        (Step::Restate(motion), _) => motion.event().name,
        (Step::Event, What::Event(event)) => event.name,
    }
}
