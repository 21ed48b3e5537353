//! What the agent owes to the collector, in the order in which it came about. Nothing is ever
//! taken out: what a crash or a power cut undid is only marked.

use std::rc::Rc;

/// `eventType` as it stands in a body.
pub type Kind = &'static str;

/// One hit that has to arrive, pings excepted.
#[derive(Debug, Clone)]
pub struct Owed {
    /// The mark of the viewing.
    pub play: Rc<str>,
    /// From one `sessionStart` that the rules made to the next.
    pub segment: usize,
    pub boot: u32,
    pub kind: Kind,
    /// The unique name of what it reports; empty when it has none.
    pub key: String,
    /// When it happened, in ms of the timeline. The two differ for estimates.
    pub from: i64,
    pub to: i64,
    /// Seconds; `None` where only an estimate is due.
    pub playhead: Option<f64>,
    /// `media.resume` of a `sessionStart`; `None` where nobody can tell.
    pub resume: Option<bool>,
    /// The agent may have forgotten it: it may arrive and need not.
    pub undone: bool,
}

#[derive(Debug, Default)]
pub struct Truth {
    pub owed: Vec<Owed>,
    segments: usize,
}

impl Truth {
    pub fn new_segment(&mut self) -> usize {
        self.segments += 1;
        self.segments
    }

    /// Everything since `len` was forgotten.
    pub fn undo(&mut self, len: usize) {
        for owed in &mut self.owed[len..] {
            owed.undone = true;
        }
    }
}

/// A rule that was broken, and how.
#[derive(Debug, Clone)]
pub struct Wrong {
    pub rule: &'static str,
    pub text: String,
}

impl Wrong {
    pub fn new(rule: &'static str, text: String) -> Wrong {
        Wrong { rule, text }
    }
}
