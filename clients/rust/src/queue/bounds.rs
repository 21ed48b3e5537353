//! At most 256 messages wait, and none of them longer than 60 s, but for those without which the rest
//! has no meaning.

use super::state::{Message, Over, What};
use super::{Micros, PENDING, PENDING_MAX, Queue};
use crate::error::{ErrorKind, SessionId};
use crate::info::Kind;

/// What was given up.
#[derive(Default)]
struct Dropped {
    first: Option<(&'static str, SessionId)>,
    count: usize,
    several: bool,
}

impl Dropped {
    fn add(&mut self, event: &'static str, session: SessionId) {
        let (_, first) = *self.first.get_or_insert((event, session));
        self.several |= first != session;
        self.count += 1;
    }
}

impl Queue {
    /// Gives up what has waited for too long, and what is too much.
    pub(super) fn keep_bounds(&mut self, now: Micros) {
        let mut dropped = Dropped::default();
        for number in self.by_age(now - PENDING) {
            self.give_up(number, &mut dropped);
        }
        self.report(dropped, format!("it waited for more than {} s", PENDING / super::SECOND));

        let mut dropped = Dropped::default();
        while self.messages.len() > PENDING_MAX && self.make_room(&mut dropped) {}
        self.report(dropped, format!("more than {PENDING_MAX} waited"));
    }

    /// The messages from before this moment whose turn to be given up may come, the oldest first.
    fn by_age(&self, before: Micros) -> Vec<u64> {
        let free = self.messages.iter().filter(|message| !message.kept && !message.in_flight());
        let free = free.filter(|message| message.at < before);
        free.map(|message| message.number).collect()
    }

    /// Gives one message up, the oldest that is not needed. False if all are in flight.
    fn make_room(&mut self, dropped: &mut Dropped) -> bool {
        if self.by_age(Micros::MAX).into_iter().any(|number| self.give_up(number, dropped)) {
            return true;
        }
        // All of them are needed. A playback that nobody heard of and that is over goes as a whole.
        let whole = |open: &&Message| {
            let mine = |m: &&Message| m.session == open.session;
            open.is_open()
                && self.sessions.get(&open.session).is_none_or(|s| s.over != Over::No)
                && !self.messages.iter().filter(mine).any(|message| message.in_flight())
        };
        if let Some(session) = self.messages.iter().find(whole).map(|open| open.session) {
            while let Some(index) = self.messages.iter().position(|m| m.session == session) {
                self.drop_at(index, dropped);
            }
            self.tidy();
            return true;
        }
        let Some(index) = self.messages.iter().position(|message| !message.in_flight()) else {
            return false;
        };
        self.drop_at(index, dropped);
        true
    }

    /// The turn of this message has come. Whether one was dropped: this one, or an earlier one in
    /// whose place it stays. The opening of a session stays, and its end; of what it did, the newest.
    fn give_up(&mut self, number: u64, dropped: &mut Dropped) -> bool {
        let Some(index) = self.messages.iter().position(|message| message.number == number) else {
            return false;
        };
        let Some(message) = self.messages.get_mut(index) else { return false };
        let session = message.session;
        let goes = match (&message.what, message.kind()) {
            (What::Open, _) | (_, Kind::Last) => {
                message.kept = true;
                None
            }
            (_, Kind::Motion(_)) => {
                message.kept = true;
                self.messages.iter().position(|before| {
                    before.session == session
                        && before.number < number
                        && before.kept
                        && !before.in_flight()
                        && matches!(before.kind(), Kind::Motion(_))
                })
            }
            (_, Kind::Position | Kind::Other) => Some(index),
        };
        goes.is_some_and(|index| {
            self.drop_at(index, dropped);
            true
        })
    }

    fn drop_at(&mut self, index: usize, dropped: &mut Dropped) {
        if let Some(message) = self.remove(index) {
            dropped.add(message.name(), message.session);
        }
    }

    fn report(&mut self, dropped: Dropped, why: String) {
        let Some((event, session)) = dropped.first else { return };
        let count = dropped.count;
        let session = Some(session).filter(|_| !dropped.several);
        let said = match count {
            1 => format!("a message was given up: {why}"),
            _ => format!("{count} messages were given up, the first of them {event}: {why}"),
        };
        self.fail(session, event, ErrorKind::Dropped(count), said);
    }
}
