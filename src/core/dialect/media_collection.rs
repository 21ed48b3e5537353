//! Adobe's Media Collection API (spec): the only place that knows its paths, keys, status codes and
//! headers. A request holds one event, a downloaded session is one array, and the server gives the
//! sid in `Location`.

use serde_json::Value;

use super::exchange::{Cause, Outcome, Problem, Purpose};
use super::members::{Members, answered, extend, set};
use super::{Capabilities, DatedReport, Dialect, RequestContent, SessionId, Verdict};
use crate::core::media::{Ad, AdBreak, Chapter, MediaInfo, Metadata, Qoe, Viewer};
use crate::core::report::{Kind, Report, What};
use crate::core::time::{DAY_SECONDS, WallTime};

/// `collector.kind` of this dialect.
pub const KIND: &str = "media-collection";

#[derive(Debug)]
pub struct MediaCollection;

impl Dialect for MediaCollection {
    fn facts(&self) -> Capabilities {
        Capabilities {
            session_id: SessionId::Server,
            reports_per_request: 1,
            bytes_per_request: usize::MAX,
            tells_repeats_apart: false,
            downloads_in_one: true,
            reads_answer: false,
        }
    }

    fn path(&self, content: &RequestContent<'_>) -> String {
        let legacy = content.settings.delivery.legacy_sessions_batch;
        match content.purpose {
            Purpose::Open => "/api/v1/sessions".into(),
            Purpose::Report { sid } => format!("/api/v1/sessions/{sid}/events"),
            Purpose::Download if legacy => "/api/v1/sessions".into(),
            Purpose::Download => "/api/v1/downloaded".into(),
            Purpose::Batch | Purpose::Probe => String::new(),
        }
    }

    fn append(&self, body: &mut String, content: &RequestContent<'_>) {
        for dated in content.reports {
            if *content.purpose == Purpose::Download {
                body.push(if body.is_empty() { '[' } else { ',' });
            }
            body.push_str(&event(dated, content).to_string());
        }
    }

    fn finish(&self, body: &mut String, content: &RequestContent<'_>) -> usize {
        if *content.purpose == Purpose::Download {
            body.push(']');
        }
        0
    }

    fn judge(&self, purpose: &Purpose, outcome: &Outcome, now: WallTime) -> Verdict {
        let (status, location, retry_after, body) = match outcome {
            Outcome::Unreachable(problem) => {
                return Verdict::Later { after: None, problem: problem.clone() };
            }
            Outcome::Unanswered(problem) => {
                return Verdict::Ambiguous { problem: problem.clone() };
            }
            Outcome::Answered { status, location, retry_after, body } => {
                (*status, location, retry_after, body)
            }
        };
        let message = Outcome::message(body);
        match status {
            200..=299 if *purpose == Purpose::Open => {
                match location.as_deref().and_then(sid_of) {
                    Some(sid) => Verdict::Opened { sid },
                    // A 2xx without a usable Location is a failure like a 5xx (spec 1.1).
                    None => Verdict::Later {
                        after: None,
                        problem: Problem::new(
                            Cause::NoSession(status),
                            format!(
                                "the collector answered {status} without a session in Location"
                            ),
                        ),
                    },
                }
            }
            200..=299 => Verdict::Accepted,
            400 | 413 | 415 | 422 => Verdict::Refused { status, message },
            404 | 410 if matches!(purpose, Purpose::Report { .. }) => Verdict::Gone,
            _ => Verdict::Later {
                after: retry_after.map(|wish| wish.wait(now)),
                problem: Problem::new(Cause::Status(status), answered(status, &message)),
            },
        }
    }
}

/// The JSON of one event (spec 2), with the operator's parameters in a start.
fn event(dated: &DatedReport<'_>, content: &RequestContent<'_>) -> Value {
    let DatedReport { ts, report, .. } = dated;
    let (mut event, mut time) = (Members::new(), Members::new());
    set(&mut time, "playhead", number(report.playhead));
    set(&mut time, "ts", ts.0);
    set(&mut event, "playerTime", time);
    set(&mut event, "eventType", report.kind().event_type());
    let (mut params, custom) = params(report, content.media);
    if report.kind() == Kind::Start {
        identify(&mut params, content);
    }
    if !params.is_empty() {
        set(&mut event, "params", params);
    }
    if let Some(custom) = custom.filter(|custom| !custom.is_empty()) {
        let mut texts = Members::new();
        extend(&mut texts, custom, |key| key);
        set(&mut event, "customMetadata", texts);
    }
    let quality = quality(report);
    if !quality.is_empty() {
        set(&mut event, "qoeData", quality);
    }
    Value::Object(event)
}

