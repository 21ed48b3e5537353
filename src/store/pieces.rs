//! Large records in small pieces. sled writes a page above a quarter of a segment to a file of its
//! own beside the log, and a power cut can lose one of the two; so no entry is allowed to be that
//! large. A record above `PIECE_BYTES` is a head under its own key, and further pieces under keys
//! that follow all others. The pieces are written first, under keys that no record uses yet; the
//! head makes them valid. A key above `KEY_BYTES` (resume points have the media id in theirs) is
//! replaced by its hash, and the record holds the key.

use std::collections::{BTreeMap, HashMap};

/// Small enough that a page of them stays in the log (tests/power_loss.rs).
const PIECE_BYTES: usize = 800;
const KEY_BYTES: usize = 200;

/// First byte of a head: a generation, a 32-bit length of the whole and its first piece follow.
const SPLIT: u8 = 2;
/// First byte of a record that holds its key: a 16-bit length, the key and the record follow.
const KEYED: u8 = 3;
/// First letter of the key of a further piece; after every letter of `codec`.
const PIECE: u8 = b'Z';
/// First letter of a key's hash.
const HASHED: u8 = b'Y';

/// An entry of the database: its key, and its value or `None` to delete it.
pub(super) type Entry = (Vec<u8>, Option<Vec<u8>>);

/// The further pieces of a record: which write of it they belong to, and how many there are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct PieceCount {
    generation: u32,
    pieces: u16,
}

/// The further pieces of each record that has any.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    of: HashMap<Vec<u8>, PieceCount>,
    /// The last generation of any record. None is used twice, because pieces of an old one may
    /// not be deleted yet.
    last: u32,
}

/// The database entries of one change of a record.
pub(super) struct Entries {
    /// Written first, in any number of writes: no record uses these keys yet.
    pub ahead: Vec<Entry>,
    /// Written together with the rest of its batch.
    pub together: Entry,
    /// Deletes the pieces of the last write. Pieces that stay are strays and do no harm.
    pub after: Vec<Entry>,
}

impl Pieces {
    /// The entries that write a record, or delete it when it has no value.
    pub fn entries(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Entries {
        let (key, value) = if key.len() > KEY_BYTES { keyed(&key, value) } else { (key, value) };
        let had = self.of.remove(&key).unwrap_or_default();
        let gone = (1..=had.pieces).map(|n| (piece_key(&key, had.generation, n), None));
        let after = gone.collect();
        let value = match value {
            Some(value) if value.len() > PIECE_BYTES => value,
            small => return Entries { ahead: Vec::new(), together: (key, small), after },
        };
        self.last = self.last.wrapping_add(1);
        let mut has = PieceCount { generation: self.last, pieces: 0 };
        let length = value.len() as u32;
        let mut pieces = value.chunks(PIECE_BYTES);
        let first = pieces.next().unwrap_or_default();
        let (generation, length) = (has.generation.to_be_bytes(), length.to_be_bytes());
        let head = [&[SPLIT], &generation[..], &length, first].concat();
        let mut ahead = Vec::new();
        for (number, piece) in (1..).zip(pieces) {
            has.pieces = number;
            ahead.push((piece_key(&key, has.generation, number), Some(piece.to_vec())));
        }
        self.of.insert(key.clone(), has);
        Entries { ahead, together: (key, Some(head)), after }
    }
}

fn piece_key(key: &[u8], generation: u32, number: u16) -> Vec<u8> {
    [&[PIECE], key, &generation.to_be_bytes(), &number.to_be_bytes()].concat()
}

fn keyed(key: &[u8], value: Option<Vec<u8>>) -> (Vec<u8>, Option<Vec<u8>>) {
    let name = [&[HASHED], &hash(key).to_be_bytes()[..]].concat();
    // The limits on strings keep a key far below 64 KiB; a longer one could not be read again.
    let length = u16::try_from(key.len()).unwrap_or(u16::MAX);
    let value = value.map(|value| [&[KEYED], &length.to_be_bytes()[..], key, &value].concat());
    (name, value)
}

/// FNV-1a with 128 bits: the same in every version of the program.
fn hash(key: &[u8]) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    key.iter().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

/// Puts records together again from a scan in the order of keys. Records whose keys begin with
/// `apart` are not part of the scan, only their further pieces are; these are checked afterwards.
#[derive(Debug)]
pub(super) struct PieceAssembler {
    /// Heads that wait for their pieces.
    heads: BTreeMap<Vec<u8>, Head>,
    apart: u8,
    /// The pieces of records apart: by record, each with its generation and number.
    pieces_apart: BTreeMap<Vec<u8>, Vec<(u32, u16)>>,
    joined: AssembledPieces,
}

#[derive(Debug)]
struct Head {
    generation: u32,
    /// Of the whole record, in bytes.
    length: usize,
    there: Vec<u8>,
}

/// The head of a record in a value, if the record is split.
fn head_of(value: &[u8]) -> Option<Head> {
    let (generation, rest) = value.strip_prefix(&[SPLIT])?.split_first_chunk::<4>()?;
    let (length, first) = rest.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) as usize;
    Some(Head { generation: u32::from_be_bytes(*generation), length, there: first.to_vec() })
}

