//! The agent in virtual time against a collector that accepts everything, and players that are let in
//! as the bus lets them in.

use std::collections::BTreeMap;

use playheadd::core::dialect::exchange::{Outcome, Purpose, Request};
use playheadd::core::input::{CallId, Input, Target};
use playheadd::core::player::{EventSource, PlayerId};
use playheadd::core::rate::{self, EventRates};
use playheadd::core::settings::Settings;
use playheadd::core::size;
use playheadd::core::time::{BootInstant, Now, Span, WallTime};
use playheadd::core::tracker::event::EventName;
use playheadd::core::tracker::info::{Info, Value};
use playheadd::engine::{Action, Event};
use playheadd::sim::driver::{Driver, start_info};
use serde_json::Value as Json;

use crate::story::{APP, FLOOD, SENDERS, Said, Story, Who, media};

const EPOCH_MS: i64 = 1_800_000_000_000;
/// Whose each connection is.
const UIDS: [Option<u32>; SENDERS] = [Some(1000), Some(1000), Some(1001), None];

/// What was sent: which session, and the body.
pub type Sent = Vec<(String, Json)>;

/// What became of a story.
#[derive(Default)]
pub struct Told {
    pub sent: Sent,
    /// Why calls were refused, with the numbers left out, and how often.
    pub refused: BTreeMap<String, u32>,
    /// What a refused call has changed all the same.
    pub changed: Option<String>,
}

struct SetTopBox {
    settings: Settings,
    driver: Driver,
    now: i64,
    sids: u32,
    /// How often each connection was made anew.
    connections: [u32; SENDERS],
    rates: EventRates,
    told: Told,
    /// The latest call was refused.
    refused: bool,
    /// The agent is looked at after every call.
    watched: bool,
}

impl SetTopBox {
    fn new(settings: Settings) -> SetTopBox {
        let mut new = SetTopBox {
            settings,
            driver: Driver::default(),
            now: 0,
            sids: 0,
            connections: [0; SENDERS],
            rates: EventRates::default(),
            told: Told::default(),
            refused: false,
            watched: false,
        };
        new.start();
        new
    }

    fn start(&mut self) {
        let start = start_info("b", 1);
        self.driver.start(self.settings.clone(), start, self.clock());
        let present = (0..SENDERS).map(|sender| self.unique(sender)).collect();
        self.give(Input::Recovered { present });
    }

    fn unique(&self, sender: usize) -> String {
        format!(":1.{sender}.{}", self.connections[sender])
    }

    fn player(&self, who: Who) -> PlayerId {
        PlayerId { sender: self.unique(who.sender), instance: format!("/p{}", who.instance) }
    }

    fn clock(&self) -> Now {
        let wall = WallTime(EPOCH_MS + self.now);
        Now { boot: BootInstant(self.now), wall, slept: Span::ZERO }
    }

    fn give(&mut self, input: Input) {
        let arrived = self.clock().boot;
        self.tell(Event::Message { input, arrived });
    }

