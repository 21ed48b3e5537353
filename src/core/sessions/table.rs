//! Who owns which session: opening, events, replacement (behaviour.md 2.2).

use std::sync::Arc;

use super::waiting::Start;
use super::{PositionChange, Session, resume};
use crate::core::Agent;
use crate::core::delivery::log::Origin;
use crate::core::input::Target;
use crate::core::media::MediaInfo;
use crate::core::player::{EventSource, PlayerId};
use crate::core::record::{Durability, Key, Record, Said};
use crate::core::rejected::{Refusal, Rejected};
use crate::core::report::{Report, What};
use crate::core::time::Now;
use crate::core::tracker::event::{Event, EventName};
use crate::core::tracker::info::Info;
use crate::core::tracker::info::reader::Reader;
use crate::core::tracker::{Phase, Tracker, TrackerContext};
use crate::core::turn::{CloseReason, Notice, Reply};

/// An event with less text than this is not checked against the limit of metadata.
const FREE_TEXT: u64 = 1024;

impl Agent {
    /// `OpenSession` and `SessionStart`.
    pub(in crate::core) fn open(
        &mut self,
        player: PlayerId,
        source: (EventSource, Option<u32>),
        app: String,
        playhead: f64,
        info: &Info,
        now: Now,
    ) -> Result<Reply, Rejected> {
        self.enter(player, source, app, Start::Now(playhead), info, now)
    }

    /// A session takes its place among the others. With `Start::Waits` nothing is reported yet.
    pub(super) fn enter(
        &mut self,
        player: PlayerId,
        (source, uid): (EventSource, Option<u32>),
        app: String,
        start: Start,
        info: &Info,
        now: Now,
    ) -> Result<Reply, Rejected> {
        let (playhead, mut waiting) = match start {
            Start::Now(playhead) => (finite(playhead)?, None),
            Start::Waits(waiting) => (waiting.start.unwrap_or(0.0), Some(waiting)),
        };
        let name = if source == EventSource::Method { "OpenSession" } else { "SessionStart" };
        let r = Reader::new(name, info);
        let content = Arc::new(MediaInfo::read(&r, &self.settings)?);
        let app = r.text("app")?.filter(|a| !a.is_empty()).unwrap_or(app);
        // Its adapter has read this one (`PlayerId`).
        let _ = r.text("instance");
        r.check_at()?;
        let said = Said::of(name, playhead, info);
        self.warnings.ignored(&app, r.ignored());
        self.check_single_source(&player, source, &content.id)?;
        let open = self.players.get(&player).copied();
        let replaced = open.filter(|open| self.sessions.contains_key(open));
        if let Some(open) = replaced
            && let Some(session) = self.sessions.get_mut(&open)
            && session.tracker.media().id == content.id
        {
            if session.repeats(said) {
                session.dirty = true;
                self.changes.require(Durability::Synced);
                return Ok(Reply::Session(open));
            }
            // Its number, because an answer can get lost when the agent dies or is slow.
            return Err(Rejected::not_allowed(format!(
                "this player has this media open as session {open}; Play goes on with it, End or \
                 Complete closes it"
            )));
        }
        // What is refused has ended nothing, so this comes before anything is changed.
        self.check_session_limits(&player, uid, replaced.is_some())?;
        let ends = |number: u32, s: &Session| {
            Some(number) == replaced || (s.owner.is_none() && s.app == app)
        };
        self.check_metadata(content.stored_bytes(), ends)?;
        if let Some(open) = replaced {
            self.end(open, CloseReason::Replaced, now);
        }
        self.end_orphans_of(&app, now);
        let untracked = self.opted_out() || content.untracked;
        let beginning = resume::decide(
            // A session that still plays makes nothing a resume.
            self.resume.get(&app, &content.id),
            playhead,
            content.declares_resume,
            content.live(),
            self.moment(now),
            &self.settings,
        );
        let position = beginning.position.unwrap_or_else(|| match content.live() {
            true => self.settings.live_second(now.wall),
            false => 0.0,
        });
        let number = self.meta.next_session;
        self.meta.next_session = self.meta.next_session.wrapping_add(1);
        let mut reports = Vec::new();
        let mut out = TrackerContext { settings: &self.settings, reports: &mut reports };
        let mut tracker = Tracker::open(content, position, beginning.resume, now.boot, &mut out);
        if let Some(waiting) = &mut waiting {
            tracker.wait();
            reports.clear();
            waiting.length = tracker.media().length;
        } else if untracked {
            tracker.release_preroll(&mut out);
        }
        tracing::info!(
            session = number,
            app,
            media = tracker.media().log_id(),
            resume = beginning.resume,
            position,
            "session opened"
        );
        if !untracked {
            self.changes.put(Key::Media(number), Record::Media(tracker.media().clone()));
        }
        self.players.insert(player.clone(), number);
        let session = Session {
            app,
            source,
            owner: Some(player),
            uid,
            tracker,
            log: 0,
            interrupt: None,
            waiting: waiting.filter(|_| !untracked),
            resumed: beginning.resume,
            unaware: false,
            untracked,
            said,
            quiet_until: None,
            dirty: true,
            position_change: PositionChange::No,
            recorded_by_report: false,
            revision: 0,
        };
        self.sessions.insert(number, session);
        if !untracked {
            self.submit(number, reports, now);
        }
        self.write_meta();
        self.changes.require(Durability::Synced);
        self.announce(Notice::Opened(number));
        Ok(Reply::Session(number))
    }

