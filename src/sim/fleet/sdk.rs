//! Clients to compare with: models of how other clients try again, as small as the rules that matter. They
//! keep what waits in memory, send one hit at a time, and do not open a session again that the collector
//! has closed.

use std::collections::VecDeque;

use super::hit::{Hit, Kind, Reply, To, Viewing};
use crate::core::delivery::backoff::Rng;
use crate::core::time::Span;

/// When a client tries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// After 5 s, without jitter, for ever.
    Fixed,
    /// A hit is tried three times, after 1 and 2 s.
    ThreeTries,
    /// Full jitter, 1 s doubling to 5 min, and then everything as fast as it goes.
    FullJitter,
    Never,
    /// At once, for ever: a client without any back-off.
    AtOnce,
}

/// Why hits were lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lost {
    /// Tried in vain, and not again; or too many waited.
    pub given_up: u64,
    /// The collector had closed the session, or had never opened it.
    pub closed: u64,
    /// Nobody knows whether they arrived.
    pub doubt: u64,
    /// They were in memory only.
    pub memory: u64,
}

impl Lost {
    pub fn all(self) -> u64 {
        self.given_up + self.closed + self.doubt + self.memory
    }

    pub fn and(self, other: Lost) -> Lost {
        Lost {
            given_up: self.given_up + other.given_up,
            closed: self.closed + other.closed,
            doubt: self.doubt + other.doubt,
            memory: self.memory + other.memory,
        }
    }
}

/// The time between two tries of a client without back-off: no client is quicker than its own event loop.
const AT_ONCE: i64 = 200;
const TRIES: u32 = 3;
const MAIN_PING: i64 = 10_000;
const AD_PING: i64 = 1_000;

#[derive(Debug, Clone, Copy)]
struct Waiting {
    viewing: Viewing,
    kind: Kind,
    ts: i64,
}

#[derive(Debug)]
pub struct Sdk {
    pub policy: Policy,
    waiting: VecDeque<Waiting>,
    /// What is watched, when its next ping is due, and the time between two.
    pings: Option<(Viewing, i64, i64)>,
    /// The last session that was opened.
    session: Option<(Viewing, u32)>,
    flying: bool,
    failures: u32,
    not_before: i64,
    request: u64,
    chance: Rng,
    /// Hits that were made, and lost.
    pub made: u64,
    pub lost: Lost,
}

impl Sdk {
    pub fn new(policy: Policy, seed: u64) -> Sdk {
        Sdk {
            policy,
            waiting: VecDeque::new(),
            pings: None,
            session: None,
            flying: false,
            failures: 0,
            not_before: 0,
            request: 0,
            chance: Rng::new(seed),
            made: 0,
            lost: Lost::default(),
        }
    }

    pub fn begin(&mut self, viewing: Viewing, at: i64) {
        self.make(viewing, Kind::Start, at);
        self.make(viewing, Kind::Other, at);
        self.pings = Some((viewing, at + MAIN_PING, MAIN_PING));
    }

    pub fn end(&mut self, at: i64) {
        if let Some((viewing, ..)) = self.pings.take() {
            self.make(viewing, Kind::End, at);
        }
    }

    /// Something else happens, such as the start of an ad; `in_ad` is whether one plays from now on.
    pub fn event(&mut self, in_ad: bool, at: i64) {
        let Some((viewing, ..)) = self.pings else { return };
        self.make(viewing, Kind::Other, at);
        let interval = if in_ad { AD_PING } else { MAIN_PING };
        self.pings = Some((viewing, at + interval, interval));
    }

    /// The program or the box is gone, with all that was in memory.
    pub fn die(&mut self) {
        self.lost.memory += self.waiting.len() as u64;
        self.waiting.clear();
        (self.pings, self.session, self.flying, self.failures) = (None, None, false, 0);
        // No answer of before counts.
        self.request += 1;
    }

