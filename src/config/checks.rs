//! Turns what a file says into what the program uses: fills in defaults and checks values.

use std::path::Path;
use std::time::Duration;

use super::schema::{self, Schema};
use super::{CollectorConfig, Config, ConfigError, MprisBus, MprisConfig, StoreConfig};
use crate::core::settings::{CollectorSettings, Consent, Settings};
use crate::core::text::{number, shown_url};
use crate::core::time::Span;

/// The longest span a key may hold: a hundred years.
const LONGEST_SECONDS: f64 = 3.2e9;

struct Checker<'a> {
    file: &'a Path,
}

impl Checker<'_> {
    fn wrong<T>(&self, key: &'static str, message: String) -> Result<T, ConfigError> {
        Err(ConfigError::Value { file: self.file.to_owned(), key, message })
    }

    /// Takes a number of seconds, `least` or more; a key that is not set keeps the default.
    fn span(
        &self,
        key: &'static str,
        given: Option<f64>,
        least: f64,
        into: &mut Span,
    ) -> Result<(), ConfigError> {
        if let Some(seconds) = given {
            if !(least..=LONGEST_SECONDS).contains(&seconds) {
                return self.wrong(
                    key,
                    format!("expected {least} or more seconds, got {}", number(seconds)),
                );
            }
            *into = Span::millis((seconds * 1000.0).round() as i64);
        }
        Ok(())
    }

    fn count<T: PartialOrd + From<u8> + std::fmt::Display>(
        &self,
        key: &'static str,
        given: Option<T>,
        into: &mut T,
    ) -> Result<(), ConfigError> {
        if let Some(n) = given {
            if n < T::from(1) {
                return self.wrong(key, format!("expected 1 or more, got {n}"));
            }
            *into = n;
        }
        Ok(())
    }
}

