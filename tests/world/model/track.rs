//! One playback as it truly was: which hits it owes to the collector, and when. A slow, obvious
//! twin of the tracker after docs/protocol.md 3 to 5 and 9, without pings.

use std::collections::BTreeSet;
use std::rc::Rc;

use playheadd::core::tracker::event::EventName;

use playheadd::core::tracker::info::{Info, Value};

use crate::truth::{Kind, Media, Owed, Truth, key, number};

mod timers;

/// How long an early `play` can be taken back (spec 3.9).
const PREROLL_MS: i64 = 250;

/// Where the playback stands and how it moves; `known` is false where only an estimate is due.
#[derive(Debug, Clone, Copy)]
struct Position {
    base: f64,
    since: i64,
    rate: f64,
    moving: bool,
    known: bool,
}

impl Position {
    fn at(&self, t: i64, media: &Media) -> f64 {
        let moved = if self.moving { self.rate * (t - self.since) as f64 / 1000.0 } else { 0.0 };
        media.clamp(self.base + moved)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Open,
    Dormant,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BasePlayback {
    Starting,
    Playing,
    Paused,
}

/// Something with a name that is open: a break, an ad, a chapter.
type Item = (String, Info);

#[derive(Debug, Clone)]
struct Opening {
    until: i64,
    held: Vec<Owed>,
    start: Box<Track>,
    calls: Vec<(EventName, f64, Info, i64)>,
}

#[derive(Debug, Clone)]
pub struct Track {
    pub media: Rc<Media>,
    pub phase: Phase,
    boot: u32,
    segment: usize,
    base: BasePlayback,
    seeking: bool,
    buffering: bool,
    position: Position,
    ad_break: Option<Item>,
    ad: Option<Item>,
    chapter: Option<Item>,
    states: Vec<String>,
    names: BTreeSet<String>,
    reported: Option<Kind>,
    idle_since: Option<i64>,
    opened_at: i64,
    opening: Option<Opening>,
    /// Hits may be dated back to here: what happened while nobody looked.
    pub since: Option<i64>,
}

impl Track {
    /// A `SessionStart`. `position` is `None` where the truth does not say.
    pub fn open(
        media: Rc<Media>,
        position: Option<f64>,
        resume: Option<bool>,
        boot: u32,
        t: i64,
        truth: &mut Truth,
    ) -> Track {
        let base = media.clamp(position.unwrap_or(0.0));
        let position =
            Position { base, since: t, rate: 1.0, moving: false, known: position.is_some() };
        let mut track = Track {
            media,
            phase: Phase::Open,
            boot,
            segment: 0,
            base: BasePlayback::Starting,
            seeking: false,
            buffering: false,
            position,
            ad_break: None,
            ad: None,
            chapter: None,
            states: Vec::new(),
            names: BTreeSet::new(),
            reported: None,
            idle_since: Some(t),
            opened_at: t,
            opening: None,
            since: None,
        };
        track.session_start(resume, t, truth);
        track.opening = Some(Opening {
            until: t + PREROLL_MS,
            held: Vec::new(),
            start: Box::new(track.clone()),
            calls: Vec::new(),
        });
        track
    }

    /// `None` where the truth does not say.
    pub fn position(&self, t: i64) -> Option<f64> {
        self.position.known.then(|| self.position.at(t, &self.media))
    }

    /// When the last hit that is no ping happened.
    pub fn last_hit(&self, truth: &Truth) -> i64 {
        let ours = |o: &&Owed| o.segment == self.segment && o.undone.is_none();
        truth.owed.iter().rev().find(ours).map_or(self.opened_at, |o| o.to)
    }

    pub fn position_is_lost(&mut self) {
        self.position.known &= !self.position.moving;
    }

    fn session_start(&mut self, resume: Option<bool>, t: i64, truth: &mut Truth) {
        self.segment = truth.new_segment();
        self.hit("sessionStart", String::new(), t, truth);
        if let Some(owed) = truth.owed.last_mut() {
            owed.resume = resume;
        }
    }

    fn hit(&mut self, kind: Kind, key: String, t: i64, truth: &mut Truth) {
        if self.phase != Phase::Open {
            return;
        }
        if matches!(kind, "play" | "pauseStart" | "bufferStart") {
            self.reported = Some(kind);
        }
        let owed = Owed {
            play: self.media.mark.clone(),
            segment: self.segment,
            boot: self.boot,
            kind,
            key,
            from: self.since.map_or(t, |since| since.min(t)),
            to: t,
            playhead: self.position(t),
            resume: None,
            undone: None,
        };
        match &mut self.opening {
            Some(opening) => opening.held.push(owed),
            None => truth.owed.push(owed),
        }
    }

    fn bare(&mut self, kind: Kind, t: i64, truth: &mut Truth) {
        self.hit(kind, String::new(), t, truth);
    }

    /// The hit of the present state.
    fn state_kind(&self) -> Option<Kind> {
        match (self.buffering, self.seeking, self.base) {
            (true, _, _) => Some("bufferStart"),
            (_, true, _) | (_, _, BasePlayback::Paused) => Some("pauseStart"),
            (_, _, BasePlayback::Playing) => Some("play"),
            (_, _, BasePlayback::Starting) => None,
        }
    }

    fn playing(&self) -> bool {
        self.state_kind() == Some("play")
    }

    /// Whether it plays, or would without buffering and seeking.
    pub fn base_plays(&self) -> bool {
        self.base == BasePlayback::Playing
    }

    /// `Play` of a player that has not noticed that the box slept.
    pub fn play_on(&mut self, playhead: f64, t: i64, truth: &mut Truth) {
        if self.lift_between_ads(t, truth) || !self.allows(EventName::Play, &Info::new()) {
            return;
        }
        let rate = [("rate".to_owned(), Value::Float(self.position.rate))];
        self.say(EventName::Play, playhead, &rate.into(), t, truth);
    }

    fn between_ads(&self) -> bool {
        self.ad_break.is_some() && self.ad.is_none()
    }

    fn playback_hit(&mut self, always: bool, t: i64, truth: &mut Truth) {
        if let Some(kind) = self.state_kind()
            && (always || self.reported != Some(kind))
        {
            self.bare(kind, t, truth);
        }
    }

    /// Whether the event is legal now (spec 9).
    pub fn allows(&self, name: EventName, info: &Info) -> bool {
        use EventName::*;
        let same = |open: &Option<Item>| open.as_ref().is_some_and(|(_, i)| i == info);
        let state = || key(name, info);
        if self.phase == Phase::Over {
            return false;
        }
        match name {
            Play | Pause | BufferStart | Stall | BufferComplete | SeekStart | SeekComplete
                if self.between_ads() =>
            {
                false
            }
            Pause | BufferStart | Stall | SeekStart => !self.buffering && !self.seeking,
            BufferComplete => self.buffering,
            SeekComplete => self.seeking,
            AdBreakStart => !same(&self.ad_break),
            AdBreakComplete => self.ad_break.is_some(),
            AdStart => self.ad_break.is_some() && !same(&self.ad),
            AdComplete | AdSkip => self.ad_break.is_some() && self.ad.is_some(),
            ChapterStart => !same(&self.chapter),
            ChapterComplete | ChapterSkip => self.chapter.is_some(),
            StateStart => {
                let name = state();
                !self.states.contains(&name)
                    && (self.names.contains(&name) || self.names.len() < 10)
            }
            StateEnd => self.states.contains(&state()),
            _ => true,
        }
    }

    /// A legal event.
    pub fn say(&mut self, name: EventName, playhead: f64, info: &Info, t: i64, truth: &mut Truth) {
        match name {
            EventName::AdBreakStart => self.take_back_play(truth),
            EventName::Complete | EventName::End => self.release_opening(truth),
            _ => {}
        }
        self.apply(name, playhead, info, t, truth);
        if let Some(opening) = &mut self.opening {
            opening.calls.push((name, playhead, info.clone(), t));
        }
    }

    fn apply(&mut self, name: EventName, playhead: f64, info: &Info, t: i64, truth: &mut Truth) {
        use EventName::*;
        let here = self.position.at(t, &self.media);
        self.position.base = if playhead < 0.0 { here } else { self.media.clamp(playhead) };
        self.position.since = t;
        self.position.known |= playhead >= 0.0;
        let (mut rate, mut always) = (self.position.rate, false);
        let named = key(name, info);
        match name {
            Play => {
                rate = number(info, "rate").unwrap_or(1.0);
                (self.base, self.buffering, self.seeking) = (BasePlayback::Playing, false, false);
            }
            Pause => self.base = BasePlayback::Paused,
            BufferStart | Stall => self.buffering = true,
            SeekStart => self.seeking = true,
            BufferComplete | SeekComplete => {
                match name {
                    BufferComplete => self.buffering = false,
                    _ => self.seeking = false,
                }
                if self.state_kind().is_none() {
                    self.base = BasePlayback::Paused;
                }
            }
            AdBreakStart => {
                self.close_break(t, truth);
                self.hit("adBreakStart", named.clone(), t, truth);
                self.ad_break = Some((named, info.clone()));
            }
            AdBreakComplete => {
                self.close_break(t, truth);
                always = true;
            }
            AdStart => {
                self.close_ad(t, truth);
                self.hit("adStart", named.clone(), t, truth);
                self.ad = Some((named, info.clone()));
                if self.state_kind().is_none() {
                    self.base = BasePlayback::Playing;
                }
                always = !self.playing();
            }
            AdComplete | AdSkip => {
                self.bare(if name == AdSkip { "adSkip" } else { "adComplete" }, t, truth);
                self.ad = None;
            }
            ChapterStart => {
                self.close_chapter(t, truth);
                self.hit("chapterStart", named.clone(), t, truth);
                self.chapter = Some((named, info.clone()));
            }
            ChapterComplete | ChapterSkip => {
                let skip = name == ChapterSkip;
                self.bare(if skip { "chapterSkip" } else { "chapterComplete" }, t, truth);
                self.chapter = None;
            }
            StateStart => {
                self.hit("stateStart", named.clone(), t, truth);
                self.names.insert(named.clone());
                self.states.push(named);
            }
            StateEnd => {
                self.hit("stateEnd", named.clone(), t, truth);
                self.states.retain(|on| *on != named);
            }
            BitrateChange => self.hit("bitrateChange", named, t, truth),
            Error => self.hit("error", named, t, truth),
            Complete | End => {
                self.close_all(t, truth);
                self.bare(if name == End { "sessionEnd" } else { "sessionComplete" }, t, truth);
                self.over(t);
                return;
            }
            Playhead | Qoe | SessionStart => {}
        }
        self.settle(always, rate, t, truth);
    }

    fn settle(&mut self, always: bool, rate: f64, t: i64, truth: &mut Truth) {
        let playing = self.playing();
        let moving = playing && self.ad_break.is_none();
        self.move_on(moving, rate, t);
        match playing {
            true => self.idle_since = None,
            false => self.idle_since = self.idle_since.or(Some(t)),
        }
        if playing && self.phase == Phase::Dormant {
            self.restart(t, truth);
        } else if !self.between_ads() {
            self.playback_hit(always, t, truth);
        }
    }

    fn move_on(&mut self, moving: bool, rate: f64, t: i64) {
        self.position.base = self.position.at(t, &self.media);
        self.position.since = t;
        self.position.moving = moving;
        self.position.rate = rate;
    }

    fn close_ad(&mut self, t: i64, truth: &mut Truth) {
        if self.ad.take().is_some() {
            self.bare("adSkip", t, truth);
        }
    }

    fn close_break(&mut self, t: i64, truth: &mut Truth) {
        self.close_ad(t, truth);
        if self.ad_break.take().is_some() {
            self.bare("adBreakComplete", t, truth);
        }
    }

    fn close_chapter(&mut self, t: i64, truth: &mut Truth) {
        if self.chapter.take().is_some() {
            self.bare("chapterSkip", t, truth);
        }
    }

    fn close_all(&mut self, t: i64, truth: &mut Truth) {
        self.close_break(t, truth);
        self.close_chapter(t, truth);
    }

    fn over(&mut self, t: i64) {
        self.phase = Phase::Over;
        let rate = self.position.rate;
        self.move_on(false, rate, t);
    }

    /// The resume sequence on a fresh sid (spec 5.3).
    fn restart(&mut self, t: i64, truth: &mut Truth) {
        self.phase = Phase::Open;
        self.opened_at = t;
        self.reported = None;
        self.idle_since = self.idle_since.map(|_| t);
        self.names = self.states.iter().cloned().collect();
        self.session_start(Some(true), t, truth);
        for (kind, item) in [
            ("chapterStart", self.chapter.clone()),
            ("adBreakStart", self.ad_break.clone()),
            ("adStart", self.ad.clone()),
        ] {
            if let Some((name, _)) = item {
                self.hit(kind, name, t, truth);
            }
        }
        for name in self.states.clone() {
            self.hit("stateStart", name, t, truth);
        }
        self.playback_hit(true, t, truth);
    }
}
