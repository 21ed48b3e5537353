//! The box's sessions as they truly are: who owns what, interrupts, resume points, consent
//! (docs/behaviour.md 2.1 to 2.5, 2.10). A copy of it is what a store holds, so going back to one
//! is what a crash does.

use std::collections::BTreeMap;
use std::rc::Rc;

use playheadd::core::settings::Consent;
use playheadd::core::tracker::event::EventName;
use playheadd::core::tracker::info::Info;

use self::track::Track;
use crate::truth::{Media, Truth};

mod interrupts;
mod track;

const LIVE_WINDOW_MS: i64 = 1_800_000;
/// What is the beginning of recorded content, and what is its end: seconds, and a share of it.
const BEGINNING: f64 = 2.0;
const END: (f64, f64) = (10.0, 0.1);
/// Both ends of a span on the wall clock may be off by what a right clock may be off.
const CLOCK_ERROR_MS: i64 = 1_000;

/// Why a session is interrupted; the later in this list stays when two come together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InterruptCause {
    Sleep,
    Background,
    Vanished,
}

/// A session object, with the playback behind it.
#[derive(Debug, Clone)]
pub struct Session {
    pub app: String,
    /// The connection that drives it.
    pub owner: Option<String>,
    pub track: Track,
    /// What interrupts it, and until when it may come back.
    pub interrupt: Option<(InterruptCause, Option<i64>)>,
    /// It played when the box slept unannounced, and nothing was heard of its player since.
    pub unaware: bool,
    /// Opened after opting out: nothing is owed for it.
    pub silent: bool,
    /// When it was last heard of.
    pub heard: i64,
}

/// Where somebody was in something.
#[derive(Debug, Clone)]
struct Point {
    position: Option<f64>,
    length: Option<f64>,
    live: bool,
    completed: bool,
    /// Between these instants it ended.
    ended: (i64, i64),
    boot: u32,
}

impl Point {
    /// Whether it lies in the end of its content; `None` where nobody can tell.
    fn at_end(&self) -> Option<bool> {
        match (self.length, self.position) {
            (Some(length), _) if length <= 0.0 => Some(false),
            _ if self.live => Some(false),
            (None, _) => Some(false),
            (Some(length), Some(at)) => Some(at >= length - END.0.min(END.1 * length)),
            (Some(_), None) => None,
        }
    }
}

/// A playback event as a player sends it.
#[derive(Debug, Clone)]
pub struct Said {
    /// The session object, for a player that calls methods.
    pub number: Option<u32>,
    pub owner: String,
    pub name: EventName,
    pub playhead: f64,
    pub info: Info,
}

/// Numbers of the day that rules ask for.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub max_session_ms: i64,
    pub resume_window_ms: i64,
    pub initial: Consent,
    /// Hits of a downloaded session are delivered while it goes on, to some collector.
    pub live_downloads: bool,
}

/// Everything that the agent has to know, as it truly is.
#[derive(Debug, Clone)]
pub struct Model {
    pub rules: Rules,
    pub sessions: BTreeMap<u32, Session>,
    points: BTreeMap<(String, String), Point>,
    pub next: u32,
    pub consent: Option<Consent>,
    pub boot: u32,
    /// Counts what the agent was told, to compare a promise with what a store holds.
    pub told: u64,
}

impl Model {
    pub fn new(rules: Rules) -> Model {
        Model {
            rules,
            sessions: BTreeMap::new(),
            points: BTreeMap::new(),
            next: 1,
            consent: None,
            boot: 1,
            told: 0,
        }
    }

    pub fn consent(&self) -> Consent {
        self.consent.unwrap_or(self.rules.initial)
    }

    pub fn any_silent(&self) -> bool {
        self.sessions.values().any(|s| s.silent)
    }

    fn of(&self, owner: &str) -> Option<u32> {
        let own = |s: &&Session| s.owner.as_deref() == Some(owner);
        self.sessions.iter().find(|(_, s)| own(s)).map(|(n, _)| *n)
    }

    /// `SessionStart`; the number of the session when it is legal.
    pub fn open(
        &mut self,
        owner: &str,
        app: &str,
        playhead: f64,
        info: &Info,
        t: i64,
        truth: &mut Truth,
    ) -> Option<u32> {
        let media = Media::read(info);
        if let Some(old) = self.of(owner) {
            if self.sessions[&old].track.media.id == media.id {
                return None;
            }
            self.end(old, t, t, truth);
        }
        let orphans = self.sessions.iter().filter(|(_, s)| s.app == app && s.owner.is_none());
        for orphan in orphans.map(|(n, _)| *n).collect::<Vec<_>>() {
            self.end(orphan, t, t, truth);
        }
        let silent = self.consent() == Consent::Out || media.untracked;
        let (position, resume) = self.beginning(app, &media, playhead, t);
        let mut nowhere = Truth::default();
        let truth = if silent { &mut nowhere } else { truth };
        let mut track = Track::open(Rc::new(media), position, resume, self.boot, t, truth);
        if silent {
            track.release_opening(truth);
        }
        let number = self.next;
        self.next += 1;
        let session = Session {
            app: app.to_owned(),
            owner: Some(owner.to_owned()),
            track,
            interrupt: None,
            unaware: false,
            silent,
            heard: t,
        };
        self.sessions.insert(number, session);
        Some(number)
    }

