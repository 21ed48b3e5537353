//! After a crash, a reboot or an update: the agent as it was (api.md 2.5).

use super::clock::BootId;
use super::delivery::outbox::{Accepted, Line, Outbox};
use super::effect::{CloseReason, Durability, Key, Meta};
use super::input::Door;
use super::resume::ResumePoint;
use super::sessions::{Pulse, Session, SessionRecord};
use super::settings::Settings;
use super::time::{BootInstant, Now, Span};
use super::tracker::hit::Hit;
use super::tracker::media::MediaInfo;
use super::tracker::{Desk, Tracker};
use super::{Agent, Birth};

/// Everything that a store holds when the agent starts.
#[derive(Debug, Default)]
pub struct Stored {
    pub meta: Option<Meta>,
    pub media: Vec<(u32, MediaInfo)>,
    pub sessions: Vec<(u32, SessionRecord)>,
    pub pulses: Vec<(u32, Pulse)>,
    pub starts: Vec<(u64, Hit)>,
    pub outboxes: Vec<(u64, Line)>,
    /// In the order of their numbers.
    pub hits: Vec<(u64, u64, Hit)>,
    pub points: Vec<(String, String, ResumePoint)>,
    pub rejected: usize,
}

impl Stored {
    /// Puts what heartbeats have changed on top of what they changed it in.
    fn take_pulses(&mut self) {
        for (number, pulse) in std::mem::take(&mut self.pulses) {
            let session = self.sessions.iter_mut().find(|(n, _)| *n == number);
            if let Some((_, session)) = session
                && session.recorded_at <= pulse.recorded_at
            {
                session.recorded_at = pulse.recorded_at;
                session.tracker.take_beat(pulse.beat);
            }
            let line = self.outboxes.iter_mut().find(|(key, _)| *key == pulse.outbox);
            if let Some((_, line)) = line
                && line.sid.is_some()
                && line.last_ts < pulse.last_ts
            {
                line.last_ts = pulse.last_ts;
                line.accepted = pulse.accepted;
            }
        }
    }
}

impl Agent {
    /// Takes over what was stored. Sessions wait for `Input::Recovered`, which says whose players
    /// are still there; those of an earlier boot end here.
    pub(super) fn restore(&mut self, mut stored: Stored, birth: &Birth, now: Now) {
        stored.take_pulses();
        let earlier = stored.meta.as_ref().map(|m| (m.boot.clone(), m.clean_stop));
        let same_bus = stored.meta.as_ref().is_some_and(|m| m.bus == birth.bus);
        let same_boot = earlier.as_ref().is_some_and(|(boot, _)| *boot == birth.boot);
        for (app, media_id, point) in stored.points {
            self.resume.restore(app, media_id, point);
        }
        self.restore_outboxes(stored.starts, stored.outboxes, stored.hits);
        let mut media: std::collections::BTreeMap<u32, MediaInfo> =
            stored.media.into_iter().collect();
        for (number, record) in stored.sessions {
            let Some(media) = media.remove(&number) else {
                tracing::warn!(
                    session = number,
                    "a stored session has lost its media info; dropped"
                );
                self.ledger.delete(Key::Session(number));
                continue;
            };
            let recorded_at = record.recorded_at;
            let mut session = Session {
                app: record.app,
                door: record.door,
                owner: record.owner,
                tracker: record.tracker,
                outbox: record.outbox,
                interrupt: record.interrupt,
                resumed: record.resumed,
                silent: false,
                dirty: false,
                beat: false,
                pulsed: BootInstant(i64::MIN),
            };
            session.tracker.media = media;
            if same_boot && let Some(owner) = &mut session.owner {
                if !same_bus && session.door != Door::Mpris {
                    // The name belongs to nobody now, or to somebody else; MPRIS names carry
                    // their bus in them.
                    owner.sender = format!("gone{}", owner.sender);
                }
                self.players.insert(owner.clone(), number);
            }
            self.sessions.insert(number, session);
            self.recorded.insert(number, recorded_at);
        }
        for orphan in media.into_keys() {
            self.ledger.delete(Key::Media(orphan));
        }
        if let Some((boot, clean)) = earlier.filter(|_| !same_boot) {
            self.end_earlier_boot(&boot, clean, now);
        }
        self.write_meta();
        self.ledger.want(Durability::Flushed);
    }

