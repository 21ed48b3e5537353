//! What adapters have of the engine: a queue to put messages in, and a snapshot of the agent to
//! read. Only the event loop touches the engine itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use tokio::sync::{mpsc, oneshot};

use crate::core::input::{CallId, Input};
use crate::core::rejected::{Refusal, Rejected};
use crate::core::time::BootInstant;
use crate::core::turn::{Notice, Reply};
use crate::engine::Snapshot;
use crate::engine::snapshot::{Changed, SessionSnapshot};

/// Messages that may wait for the engine. It takes thousands a second, so more than this means that
/// it is stuck.
const MESSAGES: usize = 4096;
/// Updates that may wait for the bus adapter.
const NEWS: usize = 4096;

/// A reply on its way back to the caller.
pub type Answer = oneshot::Sender<Result<Reply, Rejected>>;

/// An input on its way from an adapter to the engine.
pub struct Message {
    pub input: Input,
    /// When it arrived at the adapter (behaviour.md 1.5).
    pub arrived: BootInstant,
    /// Whom to answer, for inputs that carry a call.
    pub answer: Option<(CallId, Answer)>,
}

/// An adapter's end of the queue to the engine. Only `tell_when_room` waits.
#[derive(Clone)]
pub struct Port {
    messages: mpsc::Sender<Message>,
    next_call: Arc<AtomicU64>,
    watched: Arc<AtomicBool>,
    players_away: Arc<AtomicBool>,
    /// Messages that were dropped because the queue was full, not counted by the engine yet.
    dropped: Arc<AtomicU64>,
    pub view: SnapshotReader,
    pub mpris: MprisView,
}

impl Port {
    /// A port and the engine's end of its queue.
    pub fn new() -> (Port, mpsc::Receiver<Message>) {
        Port::of(MESSAGES)
    }

    /// A port with room for so many messages.
    fn of(messages: usize) -> (Port, mpsc::Receiver<Message>) {
        let (messages, receiver) = mpsc::channel(messages);
        let port = Port {
            messages,
            next_call: Arc::default(),
            watched: Arc::default(),
            players_away: Arc::default(),
            dropped: Arc::default(),
            view: SnapshotReader::default(),
            mpris: MprisView::default(),
        };
        (port, receiver)
    }

    /// Hands in an input that needs no answer.
    pub fn tell(&self, input: Input, arrived: BootInstant) {
        self.hand_in(Message { input, arrived, answer: None });
    }

    /// The same for an input that must not be lost: it waits until there is room.
    pub async fn tell_when_room(&self, input: Input, arrived: BootInstant) {
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

    /// Sets whether any client watches what happens.
    pub fn watched(&self, watched: bool) {
        self.watched.store(watched, Ordering::Relaxed);
    }

    pub fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// Sets whether the bus of the MPRIS players cannot be reached (behaviour.md 1.7). A change wakes
    /// the event loop, which shows it.
    pub fn players_away(&self, away: bool, now: BootInstant) {
        if self.players_away.swap(away, Ordering::Relaxed) != away {
            self.tell(Input::Tick, now);
        }
    }

    pub fn are_players_away(&self) -> bool {
        self.players_away.load(Ordering::Relaxed)
    }

    /// Hands a message in. When the queue is full, the message is dropped: a caller gets an error
    /// at once, the first loss is logged, and the next message that finds room carries the count.
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
            tracing::warn!("the agent does not take its messages in time; they are dropped");
        }
        if let Some((_, answer)) = message.answer {
            let _ = answer.send(Err(Rejected::new(
                Refusal::LimitsExceeded,
                format!("{MESSAGES} messages wait for the agent already; try again later"),
            )));
        }
    }
}

/// What the event loop tells the bus adapter.
#[derive(Debug, Clone, PartialEq)]
pub enum BusUpdate {
    Notice(Notice),
    Changed(Changed),
    /// Something that happened, as JSON, for those who watch.
    Seen(String),
}

/// The event loop's end of the queue to the bus adapter. `tell` never waits.
pub struct BusUpdateSender {
    news: mpsc::Sender<BusUpdate>,
    dropped: u64,
}

/// Both ends of the queue from the event loop to the bus adapter.
pub fn news() -> (BusUpdateSender, mpsc::Receiver<BusUpdate>) {
    let (news, receiver) = mpsc::channel(NEWS);
    (BusUpdateSender { news, dropped: 0 }, receiver)
}

impl BusUpdateSender {
    /// Tells the bus adapter something. The queue is full only when the bus takes nothing any more.
    /// Then news is dropped, the first loss is logged, and properties can still be read.
    pub fn tell(&mut self, news: BusUpdate) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.news.try_send(news) {
            if self.dropped == 0 {
                tracing::warn!("the bus does not take signals in time; they are dropped");
            }
            self.dropped += 1;
        } else {
            self.dropped = 0;
        }
    }
}

/// What readers may see, as of the engine's last turn (behaviour.md 1.5).
#[derive(Debug, Clone, Default)]
pub struct SnapshotReader(Arc<RwLock<Snapshot>>);

impl SnapshotReader {
    /// Reads the snapshot; a writer that panicked cannot have left it half written, because it
    /// replaces whole values.
    pub fn read<T>(&self, with: impl FnOnce(&Snapshot) -> T) -> T {
        with(&self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// What every call but reads is answered, while there is no configuration that can be used.
    pub fn not_configured(&self) -> Option<Rejected> {
        self.read(|snapshot| snapshot.not_configured.clone())
    }

    /// Shows sessions before the rest of their agent is published.
    pub fn show_sessions(&self, sessions: BTreeMap<u32, SessionSnapshot>) {
        self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner).sessions = sessions;
    }

    /// Replaces the snapshot. Gives the properties that changed.
    pub fn publish(&self, new: Snapshot) -> Vec<Changed> {
        let mut shown = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changes = shown.changes_to(&new);
        *shown = new;
        changes
    }
}

/// What is known of MPRIS players, for `playheadctl doctor`, as JSON: `null` when they are not looked
/// for, else a list of objects with `player` (a name), `tracked` (a boolean) and `why`. Whoever listens
/// to MPRIS replaces it.
#[derive(Debug, Clone, Default)]
pub struct MprisView(Arc<RwLock<Option<String>>>);

impl MprisView {
    /// Replaces it.
    pub fn show(&self, json: String) {
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(json);
    }

    /// What was shown last.
    pub fn text(&self) -> String {
        let shown = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        shown.clone().unwrap_or_else(|| "null".into())
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
            sender.tell(BusUpdate::Changed(Changed::Agent("Online")));
        }
        assert_eq!(sender.dropped, 10);
        let mut seen = 0;
        while receiver.try_recv().is_ok() {
            seen += 1;
        }
        assert_eq!(seen, NEWS);
        sender.tell(BusUpdate::Changed(Changed::Agent("Online")));
        assert_eq!(sender.dropped, 0);
    }
}
