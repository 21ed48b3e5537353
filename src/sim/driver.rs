//! The one driver of the engine in virtual time: `simulate`, the random days of `tests/world`, the
//! property tests and the fuzzers all run the shipped engine through it, on a store that can be
//! slow, full, read-only or failing, also when it is opened.

use std::collections::VecDeque;

use crate::core::clock::BootId;
use crate::core::delivery::backoff::Rng;
use crate::core::dialect::Dialects;
use crate::core::record::{ConsentRecord, ConsentState, StoreState, Stored};
use crate::core::settings::{Consent, Settings};
use crate::core::time::{BootInstant, Now};
use crate::core::{Agent, StartInfo};
use crate::engine::{Action, ConsentDone, ConsentJob, Engine, Event, StoreDone, StoreJob};
use crate::store::memory::MemoryStore;

/// What is wrong with the disk under the store (behaviour.md 4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskFault {
    pub full: bool,
    pub read_only: bool,
    /// Reads and writes fail with an I/O error.
    pub fails: bool,
}

impl DiskFault {
    fn of_writing(self) -> Option<&'static str> {
        match self {
            DiskFault { fails: true, .. } => Some("input/output error"),
            DiskFault { read_only: true, .. } => Some("the file system is read-only"),
            DiskFault { full: true, .. } => Some("no space is left"),
            _ => None,
        }
    }
}

/// The disk of a simulated box, with the store on it.
#[derive(Debug, Default)]
pub struct Disk {
    pub store: MemoryStore,
    /// The generation of the store, and the one that it should be of.
    pub generation: u64,
    wanted_generation: u64,
    /// The consent file.
    pub consent: Option<ConsentRecord>,
    pub fault: DiskFault,
    /// How long each job takes, in milliseconds.
    pub delay_ms: i64,
    /// One of so many jobs fails; 0: none.
    pub fails_every: u32,
    jobs: u32,
}

impl Disk {
    /// Reads the consent file, or makes it. A file that is missing beside a store, or cannot be
    /// read, means `unknown`.
    fn open_consent(&mut self, seed: u64) -> (ConsentRecord, ConsentState) {
        if let Some(record) = self.consent.clone().filter(|_| !self.fault.fails) {
            return (record, ConsentState::Saved);
        }
        let mut record = ConsentRecord::first(Rng::new(seed).hex128());
        if self.fault.fails || self.store.raw().next().is_some() {
            record.consent = Some(Consent::Unknown);
            record.generation = self.generation.max(1);
        }
        if self.fault.fails {
            return (record, ConsentState::Unread);
        }
        let state = match self.write_consent(&record) {
            Ok(()) => ConsentState::Saved,
            Err(_) => ConsentState::Unsaved,
        };
        (record, state)
    }

    /// Writes the consent file. On a full disk the store makes room, if it is of an older
    /// generation.
    fn write_consent(&mut self, record: &ConsentRecord) -> Result<(), String> {
        match self.fault {
            DiskFault { fails: false, read_only: false, full } => {
                if full {
                    self.delete_older(record.generation);
                }
                self.consent = Some(record.clone());
                Ok(())
            }
            fault => Err(fault.of_writing().unwrap_or_default().to_owned()),
        }
    }

    fn delete_older(&mut self, generation: u64) {
        if self.generation < generation {
            self.store = MemoryStore::default();
            self.generation = generation;
        }
    }

    /// What an agent that starts now reads, and what the store is like. A full or read-only disk
    /// can still be read (behaviour.md 2.9).
    fn open(&mut self, generation: u64) -> (Stored, StoreState) {
        self.wanted_generation = generation;
        if self.fault.fails {
            return (Stored::default(), StoreState::Unread("input/output error".to_owned()));
        }
        let unwritable = self.fault.of_writing();
        if unwritable.is_none() {
            self.delete_older(generation);
        } else if self.generation < generation {
            // It is as good as deleted.
            return (Stored::default(), StoreState::Unwritable("no space is left".to_owned()));
        }
        let state = unwritable.map_or(StoreState::Works, |why| StoreState::Unwritable(why.into()));
        (self.store.load(), state)
    }

