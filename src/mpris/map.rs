//! All players of one bus: facts in, each with the time of its arrival; inputs for the agent and
//! questions for the players out (behaviour.md 1.7). The daemon and `simulate` run the same map.

use std::collections::BTreeMap;

use super::adopted::Adopted;
use super::names::{Filter, PREFIX, app_of};
use super::player::{Out, Player, Rules};
use super::questions::Question;
use super::settling::Change;
use crate::config::MprisConfig;
use crate::core::input::Input;
use crate::core::player::PlayerId;
use crate::core::rate::{COUNT_EVERY, EventRates};
use crate::core::settings::Limits;
use crate::core::time::{BootInstant, Now, Span};

/// Where every player's object lies.
pub const PATH: &str = "/org/mpris/MediaPlayer2";
/// More names of one connection are not looked at.
const MOST_NAMES: usize = 16;
/// A sleep of the box is longer; less is how CLOCK_BOOTTIME and CLOCK_MONOTONIC are read (behaviour.md
/// 1.6).
const SLEEP: Span = Span::seconds(2);

/// A connection with at least one name that is tracked.
#[derive(Debug)]
struct Tracked {
    player: Player,
    names: Vec<String>,
    /// Signals that were over the limits, and when they will be counted.
    dropped: Option<(u64, BootInstant)>,
}

/// The players of one bus.
#[derive(Debug)]
pub struct Players {
    filter: Filter,
    rules: Rules,
    limits: Limits,
    /// How many signals are heard (behaviour.md 2.8).
    rates: EventRates,
    /// What the sender names of these players begin with. They differ from all unique names of the
    /// agent's own bus and of other runs of this bus.
    prefix: String,
    /// By unique name.
    tracked: BTreeMap<String, Tracked>,
    /// Names that are not tracked, with the reason.
    passed_over: BTreeMap<String, &'static str>,
    /// For how long the box had slept in this boot when that was last looked at.
    slept: Span,
    /// The log says that there are too many players, and there was no room since.
    said_full: bool,
    out: Out,
}

impl Players {
    /// No players yet. `bus` is the id of this run of their bus.
    pub fn new(config: &MprisConfig, limits: Limits, bus: &str, now: Now) -> Players {
        Players {
            filter: Filter { allow: config.allow.clone(), deny: config.deny.clone() },
            rules: Rules {
                length_wait: config.length_wait,
                position_every: config.position_every,
                start_seconds: config.beginning.as_seconds(),
            },
            limits,
            rates: EventRates::default(),
            prefix: format!("mpris/{bus}/"),
            tracked: BTreeMap::new(),
            passed_over: BTreeMap::new(),
            slept: now.slept,
            said_full: false,
            out: Out::default(),
        }
    }

    /// The moment of a fact. If the box has slept since the last one, every player stood still
    /// meanwhile, whether somebody has announced the sleep or not.
    fn time(&mut self, now: Now) -> BootInstant {
        let sleep = Span(now.slept.0.saturating_sub(self.slept.0));
        if sleep > SLEEP {
            self.slept = now.slept;
            for known in self.tracked.values_mut() {
                known.player.sleep(now.boot - sleep, sleep);
            }
        }
        now.boot
    }

    /// A connection has taken a name.
    pub fn appeared(&mut self, name: &str, unique: &str, now: Now) {
        let now = self.time(now);
        let Some(short) = name.strip_prefix(PREFIX) else { return };
        if !self.filter.admits(short) {
            self.pass_over(name, "mpris.allow does not name it, or mpris.deny does");
            return;
        }
        if let Some(known) = self.tracked.get_mut(unique) {
            if known.names.len() < MOST_NAMES && !known.names.iter().any(|n| n == name) {
                known.names.push(name.to_owned());
            }
            return;
        }
        if self.tracked.len() >= self.limits.sessions {
            if !std::mem::replace(&mut self.said_full, true) {
                let most = self.limits.sessions;
                tracing::warn!(most, "there are more MPRIS players than are tracked");
            }
            self.pass_over(name, "there are as many players as limits.sessions allows");
            return;
        }
        let sender = format!("{}{unique}", self.prefix);
        let id = PlayerId { sender, instance: PATH.to_owned() };
        let app = app_of(short).to_owned();
        let mut player = Player::new(id, unique.to_owned(), app, self.rules, now);
        player.tick(now, &mut self.out);
        let tracked = Tracked { player, names: vec![name.to_owned()], dropped: None };
        self.tracked.insert(unique.to_owned(), tracked);
    }

