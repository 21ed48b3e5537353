//! Events that their player could not say at once: the info key `at` tells when they happened
//! (behaviour.md 1.1).

use super::Session;
use crate::core::Agent;
use crate::core::input::{Input, Target};
use crate::core::record::Said;
use crate::core::time::{BootInstant, Now, Span};
use crate::core::tracker::info::{AT, Info, Value, info_json};

/// An event that was said later than this counts from its arrival.
const OLDEST: Span = Span::seconds(60);
/// What was said sooner than this counts as said at once: nothing more of the past is on its way.
const AT_ONCE: Span = Span::millis(100);
/// After an event that was said late, and after a start of the agent that finds a ping overdue, the
/// session's pings wait for so long. More of the past may come, and nothing is believed that happened before the last report.
const MORE_MAY_COME: Span = Span::seconds(2);

/// An event of the past that is believed.
#[derive(Debug, Clone, Copy)]
pub(in crate::core) struct Late {
    pub at: BootInstant,
    /// The session that it is said in, or that it replaces.
    pub session: Option<u32>,
}

impl Said {
    /// What an event was, if it tells when it happened.
    pub(super) fn of(event: &str, playhead: f64, info: &Info) -> Option<Said> {
        let Some(Value::Int(at)) = info.get(AT) else { return None };
        // FNV-1a, because the standard hash may change from one version of the agent to the next.
        let text = format!("{event} {playhead} {}", info_json(info));
        let what = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Some(Said { at: *at, what })
    }
}

impl Agent {
    /// When an input happened that tells so itself. It is believed when it is not in the future, not
    /// older than 60 s and not before the last report of its session; else it counts from its
    /// arrival.
    pub(in crate::core) fn late(&self, input: &Input, now: Now) -> Option<Late> {
        let (info, session) = match input {
            Input::Open { player, info, .. } => (info, self.players.get(player).copied()),
            Input::Event { target, info, .. } => (
                info,
                match target {
                    Target::Session { number, .. } => Some(*number),
                    Target::Player(player) => self.players.get(player).copied(),
                },
            ),
            _ => return None,
        };
        let Some(Value::Int(micros)) = info.get(AT) else { return None };
        let at = BootInstant(micros.div_euclid(1000));
        let last = session.and_then(|number| self.sessions.get(&number));
        let why = if at > now.boot {
            "it is in the future"
        } else if now.boot - at > OLDEST {
            "it is older than 60 s"
        } else if last.is_some_and(|session| at < session.tracker.last_report()) {
            "it is before what its session said last"
        } else {
            return Some(Late { at, session });
        };
        tracing::debug!(session, at = micros, why, "an event counts from its arrival");
        None
    }

    /// The pings of a session wait until more of the past has had time to come, if it was late.
    pub(in crate::core) fn heard_late(&mut self, number: Option<u32>, late: Late, now: Now) {
        if let Some(number) = number.filter(|_| now.boot - late.at > AT_ONCE) {
            self.await_more(number, now);
        }
    }

    /// The pings of a session wait until more of the past has had time to come.
    pub(super) fn await_more(&mut self, number: u32, now: Now) {
        if let Some(session) = self.sessions.get_mut(&number) {
            session.quiet_until = Some(now.boot + MORE_MAY_COME);
        }
    }
}

impl Session {
    /// The same event once more: its player has not heard the answer to the first one.
    pub(super) fn repeats(&self, said: Option<Said>) -> bool {
        said.is_some() && self.said == said
    }
}
