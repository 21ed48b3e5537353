//! What is wrong with the agent, in words for people (behaviour.md 1.3, `LastError`).

use std::fmt;
use std::mem::discriminant;

use crate::core::text::{printable, shortened};
use crate::core::time::WallTime;

/// What shows the kernel's synchronised flag to the daemon in its unit (systemd/playheadd.service).
pub const CLOCK_DROP_IN: &str = "give playheadd.service a drop-in (`systemctl edit playheadd`) with \
    the lines '[Service]', 'ProtectClock=no' and \
    'SystemCallFilter=adjtimex clock_adjtime clock_adjtime64'";

/// Bytes of a reason. The service manager takes no message of more than 4 KiB.
const MOST_REASON: usize = 768;

/// Something that is wrong until somebody mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The configuration that was to be loaded is broken, for this reason.
    Configuration(String),
    /// The kernel's synchronised flag is required, and the sandbox hides it.
    ClockHidden,
}

impl Failure {
    /// A broken configuration. Everybody may read the reason, so it must not hold what is secret.
    pub fn configuration(why: &str) -> Failure {
        let line = why.split_whitespace().collect::<Vec<_>>().join(" ");
        Failure::Configuration(shortened(printable(&line).into_owned(), MOST_REASON))
    }

    /// What follows from it.
    fn effect(&self) -> &'static str {
        match self {
            Failure::Configuration(_) => "the old configuration is in force",
            Failure::ClockHidden => "nothing is sent",
        }
    }
}

/// The reason, and what to do.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Configuration(why) => {
                write!(f, "the new one is broken: {why}; correct it and reload")
            }
            Failure::ClockHidden => write!(
                f,
                "clock.require_sync is set, and the sandbox hides the kernel's synchronised flag; \
                 {CLOCK_DROP_IN} and restart it"
            ),
        }
    }
}

/// What is wrong now: at most one failure of a kind, each with the time since when by the clock of
/// the box. The newest comes last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures(Vec<(Failure, WallTime)>);

impl Failures {
    /// A failure has begun. One that lasts already keeps its time.
    pub fn begin(&mut self, failure: Failure, now: WallTime) {
        if self.0.iter().all(|(known, _)| *known != failure) {
            self.end(&failure);
            self.0.push((failure, now));
        }
    }

    /// A failure of this kind is over, whatever its reason.
    pub fn end(&mut self, kind: &Failure) {
        self.0.retain(|(known, _)| discriminant(known) != discriminant(kind));
    }

    /// The newest failure: what, since when, why, what to do. Empty when all is well.
    pub fn newest(&self) -> String {
        self.0.last().map_or_else(String::new, |(failure, since)| {
            format!("{} since {since}: {failure}", failure.effect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: WallTime = WallTime(1_800_000_000_000);
    const T1: WallTime = WallTime(1_800_000_060_000);

    #[test]
    fn the_newest_is_shown_until_it_is_over() {
        let mut failures = Failures::default();
        assert_eq!(failures.newest(), "");
        failures.begin(Failure::ClockHidden, T0);
        failures.begin(Failure::configuration("a.toml:3: no"), T1);
        assert_eq!(
            failures.newest(),
            "the old configuration is in force since 2027-01-15T08:01:00Z: the new one is broken: \
             a.toml:3: no; correct it and reload"
        );
        failures.end(&Failure::configuration("whatever"));
        let clock = failures.newest();
        assert!(
            clock.starts_with("nothing is sent since 2027-01-15T08:00:00Z: clock.require_sync")
        );
        failures.begin(Failure::ClockHidden, T1);
        assert_eq!(failures.newest(), clock, "it has lasted since then");
        failures.end(&Failure::ClockHidden);
        assert_eq!(failures, Failures::default());
    }

    #[test]
    fn another_reason_is_another_failure_of_the_same_kind() {
        let mut failures = Failures::default();
        failures.begin(Failure::configuration("one"), T0);
        failures.begin(Failure::ClockHidden, T0);
        failures.begin(Failure::configuration("two"), T1);
        assert!(failures.newest().contains("08:01:00Z: the new one is broken: two;"));
        assert_eq!(failures.0.len(), 2);
    }

    #[test]
    fn a_reason_is_one_printable_line_that_fits_into_a_message() {
        let mut failures = Failures::default();
        let why = format!("put this:\n\n[a]\n\u{1b}b\n{}", "x".repeat(9_000));
        failures.begin(Failure::configuration(&why), T0);
        let said = failures.newest();
        assert!(said.contains("put this: [a] \\u001bb xxx"), "{said}");
        assert!(said.len() < 1_000);
    }
}
