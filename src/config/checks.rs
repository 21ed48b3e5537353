//! Turns what was read into what the program uses: fills in defaults, and refuses values that
//! contradict each other. What a value may be by itself, `value` has said already.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::address::{CREDENTIALS, is_loopback};
use super::environment::{Credentials, Environment};
use super::error::short;
use super::merge::Merged;
use super::schema::{self, Slot};
use super::value::Value;
use super::{CollectorConfig, Config, MprisBus, MprisConfig, StoreConfig};
use crate::core::settings::{CollectorSettings, Consent, Settings};
use crate::core::text::shown_url;
use crate::core::time::Span;

/// What a check says.
#[derive(Default)]
struct Found {
    wrong: Vec<Wrong>,
    /// Keys that nobody has set and that another one has changed.
    follow: Vec<(&'static str, Value, &'static str)>,
}

/// A key whose value cannot be, and the other one that it contradicts, which is named between both
/// parts of the message, with its place.
struct Wrong {
    key: &'static str,
    message: String,
    other: Option<(&'static str, String)>,
}

impl Found {
    fn wrong(&mut self, key: &'static str, message: String) {
        self.wrong.push(Wrong { key, message, other: None });
    }

    fn contradiction(
        &mut self,
        key: &'static str,
        before: String,
        other: &'static str,
        after: String,
    ) {
        self.wrong.push(Wrong { key, message: before, other: Some((other, after)) });
    }
}

/// Makes the configuration. A key with a mistake keeps its default, so that all others are checked.
pub(super) fn check(merged: &mut Merged, environment: &Environment) -> Config {
    let mut found = Found::default();
    let schema = std::mem::take(&mut merged.schema);
    let config = config(&schema, environment, &mut found);
    merged.schema = schema;
    for (key, value, other) in found.follow {
        merged.follow(key, value, other);
    }
    for Wrong { key, mut message, other } in found.wrong {
        if let Some((other, after)) = other {
            let origin = merged.origin_of(other);
            message.push_str(&format!("{other} ({origin}){after}"));
        }
        merged.wrong_value(key, message);
    }
    config
}

fn given(slot: &Slot) -> Option<&Value> {
    slot.as_ref()?.value.as_ref()
}

/// A text that is set and not empty.
fn text(slot: &Slot) -> Option<&str> {
    match given(slot) {
        Some(Value::Text(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn flag(slot: &Slot, default: bool) -> bool {
    match given(slot) {
        Some(Value::Flag(flag)) => *flag,
        _ => default,
    }
}

fn whole(slot: &Slot) -> Option<u64> {
    match given(slot) {
        Some(Value::Whole(number)) => Some(*number),
        _ => None,
    }
}

fn span(slot: &Slot, into: &mut Span) {
    if let Some(Value::Number(seconds)) = given(slot) {
        *into = Span::millis((seconds * 1000.0).round() as i64);
    }
}

/// A number that its kind bounds to 32 bits.
fn small(slot: &Slot, into: &mut u32) {
    if let Some(number) = whole(slot).and_then(|n| n.try_into().ok()) {
        *into = number;
    }
}

fn size(slot: &Slot, into: &mut usize) {
    if let Some(number) = whole(slot).and_then(|n| n.try_into().ok()) {
        *into = number;
    }
}

fn texts(slot: &Slot, default: &str) -> Vec<String> {
    match given(slot) {
        Some(Value::List(items)) => items.clone(),
        _ => vec![default.into()],
    }
}

fn config(schema: &schema::Schema, environment: &Environment, found: &mut Found) -> Config {
    let mut s = Settings::default();
    analytics(&schema.analytics, &mut s);
    media(&schema.media, &mut s);
    let (h, i, r, d) = (&schema.heartbeat, &schema.idle, &schema.resume, &schema.delivery);
    for (slot, into) in [
        (&h.main_seconds, &mut s.main_ping),
        (&h.ad_seconds, &mut s.ad_ping),
        (&h.downloaded_seconds, &mut s.downloaded_ping),
        (&i.timeout_seconds, &mut s.idle_timeout),
        (&i.max_session_seconds, &mut s.max_session),
        (&schema.interrupt.grace_seconds, &mut s.grace),
        (&r.window_seconds, &mut s.resume_window),
        (&r.live_window_seconds, &mut s.resume_live_window),
        (&r.start_seconds, &mut s.resume_start),
        (&r.end_seconds, &mut s.resume_end),
        (&d.reconnect_spread_seconds, &mut s.delivery.reconnect_spread),
        (&d.queue_max_age_seconds, &mut s.delivery.queue_max_age),
        (&schema.store.flush_seconds, &mut s.flush_interval),
    ] {
        span(slot, into);
    }
    size(&r.max_points, &mut s.max_resume_points);
    s.max_resume_bytes = whole(&r.max_bytes).unwrap_or(s.max_resume_bytes);
    small(&d.max_rate, &mut s.delivery.max_rate);
    size(&d.parallel, &mut s.delivery.parallel);
    let max_bytes = sizes(&d.queue_max_bytes, &schema.store.max_bytes, &mut s, found);
    if let Some(Value::Number(ratio)) = given(&d.backlog_ratio) {
        s.delivery.backlog_ratio = *ratio;
    }
    s.delivery.daily_bytes = whole(&d.daily_bytes).unwrap_or(0);
    s.delivery.hold_on_metered = text(&d.on_metered) == Some("hold");
    s.delivery.legacy_sessions_batch = flag(&d.legacy_sessions_batch, false);
    s.delivery.send_flag = flag(&d.send_flag, true);
    if let Some(consent) = text(&schema.consent.initial).and_then(Consent::parse) {
        s.initial_consent = consent;
    }
    limits(&schema.limits, &mut s, found);
    let collector = collector(&schema.collector, environment, found);
    let url = collector.url.clone().unwrap_or_default();
    s.collectors = vec![CollectorSettings { url, ..CollectorSettings::default() }];
    let path = PathBuf::from(text(&schema.store.path).unwrap_or("/var/lib/playheadd"));
    if !path.components().any(|part| matches!(part, Component::Normal(_))) {
        let got = short(&path.display().to_string());
        found.wrong("store.path", format!("expected a directory of its own, got '{got}'"));
    }
    let mpris = mpris(&schema.mpris, s.resume_start);
    let log_level = match text(&schema.log.level) {
        Some("error") => tracing::Level::ERROR,
        Some("warn") => tracing::Level::WARN,
        Some("debug") => tracing::Level::DEBUG,
        Some("trace") => tracing::Level::TRACE,
        _ => tracing::Level::INFO,
    };
    let require_sync = flag(&schema.clock.require_sync, false);
    let store = StoreConfig { path, max_bytes };
    Config { settings: s, collector, store, mpris, require_sync, log_level }
}

/// How much larger the store is than the queue that it has to hold. sled's files take up to 2.4 times
/// the bytes of what lies in them, as much again while a compaction copies them, and there must be
/// something to gain.
const STORE_TO_QUEUE: u64 = 6;

/// The sizes of the queue and of the store. Where only one of them is given, the other one follows.
/// Gives the size of the store.
fn sizes(queue_slot: &Slot, store_slot: &Slot, s: &mut Settings, found: &mut Found) -> u64 {
    let (queue_key, store_key) = ("delivery.queue_max_bytes", "store.max_bytes");
    let default = s.delivery.queue_max_bytes;
    let (queue, store) = (whole(queue_slot), whole(store_slot));
    s.delivery.queue_max_bytes = queue.unwrap_or(default);
    let Some(store) = store else {
        let store = STORE_TO_QUEUE.saturating_mul(s.delivery.queue_max_bytes.max(default));
        if s.delivery.queue_max_bytes > default {
            found.follow.push((store_key, Value::Whole(store), queue_key));
        }
        return store;
    };
    match queue {
        Some(queue) if queue.saturating_mul(STORE_TO_QUEUE) > store => found.contradiction(
            store_key,
            format!("expected at least {STORE_TO_QUEUE} times "),
            queue_key,
            format!(", which is {queue}, got {store}"),
        ),
        None if store / STORE_TO_QUEUE < default => {
            s.delivery.queue_max_bytes = store / STORE_TO_QUEUE;
            let queue = Value::Whole(s.delivery.queue_max_bytes);
            found.follow.push((queue_key, queue, store_key));
        }
        _ => {}
    }
    store
}

fn analytics(a: &schema::Analytics, s: &mut Settings) {
    let owned = |slot: &Slot| text(slot).map(str::to_owned);
    s.identity.tracking_server = owned(&a.tracking_server).unwrap_or_default();
    s.identity.report_suite = owned(&a.report_suite).unwrap_or_default();
    s.identity.org_id = owned(&a.org_id).unwrap_or_default();
    s.identity.visitor_id = owned(&a.visitor_id);
    s.identity.marketing_cloud_user_id = owned(&a.marketing_cloud_user_id);
    s.identity.app_installation_id = owned(&a.app_installation_id);
}

fn media(m: &schema::Media, s: &mut Settings) {
    for (slot, into) in [
        (&m.player_name, &mut s.player_name),
        (&m.channel, &mut s.channel),
        (&m.content_type, &mut s.content_type),
        (&m.stream_type, &mut s.stream_type),
    ] {
        if let Some(text) = text(slot) {
            text.clone_into(into);
        }
    }
    s.live_day_local = text(&m.live_day) == Some("local");
}

fn limits(l: &schema::Limits, s: &mut Settings, found: &mut Found) {
    let into = &mut s.limits;
    for (slot, into) in [
        (&l.sessions_per_sender, &mut into.sessions_per_sender),
        (&l.sessions_per_uid, &mut into.sessions_per_uid),
        (&l.sessions, &mut into.sessions),
        (&l.string_bytes, &mut into.string_bytes),
        (&l.info_bytes, &mut into.info_bytes),
        (&l.state_names, &mut into.state_names),
        (&l.rejected_kept, &mut into.rejected_kept),
    ] {
        size(slot, into);
    }
    // A part that is larger than its whole would never be reached.
    let (sender, text) = (into.sessions_per_sender, into.string_bytes);
    for (slot, key, part, other, of) in [
        (
            &l.sessions_per_sender,
            "limits.sessions_per_sender",
            sender,
            "limits.sessions",
            into.sessions,
        ),
        (&l.string_bytes, "limits.string_bytes", text, "limits.info_bytes", into.info_bytes),
    ] {
        if given(slot).is_some() && part > of {
            let after = format!(", which is {of}, got {part}");
            found.contradiction(key, "expected at most ".into(), other, after);
        }
    }
    into.metadata_bytes = whole(&l.metadata_bytes).unwrap_or(into.metadata_bytes);
    small(&l.reads_per_second, &mut into.reads_per_second);
    small(&l.unread_answers, &mut into.unread_answers);
    small(&l.events_per_second, &mut into.events_per_second);
    small(&l.event_burst, &mut into.event_burst);
    // A wider limit of a sender widens those above it, unless these are set.
    let (mut rate, mut burst) = (into.events_per_second, into.event_burst);
    let keys = ("limits.uid_events_per_second", "limits.events_per_second");
    widen(&l.uid_events_per_second, &mut into.uid_events_per_second, &mut rate, keys, found);
    let keys = ("limits.all_events_per_second", "limits.uid_events_per_second");
    widen(&l.all_events_per_second, &mut into.all_events_per_second, &mut rate, keys, found);
    let keys = ("limits.uid_event_burst", "limits.event_burst");
    widen(&l.uid_event_burst, &mut into.uid_event_burst, &mut burst, keys, found);
    let keys = ("limits.all_event_burst", "limits.uid_event_burst");
    widen(&l.all_event_burst, &mut into.all_event_burst, &mut burst, keys, found);
}

/// Sets a limit that is at least as wide as the one below it, unless it is given. It is the one below
/// the next.
fn widen(
    slot: &Slot,
    into: &mut u32,
    below: &mut u32,
    (key, other): (&'static str, &'static str),
    found: &mut Found,
) {
    if given(slot).is_none() && *below > *into {
        *into = *below;
        found.follow.push((key, Value::Whole(u64::from(*into)), other));
    }
    small(slot, into);
    *below = *into;
}

/// The URL of the collector, if it can be used.
fn url(s: &schema::Collector, found: &mut Found) -> Option<String> {
    let url = text(&s.url)?;
    let plain = url.strip_prefix("http://");
    if plain.is_some_and(|rest| !is_loopback(rest) || !flag(&s.allow_plain_http, false)) {
        found.contradiction(
            "collector.url",
            "plain http is for a collector on this machine, where ".into(),
            "collector.allow_plain_http",
            format!(" is true; got '{}'", short(&shown_url(url))),
        );
        return None;
    }
    Some(url.trim_end_matches('/').to_owned())
}

fn collector(
    s: &schema::Collector,
    environment: &Environment,
    found: &mut Found,
) -> CollectorConfig {
    let (mut connect, mut timeout) = (Span::seconds(5), Span::seconds(30));
    span(&s.connect_timeout_seconds, &mut connect);
    span(&s.timeout_seconds, &mut timeout);
    // A connection that takes longer than the whole request would look like a lost answer.
    if connect >= timeout {
        let key = "collector.connect_timeout_seconds";
        if given(&s.connect_timeout_seconds).is_some() {
            let (connect, timeout) = (connect.as_seconds(), timeout.as_seconds());
            let after = format!(", which is {timeout}, got {connect}");
            let other = "collector.timeout_seconds";
            found.contradiction(key, "expected less than ".into(), other, after);
        }
        connect = Span(timeout.0 / 2);
        let half = Value::Number(connect.as_seconds());
        found.follow.push((key, half, "collector.timeout_seconds"));
    }
    let (certificate, key) = ("collector.client_cert_file", "collector.client_key_file");
    for (has, needs, has_key, needs_key) in [
        (&s.client_cert_file, &s.client_key_file, certificate, key),
        (&s.client_key_file, &s.client_cert_file, key, certificate),
    ] {
        let refused = needs.as_ref().is_some_and(|given| given.value.is_none());
        if text(has).is_some() && text(needs).is_none() && !refused {
            found.wrong(has_key, format!("needs {needs_key}, which is not set"));
        }
    }
    let mut file = |slot: &Slot, key: &'static str| match path(text(slot)?, environment) {
        Ok(path) => Some(path),
        Err(message) => {
            found.wrong(key, message);
            None
        }
    };
    CollectorConfig {
        ca_file: file(&s.ca_file, "collector.ca_file"),
        client_cert_file: file(&s.client_cert_file, certificate),
        client_key_file: file(&s.client_key_file, key),
        url: url(s, found),
        proxy: text(&s.proxy).map(str::to_owned),
        connect_timeout: Duration::from_millis(connect.0 as u64),
        timeout: Duration::from_millis(timeout.0 as u64),
    }
}

/// Where a file lies. One among the credentials is as it was written where the service alone can
/// read it.
fn path(written: &str, environment: &Environment) -> Result<PathBuf, String> {
    match (written.strip_prefix(CREDENTIALS), &environment.credentials) {
        (Some(name), Credentials::At(directory)) => Ok(directory.join(name)),
        (Some(name), Credentials::Unset) => Err(format!(
            "$CREDENTIALS_DIRECTORY is not set: systemd sets it for a service that has \
             LoadCredential={name}:/path/of/the/file"
        )),
        _ => Ok(written.into()),
    }
}

/// Whether it is a credential that the service alone can read.
pub fn is_of_the_service(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().starts_with(CREDENTIALS.as_bytes())
}

fn mpris(m: &schema::Mpris, beginning: Span) -> MprisConfig {
    let (mut length_wait, mut position_every) = (Span::seconds(10), Span::seconds(30));
    span(&m.length_wait_seconds, &mut length_wait);
    span(&m.position_seconds, &mut position_every);
    MprisConfig {
        enabled: flag(&m.enabled, false),
        allow: texts(&m.allow, "*"),
        deny: texts(&m.deny, "playerctld"),
        bus: match text(&m.bus) {
            None | Some("session") => MprisBus::Session,
            Some("system") => MprisBus::System,
            Some(address) => MprisBus::Address(address.to_owned()),
        },
        length_wait,
        position_every,
        beginning,
    }
}
