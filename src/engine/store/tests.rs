use super::*;
use crate::core::record::{Durability, ReportRange, StoredReport};
use crate::core::report::{Report, What};

fn batch(number: u64, reports: &[u64], gone: Vec<ReportRange>) -> Batch {
    let report = Report::new(What::Ping, BootInstant(0), 0.0);
    let record = Record::Report(StoredReport { report, recorded_at: None });
    let changes = reports.iter().map(|n| (Key::Report(1, *n), Some(record.clone()))).collect();
    let durability = Durability::Flushed;
    Batch { number, changes, deleted_reports: gone, deleted: Vec::new(), durability }
}

const T0: BootInstant = BootInstant(1_000);

#[test]
fn what_waits_is_one_job_and_one_is_under_way_at_a_time() {
    let mut store = StoreQueue::new(StoreState::Works, T0);
    store.write(batch(1, &[1], Vec::new()));
    let Some(StoreJob::Write(batches)) = store.next(T0) else { panic!("a job") };
    assert_eq!(batches.len(), 1);
    store.write(batch(2, &[2], Vec::new()));
    store.write(batch(3, &[3], Vec::new()));
    assert_eq!(store.next(T0), None);
    assert_eq!(store.done(StoreDone::Written(Ok(())), T0), JobResult::Written(1));
    let Some(StoreJob::Write(batches)) = store.next(T0) else { panic!("a job") };
    assert_eq!(batches.len(), 2);
}

#[test]
fn what_failed_is_kept_squashed_and_tried_again_later() {
    let mut store = StoreQueue::new(StoreState::Works, T0);
    store.write(batch(1, &[1, 2], Vec::new()));
    assert!(store.next(T0).is_some());
    let gone = ReportRange { log: 1, from: 0, to: 2 };
    store.write(batch(2, &[3], vec![gone]));
    assert_eq!(store.done(StoreDone::Written(Err("full".into())), T0), JobResult::Failed(2));
    assert!(!store.healthy());
    assert_eq!(store.next(T0), None, "left alone for a while");
    assert_eq!(store.deadline(), Some(T0 + RETRY));
    store.write(batch(3, &[4], Vec::new()));
    assert_eq!(store.given_up(T0), Some(3), "nobody waits for it");
    let Some(StoreJob::Write(batches)) = store.next(T0 + RETRY) else { panic!("a job") };
    let keys: Vec<&Key> = batches.iter().flat_map(|b| &b.changes).map(|(k, _)| k).collect();
    assert_eq!(keys, [&Key::Report(1, 2), &Key::Report(1, 3), &Key::Report(1, 4)]);
    assert_eq!(store.done(StoreDone::Written(Ok(())), T0 + RETRY), JobResult::Written(3));
    assert!(store.healthy());
}

#[test]
fn a_wipe_forgets_what_waits_and_comes_first() {
    let mut store = StoreQueue::new(StoreState::Works, T0);
    store.write(batch(1, &[1], Vec::new()));
    store.wipe(2, true);
    assert_eq!(store.next(T0), None, "the consent file comes first");
    store.may_wipe();
    store.write(batch(2, &[2], Vec::new()));
    assert_eq!(store.next(T0), Some(StoreJob::Wipe { generation: 2 }));
    assert_eq!(store.done(StoreDone::Wiped(Ok(())), T0), JobResult::Nothing);
    assert!(matches!(store.next(T0), Some(StoreJob::Write(_))));
}

#[test]
fn a_read_that_fails_is_tried_again_and_holds_no_write_up() {
    let mut store = StoreQueue::new(StoreState::Works, T0);
    let range = ReportRange { log: 1, from: 0, to: 9 };
    let read = Read { id: ReadId(1), range, most: 4 };
    store.read(read);
    assert_eq!(store.next(T0), Some(StoreJob::Read(read)));
    assert_eq!(store.done(StoreDone::Read(Err("EIO".into())), T0), JobResult::Nothing);
    assert_eq!(store.deadline(), Some(T0 + RETRY));
    store.write(batch(1, &[1], Vec::new()));
    assert!(matches!(store.next(T0), Some(StoreJob::Write(_))));
    store.done(StoreDone::Written(Ok(())), T0);
    assert_eq!(store.next(T0 + RETRY), Some(StoreJob::Read(read)));
}

