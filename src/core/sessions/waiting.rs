//! Sessions of MPRIS players, whose length and place may be known late: a start waits for them, and
//! what follows waits behind it, stored like a signal (behaviour.md 1.7, 2.9).

use std::sync::Arc;

use super::restart::Run;
use super::resume;
use crate::core::Agent;
use crate::core::clock::Anchor;
use crate::core::input::{Input, Lifecycle, Target};
use crate::core::media::MediaInfo;
use crate::core::player::{EventSource, PlayerId};
use crate::core::record::{Durability, Key, Record, Waiting};
use crate::core::rejected::Rejected;
use crate::core::time::{BootInstant, Now, Span};
use crate::core::tracker::event::{Event, EventName};
use crate::core::tracker::info::reader::Reader;
use crate::core::tracker::info::{Info, Value};
use crate::core::tracker::{Phase, State, Tracker, TrackerContext};
use crate::core::turn::{CloseReason, Notice, Reply};

/// The wait ends by itself so long after the adapter should have ended it.
pub(super) const OVERDUE: Span = Span::seconds(5);
/// After a restart of the agent a wait goes on for so long at least.
const ONCE_MORE: Span = Span::seconds(5);
/// Events that wait behind a start. One more ends the wait.
const MOST_EVENTS: usize = 64;

/// How a session begins.
pub(super) enum Start {
    /// At this position in seconds; a negative one asks for the stored one.
    Now(f64),
    /// Later, with what is known then.
    Waits(Box<Waiting>),
}

impl Agent {
    /// A start that waits. It takes its place among the sessions at once: what an opening ends, it
    /// ends now.
    pub(in crate::core) fn begin(
        &mut self,
        player: PlayerId,
        uid: Option<u32>,
        app: String,
        info: &Info,
        (start, until): (Option<f64>, BootInstant),
        now: Now,
    ) -> Result<Reply, Rejected> {
        let (since, wall) = (now.boot, self.delivery.wall(now));
        let waiting = Waiting { since, wall, until, length: None, start, events: Vec::new() };
        let source = (EventSource::Mpris, uid);
        self.enter(player, source, app, Start::Waits(Box::new(waiting)), info, now)
    }

    /// An event in a session. Behind a start that waits, it waits too.
    pub(in crate::core) fn mpris_event(
        &mut self,
        target: &Target,
        name: EventName,
        mut playhead: f64,
        info: &Info,
        now: Now,
    ) -> Result<Reply, Rejected> {
        if let Target::Player(player) = target
            && let Some(&number) = self.players.get(player)
            && let Some(session) = self.sessions.get_mut(&number)
            && session.source == EventSource::Mpris
        {
            if let Some(waiting) = &mut session.waiting {
                let event = Event::read(name, &Reader::new(name.name(), info))?;
                waiting.events.push((event, playhead, now.boot));
                let full = waiting.events.len() >= MOST_EVENTS;
                session.dirty = true;
                self.changes.require(Durability::Flushed);
                if full {
                    self.release(number, now);
                }
                return Ok(Reply::Done);
            }
            if session.tracker.media().live() {
                // The place in a broadcast is the second of the day (behaviour.md 1.7).
                playhead = -1.0;
            }
        }
        self.event(target, name, playhead, info, now)
    }

