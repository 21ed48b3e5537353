//! Adobe's Media Edge API (edge): the only place that knows its paths, members, answers and location
//! hints. A request holds one event; a downloaded session is one event with all others in it. The
//! server gives the id of a session, and where it is kept, in the body of its answer to the start.

mod answer;
mod content;
mod fit;
mod identity;

use std::fmt::Write;

use serde_json::json;

use self::answer::hint_and_id;
use self::content::{event_type, media_collection, timestamp};
use self::identity::identity_map;
pub use self::identity::is_uuid_v4;
use super::exchange::{Outcome, Purpose};
use super::members::{Members, set};
use super::{Capabilities, Dialect, RequestContent, SessionId, Verdict};
use crate::core::report::Kind;
use crate::core::time::WallTime;

/// `collector.kind` of this dialect.
pub const KIND: &str = "media-edge";

/// What calls itself so in `implementationDetails` (edge 4).
const NAME: &str = "https://playhead.tv/agent";

#[derive(Debug)]
pub struct MediaEdge;

impl Dialect for MediaEdge {
    fn facts(&self) -> Capabilities {
        Capabilities {
            session_id: SessionId::Server,
            reports_per_request: 1,
            bytes_per_request: usize::MAX,
            tells_repeats_apart: false,
            downloads_in_one: true,
            reads_answer: true,
        }
    }

    fn path(&self, content: &RequestContent<'_>) -> String {
        let mut path = String::from("/ee/");
        if let Purpose::Report { sid } = content.purpose
            && let (Some(hint), _) = hint_and_id(sid)
        {
            path.push_str(hint);
            path.push('/');
        }
        let event = match (content.purpose, content.reports.first()) {
            (Purpose::Probe, _) => return String::new(),
            (Purpose::Download, _) => "downloaded",
            (_, Some(dated)) => event_type(dated.report.kind()),
            (_, None) => Kind::Start.event_type(),
        };
        let datastream = &content.collector.edge.datastream_id;
        // Writing to a text does not fail.
        let _ = write!(path, "va/v1/{event}?configId={datastream}");
        path
    }

    fn append(&self, body: &mut String, content: &RequestContent<'_>) {
        for dated in content.reports {
            let mut event = Members::new();
            let (kind, time) =
                (format!("media.{}", event_type(dated.report.kind())), timestamp(dated.ts));
            let collection = media_collection(dated.report, content);
            if *content.purpose == Purpose::Download {
                set(&mut event, "mediaEventType", kind);
                set(&mut event, "mediaEventTimestamp", time);
                set(&mut event, "mediaCollection", collection);
                fit::add(body, &event);
                continue;
            }
            set(&mut event, "eventType", kind);
            set(&mut event, "timestamp", time);
            set(&mut event, "mediaCollection", collection);
            if dated.report.kind() == Kind::Start {
                introduce(&mut event, content);
            }
            body.push_str(&json!({"events": [{"xdm": event}]}).to_string());
        }
    }

    fn finish(&self, body: &mut String, content: &RequestContent<'_>) -> usize {
        if *content.purpose != Purpose::Download {
            return 0;
        }
        let mut event = Members::new();
        set(&mut event, "eventType", "media.downloaded");
        introduce(&mut event, content);
        let around = json!({"events": [{"xdm": event}]}).to_string();
        fit::finish(body, &around)
    }

    fn judge(&self, purpose: &Purpose, outcome: &Outcome, now: WallTime) -> Verdict {
        answer::judge(purpose, outcome, now)
    }
}

