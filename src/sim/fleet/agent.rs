//! One box with the shipped engine and core on it, as small as possible.

use std::collections::VecDeque;
use std::sync::Arc;

use super::store::Store;
use crate::core::clock::BootId;
use crate::core::delivery::Counters;
use crate::core::delivery::backoff::Rng;
use crate::core::dialect::Dialects;
use crate::core::dialect::exchange::{Outcome, Request, RequestId};
use crate::core::input::{Input, Target};
use crate::core::player::{EventSource, PlayerId};
use crate::core::record::{ConsentRecord, ConsentState, StoreState};
use crate::core::settings::Settings;
use crate::core::time::{BootInstant, Now, Span, WallTime};
use crate::core::tracker::event::EventName;
use crate::core::tracker::info::Info;
use crate::core::{Agent, StartInfo};
use crate::engine::{Action, ConsentDone, ConsentJob, Engine, Event};

/// What all boxes have in common.
#[derive(Debug, Clone)]
pub struct Common {
    pub settings: Arc<Settings>,
    /// The power of some of them is cut.
    pub power_cuts: bool,
    pub dialects: Dialects,
}

/// When a box was switched on, and what its clock says, in milliseconds of the fleet's time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    pub booted: i64,
    /// Wall time minus the fleet's time, as the box believes it.
    pub wall_offset: i64,
    pub trusted: bool,
}

/// Wall time minus the fleet's time, Unix time in milliseconds.
pub const TRUE_OFFSET: i64 = 1_700_000_000_000;

impl Clock {
    pub fn right(booted: i64) -> Clock {
        Clock { booted, wall_offset: TRUE_OFFSET, trusted: true }
    }

    /// A box without a clock of its own begins in 1970.
    pub fn unset(booted: i64) -> Clock {
        Clock { booted, wall_offset: -booted, trusted: false }
    }

    fn now(self, at: i64) -> Now {
        Now {
            boot: BootInstant(at - self.booted),
            wall: WallTime(at + self.wall_offset),
            slept: Span::ZERO,
        }
    }
}

#[derive(Debug)]
pub struct AgentBox {
    engine: Engine,
    store: Store,
    consent: ConsentRecord,
    pub clock: Clock,
    boots: u32,
    /// What earlier runs of the agent have counted.
    before: Counters,
}

/// The application that plays, and its connection to the bus.
const APP: &str = "tv.player";

fn player(boot: u32) -> PlayerId {
    PlayerId { sender: format!(":1.{boot}"), instance: "/player".into() }
}

impl AgentBox {
    /// A box with an empty store.
    pub fn new(common: &Common, clock: Clock, at: i64, seed: u64) -> AgentBox {
        let consent = ConsentRecord::first(Rng::new(seed).hex128());
        let store = Store::new(common.power_cuts);
        let engine = engine(common, &store, &consent, (clock, 1), at, seed);
        let before = Counters::default();
        let mut new = AgentBox { engine, store, consent, clock, boots: 1, before };
        // Nothing is to be sent yet.
        new.input(Input::Recovered { present: Vec::new() }, at, &mut Vec::new());
        new
    }

    /// The agent is started again on what its store holds. The player is still there.
    pub fn restart(&mut self, common: &Common, at: i64, seed: u64, sent: &mut Vec<Request>) {
        self.begin(common, vec![player(self.boots).sender], at, seed, sent);
    }

    /// The power was cut, and is back. What was not synced is lost, and so is the player.
    pub fn reboot(
        &mut self,
        common: &Common,
        clock: Clock,
        at: i64,
        seed: u64,
        sent: &mut Vec<Request>,
    ) {
        self.store.power_cut();
        self.clock = clock;
        self.boots += 1;
        self.begin(common, Vec::new(), at, seed, sent);
    }

    fn begin(
        &mut self,
        common: &Common,
        present: Vec<String>,
        at: i64,
        seed: u64,
        sent: &mut Vec<Request>,
    ) {
        self.before = self.counters();
        let boot = (self.clock, self.boots);
        self.engine = engine(common, &self.store, &self.consent, boot, at, seed);
        self.input(Input::Recovered { present }, at, sent);
    }

