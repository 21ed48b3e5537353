//! Simulated players of MPRIS, and the map that the daemon runs too: the same questions in virtual
//! time (behaviour.md 4).

use std::collections::BTreeMap;

use super::bus::PLAYERS_UID;
use super::mpris_lines::{Answers, MprisLine, State};
use crate::config::MprisConfig;
use crate::core::Agent;
use crate::core::input::Input;
use crate::core::player::PlayerId;
use crate::core::settings::Limits;
use crate::core::time::{BootInstant, Now};
use crate::mpris::Adopted;
use crate::mpris::map::Players;
use crate::mpris::questions::Question;
use crate::mpris::settling::{Change, Status};

/// A player's connection, with its names on the bus.
#[derive(Debug)]
struct SimulatedPlayer {
    unique: String,
    names: Vec<String>,
    state: Change,
    /// Where it was, in seconds, and when on the clock that stands still during sleep, in ms.
    base: f64,
    since: i64,
    /// A fixed answer for the position.
    says: Option<f64>,
    answers: Answers,
    delay_ms: i64,
}

impl SimulatedPlayer {
    fn position(&self, awake: i64) -> f64 {
        let moving = self.state.status == Some(Status::Playing);
        let rate = if moving { self.state.rate.unwrap_or(1.0) } else { 0.0 };
        self.base + rate * (awake - self.since) as f64 / 1000.0
    }

    fn take(&mut self, state: &State, awake: i64) {
        self.base = state.position.unwrap_or_else(|| self.position(awake));
        self.since = awake;
        let change = &state.change;
        self.state.status = change.status.or(self.state.status);
        self.state.rate = change.rate.or(self.state.rate);
        if change.track.is_some() {
            self.state.track.clone_from(&change.track);
        }
        self.says = state.says.unwrap_or(self.says);
        self.answers = state.answers.unwrap_or(self.answers);
        self.delay_ms = state.delay_ms.unwrap_or(self.delay_ms);
    }

    /// What it answers at this moment; `None` is an error.
    fn answer(&self, question: Question, awake: i64) -> Option<Change> {
        let state = &self.state;
        let mut answer = Change::default();
        let all = question == Question::All;
        match self.answers {
            Answers::Error => return None,
            Answers::NoGetAll if all => return None,
            _ => {}
        }
        if all || question == Question::Status {
            answer.status = state.status;
        }
        if all || question == Question::Metadata {
            answer.track.clone_from(&state.track);
        }
        if all || question == Question::Rate {
            answer.rate = state.rate;
        }
        if all || question == Question::Position {
            answer.position = Some(self.says.unwrap_or_else(|| self.position(awake)));
        }
        // A property that it does not have.
        (all || answer != Change::default()).then_some(answer)
    }
}

/// All simulated players of MPRIS, and what the agent makes of them.
#[derive(Debug, Default)]
pub(super) struct MprisWorld {
    players: BTreeMap<String, SimulatedPlayer>,
    connections: u32,
    /// `None` while there is no agent.
    map: Option<Players>,
    /// Answers under way: when, in ms, from whom, to what.
    answers: BTreeMap<(i64, u64), (String, Question)>,
    asked: u64,
}

/// Now, on the timeline, on the clocks of this boot and on the clock that stands still during sleep.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    pub now: i64,
    pub clock: Now,
    pub awake: i64,
}

impl MprisWorld {
    /// An agent starts, and finds the players that are there.
    pub fn start(&mut self, config: &MprisConfig, limits: &Limits, agent: &Agent, clocks: Clocks) {
        let mut map = Players::new(config, limits.clone(), "simulated", clocks.clock);
        for player in self.players.values() {
            for name in &player.names {
                map.appeared(name, &player.unique, clocks.clock);
                map.belongs_to(&player.unique, PLAYERS_UID);
            }
        }
        for adopted in agent.sessions().filter_map(|(_, s)| Adopted::of(s, clocks.clock.boot)) {
            map.adopt(adopted, clocks.clock);
        }
        self.map = Some(map);
    }

    pub fn present(&self) -> Vec<String> {
        self.map.as_ref().map(Players::present).unwrap_or_default()
    }

    /// The agent is gone, and hears nothing until it comes back.
    pub fn kill(&mut self) {
        self.map = None;
        self.answers.clear();
    }

