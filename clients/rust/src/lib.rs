//! Tells `playheadd` what a player plays, over D-Bus.
//!
//! ```no_run
//! use playhead::{Agent, Bus, Media};
//!
//! # fn main() -> std::io::Result<()> {
//! let agent = Agent::connect(Bus::System)?;
//! let media = Media { app: "tv.example.player".into(), length: 5400.0, ..Media::new("film-1") };
//! let film = agent.open(0.0, &media);
//! film.play(0.0);
//! film.pause(61.5);
//! film.complete(5400.0);
//! # Ok(())
//! # }
//! ```
//!
//! # What holds everywhere
//!
//! - No function that says something waits for the bus or for the agent, and none needs them. It puts
//!   a message into a queue and returns; a task carries it out. What cannot be said now is said when
//!   the agent is there again, with the time at which it happened.
//! - At most [`PENDING_MAX`] messages of an [`Agent`] wait, and none of them longer than
//!   [`PENDING_SECONDS`]. What is given up is reported as [`ErrorKind::Dropped`].
//! - Nothing is returned that a player has to check. Errors and the ends of sessions come as
//!   [`Notice`]s, which may be left unread.
//! - `playhead` is the position in the content in seconds (live: the second of the day). A negative
//!   one means "work it out": the agent goes on from the last known position.
//!
//! # Runtimes
//!
//! [`Agent::connect`] starts the task on Tokio, with the feature `tokio` and where one of its
//! runtimes is current, and otherwise on the runtime that zbus brings along (the feature `zruntime`,
//! on by default), which works under any executor. [`blocking`] has a thread of its own and needs
//! neither.

#[cfg(not(any(feature = "zruntime", feature = "tokio")))]
compile_error!("playhead needs a runtime: the feature `zruntime` (the default) or `tokio`");

mod agent;
pub mod blocking;
mod clock;
mod driver;
mod error;
mod handle;
mod info;
mod media;
mod notices;
mod queue;
mod runtime;
mod session;
mod shared;
mod wire;

pub use agent::{Agent, Bus, CLOSE_LIMIT};
pub use error::{Error, ErrorKind, Notice, Reason, SessionId};
pub use media::{
    Ad, AdBreak, Chapter, CustomerId, Identity, Lifecycle, Login, Media, Quality, ResumePoint,
    Source,
};
pub use notices::Notices;
pub use queue::{PENDING_MAX, PENDING_SECONDS};
pub use session::Session;
