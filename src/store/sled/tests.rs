use super::*;
use crate::core::record::{ReadId, Record};
use crate::core::report::{Report, What};
use crate::core::time::BootInstant;

fn report(n: u64) -> (Key, Option<Record>) {
    let report = Report::new(What::Ping, BootInstant(n as i64), 0.0);
    (Key::Report(1, n), Some(Record::Report(StoredReport { report, recorded_at: None })))
}

fn batch(changes: Vec<(Key, Option<Record>)>) -> Batch {
    let (deleted_reports, deleted) = (Vec::new(), Vec::new());
    Batch { number: 1, changes, deleted_reports, deleted, durability: Durability::Synced }
}

fn numbers(store: &SledStore, from: u64, to: u64, most: usize) -> Vec<u64> {
    let range = ReportRange { log: 1, from, to };
    let reports = store.read(&Read { id: ReadId(1), range, most }).unwrap();
    reports.reports.into_iter().map(|(number, _)| number).collect()
}

#[test]
fn what_was_written_is_read_again_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, stored) = SledStore::open(dir.path(), 1, u64::MAX).unwrap();
    assert!(stored.newest.is_empty());
    let written = batch(vec![report(300), report(2), report(1)]);
    store.apply(&[written, batch(vec![(Key::Report(1, 2), None)])]).unwrap();
    store.close();
    let (store, stored) = SledStore::open(dir.path(), 1, u64::MAX).unwrap();
    assert_eq!(numbers(&store, 0, u64::MAX, 9), [1, 300]);
    assert_eq!(stored.newest.len(), 1, "they belong to no log, and are not read");
    assert_eq!(stored.newest[0].1.len(), 1);
}

#[test]
fn reports_are_read_in_steps_and_deleted_in_ranges() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = SledStore::open(dir.path(), 1, u64::MAX).unwrap();
    let large = |n: u64| {
        let error = crate::core::report::PlayerError {
            id: "e".repeat(2_000),
            source: crate::core::report::ErrorSource::Player,
        };
        let report = Report::new(What::Error(Box::new(error)), BootInstant(n as i64), 0.0);
        (Key::Report(1, n), Some(Record::Report(StoredReport { report, recorded_at: None })))
    };
    for n in 1..=200 {
        store.apply(&[batch(vec![if n % 5 == 0 { large(n) } else { report(n) }])]).unwrap();
    }
    assert_eq!(numbers(&store, 3, 200, 4), [3, 4, 5, 6]);
    let gone = vec![ReportRange { log: 1, from: 0, to: 198 }];
    store.apply(&[Batch { deleted_reports: gone, ..batch(Vec::new()) }]).unwrap();
    assert_eq!(numbers(&store, 0, u64::MAX, 9), [198, 199, 200]);
    store.close();
    let (store, _) = SledStore::open(dir.path(), 1, u64::MAX).unwrap();
    assert_eq!(numbers(&store, 0, u64::MAX, 9), [198, 199, 200]);
    let left = store.db.range(..).count();
    assert_eq!(left, 3 + 2, "three reports, one of them in three pieces");
}

#[test]
fn the_size_on_disk_stays_below_its_limit_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    const MAX: u64 = 600_000;
    let (mut store, _) = SledStore::open(dir.path(), 1, MAX).unwrap();
    let mut largest = 0;
    for n in 0..6_000 {
        let gone = (Key::Report(1, n), None);
        store.apply(&[batch(vec![report(n)]), batch(vec![gone]), batch(vec![report(7)])]).unwrap();
        largest = largest.max(store.bytes_on_disk());
    }
    assert!(largest < 2 * MAX, "{largest} bytes");
    store.close();
    let (store, _) = SledStore::open(dir.path(), 1, MAX).unwrap();
    assert_eq!(numbers(&store, 0, u64::MAX, 9), [7]);
}

#[test]
fn a_deleted_store_keeps_no_old_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = SledStore::open(dir.path(), 1, u64::MAX).unwrap();
    let media = crate::core::media::MediaInfo {
        id: "a-film-that-nobody-should-know-of".into(),
        ..Default::default()
    };
    store.apply(&[batch(vec![(Key::Media(1), Some(Record::Media(media.into())))])]).unwrap();
    let trace = |dir: &Path| {
        let mut found = false;
        for entry in std::fs::read_dir(dir.join("db")).unwrap().flatten() {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            found |= String::from_utf8_lossy(&bytes).contains("nobody-should-know");
        }
        found
    };
    assert!(trace(dir.path()));
    crate::store::consent::delete_older(dir.path(), 2).unwrap();
    assert!(!dir.path().join("db").exists());
    // The old database is left open, as the daemon leaves it.
    let (mut store, stored) = SledStore::open(dir.path(), 2, u64::MAX).unwrap();
    assert!(stored.media.is_empty());
    store.apply(&[batch(vec![report(1)])]).unwrap();
}

#[test]
fn a_second_daemon_is_told_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = SledStore::open(dir.path(), 1, u64::MAX).unwrap();
    store.apply(&[batch(vec![report(1)])]).unwrap();
    let lock = guard::Lock::take(dir.path()).unwrap();
    let second = guard::Lock::take(dir.path()).err().unwrap();
    assert!(matches!(second, StoreError::InUse { .. }), "{second}");
    drop(lock);
    store.close();
    let (store, _) = SledStore::open(dir.path(), 1, u64::MAX).unwrap();
    assert_eq!(numbers(&store, 0, u64::MAX, 9), [1]);
}

/// What a queue of 1 MiB that moves on did to a store: the most that it took on disk with the copy
/// of a compaction, the bytes that compactions have copied, and those that sled has written besides.
fn moved_on(most: u64) -> (u64, u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = SledStore::open(dir.path(), 1, most).unwrap();
    let heavy = |n: u64| {
        let error = crate::core::report::PlayerError {
            id: "e".repeat(2_000),
            source: crate::core::report::ErrorSource::Player,
        };
        let report = Report::new(What::Error(Box::new(error)), BootInstant(n as i64), 0.0);
        (Key::Report(1, n), Some(Record::Report(StoredReport { report, recorded_at: None })))
    };
    let (mut size, mut copied, mut written, mut before) = (0, 0, 0, 0);
    for n in (500..4_000_u64).step_by(20) {
        let gone = (n - 500..n - 480).map(|n| (Key::Report(1, n), None));
        store.apply(&[batch(gone.chain((n..n + 20).map(heavy)).collect())]).unwrap();
        match store.written_bytes.checked_sub(before) {
            Some(more) => written += more,
            None => copied += store.compacted_bytes,
        }
        before = store.written_bytes;
        size = size.max(store.bytes_on_disk() + store.compacted_bytes);
    }
    (size, copied, written)
}

#[test]
fn a_store_that_is_large_enough_stays_within_its_size() {
    const MOST: u64 = 6 << 20;
    let (size, copied, written) = moved_on(MOST);
    assert!(size <= MOST, "{size} bytes");
    assert!(copied < written, "{copied} bytes were copied, {written} written besides");
}

#[test]
fn a_store_that_is_too_small_does_not_wear_itself_out() {
    let (_, copied, written) = moved_on(2 << 20);
    assert!(copied > 0, "it was compacted");
    assert!(copied < 3 * written, "{copied} bytes were copied, {written} written besides");
}
