//! Warnings about what players send: refusals at most once a minute of each kind, with the count of
//! those left out; keys that nobody reads once for each application.

use std::collections::BTreeSet;

use super::rejected::{Refusal, Rejected};
use super::time::{BootInstant, Span};
use super::tracker::info::reader::Ignored;

const QUIET: Span = Span::seconds(60);
/// Keys that are remembered as said. When there are more, nobody reads on.
const MOST_KEYS: usize = 256;

/// When the log last had a refusal, and how many were left out since.
#[derive(Debug, Clone, Copy, Default)]
struct LastLine {
    at: Option<BootInstant>,
    unsaid: u64,
}

/// The lines about refusals of one door.
#[derive(Debug, Default)]
pub struct RefusalLog(Vec<(Refusal, LastLine)>);

impl RefusalLog {
    /// Says that a sender was refused an event or a call: a warning, or a line at `debug`. `app` is
    /// empty when nobody knows it.
    pub fn say(&mut self, event: &str, sender: &str, app: &str, why: &Rejected, now: BootInstant) {
        let unsaid = self.due(why.kind, now);
        let (refusal, why) = (why.kind.name(), why.why.as_str());
        let app = (!app.is_empty()).then_some(app);
        match unsaid {
            Some(unsaid) => tracing::warn!(event, sender, app, refusal, why, unsaid, "refused"),
            None => tracing::debug!(event, sender, app, refusal, why, "refused"),
        }
    }

    /// How many of this kind were left out since the last line, if it is time for a line.
    fn due(&mut self, kind: Refusal, now: BootInstant) -> Option<u64> {
        let known = self.0.iter().position(|(of, _)| *of == kind);
        let at = known.unwrap_or_else(|| {
            self.0.push((kind, LastLine::default()));
            self.0.len() - 1
        });
        let said = &mut self.0[at].1;
        if said.at.is_some_and(|at| now - at < QUIET) {
            said.unsaid += 1;
            return None;
        }
        said.at = Some(now);
        Some(std::mem::take(&mut said.unsaid))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Warnings {
    pub refused: RefusalLog,
    /// (application, key)
    keys: BTreeSet<(String, String)>,
}

impl Warnings {
    /// Keys that an application sent and nobody reads.
    pub fn ignored(&mut self, app: &str, ignored: Vec<Ignored>) {
        for Ignored { key, why } in ignored {
            if self.keys.len() < MOST_KEYS && self.keys.insert((app.to_owned(), key)) {
                tracing::warn!(app, "{why}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_line_a_minute_with_the_count_of_those_unsaid() {
        let mut log = RefusalLog::default();
        let at = |seconds: i64| BootInstant(seconds * 1000);
        assert_eq!(log.due(Refusal::NotAllowed, at(5)), Some(0));
        assert_eq!(log.due(Refusal::NotAllowed, at(6)), None);
        assert_eq!(log.due(Refusal::AccessDenied, at(6)), Some(0), "another kind");
        assert_eq!(log.due(Refusal::NotAllowed, at(64)), None);
        assert_eq!(log.due(Refusal::NotAllowed, at(65)), Some(2));
        assert_eq!(log.due(Refusal::NotAllowed, at(500)), Some(0));
    }
}
