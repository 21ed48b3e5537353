//! Which owed hit each hit of a sid is, and what a restart has to repeat.

use std::collections::HashMap;

use super::arrived::{Arrived, Line};
use super::{BUMPS_MS, Head, Oracle, TS_ERROR_MS};
use crate::truth::{Owed, Wrong};

/// How far a playhead is from the truth: bodies carry milliseconds, or at Media Edge whole seconds.
const fn playhead_error(edge: bool) -> f64 {
    if edge { 1.0021 } else { 0.0021 }
}

/// What the hits of one call add to each other's `ts`.
const INSTANT_MS: i64 = 3;

/// What was made of one line: its wrongs, and which owed hit each arrived one is.
pub(super) struct Reading {
    pub wrong: Vec<Wrong>,
    /// Hits that had arrived already.
    pub doubts: usize,
    pub matched: Vec<(usize, usize)>,
}

impl Reading {
    /// How little sense it makes.
    pub fn doubt(&self) -> usize {
        self.wrong.len() + self.doubts
    }
}

impl Head {
    fn may_be(&self, owed: &Owed, line: &Line<'_>, hit: &Arrived<'_>) -> bool {
        let of_line = self.segment.map_or(*owed.play == *line.play, |s| s == owed.segment);
        of_line && owed.kind == hit.kind && owed.key == hit.key
    }
}

impl Oracle<'_> {
    /// Reads a line, taking its first `context` hits after the start for what a restart repeats.
    pub(super) fn read(&self, line: &Line<'_>, head: Head, context: usize) -> Reading {
        let mut reading = Reading { wrong: Vec::new(), doubts: 0, matched: Vec::new() };
        let mut last = head.fresh;
        let context = &line.hits[1..=context];
        let rest = line.hits.iter().enumerate().skip(1 + context.len());
        for (n, hit) in rest.filter(|(_, hit)| hit.kind != "ping") {
            match self.owed_for(line, hit, head, last) {
                Ok(found) => {
                    let had = |post: &usize| self.posts[*post].told;
                    let done = self.refused[found] || self.copies[found].iter().any(had);
                    reading.doubts += usize::from(done);
                    reading.matched.push((n, found));
                    reading.wrong.extend(self.bent(line, hit, head, found));
                    last = Some(found);
                }
                Err(wrong) => reading.wrong.push(wrong),
            }
        }
        if head.fresh.is_none() {
            let first = reading.matched.first().map(|(_, owed)| *owed);
            reading.wrong.extend(self.wrong_context(line, head, context, first));
        }
        reading
    }

    /// How far the clock of this sid is off: one anchor dates all its hits. What the box's clock
    /// showed when it was trusted is known; in an estimate, what fits most hits.
    pub(super) fn skew(&self, line: &Line<'_>, fresh: Option<usize>) -> Option<i64> {
        // All sessions of a boot that never knew the time are shifted alike.
        let of_line = self.owed.iter().zip(&self.estimated).find(|(o, _)| *o.play == *line.play);
        if let Some((owed, true)) = of_line
            && self.begun.contains(&line.play)
            && let Some((shift, _)) = self.shifts.get(&owed.boot)
        {
            return Some(*shift);
        }
        let segment = fresh.map(|n| self.owed[n].segment);
        let mut votes: HashMap<i64, usize> = HashMap::new();
        // The start of a restart is dated at whatever comes after it.
        for hit in line.hits.iter().skip(usize::from(fresh.is_none())).filter(|h| h.kind != "ping")
        {
            for (n, o) in self.owed.iter().enumerate().filter(|(_, o)| o.kind == hit.kind) {
                let here = segment.map_or(*o.play == *line.play, |s| s == o.segment);
                let same = here && o.key == hit.key && o.from == o.to;
                if !same || !self.happened(n, hit) || !stood_there(o, hit, self.world.edge) {
                    continue;
                }
                let off = hit.ts - o.to;
                let shown = self.world.clock_errors.iter().copied();
                let near = shown.filter(|e| (0..=BUMPS_MS).contains(&(off - e))).max();
                if let Some(skew) = if self.estimated[n] { Some(off) } else { near } {
                    // What a crash undid says little.
                    *votes.entry(skew).or_default() += if o.undone.is_some() { 1 } else { 10 };
                }
            }
        }
        votes.into_iter().max_by_key(|(off, n)| (*n, -off)).map(|(off, _)| off)
    }

    /// A clock that is set inside a session must not bend it (docs/behaviour.md 2.6).
    fn bent(&self, line: &Line<'_>, hit: &Arrived<'_>, head: Head, found: usize) -> Option<Wrong> {
        let owed = &self.owed[found];
        let off = hit.ts - head.skew? - owed.to;
        let exact = owed.from == owed.to && owed.undone.is_none();
        (exact && off.abs() > BUMPS_MS).then(|| {
            let text = format!("{}: {} is {off} ms off the rest of its sid", line.sid, hit.kind);
            Wrong::new("bent", text)
        })
    }

    /// A session that is opened again needs its whole context (spec 5.3, docs/behaviour.md 2.11).
    fn wrong_context(
        &self,
        line: &Line<'_>,
        head: Head,
        context: &[Arrived<'_>],
        first: Option<usize>,
    ) -> Option<Wrong> {
        let segment = head.segment?;
        let start = line.hits[0].ts - head.skew?;
        let done = |n: usize, o: &Owed| {
            let told = self.copies[n].iter().any(|post| self.posts[*post].told);
            o.to < start || (o.to <= start + BUMPS_MS && (told || self.refused[n]))
        };
        let before = |(n, o): &(usize, &Owed)| {
            o.segment == segment && first.map_or_else(|| done(*n, o), |first| *n < first)
        };
        let before: Vec<&Owed> =
            self.owed.iter().enumerate().filter(before).map(|(_, o)| o).collect();
        if before.iter().any(|o| o.undone.is_some() || o.from != o.to) {
            return None;
        }
        let next = line.hits.get(1 + context.len());
        let got: Vec<_> = context.iter().map(|h| (h.kind, h.key.clone())).collect();
        let mut want = fold(&before);
        // A ping may have come between the two, and gone on its way or because too much waited.
        let counted = self.world.counted;
        let ping = got == want && counted.over_limit + counted.ambiguous_pings > 0;
        if next.is_some_and(Arrived::is_playback) && !ping {
            want.retain(|(kind, _)| !matches!(*kind, "play" | "pauseStart" | "bufferStart"));
        }
        // A sid that was lost in the middle of it is opened again.
        let cut_off = next.is_none() && want.starts_with(&got);
        (got != want && !cut_off).then(|| {
            Wrong::new("context", format!("{}: repeats {got:?}, needs {want:?}", line.sid))
        })
    }

    /// Which owed hit this is.
    fn owed_for(
        &self,
        line: &Line<'_>,
        hit: &Arrived<'_>,
        head: Head,
        last: Option<usize>,
    ) -> Result<usize, Wrong> {
        let near =
            |n: usize| self.happened(n, hit) && self.off_by(n, hit.ts) <= TS_ERROR_MS + BUMPS_MS;
        let here = |o: &Owed| stood_there(o, hit, self.world.edge);
        let told = hit.posts().any(|post| self.posts[post].told);
        let cost = |n: usize, o: &Owed| {
            let at = hit.ts - head.skew.unwrap_or(0);
            // Each hit of an instant is a millisecond later; of two of a kind the earlier is first.
            let same_instant = o.from == o.to && (0..=INSTANT_MS).contains(&(at - o.to));
            let off = if same_instant { 0 } else { (o.from - at).max(at - o.to).max(0) };
            let arrived = if self.copies[n].is_empty() { 0 } else { 400 };
            let undone = if o.undone.is_some() && told { 200 } else { 0 };
            off + arrived + undone + if o.from == o.to { 0 } else { BUMPS_MS }
        };
        let all = self.owed.iter().enumerate().filter(|(_, o)| head.may_be(o, line, hit));
        let fit = all.clone().filter(|(n, o)| near(*n) && here(o));
        // What a crash undid may have come about once more.
        let after = |n: usize, last: usize| (self.owed[n].to, n) > (self.owed[last].to, last);
        let best = fit.clone().filter(|(n, _)| last.is_none_or(|last| after(*n, last)));
        if let Some((n, _)) = best.min_by_key(|(n, o)| (cost(*n, o), o.undone.is_some(), *n)) {
            return Ok(n);
        }
        let late = fit.clone().min_by_key(|(n, o)| (cost(*n, o), o.undone.is_some(), *n));
        if let Some((n, _)) = late.filter(|_| self.forgot(0, self.posts[hit.post].at)) {
            return Ok(n);
        }
        let (rule, why) = if late.is_some() {
            ("order", "comes late".to_owned())
        } else if let Some((_, o)) = all.clone().find(|(n, _)| near(*n)) {
            ("playhead", format!("stood at {:?}", o.playhead))
        } else if let Some((_, o)) = all.clone().find(|(_, o)| here(o) && !hit.key.is_empty()) {
            ("ts", format!("happened at {}..{}", o.from, o.to))
        } else {
            let nearest = all.min_by_key(|(n, _)| self.off_by(*n, hit.ts));
            ("unowed", format!("never happened; nearest {:?}", nearest.map(|(_, o)| o.from)))
        };
        let what = (hit.kind, &hit.key, hit.ts, hit.playhead);
        Err(Wrong::new(rule, format!("{}: {what:?} {why}", line.sid)))
    }
}