pub(super) fn check(schema: Schema, file: &Path) -> Result<Config, ConfigError> {
    let c = Checker { file };
    let mut s = Settings::default();
    let mut connect = Span::seconds(5);
    let mut timeout = Span::seconds(30);
    c.span(
        "collector.connect_timeout_seconds",
        schema.collector.connect_timeout_seconds,
        0.1,
        &mut connect,
    )?;
    c.span("collector.timeout_seconds", schema.collector.timeout_seconds, 0.1, &mut timeout)?;
    // A connection that takes longer than the whole request would look like a lost answer.
    if connect >= timeout {
        if schema.collector.connect_timeout_seconds.is_some() {
            let (connect, timeout) = (connect.as_seconds(), timeout.as_seconds());
            let message = format!(
                "expected less than collector.timeout_seconds, which is {timeout}, got {connect}"
            );
            return c.wrong("collector.connect_timeout_seconds", message);
        }
        connect = Span(timeout.0 / 2);
    }
    analytics(schema.analytics, &mut s);
    media(&c, schema.media, &mut s)?;
    let h = schema.heartbeat;
    c.span("heartbeat.main_seconds", h.main_seconds, 0.1, &mut s.main_ping)?;
    c.span("heartbeat.ad_seconds", h.ad_seconds, 0.1, &mut s.ad_ping)?;
    c.span("heartbeat.downloaded_seconds", h.downloaded_seconds, 0.1, &mut s.downloaded_ping)?;
    c.span("idle.timeout_seconds", schema.idle.timeout_seconds, 1.0, &mut s.idle_timeout)?;
    c.span("idle.max_session_seconds", schema.idle.max_session_seconds, 1.0, &mut s.max_session)?;
    c.span("interrupt.grace_seconds", schema.interrupt.grace_seconds, 0.0, &mut s.grace)?;
    let r = schema.resume;
    c.span("resume.window_seconds", r.window_seconds, 0.0, &mut s.resume_window)?;
    c.span("resume.live_window_seconds", r.live_window_seconds, 0.0, &mut s.resume_live_window)?;
    c.span("resume.start_seconds", r.start_seconds, 0.0, &mut s.resume_start)?;
    c.span("resume.end_seconds", r.end_seconds, 0.0, &mut s.resume_end)?;
    c.count("resume.max_points", r.max_points, &mut s.max_resume_points)?;
    c.count("resume.max_bytes", r.max_bytes, &mut s.max_resume_bytes)?;
    let d = schema.delivery;
    c.span(
        "delivery.reconnect_spread_seconds",
        d.reconnect_spread_seconds,
        0.0,
        &mut s.delivery.reconnect_spread,
    )?;
    s.delivery.max_rate = d.max_rate.unwrap_or(s.delivery.max_rate);
    c.count("delivery.parallel", d.parallel, &mut s.delivery.parallel)?;
    let max_bytes = sizes(&c, d.queue_max_bytes, schema.store.max_bytes, &mut s)?;
    c.span(
        "delivery.queue_max_age_seconds",
        d.queue_max_age_seconds,
        1.0,
        &mut s.delivery.queue_max_age,
    )?;
    if let Some(ratio) = d.backlog_ratio {
        if ratio != 0.0 && !BACKLOG_RATIOS.contains(&ratio) {
            let (least, most) = (BACKLOG_RATIOS.start(), BACKLOG_RATIOS.end());
            let message = format!("expected 0 or a number from {least} to {most}, got {ratio}");
            return c.wrong("delivery.backlog_ratio", message);
        }
        s.delivery.backlog_ratio = ratio;
    }
    s.delivery.daily_bytes = d.daily_bytes.unwrap_or(0);
    s.delivery.hold_on_metered = match d.on_metered.as_deref() {
        None | Some("send") => false,
        Some("hold") => true,
        Some(other) => {
            let message = format!("expected 'send' or 'hold', got '{other}'");
            return c.wrong("delivery.on_metered", message);
        }
    };
    s.delivery.legacy_sessions_batch = d.legacy_sessions_batch.unwrap_or(false);
    s.delivery.send_flag = d.send_flag.unwrap_or(true);
    if let Some(word) = schema.consent.initial {
        s.initial_consent = match Consent::parse(&word) {
            Some(consent) => consent,
            None => {
                return c.wrong(
                    "consent.initial",
                    format!("expected 'in', 'out' or 'unknown', got '{word}'"),
                );
            }
        };
    }
    c.span("store.flush_seconds", schema.store.flush_seconds, 0.1, &mut s.flush_interval)?;
    limits(&c, schema.limits, &mut s)?;
    let collector = collector(&c, schema.collector, connect, timeout)?;
    let url = collector.url.clone().unwrap_or_default();
    s.collectors = vec![CollectorSettings { url, ..CollectorSettings::default() }];
    let store = StoreConfig {
        path: schema.store.path.unwrap_or_else(|| "/var/lib/playheadd".into()),
        max_bytes,
    };
    let mpris = mpris(&c, schema.mpris, s.resume_start)?;
    let log_level = match schema.log.level.as_deref() {
        None | Some("info") => tracing::Level::INFO,
        Some("error") => tracing::Level::ERROR,
        Some("warn") => tracing::Level::WARN,
        Some("debug") => tracing::Level::DEBUG,
        Some("trace") => tracing::Level::TRACE,
        Some(other) => {
            return c.wrong(
                "log.level",
                format!("expected error, warn, info, debug or trace, got '{other}'"),
            );
        }
    };
    let require_sync = schema.clock.require_sync.unwrap_or(false);
    Ok(Config { settings: s, collector, store, mpris, require_sync, log_level })
}

/// How fast what is old may be worked off, in relation to what is new.
const BACKLOG_RATIOS: std::ops::RangeInclusive<f64> = 0.01..=1000.0;

/// How much larger the store is than the queue that it has to hold. sled's files take up to 2.4 times
/// the bytes of what lies in them, as much again while a compaction copies them, and there must be
/// something to gain.
const STORE_TO_QUEUE: u64 = 6;
/// What an empty store takes, with resume points and refused hits.
const LEAST_STORE: u64 = 2 << 20;

