//! Why something was refused. The sentence is what the D-Bus error carries, so it says what was
//! expected, what came and what to do.

use super::text;

/// Which named error of `tv.playhead.Error.*` a refusal becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    InvalidArgs,
    NotAllowed,
    NoSession,
    LimitsExceeded,
    AccessDenied,
    Storage,
    /// There is no configuration that can be used (behaviour.md 3).
    NotConfigured,
}

impl Refusal {
    /// The last part of the D-Bus error name.
    pub const fn name(self) -> &'static str {
        match self {
            Refusal::InvalidArgs => "InvalidArgs",
            Refusal::NotAllowed => "NotAllowed",
            Refusal::NoSession => "NoSession",
            Refusal::LimitsExceeded => "LimitsExceeded",
            Refusal::AccessDenied => "AccessDenied",
            Refusal::Storage => "Storage",
            Refusal::NotConfigured => "NotConfigured",
        }
    }
}

/// A refused input: nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Rejected {
    pub kind: Refusal,
    pub why: String,
}

impl Rejected {
    pub fn new(kind: Refusal, why: impl Into<String>) -> Rejected {
        Rejected { kind, why: text::why(why.into()) }
    }

    pub fn invalid(why: impl Into<String>) -> Rejected {
        Rejected::new(Refusal::InvalidArgs, why)
    }

    pub fn not_allowed(why: impl Into<String>) -> Rejected {
        Rejected::new(Refusal::NotAllowed, why)
    }
}
