//! The collector of a fleet, with limits that nobody can set: what it can do follows from the steady rate
//! alone. It gets slow before it fails.

use super::hit::{Hit, Kind, Reply, To, Viewing};
use crate::core::delivery::backoff::Rng;

/// Requests that it can work off, as a multiple of the steady rate.
pub const CAPACITY: f64 = 3.0;
/// TLS handshakes that it can carry out, as a share of that.
pub const HANDSHAKES: f64 = 0.5;
/// A request that would wait longer is turned away with 503, in milliseconds. So is a handshake.
pub const LONGEST_QUEUE: f64 = 10_000.0;
/// What a request that is turned away costs, in requests.
const TURNED_AWAY: f64 = 0.1;
/// How long an answer takes while nothing else is to be done, and at most by load alone, in ms.
const QUICK: f64 = 50.0;
const SLOW: f64 = 1_000.0;
/// The load is an average over about so long, in ms.
const LOAD_OVER: f64 = 10_000.0;
/// The patience of clients: for a connection, and for an answer, in ms.
const CONNECT_TIMEOUT: i64 = 5_000;
const TIMEOUT: i64 = 30_000;
/// There and back, in ms.
const ROUND_TRIP: i64 = 40;
/// A session without a hit for so long is closed (spec 3.3), in ms.
pub const SESSION_LIFE: i64 = 600_000;

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    Works,
    /// Nothing listens: connections are refused.
    Down,
    /// A cloud fails: this share of requests gets no answer, the others 503.
    Cloud(f64),
    /// This share of requests fails with 500.
    Errors(f64),
    /// A gateway in front of it answers 429 to all and asks for so many seconds.
    Gateway(u16),
}

#[derive(Debug)]
struct Session {
    viewing: Viewing,
    last: i64,
    ended: bool,
    closed: bool,
}

/// What a hit has cost, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    pub reply: Reply,
    /// When the box hears of it.
    pub at: i64,
    /// When it was taken; as `at` if it was not.
    pub done: i64,
    /// It reached the collector, as a request; a handshake was carried out for it.
    pub request: bool,
    pub handshake: bool,
    /// The session that took it.
    pub viewing: Option<Viewing>,
}

impl Arrival {
    /// No connection came about, as the box finds out at an instant.
    pub fn unreachable(at: i64) -> Arrival {
        let (request, handshake) = (false, false);
        Arrival { reply: Reply::Unreachable, at, done: at, request, handshake, viewing: None }
    }
}

#[derive(Debug)]
pub struct Collector {
    /// Requests and handshakes per millisecond.
    capacity: f64,
    handshakes: f64,
    free_at: f64,
    handshakes_free_at: f64,
    /// Requests of late, fading, and when that was.
    load: f64,
    load_at: f64,
    pub mode: Mode,
    sessions: Vec<Session>,
    chance: Rng,
}

impl Collector {
    /// `steady` is in requests per second.
    pub fn new(steady: f64, seed: u64) -> Collector {
        let capacity = steady * CAPACITY / 1000.0;
        Collector {
            capacity,
            handshakes: capacity * HANDSHAKES,
            free_at: 0.0,
            handshakes_free_at: 0.0,
            load: 0.0,
            load_at: 0.0,
            mode: Mode::Works,
            sessions: Vec::new(),
            chance: Rng::new(seed),
        }
    }

    /// A hit arrives, on a `new` connection or on one that is open.
    pub fn arrive(&mut self, hit: &Hit, new: bool, now: i64) -> Arrival {
        if self.mode == Mode::Down {
            return Arrival::unreachable(now + ROUND_TRIP);
        }
        let mut from = now as f64 + ROUND_TRIP as f64;
        if new {
            let wait = (self.handshakes_free_at - from).max(0.0);
            if wait > LONGEST_QUEUE {
                return Arrival::unreachable(now + CONNECT_TIMEOUT);
            }
            self.handshakes_free_at = from + wait + 1.0 / self.handshakes;
            from = self.handshakes_free_at + ROUND_TRIP as f64;
            if from > (now + CONNECT_TIMEOUT) as f64 {
                // The work is done for a client that is gone.
                let gone = Arrival::unreachable(now + CONNECT_TIMEOUT);
                return Arrival { handshake: true, ..gone };
            }
        }
        let (reply, served, viewing) = self.serve(hit, from);
        let late = served > (now + TIMEOUT) as f64;
        let at = if late { now + TIMEOUT } else { served as i64 };
        let reply = if late { Reply::Unanswered } else { reply };
        let done = served.min(1e15) as i64;
        Arrival { reply, at, done, request: true, handshake: new, viewing }
    }

    /// What a request gets that is there at `from`, and when.
    fn serve(&mut self, hit: &Hit, from: f64) -> (Reply, f64, Option<Viewing>) {
        let mode = self.mode;
        match mode {
            Mode::Cloud(share) if self.draw() < share => {
                return (Reply::Unanswered, f64::INFINITY, None);
            }
            Mode::Cloud(_) => return (Reply::Status(503), from + QUICK, None),
            Mode::Gateway(seconds) => return (Reply::Wait(seconds), from + QUICK, None),
            _ => {}
        }
        let wait = (self.free_at - from).max(0.0);
        if wait > LONGEST_QUEUE {
            self.free_at += TURNED_AWAY / self.capacity;
            return (Reply::Status(503), from + QUICK, None);
        }
        self.free_at = from + wait + 1.0 / self.capacity;
        let served = self.free_at + self.latency(from);
        if let Mode::Errors(share) = self.mode
            && self.draw() < share
        {
            return (Reply::Status(500), served, None);
        }
        let (reply, viewing) = self.take(hit, served as i64);
        (reply, served, viewing)
    }

    /// How long an answer takes at the present load, in ms.
    fn latency(&mut self, from: f64) -> f64 {
        let passed = (from - self.load_at).max(0.0);
        self.load = self.load * (-passed / LOAD_OVER).exp() + 1.0 / LOAD_OVER;
        self.load_at = self.load_at.max(from);
        let busy = (self.load / self.capacity).min(1.0);
        (QUICK / (1.0 - busy).max(1e-9)).min(SLOW)
    }

    fn take(&mut self, hit: &Hit, now: i64) -> (Reply, Option<Viewing>) {
        match hit.to {
            To::New(viewing) => {
                let sid = self.sessions.len() as u32;
                self.sessions.push(Session { viewing, last: now, ended: false, closed: false });
                (Reply::Opened(sid), Some(viewing))
            }
            To::Sid(sid) => {
                let Some(session) = self.sessions.get_mut(sid as usize) else {
                    return (Reply::Status(404), None);
                };
                if !session.ended && now - session.last >= SESSION_LIFE {
                    session.closed = true;
                }
                if session.closed || session.ended {
                    return (Reply::Status(404), None);
                }
                session.last = session.last.max(now);
                session.ended = hit.kind == Kind::End;
                (Reply::Accepted, Some(session.viewing))
            }
        }
    }

    /// The viewings of which it has closed a session for want of hits, by `now`.
    pub fn closed_by(&self, now: i64) -> impl Iterator<Item = Viewing> {
        let closed = move |session: &&Session| {
            session.closed || (!session.ended && now - session.last >= SESSION_LIFE)
        };
        self.sessions.iter().filter(closed).map(|session| session.viewing)
    }

    fn draw(&mut self) -> f64 {
        (self.chance.number() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
