//! The collectors of the settings: what becomes of contacts and lanes when they change.

use super::backoff::Retry;
use super::contact::Contact;
use super::log::Changed;
use super::{Delivery, DeliveryContext};
use crate::core::dialect::SessionId;
use crate::core::record::ReportRange;
use crate::core::time::BootInstant;

impl Delivery {
    /// Takes over the collectors of the settings. Lanes of a removed collector are dropped. One
    /// with another kind or URL does not know the sessions. A new one begins with the next session.
    pub(crate) fn set_collectors(&mut self, ctx: &mut DeliveryContext<'_>) {
        let before = std::mem::replace(&mut self.collectors, ctx.settings.collectors.clone());
        self.logs.tell_apart(self.collectors.len() > 1);
        // Another kind or URL is another collector.
        let kept = |contact: &Contact| {
            let old = before.iter().find(|c| c.name == contact.collector);
            old.is_some_and(|old| self.collectors.contains(old))
        };
        self.contacts.retain(kept);
        self.contacts.iter_mut().for_each(Contact::reloaded);
        for collector in &self.collectors.clone() {
            if self.contacts.iter().all(|contact| contact.collector != collector.name) {
                let mut contact = Contact::new(collector);
                let lanes = self.lanes_of(&contact).map(|(_, _, lane)| lane);
                let shared = lanes.filter(|lane| {
                    lane.facts().session_id == SessionId::Agent && lane.leads_to(collector)
                });
                // A wait that the collector asked for before the agent was restarted.
                let asked = shared.filter_map(|lane| lane.retry.asked_for()).max();
                contact.retry = asked.map(Retry::restored).unwrap_or_default();
                self.contacts.push(contact);
            }
        }
        self.lanes_mut().for_each(|lane| lane.pace = Default::default());
        if std::mem::take(&mut self.left_over) {
            self.contacts.iter_mut().for_each(|contact| contact.left_over = true);
        }
        // What was corrected may have been in the way.
        self.revive();
        self.troubles.try_anew(&self.collectors);
        self.budget_until = BootInstant(i64::MIN);
        let named = |name: &str| self.collectors.iter().find(|c| c.name == name);
        let mut orphans = Vec::new();
        for (key, log) in self.logs.iter_mut() {
            let (first, lanes) = (log.first(), log.lanes.len());
            let (mut dropped, mut removed) = (0, Vec::new());
            let summary = &log.summary;
            log.lanes.retain(|lane| {
                let stays = named(&lane.collector).is_some();
                if !stays {
                    dropped += lane.waiting(summary).count;
                    removed.push(lane.collector.clone());
                }
                stays
            });
            if log.lanes.len() != lanes {
                log.change(Changed::Everything);
                ctx.changes.delete_reports(ReportRange { log: *key, from: first, to: log.first() });
            }
            if dropped > 0 {
                self.counters.dropped += dropped;
                tracing::warn!(
                    hits = dropped,
                    collector = removed.join(", "),
                    media = log.origin.media.log_id(),
                    "a session's collector is not in the settings any more; its hits are dropped"
                );
            }
            for lane in &mut log.lanes {
                let Some(collector) = named(&lane.collector) else { continue };
                lane.reload(collector);
                if !lane.leads_to(collector)
                    && let Some(dialect) = self.dialects.get(&collector.kind)
                {
                    lane.turn_to(collector, dialect.clone());
                    log.changed = Changed::Everything;
                }
            }
            if log.lanes.is_empty() {
                orphans.push(*key);
            }
        }
        for key in orphans {
            self.remove(key, ctx);
        }
        // Another choice of event types may leave nothing to send.
        for key in self.logs.keys().copied().collect::<Vec<_>>() {
            self.settle(key, ctx);
        }
    }
}