/// A whole record from its own entry, and from those of its further pieces if it is split. `None`
/// when a piece is missing.
pub(super) fn whole(
    key: &[u8],
    value: &[u8],
    mut piece: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let Some(mut head) = head_of(value) else { return Some(value.to_vec()) };
    for number in 1..=u16::MAX {
        if head.there.len() >= head.length {
            break;
        }
        head.there.extend(piece(&piece_key(key, head.generation, number))?);
    }
    (head.there.len() == head.length).then_some(head.there)
}

/// What a scan gives beside the records.
#[derive(Debug, Default)]
pub(super) struct AssembledPieces {
    pub pieces: Pieces,
    /// Records that have lost pieces.
    pub lost: usize,
    /// Keys of pieces that no record uses: the power was cut before their head was written.
    pub strays: Vec<Vec<u8>>,
}

impl PieceAssembler {
    pub fn new(apart: u8) -> PieceAssembler {
        PieceAssembler {
            heads: BTreeMap::new(),
            apart,
            pieces_apart: BTreeMap::new(),
            joined: AssembledPieces::default(),
        }
    }

    /// Takes an entry of the database. Gives the record that it completes.
    pub fn take(&mut self, key: &[u8], value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        if key.first() != Some(&PIECE) {
            if value.first() != Some(&SPLIT) {
                return unkeyed(key, value);
            }
            let head = head_of(value)?;
            self.joined.pieces.last = self.joined.pieces.last.max(head.generation);
            self.heads.insert(key.to_vec(), head);
            return None;
        }
        if let Some((name, generation, number)) = further_piece(key)
            && name.first() == Some(&self.apart)
        {
            self.joined.pieces.last = self.joined.pieces.last.max(generation);
            self.pieces_apart.entry(name.to_vec()).or_default().push((generation, number));
            return None;
        }
        let piece = further_piece(key).and_then(|(name, generation, number)| {
            self.joined.pieces.last = self.joined.pieces.last.max(generation);
            let head = self.heads.get_mut(name).filter(|head| head.generation == generation)?;
            Some((name, head, PieceCount { generation, pieces: number }))
        });
        let Some((name, head, further)) = piece else {
            self.joined.strays.push(key.to_vec());
            return None;
        };
        head.there.extend_from_slice(value);
        self.joined.pieces.of.insert(name.to_vec(), further);
        if head.there.len() < head.length {
            return None;
        }
        // A piece that comes later finds no head and is a stray.
        let whole = self.heads.remove(name)?;
        if whole.there.len() > whole.length {
            self.joined.lost += 1;
            return None;
        }
        unkeyed(name, &whole.there)
    }

    /// The scan is over. `entry` reads an entry of the database.
    pub fn done(mut self, mut entry: impl FnMut(&[u8]) -> Option<Vec<u8>>) -> AssembledPieces {
        self.joined.lost += self.heads.len();
        for (name, pieces) in self.pieces_apart {
            let head = entry(&name).as_deref().and_then(head_of);
            for (generation, number) in pieces {
                if head.as_ref().is_some_and(|head| head.generation == generation) {
                    let further = self.joined.pieces.of.entry(name.clone()).or_default();
                    further.generation = generation;
                    further.pieces = further.pieces.max(number);
                } else {
                    self.joined.strays.push(piece_key(&name, generation, number));
                }
            }
        }
        self.joined
    }
}

fn further_piece(key: &[u8]) -> Option<(&[u8], u32, u16)> {
    let (key, number) = key.strip_prefix(&[PIECE])?.split_last_chunk::<2>()?;
    let (key, generation) = key.split_last_chunk::<4>()?;
    Some((key, u32::from_be_bytes(*generation), u16::from_be_bytes(*number)))
}

