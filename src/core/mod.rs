//! Everything that decides: what is legal, when a ping is due, what a 410 means, whether this is
//! a resume, what must be on disk before a reply. No async, no sockets, no files, no clock and no
//! chance of its own: inputs in, effects out.
//!
//! Inside: `time, clock <- tracker <- delivery <- the rest <- mod`. From outside, `input` and
//! `effect` are the doors.

pub mod clock;
mod consent;
pub mod delivery;
pub mod effect;
pub mod input;
pub mod interrupt;
mod ledger;
pub mod rejected;
mod restart;
pub mod resume;
pub mod sessions;
pub mod settings;
pub mod time;
pub mod tracker;
mod warnings;

use std::collections::{BTreeMap, HashMap};

pub use restart::Stored;

use self::clock::BootId;
use self::delivery::backoff::Chance;
use self::delivery::{Clerk, Counters, Delivery, Gates};
use self::effect::{Effect, Key, Meta, Record, Reply};
use self::input::{CallId, Input, PlayerId};
use self::ledger::Ledger;
use self::rejected::Rejected;
use self::resume::{Moment, ResumePoint, ResumePoints};
use self::sessions::Session;
use self::settings::{Consent, Settings};
use self::time::{BootInstant, Now};
use self::tracker::Desk;
use self::warnings::Warnings;

/// The whole agent, without a single contact to the outside.
#[derive(Debug)]
pub struct Agent {
    settings: Settings,
    sessions: BTreeMap<u32, Session>,
    players: HashMap<PlayerId, u32>,
    delivery: Delivery,
    resume: ResumePoints,
    ledger: Ledger,
    meta: Meta,
    effects: Vec<Effect>,
    /// Restored, and waiting for word of whose players are still there; no timer runs.
    recovering: bool,
    /// When the restored sessions were last written.
    recorded: BTreeMap<u32, BootInstant>,
    rejected_events: u64,
    /// As it was last written.
    written_rejected: u64,
    warnings: Warnings,
}

/// What an agent is told when it comes to life.
#[derive(Debug, Clone)]
pub struct Birth {
    pub boot: BootId,
    /// The life of the bus in which unique names mean anything.
    pub bus: String,
    pub clock_trusted: bool,
    pub online: bool,
    /// Where its chance comes from.
    pub seed: u64,
}

/// What an operator wants to see in one look (api.md 1.3).
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub active_sessions: u32,
    pub queued_hits: u64,
    pub counters: Counters,
    pub rejected_events: u64,
    pub gates: Gates,
    pub consent: Consent,
}

impl Agent {
    /// An agent on what a store holds. `Input::Recovered` has to be its first input.
    pub fn new(settings: Settings, stored: Stored, birth: Birth, now: Now) -> Agent {
        let mut chance = Chance::new(birth.seed);
        let old = stored.meta.clone();
        let old_budget = old.as_ref().map(|m| m.budget).unwrap_or_default();
        let meta = Meta {
            boot: birth.boot.clone(),
            bus: birth.bus.clone(),
            next_session: old.as_ref().map_or(1, |m| m.next_session),
            next_outbox: old.as_ref().map_or(1, |m| m.next_outbox),
            next_rejected: old.as_ref().map_or(1, |m| m.next_rejected),
            consent: old.as_ref().and_then(|m| m.consent),
            installation: old.map_or_else(|| chance.hex128(), |m| m.installation),
            clean_stop: false,
            budget: old_budget,
        };
        let gates = Gates {
            consent: false,
            clock_trusted: birth.clock_trusted,
            online: birth.online,
            metered: false,
        };
        let mut agent = Agent {
            settings,
            sessions: BTreeMap::new(),
            players: HashMap::new(),
            delivery: Delivery::new(birth.boot.clone(), gates, chance),
            resume: ResumePoints::default(),
            ledger: Ledger::default(),
            meta,
            effects: Vec::new(),
            recovering: true,
            recorded: BTreeMap::new(),
            rejected_events: 0,
            written_rejected: 0,
            warnings: Warnings::default(),
        };
        agent.delivery.budget = agent.meta.budget;
        agent.apply_settings();
        agent.restore(stored, &birth, now);
        if birth.clock_trusted {
            agent.clock(true, now);
        }
        agent
    }

    /// One thing that happened, and everything that follows from it, in order. Timers that were
    /// due before `now` run first; those due at `now` wait for `Input::Tick`, so that everything
    /// else of the same instant comes before them (api.md 2.11).
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Effect> {
        let tick = matches!(input, Input::Tick);
        if matches!(input, Input::Wake) {
            self.catch_up(now);
        }
        if !self.recovering {
            let until = if tick { now.boot } else { now.boot - time::Span::millis(1) };
            self.run_timers(until, now);
        }
        let reply = self.take(input, now);
        if tick {
            let (delivery, mut clerk) = self.delivery_desk();
            let requests = delivery.pump(now, &mut clerk);
            self.effects.extend(requests.into_iter().map(Effect::Send));
        }
        self.finish(reply, now)
    }

