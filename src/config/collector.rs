//! Checks of the collectors: what each kind needs, and what its keys may hold together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::CollectorConfig;
use super::address::{CREDENTIALS, is_loopback};
use super::environment::{Credentials, Environment};
use super::error::short;
use super::found::Found;
use super::schema::{Schema, Slot, section_name};
use super::slots::{flag, given, span, text};
use super::value::{Value, bounded};
use crate::core::dialect::media_collection::KIND as MEDIA_COLLECTION;
use crate::core::dialect::media_edge::{KIND as MEDIA_EDGE, is_uuid_v4};
use crate::core::dialect::otlp::KIND as OTLP;
use crate::core::report::Kind;
use crate::core::settings::{
    CollectorSettings, EdgeSettings, FIRST_COLLECTOR, OtlpSettings, Settings,
};
use crate::core::text::shown_url;
use crate::core::time::Span;

/// Where Media Edge is for everybody (edge 2).
const EDGE_URL: &str = "https://edge.adobedc.net";
/// Without these a session at Adobe dies, or is counted wrongly (spec 3, edge 9).
const NEEDED: [Kind; 7] =
    [Kind::Start, Kind::Play, Kind::Pause, Kind::Buffer, Kind::Ping, Kind::End, Kind::Complete];
/// The longest interval: Adobe ends a session that is silent for ten minutes.
const LONGEST_AT_ADOBE: Span = Span::seconds(300);
const LONGEST: Span = Span::seconds(86_400);

/// The full name of a key of a collector; `section` is `collector`, `edge` or `otlp`.
pub fn key_of(collector: &str, section: &str, key: &str) -> String {
    let beside = Some(collector).filter(|name| *name != FIRST_COLLECTOR);
    format!("{}.{key}", section_name(beside, section))
}

/// What the core and what the HTTP client get of a collector.
pub(super) fn check(
    name: &str,
    schema: &Schema,
    environment: &Environment,
    found: &mut Found,
) -> (CollectorSettings, CollectorConfig) {
    let (c, e, o) = (&schema.collector, &schema.edge, &schema.otlp);
    let key = |key: &str| key_of(name, "collector", key);
    let kind = text(&c.kind).unwrap_or(MEDIA_COLLECTION);
    let url = match text(&c.url) {
        None if kind == MEDIA_EDGE && c.url.as_ref().is_none_or(|given| given.value.is_some()) => {
            found.follow(&key("url"), Value::Text(EDGE_URL.into()), &key("kind"));
            Some(EDGE_URL.to_owned())
        }
        None => None,
        Some(url) => usable(url, &c.allow_plain_http, &key, found),
    };
    if kind == OTLP && url.as_ref().is_some_and(|url| url.ends_with("/v1/logs")) {
        let why = "requests add /v1/logs to it, so that it stands there twice: leave it out";
        found.warning(&key("url"), why.into());
    }
    let mut settings = CollectorSettings {
        name: name.to_owned(),
        kind: kind.to_owned(),
        url: url.clone().unwrap_or_default(),
        edge: EdgeSettings {
            datastream_id: text(&e.datastream_id).unwrap_or_default().to_owned(),
            metadata_prefix: text(&e.metadata_prefix)
                .unwrap_or_default()
                .trim_end_matches('.')
                .to_owned(),
        },
        otlp: OtlpSettings::default(),
        events: None,
        sample: 1.0,
        interval: Span::ZERO,
    };
    if let Some(Value::Table(texts)) = given(&o.resource) {
        if let Err(message) = bounded(texts) {
            found.wrong(&key_of(name, "otlp", "resource"), message);
        }
        settings.otlp.resource.clone_from(texts);
    }
    if let Some(Value::List(events)) = given(&c.events).filter(|v| **v != Value::List(Vec::new())) {
        let lacks = NEEDED.iter().map(|kind| kind.event_type());
        let lacks: Vec<&str> =
            lacks.filter(|needed| kind != OTLP && events.iter().all(|e| e != needed)).collect();
        if !lacks.is_empty() {
            let lacks = lacks.join(", ");
            let message = format!(
                "without {lacks} a session at Adobe dies or is counted wrongly: add them, or leave \
                 the key out"
            );
            found.wrong(&key("events"), message);
        }
        settings.events = Some(events.clone());
    }
    if let Some(Value::Number(share)) = given(&c.sample) {
        settings.sample = *share;
    }
    span(&c.interval_seconds, &mut settings.interval);
    let (most, why) = match kind {
        OTLP => (LONGEST, ""),
        _ => (LONGEST_AT_ADOBE, " (Adobe ends a session that is silent for ten minutes)"),
    };
    if settings.interval > most {
        let (most, got) = (most.as_seconds(), settings.interval.as_seconds());
        let message = format!("expected at most {most} seconds{why}, got {got}");
        found.wrong(&key("interval_seconds"), message);
    }
    let mut config = connection(name, schema, environment, found);
    config.url = url;
    if kind == OTLP {
        config.headers_file =
            file(&o.headers_file, &key_of(name, "otlp", "headers_file"), environment, found);
    }
    (settings, config)
}

