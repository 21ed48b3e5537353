//! The box: clocks, players, network, power, disk, a collector, and one agent at a time, with the
//! truth beside it. The agent may die between any two of its effects.

use std::collections::{BTreeMap, HashMap};

use playheadd::core::clock::BootId;
use playheadd::core::delivery::Counters;
use playheadd::core::effect::{Effect, Reply, Request, Resource};
use playheadd::core::input::{CallId, Door, Input, Outcome, PlayerId, RequestId, Target};
use playheadd::core::rejected::Rejected;
use playheadd::core::settings::{Consent, Settings};
use playheadd::core::time::{BootInstant, Now, Span, WallTime};
use playheadd::core::tracker::event::{EventName, Info};
use playheadd::core::{Agent, Birth};
use playheadd::sim::backend::{Backend, Outcome as Planned};
use playheadd::sim::timeline::{self, What};
use serde_json::Value as Json;

use crate::day::{DAWN_MS, Day, Line};
use crate::disk::{Disk, Saved};
use crate::model::{Model, Rules, Said};
use crate::truth::{Truth, Wrong};

const SESSION_DELAY_MS: i64 = 100;
const EVENT_DELAY_MS: i64 = 20;
const TIMEOUT_MS: i64 = 30_000;
const CONNECT_TIMEOUT_MS: i64 = 5_000;
const LAST_WORDS_MS: i64 = 2_000;
/// The grace, and how far behind the cut the end of a session may be dated: an estimate
/// (docs/api.md 2.3, 2.11).
const GRACE_MS: i64 = 60_000;
const CUT_SLACK_MS: i64 = 71_001;
/// How long after the last line everybody has gone and everything must have come to rest.
const EVENING_MS: i64 = 3 * 3_600_000;
/// How long after a full disk what happened in it is still not on the medium.
const FORGETFUL_MS: i64 = 11_000;
const MOST_TURNS: u32 = 20_000;

/// A request that reached the collector.
#[derive(Debug)]
pub struct Post {
    pub at: i64,
    /// Of events the sid in the path, of a session the one it was given.
    pub sid: Option<String>,
    pub bodies: Vec<Json>,
    /// The collector took it.
    pub counted: bool,
    pub status: Option<u16>,
    /// The agent knows the answer, and will not forget it.
    pub told: bool,
}

/// One boot, and when the agent could tell the time in it.
#[derive(Debug)]
pub struct Boot {
    pub began: i64,
    pub ended: Option<i64>,
    pub trusted: Vec<(i64, i64)>,
    /// It could not at the last look.
    lost: bool,
}

impl Boot {
    fn new(began: i64) -> Boot {
        Boot { began, ended: None, trusted: Vec::new(), lost: true }
    }

    fn look(&mut self, now: i64, trusted: bool) {
        match self.trusted.last_mut() {
            Some((_, until)) if trusted && !self.lost => *until = now,
            _ if trusted => self.trusted.push((now, now)),
            _ => {}
        }
        self.lost = !trusted;
    }
}

/// A death that waits for the next thing that the agent does.
#[derive(Debug, Clone)]
struct Armed {
    effects: usize,
    death: What,
}

struct Flying {
    request: RequestId,
    post: Option<usize>,
    to: Resource,
    outcome: Outcome,
}

/// What an input promises once it is answered (docs/api.md 2.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Promise {
    Nothing,
    Flushed,
    Synced,
}

pub struct World<'d> {
    lines: std::iter::Peekable<std::slice::Iter<'d, Line>>,
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
    armed: Option<Armed>,
    flying: BTreeMap<(i64, u64), Flying>,
    sent: u64,
    connections: HashMap<String, u32>,
    numbers: HashMap<String, u32>,
    calls: u64,
    promised: BTreeMap<&'static str, u64>,
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
    /// Deaths over a disk that was full, or had just been.
    pub forgotten: Vec<i64>,
    full_until: i64,
    /// What the agents of the day have counted, together.
    pub counted: Counters,
    pub wrong: Vec<Wrong>,
}

