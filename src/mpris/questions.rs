//! What a player is asked, one question at a time: a player that does not answer is asked again,
//! ever more rarely (behaviour.md 1.7, "Who").

use crate::core::time::{BootInstant, Span};

/// After this time a question counts as unanswered. An answer that comes later still counts.
const PATIENCE: Span = Span::seconds(2);
/// The back-off between questions that were not answered: 1 s doubling to 60 s.
const LONGEST_BACKOFF: Span = Span::seconds(60);
/// After an answer that is not the last word, everything is asked again.
const AGAIN: Span = Span::seconds(1);
/// So many in a row without an answer, and the player is taken for paused.
const MOST_UNANSWERED: u32 = 3;

/// A question: `GetAll`, or `Get` of one property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    All,
    Status,
    Metadata,
    Rate,
    Position,
}

impl Question {
    /// The name of the property; `None` for all of them.
    pub const fn property(self) -> Option<&'static str> {
        match self {
            Question::All => None,
            Question::Status => Some("PlaybackStatus"),
            Question::Metadata => Some("Metadata"),
            Question::Rate => Some("Rate"),
            Question::Position => Some("Position"),
        }
    }
}

/// The questions for one player.
#[derive(Debug)]
pub struct Questions {
    wanted: Vec<Question>,
    /// The one under way, and when it was asked.
    flying: Option<(Question, BootInstant)>,
    /// What made us ask for everything, until that is answered.
    cause: Option<BootInstant>,
    not_before: BootInstant,
    unanswered: u32,
    first_unanswered: BootInstant,
    /// `GetAll` and `Get` of the metadata failed so often in a row, and when they are tried again.
    failures: u32,
    retry_at: Option<BootInstant>,
}

impl Questions {
    pub fn none() -> Questions {
        Questions {
            wanted: Vec::new(),
            flying: None,
            cause: None,
            not_before: BootInstant(i64::MIN),
            unanswered: 0,
            first_unanswered: BootInstant(0),
            failures: 0,
            retry_at: None,
        }
    }

    pub fn want(&mut self, question: Question, cause: BootInstant) {
        if question == Question::All {
            self.cause.get_or_insert(cause);
            self.again();
        } else if !self.wanted.contains(&question) {
            self.wanted.push(question);
        }
    }

    /// The next question, if it may be asked now.
    pub fn next(&mut self, now: BootInstant) -> Option<Question> {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.again();
        }
        if self.flying.is_some() || self.wanted.is_empty() || now < self.not_before {
            return None;
        }
        let question = self.wanted.remove(0);
        self.flying = Some((question, now));
        Some(question)
    }

    /// Whether an answer for the position is on its way, or will be soon.
    pub fn position_is_asked(&self) -> bool {
        let mut asked = self.flying.iter().map(|(question, _)| question).chain(&self.wanted);
        self.flying.is_some() && asked.any(|q| matches!(q, Question::Position | Question::All))
    }

    /// When the question under way was asked.
    pub fn asked(&self, question: Question) -> Option<BootInstant> {
        self.flying.filter(|(asked, _)| *asked == question).map(|(_, at)| at)
    }

    /// An answer has come, or an error (`told` is false). Gives the date of what it tells, if that
    /// is not the moment of its arrival.
    pub fn answered(
        &mut self,
        question: Question,
        told: bool,
        now: BootInstant,
    ) -> Option<BootInstant> {
        self.unanswered = 0;
        if self.flying.is_some_and(|(asked, _)| asked == question) {
            self.flying = None;
            self.not_before = now;
        }
        match (question, told) {
            (Question::All, false) => {
                use Question::{Metadata, Position, Rate, Status};
                for single in [Status, Metadata, Rate, Position] {
                    self.want(single, now);
                }
                return None;
            }
            (Question::Metadata, false) => {
                self.failures += 1;
                self.retry_at = Some(now + backoff(self.failures));
                self.cause = None;
            }
            (Question::All | Question::Metadata, true) => {
                self.failures = 0;
                self.retry_at = None;
            }
            _ => return self.cause,
        }
        self.cause.take()
    }

    /// What was answered may be older than what is known: everything is asked once more, a second
    /// later. `cause` dates what it tells then.
    pub fn doubt(&mut self, cause: BootInstant, now: BootInstant) {
        self.cause.get_or_insert(cause);
        self.retry_at.get_or_insert(now + AGAIN);
    }

    /// The player has said something: it lives.
    pub fn lives(&mut self) {
        self.unanswered = 0;
    }

    /// The question under way has waited long enough. After the third in a row: when the first of
    /// them was asked.
    pub fn give_up(&mut self, now: BootInstant) -> Option<BootInstant> {
        let (_, asked) = self.flying.filter(|(_, asked)| *asked + PATIENCE <= now)?;
        self.flying = None;
        if self.unanswered == 0 {
            self.first_unanswered = asked;
        }
        self.unanswered += 1;
        self.not_before = now + backoff(self.unanswered);
        self.again();
        let silent = self.unanswered == MOST_UNANSWERED;
        if silent {
            self.cause = None;
        }
        silent.then_some(self.first_unanswered)
    }

    /// Everything is asked once more, for the same reason as before.
    fn again(&mut self) {
        if !self.wanted.contains(&Question::All) {
            self.wanted.push(Question::All);
        }
    }

    /// When `next` or `give_up` has something to do.
    pub fn deadline(&self) -> Option<BootInstant> {
        let retry = self.retry_at.map(|at| at.max(self.not_before));
        match self.flying {
            Some((_, asked)) => Some(asked + PATIENCE),
            None if self.wanted.is_empty() => retry,
            None => Some(self.not_before),
        }
    }
}

fn backoff(times: u32) -> Span {
    Span::seconds(1 << times.saturating_sub(1).min(6)).min(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_player_is_asked_ever_more_rarely_and_noticed_at_the_third_time() {
        let mut questions = Questions::none();
        questions.want(Question::Position, BootInstant(0));
        let (mut now, mut asked, mut paused) = (BootInstant(0), Vec::new(), Vec::new());
        while now.0 < 200_000 {
            paused.extend(questions.give_up(now).map(|since| (now.0, since.0)));
            if questions.next(now).is_some() {
                asked.push(now.0 / 1000);
            }
            now = questions.deadline().expect("it never gives up");
        }
        assert_eq!(asked, [0, 3, 7, 13, 23, 41, 75, 137, 199]);
        assert_eq!(paused, [(9_000, 0)]);
    }

    #[test]
    fn without_get_all_single_questions_are_asked_and_again_later() {
        let mut questions = Questions::none();
        questions.want(Question::All, BootInstant(5));
        assert_eq!(questions.next(BootInstant(5)), Some(Question::All));
        questions.answered(Question::All, false, BootInstant(6));
        let mut asked = Vec::new();
        while let Some(question) = questions.next(BootInstant(6)) {
            asked.push(question);
            questions.answered(question, question != Question::Metadata, BootInstant(6));
        }
        use Question::{All, Metadata, Position, Rate, Status};
        assert_eq!(asked, [Status, Metadata, Rate, Position]);
        assert_eq!(questions.deadline(), Some(BootInstant(1006)));
        assert_eq!(questions.next(BootInstant(1006)), Some(All));
    }
}
