//! Holds what arrived against what was owed: everything once, in order, at its time, and nothing
//! else (docs/behaviour.md 2.5 to 2.9).

use std::collections::{BTreeMap, BTreeSet};

use self::arrived::{Arrived, Line, lines};
use self::reading::Reading;
use crate::run::{Post, World};
use crate::truth::{Owed, Wrong};

mod accounts;
mod arrived;
mod reading;
mod records;

/// How far `ts` may be off, and what hits of the same instant may add to each other.
const TS_ERROR_MS: i64 = 1_000;
const BUMPS_MS: i64 = 60;
/// An anchor that was taken is on the medium after this, whatever happens.
const UNSAVED_MS: i64 = 11_000;
const SID_LIFETIME_MS: i64 = 600_000;

pub struct Oracle<'w> {
    world: &'w World,
    owed: &'w [Owed],
    posts: &'w [Post],
    /// Whether an owed hit may carry any `ts`.
    estimated: Vec<bool>,
    /// Where each owed hit arrived.
    copies: Vec<Vec<usize>>,
    refused: Vec<bool>,
    refused_segments: Vec<usize>,
    /// The viewings of which a line was read.
    begun: BTreeSet<String>,
    /// How far the sessions of each boot that never knew the time were shifted: the least, the most.
    shifts: BTreeMap<u32, (i64, i64)>,
    wrong: Vec<Wrong>,
}

/// Everything that was wrong with a day.
pub fn judge(world: &World) -> Vec<Wrong> {
    let owed = &world.truth.owed;
    let mut oracle = Oracle {
        world,
        owed,
        posts: &world.posts,
        estimated: owed.iter().map(|o| estimated(o, world)).collect(),
        copies: vec![Vec::new(); owed.len()],
        refused: vec![false; owed.len()],
        refused_segments: Vec::new(),
        begun: BTreeSet::new(),
        shifts: BTreeMap::new(),
        wrong: world.wrong.clone(),
    };
    let lines = lines(&world.posts);
    let mut segments: Vec<Option<usize>> = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let before = |segment: Option<usize>| {
            let same = segments.iter().rposition(|s| *s == segment);
            same.map(|at| &lines[..n][at])
        };
        let head = oracle.line(line, &before);
        oracle.begun.insert(line.play.clone());
        segments.push(head.segment);
        let guess = |n: usize| Some(owed[n].segment) == head.segment && oracle.estimated[n];
        if !(0..owed.len()).any(guess) {
            oracle.the_heart_beats(line, head.skew.unwrap_or(0));
        }
    }
    oracle.settle_accounts(&lines);
    oracle.the_logs_have_all();
    for (boot, (least, most)) in std::mem::take(&mut oracle.shifts) {
        if most - least > BUMPS_MS {
            let text = format!("sessions of boot {boot} were shifted by {least} to {most}");
            oracle.say("shift", text);
        }
    }
    if world.stood_still && oracle.estimated.contains(&true) {
        // Sessions of a boot that never knew the time overlap, so a start between them that repeats
        // one of them cannot be told from the others.
        const GUESSED: [&str; 6] = ["unowed", "playhead", "reopen", "order", "context", "ts"];
        oracle.wrong.retain(|wrong| !GUESSED.contains(&wrong.rule));
    }
    oracle.wrong
}

/// An earlier boot that never knew the time since the session began (docs/behaviour.md 2.6), or
/// could not write it down.
fn estimated(owed: &Owed, world: &World) -> bool {
    let boot = &world.boots[owed.boot as usize - 1];
    let Some(ended) = boot.ended else { return false };
    let first = world.truth.owed.iter().find(|o| o.segment == owed.segment);
    let begun = first.map_or(0, |o| o.from);
    let full = world.forgotten.iter().find(|(_, death)| *death == ended);
    let until = full.map_or(ended, |(full, _)| *full).min(ended);
    let known = |(from, to): &(i64, i64)| {
        let at_once = (from..=to).contains(&&begun) && begun < until;
        at_once || (*to).min(until) - (*from).max(begun) >= UNSAVED_MS
    };
    !boot.trusted.iter().any(known)
}

/// What the beginning of a line says about the rest.
#[derive(Clone, Copy)]
struct Head {
    /// Its `sessionStart`, unless the delivery opened an old session again.
    fresh: Option<usize>,
    /// How far its clock is off, if that can be told.
    skew: Option<i64>,
    segment: Option<usize>,
}

