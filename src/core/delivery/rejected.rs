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
