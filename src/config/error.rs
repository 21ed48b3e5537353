//! Mistakes in a configuration: each names its place and what was expected.

use std::fmt;

use crate::core::text::{printable, shortened};

/// All mistakes of a configuration, in the order of its files; never none. Shown as one line each.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.mistakes.iter().enumerate() {
            write!(f, "{}{mistake}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// One mistake.
#[derive(Debug, Clone)]
pub struct Mistake {
    /// Which source it is in, in the order in which they are read.
    pub(super) source: usize,
    /// The file or the variable; empty for a key that is missing everywhere.
    pub place: String,
    /// 0 where there is none.
    pub line: usize,
    /// `section.key`; empty where the mistake is in no key.
    pub key: String,
    pub message: String,
}

impl fmt::Display for Mistake {
    /// `place:line: key: message`, without what there is not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.place.is_empty() {
            f.write_str(": ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// The beginning of a text, for a message.
pub(super) fn short(text: &str) -> String {
    printable(&shortened(text.to_owned(), 64)).into_owned()
}
