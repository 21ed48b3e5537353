//! What the viewer allows (behaviour.md 2.10, spec 3.11).

use super::Agent;
use super::record::{BoxTotals, ConsentRecord, Durability};
use super::settings::Consent;
use super::time::Now;
use super::turn::CloseReason;

impl Agent {
    /// Somebody says what the viewer allows.
    pub(super) fn set_consent(&mut self, consent: Consent, now: Now) {
        self.consent.consent = Some(consent);
        if consent == Consent::Out {
            return self.opt_out(now);
        }
        self.consent_is_new();
        self.apply_settings();
    }

    /// Nothing of before may stay. Whether somebody has said so or only the configuration does
    /// (`consent.initial`) stands in the record, and stays as it is.
    pub(super) fn opt_out(&mut self, now: Now) {
        self.consent.installation = self.delivery.fresh_id();
        self.consent.generation += 1;
        self.consent_is_new();
        self.forget_everything(now);
        self.apply_settings();
    }

    fn consent_is_new(&mut self) {
        self.consent.revision += 1;
        self.consent_changed = true;
    }

    /// What the viewer had said before the agent started is known now.
    pub(super) fn consent_read(&mut self, record: ConsentRecord, now: Now) {
        let older = record.generation > self.consent.generation;
        self.consent.generation = record.generation.max(self.consent.generation);
        let record = ConsentRecord { generation: self.consent.generation, ..record };
        self.consent = record;
        if self.opted_out() {
            // What was stored meanwhile is of this generation too.
            self.opt_out(now);
        } else if older {
            self.forget_everything(now);
        }
        self.apply_settings();
    }

    /// Opted out: nothing is tracked, sent or kept.
    pub(super) fn opted_out(&self) -> bool {
        self.consent() == Consent::Out
    }

    /// Ends every session without a hit and deletes all that is stored: waiting hits, resume
    /// points, identifiers. The store is created anew, because its files keep deleted bytes.
    fn forget_everything(&mut self, now: Now) {
        for number in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.drop_session(number, CloseReason::Consent, now);
        }
        self.delivery.forget();
        self.resume = Default::default();
        // Counts of the time before this start go too.
        self.counted_before = BoxTotals { since: self.delivery.wall(now), ..BoxTotals::default() };
        self.changes.forget();
        self.wipe = Some(self.consent.generation);
        // The new store begins with the numbers of the next sessions.
        self.write_meta();
        self.changes.require(Durability::Flushed);
        tracing::info!("opted out: everything was deleted");
    }
}
