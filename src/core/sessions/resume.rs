//! Resume points and the resume decision (behaviour.md 2.1, spec 6).

use std::collections::BTreeMap;

use super::Session;
use crate::core::Agent;
use crate::core::clock::BootId;
use crate::core::pending_changes::PendingChanges;
use crate::core::record::{Durability, Key, Record, ResumePoint};
use crate::core::rejected::Rejected;
use crate::core::settings::Settings;
use crate::core::time::{BootInstant, Now, Span, WallTime};
use crate::core::tracker::info::Info;
use crate::core::tracker::info::reader::Reader;

impl ResumePoint {
    /// Whether nothing but the end is left: `resume.end_seconds`, at most a tenth of a known length
    /// (behaviour.md 2.1).
    pub(crate) fn at_end(&self, settings: &Settings) -> bool {
        let end = settings.resume_end.as_seconds().min(self.length / 10.0);
        !self.live && self.length > 0.0 && end > 0.0 && self.position >= self.length - end
    }

    /// When it ended on the wall clock, if any clock can tell.
    fn wall(&self, clock: ClockReading<'_>) -> Option<WallTime> {
        let here = || Some(clock.wall? + (self.ended - clock.now.boot));
        self.ended_at.or_else(|| if self.boot == *clock.boot { here() } else { None })
    }

    /// How long ago it ended; `None` when neither clock can tell.
    fn age(&self, now: Now, wall: Option<WallTime>, boot: &BootId) -> Option<Span> {
        if self.boot == *boot { Some(now.boot - self.ended) } else { Some(wall? - self.ended_at?) }
    }
}

/// Which resume points there are, by (app, media id).
#[derive(Debug, Default)]
pub struct ResumePoints {
    points: BTreeMap<(String, String), ResumePoint>,
    /// Their bytes in the store.
    bytes: u64,
}

/// Estimated bytes of a point in the store: its key and its record.
fn stored_bytes((app, media_id): &(String, String)) -> u64 {
    const RECORD: usize = 210;
    (app.len() + media_id.len() + RECORD) as u64
}

/// What is known about time when a resume is decided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockReading<'a> {
    pub now: Now,
    pub wall: Option<WallTime>,
    pub boot: &'a BootId,
}

/// How a new session begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ResumeDecision {
    /// Seconds; `None` when the player asked for the stored position and none applies.
    pub position: Option<f64>,
    /// It continues an earlier playback.
    pub resume: bool,
}

/// The decision of behaviour.md 2.1. `playhead` is the player's; negative asks for the stored
/// position.
pub(crate) fn decide(
    point: Option<&ResumePoint>,
    playhead: f64,
    declared: bool,
    live: bool,
    clock: ClockReading<'_>,
    settings: &Settings,
) -> ResumeDecision {
    let window = if live { settings.resume_live_window } else { settings.resume_window };
    let fresh = |p: &&ResumePoint| {
        // A point of unknown age counts as a resume for recorded content and not for live content.
        let young = p.age(clock.now, clock.wall, clock.boot).map_or(!live, |age| age < window);
        // A point of a live session counts only for live.
        !p.completed && !p.at_end(settings) && young && (live || !p.live)
    };
    let point = point.filter(fresh);
    let begun = |position: &f64| *position > settings.resume_start.as_seconds();
    let position = match playhead < 0.0 {
        true if live => None,
        true => point.map(|p| p.position).filter(begun),
        false => Some(playhead),
    };
    let goes_on = point.is_some() && (live || position.as_ref().is_some_and(begun));
    ResumeDecision { position, resume: declared || goes_on }
}

impl ResumePoints {
    pub fn get(&self, app: &str, media_id: &str) -> Option<&ResumePoint> {
        self.points.get(&(app.to_owned(), media_id.to_owned()))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&(String, String), &ResumePoint)> {
        self.points.iter()
    }

    pub(crate) fn restore(&mut self, app: String, media_id: String, point: ResumePoint) {
        self.insert((app, media_id), point);
    }