    /// The box is off.
    pub fn cut_power(&mut self) {
        self.players.clear();
    }

    /// When the next answer comes, in ms on the timeline.
    pub fn answer_at(&self) -> Option<i64> {
        self.answers.keys().next().map(|(at, _)| *at)
    }

    /// When `tick` has something to do, on the clock of this boot.
    pub fn deadline(&self) -> Option<BootInstant> {
        self.map.as_ref()?.deadline()
    }

    pub fn tick(&mut self, clocks: Clocks) {
        if let Some(map) = &mut self.map {
            map.tick(clocks.clock);
        }
    }

    pub fn read_again(&mut self, owner: &PlayerId, position: f64, clocks: Clocks) {
        if let Some(map) = &mut self.map {
            map.read_again(owner, position, clocks.clock);
        }
    }

    /// The next answer comes.
    pub fn answer(&mut self, clocks: Clocks) {
        let Some((_, (unique, question))) = self.answers.pop_first() else { return };
        let player = self.players.values().find(|player| player.unique == unique);
        if let (Some(player), Some(map)) = (player, &mut self.map) {
            let answer = player.answer(question, clocks.awake);
            map.answered(&unique, question, answer.as_ref(), clocks.clock);
        }
    }

    /// A connection is gone; true if it was one of a player of MPRIS.
    pub fn vanish(&mut self, from: &str, clocks: Clocks) -> bool {
        let Some(player) = self.players.remove(from) else { return false };
        if let Some(map) = &mut self.map {
            map.gone(&player.unique, clocks.clock);
        }
        true
    }

    /// Carries out a line. `heard`: the agent hears what is said now.
    pub fn line(&mut self, line: &MprisLine, heard: bool, clocks: Clocks) {
        let awake = clocks.awake;
        match line {
            MprisLine::Player { from, name, state } => {
                let connections = &mut self.connections;
                let player = self.players.entry(from.clone()).or_insert_with(|| {
                    *connections += 1;
                    SimulatedPlayer {
                        unique: format!(":{from}.{connections}"),
                        names: Vec::new(),
                        state: Change::default(),
                        base: 0.0,
                        since: awake,
                        says: None,
                        answers: Answers::Yes,
                        delay_ms: 0,
                    }
                });
                player.take(state, awake);
                let name = name.as_ref().map(|name| format!("org.mpris.MediaPlayer2.{name}"));
                if let Some(name) = name.filter(|name| !player.names.contains(name)) {
                    if let Some(map) = &mut self.map {
                        map.appeared(&name, &player.unique, clocks.clock);
                        map.belongs_to(&player.unique, PLAYERS_UID);
                    }
                    player.names.push(name);
                }
            }
            MprisLine::Changed { from, state, silent } => {
                let Some(player) = self.players.get_mut(from) else { return };
                player.take(state, awake);
                if let Some(map) = self.map.as_mut().filter(|_| heard && !silent) {
                    map.changed(&player.unique, &state.change, clocks.clock);
                }
            }
            MprisLine::Seeked { from, position, says } => {
                let Some(player) = self.players.get_mut(from) else { return };
                (player.base, player.since) = (*position, awake);
                if let Some(map) = self.map.as_mut().filter(|_| heard) {
                    map.seeked(&player.unique, *says, clocks.clock);
                }
            }
            MprisLine::Gone { from, name: None } => {
                self.vanish(from, clocks);
            }
            MprisLine::Gone { from, name: Some(name) } => {
                let Some(player) = self.players.get_mut(from) else { return };
                let name = format!("org.mpris.MediaPlayer2.{name}");
                player.names.retain(|known| *known != name);
                if let Some(map) = &mut self.map {
                    map.name_lost(&name, &player.unique, clocks.clock);
                }
            }
        }
    }

    /// What has followed, for the agent; questions are on their way.
    pub fn take(&mut self, clocks: Clocks) -> Vec<(Input, BootInstant)> {
        let Some(map) = &mut self.map else { return Vec::new() };
        let out = map.take();
        for (unique, question) in out.questions {
            let player = self.players.values().find(|player| player.unique == unique);
            if let Some(player) = player.filter(|player| player.answers != Answers::Never) {
                self.asked += 1;
                let at = clocks.now + player.delay_ms;
                self.answers.insert((at, self.asked), (unique, question));
            }
        }
        out.inputs
    }
}
