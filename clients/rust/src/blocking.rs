//! The same for a program without a runtime: one thread of its own carries out what is said.
//!
//! [`Session`] is the same type: its functions never wait. What waits here says so.
//!
//! ```no_run
//! use playhead::{Bus, Media, blocking::Agent};
//!
//! # fn main() -> std::io::Result<()> {
//! let agent = Agent::connect(Bus::System)?;
//! let film = agent.open(-1.0, &Media::new("film-1"));
//! film.play(-1.0);
//! film.end(61.5);
//! agent.close();
//! # Ok(())
//! # }
//! ```

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::driver;
use crate::media::{Lifecycle, Media, ResumePoint};
use crate::runtime;
use crate::shared::Shared;

pub use crate::{
    Ad, AdBreak, Bus, Chapter, Error, ErrorKind, Notice, Quality, Reason, Session, SessionId,
    Source,
};

/// The way to the agent, with a thread of its own. See [`playhead::Agent`](crate::Agent).
#[derive(Clone, Debug)]
pub struct Agent(crate::Agent);

impl Agent {
    /// Starts the thread, which makes a connection. It may be used at once; whether the bus or the
    /// agent is there does not matter.
    ///
    /// Errors: the thread cannot be had.
    pub fn connect(bus: Bus) -> io::Result<Agent> {
        let shared = Arc::new(Shared::new());
        runtime::start_thread(driver::run(shared.clone(), bus))?;
        Ok(Agent(crate::Agent::new(shared)))
    }

    /// Where the viewer was in this content; `None` when nothing is known. `app` is the application;
    /// empty for the player's own. Waits for the answer, 5 s at most.
    ///
    /// Errors: as [`playhead::Agent::resume_point`](crate::Agent::resume_point).
    pub fn resume_point(&self, media_id: &str, app: &str) -> Result<Option<ResumePoint>, Error> {
        runtime::wait(self.0.resume_point(media_id, app))
    }

    /// Begins a playback at this position; a negative one means "where the viewer was". A session of
    /// this agent with the same `instance` and other media ends. Does not wait.
    pub fn open(&self, playhead: f64, media: &Media) -> Session {
        self.0.open(playhead, media)
    }

    /// For a player that only knows its status: see [`playhead::Agent::now`](crate::Agent::now). Does
    /// not wait.
    pub fn now(&self, media: Option<&Media>, playhead: f64, rate: f64) -> Option<Session> {
        self.0.now(media, playhead, rate)
    }

    /// For application managers: see
    /// [`playhead::Agent::notify_lifecycle`](crate::Agent::notify_lifecycle). Does not wait.
    pub fn notify_lifecycle(&self, app: &str, state: Lifecycle) {
        self.0.notify_lifecycle(app, state);
    }

    /// The number of messages that the agent has not answered yet.
    pub fn pending(&self) -> usize {
        self.0.pending()
    }

    /// What the agent says by itself: errors, and ends of sessions. Several readers share it: each
    /// notice goes to one of them.
    pub fn notices(&self) -> Notices {
        Notices(self.0.notices())
    }

    /// No more is taken from now on. What waits is still said if the agent answers within
    /// [`CLOSE_LIMIT`](crate::CLOSE_LIMIT), for which this waits; then the connection closes. Gives the
    /// number of messages that were not said.
    pub fn close(&self) -> usize {
        self.close_within(crate::CLOSE_LIMIT)
    }

    /// [`close`](Agent::close) with another limit.
    pub fn close_within(&self, limit: Duration) -> usize {
        runtime::wait(self.0.close_within(limit))
    }
}

/// What the agent says by itself. As an iterator it waits for the next notice, and ends when the
/// connection was closed.
#[derive(Debug)]
pub struct Notices(crate::Notices);

impl Notices {
    /// The next notice, if there is one already. Does not wait.
    pub fn try_next(&mut self) -> Option<Notice> {
        self.0.try_next()
    }
}

impl Iterator for Notices {
    type Item = Notice;

    fn next(&mut self) -> Option<Notice> {
        runtime::wait(self.0.next())
    }
}
