//! What is played: media, ad break, ad, chapter and quality, each with its validation
//! (spec 2.3 to 2.7) and its parameters on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::event::{Info, Reader};
use crate::core::rejected::Rejected;
use crate::core::settings::Settings;
use crate::core::time::DAY_SECONDS;

/// JSON members of a hit.
pub type Params = Map<String, serde_json::Value>;
/// Custom metadata: strings only (spec 2).
pub type Custom = BTreeMap<String, String>;

/// Standard content metadata, without the prefix `media.` (spec 2.3).
const STANDARD_MEDIA: &[&str] = &[
    "show",
    "season",
    "episode",
    "assetId",
    "genre",
    "firstAirDate",
    "firstDigitalDate",
    "rating",
    "originator",
    "network",
    "showType",
    "adLoad",
    "pass.mvpd",
    "pass.auth",
    "dayPart",
    "feed",
    "streamFormat",
    "artist",
    "album",
    "label",
    "author",
    "station",
    "publisher",
];

/// Standard ad metadata, without the prefix `media.ad.` (spec 2.4).
const STANDARD_AD: &[&str] =
    &["advertiser", "campaignId", "creativeId", "siteId", "creativeURL", "placementId"];

/// `^[a-zA-Z0-9_\.]+$`, the pattern of metadata keys and state names (spec 2, 2.5).
pub(crate) fn is_metadata_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
}

/// Splits metadata into standard parameters and custom metadata. A key outside the pattern is
/// dropped by itself, the rest counts (spec 2.7).
fn split_metadata(
    all: BTreeMap<String, String>,
    prefix: &str,
    standard: &[&str],
) -> (Custom, Custom) {
    all.into_iter()
        .filter(|(key, _)| is_metadata_key(key))
        .partition(|(key, _)| key.strip_prefix(prefix).is_some_and(|name| standard.contains(&name)))
}

fn extend_with_text(params: &mut Params, texts: &Custom) {
    params.extend(texts.iter().map(|(k, v)| (k.clone(), json!(v))));
}

/// The media info of a session (api.md 1.2), with the defaults filled in.
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
    pub resume: bool,
    pub downloaded: bool,
    pub background_playback: bool,
    /// Overrides the ad ping interval (spec 12.1: 1 to 10).
    pub ad_ping_seconds: Option<u64>,
    /// Standard metadata, full names, for `params`.
    pub standard: Custom,
    pub custom: Custom,
}

impl MediaInfo {
    /// Reads the info of `SessionStart` and `OpenSession`.
    ///
    /// Errors: `InvalidArgs` for a missing id, a wrong type or a value out of range (spec 2.7).
    pub fn read(info: &Info, settings: &Settings) -> Result<MediaInfo, Rejected> {
        let r = Reader { event: "SessionStart", info };
        let id = r.name("id")?;
        let or_default = |key: &str, default: &str| {
            Ok::<_, Rejected>(
                r.text(key)?.filter(|s| !s.is_empty()).unwrap_or_else(|| default.into()),
            )
        };
        let stream_type = or_default("stream_type", &settings.stream_type)?;
        if stream_type != "video" && stream_type != "audio" {
            return Err(Rejected::invalid(format!(
                "SessionStart: info key 'stream_type' is 'video' or 'audio', got '{stream_type}'"
            )));
        }
        let ad_ping_seconds = match r.int("ad_ping_seconds")? {
            None => None,
            Some(s @ 1..=10) => Some(s as u64),
            Some(s) => {
                return Err(Rejected::invalid(format!(
                    "SessionStart: info key 'ad_ping_seconds' is 1 to 10, got {s}"
                )));
            }
        };
        let (standard, custom) = split_metadata(r.dict("metadata")?, "media.", STANDARD_MEDIA);
        Ok(MediaInfo {
            name: or_default("name", &id)?,
            length: r.seconds("length")?.filter(|l| *l > 0.0),
            content_type: or_default("content_type", &settings.content_type)?,
            stream_type,
            channel: or_default("channel", &settings.channel)?,
            player_name: or_default("player_name", &settings.player_name)?,
            app_version: r.text("app_version")?.filter(|s| !s.is_empty()),
            resume: r.bool("resume")?.unwrap_or(false),
            downloaded: r.bool("downloaded")?.unwrap_or(false),
            background_playback: r.bool("background_playback")?.unwrap_or(false),
            ad_ping_seconds,
            standard,
            custom,
            id,
        })
    }

