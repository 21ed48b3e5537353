//! Warnings about what players send: at most one a minute, with the count of those left out.

use super::time::{BootInstant, Span};

const QUIET: Span = Span::seconds(60);

#[derive(Debug, Default)]
pub struct Warnings {
    said: Option<BootInstant>,
    unsaid: u64,
}

impl Warnings {
    /// A refused signal or timeline line. It has no reply that could carry the reason.
    pub fn event(&mut self, event: &str, why: &str, now: BootInstant) {
        if self.said.is_some_and(|said| now - said < QUIET) {
            self.unsaid += 1;
            tracing::debug!(event, why, "event refused");
            return;
        }
        tracing::warn!(event, why, unsaid = self.unsaid, "event refused");
        self.said = Some(now);
        self.unsaid = 0;
    }
}
