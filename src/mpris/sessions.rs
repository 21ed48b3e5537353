//! What a viewing is to the agent: the inputs by which its session begins, goes on and ends
//! (behaviour.md 1.7, "Length", "Events").

use super::ending;
use super::player::{Out, Player, Viewing};
use super::position::{Place, Verdict};
use super::settling::Status;
use super::wait::Wait;
use crate::core::input::{Input, Target};
use crate::core::player::EventSource;
use crate::core::time::BootInstant;
use crate::core::tracker::event::EventName;
use crate::core::tracker::info::{Info, Value};

impl Player {
    /// The player stands still, or counts as if it did.
    pub(super) fn pause(&mut self, position: Option<f64>, at: BootInstant, out: &mut Out) {
        let estimate = self.place.at(at);
        let Some(viewing) = &mut self.viewing else { return };
        if !viewing.live && ending::pause_completes(estimate, viewing.length) {
            return self.close(at, out);
        }
        viewing.playing = false;
        self.place.set(position.unwrap_or(estimate), at);
        self.place.go_on(false, self.said.rate, at);
        self.belief.interrupt();
        self.event(EventName::Pause, position.unwrap_or(-1.0), at, out);
    }

    /// The viewing is over: complete, if it had come to the end. A seek that is held is undone.
    pub(super) fn close(&mut self, at: BootInstant, out: &mut Out) {
        self.row = None;
        let Some(viewing) = &mut self.viewing else { return };
        if let Some(wait) = viewing.wait.take() {
            let (length, start) = (viewing.length, wait.start);
            self.known(length, start, true, at, out);
        }
        if self.said.status != Status::Playing {
            self.place.go_on(false, self.said.rate, at);
        }
        let Some(viewing) = &self.viewing else { return };
        let name = match viewing.reached_end(self.place.at(at)) {
            true => EventName::Complete,
            false => EventName::End,
        };
        self.event(name, -1.0, at, out);
        self.former = self.viewing.take().map(|viewing| (viewing.id, self.place, at));
    }

    /// A viewing of the present track begins at `since`. `position` is an answer, and when it came.
    pub(super) fn begin(
        &mut self,
        since: BootInstant,
        position: Option<(f64, BootInstant)>,
        now: BootInstant,
        out: &mut Out,
    ) {
        let track = self.said.track.clone();
        if track.blank() {
            // Some players never signal what they play once they know it.
            self.untold.get_or_insert(since);
            return self.ask_what_plays(now);
        }
        // A viewing begins with the first Playing; what it is may be said later.
        self.given_up = false;
        let begun = self.untold.take().filter(|begun| since - *begun <= self.rules.length_wait);
        let since = begun.unwrap_or(since);
        let id = track.media_id();
        let until = since + self.rules.length_wait;
        let just_before = |(former, _, ended): &(String, Place, BootInstant)| {
            *former != id && since - *ended < self.rules.length_wait
        };
        let former = self.former.take().filter(just_before);
        self.belief.new_track(former.map(|(_, place, _)| place), since, until);
        self.place = Place::standing(0.0, since);
        self.place.go_on(true, self.said.rate, since);
        let mut wait = Wait::new(until, None, now);
        if let Some((position, at)) = position {
            match self.belief.judge(position, at, track.length, true) {
                Verdict::Believed if position == 0.0 && self.may_not_know(at) => {
                    wait.hold_zero(at, now);
                }
                Verdict::Believed => {
                    wait.start = Some((position - self.place.at(at)).max(0.0));
                    self.place.set(position, at);
                }
                Verdict::Stale => wait.stale = Some((position, at)),
                Verdict::Implausible => {}
            }
        }
        let mut info = track.info(&id);
        let waits = wait.until > now && (wait.no_start() || track.length.is_none());
        let live = !waits && track.length.is_none();
        if live {
            info.insert("content_type".to_owned(), Value::Text("live".to_owned()));
        }
        let (player, app, uid, start) = (self.id.clone(), self.app.clone(), self.uid, wait.start);
        let input = match waits {
            true => Input::Begin { player, uid, app, info, playhead: start, until },
            false => {
                let playhead = if live { -1.0 } else { start.unwrap_or(0.0) };
                Input::Open {
                    call: None,
                    player,
                    source: EventSource::Mpris,
                    uid,
                    app,
                    playhead,
                    info,
                }
            }
        };
        out.inputs.push((input, since));
        let length = track.length;
        let wait = waits.then_some(wait);
        self.viewing =
            Some(Viewing { id, track, length, live, playing: true, wait, adopted: false });
        self.play(-1.0, since, out);
    }

    /// While nothing tells what is played, the player is asked again, for as long as a length may be
    /// waited for.
    pub(super) fn ask_what_plays(&mut self, now: BootInstant) {
        let Some(begun) = self.untold.filter(|_| self.said.track.blank()) else { return };
        if now < begun + self.rules.length_wait {
            self.questions.doubt(begun, now);
        } else if !self.given_up {
            let app = self.app.as_str();
            tracing::info!(
                app,
                "a player plays something without URL and title; it is not tracked"
            );
            self.given_up = true;
        }
    }

    pub(super) fn play(&mut self, position: f64, at: BootInstant, out: &mut Out) {
        let rate = Value::Float(self.said.rate);
        self.push(EventName::Play, position, Info::from([("rate".to_owned(), rate)]), at, out);
    }

    /// The time is over in which a length and a position were waited for.
    pub(super) fn end_wait(&mut self, now: BootInstant, out: &mut Out) {
        let wait = self.viewing.as_mut().and_then(|viewing| viewing.wait.as_mut());
        let stale = wait.filter(|wait| wait.no_start()).and_then(|wait| wait.stale.take());
        if let Some((position, at)) = stale {
            self.found_start(position, at, out);
        }
        let Some(viewing) = &mut self.viewing else { return };
        // What was found now may have ended the wait.
        let Some(wait) = viewing.wait.take() else { return };
        viewing.live = viewing.length.is_none();
        let (length, start) = (viewing.length, wait.start);
        self.known(length, start, true, now, out);
    }

    /// Tells the agent what is known of the session: its length, and where it began. `over`: it
    /// waits no longer.
    pub(super) fn known(
        &mut self,
        length: Option<f64>,
        start: Option<f64>,
        over: bool,
        at: BootInstant,
        out: &mut Out,
    ) {
        let (player, place) = (self.id.clone(), self.place.at(at).max(0.0));
        out.inputs.push((Input::Known { player, length, start, place, over }, at));
        if let Some(viewing) = &mut self.viewing
            && length.is_some()
            && viewing.wait.as_ref().is_some_and(|wait| !wait.no_start())
        {
            viewing.wait = None;
        }
    }

    pub(super) fn event(&self, name: EventName, playhead: f64, at: BootInstant, out: &mut Out) {
        self.push(name, playhead, Info::new(), at, out);
    }

    fn push(&self, name: EventName, playhead: f64, info: Info, at: BootInstant, out: &mut Out) {
        // The agent computes the position of a live session, the second of the day.
        let live = self.viewing.as_ref().is_some_and(|viewing| viewing.live);
        let playhead = if live { -1.0 } else { playhead };
        let target = Target::Player(self.id.clone());
        out.inputs.push((Input::Event { call: None, target, name, playhead, info }, at));
    }
}
