//! What stands in for the engine while there is no configuration that can be used (behaviour.md 3):
//! what readers see, and what each call is answered.

use super::failure::Failures;
use super::mistakes::{Mend, Mistakes};
use super::snapshot::Snapshot;
use crate::core::Status;
use crate::core::delivery::{Counters, Gates};
use crate::core::input::{Input, Listing};
use crate::core::message_ids as ids;
use crate::core::record::BoxTotals;
use crate::core::rejected::{Refusal, Rejected};
use crate::core::settings::Consent;
use crate::core::time::{BootInstant, Now, Span};
use crate::core::turn::Reply;

/// The word of `DeliveryState`.
pub const MISCONFIGURED: &str = "misconfigured";

/// The log calls the state to mind after this.
const AGAIN: Span = Span::seconds(3600);
/// The log counts what it says of signals over this time.
const QUIET: Span = Span::seconds(60);

/// The state of an agent without a configuration.
#[derive(Debug)]
pub struct Unconfigured {
    /// At least one.
    mistakes: Mistakes,
    since: BootInstant,
    /// Whether the wall clock can be right; nobody has said yet what is required of it.
    clock_trusted: bool,
    failures: Failures,
    reminded: BootInstant,
    /// Events of players that were dropped: all, those that the log does not have yet, and when it had
    /// some last.
    dropped: u64,
    unsaid: u64,
    said: Option<BootInstant>,
}

impl Unconfigured {
    /// `mistakes`: what is wrong with the configuration.
    pub fn new(mistakes: Mistakes, clock_trusted: bool, now: BootInstant) -> Unconfigured {
        let mut state = Unconfigured {
            mistakes: Mistakes::default(),
            since: now,
            clock_trusted,
            failures: Failures::default(),
            reminded: now,
            dropped: 0,
            unsaid: 0,
            said: None,
        };
        state.broken(mistakes, now);
        state
    }

    /// The configuration was read, again or for the first time, and cannot be used.
    pub fn broken(&mut self, mistakes: Mistakes, now: BootInstant) {
        if mistakes != self.mistakes {
            (self.mistakes, self.since) = (mistakes, now);
            self.failures = Failures::unconfigured(&self.mistakes, now);
        }
        self.reminded = now;
        self.say();
    }

    fn say(&self) {
        let message_id = ids::NOT_CONFIGURED;
        for (why, _) in self.mistakes.lines() {
            let what = "nothing is tracked or sent: there is no configuration that can be used";
            tracing::error!(message_id, %why, "{what}");
        }
    }

    /// The one sentence for callers. `playheadctl doctor` has all of it.
    fn sentence(&self) -> String {
        let first = self.mistakes.first();
        let mended = match self.mistakes.mend() {
            Mend::Reload => "reloaded",
            Mend::Restart => "restarted",
        };
        let more = match self.mistakes.count() {
            0 | 1 => String::new(),
            n => format!(" (and {} more, see `playheadctl doctor`)", n - 1),
        };
        format!(
            "the configuration of playheadd cannot be used: {first}{more}; try again when an operator \
             has corrected it and {mended} playheadd"
        )
    }

    /// What every call but reads is answered.
    pub fn refusal(&self) -> Rejected {
        Rejected::new(Refusal::NotConfigured, self.sentence())
    }

    /// Takes what a caller or a player says. A read is answered as by an agent that has nothing.
    ///
    /// Errors: `NotConfigured`.
    pub fn take(&mut self, input: &Input, now: BootInstant) -> Result<Reply, Rejected> {
        match input {
            Input::GetResumePoint { .. } => return Ok(Reply::ResumePoint(None)),
            Input::List { listing: Listing::Queue, .. } => {
                let nothing = format!(
                    r#"{{"bytes":0,"hits":0,"left_out":0,"logs":[],"state":"{MISCONFIGURED}"}}"#
                );
                return Ok(Reply::Json(nothing));
            }
            Input::List { .. } => return Ok(Reply::Json("[]".to_owned())),
            Input::Open { call: None, .. }
            | Input::Event { call: None, .. }
            | Input::Lifecycle { call: None, .. }
            | Input::Unreadable { .. } => self.drop_events(1, now),
            Input::Flooded { events } => self.drop_events(*events, now),
            _ => {}
        }
        Err(self.refusal())
    }

    /// Events of players that were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn drop_events(&mut self, events: u64, now: BootInstant) {
        self.dropped = self.dropped.saturating_add(events);
        self.unsaid = self.unsaid.saturating_add(events);
        self.tick(now);
    }

    /// Says in the log what is due.
    pub fn tick(&mut self, now: BootInstant) {
        if self.unsaid > 0 && self.said.is_none_or(|at| now - at >= QUIET) {
            self.said = Some(now);
            self.say_dropped();
        }
        if now - self.reminded >= AGAIN {
            self.reminded = now;
            self.say();
        }
    }

    /// Says how many events were dropped that the log does not have yet.
    pub fn say_dropped(&mut self) {
        let events = std::mem::take(&mut self.unsaid);
        if events > 0 {
            tracing::warn!(events, "signals of players are dropped: playheadd is not configured");
        }
    }

    /// When `tick` has something to say at the latest.
    pub fn deadline(&self) -> BootInstant {
        let reminder = self.reminded + AGAIN;
        match self.said.filter(|_| self.unsaid > 0) {
            Some(at) => reminder.min(at + QUIET),
            None => reminder,
        }
    }

    /// What readers see: an agent without sessions.
    pub fn snapshot(&self) -> Snapshot {
        let gates = Gates {
            consent: false,
            clock_trusted: self.clock_trusted,
            online: true,
            metered: false,
        };
        Snapshot {
            status: Some(Status {
                active_sessions: 0,
                queued_hits: 0,
                counters: Counters::default(),
                rejected_events: self.dropped,
                totals: BoxTotals::default(),
                gates,
                consent: Consent::Unknown,
            }),
            delivery: MISCONFIGURED,
            failures: self.failures.clone(),
            not_configured: Some(self.refusal()),
            ..Snapshot::default()
        }
    }

    /// One line that a person can read in `systemctl status`.
    pub fn status_line(&self, now: Now) -> String {
        format!("{MISCONFIGURED}: {}", self.failures.newest(now))
    }
}