    fn tell(&mut self, event: Event) {
        let now = self.clock();
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let mut actions = Vec::new();
            self.driver.tell(event, now, self.now, &mut actions);
            for action in actions {
                match action {
                    Action::Send(request) => events.push(self.accept(request)),
                    Action::Reply(_, Err(rejected)) => self.count(&rejected.why),
                    _ => {}
                }
            }
        }
    }

    fn count(&mut self, why: &str) {
        let reason = why.split(|c: char| c.is_ascii_digit()).collect();
        *self.told.refused.entry(reason).or_default() += 1;
        self.refused = true;
    }

    fn accept(&mut self, request: Request) -> Event {
        let (sid, location) = match &request.purpose {
            Purpose::Report { sid } => (sid.clone(), None),
            _ => {
                self.sids += 1;
                let sid = format!("S{}", self.sids);
                (sid.clone(), Some(format!("/api/v1/sessions/{sid}")))
            }
        };
        let body = serde_json::from_str(&request.body).expect("a body is JSON");
        self.told.sent.push((sid, body));
        let status = if location.is_some() { 201 } else { 204 };
        let outcome =
            Outcome::Answered { status, location, retry_after: None, body: String::new() };
        Event::Answer { request: request.id, outcome }
    }

    /// Time passes; every timer gets its turn.
    fn until(&mut self, at: i64) {
        loop {
            let due = self.driver.deadline().map(|d| d.0.max(self.now));
            match due.filter(|due| *due <= at) {
                Some(due) => self.now = due,
                None => break,
            }
            self.tell(Event::Tick);
        }
        self.now = at;
    }

    fn say(&mut self, said: &Said) {
        match said.clone() {
            Said::Lifecycle(state) => {
                self.give(Input::Lifecycle { call: None, app: APP.into(), state });
            }
            Said::Vanish(sender) => {
                let gone = self.unique(sender);
                self.connections[sender] += 1;
                self.rates.forget(&gone);
                self.give(Input::PlayerGone { sender: gone });
            }
            Said::Event(who, name, playhead, info) => {
                self.call(who, Target::Player(self.player(who)), (name, playhead, info));
            }
            Said::Numbered(who, number, name) => {
                let target = Target::Session { number, sender: self.unique(who.sender) };
                self.call(who, target, (name, -1.0, Info::new()));
            }
            Said::Flood(first, name) => {
                let floods = (0..SENDERS).map(|n| (first + n) % SENDERS);
                for sender in floods.flat_map(|sender| [sender; FLOOD]) {
                    let who = Who { sender, instance: 0 };
                    self.call(who, Target::Player(self.player(who)), (name, -1.0, Info::new()));
                }
            }
        }
    }

    /// A player says something, and if that is refused, nothing has changed.
    fn call(&mut self, who: Who, target: Target, said: (EventName, f64, Info)) {
        let before = self.watched.then(|| self.state());
        self.refused = false;
        let shown = format!("{target:?} {said:?}");
        let input = self.kept_out(who, &said.2).unwrap_or_else(|| self.input(who, target, said));
        self.give(input);
        let Some(before) = before.filter(|_| self.refused && self.told.changed.is_none()) else {
            return;
        };
        let after = self.state();
        if after != before {
            self.told.changed = Some(format!("{shown} changed\n{before}\ninto\n{after}"));
        }
    }

    /// What the agent is told instead of a message that the bus keeps out, by rate or size.
    fn kept_out(&mut self, who: Who, info: &Info) -> Option<Input> {
        let (limits, now) = (self.settings.limits.clone(), self.clock().boot);
        let of = |value: &Value| match value {
            Value::Text(text) => text.len(),
            Value::Dict(texts) => texts.iter().map(|(name, text)| name.len() + text.len()).sum(),
            _ => 8,
        };
        let bytes = 16 + info.iter().map(|(key, value)| key.len() + of(value)).sum::<usize>();
        let (cost, sender) = (rate::cost(bytes, &limits), self.unique(who.sender));
        let within = self.rates.of_sender(&limits, &sender, cost, now);
        let within =
            within.and_then(|()| self.rates.of_others(&limits, UIDS[who.sender], cost, now));
        if let Err(over) = within {
            self.count(&over.why);
            return Some(Input::Flooded { events: 1 });
        }
        let fits = size::check_body(bytes, &limits).and_then(|()| size::check_info(info, &limits));
        let too_large = fits.err()?;
        self.count(&too_large.why);
        Some(Input::Unreadable { event: "a call", sender: String::new(), why: too_large.why })
    }

    fn input(&self, who: Who, target: Target, said: (EventName, f64, Info)) -> Input {
        let (name, playhead, info) = said;
        let call = Some(CallId(1));
        match name {
            EventName::SessionStart => Input::Open {
                call,
                player: self.player(who),
                source: EventSource::Signal,
                uid: UIDS[who.sender],
                app: APP.into(),
                playhead,
                info,
            },
            name => Input::Event { call, target, name, playhead, info },
        }
    }

    /// Everything that an agent holds, but the count of refusals.
    fn state(&self) -> String {
        let agent = self.driver.agent().expect("an agent");
        // The totals of the box hold it too, and end with it.
        let refused = format!("rejected_events: {},", agent.status().rejected_events);
        let all = format!("{agent:?}");
        let (state, warnings) = all.rsplit_once("warnings: ").expect("warnings come last");
        assert!(state.contains(&refused) && warnings.starts_with("Warnings"));
        state.replace(&refused, "")
    }

    fn play(&mut self, story: &Story, cut: Option<usize>) {
        self.say(&Said::Event(Who::default(), EventName::SessionStart, 0.0, media()));
        for (n, (gap, said)) in story.iter().enumerate() {
            self.until(self.now + gap);
            if cut == Some(n) {
                self.cut();
            }
            self.say(said);
        }
        self.until(self.now + 5_000);
    }

    /// Stored and restored, as by a stop and a start.
    fn cut(&mut self) {
        self.tell(Event::Stop);
        self.driver.kill();
        self.start();
    }
}

/// Plays a story, after the first player has opened a session, and looks at the agent after each call.
pub fn play_out(settings: &Settings, story: &Story) -> Told {
    let mut world = SetTopBox::new(settings.clone());
    world.watched = true;
    world.play(story, None);
    world.told
}

/// What is sent in a story when the agent is stopped and started before the line `cut`.
pub fn sent(settings: &Settings, story: &Story, cut: Option<usize>) -> Sent {
    let mut world = SetTopBox::new(settings.clone());
    world.play(story, cut);
    world.told.sent
}