    /// The id as a log line may have it: URLs and paths say more about a viewer than an operator
    /// needs.
    pub fn log_id(&self) -> &str {
        log_id(&self.id)
    }

    /// Live content counts its playhead in seconds of the day (api.md 1.1).
    pub fn live(&self) -> bool {
        matches!(self.content_type.as_str(), "live" | "linear" | "radio")
    }

    /// A position as it may stand in a hit: modulo a day for live, else inside the length
    /// (spec 3.6).
    pub fn clamp(&self, position: f64) -> f64 {
        if self.live() {
            position.rem_euclid(DAY_SECONDS)
        } else {
            // A stored length may be nonsense; `clamp` would panic over it.
            position.min(self.length.unwrap_or(f64::MAX)).max(0.0)
        }
    }

    /// The parameters of a sessionStart that belong to the media (spec 2.2).
    pub fn params(&self, resume: bool) -> Params {
        let mut p = Params::new();
        p.insert("media.id".into(), json!(self.id));
        p.insert("media.name".into(), json!(self.name));
        p.insert("media.length".into(), number(self.length.unwrap_or(DAY_SECONDS)));
        p.insert("media.contentType".into(), json!(self.content_type));
        p.insert("media.streamType".into(), json!(self.stream_type));
        p.insert("media.playerName".into(), json!(self.player_name));
        p.insert("media.channel".into(), json!(self.channel));
        p.insert("media.resume".into(), json!(resume));
        if let Some(version) = &self.app_version {
            p.insert("media.sdkVersion".into(), json!(version));
        }
        extend_with_text(&mut p, &self.standard);
        p
    }
}

/// See [`MediaInfo::log_id`].
pub fn log_id(id: &str) -> &str {
    if id.contains("://") || id.starts_with('/') { "(a URL)" } else { id }
}

