//! Restores the agent after a crash, a reboot or an update (behaviour.md 2.5).

use std::sync::Arc;

use super::{PositionChange, Session};
use crate::core::clock::BootId;
use crate::core::delivery::log::MOST_REPORTS;
use crate::core::media::MediaInfo;
use crate::core::player::EventSource;
use crate::core::record::{
    Durability, HeartbeatRecord, Key, LogRecord, Numbered, ReportRange, ResumePoint, Stamp, Stored,
    StoredReport,
};
use crate::core::report::Kind;
use crate::core::settings::Settings;
use crate::core::time::{BootInstant, Now, Span};
use crate::core::tracker::{Position, Tracker, TrackerContext};
use crate::core::turn::CloseReason;
use crate::core::{Agent, StartInfo};

impl Agent {
    /// Takes over what was stored. Sessions wait for `Input::Recovered`, which says whose players
    /// are still there; those of an earlier boot end here.
    pub(in crate::core) fn restore(&mut self, stored: Stored, start: &StartInfo, now: Now) {
        let earlier = stored.meta.as_ref().map(|m| (m.boot.clone(), m.clean_stop));
        let same_bus = stored.meta.as_ref().is_some_and(|m| m.bus == start.bus);
        let same_boot = earlier.as_ref().is_some_and(|(boot, _)| *boot == start.boot);
        for (app, media_id, point) in stored.points {
            self.resume.restore(app, media_id, point);
        }
        let (media, heartbeats, newest) = (stored.media, stored.heartbeats, stored.newest);
        self.restore_logs(stored.logs, &heartbeats, &newest, &media);
        if !same_boot {
            self.delivery.forget_waits();
        }
        for (number, record) in stored.sessions {
            let Some(media) = of(&media, number) else {
                tracing::warn!(
                    session = number,
                    "a stored session has no media info; it is dropped"
                );
                self.changes.delete(Key::Session(number));
                continue;
            };
            let mut session = Session {
                app: record.app,
                source: record.source,
                owner: record.owner,
                tracker: record.tracker,
                log: record.log,
                interrupt: record.interrupt,
                resumed: record.resumed,
                untracked: false,
                dirty: false,
                position_change: PositionChange::No,
                recorded_by_report: true,
                revision: 0,
            };
            session.tracker.set_media(media.clone());
            let recorded_at = session.restore_position(
                record.stamp,
                of(&heartbeats, record.log).and_then(|heartbeat| heartbeat.position),
                of(&newest, record.log).map_or(&[], Vec::as_slice),
            );
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
        for (number, _) in media {
            self.forget_media(number);
        }
        if let Some((boot, clean)) = earlier.filter(|_| !same_boot) {
            self.end_earlier_boot(&boot, clean, now);
        }
        self.write_meta();
        self.changes.require(Durability::Flushed);
    }

    fn restore_logs(
        &mut self,
        logs: Vec<(u64, LogRecord)>,
        heartbeats: &[(u64, HeartbeatRecord)],
        newest: &[(u64, Numbered)],
        media: &[(u32, Arc<MediaInfo>)],
    ) {
        const NONE: &Numbered = &Vec::new();
        // Heartbeats and reports of a deleted log, left behind by an interrupted deletion.
        let left = heartbeats.iter().map(|(key, _)| *key);
        let left = left.chain(newest.iter().map(|(key, _)| *key));
        for key in left.filter(|key| of(&logs, *key).is_none()) {
            self.changes.delete(Key::Heartbeat(key));
            self.changes.delete_reports(ReportRange { log: key, from: 0, to: u64::MAX });
        }
        let (delivery, mut ctx) = self.delivery_context();
        for (key, record) in logs {
            let heard = of(heartbeats, key).map_or(0, |heartbeat| heartbeat.next);
            let sound = record.summary.next.max(heard) < MOST_REPORTS;
            let Some(media) = of(media, record.session).filter(|_| sound) else {
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
            let (heartbeat, newest) = (of(heartbeats, key), of(newest, key).unwrap_or(NONE));
            delivery.restore(key, record, heartbeat, newest, media.clone(), &mut ctx);
        }
        delivery.set_collectors(&mut ctx);
    }

    /// Ends every session of an earlier boot, whose players are all gone: at its last recorded
    /// state or, after a power cut, late enough not to predate a hit that was delivered and not
    /// yet recorded (behaviour.md 2.11).
    fn end_earlier_boot(&mut self, boot: &BootId, clean: bool, now: Now) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            let at = self.recorded.get(&number).copied().unwrap_or(now.boot);
            let Some(session) = self.sessions.get_mut(&number) else { continue };
            session.tracker.stand_still(at);
            let ended = match clean {
                true => at,
                // Flushed changes take one more flush interval to reach the medium.
                false => {
                    let ping = session.tracker.ping_due(&self.settings);
                    let flush = self.settings.flush_interval;
                    unrecorded(&session.tracker, at, &self.settings).max(ping + flush + flush)
                }
            };
            let media = session.tracker.media();
            let point = ResumePoint {
                position: session.tracker.position(at),
                length: media.length.unwrap_or(0.0),
                live: media.live(),
                completed: false,
                ended_at: self.delivery.wall_of(session.log, at),
                ended: at,
                boot: boot.clone(),
            };
            let (app, media_id) = (session.app.clone(), session.tracker.media().id.clone());
            let mut reports = Vec::new();
            let mut out = TrackerContext { settings: &self.settings, reports: &mut reports };
            session.tracker.end(ended, &mut out);
            self.submit(number, reports, now);
            self.resume.keep(&app, &media_id, point, &self.settings, &mut self.changes);
            self.drop_session(number, CloseReason::Vanished, now);
        }
    }

    /// Learns which connections are still on the bus. The players of others have vanished soon
    /// after the last recorded state.
    pub(in crate::core) fn recovered(&mut self, present: &[String], now: Now) {
        self.recovering = false;
        let recorded = std::mem::take(&mut self.recorded);
        let mut gone = Vec::new();
        for (number, session) in &self.sessions {
            let Some(player) = &session.owner else { continue };
            if !present.contains(&player.sender) {
                let at = recorded.get(number).copied().unwrap_or(now.boot);
                let at = unrecorded(&session.tracker, at, &self.settings).min(now.boot);
                gone.push((*number, player.clone(), at));
            }
        }
        // This comes after `unrecorded`, which needs the time at which a ping was due.
        self.catch_up(now);
        for (number, player, at) in gone {
            // Timers that were due before the player vanished run first.
            self.run_timers_of(number, at.just_before(), now);
            self.detach(&player, at, now);
        }
        self.catch_up(now);
    }

    /// A requested stop: everything is written, and marked as complete for the next start.
    pub(in crate::core) fn stop(&mut self) {
        self.meta.clean_stop = true;
        self.write_all();
        self.write_meta();
        self.changes.require(Durability::Synced);
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

/// An instant after any hit that may have been delivered but not recorded (behaviour.md 2.11): one
/// flush interval after the last record, two in an ad, whose pings come faster than records, and
/// after the next ping.
fn unrecorded(tracker: &Tracker, recorded_at: BootInstant, settings: &Settings) -> BootInstant {
    let flush = settings.flush_interval;
    let late = if tracker.in_ad() { flush + flush } else { flush };
    (recorded_at + late).max(tracker.ping_due(settings)) + Span::millis(1)
}