    /// Carries a job out.
    fn work(&mut self, job: &StoreJob) -> StoreDone {
        self.jobs += 1;
        let unlucky = self.fails_every > 0 && self.jobs.is_multiple_of(self.fails_every);
        let fault = self.fault.of_writing().or(unlucky.then_some("input/output error"));
        let result = || fault.map_or(Ok(()), |why| Err(why.to_owned()));
        match job {
            StoreJob::Write(batches) => {
                let written = result();
                if written.is_ok() {
                    self.delete_older(self.wanted_generation);
                    batches.iter().for_each(|batch| self.store.apply(batch));
                }
                StoreDone::Written(written)
            }
            StoreJob::Read(read) => StoreDone::Read(match self.fault.fails || unlucky {
                true => Err("input/output error".into()),
                false => Ok(self.store.read(read)),
            }),
            StoreJob::Join => StoreDone::Joined(match self.fault.fails || unlucky {
                true => Err("input/output error".into()),
                false => Ok(Box::new(self.store.load())),
            }),
            // A full disk can be deleted from.
            StoreJob::Wipe { generation } => {
                self.wanted_generation = *generation;
                let wiped = match fault {
                    Some(why) if !self.fault.full || unlucky => Err(why.to_owned()),
                    _ => {
                        self.delete_older(*generation);
                        Ok(())
                    }
                };
                StoreDone::Wiped(wiped)
            }
            StoreJob::Tidy => StoreDone::Tidied,
        }
    }
}

/// A start in a boot of this name, on a box that is online and knows the time. The driver reads the
/// consent file.
pub fn start_info(boot: &str, seed: u64) -> StartInfo {
    StartInfo {
        boot: BootId(boot.to_owned()),
        bus: boot.to_owned(),
        clock_trusted: true,
        online: true,
        seed,
        dialects: Dialects::default(),
        consent: ConsentRecord::default(),
        unread: false,
    }
}

/// What happens outside the engine.
pub trait ActionHandler {
    /// Carries out an action of the engine. The driver itself carries out jobs of the store and
    /// writes the consent file.
    fn act(&mut self, action: Action);

    /// Whether the agent lives to carry this out. If not, this and all later actions are lost.
    fn survives_until(&mut self, _action: &Action) -> bool {
        true
    }

    /// The engine has handled an event; none of the resulting actions was carried out yet.
    fn taken(&mut self, _agent: &Agent, _actions: &[Action]) {}

    /// The agent died before it could carry this out.
    fn lost(&mut self, _action: &Action) {}

    /// The consent file was written, or could not be.
    fn consented(&mut self, _record: &ConsentRecord, _done: bool) {}

    /// The consent file was read, after it could not be at the start.
    fn consent_read(&mut self, _record: Option<&ConsentRecord>) {}

    /// The store has written batches, deleted everything or was read to join it, or could not be.
    fn stored(&mut self, _job: &StoreJob, _done: bool) {}
}

/// Collects the actions.
impl ActionHandler for Vec<Action> {
    fn act(&mut self, action: Action) {
        self.push(action);
    }
}

/// An engine on a disk, in virtual time.
#[derive(Debug, Default)]
pub struct Driver {
    engine: Option<Engine>,
    pub disk: Disk,
    /// A job of the store that is under way, and when it will be done.
    working: Option<(i64, StoreJob)>,
}

impl Driver {
    /// Starts an agent on what the disk holds.
    pub fn start(&mut self, settings: Settings, mut info: StartInfo, now: Now) {
        let (consent, consent_state) = self.disk.open_consent(info.seed);
        let (stored, state) = self.disk.open(consent.generation);
        info.consent = consent;
        info.unread = matches!(state, StoreState::Unread(_));
        let agent = Agent::new(settings, stored, info, now);
        self.engine = Some(Engine::new(agent, state, consent_state, now));
        self.working = None;
    }

