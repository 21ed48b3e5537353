//! Which call is legal, what it closes, what it sends: the table of spec section 9, in its order.
//! The order of work inside one call is that of spec 5.5: refuse, close what is implied, the
//! call's own report, then idle and the playback report.

use super::event::Event;
use super::{BasePlayback, Phase, State, Tracker, TrackerContext};
use crate::core::rejected::Rejected;
use crate::core::report::What;
use crate::core::time::BootInstant;

impl Tracker {
    /// Checks and applies one playback event. `playhead` is in seconds; a negative one keeps the
    /// computed position.
    ///
    /// Errors: `NotAllowed` with the missing precondition; then nothing has changed.
    pub(crate) fn call(
        &mut self,
        event: &Event,
        playhead: f64,
        at: BootInstant,
        out: &mut TrackerContext<'_>,
    ) -> Result<(), Rejected> {
        self.check(event, out)?;
        if matches!(event, Event::AdComplete | Event::AdSkip) {
            // The ping due at the ad's end goes before it (spec 3.2).
            self.ping_if_due(at, out);
        }
        match event {
            Event::AdBreakStart(_) => self.take_back_play(out),
            Event::Complete | Event::End => self.release_preroll(out),
            _ => {}
        }
        self.apply(event, playhead, at, out)?;
        self.note_opening(event, playhead, at);
        Ok(())
    }

