//! Mistakes in a configuration: each names its place and what was expected.

use std::fmt;

use crate::core::text::{printable, shortened};

/// The most mistakes of one file.
pub(super) const MOST_OF_A_FILE: usize = 64;
/// The most mistakes in all. Required keys that are not set come on top.
pub(super) const MOST_IN_ALL: usize = 256;

/// The mistakes of a configuration, in the order of its files; never none. Shown as one line each.
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
    /// A reload does not mend it: what it is about is fixed when the service starts.
    pub restart: bool,
    /// How many further mistakes it stands for; 0 for one that is told.
    pub more: usize,
}

impl Mistake {
    /// Stands for so many that are not told.
    pub(super) fn more(source: usize, place: String, more: usize) -> Mistake {
        let message = format!("and {more} more");
        Mistake { source, place, line: 0, key: String::new(), message, restart: false, more }
    }
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