    /// A player uses methods or signals, not both: while its connection has a session opened by
    /// method, its signals for the same media are ignored (behaviour.md 1.4).
    fn check_single_source(
        &self,
        player: &PlayerId,
        source: EventSource,
        media_id: &str,
    ) -> Result<(), Rejected> {
        let by_method = |s: &Session| {
            let owner = s.owner.as_ref().map(|o| &o.sender);
            s.source == EventSource::Method
                && owner == Some(&player.sender)
                && s.tracker.media().id == media_id
        };
        if source == EventSource::Signal && self.sessions.values().any(by_method) {
            return Err(Rejected::not_allowed(
                "this connection opened a session of this media by method; use methods for it, not \
                 signals",
            ));
        }
        Ok(())
    }

    /// Sessions whose player has vanished are not counted (behaviour.md 2.8), and neither is one
    /// that the new session replaces.
    fn check_session_limits(
        &self,
        player: &PlayerId,
        uid: Option<u32>,
        replaces: bool,
    ) -> Result<(), Rejected> {
        let limits = &self.settings.limits;
        let others = || self.players.iter().filter(|(p, _)| !replaces || *p != player);
        let own = others().filter(|(p, _)| p.sender == player.sender).count();
        let of_uid = |number: &u32| self.sessions.get(number).is_some_and(|s| s.uid == uid);
        let uids = || others().filter(|(_, number)| of_uid(number)).count();
        let over = |what: &str, limit: usize| {
            Err(Rejected::new(
                Refusal::LimitsExceeded,
                format!("{what} {limit} sessions open already; end one first"),
            ))
        };
        if own >= limits.sessions_per_sender {
            over("this connection has", limits.sessions_per_sender)
        } else if uid.is_some() && uids() >= limits.sessions_per_uid {
            over("the players of this uid have", limits.sessions_per_uid)
        } else if others().count() >= limits.sessions {
            over("there are", limits.sessions)
        } else {
            Ok(())
        }
    }

    /// Checks that so many more bytes of metadata may be kept beside the sessions, but for those
    /// that end.
    fn check_metadata(
        &self,
        more: u64,
        ends: impl Fn(u32, &Session) -> bool,
    ) -> Result<(), Rejected> {
        let most = self.settings.limits.metadata_bytes;
        let stay = self.sessions.iter().filter(|(number, session)| !ends(**number, session));
        let kept: u64 = stay.map(|(_, s)| s.tracker.text_bytes()).sum();
        if kept.saturating_add(more) <= most {
            return Ok(());
        }
        let why = format!(
            "all sessions together may keep {most} bytes of metadata (limits.metadata_bytes), they \
             have {kept} and this would add {more}; end a session or send less"
        );
        Err(Rejected::new(Refusal::LimitsExceeded, why))
    }

