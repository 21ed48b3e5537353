//! What a key takes: its type, range and unit.

use std::fmt;

/// What a key of the configuration takes. The words of `Display` follow "expected".
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    Text,
    /// Name of a host.
    Host,
    /// URL of a collector.
    Url,
    /// URL of a proxy.
    Proxy,
    /// Absolute path of a directory.
    Directory,
    /// Absolute path of a file, or one of the credentials directory.
    File,
    /// A list of patterns.
    Globs,
    /// A list of event types (spec 2.1).
    Events,
    /// A table of texts.
    Texts,
    Uuid,
    /// Path in a schema of Adobe Experience Platform.
    SchemaPath,
    /// A number from 0 to 1.
    Share,
    /// `session`, `system` or a D-Bus address.
    BusName,
    /// A time in seconds, this or more.
    Seconds(f64),
    /// 0, or a time in seconds, this or more.
    ZeroOrSeconds(f64),
    /// 0, or how many times as fast.
    Ratio,
    /// A whole number, 1 or more.
    Count,
    /// A whole number, 0 or more.
    CountOrZero,
    /// A size in bytes, 1 or more, of something that is held in memory.
    CountBytes,
    /// A size in bytes, this or more.
    Bytes(u64),
}

/// The longest time a key may hold: a hundred years.
pub(super) const MOST_SECONDS: f64 = 3.2e9;
/// The largest size a key may hold: a tebibyte, more than any box has.
pub(super) const MOST_BYTES: u64 = 1 << 40;
/// The largest number a key may hold.
pub(super) const MOST_COUNT: u64 = u32::MAX as u64;
/// How fast what is old may be worked off, in relation to what is new.
pub(super) const RATIOS: std::ops::RangeInclusive<f64> = 0.01..=1000.0;

impl Kind {
    /// The least and the largest whole number. `None` for a kind that is no whole number.
    pub(super) const fn whole(self) -> Option<(u64, u64)> {
        match self {
            Kind::Count | Kind::CountBytes => Some((1, MOST_COUNT)),
            Kind::CountOrZero => Some((0, MOST_COUNT)),
            Kind::Bytes(least) => Some((least, MOST_BYTES)),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Kind::Word(words) => {
                for (n, word) in words.iter().enumerate() {
                    let before = match n {
                        0 => "",
                        n if n + 1 == words.len() => " or ",
                        _ => ", ",
                    };
                    write!(f, "{before}'{word}'")?;
                }
                return Ok(());
            }
            Kind::Seconds(least) => return write!(f, "{least} or more seconds"),
            Kind::ZeroOrSeconds(least) => return write!(f, "0, or {least} or more seconds"),
            Kind::Ratio => {
                return write!(f, "0 or a number from {} to {}", RATIOS.start(), RATIOS.end());
            }
            Kind::Bytes(least) => return write!(f, "a whole number of bytes, at least {least}"),
            Kind::Flag => "true or false",
            Kind::Text => "a text",
            Kind::Host => "the name of a host",
            Kind::Url => "an https:// URL",
            Kind::Proxy => "an http:// or https:// URL of a proxy",
            Kind::Directory => "an absolute path",
            Kind::File => "an absolute path, or ${CREDENTIALS_DIRECTORY}/NAME",
            Kind::Globs => "a list of patterns",
            Kind::Events => "a list of event types",
            Kind::Texts => "a table of texts",
            Kind::Uuid => "a UUID (8-4-4-4-12 hexadecimal digits)",
            Kind::SchemaPath => {
                "names of letters, digits and '_' with dots between them, the first with '_' in front"
            }
            Kind::Share => "a number from 0 to 1",
            Kind::BusName => "'session', 'system' or a D-Bus address (unix:path=...)",
            Kind::Count => "a whole number, at least 1",
            Kind::CountOrZero => "a whole number, 0 or more",
            Kind::CountBytes => "a whole number of bytes, at least 1",
        };
        f.write_str(text)
    }
}
