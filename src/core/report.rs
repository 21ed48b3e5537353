//! What happened in a playback, in types: the one vocabulary that trackers speak, the store keeps
//! and every dialect translates. It holds no key of any collector's wire.

use serde::{Deserialize, Serialize};

use super::media::{Ad, AdBreak, Chapter, Qoe};
use super::time::BootInstant;

/// One thing that happened, dated in boot time until it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// When it happened.
    #[serde(rename = "t")]
    pub at: BootInstant,
    /// Seconds in the main content.
    #[serde(rename = "p")]
    pub playhead: f64,
    #[serde(rename = "w")]
    pub what: What,
    /// Quality of experience, when it has changed (spec 2.6).
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Box<Qoe>>,
}

/// What a report says. Larger contents are boxed, because most reports are pings and wait by the
/// thousand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// A session opens. Its media info is stored once, beside the log.
    Start {
        /// It continues an earlier playback (spec 6).
        resume: bool,
    },
    Play,
    Pause,
    Buffer,
    Ping,
    BitrateChange,
    Error(Box<PlayerError>),
    AdBreakStart(Box<AdBreak>),
    AdBreakComplete,
    AdStart(Box<Ad>),
    AdComplete,
    AdSkip,
    ChapterStart(Box<Chapter>),
    ChapterComplete,
    ChapterSkip,
    /// A player state such as `mute` begins (spec 2.5).
    StateOn(Box<str>),
    StateOff(Box<str>),
    Complete,
    End,
}

/// An error that a player reports (spec 2.6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayerError {
    pub id: String,
    pub source: ErrorSource,
}

/// Who caused an error (spec 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorSource {
    Player,
    External,
}

impl ErrorSource {
    pub const fn name(self) -> &'static str {
        match self {
            ErrorSource::Player => "player",
            ErrorSource::External => "external",
        }
    }
}

macro_rules! kinds {
    ($($name:ident = $event_type:literal),* $(,)?) => {
        /// Which kind of thing happened, without its contents.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Kind { $(#[serde(rename = $event_type)] $name),* }

        impl Kind {
            pub const ALL: &[Kind] = &[$(Kind::$name),*];

            /// The event type of spec 2.1, from which every dialect makes its own.
            pub const fn event_type(self) -> &'static str {
                match self { $(Kind::$name => $event_type),* }
            }
        }
    };
}

kinds!(
    Start = "sessionStart",
    Play = "play",
    Ping = "ping",
    Pause = "pauseStart",
    Buffer = "bufferStart",
    BitrateChange = "bitrateChange",
    Error = "error",
    AdBreakStart = "adBreakStart",
    AdBreakComplete = "adBreakComplete",
    AdStart = "adStart",
    AdComplete = "adComplete",
    AdSkip = "adSkip",
    ChapterStart = "chapterStart",
    ChapterComplete = "chapterComplete",
    ChapterSkip = "chapterSkip",
    StateOn = "stateStart",
    StateOff = "stateEnd",
    Complete = "sessionComplete",
    End = "sessionEnd",
);

impl Kind {
    /// `play`, `pauseStart` and `bufferStart` report the playback state (spec 3.5).
    pub const fn is_playback(self) -> bool {
        matches!(self, Kind::Play | Kind::Pause | Kind::Buffer)
    }

    /// Reports that only close something: not worth a new session on their own (behaviour.md 2.11).
    pub const fn is_closing(self) -> bool {
        matches!(
            self,
            Kind::End
                | Kind::Complete
                | Kind::AdSkip
                | Kind::AdComplete
                | Kind::AdBreakComplete
                | Kind::ChapterSkip
                | Kind::ChapterComplete
        )
    }

    /// The last report of a session.
    pub const fn is_end(self) -> bool {
        matches!(self, Kind::End | Kind::Complete)
    }
}

/// Some kinds of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    pub const ALL: Kinds = Kinds(u32::MAX);

    /// The kinds with these event types.
    pub fn of(event_types: &[String]) -> Kinds {
        let named = |kind: &&Kind| event_types.iter().any(|name| name == kind.event_type());
        Kinds(Kind::ALL.iter().filter(named).fold(0, |set, kind| set | 1 << *kind as u32))
    }

    pub const fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }
}