    /// A playback event in a session.
    pub(in crate::core) fn event(
        &mut self,
        target: &Target,
        name: EventName,
        playhead: f64,
        info: &Info,
        now: Now,
    ) -> Result<Reply, Rejected> {
        let number = self.find(target)?;
        let playhead = finite(playhead)?;
        let r = Reader::new(name.name(), info);
        let event = Event::read(name, &r)?;
        r.check_at()?;
        let said = Said::of(name.name(), playhead, info);
        let texts = event.kept_bytes();
        if texts > FREE_TEXT {
            self.check_metadata(texts, |_, _| false)?;
        }
        let Some(session) = self.sessions.get_mut(&number) else { return Err(no_session()) };
        if !info.is_empty() {
            self.warnings.ignored(&session.app, r.ignored());
        }
        if session.untracked {
            if session.tracker.media().untracked {
                // Answered as ever (behaviour.md 1.2), and nothing is done with the reports.
                let mut reports = Vec::new();
                let mut out = TrackerContext { settings: &self.settings, reports: &mut reports };
                session.tracker.call(&event, playhead, now.boot, &mut out)?;
            }
            match event {
                Event::Complete => self.drop_session(number, CloseReason::Complete, now),
                Event::End => self.drop_session(number, CloseReason::End, now),
                _ => {}
            }
            return Ok(Reply::Done);
        }
        if session.repeats(said) {
            session.dirty = true;
            self.changes.require(Durability::Flushed);
            return Ok(Reply::Done);
        }
        let now = now.at(session.tracker.date_arrival(now.boot));
        let mut reports = Vec::new();
        let mut out = TrackerContext { settings: &self.settings, reports: &mut reports };
        let dormant = session.tracker.phase() == Phase::Dormant;
        session.take(&event, playhead, now.boot, &mut out)?;
        session.said = said.or(session.said);
        match event {
            // It changes only the position, which the heartbeat record holds.
            Event::Playhead => session.position_change = PositionChange::Yes,
            _ => session.dirty = true,
        }
        if dormant && session.tracker.phase() == Phase::Open {
            session.resumed = true;
            tracing::info!(
                session = number,
                media = session.tracker.media().log_id(),
                "session revived"
            );
        }
        let pings = session.tracker.phase() == Phase::Open;
        let promise = match event {
            // The next ping writes them (docs/performance.md).
            Event::Playhead | Event::Qoe(_) if pings => None,
            Event::Playhead | Event::Qoe(_) => {
                self.changes.write_within(now.boot, self.settings.flush_interval);
                None
            }
            Event::End | Event::Complete => Some(Durability::Synced),
            _ => Some(Durability::Flushed),
        };
        self.submit(number, reports, now);
        if let Some(durability) = promise {
            self.changes.require(durability);
        }
        match event {
            Event::Complete => self.close(number, CloseReason::Complete, now),
            Event::End => self.close(number, CloseReason::End, now),
            _ => {}
        }
        Ok(Reply::Done)
    }

    /// The session that a caller means, if it may drive it.
    fn find(&self, target: &Target) -> Result<u32, Rejected> {
        match target {
            Target::Player(player) => self.players.get(player).copied().ok_or_else(no_session),
            Target::Session { number, sender } => {
                let session = self.sessions.get(number).ok_or_else(no_session)?;
                match &session.owner {
                    Some(owner) if owner.sender == *sender => Ok(*number),
                    Some(_) => Err(Rejected::new(
                        Refusal::AccessDenied,
                        "only the connection that opened a session may drive it",
                    )),
                    None => Err(Rejected::not_allowed(
                        "the player of this session was stopped; open a new session",
                    )),
                }
            }
        }
    }

    /// Hands the reports of a tracker to delivery, and marks what they changed in the session.
    pub(in crate::core) fn submit(&mut self, number: u32, reports: Vec<Report>, now: Now) {
        if reports.is_empty() {
            return;
        }
        if self.meta.clean_stop {
            // Reports came after the stop, so the state written then is no longer complete.
            self.meta.clean_stop = false;
            self.write_meta();
            self.changes.require(Durability::Synced);
        }
        let Some(session) = self.sessions.get_mut(&number) else { return };
        let resumes = |report: &Report| matches!(report.what, What::Start { resume: true });
        let point = reports.iter().any(resumes).then(|| {
            let MediaInfo { id, .. } = &**session.tracker.media();
            self.resume.get(&session.app, id)
        });
        let origin = Origin {
            previous: point.flatten().and_then(|point| point.session.clone()),
            session: number,
            app: session.app.clone(),
            media: session.tracker.media().clone(),
            boot: self.meta.boot.clone(),
        };
        let ping = matches!(reports.as_slice(), [only] if only.is_bare_ping());
        let (before, position_change) = (session.log, session.position_change);
        let mut log = before;
        let (delivery, mut ctx) = self.delivery_context();
        delivery.submit(&origin, &mut log, reports, now, &mut ctx);
        let kept = delivery.log_mut(log).map(|log| log.summary.next - 1);
        if let Some(session) = self.sessions.get_mut(&number) {
            session.log = log;
            session.dirty |= !ping;
            if ping {
                session.position_change = match (position_change, kept) {
                    (PositionChange::No | PositionChange::Ping(_), Some(report)) => {
                        PositionChange::Ping(report)
                    }
                    _ => PositionChange::Yes,
                };
            }
        }
        if log != before {
            self.write_meta();
        }
        self.changes.write_within(now.boot, self.settings.flush_interval);
    }

    pub(in crate::core) fn announce(&mut self, notice: Notice) {
        self.notices.push(notice);
    }
}

fn finite(playhead: f64) -> Result<f64, Rejected> {
    // `MediaInfo::clamp` takes any finite number: players pass epoch seconds for live content.
    if playhead.is_finite() {
        Ok(playhead)
    } else {
        Err(Rejected::invalid(format!(
            "the playhead must be a finite number of seconds, got {playhead}"
        )))
    }
}

fn no_session() -> Rejected {
    Rejected::new(Refusal::NoSession, "there is no such session; open one first")
}