/// `params` and `customMetadata` of an event (spec 2.2 to 2.5), without who reports to whom.
pub(super) fn params<'a>(
    report: &'a Report,
    media: &'a MediaInfo,
) -> (Members, Option<&'a Metadata>) {
    match &report.what {
        What::Start { resume } => (media_params(media, *resume), Some(&media.custom)),
        What::AdBreakStart(ad_break) => (ad_break_params(ad_break), None),
        What::AdStart(ad) => (ad_params(ad, &media.player_name), Some(&ad.custom)),
        What::ChapterStart(chapter) => (chapter_params(chapter), Some(&chapter.custom)),
        What::StateOn(name) | What::StateOff(name) => {
            let mut p = Members::new();
            set(&mut p, "media.state.name", &**name);
            (p, None)
        }
        _ => (Members::new(), None),
    }
}

/// Who reports to whom (spec 2.2). Filled in when a start is sent, not when it is stored
/// (spec 7).
fn identify(p: &mut Members, content: &RequestContent<'_>) {
    let RequestContent { settings, media, .. } = content;
    let delivery = &settings.delivery;
    if !delivery.send_flag && !delivery.legacy_sessions_batch {
        p.remove("media.downloaded");
    }
    let (id, viewer) = (&settings.identity, media.viewer.as_deref());
    let of_viewer = |get: fn(&Viewer) -> &Option<String>| viewer.and_then(|v| get(v).as_ref());
    set(p, "analytics.trackingServer", id.tracking_server.as_str());
    set(p, "analytics.reportSuite", id.report_suite.as_str());
    set(p, "analytics.enableSSL", true);
    set(p, "visitor.marketingCloudOrgId", id.org_id.as_str());
    let user = of_viewer(|v| &v.marketing_cloud_user_id).or(id.marketing_cloud_user_id.as_ref());
    let optional = [
        ("analytics.visitorId", of_viewer(|v| &v.visitor_id).or(id.visitor_id.as_ref())),
        ("visitor.marketingCloudUserId", user),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            set(p, key, value.as_str());
        }
    }
    let mut ids = Members::new();
    for (namespace, customer) in viewer.into_iter().flat_map(|viewer| &viewer.customer_ids) {
        let id = serde_json::json!({"id": customer.id, "authState": customer.state});
        set(&mut ids, namespace, id);
    }
    if !ids.is_empty() {
        set(p, "visitor.customerIDs", ids);
    }
    let installation = id.app_installation_id.as_ref().unwrap_or(&id.installation);
    set(p, "appInstallationId", installation.as_str());
    let version = concat!("playheadd-", env!("CARGO_PKG_VERSION"));
    set(p, "media.libraryVersion", version);
}

fn media_params(media: &MediaInfo, resume: bool) -> Members {
    let mut p = Members::new();
    set(&mut p, "media.id", media.id.as_str());
    set(&mut p, "media.name", media.name.as_str());
    set(&mut p, "media.length", number(media.length.unwrap_or(DAY_SECONDS)));
    set(&mut p, "media.contentType", media.content_type.as_str());
    set(&mut p, "media.streamType", media.stream_type.as_str());
    set(&mut p, "media.playerName", media.player_name.as_str());
    set(&mut p, "media.channel", media.channel.as_str());
    set(&mut p, "media.resume", resume);
    if let Some(version) = &media.app_version {
        set(&mut p, "media.sdkVersion", version.as_str());
    }
    if media.downloaded {
        set(&mut p, "media.downloaded", true);
    }
    extend(&mut p, &media.standard, |key| key);
    p
}

fn ad_break_params(ad_break: &AdBreak) -> Members {
    let mut p = Members::new();
    set(&mut p, "media.ad.podFriendlyName", ad_break.name.as_str());
    set(&mut p, "media.ad.podIndex", ad_break.position);
    set(&mut p, "media.ad.podSecond", number(ad_break.start));
    p
}

fn ad_params(ad: &Ad, player_name: &str) -> Members {
    let mut p = Members::new();
    set(&mut p, "media.ad.id", ad.id.as_str());
    set(&mut p, "media.ad.name", ad.name.as_str());
    set(&mut p, "media.ad.length", number(ad.length));
    set(&mut p, "media.ad.podPosition", ad.position);
    set(&mut p, "media.ad.playerName", player_name);
    extend(&mut p, &ad.standard, |key| key);
    p
}

fn chapter_params(chapter: &Chapter) -> Members {
    let mut p = Members::new();
    set(&mut p, "media.chapter.friendlyName", chapter.name.as_str());
    set(&mut p, "media.chapter.index", chapter.position);
    set(&mut p, "media.chapter.offset", number(chapter.start));
    set(&mut p, "media.chapter.length", number(chapter.length));
    p
}

/// The members of `qoeData` (spec 2.6); empty when nothing is known.
pub(super) fn quality(report: &Report) -> Members {
    let Qoe { bitrate, dropped_frames, fps, startup_ms } =
        report.quality.as_deref().copied().unwrap_or_default();
    let known = [
        ("media.qoe.bitrate", bitrate),
        ("media.qoe.droppedFrames", dropped_frames),
        ("media.qoe.framesPerSecond", fps),
        ("media.qoe.timeToStart", startup_ms),
    ];
    let mut p = Members::new();
    for (key, value) in known {
        if let Some(value) = value {
            set(&mut p, key, value);
        }
    }
    if let What::Error(error) = &report.what {
        set(&mut p, "media.qoe.errorID", error.id.as_str());
        set(&mut p, "media.qoe.errorSource", error.source.name());
    }
    p
}

