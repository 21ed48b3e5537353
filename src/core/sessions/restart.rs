//! Restores the agent after a crash, a reboot or an update (behaviour.md 2.5).

use super::{PositionChange, Session};
use crate::core::clock::BootId;
use crate::core::delivery::log::MOST_REPORTS;
use crate::core::player::EventSource;
use crate::core::record::{
    Durability, Key, Meta, Numbered, ReportRange, ResumePoint, SessionRecord, Stamp, Stored,
    StoredReport,
};
use crate::core::report::Kind;
use crate::core::settings::Settings;
use crate::core::time::{BootInstant, Now, Span};
use crate::core::tracker::{Phase, Position, Tracker, TrackerContext};
use crate::core::turn::CloseReason;
use crate::core::{Agent, StartInfo};

impl Agent {
    /// Takes over what was stored. Sessions wait for `Input::Recovered`, which says whose players
    /// are still there; those of an earlier boot end here.
    pub(in crate::core) fn restore(&mut self, mut stored: Stored, start: &StartInfo, now: Now) {
        let earlier = Run::of(&stored);
        let same_bus = stored.meta.as_ref().is_some_and(|m| m.bus == start.bus);
        let same_boot = earlier.boot == start.boot;
        for (app, media_id, point) in std::mem::take(&mut stored.points) {
            self.resume.restore(app, media_id, point);
        }
        self.restore_logs(&mut stored, same_boot);
        for (number, record) in std::mem::take(&mut stored.sessions) {
            let Some((mut session, recorded_at)) = self.restored_session(number, record, &stored)
            else {
                continue;
            };
            if same_boot && let Some(owner) = &mut session.owner {
                if !same_bus && session.source != EventSource::Mpris {
                    // On a new bus the unique name is unused or another connection's. MPRIS names
                    // carry their bus in them.
                    owner.sender = format!("gone{}", owner.sender);
                }
                self.players.insert(owner.clone(), number);
            }
            self.sessions.insert(number, session);
            self.recorded.insert(number, recorded_at);
        }
        for (number, _) in stored.media {
            self.forget_media(number);
        }
        if !same_boot {
            for (number, recorded_at) in self.recorded.clone() {
                self.end_as_recorded(number, recorded_at, &earlier, now);
            }
        }
        self.write_meta();
        self.changes.require(Durability::Flushed);
    }

    /// A session as it was stored, and when the newest of its records was made. `None` when it has
    /// no media info; its record is deleted then.
    pub(super) fn restored_session(
        &mut self,
        number: u32,
        record: SessionRecord,
        stored: &Stored,
    ) -> Option<(Session, BootInstant)> {
        let Some(media) = of(&stored.media, number) else {
            tracing::warn!(session = number, "a stored session has no media info; it is dropped");
            self.changes.delete(Key::Session(number));
            return None;
        };
        let mut session = Session {
            app: record.app,
            source: record.source,
            owner: record.owner,
            uid: record.uid,
            tracker: record.tracker,
            log: record.log,
            interrupt: record.interrupt,
            waiting: record.waiting,
            resumed: record.resumed,
            unaware: record.unaware,
            untracked: false,
            said: record.said,
            quiet_until: None,
            dirty: false,
            position_change: PositionChange::No,
            recorded_by_report: true,
            revision: 0,
        };
        session.tracker.set_media(media.clone());
        let recorded_at = session.restore_position(
            record.stamp,
            of(&stored.heartbeats, record.log).and_then(|heartbeat| heartbeat.position),
            of(&stored.newest, record.log).map_or(&[], Vec::as_slice),
        );
        Some((session, recorded_at))
    }

