//! Keys and records as bytes. A key is a letter and big-endian numbers, so that the store's order
//! is the order of a queue; a record is a version byte and JSON.

use std::sync::Arc;

use crate::core::record::{Key, KeyRange, Record, StoredReport};

/// The version that this program writes. A record of another version is left alone.
const VERSION: u8 = 1;

/// Between application and media id in a resume key; neither can hold it (behaviour.md 2.8 strings
/// are D-Bus strings, which have no NUL).
const SEPARATOR: u8 = 0;

pub(super) fn key(key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(17);
    match key {
        Key::Meta => bytes.push(b'A'),
        Key::Media(n) => number(&mut bytes, b'M', &n.to_be_bytes()),
        Key::Session(n) => number(&mut bytes, b'S', &n.to_be_bytes()),
        Key::Log(n) => number(&mut bytes, b'L', &n.to_be_bytes()),
        Key::Heartbeat(n) => number(&mut bytes, b'H', &n.to_be_bytes()),
        Key::Report(log, n) => {
            number(&mut bytes, REPORT, &log.to_be_bytes());
            bytes.extend(n.to_be_bytes());
        }
        Key::Resume(app, media) => {
            number(&mut bytes, b'R', app.as_bytes());
            bytes.push(SEPARATOR);
            bytes.extend(media.as_bytes());
        }
        Key::Rejected(n) => number(&mut bytes, b'Q', &n.to_be_bytes()),
    }
    bytes
}

/// The keys of a range.
pub(super) fn keys(range: &KeyRange) -> std::ops::Range<Vec<u8>> {
    key(&range.from)..key(&range.to)
}

fn number(bytes: &mut Vec<u8>, letter: u8, rest: &[u8]) {
    bytes.push(letter);
    bytes.extend(rest);
}

fn parse_key(bytes: &[u8]) -> Option<Key> {
    let (letter, rest) = bytes.split_first()?;
    let u32 = |b: &[u8]| Some(u32::from_be_bytes(b.try_into().ok()?));
    let u64 = |b: &[u8]| Some(u64::from_be_bytes(b.try_into().ok()?));
    Some(match *letter {
        b'A' if rest.is_empty() => Key::Meta,
        b'M' => Key::Media(u32(rest)?),
        b'S' => Key::Session(u32(rest)?),
        b'L' => Key::Log(u64(rest)?),
        b'H' => Key::Heartbeat(u64(rest)?),
        REPORT => Key::Report(u64(rest.get(..8)?)?, u64(rest.get(8..)?)?),
        b'R' => {
            let at = rest.iter().position(|b| *b == SEPARATOR)?;
            let text = |b: &[u8]| Some(std::str::from_utf8(b).ok()?.to_owned());
            Key::Resume(text(&rest[..at])?, text(&rest[at + 1..])?)
        }
        b'Q' => Key::Rejected(u64(rest)?),
        _ => return None,
    })
}

/// The first letter of a report's key; every other record comes before them all.
pub(super) const REPORT: u8 = b'W';

/// The log and the number in the key of a report.
pub(super) fn report_key(bytes: &[u8]) -> Option<(u64, u64)> {
    match parse_key(bytes)? {
        Key::Report(log, number) => Some((log, number)),
        _ => None,
    }
}

/// The report in a value.
pub(super) fn report(value: &[u8]) -> Option<StoredReport> {
    let (_, json) = value.split_first().filter(|(version, _)| **version == VERSION)?;
    serde_json::from_slice(json).ok()
}

pub(super) fn value(record: &Record) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    let written = match record {
        Record::Meta(r) => serde_json::to_writer(&mut bytes, r),
        Record::Media(r) => serde_json::to_writer(&mut bytes, &**r),
        Record::Session(r) => serde_json::to_writer(&mut bytes, r),
        Record::Log(r) => serde_json::to_writer(&mut bytes, r),
        Record::Heartbeat(r) => serde_json::to_writer(&mut bytes, r),
        Record::Report(r) => serde_json::to_writer(&mut bytes, r),
        Record::Resume(r) => serde_json::to_writer(&mut bytes, r),
        Record::Rejected(r) => serde_json::to_writer(&mut bytes, r),
    };
    // This cannot fail: records hold maps with string keys and finite numbers only.
    debug_assert!(written.is_ok(), "{written:?}");
    bytes
}

/// `None` for what this version cannot read.
pub(super) fn decode(key: &[u8], value: &[u8]) -> Option<(Key, Record)> {
    let key = parse_key(key)?;
    let (version, json) = value.split_first()?;
    if *version != VERSION {
        return None;
    }
    let record = match &key {
        Key::Meta => Record::Meta(serde_json::from_slice(json).ok()?),
        Key::Media(_) => Record::Media(Arc::new(serde_json::from_slice(json).ok()?)),
        Key::Session(_) => Record::Session(serde_json::from_slice(json).ok()?),
        Key::Log(_) => Record::Log(serde_json::from_slice(json).ok()?),
        Key::Heartbeat(_) => Record::Heartbeat(serde_json::from_slice(json).ok()?),
        Key::Report(..) => Record::Report(serde_json::from_slice(json).ok()?),
        Key::Resume(..) => Record::Resume(serde_json::from_slice(json).ok()?),
        Key::Rejected(_) => Record::Rejected(serde_json::from_slice(json).ok()?),
    };
    Some((key, record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::report::{Report, What};
    use crate::core::time::BootInstant;

    #[test]
    fn keys_come_back_and_sort_like_their_numbers() {
        let keys = [
            Key::Meta,
            Key::Media(7),
            Key::Session(u32::MAX),
            Key::Log(1),
            Key::Heartbeat(2),
            Key::Report(3, 4),
            Key::Resume("tv.app".into(), "ep/1".into()),
            Key::Resume(String::new(), String::new()),
            Key::Rejected(9),
        ];
        for k in keys {
            let bytes = key(&k);
            assert!(bytes[0] < REPORT || matches!(k, Key::Report(..)), "{k:?}");
            assert_eq!(parse_key(&bytes), Some(k));
        }
        assert!(key(&Key::Report(1, 255)) < key(&Key::Report(1, 256)));
        assert!(key(&Key::Report(1, u64::MAX)) < key(&Key::Report(2, 0)));
    }

    #[test]
    fn what_cannot_be_read_is_none() {
        let report = Report::new(What::Play, BootInstant(5), 1.5);
        let stored = StoredReport { report, recorded_at: None };
        let (k, mut v) = (key(&Key::Report(1, 1)), value(&Record::Report(stored.clone())));
        assert_eq!(report_of(&k, &v), Some(stored));
        assert_eq!(decode(&k, &v[..v.len() - 1]), None, "a torn record");
        assert_eq!(decode(&k[..5], &v), None, "a torn key");
        v[0] = 99;
        assert_eq!(decode(&k, &v), None, "another version");
        assert_eq!(super::report(&v), None, "another version");
        assert_eq!(decode(&k, &[]), None);
        assert_eq!(decode(b"", &v), None);
    }

    fn report_of(key: &[u8], value: &[u8]) -> Option<StoredReport> {
        assert_eq!(report_key(key), Some((1, 1)));
        match decode(key, value)? {
            (_, Record::Report(stored)) => Some(stored),
            _ => None,
        }
    }
}
