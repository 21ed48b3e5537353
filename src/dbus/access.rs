//! Who may do what (behaviour.md 1.3, 1.4), by the caller's uid and groups. The bus policy has the
//! same rules; these hold on a bus without a policy too.

use super::identity::Credentials;
use crate::core::input::Input;
use crate::core::rejected::{Refusal, Rejected};
use crate::system::groups;

/// The group of the players and application managers.
const PLAYERS: &str = "playhead";
/// The group of those who may say what the viewer allows: a settings screen, say.
const ADMINS: &str = "playhead-admin";

/// A right that a caller can have. Reading the agent's own properties needs none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// Open and drive sessions, report application lifecycle, read sessions and resume points.
    Play,
    /// Set the viewer's consent.
    Consent,
    /// Deliver at once (`Flush`), watch what happens (`Watch`).
    Manage,
}

/// The right that an input needs; `None` for inputs that no caller sends.
pub(super) fn needed(input: &Input) -> Option<Right> {
    match input {
        Input::Open { .. }
        | Input::Event { .. }
        | Input::Lifecycle { .. }
        | Input::GetResumePoint { .. }
        | Input::SetResumePoint { .. }
        | Input::ForgetResumePoint { .. }
        | Input::Unreadable { .. } => Some(Right::Play),
        Input::SetConsent { .. } => Some(Right::Consent),
        Input::Flush { .. } => Some(Right::Manage),
        _ => None,
    }
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    uid: u32,
    play: bool,
    consent: bool,
    manage: bool,
}

impl Rights {
    /// Root and the service's own user have all rights, the group `playhead` has `Play`, the group
    /// `playhead-admin` has `Consent`.
    pub fn of(caller: &Credentials) -> Rights {
        let manage = caller.uid == 0 || caller.uid == rustix::process::geteuid().as_raw();
        let member = |group| match &caller.groups {
            Some(groups) => groups.contains(&group),
            None => groups::of_user(caller.uid).contains(&group),
        };
        let belongs = |name| manage || groups::id_of(name).is_some_and(member);
        Rights { uid: caller.uid, play: belongs(PLAYERS), consent: belongs(ADMINS), manage }
    }

    /// The uid whose limits count; `None` for root and the agent's own user.
    pub fn limited_uid(&self) -> Option<u32> {
        (!self.manage).then_some(self.uid)
    }

    /// Errors: `AccessDenied`, which names who has the right.
    pub fn check(&self, needed: Right) -> Result<(), Rejected> {
        let (may, who) = match needed {
            Right::Play => {
                (self.play, "root, the agent's own user and members of group 'playhead'")
            }
            Right::Consent => {
                (self.consent, "root, the agent's own user and members of group 'playhead-admin'")
            }
            Right::Manage => (self.manage, "root and the agent's own user"),
        };
        if may {
            return Ok(());
        }
        let why = format!("this is for {who}; the caller has uid {}", self.uid);
        Err(Rejected::new(Refusal::AccessDenied, why))
    }
}
