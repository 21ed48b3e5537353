//! Log lines: a level, a sentence, fields. Under systemd each line begins with its priority, which
//! the journal removes (sd-daemon(3)). The usual formatter of `tracing` cannot do that, and would
//! be a fiftieth of the daemon's size.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::core::text::printable;

/// Begins to log at `level` and above, on standard error.
pub fn start(level: Level) {
    #[allow(clippy::disallowed_methods)]
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    // A second call keeps the first subscriber.
    let _ = tracing::subscriber::set_global_default(Lines { level, journal });
}

struct Lines {
    level: Level,
    journal: bool,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = line(*event.metadata().level(), self.journal, event);
        line.push('\n');
        // A failed write to standard error is ignored.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn line(level: Level, journal: bool, event: &Event<'_>) -> String {
    let priority = match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    };
    let mut parts = Parts::default();
    event.record(&mut parts);
    let level = if journal { format!("<{priority}>") } else { format!("{level:>5} ") };
    let line = format!("{level}{}{}", parts.message, parts.fields).replace(['\n', '\r'], " ");
    printable(&line).into_owned()
}

/// The sentence and the fields of an event.
#[derive(Default)]
struct Parts {
    message: String,
    fields: String,
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            name => {
                let _ = write!(self.fields, " {name}={value:?}");
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing into a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
