//! Mistakes in a configuration: each names its place and what was expected.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{} cannot be read: {source}", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    /// Syntax, unknown key or wrong type, at a place in a file.
    #[error("{}:{line}: {key}{message}", file.display())]
    At { file: PathBuf, line: usize, key: String, message: String },
    /// A value of the right type that is not allowed.
    #[error("{}: {key}: {message}", file.display())]
    Value { file: PathBuf, key: &'static str, message: String },
    #[error("--set {setting}: {message}")]
    Override { setting: String, message: String },
    /// A required key is not set.
    #[error("{key} is not set; {advice}")]
    Missing { key: &'static str, advice: String },
}
