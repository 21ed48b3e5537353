//! What goes from a box to the collector and back, as far as a fleet has to know it.

use super::agent::TRUE_OFFSET;
use crate::core::dialect::exchange::{Cause, Outcome, Problem, Purpose, Request, RetryAfter};

/// A viewing: the same media, watched on one box from beginning to end. It has a number.
pub type Viewing = u32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Start,
    Ping,
    End,
    Other,
}

/// A hit on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Names the request on its box.
    pub request: u64,
    pub kind: Kind,
    /// When it happened, in milliseconds of the fleet's time.
    pub ts: i64,
    pub to: To,
}

/// Which session it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// It opens one.
    New(Viewing),
    /// Its number at the collector.
    Sid(u32),
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// A session of this number was opened.
    Opened(u32),
    Accepted,
    /// Not accepted.
    Status(u16),
    /// 429, and how many seconds to wait.
    Wait(u16),
    /// No connection came about.
    Unreachable,
    /// No answer came in time.
    Unanswered,
}

const SESSIONS: &str = "/api/v1/sessions";

/// The media id of a viewing.
pub fn media_id(viewing: Viewing) -> String {
    format!("v{viewing}")
}

impl Hit {
    /// A request of an agent. `None` for what a fleet does not send, such as downloads.
    pub fn of(request: &Request) -> Option<Hit> {
        let body = &request.body;
        let ts: i64 = number(body, "\"ts\":")?;
        let (to, kind) = match &request.purpose {
            Purpose::Open => (To::New(number(body, "\"media.id\":\"v")?), Kind::Start),
            Purpose::Report { sid } => {
                let kind = match text(body, "\"eventType\":\"")? {
                    "ping" => Kind::Ping,
                    "sessionEnd" | "sessionComplete" => Kind::End,
                    _ => Kind::Other,
                };
                (To::Sid(sid.parse().ok()?), kind)
            }
            _ => return None,
        };
        Some(Hit { request: request.id.0, kind, ts: ts - TRUE_OFFSET, to })
    }
}

/// The digits after a text in a body.
fn number<T: std::str::FromStr>(body: &str, after: &str) -> Option<T> {
    let rest = &body[body.find(after)? + after.len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn text<'a>(body: &'a str, after: &str) -> Option<&'a str> {
    let rest = &body[body.find(after)? + after.len()..];
    rest.split('"').next()
}

impl Reply {
    /// As the agent hears it.
    pub fn outcome(self) -> Outcome {
        let answered = |status, location, retry_after| Outcome::Answered {
            status,
            location,
            retry_after,
            body: String::new(),
        };
        match self {
            Reply::Opened(sid) => answered(201, Some(format!("{SESSIONS}/{sid}")), None),
            Reply::Accepted => answered(204, None, None),
            Reply::Status(status) => answered(status, None, None),
            Reply::Wait(seconds) => {
                answered(429, None, Some(RetryAfter::Seconds(u64::from(seconds))))
            }
            Reply::Unreachable => {
                Outcome::Unreachable(Problem::new(Cause::Connection, "no connection"))
            }
            Reply::Unanswered => Outcome::Unanswered(Problem::new(Cause::TimedOut, "timed out")),
        }
    }
}
