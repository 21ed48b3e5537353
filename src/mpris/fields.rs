//! Properties of a player by their names, whatever types players give them (behaviour.md 1.7).

use super::settling::{Change, Status};
use super::viewing::{self, Track};

const MICROS: f64 = 1_000_000.0;
/// A longer length is none: 10 days, in seconds.
const MOST_LENGTH: f64 = 864_000.0;

/// The value of a property, as far as it is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'a> {
    Text(&'a str),
    Number(f64),
    Other,
}

impl<'a> Field<'a> {
    fn text(self) -> Option<&'a str> {
        match self {
            Field::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number, or a string of digits.
    fn number(self) -> Option<f64> {
        match self {
            Field::Number(number) => Some(number).filter(|n| n.is_finite()),
            Field::Text(digits) => digits.trim().parse::<i64>().ok().map(|n| n as f64),
            Field::Other => None,
        }
    }

    /// Seconds, from microseconds.
    pub fn seconds(self) -> Option<f64> {
        self.number().map(|micros| micros / MICROS)
    }
}

impl Change {
    /// Takes over a property other than `Metadata`.
    pub fn set(&mut self, name: &str, value: Field<'_>) {
        match name {
            "PlaybackStatus" => self.status = value.text().and_then(Status::parse),
            "Rate" => {
                self.rate = match value {
                    // What is no rate counts as 1.
                    Field::Number(rate) => Some(if rate.is_finite() { rate } else { 1.0 }),
                    _ => None,
                }
            }
            "Position" => self.position = value.seconds(),
            _ => {}
        }
    }

    /// A property has changed, and the player does not say how.
    pub fn invalidate(&mut self, name: &str) {
        self.invalidated |= matches!(name, "PlaybackStatus" | "Metadata" | "Rate");
    }

    /// Whether metadata, status or rate have changed.
    pub fn counts(&self) -> bool {
        let told = self.status.is_some() || self.track.is_some() || self.rate.is_some();
        told || self.invalidated
    }
}

impl Track {
    /// Takes over a member of `Metadata`.
    pub fn set(&mut self, name: &str, value: Field<'_>) {
        let text = || value.text().map(viewing::text).unwrap_or_default();
        match name {
            "mpris:trackid" => self.track_id = text(),
            "xesam:url" => self.url = value.text().map(viewing::url).unwrap_or_default(),
            "xesam:title" => self.title = text(),
            "xesam:album" => self.album = text(),
            "xesam:artist" => self.artist = text(),
            "mpris:length" => {
                let known = |length: &f64| *length > 0.0 && *length <= MOST_LENGTH;
                self.length = value.seconds().filter(known);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_numbers_of_any_kind_and_plausible() {
        for (field, length) in [
            (Field::Number(100e6), Some(100.0)),
            (Field::Text("100000000"), Some(100.0)),
            (Field::Text("long"), None),
            (Field::Number(0.0), None),
            (Field::Number(-1.0), None),
            (Field::Number(f64::NAN), None),
            (Field::Number(9.2e18), None),
            (Field::Other, None),
        ] {
            let mut track = Track::default();
            track.set("mpris:length", field);
            assert_eq!(track.length, length, "{field:?}");
        }
    }
}
