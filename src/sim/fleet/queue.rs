//! The one event queue of a fleet: what happens next, and to which box.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Something that happens at an instant; at one instant in the order in which it was put in.
#[derive(Debug)]
struct Entry<T> {
    at: i64,
    turn: u64,
    what: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Entry<T>) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Entry<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    /// The heap gives the greatest, which is the earliest.
    fn cmp(&self, other: &Entry<T>) -> Ordering {
        (other.at, other.turn).cmp(&(self.at, self.turn))
    }
}

#[derive(Debug)]
pub struct Queue<T> {
    heap: BinaryHeap<Entry<T>>,
    turns: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue { heap: BinaryHeap::new(), turns: 0 }
    }
}

impl<T> Queue<T> {
    /// `at` is in milliseconds of the fleet's time.
    pub fn put(&mut self, at: i64, what: T) {
        self.heap.push(Entry { at, turn: self.turns, what });
        self.turns += 1;
    }

    pub fn next(&mut self) -> Option<(i64, T)> {
        self.heap.pop().map(|entry| (entry.at, entry.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_of_one_instant_the_first_put_in() {
        let mut queue = Queue::default();
        for (at, what) in [(3, 'd'), (1, 'a'), (2, 'b'), (2, 'c')] {
            queue.put(at, what);
        }
        let order: String = std::iter::from_fn(|| queue.next()).map(|(_, what)| what).collect();
        assert_eq!(order, "abcd");
    }
}
