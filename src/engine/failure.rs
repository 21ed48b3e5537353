//! What is wrong with the agent, in words for people (behaviour.md 1.3, `LastError`).

use std::fmt;
use std::mem::discriminant;

use super::Engine;
use super::mistakes::{Mend, Mistakes, reason};
use crate::core::dialect::exchange::Problem;
use crate::core::settings::CollectorSettings;
use crate::core::text::host;
use crate::core::time::{BootInstant, Now};

/// What shows the kernel's synchronised flag to the daemon in its unit (systemd/playheadd.service).
pub const CLOCK_DROP_IN: &str = "give playheadd.service a drop-in (`systemctl edit playheadd`) with \
    the lines '[Service]', 'ProtectClock=no' and \
    'SystemCallFilter=adjtimex clock_adjtime clock_adjtime64'";

/// Something that is wrong until somebody mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The configuration that was to be loaded is broken, for this reason.
    Configuration(String, Mend),
    /// There is no configuration that can be used, for this reason.
    NotConfigured(String, Mend),
    /// A synchronised clock is required, the sandbox hides the kernel's flag, and nobody else says so.
    ClockHidden,
    /// The store takes nothing, for this reason.
    Store(String),
    /// A broken store was set aside here.
    StoreSetAside(String),
    /// The bus of the MPRIS players is away.
    PlayersAway,
    /// Requests to this collector fail.
    Delivery(Place, Problem),
    /// This collector has refused so many hits for good, the last one so.
    Refused(Place, u64, Problem),
}

/// A collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub name: String,
    pub host: String,
    /// There is no other.
    pub alone: bool,
}

impl Place {
    fn of(collector: &CollectorSettings, alone: bool) -> Place {
        Place { name: collector.name.clone(), host: host(&collector.url), alone }
    }

    /// What stands before what is said of it.
    fn before(&self) -> String {
        if self.alone { String::new() } else { format!("{}: ", self.name) }
    }
}

impl Failure {
    /// A broken configuration. Everybody may read the reason, so it must not hold what is secret.
    pub fn configuration(mistakes: &Mistakes) -> Failure {
        Failure::Configuration(reason(&mistakes.to_string()), mistakes.mend())
    }

    /// What follows from it.
    pub(super) fn effect(&self) -> &'static str {
        match self {
            Failure::Configuration(..) => "the old configuration is in force",
            Failure::NotConfigured(..) => "nothing is tracked or sent",
            Failure::ClockHidden => "nothing is sent",
            Failure::Store(_) => "what changes is kept in memory only",
            Failure::StoreSetAside(_) => "a broken store lies aside",
            Failure::PlayersAway => "players of MPRIS are not tracked",
            Failure::Delivery(..) => "delivery fails",
            Failure::Refused(..) => "the collector refuses hits",
        }
    }
}

/// What everybody may read of a problem: what a collector says may quote what was watched.
fn public(problem: &Problem) -> String {
    match problem.cause.status() {
        Some(status) => format!("the collector answered {status}"),
        None => reason(&problem.why),
    }
}

/// The reason, and what to do.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Configuration(why, mend) => {
                write!(f, "the new one is broken: {why}; {mend}")
            }
            Failure::NotConfigured(why, mend) => {
                write!(f, "the configuration cannot be used: {why}; {mend}")
            }
            Failure::ClockHidden => write!(
                f,
                "clock.require_sync is set, the sandbox hides the kernel's synchronised flag, and \
                 neither systemd-timesyncd nor systemd-timedated says how it is; {CLOCK_DROP_IN} and \
                 restart it"
            ),
            Failure::Store(why) => write!(
                f,
                "the store cannot be written: {why}; make room on its disk, or look at the medium: \
                 it heals by itself"
            ),
            Failure::StoreSetAside(path) => write!(
                f,
                "{path}; what can be read of it was taken over; look at the medium, and remove it"
            ),
            Failure::PlayersAway => {
                write!(f, "their bus cannot be reached; it is tried again, see mpris.bus")
            }
            Failure::Delivery(place, problem) => {
                let (before, advice) = (place.before(), problem.cause.advice_for(&place.name));
                write!(f, "{before}{}: {}; {advice}", place.host, public(problem))
            }
            Failure::Refused(place, count, problem) => {
                let (before, advice) = (place.before(), problem.cause.advice_for(&place.name));
                write!(f, "{before}{count} so far; {}; {advice}", public(problem))
            }
        }
    }
}

/// Whether both are of one kind, and of one collector.
fn same(a: &Failure, b: &Failure) -> bool {
    let place = |failure: &Failure| match failure {
        Failure::Delivery(place, _) | Failure::Refused(place, ..) => Some(place.name.clone()),
        _ => None,
    };
    discriminant(a) == discriminant(b) && place(a) == place(b)
}

/// What is wrong now: at most one failure of a kind (and of a collector), each with the time since when. The newest comes
/// last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures(Vec<(Failure, BootInstant)>);

impl Failures {
    /// What is wrong with a configuration that cannot be used, the first mistake as the newest.
    pub fn unconfigured(mistakes: &Mistakes, since: BootInstant) -> Failures {
        let failure = |(why, mend)| (Failure::NotConfigured(why, mend), since);
        Failures(mistakes.lines().rev().map(failure).collect())
    }

