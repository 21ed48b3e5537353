//! Reports that come in from sessions: into which log, and for which collectors.

use super::contact::Contact;
use super::lane::Lane;
use super::log::{Changed, Log, Origin, window};
use super::{Delivery, DeliveryContext, held};
use crate::core::clock::Anchor;
use crate::core::delivery::backoff::Rng;
use crate::core::dialect::SessionId;
use crate::core::record::{Key, Record, StoredReport};
use crate::core::report::{Kind, Report, What};
use crate::core::time::Now;

/// In place of the number of a log: no collector gets the session, so it has none.
const NOBODYS: u64 = 0;

impl Delivery {
    /// Keeps the reports of one session, in order. A start opens a new log, whose number becomes
    /// the session's.
    pub(crate) fn submit(
        &mut self,
        origin: &Origin,
        current: &mut u64,
        reports: Vec<Report>,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) {
        if self.queued() == 0 {
            self.contacts.iter_mut().for_each(Contact::nothing_to_say);
        }
        for report in reports {
            let window = window(self.logs.len());
            if report.kind() == Kind::Start {
                *current = self.open_log(origin, *current, &report, now, ctx);
            }
            if *current == NOBODYS {
                continue;
            }
            let ends = report.kind().is_end();
            // A session that was refused loses its later reports too (spec 1.1).
            self.counters.dropped += self.lose(*current, ends, ctx);
            let Some(log) = self.logs.get_mut(current) else { continue };
            // A lane whose session is lost skips reports until one is worth a new session.
            let skips = |lane: &Lane, log: &Log| {
                lane.lost
                    && lane.waiting(&log.summary).count == 0
                    && !report.holds_play_time(lane.context.playback())
            };
            let skipping: Vec<bool> = log.lanes.iter().map(|lane| skips(lane, log)).collect();
            let skipped = skipping.iter().filter(|skips| **skips).count();
            self.counters.dropped += skipped as u64;
            self.counters.closed_by_server += skipped as u64;
            if skipped == skipping.len() {
                log.fold(&report);
                for lane in &mut log.lanes {
                    lane.context.fold(&report);
                }
                // What a new session would have to repeat must survive a restart of the agent.
                if ends || report.kind() != Kind::Ping {
                    log.change(Changed::Everything);
                }
            } else {
                if self.watched && !self.gates.consent {
                    self.held.extend(held::hit(log, &report, now, ctx.settings));
                }
                let number = log.append(report.clone(), window);
                self.grown.insert(*current);
                let stored = StoredReport { report, recorded_at: None };
                ctx.changes.put(Key::Report(*current, number), Record::Report(stored));
                let Log { lanes, summary, .. } = log;
                for (lane, skips) in lanes.iter_mut().zip(skipping) {
                    if skips {
                        lane.pass_all(summary);
                    } else if lane.behind {
                        lane.hear_news();
                    }
                }
                if ends || log.wants_checkpoint() {
                    log.change(Changed::Everything);
                }
            }
            self.settle(*current, ctx);
        }
        self.enforce_limits(now, ctx);
    }

    fn open_log(
        &mut self,
        origin: &Origin,
        before: u64,
        start: &Report,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) -> u64 {
        let before = self.logs.get(&before).and_then(|log| log.uuid.clone());
        let previous = before.or_else(|| origin.previous.clone());
        let anchor = self.gates.clock_trusted.then(|| Anchor::taken(now));
        let mut lanes = Vec::new();
        let place = place(&ctx.settings.identity.installation, origin.session);
        for collector in self.collectors.iter().filter(|collector| place < collector.sample) {
            let Some(dialect) = self.dialects.get(&collector.kind) else { continue };
            lanes.push(Lane::new(collector, dialect.clone(), anchor));
        }
        if lanes.is_empty() {
            return NOBODYS;
        }
        let key = *ctx.next_log;
        *ctx.next_log = ctx.next_log.wrapping_add(1);
        let own_id = lanes.iter().any(|lane| lane.facts().session_id == SessionId::Agent);
        let mut origin = Origin { previous: previous.filter(|_| own_id), ..origin.clone() };
        if !matches!(start.what, What::Start { resume: true }) {
            origin.previous = None;
        }
        let mut log = Log::new(origin, start.at, lanes);
        if own_id {
            // Every collector gets the same.
            let uuid = self.chance.uuid();
            for lane in 0..log.lanes.len() {
                if log.lanes[lane].facts().session_id == SessionId::Agent {
                    log.give_id(lane, uuid.clone());
                }
            }
        }
        self.logs.insert(key, log);
        key
    }
}

/// Where a session stands between 0 and 1 among all sessions of all boxes. A collector gets those below
/// its share (`collector.sample`), so a session object is in it or not, whatever becomes of it.
fn place(installation: &str, session: u32) -> f64 {
    let text = installation.bytes().chain(session.to_le_bytes());
    // FNV-1a, and a number of which every bit counts.
    let hash = text.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    (Rng::new(hash).number() >> 11) as f64 / (1_u64 << 53) as f64
}
