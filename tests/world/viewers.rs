//! Viewers at players that speak MPRIS, and speak it oddly. What a viewer does is thrown first, and
//! what the collector has to get follows from that alone; `signals` then makes of it what such a
//! player says, and knows nothing of the rules of docs/behaviour.md 1.7. `judge` holds what arrived
//! against what was owed.

mod judge;
mod signals;
mod sleeping;

use playheadd::config::Config;
use playheadd::sim::{Options, simulate, timeline};
use serde_json::{Value, json};

use crate::day::{Dice, Line};

/// A hit that has to arrive.
#[derive(Debug, Clone, PartialEq)]
pub struct Owed {
    pub kind: &'static str,
    /// In ms of the timeline.
    pub at: i64,
    /// Seconds; `None` where nobody can tell.
    pub playhead: Option<f64>,
}

/// One session that the collector has to see.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub title: String,
    pub resume: bool,
    pub hits: Vec<Owed>,
}

/// What a viewer does during a viewing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Act {
    Pause,
    Play,
    /// To this second.
    Seek(f64),
}

/// How a viewing ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Stop,
    /// The next track begins at once.
    Next,
    /// The player dies.
    Gone,
}

/// One film, as a viewer saw it.
#[derive(Debug, Clone)]
pub struct Viewing {
    pub film: i64,
    /// Seconds.
    pub length: f64,
    /// When it began, in ms, and at which second.
    pub begins: i64,
    pub start: f64,
    /// Each with its time, and with the second at which the film was then.
    pub acts: Vec<(i64, Act, f64)>,
    pub ends: i64,
    /// The second at which it ended.
    pub end_position: f64,
    /// It ended at the end of the film.
    pub complete: bool,
    pub ending: Ending,
}

const SECOND: i64 = 1_000;
/// When a player is gone for so long, its session ends.
const GRACE: i64 = 60 * SECOND;
/// A disk that works again is tried again within this time.
const TRIED_AGAIN: i64 = 90 * SECOND;

pub struct Evening {
    pub lines: Vec<Line>,
    pub owed: Vec<Session>,
}

/// On one evening in so many the box sleeps, and nothing else goes wrong.
const SLEEPS_EVERY: u64 = 4;

/// The evening of a seed: up to three viewers, an agent that dies now and then, a disk that takes
/// nothing for a while, and a collector that is away; or a sleep.
pub fn thrown(seed: u64) -> Evening {
    let mut dice = Dice::new(seed);
    let (mut lines, mut owed) = (Vec::new(), Vec::new());
    let mut quiet = Vec::new();
    let mut viewers = Vec::new();
    for viewer in 1..=dice.between(1, 3) {
        let viewings = viewings(&mut dice);
        owed.extend(sessions(&viewings, viewer));
        lines.extend(signals::of(&mut dice, viewer, &viewings, &mut quiet));
        viewers.push(viewings);
    }
    if seed.is_multiple_of(SLEEPS_EVERY)
        && let Some(sleep) = sleeping::thrown(&mut dice, &viewers, &quiet)
    {
        sleep.delay(&mut lines);
        let viewings = viewers.iter().flatten();
        owed = viewings.zip(owed).flat_map(|(viewing, owed)| sleep.owed(viewing, owed)).collect();
        lines.sort_by_key(|line| line.at);
        return Evening { lines, owed };
    }
    let bad = bad_disks(&mut dice, &mut lines);
    deaths(&mut dice, &quiet, &bad, &mut lines);
    outages(&mut dice, &mut lines);
    lines.sort_by_key(|line| line.at);
    Evening { lines, owed }
}

fn viewings(dice: &mut Dice) -> Vec<Viewing> {
    let mut at = dice.between(0, 20) * SECOND;
    let mut seen: Vec<(i64, f64, bool)> = Vec::new();
    let mut all: Vec<Viewing> = Vec::new();
    for _ in 0..dice.between(1, 5) {
        let after_next = all.last().is_some_and(|last| last.ending == Ending::Next);
        let mut film = dice.between(1, 4);
        if all.last().is_some_and(|last| last.film == film) {
            film = film % 4 + 1;
        }
        let length = 300.0 + 100.0 * film as f64;
        let left = seen.iter().rev().find(|(seen, ..)| *seen == film);
        let start = match left {
            Some((_, position, false)) if *position > 10.0 && !after_next && dice.percent(60) => {
                *position
            }
            _ => 0.0,
        };
        let mut viewing = Viewing {
            film,
            length,
            begins: at,
            start,
            acts: Vec::new(),
            ends: 0,
            end_position: 0.0,
            complete: false,
            ending: dice.pick(&[Ending::Stop, Ending::Stop, Ending::Next, Ending::Gone]),
        };
        play(dice, &mut viewing);
        seen.push((film, viewing.end_position, viewing.complete));
        at = viewing.ends;
        if viewing.ending != Ending::Next {
            at += dice.pick(&[20, 40, 90, 200]) * SECOND;
        }
        all.push(viewing);
    }
    if let Some(last) = all.last_mut()
        && last.ending == Ending::Next
    {
        last.ending = Ending::Stop;
    }
    all
}

