//! One player: what it says and answers comes in with the time of its arrival, and inputs for the
//! agent and questions for the player go out (behaviour.md 1.7). Nothing here waits or reads a
//! clock. What is made of changes that have settled stands in `commit`, of positions in `moves`, and
//! what the agent is told of sessions in `sessions`.

use super::adopted::Adopted;
use super::ending;
use super::position::{Belief, Place};
use super::questions::{Question, Questions};
use super::seeks::{CORRECTION_SECONDS, Row};
use super::settling::{Change, Reported, SETTLING, Status, Window};
use super::viewing::Track;
use super::wait::Wait;
use crate::core::input::Input;
use crate::core::player::PlayerId;
use crate::core::time::{BootInstant, Span};

/// So long after it has appeared a player is new.
const NEW: Span = Span::seconds(5);

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

impl Viewing {
    pub fn reached_end(&self, position: f64) -> bool {
        !self.live && ending::reached(position, self.length)
    }
}

/// A player, and the viewing that it is in.
#[derive(Debug)]
pub struct Player {
    pub(super) id: PlayerId,
    unique: String,
    pub(super) app: String,
    /// Whose sessions its own count among (behaviour.md 2.8); `None`: nobody's, or not known yet.
    pub(super) uid: Option<u32>,
    pub(super) rules: Rules,
    pub(super) said: Reported,
    pub(super) window: Option<Window>,
    pub(super) row: Option<Row>,
    pub(super) viewing: Option<Viewing>,
    pub(super) place: Place,
    pub(super) belief: Belief,
    pub(super) questions: Questions,
    /// When the position is asked for without a reason.
    poll_at: BootInstant,
    /// The date of the changes that were settled last.
    pub(super) settled: BootInstant,
    /// The viewing before, where it was, and when it ended.
    pub(super) former: Option<(String, Place, BootInstant)>,
    /// It plays since then, and what it plays cannot be told apart.
    pub(super) untold: Option<BootInstant>,
    /// It was asked often enough what that is.
    pub(super) given_up: bool,
    appeared: BootInstant,
    /// The newest status that it has signalled, and when.
    signalled: Option<(Status, BootInstant)>,
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
            uid: None,
            rules,
            said: Reported::nothing(),
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
            given_up: false,
            appeared: now,
            signalled: None,
        }
    }

    pub fn id(&self) -> &PlayerId {
        &self.id
    }

    /// The bus has told whose connection it is; `None` for root and the service's own user.
    pub fn set_uid(&mut self, uid: Option<u32>) {
        self.uid = uid;
    }

    /// Whose limits count; `None`: nobody's, or not known yet.
    pub fn uid(&self) -> Option<u32> {
        self.uid
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
        self.signalled = change.status.map(|status| (status, at)).or(self.signalled);
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
        let asked = self.questions.asked(question).unwrap_or(now);
        let date = self.questions.answered(question, answer.is_some(), now);
        let denied = |change: &&Change| {
            let other = |(status, at)| asked - at < SETTLING && change.status != Some(status);
            change.status.is_some() && self.signalled.is_some_and(other)
        };
        if answer.filter(denied).is_some() {
            // WebKit answers for a while with what was so before its signal.
            self.questions.doubt(now, now);
        } else if let Some(change) = answer {
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
        if question != Question::Position {
            self.ask_what_plays(now);
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

    /// The box slept for so long, beginning at `from`: the player stood still.
    pub fn sleep(&mut self, from: BootInstant, sleep: Span) {
        self.place.sleep(from, sleep);
        self.belief.sleep(from, sleep);
        if let Some((_, place, _)) = &mut self.former {
            place.sleep(from, sleep);
        }
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

    /// Whether 0 may be no more than its word for a position that it does not know yet: it was
    /// started a moment ago.
    pub(super) fn may_not_know(&self, at: BootInstant) -> bool {
        at - self.appeared < NEW
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
        let wait = self.viewing.as_ref().and_then(|viewing| viewing.wait.as_ref());
        if wait.is_some_and(|wait| wait.believes_zero(now)) {
            self.found_start(self.place.at(now), now, out);
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
            // A doubt moves no other question.
            let doubts = self.viewing.as_ref().and_then(|viewing| viewing.wait.as_ref());
            let doubts = doubts.is_some_and(Wait::holds_zero);
            if matches!(question, Question::All | Question::Position) && !doubts {
                self.poll_at = now + self.rules.position_every;
            }
            out.questions.push((self.unique.clone(), question));
        }
    }
}
