//! One event and what follows from it: the truth takes it in as soon as the agent has, then it is
//! carried out, as far as the agent lives.

use playheadd::core::Agent;
use playheadd::core::input::{CallId, Input};
use playheadd::core::record::ConsentRecord;
use playheadd::core::rejected::{Refusal, Rejected};
use playheadd::core::settings::Consent;
use playheadd::core::turn::Reply;
use playheadd::engine::{Action, Event, StoreJob};
use playheadd::sim::driver::ActionHandler;
use playheadd::sim::timeline::What;

use super::disk::Saved;
use super::power::Armed;
use super::{Promise, World};
use crate::model::Model;

pub(super) struct Turn<'a, M> {
    world: &'a mut World,
    meaning: Option<M>,
    promise: Promise,
    /// What is said, for a report.
    said: String,
    call: Option<CallId>,
    /// Consent is set.
    consent: bool,
    tick: bool,
    recovered: bool,
    refused_before: u64,
    refused: bool,
    replies: Vec<(CallId, Result<Reply, Rejected>)>,
    batches: u64,
    /// Actions that were carried out.
    steps: usize,
    armed: Option<Armed>,
    /// Everything that was to be written was.
    written: bool,
}

impl<'a, M: FnOnce(&mut World, &Agent, i64) -> Option<bool>> Turn<'a, M> {
    pub fn new(
        world: &'a mut World,
        agent: &Agent,
        event: &Event,
        promise: Promise,
        meaning: M,
    ) -> Turn<'a, M> {
        let input = match event {
            Event::Message { input, .. } => Some(input),
            _ => None,
        };
        let said = match input {
            Some(input @ (Input::Open { .. } | Input::Event { .. })) => format!("{input:?}"),
            _ => String::new(),
        };
        let call = match input {
            Some(Input::Open { call, .. } | Input::Event { call, .. }) => *call,
            Some(Input::SetConsent { call, .. }) => *call,
            _ => None,
        };
        Turn {
            world,
            meaning: Some(meaning),
            promise,
            said,
            call,
            consent: matches!(input, Some(Input::SetConsent { .. })),
            tick: matches!(event, Event::Tick),
            recovered: matches!(input, Some(Input::Recovered { .. })),
            refused_before: agent.status().rejected_events,
            refused: false,
            replies: Vec::new(),
            batches: agent.batches(),
            steps: 0,
            armed: None,
            written: true,
        }
    }

    /// Everything is carried out, or the agent is dead; `healthy` is its store. Gives the death that
    /// was armed.
    pub fn finish(self, lived: bool, healthy: bool) -> Option<What> {
        let Turn { world, promise, call, consent, refused, replies, written, armed, .. } = self;
        let due: Vec<_> = call.map(|call| (call, refused)).into_iter().collect();
        // A store that cannot be written keeps no promise, and the caller is told so.
        let storage = |rejected: &Rejected| rejected.kind == Refusal::Storage;
        let seen: Vec<_> = replies
            .iter()
            .map(|(call, r)| (*call, r.as_ref().is_err_and(|rejected| !storage(rejected))))
            .collect();
        if lived && seen != due {
            world.say("reply", format!("{}: replies {replies:?}, due {due:?}", world.now));
        }
        let kept = world.kept_consent == world.model.consent;
        if consent && replies.iter().any(|(_, r)| r.is_ok()) && !kept {
            world.say("promise", format!("{}: consent is answered and not kept", world.now));
        }
        let kept =
            healthy && written && !replies.iter().any(|(_, r)| r.as_ref().is_err_and(storage));
        if kept && lived {
            let told = world.model.told;
            if promise >= Promise::Flushed {
                world.promised.insert("flushed", told);
            }
            if promise >= Promise::Synced {
                world.promised.insert("synced", told);
            }
        }
        armed.map(|armed| armed.death)
    }

    /// Nothing of what was stored will be found again.
    fn forgotten(&mut self) {
        let world = &mut *self.world;
        let mut nothing = Model::new(world.model.rules);
        (nothing.boot, nothing.told) = (world.model.boot, world.model.told);
        world.copies.wiped(Saved { model: nothing, owed: world.truth.owed.len(), acks: 0 });
        world.promised.clear();
        world.unread = None;
    }

    /// The truth takes in what the agent was told.
    fn mean(&mut self, agent: &Agent) {
        let Some(meaning) = self.meaning.take() else { return };
        self.refused = agent.status().rejected_events > self.refused_before;
        let world = &mut *self.world;
        if let Some(since) = world.away_since.take() {
            world.away.push((since, world.now));
        }
        let (now, trusted) = (world.now, world.trusted);
        if let Some(boot) = world.boots.last_mut() {
            boot.look(now, trusted);
        }
        if let Some(since) = world.noticed.take() {
            world.model.slept(since, &mut world.truth);
            world.model.tick(now - 1, now, &mut world.truth);
            world.model.wake();
        }
        if !self.recovered {
            let until = if self.tick { now } else { now - 1 };
            world.model.tick(until, now, &mut world.truth);
        }
        // Without consent a call has no effect, so there is nothing to keep.
        let idle = world.model.any_silent();
        let legal = meaning(world, agent, now);
        world.model.told += 1;
        if legal.is_some_and(|legal| legal == self.refused) {
            let what = if self.refused { "refuses what is legal" } else { "takes what is not" };
            world.say("legal", format!("{now}: the agent {what}: {}", self.said));
        }
        if idle || self.refused || world.model.consent() == Consent::Out {
            self.promise = Promise::Nothing;
        }
    }
}