    fn pass_over(&mut self, name: &str, why: &'static str) {
        if self.passed_over.len() < MOST_NAMES {
            self.passed_over.insert(name.to_owned(), why);
        }
    }

    /// The players that were seen, for `playheadctl doctor`: a list of objects with `player`, `tracked`
    /// and `why`.
    pub fn seen(&self) -> serde_json::Value {
        let tracked = self.tracked.values().flat_map(|known| &known.names);
        let tracked = tracked.map(|name| (name.as_str(), true, "tracked"));
        let others = self.passed_over.iter().map(|(name, why)| (name.as_str(), false, *why));
        let seen = tracked.chain(others).map(|(player, tracked, why)| {
            serde_json::json!({"player": player, "tracked": tracked, "why": why})
        });
        seen.collect()
    }

    /// The bus has told whose connection it is: the uid whose limits count, `None` for root and the
    /// service's own user.
    pub fn belongs_to(&mut self, unique: &str, uid: Option<u32>) {
        if let Some(known) = self.tracked.get_mut(unique) {
            known.player.set_uid(uid);
        }
    }

    /// A connection has given up a name.
    pub fn name_lost(&mut self, name: &str, unique: &str, at: Now) {
        self.passed_over.remove(name);
        let Some(known) = self.tracked.get_mut(unique) else { return };
        known.names.retain(|n| n != name);
        if known.names.is_empty() {
            self.gone(unique, at);
        }
    }

    /// A connection is gone.
    pub fn gone(&mut self, unique: &str, at: Now) {
        let at = self.time(at);
        let Some(mut tracked) = self.tracked.remove(unique) else { return };
        self.said_full = false;
        self.rates.forget(unique);
        self.out.questions.retain(|(asked, _)| asked != unique);
        tracked.count(&mut self.out);
        tracked.player.gone(at, &mut self.out);
    }

    /// The bus is gone, with all players.
    pub fn all_gone(&mut self, at: Now) {
        self.passed_over.clear();
        while let Some(unique) = self.tracked.keys().next().cloned() {
            self.gone(&unique, at);
        }
    }

    /// Only these names are still there, each with the connection that owns it; signals were lost.
    pub fn read_anew(&mut self, owners: &[(String, String)], now: Now) {
        let at = self.time(now);
        self.passed_over.clear();
        let mut gone = Vec::new();
        for (unique, known) in &mut self.tracked {
            let filter = &self.filter;
            let admitted = |name: &str| name.strip_prefix(PREFIX).is_some_and(|s| filter.admits(s));
            let theirs = owners.iter().filter(|(name, owner)| owner == unique && admitted(name));
            known.names = theirs.map(|(name, _)| name.clone()).take(MOST_NAMES).collect();
            if known.names.is_empty() {
                gone.push(unique.clone());
            }
        }
        for unique in gone {
            self.gone(&unique, now);
        }
        for known in self.tracked.values_mut() {
            known.player.missed(at, &mut self.out);
        }
        for (name, owner) in owners {
            self.appeared(name, owner, now);
        }
    }

    /// PropertiesChanged of a player.
    pub fn changed(&mut self, unique: &str, change: &Change, at: Now) {
        let at = self.time(at);
        let rates = (&mut self.rates, &self.limits);
        if let Some(known) = self.tracked.get_mut(unique)
            && known.hears(unique, rates, at)
        {
            known.player.changed(change, at, &mut self.out);
        }
    }

    /// `Seeked` of a player, in seconds.
    pub fn seeked(&mut self, unique: &str, position: f64, at: Now) {
        let at = self.time(at);
        let rates = (&mut self.rates, &self.limits);
        if let Some(known) = self.tracked.get_mut(unique)
            && known.hears(unique, rates, at)
        {
            known.player.seeked(position, at, &mut self.out);
        }
    }

    /// What a player answered; `None` is an error.
    pub fn answered(
        &mut self,
        unique: &str,
        question: Question,
        answer: Option<&Change>,
        now: Now,
    ) {
        let now = self.time(now);
        if let Some(known) = self.tracked.get_mut(unique) {
            known.player.answered(question, answer, now, &mut self.out);
        }
    }

    /// An interrupt of this player's session has ended, at `position` seconds.
    pub fn read_again(&mut self, owner: &PlayerId, position: f64, at: Now) {
        let at = self.time(at);
        if let Some(unique) = self.of_sender(&owner.sender)
            && let Some(known) = self.tracked.get_mut(&unique)
        {
            known.player.read_again(position, at, &mut self.out);
        }
    }

