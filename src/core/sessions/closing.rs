//! How a session ends, and what becomes of it when its player is gone (behaviour.md 2.3): its resume
//! point is kept and its object removed.

use super::Session;
use crate::core::Agent;
use crate::core::media::MediaInfo;
use crate::core::player::PlayerId;
use crate::core::record::{InterruptCause, Key, ResumePoint};
use crate::core::time::{BootInstant, Now};
use crate::core::tracker::{Phase, TrackerContext};
use crate::core::turn::{CloseReason, Notice};

impl Agent {
    /// Ends a session for good, as `End` would, and closes its object.
    pub(in crate::core) fn end(&mut self, number: u32, reason: CloseReason, now: Now) {
        self.end_at(number, reason, now.boot, now);
    }

    /// The same, dated `at`.
    pub(in crate::core) fn end_at(
        &mut self,
        number: u32,
        reason: CloseReason,
        at: BootInstant,
        now: Now,
    ) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        if session.untracked {
            self.drop_session(number, reason, now);
            return;
        }
        let at = session.tracker.date_arrival(at);
        let mut reports = Vec::new();
        let mut out = TrackerContext { settings: &self.settings, reports: &mut reports };
        session.tracker.end(at, &mut out);
        self.submit(number, reports, now);
        self.close_at(number, reason, at, now);
    }

    pub(in crate::core) fn close(&mut self, number: u32, reason: CloseReason, now: Now) {
        self.close_at(number, reason, now.boot, now);
    }

    /// The playback is over: keeps its resume point and removes the session object.
    fn close_at(&mut self, number: u32, reason: CloseReason, at: BootInstant, now: Now) {
        self.keep_point(number, reason == CloseReason::Complete, at, now);
        self.drop_session(number, reason, now);
    }

    /// Removes the session object and its records.
    pub(in crate::core) fn drop_session(&mut self, number: u32, reason: CloseReason, now: Now) {
        let Some(session) = self.sessions.remove(&number) else { return };
        if let Some(owner) = session.owner {
            self.players.remove(&owner);
        }
        self.changes.delete(Key::Session(number));
        self.forget_media(number);
        self.changes.write_within(now.boot, self.settings.flush_interval);
        tracing::info!(
            session = number,
            app = session.app,
            media = session.tracker.media().log_id(),
            reason = reason.name(),
            "session closed"
        );
        self.announce(Notice::Closed(number, reason));
    }

    /// A connection is gone, with all its players.
    pub(in crate::core) fn player_gone(&mut self, sender: &str, now: Now) {
        let of_sender = self.players.iter().filter(|(player, _)| player.sender == sender);
        let mut gone: Vec<(u32, PlayerId)> = of_sender.map(|(p, n)| (*n, p.clone())).collect();
        // In the order in which their sessions began.
        gone.sort_unstable_by_key(|(number, _)| *number);
        for (_, player) in gone {
            self.detach(&player, now.boot, now);
        }
    }

    /// A player is gone or was stopped: its session pauses at once and ends when the grace has run
    /// out (behaviour.md 2.3). `at` is when that happened.
    pub(in crate::core) fn detach(&mut self, player: &PlayerId, at: BootInstant, now: Now) {
        let Some(number) = self.players.remove(player) else { return };
        let Some(session) = self.sessions.get_mut(&number) else { return };
        session.owner = None;
        if session.untracked {
            self.drop_session(number, CloseReason::Vanished, now);
            return;
        }
        if session.tracker.phase() == Phase::Dormant {
            // No player is left that could revive it.
            self.close_at(number, CloseReason::Vanished, at, now);
            return;
        }
        tracing::info!(session = number, app = session.app, "the player has vanished");
        let uid = session.uid;
        self.interrupt(number, InterruptCause::Vanished, at, now);
        self.end_surplus_orphans(uid, now);
    }

    /// Ends the oldest sessions without a player when there are more than with one are allowed:
    /// somebody opens sessions and leaves, again and again.
    fn end_surplus_orphans(&mut self, uid: Option<u32>, now: Now) {
        let limits = &self.settings.limits;
        let (most, most_of_uid) = (limits.sessions, limits.sessions_per_uid);
        let orphans = |of_uid: bool| {
            let orphan = move |s: &Session| s.owner.is_none() && (!of_uid || s.uid == uid);
            self.sessions.iter().filter(move |(_, s)| orphan(s)).map(|(number, _)| *number)
        };
        let surplus = if uid.is_some() && orphans(true).count() > most_of_uid {
            orphans(true).next()
        } else if orphans(false).count() > most {
            orphans(false).next()
        } else {
            None
        };
        if let Some(oldest) = surplus {
            self.end(oldest, CloseReason::Vanished, now);
        }
    }

    /// The application opens a session again: its sessions whose player is gone end now.
    pub(super) fn end_orphans_of(&mut self, app: &str, now: Now) {
        let orphans: Vec<u32> = self
            .sessions
            .iter()
            .filter(|(_, s)| s.app == app && s.owner.is_none())
            .map(|(number, _)| *number)
            .collect();
        for number in orphans {
            self.end(number, CloseReason::Vanished, now);
        }
    }

    /// Keeps a resume point of a session, dated `at`.
    pub(in crate::core) fn keep_point(
        &mut self,
        number: u32,
        completed: bool,
        at: BootInstant,
        now: Now,
    ) {
        let Some(session) = self.sessions.get(&number) else { return };
        let mut point = self.point_of(session, at, now);
        point.completed = completed;
        let media_id = session.tracker.media().id.clone();
        let app = session.app.clone();
        self.resume.keep(&app, &media_id, point, &self.settings, &mut self.changes);
    }

    fn point_of(&self, session: &Session, at: BootInstant, now: Now) -> ResumePoint {
        let media = session.tracker.media();
        ResumePoint {
            position: session.tracker.position(at),
            length: media.length.unwrap_or(0.0),
            live: media.live(),
            completed: false,
            ended_at: self.delivery.wall(now).map(|wall| wall + (at - now.boot)),
            ended: at,
            boot: self.meta.boot.clone(),
            session: self.session_id(session),
        }
    }

    /// The agent's own id of a session, or of what it went on with if that is all that is known.
    pub(super) fn session_id(&self, session: &Session) -> Option<Box<str>> {
        let MediaInfo { id, .. } = &**session.tracker.media();
        let known = || self.resume.get(&session.app, id)?.session.clone();
        self.delivery.log(session.log).and_then(|log| log.uuid.clone()).or_else(known)
    }

    /// Where a viewer of this application is in this media: in an open session, else as stored. A
    /// point at the very end is a completed one (behaviour.md 2.1).
    pub(in crate::core) fn resume_point(
        &self,
        app: &str,
        media_id: &str,
        now: Now,
    ) -> Option<ResumePoint> {
        let here = |s: &&Session| s.app == app && s.tracker.media().id == media_id && !s.untracked;
        let open = self.sessions.values().find(here).map(|s| self.point_of(s, now.boot, now));
        let mut point = open.or_else(|| self.resume.get(app, media_id).cloned())?;
        point.completed |= point.at_end(&self.settings);
        Some(point)
    }
}
