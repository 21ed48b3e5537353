//! CLOCK_BOOTTIME, the wall clock and the boot id.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::core::clock::BootId;
use crate::core::time::{BootInstant, Now, Span, WallTime};
use crate::system::watched::watch;

/// A wall clock before the release of this program is wrong (behaviour.md 2.6): 2026-11-01 UTC.
pub(super) const RELEASED_UNIX_MS: i64 = 1_793_491_200_000;

/// Clocks that are read within this time of each other were read together.
const TOGETHER_MS: i64 = 50;

/// What the clocks show now. A process that is kept from running between two of the readings reads
/// them again: it would take that for a sleep of the box.
pub fn now() -> Now {
    loop {
        let awake = read(ClockId::Monotonic);
        let (boot, wall) = (read(ClockId::Boottime), read(ClockId::Realtime));
        if read(ClockId::Monotonic) - awake < TOGETHER_MS {
            let slept = Span(boot - awake);
            return Now { boot: BootInstant(boot), wall: WallTime(wall), slept };
        }
    }
}

/// CLOCK_MONOTONIC in microseconds, as the service manager wants it with a reload.
pub fn monotonic_us() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    (time.tv_sec * 1_000_000 + time.tv_nsec / 1000).unsigned_abs()
}

fn read(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

/// The mark of systemd-timesyncd that it has synchronised the clock. It goes when the service stops.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";

/// The kernel's own limit of the error of its clock, in microseconds; an error below it is one that a
/// time daemon has told.
const MOST_ERROR: libc::c_long = 16_000_000;

/// Whether the wall clock of a process that no sandbox confines can be right (behaviour.md 2.6).
pub fn trusted(now: Now) -> bool {
    now.wall.0 >= RELEASED_UNIX_MS || synchronised() == Some(true)
}

/// Whether a time daemon keeps the kernel's clock; `None` where that cannot be read. The flag alone does
/// not tell: chrony without `rtcsync`, and timesyncd on a box whose RTC has local time, leave it unset to
/// keep the kernel from writing the RTC. systemd-timedated goes by the error, too.
#[allow(unsafe_code)]
fn synchronised() -> Option<bool> {
    // SAFETY: all fields of `timex` are integers, for which zero is a value; with `modes` 0 the
    // call reads only, into a structure that lives here.
    let (state, timex) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut timex), timex)
    };
    let flag = state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0;
    (state >= 0).then_some(flag || timex.maxerror < MOST_ERROR)
}

/// The same, and where the kernel's state is hidden, whether systemd-timesyncd has synchronised the
/// clock. `None` when neither says anything.
pub(super) fn synchronised_or_marked() -> Option<bool> {
    synchronised().or_else(|| Path::new(TIMESYNCD).exists().then_some(true))
}

/// 28 years: as many weeks, so dates fall on the same days of the week, and the rules of a zone are
/// those of the same day.
const CALENDAR_REPEATS_S: i64 = 28 * 1461 * 86_400 / 4;

/// A moment that `T` can hold and that has the calendar of this one, in seconds: `time_t` has 32 bits on
/// a box of 32, and ends in 2038.
fn held_by<T: TryFrom<i64>>(mut seconds: i64) -> Option<T> {
    while seconds > CALENDAR_REPEATS_S && T::try_from(seconds).is_err() {
        seconds -= CALENDAR_REPEATS_S;
    }
    T::try_from(seconds).ok()
}

/// Seconds east of UTC of the box's zone at a moment, for `media.live_day = "local"`.
#[allow(unsafe_code)]
pub fn utc_offset_seconds(wall: WallTime) -> i32 {
    let seconds: libc::time_t = held_by(wall.0.div_euclid(1000)).unwrap_or(0);
    // SAFETY: `tm` is made of integers and a pointer that may be null, for which zero is a value;
    // both pointers are to variables that live here.
    let offset = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&seconds, &mut tm);
        tm.tm_gmtoff
    };
    offset as i32
}

