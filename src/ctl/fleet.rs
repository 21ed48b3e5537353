//! `playheadctl fleet`: many boxes and one collector in virtual time (feature `bench`).

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{Failure, output};
use crate::cli::FleetArgs;
use crate::config::Config;
use crate::core::settings::Settings;
use crate::sim::fleet::{self, BIN, Bound, Figures, Run, STANDS_FOR, Scenario, Way, chart};

/// Fewer boxes than this show nothing: each line would be noise.
const LEAST_BOXES: u32 = 100;
const MOST_BOXES: u32 = 1_000_000;
/// The word for every scenario, and for a list of them.
const ALL: &str = "all";
const LIST: &str = "list";

pub(super) fn run(args: &FleetArgs) -> Result<(), Failure> {
    if args.scenario == LIST {
        let rows: Vec<_> = Scenario::all()
            .iter()
            .map(|scenario| vec![scenario.name.into(), scenario.title.into()])
            .collect();
        return output::print(&output::table(&["SCENARIO", "WHAT HAPPENS"], &rows));
    }
    let scenarios = scenarios(args)?;
    let config = Config::from_overrides(&args.settings).map_err(Failure::usage)?;
    if let Some(dir) = &args.out {
        std::fs::create_dir_all(dir).map_err(|e| unwritten(dir, &e))?;
    }
    let ways: &[Way] = if args.alone { &Way::ALL[..1] } else { &Way::ALL };
    let mut held = true;
    let all = run_all(&scenarios, ways, &config.settings, args.seed);
    for (scenario, runs) in scenarios.iter().zip(&all) {
        let ours = &runs[0].figures;
        held &= Bound::of(scenario).iter().all(|bound| bound.holds(ours));
        match args.json {
            true => {
                for run in runs {
                    output::print_json(&object(scenario, run, args.seed).to_string())?;
                }
            }
            false => output::print(&text(scenario, runs))?,
        }
        if let Some(dir) = &args.out {
            let file = |end: &str| dir.join(format!("{}.{end}", scenario.name));
            write(&file("csv"), &csv(runs))?;
            write(&file("svg"), &chart::svg(scenario, runs))?;
        }
    }
    if held { Ok(()) } else { Err(Failure::failed("a bound does not hold (marked with !!)")) }
}

/// What is to be run, with as many boxes as were asked for.
fn scenarios(args: &FleetArgs) -> Result<Vec<Scenario>, Failure> {
    let mut scenarios = match args.scenario.as_str() {
        ALL => Scenario::all(),
        name => Scenario::named(name).into_iter().collect(),
    };
    if scenarios.is_empty() {
        let names: Vec<_> = Scenario::all().iter().map(|scenario| scenario.name).collect();
        return Err(Failure::usage(format!(
            "there is no scenario {:?}: expected {}, {ALL} or {LIST}",
            args.scenario,
            names.join(", ")
        )));
    }
    if let Some(boxes) = args.boxes {
        if !(LEAST_BOXES..=MOST_BOXES).contains(&boxes) {
            return Err(Failure::usage(format!(
                "--boxes is a number from {LEAST_BOXES} to {MOST_BOXES}, got {boxes}"
            )));
        }
        scenarios.iter_mut().for_each(|scenario| scenario.boxes = boxes);
    }
    Ok(scenarios)
}

/// Runs every scenario in every way, on as many threads as the machine has. The figures do not depend
/// on their number.
fn run_all(scenarios: &[Scenario], ways: &[Way], settings: &Settings, seed: u64) -> Vec<Vec<Run>> {
    let mut jobs: Vec<(usize, Way)> =
        (0..scenarios.len()).flat_map(|at| ways.iter().map(move |way| (at, *way))).collect();
    // What takes longest comes first.
    let work = |(at, way): &(usize, Way)| {
        let scenario = &scenarios[*at];
        let weight = if *way == Way::Ours { 10 } else { 1 };
        weight * i64::from(scenario.boxes) * scenario.ends_s
    };
    jobs.sort_by_key(|job| std::cmp::Reverse(work(job)));
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(jobs.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((at, way)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let run = fleet::run(&scenarios[*at], *way, settings, seed);
                    let name = scenarios[*at].name;
                    let _ = writeln!(std::io::stderr(), "{name}: {} is done", way.name());
                    if let Ok(mut done) = done.lock() {
                        done.push((*at, run));
                    }
                }
            });
        }
    });
    let mut runs: Vec<Vec<Run>> = scenarios.iter().map(|_| Vec::new()).collect();
    for (at, run) in done.into_inner().unwrap_or_default() {
        runs[at].push(run);
    }
    for runs in &mut runs {
        runs.sort_by_key(|run| ways.iter().position(|way| *way == run.way));
    }
    runs
}

