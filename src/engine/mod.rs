//! The engine around the core, without I/O: events in, actions out, time as an argument. It owns
//! the [`Agent`] and decides what may be carried out when: a reply waits for its batch, a request
//! waits for every batch before it (behaviour.md 2.9). `app` carries the actions out on a box,
//! `sim` in virtual time.

mod alerts;
mod consent;
pub mod failure;
mod held;
pub mod mistakes;
mod probe;
mod sleep;
pub mod snapshot;
mod squash;
pub mod store;
mod trace;
pub mod unconfigured;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use self::alerts::Alerts;
use self::consent::ConsentQueue;
pub use self::consent::{ConsentDone, ConsentJob};
use self::failure::{Failure, Failures};
use self::held::{Held, refuse_promises};
use self::mistakes::Mistakes;
use self::probe::Probe;
use self::sleep::Sleep;
pub use self::snapshot::Snapshot;
use self::snapshot::StatusGist;
use self::store::{JobResult, StoreQueue};
pub use self::store::{StoreDone, StoreJob};
use self::trace::Trace;
use crate::core::Agent;
use crate::core::dialect::exchange::{Outcome, Request, RequestId};
use crate::core::input::{CallId, Input};
use crate::core::record::{ConsentState, StoreState};
use crate::core::rejected::{Refusal, Rejected};
use crate::core::settings::Settings;
use crate::core::time::{BootInstant, Now, Span, WallTime};
use crate::core::tracker::event::EventName;
use crate::core::turn::{Notice, Reply};
use crate::core::warnings::RefusalLog;

/// How long a stop waits for delivery (behaviour.md 1.6).
pub const STOP_PATIENCE: Span = Span::seconds(2);
/// The service manager gets a status line at most this often.
const MANAGER_INTERVAL: Span = Span::millis(500);

/// Everything that the outside tells the engine.
#[derive(Debug)]
pub enum Event {
    /// An input, and when it arrived at its adapter (behaviour.md 1.5).
    Message { input: Input, arrived: BootInstant },
    /// What became of a request.
    Answer { request: RequestId, outcome: Outcome },
    /// What became of a job of the store.
    Store(StoreDone),
    /// What became of a job of the consent file.
    Consent(ConsentDone),
    /// The wall clock was set, or its trust changed.
    Clock { trusted: bool },
    /// A new configuration was loaded.
    Reload(Box<Settings>),
    /// A new configuration is broken, for this reason.
    ReloadFailed(Mistakes),
    /// What works in the configuration in force and is surely not meant.
    Warnings(Vec<String>),
    /// Whether a synchronised clock is required and nobody can say that it is.
    ClockHidden(bool),
    /// Where a broken store lies that was set aside, if one does.
    StoreSetAside(Option<String>),
    /// Whether the bus of the MPRIS players is away.
    PlayersAway(bool),
    /// Whether a monitor watches from now on.
    Watched(bool),
    /// The deadline is reached.
    Tick,
    /// The agent is asked to stop.
    Stop,
}

/// What is to be done outside, in this order.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// One job at a time; its result comes back as `Event::Store`.
    Store(StoreJob),
    /// One job of the consent file at a time; its result comes back as `Event::Consent`.
    Consent(ConsentJob),
    /// Make the HTTP client anew: its pooled connections may be dead.
    Reconnect,
    Send(Request),
    /// Abort all requests in flight; their answers are not needed.
    DropRequests,
    Reply(CallId, Result<Reply, Rejected>),
    Announce(Notice),
    /// Something that happened, as JSON, for those who watch.
    Show(String),
}

#[derive(Debug)]
pub struct Engine {
    agent: Agent,
    store: StoreQueue,
    consent: ConsentQueue,
    /// The revision of the consent file that a deletion waits for.
    wipe_after: Option<u64>,
    held: VecDeque<Held>,
    flying: BTreeSet<RequestId>,
    actions: Vec<Action>,
    trace: Option<Trace>,
    probe: Probe,
    sleep: Sleep,
    started: BootInstant,
    /// When the oldest hit that waits was last looked for, and when that happened.
    oldest: Option<(BootInstant, WallTime)>,
    /// What is wrong.
    failures: Failures,
    /// What works and is surely not meant.
    warnings: Arc<[String]>,
    alerts: Alerts,
    refusals: RefusalLog,
    /// When a requested stop is over at the latest.
    stopping: Option<BootInstant>,
    manager_told: Option<BootInstant>,
    manager_gist: StatusGist,
    /// When the service manager gets a line that came too early for it.
    manager_due: Option<BootInstant>,
}

impl Engine {
    /// An engine around an agent and what its store is like at the start.
    pub fn new(agent: Agent, store: StoreState, consent: ConsentState, clocks: Now) -> Engine {
        let now = clocks.boot;
        Engine {
            store: StoreQueue::new(store, now),
            wipe_after: None,
            consent: ConsentQueue::new(consent, agent.consent_record(), now),
            sleep: Sleep::new(clocks),
            agent,
            held: VecDeque::new(),
            flying: BTreeSet::new(),
            actions: Vec::new(),
            trace: None,
            probe: Probe::default(),
            started: now,
            oldest: None,
            failures: Failures::default(),
            warnings: Arc::default(),
            alerts: Alerts::new(now),
            refusals: RefusalLog::default(),
            stopping: None,
            manager_told: None,
            manager_gist: StatusGist::default(),
            manager_due: None,
        }
    }

    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    pub fn store_healthy(&self) -> bool {
        self.store.healthy()
    }

