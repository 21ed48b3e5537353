//! What is legal, what it closes, what it sends: the table of spec section 9, in its order.
//! The order of work inside one call is that of spec 5.5: refuse, close what is implied, the
//! call's own hit, then idle and the playback hit.

use serde_json::json;

use super::event::Event;
use super::hit::{Detail, HitKind};
use super::media::Params;
use super::{Base, Desk, Phase, State, Tracker};
use crate::core::rejected::Rejected;
use crate::core::time::BootInstant;

impl Tracker {
    /// One playback event. `playhead` is in seconds; a negative one means "work it out".
    ///
    /// Errors: `NotAllowed` with what is missing; then nothing has changed.
    pub(crate) fn call(
        &mut self,
        event: &Event,
        playhead: f64,
        at: BootInstant,
        desk: &mut Desk<'_>,
    ) -> Result<(), Rejected> {
        self.check(event, desk)?;
        if matches!(event, Event::AdComplete | Event::AdSkip) {
            // The ping due at the ad's end goes before it (spec 3.2).
            self.ping_if_due(at, desk);
        }
        match event {
            Event::AdBreakStart(_) => self.take_back_play(desk),
            Event::Complete | Event::End => self.release_opening(desk),
            _ => {}
        }
        self.apply(event, playhead, at, desk)?;
        self.note_opening(event, playhead, at);
        Ok(())
    }

    /// The preconditions (spec 9). The sentence says what is missing.
    pub(super) fn check(&self, event: &Event, desk: &Desk<'_>) -> Result<(), Rejected> {
        let c = &self.context;
        let no = |why: &str| Err(Rejected::not_allowed(why));
        if c.phase == Phase::Over {
            return no("the session has ended; open a new one");
        }
        let between_ads = c.ad_break.is_some() && c.ad.is_none();
        let playback_change = matches!(
            event,
            Event::Play { .. }
                | Event::Pause
                | Event::BufferStart
                | Event::BufferComplete
                | Event::SeekStart
                | Event::SeekComplete
        );
        if playback_change && between_ads {
            return no("an ad break is open and no ad is; the playback state counts again after \
                       AdStart or AdBreakComplete");
        }
        match event {
            Event::Pause | Event::BufferStart | Event::SeekStart if c.buffering => {
                no("the player is buffering; BufferComplete or Play comes first")
            }
            Event::Pause | Event::BufferStart | Event::SeekStart if c.seeking => {
                no("the player is seeking; SeekComplete or Play comes first")
            }
            Event::BufferComplete if !c.buffering => no("there is no BufferStart to complete"),
            Event::SeekComplete if !c.seeking => no("there is no SeekStart to complete"),
            Event::AdBreakStart(new) if c.ad_break.as_ref().is_some_and(|b| b.same(new)) => {
                no("this ad break is open already")
            }
            Event::AdBreakComplete | Event::AdStart(_) | Event::AdComplete | Event::AdSkip
                if c.ad_break.is_none() =>
            {
                no("no ad break is open; AdBreakStart comes first")
            }
            Event::AdStart(new) if c.ad.as_ref().is_some_and(|a| a.same(new)) => {
                no("this ad is open already")
            }
            Event::AdComplete | Event::AdSkip if c.ad.is_none() => {
                no("no ad is open; AdStart comes first")
            }
            Event::ChapterStart(new) if c.chapter.as_ref().is_some_and(|o| o.same(new)) => {
                no("this chapter is open already")
            }
            Event::ChapterComplete | Event::ChapterSkip if c.chapter.is_none() => {
                no("no chapter is open; ChapterStart comes first")
            }
            Event::StateStart(name) if c.states.contains(name) => {
                no(&format!("state '{name}' is on already"))
            }
            Event::StateStart(name)
                if !c.state_names.contains(name)
                    && c.state_names.len() >= desk.settings.limits.state_names =>
            {
                no(&format!(
                    "this session has used {} state names, the most there may be (spec 3.8)",
                    c.state_names.len()
                ))
            }
            Event::StateEnd(name) if !c.states.contains(name) => {
                no(&format!("state '{name}' is not on; StateStart comes first"))
            }
            _ => Ok(()),
        }
    }

