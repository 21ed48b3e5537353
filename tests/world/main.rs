//! Whatever goes wrong, nothing is lost: the whole agent through random days of several players,
//! with crashes, power cuts, sleeps, clock jumps, outages, a collector with every fault and a full
//! disk (docs/behaviour.md 2.5 to 2.11). A bad day is printed as the smallest timeline that shows
//! it.
//!
//! `day` throws the lines of a day from a seed. `run` plays them to the agent (`src/core`) and, line
//! by line, to `model`, an obvious twin that writes down in `truth` what is owed. `oracle` holds
//! what arrived at the collector against that. `search` goes through days and cuts bad ones down;
//! those worth keeping are in `bad_days`. Players that speak MPRIS have days of their own, in
//! `viewers`.

mod bad_days;
mod day;
#[path = "../conformance/from_edge.rs"]
#[allow(dead_code, reason = "no exchange of a simulation is read here")]
mod from_edge;
mod model;
mod oracle;
mod run;
mod search;
mod truth;
mod viewers;

use bad_days::BAD_DAYS;
use day::Day;
use search::{MOST_REPORTS, look};

/// What `make test` runs, in parts that share the processors with the other tests.
const DAYS: u64 = 800;
const DAYS_OF_A_PART: u64 = 100;
const DAYS_OF_A_BAD_DISK: u64 = 150;

macro_rules! parts {
    ($($name:ident = $part:literal),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                hold($part * DAYS_OF_A_PART, DAYS_OF_A_PART, |day| day);
            }
        )*

        #[test]
        fn the_parts_are_all_the_days() {
            let parts: &[u64] = &[$($part),*];
            assert_eq!(parts.len() as u64 * DAYS_OF_A_PART, DAYS);
        }
    };
}

parts!(
    nothing_is_lost_in_random_days_0 = 0,
    nothing_is_lost_in_random_days_1 = 1,
    nothing_is_lost_in_random_days_2 = 2,
    nothing_is_lost_in_random_days_3 = 3,
    nothing_is_lost_in_random_days_4 = 4,
    nothing_is_lost_in_random_days_5 = 5,
    nothing_is_lost_in_random_days_6 = 6,
    nothing_is_lost_in_random_days_7 = 7,
);

/// A store that fails at every tenth step breaks promises, and says so; it loses nothing but what
/// was not on it when the agent died meanwhile.
#[test]
fn nothing_is_lost_on_a_store_that_fails_at_every_tenth_step() {
    hold(0, DAYS_OF_A_BAD_DISK, |mut day| {
        day.knobs.disk_fails_every = 10;
        day
    });
}

fn hold(from: u64, days: u64, change: fn(Day) -> Day) {
    let more = |seen: &search::Seen, seed| seed < from + days && seen.reports.len() < MOST_REPORTS;
    let seen = look(1, from, change, more);
    assert!(seen.reports.is_empty(), "{}", seen.reports.join("\n"));
    assert_eq!(seen.days, days);
}

/// Evenings of players that speak MPRIS.
const EVENINGS: u64 = 500;

#[test]
fn what_viewers_at_odd_players_saw_is_what_arrives() {
    let mut report = String::new();
    let mut bad = 0;
    for seed in 0..EVENINGS {
        let wrong = viewers::look(seed);
        if !wrong.is_empty() && bad < MOST_REPORTS {
            let text = viewers::text(seed);
            report.push_str(&format!("evening {seed}: {}\n{text}", wrong.join("\n  ")));
        }
        bad += usize::from(!wrong.is_empty());
    }
    assert_eq!(bad, 0, "{report}");
}

#[test]
fn days_that_were_bad_once_are_not_any_more() {
    let mut still = String::new();
    for (name, text) in BAD_DAYS {
        for wrong in search::run(&Day::read(text)) {
            still.push_str(&format!("{name}\n  {}: {}\n", wrong.rule, wrong.text));
        }
    }
    assert!(still.is_empty(), "{still}");
}

#[test]
fn a_day_is_the_same_each_time_and_as_a_file() {
    let day = Day::thrown(7);
    assert_eq!(day, Day::thrown(7));
    assert_eq!(day, Day::read(&day.to_text()));
    let posts = |day: &Day| format!("{:?}", run::World::new(day).run().posts);
    assert_eq!(posts(&day), posts(&day));
}

/// A number that `make` gives.
#[allow(clippy::disallowed_methods)] // `make soak` has no other way to say it
fn given(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// `make soak`: days until the time is over.
#[test]
#[ignore = "make soak SECONDS=N"]
#[allow(clippy::disallowed_methods)] // how long a soak lasts is a matter of the wall clock
fn soak() {
    let number = |name: &str| given(name).and_then(|n| n.parse::<u64>().ok());
    let seconds = number("WORLD_SECONDS").unwrap_or(60);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    let from = number("WORLD_FROM").unwrap_or(DAYS);
    // A tenth of the time is for evenings at players that speak MPRIS.
    let evenings_end = std::time::Instant::now() + std::time::Duration::from_secs(seconds) / 10;
    let (mut evenings, mut bad) = (0, 0);
    for seed in from.. {
        if std::time::Instant::now() >= evenings_end {
            break;
        }
        let wrong = viewers::look(seed);
        evenings += 1;
        bad += usize::from(!wrong.is_empty());
        if !wrong.is_empty() && bad <= MOST_REPORTS {
            println!("evening {seed}: {}\n{}", wrong.join("\n  "), viewers::text(seed));
        }
    }
    println!("{evenings} evenings, {bad} with violations");
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let seen = look(threads, from, |day| day, |_, _| std::time::Instant::now() < end);
    println!("{} days, {} with violations\n{}", seen.days, seen.bad, seen.reports.join("\n"));
    assert_eq!((seen.bad, bad), (0, 0));
}

/// `make world FILE=day.jsonl`: what is wrong with a day that was kept; or, with `SEED=N`, the day
/// of that seed.
#[test]
#[ignore = "make world FILE=... or SEED=..."]
fn one_day() {
    let file = given("WORLD_FILE").filter(|f| !f.is_empty());
    let seed = given("WORLD_SEED").and_then(|n| n.parse().ok()).unwrap_or(0);
    let day = match file {
        Some(file) => Day::read(&std::fs::read_to_string(file).expect("a timeline file")),
        None => Day::thrown(seed),
    };
    print!("{}", day.to_text());
    for post in run::World::new(&day).run().posts {
        println!("{post}");
    }
    for wrong in search::run(&day) {
        println!("  {}: {}", wrong.rule, wrong.text);
    }
}
