//! Points in time and the spans between them, as the core sees them: plain milliseconds that
//! adapters read off the machine's clocks. No standard clock type appears here, so a simulation
//! can supply the numbers.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// Milliseconds on CLOCK_BOOTTIME of one boot (it counts sleep). Negative values lie before the
/// boot; they date events of an earlier boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootInstant(pub i64);

impl BootInstant {
    /// The last moment before this one.
    pub const fn just_before(self) -> BootInstant {
        BootInstant(self.0.saturating_sub(1))
    }
}

/// Milliseconds since 1970-01-01 UTC on the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(pub i64);

/// `2027-01-15T08:00:00Z`, without fractions of a second.
impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1000);
        let (s, day) = (seconds.rem_euclid(86_400), seconds.div_euclid(86_400));
        // Years begin in March here, so that a leap day is the last of its year, in eras of 400
        // years (Howard Hinnant, "chrono-compatible low-level date algorithms").
        let day = day + 719_468;
        let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = year + era * 400 + next;
        let (hour, minute, second) = (s / 3600, s / 60 % 60, s % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// A length of time in milliseconds; negative when the later instant came first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Span(pub i64);

impl Span {
    pub const ZERO: Span = Span(0);

    pub const fn seconds(s: u64) -> Span {
        Span((s * 1000) as i64)
    }

    pub const fn millis(ms: i64) -> Span {
        Span(ms)
    }

    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

impl Add<Span> for BootInstant {
    type Output = BootInstant;
    fn add(self, span: Span) -> BootInstant {
        BootInstant(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for BootInstant {
    type Output = BootInstant;
    fn sub(self, span: Span) -> BootInstant {
        BootInstant(self.0.saturating_sub(span.0))
    }
}

impl Sub for BootInstant {
    type Output = Span;
    fn sub(self, earlier: BootInstant) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Add<Span> for WallTime {
    type Output = WallTime;
    fn add(self, span: Span) -> WallTime {
        WallTime(self.0.saturating_add(span.0))
    }
}

impl Sub for WallTime {
    type Output = Span;
    fn sub(self, earlier: WallTime) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// What the clocks show at the moment an input is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub boot: BootInstant,
    pub wall: WallTime,
    /// For how long the box has slept in this boot: CLOCK_BOOTTIME minus CLOCK_MONOTONIC.
    pub slept: Span,
}

impl Now {
    /// What the clocks showed, or will show, at another moment of this boot without a sleep between.
    pub fn at(self, boot: BootInstant) -> Now {
        Now { boot, wall: self.wall + (boot - self.boot), ..self }
    }
}

/// Seconds of a day; live content's playhead lives in `0..DAY_SECONDS` (spec 2).
pub const DAY_SECONDS: f64 = 86_400.0;

/// The second of the day at `wall`, in a zone `offset_seconds` east of UTC.
pub fn second_of_day(wall: WallTime, offset_seconds: i32) -> f64 {
    let ms = wall.0 + i64::from(offset_seconds) * 1000;
    (ms.rem_euclid(86_400_000)) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_the_day_wraps_and_follows_the_zone() {
        assert_eq!(second_of_day(WallTime(86_400_000 + 1500), 0), 1.5);
        assert_eq!(second_of_day(WallTime(-1000), 0), 86_399.0);
        assert_eq!(second_of_day(WallTime(82_800_000), 7200), 3600.0);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, shown) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(WallTime(seconds * 1000).to_string(), shown);
        }
    }
}
