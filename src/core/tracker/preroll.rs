//! The first 250 ms of a session (spec 3.9): players often send `Play` before they know of the
//! preroll. Reports of this time are held back. When an ad break starts in it, the calls so far
//! are applied again without the early `Play`.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::{Context, Tracker, TrackerContext};
use crate::core::report::Report;
use crate::core::time::{BootInstant, Span};

/// How long a `play` can still be taken back (spec 3.9).
const PREROLL_WAIT: Span = Span::millis(250);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PrerollWindow {
    pub until: BootInstant,
    pub held: Vec<Report>,
    /// The context right after `sessionStart`.
    start: Box<Context>,
    calls: Vec<(Event, f64, BootInstant)>,
}

impl PrerollWindow {
    pub fn new(at: BootInstant, start: &Context) -> PrerollWindow {
        PrerollWindow {
            until: at + PREROLL_WAIT,
            held: Vec::new(),
            start: Box::new(start.clone()),
            calls: Vec::new(),
        }
    }
}

impl Tracker {
    /// Notes an accepted call of the opening, for `take_back_play`.
    pub(super) fn note_opening(&mut self, event: &Event, playhead: f64, at: BootInstant) {
        if let Some(preroll) = &mut self.preroll {
            preroll.calls.push((event.clone(), playhead, at));
        }
    }

    /// An ad break begins: ends the opening, and applies its calls again without `Play`.
    pub(super) fn take_back_play(&mut self, out: &mut TrackerContext<'_>) {
        let Some(mut preroll) = self.preroll.take() else { return };
        if !preroll.calls.iter().any(|(event, ..)| matches!(event, Event::Play { .. })) {
            out.reports.append(&mut preroll.held);
            return;
        }
        self.context = *preroll.start;
        for (event, playhead, at) in preroll.calls {
            if !matches!(event, Event::Play { .. }) {
                // A call that only the early `Play` made legal is dropped with it.
                let _ = self.apply(&event, playhead, at, out);
            }
        }
    }

    /// Ends the opening: the held reports go out unchanged.
    pub(crate) fn release_preroll(&mut self, out: &mut TrackerContext<'_>) {
        if let Some(mut preroll) = self.preroll.take() {
            out.reports.append(&mut preroll.held);
        }
    }
}