/// A JSON number; whole seconds without a fraction, others to the millisecond.
pub fn number(x: f64) -> Value {
    let ms = (x * 1000.0).round();
    if ms % 1000.0 == 0.0 && ms.abs() < 9.0e15 {
        Value::from((ms / 1000.0) as i64)
    } else {
        Value::from(ms / 1000.0)
    }
}

/// The sid in a `Location`: what follows `/sessions/`, without a trailing slash, a query or a
/// fragment; an absolute URL is fine (spec 1). `None` when there is none, or when it holds what
/// cannot stand in a path.
pub fn sid_of(location: &str) -> Option<String> {
    let (_, sid) = location.split_once("/sessions/")?;
    let sid = sid.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~:".contains(&b);
    let usable = !sid.is_empty() && sid.len() <= 512 && sid.bytes().all(plain);
    (usable && sid.bytes().any(|b| b != b'.')).then(|| sid.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::settings::{CollectorSettings, Settings};
    use crate::core::time::BootInstant;

    #[test]
    fn the_sid_is_what_follows_sessions() {
        for (location, sid) in [
            ("/api/v1/sessions/abc123", Some("abc123")),
            ("https://x.example/pre/api/v1/sessions/abc/", Some("abc")),
            ("/api/v1/sessions/a?x=1", Some("a")),
            ("/api/v1/sessions/", None),
            ("/api/v1/other/abc", None),
            ("/api/v1/sessions/a/b", None),
            ("/api/v1/sessions/..", None),
            ("/api/v1/sessions/a b", None),
        ] {
            assert_eq!(sid_of(location).as_deref(), sid, "{location}");
        }
    }

    #[test]
    fn every_status_has_its_row() {
        let events = Purpose::Report { sid: "s".into() };
        let answer = |status| Outcome::Answered {
            status,
            location: None,
            retry_after: None,
            body: String::new(),
        };
        let name = |purpose: &Purpose, status| match MediaCollection.judge(
            purpose,
            &answer(status),
            WallTime(0),
        ) {
            Verdict::Opened { .. } => "opened",
            Verdict::Accepted => "accepted",
            Verdict::AcceptedBut { .. } => "accepted but some",
            Verdict::Refused { .. } => "refused",
            Verdict::Gone => "gone",
            Verdict::Later { .. } => "later",
            Verdict::Ambiguous { .. } => "ambiguous",
        };
        for (status, on_events, on_sessions) in [
            (200, "accepted", "later"),
            (204, "accepted", "later"),
            (400, "refused", "refused"),
            (413, "refused", "refused"),
            (415, "refused", "refused"),
            (422, "refused", "refused"),
            (404, "gone", "later"),
            (410, "gone", "later"),
            (401, "later", "later"),
            (403, "later", "later"),
            (407, "later", "later"),
            (409, "later", "later"),
            (302, "later", "later"),
            (408, "later", "later"),
            (429, "later", "later"),
            (500, "later", "later"),
            (503, "later", "later"),
        ] {
            assert_eq!(name(&events, status), on_events, "{status} on events");
            assert_eq!(name(&Purpose::Open, status), on_sessions, "{status} on sessions");
        }
    }

    fn body(what: What, playhead: f64) -> String {
        let report = Report::new(what, BootInstant(1), playhead);
        let reports = [DatedReport { ts: WallTime(1700), number: 1, report: &report }];
        let content = RequestContent {
            purpose: &Purpose::Report { sid: "s".into() },
            sid: Some("s"),
            previous: None,
            media: &MediaInfo::default(),
            collector: &CollectorSettings::default(),
            settings: &Settings::default(),
            reports: &reports,
        };
        let mut body = String::new();
        MediaCollection.append(&mut body, &content);
        body
    }

    #[test]
    fn a_ping_has_nothing_but_its_time() {
        assert_eq!(
            body(What::Ping, 12.5),
            r#"{"eventType":"ping","playerTime":{"playhead":12.5,"ts":1700}}"#
        );
    }

    #[test]
    fn an_unknown_length_is_a_day() {
        let start: Value = serde_json::from_str(&body(What::Start { resume: true }, 0.0)).unwrap();
        assert_eq!(start["params"]["media.length"], json!(86_400));
        assert_eq!(start["params"]["media.resume"], json!(true));
    }

    /// spec 2: the type of a playhead.
    #[test]
    fn numbers_keep_milliseconds_and_lose_a_useless_fraction() {
        assert_eq!(number(3.0).to_string(), "3");
        assert_eq!(number(12.34567).to_string(), "12.346");
        assert_eq!(number(0.0004).to_string(), "0");
    }
}