/// Reports when the wall clock is set (behaviour.md 1.6): the kernel then cancels a timer whose
/// time never comes.
#[derive(Debug)]
pub struct Steps {
    timer: Option<AsyncFd<OwnedFd>>,
}

impl Steps {
    /// Needs a running tokio runtime. Where the kernel has no such timer, `next` never returns and
    /// a step is noticed at the next turn.
    pub fn watch() -> Steps {
        let timer = timerfd_create(
            TimerfdClockId::Realtime,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        );
        let made = timer.map_err(std::io::Error::from).and_then(|timer| {
            arm(&timer)?;
            watch(timer, Interest::READABLE)
        });
        if let Err(error) = &made {
            tracing::debug!(%error, "the kernel does not report when the clock is set");
        }
        Steps { timer: made.ok() }
    }

    /// Waits until the clock is set.
    pub async fn next(&self) {
        let Some(timer) = &self.timer else { return std::future::pending().await };
        while let Ok(mut ready) = timer.readable().await {
            match rustix::io::read(timer.get_ref(), &mut [0; 8]) {
                Err(Errno::CANCELED) => {
                    if let Err(error) = arm(timer.get_ref()) {
                        tracing::debug!(%error, "the kernel reports no further step of the clock");
                        ready.clear_ready();
                    }
                    return;
                }
                _ => ready.clear_ready(),
            }
        }
        std::future::pending().await
    }
}

/// Wakes up once, when it is time. The runtime's own timers need several wake-ups for one that is seconds
/// away, because they look again as it comes nearer.
pub struct Alarm {
    timer: Option<AsyncFd<OwnedFd>>,
}

impl Alarm {
    /// Needs a running tokio runtime. Where the kernel has no such timer, the runtime's do.
    #[allow(clippy::new_without_default, reason = "it needs a runtime, and a default does not")]
    pub fn new() -> Alarm {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags);
        let made = timer.map_err(std::io::Error::from);
        let made = made.and_then(|timer| watch(timer, Interest::READABLE));
        if let Err(error) = &made {
            tracing::debug!(%error, "the kernel has no timer to wait for");
        }
        Alarm { timer: made.ok() }
    }

    /// Waits this long.
    pub async fn after(&self, duration: Duration) {
        let Some(timer) = &self.timer else { return tokio::time::sleep(duration).await };
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        // A value of zero would stop it.
        let duration = duration.max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: duration.as_secs().try_into().unwrap_or(i32::MAX.into()),
            tv_nsec: duration.subsec_nanos().into(),
        };
        let armed = Itimerspec { it_interval: none, it_value: value };
        if let Err(error) = timerfd_settime(timer.get_ref(), TimerfdTimerFlags::empty(), &armed) {
            tracing::debug!(%error, "the kernel's timer takes no time");
            return tokio::time::sleep(duration).await;
        }
        while let Ok(mut ready) = timer.readable().await {
            // It went off, or did for the wait before this one.
            let over = rustix::io::read(timer.get_ref(), &mut [0; 8]).is_ok();
            ready.clear_ready();
            if over {
                return;
            }
        }
    }
}

fn arm(timer: &OwnedFd) -> std::io::Result<()> {
    // The year 2106: late enough, and valid for every kernel.
    let never = Timespec { tv_sec: u32::MAX.into(), tv_nsec: 0 };
    let none = Timespec { tv_sec: 0, tv_nsec: 0 };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    timerfd_settime(timer, flags, &Itimerspec { it_interval: none, it_value: never })?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_after_2038_is_asked_for_28_years_before() {
        // 1 July 2040, a Sunday, and 1 July 2012, one too.
        const THEN: i64 = 2_224_713_600;
        assert_eq!(held_by::<i32>(THEN), Some(1_341_100_800));
        assert_eq!(held_by::<i64>(THEN), Some(THEN));
        assert_eq!(held_by::<i32>(1_700_000_000), Some(1_700_000_000));
        assert_eq!(held_by::<i32>(i64::MIN), None);
    }
}
