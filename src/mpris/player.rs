//! One player: what it says and answers comes in with the time of its arrival, and inputs for the
//! agent and questions for the player go out (behaviour.md 1.7). Nothing here waits or reads a
//! clock. What is made of changes that have settled stands in `commit`.

use super::ending;
use super::position::{Belief, JUMP_SECONDS, Place, Verdict};
use super::questions::{Question, Questions};
use super::seeks::{CORRECTION_SECONDS, Row};
use super::settling::{Change, Said, Status, Window};
use super::viewing::Track;
use super::wait::Wait;
use crate::core::input::{Input, Target};
use crate::core::player::{EventSource, PlayerId};
use crate::core::sessions::Session;
use crate::core::time::{BootInstant, Span};
use crate::core::tracker::State;
use crate::core::tracker::event::{Event, EventName};
use crate::core::tracker::info::{Info, Value};

/// A session that waited before a restart of the agent waits for so long at least.
const ONCE_MORE: Span = Span::seconds(5);
/// A smaller correction of the estimate is not worth an event.
const WORTH_TELLING_SECONDS: f64 = 0.25;

/// What the configuration says of players.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub length_wait: Span,
    /// How often a playing player is asked for its position; zero: never.
    pub position_every: Span,
    /// A seek to the first seconds after the end is a repetition.
    pub start_seconds: f64,
}

/// What follows from a fact.
#[derive(Debug, Default)]
pub struct Out {
    /// Inputs for the agent, each with the time at which it happened.
    pub inputs: Vec<(Input, BootInstant)>,
    /// Questions, each with the unique name of the player that is asked.
    pub questions: Vec<(String, Question)>,
}

/// A session of the agent that began before this program listened.
#[derive(Debug, Clone)]
pub struct Adopted {
    pub owner: PlayerId,
    pub media_id: String,
    pub name: String,
    pub length: Option<f64>,
    pub live: bool,
    pub playing: bool,
    /// Seconds, now.
    pub position: f64,
    /// It waits for its length or its place, until then.
    pub waits_until: Option<BootInstant>,
    /// Where it began, if that is known while it waits.
    pub start: Option<f64>,
}

/// What is played, from the first Playing to a stop or another track.
#[derive(Debug)]
pub(super) struct Viewing {
    pub id: String,
    pub track: Track,
    pub length: Option<f64>,
    /// It has no length, so its position is the second of the day.
    pub live: bool,
    pub playing: bool,
    pub wait: Option<Wait>,
    /// Only its id and its name are known.
    pub adopted: bool,
}

impl Adopted {
    /// A session of an MPRIS player that is open now; `None` for any other.
    pub fn of(session: &Session, now: BootInstant) -> Option<Adopted> {
        let owner = session.owner.clone().filter(|_| session.source == EventSource::Mpris)?;
        let media = session.tracker.media();
        let mut adopted = Adopted {
            owner,
            media_id: media.id.clone(),
            name: media.name.clone(),
            length: media.length,
            live: media.live(),
            playing: session.tracker.state() == State::Playing,
            position: session.tracker.position(now),
            waits_until: None,
            start: None,
        };
        if let Some(waiting) = &session.waiting {
            let paused = waiting.events.iter().rev().find_map(|(event, _, at)| match event {
                Event::Play { .. } => Some(None),
                Event::Pause => Some(Some(*at)),
                _ => None,
            });
            let played = paused.flatten().unwrap_or(now) - waiting.since;
            adopted.playing = paused.flatten().is_none();
            adopted.position = waiting.start.unwrap_or(0.0) + played.as_seconds();
            adopted.length = waiting.length;
            adopted.start = waiting.start;
            adopted.waits_until = Some(waiting.until.max(now + ONCE_MORE));
        }
        Some(adopted)
    }
}

impl Viewing {
    pub fn reached_end(&self, position: f64) -> bool {
        !self.live && ending::reached(position, self.length)
    }
}

/// A player, and the viewing that it is in.
#[derive(Debug)]
pub struct Player {
    id: PlayerId,
    unique: String,
    app: String,
    pub(super) rules: Rules,
    pub(super) said: Said,
    pub(super) window: Option<Window>,
    pub(super) row: Option<Row>,
    pub(super) viewing: Option<Viewing>,
    pub(super) place: Place,
    pub(super) belief: Belief,
    questions: Questions,
    /// When the position is asked for without a reason.
    poll_at: BootInstant,
    /// The date of the changes that were settled last.
    pub(super) settled: BootInstant,
    /// The viewing before, where it was, and when it ended.
    pub(super) former: Option<(String, Place, BootInstant)>,
    /// It plays since then, and what it plays cannot be told apart.
    pub(super) untold: Option<BootInstant>,
}

