//! What changes for every lane at once: the network, the clock, a wish to hurry.

use std::collections::HashMap;

use super::Delivery;
use super::lane::Lane;
use super::log::Changed;
use crate::core::clock::{Anchor, BootId};
use crate::core::settings::Settings;
use crate::core::time::{BootInstant, Now, WallTime};

impl Delivery {
    /// A network manager says that the network came, went or is another one. A random delay keeps
    /// boxes from sending all at once when it is back (behaviour.md 2.7).
    pub(crate) fn network(&mut self, online: bool, now: Now, settings: &Settings) {
        self.gates.online = online;
        if !online {
            return;
        }
        self.revive();
        for at in 0..self.contacts.len() {
            if self.contacts[at].online(now.boot, &settings.delivery, &mut self.chance) {
                let collector = self.contacts[at].collector.clone();
                self.fall_behind(&collector, now, &settings.delivery);
            }
        }
    }

    /// Every back-off starts anew.
    pub(super) fn revive(&mut self) {
        self.lanes_mut().for_each(|lane| lane.retry.revive());
    }

    /// Every lane, to change what is neither counted nor recorded.
    pub(super) fn lanes_mut(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.logs.unrecorded_mut().flat_map(|log| &mut log.lanes)
    }

    /// The network manager says whether the connection costs money.
    pub(crate) fn metered(&mut self, metered: bool) {
        self.gates.metered = metered;
    }

    /// The wall clock was set, or its trust changed. Lanes of which the collector knows nothing yet
    /// get a new anchor. Reports of an earlier boot that never knew the time are dated so that the
    /// last of them all falls on the start of this boot (behaviour.md 2.6).
    pub(crate) fn clock(&mut self, trusted: bool, now: Now) {
        self.gates.clock_trusted = trusted;
        self.old_at = BootInstant(i64::MIN);
        self.budget_until = BootInstant(i64::MIN);
        if !trusted {
            return;
        }
        let booted = now.wall + (BootInstant(0) - now.boot);
        let estimates = self.estimates(booted);
        for (_, log) in self.logs.iter_mut() {
            let ours = log.origin.boot == self.boot;
            for lane in &mut log.lanes {
                let waiting = lane.waiting(&log.summary).count;
                if ours {
                    let untold = lane.progress.accepted.is_none() && lane.flight.is_none();
                    if lane.anchor.is_none() || untold {
                        lane.anchor = Some(Anchor::taken(now));
                    }
                } else if lane.anchor.is_none() && waiting > 0 {
                    lane.anchor = estimates.get(&log.origin.boot).copied();
                    tracing::warn!(
                        hits = waiting,
                        media = log.origin.media.log_id(),
                        "ClockEstimated: hits of a boot that never knew the time are dated to its \
                         end"
                    );
                }
            }
            log.changed = Changed::Everything;
        }
    }

    /// One anchor for each earlier boot, so that its sessions keep their distances and their order:
    /// that of a log that has one, else the boot's last report falls on `booted`.
    fn estimates(&self, booted: WallTime) -> HashMap<BootId, Anchor> {
        let (mut estimates, mut known) = (HashMap::<BootId, Anchor>::new(), HashMap::new());
        for log in self.logs.values().filter(|log| log.origin.boot != self.boot) {
            let (boot, last) = (&log.origin.boot, log.summary.last_at);
            let estimate = Anchor { boot: last, wall: booted };
            let anchor = estimates.entry(boot.clone()).or_insert(estimate);
            anchor.boot = anchor.boot.max(last);
            if let Some(anchor) = log.lanes.iter().find_map(|lane| lane.anchor) {
                known.insert(boot.clone(), anchor);
            }
        }
        estimates.extend(known);
        estimates
    }

    /// Tries everything now, whatever back-off says, but not before a collector wants to be asked.
    pub fn flush(&mut self, now: BootInstant) {
        self.contacts.iter_mut().for_each(|contact| contact.hurry(now));
        self.lanes_mut().for_each(|lane| lane.retry.hurry());
    }

    /// The agent stops or the box sleeps: nothing is gathered any longer.
    pub(crate) fn close(&mut self, now: BootInstant) {
        self.contacts.iter_mut().for_each(|contact| contact.close(now));
    }
}
