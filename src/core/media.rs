//! What is played: media, ad break, ad, chapter and quality, as a player describes them.
//! `tracker/info.rs` reads them from what players send; the dialects write them for collectors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::settings::Settings;
use super::time::{DAY_SECONDS, Span};

/// The largest number of seconds (thirty years) that a hit carries. Sums of larger ones might not stay
/// finite.
pub const MOST_SECONDS: f64 = 1e9;

/// Metadata of a player: strings only (spec 2).
pub type Metadata = BTreeMap<String, String>;

/// The media info of a session (behaviour.md 1.2), with the defaults filled in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaInfo {
    pub id: String,
    pub name: String,
    /// Seconds as the player gave them; `None` when unknown.
    pub length: Option<f64>,
    pub content_type: String,
    pub stream_type: String,
    pub channel: String,
    pub player_name: String,
    pub app_version: Option<String>,
    /// The player declares a continuation (spec 6).
    pub declares_resume: bool,
    pub downloaded: bool,
    pub background_playback: bool,
    /// Overrides the ad ping interval (spec 12.1: 1 to 10).
    pub own_ad_ping_seconds: Option<u64>,
    /// Nothing of this viewing is kept or sent (behaviour.md 1.2, key `track`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untracked: bool,
    /// Who watches, where the player says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viewer: Option<Box<Viewer>>,
    /// Standard metadata (spec 2.3), under the full names that players use.
    pub standard: Metadata,
    pub custom: Metadata,
}

impl MediaInfo {
    /// The id for a log line. A URL or a path is hidden, because it says more about a viewer than
    /// an operator needs.
    pub fn log_id(&self) -> &str {
        if self.untracked { "(not tracked)" } else { log_id(&self.id) }
    }

    /// Estimated size of its record in the store, in bytes.
    pub fn stored_bytes(&self) -> u64 {
        /// Names of members, numbers and punctuation.
        const FRAME: usize = 260;
        let texts = [
            &self.id,
            &self.name,
            &self.content_type,
            &self.stream_type,
            &self.channel,
            &self.player_name,
        ];
        let texts = texts.into_iter().chain(&self.app_version).map(String::len).sum::<usize>();
        let metadata = metadata_bytes(&self.standard) + metadata_bytes(&self.custom);
        let viewer = self.viewer.as_ref().map_or(0, |viewer| viewer.text_bytes());
        (FRAME + texts + metadata + viewer) as u64
    }

    /// How often its session pings at present (spec 3.2).
    pub fn ping_interval(&self, in_ad: bool, settings: &Settings) -> Span {
        if self.downloaded {
            settings.downloaded_ping
        } else if in_ad {
            // A damaged store may give a value out of range (spec 12.1: 1 to 10).
            let own = self.own_ad_ping_seconds.map(|s| Span::seconds(s.clamp(1, 10)));
            own.unwrap_or(settings.ad_ping)
        } else {
            settings.main_ping
        }
    }

    /// Live content counts its playhead in seconds of the day (behaviour.md 1.1).
    pub fn live(&self) -> bool {
        matches!(self.content_type.as_str(), "live" | "linear" | "radio")
    }

    /// A position in seconds as a hit may carry it: modulo a day for live, else inside the length
    /// (spec 3.6).
    pub fn clamp(&self, position: f64) -> f64 {
        if self.live() {
            position.rem_euclid(DAY_SECONDS)
        } else {
            // `f64::clamp` would panic if a damaged store gave a negative length.
            position.min(self.length.unwrap_or(MOST_SECONDS)).max(0.0)
        }
    }
}

/// Who watches: ids over those of the configuration, because a household has profiles
/// (behaviour.md 1.2).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Viewer {
    pub marketing_cloud_user_id: Option<String>,
    pub visitor_id: Option<String>,
    /// By namespace.
    pub customer_ids: BTreeMap<String, CustomerId>,
}

/// An id that a viewer has at the operator (spec 2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerId {
    pub id: String,
    /// 0 unknown, 1 authenticated, 2 logged out.
    pub state: u8,
}

impl Viewer {
    /// Estimated bytes of its texts in the store.
    fn text_bytes(&self) -> usize {
        /// Names of members and punctuation of a customer id, and of the rest.
        const FRAME: usize = 24;
        let ids = [&self.marketing_cloud_user_id, &self.visitor_id];
        let ids = ids.into_iter().flatten().map(String::len).sum::<usize>();
        let customer = self.customer_ids.iter().map(|(n, c)| FRAME + n.len() + c.id.len());
        3 * FRAME + ids + customer.sum::<usize>()
    }
}

/// See [`MediaInfo::log_id`].
pub fn log_id(id: &str) -> &str {
    if id.contains("://") || id.starts_with('/') { "(a URL)" } else { id }
}

/// Estimated bytes of metadata in the store.
fn metadata_bytes(metadata: &Metadata) -> usize {
    metadata.iter().map(|(key, value)| key.len() + value.len() + 6).sum()
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

/// An ad break (spec 2.4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdBreak {
    pub name: String,
    /// Counted from 1.
    pub position: i64,
    /// Content second of the break.
    pub start: f64,
}

impl AdBreak {
    pub fn same(&self, other: &AdBreak) -> bool {
        self.name == other.name && self.position == other.position && same(self.start, other.start)
    }
}

/// An ad (spec 2.4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ad {
    pub id: String,
    pub name: String,
    /// Counted from 1 in its break.
    pub position: i64,
    pub length: f64,
    pub standard: Metadata,
    pub custom: Metadata,
}

impl Ad {
    /// Estimated bytes of its texts in the store.
    pub fn text_bytes(&self) -> usize {
        let metadata = metadata_bytes(&self.standard) + metadata_bytes(&self.custom);
        self.id.len() + self.name.len() + metadata
    }

    pub fn same(&self, other: &Ad) -> bool {
        self.id == other.id
            && self.name == other.name
            && self.position == other.position
            && same(self.length, other.length)
    }
}

/// A chapter (spec 2.4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chapter {
    pub name: String,
    /// Counted from 1.
    pub position: i64,
    pub start: f64,
    pub length: f64,
    pub custom: Metadata,
}

impl Chapter {
    /// Estimated bytes of its texts in the store.
    pub fn text_bytes(&self) -> usize {
        self.name.len() + metadata_bytes(&self.custom)
    }

    pub fn same(&self, other: &Chapter) -> bool {
        self.name == other.name
            && self.position == other.position
            && same(self.start, other.start)
            && same(self.length, other.length)
    }
}

/// Quality of experience: any subset may be known (spec 2.6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Qoe {
    /// kbit/s (spec 12.5)
    pub bitrate: Option<i64>,
    /// Running total of the session.
    pub dropped_frames: Option<i64>,
    pub fps: Option<i64>,
    /// From the viewer's action to the first frame.
    pub startup_ms: Option<i64>,
}

impl Qoe {
    /// These values, replaced by those that `newer` has.
    pub fn updated(self, newer: Qoe) -> Qoe {
        Qoe {
            bitrate: newer.bitrate.or(self.bitrate),
            dropped_frames: newer.dropped_frames.or(self.dropped_frames),
            fps: newer.fps.or(self.fps),
            startup_ms: newer.startup_ms.or(self.startup_ms),
        }
    }
}