    fn insert(&mut self, key: (String, String), point: ResumePoint) {
        let bytes = stored_bytes(&key);
        if self.points.insert(key, point).is_none() {
            self.bytes += bytes;
        }
    }

    /// True when there was one.
    fn remove(&mut self, key: &(String, String)) -> bool {
        let known = self.points.remove(key).is_some();
        self.bytes -= if known { stored_bytes(key) } else { 0 };
        known
    }

    /// Keeps a point, synced, and drops the oldest beyond `max_resume_points` and
    /// `max_resume_bytes`.
    pub(crate) fn keep(
        &mut self,
        app: &str,
        media_id: &str,
        point: ResumePoint,
        settings: &Settings,
        changes: &mut PendingChanges,
    ) {
        let key = (app.to_owned(), media_id.to_owned());
        changes.put(Key::Resume(key.0.clone(), key.1.clone()), Record::Resume(point.clone()));
        changes.require(Durability::Synced);
        self.insert(key, point);
        while self.points.len() > settings.max_resume_points
            || self.bytes > settings.max_resume_bytes
        {
            // A point without a wall time is likely of this boot, so it counts as the newest.
            let age = |p: &ResumePoint| (p.ended_at.unwrap_or(WallTime(i64::MAX)), p.ended);
            let oldest = self.points.iter().min_by_key(|(_, p)| age(p)).map(|(k, _)| k.clone());
            let Some(key) = oldest else { break };
            self.remove(&key);
            changes.delete(Key::Resume(key.0, key.1));
        }
    }

    /// Keeps a point of another device, if it is newer than what is here.
    fn adopt(
        &mut self,
        (app, media_id): (&str, &str),
        point: ResumePoint,
        clock: ClockReading<'_>,
        settings: &Settings,
        changes: &mut PendingChanges,
    ) -> bool {
        let here = self.get(app, media_id);
        // What ended in this boot ended on this box, so it is the newest if no clock can tell.
        let newer = here.is_none_or(|here| match here.wall(clock) {
            Some(ended_at) => point.ended_at > Some(ended_at),
            None => here.boot != *clock.boot,
        });
        if newer {
            self.keep(app, media_id, point, settings, changes);
        }
        newer
    }

    /// Forgets a point; false when there was none.
    pub(crate) fn forget(
        &mut self,
        app: &str,
        media_id: &str,
        changes: &mut PendingChanges,
    ) -> bool {
        let key = (app.to_owned(), media_id.to_owned());
        let known = self.remove(&key);
        if known {
            changes.delete(Key::Resume(key.0, key.1));
            changes.require(Durability::Synced);
        }
        known
    }
}

/// A point of another device may be so far ahead of this clock.
const AHEAD: Span = Span::seconds(60);