#[cfg(test)]
mod tests {
    use super::super::mistakes::MOST_MISTAKES;
    use super::*;
    use crate::core::input::CallId;
    use crate::core::time::WallTime;

    const T0: BootInstant = BootInstant(1_000);

    fn at(seconds: u64) -> BootInstant {
        T0 + Span::seconds(seconds)
    }

    fn texts(count: usize) -> Mistakes {
        let mut mistakes = Mistakes::default();
        (1..=count).for_each(|n| mistakes.add(&format!("a.toml:{n}: no"), Mend::Reload));
        mistakes
    }

    fn problems(state: &Unconfigured) -> Vec<String> {
        state.snapshot().failures.texts(Now {
            boot: at(0),
            wall: WallTime(1_800_000_000_000),
            slept: Span::ZERO,
        })
    }

    #[test]
    fn each_mistake_is_a_problem_in_its_order_and_a_caller_hears_the_first() {
        let state = Unconfigured::new(texts(2), true, T0);
        let start = "nothing is tracked or sent since 2027-01-15T08:00:00Z: the configuration cannot \
                     be used: a.toml";
        let shown = problems(&state);
        assert_eq!(shown.len(), 2);
        assert!(shown[0].starts_with(&format!("{start}:1: no; correct it")), "{}", shown[0]);
        assert!(shown[1].starts_with(&format!("{start}:2: no; correct it")), "{}", shown[1]);
        let refusal = state.refusal();
        assert_eq!(refusal.kind, Refusal::NotConfigured);
        assert!(refusal.why.contains("a.toml:1: no (and 1 more, see"), "{}", refusal.why);
    }

    #[test]
    fn mistakes_without_an_end_are_bounded() {
        let mut long = Mistakes::default();
        (0..4_000).for_each(|_| long.add(&"x\n".repeat(9_000), Mend::Reload));
        long.add_untold(1_000);
        assert!(long.to_string().len() < 13_000, "one line of the log");
        let state = Unconfigured::new(long, true, T0);
        let shown = problems(&state);
        assert_eq!(shown.len(), MOST_MISTAKES + 1);
        assert!(shown[MOST_MISTAKES].contains("and 4984 more"));
        assert!(shown.iter().all(|text| text.len() < 1_000 && !text.contains('\n')));
        assert!(state.refusal().why.len() < 1_100);
    }

    #[test]
    fn the_same_mistakes_keep_their_time_and_others_do_not() {
        let mut state = Unconfigured::new(texts(1), true, T0);
        state.broken(texts(1), at(60));
        assert!(problems(&state)[0].contains("since 2027-01-15T08:00:00Z"));
        state.broken(texts(2), at(60));
        assert!(problems(&state)[0].contains("since 2027-01-15T08:01:00Z"));
    }

    #[test]
    fn signals_have_a_line_a_minute_and_all_are_counted() {
        let mut state = Unconfigured::new(texts(1), true, T0);
        let signal = Input::Unreadable { event: "Play", sender: ":1.1".into(), why: "no".into() };
        assert!(state.take(&signal, at(1)).is_err());
        assert_eq!(state.unsaid, 0, "the first is said at once");
        assert_eq!(state.deadline(), at(3_600));
        for _ in 0..5 {
            let _ = state.take(&signal, at(2));
        }
        let _ = state.take(&Input::Flooded { events: 7 }, at(3));
        assert_eq!((state.unsaid, state.deadline()), (12, at(61)));
        state.tick(at(60));
        assert_eq!(state.unsaid, 12, "not before the minute is over");
        state.tick(at(61));
        assert_eq!((state.unsaid, state.dropped), (0, 13));
        // What changes nothing is no event of a player.
        let _ = state.take(&Input::PlayerGone { sender: ":1.1".into() }, at(200));
        let _ = state.take(&Input::Flush { call: Some(CallId(1)) }, at(200));
        assert_eq!(state.snapshot().status.map(|s| s.rejected_events), Some(13));
    }

    #[test]
    fn reads_are_answered_and_nothing_else() {
        let mut state = Unconfigured::new(texts(1), true, T0);
        let call = CallId(1);
        let point = Input::GetResumePoint { call, app: String::new(), media_id: "m".into() };
        assert_eq!(state.take(&point, T0), Ok(Reply::ResumePoint(None)));
        for listing in [Listing::Queue, Listing::Rejected, Listing::ResumePoints] {
            let answer = state.take(&Input::List { call, listing }, T0);
            assert!(matches!(answer, Ok(Reply::Json(_))), "{listing:?}: {answer:?}");
        }
        for other in [
            Input::Flush { call: Some(call) },
            Input::Probe { call },
            Input::SetConsent { call: Some(call), consent: Consent::In },
        ] {
            let refused = state.take(&other, T0).expect_err("not a read");
            assert_eq!(refused.kind, Refusal::NotConfigured, "{other:?}");
        }
    }
}
