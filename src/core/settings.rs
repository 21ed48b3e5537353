//! The plain numbers and names that rules need, with their defaults. `config` fills them.

use std::collections::BTreeMap;

use super::time::{Span, WallTime, second_of_day};

/// Everything a rule may ask for. Times are spans, sizes are bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Defaults of the media info (behaviour.md 1.2).
    pub player_name: String,
    pub channel: String,
    pub content_type: String,
    pub stream_type: String,
    /// `media.live_day`: whether a live playhead counts from midnight UTC or local midnight.
    pub live_day_local: bool,
    /// The box's zone; used with `live_day_local`.
    pub zone: Zone,
    pub identity: Identity,
    /// Whom to report to; each has a lane of its own.
    pub collectors: Vec<CollectorSettings>,
    /// Ping cadence (spec 3.2).
    pub main_ping: Span,
    pub ad_ping: Span,
    pub downloaded_ping: Span,
    /// Idle close (spec 5.2) and the age at which a session is restarted (spec 5.4).
    pub idle_timeout: Span,
    pub max_session: Span,
    /// How long an interrupted or orphaned session waits before it ends; zero means for ever
    /// (behaviour.md 2.3, spec 4).
    pub grace: Span,
    /// Resume points (behaviour.md 2.1).
    pub resume_window: Span,
    pub resume_live_window: Span,
    /// What counts as the beginning of recorded content, and as its end.
    pub resume_start: Span,
    pub resume_end: Span,
    pub max_resume_points: usize,
    /// Bytes of them in the store.
    pub max_resume_bytes: u64,
    pub delivery: DeliverySettings,
    /// How late pings and positions may reach the disk (behaviour.md 2.9).
    pub flush_interval: Span,
    pub limits: Limits,
    /// The consent until `SetConsent` gives one (behaviour.md 2.10).
    pub initial_consent: Consent,
}

/// A collector, as the core knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectorSettings {
    pub name: String,
    /// The dialect that it speaks.
    pub kind: String,
    /// Base URL, to notice that it was changed.
    pub url: String,
    pub edge: EdgeSettings,
    pub otlp: OtlpSettings,
    /// The event types (spec 2.1) that it gets; `None`: all.
    pub events: Option<Vec<String>>,
    /// The share of sessions that it gets, 0 to 1.
    pub sample: f64,
    /// How long reports are gathered for one request.
    pub interval: Span,
}

/// What Media Edge needs beside a URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeSettings {
    /// Id of the datastream, a UUID (edge 2).
    pub datastream_id: String,
    /// Path in the customer's own schema, put before names of custom metadata (edge 5.8).
    pub metadata_prefix: String,
}

/// What OpenTelemetry needs beside a URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OtlpSettings {
    /// Attributes of the resource, beside those that the agent gives.
    pub resource: BTreeMap<String, String>,
}

/// The name of the collector that the configuration does not name.
pub const FIRST_COLLECTOR: &str = "main";

impl Default for CollectorSettings {
    fn default() -> CollectorSettings {
        CollectorSettings {
            name: FIRST_COLLECTOR.into(),
            kind: "media-collection".into(),
            url: String::new(),
            edge: EdgeSettings::default(),
            otlp: OtlpSettings::default(),
            events: None,
            sample: 1.0,
            interval: Span::ZERO,
        }
    }
}

/// Who reports to whom: the parameters that a sessionStart carries for the operator (spec 2.2).
/// They are filled in when a hit is sent, not when it is stored (spec 7).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Identity {
    pub tracking_server: String,
    pub report_suite: String,
    pub org_id: String,
    pub visitor_id: Option<String>,
    pub marketing_cloud_user_id: Option<String>,
    /// The operator's own id of the box; it takes precedence over `installation`.
    pub app_installation_id: Option<String>,
    /// The random id that the agent made and keeps.
    pub installation: String,
}

/// How hits are delivered (behaviour.md 2.7).
#[derive(Debug, Clone, PartialEq)]
pub struct DeliverySettings {
    /// First step of the back-off, and its ceiling.
    pub backoff_first: Span,
    pub backoff_max: Span,
    /// The longest `Retry-After` that is obeyed.
    pub retry_after_max: Span,
    /// The longest random delay after a short outage, so that not all boxes send at once.
    pub reconnect_spread: Span,
    /// How fast what is old is worked off after an outage, in relation to the pings of its session;
    /// 0 is as fast as `max_rate` allows.
    pub backlog_ratio: f64,
    /// Requests per second for everything old together; 0 is no limit.
    pub max_rate: u32,
    /// Sessions with a request in flight at the same time.
    pub parallel: usize,
    /// A sid whose last accepted hit is this old is dead (spec 3.3).
    pub sid_lifetime: Span,
    /// Restarts of one session allowed within `restart_window` (spec 1.1).
    pub max_restarts: usize,
    pub restart_window: Span,
    /// What may wait (behaviour.md 2.8): bytes, and the age of a session's last hit.
    pub queue_max_bytes: u64,
    pub queue_max_age: Span,
    /// Bytes of request bodies per UTC day; 0 is no budget.
    pub daily_bytes: u64,
    /// Keep hits while the connection is metered, if the network manager says so.
    pub hold_on_metered: bool,
    /// Send downloaded sessions the old way, as an array to `/sessions` (spec 7).
    pub legacy_sessions_batch: bool,
    /// Still carry `media.downloaded` in a batch to `/downloaded` (spec 7).
    pub send_flag: bool,
}

