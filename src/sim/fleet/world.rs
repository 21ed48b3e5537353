//! A fleet: many boxes, one queue of events, one collector.

use super::Way;
use super::agent::{AgentBox, Clock, Common};
use super::collector::{Arrival, Collector};
use super::figures::{Counted, Ends, Figures, Times};
use super::hit::{self, Hit, Reply, Viewing};
use super::queue::Queue;
use super::scenarios::{Change, Scenario};
use super::sdk::{Lost, Policy, Sdk};
use super::viewer::{self, Step, Viewer};
use crate::core::delivery::backoff::Rng;
use crate::core::dialect::exchange::Request;
use crate::core::time::Span;
use crate::core::tracker::event::EventName;

/// A connection that nobody uses is closed after this, as by the collector's client (30 s).
const IDLE_CONNECTION: i64 = 30_000;
/// How long a connection to a network that is gone is waited for, in ms.
const NO_NETWORK: i64 = 5_000;
/// More turns of one box at one instant is a loop in the agent.
const MOST_TURNS: u32 = 10_000;
/// How long a daemon takes to stop and to start again, in ms.
const RESTART: i64 = 1_000;

#[derive(Debug)]
enum What {
    Tick(u32),
    Answer {
        at: u32,
        life: u16,
        request: u64,
        reply: Reply,
    },
    /// The next thing that a viewer does; void if it was meant for another turn.
    Viewer {
        at: u32,
        turn: u16,
    },
    Step {
        at: u32,
        step: Step,
    },
    Change(Change),
}

#[derive(Debug)]
enum Reporter {
    /// Nothing was watched there yet, so nothing runs.
    None,
    Agent(Box<AgentBox>),
    Sdk(Box<Sdk>),
}

#[derive(Debug)]
struct FleetBox {
    reporter: Reporter,
    viewer: Viewer,
    /// When its next tick is due.
    tick_at: i64,
    /// Which run of the program it is: answers to an earlier one go nowhere.
    life: u16,
    /// Open connections: since when each is unused.
    idle: Vec<i64>,
    link: bool,
    powered: bool,
    booted: i64,
}

pub(super) struct World<'a> {
    scenario: &'a Scenario,
    way: Way,
    seed: u64,
    common: Common,
    boxes: Vec<FleetBox>,
    queue: Queue<What>,
    collector: Collector,
    counted: Counted,
    /// When each viewing began.
    viewings: Vec<i64>,
    now: i64,
    chance: Rng,
    requests: Vec<Request>,
}

