//! What is wrong with a configuration, in words: a few of it, and how much more there is.

use std::fmt;

use crate::core::text::{printable, shortened};

/// Mistakes that are shown. The first ones are the likeliest to be the reason for the others.
pub(super) const MOST_MISTAKES: usize = 16;

/// Bytes of a reason. The service manager takes no message of more than 4 KiB.
const MOST_REASON: usize = 768;

/// What it takes after a correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    Reload,
    /// It is about a variable or a credential, which are fixed when the service starts.
    Restart,
}

/// What to do.
impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mend::Reload => "correct it and reload",
            Mend::Restart => "correct it and restart the service",
        })
    }
}

/// The mistakes of a configuration, in the order in which they are to be read. Everybody may read them,
/// so they must not hold what is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// Each a printable line.
    first: Vec<(String, Mend)>,
    more: usize,
}

impl Mistakes {
    pub fn add(&mut self, why: &str, mend: Mend) {
        match self.first.len() < MOST_MISTAKES {
            true => self.first.push((reason(why), mend)),
            false => self.more += 1,
        }
    }

    /// Adds so many that nobody can tell.
    pub fn add_untold(&mut self, count: usize) {
        self.more += count;
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.first.len() + self.more
    }

    /// The first one.
    pub fn first(&self) -> &str {
        self.first.first().map_or("", |(why, _)| why.as_str())
    }

    /// What all of them take.
    pub fn mend(&self) -> Mend {
        let restart = self.first.iter().any(|(_, mend)| *mend == Mend::Restart);
        if restart { Mend::Restart } else { Mend::Reload }
    }

    /// Each that is shown, and the number of the others.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = (String, Mend)> {
        let more = (self.more > 0).then(|| (format!("and {} more", self.more), self.mend()));
        self.first.iter().cloned().chain(more)
    }
}

/// One line.
impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (why, _)) in self.lines().enumerate() {
            write!(f, "{}{why}", if n == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// One that a reload mends.
impl From<&str> for Mistakes {
    fn from(why: &str) -> Mistakes {
        let mut mistakes = Mistakes::default();
        mistakes.add(why, Mend::Reload);
        mistakes
    }
}

/// One printable line of a bounded length.
pub(super) fn reason(why: &str) -> String {
    let line = why.trim().replace(['\n', '\r'], " ");
    shortened(printable(&line).into_owned(), MOST_REASON)
}
