//! The rules of the queue, with a clock that the test moves.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod answers;
mod away;
mod bounds;
mod closing;
mod lifecycle;
mod now;
mod order;
mod points;
mod reopening;

use super::{Answer, CallId, Failure, Micros, PENDING_MAX, Queue, Request, SECOND};
use crate::error::{Notice, SessionId};
use crate::info::{self, Info, Value};
use crate::media::Media;

/// When the tests begin.
const START: Micros = 1_000 * SECOND;

/// A queue with a clock and with a bus that the test plays.
struct Rig {
    queue: Queue,
    now: Micros,
    /// What was called and not answered, in order.
    calls: Vec<(CallId, Request)>,
}

impl Rig {
    /// There is a connection to the bus.
    fn new() -> Rig {
        let mut rig = Rig::without_bus();
        rig.queue.connected();
        rig
    }

    fn without_bus() -> Rig {
        Rig { queue: Queue::new(), now: START, calls: Vec::new() }
    }

    fn pass(&mut self, time: Micros) {
        self.now += time;
        self.queue.tick(self.now);
    }

    /// Passes the time to the next deadline, and gives how long that was.
    fn pass_to_deadline(&mut self) -> Micros {
        let deadline = self.queue.deadline(self.now).expect("a deadline");
        let time = deadline - self.now;
        assert!(time > 0, "it waits for something that lies {time} us back");
        self.pass(time);
        time
    }

    fn open(&mut self, id: &str) -> SessionId {
        self.queue.open(self.now, 0.0, &Media::new(id))
    }

    fn open_as(&mut self, id: &str, instance: &str) -> SessionId {
        let media = Media { instance: instance.into(), ..Media::new(id) };
        self.queue.open(self.now, 0.0, &media)
    }

    fn play(&mut self, id: SessionId, playhead: f64) {
        self.queue.say(self.now, id, playhead, info::play(1.0));
    }

    fn pause(&mut self, id: SessionId, playhead: f64) {
        self.queue.say(self.now, id, playhead, info::pause());
    }

    fn playhead(&mut self, id: SessionId, playhead: f64) {
        self.queue.say(self.now, id, playhead, info::playhead());
    }

    fn other(&mut self, id: SessionId, name: &'static str, playhead: f64) {
        self.queue.say(self.now, id, playhead, info::plain(name));
    }

    fn end(&mut self, id: SessionId, playhead: f64) {
        self.queue.say(self.now, id, playhead, info::last("End"));
    }

    /// The calls that are to be made now, in words.
    fn call(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(call) = self.queue.next_call(self.now) {
            said.push(words(&call.request));
            self.calls.push((call.id, call.request));
        }
        said
    }

    /// The first call that waits is answered like this.
    fn answer(&mut self, answer: Result<Answer, Failure>) {
        let (id, _) = self.calls.remove(0);
        self.queue.answered(self.now, id, answer);
    }

    fn done(&mut self) {
        self.answer(Ok(Answer::Done));
    }

    fn opened(&mut self, number: u32) {
        self.answer(Ok(Answer::Opened(path(number))));
    }

    fn fails(&mut self, name: &str, message: &str) {
        self.answer(Err(failure(name, message)));
    }

    /// A session that is open and plays.
    fn playing(&mut self, id: &str, number: u32) -> SessionId {
        let session = self.open(id);
        self.play(session, 0.0);
        assert_eq!(self.call(), [format!("Open {id} 0")]);
        self.opened(number);
        assert_eq!(self.call(), [format!("{number} Play 0")]);
        self.done();
        session
    }

    /// Calls and answers until nothing is left to be said. Gives everything that was said.
    fn say_all(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        let mut number = 100;
        loop {
            said.extend(self.call());
            let Some((_, request)) = self.calls.first() else { return said };
            if matches!(request, Request::Open { .. }) {
                number += 1;
                self.opened(number);
            } else {
                self.done();
            }
        }
    }

    /// What the player was told, in words.
    fn notices(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.queue.next_notice())
            .map(|notice| match notice {
                Notice::Closed { session, reason } => {
                    format!("{} closed {}", session.0, reason.name())
                }
                Notice::Failed { session, error } => {
                    let session = session.map_or("-".to_owned(), |id| id.0.to_string());
                    format!("{session} {} {}", error.event, error.kind.name())
                }
            })
            .collect()
    }
}

fn path(number: u32) -> String {
    format!("/tv/playhead/Agent1/session/{number}")
}

fn failure(name: &str, message: &str) -> Failure {
    let name = match name {
        "InvalidArgs" | "NotAllowed" | "NoSession" | "LimitsExceeded" | "AccessDenied"
        | "Storage" | "NotConfigured" => format!("tv.playhead.Error.{name}"),
        _ => format!("org.freedesktop.DBus.Error.{name}"),
    };
    Failure { name, message: message.to_owned() }
}

fn value<'a>(info: &'a Info, key: &str) -> Option<&'a Value> {
    info.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
}

/// When it happened, as it is said.
fn at(request: &Request) -> Micros {
    let info = match request {
        Request::Open { media, .. } => media,
        Request::Event { info, .. } => info,
        Request::Lifecycle { .. } | Request::Point { .. } => panic!("it has no time"),
    };
    let Some(Value::Long(at)) = value(info, "at") else { panic!("no time: {info:?}") };
    *at
}

/// `Open film 0 resume`, `1 Play 0 rate 2`, `Point film`.
fn words(request: &Request) -> String {
    match request {
        Request::Open { playhead, media } => {
            let Some(Value::Text(id)) = value(media, "id") else { panic!("no id: {media:?}") };
            let resume = value(media, "resume").map_or("", |_| " resume");
            format!("Open {id} {playhead}{resume}")
        }
        Request::Event { path, name, playhead, info } => {
            let number = path.rsplit('/').next().expect("a number");
            let rate = match value(info, "rate") {
                Some(Value::Double(rate)) => format!(" rate {rate}"),
                _ => String::new(),
            };
            format!("{number} {name} {playhead}{rate}")
        }
        Request::Lifecycle { app, state } => format!("{app} {state}"),
        Request::Point { media_id, .. } => format!("Point {media_id}"),
    }
}
