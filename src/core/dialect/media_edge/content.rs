//! `mediaCollection`: what a report says, in the members of edge 5. Numbers are whole (edge 6).

use serde_json::{Value, json};

use super::answer::hint_and_id;
use crate::core::dialect::exchange::Purpose;
use crate::core::dialect::members::{Members, extend, set, set_text};
use crate::core::dialect::{RequestContent, keys};
use crate::core::media::{Ad, MediaInfo, Metadata, Qoe};
use crate::core::report::{Kind, Report, What};
use crate::core::settings::Settings;
use crate::core::time::{DAY_SECONDS, WallTime};

/// The last part of the path, and what stands behind `media.` in `eventType` (edge 3).
pub(super) fn event_type(kind: Kind) -> &'static str {
    match kind {
        Kind::StateOn | Kind::StateOff => "statesUpdate",
        other => other.event_type(),
    }
}

/// RFC 3339 in UTC, with milliseconds.
pub(super) fn timestamp(at: WallTime) -> String {
    let mut text = at.to_string();
    text.truncate(text.len() - "Z".len());
    format!("{text}.{:03}Z", at.0.rem_euclid(1000))
}

pub(super) fn media_collection(report: &Report, content: &RequestContent<'_>) -> Members {
    let mut members = Members::new();
    set(&mut members, "playhead", whole(report.playhead));
    if let Purpose::Report { sid } = content.purpose {
        set_text(&mut members, "sessionID", hint_and_id(sid).1);
    }
    let mut details = Members::new();
    let (name, custom) = match &report.what {
        What::Start { resume } => {
            session(&mut details, content.media, *resume, content.settings);
            ("sessionDetails", Some(&content.media.custom))
        }
        What::AdBreakStart(ad_break) => {
            set_text(&mut details, "friendlyName", &ad_break.name);
            set(&mut details, "index", ad_break.position);
            set(&mut details, "offset", whole(ad_break.start));
            ("advertisingPodDetails", None)
        }
        What::AdStart(ad) => {
            advertising(&mut details, ad, content);
            ("advertisingDetails", Some(&ad.custom))
        }
        What::ChapterStart(chapter) => {
            set_text(&mut details, "friendlyName", &chapter.name);
            set(&mut details, "index", chapter.position);
            set(&mut details, "offset", whole(chapter.start));
            set(&mut details, "length", whole(chapter.length));
            ("chapterDetails", Some(&chapter.custom))
        }
        What::Error(error) => {
            set_text(&mut details, "name", &error.id);
            set_text(&mut details, "source", error.source.name());
            ("errorDetails", None)
        }
        What::StateOn(name) | What::StateOff(name) => {
            let on = matches!(report.what, What::StateOn(_));
            let list = if on { "statesStart" } else { "statesEnd" };
            set(&mut members, list, json!([{"name": state(name)}]));
            ("", None)
        }
        _ => ("", None),
    };
    if !details.is_empty() {
        set(&mut members, name, details);
    }
    if let Some(custom) = custom.filter(|custom| !custom.is_empty()) {
        set(&mut members, "customMetadata", custom_metadata(custom, content));
    }
    let quality = quality(report);
    if !quality.is_empty() || report.kind() == Kind::BitrateChange {
        set(&mut members, "qoeDataDetails", quality);
    }
    members
}

/// `sessionDetails` (edge 5.2). What a start lacks that an older store kept comes from `[media]`.
fn session(details: &mut Members, media: &MediaInfo, resume: bool, settings: &Settings) {
    set_text(details, "name", &media.id);
    set_text(details, "friendlyName", &media.name);
    set(details, "length", whole(media.length.unwrap_or(DAY_SECONDS)));
    for (name, given, default) in [
        ("contentType", &media.content_type, &settings.content_type),
        ("streamType", &media.stream_type, &settings.stream_type),
        ("playerName", &media.player_name, &settings.player_name),
        ("channel", &media.channel, &settings.channel),
    ] {
        set_text(details, name, or_default(given, default));
    }
    set(details, "hasResume", resume);
    // Not necessary in a download, which is the only request of such a session (edge 8).
    if media.downloaded && settings.delivery.send_flag {
        set(details, "isDownloaded", true);
    }
    if let Some(version) = &media.app_version {
        set_text(details, "appVersion", version);
    }
    extend(details, &media.standard, |key| standard(key, &keys::CONTENT));
}

/// A text, or what the configuration has in its place.
fn or_default<'a>(given: &'a str, default: &'a str) -> &'a str {
    if given.is_empty() { default } else { given }
}

/// `advertisingDetails` (edge 5.4).
fn advertising(details: &mut Members, ad: &Ad, content: &RequestContent<'_>) {
    set_text(details, "name", &ad.id);
    set_text(details, "friendlyName", &ad.name);
    set(details, "length", whole(ad.length));
    set(details, "podPosition", ad.position);
    let player = or_default(&content.media.player_name, &content.settings.player_name);
    set_text(details, "playerName", player);
    extend(details, &ad.standard, |key| standard(key, &keys::AD));
}

/// The name of standard metadata: that of the Media Collection API without its beginning, or another
/// one (edge 6).
fn standard<'a>(key: &'a str, of: &keys::StandardKeys) -> &'a str {
    match key.strip_prefix(of.prefix).unwrap_or(key) {
        "assetId" => "assetID",
        "pass.mvpd" => "mvpd",
        "pass.auth" => "authorized",
        "campaignId" => "campaignID",
        "creativeId" => "creativeID",
        "siteId" => "siteID",
        "placementId" => "placementID",
        same => same,
    }
}

/// The name of a state. Adobe's own programs have always sent `fullScreen` (edge 12).
fn state(name: &str) -> &str {
    if name == "fullscreen" { "fullScreen" } else { name }
}

/// Names are paths in the customer's own schema (edge 5.8); one that is such a path already stays.
fn custom_metadata(custom: &Metadata, content: &RequestContent<'_>) -> Value {
    let prefix = &content.collector.edge.metadata_prefix;
    let named = |(key, value): (&String, &String)| {
        let complete = prefix.is_empty() || key.starts_with('_');
        let name = if complete { key.clone() } else { format!("{prefix}.{key}") };
        json!({"name": name, "value": value})
    };
    custom.iter().map(named).collect()
}

/// `qoeDataDetails` (edge 5.6); empty when nothing is known.
fn quality(report: &Report) -> Members {
    let mut members = Members::new();
    let Some(Qoe { bitrate, dropped_frames, fps, startup_ms }) = report.quality.as_deref() else {
        return members;
    };
    for (name, value) in [
        ("bitrate", bitrate),
        ("droppedFrames", dropped_frames),
        ("framesPerSecond", fps),
        ("timeToStart", startup_ms),
    ] {
        if let Some(value) = value {
            set(&mut members, name, (*value).clamp(0, i64::from(i32::MAX)));
        }
    }
    members
}

/// Whole seconds; a fraction is cut off, as Adobe's own programs do.
fn whole(seconds: f64) -> i64 {
    seconds.max(0.0) as i64
}
