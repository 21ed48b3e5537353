//! What arrived at the collector, by sid.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::day::DAWN_MS;
use crate::run::Post;

/// One hit that the collector took, or one that it refused for good.
pub struct Arrived<'w> {
    pub post: usize,
    pub kind: &'w str,
    /// What names its event; empty when it has no name.
    pub key: String,
    /// On the timeline, in ms, as far as it can be believed.
    pub ts: i64,
    /// Seconds.
    pub playhead: f64,
    pub refused: bool,
    /// Sent once more because its fate was unknown: these posts.
    pub again: Vec<usize>,
}

impl Arrived<'_> {
    pub fn posts(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.post).chain(self.again.iter().copied())
    }

    pub fn is_playback(&self) -> bool {
        matches!(self.kind, "play" | "pauseStart" | "bufferStart")
    }
}

/// What arrived under one sid, or in one batch.
pub struct Line<'w> {
    pub sid: String,
    /// The mark of the viewing.
    pub play: String,
    /// `media.resume` of its `sessionStart`.
    pub resume: bool,
    pub batch: bool,
    pub hits: Vec<Arrived<'w>>,
}

impl<'w> Line<'w> {
    /// How many hits after the first may only repeat what a new sid has to know: they all carry
    /// the moment and the place of the first.
    pub fn repetitions(&self) -> usize {
        let start = &self.hits[0];
        let mut ts = start.ts + 1;
        let repeats = |hit: &&Arrived<'_>| {
            let starts = ["chapterStart", "adBreakStart", "adStart", "stateStart"];
            let kind = starts.contains(&hit.kind) || hit.is_playback();
            let same = kind && hit.ts == ts && hit.playhead == start.playhead;
            ts += 1;
            same
        };
        self.hits[1..].iter().take_while(repeats).count()
    }

    /// Appends a hit, unless it is one that was sent before and whose fate was unknown.
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

/// Posts by sid, in the order in which their sessions were opened.
pub fn lines(posts: &[Post]) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut by_sid: HashMap<&str, usize> = HashMap::new();
    for (n, post) in posts.iter().enumerate() {
        let refused = !post.counted && post.told && post.for_good;
        if !post.counted && !refused {
            continue;
        }
        let hits: Vec<_> = post.bodies.iter().map(|body| read(n, body, refused)).collect();
        let first = &post.bodies[0];
        if hits[0].kind == "sessionStart" {
            if let Some(sid) = &post.sid {
                by_sid.insert(sid, lines.len());
            }
            lines.push(Line {
                sid: post.sid.clone().unwrap_or_else(|| format!("post {n}")),
                play: first["customMetadata"]["mark"].as_str().unwrap_or_default().to_owned(),
                resume: first["params"]["media.resume"] == true,
                batch: hits.len() > 1,
                hits,
            });
        } else if let Some(line) = post.sid.as_deref().and_then(|sid| by_sid.get(sid)) {
            for hit in hits {
                lines[*line].add(hit, posts);
            }
        }
    }
    lines
}

fn read(post: usize, body: &Json, refused: bool) -> Arrived<'_> {
    Arrived {
        post,
        kind: body["eventType"].as_str().unwrap_or_default(),
        key: key(body),
        ts: body["playerTime"]["ts"].as_i64().unwrap_or(0) - DAWN_MS,
        playhead: body["playerTime"]["playhead"].as_f64().unwrap_or(-1.0),
        refused,
        again: Vec::new(),
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