impl<'a> World<'a> {
    pub fn new(scenario: &'a Scenario, way: Way, common: Common, seed: u64) -> World<'a> {
        let times = Times {
            begins: scenario.begins_s * 1000,
            over: scenario.over_s * 1000,
            ends: scenario.ends_s * 1000,
        };
        let mut chance = Rng::new(seed);
        let boxes = (0..scenario.boxes).map(|_| FleetBox {
            reporter: Reporter::None,
            viewer: Viewer::new(chance.number()),
            tick_at: i64::MAX,
            life: 0,
            idle: Vec::new(),
            link: true,
            powered: true,
            booted: -chance.up_to(Span::seconds(10 * 86_400)).0 - 3_600_000,
        });
        World {
            boxes: boxes.collect(),
            scenario,
            way,
            seed,
            common,
            queue: Queue::default(),
            collector: Collector::new(scenario.steady(), seed),
            counted: Counted::new(times),
            viewings: Vec::new(),
            now: 0,
            chance: Rng::new(seed ^ 0x5eed),
            requests: Vec::new(),
        }
    }

    /// Runs the scenario. Gives what was counted, and what follows from it.
    pub fn run(mut self) -> (Counted, Figures) {
        for at in 0..self.boxes.len() as u32 {
            let first = self.boxes[at as usize].viewer.first(self.scenario);
            self.expect_viewer(at, first);
        }
        for (at, change) in &self.scenario.moments {
            self.queue.put(at * 1000, What::Change(*change));
        }
        let end = self.counted.times.ends;
        while let Some((at, what)) = self.queue.next().filter(|(at, _)| *at < end) {
            self.now = at;
            self.turn(what);
        }
        let ends = self.ends();
        let figures = self.counted.figures(self.scenario.steady(), ends);
        (self.counted, figures)
    }

    fn turn(&mut self, what: What) {
        match what {
            What::Tick(at) => {
                let of = &mut self.boxes[at as usize];
                if of.tick_at == self.now {
                    of.tick_at = i64::MAX;
                    self.settle(at);
                }
            }
            What::Answer { at, life, request, reply } => {
                let of = &mut self.boxes[at as usize];
                if of.life != life {
                    return;
                }
                match &mut of.reporter {
                    Reporter::Agent(agent) => {
                        agent.answer(request, reply.outcome(), self.now, &mut self.requests);
                    }
                    Reporter::Sdk(sdk) => sdk.answer(request, reply, self.now),
                    Reporter::None => {}
                }
                if !matches!(reply, Reply::Unreachable | Reply::Unanswered) {
                    of.idle.push(self.now);
                }
                self.settle(at);
            }
            What::Viewer { at, turn } => {
                if self.boxes[at as usize].viewer.turn == turn {
                    match self.boxes[at as usize].viewer.watches {
                        Some(_) => self.end_viewing(at),
                        None => self.begin_viewing(at),
                    }
                }
            }
            What::Step { at, step } => self.step(at, step),
            What::Change(change) => self.change(change),
        }
    }

    fn expect_viewer(&mut self, at: u32, when: Option<i64>) {
        let turn = self.boxes[at as usize].viewer.turn;
        if let Some(when) = when {
            self.queue.put(when, What::Viewer { at, turn });
        }
    }

    fn begin_viewing(&mut self, at: u32) {
        let viewing = self.viewings.len() as Viewing;
        self.viewings.push(self.now);
        self.run_program(at);
        let of = &mut self.boxes[at as usize];
        match &mut of.reporter {
            Reporter::Agent(agent) => {
                let info = viewer::media_info(&hit::media_id(viewing));
                agent.open(info, 0.0, self.now, &mut self.requests);
                let nothing = Default::default();
                agent.event(EventName::Play, nothing, self.now, &mut self.requests);
            }
            Reporter::Sdk(sdk) => sdk.begin(viewing, self.now),
            Reporter::None => {}
        }
        let next = of.viewer.begins(viewing, self.now, self.scenario);
        self.expect_viewer(at, next);
        self.settle(at);
    }

    fn end_viewing(&mut self, at: u32) {
        let of = &mut self.boxes[at as usize];
        match &mut of.reporter {
            Reporter::Agent(agent) => {
                let nothing = Default::default();
                agent.event(EventName::End, nothing, self.now, &mut self.requests);
            }
            Reporter::Sdk(sdk) => sdk.end(self.now),
            Reporter::None => {}
        }
        let next = of.viewer.ends(self.now, self.scenario);
        self.expect_viewer(at, next);
        self.settle(at);
    }

    /// Starts what reports, where nothing does yet.
    fn run_program(&mut self, at: u32) {
        let seed = self.seed.wrapping_mul(0x9e37_79b9).wrapping_add(u64::from(at));
        let foreign = f64::from(at % 1000) < self.scenario.foreign * 1000.0;
        let of = &mut self.boxes[at as usize];
        if matches!(of.reporter, Reporter::None) {
            of.reporter = match self.way {
                _ if foreign => Reporter::Sdk(Box::new(Sdk::new(Policy::AtOnce, seed))),
                Way::Ours => {
                    let clock = Clock::right(of.booted);
                    Reporter::Agent(Box::new(AgentBox::new(&self.common, clock, self.now, seed)))
                }
                Way::Other(policy) => Reporter::Sdk(Box::new(Sdk::new(policy, seed))),
            };
        }
    }

    fn step(&mut self, at: u32, step: Step) {
        let now = self.now;
        let seed = self.chance.number();
        let of = &mut self.boxes[at as usize];
        let requests = &mut self.requests;
        match (step, &mut of.reporter) {
            (Step::Zap, _) if of.viewer.watches.is_some() => {
                of.viewer.turn += 1;
                self.end_viewing(at);
                self.boxes[at as usize].viewer.turn += 1;
                return self.begin_viewing(at);
            }
            (Step::Ad(event), reporter) if of.viewer.watches.is_some() => match reporter {
                Reporter::Agent(agent) => {
                    let (name, info) = event.said();
                    agent.event(name, info, now, requests);
                }
                Reporter::Sdk(sdk) => sdk.event(event.in_ad(), now),
                Reporter::None => {}
            },
            (Step::Stop, Reporter::Agent(agent)) => agent.stop(now, requests),
            (Step::Restart, Reporter::Agent(agent)) => {
                of.life += 1;
                of.idle.clear();
                agent.restart(&self.common, now, seed, requests);
            }
            // The update of a client is one of its application, which goes on where it was.
            (Step::Restart, Reporter::Sdk(sdk)) => {
                of.life += 1;
                of.idle.clear();
                sdk.die();
                if let Some(viewing) = of.viewer.watches {
                    sdk.begin(viewing, now);
                }
            }
            (Step::Boot, reporter) => {
                (of.powered, of.link, of.booted) = (true, false, now);
                if let Reporter::Agent(agent) = reporter {
                    agent.reboot(&self.common, Clock::unset(now), now, seed, requests);
                }
            }
            (Step::LinkUp, _) => of.link = true,
            (Step::ClockSet, Reporter::Agent(agent)) => agent.set_clock(now, requests),
            _ => return,
        }
        self.settle(at);
    }

    fn change(&mut self, change: Change) {
        let all = self.boxes.len() as u32;
        let first = |share: f64| 0..(f64::from(all) * share) as u32;
        match change {
            Change::Collector(mode) => self.collector.mode = mode,
            Change::Link { share, up } => {
                for at in first(share) {
                    self.boxes[at as usize].link = up;
                    self.boxes[at as usize].idle.clear();
                }
            }
            Change::PowerCut { share } => first(share).for_each(|at| self.cut_power(at)),
            Change::PowerBack => {
                for at in 0..all {
                    if !self.boxes[at as usize].powered {
                        self.power_back(at);
                    }
                }
            }
            Change::Restart { within_s } => {
                for at in 0..all {
                    let when = self.now + self.chance.up_to(Span(within_s * 1000 - RESTART)).0;
                    self.queue.put(when, What::Step { at, step: Step::Stop });
                    self.queue.put(when + RESTART, What::Step { at, step: Step::Restart });
                }
            }
            Change::Zap { share } => {
                for at in first(share) {
                    let when = self.now + self.chance.up_to(Span::seconds(10)).0;
                    self.queue.put(when, What::Step { at, step: Step::Zap });
                }
            }
            Change::Ads { share, within_ms } => {
                for at in first(share) {
                    let begin = self.now + self.chance.up_to(Span(within_ms)).0;
                    for (after, event) in viewer::ad_break() {
                        let step = Step::Ad(event);
                        self.queue.put(begin + after, What::Step { at, step });
                    }
                }
            }
        }
    }

    fn cut_power(&mut self, at: u32) {
        let of = &mut self.boxes[at as usize];
        of.viewer.power_cut();
        (of.powered, of.link, of.tick_at) = (false, false, i64::MAX);
        of.life += 1;
        of.idle.clear();
        if let Reporter::Sdk(sdk) = &mut of.reporter {
            sdk.die();
        }
    }

    /// The power is back: boxes boot within three minutes, have a network some time later, and know the
    /// time after that. Most of those who watched go on.
    fn power_back(&mut self, at: u32) {
        let mut within =
            |from: i64, to: i64| from * 1000 + self.chance.up_to(Span((to - from) * 1000)).0;
        let boot = self.now + within(0, 180);
        let link = boot + within(5, 60);
        let clock = link + within(1, 60);
        let watch = boot + within(20, 300);
        for (when, step) in [(boot, Step::Boot), (link, Step::LinkUp), (clock, Step::ClockSet)] {
            self.queue.put(when, What::Step { at, step });
        }
        let next = self.boxes[at as usize].viewer.power_back(watch, self.scenario);
        self.expect_viewer(at, next);
    }

    /// Has a box do all that is due, carries out what it sends, and notes when it wants to be asked.
    fn settle(&mut self, at: u32) {
        for turn in 0.. {
            assert!(turn < MOST_TURNS, "box {at} does not come to rest at {} ms", self.now);
            self.send_all(at);
            let of = &mut self.boxes[at as usize];
            if !of.powered {
                return;
            }
            let due = match &of.reporter {
                Reporter::Agent(agent) => agent.deadline(),
                Reporter::Sdk(sdk) => sdk.deadline(),
                Reporter::None => None,
            };
            match due {
                None => return,
                Some(due) if due > self.now => {
                    if due < of.tick_at {
                        of.tick_at = due;
                        self.queue.put(due, What::Tick(at));
                    }
                    return;
                }
                Some(_) => {}
            }
            match &mut of.reporter {
                Reporter::Agent(agent) => agent.tick(self.now, &mut self.requests),
                Reporter::Sdk(sdk) => {
                    if let Some(hit) = sdk.tick(self.now) {
                        self.send(at, hit);
                    }
                }
                Reporter::None => {}
            }
        }
    }

    fn send_all(&mut self, at: u32) {
        let mut requests = std::mem::take(&mut self.requests);
        for request in requests.drain(..) {
            if let Some(hit) = Hit::of(&request) {
                self.send(at, hit);
            }
        }
        self.requests = requests;
    }

    fn send(&mut self, at: u32, hit: Hit) {
        let now = self.now;
        let of = &mut self.boxes[at as usize];
        let arrival = if of.link {
            let new = loop {
                match of.idle.pop() {
                    Some(since) if now - since < IDLE_CONNECTION => break false,
                    Some(_) => {}
                    None => break true,
                }
            };
            self.collector.arrive(&hit, new, now)
        } else {
            Arrival::unreachable(now + NO_NETWORK)
        };
        let began = arrival.viewing.and_then(|viewing| self.viewings.get(viewing as usize));
        let fresh = began.is_some_and(|began| *began >= self.counted.times.over);
        self.counted.count(&hit, &arrival, now, fresh);
        let (life, request, reply) = (of.life, hit.request, arrival.reply);
        self.queue.put(arrival.at, What::Answer { at, life, request, reply });
    }

    fn ends(&self) -> Ends {
        let mut ends = Ends { viewings: self.viewings.len() as u64, ..Ends::default() };
        for of in &self.boxes {
            match &of.reporter {
                Reporter::Agent(agent) => {
                    let counted = agent.counters();
                    let known =
                        counted.closed_by_server + counted.over_limit + counted.ambiguous_pings;
                    let lost = Lost {
                        given_up: counted.over_limit + counted.dropped.saturating_sub(known),
                        closed: counted.closed_by_server,
                        doubt: counted.ambiguous_pings,
                        memory: 0,
                    };
                    ends.made += counted.delivered + counted.dropped + agent.waiting();
                    ends.waiting += agent.waiting();
                    ends.lost = ends.lost.and(lost);
                }
                // What foreign clients lose is nobody's matter here.
                Reporter::Sdk(sdk) if sdk.policy != Policy::AtOnce => {
                    ends.made += sdk.made;
                    ends.waiting += sdk.waiting();
                    ends.lost = ends.lost.and(sdk.lost);
                }
                _ => {}
            }
        }
        let mut broken: Vec<Viewing> = self.collector.closed_by(self.now).collect();
        broken.sort_unstable();
        broken.dedup();
        ends.broken = broken.len() as u64;
        ends
    }
}
