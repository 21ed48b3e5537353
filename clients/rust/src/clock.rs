//! The clock of everything that is said.

use rustix::time::{ClockId, clock_gettime};

use crate::queue::Micros;

/// CLOCK_BOOTTIME: it never jumps, and goes on while the box sleeps. The agent reads the same.
pub(crate) fn now() -> Micros {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}
