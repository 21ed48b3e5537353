//! An answer -> what happens next (api.md 2.7, spec 1.1). Nobody else looks at a status code.

use crate::core::effect::Resource;
use crate::core::input::{Outcome, RetryAfter};
use crate::core::time::{Span, WallTime};

/// What an outcome means for the hit that was sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Accepted; a new sid for `sessions`.
    Accepted { sid: Option<String> },
    /// Refused for good: the data is wrong.
    Refused { status: u16, message: String },
    /// The sid is unknown or closed.
    Gone,
    /// Try again; `after` is the collector's own wish.
    Later { after: Option<Span>, why: String },
    /// It may have been counted; nobody knows.
    Ambiguous { why: String },
}

/// Judges an outcome. `now` dates a `Retry-After` in its date form.
pub fn judge(resource: &Resource, outcome: &Outcome, now: WallTime) -> Verdict {
    let (status, location, retry_after, message) = match outcome {
        Outcome::Unreachable(why) => return Verdict::Later { after: None, why: why.clone() },
        Outcome::Unanswered(why) => return Verdict::Ambiguous { why: why.clone() },
        Outcome::Answered { status, location, retry_after, message } => {
            (*status, location, retry_after, message)
        }
    };
    let on_event = matches!(resource, Resource::Events { .. });
    match status {
        200..=299 if *resource == Resource::Sessions => {
            match location.as_deref().and_then(sid_of) {
                Some(sid) => Verdict::Accepted { sid: Some(sid) },
                // A 2xx without a usable Location is a failure like a 5xx (spec 1.1).
                None => Verdict::Later {
                    after: None,
                    why: format!("the collector answered {status} without a session in Location"),
                },
            }
        }
        200..=299 => Verdict::Accepted { sid: None },
        400 | 413 | 415 | 422 => Verdict::Refused { status, message: message.clone() },
        404 | 410 if on_event => Verdict::Gone,
        _ => Verdict::Later {
            after: retry_after.map(|r| match r {
                RetryAfter::Seconds(s) => Span::seconds(s.min(1 << 40)),
                RetryAfter::Date(date) => (date - now).max(Span::ZERO),
            }),
            why: if message.is_empty() {
                format!("the collector answered {status}")
            } else {
                format!("the collector answered {status}: {message}")
            },
        },
    }
}

/// The sid in a `Location`: what follows `/sessions/`, without a trailing slash, a query or a
/// fragment; an absolute URL is fine (spec 1). `None` when there is none, or when it holds what
/// cannot stand in a path.
pub fn sid_of(location: &str) -> Option<String> {
    let (_, sid) = location.split_once("/sessions/")?;
    let sid = sid.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~:".contains(&b);
    let usable = !sid.is_empty() && sid.len() <= 512 && sid.bytes().all(plain);
    (usable && sid.bytes().any(|b| b != b'.')).then(|| sid.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sid_is_what_follows_sessions() {
        for (location, sid) in [
            ("/api/v1/sessions/abc123", Some("abc123")),
            ("https://x.example/pre/api/v1/sessions/abc/", Some("abc")),
            ("/api/v1/sessions/a?x=1", Some("a")),
            ("/api/v1/sessions/", None),
            ("/api/v1/other/abc", None),
            ("/api/v1/sessions/a/b", None),
            ("/api/v1/sessions/..", None),
            ("/api/v1/sessions/a b", None),
        ] {
            assert_eq!(sid_of(location).as_deref(), sid, "{location}");
        }
    }

    #[test]
    fn every_status_has_its_row() {
        let events = Resource::Events { sid: "s".into() };
        let answer = |status| Outcome::Answered {
            status,
            location: None,
            retry_after: None,
            message: String::new(),
        };
        let name = |resource: &Resource, status| match judge(resource, &answer(status), WallTime(0))
        {
            Verdict::Accepted { .. } => "accepted",
            Verdict::Refused { .. } => "refused",
            Verdict::Gone => "gone",
            Verdict::Later { .. } => "later",
            Verdict::Ambiguous { .. } => "ambiguous",
        };
        for (status, on_events, on_sessions) in [
            (204, "accepted", "later"),
            (400, "refused", "refused"),
            (413, "refused", "refused"),
            (404, "gone", "later"),
            (410, "gone", "later"),
            (401, "later", "later"),
            (302, "later", "later"),
            (408, "later", "later"),
            (429, "later", "later"),
            (500, "later", "later"),
        ] {
            assert_eq!(name(&events, status), on_events, "{status} on events");
            assert_eq!(name(&Resource::Sessions, status), on_sessions, "{status} on sessions");
        }
    }
}
