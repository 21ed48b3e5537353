//! The logs, their lanes and the rules of delivery: what is sent when, and what an answer changes
//! (behaviour.md 2.7, spec 8). Only the dialects know keys, paths and status codes.

mod answers;
pub mod backoff;
mod batch;
mod collectors;
mod conditions;
mod contact;
mod flight;
pub mod held;
mod incoming;
pub mod lane;
mod limits;
pub mod log;
mod logs;
mod lost;
mod reading;
mod refusals;
mod rejected;
mod requests;
mod schedule;
pub mod trouble;
mod waiting;

use std::collections::{BTreeSet, HashMap, VecDeque};

use self::answers::forget_passed;
use self::backoff::Rng;
use self::contact::Contact;
use self::held::HeldHit;
use self::lane::Lane;
use self::log::{Changed, Log};
use self::logs::Logs;
use self::lost::RefusedSession;
use self::reading::Reading;
use self::rejected::RejectedHits;
use self::trouble::Troubles;
use super::clock::{Anchor, BootId};
use super::dialect::{Dialects, SessionId};
use super::pending_changes::PendingChanges;
use super::record::{Accepted, DayBudget, Key, Read, ReadId, ReportRange, Totals};
use super::settings::{CollectorSettings, Settings};
use super::time::{BootInstant, Now, WallTime};

/// What has become of reports since the agent started (behaviour.md 1.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub delivered: u64,
    /// Refused by the collector, over a limit, or not worth a new session.
    pub dropped: u64,
    /// Of these, reports of a session that the collector had closed.
    pub closed_by_server: u64,
    /// Of these, reports dropped because too much waited or they were too old.
    pub over_limit: u64,
    /// Of these, pings that may or may not have arrived.
    pub ambiguous_pings: u64,
}

/// The conditions for sending that are the same for all lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gates {
    pub consent: bool,
    pub clock_trusted: bool,
    /// What a network manager says; it closes nothing (behaviour.md 1.6).
    pub online: bool,
    /// The connection costs money, as far as the network manager says.
    pub metered: bool,
}

#[derive(Debug)]
pub struct Delivery {
    logs: Logs,
    dialects: Dialects,
    collectors: Vec<CollectorSettings>,
    pub gates: Gates,
    pub counters: Counters,
    boot: BootId,
    next_request: u64,
    chance: Rng,
    /// One for each of the collectors.
    contacts: Vec<Contact>,
    /// Logs with something left over were restored, and the contacts do not know it yet.
    left_over: bool,
    pub(super) budget: DayBudget,
    /// Nothing is sent before this when the daily budget is spent.
    budget_until: BootInstant,
    /// Too much waits, and room is being made.
    making_room: bool,
    /// Reads that the store has not answered yet, and those that it was not asked for yet.
    reads: HashMap<ReadId, Reading>,
    next_read: u64,
    wanted_reads: Vec<Read>,
    /// Batches that are not finished, with the reports that each handed over: (log, up to).
    unfinished: VecDeque<(u64, Vec<(u64, u64)>)>,
    /// Sessions of which a log was removed; their media records may be unused now.
    released: Vec<u32>,
    /// Logs with reports that no batch was given yet.
    grown: BTreeSet<u64>,
    /// When the next look for reports that are too old is due.
    old_at: BootInstant,
    pub(super) troubles: Troubles,
    refused: Vec<RefusedSession>,
    pub(super) rejected: RejectedHits,
    /// Somebody watches, and what consent holds back since the last turn.
    pub(super) watched: bool,
    held: Vec<HeldHit>,
}

/// What delivery borrows from the agent for one call.
pub(crate) struct DeliveryContext<'a> {
    pub settings: &'a Settings,
    pub changes: &'a mut PendingChanges,
    pub next_rejected: &'a mut u64,
    pub next_log: &'a mut u64,
}

impl Delivery {
    pub fn new(boot: BootId, gates: Gates, chance: Rng, dialects: Dialects) -> Delivery {
        Delivery {
            logs: Logs::default(),
            dialects,
            collectors: Vec::new(),
            gates,
            counters: Counters::default(),
            boot,
            next_request: 0,
            chance,
            contacts: Vec::new(),
            left_over: false,
            budget: DayBudget::default(),
            budget_until: BootInstant(i64::MIN),
            making_room: false,
            reads: HashMap::new(),
            next_read: 0,
            wanted_reads: Vec::new(),
            unfinished: VecDeque::new(),
            released: Vec::new(),
            grown: BTreeSet::new(),
            old_at: BootInstant(i64::MIN),
            troubles: Troubles::default(),
            refused: Vec::new(),
            rejected: RejectedHits::default(),
            watched: false,
            held: Vec::new(),
        }
    }

    /// Drops everything that waits or is in flight. Answers that still come are ignored.
    pub(crate) fn forget(&mut self) {
        self.logs.clear();
        self.reads.clear();
        self.wanted_reads.clear();
        self.unfinished.clear();
        self.grown.clear();
        self.making_room = false;
        self.left_over = false;
        self.troubles.forget_all();
        self.refused.clear();
        self.rejected = RejectedHits::default();
        for contact in &mut self.contacts {
            contact.nothing_to_say();
            contact.left_over = false;
        }
    }

    /// What consent has held back since the last call.
    pub(crate) fn take_held(&mut self) -> Vec<HeldHit> {
        std::mem::take(&mut self.held)
    }

    /// A new random id for the box.
    pub(crate) fn fresh_id(&mut self) -> String {
        self.chance.hex128()
    }

    /// Reports that wait in all logs.
    pub fn queued(&self) -> u64 {
        self.logs.waiting().count
    }

