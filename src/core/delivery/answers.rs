//! What the collector's answer changes in a queue (api.md 2.7).

use super::outbox::{Accepted, Flight, Outbox};
use super::verdict::{self, Verdict};
use super::{Clerk, Delivery};
use crate::core::effect::{Durability, Key, Record, RejectedHit, Resource};
use crate::core::input::{Outcome, RequestId};
use crate::core::time::{BootInstant, Now, Span};
use crate::core::tracker::hit::HitKind;
use crate::core::tracker::media::log_id;

impl Delivery {
    /// The collector's answer. Gives the session whose heartbeat's record is to be written.
    pub(crate) fn answer(
        &mut self,
        request: RequestId,
        outcome: &Outcome,
        now: Now,
        clerk: &mut Clerk<'_>,
    ) -> Option<u32> {
        let flying = |o: &Outbox| o.flight.as_ref().is_some_and(|f| f.request == request);
        let (&key, outbox) = self.outboxes.iter_mut().find(|(_, o)| flying(o))?;
        let flight = outbox.flight.take()?;
        let resource = match (&outbox.line.sid, outbox.line.downloaded) {
            (_, true) => Resource::Downloaded,
            (Some(sid), _) => Resource::Events { sid: sid.clone() },
            (None, _) => Resource::Sessions,
        };
        match verdict::judge(&resource, outcome, now.wall) {
            Verdict::Accepted { sid } => return self.accepted(key, sid, flight, now, clerk),
            Verdict::Refused { status, message } => {
                // It may have been taken before, when its answer was lost.
                outbox.line.last_ts = Some(flight.last_ts);
                self.refused(key, status, message, clerk);
            }
            Verdict::Gone => {
                self.put_ping_back(key, now, clerk);
                self.gone(key, now, clerk);
            }
            Verdict::Ambiguous { why } => {
                let ping = outbox.queue.front().is_some_and(|(_, h)| h.kind == HitKind::Ping);
                if ping {
                    outbox.line.last_ts = Some(flight.last_ts);
                    self.counters.ambiguous_pings += 1;
                    self.drop_front(key, clerk);
                }
                self.failed(key, now, None, &why, clerk);
            }
            Verdict::Later { after, why } => {
                self.put_ping_back(key, now, clerk);
                self.failed(key, now, after, &why, clerk);
            }
        }
        None
    }

    fn accepted(
        &mut self,
        key: u64,
        sid: Option<String>,
        flight: Flight,
        now: Now,
        clerk: &mut Clerk<'_>,
    ) -> Option<u32> {
        let outbox = self.outboxes.get_mut(&key)?;
        let opened = sid.is_some();
        let front = outbox.queue.front().map(|(_, hit)| hit);
        let heartbeat =
            !outbox.line.ended && front.is_some_and(|h| h.kind == HitKind::Ping && !h.has_detail());
        for _ in 0..flight.hits {
            if let Some((number, hit)) = outbox.pop() {
                if hit.kind != HitKind::Ping {
                    // Delivered again after a crash or a power cut it would count twice.
                    clerk.ledger.want(Durability::Synced);
                }
                // A ping has left the store before it left the box; to delete it again would cost a
                // page of flash at each heartbeat (benches/wear.py).
                let number = Key::Hit(key, number);
                if hit.kind != HitKind::Ping || flight.hits > 1 || clerk.ledger.holds(&number) {
                    clerk.ledger.delete(number);
                }
                self.counters.delivered += 1;
            }
        }
        outbox.line.last_ts = Some(flight.last_ts);
        // The anchor of a queue can date only what happened in the boot of its hits.
        outbox.line.accepted = Some(match outbox.line.boot == self.boot {
            true => Accepted::Boot(flight.sent_at),
            false => Accepted::Wall(now.wall + (flight.sent_at - now.boot)),
        });
        if opened {
            // A power cut must not open the session twice (api.md 2.11).
            outbox.line.sid = sid;
            clerk.ledger.want(Durability::Synced);
            outbox.retry.not_before = BootInstant(i64::MIN);
            tracing::info!(
                media = log_id(&outbox.line.media_id),
                sid = outbox.line.sid.as_deref().unwrap_or_default(),
                "the collector has opened the session"
            );
        } else {
            outbox.retry.succeeded();
        }
        let session = outbox.line.session;
        if !heartbeat {
            self.note(key, clerk);
        }
        // What a heartbeat said of an old sid must not be taken for the new one's.
        (heartbeat || opened).then_some(session)
    }

