//! The way to the agent.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::driver;
use crate::error::Error;
use crate::handle::Handle;
use crate::media::{Lifecycle, Media, ResumePoint};
use crate::notices::Notices;
use crate::runtime;
use crate::session::{Session, WeakSession};
use crate::shared::Shared;

/// How long [`Agent::close`] waits for what is still to be said.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Where the agent is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Bus {
    /// The system bus, as on every box.
    #[default]
    System,
    /// The bus of the session, for development.
    Session,
    /// An address of D-Bus, such as `unix:path=/run/bus`.
    Address(String),
}

/// The way to the agent: one connection to the bus. A process needs one, whatever the number of its
/// players.
///
/// Clones are the same connection. When the last handle, sessions included, is dropped, what waits
/// is still said for [`CLOSE_LIMIT`], provided that the runtime lives on; then the connection closes.
#[derive(Clone, Debug)]
pub struct Agent {
    pub(crate) handle: Arc<Handle>,
    current: Arc<Mutex<Current>>,
}

/// The session that was opened last, for `now`.
#[derive(Debug, Default)]
struct Current {
    opened: Option<WeakSession>,
    /// A session that `now` has opened, and that nobody else may hold.
    kept: Option<Session>,
}

impl Agent {
    /// Makes a connection in the background. It may be used at once; whether the bus or the agent is
    /// there does not matter. A bus that is away is tried again, after 1 s doubling to 30 s.
    ///
    /// A Tokio runtime needs its timer and its I/O (`enable_all`).
    ///
    /// Errors: there is no runtime to work on, for want of file descriptors or of a thread.
    pub fn connect(bus: Bus) -> io::Result<Agent> {
        let shared = Arc::new(Shared::new());
        runtime::start(driver::run(shared.clone(), bus))?;
        Ok(Agent::new(shared))
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Agent {
        Agent { handle: Arc::new(Handle { shared }), current: Arc::default() }
    }

    /// Where the viewer was in this content; `None` when nothing is known. `app` is the application;
    /// empty for the player's own.
    ///
    /// Errors: the agent is not there, which is known at once, or does not answer within 5 s;
    /// `InvalidArgs`, `LimitsExceeded` and `AccessDenied` as on D-Bus.
    pub fn resume_point(
        &self,
        media_id: &str,
        app: &str,
    ) -> impl Future<Output = Result<Option<ResumePoint>, Error>> + Send + use<> {
        self.handle.shared.ask(app, media_id)
    }

    /// Begins a playback at this position; a negative one means "where the viewer was". A session of
    /// this agent with the same `instance` and other media ends.
    pub fn open(&self, playhead: f64, media: &Media) -> Session {
        let session = Session::new(self.handle.shared.open(playhead, media), self.handle.clone());
        self.set_current(&session, None);
        session
    }

    /// For a player that only knows its status: tells what plays now, as often as it likes.
    ///
    /// Opens a session if none is open or another `media.id` is, which gets `End`; says `Play` or
    /// `Pause` (`rate` 0) when that has changed, and otherwise the position. Without media nothing
    /// plays: `End`. Gives the session, for other events; it may be ignored.
    pub fn now(&self, media: Option<&Media>, playhead: f64, rate: f64) -> Option<Session> {
        let (id, opened) = self.handle.shared.now(media, playhead, rate);
        let Some(id) = id else {
            let kept = self.lock_current().kept.take();
            drop(kept); // not under the lock: dropping a session may say something
            return None;
        };
        if !opened && let Some(session) = self.current().filter(|session| session.id() == id) {
            return Some(session);
        }
        let session = Session::new(id, self.handle.clone());
        self.set_current(&session, Some(session.clone()));
        Some(session)
    }

    /// For application managers: says what happens to an application, in its order among what the
    /// sessions of this agent say. A player does not need it: its own sessions pause when it says so.
    pub fn notify_lifecycle(&self, app: &str, state: Lifecycle) {
        self.handle.shared.lifecycle(app, state.name());
    }

    /// The number of messages that the agent has not answered yet.
    pub fn pending(&self) -> usize {
        self.handle.shared.pending()
    }

    /// What the agent says by itself: errors, and ends of sessions. Several readers share it: each
    /// notice goes to one of them.
    pub fn notices(&self) -> Notices {
        Notices::new(self.handle.shared.clone())
    }

    /// No more is taken from now on. What waits is still said if the agent answers within
    /// [`CLOSE_LIMIT`]; then the connection closes. Gives the number of messages that were not said.
    ///
    /// To the agent, the player of a session that has neither ended nor completed has vanished.
    pub async fn close(&self) -> usize {
        self.close_within(CLOSE_LIMIT).await
    }

    /// [`close`](Agent::close) with another limit.
    pub fn close_within(&self, limit: Duration) -> impl Future<Output = usize> + Send + use<> {
        self.handle.shared.close(limit)
    }

    fn lock_current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Option<Session> {
        self.lock_current().opened.as_ref().and_then(WeakSession::upgrade)
    }

    fn set_current(&self, session: &Session, kept: Option<Session>) {
        let before = {
            let mut current = self.lock_current();
            current.opened = Some(session.downgrade());
            std::mem::replace(&mut current.kept, kept)
        };
        drop(before); // not under the lock: dropping a session may say something
    }
}
