//! Holds what arrived against what was owed: everything once, in order, at its time, and nothing
//! else (docs/api.md 2.5 to 2.9).

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::day::DAWN_MS;
use crate::run::{Boot, Post, World};
use crate::truth::{Owed, Wrong};

/// How far `ts` may be off, and what hits of the same instant may add to each other.
const TS_ERROR_MS: i64 = 1_000;
const BUMPS_MS: i64 = 60;
const PLAYHEAD_ERROR: f64 = 0.0021;
/// An anchor that was taken is on the medium after this, whatever happens.
const UNSAVED_MS: i64 = 11_000;
const SID_LIFETIME_MS: i64 = 600_000;

/// One hit at the collector, or one that it refused.
struct Arrived<'w> {
    post: usize,
    kind: &'w str,
    key: String,
    ts: i64,
    playhead: f64,
    refused: bool,
    /// Sent once more because its fate was unknown: these posts.
    again: Vec<usize>,
}

/// What arrived under one sid, or in one batch.
struct Line<'w> {
    sid: String,
    play: String,
    resume: bool,
    hits: Vec<Arrived<'w>>,
}

pub struct Oracle<'w> {
    owed: &'w [Owed],
    posts: &'w [Post],
    boots: &'w [Boot],
    forgotten: &'w [i64],
    /// Where each owed hit arrived.
    copies: Vec<Vec<usize>>,
    refused: Vec<bool>,
    refused_segments: Vec<usize>,
    wrong: Vec<Wrong>,
}

/// Everything that was wrong with a day.
pub fn judge(world: &World<'_>) -> Vec<Wrong> {
    let owed = &world.truth.owed;
    let mut oracle = Oracle {
        owed,
        posts: &world.posts,
        boots: &world.boots,
        forgotten: &world.forgotten,
        copies: vec![Vec::new(); owed.len()],
        refused: vec![false; owed.len()],
        refused_segments: Vec::new(),
        wrong: world.wrong.clone(),
    };
    let lines = lines(&world.posts);
    for (n, line) in lines.iter().enumerate() {
        oracle.line(line, &lines[..n]);
    }
    oracle.copies_are_excused();
    let closed = oracle.nothing_is_missing();
    if closed > world.counted.closed_by_server {
        let text = format!("{closed} hits were given up, {:?}", world.counted);
        oracle.wrong.push(Wrong::new("counted", text));
    }
    oracle.pings_are_not_repeated(&lines);
    oracle.wrong
}

/// Posts by sid, in the order in which their sessions were opened.
fn lines(posts: &[Post]) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut by_sid: HashMap<&str, usize> = HashMap::new();
    for (n, post) in posts.iter().enumerate() {
        let for_good = matches!(post.status, Some(400 | 413 | 415 | 422));
        let refused = !post.counted && post.told && for_good;
        if !post.counted && !refused {
            continue;
        }
        let hits = post.bodies.iter().map(|body| Arrived {
            post: n,
            kind: body["eventType"].as_str().unwrap_or_default(),
            key: key(body),
            ts: body["playerTime"]["ts"].as_i64().unwrap_or(0) - DAWN_MS,
            playhead: body["playerTime"]["playhead"].as_f64().unwrap_or(-1.0),
            refused,
            again: Vec::new(),
        });
        let hits: Vec<_> = hits.collect();
        let first = &post.bodies[0];
        if hits[0].kind == "sessionStart" {
            let sid = post.sid.clone().unwrap_or_else(|| format!("post {n}"));
            if let Some(sid) = &post.sid {
                by_sid.insert(sid, lines.len());
            }
            let play = first["customMetadata"]["mark"].as_str().unwrap_or_default().to_owned();
            let resume = first["params"]["media.resume"] == true;
            lines.push(Line { sid, play, resume, hits });
        } else if let Some(line) = post.sid.as_deref().and_then(|sid| by_sid.get(sid)) {
            for hit in hits {
                lines[*line].add(hit, posts);
            }
        }
    }
    lines
}

impl<'w> Line<'w> {
    fn add(&mut self, hit: Arrived<'w>, posts: &[Post]) {
        let same = |h: &&mut Arrived<'_>| {
            let what = (h.kind, h.ts) == (hit.kind, hit.ts) && h.key == hit.key;
            what && h.playhead == hit.playhead && !h.posts().any(|p| posts[p].told)
        };
        match self.hits.iter_mut().find(same) {
            Some(first) => first.again.push(hit.post),
            None => self.hits.push(hit),
        }
    }
}

impl Arrived<'_> {
    fn posts(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.post).chain(self.again.iter().copied())
    }
}