/// A JSON number; whole seconds without a fraction, others to the millisecond.
pub fn number(x: f64) -> serde_json::Value {
    let ms = (x * 1000.0).round();
    if ms % 1000.0 == 0.0 && ms.abs() < 9.0e15 {
        json!((ms / 1000.0) as i64)
    } else {
        json!(ms / 1000.0)
    }
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
    pub(crate) fn read(r: &Reader<'_>) -> Result<AdBreak, Rejected> {
        Ok(AdBreak {
            name: r.name("name")?,
            position: r.position("position")?,
            start: r.seconds_needed("start")?,
        })
    }

    pub fn same(&self, other: &AdBreak) -> bool {
        self.name == other.name && self.position == other.position && same(self.start, other.start)
    }

    pub fn params(&self) -> Params {
        let mut p = Params::new();
        p.insert("media.ad.podFriendlyName".into(), json!(self.name));
        p.insert("media.ad.podIndex".into(), json!(self.position));
        p.insert("media.ad.podSecond".into(), number(self.start));
        p
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
    pub standard: Custom,
    pub custom: Custom,
}

impl Ad {
    pub(crate) fn read(r: &Reader<'_>) -> Result<Ad, Rejected> {
        let (standard, custom) = split_metadata(r.dict("metadata")?, "media.ad.", STANDARD_AD);
        Ok(Ad {
            id: r.name("id")?,
            name: r.name("name")?,
            position: r.position("position")?,
            length: r.seconds_needed("length")?,
            standard,
            custom,
        })
    }

    pub fn same(&self, other: &Ad) -> bool {
        self.id == other.id
            && self.name == other.name
            && self.position == other.position
            && same(self.length, other.length)
    }

    pub fn params(&self, player_name: &str) -> Params {
        let mut p = Params::new();
        p.insert("media.ad.id".into(), json!(self.id));
        p.insert("media.ad.name".into(), json!(self.name));
        p.insert("media.ad.length".into(), number(self.length));
        p.insert("media.ad.podPosition".into(), json!(self.position));
        p.insert("media.ad.playerName".into(), json!(player_name));
        extend_with_text(&mut p, &self.standard);
        p
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
    pub custom: Custom,
}

impl Chapter {
    pub(crate) fn read(r: &Reader<'_>) -> Result<Chapter, Rejected> {
        let (_, custom) = split_metadata(r.dict("metadata")?, "media.chapter.", &[]);
        Ok(Chapter {
            name: r.name("name")?,
            position: r.position("position")?,
            start: r.seconds_needed("start")?,
            length: r.seconds_needed("length")?,
            custom,
        })
    }

    pub fn same(&self, other: &Chapter) -> bool {
        self.name == other.name
            && self.position == other.position
            && same(self.start, other.start)
            && same(self.length, other.length)
    }

    pub fn params(&self) -> Params {
        let mut p = Params::new();
        p.insert("media.chapter.friendlyName".into(), json!(self.name));
        p.insert("media.chapter.index".into(), json!(self.position));
        p.insert("media.chapter.offset".into(), number(self.start));
        p.insert("media.chapter.length".into(), number(self.length));
        p
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
    pub(crate) fn read(r: &Reader<'_>) -> Result<Qoe, Rejected> {
        Ok(Qoe {
            bitrate: r.count("bitrate")?,
            dropped_frames: r.count("dropped_frames")?,
            fps: r.count("fps")?,
            startup_ms: r.count("startup_ms")?,
        })
    }

    /// What was known, with what `newer` says on top.
    pub fn updated(self, newer: Qoe) -> Qoe {
        Qoe {
            bitrate: newer.bitrate.or(self.bitrate),
            dropped_frames: newer.dropped_frames.or(self.dropped_frames),
            fps: newer.fps.or(self.fps),
            startup_ms: newer.startup_ms.or(self.startup_ms),
        }
    }

    /// The members of `qoeData`; empty when nothing is known.
    pub fn params(&self) -> Params {
        [
            ("media.qoe.bitrate", self.bitrate),
            ("media.qoe.droppedFrames", self.dropped_frames),
            ("media.qoe.framesPerSecond", self.fps),
            ("media.qoe.timeToStart", self.startup_ms),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), json!(value?))))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Value;
    use super::*;

    #[test]
    fn metadata_goes_where_it_belongs_and_bad_keys_go_alone() {
        let mut metadata = BTreeMap::new();
        for (key, value) in
            [("media.show", "A"), ("house", "B"), ("bad key", "C"), ("media.mine", "D")]
        {
            metadata.insert(key.to_owned(), value.to_owned());
        }
        let info = Info::from([
            ("id".to_owned(), Value::Text("m".into())),
            ("metadata".to_owned(), Value::Dict(metadata)),
        ]);
        let media = MediaInfo::read(&info, &Settings::default()).unwrap();
        assert_eq!(media.standard.keys().collect::<Vec<_>>(), ["media.show"]);
        assert_eq!(media.custom.keys().collect::<Vec<_>>(), ["house", "media.mine"]);
        assert_eq!(media.name, "m", "the name falls back to the id (spec 12.18)");
        assert_eq!(media.params(true)["media.length"], json!(86_400));
    }

    #[test]
    fn numbers_keep_milliseconds_and_lose_a_useless_fraction() {
        assert_eq!(number(3.0).to_string(), "3");
        assert_eq!(number(12.34567).to_string(), "12.346");
        assert_eq!(number(0.0004).to_string(), "0");
    }
}
