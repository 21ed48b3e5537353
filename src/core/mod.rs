//! Everything that decides: what is legal, when a ping is due, what a 410 means, whether this is
//! a resume, what must be on disk before a reply. No async, no sockets, no files, no clock and no
//! randomness of its own: inputs in, turns out.
//!
//! Inside: `time, clock, settings <- report <- tracker <- dialect, record <- delivery <- the rest
//! <- mod`. A caller hands in an `input` and gets a `turn`.

pub mod clock;
mod consent;
pub mod context;
pub mod delivery;
pub mod dialect;
mod dispatch;
pub mod input;
mod listing;
pub mod media;
pub mod message_ids;
mod pending_changes;
pub mod player;
pub mod rate;
pub mod record;
mod recording;
pub mod rejected;
pub mod report;
pub mod sessions;
pub mod settings;
pub mod size;
pub mod text;
pub mod time;
pub mod timer;
pub mod tracker;
pub mod turn;
pub mod warnings;

use std::collections::{BTreeMap, HashMap};

use self::clock::BootId;
use self::delivery::backoff::Rng;
use self::delivery::trouble::DeliveryState;
use self::delivery::{Counters, Delivery, DeliveryContext, Gates};
use self::dialect::Dialects;
use self::input::Input;
use self::pending_changes::PendingChanges;
use self::player::PlayerId;
use self::record::{BoxTotals, ConsentRecord, Key, Meta, ResumePoint, Stored};
use self::sessions::Session;
use self::sessions::join::FreeNumbers;
use self::sessions::resume::{ClockReading, ResumePoints};
use self::settings::{Consent, Settings};
use self::time::{BootInstant, Now, Span};
use self::turn::{Notice, Turn};
use self::warnings::Warnings;

/// CLOCK_BOOTTIME runs further ahead of CLOCK_MONOTONIC than before by more than this: the box has
/// slept (behaviour.md 1.6).
pub const SLEPT: Span = Span::seconds(2);

/// The whole agent, without I/O.
#[derive(Debug)]
pub struct Agent {
    settings: Settings,
    sessions: BTreeMap<u32, Session>,
    players: HashMap<PlayerId, u32>,
    delivery: Delivery,
    resume: ResumePoints,
    changes: PendingChanges,
    meta: Meta,
    consent: ConsentRecord,
    /// The consent file must be written in this turn.
    consent_changed: bool,
    /// The turn deletes what is stored of generations older than this.
    wipe: Option<u64>,
    notices: Vec<Notice>,
    /// Connections to collectors may be dead.
    reconnect: bool,
    /// `Input::Recovered` has not come yet; no timer runs until then.
    recovering: bool,
    /// When each restored session was last recorded, until `Input::Recovered`.
    recorded: BTreeMap<u32, BootInstant>,
    rejected_events: u64,
    /// Why the input of this turn was refused.
    refused: Option<String>,
    /// What was counted before this start.
    counted_before: BoxTotals,
    /// When the totals were last looked at, to be written.
    totals_at: BootInstant,
    /// `meta.next_rejected` as it was last written.
    written_rejected: u64,
    warnings: Warnings,
}

/// What an agent is told when it starts.
#[derive(Debug, Clone)]
pub struct StartInfo {
    pub boot: BootId,
    /// Id of this run of the bus. Unique names are valid only within one run.
    pub bus: String,
    pub clock_trusted: bool,
    pub online: bool,
    /// Seed of the agent's random numbers.
    pub seed: u64,
    /// The protocols that it speaks.
    pub dialects: Dialects,
    /// What the consent file holds.
    pub consent: ConsentRecord,
    /// The store could not be read, so what it holds is unknown.
    pub unread: bool,
}

/// What an operator wants to see in one look (behaviour.md 1.3).
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub active_sessions: u32,
    pub queued_hits: u64,
    /// Since the start of the agent.
    pub counters: Counters,
    pub rejected_events: u64,
    pub totals: BoxTotals,
    pub gates: Gates,
    pub consent: Consent,
}

