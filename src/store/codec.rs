//! Keys and records as bytes. A key is a letter and big-endian numbers, so that the store's order
//! is the order of a queue; a record is a version byte and JSON.

use crate::core::effect::{Key, Record};

/// The version that this program writes. A record of another version is left alone.
const VERSION: u8 = 1;

/// Between application and media id in a resume key; neither can hold it (api.md 2.8 strings are
/// D-Bus strings, which have no NUL).
const SEPARATOR: u8 = 0;

pub(super) fn key(key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(17);
    match key {
        Key::Meta => bytes.push(b'A'),
        Key::Media(n) => number(&mut bytes, b'M', &n.to_be_bytes()),
        Key::Session(n) => number(&mut bytes, b'S', &n.to_be_bytes()),
        Key::Pulse(n) => number(&mut bytes, b'P', &n.to_be_bytes()),
        Key::Start(n) => number(&mut bytes, b'T', &n.to_be_bytes()),
        Key::Outbox(n) => number(&mut bytes, b'O', &n.to_be_bytes()),
        Key::Hit(outbox, n) => {
            number(&mut bytes, b'H', &outbox.to_be_bytes());
            bytes.extend(n.to_be_bytes());
        }
        Key::Resume(app, media) => {
            number(&mut bytes, b'R', app.as_bytes());
            bytes.push(SEPARATOR);
            bytes.extend(media.as_bytes());
        }
        Key::Rejected(n) => number(&mut bytes, b'X', &n.to_be_bytes()),
    }
    bytes
}

fn number(bytes: &mut Vec<u8>, letter: u8, rest: &[u8]) {
    bytes.push(letter);
    bytes.extend(rest);
}

fn parse_key(bytes: &[u8]) -> Option<Key> {
    let (letter, rest) = bytes.split_first()?;
    let u32 = |b: &[u8]| Some(u32::from_be_bytes(b.try_into().ok()?));
    let u64 = |b: &[u8]| Some(u64::from_be_bytes(b.try_into().ok()?));
    Some(match letter {
        b'A' if rest.is_empty() => Key::Meta,
        b'M' => Key::Media(u32(rest)?),
        b'S' => Key::Session(u32(rest)?),
        b'P' => Key::Pulse(u32(rest)?),
        b'T' => Key::Start(u64(rest)?),
        b'O' => Key::Outbox(u64(rest)?),
        b'H' => Key::Hit(u64(rest.get(..8)?)?, u64(rest.get(8..)?)?),
        b'R' => {
            let at = rest.iter().position(|b| *b == SEPARATOR)?;
            let text = |b: &[u8]| Some(std::str::from_utf8(b).ok()?.to_owned());
            Key::Resume(text(&rest[..at])?, text(&rest[at + 1..])?)
        }
        b'X' => Key::Rejected(u64(rest)?),
        _ => return None,
    })
}

pub(super) fn value(record: &Record) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    let written = match record {
        Record::Meta(r) => serde_json::to_writer(&mut bytes, r),
        Record::Media(r) => serde_json::to_writer(&mut bytes, r),
        Record::Session(r) => serde_json::to_writer(&mut bytes, r),
        Record::Pulse(r) => serde_json::to_writer(&mut bytes, r),
        Record::Start(r) | Record::Hit(r) => serde_json::to_writer(&mut bytes, r),
        Record::Outbox(r) => serde_json::to_writer(&mut bytes, r),
        Record::Resume(r) => serde_json::to_writer(&mut bytes, r),
        Record::Rejected(r) => serde_json::to_writer(&mut bytes, r),
    };
    // Every record is maps with string keys and finite numbers, and a vector takes every byte.
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
        Key::Media(_) => Record::Media(serde_json::from_slice(json).ok()?),
        Key::Session(_) => Record::Session(serde_json::from_slice(json).ok()?),
        Key::Pulse(_) => Record::Pulse(serde_json::from_slice(json).ok()?),
        Key::Start(_) => Record::Start(serde_json::from_slice(json).ok()?),
        Key::Outbox(_) => Record::Outbox(serde_json::from_slice(json).ok()?),
        Key::Hit(..) => Record::Hit(serde_json::from_slice(json).ok()?),
        Key::Resume(..) => Record::Resume(serde_json::from_slice(json).ok()?),
        Key::Rejected(_) => Record::Rejected(serde_json::from_slice(json).ok()?),
    };
    Some((key, record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::BootInstant;
    use crate::core::tracker::hit::{Detail, Hit, HitKind};

    #[test]
    fn keys_come_back_and_sort_like_their_numbers() {
        let keys = [
            Key::Meta,
            Key::Media(7),
            Key::Session(u32::MAX),
            Key::Pulse(8),
            Key::Start(1),
            Key::Outbox(2),
            Key::Hit(3, 4),
            Key::Resume("tv.app".into(), "ep/1".into()),
            Key::Resume(String::new(), String::new()),
            Key::Rejected(9),
        ];
        for k in keys {
            assert_eq!(parse_key(&key(&k)), Some(k));
        }
        assert!(key(&Key::Hit(1, 255)) < key(&Key::Hit(1, 256)));
        assert!(key(&Key::Hit(1, u64::MAX)) < key(&Key::Hit(2, 0)));
    }

    #[test]
    fn what_cannot_be_read_is_none() {
        let hit = Hit::new(HitKind::Play, BootInstant(5), 1.5, Detail::default());
        let (k, mut v) = (key(&Key::Hit(1, 1)), value(&Record::Hit(hit.clone())));
        assert_eq!(decode(&k, &v), Some((Key::Hit(1, 1), Record::Hit(hit))));
        assert_eq!(decode(&k, &v[..v.len() - 1]), None, "a torn record");
        assert_eq!(decode(&k[..5], &v), None, "a torn key");
        v[0] = 99;
        assert_eq!(decode(&k, &v), None, "another version");
        assert_eq!(decode(&k, &[]), None);
        assert_eq!(decode(b"", &v), None);
    }
}
