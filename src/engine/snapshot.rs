//! What readers may see of the agent, as of the engine's last turn (behaviour.md 1.5).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Engine;
use super::failure::Failures;
use crate::core::media::MediaInfo;
use crate::core::time::BootInstant;
use crate::core::tracker::playhead::Playhead;
use crate::core::{Agent, Status};

/// The agent as its properties show it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// `None` before the first turn.
    pub status: Option<Status>,
    pub store_healthy: bool,
    pub queued_bytes: u64,
    /// Host of the collector, nothing more of its URL.
    pub collector: String,
    /// What is wrong now, for `LastError`.
    pub failures: Failures,
    pub sessions: BTreeMap<u32, SessionSnapshot>,
}

impl Default for Snapshot {
    fn default() -> Snapshot {
        Snapshot {
            status: None,
            store_healthy: true,
            queued_bytes: 0,
            collector: String::new(),
            failures: Failures::default(),
            sessions: BTreeMap::new(),
        }
    }
}

/// One session as its object shows it (behaviour.md 1.4).
#[derive(Debug, Clone, PartialEq)]
pub struct SessionSnapshot {
    pub app: String,
    pub media: Arc<MediaInfo>,
    pub state: &'static str,
    pub playhead: Playhead,
    pub resumed: bool,
    pub queued: u32,
    pub opened: bool,
    pub sid: Option<String>,
}

impl SessionSnapshot {
    /// Seconds in the main content at a moment.
    pub fn position(&self, now: BootInstant) -> f64 {
        self.playhead.at(now, &self.media)
    }
}

/// A property that is worth a `PropertiesChanged`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    Agent(&'static str),
    Session(u32, &'static str),
}

impl Engine {
    /// What readers see until the next turn.
    pub fn snapshot(&self) -> Snapshot {
        let delivery = self.agent.delivery();
        let mut sessions = BTreeMap::new();
        for (number, session) in self.agent.sessions() {
            let (queued, opened) = delivery.queued_of(number);
            let snapshot = SessionSnapshot {
                app: session.app.clone(),
                media: session.tracker.media().clone(),
                state: session.state_name(),
                playhead: session.tracker.playhead(),
                resumed: session.resumed,
                queued,
                opened,
                sid: delivery.sid(session.log).map(str::to_owned),
            };
            sessions.insert(number, snapshot);
        }
        let collector = self.agent.settings().collectors.first();
        Snapshot {
            status: Some(self.agent.status()),
            store_healthy: self.store.healthy(),
            queued_bytes: delivery.queued_bytes(),
            collector: collector.map_or_else(String::new, |first| host(&first.url)),
            failures: self.failures.clone(),
            sessions,
        }
    }
}

impl Snapshot {
    /// The announced properties that differ between `self` and `new`.
    pub fn changes_to(&self, new: &Snapshot) -> Vec<Changed> {
        let mut changes = Vec::new();
        if let (Some(a), Some(b)) = (&self.status, &new.status) {
            let differ = [
                ("ActiveSessions", a.active_sessions != b.active_sessions),
                ("Online", a.gates.online != b.gates.online),
                ("ClockTrusted", a.gates.clock_trusted != b.gates.clock_trusted),
                ("Consent", a.consent != b.consent),
                ("StoreHealthy", self.store_healthy != new.store_healthy),
                ("LastError", self.failures.newest() != new.failures.newest()),
            ];
            changes.extend(differ.iter().filter(|d| d.1).map(|d| Changed::Agent(d.0)));
        }
        for (number, b) in &new.sessions {
            let Some(a) = self.sessions.get(number) else { continue };
            let differ = [
                ("State", a.state != b.state),
                ("Resumed", a.resumed != b.resumed),
                ("Opened", a.opened != b.opened),
            ];
            changes.extend(differ.iter().filter(|d| d.1).map(|d| Changed::Session(*number, d.0)));
        }
        changes
    }
}

/// One line that a person can read in `systemctl status`.
pub(super) fn status_line(agent: &Agent, store_healthy: bool, failures: &Failures) -> String {
    let status = agent.status();
    let last_error = failures.newest();
    format!(
        "{} session{}, {} hits delivered, {} waiting{}{}{}{last_error}",
        status.active_sessions,
        if status.active_sessions == 1 { "" } else { "s" },
        status.counters.delivered,
        status.queued_hits,
        if status.gates.consent { "" } else { "; waiting for consent" },
        if store_healthy { "" } else { "; the store cannot be written" },
        if last_error.is_empty() { "" } else { "; " },
    )
}

/// The host of a URL, and nothing more of it.
pub fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}
