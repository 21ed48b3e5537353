//! The simulated box: clocks, players, network, power, and one agent at a time.

use std::collections::BTreeMap;

use super::backend::{Outcome as Planned, Plan, answered};
use super::driver::{Driver, start_info};
use super::timeline::{Line, What};
use super::{Collectors, Exchange, Options};
use crate::core::StartInfo;
use crate::core::dialect::exchange::{Cause, Outcome, Problem, Purpose, Request, RequestId};
use crate::core::input::{Input, Target};
use crate::core::player::{EventSource, PlayerId};
use crate::core::time::{BootInstant, Now, WallTime};
use crate::core::tracker::event::EventName;
use crate::engine::{Action, Event};

/// The wall clock at the start of a timeline that does not begin with `Boot`, Unix time in ms.
const DEFAULT_UNIX_MS: i64 = 1_700_000_000_000;
/// How long the run goes on after the last line (behaviour.md 4).
const AFTERWARDS_MS: i64 = 3_600_000;
/// How long the collector takes to answer: for a session or a batch, and for an event.
const SESSION_DELAY_MS: i64 = 100;
const EVENT_DELAY_MS: i64 = 20;
/// The time that `Sleep` and `Stop` leave for delivery.
const STOP_DELIVERY_MS: i64 = 2_000;
/// More turns than this at one instant is a loop in the agent.
const MOST_TURNS: u32 = 100_000;

struct PendingAnswer {
    request: RequestId,
    /// Its line in the output.
    index: usize,
    status: Option<u16>,
    sid: Option<String>,
    outcome: Outcome,
}

/// A player's connection to the bus.
struct Connection {
    /// Which of this player's connections it is, from 0.
    number: u32,
    /// As the bus would name it.
    unique: String,
}

impl Connection {
    fn of(from: &str, number: u32) -> Connection {
        Connection { number, unique: format!(":{from}.{number}") }
    }
}

/// What the world waits for.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// The store is done with a job.
    Store,
    /// A request is answered.
    Answer,
    /// An agent that was down comes back.
    Return,
    Line,
    Tick,
}

pub(super) struct World<'a> {
    lines: std::iter::Peekable<std::slice::Iter<'a, Line>>,
    options: Options,
    until: i64,
    /// Milliseconds on the timeline.
    now: i64,
    /// When the present boot began.
    booted: i64,
    boots: u32,
    /// Wall time minus timeline, as the box shows it and as it truly is.
    wall_offset: i64,
    true_offset: i64,
    trusted: bool,
    network: bool,
    /// What the network manager says.
    online: bool,
    driver: Driver,
    collectors: Collectors,
    /// When an agent that is down comes back.
    returns: Option<i64>,
    /// Asleep: nothing runs from here on until `Wake`.
    asleep_from: Option<i64>,
    stops_at: Option<i64>,
    flying: BTreeMap<(i64, u64), PendingAnswer>,
    /// The present connection of each player.
    connections: BTreeMap<String, Connection>,
    output: Vec<Exchange>,
    turns: u32,
}

