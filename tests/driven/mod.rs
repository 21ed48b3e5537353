//! The shipped engine on a simulated disk, in virtual time, with players that are driven by hand.

#![allow(dead_code, reason = "each test uses a part of it")]

use playheadd::core::Agent;
use playheadd::core::dialect::exchange::{Outcome, Purpose, Request};
use playheadd::core::input::{Input, Target};
use playheadd::core::player::{EventSource, PlayerId};
use playheadd::core::rejected::Rejected;
use playheadd::core::settings::{CollectorSettings, Consent, DeliverySettings, Settings};
use playheadd::core::time::{BootInstant, Now, Span, WallTime};
use playheadd::core::tracker::event::EventName;
use playheadd::core::tracker::info::{Info, Value};
use playheadd::core::turn::Reply;
use playheadd::engine::{Action, Event};
use playheadd::sim::driver::{Driver, start_info};
use serde_json::Value as Json;

const EPOCH_MS: i64 = 1_800_000_000_000;
const DAY_MS: i64 = 86_400_000;
pub struct Agents {
    pub driver: Driver,
    /// Milliseconds on the clock of the box.
    pub now: i64,
    boots: u32,
    /// Starts of an agent, each of which has random numbers of its own.
    starts: u64,
    settings: Settings,
    /// Requests that were not answered yet.
    pub sent: Vec<Request>,
    pub replies: Vec<Result<Reply, Rejected>>,
    /// The most reports that were in memory.
    pub most_in_memory: usize,
}

pub fn settings(collectors: usize) -> Settings {
    let named = |n: usize| CollectorSettings { name: format!("c{n}"), ..Default::default() };
    Settings {
        initial_consent: Consent::In,
        collectors: (0..collectors).map(named).collect(),
        delivery: DeliverySettings {
            hold_on_metered: true,
            reconnect_spread: Span::ZERO,
            backlog_ratio: 0.0,
            ..DeliverySettings::default()
        },
        ..Settings::default()
    }
}

pub fn player(n: usize) -> PlayerId {
    PlayerId { sender: format!(":1.{n}"), instance: "/p".into() }
}

impl Agents {
    pub fn new(settings: Settings) -> Agents {
        let mut new = Agents {
            driver: Driver::default(),
            now: 0,
            boots: 1,
            starts: 1,
            settings,
            sent: Vec::new(),
            replies: Vec::new(),
            most_in_memory: 0,
        };
        new.start(Vec::new());
        new
    }

    pub fn clock(&self) -> Now {
        Now {
            boot: BootInstant(self.now),
            wall: WallTime(EPOCH_MS + i64::from(self.boots) * DAY_MS + self.now),
            slept: Span::ZERO,
        }
    }

    /// Starts an agent. Nothing is sent until `Input::Metered(false)`.
    pub fn start(&mut self, present: Vec<String>) {
        self.start_seeded(1, present);
    }

    fn start_seeded(&mut self, seed: u64, present: Vec<String>) {
        let info = start_info(&format!("boot-{}", self.boots), seed);
        self.driver.start(self.settings.clone(), info, self.clock());
        self.give(Input::Metered(true));
        self.give(Input::Recovered { present });
    }

    pub fn give(&mut self, input: Input) {
        let arrived = self.clock().boot;
        self.tell(Event::Message { input, arrived });
    }

    pub fn tell(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.driver.tell(event, self.clock(), self.now, &mut actions);
        for action in actions {
            match action {
                Action::Send(request) => self.sent.push(request),
                Action::Reply(_, result) => self.replies.push(result),
                _ => {}
            }
        }
        self.most_in_memory = self.most_in_memory.max(self.agent().delivery().reports_in_memory());
    }

    /// Another configuration is loaded.
    pub fn reload(&mut self, settings: Settings) {
        self.settings = settings;
        self.tell(Event::Reload(Box::new(self.settings.clone())));
    }

    /// The agent is killed and starts again with another configuration.
    pub fn start_with(&mut self, settings: Settings, present: Vec<String>) {
        self.driver.kill();
        self.settings = settings;
        self.starts += 1;
        self.start_seeded(self.starts, present);
    }

    /// The power is cut, and a new boot begins at 0.
    pub fn cut_power(&mut self) {
        self.driver.cut_power();
        self.boots += 1;
        self.now = 0;
    }

    pub fn agent(&self) -> &Agent {
        self.driver.agent().expect("an agent")
    }

    pub fn say(&mut self, n: usize, name: EventName, info: &[(&str, Value)]) {
        let info: Info = info.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        let (playhead, player) = (-1.0, player(n));
        self.give(match name {
            EventName::SessionStart => Input::Open {
                call: None,
                player,
                source: EventSource::Signal,
                uid: None,
                app: "tv.app".into(),
                playhead,
                info,
            },
            name => {
                let target = Target::Player(player);
                Input::Event { call: None, target, name, playhead, info }
            }
        });
    }

    pub fn pass(&mut self, ms: i64) {
        let until = self.now + ms;
        while let Some(due) = self.driver.deadline().filter(|due| due.0 <= until) {
            self.now = due.0.max(self.now);
            self.tell(Event::Tick);
        }
        self.now = until;
    }

    /// Everything that waits is delivered to a healthy collector; gives what it got.
    pub fn deliver(&mut self) -> Vec<Json> {
        self.deliver_to(|_| 204)
    }

    /// The same to a collector that answers with a status of its own.
    pub fn deliver_to(&mut self, status: impl Fn(&Request) -> u16) -> Vec<Json> {
        let mut got = Vec::new();
        for turn in 0.. {
            assert!(turn < 100_000, "it comes to rest");
            if self.sent.is_empty() {
                match self.driver.deadline().filter(|_| self.agent().status().queued_hits > 0) {
                    Some(due) => self.now = self.now.max(due.0),
                    None => break,
                }
                self.tell(Event::Tick);
            }
            for request in std::mem::take(&mut self.sent) {
                let opens = request.purpose != Purpose::Download
                    && !matches!(request.purpose, Purpose::Report { .. });
                let location = opens.then(|| format!("/api/v1/sessions/S{turn}"));
                let outcome = Outcome::Answered {
                    status: status(&request),
                    location,
                    retry_after: None,
                    body: String::new(),
                };
                got.push(serde_json::from_str(&request.body).expect("a body is JSON"));
                self.tell(Event::Answer { request: request.id, outcome });
            }
        }
        got
    }
}

/// Counts the hits of one type.
pub fn of_type(got: &[Json], name: &str) -> usize {
    got.iter().filter(|hit| hit["eventType"] == name).count()
}

pub fn media(id: &str, downloaded: bool) -> Vec<(&'static str, Value)> {
    vec![("id", Value::Text(id.into())), ("downloaded", Value::Bool(downloaded))]
}