impl<'d> World<'d> {
    pub fn new(day: &'d Day) -> World<'d> {
        let k = &day.knobs;
        let initial = if k.agreed { Consent::In } else { Consent::Unknown };
        let settings = Settings {
            main_ping: Span::seconds(k.ping_s),
            max_session: Span::seconds(k.max_session_s),
            resume_window: Span::seconds(k.resume_window_s),
            initial_consent: initial,
            ..Settings::default()
        };
        let rules = Rules {
            max_session_ms: settings.max_session.0,
            resume_window_ms: settings.resume_window.0,
            initial,
        };
        let model = Model::new(rules);
        World {
            lines: day.lines.iter().peekable(),
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
            armed: None,
            flying: BTreeMap::new(),
            sent: 0,
            connections: HashMap::new(),
            numbers: HashMap::new(),
            calls: 0,
            promised: BTreeMap::new(),
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
            full_until: i64::MIN,
            counted: Counters::default(),
            wrong: Vec::new(),
        }
    }

    /// The whole day, and the evening after it.
    pub fn run(mut self) -> World<'d> {
        while let Some(next) = self.next_instant() {
            if self.evening.is_some_and(|end| next > end) {
                break;
            }
            self.turns = if next > self.now { 0 } else { self.turns + 1 };
            self.now = next.max(self.now);
            if self.turns > MOST_TURNS {
                self.wrong.push(Wrong::new(
                    "rest",
                    format!("{}: the agent does not come to rest", self.now),
                ));
                break;
            }
            self.turn();
        }
        self.at_rest();
        self
    }

