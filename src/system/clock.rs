//! CLOCK_BOOTTIME, the wall clock and the boot id.

use std::path::Path;

use rustix::time::{ClockId, clock_gettime};

use crate::core::clock::BootId;
use crate::core::time::{BootInstant, Now, WallTime};

/// A wall clock before the release of this program is wrong (api.md 2.6): 2026-11-01 UTC.
const RELEASED_UNIX_MS: i64 = 1_793_491_200_000;

/// What both clocks show now.
pub fn now() -> Now {
    Now { boot: BootInstant(read(ClockId::Boottime)), wall: WallTime(read(ClockId::Realtime)) }
}

fn read(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

/// Whether the wall clock can be right (api.md 2.6).
pub fn trusted(now: Now) -> bool {
    now.wall.0 >= RELEASED_UNIX_MS
}

/// The kernel's random id of this boot. `PLAYHEADD_BOOT_ID` comes first, for sandboxes that hide
/// it (the unit sets it from `%b`).
///
/// Errors: when neither can be read.
pub fn boot_id() -> std::io::Result<BootId> {
    #[allow(clippy::disallowed_methods)]
    if let Ok(id) = std::env::var("PLAYHEADD_BOOT_ID") {
        return Ok(BootId(id.replace('-', "")));
    }
    let text = std::fs::read_to_string(Path::new("/proc/sys/kernel/random/boot_id"))?;
    Ok(BootId(text.trim().replace('-', "")))
}

/// 64 random bits from the kernel.
pub fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library seeds its hash maps from getrandom; one hash of nothing is 64 bits.
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
