//! What is read from the store, in steps: the next reports of a lane, the pieces of a download,
//! reports to thin; and the logs that a start of the agent restores (behaviour.md 2.5).

use std::sync::Arc;

use super::lane::Lane;
use super::log::{Changed, Log, window};
use super::{Delivery, DeliveryContext};
use crate::core::media::MediaInfo;
use crate::core::record::{
    Accepted, HeartbeatRecord, Key, LogRecord, Numbered, Read, ReadId, ReadReports, ReportRange,
};
use crate::core::time::Now;

/// What a read is for.
#[derive(Debug, Clone)]
pub(super) enum Reading {
    /// The next reports of a lane.
    Ahead { log: u64, lane: Arc<str> },
    /// The piece of a download that begins with report `from`.
    Download { log: u64, lane: Arc<str>, from: u64 },
    /// Reports among which pings are thinned.
    Thin { log: u64 },
}

impl Reading {
    fn log(&self) -> u64 {
        match self {
            Reading::Ahead { log, .. } | Reading::Download { log, .. } => *log,
            Reading::Thin { log } => *log,
        }
    }
}

impl Delivery {
    pub(super) fn want_read(&mut self, range: ReportRange, most: usize, reading: Reading) {
        let id = ReadId(self.next_read);
        self.next_read += 1;
        self.reads.insert(id, reading);
        self.wanted_reads.push(Read { id, range, most });
    }

    /// Reads that the store is to be asked for.
    pub(crate) fn wanted_reads(&mut self) -> Vec<Read> {
        std::mem::take(&mut self.wanted_reads)
    }

    pub(super) fn refill(&mut self, key: u64) {
        let window = window(self.logs.len());
        let Some(log) = self.logs.get_mut(&key) else { return };
        let mut wanted = Vec::new();
        for lane in 0..log.lanes.len() {
            if let Some((range, most)) = log.refill(lane, window) {
                log.lanes[lane].reading = true;
                let name = log.lanes[lane].collector.clone();
                let range = ReportRange { log: key, ..range };
                wanted.push((range, most, Reading::Ahead { log: key, lane: name }));
            }
        }
        for (range, most, reading) in wanted {
            self.want_read(range, most, reading);
        }
    }

    /// The store has answered a read.
    pub(crate) fn read(
        &mut self,
        id: ReadId,
        mut read: ReadReports,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) {
        // `forget` has dropped the read, or its log was removed meanwhile.
        let Some(reading) = self.reads.remove(&id) else { return };
        let key = reading.log();
        let Some(log) = self.logs.get_mut(&key) else { return };
        read.reports.retain(|(number, _)| !ctx.changes.deletes_report(key, *number));
        let at = |name: &str| log.lanes.iter().position(|lane| *lane.collector == *name);
        match &reading {
            Reading::Ahead { lane, .. } => {
                if let Some(lane) = at(lane) {
                    log.filled(lane, read);
                }
            }
            Reading::Download { lane, from, .. } => {
                if let Some(lane) = at(lane) {
                    self.download_piece(key, lane, *from, read, ctx);
                }
            }
            Reading::Thin { .. } => self.thin_read(key, read, ctx),
        }
        self.settle(key, ctx);
        self.enforce_limits(now, ctx);
    }

    /// Reports that the next batch need not hold.
    pub(crate) fn spared_pings(&self) -> Vec<Key> {
        let spared = |key: &u64| Some(Key::Report(*key, self.logs.get(key)?.spared_ping()?));
        self.grown.iter().filter_map(spared).collect()
    }

    /// A batch is about to be handed to the store.
    pub(crate) fn handing_over(&mut self, batch: u64) {
        let mut reports = Vec::new();
        self.grown.retain(|key| {
            let Some(log) = self.logs.get_mut(key) else { return false };
            reports.extend(log.hand_over().map(|to| (*key, to)));
            log.spared_ping().is_some()
        });
        if !reports.is_empty() {
            self.unfinished.push_back((batch, reports));
        }
    }

    /// Every batch up to this one is in the store.
    pub(crate) fn written(&mut self, batch: u64) {
        while self.unfinished.front().is_some_and(|(number, _)| *number <= batch) {
            let Some((_, reports)) = self.unfinished.pop_front() else { break };
            for (key, to) in reports {
                if let Some(log) = self.logs.get_mut(&key) {
                    log.written(to);
                    self.refill(key);
                }
            }
        }
    }

    /// Takes over a log as it was stored, with what heartbeats have changed in it.
    pub(crate) fn restore(
        &mut self,
        key: u64,
        mut record: LogRecord,
        heartbeat: Option<&HeartbeatRecord>,
        newest: &Numbered,
        media: Arc<MediaInfo>,
        ctx: &mut DeliveryContext<'_>,
    ) {
        let heartbeat = heartbeat.filter(|heartbeat| heartbeat.revision > record.revision);
        if let Some(heartbeat) = heartbeat {
            record.revision = heartbeat.revision;
            for (lane, progress) in record.lanes.iter_mut().zip(&heartbeat.lanes) {
                lane.progress.clone_from(progress);
            }
        }
        let earlier_boot = record.boot != self.boot;
        let lanes = std::mem::take(&mut record.lanes);
        let (known, mut restored) = (lanes.len(), Vec::new());
        for mut lane in lanes {
            if let (true, Some(Accepted::Boot(at)), Some(anchor)) =
                (earlier_boot, lane.progress.accepted, lane.anchor)
            {
                lane.progress.accepted = Some(Accepted::Wall(anchor.wall(at)));
            }
            // A kind that this program does not know, of a newer one: the collector may have another
            // kind by now, and `set_collectors` turns the lane to it.
            let collector = ctx.settings.collectors.iter().find(|c| c.name == lane.collector);
            let turned = || self.dialects.get(&collector?.kind);
            if let Some(dialect) = self.dialects.get(&lane.kind).or_else(turned) {
                restored.push(Lane::restored(lane, dialect.clone(), &record.summary));
            }
        }
        let lost = restored.len() < known;
        let mut log = Log::restored(record, heartbeat, newest, media, restored);
        if lost {
            // Heartbeats name lanes by their places.
            log.change(Changed::Everything);
        }
        for at in 0..log.lanes.len() {
            let Log { lanes, summary, .. } = &mut log;
            if let Some(number) = lanes[at].progress.ping_under_way {
                const BARE_PING: u64 = 70;
                let stored = newest.iter().find(|(n, _)| *n == number);
                let bytes = stored.map_or(BARE_PING, |(_, stored)| stored.report.stored_bytes());
                let Lane { anchor, progress, .. } = &mut lanes[at];
                // It may have arrived, so what follows is later.
                if progress.ping_ts.is_some() {
                    progress.last_ts = progress.ping_ts;
                } else if let (Some(anchor), Some((_, ping))) = (*anchor, stored) {
                    // An older store has the ping itself.
                    let dated =
                        Lane::date(anchor, progress.last_ts, [(0, &ping.report)].into_iter());
                    progress.last_ts = dated.last().map(|dated| dated.ts);
                }
                lanes[at].skip_ping_under_way(summary, bytes);
                if log.first() > number {
                    ctx.changes.delete(Key::Report(key, number));
                }
                log.change(Changed::Progress);
            }
        }
        for lane in &mut log.lanes {
            // What is left over from before the start is old (behaviour.md 2.7).
            if lane.waiting(&log.summary).count > 0 {
                lane.set_behind(true);
                self.left_over = true;
            }
        }
        self.logs.insert(key, log);
        self.settle(key, ctx);
    }
}
