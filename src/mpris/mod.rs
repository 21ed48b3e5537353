//! Tracks players that speak MPRIS and do not know the agent (behaviour.md 1.7): `watch` listens to
//! their signals, `map` turns these into playback events.

mod map;
mod quirks;
mod watch;

pub use self::watch::Watcher;
