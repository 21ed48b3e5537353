//! The rules of a collector that keeps sessions, whatever its protocol (spec 3.3, edge 9;
//! behaviour.md 4).

use std::collections::HashMap;

/// Longest silence of a session, ms: the server's 10 minutes (spec 3.3) and a minute of slack.
pub const SILENCE_MS: i64 = 11 * 60_000;
/// Longest standstill of the playhead, ms: the server's 30 minutes (spec 3.3) and a minute of slack.
pub const STANDSTILL_MS: i64 = 31 * 60_000;
/// Longest life of a session, ms, where the protocol has one: 24 hours (edge 9) and a minute of slack.
pub const LIFE_MS: i64 = (24 * 60 + 1) * 60_000;

/// What the rules ask about an event.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The event type as the Media Collection API calls it.
    pub kind: &'a str,
    /// Seconds; `None` when the event has none.
    pub playhead: Option<f64>,
}

/// The sessions of one protocol, by the ids that the collector gave them.
pub type Sessions = HashMap<String, Session>;

/// A session at the collector.
#[derive(Debug)]
pub struct Session {
    /// `S1`, `S2`, ...: the number of its start among those that were accepted.
    pub label: String,
    opened_ms: i64,
    /// The longest it may live, ms.
    life_ms: i64,
    last_event_ms: i64,
    playhead: Option<f64>,
    playing: bool,
    /// The later of the end of playing and the last change of the playhead.
    still_since_ms: i64,
    closed: Option<Closed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    Ended,
    Silence,
    Standstill,
    Age,
}

impl Closed {
    const fn why(self) -> &'static str {
        match self {
            Closed::Ended => "sessionEnd was received",
            Closed::Silence => "no event for 10 minutes",
            Closed::Standstill => "the playhead stood still for 30 minutes",
            Closed::Age => "it is older than 24 hours",
        }
    }
}

impl Session {
    /// A session whose start came at `now_ms`. `life_ms` is the longest it may live.
    pub fn new(label: String, playhead: Option<f64>, now_ms: i64, life_ms: i64) -> Session {
        Session {
            label,
            opened_ms: now_ms,
            life_ms,
            last_event_ms: now_ms,
            playhead,
            playing: false,
            still_since_ms: now_ms,
            closed: None,
        }
    }

    /// Why the session takes no `event` that comes at `now_ms`; silence, standstill and age are judged at
    /// that instant.
    pub fn refuses(&mut self, event: &Event<'_>, now_ms: i64) -> Option<&'static str> {
        if self.closed.is_none() {
            self.closed = self.timed_out(now_ms);
        }
        // A second sessionEnd is harmless (spec 3.3).
        let again = self.closed == Some(Closed::Ended) && event.kind == "sessionEnd";
        self.closed.filter(|_| !again).map(Closed::why)
    }

    /// Counts an event that was not refused.
    pub fn count(&mut self, event: &Event<'_>, now_ms: i64) {
        if self.closed.is_some() {
            return;
        }
        self.last_event_ms = now_ms;
        if event.playhead != self.playhead {
            self.playhead = event.playhead;
            self.still_since_ms = now_ms;
        }
        match event.kind {
            "play" => self.playing = true,
            "pauseStart" | "bufferStart" => {
                if self.playing {
                    self.still_since_ms = now_ms;
                }
                self.playing = false;
            }
            "sessionEnd" => self.closed = Some(Closed::Ended),
            _ => {}
        }
    }

    fn timed_out(&self, now_ms: i64) -> Option<Closed> {
        if now_ms - self.last_event_ms > SILENCE_MS {
            Some(Closed::Silence)
        } else if !self.playing && now_ms - self.still_since_ms > STANDSTILL_MS {
            Some(Closed::Standstill)
        } else if now_ms.saturating_sub(self.opened_ms) > self.life_ms {
            Some(Closed::Age)
        } else {
            None
        }
    }
}