/// What a scenario has shown, for people.
fn text(scenario: &Scenario, runs: &[Run]) -> String {
    let weight = f64::from(STANDS_FOR) / f64::from(scenario.boxes);
    let mut text = format!(
        "{}: {}\n{} boxes with the shipped engine, each stands for {weight:.0}; steady: {:.0} requests \
         per second, scaled {:.0}\n",
        scenario.name,
        scenario.title,
        scenario.boxes,
        scenario.steady(),
        scenario.steady() * weight
    );
    let head = [
        "DELIVERY",
        "PEAK",
        "DRAINED",
        "BROKEN",
        "LOST",
        "WAITING",
        "FRESH 99%",
        "MAX",
        "WORK/HIT",
    ];
    let rows: Vec<_> = runs.iter().map(|run| row(run.way, &run.figures)).collect();
    text.push_str(&output::table(&head, &rows));
    for run in runs {
        let lost = run.figures.lost;
        if lost.all() > 0 {
            let _ = writeln!(
                text,
                "  lost by {}: {} given up, {} closed by the server, {} in doubt, {} from memory",
                run.way.name(),
                lost.given_up,
                lost.closed,
                lost.doubt,
                lost.memory
            );
        }
    }
    for bound in Bound::of(scenario) {
        let value = bound.value(&runs[0].figures);
        let sign = if bound.holds(&runs[0].figures) { "ok" } else { "!!" };
        let _ = writeln!(text, "{sign}  {}: {value:.2}, at most {}", bound.what, bound.most);
    }
    text.push('\n');
    text
}

fn row(way: Way, figures: &Figures) -> Vec<String> {
    let share = |part: u64| match part as f64 / figures.made.max(1) as f64 {
        share if share > 0.0 && share < 0.000_1 => "<0.01 %".to_owned(),
        share => format!("{:.2} %", share * 100.0),
    };
    vec![
        way.name().to_owned(),
        format!("{:.2}", figures.peak),
        figures.drained.map_or_else(|| "never".to_owned(), output::position),
        format!("{:.1} %", figures.broken * 100.0),
        share(figures.lost.all()),
        share(figures.waiting),
        format!("{:.0} s", figures.fresh_99),
        format!("{:.0} s", figures.fresh_most),
        format!("{:.2}", figures.work),
    ]
}

fn object(scenario: &Scenario, run: &Run, seed: u64) -> Value {
    let Figures { steady, peak, drained, broken, made, lost, waiting, .. } = &run.figures;
    let bounds = Bound::of(scenario).iter().filter(|_| run.way == Way::Ours).map(|bound| {
        let value = bound.value(&run.figures);
        let value = value.is_finite().then_some(value);
        json!({ "what": bound.what, "value": value, "most": bound.most,
                "holds": bound.holds(&run.figures) })
    });
    json!({
        "scenario": scenario.name,
        "delivery": run.way.name(),
        "seed": seed,
        "boxes": scenario.boxes,
        "stands_for": STANDS_FOR,
        "steady_planned": scenario.steady(),
        "steady": steady,
        "peak": peak,
        "drained_s": drained,
        "broken": broken,
        "made": made,
        "lost": { "given_up": lost.given_up, "closed": lost.closed, "doubt": lost.doubt,
                  "memory": lost.memory },
        "waiting": waiting,
        "fresh_99_s": run.figures.fresh_99,
        "fresh_most_s": run.figures.fresh_most,
        "work_per_hit": run.figures.work,
        "bounds": bounds.collect::<Vec<_>>(),
    })
}

/// What happened in each 10 s, a line each.
fn csv(runs: &[Run]) -> String {
    let mut text = "second".to_owned();
    for run in runs {
        let name = run.way.name().replace(' ', "_");
        let _ = write!(text, ",{name}_requests,{name}_handshakes,{name}_taken,{name}_taken_old");
    }
    text.push('\n');
    let bins = runs.iter().map(|run| run.bins.len()).min().unwrap_or_default();
    for at in 0..bins {
        let _ = write!(text, "{}", at as i64 * BIN / 1000);
        for bin in runs.iter().map(|run| run.bins[at]) {
            let _ = write!(text, ",{},{},{},{}", bin.requests, bin.handshakes, bin.useful, bin.old);
        }
        text.push('\n');
    }
    text
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|e| unwritten(path, &e))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{} cannot be written: {error}", path.display()))
}
