//! What an operator can have listed, as JSON (`tv.playhead.Monitor1`, `List`).

use serde_json::{Value, json};

use super::Agent;
use super::input::Listing;
use super::time::Now;
use super::turn::Reply;

impl Agent {
    pub(super) fn listing(&self, listing: Listing, now: Now) -> Reply {
        let json = match listing {
            Listing::Queue => self.delivery.queue_json(self.consent(), now, &self.settings),
            Listing::Rejected => self.delivery.rejected.json(),
            Listing::ResumePoints => self.resume_points_json(),
        };
        Reply::Json(json.to_string())
    }

    fn resume_points_json(&self) -> Value {
        let row = |((app, media_id), point): (&(String, String), &super::record::ResumePoint)| {
            json!({
                "app": app, "media": media_id, "position": point.position, "length": point.length,
                "ended_at": point.ended_at, "live": point.live,
                "completed": point.completed || point.at_end(&self.settings),
            })
        };
        self.resume_points().map(row).collect()
    }
}
