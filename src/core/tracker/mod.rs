//! One playback session: events in, reports out (spec 3 to 5, 9). The rules stand in `rules.rs`,
//! the timers in `timers.rs`; this file holds the state that both use, and how a report is made.

pub mod event;
pub mod info;
pub mod playhead;
mod preroll;
mod rules;
mod timers;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::playhead::Playhead;
use self::preroll::PrerollWindow;
use super::media::{Ad, AdBreak, Chapter, MediaInfo, Qoe};
use super::report::{Kind, Report, What};
use super::settings::Settings;
use super::time::{BootInstant, Span};

/// The playback state apart from buffering and seeking (spec 3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BasePlayback {
    Starting,
    Playing,
    Paused,
}

/// The playback state with buffering and seeking (behaviour.md 1.4).
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

    /// The report of this state; `starting` has none (spec 3.5).
    const fn what(self) -> Option<What> {
        match self {
            State::Starting => None,
            State::Playing => Some(What::Play),
            State::Paused | State::Seeking => Some(What::Pause),
            State::Buffering => Some(What::Buffer),
        }
    }
}

/// Whether the session makes reports at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Reports go out.
    Open,
    /// The session was ended after idle time or in the background. Its context still follows the
    /// player, without reports, and playing revives the session (spec 5.2).
    Dormant,
    /// The session has ended for good.
    Over,
}

/// The whole state of one playback. Everything in it survives a restart of the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tracker {
    /// Stored in a record of its own, because it never changes; a log of the session shares it.
    #[serde(skip)]
    media: Arc<MediaInfo>,
    context: Context,
    /// The first 250 ms, in which a preroll may take back an early `play`.
    preroll: Option<PrerollWindow>,
}

/// The part of a tracker that events change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Context {
    phase: Phase,
    base: BasePlayback,
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
    quality: Qoe,
    quality_sent: Qoe,
    /// The playback state that was last reported.
    reported: Option<Kind>,
    /// When the last report happened.
    last_report: BootInstant,
    /// The ping cadence counts from the last playback report or ping (spec 3.2).
    ping_from: BootInstant,
    /// When the present idle time began; `None` while playing (spec 5.1).
    idle_since: Option<BootInstant>,
    /// When the present sid was asked for (spec 5.4).
    opened_at: BootInstant,
}

/// The part of a tracker that a heartbeat or a report of the position changes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Position {
    #[serde(rename = "p")]
    ping_from: BootInstant,
    #[serde(rename = "h")]
    playhead: Playhead,
}

/// What the rules of one call need: the settings, and the list that their reports go to.
pub(crate) struct TrackerContext<'a> {
    pub settings: &'a Settings,
    pub reports: &'a mut Vec<Report>,
}

impl Tracker {
    /// Opens a session: its first report is the start (spec 3.1). `position` is in seconds and
    /// gets clamped.
    pub(crate) fn open(
        media: Arc<MediaInfo>,
        position: f64,
        resume: bool,
        at: BootInstant,
        out: &mut TrackerContext<'_>,
    ) -> Tracker {
        let context = Context {
            phase: Phase::Open,
            base: BasePlayback::Starting,
            seeking: false,
            buffering: false,
            playhead: Playhead::standing(media.clamp(position), at),
            ad_break: None,
            ad: None,
            chapter: None,
            states: Vec::new(),
            state_names: BTreeSet::new(),
            quality: Qoe::default(),
            quality_sent: Qoe::default(),
            reported: None,
            last_report: at,
            ping_from: at,
            idle_since: Some(at),
            opened_at: at,
        };
        let mut tracker = Tracker { media, context, preroll: None };
        tracker.report(What::Start { resume }, at, out);
        tracker.preroll = Some(PrerollWindow::new(at, &tracker.context));
        tracker
    }

    /// Nothing is reported until another tracker takes its place: the start waits for a length
    /// (behaviour.md 1.7).
    pub(crate) fn wait(&mut self) {
        self.context.phase = Phase::Dormant;
        self.preroll = None;
    }

    /// What is played.
    pub fn media(&self) -> &Arc<MediaInfo> {
        &self.media
    }

    /// Gives a restored tracker its media info, which is stored in a record of its own.
    pub(crate) fn set_media(&mut self, media: Arc<MediaInfo>) {
        self.media = media;
    }

    pub fn phase(&self) -> Phase {
        self.context.phase
    }

    pub fn state(&self) -> State {
        self.context.state()
    }

    pub(crate) fn heartbeat(&self) -> Position {
        Position { ping_from: self.context.ping_from, playhead: self.context.playhead }
    }

    pub(crate) fn restore_heartbeat(&mut self, position: Position) {
        self.context.ping_from = position.ping_from;
        self.context.last_report = self.context.last_report.max(position.ping_from);
        self.context.playhead = position.playhead;
    }

