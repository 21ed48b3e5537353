//! The box: clocks, players, network, power, disk, a collector, and one agent at a time, with the
//! truth beside it. The agent may die between any two steps of a turn.

use std::collections::{BTreeMap, HashMap, VecDeque};

use playheadd::core::Agent;
use playheadd::core::delivery::Counters;
use playheadd::core::input::Input;
use playheadd::core::rejected::Rejected;
use playheadd::core::settings::{Consent, DeliverySettings, Settings};
use playheadd::core::time::{BootInstant, Now, Span, WallTime};
use playheadd::core::turn::{Reply, Step};
use playheadd::sim::backend::Backend;
use playheadd::sim::timeline::What;

use self::collector::Flying;
pub use self::collector::Post;
use self::disk::{Disk, Saved};
use self::power::Armed;
pub use self::power::Boot;
use crate::day::{DAWN_MS, Day, Line};
use crate::model::{Model, Rules};
use crate::truth::{Truth, Wrong};

mod checks;
mod collector;
mod disk;
mod lines;
mod power;

/// More turns than this at one instant is a loop in the agent.
const MOST_TURNS: u32 = 2_000;

/// What an input promises once it is answered (docs/api.md 2.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Promise {
    Nothing,
    Flushed,
    Synced,
}

/// The whole simulated world; what is public is what the oracle looks at.
pub struct World {
    lines: VecDeque<Line>,
    seed: u64,
    settings: Settings,
    now: i64,
    wall_offset: i64,
    trusted: bool,
    network: bool,
    online: bool,
    agent: Option<Agent>,
    disk: Disk,
    backend: Backend,
    /// When an agent that is down comes back, and what kind of death it was.
    returns: Option<i64>,
    reboot: Option<(bool, i64)>,
    asleep_from: Option<i64>,
    /// A clean end: at this instant, down for so long, into another boot or not.
    stops: Option<(i64, i64, bool)>,
    deferred: Vec<Input>,
    from_store: VecDeque<Input>,
    armed: Option<Armed>,
    flying: BTreeMap<(i64, u64), Flying>,
    sent: u64,
    connections: HashMap<String, u32>,
    numbers: HashMap<String, u32>,
    calls: u64,
    promised: BTreeMap<&'static str, u64>,
    /// What the agent had been told before each opting out, and when that was.
    opted_out: Vec<(u64, i64)>,
    counters: Counters,
    turns: u32,
    acks: Vec<usize>,
    model: Model,
    /// When the last line has been said, and when the evening is over.
    dusk: i64,
    evening: Option<i64>,
    pub truth: Truth,
    pub posts: Vec<Post>,
    pub boots: Vec<Boot>,
    /// Deaths over a disk that was full, or had just been, and since when it was.
    pub forgotten: Vec<(i64, i64)>,
    full_from: i64,
    full_until: i64,
    /// What the wall clock was off by whenever it was trusted.
    pub clock_errors: Vec<i64>,
    /// From when to when there was no agent, or a frozen one.
    pub away: Vec<(i64, i64)>,
    away_since: Option<i64>,
    /// The `ts` of pings that were lost on their way.
    pub lost_pings: Vec<i64>,
    /// The `ts` of all that were sent, each with when its answer was due.
    tried_pings: Vec<(i64, i64)>,
    pub ping_ms: i64,
    pub batch_ping_ms: i64,
    /// The queue of this day is a small one.
    pub small_queue: bool,
    /// What the agents of the day have counted, together.
    pub counted: Counters,
    pub wrong: Vec<Wrong>,
}