    /// What must hold when everybody has gone and everything works again.
    fn at_rest(&mut self) {
        let Some(agent) = &self.agent else { return };
        let queued = agent.delivery().queued();
        if queued > 0 {
            self.wrong.push(Wrong::new("queue", format!("{queued} hits still wait at the end")));
        }
        for (number, session) in agent.sessions() {
            let phase = session.tracker.phase();
            self.wrong.push(Wrong::new(
                "left",
                format!("session {number} is left, {phase:?}, {:?}", session.owner),
            ));
        }
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

    fn next_instant(&mut self) -> Option<i64> {
        let line = match self.lines.peek() {
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
        } else if let Some(line) = self.lines.next_if(|line| line.at <= self.now) {
            self.line(&line.json);
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

    fn start(&mut self) {
        let number = self.boots.len() as u32;
        // As long as nothing was written in this boot, the store is that of an earlier one.
        if self.model.boot != number
            && let Some((clean, cut)) = self.reboot
        {
            self.model.rebooted(clean, cut, CUT_SLACK_MS, &mut self.truth);
            self.model.boot = number;
        }
        let birth = Birth {
            boot: BootId(format!("boot-{number}")),
            bus: format!("bus-{number}"),
            clock_trusted: self.trusted,
            online: self.online,
            seed: self.seed.wrapping_add(self.now as u64),
        };
        let stored = self.disk.store.load();
        self.agent = Some(Agent::new(self.settings.clone(), stored, birth, self.clock()));
        self.counters = Counters::default();
        let present: Vec<String> =
            self.connections.iter().map(|(name, n)| unique(name, *n)).collect();
        let there = present.clone();
        let estimates = |world: &World<'_>| -> HashMap<u32, i64> {
            let Some(agent) = &world.agent else { return HashMap::new() };
            let gone = agent.sessions().filter_map(|(number, session)| {
                let until = session.interrupt?.until?;
                Some((number, until.0 + world.booted() - GRACE_MS))
            });
            gone.collect()
        };
        self.give(Input::Recovered { present }, Promise::Nothing, move |world, now| {
            let gone = estimates(world);
            let when = |number: u32| gone.get(&number).copied();
            let wrong = world.model.recovered(&there, now, when, &mut world.truth);
            world.wrong.extend(wrong.into_iter().map(|w| Wrong::new("gone", w)));
            None
        });
    }

    /// Hands one input to the agent and its meaning to the truth, which says whether it is legal;
    /// then carries the effects out, as far as the agent lives.
    fn give(
        &mut self,
        input: Input,
        promise: Promise,
        meaning: impl FnOnce(&mut World<'d>, i64) -> Option<bool>,
    ) {
        let now = self.clock();
        let said = match &input {
            Input::Open { .. } | Input::Event { .. } => format!("{input:?}"),
            _ => String::new(),
        };
        let Some(agent) = &mut self.agent else { return };
        let tick = matches!(input, Input::Tick);
        let recovered = matches!(input, Input::Recovered { .. });
        let refused = agent.status().rejected_events;
        let effects = agent.handle(input, now);
        let refused = agent.status().rejected_events > refused;
        self.count();
        if let Some(boot) = self.boots.last_mut() {
            boot.look(self.now, self.trusted);
        }
        if !recovered {
            let until = if tick { self.now } else { self.now - 1 };
            self.model.tick(until, self.now, &mut self.truth);
        }
        let legal = meaning(self, self.now);
        self.model.told += 1;
        if legal.is_some_and(|legal| legal == refused) {
            let what = if refused { "refuses what is legal" } else { "takes what is not" };
            self.wrong.push(Wrong::new("legal", format!("{}: the agent {what}: {said}", self.now)));
        }
        // Without consent a call has no effect, so there is nothing to keep.
        let idle = refused || self.model.consent() == Consent::Out || self.model.any_silent();
        let promise = if idle { Promise::Nothing } else { promise };
        self.carry_out(effects, promise);
    }

    fn carry_out(&mut self, effects: Vec<Effect>, promise: Promise) {
        let armed = if effects.is_empty() { None } else { self.armed.take() };
        let last = effects.len();
        let mut written = !self.disk.full;
        for (n, effect) in effects.into_iter().enumerate() {
            if armed.as_ref().is_some_and(|a| a.effects == n) {
                break;
            }
            match effect {
                Effect::Wipe => {
                    let mut nothing = Model::new(self.model.rules);
                    nothing.boot = self.model.boot;
                    self.disk.wipe(Saved { model: nothing, owed: self.truth.owed.len(), acks: 0 });
                    self.promised.clear();
                }
                Effect::Persist(batch) => {
                    let saved = Saved {
                        model: self.model.clone(),
                        owed: self.truth.owed.len(),
                        acks: self.acks.len(),
                    };
                    written = self.disk.write(batch, saved, self.now);
                }
                Effect::Send(request) => self.send(request),
                Effect::Reply(_, result) => self.reply(result, written),
                Effect::Announce(_) => {}
            }
        }
        let dead = armed.is_some();
        if written && (!dead || armed.as_ref().is_some_and(|a| a.effects >= last)) {
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

    fn count(&mut self) {
        let Some(agent) = &self.agent else { return };
        let (new, old) = (agent.delivery().counters, self.counters);
        self.counted.delivered += new.delivered - old.delivered;
        self.counted.dropped += new.dropped - old.dropped;
        self.counted.closed_by_server += new.closed_by_server - old.closed_by_server;
        self.counted.over_limit += new.over_limit - old.over_limit;
        self.counted.ambiguous_pings += new.ambiguous_pings - old.ambiguous_pings;
        self.counters = new;
    }

    fn send(&mut self, request: Request) {
        if !self.trusted || self.model.consent() != Consent::In {
            self.wrong
                .push(Wrong::new("gate", format!("{}: a request that may not be made", self.now)));
        }
        let same =
            |f: &&Flying| matches!(f.to, Resource::Events { .. }) && f.to == request.resource;
        if self.flying.values().any(|f| same(&f)) || self.flying.len() >= 4 {
            self.wrong
                .push(Wrong::new("flight", format!("{}: too many requests under way", self.now)));
        }
        let (delay, outcome, post) = match self.network {
            true => self.arrive(&request),
            false => (CONNECT_TIMEOUT_MS, Outcome::Unreachable("refused".into()), None),
        };
        self.sent += 1;
        let flying = Flying { request: request.id, post, to: request.resource, outcome };
        self.flying.insert((self.now + delay, self.sent), flying);
    }

    fn arrive(&mut self, request: &Request) -> (i64, Outcome, Option<usize>) {
        let judged =
            self.backend.judge(&request.resource.path(), &request.body, self.now + DAWN_MS);
        let usual = match request.resource {
            Resource::Events { .. } => EVENT_DELAY_MS,
            _ => SESSION_DELAY_MS,
        };
        let lost = |why: &str| Outcome::Unanswered(why.into());
        let (delay, outcome, status) = match judged.plan.outcome {
            Planned::Answer { status, headers, body, delay_ms } => {
                let delay = delay_ms.map_or(usual, |d| d as i64);
                match delay >= TIMEOUT_MS {
                    true => (TIMEOUT_MS, lost("timed out"), None),
                    false => (delay, answered(status, &headers, body), Some(status)),
                }
            }
            Planned::Hang => (TIMEOUT_MS, lost("timed out"), None),
            Planned::DropAfterSend => (usual, lost("connection lost"), None),
        };
        if status == Some(400) && !judged.fault {
            self.wrong
                .push(Wrong::new("form", format!("{}: malformed: {}", self.now, request.body)));
        }
        let bodies = match &request.body {
            Json::Array(bodies) => bodies.clone(),
            body => vec![body.clone()],
        };
        self.posts.push(Post {
            at: self.now,
            sid: judged.plan.sid,
            bodies,
            counted: judged.counted,
            status,
            told: false,
        });
        (delay, outcome, Some(self.posts.len() - 1))
    }

    fn answer(&mut self) {
        let Some((_, flying)) = self.flying.pop_first() else { return };
        if self.agent.is_none() {
            return;
        }
        if let Some(post) = flying.post.filter(|p| self.posts[*p].status.is_some()) {
            self.posts[post].told = true;
            self.acks.push(post);
        }
        let input = Input::Answer { request: flying.request, outcome: flying.outcome };
        self.give(input, Promise::Nothing, |_, _| None);
    }
}

/// What the lines say.
impl World<'_> {
    fn line(&mut self, json: &Json) {
        let number = |key: &str| (json[key].as_f64().unwrap_or(0.0) * 1000.0).round() as i64;
        match json["event"].as_str().unwrap_or_default() {
            "DiskFull" => {
                self.disk.full = true;
                self.full_until = i64::MAX;
            }
            "DiskFree" => {
                self.disk.free(self.now);
                self.full_until = self.now;
            }
            name @ ("Update" | "Reboot") => {
                if self.agent.is_some() && !self.frozen() && self.stops.is_none() {
                    let down = number("down_s");
                    self.give(Input::Stop, Promise::Nothing, |_, _| None);
                    self.stops = Some((self.now + LAST_WORDS_MS, down, name == "Reboot"));
                }
            }
            _ => {
                let parsed = timeline::parse("day", &json.to_string()).expect("a line of ours");
                for line in parsed {
                    self.happens(line.what, json["comment"].as_str().unwrap_or_default());
                }
            }
        }
    }

    fn happens(&mut self, what: What, comment: &str) {
        match what {
            What::Playback { from, name, playhead, info } => {
                if !self.frozen() {
                    self.playback(&from, name, playhead, info);
                }
            }
            What::Lifecycle { app, state } => {
                if !self.frozen() {
                    let input = Input::Lifecycle { call: None, app: app.clone(), state };
                    self.give(input, Promise::Nothing, |world, now| {
                        world.model.lifecycle(&app, state, now, &mut world.truth);
                        None
                    });
                }
            }
            What::PlayerVanished { from } => {
                if !self.frozen()
                    && let Some(n) = self.connections.get_mut(&from)
                {
                    let sender = unique(&from, *n);
                    *n += 1;
                    self.player_gone(sender);
                }
            }
            death @ (What::AgentCrash { .. } | What::PowerLoss { .. }) => {
                let effects = comment.strip_prefix("after ").and_then(|c| c.split(' ').next());
                match effects.and_then(|n| n.parse().ok()) {
                    Some(effects) => self.armed = Some(Armed { effects, death }),
                    None => self.death(&death),
                }
            }
            What::Network { online, silent } => {
                self.network = online;
                if !silent {
                    self.online = online;
                    self.tell(Input::Network { online });
                }
            }
            What::Sleep => self.sleep(),
            What::Wake => self.wake(),
            What::ClockSet { unix_ms, trusted } => {
                self.wall_offset = unix_ms - self.now;
                self.trusted = trusted;
                self.tell(Input::Clock { trusted });
            }
            What::Consent(consent) => {
                if !self.frozen() {
                    let call = Some(self.call());
                    let input = Input::SetConsent { call, consent };
                    self.give(input, Promise::Synced, |world, _| {
                        world.model.set_consent(consent, &mut world.truth);
                        None
                    });
                }
            }
            What::Collector(rules) => self.backend.set_rules(rules),
            What::Boot { .. } | What::Stop => {}
        }
    }

    /// Something that a sleeping box learns when it wakes.
    fn tell(&mut self, input: Input) {
        if self.frozen() {
            self.deferred.push(input);
        } else {
            self.give(input, Promise::Nothing, |_, _| None);
        }
    }

    fn call(&mut self) -> CallId {
        self.calls += 1;
        CallId(self.calls)
    }

    fn playback(&mut self, from: &str, name: EventName, playhead: f64, info: Info) {
        if self.agent.is_none() {
            return;
        }
        let n = *self.connections.entry(from.to_owned()).or_default();
        let owner = unique(from, n);
        let player = PlayerId { sender: owner.clone(), instance: "/player".into() };
        let by_method = from.starts_with('m');
        let call = by_method.then(|| self.call());
        let door = if by_method { Door::Method } else { Door::Signal };
        let said = info.clone();
        if name == EventName::SessionStart {
            let app = from.to_owned();
            let input = Input::Open { call, player, door, app: app.clone(), playhead, info };
            self.give(input, Promise::Synced, move |world, now| {
                let truth = &mut world.truth;
                Some(world.model.open(&owner, &app, playhead, &said, now, truth).is_some())
            });
            return;
        }
        let number = match by_method {
            // Without an object there is nothing to call.
            true => match self.numbers.get(&owner) {
                Some(number) => Some(*number),
                None => return,
            },
            false => None,
        };
        let target = match number {
            Some(number) => Target::Session { number, sender: owner.clone() },
            None => Target::Player(player),
        };
        let promise = match name {
            EventName::Playhead | EventName::Qoe => Promise::Nothing,
            EventName::End | EventName::Complete => Promise::Synced,
            _ => Promise::Flushed,
        };
        let input = Input::Event { call, target, name, playhead, info };
        let said = Said { number, owner, name, playhead, info: said };
        self.give(input, promise, move |world, now| {
            Some(world.model.say(&said, now, &mut world.truth))
        });
    }

    fn player_gone(&mut self, sender: String) {
        let owner = sender.clone();
        self.give(Input::PlayerGone { sender }, Promise::Nothing, move |world, now| {
            world.model.gone(&owner, now, &mut world.truth);
            None
        });
    }

    fn sleep(&mut self) {
        if self.agent.is_none() || self.asleep_from.is_some() {
            return;
        }
        self.give(Input::Sleep, Promise::Nothing, |world, now| {
            world.model.sleep(now, &mut world.truth);
            None
        });
        if self.agent.is_some() {
            self.asleep_from = Some(self.now + LAST_WORDS_MS);
        }
    }

    fn wake(&mut self) {
        if self.asleep_from.take().is_none() {
            return;
        }
        self.give(Input::Wake, Promise::Nothing, |world, _| {
            world.model.wake();
            None
        });
        for input in std::mem::take(&mut self.deferred) {
            self.give(input, Promise::Nothing, |_, _| None);
        }
    }

    /// The end of a stop that was asked for.
    fn stopped(&mut self, down: i64, reboot: bool) {
        self.stops = None;
        if self.agent.is_none() || self.frozen() {
            return;
        }
        self.give(Input::Stop, Promise::Nothing, |_, _| None);
        if self.agent.is_none() {
            return;
        }
        if self.disk.full {
            // The last changes are given up, as by a crash.
            self.death(&What::AgentCrash { down_ms: down });
            return;
        }
        self.agent = None;
        self.flying.clear();
        self.returns = Some(self.now + down);
        if reboot {
            self.next_boot(true, down);
        }
    }

    /// The agent, or the whole box, is gone at once.
    fn death(&mut self, what: &What) {
        if self.asleep_from.is_some() && matches!(what, What::AgentCrash { .. }) {
            return;
        }
        self.flying.clear();
        self.stops = None;
        if self.full_until >= self.now - FORGETFUL_MS {
            self.forgotten.push(self.now);
        }
        let was_there = self.agent.take().is_some();
        match what {
            What::AgentCrash { down_ms } if was_there => {
                let saved = self.disk.crash();
                self.go_back(saved, "flushed");
                self.returns = Some(self.now + down_ms);
            }
            What::PowerLoss { down_ms, unix_ms, trusted } => {
                let saved = self.disk.power_cut(self.now);
                self.go_back(saved, "synced");
                self.asleep_from = None;
                self.deferred.clear();
                self.next_boot(false, *down_ms);
                let began = self.now + down_ms;
                self.wall_offset = unix_ms.map_or(DAWN_MS, |unix| unix - began);
                self.trusted = *trusted;
                self.returns = Some(began);
            }
            _ => {}
        }
    }

    fn next_boot(&mut self, clean: bool, down: i64) {
        self.reboot = Some((clean, self.now));
        for n in self.connections.values_mut() {
            *n += 1;
        }
        if let Some(boot) = self.boots.last_mut() {
            boot.ended = Some(self.now);
        }
        self.boots.push(Boot::new(self.now + down));
    }

    /// The truth goes back to what a store holds. Nothing that was promised may be in between.
    fn go_back(&mut self, saved: Saved, promise: &'static str) {
        let told = saved.model.told;
        if self.promised.get(promise).is_some_and(|promised| *promised > told) {
            self.wrong.push(Wrong::new(
                "promise",
                format!("{}: what was answered ({promise}) is lost", self.now),
            ));
        }
        for promised in self.promised.values_mut() {
            *promised = told.min(*promised);
        }
        self.truth.undo(saved.owed);
        for ack in self.acks.drain(saved.acks..) {
            self.posts[ack].told = false;
        }
        self.model = saved.model;
    }

    /// Everything works again, and everybody goes.
    fn begin_evening(&mut self) {
        self.evening = Some(self.now + EVENING_MS);
        self.armed = None;
        self.backend.set_rules(Vec::new());
        self.disk.free(self.now);
        self.wake();
        if let Some((_, down, reboot)) = self.stops {
            self.stopped(down, reboot);
        }
        if let Some(back) = self.returns.take() {
            self.now = self.now.max(back);
            self.evening = Some(self.now + EVENING_MS);
            self.start();
        }
        (self.network, self.online) = (true, true);
        self.give(Input::Network { online: true }, Promise::Nothing, |_, _| None);
        if !self.trusted {
            self.trusted = true;
            self.wall_offset = DAWN_MS;
            self.give(Input::Clock { trusted: true }, Promise::Nothing, |_, _| None);
        }
        if self.model.consent() != Consent::In {
            let input = Input::SetConsent { call: None, consent: Consent::In };
            self.give(input, Promise::Synced, |world, _| {
                world.model.set_consent(Consent::In, &mut world.truth);
                None
            });
        }
        for sender in self.connections.iter().map(|(name, n)| unique(name, *n)).collect::<Vec<_>>()
        {
            self.player_gone(sender);
        }
    }
}

/// A player's connection, as the bus would name it.
fn unique(from: &str, connection: u32) -> String {
    format!(":{from}.{connection}")
}

fn answered(status: u16, headers: &[(String, String)], body: String) -> Outcome {
    let header = |name: &str| {
        headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    };
    Outcome::Answered {
        status,
        location: header("location").map(str::to_owned),
        retry_after: header("retry-after").and_then(playheadd::collector::retry_after),
        message: body,
    }
}
