//! What waits and for what, log by log, for `playheadctl queue`. The conditions are those of
//! `schedule`.

use serde_json::{Value, json};

use super::Delivery;
use super::contact::Contact;
use super::lane::Lane;
use super::log::Log;
use super::schedule::{UnderWay, class, ready_at};
use super::trouble::DeliveryState;
use crate::core::settings::{Consent, Settings};
use crate::core::time::{BootInstant, Now};

/// Rows of a list at most, so that it fits into a message of the bus.
const MOST_ROWS: usize = 1000;

impl Delivery {
    /// What waits, as JSON: all of it counted, and a row for each log and collector, oldest first.
    pub(crate) fn queue_json(&self, consent: Consent, now: Now, settings: &Settings) -> Value {
        let state = self.state(consent, now, settings);
        // What holds everything back stands in every row.
        let holds = (state <= DeliveryState::HeldBudget).then_some(state);
        let (mut rows, mut left_out) = (Vec::new(), 0);
        for contact in &self.contacts {
            let under_way = self.under_way(contact);
            for (_, log, lane) in self.lanes_of(contact) {
                let waiting = lane.waiting(&log.summary);
                if waiting.count == 0 {
                    continue;
                }
                if rows.len() >= MOST_ROWS {
                    left_out += 1;
                    continue;
                }
                let (word, next) = match holds {
                    Some(DeliveryState::HeldBudget) => {
                        (DeliveryState::HeldBudget.name(), Some(self.budget_until))
                    }
                    Some(state) => (state.name(), None),
                    None => waits_for(log, lane, contact, &under_way, now, settings),
                };
                let wall = |at: BootInstant| self.gates.clock_trusted.then(|| now.at(at).wall);
                rows.push(json!({
                    "app": log.origin.app, "media": log.origin.media_id(),
                    "collector": contact.collector, "hits": waiting.count,
                    "bytes": waiting.bytes.saturating_add(log.bytes_beside()),
                    "oldest": self.oldest_of(log, lane, now), "state": word,
                    "next_try": next.filter(|at| *at > now.boot).and_then(wall),
                }));
            }
        }
        json!({
            "hits": self.queued(), "bytes": self.queued_bytes(), "state": state.name(),
            "logs": rows, "left_out": left_out,
        })
    }
}

/// What a lane waits for, and when it is tried next if a time is what it waits for.
fn waits_for(
    log: &Log,
    lane: &Lane,
    contact: &Contact,
    under_way: &UnderWay,
    now: Now,
    settings: &Settings,
) -> (&'static str, Option<BootInstant>) {
    let class = class(log, lane);
    let due = ready_at(class, log, lane, contact, under_way, settings);
    let word = if lane.flight.is_some() {
        "under-way"
    } else if log.origin.media.downloaded && lane.facts().downloads_in_one && !log.ended {
        "waiting-end"
    } else if lane.anchor.is_none() {
        "waiting-clock"
    } else if lane.retry.failures().max(contact.retry.failures()) > 0 {
        return ("failing", Some(due));
    } else if lane.behind && due > now.boot {
        return ("behind", Some(due));
    } else if lane.front().is_none() {
        "reading"
    } else if !under_way.has_place(class, lane, &settings.delivery) {
        "waiting-turn"
    } else {
        "next"
    };
    (word, None)
}
