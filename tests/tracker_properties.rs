//! Whatever a player says, in whatever order: what must hold for the hits of every session
//! (docs/protocol.md 2, 3, 9). The agent runs in virtual time against a collector that accepts
//! everything.

use std::collections::BTreeMap;

use playheadd::core::dialect::exchange::{Outcome, Purpose, Request};
use playheadd::core::input::{Input, Lifecycle, Target};
use playheadd::core::player::{EventSource, PlayerId};
use playheadd::core::settings::{Consent, Settings};
use playheadd::core::time::{BootInstant, Now, WallTime};
use playheadd::core::tracker::event::EventName;
use playheadd::core::tracker::info::{Info, Value};
use playheadd::engine::{Action, Event};
use playheadd::sim::driver::{Driver, start_info};
use proptest::prelude::*;
use serde_json::Value as Json;

const EPOCH_MS: i64 = 1_800_000_000_000;
const APP: &str = "tv.example.app";

/// One thing a player or an application manager says.
#[derive(Debug, Clone)]
enum Said {
    Event(EventName, f64, Info),
    Lifecycle(Lifecycle),
}

/// What was sent: which session, and the body.
type Sent = Vec<(String, Json)>;

struct Box {
    driver: Driver,
    now: i64,
    sent: Sent,
    sids: u32,
    /// Every refusal left the tracker as it was.
    refusals_change_nothing: bool,
}

fn settings() -> Settings {
    Settings { initial_consent: Consent::In, ..Settings::default() }
}

fn player() -> PlayerId {
    PlayerId { sender: ":1.1".into(), instance: "/p".into() }
}

impl Box {
    fn new() -> Box {
        let mut new = Box {
            driver: Driver::default(),
            now: 0,
            sent: Vec::new(),
            sids: 0,
            refusals_change_nothing: true,
        };
        new.start();
        new
    }

    fn start(&mut self) {
        let start = start_info("b", 1);
        self.driver.start(settings(), start, self.clock());
        self.give(Input::Recovered { present: vec![":1.1".into()] });
    }

    fn clock(&self) -> Now {
        Now { boot: BootInstant(self.now), wall: WallTime(EPOCH_MS + self.now) }
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
                if let Action::Send(request) = action {
                    events.push(self.accept(request));
                }
            }
        }
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
        self.sent.push((sid, body));
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
        let before = self.state();
        let input = match said.clone() {
            Said::Lifecycle(state) => {
                return self.give(Input::Lifecycle { call: None, app: APP.into(), state });
            }
            Said::Event(EventName::SessionStart, playhead, info) => Input::Open {
                call: None,
                player: player(),
                source: EventSource::Signal,
                uid: None,
                app: APP.into(),
                playhead,
                info,
            },
            Said::Event(name, playhead, info) => {
                Input::Event { call: None, target: Target::Player(player()), name, playhead, info }
            }
        };
        let refused = self.refused();
        self.give(input);
        if self.refused() > refused && self.state() != before {
            self.refusals_change_nothing = false;
        }
    }

    fn refused(&self) -> u64 {
        self.driver.agent().expect("an agent").status().rejected_events
    }

    fn state(&self) -> String {
        let agent = self.driver.agent().expect("an agent");
        agent.sessions().map(|(n, s)| format!("{n} {:?} {:?}", s.tracker, s.interrupt)).collect()
    }

    /// Stored and restored, as by a stop and a start.
    fn cut(&mut self) {
        self.tell(Event::Stop);
        self.driver.kill();
        self.start();
    }
}

fn play_out(story: &[(i64, Said)], cut: Option<usize>) -> (Sent, bool) {
    let mut world = Box::new();
    world.say(&Said::Event(EventName::SessionStart, 0.0, media()));
    for (n, (gap, said)) in story.iter().enumerate() {
        world.until(world.now + gap);
        if cut == Some(n) {
            world.cut();
        }
        world.say(said);
    }
    world.until(world.now + 5_000);
    (world.sent, world.refusals_change_nothing)
}

