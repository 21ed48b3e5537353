//! Reads what players send, without a copy of what is not needed: a picture of 5 MB in the metadata
//! costs nothing (behaviour.md 1.7, 2.8).

use super::fields::Field;
use super::settling::Change;
use super::viewing::Track;

/// Variants and structures in one another.
const MOST_DEPTH: u8 = 16;
/// Texts of a list that are looked at.
const MOST_TEXTS: usize = 16;

/// The body of a message, read from its beginning.
#[derive(Debug, Clone)]
pub struct Body<'a> {
    bytes: &'a [u8],
    at: usize,
    big_endian: bool,
}

impl<'a> Body<'a> {
    pub fn new(bytes: &'a [u8], big_endian: bool) -> Body<'a> {
        Body { bytes, at: 0, big_endian }
    }

    /// PropertiesChanged (`sa{sv}as`) of this interface.
    pub fn properties_changed(mut self, interface: &str) -> Option<Change> {
        if self.text()? != interface {
            return None;
        }
        let mut change = self.properties()?;
        let end = self.array(4)?;
        while self.at < end {
            change.invalidate(self.text()?);
        }
        Some(change)
    }

    /// All properties (`a{sv}`).
    pub fn properties(&mut self) -> Option<Change> {
        let mut change = Change::default();
        let end = self.array(8)?;
        while self.at < end {
            self.align(8)?;
            let name = self.text()?;
            self.property(name, &mut change)?;
        }
        Some(change)
    }

    /// The value (`v`) of one property.
    pub fn property(&mut self, name: &str, into: &mut Change) -> Option<()> {
        if name == "Metadata" {
            into.track = self.metadata(0)?.or(into.track.take());
        } else {
            self.variant(0, |field| into.set(name, field))?;
        }
        Some(())
    }

    /// `Some(None)` for a value of another type.
    fn metadata(&mut self, depth: u8) -> Option<Option<Track>> {
        let signature = self.signature()?;
        if signature == b"v" && depth < MOST_DEPTH {
            return self.metadata(depth + 1);
        }
        if signature != b"a{sv}" {
            self.skip(signature, depth)?;
            return Some(None);
        }
        let mut track = Track::default();
        let end = self.array(8)?;
        while self.at < end {
            self.align(8)?;
            let name = self.text()?;
            self.variant(0, |field| track.set(name, field))?;
        }
        Some(Some(track))
    }

    /// A number or a text in a variant. Of a list of texts it is all of them.
    fn variant(&mut self, depth: u8, mut read: impl FnMut(Field<'_>)) -> Option<()> {
        let mut signature = self.signature()?;
        let mut depth = depth;
        while signature == b"v" {
            depth += 1;
            if depth > MOST_DEPTH {
                return None;
            }
            signature = self.signature()?;
        }
        match signature {
            b"as" => {
                let end = self.array(4)?;
                let mut texts = Vec::new();
                while self.at < end && texts.len() < MOST_TEXTS {
                    texts.push(self.text()?);
                }
                self.at = end;
                read(Field::Text(&texts.join(", ")));
            }
            b"s" | b"o" => read(Field::Text(self.text()?)),
            b"d" => read(Field::Number(f64::from_bits(self.number(8)?))),
            b"y" => read(Field::Number(self.number(1)? as f64)),
            b"q" => read(Field::Number(self.number(2)? as f64)),
            b"n" => read(Field::Number((self.number(2)? as i16).into())),
            b"u" => read(Field::Number(self.number(4)? as f64)),
            b"i" => read(Field::Number((self.number(4)? as i32).into())),
            b"t" => read(Field::Number(self.number(8)? as f64)),
            b"x" => read(Field::Number(self.number(8)? as i64 as f64)),
            other => {
                self.skip(other, depth)?;
                read(Field::Other);
            }
        }
        Some(())
    }

    /// One argument that is a 64-bit number.
    pub fn micros(mut self) -> Option<i64> {
        self.number(8).map(|n| n as i64)
    }

    /// Skips the value of one complete type. Gives the bytes of its signature.
    fn skip(&mut self, signature: &[u8], depth: u8) -> Option<usize> {
        if depth > MOST_DEPTH {
            return None;
        }
        match *signature.first()? {
            b'y' => self.take(1).map(|_| 1),
            b'n' | b'q' => self.number(2).map(|_| 1),
            b'b' | b'i' | b'u' | b'h' => self.number(4).map(|_| 1),
            b'x' | b't' | b'd' => self.number(8).map(|_| 1),
            b's' | b'o' => self.text().map(|_| 1),
            b'g' => self.signature().map(|_| 1),
            b'v' => {
                let inner = self.signature()?;
                self.skip(inner, depth + 1).map(|_| 1)
            }
            b'a' => {
                let element = complete(signature.get(1..)?)?;
                let align = alignment(*signature.get(1)?);
                self.at = self.array(align)?;
                Some(1 + element)
            }
            b'(' => {
                self.align(8)?;
                let mut at = 1;
                while *signature.get(at)? != b')' {
                    at += self.skip(&signature[at..], depth + 1)?;
                }
                Some(at + 1)
            }
            _ => None,
        }
    }

    fn align(&mut self, to: usize) -> Option<()> {
        self.at = self.at.next_multiple_of(to);
        (self.at <= self.bytes.len()).then_some(())
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    /// An aligned number of this many bytes.
    fn number(&mut self, size: usize) -> Option<u64> {
        self.align(size)?;
        let big = self.big_endian;
        let bytes = self.take(size)?;
        let join = |n: u64, b: &u8| n << 8 | u64::from(*b);
        Some(match big {
            true => bytes.iter().fold(0, join),
            false => bytes.iter().rev().fold(0, join),
        })
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number(4)? as usize;
        let text = std::str::from_utf8(self.take(length)?).ok()?;
        self.take(1)?;
        Some(text)
    }

    fn signature(&mut self) -> Option<&'a [u8]> {
        let length = self.number(1)? as usize;
        let signature = self.take(length)?;
        self.take(1)?;
        Some(signature)
    }

    /// The beginning of an array whose elements are aligned so. Gives where it ends.
    fn array(&mut self, align: usize) -> Option<usize> {
        let length = self.number(4)? as usize;
        self.align(align)?;
        let end = self.at.checked_add(length)?;
        (end <= self.bytes.len()).then_some(end)
    }
}

/// The bytes of the first complete type of a signature.
fn complete(signature: &[u8]) -> Option<usize> {
    let mut at = 0;
    while signature.get(at) == Some(&b'a') {
        at += 1;
    }
    let mut open = 0;
    loop {
        match signature.get(at)? {
            b'(' | b'{' => open += 1,
            b')' | b'}' => open -= 1,
            _ => {}
        }
        at += 1;
        if open == 0 {
            return Some(at);
        }
    }
}

fn alignment(kind: u8) -> usize {
    match kind {
        b'y' | b'g' | b'v' => 1,
        b'n' | b'q' => 2,
        b'x' | b't' | b'd' | b'(' | b'{' => 8,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use zbus::{Message, Variant};

    use super::*;
    use crate::mpris::settling::Status;

    const PLAYER: &str = "org.mpris.MediaPlayer2.Player";

    type Values = HashMap<&'static str, Variant<'static>>;

    fn sent(values: Values, invalidated: Vec<&str>) -> Message {
        Message::signal(
            "/org/mpris/MediaPlayer2",
            "org.freedesktop.DBus.Properties",
            "PropertiesChanged",
        )
        .build(&(PLAYER, values, invalidated))
        .expect("a message")
    }

    fn read(message: &Message) -> Option<Change> {
        let body = message.body();
        let big = message.data().first() == Some(&b'B');
        Body::new(body.data(), big).properties_changed(PLAYER)
    }

    #[test]
    fn what_is_needed_is_found_among_values_of_every_type() {
        let picture = Variant::from(vec![7_u8; 5 << 20]);
        let metadata: Values = HashMap::from([
            ("mpris:trackid", Variant::from("/t/1")),
            ("xesam:url", Variant::from(format!("data:x,{}", "y".repeat(5 << 20)))),
            ("xesam:title", Variant::from("Harbour")),
            ("xesam:artist", Variant::from(vec!["A", "B"])),
            ("mpris:length", Variant::Variant(Box::new(Variant::from(600_000_000_u64)))),
            ("mpris:artData", picture),
            ("x:struct", Variant::from((1_u8, "s", vec![(2_u16, 3_i64)]))),
            ("x:flag", Variant::from(true)),
        ]);
        let values: Values = HashMap::from([
            ("PlaybackStatus", Variant::from("Playing")),
            ("Rate", Variant::from(1.5)),
            ("CanSeek", Variant::from(false)),
            ("Metadata", Variant::from(metadata)),
        ]);
        let change = read(&sent(values, vec!["Volume", "Metadata"])).expect("readable");
        assert_eq!((change.status, change.rate), (Some(Status::Playing), Some(1.5)));
        assert!(change.invalidated);
        let track = change.track.expect("metadata");
        assert_eq!((track.track_id.as_str(), track.title.as_str()), ("/t/1", "Harbour"));
        assert_eq!((track.artist.as_str(), track.length), ("A, B", Some(600.0)));
        assert!(track.url.len() < 100 && track.url.starts_with("data:x,"), "{}", track.url);
    }

    #[test]
    fn a_body_that_is_cut_or_damaged_is_no_change_and_no_panic() {
        let values: Values = HashMap::from([
            ("Rate", Variant::from(1.5)),
            ("Metadata", Variant::from(HashMap::from([("xesam:title", Variant::from("T"))]))),
        ]);
        let message = sent(values, vec!["Volume"]);
        let body = message.body();
        let whole: &[u8] = body.data();
        assert!(Body::new(whole, false).properties_changed(PLAYER).is_some());
        for cut in 0..whole.len() {
            assert_eq!(Body::new(&whole[..cut], false).properties_changed(PLAYER), None, "{cut}");
            for damage in [0, 1, 0x61, 0xff] {
                let mut bytes = whole.to_vec();
                bytes[cut] = damage;
                let _ = Body::new(&bytes, damage == 1).properties_changed(PLAYER);
            }
        }
    }
}