impl World {
    pub fn new(day: &Day) -> World {
        let k = &day.knobs;
        let initial = if k.agreed { Consent::In } else { Consent::Unknown };
        let settings = Settings {
            main_ping: Span::seconds(k.ping_s),
            max_session: Span::seconds(k.max_session_s),
            resume_window: Span::seconds(k.resume_window_s),
            initial_consent: initial,
            delivery: match k.queue_bytes {
                0 => DeliverySettings::default(),
                bytes => DeliverySettings { queue_max_bytes: bytes, ..DeliverySettings::default() },
            },
            ..Settings::default()
        };
        let (ping_ms, batch_ping_ms) = (settings.main_ping.0, settings.downloaded_ping.0);
        let rules = Rules {
            max_session_ms: settings.max_session.0,
            resume_window_ms: settings.resume_window.0,
            initial,
        };
        let model = Model::new(rules);
        World {
            lines: day.lines.clone().into(),
            seed: k.seed,
            settings,
            now: 0,
            wall_offset: day.unix_ms,
            trusted: day.trusted,
            network: true,
            online: true,
            agent: None,
            disk: Disk::new(Saved { model: model.clone(), owed: 0, acks: 0 }),
            backend: Backend::new(),
            returns: Some(0),
            reboot: None,
            asleep_from: None,
            stops: None,
            deferred: Vec::new(),
            from_store: VecDeque::new(),
            armed: None,
            flying: BTreeMap::new(),
            sent: 0,
            connections: HashMap::new(),
            numbers: HashMap::new(),
            calls: 0,
            promised: BTreeMap::new(),
            opted_out: Vec::new(),
            counters: Counters::default(),
            turns: 0,
            acks: Vec::new(),
            model,
            dusk: day.lines.last().map_or(0, |l| l.at) + 1_000,
            evening: None,
            truth: Truth::default(),
            posts: Vec::new(),
            boots: vec![Boot::new(0)],
            forgotten: Vec::new(),
            full_from: i64::MIN,
            full_until: i64::MIN,
            clock_errors: vec![day.unix_ms - DAWN_MS],
            away: Vec::new(),
            away_since: Some(0),
            lost_pings: Vec::new(),
            tried_pings: Vec::new(),
            ping_ms,
            batch_ping_ms,
            small_queue: k.queue_bytes > 0,
            counted: Counters::default(),
            wrong: Vec::new(),
        }
    }

    /// The whole day, and the evening after it.
    pub fn run(mut self) -> World {
        while let Some(next) = self.next_instant() {
            if self.evening.is_some_and(|end| next > end) {
                break;
            }
            self.turns = if next > self.now { 0 } else { self.turns + 1 };
            self.now = next.max(self.now);
            if self.turns > MOST_TURNS {
                self.say("rest", format!("{}: the agent does not come to rest", self.now));
                break;
            }
            self.turn();
        }
        self.at_rest();
        self
    }

    fn say(&mut self, rule: &'static str, text: String) {
        self.wrong.push(Wrong::new(rule, text));
    }

    fn booted(&self) -> i64 {
        self.boots.last().map_or(0, |b| b.began)
    }

    fn frozen(&self) -> bool {
        self.asleep_from.is_some_and(|from| self.now > from)
    }

    /// Nothing of the agent happens after the moment at which it fell asleep.
    fn awake(&self, at: i64) -> Option<i64> {
        match self.asleep_from {
            Some(from) if at > from => None,
            _ => Some(at.max(self.now)),
        }
    }

    fn tick_at(&self) -> Option<i64> {
        let deadline = self.agent.as_ref()?.deadline()?;
        self.awake(deadline.0.saturating_add(self.booted()).max(self.now))
    }

    fn answer_at(&self) -> Option<i64> {
        self.awake(self.flying.keys().next()?.0)
    }

    fn next_instant(&self) -> Option<i64> {
        let line = match self.lines.front() {
            Some(line) => Some(line.at),
            None if self.evening.is_none() => Some(self.dusk),
            None => None,
        };
        let stop = self.stops.map(|(at, ..)| at);
        [self.answer_at(), line, self.returns, stop, self.tick_at()].into_iter().flatten().min()
    }

    /// One thing of the present instant: answers, then events, then timers.
    fn turn(&mut self) {
        if self.answer_at() == Some(self.now) {
            self.answer();
        } else if self.returns.is_some_and(|at| at <= self.now) {
            self.returns = None;
            self.start();
        } else if self.lines.front().is_some_and(|line| line.at <= self.now) {
            let line = self.lines.pop_front();
            line.iter().for_each(|line| self.line(&line.json));
        } else if let Some((_, down, reboot)) = self.stops.filter(|(at, ..)| *at <= self.now) {
            self.stopped(down, reboot);
        } else if self.tick_at() == Some(self.now) {
            self.give(Input::Tick, Promise::Nothing, |_, _| None);
        } else if self.evening.is_none() && self.now >= self.dusk {
            self.begin_evening();
        }
    }

    fn clock(&self) -> Now {
        Now {
            boot: BootInstant(self.now - self.booted()),
            wall: WallTime(self.now + self.wall_offset),
        }
    }