#[test]
fn a_store_that_cannot_be_written_is_read_without_what_waiting_batches_delete() {
    let mut store = StoreQueue::new(StoreState::Works, T0);
    let gone = ReportRange { log: 1, from: 0, to: 2 };
    store.write(Batch { changes: vec![(Key::Report(1, 4), None)], ..batch(1, &[], vec![gone]) });
    assert!(store.next(T0).is_some());
    store.done(StoreDone::Written(Err("full".into())), T0);
    let read = Read { id: ReadId(1), range: ReportRange { log: 1, from: 0, to: 9 }, most: 64 };
    store.read(read);
    assert_eq!(store.deadline(), Some(BootInstant(i64::MIN)), "it need not wait");
    assert_eq!(store.next(T0), Some(StoreJob::Read(read)));
    let reports = batch(1, &[1, 2, 3, 4, 5], Vec::new()).changes.into_iter();
    let stored = reports.filter_map(|(key, record)| match (key, record) {
        (Key::Report(_, number), Some(Record::Report(report))) => Some((number, report)),
        _ => None,
    });
    let found = ReadReports { reports: stored.collect(), to: 9 };
    let JobResult::Read(_, found) = store.done(StoreDone::Read(Ok(found)), T0) else {
        panic!("the reports")
    };
    let numbers: Vec<u64> = found.reports.iter().map(|(number, _)| *number).collect();
    assert_eq!((numbers, found.to), (vec![2, 3, 5], 9));
}

#[test]
fn a_store_that_could_not_be_read_is_joined_before_it_is_written() {
    let mut store = StoreQueue::new(StoreState::Unread("no memory".into()), T0);
    store.write(batch(1, &[1], Vec::new()));
    assert_eq!(store.next(T0), None, "left alone for a while");
    assert_eq!(store.given_up(T0), Some(1));
    assert_eq!(store.deadline(), Some(T0 + RETRY));
    let later = T0 + RETRY;
    assert_eq!(store.next(later), Some(StoreJob::Join));
    assert_eq!(store.done(StoreDone::Joined(Err("no".into())), later), JobResult::Failed(1));
    assert_eq!(store.next(later), None);
    let later = later + RETRY;
    assert_eq!(store.next(later), Some(StoreJob::Join));
    let joined = store.done(StoreDone::Joined(Ok(Box::default())), later);
    assert!(matches!(joined, JobResult::Joined(_)));
    assert!(matches!(store.next(later), Some(StoreJob::Write(_))));
    assert!(!store.healthy(), "nothing is written yet");
    assert_eq!(store.done(StoreDone::Written(Ok(())), later), JobResult::Written(1));
    assert!(store.healthy());
}

#[test]
fn nobody_waits_for_a_job_that_does_not_end() {
    let mut store = StoreQueue::new(StoreState::Works, T0);
    store.write(batch(1, &[1], Vec::new()));
    assert!(store.next(T0).is_some());
    assert_eq!(store.given_up(T0), None);
    assert_eq!(store.deadline(), Some(T0 + PATIENCE));
    assert_eq!(store.given_up(T0 + PATIENCE), Some(1));
    assert!(!store.healthy());
    assert_eq!(store.deadline(), None);
    store.write(batch(2, &[2], Vec::new()));
    assert_eq!(store.given_up(T0 + PATIENCE), Some(2));
    assert_eq!(store.done(StoreDone::Written(Ok(())), T0 + PATIENCE), JobResult::Written(1));
    assert!(store.healthy());
}