impl<'a> World<'a> {
    pub fn new(lines: &'a [Line], options: Options, collectors: Collectors) -> World<'a> {
        let last = lines.last().map_or(0, |line| line.at_ms);
        let until = options.until_ms.unwrap_or(last + AFTERWARDS_MS);
        World {
            lines: lines.iter().peekable(),
            options,
            until,
            now: 0,
            booted: 0,
            boots: 1,
            wall_offset: DEFAULT_UNIX_MS,
            true_offset: DEFAULT_UNIX_MS,
            trusted: true,
            network: true,
            online: true,
            driver: Driver::default(),
            collectors,
            returns: None,
            asleep_from: None,
            stops_at: None,
            flying: BTreeMap::new(),
            connections: BTreeMap::new(),
            output: Vec::new(),
            turns: 0,
        }
    }

    pub fn run(mut self) -> Vec<Exchange> {
        if let Some(Line { what: What::Boot { unix_ms, trusted }, at_ms: 0 }) =
            self.lines.peek().copied()
        {
            (self.wall_offset, self.true_offset) = (*unix_ms, *unix_ms);
            self.trusted = *trusted;
            self.lines.next();
        }
        self.start();
        while let Some((at, next)) = self.next() {
            if at > self.until || self.stops_at.is_some_and(|stop| at > stop) {
                break;
            }
            self.turns = if at > self.now { 0 } else { self.turns + 1 };
            assert!(self.turns < MOST_TURNS, "the agent does not come to rest at {at} ms");
            self.now = at;
            self.turn(next);
        }
        self.output
    }

    fn frozen(&self) -> bool {
        self.asleep_from.is_some_and(|from| self.now > from)
    }

    /// When the agent wants a tick, if it can have one.
    fn tick_at(&self) -> Option<i64> {
        let deadline = self.driver.deadline()?;
        let at = deadline.0.saturating_add(self.booted).max(self.now);
        match self.asleep_from {
            Some(from) if at > from => None,
            _ => Some(at),
        }
    }

    fn answer_at(&self) -> Option<i64> {
        let at = self.flying.keys().next()?.0;
        match self.asleep_from {
            Some(from) if at > from => None,
            _ => Some(at.max(self.now)),
        }
    }

    /// What happens next, and when. At one instant: answers of the store and of the collector, then
    /// lines, then timers (behaviour.md 2.11).
    fn next(&mut self) -> Option<(i64, Next)> {
        let line = self.lines.peek().map(|line| line.at_ms);
        let due = [
            (self.driver.store_done_at(), Next::Store),
            (self.answer_at(), Next::Answer),
            (self.returns, Next::Return),
            (line, Next::Line),
            (self.tick_at(), Next::Tick),
        ];
        let due = due.into_iter().filter_map(|(at, next)| Some((at?.max(self.now), next)));
        due.min_by_key(|(at, _)| *at)
    }

    fn turn(&mut self, next: Next) {
        match next {
            Next::Store => {
                let mut actions = Vec::new();
                self.driver.store_done(self.clock(), self.now, &mut actions);
                self.carry_out(actions);
            }
            Next::Answer => self.answer(),
            Next::Return => {
                self.returns = None;
                self.start();
            }
            Next::Line => {
                // Lines are finite, so they cannot be an endless loop.
                self.turns = 0;
                if let Some(line) = self.lines.next() {
                    self.line(&line.what);
                }
            }
            Next::Tick => self.tell(Event::Tick),
        }
    }

    fn clock(&self) -> Now {
        Now {
            boot: BootInstant(self.now - self.booted),
            wall: WallTime(self.now + self.wall_offset),
        }
    }

    /// Starts the agent on what the store holds.
    fn start(&mut self) {
        let seed = self.options.seed.wrapping_add(self.now as u64);
        let start = StartInfo {
            clock_trusted: self.trusted,
            online: self.online,
            dialects: self.collectors.dialects.clone(),
            ..start_info(&format!("boot-{}", self.boots), seed)
        };
        let settings = self.options.config.settings.clone();
        self.driver.start(settings, start, self.clock());
        let present = self.connections.values().map(|c| c.unique.clone()).collect();
        self.give(Input::Recovered { present });
    }

    /// Gives the agent an input that arrives now.
    fn give(&mut self, input: Input) {
        let arrived = self.clock().boot;
        self.tell(Event::Message { input, arrived });
    }

    fn tell(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.driver.tell(event, self.clock(), self.now, &mut actions);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(request) => self.send(request),
                // The agent ignores the answer to a request that it dropped. No connection is
                // simulated.
                Action::DropRequests
                | Action::Reconnect
                | Action::Store(_)
                | Action::Consent(_)
                | Action::Reply(..)
                | Action::Announce(_)
                | Action::Show(_) => {}
            }
        }
    }

    fn send(&mut self, request: Request) {
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap_or_default();
        let path = request.path.clone();
        let collector = &self.options.config.collector;
        let timeout = collector.timeout.as_millis() as i64;
        let refused = || {
            let problem = Problem::new(Cause::Refused, "connection refused");
            (Outcome::Unreachable(problem), None, None)
        };
        let (delay, (outcome, status, sid)) = if self.network {
            let model = self.collectors.models.get_mut(&*request.collector);
            let Plan { sid, outcome } = match model {
                Some(model) => model.arrive(&path, &body, self.now + self.true_offset),
                None => Plan { sid: None, outcome: Planned::Hang },
            };
            let usual = match request.purpose {
                Purpose::Report { .. } => EVENT_DELAY_MS,
                _ => SESSION_DELAY_MS,
            };
            let lost =
                |why: &str| (Outcome::Unanswered(Problem::new(Cause::TimedOut, why)), None, None);
            match outcome {
                Planned::Answer { status, headers, body, delay_ms } => {
                    let delay = delay_ms.map_or(usual, |d| d as i64);
                    match delay >= timeout {
                        true => (timeout, lost("timed out")),
                        false => (delay, (answered(status, &headers, body), Some(status), sid)),
                    }
                }
                Planned::Hang => (timeout, lost("timed out")),
                Planned::DropAfterSend => (usual, lost("connection lost")),
            }
        } else {
            (collector.connect_timeout.as_millis() as i64, refused())
        };
        let to_sid = match &request.purpose {
            Purpose::Report { sid } => Some(sid.clone()),
            _ => None,
        };
        let index = self.output.len();
        self.output.push(Exchange {
            at: seconds(self.now),
            method: "POST",
            path,
            body,
            status: None,
            sid: to_sid.clone(),
            answered: seconds(self.now + delay),
            collector: self.beside_the_first(&request.collector),
        });
        let flying =
            PendingAnswer { request: request.id, index, status, sid: to_sid.or(sid), outcome };
        self.flying.insert((self.now + delay, index as u64), flying);
    }

    fn beside_the_first(&self, name: &str) -> Option<String> {
        let first = self.options.config.settings.collectors.first();
        first.is_none_or(|first| first.name != name).then(|| name.to_owned())
    }

    fn answer(&mut self) {
        let Some((_, flying)) = self.flying.pop_first() else { return };
        let line = &mut self.output[flying.index];
        line.status = flying.status;
        line.sid = flying.sid;
        line.answered = seconds(self.now);
        self.tell(Event::Answer { request: flying.request, outcome: flying.outcome });
    }

    fn line(&mut self, what: &What) {
        match what {
            What::Playback { from, name, playhead, info } => {
                if self.driver.agent().is_none() || self.frozen() {
                    return;
                }
                let sender = match self.connections.get(from) {
                    Some(connection) => connection.unique.clone(),
                    None => {
                        let first = Connection::of(from, 0);
                        self.connections.entry(from.clone()).or_insert(first).unique.clone()
                    }
                };
                let player = PlayerId { sender, instance: "/player".into() };
                let (playhead, info) = (*playhead, info.clone());
                self.give(match name {
                    EventName::SessionStart => Input::Open {
                        call: None,
                        player,
                        source: EventSource::Signal,
                        uid: None,
                        app: from.clone(),
                        playhead,
                        info,
                    },
                    name => Input::Event {
                        call: None,
                        target: Target::Player(player),
                        name: *name,
                        playhead,
                        info,
                    },
                });
            }
            What::Lifecycle { app, state } if !self.frozen() => {
                self.give(Input::Lifecycle { call: None, app: app.clone(), state: *state });
            }
            What::Lifecycle { .. } => {}
            What::PlayerVanished { from } => {
                if let Some(connection) = self.connections.get_mut(from) {
                    let sender = connection.unique.clone();
                    *connection = Connection::of(from, connection.number + 1);
                    self.give(Input::PlayerGone { sender });
                }
            }
            What::AgentCrash { down_ms } => self.die(*down_ms),
            What::PowerLoss { down_ms, unix_ms, trusted } => {
                self.driver.cut_power();
                self.die(*down_ms);
                for (from, connection) in &mut self.connections {
                    *connection = Connection::of(from, connection.number + 1);
                }
                self.boots += 1;
                self.booted = self.now + down_ms;
                self.wall_offset = unix_ms.map_or(self.true_offset, |unix| unix - self.booted);
                self.trusted = *trusted;
                self.asleep_from = None;
            }
            What::Network { online, silent } => {
                self.network = *online;
                if !silent {
                    self.online = *online;
                    self.give(Input::Network { online: *online });
                }
            }
            What::Sleep => {
                self.give(Input::Sleep);
                self.asleep_from = Some(self.now + STOP_DELIVERY_MS);
            }
            What::Wake => {
                self.asleep_from = None;
                self.give(Input::Wake);
            }
            What::ClockSet { unix_ms, trusted } => {
                self.wall_offset = unix_ms - self.now;
                self.trusted = *trusted;
                self.give(Input::Clock { trusted: *trusted });
            }
            What::Consent(consent) => {
                self.give(Input::SetConsent { call: None, consent: *consent });
            }
            What::Collector(rules) => {
                for model in self.collectors.models.values_mut() {
                    model.set_rules(rules.clone());
                }
            }
            What::Disk(fault) => self.driver.disk.fault = *fault,
            What::Stop => {
                self.tell(Event::Stop);
                self.stops_at = Some(self.now + STOP_DELIVERY_MS);
            }
            What::Boot { .. } => {}
        }
    }

    /// Kills the agent. Its requests under way are never answered.
    fn die(&mut self, down_ms: i64) {
        self.driver.kill();
        self.returns = Some(self.now + down_ms);
        for flying in std::mem::take(&mut self.flying).into_values() {
            self.output[flying.index].answered = seconds(self.now);
        }
    }
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
