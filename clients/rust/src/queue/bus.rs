//! The bus comes and goes, and so does the agent on it.

use super::state::Over;
use super::{Link, Micros, Queue, RETRY};
use crate::error::{Notice, Reason, SessionId};
use crate::info::Motion;

impl Queue {
    /// There is a connection to the bus. To the agent it is a new player.
    pub(crate) fn connected(&mut self) {
        self.link = Link::Up;
        self.owners += 1;
        self.away = None;
        for lane in self.lanes.values_mut() {
            lane.refused = None;
        }
    }

    /// There is no connection, or no longer: the agent sees the player vanish. Sessions are opened
    /// anew when they say something.
    pub(crate) fn disconnected(&mut self, why: &str) {
        self.link = Link::Down;
        for message in &mut self.messages {
            message.call = None;
        }
        for session in self.sessions.values_mut() {
            session.path = None;
        }
        self.away = None;
        self.lifecycle_unsent();
        self.fail_asks(why);
        self.drop_unsaid();
        self.tidy();
    }

    /// The agent's name has another owner, or none.
    pub(crate) fn owner_changed(&mut self, now: Micros, there: bool) {
        if there {
            self.owners += 1;
            self.away = None;
            for lane in self.lanes.values_mut() {
                lane.refused = None;
            }
        } else {
            // A call now could wait for a service that is just being stopped.
            self.away = Some(now + RETRY);
        }
    }

    /// The agent has closed a session.
    pub(crate) fn closed(&mut self, path: &str, reason: Reason) {
        let found = self.sessions.iter().find(|(_, s)| s.path.as_deref() == Some(path));
        let Some(id) = found.map(|(id, _)| *id) else { return };
        self.session_closed(id, reason);
        self.tidy();
    }

    pub(super) fn session_closed(&mut self, id: SessionId, reason: Reason) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match reason {
            // The object stays. `Play` revives it, so the next `now` that plays has to say it.
            Reason::Idle | Reason::Background => {
                session.told = Some(Motion::Pause);
                session.motion = Some(Motion::Pause);
                session.dormant = true;
            }
            Reason::Vanished | Reason::Shutdown => session.path = None,
            Reason::Complete
            | Reason::End
            | Reason::Replaced
            | Reason::Consent
            | Reason::Failed => {
                session.over = Over::Closed;
                session.failed = reason == Reason::Failed;
                session.path = None;
                self.drop_unsaid();
            }
        }
        self.notify(Notice::Closed { session: id, reason });
    }
}
