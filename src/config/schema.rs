//! What a configuration file may say: every section and key of behaviour.md 3, all optional.
//!
//! The keys are read by hand from the parsed document, which knows the place of each. Derived
//! readers of the same sections take 80 KiB of program.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigError;
use crate::core::text::shortened;

/// Why a value was not taken.
enum Refused {
    UnknownKey(&'static [&'static str]),
    WrongType(&'static str),
}

/// A section of the configuration.
trait Section {
    /// Sets a key.
    fn set(&mut self, key: &str, value: &DeValue<'_>) -> Result<(), Refused>;
}

/// A type that a key may have.
trait FromToml: Sized {
    const EXPECTED: &'static str;

    /// `None` for a value of another type.
    fn from_toml(value: &DeValue<'_>) -> Option<Self>;
}

macro_rules! sections {
    ($($(#[$doc:meta])* $section:ident as $name:ident { $($key:ident: $type:ty),* $(,)? })*) => {
        /// A file, as it was written.
        #[derive(Debug, Default)]
        pub(super) struct Schema { $(pub $name: $section),* }

        impl Schema {
            const SECTIONS: &'static [&'static str] = &[$(stringify!($name)),*];

            fn section(&mut self, name: &str) -> Option<&mut dyn Section> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }

        $(
            $(#[$doc])*
            #[derive(Debug, Default)]
            pub(super) struct $section { $(pub $key: Option<$type>),* }

            impl Section for $section {
                fn set(&mut self, key: &str, value: &DeValue<'_>) -> Result<(), Refused> {
                    match key {
                        $(stringify!($key) => take(value, &mut self.$key),)*
                        _ => Err(Refused::UnknownKey(&[$(stringify!($key)),*])),
                    }
                }
            }
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
    Resume as resume {
        window_seconds: f64,
        live_window_seconds: f64,
        start_seconds: f64,
        end_seconds: f64,
        max_points: usize,
        max_bytes: u64,
    }
    Delivery as delivery {
        reconnect_spread_seconds: f64, backlog_ratio: f64, max_rate: u32, parallel: usize, queue_max_bytes: u64,
        queue_max_age_seconds: f64, daily_bytes: u64, on_metered: String,
        legacy_sessions_batch: bool, send_flag: bool,
    }
    Consent as consent { initial: String }
    Store as store { path: PathBuf, max_bytes: u64, flush_seconds: f64 }
    Limits as limits {
        sessions_per_sender: usize, sessions_per_uid: usize, sessions: usize, string_bytes: usize,
        info_bytes: usize, metadata_bytes: u64, events_per_second: u32, event_burst: u32,
        uid_events_per_second: u32, uid_event_burst: u32, all_events_per_second: u32,
        all_event_burst: u32, reads_per_second: u32, unread_answers: u32, state_names: usize,
        rejected_kept: usize,
    }
    Mpris as mpris {
        enabled: bool, allow: Vec<String>, deny: Vec<String>, bus: String, length_wait_seconds: f64,
        position_seconds: f64,
    }
    Clock as clock { require_sync: bool }
    Log as log { level: String }
}

impl Schema {
    /// Reads a file's text.
    ///
    /// Errors: syntax, an unknown key, a wrong type, each with its line.
    pub fn parse(file: &Path, text: &str) -> Result<Schema, ConfigError> {
        let at = |span: std::ops::Range<usize>, key: String, message: String| {
            let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
            ConfigError::At { file: file.to_owned(), line, key, message }
        };
        let document = DeTable::parse(text).map_err(|error| {
            let message = error.message().trim().replace('\n', ", ");
            at(error.span().unwrap_or_default(), String::new(), message)
        })?;
        let mut schema = Schema::default();
        for (name, table) in document.get_ref() {
            let Some(section) = schema.section(name.get_ref()) else {
                let message = unknown(name.get_ref(), Schema::SECTIONS);
                return Err(at(name.span(), String::new(), message));
            };
            let Some(keys) = table.get_ref().as_table() else {
                let message = wrong_type(table.get_ref(), "a table");
                return Err(at(table.span(), format!("{}: ", name.get_ref()), message));
            };
            for (key, value) in keys {
                section.set(key.get_ref(), value.get_ref()).map_err(|refused| {
                    let full = format!("{}.{}: ", name.get_ref(), key.get_ref());
                    let (place, message) = said(&refused, key, value);
                    at(place, full, message)
                })?;
            }
        }
        Ok(schema)
    }

    /// Puts a `section.key=value` setting on top. The value is read as TOML, or as a string where
    /// it is no TOML.
    pub fn set(&mut self, setting: &str) -> Result<(), ConfigError> {
        let wrong =
            |message: String| ConfigError::Override { setting: setting.to_owned(), message };
        let form = || wrong("expected section.key=value".into());
        let (path, value) = setting.split_once('=').ok_or_else(form)?;
        let (name, key) = path.trim().split_once('.').ok_or_else(form)?;
        let document = format!("v = {value}");
        let parsed = DeTable::parse(&document).ok();
        let parsed = parsed.as_ref().filter(|table| table.get_ref().len() == 1);
        let text = DeValue::String(value.into());
        let value =
            parsed.and_then(|table| table.get_ref().get("v")).map_or(&text, Spanned::get_ref);
        let section = self.section(name).ok_or_else(|| wrong(unknown(name, Schema::SECTIONS)))?;
        section.set(key, value).map_err(|refused| {
            wrong(match refused {
                Refused::UnknownKey(known) => unknown(key, known),
                Refused::WrongType(expected) => wrong_type(value, expected),
            })
        })
    }
}

/// Where a refused key or value stands, and what is wrong with it.
fn said(
    refused: &Refused,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
) -> (std::ops::Range<usize>, String) {
    match refused {
        Refused::UnknownKey(known) => (key.span(), unknown(key.get_ref(), known)),
        Refused::WrongType(expected) => (value.span(), wrong_type(value.get_ref(), expected)),
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    format!("unknown field `{}`, expected one of `{}`", short(name), known.join("`, `"))
}

/// What was written is not quoted: it may be an identifier of a viewer.
fn wrong_type(value: &DeValue<'_>, expected: &str) -> String {
    format!("invalid type: {}, expected {expected}", value.type_str())
}

/// The beginning of what was written, for a message.
fn short(text: &str) -> String {
    shortened(text.to_owned(), 64)
}

fn take<T: FromToml>(value: &DeValue<'_>, into: &mut Option<T>) -> Result<(), Refused> {
    *into = Some(T::from_toml(value).ok_or(Refused::WrongType(T::EXPECTED))?);
    Ok(())
}

impl FromToml for String {
    const EXPECTED: &'static str = "a string";
    fn from_toml(value: &DeValue<'_>) -> Option<String> {
        value.as_str().map(str::to_owned)
    }
}

impl FromToml for PathBuf {
    const EXPECTED: &'static str = "a path as a string";
    fn from_toml(value: &DeValue<'_>) -> Option<PathBuf> {
        value.as_str().map(PathBuf::from)
    }
}

impl FromToml for bool {
    const EXPECTED: &'static str = "true or false";
    fn from_toml(value: &DeValue<'_>) -> Option<bool> {
        value.as_bool()
    }
}

impl FromToml for f64 {
    const EXPECTED: &'static str = "a number";
    fn from_toml(value: &DeValue<'_>) -> Option<f64> {
        match value {
            DeValue::Float(number) => number.as_str().parse().ok(),
            other => Some(u64::from_toml(other)? as f64),
        }
    }
}

impl FromToml for u64 {
    const EXPECTED: &'static str = "a whole number, not negative";
    fn from_toml(value: &DeValue<'_>) -> Option<u64> {
        let number = value.as_integer()?;
        u64::from_str_radix(number.as_str(), number.radix()).ok()
    }
}

impl FromToml for u32 {
    const EXPECTED: &'static str = u64::EXPECTED;
    fn from_toml(value: &DeValue<'_>) -> Option<u32> {
        u64::from_toml(value)?.try_into().ok()
    }
}

impl FromToml for usize {
    const EXPECTED: &'static str = u64::EXPECTED;
    fn from_toml(value: &DeValue<'_>) -> Option<usize> {
        u64::from_toml(value)?.try_into().ok()
    }
}

impl FromToml for Vec<String> {
    const EXPECTED: &'static str = "a list of strings";
    fn from_toml(value: &DeValue<'_>) -> Option<Vec<String>> {
        let items = value.as_array()?.iter();
        items.map(|item| String::from_toml(item.get_ref())).collect()
    }
}
