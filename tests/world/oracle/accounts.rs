//! The accounts of a day: nothing twice, nothing missing that was not counted, a heartbeat all
//! the time.

use std::collections::{HashMap, HashSet};

use super::arrived::Line;
use super::{BUMPS_MS, Oracle, UNSAVED_MS};
use crate::run::Post;

impl Oracle<'_> {
    pub(super) fn settle_accounts(&mut self, lines: &[Line<'_>]) {
        self.nothing_comes_twice(lines);
        let missing = self.nothing_is_missing();
        let counted = self.world.counted;
        if missing > counted.closed_by_server + counted.over_limit {
            self.say("counted", format!("{missing} hits were given up, {counted:?}"));
        }
        if counted.over_limit > 0 && !self.world.small_queue {
            self.say("limit", format!("nothing was over a limit, {counted:?}"));
        }
        self.no_ping_comes_twice(lines);
    }

    /// What the agent knows to have arrived is not sent again.
    fn nothing_comes_twice(&mut self, lines: &[Line<'_>]) {
        // What a session that is opened again repeats may look like a hit of the same moment.
        let repeats = |line: &Line<'_>| {
            let hits = line.hits[1..=line.repetitions()].iter();
            hits.flat_map(|hit| hit.posts().collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        let repeated: HashSet<usize> = lines.iter().flat_map(repeats).collect();
        for n in 0..self.owed.len() {
            let copies = self.copies[n].iter().filter(|post| !repeated.contains(post));
            let copies: Vec<usize> = copies.copied().collect();
            let told = copies.iter().position(|post| self.posts[*post].told);
            // Two moments of one sid are two hits.
            let same = |one: usize, other: usize| {
                if one == other && self.owed[n].from != self.owed[n].to {
                    // An estimate may be any of several alike in one batch.
                    return false;
                }
                let (one, other) = (&self.posts[one], &self.posts[other]);
                let ts = |post: &Post| post.bodies[0]["playerTime"]["ts"].clone();
                one.sid != other.sid || one.bodies.len() > 1 || ts(one) == ts(other)
            };
            if told.is_some_and(|at| copies[at + 1..].iter().any(|post| same(copies[at], *post))) {
                let at: Vec<i64> = copies.iter().map(|p| self.posts[*p].at).collect();
                self.say("twice", format!("sent {at:?}: {:?}", self.owed[n]));
            }
        }
    }

    /// Gives how many hits are missing and may be, if the agent has counted them.
    fn nothing_is_missing(&mut self) -> u64 {
        let mut excused = 0;
        let mut segments: Vec<usize> = self.owed.iter().map(|o| o.segment).collect();
        segments.sort_unstable();
        segments.dedup();
        for segment in segments {
            if self.refused_segments.contains(&segment) {
                continue;
            }
            let mut run: Vec<usize> = Vec::new();
            let (mut before, mut playback) = (None, None);
            let of_segment =
                |n: &usize| self.owed[*n].segment == segment && self.owed[*n].undone.is_none();
            for n in (0..self.owed.len()).filter(of_segment).collect::<Vec<_>>() {
                if self.refused[n] || !self.copies[n].is_empty() {
                    excused += self.run_is_excused(&run, before);
                    run.clear();
                } else {
                    if run.is_empty() {
                        before = playback;
                    }
                    run.push(n);
                }
                if matches!(self.owed[n].kind, "play" | "pauseStart" | "bufferStart") {
                    playback = Some(self.owed[n].kind);
                }
            }
            excused += self.run_is_excused(&run, before);
        }
        excused
    }

    /// Hits without play time may go with a session that the collector has closed
    /// (docs/behaviour.md 2.7); anything may go when too much waits.
    fn run_is_excused(&mut self, run: &[usize], before: Option<&str>) -> u64 {
        let mut playback = before;
        let plays = run.iter().any(|n| match self.owed[*n].kind {
            kind @ ("play" | "pauseStart" | "bufferStart") => {
                playback = Some(kind);
                kind == "play"
            }
            "sessionEnd" | "sessionComplete" | "adSkip" | "adComplete" | "adBreakComplete"
            | "chapterSkip" | "chapterComplete" => false,
            "sessionStart" => true,
            _ => playback == Some("play"),
        });
        if plays && self.world.counted.over_limit == 0 {
            self.say("missing", format!("{} hits from {:?} on", run.len(), self.owed[run[0]]));
        }
        run.len() as u64
    }

    /// A ping whose fate is unknown is never sent again; only a power cut can forget that. A
    /// batch is one thing, pings and all.
    fn no_ping_comes_twice(&mut self, lines: &[Line<'_>]) {
        let mut seen: HashMap<(&str, i64, u64), i64> = HashMap::new();
        for line in lines.iter().filter(|line| !line.batch) {
            for ping in line.hits.iter().filter(|h| h.kind == "ping" && !h.refused) {
                for at in ping.posts().map(|post| self.posts[post].at).collect::<Vec<_>>() {
                    let key = (line.play.as_str(), ping.ts, ping.playhead.to_bits());
                    let Some(first) = seen.insert(key, at) else { continue };
                    let cut = |end: i64| (first..=at).contains(&end);
                    let cut = self.world.boots.iter().any(|b| b.ended.is_some_and(cut));
                    if !cut && !self.forgot(first, at) {
                        let text = format!("{}: of {} at {first} and {at}", line.sid, ping.ts);
                        self.say("ping", text);
                    }
                }
            }
        }
    }

    /// Never longer than an interval without a ping or a playback hit, while the agent is there
    /// and no ping was lost on its way (spec 3.2).
    pub(super) fn the_heart_beats(&mut self, line: &Line<'_>, skew: i64) {
        let interval = if line.batch { self.world.batch_ping_ms } else { self.world.ping_ms };
        let mut last = line.hits[0].ts;
        if line.hits[0].posts().any(|post| self.posts[post].left_out > 0) {
            return;
        }
        for hit in &line.hits[1..] {
            let silence = hit.ts - last > interval + BUMPS_MS;
            let (second, unsaved) = (1_000, UNSAVED_MS);
            let (from, to) = (last - skew - second, hit.ts - skew + second);
            let away = |span: &(i64, i64)| span.0 - unsaved <= to && span.1 >= from;
            let lost = |ts: &i64| (last..=hit.ts).contains(ts);
            if silence
                && self.world.counted.over_limit == 0
                && self.world.forgotten.is_empty()
                && !self.world.away.iter().any(away)
                && !self.world.lost_pings.iter().any(lost)
            {
                let (kind, ts) = (hit.kind, hit.ts);
                self.say("heart", format!("{}: silent from {last} to {kind} at {ts}", line.sid));
            }
            let beat = matches!(hit.kind, "ping" | "play" | "pauseStart" | "bufferStart");
            if beat || hit.kind == "adStart" {
                last = hit.ts;
            }
        }
    }
}
