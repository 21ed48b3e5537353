//! What info dictionaries say of media, ads, chapters and quality, read and checked (behaviour.md 1.1,
//! 1.2; spec 2.3 to 2.7).

use super::reader::Reader;
use crate::core::dialect::keys;
use crate::core::media::{Ad, AdBreak, Chapter, MediaInfo, Qoe};
use crate::core::rejected::Rejected;
use crate::core::settings::Settings;

/// Content types that reports know (spec 2.2). Others are sent as they are.
const CONTENT_TYPES: &[&str] =
    &["vod", "live", "linear", "ugc", "dvod", "song", "podcast", "audiobook", "radio", "aod"];

/// A known word is written as it is known, whatever its capitals.
fn as_known(word: String, known: &[&str]) -> String {
    known.iter().find(|k| k.eq_ignore_ascii_case(&word)).map_or(word, |k| (*k).to_owned())
}

impl MediaInfo {
    /// Reads the info of `SessionStart` and `OpenSession`. An empty text is none.
    ///
    /// Errors: `InvalidArgs` for a missing id, a wrong type or a value out of range (spec 2.7).
    pub(crate) fn read(r: &Reader<'_>, settings: &Settings) -> Result<MediaInfo, Rejected> {
        let id = r.name("id")?;
        let or_default = |key: &'static str, default: &str| {
            Ok::<_, Rejected>(
                r.text(key)?.filter(|s| !s.is_empty()).unwrap_or_else(|| default.into()),
            )
        };
        const STREAM_TYPES: &[&str] = &["video", "audio"];
        let stream_type = as_known(or_default("stream_type", &settings.stream_type)?, STREAM_TYPES);
        if !STREAM_TYPES.contains(&stream_type.as_str()) {
            return Err(Rejected::invalid(format!(
                "{}: info key 'stream_type' is 'video' or 'audio', got '{stream_type}'",
                r.event
            )));
        }
        let ad_ping_seconds = match r.int("ad_ping_seconds")? {
            None => None,
            Some(s @ 1..=10) => Some(s as u64),
            Some(s) => {
                return Err(Rejected::invalid(format!(
                    "{}: info key 'ad_ping_seconds' is 1 to 10, got {s}",
                    r.event
                )));
            }
        };
        let (standard, custom) = r.metadata(&keys::CONTENT)?;
        let content_type = or_default("content_type", &settings.content_type)?;
        Ok(MediaInfo {
            name: or_default("name", &id)?,
            length: r.seconds("length")?.filter(|l| *l > 0.0),
            content_type: as_known(content_type, CONTENT_TYPES),
            stream_type,
            channel: or_default("channel", &settings.channel)?,
            player_name: or_default("player_name", &settings.player_name)?,
            app_version: r.text("app_version")?.filter(|s| !s.is_empty()),
            declares_resume: r.bool("resume")?.unwrap_or(false),
            downloaded: r.bool("downloaded")?.unwrap_or(false),
            background_playback: r.bool("background_playback")?.unwrap_or(false),
            own_ad_ping_seconds: ad_ping_seconds,
            untracked: !r.bool("track")?.unwrap_or(true),
            viewer: r.identity()?,
            standard,
            custom,
            id,
        })
    }
}

impl AdBreak {
    pub(crate) fn read(r: &Reader<'_>) -> Result<AdBreak, Rejected> {
        Ok(AdBreak {
            name: r.name("name")?,
            position: r.position("position")?,
            start: r.seconds_needed("start")?,
        })
    }
}

impl Ad {
    pub(crate) fn read(r: &Reader<'_>) -> Result<Ad, Rejected> {
        let (standard, custom) = r.metadata(&keys::AD)?;
        Ok(Ad {
            id: r.name("id")?,
            name: r.name("name")?,
            position: r.position("position")?,
            length: r.seconds_needed("length")?,
            standard,
            custom,
        })
    }
}

impl Chapter {
    pub(crate) fn read(r: &Reader<'_>) -> Result<Chapter, Rejected> {
        let (_, custom) = r.metadata(&keys::CHAPTER)?;
        Ok(Chapter {
            name: r.name("name")?,
            position: r.position("position")?,
            start: r.seconds_needed("start")?,
            length: r.seconds_needed("length")?,
            custom,
        })
    }
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
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::tracker::info::{Info, Value};

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
        let r = Reader::new("SessionStart", &info);
        let media = MediaInfo::read(&r, &Settings::default()).unwrap();
        assert_eq!(media.standard.keys().collect::<Vec<_>>(), ["media.show"]);
        assert_eq!(media.custom.keys().collect::<Vec<_>>(), ["house", "media.mine"]);
        assert_eq!(media.name, "m", "the name falls back to the id (spec 12.18)");
        assert_eq!(media.length, None);
    }
}