    /// A viewer begins to watch something, as the player says it.
    pub fn open(&mut self, info: Info, playhead: f64, at: i64, sent: &mut Vec<Request>) {
        let open = Input::Open {
            call: None,
            player: player(self.boots),
            source: EventSource::Signal,
            uid: Some(1000),
            app: APP.into(),
            playhead,
            info,
        };
        self.input(open, at, sent);
    }

    /// The player says something else. A negative playhead is "where it is".
    pub fn event(&mut self, name: EventName, info: Info, at: i64, sent: &mut Vec<Request>) {
        let target = Target::Player(player(self.boots));
        self.input(Input::Event { call: None, target, name, playhead: -1.0, info }, at, sent);
    }

    pub fn answer(&mut self, id: u64, outcome: Outcome, at: i64, sent: &mut Vec<Request>) {
        self.tell(Event::Answer { request: RequestId(id), outcome }, at, sent);
    }

    pub fn tick(&mut self, at: i64, sent: &mut Vec<Request>) {
        self.tell(Event::Tick, at, sent);
    }

    /// The agent is asked to stop.
    pub fn stop(&mut self, at: i64, sent: &mut Vec<Request>) {
        self.tell(Event::Stop, at, sent);
    }

    /// The clock is set right.
    pub fn set_clock(&mut self, at: i64, sent: &mut Vec<Request>) {
        (self.clock.wall_offset, self.clock.trusted) = (TRUE_OFFSET, true);
        self.tell(Event::Clock { trusted: true }, at, sent);
    }

    /// When the engine wants a tick, in the fleet's time.
    pub fn deadline(&self) -> Option<i64> {
        Some(self.engine.deadline()?.0.saturating_add(self.clock.booted))
    }

    /// What became of its reports since the box was new.
    pub fn counters(&self) -> Counters {
        let (a, b) = (self.before, self.engine.agent().delivery().counters);
        Counters {
            delivered: a.delivered + b.delivered,
            dropped: a.dropped + b.dropped,
            closed_by_server: a.closed_by_server + b.closed_by_server,
            over_limit: a.over_limit + b.over_limit,
            ambiguous_pings: a.ambiguous_pings + b.ambiguous_pings,
        }
    }

    /// Reports that wait.
    pub fn waiting(&self) -> u64 {
        self.engine.agent().delivery().queued()
    }

    fn input(&mut self, input: Input, at: i64, sent: &mut Vec<Request>) {
        let arrived = self.clock.now(at).boot;
        self.tell(Event::Message { input, arrived }, at, sent);
    }

    fn tell(&mut self, event: Event, at: i64, sent: &mut Vec<Request>) {
        let now = self.clock.now(at);
        let mut actions = VecDeque::from(self.engine.handle(event, now));
        while let Some(action) = actions.pop_front() {
            let done = match action {
                Action::Store(job) => Event::Store(self.store.work(&job)),
                Action::Consent(ConsentJob::Read) => {
                    Event::Consent(ConsentDone::Read(Ok(Some(self.consent.clone()))))
                }
                Action::Consent(ConsentJob::Write(record)) => {
                    self.consent = record;
                    Event::Consent(ConsentDone::Written(Ok(())))
                }
                Action::Send(request) => {
                    sent.push(request);
                    continue;
                }
                Action::Reconnect
                | Action::DropRequests
                | Action::Reply(..)
                | Action::Announce(_)
                | Action::Show(_) => continue,
            };
            actions.extend(self.engine.handle(done, now));
        }
    }
}

fn engine(
    common: &Common,
    store: &Store,
    consent: &ConsentRecord,
    (clock, boots): (Clock, u32),
    at: i64,
    seed: u64,
) -> Engine {
    let boot = format!("boot-{boots}");
    let start = StartInfo {
        boot: BootId(boot.clone()),
        bus: boot,
        clock_trusted: clock.trusted,
        online: true,
        seed,
        dialects: common.dialects.clone(),
        consent: consent.clone(),
        unread: false,
    };
    let now = clock.now(at);
    let agent = Agent::new(Settings::clone(&common.settings), store.load(), start, now);
    Engine::new(agent, StoreState::Works, ConsentState::Saved, now)
}