impl Agent {
    /// An agent that continues from what a store holds. Its first input is `Input::Recovered`.
    pub fn new(settings: Settings, stored: Stored, start: StartInfo, now: Now) -> Agent {
        let mut chance = Rng::new(start.seed);
        let first = match start.unread {
            true => FreeNumbers::apart(&mut chance),
            false => FreeNumbers::after(&stored),
        };
        let old_budget = stored.meta.as_ref().map(|m| m.budget).unwrap_or_default();
        let counted_before = stored.meta.as_ref().map(|m| m.totals).unwrap_or_default();
        let meta = Meta {
            boot: start.boot.clone(),
            bus: start.bus.clone(),
            next_session: first.session,
            next_log: first.log,
            next_rejected: first.rejected,
            clean_stop: false,
            budget: old_budget,
            totals: counted_before,
        };
        let gates = Gates {
            consent: false,
            clock_trusted: start.clock_trusted,
            online: start.online,
            metered: false,
        };
        let mut agent = Agent {
            settings,
            sessions: BTreeMap::new(),
            players: HashMap::new(),
            delivery: Delivery::new(start.boot.clone(), gates, chance, start.dialects.clone()),
            resume: ResumePoints::default(),
            changes: PendingChanges::default(),
            meta,
            consent: start.consent.clone(),
            consent_changed: false,
            wipe: None,
            notices: Vec::new(),
            reconnect: false,
            recovering: true,
            recorded: BTreeMap::new(),
            rejected_events: 0,
            refused: None,
            counted_before,
            totals_at: now.boot,
            written_rejected: 0,
            warnings: Warnings::default(),
        };
        agent.delivery.budget = agent.meta.budget;
        agent.apply_settings();
        agent.delivery.rejected.add(stored.rejected.clone(), &agent.settings);
        let holds_something = start.unread || stored.holds_something();
        agent.restore(stored, &start, now);
        if start.clock_trusted {
            agent.clock(true, now);
        }
        agent.delivery.count();
        if holds_something && agent.opted_out() {
            // `consent.initial` says so since this start.
            agent.opt_out(now);
            agent.delivery.count();
        }
        agent
    }

    /// Handles one input and gives what follows from it, in order. Timers that were due before
    /// `now` run first; those due at `now` wait for `Input::Tick`, so that everything else of the
    /// same instant comes before them (behaviour.md 2.11).
    pub fn handle(&mut self, input: Input, now: Now) -> Turn {
        let tick = matches!(input, Input::Tick);
        if let Input::Slept { since } = input {
            self.slept(since, now);
        }
        if matches!(input, Input::Wake | Input::Slept { .. }) {
            self.catch_up(now);
        }
        let late = self.late(&input, now);
        if !self.recovering {
            let until = if tick { now.boot } else { now.boot.just_before() };
            self.run_timers(until, late, now);
        }
        let next_session = self.meta.next_session;
        let reply = self.take(input, late.map_or(now, |late| now.at(late.at)));
        if let Some(late) = late {
            let opened = self.meta.next_session != next_session;
            self.heard_late(if opened { Some(next_session) } else { late.session }, late, now);
        }
        let mut turn = Turn { reply, ..Turn::default() };
        if tick {
            let (delivery, mut ctx) = self.delivery_context();
            turn.requests = delivery.pump(now, &mut ctx);
        }
        self.finish(turn, now)
    }

    /// When `Input::Tick` is due at the latest; in the past when something can be done now.
    pub fn deadline(&self) -> Option<BootInstant> {
        if self.recovering {
            return None;
        }
        let sessions = self.sessions.values().map(|session| session.deadline(&self.settings));
        let rest = [self.delivery.deadline(&self.settings), self.changes.deadline()];
        sessions.chain(rest).flatten().min()
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn sessions(&self) -> impl Iterator<Item = (u32, &Session)> {
        self.sessions.iter().map(|(number, session)| (*number, session))
    }

    /// The number of the next session object.
    pub fn next_session(&self) -> u32 {
        self.meta.next_session
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
            totals: self.totals(),
            gates: self.delivery.gates,
            consent: self.consent(),
        }
    }

