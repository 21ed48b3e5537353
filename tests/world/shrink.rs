//! Cuts a bad day down to the lines without which it is not bad.

use crate::day::Day;
use crate::oracle;
use crate::run::World;
use crate::truth::Wrong;

/// How many days a shrink may cost.
const MOST_TRIES: u32 = 800;

pub fn run(day: &Day) -> Vec<Wrong> {
    oracle::judge(&World::new(day).run())
}

/// The smallest day found that breaks the same rule.
pub fn shrink(day: &Day, rule: &str) -> Day {
    let mut tries = 0;
    let mut bad = |day: &Day| {
        tries += 1;
        tries <= MOST_TRIES && run(day).iter().any(|wrong| wrong.rule == rule)
    };
    let mut best = day.clone();
    let mut size = best.lines.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        let mut better = false;
        while at < best.lines.len() {
            let mut less = best.clone();
            less.lines.drain(at..(at + size).min(less.lines.len()));
            if bad(&less) {
                best = less;
                better = true;
            } else {
                at += size;
            }
        }
        if size == 1 && !better {
            break;
        }
        size = if better && size == 1 { 1 } else { size / 2 };
    }
    best
}
