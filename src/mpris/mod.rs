//! Tracks players that speak MPRIS and do not know the agent (behaviour.md 1.7). `watch` listens to
//! their signals and asks them; `map` and what it rests on decide what all that means, without a
//! bus and without a clock.

mod adopted;
mod bus;
mod commit;
mod ending;
pub mod fields;
pub mod map;
mod moves;
mod names;
pub mod observe;
pub mod player;
mod position;
pub mod questions;
mod seeks;
mod sessions;
pub mod settling;
pub mod viewing;
mod wait;
mod watch;
mod wire;

pub use self::adopted::Adopted;
pub use self::watch::{ReadAgain, Watcher};
