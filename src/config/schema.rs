//! What a configuration file may say: every section and key of api.md 3, all optional.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;

macro_rules! sections {
    ($($(#[$doc:meta])* $section:ident as $name:ident { $($key:ident: $type:ty),* $(,)? })*) => {
        /// A file, as it was written.
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct Schema { $(pub $name: $section),* }

        $(
            $(#[$doc])*
            #[derive(Debug, Default, Deserialize)]
            #[serde(deny_unknown_fields, default)]
            pub(super) struct $section { $(pub $key: Option<$type>),* }
        )*
    };
}

sections! {
    Collector as collector {
        url: String, proxy: String, ca_file: PathBuf, client_cert_file: PathBuf,
        client_key_file: PathBuf, connect_timeout_seconds: f64, timeout_seconds: f64,
        allow_plain_http: bool,
    }
    Analytics as analytics {
        tracking_server: String, report_suite: String, org_id: String, visitor_id: String,
        marketing_cloud_user_id: String, app_installation_id: String,
    }
    Media as media {
        player_name: String, channel: String, content_type: String, stream_type: String,
        live_day: String,
    }
    Heartbeat as heartbeat { main_seconds: f64, ad_seconds: f64, downloaded_seconds: f64 }
    Idle as idle { timeout_seconds: f64, max_session_seconds: f64 }
    Interrupt as interrupt { grace_seconds: f64 }
    Resume as resume { window_seconds: f64, live_window_seconds: f64, max_points: usize }
    Delivery as delivery {
        reconnect_spread_seconds: f64, max_rate: u32, parallel: usize, queue_max_bytes: u64,
        queue_max_age_seconds: f64, daily_bytes: u64, on_metered: String,
        legacy_sessions_batch: bool, send_flag: bool,
    }
    Consent as consent { initial: String }
    Store as store { path: PathBuf, max_bytes: u64, flush_seconds: f64 }
    Limits as limits {
        sessions_per_sender: usize, sessions: usize, string_bytes: usize, info_bytes: usize,
        events_per_second: u32, event_burst: u32, state_names: usize, rejected_kept: usize,
    }
    Mpris as mpris { enabled: bool, allow: Vec<String>, bus: String }
    Clock as clock { require_sync: bool }
    Log as log { level: String }
}

impl Schema {
    /// Reads a file's text.
    ///
    /// Errors: syntax, an unknown key, a wrong type, each with its line.
    pub fn parse(file: &Path, text: &str) -> Result<Schema, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start).min(text.len());
            let line = text[..at].matches('\n').count();
            ConfigError::At {
                file: file.to_owned(),
                line: line + 1,
                key: key_at(text, line),
                message: error.message().trim().replace('\n', ", "),
            }
        })
    }

    /// A table with `section.key=value` settings on top.
    pub fn overridden(mut table: toml::Table, settings: &[String]) -> Result<Schema, ConfigError> {
        for setting in settings {
            set(&mut table, setting)?;
        }
        Schema::deserialize(table).map_err(|error| ConfigError::Override {
            setting: settings.join(" "),
            message: error.message().trim().replace('\n', ", "),
        })
    }
}

/// `section.key: ` of a line, or nothing where the line holds no key.
fn key_at(text: &str, line: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let Some((key, _)) = lines.get(line).and_then(|l| l.split_once('=')) else {
        return String::new();
    };
    let section = lines[..line]
        .iter()
        .rev()
        .find_map(|l| l.trim().strip_prefix('[').and_then(|l| l.split(']').next()).map(str::trim));
    match section {
        Some(section) => format!("{section}.{}: ", key.trim()),
        None => format!("{}: ", key.trim()),
    }
}

/// Puts `section.key=value` into a table. The value is read as TOML, or as a string where it is
/// no TOML.
fn set(table: &mut toml::Table, setting: &str) -> Result<(), ConfigError> {
    let wrong = |message: &str| ConfigError::Override {
        setting: setting.to_owned(),
        message: message.to_owned(),
    };
    let form = "expected section.key=value";
    let (path, value) = setting.split_once('=').ok_or_else(|| wrong(form))?;
    let (section, key) = path.trim().split_once('.').ok_or_else(|| wrong(form))?;
    let value = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    table
        .entry(section)
        .or_insert_with(|| toml::Value::Table(toml::Table::new()))
        .as_table_mut()
        .ok_or_else(|| wrong("the section is no table in the file"))?
        .insert(key.trim().to_owned(), value);
    Ok(())
}