/// What names an event at the collector.
fn key(body: &Json) -> String {
    let (part, key) = match body["eventType"].as_str().unwrap_or_default() {
        "error" => ("qoeData", "media.qoe.errorID"),
        "bitrateChange" => ("qoeData", "media.qoe.bitrate"),
        "chapterStart" => ("params", "media.chapter.friendlyName"),
        "adBreakStart" => ("params", "media.ad.podFriendlyName"),
        "adStart" => ("params", "media.ad.id"),
        "stateStart" | "stateEnd" => ("params", "media.state.name"),
        _ => return String::new(),
    };
    match &body[part][key] {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What the beginning of a line says about the rest.
#[derive(Clone, Copy)]
struct Head {
    /// Its `sessionStart`, unless the delivery opened an old session again.
    fresh: Option<usize>,
    /// How far its clock is off.
    skew: i64,
    segment: Option<usize>,
}

impl Head {
    fn may_be(&self, owed: &Owed, line: &Line<'_>, hit: &Arrived<'_>) -> bool {
        let of_line = self.segment.map_or(*owed.play == *line.play, |s| s == owed.segment);
        of_line && owed.kind == hit.kind && owed.key == hit.key
    }
}

/// What matched in one line: its wrongs, and which owed hit each arrived one is.
struct Reading {
    wrong: Vec<Wrong>,
    matched: Vec<(usize, usize)>,
}

impl Oracle<'_> {
    fn line(&mut self, line: &Line<'_>, earlier: &[Line<'_>]) {
        let start = &line.hits[0];
        let fresh = self.start_of(line, start);
        let skew = self.skew(line);
        let segment = match fresh {
            Some(n) => Some(self.owed[n].segment),
            None => self.segment_at(line, start.ts - skew),
        };
        let head = Head { fresh, skew, segment };
        if start.refused {
            self.refused_segments.extend(segment);
        }
        match fresh {
            Some(n) => {
                self.take(n, start);
                if self.owed[n].resume.is_some_and(|resume| resume != line.resume) {
                    let text = format!(
                        "{}: media.resume {} for {:?}",
                        line.sid, line.resume, self.owed[n]
                    );
                    self.wrong.push(Wrong::new("resume", text));
                }
            }
            None => self.reopened(line, earlier),
        }
        if start.refused {
            return;
        }
        // A playback state at the head of a restart is context or news; whichever makes sense.
        let mut reading = self.read(line, head, false);
        if !reading.wrong.is_empty() && fresh.is_none() {
            let other = self.read(line, head, true);
            if other.wrong.len() < reading.wrong.len() {
                reading = other;
            }
        }
        self.wrong.extend(reading.wrong);
        for (hit, n) in reading.matched {
            self.take(n, &line.hits[hit]);
        }
        self.ts_rises(line);
    }

    /// Strictly, but for what is sent once more because nobody knows its fate (spec 3.1).
    fn ts_rises(&mut self, line: &Line<'_>) {
        for pair in line.hits.windows(2) {
            let (last, hit) = (&pair[0], &pair[1]);
            let (from, to) = (self.posts[last.post].at, self.posts[hit.post].at);
            if hit.ts <= last.ts && !last.refused && !self.forgot(from, to) {
                let text = format!(
                    "{}: {} at {} after {} at {}",
                    line.sid, hit.kind, hit.ts, last.kind, last.ts
                );
                self.wrong.push(Wrong::new("ts-order", text));
            }
        }
    }

    /// Whether the agent died between the two over a disk that had been full: nobody can be later
    /// than what was never written, or know that it was sent.
    fn forgot(&self, from: i64, to: i64) -> bool {
        self.forgotten.iter().any(|at| (from..=to).contains(at))
    }

    fn take(&mut self, n: usize, hit: &Arrived<'_>) {
        match hit.refused {
            true => self.refused[n] = true,
            false => self.copies[n].extend(hit.posts()),
        }
    }

    /// Whether this hit may carry any `ts`: an earlier boot that never knew the time.
    fn estimated(&self, owed: &Owed) -> bool {
        let boot = &self.boots[owed.boot as usize - 1];
        let Some(ended) = boot.ended else { return false };
        let begun = self.owed.iter().find(|o| o.segment == owed.segment).map_or(0, |o| o.from);
        let until = ended - UNSAVED_MS;
        !boot.trusted.iter().any(|(a, b)| *b >= begun && *a <= until)
    }

    fn off_by(&self, owed: &Owed, ts: i64) -> i64 {
        if self.estimated(owed) {
            return 0;
        }
        (owed.from - ts).max(ts - owed.to).max(0)
    }

    fn start_of(&self, line: &Line<'_>, start: &Arrived<'_>) -> Option<usize> {
        let told = |n: usize| self.copies[n].iter().any(|post| self.posts[*post].told);
        let of_play = self.owed.iter().enumerate().filter(|(_, o)| *o.play == *line.play);
        of_play
            .filter(|(n, o)| o.kind == "sessionStart" && !told(*n))
            .filter(|(_, o)| self.off_by(o, start.ts) <= TS_ERROR_MS)
            .min_by_key(|(n, o)| {
                let off =
                    if self.estimated(o) { 2_000 + *n as i64 } else { (o.to - start.ts).abs() };
                (o.undone, o.resume.is_some_and(|resume| resume != line.resume), off)
            })
            .map(|(n, _)| n)
    }

    /// The segment of a session that was opened again at `ts`, its skew taken out.
    fn segment_at(&self, line: &Line<'_>, ts: i64) -> Option<usize> {
        let of_play = |o: &&Owed| *o.play == *line.play && o.kind == "sessionStart";
        let begun = self.owed.iter().filter(of_play).filter(|o| o.from <= ts + BUMPS_MS);
        begun.max_by_key(|o| (o.from, !o.undone)).map(|o| o.segment)
    }

    /// A session that the delivery opened again needs a reason.
    fn reopened(&mut self, line: &Line<'_>, earlier: &[Line<'_>]) {
        if !line.resume {
            let text = format!(
                "{}: opened again without media.resume, or at a wrong time: {}",
                line.sid, line.hits[0].ts
            );
            self.wrong.push(Wrong::new("reopen", text));
        }
        let at = self.posts[line.hits[0].post].at;
        let of_play = earlier.iter().filter(|l| l.play == line.play);
        let reason = of_play.clone().any(|l| {
            let gone = self.posts.iter().any(|p| {
                p.sid.as_deref() == Some(&l.sid)
                    && matches!(p.status, Some(404 | 410))
                    && p.at <= at
            });
            // What the agent had to forget it cannot count on.
            let told = l.hits.iter().map(|h| &self.posts[h.post]).filter(|p| p.told);
            let last = told.map(|p| p.at).filter(|t| *t <= at).max();
            let untold = !self.posts[l.hits[0].post].told;
            gone || untold || last.is_some_and(|last| at - last >= SID_LIFETIME_MS)
        });
        if !reason {
            let text =
                format!("{}: {} was opened again without a reason at {at}", line.sid, line.play);
            self.wrong.push(Wrong::new("reopen", text));
        }
    }

    fn read(&self, line: &Line<'_>, head: Head, playback_is_context: bool) -> Reading {
        let mut reading = Reading { wrong: Vec::new(), matched: Vec::new() };
        let mut last = head.fresh;
        let mut context = head.fresh.is_none();
        let start = &line.hits[0];
        for (n, hit) in line.hits.iter().enumerate().skip(1) {
            context &= hit.ts == start.ts + n as i64 && hit.playhead == start.playhead;
            if hit.kind == "ping" {
                context = false;
                continue;
            }
            if context {
                let playback = matches!(hit.kind, "play" | "pauseStart" | "bufferStart");
                let known = !hit.key.is_empty() && self.known(line, hit, head);
                if known || (playback && playback_is_context) {
                    context = !playback;
                    continue;
                }
                context = false;
            }
            match self.owed_for(line, hit, head, last) {
                Ok(found) => {
                    reading.matched.push((n, found));
                    last = Some(found);
                }
                Err(wrong) => reading.wrong.push(wrong),
            }
        }
        reading
    }

    /// How far the clock of this sid is off: one anchor dates all its hits.
    fn skew(&self, line: &Line<'_>) -> i64 {
        let mut votes: HashMap<i64, usize> = HashMap::new();
        for hit in line.hits.iter().filter(|h| h.kind != "ping") {
            for o in self.owed.iter().filter(|o| *o.play == *line.play && o.kind == hit.kind) {
                let fits = o.key == hit.key && o.from == o.to;
                if fits && (self.estimated(o) || (hit.ts - o.to).abs() <= TS_ERROR_MS) {
                    *votes.entry(hit.ts - o.to).or_default() += 1;
                }
            }
        }
        votes.into_iter().max_by_key(|(off, n)| (*n, -off.abs(), *off)).map_or(0, |(off, _)| off)
    }

    /// Whether it has had its turn: at the collector, or when nothing was worth a new sid.
    fn known(&self, line: &Line<'_>, hit: &Arrived<'_>, head: Head) -> bool {
        let same = |o: &Owed| head.may_be(o, line, hit);
        self.owed.iter().enumerate().any(|(n, o)| {
            let earlier = hit.ts - head.skew - o.to > BUMPS_MS;
            same(o) && (earlier || self.refused[n] || !self.copies[n].is_empty())
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
        let same = |o: &Owed| head.may_be(o, line, hit);
        let near = |o: &Owed| self.off_by(o, hit.ts) <= TS_ERROR_MS + BUMPS_MS;
        let here = |o: &Owed| {
            let off = |p: f64| (p - hit.playhead).abs();
            o.playhead.is_none_or(|p| off(p) < PLAYHEAD_ERROR || off(p) > 86_399.9)
        };
        let all = self.owed.iter().enumerate().filter(|(_, o)| same(o));
        let what =
            format!("{}: {} {} at {} ({})", line.sid, hit.kind, hit.key, hit.ts, hit.playhead);
        let told = hit.posts().any(|post| self.posts[post].told);
        let cost = |n: usize, o: &Owed| {
            let off = (o.from - hit.ts + head.skew).max(hit.ts - head.skew - o.to).max(0);
            let arrived = if self.copies[n].is_empty() { 0 } else { 400 };
            let undone = if o.undone && told { 200 } else { 0 };
            off + arrived + undone + if o.from == o.to { 0 } else { BUMPS_MS }
        };
        let fit = all.clone().filter(|(_, o)| near(o) && here(o));
        // What a crash undid may have come about once more.
        let after = |n: usize, last: usize| (self.owed[n].to, n) > (self.owed[last].to, last);
        let best = fit.clone().filter(|(n, _)| last.is_none_or(|last| after(*n, last)));
        if let Some((n, _)) = best.min_by_key(|(n, o)| (cost(*n, o), o.undone, *n)) {
            return Ok(n);
        }
        let forgot = self.forgot(0, self.posts[hit.post].at);
        if let Some((n, _)) = fit.clone().next().filter(|_| forgot) {
            return Ok(n);
        }
        let (rule, why) = if fit.count() > 0 {
            ("order", "comes late".to_owned())
        } else if let Some((_, o)) = all.clone().find(|(_, o)| near(o)) {
            ("playhead", format!("stood at {:?}", o.playhead))
        } else if let Some((_, o)) = all.clone().find(|(_, o)| here(o) && !hit.key.is_empty()) {
            ("ts", format!("happened at {}..{}", o.from, o.to))
        } else {
            let nearest =
                all.min_by_key(|(_, o)| self.off_by(o, hit.ts)).map(|(_, o)| (o.from, o.playhead));
            ("unowed", format!("never happened; nearest {nearest:?}"))
        };
        Err(Wrong::new(rule, format!("{what} {why}")))
    }

    /// What was answered is not sent again.
    fn copies_are_excused(&mut self) {
        for (n, copies) in self.copies.iter().enumerate() {
            let told = copies.iter().position(|post| self.posts[*post].told);
            if told.is_some_and(|at| at + 1 < copies.len()) {
                let at: Vec<i64> = copies.iter().map(|p| self.posts[*p].at).collect();
                let text = format!("sent {at:?}: {:?}", self.owed[n]);
                self.wrong.push(Wrong::new("twice", text));
            }
        }
    }

    /// Gives how many hits are missing because the collector had closed their session.
    fn nothing_is_missing(&mut self) -> u64 {
        let mut closed = 0;
        let mut segments: Vec<usize> = self.owed.iter().map(|o| o.segment).collect();
        segments.sort_unstable();
        segments.dedup();
        for segment in segments {
            if self.refused_segments.contains(&segment) {
                continue;
            }
            let mut run: Vec<usize> = Vec::new();
            let mut before = None;
            let mut playback = None;
            let of_segment = |n: &usize| self.owed[*n].segment == segment && !self.owed[*n].undone;
            let all: Vec<usize> = (0..self.owed.len()).filter(of_segment).collect();
            for n in all {
                let arrived = self.refused[n] || !self.copies[n].is_empty();
                if arrived {
                    closed += self.run_is_excused(&run, before);
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
            closed += self.run_is_excused(&run, before);
        }
        closed
    }

    /// Hits without play time may go with a session that the collector has closed.
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
        if plays {
            let text = format!("{} missing: {:?}", run.len(), self.owed[run[0]]);
            self.wrong.push(Wrong::new("missing", text));
        }
        run.len() as u64
    }

    /// A ping whose fate is unknown is never sent again; only a power cut can forget that.
    fn pings_are_not_repeated(&mut self, lines: &[Line<'_>]) {
        let mut seen: HashMap<(&str, i64, u64), i64> = HashMap::new();
        // A batch is one thing, pings and all.
        for line in lines.iter().filter(|l| self.posts[l.hits[0].post].bodies.len() == 1) {
            for ping in line.hits.iter().filter(|h| h.kind == "ping" && !h.refused) {
                for post in ping.posts() {
                    let at = self.posts[post].at;
                    if let Some(first) =
                        seen.insert((&line.play, ping.ts, ping.playhead.to_bits()), at)
                    {
                        let cut = |b: &Boot| b.ended.is_some_and(|end| (first..=at).contains(&end));
                        if !self.boots.iter().any(cut) && !self.forgot(first, at) {
                            let text = format!(
                                "{}: a ping of {} was sent at {first} and {at}",
                                line.sid, ping.ts
                            );
                            self.wrong.push(Wrong::new("ping", text));
                        }
                    }
                }
            }
        }
    }
}