/// The sizes of the queue and of the store. Where only one of them is given, the other one follows.
/// Gives the size of the store.
fn sizes(
    c: &Checker<'_>,
    queue: Option<u64>,
    store: Option<u64>,
    s: &mut Settings,
) -> Result<u64, ConfigError> {
    let into = &mut s.delivery.queue_max_bytes;
    let Some(store) = store else {
        c.count("delivery.queue_max_bytes", queue, into)?;
        return Ok(STORE_TO_QUEUE.saturating_mul((*into).max(8 << 20)));
    };
    if store < LEAST_STORE {
        let message = format!("expected at least {LEAST_STORE} bytes, got {store}");
        return c.wrong("store.max_bytes", message);
    }
    *into = (*into).min(store / STORE_TO_QUEUE);
    c.count("delivery.queue_max_bytes", queue, into)?;
    match (*into).checked_mul(STORE_TO_QUEUE).filter(|least| *least <= store) {
        Some(_) => Ok(store),
        None => c.wrong(
            "store.max_bytes",
            format!(
                "expected at least {STORE_TO_QUEUE} times delivery.queue_max_bytes, which is {into}, \
                 got {store}"
            ),
        ),
    }
}

fn analytics(a: schema::Analytics, s: &mut Settings) {
    let given = |value: Option<String>| value.filter(|v| !v.is_empty());
    s.identity.tracking_server = a.tracking_server.unwrap_or_default();
    s.identity.report_suite = a.report_suite.unwrap_or_default();
    s.identity.org_id = a.org_id.unwrap_or_default();
    s.identity.visitor_id = given(a.visitor_id);
    s.identity.marketing_cloud_user_id = given(a.marketing_cloud_user_id);
    s.identity.app_installation_id = given(a.app_installation_id);
}

fn media(c: &Checker<'_>, m: schema::Media, s: &mut Settings) -> Result<(), ConfigError> {
    let texts = [
        (m.player_name, &mut s.player_name),
        (m.channel, &mut s.channel),
        (m.content_type, &mut s.content_type),
    ];
    for (given, into) in texts {
        if let Some(text) = given.filter(|t| !t.is_empty()) {
            *into = text;
        }
    }
    match m.stream_type.as_deref() {
        None => {}
        Some(word @ ("video" | "audio")) => s.stream_type = word.to_owned(),
        Some(other) => {
            return c
                .wrong("media.stream_type", format!("expected 'video' or 'audio', got '{other}'"));
        }
    }
    match m.live_day.as_deref() {
        None | Some("utc" | "local") => s.live_day_local = m.live_day.as_deref() == Some("local"),
        Some(other) => {
            return c.wrong("media.live_day", format!("expected 'utc' or 'local', got '{other}'"));
        }
    }
    Ok(())
}

fn limits(c: &Checker<'_>, l: schema::Limits, s: &mut Settings) -> Result<(), ConfigError> {
    let into = &mut s.limits;
    c.count("limits.sessions_per_sender", l.sessions_per_sender, &mut into.sessions_per_sender)?;
    c.count("limits.sessions_per_uid", l.sessions_per_uid, &mut into.sessions_per_uid)?;
    c.count("limits.metadata_bytes", l.metadata_bytes, &mut into.metadata_bytes)?;
    c.count(
        "limits.uid_events_per_second",
        l.uid_events_per_second,
        &mut into.uid_events_per_second,
    )?;
    c.count("limits.uid_event_burst", l.uid_event_burst, &mut into.uid_event_burst)?;
    c.count(
        "limits.all_events_per_second",
        l.all_events_per_second,
        &mut into.all_events_per_second,
    )?;
    c.count("limits.all_event_burst", l.all_event_burst, &mut into.all_event_burst)?;
    c.count("limits.reads_per_second", l.reads_per_second, &mut into.reads_per_second)?;
    c.count("limits.unread_answers", l.unread_answers, &mut into.unread_answers)?;
    c.count("limits.sessions", l.sessions, &mut into.sessions)?;
    c.count("limits.string_bytes", l.string_bytes, &mut into.string_bytes)?;
    c.count("limits.info_bytes", l.info_bytes, &mut into.info_bytes)?;
    c.count("limits.state_names", l.state_names, &mut into.state_names)?;
    c.count("limits.rejected_kept", l.rejected_kept, &mut into.rejected_kept)?;
    c.count("limits.events_per_second", l.events_per_second, &mut into.events_per_second)?;
    c.count("limits.event_burst", l.event_burst, &mut into.event_burst)?;
    // A wider limit of a sender widens those above it, unless these are set.
    let wider = |given: Option<u32>, least: u32, into: &mut u32| {
        *into = given.unwrap_or((*into).max(least));
    };
    let (rate, burst) = (into.events_per_second, into.event_burst);
    wider(l.uid_events_per_second, rate, &mut into.uid_events_per_second);
    wider(l.uid_event_burst, burst, &mut into.uid_event_burst);
    wider(l.all_events_per_second, into.uid_events_per_second, &mut into.all_events_per_second);
    wider(l.all_event_burst, into.uid_event_burst, &mut into.all_event_burst);
    Ok(())
}

