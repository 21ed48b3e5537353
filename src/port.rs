//! The engine as adapters hold it: a door to put messages in, and a snapshot of the agent to read
//! from. Nobody but the event loop touches the engine itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use tokio::sync::{mpsc, oneshot};

use crate::core::input::{CallId, Input};
use crate::core::rejected::{Refusal, Rejected};
use crate::core::time::BootInstant;
use crate::core::turn::{Notice, Reply};
use crate::engine::Snapshot;
use crate::engine::snapshot::Changed;

/// Messages that may wait for the engine. It takes thousands a second, so more than this means that
/// it stands still.
const MESSAGES: usize = 4096;
/// What may wait for the bus adapter to tell the bus.
const NEWS: usize = 4096;

/// A reply on its way back to the caller.
pub type Answer = oneshot::Sender<Result<Reply, Rejected>>;

/// Something that a door has taken in.
pub struct Message {
    pub input: Input,
    /// When it came to the door (api.md 1.5).
    pub arrived: BootInstant,
    /// Whom to answer, for inputs that carry a call.
    pub answer: Option<(CallId, Answer)>,
}

/// The door to the engine. Handing something in never waits.
#[derive(Clone)]
pub struct Port {
    messages: mpsc::Sender<Message>,
    next_call: Arc<AtomicU64>,
    watched: Arc<AtomicBool>,
    /// Messages that found the door full and were dropped.
    dropped: Arc<AtomicU64>,
    pub view: View,
}

impl Port {
    /// A door and the engine's end of it.
    pub fn new() -> (Port, mpsc::Receiver<Message>) {
        Port::of(MESSAGES)
    }

    /// A door with room for so many messages.
    fn of(messages: usize) -> (Port, mpsc::Receiver<Message>) {
        let (messages, receiver) = mpsc::channel(messages);
        let port = Port {
            messages,
            next_call: Arc::default(),
            watched: Arc::default(),
            dropped: Arc::default(),
            view: View::default(),
        };
        (port, receiver)
    }

    /// Something happened and nobody waits for an answer.
    pub fn tell(&self, input: Input, arrived: BootInstant) {
        self.hand_in(Message { input, arrived, answer: None });
    }

    /// The same for what must not be lost: it waits until there is room.
    pub async fn tell_surely(&self, input: Input, arrived: BootInstant) {
        // The engine is gone only when the process leaves.
        let _ = self.messages.send(Message { input, arrived, answer: None }).await;
    }

    /// Makes a call and the end at which its answer arrives; it still has to be handed in.
    pub fn call(
        &self,
        arrived: BootInstant,
        make: impl FnOnce(CallId) -> Input,
    ) -> (Message, oneshot::Receiver<Result<Reply, Rejected>>) {
        let call = CallId(self.next_call.fetch_add(1, Ordering::Relaxed));
        let (answer, receiver) = oneshot::channel();
        (Message { input: make(call), arrived, answer: Some((call, answer)) }, receiver)
    }

    /// Whether somebody wants to see what happens.
    pub fn watched(&self, watched: bool) {
        self.watched.store(watched, Ordering::Relaxed);
    }

    pub fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// Hands a message in. Where there is no room, a caller is told so at once, and what nobody
    /// waits for is dropped, said once and counted with the next message that finds room.
    pub fn hand_in(&self, message: Message) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let lost = Input::Flooded { events: dropped };
            let lost = Message { input: lost, arrived: message.arrived, answer: None };
            if self.messages.try_send(lost).is_err() {
                self.dropped.fetch_add(dropped, Ordering::Relaxed);
            }
        }
        // The engine is gone only when the process leaves; then nobody waits for an answer.
        let Err(mpsc::error::TrySendError::Full(message)) = self.messages.try_send(message) else {
            return;
        };
        if self.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!("the agent does not come to take what it is told; messages are dropped");
        }
        if let Some((_, answer)) = message.answer {
            let _ = answer.send(Err(Rejected::new(
                Refusal::LimitsExceeded,
                format!("{MESSAGES} messages wait for the agent already; try again later"),
            )));
        }
    }
}

/// What the bus adapter is told.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    Notice(Notice),
    Changed(Changed),
    /// Something that happened, as JSON, for those who watch.
    Seen(String),
}

/// The event loop's end of the way to the bus adapter. Telling something never waits.
pub struct NewsSender {
    news: mpsc::Sender<News>,
    dropped: u64,
}

/// Both ends of the way from the event loop to the bus adapter.
pub fn news() -> (NewsSender, mpsc::Receiver<News>) {
    let (news, receiver) = mpsc::channel(NEWS);
    (NewsSender { news, dropped: 0 }, receiver)
}

impl NewsSender {
    /// Tells the bus adapter something. Where there is no room, the bus takes nothing any more:
    /// what it should have heard is dropped, said once, and can still be read as properties.
    pub fn tell(&mut self, news: News) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.news.try_send(news) {
            if self.dropped == 0 {
                tracing::warn!("the bus does not take what it is told; signals are dropped");
            }
            self.dropped += 1;
        } else {
            self.dropped = 0;
        }
    }
}

/// What readers may see, as of the engine's last turn (api.md 1.5).
#[derive(Debug, Clone, Default)]
pub struct View(Arc<RwLock<Snapshot>>);

impl View {
    /// Reads the snapshot; a writer that panicked cannot have left it half written, because it
    /// replaces whole values.
    pub fn read<T>(&self, with: impl FnOnce(&Snapshot) -> T) -> T {
        with(&self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Puts a new snapshot up and gives what is worth telling.
    pub fn publish(&self, new: Snapshot) -> Vec<Changed> {
        let mut shown = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changes = shown.changes_to(&new);
        *shown = new;
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: BootInstant = BootInstant(1);

    #[test]
    fn a_door_that_is_full_tells_callers_and_counts_the_rest() {
        let (port, mut messages) = Port::of(2);
        port.tell(Input::Sleep, NOW);
        port.tell(Input::Wake, NOW);
        let (message, mut answer) = port.call(NOW, |call| Input::Flush { call: Some(call) });
        port.hand_in(message);
        let refused = answer.try_recv().expect("told at once").expect_err("no room");
        assert_eq!(refused.kind, Refusal::LimitsExceeded);
        port.tell(Input::Sleep, NOW);
        assert!(matches!(messages.try_recv().expect("the first").input, Input::Sleep));
        assert!(matches!(messages.try_recv().expect("the second").input, Input::Wake));
        assert!(messages.try_recv().is_err(), "no more found room");
        port.tell(Input::Sleep, NOW);
        let counted = messages.try_recv().expect("what was lost").input;
        assert_eq!(counted, Input::Flooded { events: 2 });
    }

    #[test]
    fn a_bus_that_takes_nothing_costs_no_memory() {
        let (mut sender, mut receiver) = news();
        for _ in 0..NEWS + 10 {
            sender.tell(News::Changed(Changed::Agent("Online")));
        }
        assert_eq!(sender.dropped, 10);
        let mut seen = 0;
        while receiver.try_recv().is_ok() {
            seen += 1;
        }
        assert_eq!(seen, NEWS);
        sender.tell(News::Changed(Changed::Agent("Online")));
        assert_eq!(sender.dropped, 0);
    }
}
