//! What a sender has said before it is known: it waits, in order, and there is an end to it
//! (behaviour.md 2.8).

use std::collections::VecDeque;

use crate::core::rejected::{Refusal, Rejected};
use crate::port::Message;

/// Messages of one connection that may wait for its identity; a burst fits.
const MOST_WAITING: usize = 256;
/// Small messages of each connection that may wait whatever others do.
const SURE_PLACES: usize = 4;

/// Messages that wait for their sender's identity, in order, with their costs.
#[derive(Default)]
pub(super) struct Waiting(pub VecDeque<Waits>);

pub(super) struct Waits {
    pub heard: zbus::Message,
    pub message: Message,
    pub cost: u32,
}

impl Waiting {
    /// Whether a small message has its place however much of others waits.
    pub fn has_place(&self, cost: u32) -> bool {
        self.0.len() < SURE_PLACES && cost == 1
    }

    /// Gives the message back when there is no room.
    pub fn push(&mut self, heard: &zbus::Message, message: Message, cost: u32) -> Option<Message> {
        if self.0.len() >= MOST_WAITING {
            return Some(message);
        }
        self.0.push_back(Waits { heard: heard.clone(), message, cost });
        None
    }
}

pub(super) fn waits_too_long() -> Rejected {
    let why = format!(
        "too many messages (of one sender {MOST_WAITING}) wait until the bus says who sent them; this \
         one was dropped; wait for the first answer"
    );
    Rejected::new(Refusal::LimitsExceeded, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::input::Input;
    use crate::core::time::BootInstant;

    #[test]
    fn what_a_sender_says_before_it_is_known_is_bounded_and_keeps_its_order() {
        let said = |events| Message {
            input: Input::Flooded { events },
            arrived: BootInstant(0),
            answer: None,
        };
        let mut waiting = Waiting::default();
        let heard = zbus::Message::signal("/p", "a.B", "C").build(&());
        let heard = heard.expect("a message");
        for n in 0..MOST_WAITING as u64 {
            assert!(waiting.push(&heard, said(n), 1).is_none());
        }
        let refused = waiting.push(&heard, said(7), 1).expect("no more room");
        assert_eq!(refused.input, Input::Flooded { events: 7 });
        assert_eq!(waits_too_long().kind, Refusal::LimitsExceeded);
        let order: Vec<_> = waiting.0.into_iter().map(|waits| waits.message.input).collect();
        assert!(order.iter().zip(0..).all(|(input, n)| *input == Input::Flooded { events: n }));
    }
}
