//! One playback session: events in, hits out (spec 3 to 5, 9). The rules stand in `rules.rs`, the
//! timers in `heartbeat.rs`; this file holds what both know and how a hit is made.

pub mod event;
mod heartbeat;
pub mod hit;
pub mod media;
pub mod playhead;
mod preroll;
mod rules;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;

use self::hit::{Detail, Hit, HitKind};
use self::media::{Ad, AdBreak, Chapter, MediaInfo, Params, Qoe};
use self::playhead::Playhead;
use self::preroll::Opening;
use super::settings::Settings;
use super::time::BootInstant;

/// What the player is doing, before buffering and seeking lie over it (spec 3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Base {
    Starting,
    Playing,
    Paused,
}

/// The state that a viewer of the session would name (api.md 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Starting,
    Playing,
    Paused,
    Buffering,
    Seeking,
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Playing => "playing",
            State::Paused => "paused",
            State::Buffering => "buffering",
            State::Seeking => "seeking",
        }
    }

    /// The hit that reports this state; `starting` has none (spec 3.5).
    const fn hit(self) -> Option<HitKind> {
        match self {
            State::Starting => None,
            State::Playing => Some(HitKind::Play),
            State::Paused | State::Seeking => Some(HitKind::PauseStart),
            State::Buffering => Some(HitKind::BufferStart),
        }
    }
}

/// Whether the collector hears of this session at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Hits go out.
    Open,
    /// A `sessionEnd` went out after idle time or in the background; the context goes on silently
    /// and playing revives the session (spec 5.2).
    Dormant,
    /// `End` or `Complete` was said; nothing more comes.
    Over,
}

/// All that one playback knows about itself. Everything in it survives a restart of the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tracker {
    /// Stored in a record of its own, because it never changes.
    #[serde(skip)]
    pub(crate) media: MediaInfo,
    context: Context,
    /// The first 250 ms, in which a preroll may take back an early `play`.
    opening: Option<Opening>,
}

/// The part of a tracker that events change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Context {
    phase: Phase,
    base: Base,
    seeking: bool,
    buffering: bool,
    playhead: Playhead,
    ad_break: Option<AdBreak>,
    ad: Option<Ad>,
    chapter: Option<Chapter>,
    /// The states that are on, in the order in which they began.
    states: Vec<String>,
    /// Every state name that this session has reported, ended ones too (spec 3.8).
    state_names: BTreeSet<String>,
    qoe: Qoe,
    qoe_sent: Qoe,
    /// The playback state that the collector was last told.
    reported: Option<HitKind>,
    /// The ping cadence counts from the last playback hit or ping (spec 3.2).
    ping_from: BootInstant,
    /// When the present idle time began; `None` while playing (spec 5.1).
    idle_since: Option<BootInstant>,
    /// When the present sid was asked for (spec 5.4).
    opened_at: BootInstant,
}

/// What a heartbeat changes in a tracker.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Beat {
    #[serde(rename = "p")]
    ping_from: BootInstant,
    #[serde(rename = "h")]
    playhead: Playhead,
}

/// Where hits go while a call is worked on, with the numbers that rules ask for.
pub(crate) struct Desk<'a> {
    pub settings: &'a Settings,
    pub hits: &'a mut Vec<Hit>,
}

impl Tracker {
    /// Opens a session: the first hit is `sessionStart` (spec 3.1). `position` is in bounds
    /// already, or will be clamped.
    pub(crate) fn open(
        media: MediaInfo,
        position: f64,
        resume: bool,
        at: BootInstant,
        desk: &mut Desk<'_>,
    ) -> Tracker {
        let context = Context {
            phase: Phase::Open,
            base: Base::Starting,
            seeking: false,
            buffering: false,
            playhead: Playhead::standing(media.clamp(position), at),
            ad_break: None,
            ad: None,
            chapter: None,
            states: Vec::new(),
            state_names: BTreeSet::new(),
            qoe: Qoe::default(),
            qoe_sent: Qoe::default(),
            reported: None,
            ping_from: at,
            idle_since: Some(at),
            opened_at: at,
        };
        let mut tracker = Tracker { media, context, opening: None };
        tracker.session_start(resume, at, desk);
        tracker.opening = Some(Opening::new(at, &tracker.context));
        tracker
    }

    /// What is played.
    pub fn media(&self) -> &MediaInfo {
        &self.media
    }

    pub fn phase(&self) -> Phase {
        self.context.phase
    }

    pub fn state(&self) -> State {
        self.context.state()
    }

    pub(crate) fn beat(&self) -> Beat {
        Beat { ping_from: self.context.ping_from, playhead: self.context.playhead }
    }

    pub(crate) fn take_beat(&mut self, beat: Beat) {
        self.context.ping_from = beat.ping_from;
        self.context.playhead = beat.playhead;
    }

    pub fn in_ad(&self) -> bool {
        self.context.ad.is_some()
    }

