//! What is counted in a run, and what it says of a way to deliver.

use super::collector::Arrival;
use super::hit::{Hit, Kind};
use super::sdk::Lost;

/// The width of what is counted together, in ms.
pub const BIN: i64 = 10_000;
/// The oldest that a ping is told apart, in seconds.
const OLDEST: usize = 7_200;

/// What happens at the collector in 10 s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bin {
    /// Requests that reached it, and TLS handshakes that it carried out.
    pub requests: u32,
    pub handshakes: u32,
    /// Hits that were taken.
    pub useful: u32,
    /// Of these, such that had happened before the end of what was wrong.
    pub old: u32,
}

/// When what is looked at happens, in ms of the fleet's time.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// What is wrong begins and ends; the run ends.
    pub begins: i64,
    pub over: i64,
    pub ends: i64,
}

#[derive(Debug)]
pub struct Counted {
    pub times: Times,
    pub bins: Vec<Bin>,
    /// How old the pings of viewings without anything old were when they were taken: how many, by
    /// seconds.
    fresh: Vec<u32>,
}

/// What a run has shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Requests per second before anything is wrong, as measured.
    pub steady: f64,
    /// The most requests in 10 s from then on, in relation to the steady rate that was planned for.
    pub peak: f64,
    /// Seconds until 99 % of what was old has arrived; `None` when it has not until the end of the run.
    pub drained: Option<f64>,
    /// The share of viewings that had a session closed by the collector for want of hits.
    pub broken: f64,
    /// Hits that were made, and what became of those that did not arrive.
    pub made: u64,
    pub lost: Lost,
    pub waiting: u64,
    /// Seconds: the age of the pings of viewings without anything old when they arrive, of 99 % of them
    /// and of the oldest one.
    pub fresh_99: f64,
    pub fresh_most: f64,
    /// Requests and handshakes for each hit that was taken: while something is wrong, or where nearly
    /// nothing is taken then, until the end of the run.
    pub work: f64,
}

/// What the boxes know at the end of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ends {
    pub made: u64,
    pub lost: Lost,
    pub waiting: u64,
    pub viewings: u64,
    pub broken: u64,
}

impl Counted {
    pub fn new(times: Times) -> Counted {
        let bins = vec![Bin::default(); (times.ends / BIN) as usize + 1];
        Counted { times, bins, fresh: vec![0; OLDEST + 1] }
    }

    /// A hit has arrived, or has not. `fresh` is whether its viewing had nothing old.
    pub fn count(&mut self, hit: &Hit, arrival: &Arrival, now: i64, fresh: bool) {
        let Some(bin) = self.bins.get_mut((now / BIN).max(0) as usize) else { return };
        bin.requests += u32::from(arrival.request);
        bin.handshakes += u32::from(arrival.handshake);
        if arrival.viewing.is_none() {
            return;
        }
        let Some(bin) = self.bins.get_mut((arrival.done / BIN).max(0) as usize) else { return };
        bin.useful += 1;
        bin.old += u32::from(hit.ts < self.times.over && arrival.done >= self.times.over);
        if fresh && hit.kind == Kind::Ping {
            let age = ((arrival.done - hit.ts).max(0) as usize).div_ceil(1000).min(OLDEST);
            self.fresh[age] += 1;
        }
    }

    /// `steady` is the rate that the collector was planned for, per second.
    pub fn figures(&self, steady: f64, ends: Ends) -> Figures {
        let Times { begins, over, ends: end } = self.times;
        let at = |ms: i64| (ms / BIN) as usize;
        let per_bin = steady * BIN as f64 / 1000.0;
        // The first minutes are those in which the fleet begins.
        let before = &self.bins[at(begins / 2)..at(begins)];
        let window = &self.bins[at(begins)..at(end)];
        let requests = |bins: &[Bin]| bins.iter().map(|b| f64::from(b.requests)).sum::<f64>();
        let most = window.iter().map(|bin| bin.requests).max().unwrap_or_default();
        Figures {
            steady: requests(before) / (before.len().max(1) as f64 * BIN as f64 / 1000.0),
            peak: f64::from(most) / per_bin,
            drained: self.drained(at(over), ends.waiting, per_bin),
            broken: ends.broken as f64 / ends.viewings.max(1) as f64,
            made: ends.made,
            lost: ends.lost,
            waiting: ends.waiting,
            fresh_99: self.age(0.99),
            fresh_most: self.age(1.0),
            work: work(&self.bins[at(begins)..at(over)], per_bin)
                .or_else(|| work(window, per_bin))
                .unwrap_or(f64::INFINITY),
        }
    }

    /// Seconds after `over` in which 99 % of what was old and has arrived later has arrived. `None` when
    /// more waits at the end than a hundredth of that, and more than is usual.
    fn drained(&self, over: usize, waiting: u64, usual: f64) -> Option<f64> {
        let old: u64 = self.bins[over..].iter().map(|bin| u64::from(bin.old)).sum();
        if waiting > old / 100 && waiting as f64 > usual {
            return None;
        }
        let (mut sum, wanted) = (0, (old as f64 * 0.99).ceil() as u64);
        let at = self.bins[over..].iter().position(|bin| {
            sum += u64::from(bin.old);
            sum >= wanted
        });
        at.map(|bins| if old == 0 { 0.0 } else { (bins as i64 + 1) as f64 * BIN as f64 / 1000.0 })
    }

    /// Below how many seconds this share of the fresh pings was.
    fn age(&self, share: f64) -> f64 {
        let all: u64 = self.fresh.iter().map(|n| u64::from(*n)).sum();
        let (mut sum, wanted) = (0, (all as f64 * share).ceil() as u64);
        let at = self.fresh.iter().position(|n| {
            sum += u64::from(*n);
            sum >= wanted
        });
        at.unwrap_or_default() as f64
    }
}

/// Server work for each hit that was taken, if at least a tenth of what is usual was taken.
fn work(bins: &[Bin], usual: f64) -> Option<f64> {
    let sum = |of: fn(&Bin) -> u32| bins.iter().map(|bin| f64::from(of(bin))).sum::<f64>();
    let taken = sum(|bin| bin.useful);
    let enough = taken > 0.0 && taken >= usual * bins.len() as f64 / 10.0;
    enough.then(|| (sum(|bin| bin.requests) + sum(|bin| bin.handshakes)) / taken)
}
