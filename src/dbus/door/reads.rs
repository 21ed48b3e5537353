//! Reads at the door: they wait until it is known who asks, and for their turn.

use std::time::Duration;

use zbus::Message;

use super::refusals::{no_introspection, too_many_reads};
use super::{Door, note_call};
use crate::core::rate::Rate;
use crate::core::time::Span;
use crate::system::clock;

const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
/// Reads of all senders together that may wait for their turn.
const MOST_HELD: usize = 1024;
/// How long a read waits for its turn at most. Whoever waits longer has asked for too much.
const LONGEST_WAIT: Span = Span::seconds(5);

impl Door {
    /// A read goes on, waits for its turn, or is refused.
    pub(super) fn read(&self, message: Message) -> Option<Message> {
        let now = clock::now().boot;
        let mut state = self.state();
        let header = message.header();
        let sender = header.sender().map_or_else(String::new, ToString::to_string);
        let serial = header.primary().serial_num();
        let (rate, most) = (self.read_rate(), self.limits.unread_answers as usize);
        let entry = self.sender(&mut state, &sender);
        let Some(visitor) = entry.visitor else {
            if entry.unanswered.len() >= most || state.held_count >= MOST_HELD {
                drop(state);
                return self.refuse(message, too_many_reads(most));
            }
            let entry = self.sender(&mut state, &sender);
            entry.unanswered.insert(serial);
            entry.reads_waiting.push(message.clone());
            state.held_count += 1;
            state.errands.strangers.insert(sender);
            self.errands.notify_one();
            return None;
        };
        let known = entry.unanswered.contains(&serial);
        if !known && entry.unanswered.len() >= most {
            drop(state);
            return self.refuse(message, too_many_reads(most));
        }
        let introspects = header.interface().is_some_and(|i| i.as_str() == INTROSPECTABLE);
        if introspects && !visitor.introspects {
            entry.unanswered.remove(&serial);
            drop(state);
            return self.refuse(message, no_introspection());
        }
        let mut wait = entry.reads.reserve(rate, now);
        entry.unanswered.insert(serial);
        if let Some(uid) = visitor.uid {
            // All strangers of one uid read no more than one of those who belong here.
            let rate = if visitor.introspects { Rate::of_uid(&self.limits) } else { rate };
            wait = wait.max(self.of_uid(&mut state, uid, now).reads.reserve(rate, now));
        }
        if wait > LONGEST_WAIT || state.held_count >= MOST_HELD {
            // Its turn is for others; refusals put nobody off.
            let entry = self.sender(&mut state, &sender);
            entry.unanswered.remove(&serial);
            entry.reads.give_back();
            if let Some(uid) = visitor.uid {
                self.of_uid(&mut state, uid, now).reads.give_back();
            }
            drop(state);
            return self.refuse(message, too_many_reads(most));
        }
        note_call(&mut state, &message);
        if wait.0 == 0 {
            return Some(message);
        }
        state.held.entry(now + wait).or_default().push_back(message.clone());
        state.held_count += 1;
        None
    }

    /// A read whose turn has come.
    pub fn due(&self) -> Option<Message> {
        loop {
            let mut state = self.state();
            if let Some(message) = state.known_now.pop_front() {
                state.held_count -= 1;
                drop(state);
                match self.read(message) {
                    Some(message) => return Some(message),
                    None => continue,
                }
            }
            let mut first = state.held.first_entry().filter(|e| *e.key() <= clock::now().boot)?;
            let message = first.get_mut().pop_front();
            if first.get().is_empty() {
                first.remove();
            }
            let message = message?;
            state.held_count -= 1;
            return Some(message);
        }
    }

    /// Waits until `due` may give something.
    pub async fn something_due(&self) {
        let first = self.state().held.keys().next().copied();
        let Some(at) = first else { return self.changed.notified().await };
        let wait = (at - clock::now().boot).0.max(0).unsigned_abs();
        tokio::select! {
            () = self.changed.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(wait)) => {}
        }
    }
}