    /// Takes over the stored logs, and deletes what is left of deleted ones.
    pub(super) fn restore_logs(&mut self, stored: &mut Stored, same_boot: bool) {
        const NONE: &Numbered = &Vec::new();
        let logs = std::mem::take(&mut stored.logs);
        // Heartbeats and reports of a deleted log, left behind by an interrupted deletion.
        let left = stored.heartbeats.iter().map(|(key, _)| *key);
        let left = left.chain(stored.newest.iter().map(|(key, _)| *key));
        for key in left.filter(|key| of(&logs, *key).is_none()) {
            self.changes.delete(Key::Heartbeat(key));
            self.changes.delete_reports(ReportRange { log: key, from: 0, to: u64::MAX });
        }
        let (delivery, mut ctx) = self.delivery_context();
        for (key, mut record) in logs {
            if !same_boot {
                // Waits that collectors asked for are dated in the earlier boot.
                record.lanes.iter_mut().for_each(|lane| lane.not_before = None);
            }
            let heartbeat = of(&stored.heartbeats, key);
            let heard = heartbeat.map_or(0, |heartbeat| heartbeat.next);
            let sound = record.summary.next.max(heard) < MOST_REPORTS;
            let Some(media) = of(&stored.media, record.session).filter(|_| sound) else {
                tracing::warn!(
                    log = key,
                    sound,
                    "a stored log has an impossible report number or no media info; it is dropped"
                );
                ctx.changes.delete(Key::Log(key));
                ctx.changes.delete(Key::Heartbeat(key));
                ctx.changes.delete_reports(ReportRange { log: key, from: 0, to: u64::MAX });
                continue;
            };
            let newest = of(&stored.newest, key).unwrap_or(NONE);
            delivery.restore(key, record, heartbeat, newest, media.clone(), &mut ctx);
        }
        delivery.set_collectors(&mut ctx);
    }

    /// Ends a session whose player is gone: at its last recorded state or, when that run of the
    /// agent was cut off, late enough not to predate a hit that was delivered and not yet recorded
    /// (behaviour.md 2.11).
    pub(super) fn end_as_recorded(
        &mut self,
        number: u32,
        recorded_at: BootInstant,
        run: &Run,
        now: Now,
    ) {
        let waited = self.sessions.get(&number).is_some_and(|session| session.waiting.is_some());
        self.release_recorded(number, recorded_at, run, now);
        let Some(session) = self.sessions.get(&number) else { return };
        let uuid = self.session_id(session);
        let kept_whole =
            session.tracker.media().downloaded && self.delivery.keeps_whole(session.log);
        let Some(session) = self.sessions.get_mut(&number) else { return };
        let position = session.tracker.position(recorded_at);
        let mut stands_from = recorded_at;
        let mut ended = match run.clean {
            true => recorded_at,
            // Nothing of a start that waited was delivered either.
            false if waited => recorded_at.max(session.tracker.last_report() + Span::millis(1)),
            // No hit of a download was delivered, so none can be predated (spec 7).
            false if kept_whole => {
                stands_from = session.tracker.last_report();
                stands_from + Span::millis(1)
            }
            false => lost_until(&session.tracker, recorded_at, &self.settings),
        };
        session.tracker.stand_still(stands_from);
        if run.boot == self.meta.boot {
            ended = ended.min(now.boot);
        }
        let media = session.tracker.media();
        let point = ResumePoint {
            position,
            length: media.length.unwrap_or(0.0),
            live: media.live(),
            completed: false,
            ended_at: self.delivery.wall_of(session.log, recorded_at),
            ended: recorded_at,
            boot: run.boot.clone(),
            session: uuid,
        };
        let (app, media_id) = (session.app.clone(), session.tracker.media().id.clone());
        let mut reports = Vec::new();
        let mut out = TrackerContext { settings: &self.settings, reports: &mut reports };
        session.tracker.end(ended, &mut out);
        self.submit(number, reports, now);
        self.resume.keep(&app, &media_id, point, &self.settings, &mut self.changes);
        self.drop_session(number, CloseReason::Vanished, now);
    }