impl What {
    pub const fn kind(&self) -> Kind {
        match self {
            What::Start { .. } => Kind::Start,
            What::Play => Kind::Play,
            What::Pause => Kind::Pause,
            What::Buffer => Kind::Buffer,
            What::Ping => Kind::Ping,
            What::BitrateChange => Kind::BitrateChange,
            What::Error(_) => Kind::Error,
            What::AdBreakStart(_) => Kind::AdBreakStart,
            What::AdBreakComplete => Kind::AdBreakComplete,
            What::AdStart(_) => Kind::AdStart,
            What::AdComplete => Kind::AdComplete,
            What::AdSkip => Kind::AdSkip,
            What::ChapterStart(_) => Kind::ChapterStart,
            What::ChapterComplete => Kind::ChapterComplete,
            What::ChapterSkip => Kind::ChapterSkip,
            What::StateOn(_) => Kind::StateOn,
            What::StateOff(_) => Kind::StateOff,
            What::Complete => Kind::Complete,
            What::End => Kind::End,
        }
    }

    /// Estimated size of the contents in the store, in bytes.
    fn content_bytes(&self) -> usize {
        /// Names of members and punctuation of a record with contents.
        const FRAME: usize = 60;
        match self {
            What::Error(error) => FRAME + error.id.len(),
            What::AdBreakStart(ad_break) => FRAME + ad_break.name.len(),
            What::AdStart(ad) => FRAME + ad.text_bytes(),
            What::ChapterStart(chapter) => FRAME + chapter.text_bytes(),
            What::StateOn(name) | What::StateOff(name) => FRAME / 2 + name.len(),
            _ => 0,
        }
    }
}

impl Report {
    pub fn new(what: What, at: BootInstant, playhead: f64) -> Report {
        Report { at, playhead, what, quality: None }
    }

    pub const fn kind(&self) -> Kind {
        self.what.kind()
    }

    /// A ping without quality. It changes only the time of the last ping.
    pub fn is_bare_ping(&self) -> bool {
        self.kind() == Kind::Ping && self.quality.is_none()
    }

    /// Whether it reports play time when it happens in playback state `before`: a `play`, or
    /// anything that is neither closing nor playback and is reported under `play` (behaviour.md
    /// 2.11).
    pub fn holds_play_time(&self, before: Option<Kind>) -> bool {
        let kind = self.kind();
        match kind.is_playback() {
            true => kind == Kind::Play,
            false => !kind.is_closing() && before == Some(Kind::Play),
        }
    }

    /// Estimated size in the store, in bytes: its key, its numbers, its contents.
    pub fn stored_bytes(&self) -> u64 {
        const BARE: usize = 70;
        const QUALITY: usize = 70;
        let quality = if self.quality.is_some() { QUALITY } else { 0 };
        (BARE + quality + self.what.content_bytes()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_small_in_the_store_and_in_memory() {
        let ping = Report::new(What::Ping, BootInstant(1_234_567), 12.5);
        let text = serde_json::to_string(&ping).unwrap();
        assert_eq!(text, r#"{"t":1234567,"p":12.5,"w":"ping"}"#);
        assert!(std::mem::size_of::<Report>() <= 48);
    }

    #[test]
    fn every_content_comes_back_from_the_store() {
        let contents = [
            What::Start { resume: true },
            What::Error(Box::new(PlayerError { id: "e".into(), source: ErrorSource::External })),
            What::AdBreakStart(Box::new(AdBreak { name: "b".into(), position: 1, start: 0.5 })),
            What::StateOn("mute".into()),
            What::End,
        ];
        for what in contents {
            let mut report = Report::new(what, BootInstant(-5), 0.25);
            report.quality = Some(Box::new(Qoe { bitrate: Some(7), ..Qoe::default() }));
            let text = serde_json::to_string(&report).unwrap();
            assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        }
    }
}