fn unkeyed(key: &[u8], value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    if key.first() != Some(&HASHED) {
        return Some((key.to_vec(), value.to_vec()));
    }
    let (length, rest) = value.strip_prefix(&[KEYED])?.split_first_chunk::<2>()?;
    let (key, value) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((key.to_vec(), value.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Database = BTreeMap<Vec<u8>, Vec<u8>>;

    /// Records with this letter are read by themselves.
    const APART: u8 = b'W';

    fn write(database: &mut Database, entries: Entries) {
        let Entries { ahead, together, after } = entries;
        for (key, value) in ahead.into_iter().chain([together]).chain(after) {
            assert!(key.len() <= KEY_BYTES + 7, "{} bytes of key", key.len());
            match value {
                Some(value) => {
                    assert!(value.len() <= PIECE_BYTES + 9, "{} bytes of value", value.len());
                    database.insert(key, value);
                }
                None => assert!(database.remove(&key).is_some(), "what goes was there"),
            }
        }
    }

    fn read(database: &Database) -> (Database, AssembledPieces) {
        let mut joining = PieceAssembler::new(APART);
        let apart = |key: &[u8]| key.first() == Some(&APART);
        let mut records: Database = database
            .iter()
            .filter(|(k, _)| !apart(k))
            .filter_map(|(k, v)| joining.take(k, v))
            .collect();
        for (k, v) in database.iter().filter(|(k, _)| apart(k)) {
            if let Some(whole) = whole(k, v, |piece| database.get(piece).cloned()) {
                records.insert(k.clone(), whole);
            }
        }
        (records, joining.done(|key| database.get(key).cloned()))
    }

    fn long(letter: u8, bytes: usize) -> Vec<u8> {
        let mut value = vec![1];
        value.extend((0..bytes).map(|n| letter.wrapping_add(n as u8)));
        value
    }

    #[test]
    fn records_of_every_size_come_back() {
        let (mut pieces, mut database) = (Pieces::default(), Database::new());
        let mut wanted = Database::new();
        let sizes = [0, 1, 799, 800, 801, 1599, 1600, 1601, 70_000];
        for (n, bytes) in sizes.into_iter().enumerate() {
            let long_key = [b"R".to_vec(), vec![n as u8; 5_000]].concat();
            for key in [vec![b'M', n as u8], vec![APART, n as u8], long_key] {
                let value = long(n as u8, bytes);
                write(&mut database, pieces.entries(key.clone(), Some(value.clone())));
                wanted.insert(key, value);
            }
        }
        let (found, AssembledPieces { pieces: mut again, lost, strays }) = read(&database);
        assert_eq!(found, wanted);
        assert_eq!((lost, strays.len()), (0, 0));
        assert_eq!(again.of, pieces.of);
        // A record that shrinks, and one that goes, leave nothing behind.
        for key in wanted.into_keys() {
            write(&mut database, again.entries(key.clone(), Some(long(7, 900))));
            write(&mut database, again.entries(key.clone(), Some(vec![1])));
            write(&mut database, again.entries(key, None));
        }
        assert_eq!(database, Database::new());
    }

    #[test]
    fn a_record_that_has_lost_a_piece_is_counted_and_the_rest_is_read() {
        for letter in [b'M', APART] {
            let (mut pieces, mut database) = (Pieces::default(), Database::new());
            write(&mut database, pieces.entries(vec![letter, 1], Some(long(1, 3_000))));
            write(&mut database, pieces.entries(vec![letter, 2], Some(long(2, 3_000))));
            database.remove(&piece_key(&[letter, 1], 1, 2));
            let (found, joined) = read(&database);
            assert_eq!(found.into_keys().collect::<Vec<_>>(), [[letter, 2]]);
            assert_eq!(joined.lost, usize::from(letter != APART), "those apart are not scanned");
        }
    }

    /// In one `apply` what goes is deleted after everything else was written.
    #[test]
    fn a_record_that_was_small_meanwhile_keeps_its_new_pieces() {
        let (mut pieces, mut database) = (Pieces::default(), Database::new());
        let key = vec![b'S', 1];
        write(&mut database, pieces.entries(key.clone(), Some(long(1, 2_000))));
        let small = pieces.entries(key.clone(), Some(long(2, 10)));
        let large = pieces.entries(key.clone(), Some(long(3, 2_000)));
        let after = [small.after, large.after].concat();
        let written = large.ahead.into_iter().chain([small.together, large.together]);
        for (key, value) in written.chain(after) {
            match value {
                Some(value) => database.insert(key, value),
                None => database.remove(&key),
            };
        }
        let (found, joined) = read(&database);
        assert_eq!(found, Database::from([(key, long(3, 2_000))]));
        assert_eq!((joined.lost, joined.strays.len()), (0, 0));
    }

    #[test]
    fn pieces_whose_head_was_never_written_harm_no_record() {
        for letter in [b'M', APART] {
            let (mut pieces, mut database) = (Pieces::default(), Database::new());
            let key = vec![letter, 1];
            write(&mut database, pieces.entries(key.clone(), Some(long(1, 3_000))));
            let Entries { ahead, .. } = pieces.entries(key.clone(), Some(long(2, 2_000)));
            let strays: Vec<_> = ahead.iter().map(|(key, _)| key.clone()).collect();
            database.extend(ahead.into_iter().filter_map(|(key, value)| Some((key, value?))));
            let (found, joined) = read(&database);
            assert_eq!(found, Database::from([(key, long(1, 3_000))]));
            assert_eq!(joined.strays, strays);
        }
    }
}