    /// Carries out a legal call.
    pub(super) fn apply(
        &mut self,
        event: &Event,
        playhead: f64,
        at: BootInstant,
        desk: &mut Desk<'_>,
    ) -> Result<(), Rejected> {
        self.check(event, desk)?;
        self.context.playhead.report(playhead, at, &self.media);
        let mut rate = self.context.playhead.rate();
        let mut flush = false;
        match event {
            Event::Play { rate: new } => {
                rate = *new;
                self.set_base(Base::Playing);
            }
            Event::Pause => self.context.base = Base::Paused,
            Event::BufferStart => self.context.buffering = true,
            Event::BufferComplete => {
                self.context.buffering = false;
                self.never_back_to_starting();
            }
            Event::SeekStart => self.context.seeking = true,
            Event::SeekComplete => {
                self.context.seeking = false;
                self.never_back_to_starting();
            }
            Event::AdBreakStart(new) => {
                self.close_break(at, desk);
                self.with(HitKind::AdBreakStart, new.params(), at, desk);
                self.context.ad_break = Some(new.clone());
            }
            Event::AdBreakComplete => {
                self.close_break(at, desk);
                flush = true;
            }
            Event::AdStart(new) => {
                self.close_ad(at, desk);
                self.ad_start(new, at, desk);
                self.context.ad = Some(new.clone());
                self.context.ping_from = at;
                if self.state() == State::Starting {
                    self.context.base = Base::Playing;
                }
                // The backend takes an ad for playing by itself (spec 3.9), so only another
                // state, or a first play, has to be said (api.md 2.11).
                flush = self.state() != State::Playing;
            }
            Event::AdComplete => self.end_ad(HitKind::AdComplete, at, desk),
            Event::AdSkip => self.end_ad(HitKind::AdSkip, at, desk),
            Event::ChapterStart(new) => {
                self.close_chapter(at, desk);
                self.chapter_start(new, at, desk);
                self.context.chapter = Some(new.clone());
            }
            Event::ChapterComplete => self.end_chapter(HitKind::ChapterComplete, at, desk),
            Event::ChapterSkip => self.end_chapter(HitKind::ChapterSkip, at, desk),
            Event::StateStart(name) => {
                self.state_hit(HitKind::StateStart, name, at, desk);
                self.context.states.push(name.clone());
                self.context.state_names.insert(name.clone());
            }
            Event::StateEnd(name) => {
                self.state_hit(HitKind::StateEnd, name, at, desk);
                self.context.states.retain(|on| on != name);
            }
            Event::Qoe(new) => self.context.qoe = self.context.qoe.updated(*new),
            Event::BitrateChange(new) => {
                self.context.qoe = self.context.qoe.updated(*new);
                self.bare(HitKind::BitrateChange, at, desk);
            }
            Event::Error { id, source } => {
                let mut qoe = Params::new();
                qoe.insert("media.qoe.errorID".into(), json!(id));
                qoe.insert("media.qoe.errorSource".into(), json!(source.name()));
                self.hit(HitKind::Error, at, Detail { qoe, ..Detail::default() }, desk);
            }
            Event::Playhead => {}
            Event::Complete | Event::End => {
                let kind = match event {
                    Event::Complete => HitKind::SessionComplete,
                    _ => HitKind::SessionEnd,
                };
                self.close_all(at, desk);
                self.bare(kind, at, desk);
                self.context.phase = Phase::Over;
                self.stand_still(at);
                return Ok(());
            }
        }
        self.settle(flush, rate, at, desk);
        Ok(())
    }

