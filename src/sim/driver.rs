//! The one driver of the engine in virtual time: `simulate`, the random days of `tests/world`, the
//! property tests and the fuzzers all run the shipped engine through it, on a store that can be
//! slow, full, read-only or failing, also when it is opened.

use std::collections::VecDeque;

use crate::core::record::Stored;
use crate::core::settings::Settings;
use crate::core::time::{BootInstant, Now};
use crate::core::{Agent, StartInfo};
use crate::engine::{Action, Engine, Event, StoreDone, StoreJob};
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
    pub fault: DiskFault,
    /// How long each job takes, in milliseconds.
    pub delay_ms: i64,
    /// One of so many jobs fails; 0: none.
    pub fails_every: u32,
    jobs: u32,
}

impl Disk {
    /// What an agent that starts now reads. A full or read-only disk can still be read
    /// (behaviour.md 2.9).
    ///
    /// Errors: a disk that fails.
    fn open(&self) -> Result<Stored, String> {
        match self.fault.fails {
            true => Err("input/output error".to_owned()),
            false => Ok(self.store.load()),
        }
    }

    /// Carries a job out at `at_ms` on the clock of the simulated world.
    fn work(&mut self, job: &StoreJob, at_ms: i64) -> StoreDone {
        self.jobs += 1;
        let unlucky = self.fails_every > 0 && self.jobs.is_multiple_of(self.fails_every);
        let fault = self.fault.of_writing().or(unlucky.then_some("input/output error"));
        let result = || fault.map_or(Ok(()), |why| Err(why.to_owned()));
        match job {
            StoreJob::Write { batches, set_aside } => {
                let written = result();
                if written.is_ok() {
                    if *set_aside {
                        self.store = MemoryStore::default();
                    }
                    batches.iter().for_each(|batch| self.store.apply(batch, at_ms));
                }
                StoreDone::Written(written)
            }
            StoreJob::Read(read) => StoreDone::Read(match self.fault.fails || unlucky {
                true => Err("input/output error".into()),
                false => Ok(self.store.read(read)),
            }),
            StoreJob::Wipe => {
                let wiped = result();
                if wiped.is_ok() {
                    self.store = MemoryStore::default();
                }
                StoreDone::Wiped(wiped)
            }
            StoreJob::Tidy => StoreDone::Tidied,
        }
    }
}

/// What happens outside the engine.
pub trait ActionHandler {
    /// Carries out an action of the engine. The driver itself carries out jobs of the store.
    fn act(&mut self, action: Action);

    /// Whether the agent lives to carry this out. If not, this and all later actions are lost.
    fn survives_until(&mut self, _action: &Action) -> bool {
        true
    }

    /// The engine has handled an event; none of the resulting actions was carried out yet.
    fn taken(&mut self, _agent: &Agent, _actions: &[Action]) {}

    /// The agent died before it could carry this out.
    fn lost(&mut self, _action: &Action) {}

    /// The store has written batches or deleted everything, or could not.
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
    pub fn start(&mut self, settings: Settings, info: StartInfo, now: Now) {
        let (stored, failed) = match self.disk.open() {
            Ok(stored) => (stored, None),
            Err(why) => (Stored::default(), Some(why)),
        };
        self.engine = Some(Engine::new(Agent::new(settings, stored, info, now), failed));
        self.working = None;
    }

    /// The agent is gone, as by SIGKILL; what the disk holds stays.
    pub fn kill(&mut self) {
        self.engine = None;
        self.working = None;
    }

    /// The power is cut: what was flushed within the last `unsynced_ms` is gone too.
    pub fn cut_power(&mut self, at_ms: i64, unsynced_ms: i64) {
        self.kill();
        self.disk.store.power_cut(at_ms, unsynced_ms);
    }

    /// `None` while there is no agent.
    pub fn agent(&self) -> Option<&Agent> {
        self.engine.as_ref().map(Engine::agent)
    }

    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
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
            let Action::Store(job) = action else {
                outside.act(action);
                continue;
            };
            if self.disk.delay_ms > 0 {
                self.working = Some((at_ms + self.disk.delay_ms, job));
                continue;
            }
            let done = self.work(&job, at_ms, outside);
            let Some(engine) = &mut self.engine else { return false };
            let more = engine.handle(Event::Store(done), now);
            outside.taken(engine.agent(), &more);
            actions.extend(more);
        }
        true
    }

    /// Completes the store's job under way. False when the agent died over the actions.
    pub fn store_done(&mut self, now: Now, at_ms: i64, outside: &mut impl ActionHandler) -> bool {
        let Some((_, job)) = self.working.take() else { return true };
        let done = self.work(&job, at_ms, outside);
        self.tell(Event::Store(done), now, at_ms, outside)
    }

    fn work(&mut self, job: &StoreJob, at_ms: i64, outside: &mut impl ActionHandler) -> StoreDone {
        let done = self.disk.work(job, at_ms);
        if let StoreDone::Written(written) | StoreDone::Wiped(written) = &done {
            outside.stored(job, written.is_ok());
        }
        done
    }
}
