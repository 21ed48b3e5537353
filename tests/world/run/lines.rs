//! What the lines of a day do to the box.

use playheadd::core::input::{CallId, Input, Target};

use playheadd::core::player::{EventSource, PlayerId};
use playheadd::core::settings::Consent;
use playheadd::core::tracker::event::EventName;
use playheadd::core::tracker::info::Info;
use playheadd::engine::Event;
use playheadd::sim::CollectorModel as _;
use playheadd::sim::backend::Rule;
use playheadd::sim::driver::DiskFault;
use playheadd::sim::timeline::{self, What};
use serde_json::Value as Json;

use super::power::{Armed, STOP_DELIVERY_MS};
use super::{Promise, World};
use crate::day::DAWN_MS;
use crate::model::Said;

impl World {
    pub(super) fn line(&mut self, json: &Json) {
        let number = |key: &str| (json[key].as_f64().unwrap_or(0.0) * 1000.0).round() as i64;
        match json["event"].as_str().unwrap_or_default() {
            "DiskFull" => {
                if self.driver.disk.fault == DiskFault::default() {
                    self.full_from = self.now;
                }
                self.driver.disk.fault.full = true;
                self.full_until = i64::MAX;
            }
            name @ ("DiskReadOnly" | "DiskFails") => {
                if self.driver.disk.fault == DiskFault::default() {
                    self.full_from = self.now;
                }
                let fault = &mut self.driver.disk.fault;
                fault.read_only |= name == "DiskReadOnly";
                fault.fails |= name == "DiskFails";
                self.full_until = i64::MAX;
            }
            "NetworkSays" => {
                self.online = json["online"] == true;
                self.hear(Input::Network { online: self.online });
            }
            "Logs" => {
                let rules = Rule::list(&json["rules"]).expect("rules of ours");
                self.logs.set_rules(rules);
            }
            "DiskFree" => {
                self.driver.disk.fault = DiskFault::default();
            }
            name @ ("Update" | "Reboot") => {
                if self.agent().is_some() && !self.frozen() && self.stops.is_none() {
                    let down = number("down_s");
                    self.tell(Event::Stop, Promise::Nothing, |_, _, _| None);
                    self.stops = Some((self.now + STOP_DELIVERY_MS, down, name == "Reboot"));
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
            What::Playback { from, name, playhead, info, .. } => {
                if !self.frozen() {
                    self.playback(&from, name, playhead, info);
                }
            }
            What::Lifecycle { app, state } => {
                if !self.frozen() {
                    let input = Input::Lifecycle { call: None, app: app.clone(), state };
                    self.give(input, Promise::Nothing, |world, _, now| {
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
                let number = |before: &str| {
                    comment.split_once(before)?.1.split(' ').next()?.parse::<usize>().ok()
                };
                let effects = number("after ");
                self.dying_openings = number("openings ").unwrap_or(0) as u32;
                match effects {
                    Some(steps) => self.armed = Some(Armed { steps, death }),
                    None => self.death(&death),
                }
            }
            What::Network { online, silent } => {
                self.network = online;
                if !silent {
                    self.online = online;
                    self.hear(Input::Network { online });
                }
            }
            What::Sleep { silent } => self.sleep(silent),
            What::Wake { .. } => self.wake(),
            What::ClockSet { unix_ms, trusted } => {
                self.wall_offset = unix_ms - self.now;
                self.trusted = trusted;
                self.clock_errors.push(self.wall_offset - DAWN_MS);
                self.hear(Input::Clock { trusted });
            }
            What::Consent(consent) => {
                if !self.frozen() {
                    if consent == Consent::Out && self.agent().is_some() {
                        self.opted_out.push((self.model.told, self.now));
                    }
                    let call = Some(self.call());
                    let input = Input::SetConsent { call, consent };
                    self.give(input, Promise::Nothing, |world, _, now| {
                        world.model.set_consent(consent, now, &mut world.truth);
                        None
                    });
                }
            }
            What::Collector(rules) => {
                self.ruled = !rules.is_empty();
                self.backend.set_rules(rules);
            }
            What::Disk(fault) => self.driver.disk.fault = fault,
            What::Boot { .. } | What::Stop | What::Mpris(_) => {}
        }
    }

    /// Something that a sleeping box learns when it wakes.
    fn hear(&mut self, input: Input) {
        if self.frozen() {
            self.deferred.push(input);
        } else {
            self.give(input, Promise::Nothing, |_, _, _| None);
        }
    }

    fn call(&mut self) -> CallId {
        self.calls += 1;
        CallId(self.calls)
    }

    fn playback(&mut self, from: &str, name: EventName, playhead: f64, info: Info) {
        if self.agent().is_none() {
            return;
        }
        let n = *self.connections.entry(from.to_owned()).or_default();
        let owner = unique(from, n);
        let player = PlayerId { sender: owner.clone(), instance: "/player".into() };
        let by_method = from.starts_with('m');
        let call = by_method.then(|| self.call());
        let source = if by_method { EventSource::Method } else { EventSource::Signal };
        let said = info.clone();
        if name == EventName::SessionStart {
            let app = from.to_owned();
            let input =
                Input::Open { call, player, source, uid: None, app: app.clone(), playhead, info };
            self.give(input, Promise::Synced, move |world, _, now| {
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
        self.give(input, promise, move |world, _, now| {
            Some(world.model.say(&said, now, &mut world.truth))
        });
    }

    pub(super) fn player_gone(&mut self, sender: String) {
        let owner = sender.clone();
        self.give(Input::PlayerGone { sender }, Promise::Nothing, move |world, _, now| {
            world.model.gone(&owner, now, &mut world.truth);
            None
        });
    }
}

/// A player's connection, as the bus would name it.
pub(super) fn unique(from: &str, connection: u32) -> String {
    format!(":{from}.{connection}")
}