    /// A failure has begun. One that lasts already keeps its time.
    pub fn begin(&mut self, failure: Failure, since: BootInstant) {
        if self.0.iter().all(|(known, _)| *known != failure) {
            self.end(&failure);
            let at = self.0.partition_point(|(_, begun)| *begun <= since);
            self.0.insert(at, (failure, since));
        }
    }

    /// A failure of this kind is over, whatever its reason.
    pub fn end(&mut self, kind: &Failure) {
        self.0.retain(|(known, _)| !same(known, kind));
    }

    /// Since when a failure of this kind lasts.
    fn since(&self, kind: &Failure) -> Option<BootInstant> {
        self.0.iter().find(|(known, _)| same(known, kind)).map(|(_, since)| *since)
    }

    /// A failure that lasts, or is over.
    fn hold(&mut self, kind: &Failure, now: Option<(Failure, BootInstant)>) {
        match now {
            Some((failure, since)) => self.begin(failure, since),
            None if self.0.is_empty() => {}
            None => self.end(kind),
        }
    }

    /// What is wrong with collectors now.
    fn of_collectors(&mut self, now: Vec<(Failure, BootInstant)>) {
        let lasts = |known: &Failure| now.iter().any(|(failure, _)| same(known, failure));
        self.0.retain(|(known, _)| {
            !matches!(known, Failure::Delivery(..) | Failure::Refused(..)) || lasts(known)
        });
        now.into_iter().for_each(|(failure, since)| self.begin(failure, since));
    }

    /// Each failure, and since when.
    pub fn iter(&self) -> impl Iterator<Item = (&Failure, BootInstant)> {
        self.0.iter().map(|(failure, since)| (failure, *since))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each failure, the newest first: what, since when by the clock of the box, why, what to do.
    pub fn texts(&self, now: Now) -> Vec<String> {
        let text = |(failure, since): &(Failure, BootInstant)| {
            format!("{} since {}: {failure}", failure.effect(), now.at(*since).wall)
        };
        self.0.iter().rev().map(text).collect()
    }

    /// The newest failure. Empty when all is well.
    pub fn newest(&self, now: Now) -> String {
        self.texts(now).into_iter().next().unwrap_or_default()
    }
}

impl Engine {
    /// Looks what has begun to fail in the store and in delivery, and what is over.
    pub(super) fn note_failures(&mut self, now: Now) {
        // Another reason is the same failure.
        let since = self.failures.since(&Failure::Store(String::new())).unwrap_or(now.boot);
        let store = self.store.failing().map(|why| (Failure::Store(reason(why)), since));
        self.failures.hold(&Failure::Store(String::new()), store);
        let (delivery, collectors) = (self.agent.delivery(), &self.agent.settings().collectors);
        let mut wrong = Vec::new();
        for collector in collectors {
            let place = || Place::of(collector, collectors.len() == 1);
            if let Some((since, trouble)) = delivery.failing_of(&collector.name) {
                wrong.push((Failure::Delivery(place(), trouble.problem.clone()), since));
            }
            if let Some(r) = delivery.refusals(&collector.name, now.boot) {
                wrong.push((Failure::Refused(place(), r.count, r.problem.clone()), r.since));
            }
        }
        self.failures.of_collectors(wrong);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::{Span, WallTime};

    const T0: BootInstant = BootInstant(0);
    const T1: BootInstant = BootInstant(60_000);
    const NOW: Now = Now { boot: T1, wall: WallTime(1_800_000_060_000), slept: Span::ZERO };

    #[test]
    fn the_newest_is_shown_until_it_is_over() {
        let mut failures = Failures::default();
        assert_eq!(failures.newest(NOW), "");
        failures.begin(Failure::ClockHidden, T0);
        failures.begin(Failure::configuration(&"a.toml:3: no".into()), T1);
        assert_eq!(
            failures.newest(NOW),
            "the old configuration is in force since 2027-01-15T08:01:00Z: the new one is broken: \
             a.toml:3: no; correct it and reload"
        );
        failures.end(&Failure::configuration(&"whatever".into()));
        let clock = failures.newest(NOW);
        assert!(
            clock.starts_with("nothing is sent since 2027-01-15T08:00:00Z: clock.require_sync")
        );
        failures.begin(Failure::ClockHidden, T1);
        assert_eq!(failures.newest(NOW), clock, "it has lasted since then");
        failures.end(&Failure::ClockHidden);
        assert_eq!(failures, Failures::default());
    }

    #[test]
    fn another_reason_is_another_failure_of_the_same_kind() {
        let mut failures = Failures::default();
        failures.begin(Failure::configuration(&"one".into()), T0);
        failures.begin(Failure::ClockHidden, T0);
        failures.begin(Failure::configuration(&"two".into()), T1);
        assert!(failures.newest(NOW).contains("08:01:00Z: the new one is broken: two;"));
        assert_eq!(failures.0.len(), 2);
    }

    #[test]
    fn a_reason_is_one_printable_line_that_fits_into_a_message() {
        let mut failures = Failures::default();
        let why = format!("put this:\n\n[a]\n\u{1b}b\n{}", "x".repeat(9_000));
        failures.begin(Failure::configuration(&why.as_str().into()), T0);
        let said = failures.newest(NOW);
        assert!(said.contains("put this:  [a] \\u001bb xxx"), "{said}");
        assert!(said.len() < 1_000);
    }
}
