//! The box's sessions as they truly are: who owns what, interrupts, resume points, consent
//! (docs/api.md 2.1 to 2.5, 2.10). A copy of it is what a store holds, so going back to one is
//! what a crash does.

use std::collections::BTreeMap;
use std::rc::Rc;

use playheadd::core::input::Lifecycle;
use playheadd::core::settings::Consent;
use playheadd::core::tracker::event::{EventName, Info};

use crate::track::{Media, Phase, Track};
use crate::truth::Truth;

const GRACE_MS: i64 = 60_000;
const LIVE_WINDOW_MS: i64 = 1_800_000;
/// Both ends of a span on the wall clock may be off by what a right clock may be off.
const CLOCK_ERROR_MS: i64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    Sleep,
    Background,
    Vanished,
}

#[derive(Debug, Clone)]
pub struct Session {
    pub app: String,
    /// The connection that drives it.
    pub owner: Option<String>,
    pub track: Track,
    pub interrupt: Option<(Cause, Option<i64>)>,
    pub silent: bool,
    /// When it was last heard of.
    pub heard: i64,
}

#[derive(Debug, Clone)]
struct Point {
    position: Option<f64>,
    completed: bool,
    /// Between these instants it ended.
    ended: (i64, i64),
    boot: u32,
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
}