/// Who reports (edge 4, 6): on a start and on a download.
fn introduce(event: &mut Members, content: &RequestContent<'_>) {
    set(event, "identityMap", identity_map(content));
    let version = env!("CARGO_PKG_VERSION");
    let details = json!({"name": NAME, "version": version, "environment": "device"});
    set(event, "implementationDetails", details);
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::core::dialect::DatedReport;
    use crate::core::media::{CustomerId, MediaInfo, Qoe, Viewer};
    use crate::core::report::{Report, What};
    use crate::core::settings::{CollectorSettings, EdgeSettings, Settings};
    use crate::core::time::BootInstant;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// The path and the `xdm` of a request with this report.
    fn sent(report: &Report, purpose: &Purpose, media: &MediaInfo) -> (String, Value) {
        let edge = EdgeSettings { datastream_id: "D".into(), metadata_prefix: "_t.m".into() };
        let mut settings = Settings::default();
        settings.identity.installation = "00112233445566778899aabbccddeeff".into();
        settings.identity.marketing_cloud_user_id = Some("7".repeat(38));
        let content = RequestContent {
            purpose,
            sid: None,
            previous: None,
            media,
            collector: &CollectorSettings { edge, ..CollectorSettings::default() },
            settings: &settings,
            reports: &[DatedReport { ts: WallTime(1_700_000_000_007), number: 1, report }],
        };
        let mut body = String::new();
        MediaEdge.append(&mut body, &content);
        assert_eq!(MediaEdge.finish(&mut body, &content), 0);
        let body: Value = serde_json::from_str(&body).expect("JSON");
        (MediaEdge.path(&content), body["events"][0]["xdm"].clone())
    }

    fn event(what: What, playhead: f64) -> (String, Value) {
        let report = Report::new(what, BootInstant(1), playhead);
        let purpose = Purpose::Report { sid: format!("va6/{ID}") };
        sent(&report, &purpose, &MediaInfo::default())
    }

    #[test]
    fn a_ping_has_a_place_a_time_and_a_whole_playhead() {
        let (path, xdm) = event(What::Ping, 12.9);
        assert_eq!(path, "/ee/va6/va/v1/ping?configId=D");
        let expected = json!({
            "eventType": "media.ping", "timestamp": "2023-11-14T22:13:20.007Z",
            "mediaCollection": {"playhead": 12, "sessionID": ID},
        });
        assert_eq!(xdm, expected);
    }

    #[test]
    fn a_state_is_an_update() {
        let (path, xdm) = event(What::StateOn("fullscreen".into()), 0.0);
        assert_eq!(path, "/ee/va6/va/v1/statesUpdate?configId=D");
        assert_eq!(xdm["eventType"], "media.statesUpdate");
        assert_eq!(xdm["mediaCollection"]["statesStart"], json!([{"name": "fullScreen"}]));
        let (_, xdm) = event(What::StateOff("mute".into()), 0.0);
        assert_eq!(xdm["mediaCollection"]["statesEnd"], json!([{"name": "mute"}]));
    }

    #[test]
    fn quality_is_whole_and_fits_into_32_bits() {
        let (_, xdm) = event(What::BitrateChange, 0.0);
        assert_eq!(xdm["mediaCollection"]["qoeDataDetails"], json!({}), "it must be there");
        let mut report = Report::new(What::Play, BootInstant(1), 0.0);
        report.quality = Some(Box::new(Qoe { bitrate: Some(i64::MAX), ..Qoe::default() }));
        let (_, xdm) = sent(&report, &Purpose::Report { sid: ID.into() }, &MediaInfo::default());
        assert_eq!(xdm["mediaCollection"]["qoeDataDetails"], json!({"bitrate": i32::MAX}));
    }

    #[test]
    fn a_start_says_who_and_what_and_lacks_nothing() {
        let mut media = MediaInfo { id: "m".into(), name: "M".into(), ..MediaInfo::default() };
        media.standard.insert("media.assetId".into(), "A".into());
        media.standard.insert("media.pass.auth".into(), "true".into());
        media.custom.insert("mood".into(), "calm".into());
        media.custom.insert("_other.path".into(), "x".into());
        let id = CustomerId { id: "c".into(), state: 2 };
        let viewer = Viewer { customer_ids: [("crm".into(), id)].into(), ..Viewer::default() };
        media.viewer = Some(Box::new(viewer));
        let report = Report::new(What::Start { resume: true }, BootInstant(1), 3.0);
        let (path, xdm) = sent(&report, &Purpose::Open, &media);
        assert_eq!(path, "/ee/va/v1/sessionStart?configId=D");
        let collection = &xdm["mediaCollection"];
        assert!(collection.get("sessionID").is_none());
        let details = json!({
            "name": "m", "friendlyName": "M", "length": 86_400, "contentType": "vod",
            "streamType": "video", "playerName": "playheadd", "channel": "set-top-box",
            "hasResume": true, "assetID": "A", "authorized": "true",
        });
        assert_eq!(collection["sessionDetails"], details);
        let custom = json!([
            {"name": "_other.path", "value": "x"}, {"name": "_t.m.mood", "value": "calm"},
        ]);
        assert_eq!(collection["customMetadata"], custom);
        let map = json!({
            "FPID": [{"id": "00112233-4455-4677-8899-aabbccddeeff"}],
            "ECID": [{"id": "7".repeat(38)}],
            "crm": [{"id": "c", "authenticatedState": "loggedOut"}],
        });
        assert_eq!(xdm["identityMap"], map);
        assert_eq!(xdm["implementationDetails"]["environment"], "device");
    }
}
