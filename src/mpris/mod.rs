//! Players that speak MPRIS and know nothing of us (api.md 1.7): `map` says what their signals
//! mean, `watch` listens to them.

mod map;
mod quirks;
mod watch;

pub use self::watch::Watcher;
