//! What readers may see of the agent, as of the engine's last turn (behaviour.md 1.5).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Engine;
use super::failure::Failures;
use crate::core::delivery::trouble::DeliveryState;
use crate::core::dialect::exchange::Problem;
use crate::core::media::MediaInfo;
use crate::core::rejected::Rejected;
use crate::core::settings::CollectorSettings;
use crate::core::text::host;
use crate::core::time::{BootInstant, Now, Span, WallTime};
use crate::core::tracker::playhead::Playhead;
use crate::core::{Agent, Status};

/// The agent as its properties show it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// `None` before the first turn.
    pub status: Option<Status>,
    pub store_healthy: bool,
    pub queued_bytes: u64,
    /// The first one first.
    pub collectors: Vec<CollectorSnapshot>,
    pub report_suite: String,
    /// What works in the configuration and is surely not meant.
    pub warnings: Arc<[String]>,
    /// The word for `DeliveryState`.
    pub delivery: &'static str,
    pub times: DeliveryTimes,
    /// What a collector last said, in words.
    pub last_answer: String,
    /// What is wrong now, for `LastError`.
    pub failures: Failures,
    /// What every call but reads is answered, while there is no configuration that can be used.
    pub not_configured: Option<Rejected>,
    pub sessions: BTreeMap<u32, SessionSnapshot>,
}

impl Default for Snapshot {
    fn default() -> Snapshot {
        Snapshot {
            status: None,
            store_healthy: true,
            queued_bytes: 0,
            collectors: Vec::new(),
            report_suite: String::new(),
            warnings: Arc::default(),
            delivery: DeliveryState::Idle.name(),
            times: DeliveryTimes::default(),
            last_answer: String::new(),
            failures: Failures::default(),
            not_configured: None,
            sessions: BTreeMap::new(),
        }
    }
}

/// When what happened or will happen in delivery; `None` when it did not or when no clock can tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryTimes {
    /// The start of the agent, since when it counts.
    pub started: Option<WallTime>,
    pub failing_since: Option<WallTime>,
    pub last_delivered: Option<WallTime>,
    pub last_answer: Option<WallTime>,
    pub oldest_queued: Option<WallTime>,
    /// When the next request can go.
    pub next_try: Option<WallTime>,
}

/// A collector as the properties show it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CollectorSnapshot {
    pub name: String,
    pub kind: String,
    /// Nothing more of its URL.
    pub host: String,
    /// What waits for it: hits, and bytes in the store.
    pub hits: u64,
    pub bytes: u64,
    pub last_delivered: Option<WallTime>,
    /// What it last said, in words, and when.
    pub last_answer: String,
    pub last_answer_at: Option<WallTime>,
    pub failing_since: Option<WallTime>,
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

/// How old what is shown of the oldest hit may be: thousands of logs are not looked through at each
/// turn.
const OLDEST_EVERY: Span = Span::seconds(1);

impl Engine {
    /// Looks for the oldest hit that waits, now and then.
    pub(super) fn look_for_oldest(&mut self, now: Now) {
        let delivery = self.agent.delivery();
        if delivery.queued() == 0 || !delivery.gates.clock_trusted {
            self.oldest = None;
        } else if self.oldest.is_none_or(|(looked, _)| now.boot - looked >= OLDEST_EVERY) {
            self.oldest = delivery.oldest_queued(now).map(|oldest| (now.boot, oldest));
        }
    }

    /// What readers see until the next turn.
    pub fn snapshot(&self, now: Now) -> Snapshot {
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
        let settings = self.agent.settings();
        let status = self.agent.status();
        let state = self.agent.delivery_state(now);
        // What is dated in boot time needs a clock that is right.
        let wall = |at: BootInstant| status.gates.clock_trusted.then(|| now.at(at).wall);
        let held = matches!(state, DeliveryState::Failing | DeliveryState::HeldBudget);
        let waits = held.then(|| delivery.next_try(settings)).flatten();
        let heard = delivery.last_heard();
        let times = DeliveryTimes {
            started: wall(self.started),
            failing_since: delivery.failing().and_then(|(since, _)| wall(since)),
            last_delivered: status.totals.last_delivered,
            last_answer: heard.map(|(at, _)| *at),
            oldest_queued: self.oldest.map(|(_, oldest)| oldest),
            next_try: waits.and_then(|at| wall(at.max(now.boot))),
        };
        Snapshot {
            collectors: settings.collectors.iter().map(|c| self.collector(c, now)).collect(),
            warnings: self.warnings.clone(),
            report_suite: settings.identity.report_suite.clone(),
            delivery: state.name(),
            times,
            last_answer: heard.map_or_else(String::new, |(_, said)| words(said)),
            status: Some(status),
            store_healthy: self.store.healthy(),
            queued_bytes: delivery.queued_bytes(),
            failures: self.failures.clone(),
            not_configured: None,
            sessions,
        }
    }
}

impl Engine {
    fn collector(&self, collector: &CollectorSettings, now: Now) -> CollectorSnapshot {
        let (delivery, name) = (self.agent.delivery(), collector.name.as_str());
        let waiting = delivery.waiting_for(name);
        let heard = delivery.heard_of(name);
        let failing = delivery.failing_of(name).filter(|_| delivery.gates.clock_trusted);
        CollectorSnapshot {
            name: name.to_owned(),
            kind: collector.kind.clone(),
            host: host(&collector.url),
            hits: waiting.count,
            bytes: waiting.bytes,
            last_delivered: match self.agent.settings().collectors.len() {
                1 => self.agent.status().totals.last_delivered,
                _ => delivery.delivered_of(name),
            },
            last_answer: heard.map_or_else(String::new, |(_, said)| words(said)),
            last_answer_at: heard.map(|(at, _)| *at),
            failing_since: failing.map(|(since, _)| now.at(since).wall),
        }
    }
}

/// What a collector said.
fn words(said: &Result<u16, Problem>) -> String {
    match said {
        Ok(status) => status.to_string(),
        Err(problem) => problem.why.clone(),
    }
}

impl Snapshot {
    /// Of each collector, what `of` gives, with commas between them.
    pub fn of_collectors(&self, of: fn(&CollectorSnapshot) -> &str) -> String {
        self.collectors.iter().map(of).collect::<Vec<_>>().join(", ")
    }

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
                ("DeliveryState", self.delivery != new.delivery),
                ("LastError", self.failures != new.failures),
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

/// What a status line says, without its numbers of hits, which change with each heartbeat.
#[derive(Debug, Default, PartialEq)]
pub(super) struct StatusGist {
    /// `None` while hits are delivered or there are none.
    held_by: Option<DeliveryState>,
    sessions: u32,
    last_error: String,
}

impl StatusGist {
    pub(super) fn of(agent: &Agent, failures: &Failures, now: Now) -> StatusGist {
        let state = agent.delivery_state(now);
        let well = matches!(state, DeliveryState::Working | DeliveryState::Idle);
        StatusGist {
            held_by: (!well).then_some(state),
            sessions: agent.status().active_sessions,
            last_error: failures.newest(now),
        }
    }
}

/// One line that a person can read in `systemctl status`.
pub(super) fn status_line(agent: &Agent, failures: &Failures, now: Now) -> String {
    let status = agent.status();
    let last_error = failures.newest(now);
    format!(
        "{}: {} session{}, {} hits delivered, {} waiting{}{last_error}",
        agent.delivery_state(now).name(),
        status.active_sessions,
        if status.active_sessions == 1 { "" } else { "s" },
        status.counters.delivered,
        status.queued_hits,
        if last_error.is_empty() { "" } else { "; " },
    )
}
