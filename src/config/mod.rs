//! Configuration (behaviour.md 3): what may be said (`definition`), the layers in which it is said
//! (`files`, `environment`), merged (`merge`), and what the rest of the program gets (`Config`),
//! checked and complete. Every mistake names its file, line and key, and all are said at once.

mod address;
mod checks;
mod collector;
mod definition;
mod document;
mod environment;
mod error;
mod files;
mod found;
pub mod keys;
pub mod kind;
mod loaded;
mod merge;
mod schema;
mod slots;
mod value;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::collector::{is_of_the_service, key_of};
pub use self::environment::Environment;
pub use self::error::{ConfigError, Mistake};
pub use self::files::{DIRECTORIES, LOOKED_FOR};
pub use self::loaded::{Entry, FileCheck, Finding, From, Loaded};
use self::merge::Merged;
pub use self::value::Value;
use crate::core::settings::Settings;
use crate::core::time::Span;

/// The local file, where an operator writes.
pub const DEFAULT_PATH: &str = "/etc/playheadd/playheadd.toml";

/// The whole configuration, complete and checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub settings: Settings,
    /// In the order of `Settings::collectors`.
    pub collectors: Vec<CollectorConfig>,
    pub store: StoreConfig,
    pub mpris: MprisConfig,
    /// Trust the wall clock only when the kernel says that it is synchronised (behaviour.md 2.6).
    pub require_sync: bool,
    pub log_level: tracing::Level,
    /// What works and is surely not meant, each with its place.
    pub warnings: Vec<String>,
}

/// How to reach a collector.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectorConfig {
    /// As in the settings.
    pub name: String,
    /// BasePlayback URL without a trailing slash; a path prefix is kept (spec 1). `None` when not set.
    pub url: Option<String>,
    pub proxy: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub client_cert_file: Option<PathBuf>,
    pub client_key_file: Option<PathBuf>,
    /// Further headers of each request; of the kind `otlp` only.
    pub headers_file: Option<PathBuf>,
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
    /// Reads the layers of the box, or `file` in place of all files, with the variables on top.
    /// `files` looks at the files that the configuration names.
    ///
    /// Errors: every mistake, and each key that a daemon needs and that is not set.
    pub fn load(
        file: Option<&Path>,
        environment: &Environment,
        files: FileCheck<'_>,
    ) -> Result<Config, ConfigError> {
        let from = file.map_or(From::Box(Path::new("/")), From::File);
        Loaded::read(from, environment, files).into_config()
    }

    /// Reads one file and puts `section.key=value` settings on top. Neither a collector nor any other
    /// file is needed.
    pub fn load_with(path: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
        let mut merged = Merged::default();
        merged.add((path.to_owned(), files::read(path)));
        overridden(merged, overrides)
    }

    /// The defaults, with `section.key=value` settings on top.
    pub fn from_overrides(overrides: &[String]) -> Result<Config, ConfigError> {
        overridden(Merged::default(), overrides)
    }
}

fn overridden(mut merged: Merged, overrides: &[String]) -> Result<Config, ConfigError> {
    for setting in overrides {
        merged.add_setting(setting);
    }
    let environment = Environment::default().without_credentials();
    let config = checks::check(&mut merged, &environment);
    merged.in_order();
    Loaded { config, merged }.into_config()
}