impl Oracle<'_> {
    fn say(&mut self, rule: &'static str, text: String) {
        self.wrong.push(Wrong::new(rule, text));
    }

    /// One sid; `before` gives the last one before it of the same session.
    fn line<'l>(
        &mut self,
        line: &Line<'_>,
        before: &dyn Fn(Option<usize>) -> Option<&'l Line<'l>>,
    ) -> Head {
        let start = &line.hits[0];
        let (head, reading) = self.interpret(line);
        match head.fresh {
            Some(n) => {
                self.take(n, start);
                let owed = &self.owed[n];
                // A later start of a viewing may be one that the delivery made.
                let first = self.owed[..n].iter().all(|o| o.play != owed.play);
                // What went in its own boot was dated by a clock, which was forgotten later.
                let ended = self.world.boots[owed.boot as usize - 1].ended;
                let later = ended.is_some_and(|ended| self.posts[start.post].at > ended);
                if first && later && !self.begun.contains(&line.play) && self.estimated[n] {
                    let shift = start.ts - owed.to;
                    let (least, most) = self.shifts.entry(owed.boot).or_insert((shift, shift));
                    (*least, *most) = ((*least).min(shift), (*most).max(shift));
                }
                if owed.resume.is_some_and(|resume| resume != line.resume) {
                    let text = format!("{}: media.resume {} for {owed:?}", line.sid, line.resume);
                    self.say("resume", text);
                }
            }
            None => self.reopened(line, before(head.segment)),
        }
        if start.refused {
            self.refused_segments.extend(head.segment);
            return head;
        }
        self.wrong.extend(reading.wrong);
        for (hit, n) in reading.matched {
            self.take(n, &line.hits[hit]);
        }
        self.ts_rises(line);
        self.goes_to_a_living_sid(line);
        head
    }

    /// The reading that makes most sense: which session it is, new or opened again, and how much
    /// of its beginning only repeats what the new sid has to know.
    fn interpret(&self, line: &Line<'_>) -> (Head, Reading) {
        let mut best: Option<(usize, Head, Reading)> = None;
        for fresh in self.starts_of(line) {
            let other = |n: usize| self.owed[n].resume.is_some_and(|r| r != line.resume);
            let strange = usize::from(fresh.is_some_and(other));
            let skew = self.skew(line, fresh);
            let segment = match fresh {
                Some(n) => Some(self.owed[n].segment),
                None => self.segment_at(line, skew),
            };
            let head = Head { fresh, skew, segment };
            let most = if fresh.is_some() { 0 } else { line.repetitions() };
            for context in 0..=most {
                let reading = self.read(line, head, context);
                let doubt = reading.doubt() + strange;
                if best.as_ref().is_none_or(|(least, ..)| doubt < *least) {
                    best = Some((doubt, head, reading));
                }
            }
        }
        best.map(|(_, head, reading)| (head, reading)).unwrap_or_else(|| {
            let head = Head { fresh: None, skew: None, segment: None };
            (head, self.read(line, head, 0))
        })
    }

    /// A sid whose last accepted hit is ten minutes old is dead (docs/behaviour.md 2.7).
    fn goes_to_a_living_sid(&mut self, line: &Line<'_>) {
        for pair in line.hits.windows(2) {
            // The first of a pair may have been sent again since.
            let last = pair[0].posts().map(|post| self.posts[post].at).max().unwrap_or_default();
            let at = self.posts[pair[1].post].at;
            if at - last >= SID_LIFETIME_MS + TS_ERROR_MS {
                self.say("dead", format!("{}: {} at {at} after {last}", line.sid, pair[1].kind));
            }
        }
    }

    fn take(&mut self, n: usize, hit: &Arrived<'_>) {
        match hit.refused {
            true => self.refused[n] = true,
            false => self.copies[n].extend(hit.posts()),
        }
    }

    /// Strictly, within one sid (spec 3.1).
    fn ts_rises(&mut self, line: &Line<'_>) {
        for pair in line.hits.windows(2) {
            let (last, hit) = (&pair[0], &pair[1]);
            let (from, to) = (self.posts[last.post].at, self.posts[hit.post].at);
            if hit.ts <= last.ts && !last.refused && !self.forgot(from, to) {
                let (a, b) = ((hit.kind, hit.ts), (last.kind, last.ts));
                self.say("ts-order", format!("{}: {a:?} after {b:?}", line.sid));
            }
        }
    }

    /// Whether the agent died between the two over a disk that had been full: nobody can be later
    /// than what was never written, or know that it was sent.
    fn forgot(&self, from: i64, to: i64) -> bool {
        self.world.forgotten.iter().any(|(_, death)| (from..=to).contains(death))
    }

    /// Nothing arrives before it came about, or after it was forgotten.
    fn happened(&self, n: usize, hit: &Arrived<'_>) -> bool {
        let (owed, at) = (&self.owed[n], self.posts[hit.post].at);
        owed.from <= at && owed.undone.is_none_or(|forgotten| at <= forgotten)
    }

    /// How far a `ts` is from the truth.
    fn off_by(&self, n: usize, ts: i64) -> i64 {
        match self.estimated[n] {
            true => 0,
            false => (self.owed[n].from - ts).max(ts - self.owed[n].to).max(0),
        }
    }

    /// The `sessionStart` of the rules that this may be, the likeliest first; `None` when the
    /// delivery opened the session again.
    fn starts_of(&self, line: &Line<'_>) -> Vec<Option<usize>> {
        let start = &line.hits[0];
        let told = |n: usize| self.copies[n].iter().any(|post| self.posts[*post].told);
        let fits = |(n, o): &(usize, &Owed)| {
            let begins = *o.play == *line.play && o.kind == "sessionStart" && !told(*n);
            begins && self.happened(*n, start) && self.off_by(*n, start.ts) <= TS_ERROR_MS
        };
        let mut fit: Vec<(usize, &Owed)> = self.owed.iter().enumerate().filter(fits).collect();
        fit.sort_by_key(|(n, o)| {
            let off = match self.estimated[*n] {
                true => 2 * TS_ERROR_MS + *n as i64,
                false => (o.to - start.ts).abs(),
            };
            (o.undone.is_some(), o.resume.is_some_and(|resume| resume != line.resume), off)
        });
        // Only an estimate leaves a choice, and a start that went because too much waited.
        let dropped =
            |o: &Owed| self.world.counted.over_limit > 0 && line.resume && o.resume == Some(false);
        let sure = |(n, o): &&(usize, &Owed)| !self.estimated[*n] && !dropped(o);
        if let Some((n, _)) = fit.first().filter(sure) {
            return vec![Some(*n)];
        }
        fit.into_iter().map(|(n, _)| Some(n)).chain([None]).collect()
    }

    /// The segment of a session that was opened again by this line: the last that had begun.
    fn segment_at(&self, line: &Line<'_>, skew: Option<i64>) -> Option<usize> {
        let ts = match skew {
            Some(skew) => line.hits[0].ts - skew + BUMPS_MS,
            // Nothing in it tells how far its clock is off.
            None => line.hits[0].ts + TS_ERROR_MS,
        };
        let begun = |(n, o): &(usize, &Owed)| {
            let starts = *o.play == *line.play && o.kind == "sessionStart";
            starts && (o.from <= ts || self.estimated[*n]) && self.happened(*n, &line.hits[0])
        };
        let begun = self.owed.iter().enumerate().filter(begun);
        // An estimate may lie before its beginning.
        let last = begun.max_by_key(|(_, o)| (o.from <= ts, o.from, o.undone.is_none()));
        last.map(|(_, o)| o.segment)
    }

    /// A session that the delivery opened again needs a reason: a sid that was lost, one that had
    /// been silent for too long, or one that nobody knows of.
    fn reopened(&mut self, line: &Line<'_>, before: Option<&Line<'_>>) {
        let start = &line.hits[0];
        let at = self.posts[start.post].at;
        if !line.resume {
            let text =
                format!("{}: without media.resume, or at a wrong time {}", line.sid, start.ts);
            self.say("reopen", text);
        }
        let reason = before.is_some_and(|before| {
            let gone = self.posts.iter().any(|p| {
                let lost = matches!(p.status, Some(404 | 410)) && p.at <= at;
                lost && p.sid.as_deref() == Some(&before.sid)
            });
            // What the agent had to forget it cannot count on.
            let taken = before.hits.iter().filter(|h| !h.refused).map(|h| &self.posts[h.post]);
            let told = taken.filter(|p| p.told);
            let last = told.map(|p| p.at).filter(|t| *t <= at).max();
            let untold = !self.posts[before.hits[0].post].told;
            gone || untold || last.is_some_and(|last| at - last >= SID_LIFETIME_MS)
        });
        if !reason && self.world.counted.over_limit == 0 {
            let text = format!("{}: {} again without a reason at {at}", line.sid, line.play);
            self.say("reopen", text);
        }
    }
}
