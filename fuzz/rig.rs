//! An agent in virtual time on an in-memory store, and what must hold whatever it is told.

use std::collections::{BTreeSet, VecDeque};

use playheadd::core::dialect::exchange::{Outcome, Purpose, Request};
use playheadd::core::input::{CallId, Input};
use playheadd::core::player::PlayerId;
use playheadd::core::sessions::Session;
use playheadd::core::settings::{Consent, Identity, Settings};
use playheadd::core::time::{BootInstant, Now, Span, WallTime};
use playheadd::core::{Agent, StartInfo};
use playheadd::engine::{Action, Event};
use playheadd::sim::backend::{Backend, Outcome as Planned};
use playheadd::sim::driver::{Driver, start_info};
use playheadd::store::memory::MemoryStore;

pub const PLAYERS: usize = 3;

const EPOCH_MS: i64 = 1_700_000_000_000;
/// Ticks at one instant: more is a loop.
const MOST_TICKS: usize = 1_000;
/// Ticks on the way through a span; then the box is late, as it may be.
const TICKS_A_SPAN: usize = 50;

pub fn player(number: usize) -> PlayerId {
    PlayerId { sender: format!(":1.{number}"), instance: "/p".into() }
}

pub struct Rig {
    driver: Driver,
    now_ms: i64,
    slept_ms: i64,
    wall_offset_ms: i64,
    trusted: bool,
    boots: u32,
    /// Whether the stored bytes are the agent's own, so that its bodies answer for themselves.
    own_bytes: bool,
    flying: VecDeque<Request>,
    sids: u32,
    calls: u64,
    unanswered: BTreeSet<u64>,
}

fn settings() -> Settings {
    let identity = Identity {
        tracking_server: "metrics.example.com".into(),
        report_suite: "fuzz".into(),
        org_id: "FUZZ@AdobeOrg".into(),
        ..Identity::default()
    };
    Settings { initial_consent: Consent::In, identity, ..Settings::default() }
}

fn start(boots: u32, clock_trusted: bool) -> StartInfo {
    StartInfo { clock_trusted, ..start_info(&format!("boot-{boots}"), 1) }
}

impl Rig {
    pub fn new(store: MemoryStore) -> Rig {
        let now = Now { boot: BootInstant(0), wall: WallTime(EPOCH_MS), slept: Span::ZERO };
        let loaded = store.load();
        let own_bytes = loaded.meta.is_none() && loaded.logs.is_empty();
        let mut driver = Driver::default();
        driver.disk.store = store;
        driver.start(settings(), start(1, true), now);
        let mut rig = Rig {
            driver,
            now_ms: 0,
            slept_ms: 0,
            wall_offset_ms: EPOCH_MS,
            trusted: true,
            boots: 1,
            own_bytes,
            flying: VecDeque::new(),
            sids: 0,
            calls: 0,
            unanswered: BTreeSet::new(),
        };
        rig.recovered(1);
        rig
    }

    fn clock_now(&self) -> Now {
        let wall = WallTime(self.now_ms + self.wall_offset_ms);
        Now { boot: BootInstant(self.now_ms), wall, slept: Span(self.slept_ms) }
    }

    /// One input and everything that follows from it; then the agent comes to rest.
    pub fn give(&mut self, input: Input) {
        let arrived = self.clock_now().boot;
        self.event(Event::Message { input, arrived });
    }

    fn event(&mut self, event: Event) {
        self.tell(event);
        let mut ticks = 0;
        while self.driver.deadline().is_some_and(|due| due.0 <= self.now_ms) {
            ticks += 1;
            assert!(ticks < MOST_TICKS, "the agent does not come to rest at {} ms", self.now_ms);
            self.tell(Event::Tick);
        }
    }

    fn agent(&self) -> &Agent {
        self.driver.agent().expect("an agent")
    }

    fn tell(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.driver.tell(event, self.clock_now(), self.now_ms, &mut actions);
        for action in actions {
            match action {
                Action::Send(request) => self.sent(request),
                Action::DropRequests | Action::Reconnect => self.flying.clear(),
                Action::Reply(CallId(call), _) => {
                    assert!(self.unanswered.remove(&call), "call {call} was answered twice");
                }
                Action::Store(_) | Action::Consent(_) => {}
                Action::Announce(_) | Action::Show(_) => {}
            }
        }
    }