    /// Takes over a session of an earlier run of the agent.
    pub fn adopt(&mut self, session: Adopted, now: Now) {
        let now = self.time(now);
        if let Some(unique) = self.of_sender(&session.owner.sender)
            && let Some(known) = self.tracked.get_mut(&unique)
        {
            known.player.adopt(session, now);
        }
    }

    fn of_sender(&self, sender: &str) -> Option<String> {
        sender.strip_prefix(&self.prefix).map(str::to_owned)
    }

    /// The connected players, by the sender names that sessions use.
    pub fn present(&self) -> Vec<String> {
        self.tracked.values().map(|known| known.player.id().sender.clone()).collect()
    }

    /// When `tick` has something to do.
    pub fn deadline(&self) -> Option<BootInstant> {
        let dropped = |t: &Tracked| t.dropped.map(|(_, at)| at);
        let due = |t: &Tracked| [t.player.deadline(), dropped(t)].into_iter().flatten().min();
        self.tracked.values().filter_map(due).min()
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Now) {
        let now = self.time(now);
        for known in self.tracked.values_mut() {
            if known.dropped.is_some_and(|(_, at)| at <= now) {
                known.count(&mut self.out);
                known.player.missed(now, &mut self.out);
            }
            known.player.tick(now, &mut self.out);
        }
    }

    /// What has followed from all this since it was last taken.
    pub fn take(&mut self) -> Out {
        std::mem::take(&mut self.out)
    }
}

impl Tracked {
    /// Whether one more signal is within the limits of its sender, of its uid and of all.
    fn hears(
        &mut self,
        unique: &str,
        (rates, limits): (&mut EventRates, &Limits),
        at: BootInstant,
    ) -> bool {
        let within = rates.of_sender(limits, unique, 1, at);
        let uid = self.player.uid();
        let hears = within.and_then(|()| rates.of_others(limits, uid, 1, at)).is_ok();
        if !hears {
            let (dropped, _) = self.dropped.get_or_insert((0, at + COUNT_EVERY));
            *dropped += 1;
        }
        hears
    }

    /// Tells the agent how many signals were dropped.
    fn count(&mut self, out: &mut Out) {
        if let Some((events, at)) = self.dropped.take() {
            out.inputs.push((Input::Flooded { events }, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::core::time::WallTime;

    const NOW: Now = Now { boot: BootInstant(0), wall: WallTime(0), slept: Span::ZERO };

    /// The names that `doctor` shows, and whether they are tracked.
    fn seen(players: &Players) -> Vec<(String, bool)> {
        let seen = players.seen();
        let one = |seen: &serde_json::Value| {
            let name = seen["player"].as_str().and_then(|name| name.strip_prefix(PREFIX));
            (name.unwrap_or_default().to_owned(), seen["tracked"] == true)
        };
        seen.as_array().map(|all| all.iter().map(one).collect()).unwrap_or_default()
    }

    #[test]
    fn only_names_that_are_still_there_count_after_signals_were_lost() {
        let config = Config::from_overrides(&[]).expect("defaults");
        let mut players = Players::new(&config.mpris, Limits::default(), "bus", NOW);
        for (name, unique) in [("one", ":1"), ("two", ":1"), ("playerctld", ":2"), ("three", ":3")]
        {
            players.appeared(&format!("{PREFIX}{name}"), unique, NOW);
        }
        let is = |name: &str, tracked| (name.to_owned(), tracked);
        let tracked = ["one", "two", "three"].map(|name| is(name, true));
        assert_eq!(seen(&players), [&tracked[..], &[is("playerctld", false)]].concat());
        // `:2` has left, and so has `:3`; `:1` has given up a name, and `:4` has taken another.
        let there = [("one", ":1"), ("four", ":4")];
        let there = there.map(|(name, unique)| (format!("{PREFIX}{name}"), unique.to_owned()));
        players.read_anew(&there, NOW);
        assert_eq!(seen(&players), [is("one", true), is("four", true)]);
        let gone = |players: &mut Players| {
            let inputs = players.take().inputs.into_iter();
            let sender = |(input, _)| match input {
                Input::PlayerGone { sender } => Some(sender),
                _ => None,
            };
            inputs.filter_map(sender).collect::<Vec<_>>()
        };
        assert_eq!(gone(&mut players), ["mpris/bus/:3"]);
        players.name_lost(&there[0].0, ":1", NOW);
        assert_eq!(gone(&mut players), ["mpris/bus/:1"]);
    }
}
