//! Looks at many days, and cuts a bad one down to the lines without which it is not bad.

use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::day::Day;
use crate::oracle;
use crate::run::World;
use crate::truth::Wrong;

/// How many days a shrink may cost.
const MOST_TRIES: u32 = 800;

/// More bad days than this tell nothing new.
pub const MOST_REPORTS: usize = 5;

/// Everything that is wrong with a day; a panic is.
pub fn run(day: &Day) -> Vec<Wrong> {
    let judged = catch_unwind(|| oracle::judge(&World::new(day).run()));
    judged.unwrap_or_else(|_| vec![Wrong::new("panic", "see above".to_owned())])
}

/// The smallest day found that breaks the same rule.
fn shrink(day: &Day, rule: &str) -> Day {
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

/// The report on a bad day: the smallest timeline that shows what is wrong, and what that is.
fn report(day: &Day) -> Option<String> {
    let wrong = run(day);
    let rule = wrong.first()?.rule;
    let small = shrink(day, rule);
    let mut text = format!("seed {} breaks '{rule}'; cut down:\n", day.knobs.seed);
    text.push_str(&small.to_text());
    for wrong in run(&small) {
        text.push_str(&format!("  {}: {}\n", wrong.rule, wrong.text));
    }
    Some(text)
}

/// What came of many days.
pub struct Seen {
    pub days: u64,
    pub bad: u64,
    pub reports: Vec<String>,
}

/// Looks at days in several threads, from one seed on, while `more` says so. `change` makes something
/// else of each.
pub fn look(
    threads: usize,
    from: u64,
    change: fn(Day) -> Day,
    more: impl Fn(&Seen, u64) -> bool + Sync,
) -> Seen {
    let next = AtomicU64::new(from);
    let seen = Mutex::new(Seen { days: 0, bad: 0, reports: Vec::new() });
    let worker = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !more(&seen.lock().expect("no panic"), seed) {
                return;
            }
            let day = change(Day::thrown(seed));
            let wrong = run(&day);
            let bad = !wrong.is_empty();
            if let Some(Wrong { rule, text }) = wrong.first() {
                // At once: cutting it down may take longer than the test may.
                println!("seed {seed}: {rule}: {text}");
            }
            let wanted = {
                let mut seen = seen.lock().expect("no panic");
                seen.days += 1;
                seen.bad += u64::from(bad);
                bad && seen.reports.len() < MOST_REPORTS
            };
            if wanted {
                let report = report(&day);
                seen.lock().expect("no panic").reports.extend(report);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(worker);
        }
    });
    seen.into_inner().expect("no panic")
}
