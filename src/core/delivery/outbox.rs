//! The queue of one `sessionStart` and what follows it: order, dating, restart (spec 3.1, 8).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::backoff::Retry;
use super::wire::Wire;
use crate::core::clock::{Anchor, BootId};
use crate::core::input::RequestId;
use crate::core::time::{BootInstant, Now, Span, WallTime};
use crate::core::tracker::hit::{Fill, Hit, HitKind};

/// The number of an outbox's first hit: hits of a restart go in front of it.
const FIRST: u64 = 1 << 32;

/// When the last hit of a sid was accepted. After a reboot only the wall clock can tell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Accepted {
    Boot(BootInstant),
    Wall(WallTime),
}

/// The moving part of an outbox, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The session object that it belongs to, for counting.
    pub session: u32,
    pub app: String,
    pub media_id: String,
    pub downloaded: bool,
    /// The boot in which its hits are dated.
    pub boot: BootId,
    pub sid: Option<String>,
    pub accepted: Option<Accepted>,
    pub last_ts: Option<WallTime>,
    pub anchor: Option<Anchor>,
    /// The tracker will add nothing more.
    pub ended: bool,
    /// The sid is lost and nothing was worth a new one yet (api.md 2.7).
    pub lost: bool,
    pub wire: Wire,
    /// Recent restarts, for the guard against loops (spec 1.1).
    pub restarts: Vec<BootInstant>,
}

/// A request on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Flight {
    pub request: RequestId,
    pub sent_at: BootInstant,
    pub hits: usize,
    pub last_ts: WallTime,
}

#[derive(Debug)]
pub struct Outbox {
    pub line: Line,
    /// The original `sessionStart`, whose parameters every restart repeats.
    pub start: Hit,
    pub queue: VecDeque<(u64, Hit)>,
    pub flight: Option<Flight>,
    pub retry: Retry,
    /// What waits, as it lies in the store.
    pub bytes: u64,
    next: u64,
}

impl Outbox {
    /// Opens the queue of a new `sessionStart`.
    pub fn open(line: Line, start: Hit) -> Outbox {
        let mut outbox = Outbox {
            line,
            queue: VecDeque::new(),
            flight: None,
            retry: Retry::default(),
            bytes: 0,
            next: FIRST,
            start,
        };
        let marker = outbox.start.clone().bare();
        outbox.push(marker);
        outbox
    }

    /// As it was stored; `hits` in the order of their numbers.
    pub fn restored(line: Line, start: Hit, hits: Vec<(u64, Hit)>) -> Outbox {
        let next = hits.last().map_or(FIRST, |(n, _)| n.saturating_add(1)).max(FIRST);
        let bytes = hits.iter().map(|(_, hit)| hit.stored_bytes()).sum();
        let retry = Retry::default();
        Outbox { line, start, queue: hits.into(), flight: None, retry, bytes, next }
    }

    /// Appends a hit and gives its number.
    pub fn push(&mut self, hit: Hit) -> u64 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        self.line.ended |= hit.kind.is_end();
        self.bytes += hit.stored_bytes();
        self.queue.push_back((number, hit));
        number
    }

    /// Puts the hits of a restart in front of what is undelivered, in order, and gives the
    /// numbers of the new ones. `resume` goes into the parameters of the start (spec 5.3).
    pub fn reopen(&mut self, now: BootInstant) -> Vec<u64> {
        let Some((front, first)) = self.queue.front() else { return Vec::new() };
        let hits = self.line.wire.reopen(first);
        let from = front.saturating_sub(hits.len() as u64);
        let numbers: Vec<u64> = (from..*front).collect();
        for (number, hit) in numbers.iter().zip(hits).rev() {
            self.bytes += hit.stored_bytes();
            self.queue.push_front((*number, hit));
        }
        let mut detail = self.start.detail();
        detail.params.insert("media.resume".into(), json!(true));
        self.start = self.start.clone().with_detail(&detail);
        self.line.sid = None;
        self.line.accepted = None;
        self.line.last_ts = None;
        self.line.lost = false;
        self.line.restarts.push(now);
        numbers
    }

    /// Whether another restart is allowed now.
    pub fn may_restart(&mut self, now: BootInstant, window: Span, most: usize) -> bool {
        self.line.restarts.retain(|at| now - *at < window);
        self.line.restarts.len() < most
    }

    /// Whether the collector has closed the sid for want of events (spec 3.3).
    pub fn expired(&self, now: Now, lifetime: Span) -> bool {
        self.line.sid.is_some()
            && match self.line.accepted {
                Some(Accepted::Boot(at)) => now.boot - at >= lifetime,
                Some(Accepted::Wall(at)) => now.wall - at >= lifetime,
                None => false,
            }
    }

    /// Whether what is undelivered is worth a new sid (api.md 2.7).
    pub fn plays(&self) -> bool {
        self.line.wire.plays(self.queue.iter().map(|(_, hit)| hit))
    }

    pub fn only_closings(&self) -> bool {
        self.queue.iter().all(|(_, hit)| hit.kind.is_closing())
    }

    /// The front hit has left the queue, delivered or dropped.
    pub fn pop(&mut self) -> Option<(u64, Hit)> {
        let (number, hit) = self.queue.pop_front()?;
        self.bytes = self.bytes.saturating_sub(hit.stored_bytes());
        self.line.wire.fold(&hit);
        Some((number, hit))
    }

    /// The body of the next request: one hit, or the whole session for a download. Gives the
    /// number of hits and the last `ts` in it. `None` without a hit or an anchor.
    pub fn body(&self, fill: &Fill<'_>) -> Option<(serde_json::Value, usize, WallTime)> {
        let anchor = self.line.anchor?;
        let mut last = self.line.last_ts;
        let mut dated = |hit: &Hit| {
            // Strictly rising, whatever the clock's grain (spec 3.1).
            let ts = anchor.wall(hit.at).max(last.map_or(WallTime(0), |l| l + Span::millis(1)));
            last = Some(ts);
            if hit.kind == HitKind::SessionStart {
                hit.clone().with_members_of(&self.start).body(ts, fill)
            } else {
                hit.body(ts, fill)
            }
        };
        if self.line.downloaded {
            let bodies: Vec<_> = self.queue.iter().map(|(_, hit)| dated(hit)).collect();
            let hits = bodies.len();
            Some((serde_json::Value::Array(bodies), hits, last?))
        } else {
            let body = dated(&self.queue.front()?.1);
            Some((body, 1, last?))
        }
    }

    /// Nothing waits and nothing will come.
    pub fn done(&self) -> bool {
        self.line.ended && self.queue.is_empty() && self.flight.is_none()
    }
}