/// Throws what happens from the beginning to the end of a viewing.
fn play(dice: &mut Dice, viewing: &mut Viewing) {
    let (mut at, mut position, mut playing) = (viewing.begins, viewing.start, true);
    for _ in 0..dice.between(0, 6) {
        let step = dice.between(8, 50);
        let there = if playing { position + step as f64 } else { position };
        if there > viewing.length * 0.7 {
            break;
        }
        (at, position) = (at + step * SECOND, there);
        let act = match playing {
            false => Act::Play,
            true if dice.percent(50) => Act::Pause,
            true => Act::Seek(dice.between(0, (viewing.length * 0.6) as i64) as f64),
        };
        if let Act::Seek(to) = act
            && (to - position).abs() < 10.0
        {
            continue;
        }
        viewing.acts.push((at, act, position));
        playing = act != Act::Pause;
        if let Act::Seek(to) = act {
            position = to;
        }
    }
    viewing.complete = playing && dice.percent(35);
    let rest = match viewing.complete {
        true => viewing.length - position - 1.0,
        false => dice.between(8, 40) as f64,
    };
    viewing.ends = at + (rest * 1000.0) as i64;
    viewing.end_position = if playing { position + rest } else { position };
}

/// What the collector has to see of a viewer's viewings.
fn sessions(viewings: &[Viewing], viewer: i64) -> Vec<Session> {
    let mut all: Vec<Session> = Vec::new();
    for (nth, viewing) in viewings.iter().enumerate() {
        let known = viewings[..nth].iter().rev().find(|before| before.film == viewing.film);
        let resume = viewing.start > 2.0 && known.is_some_and(|before| !before.complete);
        let owed = |kind, at, playhead: f64| Owed { kind, at, playhead: Some(playhead) };
        let mut hits = vec![
            owed("sessionStart", viewing.begins, viewing.start),
            owed("play", viewing.begins, viewing.start),
        ];
        for (at, act, position) in &viewing.acts {
            match act {
                Act::Pause => hits.push(owed("pauseStart", *at, *position)),
                Act::Play => hits.push(owed("play", *at, *position)),
                Act::Seek(to) => {
                    hits.push(owed("pauseStart", *at, *position));
                    hits.push(owed("play", *at, *to));
                }
            }
        }
        let (at, position) = (viewing.ends, viewing.end_position);
        if viewing.complete {
            hits.push(owed("sessionComplete", at, position));
        } else if viewing.ending == Ending::Gone {
            if hits.last().is_some_and(|hit| hit.kind == "play") {
                hits.push(owed("pauseStart", at, position));
            }
            let next = viewings.get(nth + 1).map_or(i64::MAX, |next| next.begins);
            hits.push(owed("sessionEnd", next.min(at + GRACE), position));
        } else {
            hits.push(owed("sessionEnd", at, position));
        }
        all.push(Session { title: signals::title(viewer, viewing.film), resume, hits });
    }
    all
}

/// A disk is full, read-only or failing for a while. Gives from when to when what changes may lie in
/// memory alone.
fn bad_disks(dice: &mut Dice, lines: &mut Vec<Line>) -> Vec<(i64, i64)> {
    let mut bad = Vec::new();
    for _ in 0..dice.between(0, 2) {
        let from = dice.between(0, 600) * SECOND;
        let until = from + dice.between(5, 150) * SECOND;
        let how = dice.pick(&["full", "read_only", "fails"]);
        lines.push(line(from, "Disk", json!({how: true})));
        lines.push(line(until, "Disk", json!({})));
        bad.push((from, until + TRIED_AGAIN));
    }
    bad
}

/// The collector cannot be reached, or fails, but never so long that a session is lost there.
fn outages(dice: &mut Dice, lines: &mut Vec<Line>) {
    for _ in 0..dice.between(0, 2) {
        let from = dice.between(0, 600) * SECOND;
        let until = from + dice.between(5, 120) * SECOND;
        match dice.percent(50) {
            true => {
                lines.push(line(from, "NetworkDown", json!({"silent": dice.percent(50)})));
                lines.push(line(until, "NetworkUp", json!({})));
            }
            false => {
                let rules: Vec<Value> =
                    ["sessions", "events"].map(|on| json!({"on": on, "status": 503})).into();
                lines.push(line(from, "Collector", json!({"rules": rules})));
                lines.push(line(until, "Collector", json!({"rules": []})));
            }
        }
    }
}

fn line(at: i64, event: &str, mut members: Value) -> Line {
    members["at"] = json!(at as f64 / 1000.0);
    members["event"] = json!(event);
    Line { at, json: members }
}

/// The agent dies where no viewer does anything, and where the disk has what has happened.
fn deaths(dice: &mut Dice, busy: &[i64], bad: &[(i64, i64)], lines: &mut Vec<Line>) {
    for _ in 0..dice.between(0, 4) {
        let (at, down) = (dice.between(5, 600) * SECOND, dice.between(0, 4) * SECOND);
        let clear = |t: &i64| *t < at - 2 * SECOND || *t > at + down + 2 * SECOND;
        let stored = |(from, until): &(i64, i64)| at + down < *from || at > *until;
        if busy.iter().all(clear) && bad.iter().all(stored) {
            lines.push(line(at, "AgentCrash", json!({"down_s": down as f64 / 1000.0})));
        }
    }
}

/// What is wrong with the evening of a seed.
pub fn look(seed: u64) -> Vec<String> {
    let evening = thrown(seed);
    let text: String = evening.lines.iter().map(|line| format!("{}\n", line.json)).collect();
    let lines = timeline::parse("an evening", &text).expect("a timeline");
    let config = Config::from_overrides(&[]).expect("defaults");
    let exchanges = simulate(&lines, Options { config, until_ms: None, seed });
    let bodies: Vec<(Option<String>, &Value)> = exchanges
        .iter()
        .filter(|e| e.status.is_some_and(|status| status < 300))
        .map(|e| (e.sid.clone(), &e.body))
        .collect();
    judge::judge(&evening.owed, &bodies)
}

/// The lines of the evening of a seed, to be looked at.
pub fn text(seed: u64) -> String {
    thrown(seed).lines.iter().map(|line| format!("{}\n", line.json)).collect()
}
