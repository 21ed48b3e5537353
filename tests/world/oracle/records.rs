//! Holds what arrived at the collector of OpenTelemetry logs against what was owed: every answered
//! event once, by its id. On the wire a record may come again (otlp.md 2).

use std::collections::{BTreeMap, HashMap};

use super::{BUMPS_MS, Oracle, TS_ERROR_MS, UNSAVED_MS};
use crate::run::Sent;

/// A viewing, the kind of an event, and what names it.
type Event<'w> = (&'w str, &'w str, &'w str);

impl<'w> Oracle<'w> {
    pub(super) fn the_logs_have_all(&mut self) {
        let world = self.world;
        let mut first: BTreeMap<&str, &Sent> = BTreeMap::new();
        let mut refused: BTreeMap<&str, &Sent> = BTreeMap::new();
        let mut marks: HashMap<&str, &str> = HashMap::new();
        for sent in &world.sent_logs {
            if let Some(mark) = &sent.mark {
                marks.insert(&sent.session, mark);
            }
            if sent.refused {
                refused.insert(&sent.uid, sent);
            }
            if !sent.taken {
                continue;
            }
            let known = *first.entry(&sent.uid).or_insert(sent);
            let same = known.kind == sent.kind && known.key == sent.key;
            if !same || known.playhead != sent.playhead || known.session != sent.session {
                self.say("uid", format!("one id for {known:?} and {sent:?}"));
            }
        }
        refused.retain(|uid, _| !first.contains_key(uid));
        let event = |sent: &&'w Sent| -> Option<Event<'w>> {
            let mark = *marks.get(&*sent.session)?;
            (sent.kind != "ping").then_some((mark, &*sent.kind, &*sent.key))
        };
        let mut arrived: BTreeMap<Event<'w>, Vec<&Sent>> = BTreeMap::new();
        for sent in first.values() {
            if let Some(event) = event(sent) {
                arrived.entry(event).or_default().push(sent);
            }
        }
        let mut gone: BTreeMap<Event<'w>, usize> = BTreeMap::new();
        for sent in refused.values() {
            *event(sent).map_or(&mut 0, |event| gone.entry(event).or_default()) += 1;
        }
        self.each_once(&arrived, &gone);
        let mut sessions: BTreeMap<&str, Vec<&Sent>> = BTreeMap::new();
        for sent in first.values() {
            sessions.entry(&sent.session).or_default().push(sent);
        }
        let lost = |session: &str| refused.values().any(|sent| sent.session == session);
        for (session, mut records) in sessions {
            records.sort_by_key(|sent| (sent.ts, sent.at));
            if !lost(session) {
                self.in_order_and_alive(session, marks.get(session), &records);
            }
        }
    }

    fn each_once(
        &mut self,
        arrived: &BTreeMap<Event<'w>, Vec<&Sent>>,
        gone: &BTreeMap<Event<'w>, usize>,
    ) {
        let mut owed: BTreeMap<Event<'_>, Vec<usize>> = BTreeMap::new();
        for (n, one) in self.owed.iter().enumerate() {
            owed.entry((&one.play, one.kind, &one.key)).or_default().push(n);
        }
        let limited = self.world.counted.over_limit > 0;
        for (event, records) in arrived {
            let most = owed.get(event).map_or(0, Vec::len);
            if records.len() > most && !limited {
                self.say("log-twice", format!("{most} owed, got {records:?}"));
            }
        }
        if !self.world.logs_on {
            return;
        }
        for (event, all) in owed {
            let sure: Vec<usize> =
                all.iter().copied().filter(|n| self.owed[*n].undone.is_none()).collect();
            let mut got = arrived.get(&event).cloned().unwrap_or_default();
            let refused = gone.get(&event).copied().unwrap_or_default();
            if got.len() + refused < sure.len() && !limited {
                self.say("log-missing", format!("{} of {sure:?} {event:?}", got.len()));
            }
            if got.len() == sure.len() && sure.len() == all.len() {
                got.sort_by_key(|sent| sent.ts);
                let at = |n: &usize| self.owed[*n].from;
                let mut sure = sure;
                sure.sort_by_key(at);
                for (n, sent) in sure.into_iter().zip(got) {
                    self.at_its_time(n, sent);
                }
            }
        }
    }

    fn at_its_time(&mut self, n: usize, sent: &Sent) {
        let errors = &self.world.clock_errors;
        let near = |error: &i64| self.off_by(n, sent.ts - error) <= TS_ERROR_MS + BUMPS_MS;
        if !self.estimated[n] && !errors.iter().any(near) {
            let owed = &self.owed[n];
            self.say("log-time", format!("{sent:?} for {owed:?}"));
        }
    }

    /// The records of a session arrive in order, its start first, and never longer than an interval
    /// without one while the agent is there: no ping is lost on its way.
    fn in_order_and_alive(&mut self, session: &str, mark: Option<&&str>, records: &[&Sent]) {
        let Some(mark) = mark else {
            return self.say("log-start", format!("{session} has no start"));
        };
        let world = self.world;
        if records[0].kind != "sessionStart" {
            self.say("log-start", format!("{session} begins with {:?}", records[0]));
        }
        let of = self.owed.iter().zip(&self.estimated).filter(|(owed, _)| *owed.play == **mark);
        if of.clone().any(|(_, estimated)| *estimated)
            || world.counted.over_limit > 0
            || !world.forgotten.is_empty()
        {
            return;
        }
        let longest = world.ping_ms.max(world.batch_ping_ms) + BUMPS_MS;
        let mut last = records[0].ts;
        for sent in &records[1..] {
            let away = |error: &i64| {
                let (from, to) = (last - error - 1_000, sent.ts - error + 1_000);
                world.away.iter().any(|span| span.0 - UNSAVED_MS <= to && span.1 >= from)
            };
            // The end of a session that a power cut has ended is an estimate, with what it closes.
            let closes = ["sessionEnd", "adSkip", "adBreakComplete", "chapterSkip"];
            let estimate = closes.contains(&&*sent.kind);
            if sent.ts - last > longest && !estimate && !world.clock_errors.iter().any(away) {
                self.say("log-heart", format!("silent from {last} to {sent:?}"));
            }
            let beat = matches!(&*sent.kind, "ping" | "play" | "pauseStart" | "bufferStart");
            if beat || sent.kind == "adStart" {
                last = sent.ts;
            }
        }
    }
}