impl Player {
    /// A player that was found at `now`. `app` is the stable id that its sessions carry.
    pub fn new(
        id: PlayerId,
        unique: String,
        app: String,
        rules: Rules,
        now: BootInstant,
    ) -> Player {
        let mut questions = Questions::none();
        questions.want(Question::All, now);
        Player {
            id,
            unique,
            app,
            rules,
            said: Said::nothing(),
            window: None,
            row: None,
            viewing: None,
            place: Place::standing(0.0, now),
            belief: Belief::default(),
            questions,
            poll_at: now,
            settled: now,
            former: None,
            untold: None,
        }
    }

    pub fn id(&self) -> &PlayerId {
        &self.id
    }

    /// Takes over a session of an earlier run of the agent.
    pub fn adopt(&mut self, session: Adopted, now: BootInstant) {
        self.id = session.owner;
        self.place = Place::standing(session.position, now);
        self.place.go_on(session.playing, self.said.rate, now);
        self.viewing = Some(Viewing {
            id: session.media_id,
            track: Track { title: session.name, ..Track::default() },
            length: session.length,
            live: session.live && session.waits_until.is_none(),
            playing: session.playing,
            wait: session.waits_until.map(|until| Wait::new(until, session.start, now)),
            adopted: true,
        });
    }

    /// PropertiesChanged.
    pub fn changed(&mut self, change: &Change, at: BootInstant, out: &mut Out) {
        self.tick(at, out);
        self.questions.lives();
        // A window that waits for an answer takes no more changes.
        if change.counts() && self.window.as_ref().is_some_and(|window| window.until < at) {
            self.commit(at, true, out);
        }
        if !change.counts() {
            // Some players announce their position.
            return self.answered(Question::Position, Some(change), at, out);
        }
        self.hear(change, at, at);
        let question = if change.invalidated { Question::All } else { Question::Position };
        self.questions.want(question, at);
        self.tick(at, out);
    }

    fn hear(&mut self, change: &Change, date: BootInstant, now: BootInstant) {
        let window = self.window.get_or_insert_with(|| Window::new(date, now));
        window.stopped |= change.status == Some(Status::Stopped);
        window.position = change.position.map(|position| (position, now));
        self.said.hear(change);
    }

    /// An answer; `None` is an error.
    pub fn answered(
        &mut self,
        question: Question,
        answer: Option<&Change>,
        now: BootInstant,
        out: &mut Out,
    ) {
        let date = self.questions.answered(question, answer.is_some(), now);
        if let Some(change) = answer {
            let mut said = self.said.clone();
            said.hear(change);
            let (plays, blank) = (said.plays(), said.track.blank());
            let news = said != self.said
                || match &self.viewing {
                    Some(viewing) => viewing.playing != plays || viewing.adopted && !blank,
                    None => plays && !blank,
                };
            if news && question != Question::Position {
                let before = self.window.as_ref().and_then(|window| window.position);
                self.hear(change, date.unwrap_or(now).max(self.settled), now);
                if let Some(window) = self.window.as_mut() {
                    window.position = window.position.or(before);
                }
            } else if let Some(position) = change.position {
                match &mut self.window {
                    Some(window) => window.position = Some((position, now)),
                    None => self.found(position, now, out),
                }
            }
        }
        self.tick(now, out);
    }

    /// `Seeked`.
    pub fn seeked(&mut self, position: f64, at: BootInstant, out: &mut Out) {
        self.tick(at, out);
        self.questions.lives();
        let position = position.max(0.0);
        let length = self.viewing.as_ref().and_then(|viewing| viewing.length);
        let in_window = self.window.is_some();
        if self.viewing.is_none() && !in_window
            || length.is_some_and(|length| !in_window && position > length + CORRECTION_SECONDS)
        {
            return;
        }
        self.belief.interrupt();
        let start_unknown = |viewing: &Viewing| viewing.wait.as_ref().is_some_and(Wait::no_start);
        if !in_window && self.viewing.as_ref().is_some_and(start_unknown) {
            self.found_start(position, at, out);
        } else {
            // What it means is known when the changes have settled.
            let far = !in_window && (position - self.place.at(at)).abs() > CORRECTION_SECONDS;
            let added = self.row.as_mut().is_some_and(|row| row.add(position, at, far));
            if !added && (far || in_window) {
                self.row = Some(Row::new(position, at, far));
            } else if !added {
                self.correct(position, at, out);
            }
        }
        self.tick(at, out);
    }