impl Agent {
    /// `SetResumePoint`: where a viewer stopped on another device of the household. It is kept only
    /// if it is newer than what is here; an open session of the same media is always newer.
    ///
    /// Errors: `InvalidArgs` for a key that is missing, of the wrong type or out of its range.
    pub(in crate::core) fn set_resume_point(
        &mut self,
        app: &str,
        media_id: &str,
        point: &Info,
        now: Now,
    ) -> Result<bool, Rejected> {
        let r = Reader::new("SetResumePoint", point);
        if media_id.is_empty() {
            return Err(Rejected::invalid("SetResumePoint: the media id is empty"));
        }
        let ended_at = WallTime(r.count("ended_at")?.ok_or_else(|| {
            Rejected::invalid(
                "SetResumePoint: key 'ended_at' (x), milliseconds since 1970 UTC, is missing; \
                 without it nobody can tell which point is newer",
            )
        })?);
        let point = ResumePoint {
            position: r.seconds_needed("position")?,
            length: r.seconds("length")?.unwrap_or(0.0),
            live: false,
            completed: r.bool("completed")?.unwrap_or(false),
            ended_at: Some(ended_at),
            // It ended on no clock of this box.
            ended: BootInstant(0),
            boot: BootId(String::new()),
            session: None,
        };
        self.warnings.ignored(app, r.ignored());
        if let Some(wall) = self.delivery.wall(now).filter(|wall| ended_at > *wall + AHEAD) {
            return Err(Rejected::invalid(format!(
                "SetResumePoint: 'ended_at' is {ended_at}, which is in the future; the clock of \
                 this box says {wall}"
            )));
        }
        let open = |s: &Session| s.app == app && s.tracker.media().id == media_id && !s.untracked;
        if self.opted_out() || self.sessions.values().any(open) {
            return Ok(false);
        }
        let clock = ClockReading { now, wall: self.delivery.wall(now), boot: &self.meta.boot };
        let place = (app, media_id);
        Ok(self.resume.adopt(place, point, clock, &self.settings, &mut self.changes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(completed: bool, live: bool, ended_s: i64) -> ResumePoint {
        ResumePoint {
            position: 40.0,
            length: 600.0,
            live,
            completed,
            ended_at: None,
            ended: BootInstant(ended_s * 1000),
            boot: BootId("a".into()),
            session: None,
        }
    }

    #[test]
    fn each_case_of_the_resume_rule() {
        let boot = BootId("a".into());
        let now = Now { boot: BootInstant(10_000_000), wall: WallTime(0), slept: Span::ZERO };
        let clock = ClockReading { now, wall: None, boot: &boot };
        let settings = Settings::default();
        let vod = point(false, false, 9_000);
        let done = point(true, false, 9_000);
        let ended = ResumePoint { position: 599.5, ..vod.clone() };
        let begun = ResumePoint { position: 1.5, ..vod.clone() };
        // The last ten seconds would be half of it.
        let short = ResumePoint { position: 17.9, length: 20.0, ..vod.clone() };
        let short_end = ResumePoint { position: 18.0, length: 20.0, ..vod.clone() };
        let endless = ResumePoint { position: 599.5, length: 0.0, ..vod.clone() };
        let live_young = point(false, true, 9_000);
        let live_old = point(false, true, 1_000);
        for (name, point, playhead, declared, live, position, resume) in [
            ("from the stored position", Some(&vod), 40.0, false, false, Some(40.0), true),
            ("where I was", Some(&vod), -1.0, false, false, Some(40.0), true),
            ("from the start", Some(&vod), 0.0, false, false, Some(0.0), false),
            ("completed before", Some(&done), 40.0, false, false, Some(40.0), false),
            ("completed, where I was", Some(&done), -1.0, false, false, None, false),
            ("begun at 0.04 s", Some(&vod), 0.04, false, false, Some(0.04), false),
            ("from the second second", Some(&vod), 2.0, false, false, Some(2.0), false),
            ("behind it", Some(&vod), 2.1, false, false, Some(2.1), true),
            ("left at once, where I was", Some(&begun), -1.0, false, false, None, false),
            ("left at the end", Some(&ended), 599.5, false, false, Some(599.5), false),
            ("left at the end, where I was", Some(&ended), -1.0, false, false, None, false),
            ("left before the last tenth", Some(&short), -1.0, false, false, Some(17.9), true),
            ("left in the last tenth", Some(&short_end), -1.0, false, false, None, false),
            ("of unknown length", Some(&endless), -1.0, false, false, Some(599.5), true),
            (
                "a broadcast, later recorded",
                Some(&live_young),
                40.0,
                false,
                false,
                Some(40.0),
                false,
            ),
            ("never seen", None, 40.0, false, false, Some(40.0), false),
            ("declared", None, 0.0, true, false, Some(0.0), true),
            ("live within the window", Some(&live_young), 5.0, false, true, Some(5.0), true),
            ("live after the window", Some(&live_old), 5.0, false, true, Some(5.0), false),
            ("live, where I was", Some(&live_young), -1.0, false, true, None, true),
        ] {
            let seen = decide(point, playhead, declared, live, clock, &settings);
            assert_eq!(seen, ResumeDecision { position, resume }, "{name}");
        }
    }
}
