//! What must hold at any moment, whatever arrives at the collector later.

use playheadd::core::Agent;
use playheadd::core::record::Accepted;
use playheadd::core::settings::Consent;
use playheadd::core::time::BootInstant;
use playheadd::core::tracker::Phase;

use super::World;
use super::disk::Saved;

/// What is under way stays, whatever the limit.
const MOST_UNDER_WAY: u64 = 4_000;
/// The longest that a request under way keeps the agent from finding out that the collector
/// answers again, in ms, and the time to spare at the end of a sid.
const TO_FIND_OUT_MS: i64 = 90_000;

impl World {
    /// Notes since when the agent could deliver everything.
    pub(super) fn look_at_the_collector(&mut self) {
        let works = !self.ruled
            && self.now >= self.wished_until
            && self.network
            && self.trusted
            && self.alive
            && !self.frozen()
            && self.model.consent() == Consent::In
            && self.settings.initial_consent == Consent::In
            && self.driver.disk.fault == Default::default()
            && self.driver.disk.fails_every == 0;
        self.answering_since = works.then(|| self.answering_since.unwrap_or(self.now));
    }

    /// No sid dies while its session lives and the collector answers.
    fn look_at_sids(&mut self, agent: &Agent) {
        let Some(since) = self.answering_since else { return };
        let booted = self.booted();
        let dies = |at: BootInstant| booted + (at + agent.settings().delivery.sid_lifetime).0;
        let dead: Vec<String> = agent
            .sessions()
            .filter(|(_, session)| session.tracker.phase() == Phase::Open)
            .filter_map(|(number, session)| match agent.delivery().last_accepted(session.log)? {
                Accepted::Boot(at) => Some((number, dies(at))),
                Accepted::Wall(_) => None,
            })
            .filter(|(_, dies)| *dies < self.now && *dies > since + TO_FIND_OUT_MS)
            .map(|(number, dies)| format!("session {number} has lost its sid at {dies}"))
            .collect();
        for text in dead {
            self.say("sid", text);
        }
    }

    /// The truth of this moment.
    pub(super) fn saved(&self) -> Saved {
        Saved { model: self.model.clone(), owed: self.truth.owed.len(), acks: self.acks.len() }
    }

    /// What must hold when everybody has gone and everything works again.
    pub(super) fn at_rest(&mut self) {
        let Some(agent) = self.agent() else { return };
        let queued = agent.delivery().queued();
        let left: Vec<String> = agent
            .sessions()
            .map(|(n, s)| format!("session {n} is left, {:?}, {:?}", s.tracker.phase(), s.owner))
            .collect();
        if queued > 0 {
            self.say("queue", format!("{queued} hits still wait at the end"));
        }
        for text in left {
            self.say("left", text);
        }
    }

    /// Adds up what the agents of the day count, and holds the queue within its limit.
    pub(super) fn count(&mut self, agent: &Agent, reading: bool) {
        self.look_at_sids(agent);
        let (new, old) = (agent.delivery().counters, self.counters);
        let (bytes, most) =
            (agent.delivery().queued_bytes(), self.settings.delivery.queue_max_bytes);
        self.counted.delivered += new.delivered - old.delivered;
        self.counted.dropped += new.dropped - old.dropped;
        self.counted.closed_by_server += new.closed_by_server - old.closed_by_server;
        self.counted.over_limit += new.over_limit - old.over_limit;
        self.counted.ambiguous_pings += new.ambiguous_pings - old.ambiguous_pings;
        self.counters = new;
        self.most_queued = self.most_queued.max(agent.delivery().queued());
        // Room is made as far as the store has been read.
        if bytes > most + MOST_UNDER_WAY && !reading {
            self.say("limit", format!("{}: {bytes} bytes wait, {most} may", self.now));
        }
    }
}