    /// An interrupt of its session has ended. `position` is where it stood. The player is read
    /// again, and plays if it says so (behaviour.md 2.4).
    pub fn read_again(&mut self, position: f64, at: BootInstant, out: &mut Out) {
        if let Some(viewing) = &mut self.viewing {
            viewing.playing = false;
            self.row = None;
            if viewing.wait.is_none() {
                self.place = Place::standing(position, at);
            }
            self.belief.interrupt();
        }
        self.questions.want(Question::All, at);
        self.tick(at, out);
    }

    /// Signals of it were lost: it is read anew.
    pub fn missed(&mut self, now: BootInstant, out: &mut Out) {
        self.questions.want(Question::All, now);
        self.tick(now, out);
    }

    /// Its connection or its last name is gone.
    pub fn gone(mut self, at: BootInstant, out: &mut Out) {
        if self.viewing.is_some() {
            // A viewing that begins and ends within the window is none.
            self.commit(at, false, out);
        }
        self.row = None;
        let position = self.place.at(at);
        if self.viewing.as_ref().is_some_and(|viewing| viewing.reached_end(position)) {
            self.close(at, out);
        }
        out.inputs.push((Input::PlayerGone { sender: self.id.sender }, at));
    }

    /// When `tick` has something to do.
    pub fn deadline(&self) -> Option<BootInstant> {
        let window = self.window.as_ref().filter(|_| !self.waits_for_answer()).map(|w| w.until);
        let row = self.row.as_ref().filter(|row| !self.is_held(row));
        let row = row.map(|row| row.over_at() + Span::millis(1));
        let viewing = self.viewing.as_ref();
        let wait = viewing.and_then(|viewing| Some(viewing.wait.as_ref()?.deadline()));
        let poll = (self.polls()).then_some(self.poll_at);
        [window, row, wait, poll, self.questions.deadline()].into_iter().flatten().min()
    }

    fn polls(&self) -> bool {
        self.rules.position_every > Span::ZERO && self.viewing.as_ref().is_some_and(|v| v.playing)
    }

    /// Whether changes that have not settled may undo a seek, or belong before it.
    fn is_held(&self, row: &Row) -> bool {
        let Some(window) = &self.window else { return false };
        let new = &self.said.track;
        let same = |viewing: &Viewing| new.blank() || viewing.track.goes_on(new, true);
        window.since <= row.first
            || self.said.status == Status::Stopped
            || !self.viewing.as_ref().is_some_and(same)
    }

    /// Whether the window has everything but the position.
    fn waits_for_answer(&self) -> bool {
        self.questions.position_is_asked()
            && self.window.as_ref().is_some_and(|window| window.position.is_none())
    }

    /// Does what is due.
    pub fn tick(&mut self, now: BootInstant, out: &mut Out) {
        self.ask(now, out);
        if let Some(since) = self.questions.give_up(now)
            && self.viewing.as_ref().is_some_and(|viewing| viewing.playing)
        {
            self.pause(None, since, out);
        }
        if self.window.as_ref().is_some_and(|w| w.until <= now) && !self.waits_for_answer() {
            self.commit(now, true, out);
        }
        let over = |row: &Row| row.over_at() < now && !self.is_held(row);
        if self.row.as_ref().is_some_and(over) {
            self.end_row(out);
        }
        let wait = self.viewing.as_mut().and_then(|viewing| viewing.wait.as_mut());
        if let Some(wait) = wait
            && wait.deadline() <= now
        {
            match wait.ask(now) {
                true => self.questions.want(Question::All, now),
                false => self.end_wait(now, out),
            }
        }
        if self.polls() && self.poll_at <= now {
            self.questions.want(Question::Position, now);
            self.poll_at = now + self.rules.position_every;
        }
        self.ask(now, out);
    }

    fn ask(&mut self, now: BootInstant, out: &mut Out) {
        while let Some(question) = self.questions.next(now) {
            if matches!(question, Question::All | Question::Position) {
                self.poll_at = now + self.rules.position_every;
            }
            out.questions.push((self.unique.clone(), question));
        }
    }

    /// An answer for the position, while nothing else has changed.
    fn found(&mut self, position: f64, now: BootInstant, out: &mut Out) {
        let Some(viewing) = &mut self.viewing else { return };
        if self.row.is_some() {
            return;
        }
        let verdict = self.belief.judge(position, now, viewing.length, viewing.playing);
        if let Some(wait) = viewing.wait.as_mut().filter(|wait| wait.no_start()) {
            match verdict {
                Verdict::Believed => self.found_start(position, now, out),
                Verdict::Stale => wait.stale = Some((position, now)),
                Verdict::Implausible => wait.stale = None,
            }
        } else if verdict == Verdict::Believed {
            self.moved_to(position, now, now, out);
        }
    }