    fn sent(&mut self, request: Request) {
        if self.own_bytes {
            let body = serde_json::from_str(&request.body).expect("a body is JSON");
            // A backend that knows no session says so only of a body that is valid.
            let judged = Backend::new().judge(&request.path, &body, 0);
            if let Planned::Answer { status: 207 | 400, body: why, .. } = judged.plan.outcome {
                panic!("{why}: {}", request.body);
            }
        }
        self.flying.push_back(request);
    }

    /// A call, which has its answer when the agent is at rest.
    pub fn call(&mut self, input: impl FnOnce(CallId) -> Input) {
        self.calls += 1;
        self.unanswered.insert(self.calls);
        self.give(input(CallId(self.calls)));
        assert!(self.unanswered.is_empty(), "call {} got no answer", self.calls);
    }

    /// What becomes of the oldest request on its way; `None` is what a healthy collector says.
    pub fn answer(&mut self, outcome: Option<Outcome>) {
        let Some(request) = self.flying.pop_front() else { return };
        let outcome = outcome.unwrap_or_else(|| {
            let opens = request.purpose == Purpose::Open;
            self.sids += u32::from(opens);
            Outcome::Answered {
                status: if opens { 201 } else { 204 },
                location: opens.then(|| format!("/api/v1/sessions/S{}", self.sids)),
                retry_after: None,
                body: String::new(),
            }
        });
        self.event(Event::Answer { request: request.id, outcome });
    }

    /// Time goes on; timers run when they are due, until the box has no time for them.
    pub fn pass(&mut self, span_ms: i64) {
        let until = self.now_ms + span_ms;
        for _ in 0..TICKS_A_SPAN {
            match self.driver.deadline() {
                Some(due) if due.0 < until => {
                    self.now_ms = due.0.max(self.now_ms);
                    self.event(Event::Tick);
                }
                _ => break,
            }
        }
        self.now_ms = until;
        self.event(Event::Tick);
    }

    /// The wall clock is set, and believed or not.
    pub fn clock(&mut self, trusted: bool, step_ms: i64) {
        self.wall_offset_ms += step_ms;
        self.trusted = trusted;
        self.give(Input::Clock { trusted });
    }

    /// The agent dies and comes back; the players of the bits of `present` are still there.
    pub fn crash(&mut self, present: usize) {
        self.flying.clear();
        let start = start(self.boots, self.trusted);
        self.driver.kill();
        self.driver.start(settings(), start, self.clock_now());
        self.recovered(present);
    }

    fn recovered(&mut self, present: usize) {
        let there = (0..PLAYERS).filter(|n| present >> n & 1 == 1);
        let present = there.map(|n| player(n).sender).collect();
        self.give(Input::Recovered { present });
    }

    /// The plug is pulled: what was not synced is gone, and everybody with it.
    pub fn power_cut(&mut self, trusted: bool) {
        self.driver.cut_power();
        self.wall_offset_ms += self.now_ms;
        self.now_ms = 0;
        self.boots += 1;
        self.trusted = trusted;
        self.crash(0);
    }

    /// A stop that was asked for writes everything: what comes back is what was there.
    pub fn come_back_whole(mut self) {
        self.tell(Event::Stop);
        let stored = self.driver.disk.store.load();
        let told = self.agent().sessions().filter(|(_, s)| !s.untracked).count();
        assert_eq!(stored.sessions.len(), told, "sessions that were stored");
        let again = Agent::new(settings(), stored, start(self.boots, true), self.clock_now());
        let shape = |agent: &Agent| -> Vec<_> {
            let tracked = agent.sessions().filter(|(_, s)| !s.untracked);
            // Positions come back to the last bit but one, which is as good.
            let of = |(n, s): (u32, &Session)| {
                let t = &s.tracker;
                (n, t.phase(), t.state(), t.in_ad(), t.media().id.clone(), s.interrupt, s.log)
            };
            tracked.map(of).collect()
        };
        assert_eq!(shape(&again), shape(self.agent()), "sessions came back as others");
        // A ping on its way is not repeated (behaviour.md 2.11).
        let (queued, flying) = (self.agent().delivery().queued(), self.flying.len() as u64);
        let back = again.delivery().queued();
        assert!(back <= queued && back + flying >= queued, "{queued} hits went, {back} came back");
    }
}
