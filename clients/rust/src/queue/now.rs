//! For players that only know a status: what has to be said, so that the agent knows it too.

use super::state::Over;
use super::{Micros, Queue};
use crate::error::SessionId;
use crate::info::{self, Motion};
use crate::media::Media;

impl Queue {
    /// What plays now. Gives the session, and whether it was opened for this.
    pub(crate) fn now(
        &mut self,
        now: Micros,
        media: Option<&Media>,
        playhead: f64,
        rate: f64,
    ) -> (Option<SessionId>, bool) {
        let open = |queue: &Queue, id: &SessionId| {
            queue.sessions.get(id).is_some_and(|session| session.over == Over::No)
        };
        let current = self.current.filter(|id| open(self, id));
        // What the agent refuses is not tried with every report.
        let refused = |id: &SessionId| {
            self.sessions
                .get(id)
                .is_some_and(|s| s.failed && Some(&s.media_id) == media.map(|m| &m.id))
        };
        if let Some(id) = self.current.filter(refused) {
            return (Some(id), false);
        }
        let Some(media) = media else {
            if let Some(id) = current {
                self.say(now, id, playhead, info::last("End"));
            }
            return (None, false);
        };
        let same = |id: &SessionId| {
            self.sessions.get(id).is_some_and(|session| session.media_id == media.id)
        };
        let (id, opened) = match current {
            Some(id) if same(&id) => (id, false),
            other => {
                if let Some(former) = other {
                    // The playhead is that of the new content.
                    self.say(now, former, -1.0, info::last("End"));
                }
                (self.open(now, playhead, media), true)
            }
        };
        let motion = if rate == 0.0 { Motion::Pause } else { Motion::Play { rate } };
        let told = self.sessions.get(&id).and_then(|session| session.told);
        let event = if told == Some(motion) { info::playhead() } else { motion.event() };
        self.say(now, id, playhead, event);
        (Some(id), opened)
    }
}