    /// After the call's own hit: the position moves or stands, idle time begins or ends, a
    /// dormant session that plays comes back, and the playback hit follows.
    fn settle(&mut self, flush: bool, rate: f64, at: BootInstant, desk: &mut Desk<'_>) {
        let playing = self.state() == State::Playing;
        let moving = playing && self.context.ad_break.is_none();
        self.context.playhead.go_on(moving, rate, at, &self.media);
        self.context.idle_since = match (playing, self.context.idle_since) {
            (true, _) => None,
            (false, since) => since.or(Some(at)),
        };
        if playing && self.context.phase == Phase::Dormant {
            self.restart(at, desk);
            return;
        }
        let between_ads = self.context.ad_break.is_some() && self.context.ad.is_none();
        if !between_ads {
            self.playback_hit(flush, at, desk);
        }
    }

    fn set_base(&mut self, base: Base) {
        self.context.base = base;
        self.context.buffering = false;
        self.context.seeking = false;
    }

    /// Who buffered or sought before ever playing is paused afterwards (spec 3.5).
    fn never_back_to_starting(&mut self) {
        if self.context.base == Base::Starting && self.context.state() == State::Starting {
            self.context.base = Base::Paused;
        }
    }

    fn end_ad(&mut self, kind: HitKind, at: BootInstant, desk: &mut Desk<'_>) {
        self.bare(kind, at, desk);
        self.context.ad = None;
    }

    fn close_ad(&mut self, at: BootInstant, desk: &mut Desk<'_>) {
        if self.context.ad.is_some() {
            self.end_ad(HitKind::AdSkip, at, desk);
        }
    }

    fn close_break(&mut self, at: BootInstant, desk: &mut Desk<'_>) {
        self.close_ad(at, desk);
        if self.context.ad_break.take().is_some() {
            self.bare(HitKind::AdBreakComplete, at, desk);
        }
    }

    fn end_chapter(&mut self, kind: HitKind, at: BootInstant, desk: &mut Desk<'_>) {
        self.bare(kind, at, desk);
        self.context.chapter = None;
    }

    fn close_chapter(&mut self, at: BootInstant, desk: &mut Desk<'_>) {
        if self.context.chapter.is_some() {
            self.end_chapter(HitKind::ChapterSkip, at, desk);
        }
    }

    fn close_all(&mut self, at: BootInstant, desk: &mut Desk<'_>) {
        self.close_break(at, desk);
        self.close_chapter(at, desk);
    }

    /// The application is interrupted, or its player is gone: paused at once, buffering and
    /// seeking forgotten. Between two ads nothing is sent (spec 4, api.md 2.4).
    pub(crate) fn interrupt(&mut self, at: BootInstant, desk: &mut Desk<'_>) {
        self.release_opening(desk);
        let rate = self.context.playhead.rate();
        self.set_base(Base::Paused);
        self.settle(false, rate, at, desk);
    }

    /// `Play` between two ads of an interrupted session: the state is playing again, nothing is
    /// sent before the next ad or the end of the break (api.md 2.11). False when the event is an
    /// ordinary one.
    pub(crate) fn lift_between_ads(&mut self, at: BootInstant, desk: &mut Desk<'_>) -> bool {
        if self.context.ad_break.is_none() || self.context.ad.is_some() {
            return false;
        }
        let rate = self.context.playhead.rate();
        self.set_base(Base::Playing);
        self.settle(false, rate, at, desk);
        true
    }

    /// The grace of an interrupt ran out: `sessionEnd` after the implied closings. The session
    /// can be revived by playing (spec 4).
    pub(crate) fn end_interrupted(&mut self, at: BootInstant, desk: &mut Desk<'_>) {
        self.release_opening(desk);
        self.close_all(at, desk);
        self.bare(HitKind::SessionEnd, at, desk);
        self.context.phase = match self.context.phase {
            Phase::Over => Phase::Over,
            _ => Phase::Dormant,
        };
    }

    /// Ends the session for good, as `End` would.
    pub(crate) fn end(&mut self, at: BootInstant, desk: &mut Desk<'_>) {
        self.end_interrupted(at, desk);
        self.stand_still(at);
        self.context.phase = Phase::Over;
    }

    /// Nothing is known after `at`: the position stays what it was then.
    pub(crate) fn stand_still(&mut self, at: BootInstant) {
        let rate = self.context.playhead.rate();
        self.context.playhead.go_on(false, rate, at, &self.media);
    }
}