    /// An agent starts and dies before it is there, as by SIGKILL: after it has read the consent
    /// file, after it has deleted older stores, or after it has read everything.
    pub fn die_in_opening(&mut self, after: u32, settings: Settings, info: StartInfo, now: Now) {
        let (consent, _) = self.disk.open_consent(info.seed);
        if after > 0 {
            self.disk.open(consent.generation);
        }
        if after > 1 {
            self.start(settings, info, now);
        }
        self.kill();
    }

    /// The agent is gone, as by SIGKILL; what the disk holds stays.
    pub fn kill(&mut self) {
        self.engine = None;
        self.working = None;
    }

    /// The power is cut: what was not synced is gone too.
    pub fn cut_power(&mut self) {
        self.kill();
        self.disk.store.power_cut();
    }

    /// `None` while there is no agent.
    pub fn agent(&self) -> Option<&Agent> {
        self.engine.as_ref().map(Engine::agent)
    }

    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// The engine, for what changes nothing in the agent.
    pub fn engine_mut(&mut self) -> Option<&mut Engine> {
        self.engine.as_mut()
    }

    /// When the engine wants its next `Event::Tick`, in boot time.
    pub fn deadline(&self) -> Option<BootInstant> {
        self.engine.as_ref()?.deadline()
    }

    /// When the store's job under way is done, in milliseconds of the simulated world.
    pub fn store_done_at(&self) -> Option<i64> {
        self.working.as_ref().map(|(at, _)| *at)
    }

    /// Passes one event to the engine and carries out all actions. The store answers before the
    /// next action is carried out, unless the disk has a delay. False when the agent died.
    pub fn tell(
        &mut self,
        event: Event,
        now: Now,
        at_ms: i64,
        outside: &mut impl ActionHandler,
    ) -> bool {
        let Some(engine) = &mut self.engine else { return false };
        let mut actions = VecDeque::from(engine.handle(event, now));
        outside.taken(engine.agent(), actions.make_contiguous());
        while let Some(action) = actions.pop_front() {
            if !outside.survives_until(&action) {
                self.kill();
                outside.lost(&action);
                actions.iter().for_each(|action| outside.lost(action));
                return false;
            }
            let done = match action {
                Action::Store(job) if self.disk.delay_ms > 0 => {
                    self.working = Some((at_ms + self.disk.delay_ms, job));
                    continue;
                }
                Action::Store(job) => Event::Store(self.work(&job, outside)),
                Action::Consent(ConsentJob::Read) => {
                    let read = match self.disk.fault.fails {
                        true => Err("input/output error".to_owned()),
                        false => Ok(self.disk.consent.clone()),
                    };
                    if let Ok(record) = &read {
                        outside.consent_read(record.as_ref());
                    }
                    Event::Consent(ConsentDone::Read(read))
                }
                Action::Consent(ConsentJob::Write(record)) => {
                    let written = self.disk.write_consent(&record);
                    outside.consented(&record, written.is_ok());
                    Event::Consent(ConsentDone::Written(written))
                }
                action => {
                    outside.act(action);
                    continue;
                }
            };
            let Some(engine) = &mut self.engine else { return false };
            let more = engine.handle(done, now);
            outside.taken(engine.agent(), &more);
            actions.extend(more);
        }
        true
    }

    /// Completes the store's job under way. False when the agent died over the actions.
    pub fn store_done(&mut self, now: Now, at_ms: i64, outside: &mut impl ActionHandler) -> bool {
        let Some((_, job)) = self.working.take() else { return true };
        let done = self.work(&job, outside);
        self.tell(Event::Store(done), now, at_ms, outside)
    }

    fn work(&mut self, job: &StoreJob, outside: &mut impl ActionHandler) -> StoreDone {
        let done = self.disk.work(job);
        match &done {
            StoreDone::Written(done) | StoreDone::Wiped(done) => outside.stored(job, done.is_ok()),
            StoreDone::Joined(done) => outside.stored(job, done.is_ok()),
            StoreDone::Read(_) | StoreDone::Tidied => {}
        }
        done
    }
}