fn collector(
    c: &Checker<'_>,
    s: schema::Collector,
    connect: Span,
    timeout: Span,
) -> Result<CollectorConfig, ConfigError> {
    let url = match s.url.filter(|u| !u.is_empty()) {
        None => None,
        Some(url) => {
            let plain = url.strip_prefix("http://");
            if plain.is_none() && !url.starts_with("https://") {
                let message = format!("expected an https:// URL, got '{}'", shown_url(&url));
                return c.wrong("collector.url", message);
            }
            if let Some(rest) = plain
                && !(is_loopback(rest) && s.allow_plain_http.unwrap_or(false))
            {
                return c.wrong(
                    "collector.url",
                    format!(
                        "plain http is for a collector on this machine with \
                         collector.allow_plain_http = true; got '{}'",
                        shown_url(&url)
                    ),
                );
            }
            Some(url.trim_end_matches('/').to_owned())
        }
    };
    if s.client_cert_file.is_some() != s.client_key_file.is_some() {
        return c.wrong(
            "collector.client_cert_file",
            "a client certificate needs both client_cert_file and client_key_file".into(),
        );
    }
    Ok(CollectorConfig {
        url,
        proxy: s.proxy.filter(|p| !p.is_empty()),
        ca_file: s.ca_file,
        client_cert_file: s.client_cert_file,
        client_key_file: s.client_key_file,
        connect_timeout: Duration::from_millis(connect.0 as u64),
        timeout: Duration::from_millis(timeout.0 as u64),
    })
}

/// Whether `host[:port][/...]` names this machine.
fn is_loopback(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn mpris(c: &Checker<'_>, m: schema::Mpris, beginning: Span) -> Result<MprisConfig, ConfigError> {
    let bus = match m.bus.as_deref() {
        None | Some("session") => MprisBus::Session,
        Some("system") => MprisBus::System,
        Some(address) if address.contains(':') => MprisBus::Address(address.to_owned()),
        Some(other) => {
            let message = format!(
                "expected 'session', 'system' or an address (unix:path=...), got '{other}'"
            );
            return c.wrong("mpris.bus", message);
        }
    };
    let (mut length_wait, mut position_every) = (Span::seconds(10), Span::seconds(30));
    c.span("mpris.length_wait_seconds", m.length_wait_seconds, 0.0, &mut length_wait)?;
    c.span("mpris.position_seconds", m.position_seconds, 0.0, &mut position_every)?;
    if !(position_every == Span::ZERO || position_every >= Span::seconds(1)) {
        return c.wrong("mpris.position_seconds", "expected 0 (never) or at least 1".into());
    }
    Ok(MprisConfig {
        enabled: m.enabled.unwrap_or(false),
        allow: m.allow.unwrap_or_else(|| vec!["*".into()]),
        deny: m.deny.unwrap_or_else(|| vec!["playerctld".into()]),
        bus,
        length_wait,
        position_every,
        beginning,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for (rest, loopback) in [
            ("127.0.0.1:80/x", true),
            ("localhost", true),
            ("[::1]:8080", true),
            ("127.0.0.1@evil.example", false),
            ("localhost.evil.example", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(rest), loopback, "{rest}");
        }
    }
}