    /// When `Input::Tick` is due at the latest; in the past when something can be done now.
    pub fn deadline(&self) -> Option<BootInstant> {
        if self.recovering {
            return None;
        }
        let heard = self.sessions.values().filter(|s| !s.silent);
        let sessions = heard.flat_map(|s| {
            let grace = s.interrupt.and_then(|i| i.until);
            [s.tracker.deadline(&self.settings), grace]
        });
        let rest = [self.delivery.deadline(&self.settings), self.ledger.deadline()];
        sessions.chain(rest).flatten().min()
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn sessions(&self) -> impl Iterator<Item = (u32, &Session)> {
        self.sessions.iter().map(|(number, session)| (*number, session))
    }

    pub fn session(&self, number: u32) -> Option<&Session> {
        self.sessions.get(&number)
    }

    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    pub fn status(&self) -> Status {
        Status {
            active_sessions: self.sessions.len() as u32,
            queued_hits: self.delivery.queued(),
            counters: self.delivery.counters,
            rejected_events: self.rejected_events,
            gates: self.delivery.gates,
            consent: self.consent(),
        }
    }

    pub fn consent(&self) -> Consent {
        self.meta.consent.unwrap_or(self.settings.initial_consent)
    }

    fn take(&mut self, input: Input, now: Now) -> Option<(CallId, Result<Reply, Rejected>)> {
        let answer = |call: Option<CallId>, result| Some((call?, result));
        match input {
            Input::Open { call, player, door, app, playhead, info } => {
                let result = self.open(player, door, app, playhead, &info, now);
                self.count_rejection("SessionStart", call, &result, now);
                answer(call, result)
            }
            Input::Event { call, target, name, playhead, info } => {
                let result = self.event(&target, name, playhead, &info, now);
                self.count_rejection(name.name(), call, &result, now);
                answer(call, result)
            }
            Input::Unreadable { event, why } => {
                let result = Err(Rejected::invalid(why));
                self.count_rejection(event, None, &result, now);
                None
            }
            Input::Flooded { events } => {
                self.rejected_events += events;
                let why = "senders have said more than the limits allow";
                tracing::warn!(events, why, "events dropped");
                None
            }
            Input::PlayerGone { sender } => {
                self.player_gone(&sender, now);
                None
            }
            Input::InstanceGone { player } => {
                self.instance_gone(&player, now);
                None
            }
            Input::Lifecycle { call, app, state } => {
                self.lifecycle(&app, state, now);
                answer(call, Ok(Reply::Done))
            }
            Input::GetResumePoint { call, app, media_id } => {
                let point = self.resume_point(&app, &media_id, now);
                Some((call, Ok(Reply::ResumePoint(point))))
            }
            Input::ForgetResumePoint { call, app, media_id } => {
                self.resume.forget(&app, &media_id, &mut self.ledger);
                Some((call, Ok(Reply::Done)))
            }
            Input::Flush { call } => {
                self.delivery.flush();
                answer(call, Ok(Reply::Pending(self.delivery.queued())))
            }
            Input::SetConsent { call, consent } => {
                self.set_consent(consent, now);
                answer(call, Ok(Reply::Done))
            }
            Input::Answer { request, outcome } => {
                let (delivery, mut clerk) = self.delivery_desk();
                let beat = delivery.answer(request, &outcome, now, &mut clerk);
                if let Some(session) = beat.and_then(|number| self.sessions.get_mut(&number)) {
                    session.beat = true;
                }
                if self.meta.next_rejected != self.written_rejected {
                    self.written_rejected = self.meta.next_rejected;
                    self.write_meta();
                }
                self.ledger.wait(now.boot, self.settings.flush_interval);
                None
            }
            Input::Network { online } => {
                self.delivery.network(online, now, &self.settings);
                None
            }
            Input::Metered(metered) => {
                self.delivery.metered(metered);
                None
            }
            Input::Clock { trusted } => {
                self.clock(trusted, now);
                None
            }
            Input::Sleep => {
                self.sleep(now);
                None
            }
            Input::Wake => {
                self.wake(now);
                None
            }
            Input::Reload { settings } => {
                let tracked = !self.opted_out();
                self.settings = *settings;
                self.apply_settings();
                if tracked && self.opted_out() {
                    self.set_consent(Consent::Out, now);
                }
                None
            }
            Input::Recovered { present } => {
                self.recovered(&present, now);
                None
            }
            Input::Tick => None,
            Input::Stop => {
                self.stop();
                None
            }
        }
    }

    /// Persist before send before reply before announcement.
    fn finish(
        &mut self,
        reply: Option<(CallId, Result<Reply, Rejected>)>,
        now: Now,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        if matches!(self.effects.first(), Some(Effect::Wipe)) {
            effects.push(self.effects.remove(0));
        }
        if let Some(durability) = self.ledger.urgent(now.boot) {
            self.write_dirty(now);
            effects.extend(self.ledger.take(durability).map(Effect::Persist));
        }
        effects.append(&mut self.effects);
        let after_sends = effects.iter().position(|e| matches!(e, Effect::Announce(_)));
        if let Some((call, result)) = reply {
            effects.insert(after_sends.unwrap_or(effects.len()), Effect::Reply(call, result));
        }
        effects
    }

    fn run_timers(&mut self, until: BootInstant, now: Now) {
        let due: Vec<u32> = self.sessions.keys().copied().collect();
        for number in due {
            let Some(session) = self.sessions.get_mut(&number) else { continue };
            if session.silent {
                continue;
            }
            // Grace comes before idle, age and ping (api.md 2.11).
            if let Some(grace) = session.interrupt.and_then(|i| i.until).filter(|d| *d <= until) {
                self.run_tracker(number, grace - time::Span::millis(1), now);
                self.grace_over(number, grace, now);
            }
            self.run_tracker(number, until, now);
        }
    }

    /// Nothing ran for a while. The state of now goes to the medium before the first ping goes
    /// out: what a power cut leaves must not be older than that time.
    fn catch_up(&mut self, now: Now) {
        for session in self.sessions.values_mut() {
            session.tracker.catch_up(now.boot, &self.settings);
        }
        self.write_all();
        self.ledger.want(effect::Durability::Synced);
    }

    fn run_tracker(&mut self, number: u32, until: BootInstant, now: Now) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        if session.tracker.deadline(&self.settings).is_none_or(|due| due > until) {
            return;
        }
        let mut hits = Vec::new();
        let open = session.tracker.phase();
        session.tracker.tick(until, &mut Desk { settings: &self.settings, hits: &mut hits });
        let dormant = session.tracker.phase() == tracker::Phase::Dormant;
        let close = open == tracker::Phase::Open && dormant;
        // What a ping changes, `submit` knows.
        session.dirty |= close || hits.is_empty();
        let orphan = session.owner.is_none();
        self.submit(number, hits, now);
        self.ledger.wait(now.boot, self.settings.flush_interval);
        if close && orphan {
            // Nobody is left who could revive it.
            self.close(number, effect::CloseReason::Vanished, now);
        } else if close {
            self.keep_point(number, false, now.boot, now);
            self.announce(effect::Notice::Closed(number, effect::CloseReason::Idle));
        }
    }

