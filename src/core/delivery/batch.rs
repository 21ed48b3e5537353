//! Requests that hold reports of many sessions, oldest first and those of one session in order: for
//! collectors that have no sessions of their own. They are read from the stored logs through the
//! windows of the lanes.

use super::flight::{Class, InFlight};
use super::lane::Lane;
use super::log::Log;
use super::logs::Logs;
use super::requests::content;
use super::schedule::sendable;
use super::{Delivery, DeliveryContext};
use crate::core::dialect::exchange::{Purpose, Request, RequestId};
use crate::core::dialect::{Capabilities, DatedReport};
use crate::core::record::{Durability, Key};
use crate::core::settings::Settings;
use crate::core::time::{Now, WallTime};

/// A log, and the place of a lane in it.
type Place = (u64, usize);

/// What a lane has for a request.
struct Part<'a> {
    place: Place,
    log: &'a Log,
    /// The time of its next report.
    next: Option<WallTime>,
    /// The first reports that the collector wants, each with its place in the lane; empty until one of
    /// them is the next.
    reports: Vec<(usize, DatedReport<'a>)>,
    taken: usize,
}

/// What of a lane is in a request.
struct Taken {
    place: Place,
    reports: usize,
    unwanted: usize,
    last_ts: WallTime,
    /// One of them may not be in the store yet.
    unwritten: bool,
}

impl Delivery {
    /// The next request to a collector, with reports of `lead` and of every other lane that may send,
    /// and these lanes.
    pub(super) fn batch(
        &mut self,
        contact: usize,
        lead: Place,
        class: Class,
        now: Now,
        ctx: &mut DeliveryContext<'_>,
    ) -> Option<(Request, Vec<Place>)> {
        let mut places = self.joining(contact, lead, class, now);
        let has_session = |logs: &Logs, (key, at): &Place| {
            logs.get(key).is_some_and(|log| log.lanes[*at].sid.is_some())
        };
        places.retain(|place| {
            has_session(&self.logs, place) || self.alive(place.0, place.1, now, ctx)
        });
        places.push(lead);
        let lane = &self.logs.get(&lead.0)?.lanes[lead.1];
        let (collector, facts) = (lane.collector.clone(), lane.facts());
        let (body, path, taken) = self.put_together(contact, places, facts, ctx)?;
        let mut bytes = self.spend(&body, now, ctx);
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let mut leads = true;
        for part in &taken {
            let log = self.logs.get_mut(&part.place.0)?;
            log.lanes[part.place.1].flight = Some(InFlight {
                request: id,
                sent_at: now.boot,
                class,
                reports: part.reports,
                left_out: 0,
                unwanted: part.unwanted,
                whole: false,
                leads: std::mem::take(&mut leads),
                bytes: std::mem::take(&mut bytes),
                last_ts: part.last_ts,
            });
            if part.unwritten {
                // The collector knows nothing that a restarted agent does not (behaviour.md 2.5).
                ctx.changes.require(Durability::Flushed);
            }
        }
        let (purpose, reads_answer) = (Purpose::Batch, facts.reads_answer);
        let request = Request { id, collector, purpose, path, body, reads_answer };
        Some((request, taken.into_iter().map(|part| part.place).collect()))
    }

    /// The other lanes to this collector that may send along. Their own rates and what they gather do
    /// not matter: it costs no request.
    fn joining(&self, contact: usize, lead: Place, class: Class, now: Now) -> Vec<Place> {
        let contact = &self.contacts[contact];
        let slow = class != Class::Current;
        let joins = |log: &Log, lane: &Lane| {
            let old = lane.behind || lane.retry.failures() > 0;
            let waits = lane.behind && contact.old_until(None, Default::default()) > now.boot;
            sendable(log, lane) && old == slow && !waits && lane.retry.not_before() <= now.boot
        };
        let places = self.logs.iter().filter_map(|(key, log)| {
            let at = log.lanes.iter().position(|lane| *lane.collector == *contact.collector)?;
            ((*key, at) != lead && joins(log, &log.lanes[at])).then_some((*key, at))
        });
        places.collect()
    }

    /// The body and the path of a request, and what of each lane is in it.
    fn put_together(
        &self,
        contact: usize,
        places: Vec<Place>,
        facts: Capabilities,
        ctx: &DeliveryContext<'_>,
    ) -> Option<(String, String, Vec<Taken>)> {
        let most = facts.reports_per_request.min(self.contacts[contact].most);
        let part = |place: Place| {
            let (log, first) = self.dated(place, 1)?;
            let next = first.first().map(|(_, dated)| dated.ts);
            Some(Part { place, log, next, reports: Vec::new(), taken: 0 })
        };
        let mut parts: Vec<Part<'_>> = places.into_iter().filter_map(part).collect();
        let mut body = String::new();
        for _ in 0..most {
            let more = parts.iter_mut().filter(|part| part.next.is_some());
            let Some(part) = more.min_by_key(|part| part.next) else { break };
            if part.reports.is_empty() {
                part.reports = self.dated(part.place, facts.reports_per_request)?.1;
            }
            let before = body.len();
            part.append(&mut body, ctx.settings)?;
            if before > 0 && body.len() + CLOSING > facts.bytes_per_request {
                body.truncate(before);
                break;
            }
            part.taken += 1;
            part.next = part.reports.get(part.taken).map(|(_, dated)| dated.ts);
        }
        let first = parts.iter().find(|part| part.taken > 0)?;
        let (log, at) = (first.log, first.place.1);
        let dialect = &log.lanes[at].dialect;
        let end = content(&Purpose::Batch, log, at, ctx.settings, &[])?;
        dialect.finish(&mut body, &end);
        let path = dialect.path(&end);
        Some((body, path, parts.iter().filter_map(|part| part.taken(ctx)).collect()))
    }

    /// The first reports of a lane that its collector wants, dated, at most `most`.
    fn dated(
        &self,
        (key, at): Place,
        most: usize,
    ) -> Option<(&Log, Vec<(usize, DatedReport<'_>)>)> {
        let log = self.logs.get(&key)?;
        let lane = &log.lanes[at];
        // The first one is wanted: the others are passed at once.
        let from = if most == 1 { 1 } else { usize::MAX };
        let dated = Lane::date(lane.anchor?, lane.progress.last_ts, lane.first(from));
        let wanted = dated.into_iter().enumerate().filter(|(_, dated)| lane.wants(dated.report));
        Some((log, wanted.take(most).collect()))
    }
}

/// Bytes that may come after the last report of a body.
const CLOSING: usize = 64;

impl Part<'_> {
    /// Appends the next report.
    fn append(&self, body: &mut String, settings: &Settings) -> Option<()> {
        let (_, dated) = self.reports.get(self.taken)?;
        let (at, reports) = (self.place.1, [*dated]);
        let content = content(&Purpose::Batch, self.log, at, settings, &reports)?;
        self.log.lanes[at].dialect.append(body, &content);
        Some(())
    }

    fn taken(&self, ctx: &DeliveryContext<'_>) -> Option<Taken> {
        let taken = &self.reports[..self.taken];
        let (last, dated) = taken.last()?;
        let unwritten = |(_, dated): &(usize, DatedReport<'_>)| {
            u64::try_from(dated.number)
                .is_ok_and(|number| ctx.changes.holds(&Key::Report(self.place.0, number)))
        };
        Some(Taken {
            place: self.place,
            reports: last + 1,
            unwanted: last + 1 - taken.len(),
            last_ts: dated.ts,
            unwritten: taken.iter().any(unwritten),
        })
    }
}
