//! The engine as adapters hold it: a door to put inputs in, and a picture of the agent to read
//! from. Nobody but the engine touches the agent itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use tokio::sync::{mpsc, oneshot};

use crate::core::Status;
use crate::core::input::{CallId, Input};
use crate::core::media::MediaInfo;
use crate::core::rejected::Rejected;
use crate::core::time::{BootInstant, Now, WallTime};
use crate::core::tracker::playhead::Playhead;
use crate::core::turn::{Notice, Reply};

/// A reply on its way back to the caller.
pub type Answer = oneshot::Sender<Result<Reply, Rejected>>;

/// An input as the engine takes it.
pub struct Said {
    pub input: Input,
    /// Whom to answer, for inputs that carry a call.
    pub answer: Option<(CallId, Answer)>,
}

/// The door to the engine. Handing something in never waits.
#[derive(Clone)]
pub struct Port {
    inputs: mpsc::UnboundedSender<Said>,
    next_call: Arc<AtomicU64>,
    watched: Arc<AtomicBool>,
    pub view: View,
}

impl Port {
    /// A door and the engine's end of it.
    pub fn new() -> (Port, mpsc::UnboundedReceiver<Said>) {
        let (inputs, receiver) = mpsc::unbounded_channel();
        let port = Port {
            inputs,
            next_call: Arc::default(),
            watched: Arc::default(),
            view: View::default(),
        };
        (port, receiver)
    }

    /// Something happened and nobody waits for an answer.
    pub fn tell(&self, input: Input) {
        self.hand_in(Said { input, answer: None });
    }

    /// Makes a call and the end at which its answer arrives; it still has to be handed in.
    pub fn call(
        &self,
        make: impl FnOnce(CallId) -> Input,
    ) -> (Said, oneshot::Receiver<Result<Reply, Rejected>>) {
        let call = CallId(self.next_call.fetch_add(1, Ordering::Relaxed));
        let (answer, receiver) = oneshot::channel();
        (Said { input: make(call), answer: Some((call, answer)) }, receiver)
    }

    /// Whether somebody wants to see what happens.
    pub fn watched(&self, watched: bool) {
        self.watched.store(watched, Ordering::Relaxed);
    }

    pub fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    pub fn hand_in(&self, said: Said) {
        // The engine is gone only when the process leaves.
        let _ = self.inputs.send(said);
    }
}

/// What readers may see, as of the engine's last turn (api.md 1.5).
#[derive(Debug, Clone, Default)]
pub struct View(Arc<RwLock<Picture>>);

#[derive(Debug, Clone)]
pub struct Picture {
    pub status: Option<Status>,
    pub store_healthy: bool,
    pub queued_bytes: u64,
    /// Host of the collector, nothing more of its URL.
    pub collector: String,
    pub sessions: BTreeMap<u32, SessionView>,
    /// The clock by which a position is read.
    pub now: fn() -> Now,
}

impl Default for Picture {
    fn default() -> Picture {
        Picture {
            status: None,
            store_healthy: true,
            queued_bytes: 0,
            collector: String::new(),
            sessions: BTreeMap::new(),
            now: || Now { boot: BootInstant(0), wall: WallTime(0) },
        }
    }
}

/// One session as its object shows it (api.md 1.4).
#[derive(Debug, Clone, PartialEq)]
pub struct SessionView {
    pub app: String,
    pub media: Arc<MediaInfo>,
    pub state: &'static str,
    pub playhead: Playhead,
    pub resumed: bool,
    pub queued: u32,
    pub opened: bool,
    pub sid: Option<String>,
}

impl SessionView {
    /// Seconds in the main content at a moment.
    pub fn position(&self, now: BootInstant) -> f64 {
        self.playhead.at(now, &self.media)
    }
}

/// A property that is worth a `PropertiesChanged`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    Agent(&'static str),
    Session(u32, &'static str),
}

/// What the bus adapter is told.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    Notice(Notice),
    Changed(Changed),
    /// Something that happened, as JSON, for those who watch.
    Seen(String),
}

impl View {
    /// Reads the picture; a writer that panicked cannot have left it half written, because it
    /// replaces whole values.
    pub fn read<T>(&self, with: impl FnOnce(&Picture) -> T) -> T {
        with(&self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Puts a new picture up and gives what is worth telling.
    pub fn publish(&self, new: Picture) -> Vec<Changed> {
        let mut shown = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changes = differences(&shown, &new);
        *shown = new;
        changes
    }
}

fn differences(old: &Picture, new: &Picture) -> Vec<Changed> {
    let mut changes = Vec::new();
    if let (Some(a), Some(b)) = (&old.status, &new.status) {
        let differ = [
            ("ActiveSessions", a.active_sessions != b.active_sessions),
            ("Online", a.gates.online != b.gates.online),
            ("ClockTrusted", a.gates.clock_trusted != b.gates.clock_trusted),
            ("Consent", a.consent != b.consent),
            ("StoreHealthy", old.store_healthy != new.store_healthy),
        ];
        changes.extend(differ.iter().filter(|d| d.1).map(|d| Changed::Agent(d.0)));
    }
    for (number, b) in &new.sessions {
        let Some(a) = old.sessions.get(number) else { continue };
        let differ = [
            ("State", a.state != b.state),
            ("Resumed", a.resumed != b.resumed),
            ("Opened", a.opened != b.opened),
        ];
        changes.extend(differ.iter().filter(|d| d.1).map(|d| Changed::Session(*number, d.0)));
    }
    changes
}