    /// The front hit is gone without having been delivered.
    fn drop_front(&mut self, key: u64, clerk: &mut Clerk<'_>) {
        let Some(outbox) = self.outboxes.get_mut(&key) else { return };
        if let Some((number, _)) = outbox.pop() {
            clerk.ledger.delete(Key::Hit(key, number));
            self.counters.dropped += 1;
        }
        self.note(key, clerk);
    }

    fn refused(&mut self, key: u64, status: u16, message: String, clerk: &mut Clerk<'_>) {
        let Some(outbox) = self.outboxes.get_mut(&key) else { return };
        let Some((_, hit)) = outbox.queue.front().cloned() else { return };
        let whole = hit.kind == HitKind::SessionStart;
        let lost = if whole { outbox.queue.len() - 1 } else { 0 };
        tracing::warn!(
            app = outbox.line.app,
            hit = hit.kind.wire(),
            status,
            message,
            lost,
            "the collector refused a hit for good"
        );
        let rejected = RejectedHit {
            app: outbox.line.app.clone(),
            media_id: outbox.line.media_id.clone(),
            hit,
            lost,
            status,
            message,
        };
        let number = *clerk.next_rejected;
        *clerk.next_rejected = clerk.next_rejected.wrapping_add(1);
        clerk.ledger.put(Key::Rejected(number), Record::Rejected(rejected));
        if let Some(oldest) = number.checked_sub(clerk.settings.limits.rejected_kept as u64) {
            clerk.ledger.delete(Key::Rejected(oldest));
        }
        clerk.ledger.want(Durability::Flushed);
        if whole {
            self.counters.dropped += 1 + lost as u64;
            self.remove(key, clerk);
        } else {
            self.drop_front(key, clerk);
        }
    }

    /// 404 or 410: the sid is gone (spec 1.1).
    fn gone(&mut self, key: u64, now: Now, clerk: &mut Clerk<'_>) {
        let Some(outbox) = self.outboxes.get_mut(&key) else { return };
        if outbox.only_closings() {
            self.give_up(key, clerk);
        } else if !self.restart(key, now, clerk) {
            tracing::warn!("the collector keeps losing a session; trying again later");
        }
    }

    fn failed(
        &mut self,
        key: u64,
        now: Now,
        after: Option<Span>,
        why: &str,
        clerk: &mut Clerk<'_>,
    ) {
        let Some(outbox) = self.outboxes.get_mut(&key) else { return };
        outbox.retry.failed(now.boot, after, &clerk.settings.delivery, &mut self.chance);
        let failures = outbox.retry.failures();
        if failures == 1 {
            tracing::warn!(
                media = log_id(&outbox.line.media_id),
                why,
                "delivery failed; it is tried again"
            );
        } else {
            tracing::debug!(
                media = log_id(&outbox.line.media_id),
                why,
                failures,
                "delivery failed again"
            );
        }
    }

    /// A ping that was taken out of the store on its way goes back.
    fn put_ping_back(&mut self, key: u64, now: Now, clerk: &mut Clerk<'_>) {
        if let Some((number, hit)) = self.outboxes.get(&key).and_then(|o| o.queue.front())
            && hit.kind == HitKind::Ping
        {
            clerk.ledger.put_back(Key::Hit(key, *number), Record::Hit(hit.clone()));
            clerk.ledger.wait(now.boot, clerk.settings.flush_interval);
        }
    }
}
