//! A box that sleeps while its viewers are in the middle of something: all that comes later comes so
//! much later, and whoever was playing is paused and plays on, or is resumed after a long sleep.

use serde_json::json;

use super::{Act, Ending, GRACE, Owed, SECOND, Session, Viewing, line};
use crate::day::{Dice, Line};

/// So long before a sleep nobody does anything: players tell what they play up to 7 s late.
const CALM: i64 = 12 * SECOND;
/// So long after its beginning the agent still runs.
const RUNS_ON: i64 = 4 * SECOND;
/// So many seconds before the end of a film nobody sleeps: it may count as seen.
const END: f64 = 30.0;

/// One sleep, announced; its end may be announced late.
#[derive(Debug, Clone, Copy)]
pub struct Sleep {
    at: i64,
    lasts: i64,
    late: i64,
}

/// A sleep at a time that is calm for all viewers, if one is found.
pub fn thrown(dice: &mut Dice, viewers: &[Vec<Viewing>], busy: &[i64]) -> Option<Sleep> {
    let last = busy.iter().max()?;
    let lasts = dice.pick(&[20, 45, 90, 400]) * SECOND;
    let late = dice.pick(&[0, 500, SECOND]);
    let calm = |at: &i64| {
        let apart = |busy: &i64| *busy < at - CALM || *busy > at + RUNS_ON;
        busy.iter().all(apart) && viewers.iter().flatten().all(|viewing| fits(viewing, *at))
    };
    let tries: Vec<i64> = (0..50).map(|_| dice.between(CALM, *last)).collect();
    tries.into_iter().find(calm).map(|at| Sleep { at, lasts, late })
}

/// Whether what is owed of a viewing is clear when the box sleeps at this time.
fn fits(viewing: &Viewing, at: i64) -> bool {
    let over = viewing.ends + if viewing.ending == Ending::Gone { GRACE + CALM } else { 0 };
    let within = viewing.begins < at && at < viewing.ends;
    let (position, _) = state(viewing, at);
    at < viewing.begins || at > over || within && position < viewing.length - END
}

/// At which second the film is, and whether it plays.
fn state(viewing: &Viewing, at: i64) -> (f64, bool) {
    let (mut since, mut position, mut playing) = (viewing.begins, viewing.start, true);
    for (when, act, there) in viewing.acts.iter().filter(|(when, ..)| *when < at) {
        since = *when;
        position = if let Act::Seek(to) = act { *to } else { *there };
        playing = *act != Act::Pause;
    }
    let moved = if playing { (at - since) as f64 / 1000.0 } else { 0.0 };
    (position + moved, playing)
}

impl Sleep {
    /// What players and viewers do, with the sleep in it.
    pub fn delay(&self, lines: &mut Vec<Line>) {
        for later in lines.iter_mut().filter(|line| line.at > self.at) {
            later.at += self.lasts;
            later.json["at"] = json!(later.at as f64 / 1000.0);
        }
        lines.push(line(self.at, "Sleep", json!({})));
        let wake = self.at + self.lasts;
        if self.late > 0 {
            lines.push(line(wake, "Wake", json!({"silent": true})));
        }
        lines.push(line(wake + self.late, "Wake", json!({})));
    }

    /// What is owed of a viewing then, of which `session` would be owed without a sleep.
    pub fn owed(&self, viewing: &Viewing, session: Session) -> Vec<Session> {
        let (at, wake, title) = (self.at, self.at + self.lasts + self.late, session.title);
        let (mut hits, mut later): (Vec<Owed>, Vec<Owed>) =
            session.hits.into_iter().partition(|hit| hit.at <= at);
        later.iter_mut().for_each(|hit| hit.at += self.lasts);
        let within = viewing.begins < at && at < viewing.ends;
        let (position, playing) = state(viewing, at);
        let hit = |kind, at| Owed { kind, at, playhead: Some(position) };
        let resume = session.resume;
        if within && playing {
            hits.push(hit("pauseStart", at));
            later.insert(0, hit("play", wake));
        }
        if !within || self.lasts < GRACE {
            hits.extend(later);
            return vec![Session { title, resume, hits }];
        }
        hits.push(hit("sessionEnd", at + GRACE));
        let mut all = vec![Session { title: title.clone(), resume, hits }];
        // A player that is paused has no session after a long sleep until it plays.
        if let Some(first) = later.first().filter(|first| first.kind == "play") {
            let mut hits = vec![hit("sessionStart", first.at)];
            hits.extend(later);
            all.push(Session { title, resume: true, hits });
        }
        all
    }
}