    fn restore_outboxes(
        &mut self,
        starts: Vec<(u64, Hit)>,
        outboxes: Vec<(u64, Line)>,
        hits: Vec<(u64, u64, Hit)>,
    ) {
        let mut starts: std::collections::BTreeMap<u64, Hit> = starts.into_iter().collect();
        let mut hits = hits.into_iter().peekable();
        for (key, mut line) in outboxes {
            let mut own = Vec::new();
            while let Some((owner, number, hit)) = hits.next_if(|(owner, ..)| *owner <= key) {
                if owner == key {
                    line.ended |= hit.kind.is_end();
                    own.push((number, hit));
                } else {
                    self.ledger.delete(Key::Hit(owner, number));
                }
            }
            if line.boot != self.meta.boot
                && let (Some(Accepted::Boot(at)), Some(anchor)) = (line.accepted, line.anchor)
            {
                line.accepted = Some(Accepted::Wall(anchor.wall(at)));
            }
            match starts.remove(&key) {
                Some(start) => self.delivery.restore(key, Outbox::restored(line, start, own)),
                None => {
                    tracing::warn!(outbox = key, "a stored queue has lost its beginning; dropped");
                    self.ledger.delete(Key::Outbox(key));
                    for (number, _) in own {
                        self.ledger.delete(Key::Hit(key, number));
                    }
                }
            }
        }
    }

    /// Another boot: nobody of then is left. Every session ends at its last recorded state, or,
    /// after a power cut, late enough not to predate what was delivered and not yet recorded
    /// (api.md 2.11).
    fn end_earlier_boot(&mut self, boot: &BootId, clean: bool, now: Now) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            let at = self.recorded.get(&number).copied().unwrap_or(now.boot);
            let Some(session) = self.sessions.get_mut(&number) else { continue };
            session.tracker.stand_still(at);
            let ended = match clean {
                true => at,
                // What was handed over takes as long again to the medium.
                false => {
                    let ping = session.tracker.ping_due(&self.settings);
                    let flush = self.settings.flush_interval;
                    unrecorded(&session.tracker, at, &self.settings).max(ping + flush + flush)
                }
            };
            let media = &session.tracker.media;
            let point = ResumePoint {
                position: session.tracker.position(at),
                length: media.length.unwrap_or(0.0),
                live: media.live(),
                completed: false,
                ended_at: self.delivery.wall_of(session.outbox, at),
                ended: at,
                boot: boot.clone(),
            };
            let (app, media_id) = (session.app.clone(), media.id.clone());
            let mut hits = Vec::new();
            let mut desk = Desk { settings: &self.settings, hits: &mut hits };
            session.tracker.end(ended, &mut desk);
            self.submit(number, hits, now);
            self.resume.keep(&app, &media_id, point, &self.settings, &mut self.ledger);
            self.drop_session(number, CloseReason::Vanished, now);
        }
    }

    /// Says whose players are still on the bus. The others vanished at the last recorded state.
    pub(super) fn recovered(&mut self, present: &[String], now: Now) {
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
        // Not before: when a ping was due tells when a player may have gone.
        self.catch_up(now);
        for (number, player, at) in gone {
            // What was due while it was there comes first.
            self.run_tracker(number, at - Span::millis(1), now);
            self.detach(&player, at, now);
        }
        self.catch_up(now);
    }

    /// A stop that was asked for: everything is written, the next start knows that it is true.
    pub(super) fn stop(&mut self) {
        self.meta.clean_stop = true;
        self.write_all();
        self.write_meta();
        self.ledger.want(Durability::Synced);
    }
}

/// Later than whatever may have been delivered after the last recorded state and was not recorded
/// itself (api.md 2.11): the flush interval, the next ping, and in an ad, whose pings come faster than
/// records, one interval more.
fn unrecorded(tracker: &Tracker, recorded_at: BootInstant, settings: &Settings) -> BootInstant {
    let flush = settings.flush_interval;
    let late = if tracker.in_ad() { flush + flush } else { flush };
    (recorded_at + late).max(tracker.ping_due(settings)) + Span::millis(1)
}
