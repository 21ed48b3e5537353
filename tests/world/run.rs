//! The box: clocks, players, network, power, disk, a collector, and one agent at a time, with the
//! truth beside it. The agent may die between any two steps of a turn.

use std::collections::{BTreeMap, HashMap, VecDeque};

use playheadd::core::Agent;
use playheadd::core::delivery::Counters;
use playheadd::core::input::Input;
use playheadd::core::settings::{Consent, DeliverySettings, Settings};
use playheadd::core::time::{BootInstant, Now, Span, WallTime};
use playheadd::engine::{Engine, Event};
use playheadd::sim::backend::Backend;
use playheadd::sim::driver::Driver;

use self::collector::PendingAnswer;
pub use self::collector::Post;
use self::disk::{Copies, Saved};
pub use self::logs::Sent;
use self::power::Armed;
pub use self::power::Boot;
use self::turn::Turn;
use crate::day::{DAWN_MS, Day, Line};
use crate::model::{Model, Rules};
use crate::truth::{Truth, Wrong};

mod checks;
mod collector;
mod disk;
mod lines;
mod logs;
mod power;
mod turn;

/// More turns than this at one instant is a loop in the agent.
const MOST_TURNS: u32 = 2_000;

/// What an input promises once it is answered (docs/behaviour.md 2.9).
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
    driver: Driver,
    /// Nobody has killed the agent yet.
    alive: bool,
    copies: Copies,
    backend: Backend,
    /// The collector of logs.
    logs: Backend,
    /// There is one.
    pub logs_on: bool,
    /// What it was sent.
    pub sent_logs: Vec<Sent>,
    /// The collector speaks Media Edge.
    pub edge: bool,
    /// The collector has fault rules.
    ruled: bool,
    /// A wait that the collector asked for may last until then.
    wished_until: i64,
    /// Since when nothing has kept the agent from delivering.
    answering_since: Option<i64>,
    /// When an agent that is down comes back, and what kind of death it was.
    returns: Option<i64>,
    /// What a store holds that could not be read at the last start: the truth as of it, whether
    /// that run of the agent had a clean end, and when it ended.
    unread: Option<(Model, bool, i64)>,
    /// How many starts die in their opening before one succeeds.
    dying_openings: u32,
    reboot: Option<(bool, i64)>,
    asleep_from: Option<i64>,
    /// Nobody has said that it sleeps.
    unannounced: bool,
    /// For how long the box has slept.
    slept: i64,
    /// When the agent was last told something.
    last_turn: i64,
    /// The agent will see at its next turn that the box slept from then on.
    noticed: Option<i64>,
    /// A clean end: at this instant, down for so long, into another boot or not.
    stops: Option<(i64, i64, bool)>,
    deferred: Vec<Input>,
    armed: Option<Armed>,
    flying: BTreeMap<(i64, u64), PendingAnswer>,
    sent: u64,
    connections: HashMap<String, u32>,
    numbers: HashMap<String, u32>,
    calls: u64,
    promised: BTreeMap<&'static str, u64>,
    /// What the consent file says.
    kept_consent: Option<Consent>,
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
    /// The collector has closed a sid whose playhead stood still for too long on the way there: what
    /// is old may arrive more slowly than it happened.
    pub stood_still: bool,
    /// What the agents of the day have counted, together.
    pub counted: Counters,
    /// The most hits that ever waited.
    most_queued: u64,
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
            delivery: DeliverySettings {
                queue_max_bytes: match k.queue_bytes {
                    0 => DeliverySettings::default().queue_max_bytes,
                    bytes => bytes,
                },
                backlog_ratio: k.backlog_ratio as f64,
                parallel: k.parallel as usize,
                ..DeliverySettings::default()
            },
            collectors: std::iter::once(collector::settings(k.edge))
                .chain(k.logs.then(logs::settings))
                .collect(),
            ..Settings::default()
        };
        let (ping_ms, batch_ping_ms) = (settings.main_ping.0, settings.downloaded_ping.0);
        let rules = Rules {
            max_session_ms: settings.max_session.0,
            resume_window_ms: settings.resume_window.0,
            initial,
            live_downloads: k.logs,
        };
        let model = Model::new(rules);
        let mut driver = Driver::default();
        driver.disk.fails_every = k.disk_fails_every;
        World {
            lines: day.lines.clone().into(),
            seed: k.seed,
            settings,
            now: 0,
            wall_offset: day.unix_ms,
            trusted: day.trusted,
            network: true,
            online: true,
            driver,
            alive: false,
            copies: Copies::new(Saved { model: model.clone(), owed: 0, acks: 0 }),
            backend: Backend::new(),
            logs: Backend::new(),
            logs_on: k.logs,
            sent_logs: Vec::new(),
            edge: k.edge,
            ruled: false,
            wished_until: i64::MIN,
            answering_since: None,
            returns: Some(0),
            unread: None,
            dying_openings: 0,
            reboot: None,
            asleep_from: None,
            unannounced: false,
            slept: 0,
            last_turn: 0,
            noticed: None,
            stops: None,
            deferred: Vec::new(),
            armed: None,
            flying: BTreeMap::new(),
            sent: 0,
            connections: HashMap::new(),
            numbers: HashMap::new(),
            calls: 0,
            promised: BTreeMap::new(),
            kept_consent: None,
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
            stood_still: false,
            counted: Counters::default(),
            most_queued: 0,
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
        let deadline = self.driver.deadline()?;
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
        self.look_at_the_collector();
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
            self.tell(Event::Tick, Promise::Nothing, |_, _, _| None);
        } else if self.evening.is_none() && self.now >= self.dusk {
            self.begin_evening();
        }
    }

    fn clock(&self) -> Now {
        Now {
            boot: BootInstant(self.now - self.booted()),
            wall: WallTime(self.now + self.wall_offset),
            slept: Span(self.slept),
        }
    }

    fn agent(&self) -> Option<&Agent> {
        self.driver.agent()
    }

    /// Hands one input to the agent and its meaning to the truth.
    fn give(
        &mut self,
        input: Input,
        promise: Promise,
        meaning: impl FnOnce(&mut World, &Agent, i64) -> Option<bool>,
    ) {
        let arrived = self.clock().boot;
        self.tell(Event::Message { input, arrived }, promise, meaning);
    }

    /// Hands one event to the agent and its meaning to the truth, which says whether it is legal;
    /// then everything that follows is carried out, as far as the agent lives.
    fn tell(
        &mut self,
        event: Event,
        promise: Promise,
        meaning: impl FnOnce(&mut World, &Agent, i64) -> Option<bool>,
    ) {
        let mut driver = std::mem::take(&mut self.driver);
        if let Some(agent) = driver.agent() {
            let (now, at) = (self.clock(), self.now);
            self.last_turn = at;
            let mut turn = Turn::new(self, agent, &event, promise, meaning);
            let lived = driver.tell(event, now, at, &mut turn);
            let healthy = driver.engine().is_some_and(Engine::store_healthy);
            let death = turn.finish(lived, healthy);
            self.driver = driver;
            if let Some(death) = death {
                self.death(&death);
            }
        } else {
            self.driver = driver;
        }
    }
}