/// Whether the playhead is that of the truth; live ones wrap at midnight.
fn stood_there(owed: &Owed, hit: &Arrived<'_>, edge: bool) -> bool {
    let (off, error) = (|playhead: f64| (playhead - hit.playhead).abs(), playhead_error(edge));
    owed.playhead.is_none_or(|p| off(p) < error || off(p) > 86_399.9 - error)
}

/// What is open after these hits, in the order in which a restart repeats it.
fn fold<'o>(hits: &[&'o Owed]) -> Vec<(&'o str, String)> {
    let (mut chapter, mut ad_break, mut ad, mut playback) = (None, None, None, None);
    let mut states: Vec<(&str, String)> = Vec::new();
    for owed in hits {
        let this = Some((owed.kind, owed.key.clone()));
        match owed.kind {
            "chapterStart" => chapter = this,
            "chapterComplete" | "chapterSkip" => chapter = None,
            "adBreakStart" => ad_break = this,
            "adBreakComplete" => (ad_break, ad) = (None, None),
            "adStart" => ad = this,
            "adComplete" | "adSkip" => ad = None,
            "stateStart" => states.extend(this),
            "stateEnd" => states.retain(|(_, name)| *name != owed.key),
            "play" | "pauseStart" | "bufferStart" => playback = this,
            _ => {}
        }
    }
    let open = [chapter, ad_break, ad].into_iter().flatten();
    open.chain(states).chain(playback).collect()
}
