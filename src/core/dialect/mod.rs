//! The protocols of collectors: how reports become requests, and what answers mean. Sessions,
//! resume, queue, clock, consent and limits know no dialect: a new protocol is one file here and a
//! row in `Dialects::default`.

pub mod exchange;
pub mod keys;
pub mod media_collection;
pub mod media_edge;
mod members;
pub mod otlp;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use self::exchange::{Outcome, Problem, Purpose};
use self::media_collection::MediaCollection;
use self::media_edge::MediaEdge;
use self::otlp::Otlp;
use super::media::MediaInfo;
use super::report::Report;
use super::settings::{CollectorSettings, Settings};
use super::time::{Span, WallTime};

/// A protocol of collectors.
pub trait Dialect: Debug + Send + Sync {
    /// What `delivery` must know of the collector's server.
    fn facts(&self) -> Capabilities;

    /// The path of a request, below the collector's base URL.
    fn path(&self, content: &RequestContent<'_>) -> String;

    /// Appends reports to the body of a request. A request of many reports is put together in
    /// several steps; the body is empty at the first.
    fn append(&self, body: &mut String, content: &RequestContent<'_>);

    /// Completes a body to which all reports were appended; `content` has none. Gives how many pings
    /// of a download were left out, so that it fits.
    fn finish(&self, body: &mut String, content: &RequestContent<'_>) -> usize;

    /// What an outcome means for the reports that were sent. `now` turns the date form of
    /// `Retry-After` into a wait.
    fn judge(&self, purpose: &Purpose, outcome: &Outcome, now: WallTime) -> Verdict;
}

/// What delivery must know of a collector's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    pub session_id: SessionId,
    /// The most reports in one request. A start is sent alone where the server makes the sid.
    /// A dialect with more than one must be able to tell repeated reports apart.
    pub reports_per_request: usize,
    /// The most bytes of a request's body. One report may be longer.
    pub bytes_per_request: usize,
    /// The server recognises a repeated report, so a ping may be sent again when it is unknown
    /// whether it arrived.
    pub tells_repeats_apart: bool,
    /// A downloaded session is one request, sent when it has ended (spec 7).
    pub downloads_in_one: bool,
    /// The dialect needs the body of a 2xx answer.
    pub reads_answer: bool,
}

/// Who makes the id of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionId {
    /// The server, in its answer to the start. It forgets a session that is silent for longer than
    /// `delivery.sid_lifetime` (spec 3.3).
    Server,
    /// The agent, a UUID; the server has no sessions and forgets none. A request may hold reports of
    /// many sessions.
    Agent,
}

/// Reports for a request, with everything that a dialect may send about them.
#[derive(Debug)]
pub struct RequestContent<'a> {
    pub purpose: &'a Purpose,
    /// The session's id at this collector, once it has one.
    pub sid: Option<&'a str>,
    /// The agent's own id of the session that a start goes on with, when it is known.
    pub previous: Option<&'a str>,
    pub media: &'a MediaInfo,
    /// The collector that it is for.
    pub collector: &'a CollectorSettings,
    pub settings: &'a Settings,
    pub reports: &'a [DatedReport<'a>],
}

/// A report with its time on the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct DatedReport<'a> {
    pub ts: WallTime,
    /// Tells it from all others of its session, also after a restart of the agent. Reports that open
    /// a session anew count up to -1.
    pub number: i64,
    pub report: &'a Report,
}

/// What an outcome means for the reports that were sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Accepted; the server has made the sid.
    Opened { sid: String },
    /// Accepted.
    Accepted,
    /// Accepted, but for so many that are refused for good. The server does not say which.
    AcceptedBut { refused: u64, status: u16, message: String },
    /// Refused for good: the data is wrong.
    Refused { status: u16, message: String },
    /// The session is unknown or closed.
    Gone,
    /// Try again; `after` is the wait that the collector asked for.
    Later { after: Option<Span>, problem: Problem },
    /// The collector may or may not have counted them.
    Ambiguous { problem: Problem },
}

/// The dialects that a program speaks, by the `kind` of a collector in the settings.
#[derive(Debug, Clone)]
pub struct Dialects(BTreeMap<String, Arc<dyn Dialect>>);

impl Default for Dialects {
    /// Every dialect of this program.
    fn default() -> Dialects {
        let mut dialects = Dialects(BTreeMap::new());
        dialects.add(media_collection::KIND, Arc::new(MediaCollection));
        dialects.add(media_edge::KIND, Arc::new(MediaEdge));
        dialects.add(otlp::KIND, Arc::new(Otlp));
        dialects
    }
}

impl Dialects {
    /// Adds a dialect, or replaces the one of the same kind.
    pub fn add(&mut self, kind: &str, dialect: Arc<dyn Dialect>) {
        self.0.insert(kind.to_owned(), dialect);
    }

    /// `None` for an unknown kind.
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn Dialect>> {
        self.0.get(kind)
    }
}
