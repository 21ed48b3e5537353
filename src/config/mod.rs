//! Configuration: what a file may say (`schema`), and what the rest of the program gets
//! (`Config`), checked and complete. Every mistake names file, line and key (behaviour.md 3).

mod checks;
mod definition;
mod error;
pub mod keys;
pub mod kind;
mod schema;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::error::ConfigError;
use crate::core::settings::Settings;
use crate::core::time::Span;

/// Where the local configuration lies unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/playheadd/playheadd.toml";

/// The most that a file may hold. A parsed one takes thirty times its size.
const MOST_BYTES: u64 = 256 * 1024;

/// The whole configuration, complete and checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub settings: Settings,
    pub collector: CollectorConfig,
    pub store: StoreConfig,
    pub mpris: MprisConfig,
    /// Trust the wall clock only when the kernel says that it is synchronised (behaviour.md 2.6).
    pub require_sync: bool,
    pub log_level: tracing::Level,
}

/// How to reach the collector.
#[derive(Debug, Clone)]
pub struct CollectorConfig {
    /// BasePlayback URL without a trailing slash; a path prefix is kept (spec 1). `None` when not set.
    pub url: Option<String>,
    pub proxy: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub client_cert_file: Option<PathBuf>,
    pub client_key_file: Option<PathBuf>,
    pub connect_timeout: Duration,
    pub timeout: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StoreConfig {
    pub path: PathBuf,
    pub max_bytes: u64,
}

/// Zero-code tracking of MPRIS players (behaviour.md 1.7).
#[derive(Debug, Clone, PartialEq)]
pub struct MprisConfig {
    pub enabled: bool,
    /// Globs over the name without `org.mpris.MediaPlayer2.`.
    pub allow: Vec<String>,
    /// The same; these win.
    pub deny: Vec<String>,
    pub bus: MprisBus,
    /// How long a start waits for a length.
    pub length_wait: Span,
    /// How often a playing player is asked for its position; zero: never.
    pub position_every: Span,
    /// What counts as the beginning: `resume.start_seconds`.
    pub beginning: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MprisBus {
    System,
    Session,
    Address(String),
}

impl Config {
    /// Reads one file; a missing file is an error unless it is the default one.
    pub fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
        let (file, text) = read(path)?;
        checks::check(schema::Schema::parse(file, &text)?, file)
    }

    /// Reads one file and puts `section.key=value` settings on top.
    pub fn load_with(path: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
        let (file, text) = read(Some(path))?;
        let schema = schema::Schema::parse(file, &text)?;
        overridden(schema, overrides, file)
    }

    /// Checks that the keys are set that a daemon needs: where to report, and for whom.
    ///
    /// Errors: the first key that is not set, with what to write.
    pub fn require_collector(&self) -> Result<(), ConfigError> {
        let identity = &self.settings.identity;
        let needed = [
            (
                "collector.url",
                self.collector.url.as_deref().unwrap_or_default(),
                "https://<your namespace>.hb-api.omtrdc.net",
            ),
            ("analytics.tracking_server", &identity.tracking_server, "<your host>.sc.omtrdc.net"),
            ("analytics.report_suite", &identity.report_suite, "<your report suite>"),
            ("analytics.org_id", &identity.org_id, "<your organisation>@AdobeOrg"),
        ];
        for (key, value, example) in needed {
            if value.is_empty() {
                let (section, name) = key.split_once('.').unwrap_or_default();
                return Err(ConfigError::Missing {
                    key,
                    advice: format!(
                        "put this into {DEFAULT_PATH} (or the file given with --config):\n\n\
                         [{section}]\n{name} = \"{example}\"\n"
                    ),
                });
            }
        }
        Ok(())
    }

    /// The defaults, with `section.key=value` settings on top.
    pub fn from_overrides(overrides: &[String]) -> Result<Config, ConfigError> {
        overridden(schema::Schema::default(), overrides, Path::new("--set"))
    }
}

fn overridden(
    mut schema: schema::Schema,
    overrides: &[String],
    file: &Path,
) -> Result<Config, ConfigError> {
    for setting in overrides {
        schema.set(setting)?;
    }
    checks::check(schema, file)
}

fn read(path: Option<&Path>) -> Result<(&Path, String), ConfigError> {
    let file = path.unwrap_or(Path::new(DEFAULT_PATH));
    let mut text = String::new();
    let beginning = std::fs::File::open(file).map(|opened| opened.take(MOST_BYTES + 1));
    match beginning.and_then(|mut beginning| beginning.read_to_string(&mut text)) {
        Ok(_) if text.len() as u64 > MOST_BYTES => {
            let message = format!("expected a configuration of at most {MOST_BYTES} bytes");
            Err(ConfigError::At { file: file.to_owned(), line: 1, key: String::new(), message })
        }
        Ok(_) => Ok((file, text)),
        Err(e) if path.is_none() && e.kind() == std::io::ErrorKind::NotFound => {
            Ok((file, String::new()))
        }
        Err(source) => Err(ConfigError::Unreadable { file: file.to_owned(), source }),
    }
}
