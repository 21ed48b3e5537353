//! What is to be called now, and when to look again.

use std::collections::BTreeSet;

use super::state::{Flight, Message, SessionState, Step, What};
use super::{CALL_LIMIT, Link, Micros, PENDING, Queue};
use crate::info::{Info, Kind, Value};

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct CallId(pub(super) u64);

/// A call to be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) request: Request,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    /// `OpenSession` of the agent.
    Open { playhead: f64, media: Info },
    /// An event of the session with this object path.
    Event { path: String, name: &'static str, playhead: f64, info: Info },
    /// `GetResumePoint` of the agent.
    Point { app: String, media_id: String },
    /// `NotifyLifecycle` of the agent.
    Lifecycle { app: String, state: &'static str },
}

impl Queue {
    /// A call to be made now, if there is one. To be asked again until there is none.
    pub(crate) fn next_call(&mut self, now: Micros) -> Option<Call> {
        if self.link != Link::Up {
            return None;
        }
        let id = CallId(self.next_call);
        let request = self.next_ask(now, id);
        let request = request.or_else(|| self.next_lifecycle(now, id));
        let request = request.or_else(|| self.next_message_call(now, id))?;
        self.next_call += 1;
        Some(Call { id, request })
    }

    fn next_message_call(&mut self, now: Micros, id: CallId) -> Option<Request> {
        if let Some(until) = self.away
            && (now < until || self.messages.iter().any(Message::in_flight))
        {
            return None;
        }
        let mut seen = BTreeSet::new();
        let held_back = self.held_back();
        for message in self.messages.iter_mut().take_while(|m| m.number < held_back) {
            let Some(session) = self.sessions.get(&message.session) else { continue };
            if !seen.insert(session.lane.as_str()) || message.in_flight() {
                continue;
            }
            let refused = self.lanes.get(&session.lane).and_then(|lane| lane.refused);
            if refused.is_some_and(|refused| now < refused.until) {
                continue;
            }
            let (step, request) = request(message, session);
            message.reopened |= step == Step::Open && !message.is_open();
            message.call = Some(Flight { id, step, sent_at: now, owner: self.owners, waits: true });
            return Some(request);
        }
        None
    }

    /// Whether an answer to this call would change anything.
    pub(crate) fn waits_for(&self, id: CallId) -> bool {
        let asked = |message: &Message| message.call.is_some_and(|call| call.id == id);
        self.messages.iter().any(asked) || self.asks.waits_for(id) || self.lifecycle_waits_for(id)
    }

    /// When to call [`Queue::tick`] and [`Queue::next_call`] at the latest, if nothing else happens.
    ///
    /// What is in the past waits for something else that has a time of its own.
    pub(crate) fn deadline(&self, now: Micros) -> Option<Micros> {
        let flights = self.messages.iter().filter(|message| message.in_flight());
        let flights =
            flights.filter_map(|message| message.call).map(|call| call.sent_at + CALL_LIMIT);
        let old = self.messages.iter().filter(|message| !message.kept && !message.in_flight());
        let old = old.map(|message| message.at + PENDING + 1);
        let refused = self.lanes.values().filter_map(|lane| lane.refused).map(|r| r.until);
        let asks = self.asks.deadlines();
        let last_words = self.last_words().filter(|_| self.closing.is_some());
        let times =
            flights.chain(refused).chain(old).chain(self.away).chain(asks).chain(last_words);
        let times = times.chain(self.lifecycle_deadlines());
        times.chain(self.closing).filter(|time| now < *time).min()
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Micros) {
        let late = |message: &Message| {
            message.call.filter(|call| call.waits && call.sent_at + CALL_LIMIT <= now)
        };
        while let Some(index) = self.messages.iter().position(|m| late(m).is_some()) {
            self.is_away(now, index);
        }
        self.keep_bounds(now);
        self.tick_asks(now);
        self.tick_lifecycle(now);
    }
}

/// What is to be said for a message at the head of its lane.
fn request(message: &Message, session: &SessionState) -> (Step, Request) {
    let at = ("at", Value::Long(message.at));
    let event = match &message.what {
        What::Open => {
            let mut media = session.media.clone();
            media.push(at);
            return (Step::Open, Request::Open { playhead: message.playhead, media });
        }
        What::Event(event) => event,
    };
    let Some(path) = &session.path else {
        let mut media = session.media.clone();
        if session.was_open {
            media.retain(|(key, _)| *key != "resume");
            media.push(("resume", Value::Bool(true)));
        }
        media.push(at);
        let known = message.playhead < 0.0;
        let playhead = if known { session.position } else { message.playhead };
        return (Step::Open, Request::Open { playhead, media });
    };
    let path = path.clone();
    let says_it = matches!(event.kind, Kind::Motion(_));
    let (step, name, mut info) = match session.motion.filter(|_| session.restate && !says_it) {
        Some(motion) => {
            let event = motion.event();
            (Step::Restate(motion), event.name, event.info)
        }
        None => (Step::Event, event.name, event.info.clone()),
    };
    info.push(at);
    (step, Request::Event { path, name, playhead: message.playhead, info })
}
