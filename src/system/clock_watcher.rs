//! Watches whether the wall clock was set, and whether it can be right (behaviour.md 2.6).

use std::sync::Arc;

use super::clock::{RELEASED_UNIX_MS, synchronised_or_marked};
use super::time_service::{SyncState, TimeService};
use crate::core::time::{BootInstant, Now, Span};

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
        self.require_sync && !self.trusted && self.service.state() == SyncState::NoAnswer
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
        if self.service.state() == SyncState::Synchronised {
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

fn offset(now: Now) -> i64 {
    now.wall.0 - now.boot.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::WallTime;

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
            service.set(SyncState::NoAnswer);
            assert!(!watch.changed(at(62_000)));
            assert_eq!(watch.hidden(), require_sync);
            watch.require_sync(require_sync);
            assert!(!watch.changed(at(63_000)) && service.is_wanted(), "a reload asks");
            service.set(SyncState::NotSynchronised);
            assert!(!watch.changed(at(64_000)) && !watch.hidden());
            service.set(SyncState::Synchronised);
            assert!(watch.changed(at(65_000)) && watch.trusted());
            assert!(!watch.changed(at(300_000)) && !service.is_wanted(), "it has said so");
            if require_sync {
                // What it said was about another time.
                let stepped = |boot| Now { wall: at(boot).wall + Span::seconds(3600), ..at(boot) };
                assert!(watch.changed(stepped(301_000)) && !watch.trusted());
                assert!(service.is_wanted());
                service.set(SyncState::Synchronised);
                assert!(watch.changed(stepped(302_000)) && watch.trusted());
            }
        }
    }
}