    /// Seconds in the main content at a moment.
    pub fn position(&self, now: BootInstant) -> f64 {
        self.context.playhead.at(now, &self.media)
    }

    /// The position as it moves, for readers between two events.
    pub fn playhead(&self) -> Playhead {
        self.context.playhead
    }

    fn session_start(&mut self, resume: bool, at: BootInstant, desk: &mut Desk<'_>) {
        let detail = Detail {
            params: self.media.params(resume),
            custom: self.media.custom.clone(),
            qoe: Params::new(),
        };
        self.hit(HitKind::SessionStart, at, detail, desk);
    }

    /// Makes a hit with the present position. Quality rides along when it has news (spec 2.6).
    /// Nothing is made while the collector does not hear of the session.
    fn hit(&mut self, kind: HitKind, at: BootInstant, mut detail: Detail, desk: &mut Desk<'_>) {
        let c = &mut self.context;
        if c.phase != Phase::Open {
            return;
        }
        let always = matches!(kind, HitKind::BitrateChange | HitKind::Error);
        if kind != HitKind::SessionStart && (always || c.qoe != c.qoe_sent) {
            let errors = std::mem::take(&mut detail.qoe);
            detail.qoe = c.qoe.params();
            detail.qoe.extend(errors);
            c.qoe_sent = c.qoe;
        }
        if kind.is_playback() {
            c.reported = Some(kind);
            c.ping_from = at;
        }
        if kind == HitKind::Ping {
            c.ping_from = at;
        }
        let hit = Hit::new(kind, at, c.playhead.at(at, &self.media), detail);
        match &mut self.opening {
            Some(opening) => opening.held.push(hit),
            None => desk.hits.push(hit),
        }
    }

    fn bare(&mut self, kind: HitKind, at: BootInstant, desk: &mut Desk<'_>) {
        self.hit(kind, at, Detail::default(), desk);
    }

    fn with(&mut self, kind: HitKind, params: Params, at: BootInstant, desk: &mut Desk<'_>) {
        self.hit(kind, at, Detail { params, ..Detail::default() }, desk);
    }

    fn state_hit(&mut self, kind: HitKind, name: &str, at: BootInstant, desk: &mut Desk<'_>) {
        let mut params = Params::new();
        params.insert("media.state.name".into(), json!(name));
        self.with(kind, params, at, desk);
    }

    fn chapter_start(&mut self, chapter: &Chapter, at: BootInstant, desk: &mut Desk<'_>) {
        let detail =
            Detail { params: chapter.params(), custom: chapter.custom.clone(), qoe: Params::new() };
        self.hit(HitKind::ChapterStart, at, detail, desk);
    }

    fn ad_start(&mut self, ad: &Ad, at: BootInstant, desk: &mut Desk<'_>) {
        let detail = Detail {
            params: ad.params(&self.media.player_name),
            custom: ad.custom.clone(),
            qoe: Params::new(),
        };
        self.hit(HitKind::AdStart, at, detail, desk);
    }

    /// The playback hit of the present state: when it is news, or always for a flush (spec 3.5).
    fn playback_hit(&mut self, flush: bool, at: BootInstant, desk: &mut Desk<'_>) {
        if let Some(kind) = self.context.state().hit()
            && (flush || self.context.reported != Some(kind))
        {
            self.bare(kind, at, desk);
        }
    }

    /// The context as a fresh sid needs it: the resume sequence (spec 5.3).
    fn restart(&mut self, at: BootInstant, desk: &mut Desk<'_>) {
        let c = &mut self.context;
        c.phase = Phase::Open;
        c.opened_at = at;
        c.ping_from = at;
        c.qoe_sent = Qoe::default();
        c.reported = None;
        c.idle_since = c.idle_since.map(|_| at);
        c.state_names = c.states.iter().cloned().collect();
        self.session_start(true, at, desk);
        if let Some(chapter) = self.context.chapter.clone() {
            self.chapter_start(&chapter, at, desk);
        }
        if let Some(ad_break) = self.context.ad_break.clone() {
            self.with(HitKind::AdBreakStart, ad_break.params(), at, desk);
        }
        if let Some(ad) = self.context.ad.clone() {
            self.ad_start(&ad, at, desk);
        }
        for name in self.context.states.clone() {
            self.state_hit(HitKind::StateStart, &name, at, desk);
        }
        self.playback_hit(true, at, desk);
    }
}

impl Context {
    /// Buffering lies over seeking, seeking over play and pause (spec 3.5).
    fn state(&self) -> State {
        match (self.buffering, self.seeking, self.base) {
            (true, _, _) => State::Buffering,
            (_, true, _) => State::Seeking,
            (_, _, Base::Starting) => State::Starting,
            (_, _, Base::Playing) => State::Playing,
            (_, _, Base::Paused) => State::Paused,
        }
    }
}