    /// Handles one event and gives the actions that follow from it.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        self.look_for_sleep(now);
        match event {
            Event::Message { input: Input::Probe { call }, .. } => self.probe(call, now.boot),
            Event::Message { input: input @ (Input::Sleep | Input::Wake), arrived } => {
                let plays = self.agent.sessions().any(|(_, session)| session.tracker.is_playing());
                if self.sleep.announced(&input, plays, now.boot) {
                    self.input(input, now.at(arrived.min(now.boot)));
                }
            }
            Event::Message { input, arrived } => {
                let input =
                    if self.store.crowded() { self.hold_off(input, now) } else { Some(input) };
                if let Some(input) = input {
                    self.input(input, now.at(arrived.min(now.boot)));
                }
            }
            Event::Answer { request, outcome } if request.probe_number().is_some() => {
                self.probed(request.probe_number().unwrap_or_default(), &outcome, now.boot);
            }
            Event::Answer { request, outcome } => {
                self.flying.remove(&request);
                self.input(Input::Answer { request, outcome }, now);
            }
            Event::Store(done) => self.store_done(done, now),
            Event::Consent(ConsentDone::Written(written)) => self.consent_written(&written, now),
            Event::Consent(ConsentDone::Read(read)) => {
                let ours = self.agent.consent_record();
                if let Some(record) = self.consent.read(read, ours, now.boot) {
                    self.input(Input::ConsentRead(record), now);
                }
            }
            Event::Clock { trusted } => self.input(Input::Clock { trusted }, now),
            Event::Reload(settings) => {
                self.failures.end(&Failure::configuration(&Mistakes::default()));
                self.drop_held_for_others(&settings);
                self.input(Input::Reload { settings }, now);
            }
            Event::Warnings(warnings) => self.warnings = warnings.into(),
            Event::ReloadFailed(mistakes) => {
                self.failures.begin(Failure::configuration(&mistakes), now.boot);
            }
            Event::StoreSetAside(Some(path)) => {
                self.failures.begin(Failure::StoreSetAside(path), now.boot);
            }
            Event::StoreSetAside(None) => self.failures.end(&Failure::StoreSetAside(String::new())),
            Event::PlayersAway(true) => self.failures.begin(Failure::PlayersAway, now.boot),
            Event::PlayersAway(false) => self.failures.end(&Failure::PlayersAway),
            Event::ClockHidden(true) => self.failures.begin(Failure::ClockHidden, now.boot),
            Event::ClockHidden(false) => self.failures.end(&Failure::ClockHidden),
            Event::Watched(watched) => {
                let trace = self.trace.take();
                let state = self.agent.delivery_state(now);
                self.trace = watched.then(|| trace.unwrap_or_else(|| Trace::new(state)));
                self.input(Input::Watched(watched), now);
            }
            // Timers and sends come after everything else of an instant (behaviour.md 2.11), so
            // only a tick runs them.
            Event::Tick if self.agent.deadline().is_some_and(|due| due <= now.boot) => {
                self.input(Input::Tick, now);
            }
            Event::Tick => {}
            Event::Stop => {
                self.stopping.get_or_insert(now.boot + STOP_PATIENCE);
                self.input(Input::Stop, now);
            }
        }
        // No step waits for a store that cannot be written.
        if let Some(batch) = self.store.given_up(now.boot) {
            self.released(batch, false, now);
        }
        if let Some(mut replies) = self.consent.given_up(now.boot) {
            self.may_wipe(u64::MAX);
            refuse_promises(&mut replies);
            self.release(replies, now);
        }
        if let Some(job) = self.consent.next(now.boot) {
            self.actions.push(Action::Consent(job));
        }
        if let Some(job) = self.store.next(now.boot) {
            self.actions.push(Action::Store(job));
        }
        self.look_whether_saved(now.boot);
        self.note_failures(now);
        self.look_for_oldest(now);
        self.alert(now);
        if let Some(trace) = &mut self.trace {
            let line = trace.state(self.agent.delivery_state(now), &self.failures, now);
            self.actions.extend(line.map(Action::Show));
        }
        std::mem::take(&mut self.actions)
    }

    /// When `Event::Tick` is due at the latest; in the past when something can be done now.
    pub fn deadline(&self) -> Option<BootInstant> {
        let own = [
            self.store.deadline(),
            self.consent.deadline(),
            self.manager_due,
            self.sleep.deadline(),
        ];
        own.into_iter().chain([self.alert_due()]).chain([self.agent.deadline()]).flatten().min()
    }

    /// Whether nothing is under way any more that a stop would wait for.
    pub fn may_leave(&self, now: BootInstant) -> bool {
        let due = self.agent.deadline().is_some_and(|due| due <= now);
        let kept = !self.store.busy() && !self.consent.busy();
        self.flying.is_empty() && self.held.is_empty() && kept && !due
    }

    /// Whether something can go on when the store's job is done. If not, hearing of it has time.
    pub fn waits_for_store(&self) -> bool {
        let waits = self.held.iter().any(|held| !held.steps.is_empty());
        waits
            || self.store.has_more()
            || self.stopping.is_some()
            || self.sleep.put_off.is_some()
            || self.wipe_after.is_some()
    }

    /// Whether the time that a stop leaves for delivery is over.
    pub fn stop_is_over(&self, now: BootInstant) -> bool {
        self.stopping.is_some_and(|until| until <= now)
    }

    /// Whether everything that was handed to the store lies there, or is given up because it
    /// cannot be written.
    pub fn store_at_rest(&self) -> bool {
        !self.consent.busy() && (!self.store.busy() || !self.store.healthy())
    }

    /// Bytes that were handed to the store and are not written, about.
    pub fn unwritten_bytes(&self) -> u64 {
        self.store.bytes()
    }

    /// Whether no job of the store is under way.
    pub fn store_is_free(&self) -> bool {
        self.store.is_free()
    }

    /// A status line for the service manager, whenever it is time for one. The loop is woken for a line
    /// that says something new; one with other numbers waits for a turn that comes anyway.
    pub fn manager_status(&mut self, now: Now) -> Option<String> {
        let next = self.manager_told.map(|told| told + MANAGER_INTERVAL);
        if next.is_none_or(|next| next <= now.boot) {
            self.note_failures(now);
            (self.manager_told, self.manager_due) = (Some(now.boot), None);
            self.manager_gist = StatusGist::of(&self.agent, &self.failures, now);
            return Some(self.status_line(now));
        }
        if self.manager_due.is_none()
            && StatusGist::of(&self.agent, &self.failures, now) != self.manager_gist
        {
            self.manager_due = next;
        }
        None
    }

    /// The same line at any time.
    pub fn status_line(&self, now: Now) -> String {
        snapshot::status_line(&self.agent, &self.failures, now)
    }

    /// Keeps players from giving more to a store that is far behind. What ends a session is taken,
    /// and what is small longer than the rest: one who floods keeps nobody from playing.
    fn hold_off(&mut self, input: Input, now: Now) -> Option<Input> {
        let (call, name, sender) = match &input {
            Input::Event { name: EventName::End | EventName::Complete, .. } => return Some(input),
            Input::Event { info, .. } if info.is_empty() && !self.store.overcrowded() => {
                return Some(input);
            }
            Input::Open { call, player, .. } => {
                (*call, EventName::SessionStart, player.sender.as_str())
            }
            Input::Event { call, name, target, .. } => (*call, *name, target.sender()),
            Input::Begin { player, .. } => (None, EventName::SessionStart, player.sender.as_str()),
            _ => return Some(input),
        };
        let why = format!(
            "{} bytes wait to be stored already, and the store does not keep up; this was \
             dropped, try again later",
            self.store.bytes()
        );
        let refused = Rejected::new(Refusal::LimitsExceeded, why);
        match call {
            Some(call) => self.actions.push(Action::Reply(call, Err(refused))),
            None => self.refusals.say(name.name(), sender, "", &refused, now.boot),
        }
        Some(Input::Flooded { events: 1 })
    }

    fn input(&mut self, input: Input, now: Now) {
        let Some(trace) = &mut self.trace else {
            let turn = self.agent.handle(input, now);
            return self.carry_out(turn, now);
        };
        let line = trace.input(&input, &self.agent, now);
        let turn = self.agent.handle(input, now);
        if let Some(mut line) = line {
            trace::outcome(&mut line, &turn);
            self.actions.push(Action::Show(line.to_string()));
        }
        let held = turn.held.iter().map(|held| trace::held(held, now).to_string());
        self.actions.extend(held.map(Action::Show));
        self.carry_out(turn, now);
    }

    fn consent_written(&mut self, written: &Result<(), String>, now: Now) {
        let Some((revision, mut replies)) = self.consent.written(written, now.boot) else { return };
        self.may_wipe(revision);
        if written.is_err() {
            refuse_promises(&mut replies);
        }
        self.release(replies, now);
    }

    /// The consent file is written up to this revision, or cannot be.
    fn may_wipe(&mut self, revision: u64) {
        if self.wipe_after.is_some_and(|after| after <= revision) {
            self.wipe_after = None;
            self.store.may_wipe();
        }
    }

    fn store_done(&mut self, done: StoreDone, now: Now) {
        match self.store.done(done, now.boot) {
            JobResult::Written(batch) => {
                self.released(batch, true, now);
                self.input(Input::Written { batch }, now);
            }
            JobResult::Failed(batch) => self.released(batch, false, now),
            JobResult::Read(id, read) => self.input(Input::Read { id, read }, now),
            JobResult::Joined(stored) => self.input(Input::Joined { stored }, now),
            JobResult::Nothing => {}
        }
    }
}