#[derive(Debug, Clone)]
pub struct Model {
    pub rules: Rules,
    pub sessions: BTreeMap<u32, Session>,
    points: BTreeMap<(String, String), Point>,
    next: u32,
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
        let silent = self.consent() == Consent::Out;
        let (position, resume) = self.beginning(app, &media, playhead, t);
        let mut nowhere = Truth::default();
        let truth = if silent { &mut nowhere } else { truth };
        let track = Track::open(Rc::new(media), position, resume, self.boot, t, truth);
        let number = self.next;
        self.next += 1;
        let session = Session {
            app: app.to_owned(),
            owner: Some(owner.to_owned()),
            track,
            interrupt: None,
            silent,
            heard: t,
        };
        self.sessions.insert(number, session);
        Some(number)
    }

    /// Where a new session begins and whether it is a resume (docs/api.md 2.1); `None` where
    /// nobody can tell.
    fn beginning(
        &self,
        app: &str,
        media: &Media,
        playhead: f64,
        t: i64,
    ) -> (Option<f64>, Option<bool>) {
        let key = (app.to_owned(), media.id.clone());
        let point = self.points.get(&key).filter(|p| !p.completed);
        let window = if media.live { LIVE_WINDOW_MS } else { self.rules.resume_window_ms };
        let counts = match point {
            None => Some(false),
            Some(p) => {
                let slack = if p.boot == self.boot { 0 } else { CLOCK_ERROR_MS };
                match (t - p.ended.0 + slack < window, t - p.ended.1 - slack < window) {
                    (_, false) if p.boot == self.boot || media.live => Some(false),
                    // Whether a broadcast of an earlier boot is young takes a clock to tell.
                    (true, _) if p.boot == self.boot || !media.live => Some(true),
                    _ => None,
                }
            }
        };
        let position = match (playhead >= 0.0, media.live, counts) {
            (true, _, _) => Some(playhead),
            (_, true, _) | (_, _, None) => None,
            (_, _, Some(true)) => point.and_then(|p| p.position),
            (_, _, Some(false)) => Some(0.0),
        };
        let resume = match (media.declared, counts) {
            (true, _) => Some(true),
            (_, Some(false)) => Some(false),
            (_, counts) if media.live => counts,
            (_, counts) => match position {
                Some(p) if p > 0.0 => counts,
                Some(_) => Some(false),
                None => None,
            },
        };
        (position, resume)
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
            if ends {
                self.sessions.remove(&number);
            }
            return true;
        }
        let plays = name == EventName::Play;
        let lifted =
            plays && session.interrupt.is_some() && session.track.lift_between_ads(t, truth);
        if !lifted {
            if !session.track.allows(name, info) {
                return false;
            }
            session.track.say(name, playhead, info, t, truth);
        }
        session.heard = t;
        if plays {
            session.interrupt = None;
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

    fn keep_point(&mut self, number: u32, completed: bool, from: i64, to: i64) {
        let Some(s) = self.sessions.get(&number) else { return };
        let key = (s.app.clone(), s.track.media.id.clone());
        let position = s.track.position(to);
        let point = Point { position, completed, ended: (from, to), boot: self.boot };
        self.points.insert(key, point);
    }

    pub fn lifecycle(&mut self, app: &str, state: Lifecycle, t: i64, truth: &mut Truth) {
        let of_app = self.sessions.iter().filter(|(_, s)| s.app == app).map(|(n, _)| *n);
        for number in of_app.collect::<Vec<_>>() {
            let session = &self.sessions[&number];
            match state {
                Lifecycle::Background if session.track.media.background => {}
                Lifecycle::Background => self.interrupt(number, Cause::Background, t, truth),
                Lifecycle::Foreground => self.back(number, Cause::Background),
                Lifecycle::Stopped => {
                    if session.owner.is_some() {
                        self.detach(number, t, t, truth);
                    }
                }
            }
        }
    }

    pub fn sleep(&mut self, t: i64, truth: &mut Truth) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.interrupt(number, Cause::Sleep, t, truth);
        }
    }

    pub fn wake(&mut self) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.back(number, Cause::Sleep);
        }
    }

    fn interrupt(&mut self, number: u32, cause: Cause, t: i64, truth: &mut Truth) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        if session.silent || session.track.phase != Phase::Open {
            return;
        }
        session.interrupt = Some(match session.interrupt {
            Some((old, Some(until))) => (old.max(cause), Some(until)),
            _ => (cause, Some(t + GRACE_MS)),
        });
        session.track.interrupt(t, truth);
        session.heard = t;
    }

    fn back(&mut self, number: u32, from: Cause) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        if session.track.phase == Phase::Open && session.interrupt.is_some_and(|i| i.0 == from) {
            session.interrupt = None;
        }
    }

    /// A connection is gone.
    pub fn gone(&mut self, owner: &str, t: i64, truth: &mut Truth) {
        if let Some(number) = self.of(owner) {
            self.detach(number, t, t, truth);
        }
    }

    /// The player went at some instant between the two; the later one counts.
    fn detach(&mut self, number: u32, from: i64, to: i64, truth: &mut Truth) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        session.owner = None;
        if session.silent {
            self.sessions.remove(&number);
        } else if session.track.phase == Phase::Dormant {
            self.close(number, false, from, to);
        } else {
            self.interrupt(number, Cause::Vanished, to, truth);
        }
    }

    /// Every timer due at `until`.
    pub fn tick(&mut self, until: i64, now: i64, truth: &mut Truth) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            let Some(session) = self.sessions.get(&number).filter(|s| !s.silent) else { continue };
            let grace = session.interrupt.and_then(|(_, until)| until);
            if let Some(due) = grace.filter(|due| *due <= until) {
                self.tick_one(number, due - 1, now, truth);
                self.grace_over(number, due, truth);
            }
            self.tick_one(number, until, now, truth);
        }
    }

    fn tick_one(&mut self, number: u32, until: i64, now: i64, truth: &mut Truth) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        if session.track.tick(until, self.rules.max_session_ms, truth) {
            self.keep_point(number, false, now, now);
        }
    }

    fn grace_over(&mut self, number: u32, due: i64, truth: &mut Truth) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        let Some((cause, until)) = &mut session.interrupt else { return };
        *until = None;
        if *cause == Cause::Vanished {
            self.end(number, due, due, truth);
        } else {
            session.track.end_interrupted(due, truth);
            self.keep_point(number, false, due, due);
        }
    }

    /// Opted out: everything goes.
    pub fn set_consent(&mut self, consent: Consent, truth: &mut Truth) {
        self.consent = Some(consent);
        if consent == Consent::Out {
            self.sessions.clear();
            self.points.clear();
            truth.undo(0);
        }
    }

    /// The agent comes back on what a store holds, in the same boot. `when` is the agent's own
    /// estimate of when a session's player went; it must lie between the last word of the player
    /// and now. Gives the sessions for which it does not.
    pub fn recovered(
        &mut self,
        present: &[String],
        t: i64,
        when: impl Fn(u32) -> Option<i64>,
        truth: &mut Truth,
    ) -> Vec<String> {
        self.sessions.retain(|_, s| !s.silent);
        let mut wrong = Vec::new();
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            let Some(session) = self.sessions.get_mut(&number) else { continue };
            let Some(owner) = session.owner.clone() else { continue };
            if present.contains(&owner) {
                continue;
            }
            let heard = session.heard;
            let running = session.interrupt.is_some_and(|(_, until)| until.is_some());
            let at = when(number).filter(|_| !running);
            if let Some(at) = at.filter(|at| !(heard..=t).contains(at)) {
                wrong.push(format!("session {number}: its player went at {at}, heard {heard}"));
            }
            session.track.since = at.is_none().then_some(heard);
            self.detach(number, at.unwrap_or(heard), at.unwrap_or(t), truth);
            if let Some(session) = self.sessions.get_mut(&number) {
                session.track.since = None;
            }
        }
        wrong
    }

    /// Another boot: every session of the old one ends, at its last recorded state (`cut` is when
    /// the power went) or, after a clean stop, then.
    pub fn rebooted(&mut self, clean: bool, cut: i64, slack_ms: i64, truth: &mut Truth) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            let Some(session) = self.sessions.get_mut(&number) else { continue };
            let (from, to) = if clean { (cut, cut) } else { (session.heard, cut + slack_ms) };
            if !clean {
                session.track.since = Some(from);
                session.track.position_is_lost();
            }
            self.end(number, from, to, truth);
        }
    }
}
