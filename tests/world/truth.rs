//! What is played, and what the agent owes to the collector for it, in the order in which it came
//! about. Nothing is ever taken out: what a crash or a power cut undid is only marked.

use std::rc::Rc;

use playheadd::core::tracker::event::EventName;

use playheadd::core::tracker::info::{Info, Value};

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
    /// When the agent forgot it: until then it may have arrived, and it need not.
    pub undone: Option<i64>,
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

    /// Everything since `len` was forgotten at `t`.
    pub fn undo(&mut self, len: usize, t: i64) {
        for owed in &mut self.owed[len..] {
            owed.undone.get_or_insert(t);
        }
    }

    /// What was forgotten at `t` is known again: the forgetting never reached the store.
    pub fn redo(&mut self, t: i64) {
        for owed in self.owed.iter_mut().filter(|owed| owed.undone == Some(t)) {
            owed.undone = None;
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

/// What is played.
#[derive(Debug)]
pub struct Media {
    /// Names this viewing at the collector.
    pub mark: Rc<str>,
    pub id: String,
    pub length: Option<f64>,
    pub live: bool,
    pub background: bool,
    pub downloaded: bool,
    /// Nothing of it is kept or sent.
    pub untracked: bool,
    pub declared: bool,
}

impl Media {
    pub fn read(info: &Info) -> Media {
        let text = |key: &str| match info.get(key) {
            Some(Value::Text(s)) => s.clone(),
            _ => String::new(),
        };
        let flag = |key: &str| info.get(key) == Some(&Value::Bool(true));
        let mark = match info.get("metadata") {
            Some(Value::Dict(d)) => d.get("mark").cloned().unwrap_or_default(),
            _ => String::new(),
        };
        Media {
            mark: mark.into(),
            id: text("id"),
            length: number(info, "length").filter(|l| *l > 0.0),
            live: matches!(text("content_type").as_str(), "live" | "linear" | "radio"),
            background: flag("background_playback"),
            downloaded: flag("downloaded"),
            untracked: info.get("track") == Some(&Value::Bool(false)),
            declared: flag("resume"),
        }
    }

    pub fn clamp(&self, position: f64) -> f64 {
        match self.live {
            true => position.rem_euclid(86_400.0),
            false => position.clamp(0.0, self.length.unwrap_or(f64::MAX)),
        }
    }
}

/// A number, whole or not.
pub fn number(info: &Info, key: &str) -> Option<f64> {
    match info.get(key)? {
        Value::Int(i) => Some(*i as f64),
        Value::Float(f) => Some(*f),
        _ => None,
    }
}

/// What names an event at the collector.
pub fn key(name: EventName, info: &Info) -> String {
    let key = match name {
        EventName::AdStart | EventName::Error => "id",
        EventName::BitrateChange => "bitrate",
        _ => "name",
    };
    match info.get(key) {
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Int(number)) => number.to_string(),
        _ => String::new(),
    }
}