    /// The preconditions (spec 9). The error text says what is missing.
    pub(super) fn check(&self, event: &Event, out: &TrackerContext<'_>) -> Result<(), Rejected> {
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
            return no("an ad break is open and no ad is; the playback state can change after \
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
                    && c.state_names.len() >= out.settings.limits.state_names =>
            {
                no(&format!(
                    "this session has used {} state names, the limit (spec 3.8); reuse one of them",
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
        out: &mut TrackerContext<'_>,
    ) -> Result<(), Rejected> {
        self.check(event, out)?;
        self.context.playhead.report(playhead, at, &self.media);
        let mut rate = self.context.playhead.rate();
        let mut flush = false;
        match event {
            Event::Play { rate: new } => {
                rate = *new;
                self.set_base(BasePlayback::Playing);
            }
            Event::Pause => self.context.base = BasePlayback::Paused,
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
                self.close_break(at, out);
                self.report(What::AdBreakStart(Box::new(new.clone())), at, out);
                self.context.ad_break = Some(new.clone());
            }
            Event::AdBreakComplete => {
                self.close_break(at, out);
                flush = true;
            }
            Event::AdStart(new) => {
                self.close_ad(at, out);
                self.report(What::AdStart(Box::new(new.clone())), at, out);
                self.context.ad = Some(new.clone());
                self.context.ping_from = at;
                if self.state() == State::Starting {
                    self.context.base = BasePlayback::Playing;
                }
                // The collector assumes that a new ad plays (spec 3.9), so only another state, or
                // a first play, has to be reported (behaviour.md 2.11).
                flush = self.state() != State::Playing;
            }
            Event::AdComplete => self.end_ad(What::AdComplete, at, out),
            Event::AdSkip => self.end_ad(What::AdSkip, at, out),
            Event::ChapterStart(new) => {
                self.close_chapter(at, out);
                self.report(What::ChapterStart(Box::new(new.clone())), at, out);
                self.context.chapter = Some(new.clone());
            }
            Event::ChapterComplete => self.end_chapter(What::ChapterComplete, at, out),
            Event::ChapterSkip => self.end_chapter(What::ChapterSkip, at, out),
            Event::StateStart(name) => {
                self.report(What::StateOn(name.as_str().into()), at, out);
                self.context.states.push(name.clone());
                self.context.state_names.insert(name.clone());
            }
            Event::StateEnd(name) => {
                self.report(What::StateOff(name.as_str().into()), at, out);
                self.context.states.retain(|on| on != name);
            }
            Event::Qoe(new) => self.context.quality = self.context.quality.updated(*new),
            Event::BitrateChange(new) => {
                self.context.quality = self.context.quality.updated(*new);
                self.report(What::BitrateChange, at, out);
            }
            Event::Error(error) => {
                self.report(What::Error(Box::new(error.clone())), at, out);
            }
            Event::Playhead => {}
            Event::Complete | Event::End => {
                let what = match event {
                    Event::Complete => What::Complete,
                    _ => What::End,
                };
                self.close_all(at, out);
                self.report(what, at, out);
                self.context.phase = Phase::Over;
                self.stand_still(at);
                return Ok(());
            }
        }
        self.settle(flush, rate, at, out);
        Ok(())
    }

    /// After the call's own report: the position moves or stands, idle time begins or ends, a
    /// dormant session that plays is revived, and the playback report follows.
    fn settle(&mut self, flush: bool, rate: f64, at: BootInstant, out: &mut TrackerContext<'_>) {
        let playing = self.state() == State::Playing;
        let moving = playing && self.context.ad_break.is_none();
        self.context.playhead.go_on(moving, rate, at, &self.media);
        self.context.idle_since = match (playing, self.context.idle_since) {
            (true, _) => None,
            (false, since) => since.or(Some(at)),
        };
        if playing && self.context.phase == Phase::Dormant {
            self.restart(at, out);
            return;
        }
        let between_ads = self.context.ad_break.is_some() && self.context.ad.is_none();
        if !between_ads {
            self.playback_report(flush, at, out);
        }
    }

    fn set_base(&mut self, base: BasePlayback) {
        self.context.base = base;
        self.context.buffering = false;
        self.context.seeking = false;
    }

    /// A player that buffered or sought before it ever played is paused afterwards (spec 3.5).
    fn never_back_to_starting(&mut self) {
        if self.context.base == BasePlayback::Starting && self.context.state() == State::Starting {
            self.context.base = BasePlayback::Paused;
        }
    }

    fn end_ad(&mut self, what: What, at: BootInstant, out: &mut TrackerContext<'_>) {
        self.report(what, at, out);
        self.context.ad = None;
    }

    fn close_ad(&mut self, at: BootInstant, out: &mut TrackerContext<'_>) {
        if self.context.ad.is_some() {
            self.end_ad(What::AdSkip, at, out);
        }
    }

    fn close_break(&mut self, at: BootInstant, out: &mut TrackerContext<'_>) {
        self.close_ad(at, out);
        if self.context.ad_break.take().is_some() {
            self.report(What::AdBreakComplete, at, out);
        }
    }

    fn end_chapter(&mut self, what: What, at: BootInstant, out: &mut TrackerContext<'_>) {
        self.report(what, at, out);
        self.context.chapter = None;
    }

    fn close_chapter(&mut self, at: BootInstant, out: &mut TrackerContext<'_>) {
        if self.context.chapter.is_some() {
            self.end_chapter(What::ChapterSkip, at, out);
        }
    }

    fn close_all(&mut self, at: BootInstant, out: &mut TrackerContext<'_>) {
        self.close_break(at, out);
        self.close_chapter(at, out);
    }

    /// The application is interrupted, or its player is gone: the session pauses at once, and
    /// buffering and seeking end. Between two ads nothing is sent (spec 4, behaviour.md 2.4).
    pub(crate) fn interrupt(&mut self, at: BootInstant, out: &mut TrackerContext<'_>) {
        self.release_preroll(out);
        let rate = self.context.playhead.rate();
        self.set_base(BasePlayback::Paused);
        self.settle(false, rate, at, out);
    }

    /// `Play` between two ads of an interrupted session: the state is playing again, nothing is
    /// sent before the next ad or the end of the break (behaviour.md 2.11). False, without effect,
    /// when the session is not between two ads.
    pub(crate) fn lift_between_ads(
        &mut self,
        at: BootInstant,
        out: &mut TrackerContext<'_>,
    ) -> bool {
        if self.context.ad_break.is_none() || self.context.ad.is_some() {
            return false;
        }
        let rate = self.context.playhead.rate();
        self.set_base(BasePlayback::Playing);
        self.settle(false, rate, at, out);
        true
    }

    /// The player plays on after an interrupt that it did not notice.
    pub(crate) fn play_on(&mut self, playhead: f64, at: BootInstant, out: &mut TrackerContext<'_>) {
        if !self.lift_between_ads(at, out) {
            let rate = self.context.playhead.rate();
            // A session that has ended meanwhile has nothing to play.
            let _ = self.call(&Event::Play { rate }, playhead, at, out);
        }
    }

    /// The grace of an interrupt ran out: `sessionEnd` after the implied closings. The session
    /// can be revived by playing (spec 4).
    pub(crate) fn end_interrupted(&mut self, at: BootInstant, out: &mut TrackerContext<'_>) {
        self.release_preroll(out);
        self.close_all(at, out);
        self.report(What::End, at, out);
        self.context.phase = match self.context.phase {
            Phase::Over => Phase::Over,
            _ => Phase::Dormant,
        };
    }

    /// Ends the session for good, as `End` would.
    pub(crate) fn end(&mut self, at: BootInstant, out: &mut TrackerContext<'_>) {
        self.end_interrupted(at, out);
        self.stand_still(at);
        self.context.phase = Phase::Over;
    }

    /// Stops the position at `at`, because nothing is known of the time after it.
    pub(crate) fn stand_still(&mut self, at: BootInstant) {
        let rate = self.context.playhead.rate();
        self.context.playhead.go_on(false, rate, at, &self.media);
    }
}
