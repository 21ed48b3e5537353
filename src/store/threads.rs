//! Threads that touch the disk, and timers of theirs that may come late. Seven threads of sled look for
//! work once a second all day long, although they are also woken when there is some. The kernel delays
//! the timers of a thread by up to its timer slack, so with a large one these threads sleep until they
//! are woken.
//!
//! A thread has the slack of the one that started it, and may only set its own (those of others need
//! CAP_SYS_NICE). sled starts threads from whichever thread calls it. So the store's thread, which alone
//! calls sled in the daemon, has the slack for life, and nothing on it may wait for a time.

use std::num::NonZeroU64;
use std::thread::JoinHandle;
use std::time::Duration;

/// An hour. sled's threads need no timer at all, so this is as good as never.
const LATE_NS: u64 = 3_600_000_000_000;
/// What Linux gives a process. A thread's own default is what its parent had.
const PROMPT_NS: u64 = 50_000;

/// Starts a thread. What it runs is boxed, because each kind of closure that a thread is started with is
/// 3 KiB of the program.
pub fn start(name: &str, run: Box<dyn FnOnce() + Send>) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Lets the timers of this thread come up to an hour late, and those of threads that it starts. A kernel
/// that refuses leaves everything as it was.
pub fn may_be_late() {
    if let Err(error) = set(LATE_NS) {
        tracing::debug!(%error, "the store's threads wake up once a second");
    }
}

/// Has the timers of this thread come in time, although the thread that started it does not need that.
pub(super) fn in_time() {
    if let Err(error) = set(PROMPT_NS) {
        tracing::debug!(%error, "a timer may be late");
    }
}

/// Sleeps, on any thread, no longer than asked for.
pub(super) fn sleep(duration: Duration) {
    let sleeps = move || {
        in_time();
        #[allow(clippy::disallowed_methods, reason = "waits for what happens outside")]
        std::thread::sleep(duration);
    };
    // Without a thread it goes on at once.
    if let Ok(sleeper) = start("sleeper", Box::new(sleeps)) {
        let _ = sleeper.join();
    }
}

/// `prctl` takes an unsigned long, which on 32 bits ends at 4.3 s. The file in /proc has no such limit; it
/// came with Linux 4.6, and is under the number of the thread alone, not below `task`.
fn set(slack_ns: u64) -> std::io::Result<()> {
    if usize::try_from(slack_ns).is_ok() {
        return Ok(rustix::thread::set_current_timer_slack(NonZeroU64::new(slack_ns))?);
    }
    let thread = rustix::thread::gettid().as_raw_nonzero();
    let written = std::fs::write(format!("/proc/{thread}/timerslack_ns"), slack_ns.to_string());
    written.or_else(|_| {
        let most = usize::MAX as u64;
        Ok(rustix::thread::set_current_timer_slack(NonZeroU64::new(most))?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slack of the calling thread.
    fn slack() -> u64 {
        let thread = rustix::thread::gettid().as_raw_nonzero();
        let file = std::fs::read_to_string(format!("/proc/{thread}/timerslack_ns"));
        file.unwrap().trim().parse().unwrap()
    }

    #[test]
    fn a_late_thread_hands_its_slack_on_and_sleeps_in_time() {
        let before = slack();
        let late = std::thread::spawn(|| {
            may_be_late();
            let child = std::thread::spawn(slack).join().unwrap();
            // Would take an hour.
            sleep(Duration::from_millis(1));
            (slack(), child)
        });
        assert_eq!(late.join().unwrap(), (LATE_NS, LATE_NS));
        assert_eq!(slack(), before, "other threads have theirs");
    }

    #[test]
    fn a_thread_that_a_late_one_started_can_be_in_time() {
        let late = std::thread::spawn(|| {
            may_be_late();
            let child = std::thread::spawn(|| {
                in_time();
                slack()
            });
            child.join().unwrap()
        });
        assert_eq!(late.join().unwrap(), PROMPT_NS);
    }
}
