//! What the door says to those whom it refuses, and small questions about messages.

use zbus::Message;
use zbus::message::{Flags, Type};

use crate::core::rejected::{Refusal, Rejected};

/// Calls of all senders together that may wait for their answers.
pub(super) const MOST_UNANSWERED: usize = 4096;
/// A read holds little; a larger one is refused.
pub(super) const MOST_READ_BYTES: usize = 8 * 1024;

pub(super) fn is_from(message: &Message, sender: &str) -> bool {
    message.header().sender().is_some_and(|of| of.as_str() == sender)
}

pub(super) fn expects_reply(message: &Message) -> bool {
    let flags = message.primary_header().flags();
    message.message_type() == Type::MethodCall && !flags.contains(Flags::NO_REPLY_EXPECTED)
}

/// Whether an answer says that there is no such object, interface, method or property: which of them,
/// and the sentence.
pub(super) fn unknown(answer: &Message) -> Option<(String, String)> {
    let header = answer.header();
    let kind = header.error_name()?.strip_prefix("org.freedesktop.DBus.Error.Unknown")?;
    let why = answer.body().deserialize::<&str>().unwrap_or_default().to_owned();
    Some((format!("Unknown{kind}"), why))
}

fn limits_exceeded(why: String) -> Rejected {
    Rejected::new(Refusal::LimitsExceeded, why)
}

pub(super) fn too_long() -> Rejected {
    limits_exceeded(format!(
        "a call may hold {MOST_READ_BYTES} bytes if it reads, and 1 MiB in any case; this one holds \
         more and was dropped"
    ))
}

pub(super) fn too_many_wait() -> Rejected {
    limits_exceeded(format!(
        "{MOST_UNANSWERED} calls wait for their answers; this one was dropped, try again later"
    ))
}

pub(super) fn too_many_reads(most: usize) -> Rejected {
    limits_exceeded(format!(
        "a sender may wait for {most} answers to its reads; read those first, this one was dropped"
    ))
}

pub(super) fn no_introspection() -> Rejected {
    Rejected::new(
        Refusal::AccessDenied,
        "introspection is for root, the agent's own user and members of group 'playhead'",
    )
}
