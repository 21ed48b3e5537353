//! What the parts of the bench collector share: its options, its state, and who is told of a change.

use std::io::{self, Write};
use std::sync::atomic::AtomicUsize;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::watch;

use super::lines::Lines;
use super::log::Log;
use super::saved::Saved;
use super::tls::Tls;
use crate::sim::CollectorModel as _;
use crate::sim::backend::{Backend, Rule};

/// What a collector is started with.
pub struct Options {
    /// Takes one line a request. What cannot be written is lost; the collector goes on.
    pub output: Box<dyn Write + Send>,
    /// The form of these lines.
    pub lines: Lines,
    /// The fault rules at the start (behaviour.md 4).
    pub rules: Vec<Rule>,
    /// Speaks TLS and presents this; `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// Takes one line for each TLS handshake that failed, and why.
    pub complaints: Box<dyn Write + Send>,
    /// Shows this and takes no hits; `None`: a collector.
    pub saved: Option<Saved>,
}

impl Default for Options {
    /// Plain HTTP without output and without faults.
    fn default() -> Options {
        Options {
            output: Box::new(io::sink()),
            lines: Lines::Plain,
            rules: Vec::new(),
            tls: None,
            complaints: Box::new(io::sink()),
            saved: None,
        }
    }
}

/// The collector, seen from its connections and from a test's [`Collector`](super::Collector).
pub(super) struct Shared {
    pub tls: Option<Tls>,
    complaints: Mutex<Box<dyn Write + Send>>,
    /// Connections that are open.
    pub connections: AtomicUsize,
    /// Connections since the start.
    pub accepted: AtomicUsize,
    state: Mutex<State>,
    /// Signalled after every request.
    pub changed: Condvar,
    /// The same for the pages that listen.
    pub news: watch::Sender<()>,
    /// Pages that listen.
    pub readers: AtomicUsize,
    /// The start, Unix time in ms.
    pub began_ms: i64,
    /// What the players did, if that is known: lines of a timeline with `at_ms`.
    pub timeline: Vec<Value>,
    /// The name of the file that is shown.
    pub saved: Option<String>,
}

pub(super) struct State {
    pub backend: Backend,
    pub log: Log,
    pub output: Box<dyn Write + Send>,
    pub lines: Lines,
}

impl Shared {
    pub fn new(options: Options) -> Shared {
        let Options { output, lines, rules, tls, complaints, saved } = options;
        let mut backend = Backend::new();
        backend.set_rules(rules);
        let Saved { name, hits, timeline } = saved.unwrap_or_default();
        let mut log = Log::default();
        hits.into_iter().for_each(|record| log.push(record));
        let state = State { backend, log, output, lines };
        let complaints = Mutex::new(complaints);
        Shared {
            tls,
            complaints,
            connections: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            state: Mutex::new(state),
            changed: Condvar::new(),
            news: watch::Sender::new(()),
            readers: AtomicUsize::new(0),
            began_ms: unix_ms(),
            timeline,
            saved: name,
        }
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Writes a line for whoever runs the collector.
    pub fn complain(&self, line: &str) {
        let mut out = self.complaints.lock().expect("no writer has panicked");
        // What cannot be written is lost, as with the output.
        let _ = writeln!(out, "{line}");
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the collector's state has panicked")
    }

    /// Forgets hits and sums.
    pub fn clear(&self) {
        self.state().log.clear();
        self.changed.notify_all();
        self.news.send_replace(());
    }
}

/// Unix time in ms; 0 on a clock before 1970.
pub(super) fn unix_ms() -> i64 {
    // A bench stamps arrivals with the real clock.
    #[allow(clippy::disallowed_methods)]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