fn text(s: &str) -> Value {
    Value::Text(s.into())
}

fn info(pairs: &[(&str, Value)]) -> Info {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect()
}

fn media() -> Info {
    info(&[("id", text("m")), ("app", text(APP)), ("length", Value::Float(3000.0))])
}

fn said() -> impl Strategy<Value = Said> {
    use EventName::*;
    let playhead = prop_oneof![2 => Just(-1.0), 1 => 0.0..3000.0];
    let plain = prop::sample::select(vec![
        Play,
        Play,
        Play,
        Pause,
        Pause,
        BufferStart,
        BufferComplete,
        Stall,
        SeekStart,
        SeekComplete,
        AdBreakComplete,
        AdComplete,
        AdSkip,
        ChapterComplete,
        ChapterSkip,
        Playhead,
        End,
        Complete,
    ])
    .prop_map(|name| (name, Info::new()));
    let numbered = (prop::sample::select(vec![AdBreakStart, AdStart, ChapterStart]), 1_i64..3)
        .prop_map(|(name, n)| {
            let named = info(&[
                ("id", text(&format!("id{n}"))),
                ("name", text(&format!("name{n}"))),
                ("position", Value::Int(n)),
                ("start", Value::Float(0.0)),
                ("length", Value::Float(30.0)),
            ]);
            (name, named)
        });
    let state = (prop::sample::select(vec![StateStart, StateEnd]), 0..12)
        .prop_map(|(name, n)| (name, info(&[("name", text(&format!("s{n}")))])));
    let other = prop_oneof![
        Just((SessionStart, media())),
        Just((SessionStart, info(&[("id", text("other")), ("app", text(APP))]))),
        Just((Error, info(&[("id", text("E1"))]))),
        Just((BitrateChange, info(&[("bitrate", Value::Int(800))]))),
        Just((Qoe, info(&[("fps", Value::Int(25))]))),
    ];
    let event = (prop_oneof![4 => plain, 3 => numbered, 1 => state, 1 => other], playhead)
        .prop_map(|((name, info), playhead)| Said::Event(name, playhead, info));
    let lifecycle = prop::sample::select(vec![Lifecycle::Background, Lifecycle::Foreground])
        .prop_map(Said::Lifecycle);
    prop_oneof![12 => event, 1 => lifecycle]
}

fn story() -> impl Strategy<Value = Vec<(i64, Said)>> {
    let short =
        vec![0_i64, 0, 1, 20, 100, 249, 250, 251, 999, 1000, 1001, 3000, 9_999, 10_000, 10_001];
    let long = vec![25_000_i64, 59_999, 60_000, 61_000, 600_000, 1_800_000, 1_900_000];
    // A day makes thousands of pings: seldom enough to stay quick.
    let gap = prop_oneof![
        300 => prop::sample::select(short),
        60 => prop::sample::select(long),
        1 => Just(86_400_000_i64),
    ];
    prop::collection::vec((gap, said()), 1..60)
}

fn kind(body: &Json) -> &str {
    body["eventType"].as_str().expect("a type")
}

fn ts(body: &Json) -> i64 {
    body["playerTime"]["ts"].as_i64().expect("an integer")
}

fn by_session(sent: &Sent) -> BTreeMap<&str, Vec<&Json>> {
    let mut sessions: BTreeMap<&str, Vec<&Json>> = BTreeMap::new();
    for (sid, body) in sent {
        sessions.entry(sid).or_default().push(body);
    }
    sessions
}