    /// Ends the waits that an input ends, before it is handled.
    pub(in crate::core) fn end_waits(&mut self, input: &Input, now: Now) {
        let waits = self.sessions.iter().filter(|(_, s)| s.waiting.is_some());
        let over = waits.filter(|(_, session)| {
            let Some(owner) = &session.owner else { return true };
            match input {
                Input::PlayerGone { sender } => owner.sender == *sender,
                Input::InstanceGone { player }
                | Input::Open { player, .. }
                | Input::Begin { player, .. } => owner == player,
                Input::Event { target: Target::Player(player), name, .. } => {
                    owner == player && matches!(name, EventName::End | EventName::Complete)
                }
                Input::Lifecycle { app, state, .. } => {
                    session.app == *app && *state != Lifecycle::Foreground
                }
                Input::Recovered { present } => !present.contains(&owner.sender),
                Input::Sleep | Input::Stop | Input::ShutDown => true,
                _ => false,
            }
        });
        for number in over.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.release(number, now);
        }
        if matches!(input, Input::Recovered { .. }) {
            // The adapter asks the players that are still there once more.
            let waits = self.sessions.values_mut().filter_map(|s| s.waiting.as_mut());
            waits.for_each(|waiting| waiting.until = waiting.until.max(now.boot + ONCE_MORE));
        }
    }

    /// Ends a wait that nobody has ended in time.
    pub(in crate::core) fn wait_over(&mut self, number: u32, until: BootInstant, now: Now) {
        let session = self.sessions.get(&number);
        if session.and_then(|s| s.waiting.as_ref()).is_some_and(|w| w.until + OVERDUE <= until) {
            self.release(number, now);
        }
    }

    /// The same for a wait of the run that wrote a store, maybe in an earlier boot: its reports are
    /// dated there. Nothing of them was delivered.
    pub(super) fn release_recorded(
        &mut self,
        number: u32,
        recorded_at: BootInstant,
        run: &Run,
        now: Now,
    ) {
        let waiting = self.sessions.get(&number).and_then(|session| session.waiting.as_ref());
        let Some((since, wall)) = waiting.map(|waiting| (waiting.since, waiting.wall)) else {
            return;
        };
        let same_boot = run.boot == self.meta.boot;
        let begun = match same_boot {
            true => now.at(since),
            false => Now { boot: since, wall: wall.unwrap_or(now.wall), ..now },
        };
        let boot = std::mem::replace(&mut self.meta.boot, run.boot.clone());
        self.release(number, begun.at(recorded_at));
        self.meta.boot = boot;
        if let Some(session) = self.sessions.get(&number).filter(|_| !same_boot) {
            let anchor = wall.map(|_| Anchor::taken(begun));
            self.delivery.anchor(session.log, anchor);
        }
    }

    /// The session begins with what is known of it, at its own time, and what has waited behind it
    /// follows. Without a length it is live.
    fn release(&mut self, number: u32, now: Now) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        let Some(waiting) = session.waiting.take() else { return };
        let mut media = MediaInfo::clone(session.tracker.media());
        media.length = waiting.length;
        if media.length.is_none() {
            media.content_type = "live".to_owned();
        }
        let live = media.live();
        let began = now.at(waiting.since);
        let app = session.app.clone();
        let position = match live {
            true => self.settings.live_second(began.wall),
            false => waiting.start.unwrap_or(0.0),
        };
        let point = self.resume.get(&app, &media.id);
        let clock = self.moment(began);
        let declared = media.declares_resume;
        let resume = resume::decide(point, position, declared, live, clock, &self.settings).resume;
        let media = Arc::new(media);
        self.changes.put(Key::Media(number), Record::Media(media.clone()));
        let mut reports = Vec::new();
        let mut out = TrackerContext { settings: &self.settings, reports: &mut reports };
        let tracker = Tracker::open(media, position, resume, waiting.since, &mut out);
        tracing::info!(session = number, app, live, resume, position, "session begun");
        if let Some(session) = self.sessions.get_mut(&number) {
            session.tracker = tracker;
            session.resumed = resume;
            session.dirty = true;
        }
        self.submit(number, reports, began);
        for (event, playhead, at) in waiting.events {
            self.catch_up_to(number, at.just_before(), now);
            let Some(session) = self.sessions.get_mut(&number) else { return };
            let at = session.tracker.date_arrival(at);
            let mut reports = Vec::new();
            let mut out = TrackerContext { settings: &self.settings, reports: &mut reports };
            let playhead = if live { -1.0 } else { playhead };
            if session.tracker.call(&event, playhead, at, &mut out).is_err() {
                self.rejected_events += 1;
            }
            self.submit(number, reports, now.at(at));
        }
        if !self.recovering {
            self.catch_up_to(number, now.boot.just_before(), now);
        }
        self.changes.require(Durability::Flushed);
    }

    /// Runs the timers of a session that began in the past, each at its time.
    fn catch_up_to(&mut self, number: u32, until: BootInstant, now: Now) {
        while let Some(session) = self.sessions.get(&number)
            && let Some(due) = session.deadline(&self.settings).filter(|due| *due <= until)
        {
            self.run_timers_of(number, due, now.at(due));
        }
    }

    /// A player has told a length or where it began. A session that waits for both begins when both
    /// are known, or when its wait is `over`.
    pub(in crate::core) fn known(
        &mut self,
        player: &PlayerId,
        (length, start): (Option<f64>, Option<f64>),
        place: f64,
        over: bool,
        now: Now,
    ) {
        let Some(&number) = self.players.get(player) else { return };
        let Some(session) = self.sessions.get_mut(&number).filter(|s| !s.untracked) else { return };
        session.dirty = true;
        self.changes.require(Durability::Flushed);
        if let Some(waiting) = &mut session.waiting {
            waiting.length = length.or(waiting.length);
            waiting.start = start.or(waiting.start);
            if over || waiting.length.is_some() && waiting.start.is_some() {
                self.release(number, now);
            }
        } else if let Some(length) = length
            && session.tracker.media().length != Some(length)
        {
            match session.tracker.media().live() && session.tracker.phase() == Phase::Open {
                true => self.reopen(number, player, length, place, now),
                false => self.change_length(number, length, place, now),
            }
        }
    }

    /// The length counts from now on, for the position and for the completion.
    fn change_length(&mut self, number: u32, length: f64, place: f64, now: Now) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        let mut media = MediaInfo::clone(session.tracker.media());
        media.length = Some(length);
        if media.live() {
            media.content_type.clone_from(&self.settings.content_type);
        }
        let media = Arc::new(media);
        self.changes.put(Key::Media(number), Record::Media(media.clone()));
        session.tracker.set_media(media);
        let at = session.tracker.date_arrival(now.boot);
        let mut reports = Vec::new();
        let mut out = TrackerContext { settings: &self.settings, reports: &mut reports };
        // It is legal at any time, and reports nothing.
        let _ = session.tracker.call(&Event::Playhead, place, at, &mut out);
    }

    /// What was taken for live has a length: it ends, and goes on as VOD from where the player is.
    fn reopen(&mut self, number: u32, player: &PlayerId, length: f64, place: f64, now: Now) {
        let Some(session) = self.sessions.get(&number) else { return };
        let (media, app, uid) = (session.tracker.media().clone(), session.app.clone(), session.uid);
        let playing = session.tracker.state() == State::Playing;
        let rate = session.tracker.playhead().rate();
        let interrupt = session.interrupt;
        let mut metadata = media.standard.clone();
        metadata.extend(media.custom.clone());
        let info = [
            ("id", Value::Text(media.id.clone())),
            ("name", Value::Text(media.name.clone())),
            ("length", Value::Float(length)),
            ("resume", Value::Bool(true)),
            ("metadata", Value::Dict(metadata)),
        ];
        let info: Info = info.map(|(key, value)| (key.to_owned(), value)).into();
        self.end(number, CloseReason::Replaced, now);
        let source = (EventSource::Mpris, uid);
        let Ok(Reply::Session(new)) = self.open(player.clone(), source, app, place, &info, now)
        else {
            return;
        };
        if playing {
            let rate = Info::from([("rate".to_owned(), Value::Float(rate))]);
            let target = Target::Player(player.clone());
            let _ = self.event(&target, EventName::Play, place, &rate, now);
        }
        if let Some(interrupt) = interrupt {
            self.interrupt(new, interrupt.cause, now.boot, now);
        }
    }

    /// The interrupts of MPRIS players' sessions have ended: those of one application, or of all.
    pub(in crate::core) fn read_again(&mut self, app: Option<&str>, now: Now) {
        for session in self.sessions.values() {
            if let Some(owner) = &session.owner
                && session.source == EventSource::Mpris
                && app.is_none_or(|app| session.app == app)
            {
                let position = session.tracker.position(now.boot);
                self.notices.push(Notice::ReadAgain(owner.clone(), position));
            }
        }
    }
}