/// How to reach a collector.
fn connection(
    name: &str,
    schema: &Schema,
    environment: &Environment,
    found: &mut Found,
) -> CollectorConfig {
    let c = &schema.collector;
    let key = |key: &str| key_of(name, "collector", key);
    let (mut connect, mut timeout) = (Span::seconds(5), Span::seconds(30));
    span(&c.connect_timeout_seconds, &mut connect);
    span(&c.timeout_seconds, &mut timeout);
    // A connection that takes longer than the whole request would look like a lost answer.
    if connect >= timeout {
        let (ours, other) = (key("connect_timeout_seconds"), key("timeout_seconds"));
        if given(&c.connect_timeout_seconds).is_some() {
            let (connect, timeout) = (connect.as_seconds(), timeout.as_seconds());
            let after = format!(", which is {timeout}, got {connect}");
            found.contradiction(&ours, "expected less than ".into(), &other, after);
        }
        connect = Span(timeout.0 / 2);
        found.follow(&ours, Value::Number(connect.as_seconds()), &other);
    }
    let (certificate, private) = (key("client_cert_file"), key("client_key_file"));
    for (has, needs, has_key, needs_key) in [
        (&c.client_cert_file, &c.client_key_file, &certificate, &private),
        (&c.client_key_file, &c.client_cert_file, &private, &certificate),
    ] {
        let refused = needs.as_ref().is_some_and(|given| given.value.is_none());
        if text(has).is_some() && text(needs).is_none() && !refused {
            found.wrong(has_key, format!("needs {needs_key}, which is not set"));
        }
    }
    let mut file = |slot: &Slot, key: &str| file(slot, key, environment, found);
    CollectorConfig {
        name: name.to_owned(),
        url: None,
        ca_file: file(&c.ca_file, &key("ca_file")),
        client_cert_file: file(&c.client_cert_file, &certificate),
        client_key_file: file(&c.client_key_file, &private),
        headers_file: None,
        proxy: text(&c.proxy).map(str::to_owned),
        connect_timeout: Duration::from_millis(connect.0 as u64),
        timeout: Duration::from_millis(timeout.0 as u64),
    }
}

/// A URL, if it can be used.
fn usable(
    url: &str,
    plain_allowed: &Slot,
    key: &dyn Fn(&str) -> String,
    found: &mut Found,
) -> Option<String> {
    let plain = url.strip_prefix("http://");
    if plain.is_some_and(|rest| !is_loopback(rest) || !flag(plain_allowed, false)) {
        found.contradiction(
            &key("url"),
            "plain http is for a collector on this machine, where ".into(),
            &key("allow_plain_http"),
            format!(" is true; got '{}'", short(&shown_url(url))),
        );
        return None;
    }
    Some(url.trim_end_matches('/').to_owned())
}

fn file(slot: &Slot, key: &str, environment: &Environment, found: &mut Found) -> Option<PathBuf> {
    match path(text(slot)?, environment) {
        Ok(path) => Some(path),
        Err(message) => {
            found.wrong(key, message);
            None
        }
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

/// Says when an identity of the box is set that Media Edge does not take (edge 6, 11.5).
pub(super) fn identity(settings: &Settings, found: &mut Found) {
    let edge = settings.collectors.iter().find(|collector| collector.kind == MEDIA_EDGE);
    let Some(collector) = edge else { return };
    let name = key_of(&collector.name, "collector", "kind");
    let identity = &settings.identity;
    if identity.app_installation_id.as_deref().is_some_and(|id| !is_uuid_v4(id)) {
        let message = format!(
            "Media Edge ({name}) takes a UUID of version 4 alone, and this is none; it gets one that \
             is made of the box's own random id"
        );
        found.warning("analytics.app_installation_id", message);
    }
    let is_ecid = |id: &str| id.len() == 38 && id.bytes().all(|byte| byte.is_ascii_digit());
    if identity.marketing_cloud_user_id.as_deref().is_some_and(|id| !is_ecid(id)) {
        let message = format!(
            "Media Edge ({name}) takes 38 digits alone, and these are none; it gets no such id"
        );
        found.warning("analytics.marketing_cloud_user_id", message);
    }
}
