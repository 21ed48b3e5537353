//! The box sleeps and wakes (behaviour.md 1.6): what logind says of it, what the clocks say when
//! nobody does, and for how long the sleep is to be put off.

use super::{Engine, STOP_PATIENCE};
use crate::core::SLEPT;
use crate::core::input::Input;
use crate::core::time::{BootInstant, Now, Span};
use crate::core::tracker::Phase;

/// An announcement that is read so soon after a sleep that the clocks told is of that sleep, unless
/// somebody plays again.
const LATE: Span = Span::seconds(10);

/// Whether the box sleeps, as far as the engine knows.
#[derive(Debug)]
pub(super) struct Sleep {
    /// When the last turn was, and for how long the box had slept until then.
    last: Now,
    /// A sleep was announced, and its end was not.
    announced: bool,
    /// The announced sleep is put off until then at the latest.
    pub(super) put_off: Option<BootInstant>,
    /// The box is awake after an announced sleep, so the end of that is announced by then.
    wakes_by: Option<BootInstant>,
    /// When an unannounced sleep was noticed.
    noticed: Option<BootInstant>,
    /// The announcement of that sleep came after it. The end of it is still to come.
    late: bool,
}

impl Sleep {
    pub(super) fn new(now: Now) -> Sleep {
        Sleep {
            last: now,
            announced: false,
            put_off: None,
            wakes_by: None,
            noticed: None,
            late: false,
        }
    }

    /// Takes what is announced while somebody `plays` or nobody does. False for a sleep that the clocks
    /// have told already, and its end.
    pub(super) fn announced(&mut self, input: &Input, plays: bool, now: BootInstant) -> bool {
        if matches!(input, Input::Wake) {
            (self.announced, self.put_off, self.wakes_by) = (false, None, None);
            return !std::mem::take(&mut self.late);
        }
        let noticed = self.noticed.take();
        self.late = !plays && noticed.is_some_and(|noticed| now < noticed + LATE);
        self.announced = true;
        self.put_off = Some(now + STOP_PATIENCE);
        !self.late
    }

    /// When a sleep that is put off need not be any longer, or its end is not waited for any more.
    pub(super) fn deadline(&self) -> Option<BootInstant> {
        [self.put_off, self.wakes_by].into_iter().flatten().min()
    }
}

impl Engine {
    /// Looks whether the box has slept since the last turn and nobody said so. That comes before
    /// everything else of a turn.
    pub(super) fn look_for_sleep(&mut self, now: Now) {
        let last = std::mem::replace(&mut self.sleep.last, now);
        if self.sleep.wakes_by.is_some_and(|by| by <= now.boot) {
            // Whoever announced the sleep is gone.
            if self.sleep.announced(&Input::Wake, false, now.boot) {
                self.input(Input::Wake, now);
            }
        }
        let slept = Span(now.slept.0 - last.slept.0);
        if slept <= SLEPT {
            return;
        }
        if self.sleep.announced {
            self.sleep.wakes_by = Some(now.boot + LATE);
            return;
        }
        tracing::info!(seconds = slept.as_seconds(), "the box has slept, and nobody said so");
        self.sleep.noticed = Some(now.boot);
        self.input(Input::Slept { since: last.boot.min(now.boot) }, now);
    }

    /// Lets the box sleep when everything is saved. That takes no longer than a stop.
    pub(super) fn look_whether_saved(&mut self, now: BootInstant) {
        if self.sleep.put_off.is_some_and(|until| until <= now || self.may_leave(now)) {
            self.sleep.put_off = None;
        }
    }

    /// Whether the sleep or the shutdown of the box is to be put off: something is to be saved when
    /// it comes, or is being saved now.
    pub fn puts_off_sleep(&self) -> bool {
        if self.sleep.announced {
            return self.sleep.put_off.is_some();
        }
        let open = |session: &crate::core::sessions::Session| {
            !session.untracked && session.tracker.phase() == Phase::Open
        };
        self.agent.sessions().any(|(_, session)| open(session) || session.waiting.is_some())
    }
}
