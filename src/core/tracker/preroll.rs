//! The first 250 ms of a session (spec 3.9): players often say `Play` before they know of the
//! preroll. Reports of this time are held back; when an ad break starts in it, the calls so far are
//! played again without the early `Play`, as if it had never been said.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::{Context, Tracker, TrackerContext};
use crate::core::report::Report;
use crate::core::time::{BootInstant, Span};

/// How long a `play` can still be taken back (spec 3.9).
const PREROLL_WAIT: Span = Span::millis(250);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Opening {
    pub until: BootInstant,
    pub held: Vec<Report>,
    /// The context right after `sessionStart`.
    start: Box<Context>,
    calls: Vec<(Event, f64, BootInstant)>,
}

impl Opening {
    pub fn new(at: BootInstant, start: &Context) -> Opening {
        Opening {
            until: at + PREROLL_WAIT,
            held: Vec::new(),
            start: Box::new(start.clone()),
            calls: Vec::new(),
        }
    }
}

impl Tracker {
    /// Takes note of an accepted call of the opening. A break takes back what `Play` did; an end
    /// or a break ends the opening.
    pub(super) fn note_opening(&mut self, event: &Event, playhead: f64, at: BootInstant) {
        if let Some(opening) = &mut self.opening {
            opening.calls.push((event.clone(), playhead, at));
        }
    }

    /// A break begins: everything said so far counts but `Play`.
    pub(super) fn take_back_play(&mut self, out: &mut TrackerContext<'_>) {
        let Some(mut opening) = self.opening.take() else { return };
        if !opening.calls.iter().any(|(event, ..)| matches!(event, Event::Play { .. })) {
            out.reports.append(&mut opening.held);
            return;
        }
        self.context = *opening.start;
        for (event, playhead, at) in opening.calls {
            if !matches!(event, Event::Play { .. }) {
                // What only the early `Play` made legal falls with it.
                let _ = self.apply(&event, playhead, at, out);
            }
        }
    }

    /// The opening is over: what was held goes out unchanged.
    pub(super) fn release_opening(&mut self, out: &mut TrackerContext<'_>) {
        if let Some(mut opening) = self.opening.take() {
            out.reports.append(&mut opening.held);
        }
    }
}