    fn clock(&mut self, trusted: bool, now: Now) {
        let (delivery, mut clerk) = self.delivery_desk();
        delivery.clock(trusted, now, &mut clerk);
        self.ledger.wait(now.boot, self.settings.flush_interval);
    }

    /// What follows from the settings and from what was said.
    fn apply_settings(&mut self) {
        let identity = &mut self.settings.identity;
        identity.installation.clone_from(&self.meta.installation);
        self.delivery.gates.consent = self.consent() == Consent::In;
    }

    fn delivery_desk(&mut self) -> (&mut Delivery, Clerk<'_>) {
        let clerk = Clerk {
            settings: &self.settings,
            ledger: &mut self.ledger,
            next_rejected: &mut self.meta.next_rejected,
            next_outbox: &mut self.meta.next_outbox,
        };
        (&mut self.delivery, clerk)
    }

    fn moment(&self, now: Now) -> Moment<'_> {
        Moment { now, wall: self.delivery.wall(now), boot: &self.meta.boot }
    }

    fn write_meta(&mut self) {
        self.ledger.put(Key::Meta, Record::Meta(self.meta.clone()));
    }

    fn write_dirty(&mut self, now: Now) {
        if self.meta.budget != self.delivery.budget {
            self.meta.budget = self.delivery.budget;
            self.write_meta();
        }
        for (number, session) in &mut self.sessions {
            if session.silent {
                continue;
            }
            let dirty = std::mem::take(&mut session.dirty);
            // Of two records of one instant that of the heartbeat counts: it must be the later one.
            let covered = dirty && session.pulsed == now.boot;
            if std::mem::take(&mut session.beat) || covered {
                session.pulsed = now.boot;
                let pulse = self.delivery.pulse(session.outbox, session.tracker.beat(), now);
                self.ledger.put(Key::Pulse(*number), Record::Pulse(pulse));
            }
            if dirty {
                let record = Record::Session(Box::new(session.record(now)));
                self.ledger.put(Key::Session(*number), record);
            }
        }
    }

    fn write_all(&mut self) {
        for session in self.sessions.values_mut() {
            session.dirty = true;
        }
    }

    fn count_rejection(
        &mut self,
        event: &str,
        call: Option<CallId>,
        result: &Result<Reply, Rejected>,
        now: Now,
    ) {
        if let Err(rejected) = result {
            self.rejected_events += 1;
            if call.is_none() {
                self.warnings.event(event, &rejected.why, now.boot);
            }
        }
    }

    /// Every resume point there is, for `playheadctl resume-points`.
    pub fn resume_points(&self) -> impl Iterator<Item = (&(String, String), &ResumePoint)> {
        self.resume.iter()
    }
}
