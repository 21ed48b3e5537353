//! Lives and deaths: starts, stops, crashes, power cuts, sleep, and the evening of a day.

use std::collections::HashMap;

use playheadd::core::delivery::Counters;
use playheadd::core::input::Input;
use playheadd::core::settings::Consent;
use playheadd::core::{Agent, StartInfo};
use playheadd::engine::Event;
use playheadd::sim::CollectorModel as _;
use playheadd::sim::driver::start_info;
use playheadd::sim::timeline::What;

use super::disk::Saved;
use super::lines::unique;
use super::{Promise, World};
use crate::day::DAWN_MS;
use crate::model::Model;
use crate::truth::Wrong;

/// What a stop and a suspend leave for delivery (docs/behaviour.md 1.6).
pub(super) const STOP_DELIVERY_MS: i64 = 2_000;
const GRACE_MS: i64 = 60_000;
/// A shorter sleep that nobody announces goes unnoticed.
const SLEPT_MS: i64 = 2_000;
/// How far behind a power cut the end of a session may be dated: an estimate (docs/behaviour.md
/// 2.11).
const CUT_SLACK_MS: i64 = 71_001;
/// How long after the last line everything must have come to rest, but for what is old: the longest
/// `Retry-After`, the longest back-off, the spread and the grace.
const EVENING_MS: i64 = (66 + 5 + 10 + 4) * 60_000;
/// The longest that what is old waits for the next of it, from a collector that answers at once.
const LONGEST_INTERVAL_MS: i64 = 25_000;
/// What is repeated of a session that is opened again, at most about.
const REPEATED: u64 = 8;
/// How long after its answer a ping that goes back to the store may not have got there: what
/// survives the agent, and what survives a power cut.
const BACK_MS: (i64, i64) = (6_000, 11_000);
/// How long after a full disk what happened in it is still not on the medium.
const FORGETFUL_MS: i64 = 11_000;

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
    pub(super) fn new(began: i64) -> Boot {
        Boot { began, ended: None, trusted: Vec::new(), lost: true }
    }

    pub(super) fn look(&mut self, now: i64, trusted: bool) {
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
pub(super) struct Armed {
    pub steps: usize,
    pub death: What,
}

impl World {
    pub(super) fn start(&mut self) {
        let number = self.boots.len() as u32;
        let unread = self.driver.disk.fault.fails;
        if unread {
            self.cannot_read(number);
        }
        // As long as nothing was written in this boot, the store is that of an earlier one.
        if self.model.boot != number
            && let Some((clean, cut)) = self.reboot
        {
            self.model.rebooted(clean, cut, CUT_SLACK_MS, &mut self.truth);
            self.model.boot = number;
        }
        let start = StartInfo {
            clock_trusted: self.trusted,
            online: self.online,
            ..start_info(&format!("boot-{number}"), self.seed.wrapping_add(self.now as u64))
        };
        for opening in 0..std::mem::take(&mut self.dying_openings) {
            let (settings, start, now) = (self.settings.clone(), start.clone(), self.clock());
            self.driver.die_in_opening(opening % 3, settings, start, now);
        }
        self.driver.start(self.settings.clone(), start, self.clock());
        if let Some(agent) = self.driver.agent().filter(|_| unread) {
            self.model.next = agent.next_session();
        }
        self.alive = true;
        self.counters = Counters::default();
        let present: Vec<String> =
            self.connections.iter().map(|(name, n)| unique(name, *n)).collect();
        let there = present.clone();
        let estimates = |world: &World, agent: &Agent| -> HashMap<u32, i64> {
            let gone = agent.sessions().filter_map(|(number, session)| {
                let until = session.interrupt?.until?;
                Some((number, until.0 + world.booted() - GRACE_MS))
            });
            gone.collect()
        };
        self.give(Input::Recovered { present }, Promise::Nothing, move |world, agent, now| {
            let gone = estimates(world, agent);
            let when = |number: u32| gone.get(&number).copied();
            let died = world.away.last().map_or(now, |(since, _)| *since);
            let wrong = world.model.recovered(&there, (died, now), when, &mut world.truth);
            world.wrong.extend(wrong.into_iter().map(|w| Wrong::new("gone", w)));
            None
        });
    }

    /// The agent starts and cannot read its store: it knows nothing, not even what the viewer
    /// allows.
    fn cannot_read(&mut self, boot: u32) {
        let mut nothing = Model::new(self.model.rules);
        (nothing.boot, nothing.told) = (boot, self.model.told);
        nothing.consent = Some(Consent::Unknown);
        let known = std::mem::replace(&mut self.model, nothing);
        let clean = known.boot != boot && self.reboot.is_some_and(|(clean, _)| clean);
        let ended = self.away_since.unwrap_or(self.now);
        self.unread = Some((known, clean, ended));
    }

    /// The store can be read now: what it holds ends, late enough not to predate a hit.
    pub(super) fn join(&mut self) {
        let Some((mut known, clean, ended)) = self.unread.take() else { return };
        known.rebooted(clean, ended, CUT_SLACK_MS, &mut self.truth);
        self.model.join_points(known);
    }

    pub(super) fn sleep(&mut self, silent: bool) {
        if self.agent().is_none() || self.asleep_from.is_some() {
            return;
        }
        self.unannounced = silent;
        if silent {
            self.asleep_from = Some(self.now);
            return;
        }
        self.give(Input::Sleep, Promise::Nothing, |world, _, now| {
            world.model.sleep(now, &mut world.truth);
            None
        });
        if self.agent().is_some() {
            self.asleep_from = Some(self.now + STOP_DELIVERY_MS);
            self.away.push((self.now, self.now + STOP_DELIVERY_MS));
        }
    }

    pub(super) fn wake(&mut self) {
        let Some(from) = self.asleep_from.take() else { return };
        let slept = (self.now - from).max(0);
        self.slept += slept;
        if self.unannounced {
            if slept > SLEPT_MS {
                self.away.push((self.last_turn, self.now));
                self.noticed = Some(self.last_turn);
            } else {
                self.away.push((from, self.now));
            }
            self.tell(Event::Tick, Promise::Nothing, |_, _, _| None);
        } else {
            self.away.push((from, self.now));
            self.give(Input::Wake, Promise::Nothing, |world, _, _| {
                world.model.wake();
                None
            });
        }
        for input in std::mem::take(&mut self.deferred) {
            self.give(input, Promise::Nothing, |_, _, _| None);
        }
    }

    /// The end of a stop that was asked for.
    pub(super) fn stopped(&mut self, down: i64, reboot: bool) {
        self.stops = None;
        if self.agent().is_none() || self.frozen() {
            return;
        }
        self.tell(Event::Stop, Promise::Nothing, |_, _, _| None);
        if self.agent().is_none() {
            return;
        }
        if self.driver.engine().is_some_and(|engine| !engine.store_healthy()) {
            // The last changes are given up, as by a crash.
            self.death(&What::AgentCrash { down_ms: down });
            return;
        }
        // Nobody will know what became of what is under way, and pings are not repeated.
        let open = self.tried_pings.iter().filter(|(due, _)| *due >= self.now);
        self.lost_pings.extend(open.map(|(_, ts)| *ts));
        self.driver.kill();
        self.alive = false;
        self.away_since = Some(self.now);
        self.flying.clear();
        self.returns = Some(self.now + down);
        if reboot {
            self.next_boot(true, down);
        }
    }

    /// The agent, or the whole box, is gone at once.
    pub(super) fn death(&mut self, what: &What) {
        if self.asleep_from.is_some() && matches!(what, What::AgentCrash { .. }) {
            return;
        }
        self.flying.clear();
        self.stops = None;
        if self.full_until >= self.now - FORGETFUL_MS {
            self.forgotten.push((self.full_from, self.now));
        }
        self.away_since = self.away_since.or(Some(self.now));
        let back = if matches!(what, What::AgentCrash { .. }) { BACK_MS.0 } else { BACK_MS.1 };
        let ran_until = self.asleep_from.map_or(self.now, |from| from.min(self.now));
        let recent = self.tried_pings.iter().filter(|(due, _)| *due >= ran_until - back);
        self.lost_pings.extend(recent.map(|(_, ts)| *ts));
        if let Some(boot) = self.boots.last_mut() {
            boot.lost = true;
        }
        let was_there = self.alive;
        self.alive = false;
        self.driver.kill();
        match what {
            What::AgentCrash { down_ms } if was_there => {
                let saved = self.copies.after_crash();
                self.go_back(saved, "flushed");
                self.returns = Some(self.now + down_ms);
            }
            What::PowerLoss { down_ms, unix_ms, trusted } => {
                self.driver.cut_power();
                let saved = self.copies.after_power_cut();
                self.go_back(saved, "synced");
                self.asleep_from = None;
                self.deferred.clear();
                self.next_boot(false, *down_ms);
                let began = self.now + down_ms;
                self.wall_offset = unix_ms.map_or(DAWN_MS, |unix| unix - began);
                self.trusted = *trusted;
                self.clock_errors.push(self.wall_offset - DAWN_MS);
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
            self.say("promise", format!("{}: what was answered ({promise}) is lost", self.now));
        }
        for promised in self.promised.values_mut() {
            *promised = told.min(*promised);
        }
        while let Some((_, at)) = self.opted_out.pop_if(|(before, _)| told <= *before) {
            self.truth.redo(at);
        }
        self.truth.undo(saved.owed, self.now);
        for ack in self.acks.drain(saved.acks..) {
            self.posts[ack].told = false;
        }
        self.model = saved.model;
        // What the viewer has said lies beside the store.
        self.model.consent = self.kept_consent;
        self.unread = None;
    }

    /// Everything works again, and everybody goes.
    pub(super) fn begin_evening(&mut self) {
        self.evening = Some(self.now + EVENING_MS);
        self.armed = None;
        self.ruled = false;
        self.backend.set_rules(Vec::new());
        self.logs.set_rules(Vec::new());
        self.driver.disk.fault = Default::default();
        self.driver.disk.fails_every = 0;
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
        self.give(Input::Network { online: true }, Promise::Nothing, |_, _, _| None);
        if !self.trusted {
            self.trusted = true;
            self.wall_offset = DAWN_MS;
            self.clock_errors.push(0);
            self.give(Input::Clock { trusted: true }, Promise::Nothing, |_, _, _| None);
        }
        if self.model.consent() != Consent::In {
            let input = Input::SetConsent { call: None, consent: Consent::In };
            self.give(input, Promise::Nothing, |world, _, now| {
                world.model.set_consent(Consent::In, now, &mut world.truth);
                None
            });
        }
        for sender in self.connections.iter().map(|(name, n)| unique(name, *n)).collect::<Vec<_>>()
        {
            self.player_gone(sender);
        }
        self.evening = Some(self.now + EVENING_MS + self.drain_ms());
    }

    /// How long what is old takes at its rate (docs/behaviour.md 2.7).
    fn drain_ms(&self) -> i64 {
        let Some(agent) = self.agent() else { return 0 };
        // A store that could not be read may be joined only now.
        let hits = self.most_queued + REPEATED * agent.sessions().count() as u64;
        let of_a_hit = match self.settings.delivery.backlog_ratio {
            0.0 => 50,
            ratio => {
                let own = (self.ping_ms.max(self.batch_ping_ms) as f64 / ratio) as i64;
                own.max(LONGEST_INTERVAL_MS)
            }
        };
        hits as i64 * of_a_hit
    }
}
