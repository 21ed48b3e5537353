//! What is played, and what happens in it.

use std::collections::BTreeMap;

/// What is played. Only `id` is required; an empty string, 0 and `None` stand for "not known" or for
/// the agent's default.
///
/// ```
/// use playhead::Media;
///
/// let film = Media {
///     app: "tv.example.player".into(),
///     name: "A Film".into(),
///     length: 5400.0,
///     ..Media::new("film-1")
/// };
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// Stable id of the content, required. Not a URL with a token in it, because resume points are
    /// kept by it.
    pub id: String,
    /// Title; default: the id.
    pub name: String,
    /// Seconds; 0: not known.
    pub length: f64,
    /// `vod` (default), `live`, `linear`, `radio`, `song`, `podcast`, `audiobook`, ...
    pub content_type: String,
    /// `video` (default) or `audio`.
    pub stream_type: String,
    /// Stable id of the application; default: its service or its program. Resume points are kept by
    /// it, so it never changes.
    pub app: String,
    /// Default: that of the agent's configuration.
    pub channel: String,
    /// Default: that of the agent's configuration.
    pub player_name: String,
    /// Version of the application.
    pub app_version: String,
    /// The player says that this goes on with an earlier viewing.
    pub resume: bool,
    /// Played from local storage; reported when it has ended.
    pub downloaded: bool,
    /// Goes on when the application is in the background.
    pub background_playback: bool,
    /// Seconds between two heartbeats in an ad, 1 to 10; `None`: as configured.
    pub ad_ping_seconds: Option<i32>,
    /// False: accepted as ever, but nothing is kept or sent.
    pub track: bool,
    /// Who watches, over the agent's configuration.
    pub identity: Identity,
    /// Names such as `media.show` are standard, the rest custom.
    pub metadata: BTreeMap<String, String>,
    /// Tells the players of one process apart; default: there is one.
    pub instance: String,
}

impl Media {
    /// The content with this id, and everything else as the agent has it.
    pub fn new(id: impl Into<String>) -> Media {
        Media { id: id.into(), ..Media::default() }
    }
}

impl Default for Media {
    fn default() -> Media {
        Media {
            id: String::new(),
            name: String::new(),
            length: 0.0,
            content_type: String::new(),
            stream_type: String::new(),
            app: String::new(),
            channel: String::new(),
            player_name: String::new(),
            app_version: String::new(),
            resume: false,
            downloaded: false,
            background_playback: false,
            ad_ping_seconds: None,
            track: true,
            identity: Identity::default(),
            metadata: BTreeMap::new(),
            instance: String::new(),
        }
    }
}

/// Who watches. What is empty is as configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// Id of the visitor at the Experience Cloud.
    pub marketing_cloud_user_id: String,
    /// Id of the visitor at Analytics.
    pub visitor_id: String,
    /// Ids of the customer, by namespace.
    pub customer_ids: BTreeMap<String, CustomerId>,
}

/// One id of the customer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomerId {
    /// The id.
    pub id: String,
    /// Whether the customer is logged in.
    pub login: Login,
}

/// Whether a customer is logged in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Login {
    /// Nobody knows.
    #[default]
    Unknown,
    /// The customer is logged in.
    Authenticated,
    /// The customer was logged in.
    LoggedOut,
}

/// A break with ads. The content stands still until it is complete.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdBreak {
    /// Name of the break, required.
    pub name: String,
    /// Which break of the content, from 1.
    pub position: i32,
    /// Where in the content, seconds; 0: before it.
    pub start: f64,
}

/// An ad in a break.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ad {
    /// Id of the ad, required.
    pub id: String,
    /// Name of the ad, required.
    pub name: String,
    /// Which ad of the break, from 1.
    pub position: i32,
    /// Seconds.
    pub length: f64,
    /// `media.ad.*` is standard, the rest custom.
    pub metadata: BTreeMap<String, String>,
}

/// A chapter of the content.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chapter {
    /// Name of the chapter, required.
    pub name: String,
    /// Which chapter, from 1.
    pub position: i32,
    /// Where in the content, seconds.
    pub start: f64,
    /// Seconds.
    pub length: f64,
    /// All of it is custom.
    pub metadata: BTreeMap<String, String>,
}

/// Quality, any subset.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// kbit/s.
    pub bitrate: Option<i64>,
    /// Dropped frames in the session so far.
    pub dropped_frames: Option<i64>,
    /// Frames per second.
    pub fps: Option<i64>,
    /// From the viewer's action to the first frame, milliseconds.
    pub startup_ms: Option<i64>,
}

/// What happens to an application, for application managers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lifecycle {
    /// It is in front of the viewer again. Nothing is sent before its next `Play`.
    Foreground,
    /// It is out of the viewer's sight: its sessions pause, and end when the agent's grace is over.
    Background,
    /// It was ended: its sessions are closed as if their player had vanished.
    Stopped,
}

impl Lifecycle {
    /// The name, as on D-Bus.
    pub fn name(self) -> &'static str {
        match self {
            Lifecycle::Foreground => "foreground",
            Lifecycle::Background => "background",
            Lifecycle::Stopped => "stopped",
        }
    }
}

/// Where an error comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Source {
    /// The player itself.
    #[default]
    Player,
    /// Something outside of it.
    External,
}

/// Where the viewer was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ResumePoint {
    /// Seconds.
    pub position: f64,
    /// Seconds; 0: not known.
    pub length: f64,
    /// Milliseconds since 1970 UTC; `None` while nobody knew the time.
    pub ended_at_ms: Option<i64>,
    /// Seen to its end, so the next viewing begins at 0.
    pub completed: bool,
}
