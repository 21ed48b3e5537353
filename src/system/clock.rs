//! CLOCK_BOOTTIME, the wall clock and the boot id.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::time_service::{Said, TimeService};
use crate::core::clock::BootId;
use crate::core::time::{BootInstant, Now, Span, WallTime};

/// A wall clock before the release of this program is wrong (behaviour.md 2.6): 2026-11-01 UTC.
const RELEASED_UNIX_MS: i64 = 1_793_491_200_000;

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
fn synchronised_or_marked() -> Option<bool> {
    synchronised().or_else(|| Path::new(TIMESYNCD).exists().then_some(true))
}

/// Seconds east of UTC of the box's zone at a moment, for `media.live_day = "local"`.
#[allow(unsafe_code)]
pub fn utc_offset_seconds(wall: WallTime) -> i32 {
    let seconds = wall.0.div_euclid(1000) as libc::time_t;
    // SAFETY: `tm` is made of integers and a pointer that may be null, for which zero is a value;
    // both pointers are to variables that live here.
    let offset = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&seconds, &mut tm);
        tm.tm_gmtoff
    };
    offset as i32
}

/// Watches the wall clock from turn to turn of the engine.
#[derive(Debug)]
pub struct ClockWatcher {
    require_sync: bool,
    trusted: bool,
    /// Wall time minus boot time.
    offset: i64,
    /// What can be read without asking anybody.
    synchronised: fn() -> Option<bool>,
    /// Asked where nothing can be read and it matters.
    service: Arc<TimeService>,
    asked: Option<BootInstant>,
}

/// Smaller steps are the slewing of a time daemon.
const STEP_MS: i64 = 500;

/// As long as systemd-timedated does not say that the clock is synchronised, it is asked this often.
const ASK_EVERY: Span = Span::seconds(60);

impl ClockWatcher {
    pub fn new(now: Now, require_sync: bool, service: Arc<TimeService>) -> ClockWatcher {
        ClockWatcher::with(synchronised_or_marked, now, require_sync, service)
    }

    fn with(
        synchronised: fn() -> Option<bool>,
        now: Now,
        require_sync: bool,
        service: Arc<TimeService>,
    ) -> ClockWatcher {
        let (trusted, offset, asked) = (false, offset(now), None);
        let mut new = ClockWatcher { require_sync, trusted, offset, synchronised, service, asked };
        new.trusted = new.can_be_right(now);
        new
    }

    pub fn trusted(&self) -> bool {
        self.trusted
    }

    /// Takes another setting, or the same anew, which counts from the next look.
    pub fn require_sync(&mut self, require_sync: bool) {
        self.require_sync = require_sync;
        self.asked = None;
    }

    /// Whether a synchronised clock is required and nobody can say that it is.
    pub fn hidden(&self) -> bool {
        self.require_sync && !self.trusted && self.service.said() == Said::NoAnswer
    }

    /// Whether the wall clock can be right (behaviour.md 2.6): it is synchronised, or, unless that is
    /// required, it shows a time after the release of this program.
    fn can_be_right(&mut self, now: Now) -> bool {
        if !self.require_sync && now.wall.0 >= RELEASED_UNIX_MS {
            return true;
        }
        (self.synchronised)().unwrap_or_else(|| self.is_said(now))
    }

    /// Whether systemd-timedated says that the clock is synchronised.
    fn is_said(&mut self, now: Now) -> bool {
        if self.service.said() == Said::Synchronised {
            return true;
        }
        if self.asked.is_none_or(|asked| now.boot - asked >= ASK_EVERY) {
            self.asked = Some(now.boot);
            self.service.ask();
        }
        false
    }

