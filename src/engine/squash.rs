//! Batches that could not be written, as one batch with the newest change of each key, so that the
//! batches of a long failure take little more memory than what is alive (behaviour.md 2.9).

use std::collections::BTreeMap;

use crate::core::record::{Batch, Durability, Key, Record, ReportRange};

/// Merges batches. Deleted reports with adjacent numbers become one range, because a long failure
/// deletes thousands of pings.
pub(super) fn squashed(batches: impl IntoIterator<Item = Batch>) -> Batch {
    let mut newest: BTreeMap<Key, Option<Record>> = BTreeMap::new();
    let mut deleted = Ranges::default();
    let (mut number, mut durability) = (0, Durability::Flushed);
    for batch in batches {
        number = batch.number;
        durability = durability.max(batch.durability);
        for (key, record) in batch.changes {
            match (key, record) {
                (key @ Key::Report(log, number), None) => {
                    newest.remove(&key);
                    deleted.add(ReportRange { log, from: number, to: number.saturating_add(1) });
                }
                (key, record) => {
                    newest.insert(key, record);
                }
            }
        }
        for range in batch.deleted_reports {
            let all = Key::Report(range.log, range.from)..Key::Report(range.log, range.to);
            let keys: Vec<Key> = newest.range(all).map(|(key, _)| key.clone()).collect();
            for key in keys {
                newest.remove(&key);
            }
            deleted.add(range);
        }
    }
    let changes = newest.into_iter().collect();
    Batch { number, changes, deleted_reports: deleted.all(), durability }
}

/// Whether a batch deletes a report.
pub(super) fn deletes(batch: &Batch, log: u64, number: u64) -> bool {
    let key = Key::Report(log, number);
    let alone = batch.changes.binary_search_by(|(other, _)| other.cmp(&key));
    alone.is_ok_and(|at| batch.changes[at].1.is_none())
        || batch.deleted_reports.iter().any(|range| range.holds(log, number))
}

/// Ranges of reports, none of which touches another: (log, from) and to.
#[derive(Default)]
struct Ranges(BTreeMap<(u64, u64), u64>);

impl Ranges {
    fn add(&mut self, range: ReportRange) {
        let ReportRange { log, mut from, mut to } = range;
        if from >= to {
            return;
        }
        while let Some((&(_, start), &end)) = self.0.range((log, 0)..=(log, to)).next_back()
            && end >= from
        {
            (from, to) = (from.min(start), to.max(end));
            self.0.remove(&(log, start));
        }
        self.0.insert((log, from), to);
    }

    fn all(self) -> Vec<ReportRange> {
        let range = |((log, from), to)| ReportRange { log, from, to };
        self.0.into_iter().map(range).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_become_one() {
        let mut ranges = Ranges::default();
        let range = |log, from, to| ReportRange { log, from, to };
        for (from, to) in [(5, 6), (1, 2), (2, 3), (9, 9), (3, 5), (8, 12), (20, 21)] {
            ranges.add(range(1, from, to));
        }
        ranges.add(range(2, 6, 8));
        ranges.add(range(1, 11, 20));
        assert_eq!(ranges.all(), [range(1, 1, 6), range(1, 8, 21), range(2, 6, 8)]);
    }

    #[test]
    fn deleted_reports_are_found_alone_and_in_ranges() {
        let alone = (Key::Report(1, 4), None);
        let range = ReportRange { log: 1, from: 7, to: 9 };
        let batch = |number, changes, deleted_reports| Batch {
            number,
            changes,
            deleted_reports,
            durability: Durability::Flushed,
        };
        let (one, two) = (batch(1, vec![alone], Vec::new()), batch(2, Vec::new(), vec![range]));
        assert!(deletes(&one, 1, 4) && !deletes(&one, 1, 5));
        let both = squashed([one, two]);
        let gone: Vec<u64> = (1..12).filter(|n| deletes(&both, 1, *n)).collect();
        assert_eq!(gone, [4, 7, 8]);
        assert!(!deletes(&both, 2, 4));
    }
}