/// Limits of behaviour.md 2.8.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Sessions with a player: of one connection, of one uid, of all.
    pub sessions_per_sender: usize,
    pub sessions_per_uid: usize,
    pub sessions: usize,
    pub string_bytes: usize,
    pub info_bytes: usize,
    /// Metadata of all sessions together.
    pub metadata_bytes: u64,
    /// Events of one connection, of one uid, of all.
    pub events_per_second: u32,
    pub event_burst: u32,
    pub uid_events_per_second: u32,
    pub uid_event_burst: u32,
    pub all_events_per_second: u32,
    pub all_event_burst: u32,
    /// Reads of one connection, and how many of them may wait for their answers.
    pub reads_per_second: u32,
    pub unread_answers: u32,
    pub state_names: usize,
    pub rejected_kept: usize,
}

/// What the viewer allows (behaviour.md 2.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    In,
    Out,
    Unknown,
}

impl Consent {
    pub const fn name(self) -> &'static str {
        match self {
            Consent::In => "in",
            Consent::Out => "out",
            Consent::Unknown => "unknown",
        }
    }

    /// `None` for any word but `in`, `out` and `unknown`.
    pub fn parse(word: &str) -> Option<Consent> {
        [Consent::In, Consent::Out, Consent::Unknown].into_iter().find(|c| c.name() == word)
    }
}

/// The zone of the box: seconds east of UTC at a moment. It is asked each time, because zones have
/// summer time, and because the moment at which a configuration is read may be in 1970.
#[derive(Debug, Clone, Copy)]
pub struct Zone(pub fn(WallTime) -> i32);

impl PartialEq for Zone {
    /// A box has one zone.
    fn eq(&self, _: &Zone) -> bool {
        true
    }
}

impl Settings {
    /// The present second of the day, where a live viewer is.
    pub fn live_second(&self, wall: WallTime) -> f64 {
        let offset = if self.live_day_local { (self.zone.0)(wall) } else { 0 };
        second_of_day(wall, offset)
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            player_name: "playheadd".into(),
            channel: "set-top-box".into(),
            content_type: "vod".into(),
            stream_type: "video".into(),
            live_day_local: false,
            zone: Zone(|_| 0),
            identity: Identity::default(),
            collectors: vec![CollectorSettings::default()],
            main_ping: Span::seconds(10),
            ad_ping: Span::seconds(1),
            downloaded_ping: Span::seconds(10),
            idle_timeout: Span::seconds(1800),
            max_session: Span::seconds(86_400),
            grace: Span::seconds(60),
            resume_window: Span::seconds(30 * 86_400),
            resume_live_window: Span::seconds(1800),
            resume_start: Span::seconds(2),
            resume_end: Span::seconds(10),
            max_resume_points: 2000,
            max_resume_bytes: 1 << 20,
            delivery: DeliverySettings::default(),
            flush_interval: Span::seconds(5),
            limits: Limits::default(),
            initial_consent: Consent::Unknown,
        }
    }
}

impl Default for DeliverySettings {
    fn default() -> DeliverySettings {
        DeliverySettings {
            backoff_first: Span::seconds(1),
            backoff_max: Span::seconds(300),
            retry_after_max: Span::seconds(3600),
            reconnect_spread: Span::seconds(30),
            backlog_ratio: 2.0,
            max_rate: 20,
            parallel: 4,
            sid_lifetime: Span::seconds(600),
            max_restarts: 3,
            restart_window: Span::seconds(600),
            queue_max_bytes: 8 << 20,
            queue_max_age: Span::seconds(7 * 86_400),
            daily_bytes: 0,
            hold_on_metered: false,
            legacy_sessions_batch: false,
            send_flag: true,
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            sessions_per_sender: 16,
            sessions_per_uid: 48,
            sessions: 64,
            string_bytes: 4096,
            info_bytes: 65_536,
            metadata_bytes: 2 << 20,
            events_per_second: 50,
            event_burst: 200,
            uid_events_per_second: 150,
            uid_event_burst: 600,
            all_events_per_second: 300,
            all_event_burst: 1000,
            reads_per_second: 50,
            unread_answers: 64,
            state_names: 10,
            rejected_kept: 64,
        }
    }
}
