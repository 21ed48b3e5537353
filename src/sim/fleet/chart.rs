//! A scenario as a picture: what arrives at the collector, as lines over time, readable in light and in
//! dark.

use std::fmt::Write;

use super::Run;
use super::collector::CAPACITY;
use super::figures::{BIN, Bin};
use super::scenarios::Scenario;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 400.0;
/// Room for the text around the lines.
const LEFT: f64 = 44.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 74.0;
const BOTTOM: f64 = 44.0;
/// No line has more points.
const POINTS: usize = 400;

const STYLE: &str = "
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 14px; font-weight: 600 }
  .paper { fill: #ffffff } .wrong { fill: #d1242f; opacity: .08 }
  .grid { stroke: #d1d9e0; stroke-width: 1 } .limit { stroke: #59636e; stroke-dasharray: 6 4 }
  .line { fill: none; stroke-width: 1.3; stroke-linejoin: round } .w0 { stroke-width: 2.6 }
  .w0 { stroke: #0550ae } .w1 { stroke: #bc4c00 } .w2 { stroke: #1a7f37 }
  .w3 { stroke: #8250df } .w4 { stroke: #6e7781 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .paper { fill: #0d1117 } .grid { stroke: #30363d }
    .limit { stroke: #9198a1 } .wrong { fill: #ff7b72; opacity: .14 }
    .w0 { stroke: #79c0ff } .w1 { stroke: #ffa657 } .w2 { stroke: #56d364 }
    .w3 { stroke: #d2a8ff } .w4 { stroke: #8b949e }
  }
";

/// The picture of one scenario, as SVG. The first run has the thickest line.
pub fn svg(scenario: &Scenario, runs: &[Run]) -> String {
    let steady = scenario.steady() * BIN as f64 / 1000.0;
    let peak = runs.first().map_or(0.0, |run| run.figures.peak);
    let top = (peak.max(CAPACITY) * 1.3).ceil();
    let (wide, high) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let x = |seconds: f64| LEFT + wide * seconds / scenario.ends_s as f64;
    let y = |times: f64| TOP + high * (1.0 - times.min(top) / top);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         role=\"img\" aria-label=\"{}\">\n<style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n\
         <text class=\"title\" x=\"{LEFT}\" y=\"22\">{}: {}</text>\n",
        scenario.title, scenario.name, scenario.title
    );
    let (begins, over) = (scenario.begins_s as f64, scenario.over_s as f64);
    let wrong = (x(over) - x(begins)).max(1.0);
    let _ = writeln!(
        svg,
        "<rect class=\"wrong\" x=\"{:.1}\" y=\"{TOP}\" width=\"{wrong:.1}\" height=\"{high}\"/>",
        x(begins)
    );
    for times in 0..=top as u32 {
        let at = y(f64::from(times));
        let end = WIDTH - RIGHT;
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{times}x</text>",
            LEFT - 6.0,
            at + 4.0
        );
    }
    for seconds in ticks(scenario.ends_s) {
        let label = match seconds % 3_600 {
            0 if scenario.ends_s > 4 * 3_600 => format!("{} h", seconds / 3_600),
            _ => format!("{} min", seconds / 60),
        };
        let at = x(seconds as f64);
        let _ = writeln!(
            svg,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            HEIGHT - BOTTOM + 18.0
        );
    }
    let (limit, end) = (y(CAPACITY), WIDTH - RIGHT);
    let _ = writeln!(
        svg,
        "<line class=\"limit\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{limit:.1}\" y2=\"{limit:.1}\"/>\
         <text x=\"{end}\" y=\"{:.1}\" text-anchor=\"end\">capacity</text>",
        limit - 4.0
    );
    // The first one lies on top of the others.
    for (n, run) in runs.iter().enumerate().rev() {
        let points = points(&run.bins, scenario.ends_s)
            .map(|(seconds, requests)| format!("{:.1},{:.1}", x(seconds), y(requests / steady)));
        let points = points.collect::<Vec<_>>().join(" ");
        let _ = writeln!(svg, "<polyline class=\"line w{n}\" points=\"{points}\"/>");
    }
    let column = wide / runs.len().max(1) as f64;
    for (n, run) in runs.iter().enumerate() {
        let at = LEFT + column * n as f64;
        let _ = writeln!(
            svg,
            "<line class=\"line w{n}\" x1=\"{at:.1}\" x2=\"{:.1}\" y1=\"44\" y2=\"44\"/>\
             <text x=\"{:.1}\" y=\"48\">{}, peak {:.1}x</text>",
            at + 20.0,
            at + 26.0,
            run.way.name(),
            run.figures.peak
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.1}\">requests that reach the collector, in relation to the steady \
         rate, by minutes of the run; what is wrong is shaded</text>\n</svg>",
        HEIGHT - 8.0
    );
    svg
}

/// Seconds at which the time is written.
fn ticks(ends: i64) -> impl Iterator<Item = i64> {
    let step = [300, 600, 900, 1_800, 3_600, 7_200].into_iter().find(|step| ends / step <= 12);
    (0..=ends).step_by(step.unwrap_or(7_200) as usize)
}

/// The most requests of each stretch of the run, with the seconds at its middle.
fn points(bins: &[Bin], ends: i64) -> impl Iterator<Item = (f64, f64)> {
    let bins = &bins[..((ends * 1000 / BIN) as usize).min(bins.len())];
    let together = bins.len().div_ceil(POINTS).max(1);
    bins.chunks(together).enumerate().map(move |(n, bins)| {
        let most = bins.iter().map(|bin| bin.requests).max().unwrap_or_default();
        let middle = (n * together) as f64 + bins.len() as f64 / 2.0;
        (middle * BIN as f64 / 1000.0, f64::from(most))
    })
}
