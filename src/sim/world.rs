//! The simulated box: clocks, players, network, power, and one agent at a time.

mod lines;

use std::collections::BTreeMap;

use super::backend::{Outcome as Planned, Plan, answered};
use super::bus::Bus;
use super::driver::{Driver, start_info};
use super::mpris::{Clocks, MprisWorld};
use super::timeline::{Line, What};
use super::{Collectors, Exchange, Options};
use crate::core::StartInfo;
use crate::core::dialect::exchange::{Cause, Outcome, Problem, Purpose, Request, RequestId};
use crate::core::input::Input;
use crate::core::time::{BootInstant, Now, Span, WallTime};
use crate::core::turn::Notice;
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

/// What the world waits for.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// The store is done with a job.
    Store,
    /// A request is answered.
    Answer,
    /// A player of MPRIS answers.
    PlayerAnswer,
    /// An agent that was down comes back.
    Return,
    Line,
    /// What players of MPRIS said has settled, or they are asked.
    Players,
    /// The agent is told how much was dropped.
    Count,
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
    /// Nobody has announced that sleep, so the agent hears what came meanwhile only afterwards.
    unannounced: bool,
    missed: Vec<Input>,
    /// Since when the box sleeps, and for how long it slept before, in ms.
    sleeps_since: Option<i64>,
    slept: i64,
    mpris: MprisWorld,
    stops_at: Option<i64>,
    flying: BTreeMap<(i64, u64), PendingAnswer>,
    bus: Bus,
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
            unannounced: false,
            missed: Vec::new(),
            sleeps_since: None,
            slept: 0,
            mpris: MprisWorld::default(),
            stops_at: None,
            flying: BTreeMap::new(),
            bus: Bus::default(),
            output: Vec::new(),
            turns: 0,
        }
    }

    /// Runs the whole timeline. Gives what it has sent.
    pub fn run(mut self) -> Vec<Exchange> {
        self.run_to_the_end();
        self.output
    }

    fn run_to_the_end(&mut self) {
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
    }

    fn frozen(&self) -> bool {
        self.asleep_from.is_some_and(|from| self.now > from)
    }

    /// When the agent wants a tick, if it can have one.
    fn tick_at(&self) -> Option<i64> {
        self.awake_at(self.driver.deadline()?)
    }

    /// An instant on the timeline; `None` while the box is asleep.
    fn awake_at(&self, instant: BootInstant) -> Option<i64> {
        self.awake(instant.0.saturating_add(self.booted))
    }

    /// A time on the timeline, if the box is awake then.
    fn awake(&self, at: i64) -> Option<i64> {
        let at = at.max(self.now);
        self.asleep_from.is_none_or(|from| at <= from).then_some(at)
    }

    fn answer_at(&self) -> Option<i64> {
        self.awake(self.flying.keys().next()?.0)
    }

    fn clocks(&self) -> Clocks {
        let awake = self.now - self.slept_until_now();
        Clocks { now: self.now, clock: self.clock(), awake }
    }

    fn slept_until_now(&self) -> i64 {
        self.slept + self.sleeps_since.map_or(0, |since| self.now - since)
    }

    /// Gives the agent what has followed from what players of MPRIS did.
    fn hear_players(&mut self) {
        loop {
            let inputs = self.mpris.take(self.clocks());
            if inputs.is_empty() {
                return;
            }
            for (input, arrived) in inputs {
                self.tell(Event::Message { input, arrived });
            }
        }
    }

    /// What happens next, and when. At one instant: answers of the store and of the collector, then
    /// lines, then timers (behaviour.md 2.11).
    fn next(&mut self) -> Option<(i64, Next)> {
        let line = self.lines.peek().map(|line| line.at_ms);
        let due = [
            (self.driver.store_done_at(), Next::Store),
            (self.answer_at(), Next::Answer),
            (self.mpris.answer_at().and_then(|at| self.awake(at)), Next::PlayerAnswer),
            (self.returns, Next::Return),
            (line, Next::Line),
            (self.mpris.deadline().and_then(|at| self.awake_at(at)), Next::Players),
            (self.bus.count_at().and_then(|at| self.awake_at(at)), Next::Count),
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
            Next::PlayerAnswer => self.mpris.answer(self.clocks()),
            Next::Players => self.mpris.tick(self.clocks()),
            Next::Count => {
                let counted = self.bus.count(self.clock().boot);
                self.give(counted);
            }
            Next::Tick => self.tell(Event::Tick),
        }
        self.hear_players();
    }

    fn clock(&self) -> Now {
        Now {
            boot: BootInstant(self.now - self.booted),
            wall: WallTime(self.now + self.wall_offset),
            slept: Span(self.slept_until_now()),
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
        let mut present = self.bus.agent_starts();
        if let Some(agent) = self.driver.agent().filter(|_| self.options.config.mpris.enabled) {
            let config = &self.options.config;
            self.mpris.start(&config.mpris, &config.settings.limits, agent, self.clocks());
            present.extend(self.mpris.present());
        }
        self.give(Input::Recovered { present });
        self.hear_players();
    }

    /// Gives the agent an input that arrives now.
    fn give(&mut self, input: Input) {
        if self.unannounced {
            return self.missed.push(input);
        }
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
                Action::Announce(Notice::ReadAgain(owner, position)) => {
                    self.mpris.read_again(&owner, position, self.clocks());
                }
                Action::Announce(_) => {}
                // The agent ignores the answer to a request that it dropped. No connection is
                // simulated.
                Action::DropRequests
                | Action::Reconnect
                | Action::Store(_)
                | Action::Consent(_)
                | Action::Reply(..)
                | Action::Show(_) => {}
            }
        }
    }

    fn send(&mut self, request: Request) {
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap_or_default();
        let path = request.path.clone();
        let to_sid = self.session(&request, &body);
        let all = &self.options.config.collectors;
        let collector = all.iter().find(|c| c.name == *request.collector).unwrap_or(&all[0]);
        let timeout = collector.timeout.as_millis() as i64;
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
            let problem = Problem::new(Cause::Refused, "connection refused");
            let refused = Outcome::Unreachable(problem);
            (collector.connect_timeout.as_millis() as i64, (refused, None, None))
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

    /// The label of the session that a request is for.
    fn session(&self, request: &Request, body: &serde_json::Value) -> Option<String> {
        let sid = match &request.purpose {
            Purpose::Report { sid } => Some(sid.as_str()),
            _ => None,
        };
        match self.collectors.models.get(&*request.collector) {
            Some(model) => model.session(&request.path, body, sid),
            None => sid.map(str::to_owned),
        }
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
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::sim::backend::Backend;
    use crate::sim::timeline;

    /// `RejectedEvents` after a timeline.
    fn rejected(text: &str, until_ms: i64) -> u64 {
        let lines = timeline::parse("f", text).expect("a timeline");
        let config = Config::from_overrides(&[]).expect("a configuration");
        let name = config.settings.collectors[0].name.clone();
        let models = BTreeMap::from([(name, Box::new(Backend::new()) as Box<_>)]);
        let collectors = Collectors { dialects: Default::default(), models };
        let options = Options { config, until_ms: Some(until_ms), seed: 0 };
        let mut world = World::new(&lines, options, collectors);
        world.run_to_the_end();
        world.driver.agent().expect("an agent").status().rejected_events
    }

    #[test]
    fn what_a_burst_loses_is_counted_a_second_later() {
        let burst = "{\"at\":2,\"event\":\"Playhead\",\"playhead\":1}\n".repeat(230);
        // No session is open, so those that pass are refused one by one.
        assert_eq!(rejected(&burst, 2_999), 200);
        assert_eq!(rejected(&burst, 3_000), 230);
        let managers = "{\"at\":2,\"event\":\"Stopped\",\"app\":\"a\"}\n".repeat(201);
        assert_eq!(rejected(&managers, 3_000), 1);
        let dies = format!("{burst}{{\"at\":2.5,\"event\":\"AgentCrash\",\"down_s\":0}}");
        assert_eq!(rejected(&dies, 4_000), 0, "nobody has told it");
        let asleep = "{\"at\":1.5,\"event\":\"Sleep\"}\n{\"at\":60,\"event\":\"Wake\"}";
        let (sleep, wake) = asleep.split_once('\n').expect("two lines");
        let late = burst.replace(":2,", ":3,");
        assert_eq!(rejected(&format!("{sleep}\n{late}{wake}"), 59_999), 200);
        assert_eq!(rejected(&format!("{sleep}\n{late}{wake}"), 60_000), 230);
    }
}