impl<M: FnOnce(&mut World, &Agent, i64) -> Option<bool>> ActionHandler for Turn<'_, M> {
    fn taken(&mut self, agent: &Agent, actions: &[Action]) {
        self.mean(agent);
        let reading = actions.iter().any(|a| matches!(a, Action::Store(StoreJob::Read(_))));
        self.world.count(agent, reading);
        if agent.batches() > self.batches {
            self.batches = agent.batches();
            self.world.copies.newest = self.world.saved();
        }
        if self.armed.is_none() && !actions.is_empty() {
            // The agent of a box that falls asleep does not crash.
            let asleep = self.world.asleep_from.is_some();
            let strikes =
                |armed: &mut Armed| !asleep || !matches!(armed.death, What::AgentCrash { .. });
            self.armed = self.world.armed.take_if(strikes);
        }
    }

    fn survives_until(&mut self, _: &Action) -> bool {
        let lives = self.armed.as_ref().is_none_or(|armed| self.steps < armed.steps);
        self.steps += 1;
        lives
    }

    fn lost(&mut self, action: &Action) {
        self.world.never_done(action);
    }

    fn stored(&mut self, job: &StoreJob, done: bool) {
        self.written &= done;
        let world = &mut *self.world;
        let now = world.now;
        if !done {
            if world.full_until != i64::MAX {
                world.full_from = now;
            }
            world.full_until = i64::MAX;
            return;
        }
        if world.full_until == i64::MAX {
            world.full_until = now;
        }
        match job {
            StoreJob::Wipe { .. } => self.forgotten(),
            StoreJob::Join => world.join(),
            job => world.copies.written(job),
        }
    }

    fn consent_read(&mut self, record: Option<&ConsentRecord>) {
        self.world.model.consent = record.and_then(|record| record.consent);
    }

    fn consented(&mut self, record: &ConsentRecord, done: bool) {
        if done {
            self.world.kept_consent = record.consent;
        }
        // From here on an older store is as good as deleted.
        if done && record.consent == Some(Consent::Out) {
            self.forgotten();
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send(request) => self.world.send(request),
            Action::Reply(call, result) => {
                if let Ok(Reply::Session(number)) = &result
                    && let Some(session) = self.world.model.sessions.get(number)
                    && let Some(owner) = session.owner.clone()
                {
                    self.world.numbers.insert(owner, *number);
                }
                self.replies.push((call, result));
            }
            // What was under way is answered to nobody.
            Action::DropRequests => {}
            Action::Store(_) | Action::Consent(_) => {}
            Action::Announce(_) | Action::Show(_) | Action::Reconnect => {}
        }
    }
}
