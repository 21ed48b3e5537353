//! Log lines: a level, a sentence, fields. Under systemd each line begins with its priority, which
//! the journal removes (sd-daemon(3)), and an event with a `message_id` goes to the journal natively,
//! so that its catalog explains it. The usual formatter of `tracing` can do neither, and would be a
//! fiftieth of the daemon's size.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::core::text::printable;
use crate::system::journal::{self, Journal};

/// The rank of the last level that is logged.
static LAST_RANK: AtomicU8 = AtomicU8::new(0);

/// Logs at `level` and above from now on.
pub fn set_level(level: Level) {
    LAST_RANK.store(rank(level), Ordering::Relaxed);
}

/// Begins to log at `level` and above, on standard error.
pub fn start(level: Level) {
    set_level(level);
    let under_journal = journal::is_standard_error();
    let journal = if under_journal { Journal::new() } else { None };
    // A second call keeps the first subscriber.
    let _ = tracing::subscriber::set_global_default(Lines { under_journal, journal });
}

struct Lines {
    /// Standard error leads to the journal.
    under_journal: bool,
    journal: Option<Journal>,
}

impl Subscriber for Lines {
    /// The level may be another one later.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && rank(*metadata.level()) <= LAST_RANK.load(Ordering::Relaxed)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let level = *event.metadata().level();
        let mut parts = Parts::default();
        event.record(&mut parts);
        if let Some(journal) = self.journal.as_ref().filter(|_| !parts.message_id.is_empty())
            && journal.send(&parts.entry(priority(level)))
        {
            return;
        }
        let mut line = match self.under_journal {
            true => format!("<{}>{}", priority(level), parts.line()),
            false => format!("{level:>5} {}", parts.line()),
        };
        line.push('\n');
        // A failed write to standard error is ignored.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The place of a level, the most urgent first.
fn rank(level: Level) -> u8 {
    match level {
        Level::ERROR => 0,
        Level::WARN => 1,
        Level::INFO => 2,
        Level::DEBUG => 3,
        _ => 4,
    }
}

fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// The sentence and the fields of an event.
#[derive(Default)]
struct Parts {
    message_id: String,
    message: String,
    /// ` name=value` of each other field.
    fields: String,
    /// The same as the journal has them: a line of its own for each, `PLAYHEAD_NAME=value`.
    own_fields: String,
}

impl Parts {
    /// The sentence with its fields, in one line.
    fn line(&self) -> String {
        one_line(&format!("{}{}", self.message, self.fields))
    }

    /// An entry of the journal.
    fn entry(&self, priority: u8) -> String {
        let Parts { message_id, own_fields, .. } = self;
        format!(
            "MESSAGE={}\nPRIORITY={priority}\nMESSAGE_ID={message_id}\n\
             SYSLOG_IDENTIFIER=playheadd\n{own_fields}",
            self.line()
        )
    }

    fn add(&mut self, field: &Field, plain: &str, quoted: &dyn Debug) {
        let name = field.name();
        // Writing into a string does not fail.
        let _ = match name {
            "message_id" => self.message_id.write_str(plain),
            "message" => self.message.write_str(plain),
            _ => write!(self.fields, " {name}={quoted:?}").and_then(|()| {
                let name = name.to_ascii_uppercase();
                writeln!(self.own_fields, "PLAYHEAD_{name}={}", one_line(plain))
            }),
        };
    }
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, &format!("{value:?}"), value);
    }
}

fn one_line(text: &str) -> String {
    printable(&text.replace(['\n', '\r'], " ")).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps the journal's entries and the lines of standard error.
    struct Kept(Arc<Mutex<Vec<(String, String)>>>);

    impl Subscriber for Kept {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            let mut parts = Parts::default();
            event.record(&mut parts);
            let priority = priority(*event.metadata().level());
            self.0.lock().unwrap().push((parts.entry(priority), parts.line()));
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn an_entry_has_a_line_a_field_whatever_others_have_written() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        tracing::subscriber::with_default(Kept(kept.clone()), || {
            let (why, none) = ("no\nMESSAGE_ID=forged\u{1b}[31m", None::<u64>);
            tracing::warn!(message_id = "4164", why, hits = 3, none, "it {}", "fails");
        });
        let kept = kept.lock().unwrap();
        let (entry, line) = &kept[0];
        assert_eq!(
            entry,
            "MESSAGE=it fails why=\"no\\nMESSAGE_ID=forged\\u{1b}[31m\" hits=3\nPRIORITY=4\n\
             MESSAGE_ID=4164\nSYSLOG_IDENTIFIER=playheadd\n\
             PLAYHEAD_WHY=no MESSAGE_ID=forged\\u001b[31m\nPLAYHEAD_HITS=3\n"
        );
        assert!(entry.contains(&format!("MESSAGE={line}\n")));
    }
}
