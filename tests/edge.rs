//! Media Edge on the real daemon, over TLS: what each answer of docs/media-edge.md 7 does to hits, and
//! what an operator gets to know of it.

mod common;

#[path = "edge/box_and_collector.rs"]
mod box_and_collector;
#[path = "edge/change_of_kind.rs"]
mod change_of_kind;
#[path = "edge/downloads.rs"]
mod downloads;
#[path = "edge/identity.rs"]
mod identity;
#[path = "edge/operator.rs"]
mod operator;
#[path = "edge/problems.rs"]
mod problems;
#[path = "tls/scene.rs"]
#[allow(dead_code, reason = "tests/tls needs the rest")]
mod scene;
#[path = "edge/starts.rs"]
mod starts;
#[path = "edge/unreadable.rs"]
mod unreadable;

/// The words of the cases know time as a number.
#[test]
fn times_are_read() {
    assert_eq!(common::from_edge::unix_ms("2023-11-14T22:13:20.007Z"), 1_700_000_000_007);
    assert_eq!(common::from_edge::unix_ms("1970-01-01T00:00:00.000Z"), 0);
}