    /// Where a new session begins and whether it is a resume (docs/behaviour.md 2.1); `None` where
    /// nobody can tell.
    fn beginning(
        &self,
        app: &str,
        media: &Media,
        playhead: f64,
        t: i64,
    ) -> (Option<f64>, Option<bool>) {
        let key = (app.to_owned(), media.id.clone());
        let point = self.points.get(&key).filter(|p| !p.completed && (media.live || !p.live));
        let window = if media.live { LIVE_WINDOW_MS } else { self.rules.resume_window_ms };
        let counts = match point {
            None => Some(false),
            Some(p) => {
                let slack = if p.boot == self.boot { 0 } else { CLOCK_ERROR_MS };
                match (t - p.ended.0 + slack < window, t - p.ended.1 - slack < window) {
                    _ if p.at_end() == Some(true) => Some(false),
                    (_, false) if p.boot == self.boot || media.live => Some(false),
                    // Whether a broadcast of an earlier boot is young takes a clock to tell.
                    _ if p.at_end().is_none() => None,
                    (true, _) if p.boot == self.boot || !media.live => Some(true),
                    _ => None,
                }
            }
        };
        let begun = |p: f64| if p > BEGINNING { p } else { 0.0 };
        let position = match (playhead >= 0.0, media.live, counts) {
            (true, _, _) => Some(playhead),
            (_, true, _) | (_, _, None) => None,
            (_, _, Some(true)) => point.and_then(|p| p.position).map(begun),
            (_, _, Some(false)) => Some(0.0),
        };
        let resume = match (media.declared, counts) {
            (true, _) => Some(true),
            (_, Some(false)) => Some(false),
            (_, counts) if media.live => counts,
            (_, counts) => match position {
                Some(p) if p > BEGINNING => counts,
                Some(_) => Some(false),
                None => None,
            },
        };
        (position, resume)
    }

    fn keep_point(&mut self, number: u32, completed: bool, from: i64, to: i64) {
        let Some(s) = self.sessions.get(&number) else { return };
        let key = (s.app.clone(), s.track.media.id.clone());
        let position = s.track.position(to);
        let (length, live) = (s.track.media.length, s.track.media.live);
        let ended = (from, to);
        let point = Point { position, length, live, completed, ended, boot: self.boot };
        self.points.insert(key, point);
    }

    /// A playback event; whether it is legal.
    pub fn say(&mut self, said: &Said, t: i64, truth: &mut Truth) -> bool {
        let Said { number, owner, name, playhead, info } = said;
        let (name, playhead) = (*name, *playhead);
        let Some(number) = (*number).or_else(|| self.of(owner)) else { return false };
        let Some(session) = self.sessions.get_mut(&number) else { return false };
        if session.owner.as_ref() != Some(owner) {
            return false;
        }
        let ends = matches!(name, EventName::End | EventName::Complete);
        if session.silent {
            // One that the player does not want tracked is answered as ever.
            let legal = !session.track.media.untracked || session.track.allows(name, info);
            if legal && session.track.media.untracked {
                session.track.say(name, playhead, info, t, &mut Truth::default());
            }
            if legal && ends {
                self.sessions.remove(&number);
            }
            return legal;
        }
        let plays = name == EventName::Play;
        let stands = name == EventName::Playhead
            && (playhead < 0.0
                || session.track.position(t).is_some_and(|at| (at - 3.0..=at).contains(&playhead)));
        let plays_on = session.unaware && !plays && !stands;
        if plays_on {
            let mut after = session.track.clone();
            after.play_on(playhead, t, &mut Truth::default());
            if !after.allows(name, info) {
                return false;
            }
            session.track.play_on(playhead, t, truth);
        }
        let waits = session.interrupt.is_some() || session.unaware;
        let lifted = plays && waits && session.track.lift_between_ads(t, truth);
        if !lifted {
            if !session.track.allows(name, info) {
                return false;
            }
            session.track.say(name, playhead, info, t, truth);
        }
        session.heard = t;
        if plays || plays_on {
            (session.interrupt, session.unaware) = (None, false);
        }
        if ends {
            self.close(number, name == EventName::Complete, t, t);
        }
        true
    }

    fn end(&mut self, number: u32, from: i64, to: i64, truth: &mut Truth) {
        if let Some(session) = self.sessions.get_mut(&number) {
            if session.silent {
                self.sessions.remove(&number);
                return;
            }
            session.track.end(to, truth);
            self.close(number, false, from, to);
        }
    }

    fn close(&mut self, number: u32, completed: bool, from: i64, to: i64) {
        self.keep_point(number, completed, from, to);
        self.sessions.remove(&number);
    }

    /// The resume points of a store that was joined: those that are newer here stay.
    pub fn join_points(&mut self, joined: Model) {
        for (key, point) in joined.points {
            self.points.entry(key).or_insert(point);
        }
    }

    /// Every timer due at `until`.
    pub fn tick(&mut self, until: i64, now: i64, truth: &mut Truth) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.tick_session(number, until, now, truth);
        }
    }

    fn tick_session(&mut self, number: u32, until: i64, now: i64, truth: &mut Truth) {
        let Some(session) = self.sessions.get(&number).filter(|s| !s.silent) else { return };
        let grace = session.interrupt.and_then(|(_, until)| until);
        if let Some(due) = grace.filter(|due| *due <= until) {
            self.tick_one(number, due - 1, now, truth);
            self.grace_over(number, due, truth);
        }
        self.tick_one(number, until, now, truth);
    }

    fn tick_one(&mut self, number: u32, until: i64, now: i64, truth: &mut Truth) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        if session.track.tick(until, self.rules.max_session_ms, truth) {
            self.keep_point(number, false, now, now);
        }
    }

    /// Opted out: everything goes.
    pub fn set_consent(&mut self, consent: Consent, t: i64, truth: &mut Truth) {
        self.consent = Some(consent);
        if consent == Consent::Out {
            self.sessions.clear();
            self.points.clear();
            truth.undo(0, t);
        }
    }
}