    /// The player is at a position that is believed, and nothing has announced a jump.
    pub(super) fn moved_to(
        &mut self,
        position: f64,
        at: BootInstant,
        now: BootInstant,
        out: &mut Out,
    ) {
        let Some(viewing) = &self.viewing else { return };
        let estimate = self.place.at(at);
        if viewing.live {
            self.place.set(position, at);
        } else if (position - estimate).abs() <= JUMP_SECONDS {
            self.correct(position, at, out);
        } else if !self.repeated(position, at, now, out) {
            self.event(EventName::SeekStart, -1.0, at, out);
            self.place.set(position, at);
            self.event(EventName::SeekComplete, position, at, out);
        }
    }

    /// If a jump to `position` is a repetition: completes the viewing and begins a new one.
    pub(super) fn repeated(
        &mut self,
        position: f64,
        at: BootInstant,
        now: BootInstant,
        out: &mut Out,
    ) -> bool {
        let Some(viewing) = self.viewing.as_ref().filter(|viewing| !viewing.live) else {
            return false;
        };
        let start = self.rules.start_seconds;
        let again = ending::repeats(self.place.at(at), position, viewing.length, start);
        if again {
            self.close(at, out);
            if self.said.plays() {
                self.begin(at, Some((position, at)), now, out);
            }
        }
        again
    }

    /// The row of `Seeked` is over.
    pub(super) fn end_row(&mut self, out: &mut Out) {
        let Some(row) = self.row.take() else { return };
        let Some(viewing) = &self.viewing else { return };
        if viewing.wait.as_ref().is_some_and(Wait::no_start) {
            return self.found_start(row.position, row.last, out);
        }
        let near = (row.position - self.place.at(row.last)).abs() <= CORRECTION_SECONDS;
        let to_start = !viewing.live && row.position <= self.rules.start_seconds;
        if near && !row.far {
            self.correct(row.position, row.last, out);
        } else if to_start && viewing.reached_end(self.place.at(row.first)) {
            self.close(row.first, out);
            if self.said.plays() {
                self.begin(row.last, Some((row.position, row.last)), row.last, out);
            }
        } else {
            self.event(EventName::SeekStart, -1.0, row.first, out);
            self.place.set(row.position, row.last);
            self.event(EventName::SeekComplete, row.position, row.last, out);
        }
    }

    /// The estimate was off by a little.
    pub(super) fn correct(&mut self, position: f64, at: BootInstant, out: &mut Out) {
        let off = (position - self.place.at(at)).abs();
        self.place.set(position, at);
        let live = self.viewing.as_ref().is_none_or(|viewing| viewing.live);
        if off > WORTH_TELLING_SECONDS && !live {
            self.event(EventName::Playhead, position, at, out);
        }
    }

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
            if self.untold.is_none() {
                let app = self.app.as_str();
                tracing::info!(
                    app,
                    "a player plays something without URL and title; it is not tracked"
                );
            }
            self.untold.get_or_insert(since);
            return;
        }
        // A viewing begins with the first Playing; what it is may be said later.
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
        let (player, app, start) = (self.id.clone(), self.app.clone(), wait.start);
        let input = match waits {
            true => Input::Begin { player, app, info, playhead: start, until },
            false => {
                let playhead = if live { -1.0 } else { start.unwrap_or(0.0) };
                Input::Open {
                    call: None,
                    player,
                    source: EventSource::Mpris,
                    uid: None,
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

    pub(super) fn play(&mut self, position: f64, at: BootInstant, out: &mut Out) {
        let rate = Value::Float(self.said.rate);
        self.push(EventName::Play, position, Info::from([("rate".to_owned(), rate)]), at, out);
    }

    /// The first position that is believed leads back to where the session began.
    pub(super) fn found_start(&mut self, position: f64, at: BootInstant, out: &mut Out) {
        let moved = self.place.at(at);
        let Some(viewing) = &mut self.viewing else { return };
        let (length, start) = (viewing.length, (position - moved).max(0.0));
        if let Some(wait) = &mut viewing.wait {
            wait.start = Some(start);
        }
        self.place.set(moved + start, at);
        self.known(length, Some(start), false, at, out);
        self.correct(position, at, out);
    }

    /// The time is over in which a length and a position were waited for.
    fn end_wait(&mut self, now: BootInstant, out: &mut Out) {
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