    /// Takes over a stored ping that is newer than the stored state of the tracker.
    pub(crate) fn restore_ping(&mut self, at: BootInstant) {
        self.context.ping_from = self.context.ping_from.max(at);
        self.context.last_report = self.context.last_report.max(at);
    }

    /// The instant at which an arrival is dated: `arrived`, or 1 ms after the session's last report
    /// if that is later than `arrived` (behaviour.md 1.5).
    pub(crate) fn date_arrival(&self, arrived: BootInstant) -> BootInstant {
        let last = self.context.last_report;
        if arrived < last { last + Span::millis(1) } else { arrived }
    }

    /// When the last report happened.
    pub(crate) fn last_report(&self) -> BootInstant {
        self.context.last_report
    }

    /// Estimated bytes of the texts that are kept for this session in the store.
    pub fn text_bytes(&self) -> u64 {
        let c = &self.context;
        let ad = c.ad.as_ref().map_or(0, Ad::text_bytes);
        let ad_break = c.ad_break.as_ref().map_or(0, |ad_break| ad_break.name.len());
        let chapter = c.chapter.as_ref().map_or(0, Chapter::text_bytes);
        self.media.stored_bytes() + (ad + ad_break + chapter) as u64
    }

    /// Whether the player was last said to play, whatever hides it at the moment.
    pub fn is_playing(&self) -> bool {
        self.context.base == BasePlayback::Playing
    }

    pub fn in_ad(&self) -> bool {
        self.context.ad.is_some()
    }

    /// Seconds in the main content at a moment.
    pub fn position(&self, now: BootInstant) -> f64 {
        self.context.playhead.at(now, &self.media)
    }

    /// The position and how it moves, for readers between two events.
    pub fn playhead(&self) -> Playhead {
        self.context.playhead
    }

    /// Reports something with the present position. Quality is added when it has changed
    /// (spec 2.6). Nothing is reported while the session is not open.
    fn report(&mut self, what: What, at: BootInstant, out: &mut TrackerContext<'_>) {
        let c = &mut self.context;
        if c.phase != Phase::Open {
            return;
        }
        let kind = what.kind();
        let mut report = Report::new(what, at, c.playhead.at(at, &self.media));
        let always = matches!(kind, Kind::BitrateChange | Kind::Error);
        if kind != Kind::Start && (always || c.quality != c.quality_sent) {
            report.quality = (c.quality != Qoe::default()).then(|| Box::new(c.quality));
            c.quality_sent = c.quality;
        }
        c.last_report = c.last_report.max(at);
        if kind.is_playback() {
            c.reported = Some(kind);
        }
        if kind.is_playback() || kind == Kind::Ping {
            c.ping_from = at;
        }
        match &mut self.preroll {
            Some(preroll) => preroll.held.push(report),
            None => out.reports.push(report),
        }
    }

    /// Reports the playback state if it has changed, or always with `flush` (spec 3.5).
    fn playback_report(&mut self, flush: bool, at: BootInstant, out: &mut TrackerContext<'_>) {
        if let Some(what) = self.context.state().what()
            && (flush || self.context.reported != Some(what.kind()))
        {
            self.report(what, at, out);
        }
    }

    /// Reports the whole context for a new sid: the resume sequence (spec 5.3).
    fn restart(&mut self, at: BootInstant, out: &mut TrackerContext<'_>) {
        let c = &mut self.context;
        c.phase = Phase::Open;
        c.opened_at = at;
        c.ping_from = at;
        c.quality_sent = Qoe::default();
        c.reported = None;
        c.idle_since = c.idle_since.map(|_| at);
        c.state_names.clear();
        c.state_names.extend(c.states.iter().cloned());
        self.report(What::Start { resume: true }, at, out);
        if let Some(chapter) = self.context.chapter.clone() {
            self.report(What::ChapterStart(Box::new(chapter)), at, out);
        }
        if let Some(ad_break) = self.context.ad_break.clone() {
            self.report(What::AdBreakStart(Box::new(ad_break)), at, out);
        }
        if let Some(ad) = self.context.ad.clone() {
            self.report(What::AdStart(Box::new(ad)), at, out);
        }
        for name in self.context.states.clone() {
            self.report(What::StateOn(name.into()), at, out);
        }
        self.playback_report(true, at, out);
    }
}

impl Context {
    /// Buffering hides seeking, and seeking hides play and pause (spec 3.5).
    fn state(&self) -> State {
        match (self.buffering, self.seeking, self.base) {
            (true, _, _) => State::Buffering,
            (_, true, _) => State::Seeking,
            (_, _, BasePlayback::Starting) => State::Starting,
            (_, _, BasePlayback::Playing) => State::Playing,
            (_, _, BasePlayback::Paused) => State::Paused,
        }
    }
}
