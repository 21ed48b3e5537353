//! What collectors have refused for good, for `playheadctl queue --rejected`. The store holds the
//! whole reports; without their contents they are few bytes, so all that are kept stay in memory.

use serde_json::{Value, json};

use crate::core::record::RejectedHit;
use crate::core::settings::Settings;

/// The newest refused hits, by number.
#[derive(Debug, Default)]
pub struct RejectedHits(Vec<(u64, RejectedHit)>);

impl RejectedHits {
    /// Adds hits and drops the oldest beyond `limits.rejected_kept`.
    pub fn add(&mut self, hits: Vec<(u64, RejectedHit)>, settings: &Settings) {
        self.0.extend(hits);
        // Those of a store that is joined late are older than what was refused meanwhile.
        self.0.sort_unstable_by_key(|(number, _)| *number);
        self.0.drain(..self.0.len().saturating_sub(settings.limits.rejected_kept));
    }

    /// So many are lost with one of them, as is known by now.
    pub fn lost(&mut self, number: u64, lost: u64) {
        if let Some((_, hit)) = self.0.iter_mut().find(|(of, _)| *of == number) {
            hit.lost = lost;
        }
    }

    /// A list of objects, the newest first.
    pub fn json(&self) -> Value {
        let row = |(_, hit): &(u64, RejectedHit)| {
            json!({
                "at": hit.at, "collector": hit.collector, "app": hit.app, "media": hit.media_id,
                "event_type": hit.event_type, "status": hit.status, "message": hit.message,
                "lost": hit.lost,
            })
        };
        self.0.iter().rev().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::RejectedReport;
    use crate::core::report::{Report, What};
    use crate::core::time::{BootInstant, WallTime};

    fn rejected() -> RejectedReport {
        RejectedReport {
            collector: "main".into(),
            app: "tv.app".into(),
            media_id: "m".into(),
            report: Report::new(What::Play, BootInstant(0), 0.0),
            lost: 0,
            status: 400,
            message: "no".into(),
            at: Some(WallTime(7)),
        }
    }

    #[test]
    fn one_that_was_stored_before_there_was_a_time_is_read_without() {
        let mut stored = serde_json::to_value(rejected()).unwrap();
        assert_eq!(stored.as_object_mut().unwrap().remove("at"), Some(7.into()));
        let read: RejectedReport = serde_json::from_value(stored).unwrap();
        assert_eq!(read, RejectedReport { at: None, ..rejected() });
    }

    #[test]
    fn a_store_that_is_joined_late_adds_older_ones() {
        let mut settings = Settings::default();
        settings.limits.rejected_kept = 2;
        let hit = |status| RejectedHit { status, ..rejected().into() };
        let mut hits = RejectedHits::default();
        hits.add(vec![(1 << 61, hit(400))], &settings);
        hits.add(vec![(1, hit(413)), (2, hit(422))], &settings);
        let json = hits.json();
        let statuses: Vec<_> = json.as_array().unwrap().iter().map(|hit| &hit["status"]).collect();
        assert_eq!(statuses, [400, 422]);
    }
}