    /// What is due, and the next hit if one may go.
    pub fn tick(&mut self, at: i64) -> Option<Hit> {
        while let Some((viewing, due, interval)) = self.pings.filter(|(_, due, _)| *due <= at) {
            self.make(viewing, Kind::Ping, due);
            self.pings = Some((viewing, due + interval, interval));
        }
        if self.flying || at < self.not_before {
            return None;
        }
        loop {
            let front = *self.waiting.front()?;
            let to = match (front.kind, self.session) {
                (Kind::Start, _) => To::New(front.viewing),
                (_, Some((viewing, sid))) if viewing == front.viewing => To::Sid(sid),
                _ => {
                    self.waiting.pop_front();
                    self.lost.closed += 1;
                    continue;
                }
            };
            self.flying = true;
            self.request += 1;
            return Some(Hit { request: self.request, kind: front.kind, ts: front.ts, to });
        }
    }

    pub fn answer(&mut self, request: u64, reply: Reply, at: i64) {
        if request != self.request || !self.flying {
            return;
        }
        self.flying = false;
        let Some(front) = self.waiting.front().copied() else { return };
        match reply {
            Reply::Opened(sid) => {
                self.session = Some((front.viewing, sid));
                self.passed();
            }
            Reply::Accepted => self.passed(),
            Reply::Status(404) => {
                // What follows of this viewing has no session either.
                self.session = None;
                self.passed();
                self.lost.closed += 1;
            }
            _ => self.failed(at),
        }
    }

    pub fn deadline(&self) -> Option<i64> {
        let ping = self.pings.map(|(_, due, _)| due);
        let next = (!self.flying && !self.waiting.is_empty()).then_some(self.not_before);
        [ping, next].into_iter().flatten().min()
    }

    pub fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    fn make(&mut self, viewing: Viewing, kind: Kind, ts: i64) {
        self.made += 1;
        self.waiting.push_back(Waiting { viewing, kind, ts });
    }

    fn passed(&mut self) {
        self.waiting.pop_front();
        self.failures = 0;
    }

    fn failed(&mut self, at: i64) {
        self.failures += 1;
        let wait = match self.policy {
            Policy::Fixed => 5_000,
            Policy::AtOnce => AT_ONCE,
            Policy::FullJitter => {
                let ceiling = (1_000_i64 << (self.failures - 1).min(20)).min(300_000);
                self.chance.up_to(Span(ceiling)).0
            }
            Policy::ThreeTries if self.failures < TRIES => i64::from(self.failures) * 1_000,
            Policy::ThreeTries | Policy::Never => {
                self.passed();
                self.lost.given_up += 1;
                0
            }
        };
        self.not_before = at + wait;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many tries of the first hit there are in 100 s in which all fail, and how many hits wait then.
    fn tries(policy: Policy) -> (u32, u64) {
        let (mut sdk, mut tries, mut first) = (Sdk::new(policy, 1), 0, None);
        sdk.begin(1, 0);
        while let Some(at) = sdk.deadline().filter(|at| *at < 100_000) {
            let Some(hit) = sdk.tick(at) else { continue };
            tries += u32::from(hit.ts == *first.get_or_insert(hit.ts) && hit.kind == Kind::Start);
            sdk.answer(hit.request, Reply::Status(503), at);
        }
        (tries, sdk.waiting())
    }

    #[test]
    fn each_tries_as_its_rule_says() {
        assert_eq!(tries(Policy::Fixed), (20, 11));
        assert_eq!(tries(Policy::ThreeTries).0, 3);
        assert_eq!(tries(Policy::Never), (1, 0));
        let (jittered, waiting) = tries(Policy::FullJitter);
        assert!((4..15).contains(&jittered) && waiting == 11, "{jittered}");
    }

    #[test]
    fn a_session_that_was_closed_takes_its_later_hits_with_it() {
        let mut sdk = Sdk::new(Policy::Fixed, 1);
        sdk.begin(1, 0);
        let start = sdk.tick(0).expect("a start");
        sdk.answer(start.request, Reply::Opened(7), 0);
        let play = sdk.tick(0).expect("a play");
        assert_eq!(play.to, To::Sid(7));
        sdk.answer(play.request, Reply::Status(404), 0);
        assert_eq!(sdk.tick(20_000), None);
        assert_eq!((sdk.lost.closed, sdk.waiting()), (3, 0));
    }
}
