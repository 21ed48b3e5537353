//! A hit: one JSON event for the collector (spec 2), dated in boot time until it is sent.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::media::{Custom, Params, number};
use crate::core::settings::{DeliverySettings, Identity};
use crate::core::time::{BootInstant, WallTime};

macro_rules! hit_kinds {
    ($($name:ident = $wire:literal),* $(,)?) => {
        /// The event types of the wire (spec 2.1).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum HitKind { $(#[serde(rename = $wire)] $name),* }

        impl HitKind {
            /// `eventType` as it stands in the body.
            pub const fn wire(self) -> &'static str {
                match self { $(HitKind::$name => $wire),* }
            }
        }
    };
}

hit_kinds!(
    SessionStart = "sessionStart",
    Play = "play",
    Ping = "ping",
    PauseStart = "pauseStart",
    BufferStart = "bufferStart",
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
    StateStart = "stateStart",
    StateEnd = "stateEnd",
    SessionComplete = "sessionComplete",
    SessionEnd = "sessionEnd",
);

impl HitKind {
    /// `play`, `pauseStart` and `bufferStart` report the playback state (spec 3.5).
    pub const fn is_playback(self) -> bool {
        matches!(self, HitKind::Play | HitKind::PauseStart | HitKind::BufferStart)
    }

    /// Hits that only close something: not worth a new session on their own (api.md 2.11).
    pub const fn is_closing(self) -> bool {
        matches!(
            self,
            HitKind::SessionEnd
                | HitKind::SessionComplete
                | HitKind::AdSkip
                | HitKind::AdComplete
                | HitKind::AdBreakComplete
                | HitKind::ChapterSkip
                | HitKind::ChapterComplete
        )
    }

    /// The last hit of a session.
    pub const fn is_end(self) -> bool {
        matches!(self, HitKind::SessionEnd | HitKind::SessionComplete)
    }
}

/// One event on its way to the collector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    #[serde(rename = "k")]
    pub kind: HitKind,
    /// When the thing happened.
    #[serde(rename = "t")]
    pub at: BootInstant,
    /// Seconds in the main content.
    #[serde(rename = "p")]
    pub playhead: f64,
    /// What most hits do not have.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    detail: Option<Packed>,
}

/// The members of a hit as JSON text: hits wait by the thousand, and a map of one entry takes ten
/// times the memory of its text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct Packed(Box<RawValue>);

impl PartialEq for Packed {
    fn eq(&self, other: &Packed) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Packed {
    /// `None` for members that do not serialise, which plain maps always do.
    fn new(detail: &Detail) -> Option<Packed> {
        serde_json::value::to_raw_value(detail).ok().map(Packed)
    }

    fn unpack(&self) -> Detail {
        serde_json::from_str(self.0.get()).unwrap_or_default()
    }
}

/// The members of a hit beside its time and type.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    #[serde(rename = "p", default, skip_serializing_if = "Map::is_empty")]
    pub params: Params,
    #[serde(rename = "c", default, skip_serializing_if = "Custom::is_empty")]
    pub custom: Custom,
    #[serde(rename = "q", default, skip_serializing_if = "Map::is_empty")]
    pub qoe: Params,
}

impl Hit {
    /// Makes a hit; empty members take no room.
    pub fn new(kind: HitKind, at: BootInstant, playhead: f64, detail: Detail) -> Hit {
        Hit { kind, at, playhead, detail: None }.with_detail(&detail)
    }

    /// The same hit with other members; empty ones take no room.
    pub fn with_detail(self, detail: &Detail) -> Hit {
        let empty = detail.params.is_empty() && detail.custom.is_empty() && detail.qoe.is_empty();
        let detail = if empty { None } else { Packed::new(detail) };
        Hit { detail, ..self }
    }

    /// The same hit at another moment and place.
    pub fn dated(self, at: BootInstant, playhead: f64) -> Hit {
        Hit { at, playhead, ..self }
    }

    /// The same hit without members.
    pub fn bare(self) -> Hit {
        Hit { detail: None, ..self }
    }

    pub fn has_detail(&self) -> bool {
        self.detail.is_some()
    }

    /// The members, unpacked.
    pub fn detail(&self) -> Detail {
        self.detail.as_ref().map(Packed::unpack).unwrap_or_default()
    }

    /// The members of `other`, at this hit's time and type.
    pub fn with_members_of(self, other: &Hit) -> Hit {
        Hit { detail: other.detail.clone(), ..self }
    }

    /// About what it takes in the store: its key, its numbers, its members.
    pub fn stored_bytes(&self) -> u64 {
        const BARE: usize = 70;
        (BARE + self.detail.as_ref().map_or(0, |d| d.0.get().len())) as u64
    }

    /// The name in a `stateStart` or `stateEnd`.
    pub fn state_name(&self) -> Option<String> {
        Some(self.detail().params.get("media.state.name")?.as_str()?.to_owned())
    }

    /// The JSON body (spec 2), with the operator's parameters filled into a `sessionStart`.
    pub fn body(&self, ts: WallTime, fill: &Fill<'_>) -> Value {
        let mut body = Map::new();
        body.insert("playerTime".into(), json!({"playhead": number(self.playhead), "ts": ts.0}));
        body.insert("eventType".into(), json!(self.kind.wire()));
        let Detail { mut params, custom, qoe } = self.detail();
        if self.kind == HitKind::SessionStart {
            fill.complete(&mut params);
        }
        if !params.is_empty() {
            body.insert("params".into(), Value::Object(params));
        }
        if !custom.is_empty() {
            body.insert("customMetadata".into(), json!(custom));
        }
        if !qoe.is_empty() {
            body.insert("qoeData".into(), Value::Object(qoe));
        }
        Value::Object(body)
    }
}

/// What is filled into a `sessionStart` at send time (spec 2.2, 7).
pub struct Fill<'a> {
    pub identity: &'a Identity,
    pub delivery: &'a DeliverySettings,
    pub downloaded: bool,
}

impl Fill<'_> {
    fn complete(&self, params: &mut Params) {
        let id = self.identity;
        params.insert("analytics.trackingServer".into(), json!(id.tracking_server));
        params.insert("analytics.reportSuite".into(), json!(id.report_suite));
        params.insert("analytics.enableSSL".into(), json!(true));
        params.insert("visitor.marketingCloudOrgId".into(), json!(id.org_id));
        let optional = [
            ("analytics.visitorId", &id.visitor_id),
            ("visitor.marketingCloudUserId", &id.marketing_cloud_user_id),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                params.insert(key.into(), json!(value));
            }
        }
        let installation = id.app_installation_id.as_ref().unwrap_or(&id.installation);
        params.insert("appInstallationId".into(), json!(installation));
        params.insert(
            "media.libraryVersion".into(),
            json!(concat!("playheadd-", env!("CARGO_PKG_VERSION"))),
        );
        let flag =
            self.downloaded && (self.delivery.send_flag || self.delivery.legacy_sessions_batch);
        if flag {
            params.insert("media.downloaded".into(), json!(true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_has_nothing_but_its_time() {
        let hit = Hit::new(HitKind::Ping, BootInstant(1), 12.5, Detail::default());
        let identity = Identity::default();
        let delivery = DeliverySettings::default();
        let fill = Fill { identity: &identity, delivery: &delivery, downloaded: false };
        assert_eq!(
            hit.body(WallTime(1700), &fill).to_string(),
            r#"{"eventType":"ping","playerTime":{"playhead":12.5,"ts":1700}}"#
        );
    }
}
