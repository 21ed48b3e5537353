//! What each line of a timeline does to the simulated box.

use std::borrow::Cow;

use super::{STOP_DELIVERY_MS, World, seconds};
use crate::core::input::Input;
use crate::core::settings::Limits;
use crate::core::time::BootInstant;
use crate::core::tracker::info::{AT, Value};
use crate::engine::Event;
use crate::sim::backend::Rule;
use crate::sim::bus::Bus;
use crate::sim::timeline::What;

impl World<'_> {
    /// Carries out one line.
    pub(super) fn line(&mut self, what: &What) {
        match what {
            What::Playback { from, name, playhead, info, happened_ms } => {
                let mut info = Cow::Borrowed(info);
                if let Some(happened) = happened_ms {
                    let micros = (happened - self.booted).saturating_mul(1000);
                    info.to_mut().insert(AT.to_owned(), Value::Int(micros));
                }
                let said = (*name, *playhead, &*info);
                self.hear(|bus, limits, now| bus.player_says(from, said, limits, now));
            }
            What::Lifecycle { app, state } => {
                self.hear(|bus, limits, now| bus.manager_says((app, *state), limits, now));
            }
            What::PlayerVanished { from } if self.mpris.vanish(from, self.clocks()) => {}
            What::Mpris(line) => {
                let heard = !self.frozen();
                self.mpris.line(line, heard, self.clocks());
            }
            What::PlayerVanished { from } => {
                if let Some(gone) = self.bus.player_vanishes(from) {
                    self.give(gone);
                }
            }
            What::AgentCrash { down_ms } => self.die(*down_ms),
            What::PowerLoss { down_ms, unix_ms, trusted } => {
                self.driver.cut_power();
                self.mpris.cut_power();
                self.die(*down_ms);
                self.bus.power_loss();
                self.boots += 1;
                self.booted = self.now + down_ms;
                self.wall_offset = unix_ms.map_or(self.true_offset, |unix| unix - self.booted);
                self.trusted = *trusted;
                self.wake_up();
            }
            What::Network { online, silent } => {
                self.network = *online;
                if !silent {
                    self.online = *online;
                    self.give(Input::Network { online: *online });
                }
            }
            What::Sleep { silent } => {
                if !silent {
                    self.give(Input::Sleep);
                }
                let runs_on = if *silent { 0 } else { STOP_DELIVERY_MS };
                self.asleep_from = Some(self.now + runs_on);
                self.unannounced = *silent;
                self.sleeps_since.get_or_insert(self.now);
            }
            What::Wake { silent } => {
                let missed = self.wake_up();
                match silent {
                    // The kernel tells that the clock was set, and that turns the agent's loop.
                    true => self.tell(Event::Tick),
                    false => self.give(Input::Wake),
                }
                missed.into_iter().for_each(|input| self.give(input));
            }
            What::ClockSet { unix_ms, trusted } => {
                self.wall_offset = unix_ms - self.now;
                self.trusted = *trusted;
                // Nothing of the agent runs while the box is asleep.
                let set = Input::Clock { trusted: *trusted };
                match self.frozen() {
                    true => self.missed.push(set),
                    false => self.give(set),
                }
            }
            What::Consent(consent) => {
                self.give(Input::SetConsent { call: None, consent: *consent });
            }
            What::Collector(rules) => {
                for (name, model) in &mut self.collectors.models {
                    let here = |rule: &&Rule| rule.collector.as_ref().is_none_or(|its| its == name);
                    model.set_rules(rules.iter().filter(here).cloned().collect());
                }
            }
            What::Disk(fault) => self.driver.disk.fault = *fault,
            What::Stop => {
                self.tell(Event::Stop);
                self.stops_at = Some(self.now + STOP_DELIVERY_MS);
            }
            What::Boot { .. } => {}
        }
    }

    /// Ends a sleep of the box. Gives what the agent could not hear meanwhile.
    fn wake_up(&mut self) -> Vec<Input> {
        (self.asleep_from, self.unannounced) = (None, false);
        self.slept += self.sleeps_since.take().map_or(0, |since| self.now - since);
        std::mem::take(&mut self.missed)
    }

    /// Gives the agent what somebody says on the bus, unless it is away, or the rates do not allow it.
    fn hear(&mut self, say: impl FnOnce(&mut Bus, &Limits, BootInstant) -> Option<Input>) {
        if self.driver.agent().is_none() || self.frozen() {
            return;
        }
        let now = self.clock().boot;
        if let Some(said) = say(&mut self.bus, &self.options.config.settings.limits, now) {
            self.give(said);
        }
    }

    /// Kills the agent. Its requests under way are never answered.
    fn die(&mut self, down_ms: i64) {
        self.driver.kill();
        self.mpris.kill();
        self.returns = Some(self.now + down_ms);
        for flying in std::mem::take(&mut self.flying).into_values() {
            self.output[flying.index].answered = seconds(self.now);
        }
    }
}
