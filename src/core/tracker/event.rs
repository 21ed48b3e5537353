//! The vocabulary of playback: one table that D-Bus methods, `Player1` signals and timeline lines
//! share (behaviour.md 1.1). Every event has one name and one shape, `(playhead, info)`.

use serde::{Deserialize, Serialize};

use super::info::is_metadata_key;
use super::info::reader::Reader;
use crate::core::media::{Ad, AdBreak, Chapter, Qoe};
use crate::core::rejected::Rejected;
use crate::core::report::{ErrorSource, PlayerError};
use crate::core::text::number;

macro_rules! vocabulary {
    ($($name:ident),* $(,)?) => {
        /// The name of a playback event, the same on every interface (behaviour.md 1.1).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventName { $($name),* }

        impl EventName {
            /// Every name, in the order of the table in behaviour.md 1.1.
            pub const ALL: &'static [EventName] = &[$(EventName::$name),*];

            /// The name as it stands on the bus and in a timeline.
            pub const fn name(self) -> &'static str {
                match self { $(EventName::$name => stringify!($name)),* }
            }

            /// `None` for a word that is no event.
            pub fn parse(word: &str) -> Option<EventName> {
                match word {
                    $(stringify!($name) => Some(EventName::$name),)*
                    _ => None,
                }
            }
        }
    };
}

vocabulary!(
    SessionStart,
    Play,
    Pause,
    BufferStart,
    BufferComplete,
    Stall,
    SeekStart,
    SeekComplete,
    AdBreakStart,
    AdBreakComplete,
    AdStart,
    AdComplete,
    AdSkip,
    ChapterStart,
    ChapterComplete,
    ChapterSkip,
    StateStart,
    StateEnd,
    Qoe,
    BitrateChange,
    Error,
    Playhead,
    Complete,
    End,
);

/// A playback event inside a session, its info read and checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Play {
        rate: f64,
    },
    Pause,
    /// Also a stall (spec 2.1).
    BufferStart,
    BufferComplete,
    SeekStart,
    SeekComplete,
    AdBreakStart(AdBreak),
    AdBreakComplete,
    AdStart(Ad),
    AdComplete,
    AdSkip,
    ChapterStart(Chapter),
    ChapterComplete,
    ChapterSkip,
    StateStart(String),
    StateEnd(String),
    Qoe(Qoe),
    BitrateChange(Qoe),
    Error(PlayerError),
    Playhead,
    Complete,
    End,
}

impl Event {
    /// Reads the info of any event but `SessionStart` (see `MediaInfo::read`).
    ///
    /// Errors: `InvalidArgs` for a key that is missing, of the wrong type or out of its range.
    pub(crate) fn read(name: EventName, r: &Reader<'_>) -> Result<Event, Rejected> {
        Ok(match name {
            EventName::SessionStart => {
                return Err(Rejected::invalid(
                    "SessionStart opens a session and is no event inside one",
                ));
            }
            EventName::Play => Event::Play { rate: rate(r)? },
            EventName::Pause => Event::Pause,
            EventName::BufferStart | EventName::Stall => Event::BufferStart,
            EventName::BufferComplete => Event::BufferComplete,
            EventName::SeekStart => Event::SeekStart,
            EventName::SeekComplete => Event::SeekComplete,
            EventName::AdBreakStart => Event::AdBreakStart(AdBreak::read(r)?),
            EventName::AdBreakComplete => Event::AdBreakComplete,
            EventName::AdStart => Event::AdStart(Ad::read(r)?),
            EventName::AdComplete => Event::AdComplete,
            EventName::AdSkip => Event::AdSkip,
            EventName::ChapterStart => Event::ChapterStart(Chapter::read(r)?),
            EventName::ChapterComplete => Event::ChapterComplete,
            EventName::ChapterSkip => Event::ChapterSkip,
            EventName::StateStart => Event::StateStart(state_name(r)?),
            EventName::StateEnd => Event::StateEnd(state_name(r)?),
            EventName::Qoe => Event::Qoe(Qoe::read(r)?),
            EventName::BitrateChange => Event::BitrateChange(Qoe::read(r)?),
            EventName::Error => {
                Event::Error(PlayerError { id: r.name("id")?, source: error_source(r)? })
            }
            EventName::Playhead => Event::Playhead,
            EventName::Complete => Event::Complete,
            EventName::End => Event::End,
        })
    }
}

impl Event {
    /// Estimated bytes of the texts in it that are kept beside the session.
    pub fn kept_bytes(&self) -> u64 {
        let bytes = match self {
            Event::AdBreakStart(ad_break) => ad_break.name.len(),
            Event::AdStart(ad) => ad.text_bytes(),
            Event::ChapterStart(chapter) => chapter.text_bytes(),
            _ => 0,
        };
        bytes as u64
    }
}

/// The highest rate accepted, in content seconds per second.
const FASTEST: f64 = 1000.0;

fn rate(r: &Reader<'_>) -> Result<f64, Rejected> {
    match r.float("rate")?.unwrap_or(1.0) {
        rate if rate.abs() <= FASTEST => Ok(rate),
        rate => Err(Rejected::invalid(format!(
            "Play: info key 'rate' is -{FASTEST} to {FASTEST}, got {}",
            number(rate)
        ))),
    }
}

/// `^[a-zA-Z0-9_\.]{1,64}$` (spec 2.5).
fn state_name(r: &Reader<'_>) -> Result<String, Rejected> {
    let name = r.name("name")?;
    if name.len() > 64 || !is_metadata_key(&name) {
        return Err(Rejected::invalid(format!(
            "{}: a state name is 1 to 64 of a-z A-Z 0-9 _ and '.', got '{name}'",
            r.event
        )));
    }
    Ok(name)
}

fn error_source(r: &Reader<'_>) -> Result<ErrorSource, Rejected> {
    match r.text("source")?.as_deref() {
        None | Some("player") => Ok(ErrorSource::Player),
        Some("external") => Ok(ErrorSource::External),
        Some(other) => Err(Rejected::invalid(format!(
            "Error: info key 'source' is 'player' or 'external', got '{other}'"
        ))),
    }
}