    /// What waits for one collector: its reports, and the bytes of their records.
    pub fn waiting_for(&self, collector: &str) -> Totals {
        match self.collectors.len() {
            0 | 1 => self.logs.waiting(),
            _ => self.logs.waiting_for(collector),
        }
    }

    /// Bytes that these keep in the store: the reports, their starts' metadata, and the records
    /// beside them.
    pub fn queued_bytes(&self) -> u64 {
        self.logs.waiting().bytes
    }

    /// Brings `queued` and `queued_bytes` up to date, at the end of a turn.
    pub(crate) fn count(&mut self) {
        self.logs.count();
    }

    /// Reports in memory, for tests of the window.
    pub fn reports_in_memory(&self) -> usize {
        let of = |log: &Log| {
            let ahead: usize = log.lanes.iter().map(Lane::reports_ahead).sum();
            ahead + log.unwritten_from(0).count()
        };
        self.logs.values().map(of).sum()
    }

    /// Reports of one session that wait, and whether the first collector has answered its start.
    pub fn queued_of(&self, session: u32) -> (u32, bool) {
        self.logs.of_session(session).fold((0, false), |(n, _), log| {
            let opened = log.lanes.first().is_some_and(|lane| match lane.facts().session_id {
                SessionId::Server => lane.sid.is_some(),
                SessionId::Agent => lane.progress.accepted.is_some(),
            });
            (n + log.waiting().count as u32, opened)
        })
    }

    /// The id of a log's session at the first collector.
    pub fn sid(&self, log: u64) -> Option<&str> {
        self.logs.get(&log)?.lanes.first()?.sid.as_deref()
    }

    /// When the first collector last took something of a log under its present id.
    pub fn last_accepted(&self, log: u64) -> Option<Accepted> {
        self.logs.get(&log)?.lanes.first()?.progress.accepted
    }

    /// Whether every collector gets this downloaded session when it has ended, and nothing before.
    pub(crate) fn keeps_whole(&self, log: u64) -> bool {
        let whole = |log: &Log| log.lanes.iter().all(|lane| lane.facts().downloads_in_one);
        self.logs.get(&log).is_none_or(whole)
    }

    /// Whether reports of this session still wait in some log.
    pub(crate) fn has_log_of(&self, session: u32) -> bool {
        self.logs.of_session(session).next().is_some()
    }

    /// Sessions of which a log was removed since the last call.
    pub(crate) fn released(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.released)
    }

    pub(crate) fn log_mut(&mut self, log: u64) -> Option<&mut Log> {
        self.logs.get_mut(&log)
    }

    pub(crate) fn log(&self, log: u64) -> Option<&Log> {
        self.logs.get(&log)
    }

    /// A log that is being recorded.
    pub(crate) fn recording(&mut self, log: u64) -> Option<&mut Log> {
        self.logs.recording(&log)
    }

    /// The logs that may have changed since the last call.
    pub(crate) fn changed_logs(&mut self) -> BTreeSet<u64> {
        self.logs.take_unrecorded()
    }

    /// After a change of a log: removes it if it is done, else refills its lanes.
    fn settle(&mut self, key: u64, ctx: &mut DeliveryContext<'_>) {
        while self.pass_unwanted(key, ctx) {
            // What comes next may be unwanted too.
            self.refill(key);
        }
        let Some(log) = self.logs.get_mut(&key) else { return };
        if log.done() {
            self.remove(key, ctx);
        } else {
            let Log { lanes, summary, .. } = log;
            for lane in lanes.iter_mut().filter(|lane| lane.behind) {
                if lane.flight.is_none() && lane.waiting(summary).count == 0 {
                    lane.set_behind(false);
                }
            }
            self.refill(key);
        }
    }

    /// Passes the first reports of lanes whose collectors do not want them. False when there was none.
    fn pass_unwanted(&mut self, key: u64, ctx: &mut DeliveryContext<'_>) -> bool {
        let Some(log) = self.logs.get_mut(&key) else { return false };
        let mut passed = false;
        for at in 0..log.lanes.len() {
            let idle = |lane: &Lane| lane.flight.is_none() && lane.download.is_none();
            while idle(&log.lanes[at])
                && log.lanes[at].front().is_some_and(|report| !log.lanes[at].wants(report))
                && let Some((number, _)) = log.lanes[at].pass()
            {
                passed = true;
                forget_passed(key, log, number, ctx);
            }
        }
        if passed {
            log.change(Changed::Progress);
        }
        passed
    }

    fn remove(&mut self, key: u64, ctx: &mut DeliveryContext<'_>) {
        if let Some(log) = self.logs.remove(&key) {
            self.released.push(log.origin.session);
            self.troubles.forget(key);
            ctx.changes.delete_reports(ReportRange { log: key, from: 0, to: u64::MAX });
            ctx.changes.delete(Key::Log(key));
            ctx.changes.delete(Key::Heartbeat(key));
            self.grown.remove(&key);
        }
    }

    /// The wall time of an instant in the boot of a log, when that boot knew it.
    pub fn wall_of(&self, log: u64, at: BootInstant) -> Option<WallTime> {
        let lanes = &self.logs.get(&log)?.lanes;
        Some(lanes.iter().find_map(|lane| lane.anchor)?.wall(at))
    }

    /// The lanes of a log of an earlier boot get what that boot knew of the time.
    pub(crate) fn anchor(&mut self, log: u64, anchor: Option<Anchor>) {
        if let Some(log) = self.logs.get_mut(&log) {
            log.lanes.iter_mut().for_each(|lane| lane.anchor = anchor);
            log.change(Changed::Everything);
        }
    }

    /// The present wall time, when it is known.
    pub fn wall(&self, now: Now) -> Option<WallTime> {
        self.gates.clock_trusted.then_some(now.wall)
    }
}