    /// Whether the clock was set or its trust changed since the last look.
    pub fn changed(&mut self, now: Now) -> bool {
        let stepped = (offset(now) - self.offset).abs() >= STEP_MS;
        if stepped {
            // What was said of the time before says nothing of this one.
            self.service.forget();
            self.asked = None;
        }
        let trusted = self.can_be_right(now);
        let changed = stepped || trusted != self.trusted;
        self.trusted = trusted;
        self.offset = offset(now);
        changed
    }
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
            register(timer)
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

#[allow(unsafe_code)]
fn register(timer: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` has the same descriptor for as long as it lives, and only the `AsyncFd`
    // drops it.
    Ok(unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) }?)
}

fn arm(timer: &OwnedFd) -> std::io::Result<()> {
    // The year 2106: late enough, and valid for every kernel.
    let never = Timespec { tv_sec: u32::MAX.into(), tv_nsec: 0 };
    let none = Timespec { tv_sec: 0, tv_nsec: 0 };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    timerfd_settime(timer, flags, &Itimerspec { it_interval: none, it_value: never })?;
    Ok(())
}

fn offset(now: Now) -> i64 {
    now.wall.0 - now.boot.0
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

    fn at(boot: i64, wall: i64) -> Now {
        Now { boot: BootInstant(boot), wall: WallTime(wall), slept: Span::ZERO }
    }

    #[test]
    fn a_step_is_seen_and_slewing_is_not() {
        let mut watch = ClockWatcher::new(at(0, RELEASED_UNIX_MS), false, Arc::default());
        assert!(watch.trusted());
        assert!(!watch.changed(at(10_000, RELEASED_UNIX_MS + 10_004)));
        assert!(watch.changed(at(20_000, RELEASED_UNIX_MS + 3_600_000)));
        assert!(!watch.changed(at(30_000, RELEASED_UNIX_MS + 3_610_000)));
        assert!(watch.changed(at(40_000, RELEASED_UNIX_MS + 20_000)), "backwards");
    }

    /// A watcher in a sandbox, and what it has asked.
    fn hidden(now: Now, require_sync: bool) -> (ClockWatcher, Arc<TimeService>) {
        let service = Arc::new(TimeService::default());
        (ClockWatcher::with(|| None, now, require_sync, service.clone()), service)
    }

    #[test]
    fn who_needs_nobody_asks_nobody() {
        let (mut watch, service) = hidden(at(0, RELEASED_UNIX_MS), false);
        assert!(!watch.changed(at(120_000, RELEASED_UNIX_MS + 120_000)));
        assert!(watch.trusted() && !service.is_wanted());
        let service = Arc::new(TimeService::default());
        let synchronised: fn() -> Option<bool> = || Some(false);
        let watch = ClockWatcher::with(synchronised, at(0, 0), true, service.clone());
        assert!(!watch.trusted() && !service.is_wanted(), "the kernel itself says no");
    }

    #[test]
    fn it_is_asked_every_minute_until_it_says_yes_and_after_a_step() {
        for (require_sync, wall) in [(true, RELEASED_UNIX_MS), (false, 5_000)] {
            let at = |boot| at(boot, wall + boot);
            let (mut watch, service) = hidden(at(0), require_sync);
            assert!(!watch.trusted() && service.is_wanted());
            for (boot, wanted) in [(1_000, false), (59_999, false), (60_000, true), (61_000, false)]
            {
                assert!(!watch.changed(at(boot)));
                assert_eq!(service.is_wanted(), wanted, "at {boot}");
            }
            service.say(Said::NoAnswer);
            assert!(!watch.changed(at(62_000)));
            assert_eq!(watch.hidden(), require_sync);
            watch.require_sync(require_sync);
            assert!(!watch.changed(at(63_000)) && service.is_wanted(), "a reload asks");
            service.say(Said::NotSynchronised);
            assert!(!watch.changed(at(64_000)) && !watch.hidden());
            service.say(Said::Synchronised);
            assert!(watch.changed(at(65_000)) && watch.trusted());
            assert!(!watch.changed(at(300_000)) && !service.is_wanted(), "it has said so");
            if require_sync {
                // What it said was about another time.
                let stepped = |boot| Now { wall: at(boot).wall + Span::seconds(3600), ..at(boot) };
                assert!(watch.changed(stepped(301_000)) && !watch.trusted());
                assert!(service.is_wanted());
                service.say(Said::Synchronised);
                assert!(watch.changed(stepped(302_000)) && watch.trusted());
            }
        }
    }
}