    /// Learns which connections are still on the bus. The players of others have vanished at the
    /// last recorded state.
    pub(in crate::core) fn recovered(&mut self, present: &[String], now: Now) {
        self.recovering = false;
        let recorded = std::mem::take(&mut self.recorded);
        let mut gone = Vec::new();
        for (number, session) in &self.sessions {
            let Some(player) = &session.owner else { continue };
            if !present.contains(&player.sender) {
                // Nothing was sent that is not recorded, so nothing sent is later.
                let at = recorded.get(number).copied().unwrap_or(now.boot).min(now.boot);
                gone.push((*number, player.clone(), at));
            }
        }
        // A ping is late only where the agent was away for a time, and a session that is closed has none.
        let late = |session: &Session| {
            let told = session.source != EventSource::Mpris && session.owner.is_some();
            let open = session.tracker.phase() == Phase::Open;
            told && open && session.tracker.ping_due(&self.settings) < now.boot
        };
        let quiet: Vec<u32> =
            self.sessions.iter().filter(|(_, s)| late(s)).map(|(number, _)| *number).collect();
        self.catch_up(now);
        for (number, player, at) in gone {
            // Timers that were due before the player vanished run first.
            self.run_timers_of(number, at.just_before(), now);
            self.detach(&player, at, now);
        }
        self.catch_up(now);
        for number in quiet {
            // Its player tells now what happened while the agent was away.
            self.await_more(number, now);
        }
    }

    /// The box is shut down: every session ends, and the next start has none to go on with.
    pub(in crate::core) fn shut_down(&mut self, now: Now) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.end(number, CloseReason::Shutdown, now);
        }
        self.changes.require(Durability::Synced);
    }

    /// A requested stop: everything is written, and marked as complete for the next start.
    pub(in crate::core) fn stop(&mut self) {
        self.meta.clean_stop = true;
        self.write_all();
        self.write_meta();
        let (delivery, mut ctx) = self.delivery_context();
        delivery.note_lost(&mut ctx);
        self.changes.require(Durability::Synced);
    }
}

/// The run of the agent that wrote a store.
pub(super) struct Run {
    pub boot: BootId,
    /// It stopped on request, so the recorded state is complete.
    pub clean: bool,
}

impl Run {
    /// A store that has lost its meta record is of an unknown boot.
    pub fn of(stored: &Stored) -> Run {
        let unknown = Run { boot: BootId(String::new()), clean: false };
        let known = |meta: &Meta| Run { boot: meta.boot.clone(), clean: meta.clean_stop };
        stored.meta.as_ref().map_or(unknown, known)
    }
}

impl Session {
    /// Applies the heartbeat and the pings that are newer than the session's record, and gives when
    /// the newest of all was recorded.
    fn restore_position(
        &mut self,
        mut stamp: Stamp,
        heartbeat: Option<(Stamp, Position)>,
        newest: &[(u64, StoredReport)],
    ) -> BootInstant {
        if let Some((newer, position)) = heartbeat.filter(|(s, _)| s.revision > stamp.revision) {
            stamp = newer;
            self.tracker.restore_heartbeat(position);
        }
        let pings = newest.iter().filter(|(number, stored)| {
            *number >= stamp.reports_before && stored.report.kind() == Kind::Ping
        });
        for (_, ping) in pings {
            self.tracker.restore_ping(ping.report.at);
            let recorded_at = ping.recorded_at.unwrap_or(ping.report.at);
            stamp.recorded_at = stamp.recorded_at.max(recorded_at);
        }
        self.revision = stamp.revision;
        stamp.recorded_at
    }
}

/// Finds a record in a list that is sorted by key.
fn of<K: Ord + Copy, T>(list: &[(K, T)], key: K) -> Option<&T> {
    let at = list.binary_search_by_key(&key, |(other, _)| *other).ok()?;
    Some(&list[at].1)
}

/// An instant after any hit that may have been delivered although a power cut took its record
/// (behaviour.md 2.11). What was handed to the system reaches the medium a flush interval later,
/// and the hits of an ad come faster than that.
fn lost_until(tracker: &Tracker, recorded_at: BootInstant, settings: &Settings) -> BootInstant {
    let flush = settings.flush_interval + settings.flush_interval;
    let ping = tracker.ping_due(settings) + flush;
    let late = if tracker.in_ad() { flush } else { settings.flush_interval };
    ping.max(recorded_at + late + Span::millis(1))
}
