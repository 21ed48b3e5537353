//! Questions where the viewer was. They do not wait for an agent that is away.

use super::answers::{Answer, Failure};
use super::calls::Request;
use super::{CALL_LIMIT, CallId, Link, Micros, Queue, SECOND};
use crate::error::Error;
use crate::media::ResumePoint;

/// How many questions wait at most.
const ASKS_MAX: usize = 32;
/// How long a question waits for what was said before it of the same content.
const ORDER: Micros = SECOND;

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct AskId(u64);

pub(crate) type PointAnswer = Result<Option<ResumePoint>, Error>;

#[derive(Debug)]
struct Ask {
    id: AskId,
    app: String,
    media_id: String,
    at: Micros,
    /// The first message that was said after it.
    before: u64,
    call: Option<CallId>,
}

#[derive(Debug, Default)]
pub(super) struct Asks {
    waiting: Vec<Ask>,
    answers: Vec<(AskId, PointAnswer)>,
    last: u64,
}

impl Asks {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    pub(super) fn waits_for(&self, call: CallId) -> bool {
        self.waiting.iter().any(|ask| ask.call == Some(call))
    }

    /// When one that waits for its turn has waited enough, and when the time of one is over.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Micros> {
        self.waiting.iter().flat_map(|ask| [ask.at + ORDER, ask.at + CALL_LIMIT])
    }
}

impl Queue {
    /// Where the viewer was in this content.
    pub(crate) fn ask(&mut self, now: Micros, app: &str, media_id: &str) -> AskId {
        self.asks.last += 1;
        let id = AskId(self.asks.last);
        let failure = if self.closing.is_some() {
            Some(Failure::new("Disconnected", super::CLOSED))
        } else if self.link == Link::Down {
            Some(Failure::new("Disconnected", "there is no connection to the bus"))
        } else if self.asks.waiting.len() >= ASKS_MAX {
            Some(Failure::new("LimitsExceeded", "too many such questions wait for an answer"))
        } else {
            None
        };
        match failure {
            Some(failure) => self.answer(id, Err(failure)),
            None => self.asks.waiting.push(Ask {
                id,
                app: app.to_owned(),
                media_id: media_id.to_owned(),
                at: now,
                before: self.next_message,
                call: None,
            }),
        }
        id
    }

    /// Nobody waits for this answer any more.
    pub(crate) fn forget_ask(&mut self, id: AskId) {
        self.asks.waiting.retain(|ask| ask.id != id);
        self.asks.answers.retain(|(other, _)| *other != id);
    }

    /// The answer to a question, once.
    pub(crate) fn take_answer(&mut self, id: AskId) -> Option<PointAnswer> {
        let index = self.asks.answers.iter().position(|(other, _)| *other == id)?;
        Some(self.asks.answers.swap_remove(index).1)
    }

    pub(super) fn next_ask(&mut self, now: Micros, call: CallId) -> Option<Request> {
        let Queue { messages, sessions, asks, away, .. } = self;
        let first = |ask: &&mut Ask| {
            let mut earlier = messages.iter().take_while(|message| message.number < ask.before);
            let same = |id| sessions.get(id).is_some_and(|s| s.media_id == ask.media_id);
            let waits = away.is_none()
                && now < ask.at + ORDER
                && earlier.any(|message| same(&message.session));
            ask.call.is_none() && !waits
        };
        let ask = asks.waiting.iter_mut().find(first)?;
        ask.call = Some(call);
        Some(Request::Point { app: ask.app.clone(), media_id: ask.media_id.clone() })
    }

    pub(super) fn point_answered(&mut self, call: CallId, result: Result<Answer, Failure>) {
        let found = self.asks.waiting.iter().position(|ask| ask.call == Some(call));
        let Some(index) = found else { return };
        let id = self.asks.waiting.remove(index).id;
        let point = result.map(|answer| match answer {
            Answer::Point(point) => point,
            Answer::Done | Answer::Opened(_) => None,
        });
        self.answer(id, point);
    }

    pub(super) fn tick_asks(&mut self, now: Micros) {
        while let Some(index) = self.asks.waiting.iter().position(|ask| ask.at + CALL_LIMIT <= now)
        {
            let id = self.asks.waiting.remove(index).id;
            let limit = CALL_LIMIT / SECOND;
            let why = format!("the agent has not answered within {limit} s");
            self.answer(id, Err(Failure::new("NoReply", &why)));
        }
    }

    pub(super) fn fail_asks(&mut self, why: &str) {
        for ask in std::mem::take(&mut self.asks.waiting) {
            self.answer(ask.id, Err(Failure::new("Disconnected", why)));
        }
    }

    fn answer(&mut self, id: AskId, point: Result<Option<ResumePoint>, Failure>) {
        let answer = point.map_err(|failure| Error {
            event: "GetResumePoint",
            kind: failure.kind(),
            message: failure.message,
        });
        self.asks.answers.push((id, answer));
    }
}
