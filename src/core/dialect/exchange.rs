//! What goes out to a collector and what comes back, whatever the dialect.

use std::sync::Arc;

use crate::core::settings::FIRST_COLLECTOR;
use crate::core::time::WallTime;

/// Names a request that is on its way to a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Opens a session at the collector.
    Open,
    /// Reports of a session that is open there, under its id.
    Report { sid: String },
    /// Reports of any sessions, whose ids the agent has made.
    Batch,
    /// A downloaded session as a whole (spec 7).
    Download,
    /// Nothing is reported: whether the collector answers at all, and how. `HEAD` without a body.
    Probe,
}

/// A request to a collector: `POST` with a JSON body, but for a probe.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub id: RequestId,
    /// The name of the collector in the settings.
    pub collector: Arc<str>,
    pub purpose: Purpose,
    /// The path below the collector's base URL.
    pub path: String,
    /// JSON text.
    pub body: String,
    /// The dialect needs the body of a 2xx answer.
    pub reads_answer: bool,
}

impl RequestId {
    /// The most probes at one time: one for each collector.
    const PROBES: u64 = 256;

    /// A probe's; no report is in it. No other request reaches these numbers.
    pub const fn probe(number: usize) -> RequestId {
        RequestId(u64::MAX - number as u64 % Self::PROBES)
    }

    /// The number of a probe.
    pub const fn probe_number(self) -> Option<usize> {
        let number = u64::MAX - self.0;
        if number < Self::PROBES { Some(number as usize) } else { None }
    }
}

/// The most of an answer's body that is read, in bytes.
pub const MOST_ANSWER_BYTES: usize = 64 * 1024;

/// What became of a request (spec 1.1).
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The collector answered.
    Answered {
        status: u16,
        /// The answer's `Location` header.
        location: Option<String>,
        retry_after: Option<RetryAfter>,
        /// At most `MOST_ANSWER_BYTES`; empty when the body was not read.
        body: String,
    },
    /// Nothing reached the collector: name, connect or TLS failure.
    Unreachable(Problem),
    /// The request may have been received: a timeout or a lost connection after it was sent.
    Unanswered(Problem),
}

/// Why a request was not accepted, for whoever has to act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub cause: Cause,
    /// What happened, in words.
    pub why: String,
}

impl Problem {
    pub fn new(cause: Cause, why: impl Into<String>) -> Problem {
        Problem { cause, why: why.into() }
    }
}

/// What kind of problem it is, as far as that says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nothing listens there.
    Refused,
    UnknownHost,
    /// The proxy cannot be reached, or does not pass requests on.
    Proxy,
    /// The certificate of the collector is of an authority that the box does not know.
    UnknownAuthority,
    /// It is for another host.
    WrongName,
    /// It is not valid at present.
    Expired,
    /// The collector did not let this box in.
    ClientCertificate,
    TimedOut,
    /// Another failure of the connection.
    Connection,
    /// An answer that does not accept.
    Status(u16),
    /// An answer that refuses for good. A 2xx can do that too (edge 7.2).
    GivenUp(u16),
    /// An answer of Media Edge that does not accept the datastream (edge 7.3).
    Datastream(u16),
    /// An answer of Media Edge that does not accept who the box says it is (edge 7.3).
    Identity(u16),
    /// An answer that accepts a start, without a session.
    NoSession(u16),
}

impl Cause {
    /// The status of the answer, if there was one. Its words may quote what was watched.
    pub const fn status(self) -> Option<u16> {
        match self {
            Cause::Status(status)
            | Cause::GivenUp(status)
            | Cause::Datastream(status)
            | Cause::Identity(status)
            | Cause::NoSession(status) => Some(status),
            _ => None,
        }
    }

    /// What an operator can do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Cause::Refused => "nothing listens there: check collector.url and firewalls",
            Cause::UnknownHost => "check the host in collector.url and the name servers of the box",
            Cause::Proxy => "check collector.proxy: it does not lead to the collector",
            Cause::UnknownAuthority => {
                "the box does not know the authority of this certificate: set collector.ca_file"
            }
            Cause::WrongName => "its certificate is for another host: check collector.url",
            Cause::Expired => {
                "its certificate is not valid now: check the clock of the box, then the certificate"
            }
            Cause::ClientCertificate => {
                "it asks for a client certificate that it knows: set collector.client_cert_file and \
                 collector.client_key_file"
            }
            Cause::TimedOut => {
                "nothing answers there: check the network, firewalls and collector.url"
            }
            Cause::Connection => "check the network and collector.url",
            Cause::Status(300..=399) => {
                "redirects are not followed: set collector.url to where it leads"
            }
            Cause::Status(401 | 403) => {
                "it does not let this box in: check collector.client_cert_file, otlp.headers_file or \
                 the account"
            }
            Cause::Status(404 | 410) => "this path is unknown there: check collector.url",
            Cause::Status(407) => "the proxy asks for a password: set it in collector.proxy",
            Cause::GivenUp(_) | Cause::Status(400 | 413 | 415 | 422) => {
                "these hits were given up: see `playheadctl queue --rejected`"
            }
            Cause::Status(408 | 429 | 500..=599) => "the collector has to recover; hits are kept",
            Cause::Status(_) => "check collector.url and the account",
            Cause::Datastream(_) => {
                "check edge.datastream_id and the settings of this datastream at Adobe; hits are kept"
            }
            Cause::Identity(_) => {
                "check analytics.app_installation_id and analytics.marketing_cloud_user_id; hits are \
                 kept"
            }
            Cause::NoSession(_) => {
                "it gave no session: check collector.url and collector.kind, and for Media Edge that the \
                 datastream has Media Analytics"
            }
        }
    }
}

impl Cause {
    /// The same about the collector of this name.
    pub fn advice_for(self, collector: &str) -> String {
        match collector {
            FIRST_COLLECTOR => self.advice().to_owned(),
            // Its own `[edge]` lies within.
            name => self
                .advice()
                .replace("edge.", &format!("collectors.{name}.edge."))
                .replace("otlp.", &format!("collectors.{name}.otlp."))
                .replace("collector.", &format!("collectors.{name}.")),
        }
    }
}

impl Outcome {
    /// The beginning of an answer's body, as a log line may have it.
    pub fn message(body: &str) -> String {
        const MOST: usize = 512;
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let mut end = body.len().min(MOST);
        while !body.is_char_boundary(end) {
            end -= 1;
        }
        body[..end].chars().map(printable).collect()
    }
}

/// Both forms of the `Retry-After` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    Seconds(u64),
    Date(WallTime),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_the_keys_of_its_collector() {
        let of = |cause: Cause| cause.advice_for("edge");
        assert!(of(Cause::Connection).ends_with("collectors.edge.url"));
        assert!(of(Cause::Datastream(400)).contains(" collectors.edge.edge.datastream_id "));
        assert!(Cause::Connection.advice_for("main").ends_with(" collector.url"));
    }

    #[test]
    fn a_message_is_short_and_printable() {
        assert_eq!(Outcome::message("a\nb\u{1b}[2J"), "a b [2J");
        let long = "ä".repeat(1_000);
        assert_eq!(Outcome::message(&long).len(), 512);
    }
}