    /// What keeps hits back.
    pub fn delivery_state(&self, now: Now) -> DeliveryState {
        self.delivery.state(self.consent(), now, &self.settings)
    }

    /// What the box has counted in all its life.
    fn totals(&self) -> BoxTotals {
        let (before, now) = (self.counted_before, self.delivery.counters);
        BoxTotals {
            since: before.since,
            last_delivered: self.delivery.last_delivered().or(before.last_delivered),
            delivered: before.delivered + now.delivered,
            dropped: before.dropped + now.dropped,
            rejected_events: before.rejected_events + self.rejected_events,
        }
    }

    pub fn consent(&self) -> Consent {
        self.consent.consent.unwrap_or(self.settings.initial_consent)
    }

    /// What the consent file holds, or is to hold.
    pub fn consent_record(&self) -> &ConsentRecord {
        &self.consent
    }

    /// Moves the gathered changes, reads and notices into the turn.
    fn finish(&mut self, mut turn: Turn, now: Now) -> Turn {
        for session in self.delivery.released() {
            self.forget_media(session);
        }
        turn.wipe = self.wipe.take();
        if std::mem::take(&mut self.consent_changed) {
            turn.consent = Some(self.consent.clone());
        }
        if let Some(durability) = self.changes.urgent(now.boot) {
            self.write_changed(now);
            let sync_by = now.boot + self.settings.flush_interval;
            let spared = self.delivery.spared_pings();
            turn.batch = self.changes.take_without(&spared, durability, sync_by);
        }
        if let Some(batch) = &turn.batch {
            self.delivery.handing_over(batch.number);
        }
        turn.reads = self.delivery.wanted_reads();
        turn.reconnect = std::mem::take(&mut self.reconnect);
        self.delivery.count();
        turn.notices = std::mem::take(&mut self.notices);
        turn.refused = self.refused.take();
        turn.held = self.delivery.take_held();
        turn
    }

    fn clock(&mut self, trusted: bool, now: Now) {
        if trusted {
            self.counted_before.since.get_or_insert(now.wall);
        }
        self.delivery.clock(trusted, now);
        self.changes.write_within(now.boot, self.settings.flush_interval);
    }

    /// Combines the settings with the stored installation id and consent.
    fn apply_settings(&mut self) {
        let identity = &mut self.settings.identity;
        identity.installation.clone_from(&self.consent.installation);
        self.delivery.gates.consent = self.consent() == Consent::In;
    }

    fn delivery_context(&mut self) -> (&mut Delivery, DeliveryContext<'_>) {
        let ctx = DeliveryContext {
            settings: &self.settings,
            changes: &mut self.changes,
            next_rejected: &mut self.meta.next_rejected,
            next_log: &mut self.meta.next_log,
        };
        (&mut self.delivery, ctx)
    }

    /// Deletes the media record of a session, unless the session or a log of it still exists.
    fn forget_media(&mut self, session: u32) {
        if !self.sessions.contains_key(&session) && !self.delivery.has_log_of(session) {
            self.changes.delete(Key::Media(session));
        }
    }

    fn moment(&self, now: Now) -> ClockReading<'_> {
        ClockReading { now, wall: self.delivery.wall(now), boot: &self.meta.boot }
    }

    /// How many batches the agent has made for its store.
    pub fn batches(&self) -> u64 {
        self.changes.batches()
    }

    /// Every resume point there is, for `playheadctl resume-points`.
    pub fn resume_points(&self) -> impl Iterator<Item = (&(String, String), &ResumePoint)> {
        self.resume.iter()
    }
}
