//! What must hold at any moment, whatever arrives at the collector later.

use playheadd::core::Agent;

use super::World;
use super::disk::Saved;

/// What is under way stays, whatever the limit.
const MOST_UNDER_WAY: u64 = 4_000;

impl World {
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
        let (new, old) = (agent.delivery().counters, self.counters);
        let (bytes, most) =
            (agent.delivery().queued_bytes(), self.settings.delivery.queue_max_bytes);
        self.counted.delivered += new.delivered - old.delivered;
        self.counted.dropped += new.dropped - old.dropped;
        self.counted.closed_by_server += new.closed_by_server - old.closed_by_server;
        self.counted.over_limit += new.over_limit - old.over_limit;
        self.counted.ambiguous_pings += new.ambiguous_pings - old.ambiguous_pings;
        self.counters = new;
        // Room is made as far as the store has been read.
        if bytes > most + MOST_UNDER_WAY && !reading {
            self.say("limit", format!("{}: {bytes} bytes wait, {most} may", self.now));
        }
    }
}