    /// Hands one input to the agent and its meaning to the truth, which says whether it is legal;
    /// then carries the turn out, as far as the agent lives.
    fn give(
        &mut self,
        input: Input,
        promise: Promise,
        meaning: impl FnOnce(&mut World, i64) -> Option<bool>,
    ) {
        let now = self.clock();
        let said = match &input {
            Input::Open { .. } | Input::Event { .. } => format!("{input:?}"),
            _ => String::new(),
        };
        let call = match &input {
            Input::Open { call, .. } | Input::Event { call, .. } => *call,
            Input::SetConsent { call, .. } => *call,
            _ => None,
        };
        let Some(agent) = &mut self.agent else { return };
        let tick = matches!(input, Input::Tick);
        let recovered = matches!(input, Input::Recovered { .. });
        let refused = agent.status().rejected_events;
        let turn = agent.handle(input, now);
        let refused = agent.status().rejected_events > refused;
        self.answers_its_caller(call, refused, &turn);
        self.count(!turn.reads.is_empty());
        if let Some(since) = self.away_since.take() {
            self.away.push((since, self.now));
        }
        if let Some(boot) = self.boots.last_mut() {
            boot.look(self.now, self.trusted);
        }
        if !recovered {
            let until = if tick { self.now } else { self.now - 1 };
            self.model.tick(until, self.now, &mut self.truth);
        }
        // Without consent a call has no effect, so there is nothing to keep.
        let idle = self.model.any_silent();
        let legal = meaning(self, self.now);
        self.model.told += 1;
        if legal.is_some_and(|legal| legal == refused) {
            let what = if refused { "refuses what is legal" } else { "takes what is not" };
            self.say("legal", format!("{}: the agent {what}: {said}", self.now));
        }
        let idle = idle || refused || self.model.consent() == Consent::Out;
        let promise = if idle { Promise::Nothing } else { promise };
        self.carry_out(turn.steps().collect(), promise);
        self.hear_the_store();
    }

    /// What the store says comes before anything else of the same instant.
    pub(crate) fn hear_the_store(&mut self) {
        if let Some(batch) = self.disk.finished.take() {
            self.from_store.push_back(Input::Written { batch });
        }
        while let Some(input) = self.from_store.pop_front() {
            self.give(input, Promise::Nothing, |_, _| None);
        }
    }

    fn carry_out(&mut self, steps: Vec<Step>, promise: Promise) {
        let asleep = self.asleep_from.is_some();
        // The agent of a box that falls asleep does not crash.
        let strikes =
            |armed: &mut Armed| !asleep || !matches!(armed.death, What::AgentCrash { .. });
        let armed = if steps.is_empty() { None } else { self.armed.take_if(strikes) };
        let last = steps.len();
        let mut written = !self.disk.full;
        for (n, step) in steps.into_iter().enumerate() {
            if armed.as_ref().is_some_and(|a| a.steps <= n) {
                self.never_done(&step);
                continue;
            }
            match step {
                Step::Wipe => {
                    let mut nothing = Model::new(self.model.rules);
                    (nothing.boot, nothing.told) = (self.model.boot, self.model.told);
                    self.disk.wipe(Saved { model: nothing, owed: self.truth.owed.len(), acks: 0 });
                    self.promised.clear();
                }
                Step::Write(batch) => {
                    let saved = Saved {
                        model: self.model.clone(),
                        owed: self.truth.owed.len(),
                        acks: self.acks.len(),
                    };
                    written = self.disk.write(batch, saved, self.now);
                }
                Step::Read(read) => {
                    let reports = self.disk.store.read(&read);
                    self.from_store.push_back(Input::Read { id: read.id, reports });
                }
                Step::Send(request) => self.send(request),
                Step::Reply(_, result) => self.reply(result, written),
                Step::Announce(_) => {}
            }
        }
        let dead = armed.is_some();
        if written && (!dead || armed.as_ref().is_some_and(|a| a.steps >= last)) {
            let told = self.model.told;
            if promise >= Promise::Flushed {
                self.promised.insert("flushed", told);
            }
            if promise >= Promise::Synced {
                self.promised.insert("synced", told);
            }
        }
        if let Some(armed) = armed {
            self.death(&armed.death);
        }
    }

    fn reply(&mut self, result: Result<Reply, Rejected>, written: bool) {
        // A store that is full keeps no promise, and the caller is told so.
        if let (Ok(Reply::Session(number)), true) = (result, written)
            && let Some(owner) = self.model.sessions.get(&number).and_then(|s| s.owner.clone())
        {
            self.numbers.insert(owner, number);
        }
    }
}
