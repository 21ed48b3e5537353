//! Turns what was read into what the program uses: fills in defaults, and refuses values that
//! contradict each other. What a value may be by itself, `value` has said already.

use std::collections::BTreeMap;
use std::path::{Component, PathBuf};

use super::environment::Environment;
use super::error::short;
use super::found::Found;
use super::merge::Merged;
use super::schema::{self, Slot};
use super::slots::{flag, given, size, small, span, text, texts, whole};
use super::value::Value;
use super::{Config, MprisBus, MprisConfig, StoreConfig, collector};
use crate::core::settings::{Consent, FIRST_COLLECTOR, Settings};
use crate::core::time::Span;

/// Makes the configuration. A key with a mistake keeps its default, so that all others are checked.
pub(super) fn check(merged: &mut Merged, environment: &Environment) -> Config {
    let mut found = Found::default();
    let config = config(&merged.schema, &merged.beside, environment, &mut found);
    found.note(merged);
    config
}

fn config(
    schema: &schema::Schema,
    beside: &BTreeMap<String, schema::Schema>,
    environment: &Environment,
    found: &mut Found,
) -> Config {
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
    let mut collectors = Vec::new();
    s.collectors.clear();
    let beside = beside.iter().map(|(name, schema)| (name.as_str(), schema));
    for (name, schema) in [(FIRST_COLLECTOR, schema)].into_iter().chain(beside) {
        let (settings, config) = collector::check(name, schema, environment, found);
        s.collectors.push(settings);
        collectors.push(config);
    }
    collector::identity(&s, found);
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
    Config { settings: s, collectors, store, mpris, require_sync, log_level, warnings: Vec::new() }
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
            found.follow(store_key, Value::Whole(store), queue_key);
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
            found.follow(queue_key, queue, store_key);
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
        found.follow(key, Value::Whole(u64::from(*into)), other);
    }
    small(slot, into);
    *below = *into;
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
