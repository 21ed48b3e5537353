//! Warnings about what players send: refused events at most once a minute, with the count of those
//! left out; keys that nobody reads once for each application.

use std::collections::BTreeSet;

use super::time::{BootInstant, Span};
use super::tracker::info::Ignored;

const QUIET: Span = Span::seconds(60);
/// Keys that are remembered as said. When there are more, nobody reads on.
const MOST_KEYS: usize = 256;

#[derive(Debug, Default)]
pub struct Warnings {
    said: Option<BootInstant>,
    unsaid: u64,
    /// (application, key)
    keys: BTreeSet<(String, String)>,
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

    /// Keys that an application sent and nobody reads.
    pub(crate) fn ignored(&mut self, app: &str, ignored: Vec<Ignored>) {
        for Ignored { key, why } in ignored {
            if self.keys.len() < MOST_KEYS && self.keys.insert((app.to_owned(), key)) {
                tracing::warn!(app, "{why}");
            }
        }
    }
}