/// The order and nesting of one session's hits (spec 3.1, 3.2, 3.9, 3.10).
fn check_session(sid: &str, hits: &[&Json]) -> Result<(), TestCaseError> {
    prop_assert_eq!(kind(hits[0]), "sessionStart", "{} begins", sid);
    let (mut in_break, mut in_ad, mut in_chapter) = (false, false, false);
    let mut states: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let mut heard_at = ts(hits[0]);
    for (n, hit) in hits.iter().enumerate() {
        if n > 0 {
            prop_assert!(ts(hit) > ts(hits[n - 1]), "{}: ts rises at #{} {}", sid, n, hit);
            let ended = ["sessionEnd", "sessionComplete"].contains(&kind(hits[n - 1]));
            prop_assert!(!ended, "{}: {} after the end", sid, hit);
            // Hits of the same instant are told apart by a millisecond each.
            let patience = if in_ad { 1_000 } else { 10_000 } + 50;
            prop_assert!(ts(hit) - heard_at <= patience, "{}: silence before #{} {}", sid, n, hit);
        }
        let state = || hit["params"]["media.state.name"].as_str().expect("a name");
        match kind(hit) {
            "sessionStart" => prop_assert_eq!(n, 0),
            "ping" => prop_assert!(hit.get("params").is_none()),
            "adBreakStart" => prop_assert!(!std::mem::replace(&mut in_break, true)),
            "adBreakComplete" => {
                prop_assert!(!in_ad);
                prop_assert!(std::mem::replace(&mut in_break, false));
            }
            "adStart" => {
                prop_assert!(in_break, "{}: an ad outside a break", sid);
                prop_assert!(!std::mem::replace(&mut in_ad, true));
            }
            "adComplete" | "adSkip" => prop_assert!(std::mem::replace(&mut in_ad, false)),
            "chapterStart" => prop_assert!(!std::mem::replace(&mut in_chapter, true)),
            "chapterComplete" | "chapterSkip" => {
                prop_assert!(std::mem::replace(&mut in_chapter, false));
            }
            "stateStart" => {
                prop_assert!(!states.contains(&state()));
                states.push(state());
                if !names.contains(&state()) {
                    names.push(state());
                }
                prop_assert!(names.len() <= 10, "{}: an eleventh state name", sid);
            }
            "stateEnd" => {
                prop_assert!(states.contains(&state()));
                states.retain(|s| *s != state());
            }
            _ => {}
        }
        if ["ping", "play", "pauseStart", "bufferStart", "adStart"].contains(&kind(hit)) {
            heard_at = ts(hit);
        }
        let playhead = hit["playerTime"]["playhead"].as_f64().expect("a number");
        prop_assert!(playhead >= 0.0);
        playheadd::sim::validate::event(hit).map_err(TestCaseError::fail)?;
    }
    Ok(())
}

fn complete(sent: &Sent) -> Sent {
    // The operator's parameters are empty here, and the schema wants them.
    let mut sent = sent.clone();
    for (_, body) in &mut sent {
        for key in
            ["analytics.trackingServer", "analytics.reportSuite", "visitor.marketingCloudOrgId"]
        {
            if body["params"].get(key).is_some() {
                body["params"][key] = "x".into();
            }
        }
    }
    sent
}

/// The hits of each session, whatever its number and turn.
fn each_by_itself(sent: &Sent) -> Vec<String> {
    let mut all: Vec<String> =
        by_session(sent).into_values().map(|hits| format!("{hits:?}")).collect();
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// spec 2, 3.1, 3.2, 5.5, P1 and P2.
    #[test]
    fn the_hits_of_every_session_are_in_order(story in story()) {
        let (sent, refusals_change_nothing) = play_out(&story, None);
        for (sid, hits) in by_session(&complete(&sent)) {
            check_session(sid, &hits)?;
        }
        prop_assert!(refusals_change_nothing, "an illegal call has changed something");
    }

    #[test]
    fn a_restart_of_the_agent_at_any_point_changes_nothing(story in story(), at in any::<prop::sample::Index>()) {
        let whole = play_out(&story, None).0;
        let cut = play_out(&story, Some(at.index(story.len()))).0;
        // Sessions take turns, so only the order within each is the same.
        prop_assert_eq!(each_by_itself(&whole), each_by_itself(&cut));
    }
}
